"""The numbers in a path taken out of it and put back: what is fixed of an index, and what may be an operand.

Imports NumPy and the paths of ops. Invariant: ``path_of`` of what ``parsed`` gives leads to the same region.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.ops.paths import Path, Slot, apply

Static = tuple[Any, ...]
"""Steps of a path; an index has an entry per axis: i (an element), s (a slice: length and step), f (all), a (an integer
array), n (a new axis)."""
ONE: Static = (("index", (("i",),)),)


def parsed(path: Path, shape: tuple[int, ...]) -> tuple[Static, tuple[Any, ...]]:
    """A path parted into what is fixed and the numbers in it."""
    if len(path) == 1 and path[0][0] == "index" and type(path[0][1]) is int:
        number = path[0][1]
        return ONE, (number + shape[0] if number < 0 else number,)
    statics: list[Any] = []
    numbers: list[Any] = []
    for at, (kind, argument) in enumerate(path):
        if kind != "index":
            statics.append((kind, argument))
            continue
        if at:
            shape = np.shape(apply(path[:at], np.broadcast_to(np.zeros(()), shape)))
        parts = argument if type(argument) is tuple else (argument,)
        found = _index(parts, shape)
        if found is None:
            return (("whole", _opaque(path), _Kept(path)),), ()
        statics.append(("index", found[0]))
        numbers.extend(found[1])
    return tuple(statics), tuple(numbers)


class _Kept:
    """A path that is taken as it is; equal to every other one, since its key stands beside it."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def __eq__(self, other: object) -> bool:
        return type(other) is _Kept

    def __hash__(self) -> int:
        return 7


def _opaque(value: Any) -> Any:
    kind = type(value)
    if kind is tuple or kind is list:
        return kind.__name__, tuple(map(_opaque, value))
    if kind is slice:
        return "slice", _opaque(value.start), _opaque(value.stop), _opaque(value.step)
    if kind is Slot:
        return "slot", value.number
    if kind is np.ndarray:
        return "array", value.shape, value.dtype.str, value.tobytes()
    return kind.__name__, value


def _index(parts: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[tuple[Any, ...], list[Any]] | None:
    """Entries of an index with its numbers taken out: i (an int), s (a slice: length and step), f (all of an axis),
    a (an integer array), n (a new axis). None where that cannot be said."""
    taken = 0
    for p in parts:
        kind = type(p)
        if kind is int or kind is slice or isinstance(p, np.integer) or (kind is np.ndarray and p.dtype.kind in "iu"):
            taken += 1
        elif p is not None and p is not Ellipsis:
            return None
    entries: list[Any] = []
    numbers: list[Any] = []
    axis = 0
    for p in parts:
        if p is None:
            entries.append(("n",))
            continue
        if p is Ellipsis:
            for _ in range(len(shape) - taken):
                entries.append(("f",))
                axis += 1
            continue
        size = shape[axis]
        axis += 1
        if type(p) is slice:
            if any(type(v) is Slot for v in (p.start, p.stop, p.step)):
                return None
            start, stop, step = p.indices(size)
            length = len(range(start, stop, step))
            if length == size and step == 1:
                entries.append(("f",))
            else:
                entries.append(("s", length, step))
                numbers.append(start)
        elif type(p) is np.ndarray:
            entries.append(("a", p.shape))
            numbers.append(p)
        else:
            p = int(p)
            entries.append(("i",))
            numbers.append(p + size if p < 0 else p)
    return tuple(entries), numbers


def slice_of(start: int, length: int, step: int) -> slice:
    """The slice with these elements."""
    stop = start + length * step
    return slice(start, stop if stop >= 0 else None, step)


def path_of(static: Static, numbers: Sequence[Any]) -> Path:
    """The path with its numbers (ints, arrays, or Slots where an index is an operand) put back."""
    if static[0][0] == "whole":
        return static[0][2].path
    rest = iter(numbers)
    steps: list[Any] = []
    for kind, argument in static:
        if kind != "index":
            steps.append((kind, argument))
            continue
        parts: list[Any] = []
        for entry in argument:
            if entry[0] == "f":
                parts.append(slice(None))
            elif entry[0] == "n":
                parts.append(None)
            else:
                number = next(rest)
                parts.append(slice_of(number, *entry[1:]) if entry[0] == "s" and type(number) is int else number)
        steps.append(("index", parts[0] if len(parts) == 1 else tuple(parts)))
    return tuple(steps)


def may_vary(static: Static, varying: Sequence[bool], *, reads: bool) -> bool:
    """Whether these numbers of a path may come from operands.

    Of a read all may that stand in one index without arrays; of a write single elements may, or one window that no
    single element stands beside."""
    if static[0][0] == "whole" or sum(kind == "index" for kind, _ in static) != 1:
        return not any(varying)
    (entries,) = (argument for kind, argument in static if kind == "index")
    owners = [e[0] for e in entries if e[0] in "isa"]
    moving = [e for e, moves in zip(owners, varying, strict=True) if moves]
    if not moving:
        return True
    if all(e[0] in "af" for e in entries) and owners == ["a"]:
        return len(static) == 1
    kinds = {e[0] for e in entries}
    if "a" in kinds or "n" in kinds or len(static) != 1:
        return False
    return reads or moving.count("s") == 0 or (moving == ["s"] and "i" not in kinds)


__all__ = ["ONE", "Static", "may_vary", "parsed", "path_of", "slice_of"]
