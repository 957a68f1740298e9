"""The value of a formula at a place: instructions for maps, substitutions and small reductions, on demand.

Imports the index form, positions, memory. Invariants: a value is computed once per place and block (what a block
around has computed is used); a node that must be fetched is fetched from a buffer whose store stands before, or the
program is refused with ``CannotEmit``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product as combinations
from typing import Any

import numpy as np

from wengert.backends.llvm.emit.arithmetic import LITERALS, Arithmetic, CannotEmit, Vocabulary, neutral, selects
from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Read,
    Reduce,
    Reshaped,
    ScanOutput,
    Scatter,
    Slot,
    Sub,
    Value,
)
from wengert.backends.llvm.positions import ZERO, Position, Variable, at, fixed
from wengert.backends.llvm.schedule_nodes import product
from wengert.backends.llvm.writer import BOOL, INT64, Type, Writer, literal, scalar_type

Places = Mapping[Axis, Position]
INVARIANT = ", !invariant.load !0"


class Evaluator(Arithmetic):
    """Formulas at places, into one writer."""

    def __init__(
        self, writer: Writer, vocabulary: Vocabulary, pointers: dict[int, str], nodes: Mapping[int, Any]
    ) -> None:
        super().__init__(writer, vocabulary)
        self.pointers, self.nodes = pointers, nodes
        self.steady: set[int] = set()
        """The slots that nothing writes while the function runs."""
        self.seeds: dict[int, bool] = {}
        self.joins: dict[int, Any] = {}
        """What is put side by side in a sum, by its identity."""

    def fetch(self, value: Value, places: Places, condition: Result | None) -> Result | None:
        """The stored value at a place, or None where there is no buffer that holds it."""
        raise NotImplementedError

    def evaluate(self, v: Value, places: Places, condition: Result | None = None) -> Result:
        """The value at a place; ``condition`` says where it is needed at all."""
        if isinstance(v, Constant):
            return Result(literal(v.value, v.dtype))
        key = (id(v), tuple(places[a] for a in v.axes), condition)
        found = self.known(key)
        if found is None and condition is not None:
            found = self.known((id(v), key[1], None))
        return found if found is not None else self.know(key, self.compute(v, places, condition))

    def compute(self, v: Value, places: Places, condition: Result | None) -> Result:
        """The value at a place where it is not known yet."""
        if id(v) in self.nodes:
            found = self.fetch(v, places, condition)
            if found is not None:
                return found
            if isinstance(v, Scatter | ScanOutput) or (isinstance(v, Reduce) and self.nodes[id(v)].must):
                raise CannotEmit(f"{type(v).__name__} is needed before it is stored")
        return self.formula(v, places, condition)

    def formula(self, v: Value, places: Places, condition: Result | None) -> Result:
        """The value at a place, from its arguments."""
        match v:
            case Read():
                return self.read(v, places, condition)
            case Map():
                piece = self.piece(v, places)
                if piece is not None:
                    return self.evaluate(piece, places, condition)
                args = [self.evaluate(a, places, condition) for a in v.args]
                numbers = [a.value if isinstance(a, Constant) else None for a in v.args]
                return self.apply(v.function, args, [a.dtype for a in v.args], v.dtype, numbers)
            case Sub():
                return self.substitute(v, places, condition)
            case Index():
                return self.index(places[v.axes[0]])
            case Reduce():
                return self.reduce(v, places, condition)
            case Reshaped():
                return self.reshaped(v, places, condition)
        raise CannotEmit(f"no native form of {type(v).__name__}")

    def piece(self, v: Map, places: Places) -> Value | None:
        """The one of values put side by side (each a term of a sum that is -0.0 elsewhere) that is there at a place."""
        known = self.joins.get(id(v), 0)
        if known == 0:
            known = self.joins[id(v)] = side_by_side(v, self.nodes)
        if not known:
            return None
        axis, terms = known
        place = places[axis]
        if place.terms:
            return None
        found = [term for term, low, high in terms if low <= place.offset < high]
        return found[0] if len(found) == 1 else None

    # Reading.

    def read(self, v: Read, places: Places, condition: Result | None) -> Result:
        """An element of a slot."""
        return self.read_slot(v.slot, v.dtype, self.place_in(v, places), condition)

    def place_in(self, v: Read, places: Places) -> Position:
        """Where an element lies in its slot."""
        place, stride = ZERO, 1
        for extent, entry in zip(reversed(v.slot.shape), reversed(v.index), strict=True):
            if isinstance(entry, Axis):
                place = place + places[entry] * stride
            stride *= extent
        return place

    def read_slot(self, slot: Slot, dtype: Type, place: Position, condition: Result | None) -> Result:
        """The element at a linear place of a slot."""
        size = int(np.prod(slot.shape, dtype=np.int64))
        if size == 0:
            return Result(literal(0, dtype))
        if slot.data is not None and not place.terms and size <= LITERALS and 0 <= place.offset < size:
            number = slot.data.flat[place.offset]
            return Result(literal(number, dtype), 1, bool(number == 0) and self.is_seed(slot))
        note = INVARIANT if id(slot) in self.steady else ""
        return self.load(self.pointers[id(slot)], dtype, place, size, condition, note)

    def is_seed(self, slot: Slot) -> bool:
        """Whether a constant is (part of) an identity: the directions that derivatives are taken in."""
        known = self.seeds.get(id(slot))
        if known is None:
            known = self.seeds[id(slot)] = slot.data is not None and selects(slot.data)
        return known

    # Other indices.

    def substitute(self, v: Sub, places: Places, condition: Result | None) -> Result:
        """The argument elsewhere, or the filling."""
        holds: Result | None = None
        for a, low, high in v.guards:
            place = self.affine(a, places)
            if place.high < low or place.low >= high:
                return Result(literal(v.fill, v.dtype))
            if place.low < low or place.high >= high:
                holds = self.both(holds, self.inside(place, low, high))
        needed = self.both(condition, holds)
        moved = dict(places)
        for axis, i in v.index.items():
            moved[axis] = self.place_of(i, axis.extent, places, needed)
        result = self.evaluate(v.arg, moved, needed)
        if holds is None:
            return result
        width = max(holds.width, result.width)
        chosen = self.widen(holds, "i1", width)
        names = [self.widen(r, scalar_type(v.dtype), width) for r in (result, Result(literal(v.fill, v.dtype)))]
        lines, name = self.vocabulary.emit("select", [chosen, *names], [BOOL, v.dtype, v.dtype], v.dtype, width)
        for line in lines:
            self.writer.line(line.strip())
        return Result(name, width)

    def affine(self, a: Affine, places: Places) -> Position:
        """An index expression at a place."""
        total = fixed(a.offset)
        for axis, factor in a.terms:
            total = total + places[axis] * factor
        return total

    def place_of(self, i: Affine | Value, extent: int, places: Places, condition: Result | None) -> Position:
        """Where an index expression points."""
        if isinstance(i, Affine):
            return self.affine(i, places)
        if isinstance(i, Constant):
            return fixed(int(i.value))
        if isinstance(i, Index):
            return places[i.axes[0]]
        result = self.evaluate(i, places, condition)
        if not result.name.startswith(("%", "splat", "<")):
            return fixed(int(result.name))
        if i.dtype != INT64:
            result = self.apply("cast", [result], [i.dtype], INT64)
        return self.free(self.clamped(result, extent), extent)

    def clamped(self, result: Result, extent: int) -> Result:
        """An index that never leaves its axis: a guard tells where one would, but only later."""
        kind = "i64" if result.width == 1 else f"<{result.width} x i64>"
        name = f"llvm.umin.{'' if result.width == 1 else f'v{result.width}'}i64"
        key = ("clamped", result.name, extent)
        found = self.known(key)
        if found is None:
            last = self.widen(Result(str(max(0, extent - 1))), "i64", result.width)
            made = self.writer.call(kind, name, [(kind, result.name), (kind, last)])
            found = self.know(key, Result(made, result.width))
        return found

    def free(self, result: Result, extent: int) -> Position:
        """A computed index as a position; one variable for one register, so that places can be compared."""
        key = ("free", result.name)
        known = self.known_variables.get(key)
        if known is None:
            known = Variable(result.name, 0, max(0, extent - 1), result.width, free=True)
            self.known_variables[key] = known
        known.high = max(known.high, extent - 1)
        return at(known)

    @property
    def known_variables(self) -> dict[Any, Variable]:
        """Computed indices of this function."""
        found: dict[Any, Variable] = self.__dict__.setdefault("_variables", {})
        return found

    def linear(self, axes: Iterable[Axis], places: Places) -> Position:
        """The place in C order."""
        place, stride = ZERO, 1
        for axis in reversed(tuple(axes)):
            place = place + places[axis] * stride
            stride *= axis.extent
        return place

    def reshaped(self, v: Reshaped, places: Places, condition: Result | None) -> Result:
        """The element of the argument at the same place in C order."""
        place = self.linear(v.target, places)
        if isinstance(v.arg, Read) and tuple(e for e in v.arg.index if isinstance(e, Axis)) == v.source:
            return self.read_slot(v.arg.slot, v.dtype, place, condition)
        moved = dict(places)
        width = product(v.source)
        rest: Position | None = place
        for axis in v.source:
            width //= axis.extent
            moved[axis], rest = self.divide(rest, width, axis.extent)
        return self.evaluate(v.arg, moved, condition)

    def divide(self, place: Position | None, by: int, extent: int) -> tuple[Position, Position]:
        """Quotient and remainder of a place that is not negative; the quotient is less than ``extent``."""
        assert place is not None
        if by == 1:
            return place, ZERO
        whole = Position(tuple((v, c // by) for v, c in place.terms if c % by == 0), place.offset // by)
        rest = Position(tuple((v, c) for v, c in place.terms if c % by), place.offset % by)
        if rest.low >= 0 and rest.high < by:
            return whole, rest
        number = self.index(place)
        divisor = Result(str(by))
        quotient = self.whole_number("sdiv", number, divisor)
        remainder = self.whole_number("srem", number, divisor)
        return self.free(quotient, extent), self.free(remainder, by)

    def whole_number(self, operation: str, a: Result, b: Result) -> Result:
        """An operation on positions."""
        kind = "i64" if a.width == 1 else f"<{a.width} x i64>"
        return Result(self.writer.let(f"{operation} {kind} {a.name}, {self.widen(b, 'i64', a.width)}"), a.width)

    # Small reductions, written out.

    def reduce(self, v: Reduce, places: Places, condition: Result | None) -> Result:
        """A reduction over unrolled axes: pairs of pairs."""
        if v.kind in {"argmax", "argmin"}:
            return self.first_best(v, places, condition)
        all_places = list(unrolled(v.over, places))
        if not all_places:
            return Result(literal(0 if v.kind == "sum" else neutral(v.kind, v.dtype), v.dtype))
        if self.fusible(v):
            return self.dot(v.dtype, [self.factors(v, p, condition) for p in all_places])
        return self.together_pairs(v.kind, v.dtype, [self.term(v, p, condition) for p in all_places])

    def fusible(self, v: Reduce) -> bool:
        """Whether a sum of products may be made of fused multiply-adds."""
        return (
            self.vocabulary.fma
            and v.kind == "sum"
            and v.dtype.kind == "f"
            and isinstance(v.arg, Map)
            and v.arg.function == "multiply"
            and v.arg.dtype == v.dtype
            and id(v.arg) not in self.nodes
        )

    def factors(self, v: Reduce, places: Places, condition: Result | None) -> tuple[Result, Result]:
        """The factors of the product that is summed."""
        assert isinstance(v.arg, Map)
        a, b = (self.evaluate(x, places, condition) for x in v.arg.args)
        return a, b

    def term(self, v: Reduce, places: Places, condition: Result | None) -> Result:
        """The accumulated value in the type of the accumulation."""
        result = self.evaluate(v.arg, places, condition)
        if v.kind in {"argmax", "argmin"} or v.arg.dtype == v.dtype:
            return result
        if v.dtype == BOOL:
            return self.apply("not_equal", [result, Result(literal(0, v.arg.dtype))], [v.arg.dtype] * 2, BOOL)
        return self.apply("cast", [result], [v.arg.dtype], v.dtype)

    def better(self, kind: str, dtype: Type, new: Result, old: Result) -> Result:
        """Whether a number comes before the best one: greater (less), or the first NaN."""
        found = self.apply("greater" if kind == "argmax" else "less", [new, old], [dtype, dtype], BOOL)
        if dtype.kind != "f":
            return found
        bad = self.apply("not_equal", [new, new], [dtype, dtype], BOOL)
        fine = self.apply("equal", [old, old], [dtype, dtype], BOOL)
        first = self.apply("logical_and", [bad, fine], [BOOL, BOOL], BOOL)
        return self.apply("logical_or", [found, first], [BOOL, BOOL], BOOL)

    def first_best(self, v: Reduce, places: Places, condition: Result | None) -> Result:
        """The place of the extreme element."""
        best: Result | None = None
        where = Result("0")
        for number, moved in enumerate(unrolled(v.over, places)):
            new = self.evaluate(v.arg, moved, condition)
            if best is None:
                best = new
                continue
            wins = self.better(v.kind, v.arg.dtype, new, best)
            best = self.apply("select", [wins, new, best], [BOOL, v.arg.dtype, v.arg.dtype], v.arg.dtype)
            where = self.apply("select", [wins, Result(str(number)), where], [BOOL, INT64, INT64], INT64)
        return where


def unrolled(axes: tuple[Axis, ...], places: Places) -> Iterator[dict[Axis, Position]]:
    """The places with every combination of the axes' indices, in C order."""
    for numbers in combinations(*(range(a.extent) for a in axes)):
        yield {**places, **{a: fixed(k) for a, k in zip(axes, numbers, strict=True)}}


def side_by_side(v: Map, nodes: Mapping[int, Any]) -> tuple[Axis, list[tuple[Sub, int, int]]] | None:
    """The axis along which the terms of a sum are put side by side, and the range of each."""
    terms: list[tuple[Sub, int, int]] = []
    axes: set[Axis] = set()
    stack: list[Value] = [v]
    while stack:
        x = stack.pop()
        if isinstance(x, Map) and x.function == "add" and x.dtype.kind == "f" and (x is v or id(x) not in nodes):
            stack.extend(x.args)
        elif isinstance(x, Sub) and id(x) not in nodes and len(x.guards) == 1 and str(x.fill) == "-0.0":
            place, low, high = x.guards[0]
            if len(place.terms) != 1 or place.terms[0][1] != 1:
                return None
            axes.add(place.terms[0][0])
            terms.append((x, low - place.offset, high - place.offset))
        else:
            return None
    return (axes.pop(), terms) if len(axes) == 1 else None


__all__ = ["Evaluator", "Places", "unrolled"]
