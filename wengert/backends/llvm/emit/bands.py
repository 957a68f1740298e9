"""Loops over those places that count: where they begin and end, and whether what is left out may be.

Imports accumulators and the loop tree. Invariant: a place that is left out changes nothing that anybody reads, or the
other factor of its zero was found finite on every lane."""

from __future__ import annotations

import hashlib
from itertools import product

from wengert.backends.llvm.accumulate import Accumulators
from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.indexed import Axis, Value
from wengert.backends.llvm.loop_tree import Band, Loop, Node
from wengert.backends.llvm.positions import ZERO, Position, fixed
from wengert.backends.llvm.writer import vector_of


class Banded(Accumulators):
    """Where loops with bands begin and end."""

    watching: set[int]
    """What watches sums, by identity."""
    leading: dict[int, str]
    """Whether sums that watch themselves were found finite, by identity."""

    def counting(self, loop: Loop, band: Band) -> tuple[str, str]:
        """Where a loop begins and ends at the open place of its outer axis."""
        place, several = self.places[band.outer], self.jam.get(band.outer, 1)
        extent = loop.axis.extent
        low = [min(band.first[k : k + several]) for k in range(len(band.first))]
        high = [max(band.last[k : k + several]) for k in range(len(band.last))]
        begin, end = self.at_place(low, place, extent), self.at_place(high, place, extent)
        if band.row >= 0 and self.stands(band):
            return begin, end
        for watch in band.watches:
            finite = self.finite(watch) if band.row < 0 else self.leading.get(id(watch), "false")
            begin = begin if begin == "0" else self.writer.let(f"select i1 {finite}, i64 {begin}, i64 0")
            end = end if end == str(extent) else self.writer.let(f"select i1 {finite}, i64 {end}, i64 {extent}")
        return begin, end

    def stands(self, band: Band) -> bool:
        """Whether this is the step of the place that comes first."""
        place = self.places[band.outer]
        return not place.terms and place.offset <= band.row < place.offset + self.jam.get(band.outer, 1)

    def at_place(self, numbers: list[int], place: Position, extent: int) -> str:
        """One of some numbers."""
        if not place.terms:
            return str(numbers[place.offset])
        asked = range(max(0, place.low), min(place.high, len(numbers) - 1) + 1)
        if len({numbers[k] for k in asked}) == 1:
            return str(numbers[asked[0]])
        away = numbers[asked[0]] - asked[0]
        if all(numbers[k] == min(k + away, extent) for k in asked):
            number = self.scalar(place + away)
            if asked[-1] + away <= extent:
                return number
            return self.writer.call("i64", "llvm.smin.i64", [("i64", number), ("i64", str(extent))])
        if all(numbers[k] == max(k + away, 0) for k in asked):
            return self.scalar(place + away)
        text = ", ".join(f"i64 {n}" for n in numbers)
        name = "@band_" + hashlib.sha256(text.encode()).hexdigest()[:16]
        self.writer.declared[name] = f"{name} = private unnamed_addr constant [{len(numbers)} x i64] [{text}]"
        pointer = self.writer.let(f"getelementptr inbounds i64, ptr {name}, i64 {self.scalar(place)}")
        return self.writer.let(f"load i64, ptr {pointer}, align 8, !invariant.load !0")

    def finite(self, watch: Value, row: tuple[Axis, int] | None = None) -> str:
        """Whether a value is finite on all lanes and at all places that are written out here; at one place of an axis,
        where a ``row`` is given."""
        key = ("finite", id(watch), tuple((self.places.get(a), self.jam.get(a, 1)) for a in watch.axes))
        found = self.known(key)
        if found is not None:
            return found.name
        at_row = {} if row is None else {row[0]: fixed(row[1])}
        several = self.left(tuple(a for a in watch.axes if a not in at_row))
        all_lanes: Result | None = None
        for away in product(*(range(count) for _, count in several)):
            moved = {a: self.places.get(a, ZERO) + fixed(k) for (a, _), k in zip(several, away, strict=True)}
            part = self.evaluate(watch, {**self.places, **moved, **at_row})
            both = [watch.dtype] * 2
            all_lanes = part if all_lanes is None else self.apply("add", [all_lanes, part], both, watch.dtype)
        assert all_lanes is not None
        element, width, name = self.element(watch.dtype), all_lanes.width, all_lanes.name
        native = max(1, self.width_bits // (8 * watch.dtype.itemsize))
        while width > native:  # what is not finite stays so in sums
            kind, half = vector_of(element, width), width // 2
            parts = []
            for first in (0, half):
                picks = ", ".join(f"i32 {first + k}" for k in range(half))
                parts.append(self.writer.let(f"shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{picks}>"))
            width = half
            name = self.writer.let(f"fadd {vector_of(element, width)} {parts[0]}, {parts[1]}")
        kind = vector_of(element, width)
        name = self.writer.let(f"fsub {kind} {name}, {name}")
        holds = self.writer.let(f"fcmp ord {kind} {name}, {name}")
        if width > 1:
            bits = self.writer.let(f"bitcast <{width} x i1> {holds} to i{width}")
            holds = self.writer.let(f"icmp eq i{width} {bits}, -1")
        return self.know(key, Result(holds)).name

    def finish(self, node: Node, loop: Loop, path: tuple[Loop, ...]) -> None:
        """Put lanes together, and store what was accumulated; where that watches a sum, look at it once."""
        super().finish(node, loop, path)
        v = node.value
        if not isinstance(v, Value):
            return
        if id(v) in self.watching and all(a in self.places or a in self.unrolled for a in v.axes):
            self.finite(v)
        band = loop.band
        if band is not None and band.row >= 0 and band.watches == (v,) and self.stands(band):
            self.leading[id(v)] = self.finite(v, (band.outer, band.row))


__all__ = ["Banded"]
