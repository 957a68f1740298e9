"""Reductions over rolled axes: accumulators in registers or memory, lanes put together, compensated totals.

Imports the evaluator and storage. Invariant: lanes and elements that the loops do not have contribute the neutral
element; a total is one addition chain of at most some hundred terms, or compensated (Neumaier 1974)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wengert.backends.llvm.emit.arithmetic import COMBINE, neutral
from wengert.backends.llvm.emit.blocks import one_piece
from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.emit.values import Evaluator, Places
from wengert.backends.llvm.indexed import Axis, Reduce
from wengert.backends.llvm.instances import Instance
from wengert.backends.llvm.loop_tree import Buffer, Loop, Node
from wengert.backends.llvm.positions import Position
from wengert.backends.llvm.storage import is_sum
from wengert.backends.llvm.writer import BOOL, INT64, Type, literal, memory_type, scalar_type, splat_literal, vector_of

IN_REGISTERS = 8
"""The most registers that the accumulators of one node take before they are lanes of one register each."""
PARTED = 8
"""The fewest products that are added in two chains, neither of which waits for the other."""


@dataclass(eq=False, slots=True)
class Accumulator:
    """The memory of one reduction while its loops run."""

    now: Instance
    across: int
    """How many lanes are put together at the end (1: none)."""
    total: Instance | None = None
    lost: Instance | None = None
    """What rounding took from the total."""
    where: Instance | None = None
    """The place of the best (argmax, argmin)."""


class Accumulators(Evaluator):
    """Accumulating nodes."""

    places: dict[Axis, Position]
    instances: dict[int, Instance]
    accumulators: dict[int, Accumulator]
    buffers: Mapping[Node, Buffer]
    unrolled: frozenset[Axis]
    jam: dict[Axis, int]
    area: str
    width_bits: int
    reserve: Callable[[int], int]
    areas: dict[Any, int]
    """Where the workspace holds which accumulators."""
    extents: dict[Axis, tuple[int, int]]
    open: list[Loop]

    def element(self, dtype: Type) -> str:
        """The type of one lane in registers."""
        return scalar_type(dtype)

    def frame(self, dtype: Type, size: int, lanes: int) -> str:
        """Memory of the function's frame."""
        kind = vector_of(memory_type(dtype), lanes)
        return self.writer.allocate(kind if size == 1 else f"[{size} x {kind}]", 64 if lanes > 1 else dtype.itemsize)

    def get(self, instance: Instance, dtype: Type, place: Position, condition: Result | None) -> Result:
        """An element of an instance."""
        raise NotImplementedError

    def put(self, instance: Instance, dtype: Type, place: Position, result: Result) -> None:
        """Write an element of an instance."""
        raise NotImplementedError

    def each(
        self,
        axes: tuple[tuple[Axis, int], ...],
        places: dict[Axis, Position],
        action: Callable[[Places], None],
        loops: bool = False,
    ) -> None:
        """An action at every index."""
        raise NotImplementedError

    # Beginning.

    def memory(self, key: Any, axes: tuple[Axis, ...], dtype: Type, lanes: int, of: tuple[Axis, ...]) -> Instance:
        """Accumulators over the axes that have no loop here; those of a tile have the tile's extent."""
        extents = tuple(self.extents[a][1] if a in self.extents else a.extent for a in axes)
        strides, size = [], 1
        for e in reversed(extents):
            strides.append(size)
            size *= e
        if size <= 64:
            pointer = self.frame(dtype, size, lanes)
        else:
            key = (key, extents)
            if key not in self.areas:
                self.areas[key] = self.reserve(size * lanes * dtype.itemsize)
            offset = self.areas[key]
            pointer = self.writer.let(f"getelementptr inbounds i8, ptr {self.area}, i64 {offset}", "a")
        base = {a: self.places[a] for a in of if a in self.places}
        return Instance(pointer, axes, extents, tuple(reversed(strides)), base, lanes, of, filled=True)

    def totals(self, loop: Loop) -> bool:
        """Whether sums of tiles are added to compensated totals."""
        return loop.tile and not loop.jam

    def start(self, node: Node, loop: Loop, path: tuple[Loop, ...]) -> None:
        """Make and clear the accumulators of a node, before its outermost loop."""
        v = node.value
        assert isinstance(v, Reduce)
        inner = node.path[len(path) - 1 :]
        across = next((x.width for x in inner if x.width > 1 and not x.tile and x.axis in node.over), 1)
        around = any(x.width > 1 and not x.tile and x.axis in v.axes for x in path[:-1])
        lanes = self.width if around else across
        shut = [a for a in v.axes if a not in self.places or a in self.extents]
        shut = [a for a in shut if a not in {x.axis for x in path[:-1] if not x.tile}]
        on_lanes = {x.axis for x in inner if x.width > 1 and not x.tile}
        axes = tuple(sorted(shut, key=lambda a: (a not in self.unrolled, a in on_lanes)))
        best = v.kind in {"argmax", "argmin"}
        dtype = v.arg.dtype if best else v.dtype
        native = max(1, self.width_bits // (8 * dtype.itemsize))
        if not around and across > native and not best:
            size = 1
            for a in axes:
                size *= a.extent
            if size * across // native > IN_REGISTERS:
                lanes = native  # several registers of the loop are added to one of the accumulator
        made = Accumulator(self.memory((id(v), 0), axes, dtype, lanes, v.axes), across)
        if best:
            made.where = self.memory((id(v), 1), axes, INT64, lanes, v.axes)
        elif self.totals(loop) and is_sum(v):
            made.total = self.memory((id(v), 2), axes, dtype, lanes, v.axes)
            made.lost = self.memory((id(v), 3), axes, dtype, lanes, v.axes)
            self.clear(made.total, dtype, "sum")
            self.clear(made.lost, dtype, "sum")
        self.accumulators[id(v)] = made
        # The zeros that a band leaves out are added here.
        self.clear(made.now, dtype, v.kind if loop.band is None else "any")
        if made.where is not None:
            self.clear(made.where, INT64, "sum")

    def clear(self, instance: Instance, dtype: Type, kind: str) -> None:
        """The neutral element everywhere."""
        value = splat_literal(neutral(kind, dtype), dtype, instance.lanes)

        def one(places: Places) -> None:
            place = instance.local(places)
            assert place is not None
            self.put(instance, dtype, place, Result(value, instance.lanes))

        self.over(instance, one)

    def over(self, instance: Instance, action: Callable[[Places], None]) -> None:
        """An action at every element of an instance."""
        axes = tuple(zip(instance.axes, instance.extents, strict=True))
        self.scopes.append({})
        self.each(axes, dict(self.places), action, loops=instance.size > 16)
        self.scopes.pop()

    def start_tile(self, node: Node) -> None:
        """Begin the part of a total that one tile adds."""
        v = node.value
        assert isinstance(v, Reduce)
        made = self.accumulators[id(v)]
        if made.total is not None:
            self.clear(made.now, v.dtype, v.kind)

    # Accumulating.

    def left(self, axes: tuple[Axis, ...]) -> tuple[tuple[Axis, int], ...]:
        """The axes of which a body writes out several places, with how many."""
        return tuple((a, self.jam.get(a, a.extent)) for a in axes if a not in self.places or a in self.jam)

    def accumulate(self, node: Node, v: Reduce) -> None:
        """Add what one iteration has."""
        made = self.accumulators[id(v)]
        if made.where is not None:
            self.improve(v, made, made.where)
            return
        free, small = self.left(v.axes), self.left(v.over)

        def one(places: Places) -> None:
            all_places: list[Places] = []
            self.each(small, dict(places), all_places.append)
            if not all_places:
                return
            block = one_piece(self, v, all_places) if made.across > 1 else None
            if block is not None:
                self.add(v, made.now, self.together_pairs(v.kind, v.dtype, block), places)
            elif self.fusible(v) and (self.mask is None or made.across == 1):
                self.add_products(v, made.now, [self.factors(v, p, None) for p in all_places], places)
            else:
                self.add(
                    v,
                    made.now,
                    self.together_pairs(v.kind, v.dtype, [self.term(v, p, None) for p in all_places]),
                    places,
                )

        self.each(free, dict(self.places), one)

    def add_products(self, v: Reduce, instance: Instance, pairs: list[tuple[Result, Result]], places: Places) -> None:
        """Products added to one element, each with one rounding."""
        place = instance.local(places)
        assert place is not None
        old = self.get(instance, v.dtype, place, None)
        lanes = instance.lanes
        if lanes > 1 and self.width < lanes:
            self.add(v, instance, self.dot(v.dtype, pairs), places)
            return
        terms = [
            term
            for a, b in pairs
            for term in zip(self.pieces(v.dtype, a, lanes), self.pieces(v.dtype, b, lanes), strict=True)
        ]
        half = len(terms) // 2 if len(terms) >= PARTED else 0
        for left, right in terms[half:]:
            old = self.fma(v.dtype, left, right, old)
        if half:
            part = self.dot(v.dtype, terms[:half])
            old = self.apply("add", [old, part], [v.dtype] * 2, v.dtype)
        self.put(instance, v.dtype, place, old)

    def pieces(self, dtype: Type, result: Result, lanes: int) -> list[Result]:
        """A contribution of the loop's lanes in pieces of the accumulator's."""
        if lanes == 1:
            return [result]
        if result.width == 1:
            return [Result(self.widen(result, self.element(dtype), lanes), lanes)] * (self.width // lanes)
        if result.width == lanes:
            return [result]
        found = []
        kind = vector_of(self.element(dtype), result.width)
        for first in range(0, result.width, lanes):
            key = ("piece", result.name, first, lanes)
            piece = self.known(key)
            if piece is None:
                picks = ", ".join(f"i32 {first + k}" for k in range(lanes))
                text = f"shufflevector {kind} {result.name}, {kind} poison, <{lanes} x i32> <{picks}>"
                piece = self.know(key, Result(self.writer.let(text), lanes))
            found.append(piece)
        return found

    def lanes_for(self, v: Reduce, instance: Instance, new: Result, kind: str, dtype: Type) -> Result:
        """A contribution in the lanes of the accumulator, neutral where the loop has no lane."""
        element = self.element(dtype)
        if instance.lanes == 1 or self.width >= instance.lanes:
            width = self.width if instance.lanes > 1 else new.width
            if instance.lanes == 1 or self.mask is None:
                return Result(self.widen(new, element, width), width)
            other = splat_literal(neutral(kind, dtype), dtype, width)
            wide = self.widen(new, element, width)
            kinds = vector_of(element, width)
            return Result(self.writer.let(f"select <{width} x i1> {self.mask}, {kinds} {wide}, {kinds} {other}"), width)
        if self.width > 1:  # a tail that is narrower than the loop
            return self.padded(instance.lanes, new, kind, dtype)
        assert new.width == 1, "lanes of two loops"
        kinds = vector_of(element, instance.lanes)
        other = splat_literal(neutral(kind, dtype), dtype, instance.lanes)
        name = self.writer.let(f"insertelement {kinds} {other}, {element} {new.name}, i64 0")
        return Result(name, instance.lanes)

    def padded(self, lanes: int, new: Result, kind: str, dtype: Type) -> Result:
        """The lanes of the loop, those of its tail, followed by neutral ones."""
        element, width = self.element(dtype), self.width
        kinds, other = vector_of(element, width), splat_literal(neutral(kind, dtype), dtype, width)
        name = self.widen(new, element, width)
        if self.mask is not None:
            name = self.writer.let(f"select <{width} x i1> {self.mask}, {kinds} {name}, {kinds} {other}")
        picks = ", ".join(f"i32 {min(k, width)}" for k in range(lanes))
        return Result(
            self.writer.let(f"shufflevector {kinds} {name}, {kinds} {other}, <{lanes} x i32> <{picks}>"), lanes
        )

    def add(self, v: Reduce, instance: Instance, new: Result, places: Places) -> None:
        """One contribution to one element."""
        place = instance.local(places)
        assert place is not None
        wide = self.lanes_for(v, instance, new, v.kind, v.dtype)
        if 1 < instance.lanes < wide.width:
            wide = self.together_pairs(v.kind, v.dtype, self.pieces(v.dtype, wide, instance.lanes))
        old = self.get(instance, v.dtype, place, None)
        self.put(instance, v.dtype, place, self.apply(COMBINE[v.kind], [old, wide], [v.dtype] * 2, v.dtype))

    def improve(self, v: Reduce, made: Accumulator, where: Instance) -> None:
        """Keep the better of the best so far and this one, and where it is."""
        free = self.left(v.axes)
        dtype = v.arg.dtype

        def one(places: Places) -> None:
            place = made.now.local(places)
            assert place is not None
            number = self.index(places[v.over[0]])
            new = self.evaluate(v.arg, places)
            old, at_old = self.get(made.now, dtype, place, None), self.get(where, INT64, place, None)
            wins = self.better(v.kind, dtype, new, old)
            first = self.apply("equal", [number, Result("0")], [INT64, INT64], BOOL)
            wins = self.apply("logical_or", [wins, first], [BOOL, BOOL], BOOL)
            best = self.apply("select", [wins, new, old], [BOOL, dtype, dtype], dtype)
            number = self.apply("select", [wins, number, at_old], [BOOL, INT64, INT64], INT64)
            self.put(made.now, dtype, place, best)
            self.put(where, INT64, place, number)

        self.each(free, dict(self.places), one)

    # Ending.

    def finish_tile(self, node: Node) -> None:
        """Add a tile's part to the total: s' = s + x, and what that addition lost, exactly."""
        v = node.value
        assert isinstance(v, Reduce)
        made = self.accumulators[id(v)]
        total, lost = made.total, made.lost
        if total is None or lost is None:
            return

        def one(places: Places) -> None:
            place = total.local(places)
            assert place is not None
            x, s, c = (self.get(i, v.dtype, place, None) for i in (made.now, total, lost))

            def plain(operation: str, a: Result, b: Result) -> Result:
                kind = vector_of(self.element(v.dtype), total.lanes)
                return Result(self.writer.let(f"{operation} {kind} {a.name}, {b.name}"), total.lanes)

            after = plain("fadd", s, x)
            back = plain("fsub", after, s)
            error = plain("fadd", plain("fsub", s, plain("fsub", after, back)), plain("fsub", x, back))
            self.put(total, v.dtype, place, after)
            self.put(lost, v.dtype, place, plain("fadd", c, error))

        self.over(total, one)

    def finish(self, node: Node, loop: Loop, path: tuple[Loop, ...]) -> None:
        """Put lanes together, and store what was accumulated."""
        v = node.value
        assert isinstance(v, Reduce)
        made = self.accumulators.pop(id(v))
        target = self.instances.get(id(v))
        if target is None:
            return
        held = made.total if made.total is not None else made.now

        def one(places: Places) -> None:
            place, to = held.local(places), target.local(places)
            assert place is not None and to is not None
            if made.where is not None:
                self.put(target, v.dtype, to, self.get(made.where, INT64, place, None))
                return
            result = self.get(held, v.dtype, place, None)
            if made.across > 1:
                result = self.together(v, result)
            if made.lost is not None:
                lost = self.get(made.lost, v.dtype, place, None)
                if made.across > 1:
                    lost = self.together(v, lost)
                result = self.corrected(v.dtype, result, lost)
            self.put(target, v.dtype, to, result)

        if v.kind == "sum" and any(a.extent == 0 for a in v.over):
            held = made.now
            self.clear(held, v.dtype, "any")  # zero, not minus zero
        self.over(held, one)
        target.filled = True

    def corrected(self, dtype: Type, total: Result, lost: Result) -> Result:
        """The total and what it lost, unless that is nothing or not finite (then the total alone is right)."""
        zero = Result(literal(0.0, dtype))
        nothing = self.apply("equal", [lost, zero], [dtype, dtype], BOOL)
        difference = self.apply("subtract", [lost, lost], [dtype, dtype], dtype)
        finite = self.apply("equal", [difference, zero], [dtype, dtype], BOOL)
        both = self.apply("add", [total, lost], [dtype, dtype], dtype)
        with_it = self.apply("select", [finite, both, total], [BOOL, dtype, dtype], dtype)
        return self.apply("select", [nothing, total, with_it], [BOOL, dtype, dtype], dtype)

    def together(self, v: Reduce, result: Result) -> Result:
        """The lanes of a register in one number, halves with halves."""
        width, element, name = result.width, self.element(v.dtype), result.name
        while width > 1:
            half = width // 2
            kind = vector_of(element, width)
            parts = []
            for first in (0, half):
                picks = ", ".join(f"i32 {first + k}" for k in range(half))
                parts.append(
                    self.writer.let(f"shufflevector {kind} {name}, {kind} poison, <{half} x i32> <{picks}>")
                    if half > 1
                    else self.writer.let(f"extractelement {kind} {name}, i64 {first}")
                )
            name = self.apply(COMBINE[v.kind], [Result(p, half) for p in parts], [v.dtype] * 2, v.dtype).name
            width = half
        return Result(name)


__all__ = ["Accumulator", "Accumulators"]
