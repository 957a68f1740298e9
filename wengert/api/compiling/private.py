"""The arrays that a recording run works on: copies of the call's, or those themselves where nothing can write to them.

Imports core and ``compiling/outside``. Invariant: what the run computes with keeps its content until the run is over,
or ``changed`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.compiling.outside import Outside
from wengert.api.compiling.reads import Content
from wengert.core.constants import Mark, is_unchanged, mark_of
from wengert.core.stores import may_write

LARGE = 1 << 18
"""Bytes of an array from which on a copy is worth being avoided: its memory is mapped for that alone."""

_LOOKING = frozenset({"flags", "ctypes", "data", "__array_interface__"})
"""Names of what shows how an array holds its memory: a view has other answers than a copy."""


class Private:
    """The ``values`` of the plain leaves of a call for its recording run, those ``taken`` as inputs of handles.

    A large array is shown as it is, read-only: handles copy what they write to, and where the code of the function
    and of what it calls shows no way to write into an array, and no array outside shares the memory, nobody else in
    the run does."""

    def __init__(self, fun: Callable[..., Any], leaves: Sequence[Any], taken: Sequence[bool], outside: Outside) -> None:
        pairs = [*zip(leaves, taken, strict=True)]
        self.values = [v.copy(order="K") if type(v) is np.ndarray and not _large(v, t) else v for v, t in pairs]
        self._shown: list[tuple[np.ndarray[Any, Any], Mark]] = []
        large = [k for k, (v, t) in enumerate(pairs) if type(v) is np.ndarray and _large(v, t)]
        alone = bool(large) and _LOOKING.isdisjoint(outside.names) and not may_write(fun)
        others = [read.array for read in outside.reads if isinstance(read, Content)]
        for k in large:
            value = leaves[k]
            if alone and not any(np.may_share_memory(value, other) for other in others):
                self._shown.append((value, mark_of(value, whole=False)))
                self.values[k] = value.view()
                self.values[k].flags.writeable = False
            else:
                self.values[k] = value.copy(order="K")

    def changed(self) -> bool:
        """Whether an array that was shown as it is has got another content since."""
        return not all(is_unchanged(value, mark) for value, mark in self._shown)


def _large(array: np.ndarray[Any, Any], taken: bool) -> bool:
    """Whether it is worth being shown, and its copy would lie in memory as it does."""
    return taken and array.nbytes >= LARGE and array.flags.forc and array.flags.aligned


__all__ = ["Private"]
