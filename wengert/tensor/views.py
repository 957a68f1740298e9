"""Views of Tensors, with the history of what they show or without it: ``t[i]``, ``t.data``, views under ``no_grad``.

Imports ops, ``bridge``. Invariant: what a view without history is written through to is seen by its base and by all
other views, and no gradient flows through it.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.core.errors import WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.ops.memory import read
from wengert.tensor.bridge import outward
from wengert.tensor.mode import is_grad_enabled, is_traced, recording
from wengert.tensor.tensor import Tensor, current, extra, is_untracked, memory_of, plain

_WHOLE = ("index", Ellipsis)


def view_of(t: Tensor, step: Any) -> Any:
    """One view step from a Tensor; a copy where NumPy makes one."""
    with recording():
        made = outward(read(memory_of(t), step))
    kind = t._extra.untracked if is_untracked(t) else "" if is_grad_enabled() else "no_grad"
    if kind and isinstance(made, Tensor) and (kind == "data" or made.node is not None):
        cut(made, kind)
    return made


def cut(made: Tensor, kind: str) -> None:
    """Take the history from a new view, which goes on showing the memory."""
    made.node = None
    if made.mem is not None:
        extra(made).untracked = kind


def data_of(t: Tensor) -> Any:
    """``Tensor.data``."""
    if is_traced():
        return t.detach()
    with recording():
        made = outward(read(memory_of(t), _WHOLE))
    cut(made, "data")
    return made


def set_data(t: Tensor, value: Any) -> None:
    """``Tensor.data = value``."""
    from wengert.tensor.inplace import overwrite

    data = isinstance(value, Tensor) and is_untracked(value) and value.mem.path == (_WHOLE,)
    if data and value.mem.base is t.mem:
        return  # the end of ``t.data -= step``
    new = plain(value)
    if not is_handle(new):
        new = np.array(new, dtype=t.dtype)
    elif new.dtype != t.dtype:
        new = new.astype(t.dtype)
    if new.shape != t.shape:
        raise error_at(
            WengertValueError,
            f"data of shape {new.shape} for a Tensor of shape {t.shape}",
            fix="keep the shape",
            depth=4,
        )
    overwrite(t, new)


def release(t: Tensor) -> None:
    """Let the handle of a Tensor's memory go when no view is left that would have to see its writes."""
    mem = t.mem
    if mem is None or is_handle(t.value) or (mem.base is not None and mem.base is not mem):
        return
    current(t)
    if sys.getrefcount(mem) == 3 + (mem.base is mem):  # the Tensor, this function, the argument; and itself
        t.mem = None
        t.value = t.value if t.value.shape else t.value[()]


__all__ = ["cut", "data_of", "release", "set_data", "view_of"]
