"""Which places of an inner loop count, by those of an outer one: triangles and bands of matrices.

A product with a matrix whose elements above the diagonal are zeros adds nothing there, and of a sum of outer products
of which only the elements below the diagonal are read the others need not be made. Both follow from constants: masks
that choose a zero, tables of the places that are read. Imports NumPy, the index form and the loop tree. Invariants:
what is left out is a product with an exact zero, whose other factor is watched (0 * x is no zero for x infinite or
NaN), or is read by nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Program,
    Read,
    Reduce,
    Sub,
    Value,
)
from wengert.backends.llvm.loop_tree import Band, Body, Loop, Node
from wengert.backends.llvm.placing import walk

SHORTEST = 6
"""Axes of fewer places are left alone."""
PLACES = 1 << 16
"""The most places of a mask."""
LEAST_WORK = 1 << 15
"""Operations from which on a reduction is looked at."""
STEPS = 200
"""The most values looked at for one mask."""
WORTH = 2.0
"""How many times as many products must be left out as there are numbers to watch."""
MOST_LEFT = 0.9
"""The largest part of the places that may count, for a loop to look where they are."""
BUSY = 8
"""Sums at once that keep two units for multiply-adds busy, each of which takes four cycles."""
Mask = np.ndarray[Any, Any]
Pair = tuple[Axis, Axis]


@dataclass(eq=False)
class Bands:
    """What counts of the reductions of a program, whose axes in ``unrolled`` have no loops."""

    program: Program
    unrolled: frozenset[Axis]
    masks: dict[int, dict[Pair, Mask]] = field(default_factory=dict)
    """The places that count, of two axes of a reduction, by its identity."""
    watches: dict[int, Reduce] = field(default_factory=dict)
    """What is a NaN where something infinite or a NaN stands beside a zero that is left out; else 0."""
    steps: int = 0

    def find(self) -> list[Value]:
        """Every value of the program once, arguments before users, and before a reduction what watches it."""
        values = self.program.values()
        large = [v for v in values if isinstance(v, Reduce) and self.is_large(v)]
        if not large:
            return values
        self.users: dict[int, list[Value]] = {}
        for v in values:
            for a in {id(a): a for a in v.arguments}.values():
                self.users.setdefault(id(a), []).append(v)
        self.ends = {id(s.value) for s in self.program.stores} | {id(g) for g, _ in self.program.guards}
        for v in large:
            self.of_zeros(v)
            self.of_readers(v)
        found: list[Value] = []
        for v in values:
            if id(v) in self.watches:
                watch = self.watches[id(v)]
                found += [watch.arg.arguments[0], watch.arg, watch]
            found.append(v)
        return found

    def is_large(self, v: Reduce) -> bool:
        """Whether a reduction is worth a look."""
        rolled = [a for a in (*v.axes, *v.over) if a.extent >= SHORTEST and a not in self.unrolled]
        work = float(np.prod([a.extent for a in (*v.axes, *v.over)], dtype=float))
        return len(rolled) >= 2 and v.kind not in {"argmax", "argmin"} and work >= LEAST_WORK

    def long(self, axes: Iterable[Axis]) -> list[Axis]:
        """Those with loops of some length."""
        return [a for a in axes if a not in self.unrolled and a.extent >= SHORTEST]

    # Zeros.

    def of_zeros(self, v: Reduce) -> None:
        """Products that are left out of a sum because one factor is zero."""
        if v.kind != "sum" or v.dtype.kind != "f" or len(v.over) != 1 or not isinstance(v.arg, Map):
            return
        (b,) = self.long(v.over) or (None,)
        if b is None or v.arg.function != "multiply" or v.arg.dtype != v.dtype or len(v.arg.args) != 2:
            return
        best: tuple[float, Pair, Mask, Value] | None = None
        for zero, other in (v.arg.args, v.arg.args[::-1]):
            if b not in other.axes or b not in zero.axes:
                continue
            for a in self.long(zero.axes):
                if a in other.axes or a is b or a not in v.axes or a.extent * b.extent > PLACES:
                    continue
                self.steps = 0
                mask = self.zero(zero, a, b)
                if mask is None:
                    continue
                saved = float(mask.mean())
                if saved * a.extent >= WORTH and (best is None or saved > best[0]):
                    best = saved, (a, b), ~mask, other
        if best is not None:
            _, pair, mask, other = best
            product = Map(other.axes, v.dtype, "multiply", (Constant((), v.dtype, v.dtype.type(0)), other))
            self.masks.setdefault(id(v), {})[pair] = mask
            self.watches[id(v)] = Reduce(tuple(x for x in other.axes if x is not b), v.dtype, "sum", product, (b,))

    def zero(self, v: Value, a: Axis, b: Axis) -> Mask | None:
        """Where a value is zero at all of its other places; None where nowhere."""
        self.steps += 1
        if self.steps > STEPS:
            return None
        found: Mask | None = None
        match v:
            case Constant():
                found = np.full((a.extent, b.extent), v.value == 0)
            case Read():
                data = constant(v, (a, b))
                found = None if data is None else data == 0
            case Map(function="select"):
                condition = self.condition(v.args[0], a, b)
                if condition is not None:
                    nowhere = np.zeros_like(condition)
                    then, other = (self.zero(x, a, b) for x in v.args[1:])
                    found = np.where(condition, nowhere if then is None else then, nowhere if other is None else other)
            case Map(function="negative"):
                found = self.zero(v.args[0], a, b)
            case Sub() if a not in v.index and b not in v.index:
                found = self.zero(v.arg, a, b)
                if v.fill == 0:
                    outside = [self.outside(guard, a, b) for guard in v.guards]
                    for mask in outside:
                        found = mask if found is None else found if mask is None else found | mask
        return found if found is not None and found.any() else None

    def outside(self, guard: tuple[Affine, int, int], a: Axis, b: Axis) -> Mask | None:
        """Where a guard fails, if it depends on two axes only."""
        place, low, high = guard
        if not set(place.axes) <= {a, b}:
            return None
        grid = dict(zip((a, b), np.indices((a.extent, b.extent)), strict=True))
        number = sum((grid[x] * c for x, c in place.terms), np.full((a.extent, b.extent), place.offset))
        return (number < low) | (number >= high)

    def condition(self, v: Value, a: Axis, b: Axis) -> Mask | None:
        """A Boolean that is known at every place of two axes."""
        data = constant(v, (a, b)) if isinstance(v, Read) else None
        return None if data is None or data.dtype.kind != "b" else data

    # Readers.

    def of_readers(self, v: Reduce) -> None:
        """Elements that nobody reads."""
        axes = self.long(v.axes)
        for k, a in enumerate(axes):
            for b in axes[k + 1 :]:
                if a.extent * b.extent > PLACES:
                    continue
                self.steps = 0
                mask = self.read(v, a, b)
                if mask is not None and not mask.all():
                    self.masks.setdefault(id(v), {})[a, b] = mask
                    self.masks[id(v)][b, a] = mask.T

    def read(self, v: Value, a: Axis, b: Axis) -> Mask | None:
        """The places of two axes at which somebody reads a value; None where that may be all."""
        self.steps += 1
        if id(v) in self.ends or self.steps > STEPS:
            return None
        found = np.zeros((a.extent, b.extent), np.bool_)
        for user in self.users.get(id(v), ()):
            mask = self.read_by(user, v, a, b)
            if mask is None:
                return None
            found |= mask
        return found

    def read_by(self, user: Value, v: Value, a: Axis, b: Axis) -> Mask | None:
        """Those at which one reader needs it."""
        if isinstance(user, Sub) and user.arg is v and all(i is not v for i in user.index.values()):
            moved = a in user.index or b in user.index
            return self.landed(user, a, b) if moved else self.read(user, a, b)
        if isinstance(user, Reduce):
            return None if a in user.over or b in user.over else self.read(user, a, b)
        if not isinstance(user, Map):
            return None
        rest = self.read(user, a, b)
        if user.function != "select" or user.args[0] is v:
            return rest
        condition = self.condition(user.args[0], a, b)
        if condition is None or user.args[1] is user.args[2]:
            return rest
        mine = condition if user.args[1] is v else ~condition
        return mine if rest is None else mine & rest

    def landed(self, v: Sub, a: Axis, b: Axis) -> Mask | None:
        """The places of its argument that a substitution can ask for, whatever its guards say."""
        indices = [v.index.get(x, Affine(((x, 1),))) for x in (a, b)]
        axes = tuple(dict.fromkeys(x for i in indices for x in i.axes))
        shape = tuple(x.extent for x in axes)
        if int(np.prod(shape, dtype=np.int64)) > PLACES:
            return None
        grid = dict(zip(axes, np.indices(shape, np.int64), strict=True))
        numbers: list[Mask] = []
        for i in indices:
            if isinstance(i, Affine):
                numbers.append(sum((grid[x] * c for x, c in i.terms), np.full(shape, i.offset, np.int64)))
            elif isinstance(i, Constant):
                numbers.append(np.full(shape, int(i.value), np.int64))
            elif isinstance(i, Index):
                numbers.append(grid[i.axes[0]])
            elif isinstance(i, Read) and (data := constant(i, axes)) is not None:
                numbers.append(np.broadcast_to(data, shape).astype(np.int64))
            else:
                return None
        first, second = numbers
        inside = (first >= 0) & (first < a.extent) & (second >= 0) & (second < b.extent)
        found = np.zeros((a.extent, b.extent), np.bool_)
        found[first[inside], second[inside]] = True
        return found

    # Loops.

    def together(self, sums: list[Node], axis: Axis, registers: int, most: int) -> int:
        """How many places of an outer axis had better be taken together inside the loops of some sums, each of which
        takes so many registers: as few as keep the processor busy, for what counts at one is computed at all; 0 where
        nothing is left out."""
        for n in sums:
            masks = self.masks.get(id(n.value), {})
            if not any(outer is axis and mask.mean() <= MOST_LEFT for (outer, _), mask in masks.items()):
                return 0
        fits = (p for p in range(2, most + 1) if p * registers >= max(BUSY, registers + p + 1))
        least = next(fits, 0)
        return least + 1 if least and least < most and axis.extent % least and not axis.extent % (least + 1) else least

    def mark(self, tree: list[Loop | Body], of: dict[int, Node], dropped: Callable[[Node], None]) -> None:
        """Give loops their bands, and drop what watches a sum in whose loop nothing is left out."""
        if not self.masks:
            return
        used: set[int] = set()
        for loop, path in plain_loops(tree, ()):
            nodes = [n for item in walk(loop.children) if isinstance(item, Body) for n in item.nodes]
            bands = [self.band(loop, nodes, outer.axis, path) for outer in path if one_place(outer.axis, path)]
            loop.band = min((b for b in bands if b is not None), key=lambda b: b.counts, default=None)
            if loop.band is not None:
                self.lead(loop, loop.band, nodes, path)
                used.update(id(w) for w in loop.band.watches)
        idle = {of[id(w)] for w in self.watches.values() if id(w) not in used}
        if idle:
            tree[:] = without(tree, idle)
        for node in idle:
            dropped(node)

    def lead(self, loop: Loop, band: Band, nodes: list[Node], path: tuple[Loop, ...]) -> None:
        """Let a sum watch itself, if it adds all its products at some place of the outer axis: what is not finite among
        their factors makes that sum NaN or infinite. That place comes first then, right before the others."""
        outer = path[-1]
        sums = [n.value for n in nodes if loop.axis in n.over]
        around = self.unrolled.union(x.axis for x in path[:-1])
        if len(sums) != 1 or len(path) == 1 or outer.axis is not band.outer or outer.axis in around or outer.ahead >= 0:
            return
        v, several = sums[0], outer.width
        if not isinstance(v, Reduce) or not around.union({outer.axis}).issuperset(v.axes):
            return
        for start in reversed(range(0, outer.axis.extent, several)):
            low, high = min(band.first[start : start + several]), max(band.last[start : start + several])
            if low == 0 and high == loop.axis.extent:
                outer.ahead = band.row = start
                band.watches = (v,)
                return

    def band(self, loop: Loop, nodes: list[Node], outer: Axis, path: tuple[Loop, ...]) -> Band | None:
        """The places of a loop that count for any of its nodes, for each place of an outer axis."""
        every = np.zeros((outer.extent, loop.axis.extent), np.bool_)
        watches: dict[int, Value] = {}
        for n in nodes:
            mask = self.masks.get(id(n.value), {}).get((outer, loop.axis))
            if mask is None:
                return None
            every |= mask
            if loop.axis in n.over:
                watch = self.watches[id(n.value)]
                if not set(watch.axes) <= self.unrolled.union(x.axis for x in path):
                    return None
                watches[id(watch)] = watch
        some = every.any(axis=1)
        first = np.where(some, every.argmax(axis=1), loop.axis.extent - 1)
        last = np.where(some, loop.axis.extent - every[:, ::-1].argmax(axis=1), loop.axis.extent)
        made = Band(outer, tuple(first.tolist()), tuple(last.tolist()), tuple(watches.values()))
        return made if made.counts <= MOST_LEFT * every.size else None


def constant(v: Read, axes: tuple[Axis, ...]) -> Mask | None:
    """What a constant array holds at every place of some axes, if it depends on no others."""
    if v.slot.data is None or not set(v.axes) <= set(axes):
        return None
    data = v.slot.data[tuple(slice(None) if isinstance(e, Axis) else e for e in v.index)]
    mine = [e for e in v.index if isinstance(e, Axis)]
    order = [x for x in axes if x in mine]
    data = data.transpose([mine.index(x) for x in order])
    data = data.reshape([x.extent if x in mine else 1 for x in axes])
    return np.broadcast_to(data, tuple(x.extent for x in axes))


def without(tree: list[Loop | Body], idle: set[Node]) -> list[Loop | Body]:
    """A tree that computes some nodes no more, and has no loop around nothing."""
    found: list[Loop | Body] = []
    for item in tree:
        if isinstance(item, Loop):
            item.children = without(item.children, idle)
            found += [item] if item.children else []
        else:
            item.nodes = [n for n in item.nodes if n not in idle]
            found += [item] if item.nodes else []
    return found


def plain_loops(tree: list[Loop | Body], path: tuple[Loop, ...]) -> Iterator[tuple[Loop, tuple[Loop, ...]]]:
    """The loops that take one place at a time, with the loops around each."""
    for item in tree:
        if isinstance(item, Loop):
            if item.width == 1 and not item.tile and path and all(x.axis is not item.axis for x in path):
                yield item, path
            yield from plain_loops(item.children, (*path, item))


def one_place(axis: Axis, path: tuple[Loop, ...]) -> bool:
    """Whether loops stand at one place of an axis, or at some that follow one another."""
    inner = [x for x in path if x.axis is axis][-1]
    return inner.jam if inner.tile else inner.width == 1


__all__ = ["Bands"]
