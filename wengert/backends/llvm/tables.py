"""Chains of choices between regions become tables: which element it is, looked up instead of asked for.

A matrix that was filled row by row is a chain of guarded selects, one per write, and so is its cotangent. Every guard
is known for every place, so what stands where is found here, once: places of one formula, at other indices, are one
formula whose indices are read from constant tables. Imports NumPy, the index form, ``rebuild``. Invariant: at every
place the same operations are applied to the same elements, but for additions of -0.0, which change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.llvm.canonical import canonical
from wengert.backends.llvm.indexed import Affine, Axis, Constant, Map, Program, Read, Slot, Store, Sub, Value
from wengert.backends.llvm.rebuild import Rebuilder
from wengert.backends.llvm.schedule_nodes import COSTLY_FORMULA, cost_of

PLACES = 1 << 14
"""The most places of a table."""
SHORTEST = 4
"""Regions of axes that are all this short are written out anyway."""
FEWEST = 6
"""Chains of fewer guarded values are left alone."""
FORMULAS = 4
"""The most formulas of one table."""
CHAIN = 300
"""Longer chains are left alone."""
EXPANDED = 24
"""Formulas of more operations are elements, not formulas."""
PIECES, ALL_PIECES = 4000, 40_000
"""The most formulas looked at for one table, and for all of a program: a value that is used again and again, as in
steps that follow one another, is as many formulas as there are ways to it."""
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
Where = dict[Axis, np.ndarray[Any, Any]]
Mask = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """``value`` at the indices ``at`` (one number for every place), or a map of formulas."""

    value: Value
    at: Where
    args: tuple[Formula, ...] = ()

    def key(self) -> Any:
        """What formulas that differ by indices alone have in common."""
        v = self.value
        if self.args:
            assert isinstance(v, Map)
            return (v.function, v.dtype, *(a.key() for a in self.args))
        if isinstance(v, Constant):
            return v.dtype, type(v.value), repr(v.value)
        return id(v), frozenset(self.at)

    def elements(self) -> Iterable[Formula]:
        """The formulas without arguments, in order."""
        if not self.args:
            yield self
        for a in self.args:
            yield from a.elements()

    def cost(self) -> float:
        """Operations."""
        own = cost_of(self.value.function) if self.args and isinstance(self.value, Map) else 0.0
        return own + sum(a.cost() for a in self.args)


Pieces = list[tuple[Mask, Formula]]


def tabled(program: Program) -> Program:
    """The program with its long chains of static choices as tables."""
    if sum(isinstance(v, Sub) and bool(v.guards) for v in program.values()) < FEWEST:
        return program
    return _Tables(program).result()


class _TooMany(Exception):
    """More formulas than a table may be made of."""


class _Tables:
    def __init__(self, program: Program) -> None:
        self.program, self.builder = program, Rebuilder()
        self.asked: dict[int, frozenset[Axis]] = {}
        self.guarded: dict[int, frozenset[int] | None] = {}
        """The guarded values inside a formula; None where they are too many."""
        self.choice: dict[int, bool] = {}
        self.kept: list[Value] = []
        self.tables: dict[Any, Read] = {}
        self.expands = False
        self.looked, self.most = 0, 0
        """How many formulas were looked at, and how many will have been when it is enough."""

    def result(self) -> Program:
        p, of = self.program, self.builder.of
        values = p.values()
        choices = {id(v): self.chooses(v) for v in values}
        last = {id(s.value) for s in p.stores} | {id(g) for g, _ in p.guards}
        for v in values:
            if not choices[id(v)]:
                last.update(id(a) for a in v.arguments)
        changed = False
        for v in values:
            again = self.builder.again(v)
            self.asks(again)
            new = self.table(again) if choices[id(v)] and id(v) in last else None
            if new is not None:
                self.asks(new)
                changed = True
            self.builder.enter(v, again if new is None else new)
        if not changed:
            return p
        stores = tuple(Store(s.slot, of(s.value), s.dims) for s in p.stores)
        return canonical(Program(p.inputs, p.constants, stores, tuple((of(g), w) for g, w in p.guards)))

    def chooses(self, v: Value) -> bool:
        """Whether a value is nothing but a choice between others, or a sum of such."""
        found = False
        if isinstance(v, Sub):
            plain = all(isinstance(i, Affine) for i in v.index.values())
            found = plain and (bool(v.guards) or self.choice[id(v.arg)])
        elif isinstance(v, Map) and v.function == "select":
            found = self.choice[id(v.args[0])]
        elif isinstance(v, Map):
            rest = [a for a in v.args if not isinstance(a, Constant)]
            found = bool(rest) and all(self.choice[id(a)] for a in rest)
        self.choice[id(v)] = found
        return found

    # What guards ask for.

    def asks(self, v: Value) -> frozenset[Axis]:
        """The axes that the guards inside a formula depend on."""
        known = self.asked.get(id(v))
        if known is None:
            found: set[Axis] = set()
            guarded: set[int] | None = set()
            if isinstance(v, Map | Sub):
                for a in (v.arg,) if isinstance(v, Sub) else v.args:
                    inner, known_inside = self.asks(a), self.guarded[id(a)]
                    guarded = None if guarded is None or known_inside is None else guarded | known_inside
                    for axis in inner:
                        place = v.index.get(axis) if isinstance(v, Sub) else None
                        found.update((axis,) if place is None else place.axes)
            if isinstance(v, Sub) and v.guards:
                found.update(a for g, _, _ in v.guards for a in g.axes)
                guarded = None if guarded is None else {*guarded, id(v)}
            known = self.asked[id(v)] = frozenset(found)
            self.guarded[id(v)] = None if guarded is None or len(guarded) > CHAIN else frozenset(guarded)
            self.kept.append(v)
        return known

    def table(self, v: Value) -> Value | None:
        """The value with its choices made; None where that gives too many formulas."""
        asked, guarded = self.asks(v), self.guarded[id(v)]
        if guarded is None or (asked and len(guarded) < FEWEST):
            return None
        axes = tuple(a for a in v.axes if a in asked)
        count = int(np.prod([a.extent for a in axes], dtype=np.int64))
        if count > PLACES or (axes and max(a.extent for a in axes) <= SHORTEST):
            return None
        grid = np.indices([a.extent for a in axes], np.int64).reshape(len(axes), count)
        self.most = min(self.looked + PIECES, ALL_PIECES)
        for self.expands in (False, True):
            groups: dict[Any, Pieces] = {}
            try:
                found = self.pieces(v, dict(zip(axes, grid, strict=True)), np.ones(count, np.bool_))
            except _TooMany:
                return None
            for mask, formula in found:
                groups.setdefault(formula.key(), []).append((mask, formula))
            if len(groups) <= FORMULAS:
                return self.chosen(v, axes, list(groups.values()))
        return None

    # Which formula stands where.

    def pieces(self, v: Value, where: Where, live: Mask) -> Pieces:
        """The formulas of the places that are alive; those of the others may be anything."""
        self.looked += 1
        if self.looked > self.most:
            raise _TooMany
        where = {a: where[a] for a in v.axes if a in where}
        if isinstance(v, Sub):
            found = self.moved(v, where, live)
            if found is not None:
                return found
        elif isinstance(v, Map) and (self.guarded[id(v)] or (self.expands and cone(v, EXPANDED) <= EXPANDED)):
            return self.mapped(v, where, live)
        return [(live, Formula(v, where))]

    def moved(self, v: Sub, where: Where, live: Mask) -> Pieces | None:
        """The formulas of a substitution of indices that are all known."""
        inner = {a: n for a, n in where.items() if a not in v.index}
        for axis, place in v.index.items():
            if not isinstance(place, Affine) or not all(a in where for a in place.axes):
                return None
            inner[axis] = numbers(place, where, len(live))
        inside = live
        for guard, low, high in v.guards:
            if not all(a in where for a in guard.axes):
                return None
            number = numbers(guard, where, len(live))
            inside = inside & (number >= low) & (number < high)
        found: Pieces = []
        if inside.any():
            found += self.pieces(v.arg, inner, inside)
        outside = live & ~inside
        if outside.any():
            found.append((outside, Formula(Constant((), v.dtype, v.fill), {})))
        return found

    def mapped(self, v: Map, where: Where, live: Mask) -> Pieces:
        """The formulas of a map: those of its operands, where they are the same for several places."""
        if v.function == "select":
            found: Pieces = []
            for mask, condition in self.pieces(v.args[0], where, live):
                if not isinstance(condition.value, Constant):
                    return [(live, Formula(v, where))]
                found += self.pieces(v.args[1 if condition.value.value else 2], where, mask)
            return found
        rows: list[tuple[Mask, tuple[Formula, ...]]] = [(live, ())]
        for a in v.args:
            parts = self.pieces(a, where, live)
            rows = [(both, (*row, f)) for alive, row in rows for mask, f in parts if (both := alive & mask).any()]
        return [(mask, combined(v, args)) for mask, args in rows]

    # Back to values.

    def chosen(self, v: Value, axes: tuple[Axis, ...], groups: list[Pieces]) -> Value | None:
        """The choice between few formulas."""
        shape = tuple(a.extent for a in axes)
        groups.sort(key=lambda g: -sum(int(m.sum()) for m, _ in g))
        result = self.formula(v, axes, groups[0])
        for group in groups[1:]:
            made = self.formula(v, axes, group)
            condition = self.read(together(group).reshape(shape), axes)
            both = tuple(dict.fromkeys((*condition.axes, *made.axes, *result.axes)))
            result = Map(both, v.dtype, "select", (condition, made, result), where=v.where)
        return result if set(result.axes) == set(v.axes) else None

    def formula(self, v: Value, axes: tuple[Axis, ...], group: Pieces) -> Value:
        """One formula, its indices from tables; where it is costly and few of its values occur, at those alone."""
        mask, first = together(group), group[0][1]
        columns: list[tuple[Axis, np.ndarray[Any, Any]]] = []
        parts = [(part, list(formula.elements())) for part, formula in group]
        for number, element in enumerate(parts[0][1]):
            for a in element.at:
                column = np.zeros(len(mask), np.int64)
                for part, elements in parts:
                    column[part] = elements[number].at[a][part]
                columns.append((a, column))
        if first.cost() >= COSTLY_FORMULA and columns:
            rows, back = np.unique(np.stack([c[mask] for _, c in columns]), axis=1, return_inverse=True)
            if rows.shape[1] > 1 and 4 * rows.shape[1] <= len(mask):
                table = np.zeros(len(mask), np.int64)
                table[mask] = back.reshape(-1)
                few = Axis(rows.shape[1])
                place = self.entry(few, table, axes, mask)
                if isinstance(place, Affine) and place.terms and place.terms[0][0].extent == few.extent:
                    few = place.terms[0][0]  # the places of one axis of the table
                every = np.ones(few.extent, np.bool_)
                places = [self.entry(a, row, (few,), every) for (a, _), row in zip(columns, rows, strict=True)]
                return moved(self.written(v, first, iter(places)), {} if few in axes else {few: place}, v)
        return self.written(v, first, iter([self.entry(a, column, axes, mask) for a, column in columns]))

    def entry(self, to: Axis, column: np.ndarray[Any, Any], axes: tuple[Axis, ...], mask: Mask) -> Affine | Value:
        """The index along ``to`` that has these values where the mask is set: a number, an axis, or a table."""
        wanted = column[mask]
        if (wanted == wanted[0]).all():
            return Affine((), int(wanted[0]))
        shape = tuple(a.extent for a in axes)
        for axis, along in zip(axes, np.indices(shape), strict=True):
            if axis.extent <= to.extent and (wanted == along.reshape(-1)[mask]).all():
                return Affine(((axis, 1),))
        return self.read(column.reshape(shape), axes)

    def read(self, data: np.ndarray[Any, Any], axes: tuple[Axis, ...]) -> Read:
        """A constant over some axes."""
        key = (data.tobytes(), data.dtype, axes)
        if key not in self.tables:
            slot = Slot("", data.shape, data.dtype, "constant", np.ascontiguousarray(data))
            self.tables[key] = Read(axes, data.dtype, slot, axes)
        return self.tables[key]

    def written(self, v: Value, formula: Formula, places: Iterator[Affine | Value]) -> Value:
        """A formula with its elements read at other indices."""
        if not formula.args:
            return moved(formula.value, {a: next(places) for a in formula.at}, v)
        args = tuple(self.written(v, a, places) for a in formula.args)
        made = formula.value
        assert isinstance(made, Map)
        axes = tuple(dict.fromkeys(a for x in args for a in x.axes))
        return Map(axes, made.dtype, made.function, args, where=made.where)


def together(group: Pieces) -> Mask:
    """All places of a formula."""
    found = np.zeros_like(group[0][0])
    for mask, _ in group:
        found |= mask
    return found


def combined(v: Map, args: tuple[Formula, ...]) -> Formula:
    """A map of formulas; x + -0.0 is x."""
    if v.function == "add" and v.dtype.kind == "f":
        for a, b in (args, args[::-1]):
            if isinstance(b.value, Constant) and b.value.value == 0 and np.signbit(b.value.value):
                return a
    return Formula(v, {}, args)


def cone(v: Value, most: float) -> float:
    """The maps and substitutions of a formula as a tree, counted so far."""
    total, stack = 0.0, [v]
    while stack and total <= most:
        x = stack.pop()
        if isinstance(x, Map | Sub):
            total += 1.0
            stack.extend(x.arguments)
    return total


def numbers(affine: Affine, where: Where, count: int) -> np.ndarray[Any, Any]:
    """An index expression at every place."""
    total = np.full(count, affine.offset, np.int64)
    for axis, factor in affine.terms:
        total += factor * where[axis]
    return total


def moved(value: Value, index: dict[Axis, Affine | Value], like: Value) -> Value:
    """A value at other indices."""
    index = {a: i for a, i in index.items() if i != Affine(((a, 1),))}
    if not index:
        return value
    axes = [a for a in value.axes if a not in index]
    for i in index.values():
        axes += i.axes
    return Sub(tuple(dict.fromkeys(axes)), value.dtype, value, index, where=like.where)


__all__ = ["tabled"]
