"""Accumulations over all of a piece of memory, loaded as it lies.

Imports memory, positions. Invariant: the same elements are accumulated, in another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Protocol

from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.indexed import Axis, Read, Reduce
from wengert.backends.llvm.instances import Instance
from wengert.backends.llvm.loop_tree import Loop
from wengert.backends.llvm.positions import Position
from wengert.backends.llvm.writer import BOOL, Writer, memory_type, vector_of

Places = Mapping[Axis, Position]


class Nest(Protocol):
    """What is asked of the loops that are being written."""

    writer: Writer
    width: int
    mask: str | None
    nodes: Mapping[int, Any]
    instances: dict[int, Instance]
    pointers: dict[int, str]
    open: list[Loop]

    def place_in(self, v: Read, places: Places) -> Position: ...
    def scalar(self, position: Position) -> str: ...
    def pointer(self, base: str, element: str, index: str) -> str: ...


def one_piece(nest: Nest, v: Reduce, all_places: Sequence[Places]) -> list[Result] | None:
    """What lanes that lie apart have at some places, where it fills one piece of memory; None where it does not.

    The lanes must be those of an axis that ``v`` accumulates over."""
    x = v.arg
    if nest.mask is not None or len(all_places) < 2 or x.dtype != v.dtype or x.dtype == BOOL:
        return None
    if id(x) in nest.nodes:
        instance = nest.instances.get(id(x))
        if instance is None or not instance.filled or instance.lanes > 1 or any(id(x) in y.makes for y in nest.open):
            return None
        base, size, found = instance.pointer, instance.size, [instance.local(p) for p in all_places]
    elif isinstance(x, Read):
        base, size = nest.pointers[id(x.slot)], prod(x.slot.shape)
        found = [nest.place_in(x, p) for p in all_places]
    else:
        return None
    first = found[0]
    if first is None or first.gathers or first.width != nest.width or first.step != len(found):
        return None
    away = [p - first for p in found if p is not None]
    if len({a.offset for a in away if not a.terms and 0 <= a.offset < len(found)}) < len(found):
        return None
    if first.low < 0 or first.high + len(found) > size:
        return None
    element, kind = memory_type(x.dtype), vector_of(memory_type(x.dtype), nest.width)
    begin = nest.pointer(base, element, nest.scalar(first))
    return [
        Result(nest.writer.let(f"load {kind}, ptr {pointer}, align {x.dtype.itemsize}"), nest.width)
        for pointer in (nest.pointer(begin, element, str(k * nest.width)) for k in range(len(found)))
    ]


__all__ = ["one_piece"]
