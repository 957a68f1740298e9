"""Constant arrays that residuals refer to: what becomes of them when the program writes into their memory later on.

A scratch buffer that is filled anew for every step is ordinary NumPy. Up to 128 kB a residual therefore gets a private
copy (one for as long as the content stays the same); a larger one is referred to, and its content is marked. Imports
context and node. Invariant: a write into an array that a residual refers to leaves the derivative right or is found
before the sweep; only of large arrays that came from outside (arguments, globals, closures) is it looked for in a
sample, where the function's code shows no way to write into a part of an array.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from wengert.core.context import Frame, tracing
from wengert.core.node import here

SMALL = 16384
"""Bytes up to which a copy costs less than asking whether there is one already."""

COPIED = 1 << 17
"""Bytes up to which residuals have private copies."""

_BLOCK = 512  # numbers of 8 bytes that are summed up together
Mark = tuple[bool, bytes]


def keep_constant(value: Any, frame: Frame | None = None) -> Any:
    """A constant array as a residual may refer to it: a private copy, or the array itself, from now on watched."""
    if type(value) is not np.ndarray or (not value.flags.writeable and value.base is None):
        return value
    if value.nbytes <= SMALL:
        return value.copy(order="K")
    frame = frame if frame is not None else tracing.get()
    if frame is None or value.dtype.kind not in "fciub":
        return value
    whole = _owner(value)
    if whole.nbytes > COPIED:
        return _watched(value, whole, frame)
    copies = frame.copies
    if copies is None:
        copies = frame.copies = {}
    # Views are made anew each time (``A.T`` in a loop): the same memory in the same order is the same array.
    key = id(value) if whole is value else (value.__array_interface__["data"][0], value.strides)
    known = copies.get(key)
    if known is not None and known[1].shape == value.shape and known[1].dtype == value.dtype:
        _, made, content = known
        if content is None:
            content = made.tobytes()
            copies[key] = (value, made, content)
        if value.tobytes() == content:
            return made
    made = value.copy(order="K")
    copies[key] = (value, made, None)
    return made


def watch_constant(value: Any, frame: Frame | None = None) -> Any:
    """A constant array of a recorded graph, which refers to it as it is: copied when small, else watched."""
    if type(value) is not np.ndarray or (not value.flags.writeable and value.base is None):
        return value
    if value.nbytes <= SMALL:
        return value.copy(order="K")
    frame = frame if frame is not None else tracing.get()
    if frame is None or value.dtype.kind not in "fciub":
        return value
    return _watched(value, _owner(value), frame)


def _watched(value: Any, whole: Any, frame: Frame) -> Any:
    if id(value) not in frame.watched:
        sampled = whole.nbytes > COPIED and _is_given(value, whole, frame) and not _may_be_written(frame)
        frame.watched[id(value)] = (value, mark_of(value, whole=not sampled), here(4))
    return value


def _owner(value: Any) -> Any:
    """The array whose memory a view shows."""
    while type(value.base) is np.ndarray:
        value = value.base
    return value


def mark_of(array: np.ndarray[Any, Any], *, whole: bool) -> Mark:
    """What tells whether an array still has its content: sums of all its parts (``whole``) or a sample."""
    if 0 in array.strides:
        array = without_repeats(array)
    return whole, _sums(array) if whole else _sample(array)


def without_repeats(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array with one element along the axes along which it repeats itself."""
    return array[tuple([slice(None) if step else slice(0, 1) for step in array.strides])]


def is_unchanged(array: np.ndarray[Any, Any], mark: Mark) -> bool:
    """Whether an array has the content it had when it was marked."""
    return mark_of(array, whole=mark[0]) == mark


def _sample(array: np.ndarray[Any, Any]) -> bytes:
    """Some 128 spread elements, and the last one."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        return flat[:: flat.size // 128 or 1].tobytes() + flat[-1:].tobytes()
    step = max(1, round((array.size / 128) ** (1 / max(1, array.ndim))))
    return array[(slice(None, None, step),) * array.ndim].tobytes() + array[..., -1:].ravel()[-4:].tobytes()


def _sums(array: np.ndarray[Any, Any]) -> bytes:
    """A sum of each block of the content, weighted by place: it shows every write into one place, and an exchange."""
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
    elif array.flags.f_contiguous:
        flat = array.reshape(-1, order="F")
    else:
        flat = np.ascontiguousarray(array).reshape(-1)
    octets = flat.view(np.uint8)
    count = octets.size // (8 * _BLOCK) * _BLOCK
    blocks = octets[: 8 * count].view(np.uint64).reshape(-1, _BLOCK)
    # Modulo 2^64, where an odd weight loses nothing: a block in which one number changed has another sum.
    sums: bytes = np.dot(blocks, _weights()).tobytes()
    return sums + octets[8 * count :].tobytes()


@lru_cache(maxsize=1)
def _weights() -> np.ndarray[Any, Any]:
    # Powers of an odd number, the multiplier of a well-mixed congruential generator (Knuth, MMIX).
    return np.multiply.accumulate(np.full(_BLOCK, 6364136223846793005, np.uint64))


def _may_be_written(frame: Frame) -> bool:
    """Whether one of the functions that are being traced could write into a part of an array."""
    from wengert.core.stores import may_write_parts  # few programs need it, and it loads ``dis``

    return any(running.given is not None and may_write_parts(running.given[0]) for running in frame.chain())


def _is_given(value: Any, whole: Any, frame: Frame) -> bool:
    """Whether an array came into a running trace from outside: it is an argument, a global or of a closure."""
    for running in frame.chain():
        if running.given is not None:
            fun, args, kwargs = running.given
            seen = (*args, *kwargs.values(), *_reach_of(fun))
            if any(found is value or found is whole for found in seen):
                return True
    return False


def _reach_of(fun: Any) -> Iterable[Any]:
    """The arrays a function sees directly, without running anything of the user's."""
    while isinstance(fun, partial):
        yield from fun.args
        yield from fun.keywords.values()
        fun = fun.func
    owner = getattr(fun, "__self__", None)
    if owner is not None and type(getattr(owner, "__dict__", None)) is dict:
        yield from list(vars(owner).values())
    for cell in getattr(fun, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # empty by now
            continue
    names = getattr(fun, "__globals__", None)
    if type(names) is dict:
        yield from list(names.values())


__all__ = ["COPIED", "SMALL", "is_unchanged", "keep_constant", "mark_of", "watch_constant", "without_repeats"]
