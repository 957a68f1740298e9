"""View steps: how a view is reached from the array it looks into.

A path is a tuple of steps ``(kind, argument)``; applied to memory it gives NumPy's own view of it, so that views and
their base see each other's writes exactly as NumPy's do. Imports NumPy and core. Invariant: applying a path never
copies unless its last step is a fancy index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Step = tuple[str, Any]
Path = tuple[Step, ...]


class Slot:
    """The place of a traced index inside an index expression: filled from the operands."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"<index {self.number}>"


def _diagonal(array: Any, argument: Any) -> Any:
    offset, axis1, axis2 = argument
    return np.diagonal(array, offset, axis1, axis2)


def _writeable_diagonal(array: Any, _: Any) -> Any:
    return np.einsum("...ii->...i", array)


_STEPS = {
    "index": lambda array, index: array[index],
    "reshape": lambda array, argument: array.reshape(argument[0], order=argument[1]),
    "transpose": lambda array, axes: array.transpose(axes),
    "diagonal": _diagonal,
    "einsum_diagonal": _writeable_diagonal,
    "broadcast": lambda array, shape: np.broadcast_to(array, shape),
    "real": lambda array, _: array.real,
    "imag": lambda array, _: array.imag,
}
READ_ONLY = frozenset({"diagonal", "broadcast"})


def apply(path: Path, array: Any) -> Any:
    """Follow a path into an array (or into a handle: every step is an ordinary method call)."""
    for kind, argument in path:
        array = _STEPS[kind](array, argument)
    return array


def fill(path: Path, dynamic: tuple[Any, ...]) -> Path:
    """Put the values of traced indices into their slots."""
    if not dynamic:
        return path
    return tuple((kind, _fill_index(arg, dynamic) if kind == "index" else arg) for kind, arg in path)


def _fill_index(index: Any, dynamic: tuple[Any, ...]) -> Any:
    if type(index) is Slot:
        return dynamic[index.number]
    if type(index) is tuple:
        return tuple(_fill_index(part, dynamic) for part in index)
    if type(index) is slice and any(type(p) is Slot for p in (index.start, index.stop, index.step)):
        return slice(*(_fill_index(p, dynamic) for p in (index.start, index.stop, index.step)))
    return index


def numbered(path: Path, first: int) -> Path:
    """A path whose slots are numbered from ``first`` on."""
    if not first:
        return path
    return tuple((kind, _shifted(arg, first) if kind == "index" else arg) for kind, arg in path)


def _shifted(index: Any, first: int) -> Any:
    if type(index) is Slot:
        return Slot(index.number + first)
    return tuple(_shifted(part, first) for part in index) if type(index) is tuple else index


_BASIC = frozenset({int, slice, type(None), type(Ellipsis), np.int64, np.int32, np.intp, np.uint8, np.int16})


def is_basic(index: Any) -> bool:
    """Whether NumPy answers this index with a view (or a scalar) rather than a copy."""
    if type(index) is tuple:
        return all(type(part) in _BASIC for part in index)
    return type(index) in _BASIC


def may_repeat(index: Any) -> bool:
    """Whether an index may name an element twice: integer arrays or lists can, masks and slices cannot."""
    parts = index if type(index) is tuple else (index,)
    for part in parts:
        kind = type(part)
        if kind is list or (kind is np.ndarray and part.dtype.kind in "iu" and part.size > 1):
            if kind is list and part and all(isinstance(p, (bool, np.bool_)) for p in part):
                continue
            return True
    return False


def freeze(index: Any) -> Any:
    """The index with private copies of the arrays in it, so that later writes to them cannot change the record."""
    kind = type(index)
    if kind in _BASIC:
        return index
    if kind is tuple:
        return tuple(freeze(part) for part in index)
    if kind is np.ndarray:
        return index.copy()
    if kind is list:
        return np.array(index) if index else np.array([], dtype=np.intp)
    return index


def winners(path: Path, array_shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    """Where an index repeats, which of the written elements stays (NumPy: the last one); None when none repeats."""
    if not path or path[-1][0] != "index" or not may_repeat(path[-1][1]):
        return None
    slots = np.zeros(array_shape, dtype=np.intp)
    region = apply(path[:-1], slots)
    chosen = region[path[-1][1]]
    order = np.arange(chosen.size, dtype=np.intp).reshape(chosen.shape)
    region[path[-1][1]] = order
    keep = region[path[-1][1]] == order
    return None if bool(keep.all()) else keep
