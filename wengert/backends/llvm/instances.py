"""One piece of memory that holds a stored node in one copy of its loops.

Imports positions. Invariant: ``local`` gives a place only where the instance holds the node there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wengert.backends.llvm.indexed import Axis
from wengert.backends.llvm.positions import ZERO, Position


@dataclass(eq=False, slots=True)
class Instance:
    """``pointer`` to the elements over ``axes`` in C order; ``base`` says where open loops stood when it was made."""

    pointer: str
    axes: tuple[Axis, ...]
    extents: tuple[int, ...]
    strides: tuple[int, ...]
    base: Mapping[Axis, Position]
    lanes: int
    of: tuple[Axis, ...]
    """All axes of the node."""
    filled: bool = False

    @property
    def size(self) -> int:
        """Elements in all."""
        total = 1
        for e in self.extents:
            total *= e
        return total

    def local(self, places: Mapping[Axis, Position]) -> Position | None:
        """The element's place, or None where the instance does not hold it."""
        place = ZERO
        held = dict(zip(self.axes, zip(self.extents, self.strides, strict=True), strict=True))
        for axis in self.of:
            position = places[axis] - self.base[axis] if axis in self.base else places[axis]
            if axis not in held:
                if position != ZERO:
                    return None
                continue
            extent, stride = held[axis]
            free = any(v.free for v, _ in position.terms)
            if (position.low < 0 or position.high >= extent) and not free and axis in self.base:
                return None
            place = place + position * stride
        return place


__all__ = ["Instance"]
