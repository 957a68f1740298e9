"""How the arrays of a call lie in memory: which are one, which share memory, which may be written to.

Imports ``compiling/outside`` and ``compiling/reads``. Invariant: what is not sure is said to share memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.api.compiling.outside import Outside
from wengert.api.compiling.reads import Content

SAME, LYING = "whether two objects are one", "how its arguments lie in memory"


def shares(leaves: Sequence[Any], outside: Outside, written: Sequence[int]) -> bool:
    """Whether an argument that is written to shares memory with another one, with itself, or with an array outside.

    Raises ValueError for one that may not be written to: the function itself says where."""
    if not all(leaves[k].flags.writeable for k in written):
        raise ValueError("it writes into an argument that is read-only")
    if any(overlaps(leaves[w]) for w in written):
        return True
    arrays = [(k, v) for k, v in enumerate(leaves) if type(v) is np.ndarray]
    others = [read.array for read in outside.reads if isinstance(read, Content)]
    return any(np.may_share_memory(leaves[w], v) for w in written for v in (*(v for k, v in arrays if k != w), *others))


def arrays_of(leaves: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
    """The arrays among leaves."""
    return [v for v in leaves if type(v) is np.ndarray]


def ordinary(leaves: Sequence[Any], asked: str) -> bool:
    """Whether what is asked of the arrays has the answer that a recorded run has, whose arrays are all different ones,
    in C order, may be written to and share no memory."""
    arrays = arrays_of(leaves) if asked else []
    if asked == SAME:
        return len({id(v) for v in arrays}) == len(arrays)
    return all(v.flags.carray for v in arrays) and not any(
        np.may_share_memory(v, w) for k, v in enumerate(arrays) for w in arrays[:k]
    )


def overlaps(array: np.ndarray[Any, Any]) -> bool:
    """Whether two elements of an array may be the same memory, as those of ``as_strided`` can."""
    reach = array.itemsize
    for step, count in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if step < reach:
            return array.size > 0
        reach += step * (count - 1)
    return False


__all__ = ["LYING", "SAME", "arrays_of", "ordinary", "overlaps", "shares"]
