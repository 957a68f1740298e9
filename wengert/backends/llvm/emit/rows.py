"""Stores of neighbouring elements whose lanes lie apart: turned around in registers, and written row by row.

Imports memory. Invariant: every element that was stored is in memory when ``rows`` ends, and none was read before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from wengert.backends.llvm.emit.memory import Memory, Result
from wengert.backends.llvm.positions import Position
from wengert.backends.llvm.writer import Type, Writer, memory_type, vector_of


@dataclass(frozen=True, slots=True)
class Held:
    """A store that waits for its neighbours."""

    base: str
    dtype: Type
    place: Position
    result: Result


class Rows(Memory):
    """Memory whose stores may be collected."""

    width_bits: int

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self.collecting = False
        self.held: list[Held] = []
        """Neighbours, the last ``waiting`` of which are not stored yet."""
        self.waiting = 0

    @contextmanager
    def rows(self) -> Iterator[None]:
        """Stores in here may be collected: what they write is not read before the end."""
        self.collecting = True
        yield
        self.flush()
        self.collecting = False

    def store(self, base: str, dtype: Type, place: Position, result: Result) -> None:
        """Write the lanes, now or with their neighbours."""
        size = self.square(place, dtype) if self.collecting else 0
        one = size < 4 or self.mask is not None or place.gathers or place.step < size or dtype.kind not in "fi"
        if one or self.seldom(place.width):
            self.flush()
            super().store(base, dtype, place, result)
            return
        if self.held:
            last = self.held[-1]
            away = place - last.place
            if (last.base, last.dtype) != (base, dtype) or away.terms or away.offset != 1:
                self.flush()
        self.held.append(Held(base, dtype, place, result))
        self.waiting += 1
        if self.waiting == size:
            self.turn()

    def square(self, place: Position, dtype: Type) -> int:
        """The lanes of a register, or of the loop if these are fewer."""
        return min(place.width, self.width_bits // (8 * dtype.itemsize))

    def flush(self) -> None:
        """Write what waits."""
        if self.waiting > 1 and len(self.held) >= self.square(self.held[-1].place, self.held[-1].dtype):
            self.turn()
        for k in range(len(self.held) - self.waiting, len(self.held)):
            h = self.held[k]
            super().store(h.base, h.dtype, h.place, h.result)
        self.held, self.waiting = [], 0

    def turn(self) -> None:
        """Write the last squares of elements, one per register of the loop's lanes."""
        last, w = self.held[-1], self.writer
        lanes, size = last.place.width, self.square(last.place, last.dtype)
        rows = self.held[-size:]
        element, align = memory_type(last.dtype), last.dtype.itemsize
        names = [self.widen(h.result, element, lanes) for h in rows]
        kind, wide = vector_of(element, size), vector_of(element, lanes)
        start = self.pointer(last.base, element, self.scalar(rows[0].place))
        for part in range(0, lanes, size):
            picks = ", ".join(f"i32 {part + k}" for k in range(size))
            cut = (
                names
                if size == lanes
                else [w.let(f"shufflevector {wide} {n}, {wide} poison, <{size} x i32> <{picks}>") for n in names]
            )
            for k, name in enumerate(self.transposed(kind, cut)):
                pointer = self.pointer(start, element, str((part + k) * last.place.step))
                w.line(f"store {kind} {name}, ptr {pointer}, align {align}")
        self.held, self.waiting = rows, 0

    def transposed(self, kind: str, rows: list[str]) -> list[str]:
        """The transpose of a square by butterflies: log2 of its size stages of pairs."""
        names, lanes, distance = list(rows), len(rows), 1
        while distance < lanes:
            low = [k if not k & distance else lanes + k - distance for k in range(lanes)]
            high = [k + distance if not k & distance else lanes + k for k in range(lanes)]
            for k in range(lanes):
                if not k & distance:
                    a, b = names[k], names[k + distance]
                    for at, picks in ((k, low), (k + distance, high)):
                        order = ", ".join(f"i32 {p}" for p in picks)
                        names[at] = self.writer.let(f"shufflevector {kind} {a}, {kind} {b}, <{lanes} x i32> <{order}>")
            distance *= 2
        return names


__all__ = ["Rows"]
