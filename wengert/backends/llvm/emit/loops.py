"""Loops, bodies and buffers: the loop tree as text.

Imports the evaluator, storage and the loop tree. Invariants: an accumulator is made and finished once, however often
the text of a loop's body is written (head, middle, tail); a buffer's instance belongs to one copy of the body of the
loops it lives in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from wengert.backends.llvm.emit.arithmetic import CannotEmit
from wengert.backends.llvm.emit.bands import Banded
from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.emit.runs import LARGE, Run, again, ahead, runs
from wengert.backends.llvm.emit.values import Places
from wengert.backends.llvm.indexed import Axis, Read, Reduce, Routine, Scan, ScanOutput, Scatter, Store, Value
from wengert.backends.llvm.instances import Instance
from wengert.backends.llvm.loop_tree import Body, Buffer, Loop, Node
from wengert.backends.llvm.positions import ZERO, Position, Variable, at, fixed
from wengert.backends.llvm.schedule import walk
from wengert.backends.llvm.writer import memory_type, vector_of

MOST_SEGMENTS = 6
WRITTEN_OUT = 16


class Nest(Banded):
    """The loops of one function."""

    places: dict[Axis, Position]
    common: str
    """The workspace; ``area`` is the memory of the function that is being written."""
    in_scan = False
    in_place = False
    """Whether something is overwritten that the same places have read."""
    limits: tuple[str, ...] | None = None
    """Where the next loop begins and ends, if not at its ends."""

    def prepare(self, buffers: Mapping[Node, Buffer], skipped: set[Node], unrolled: frozenset[Axis]) -> None:
        """What storage has decided."""
        self.buffers, self.skipped, self.unrolled = buffers, skipped, unrolled
        self.by_share: dict[tuple[int, ...], list[Buffer]] = {}
        for b in buffers.values():
            self.by_share.setdefault(tuple(id(x) for x in b.share), []).append(b)
        self.places = {}
        self.counters: dict[Axis, set[int]] = {}
        self.extents: dict[Axis, tuple[int, int]] = {}
        self.probing: dict[Axis, set[int]] | None = None
        self.filled: set[int] = set()
        self.open: list[Loop] = []
        self.jam: dict[Axis, int] = {}

    # Instances of buffers.

    def fetch(self, value: Value, places: Places, condition: Result | None) -> Result | None:
        """A stored value at a place, if there is an instance that holds it."""
        node = self.nodes[id(value)]
        instance = self.instances.get(id(value))
        if instance is None or not instance.filled:
            return None
        place = instance.local(places)
        for loop in self.open:  # inside the loop that stores it, only what this iteration has stored is there
            if id(value) in loop.makes and loop.axis in value.axes and not self.here(loop.axis, places):
                place = None
        if place is None:
            if node.must and not isinstance(value, Read):  # an array is there at any place
                raise CannotEmit("a stored value is needed at a place that its buffer does not hold")
            return None
        return self.get(instance, value.dtype, place, condition)

    def here(self, axis: Axis, places: Places) -> bool:
        """Whether a place lies in the iteration that the loops of an axis are in."""
        away = places[axis] - self.places[axis]
        return not away.terms and 0 <= away.offset < self.jam.get(axis, 1)

    def get(self, instance: Instance, dtype: Any, place: Position, condition: Result | None) -> Result:
        """An element of an instance."""
        if instance.lanes > 1:
            element = vector_of(memory_type(dtype), instance.lanes)
            assert place.width == 1
            pointer = self.pointer(instance.pointer, element, self.scalar(place))
            name = self.writer.let(f"load {element}, ptr {pointer}, align {dtype.itemsize}")
            return self.truth(Result(name, instance.lanes), dtype)
        return self.load(instance.pointer, dtype, place, instance.size, condition)

    def put(self, instance: Instance, dtype: Any, place: Position, result: Result) -> None:
        """Write an element of an instance."""
        if instance.lanes > 1:
            wide = Result(self.widen(result, self.element(dtype), instance.lanes), instance.lanes)
            stored = self.bytes_of(wide, dtype)
            element = vector_of(memory_type(dtype), instance.lanes)
            pointer = self.pointer(instance.pointer, element, self.scalar(place))
            self.writer.line(f"store {element} {stored.name}, ptr {pointer}, align {dtype.itemsize}")
            return
        self.store(instance.pointer, dtype, place, result)

    def instantiate(self, buffer: Buffer) -> Instance:
        """Memory for a buffer in this copy of its loops."""
        v = buffer.value
        lanes = 1
        if buffer.lanes > 1:
            lanes = self.width
        if buffer.slot >= 0:
            pointer = self.pointers[-1 - buffer.slot]
        elif buffer.offset >= 0:
            memory = self.area if buffer.share else self.common
            pointer = self.writer.let(f"getelementptr inbounds i8, ptr {memory}, i64 {buffer.offset}", "b")
        else:
            pointer = self.frame(v.dtype, buffer.size, lanes)
        base = {a: self.places[a] for a in v.axes if a in self.places}
        return Instance(pointer, buffer.axes, buffer.extents, buffer.strides, base, lanes, v.axes)

    @contextmanager
    def shared(self, path: tuple[Loop, ...]) -> Iterator[None]:
        """The instances that live inside these loops."""
        made = []
        for buffer in self.by_share.get(tuple(id(x) for x in path), ()):
            key = id(buffer.value)
            self.instances[key] = self.instantiate(buffer)
            kept = buffer.slot >= 0 or buffer.offset >= 0  # the frame of another function is gone
            self.instances[key].filled = kept and key in self.filled
            made.append(key)
        yield
        if not path:
            self.filled |= {k for k in made if self.instances[k].filled}
        for key in made:
            self.instances.pop(key, None)

    # Loops.

    def children(self, children: list[Loop | Body], path: tuple[Loop, ...]) -> None:
        """The statements inside some loops."""
        with self.shared(path):
            for item in children:
                self.statement(item, path)

    def statement(self, item: Loop | Body, path: tuple[Loop, ...]) -> None:
        """A body, or a loop in which something is done."""
        if isinstance(item, Body):
            self.body(item)
        elif any(n not in self.skipped for b in walk([item]) if isinstance(b, Body) for n in b.nodes):
            self.loop(item, (*path, item))

    def loop(self, loop: Loop, path: tuple[Loop, ...]) -> None:
        """A loop with all its copies."""
        for node in loop.starts:
            self.start(node, loop, path)
        inner = loop.axis in self.places
        low, high = (0, self.extents[loop.axis][1]) if inner else (0, loop.axis.extent)
        cuts = [low, high]
        if not inner and self.probing is None and high > 1 and loop.guarded and not loop.jam:
            cuts = self.segments(loop, path)
        for first, last in pairwise(cuts):
            steps: Iterable[Run] = runs(loop, first, last, self.overlapping(loop, path), self.width_bits // 64)
            if loop.ahead >= 0 and len(cuts) == 2:
                steps = ahead(steps, loop.ahead)
                self.leading.clear()
            for run in steps:
                if loop.band is not None and len(cuts) == 2:
                    self.limits = self.counting(loop, loop.band)
                self.run(loop, path, run)
        for node in reversed(loop.starts):
            self.finish(node, loop, path)

    def overlapping(self, loop: Loop, path: tuple[Loop, ...]) -> bool:
        """Whether the last step of a loop may compute places of the one before again."""
        return not self.in_place and again(loop, path[:-1], LARGE if self.in_scan else 0.0)

    def segments(self, loop: Loop, path: tuple[Loop, ...]) -> list[int]:
        """Where guards change along a loop: its body is written once, and thrown away, to see."""
        extent = loop.axis.extent
        with self.probe() as found:
            for run in runs(loop, 0, extent):
                self.run(loop, path, run)
                break
        inside = sorted(c for c in found.get(loop.axis, ()) if 0 < c < extent)
        if len(inside) >= MOST_SEGMENTS:
            return [0, extent]
        return [0, *inside, extent]

    @contextmanager
    def probe(self) -> Iterator[dict[Axis, set[int]]]:
        """Text that is not kept; the cuts that guards ask for."""
        w = self.writer
        kept = (w.lines, w.entry, w.block, self.scopes, dict(self.instances), dict(self.accumulators))
        filled = {k: i.filled for k, i in self.instances.items()}
        w.lines, w.entry, self.probing, self.scopes = [], [], {}, [*self.scopes, {}]
        yield self.probing
        w.lines, w.entry, w.block, self.scopes, self.instances, self.accumulators = kept
        for k, i in self.instances.items():
            i.filled = filled[k]
        self.probing = None

    def inside(self, position: Position, low: int, high: int) -> Result:
        """Note where a guard changes, when asked to."""
        if self.probing is not None:
            for axis, numbers in self.counters.items():
                factors = {c for v, c in position.terms if v.number in numbers}
                if len(factors) == 1 and len([v for v, _ in position.terms]) == len(
                    [v for v, _ in position.terms if v.number in numbers]
                ):
                    factor = factors.pop()
                    cuts = {low - position.offset, high - position.offset} if factor == 1 else set()
                    if factor == -1:
                        cuts = {position.offset - low + 1, position.offset - high + 1}
                    self.probing.setdefault(axis, set()).update(cuts)
        return super().inside(position, low, high)

    def run(self, loop: Loop, path: tuple[Loop, ...], run: Run) -> None:
        """Some iterations of a loop."""
        if run.trips <= 0:
            return
        w, outer = self.writer, self.places.get(loop.axis)
        before, extents, width, mask = self.counters.get(loop.axis, set()), dict(self.extents), self.width, self.mask
        times, self.times = self.times, self.times * run.trips
        last = run.start + (run.trips - 1) * run.step + run.live - 1 if run.end < 0 else run.end - 1
        head, latch, leave = w.label("head"), w.label("latch"), w.label("leave")
        lanes = 1 if loop.tile else run.width
        first, end = self.limits or (run.start, run.start + run.trips * run.step)
        self.limits = None
        if run.trips == 1:
            variable = Variable(str(run.start), run.start, last, lanes)
        else:
            name = w.fresh("i")
            variable = Variable(name, run.start, last if not loop.tile else last - run.live + 1, lanes)
            w.line(f"br label %{head}")
            previous = w.block
            w.begin(head)
            w.line(f"{name} = phi i64 [ {first}, %{previous} ], [ {name}n, %{latch} ]")
            if run.end >= 0:
                here = w.call("i64", "llvm.smin.i64", [("i64", name), ("i64", str(run.end - run.width))])
                variable = Variable(here, run.start, last, lanes)
        self.enter(loop, run, variable, lanes)
        place = fixed(run.start) if run.trips == 1 and lanes == 1 else at(variable)
        self.places[loop.axis] = place if outer is None else outer + place
        self.counters[loop.axis] = {*before, variable.number}
        self.scopes.append({})
        for key in loop.makes:
            if key in self.instances:  # what another copy of this body has stored is not there yet in this one
                self.instances[key].filled = False
        if loop.tile and not loop.jam:
            for node in loop.starts:
                self.start_tile(node)
        self.open.append(loop)
        self.children(loop.children, path)
        self.open.pop()
        if loop.jam:
            del self.jam[loop.axis]
        if loop.tile and not loop.jam:
            for node in loop.starts:
                self.finish_tile(node)
        self.scopes.pop()
        self.counters[loop.axis], self.extents, self.width, self.mask = before, extents, width, mask
        self.times = times
        if outer is None:
            del self.places[loop.axis]
        else:
            self.places[loop.axis] = outer
        if run.trips > 1:
            w.line(f"br label %{latch}")
            w.begin(latch)
            w.line(f"{name}n = add nsw i64 {name}, {run.step}")
            more = w.let(f"icmp slt i64 {name}n, {end}")
            w.line(f"br i1 {more}, label %{head}, label %{leave}")
            w.begin(leave)

    def enter(self, loop: Loop, run: Run, variable: Variable, lanes: int) -> None:
        """What the iterations of a loop have: a tile of so many places, or lanes, of which some are dead."""
        if loop.tile:
            variable.high = variable.low + (run.trips - 1) * run.step
            self.extents[loop.axis] = (0, run.live)
            if loop.jam:
                self.jam[loop.axis] = run.live
        elif lanes > 1:
            self.width = lanes
            self.mask = None
            if run.live < lanes:
                self.mask = "<" + ", ".join(f"i1 {'true' if k < run.live else 'false'}" for k in range(lanes)) + ">"

    # Bodies.

    def body(self, body: Body) -> None:
        """Nodes at the index of the open loops."""
        for node in body.nodes:
            v = node.value
            if isinstance(v, Store):
                if node not in self.skipped:
                    (self.copied if node.alone else self.output)(v)
            elif isinstance(v, Scan):
                self.scan(node, v)
            elif isinstance(v, Routine):
                self.routine(v)
            elif isinstance(v, Scatter):
                self.scatter(v)
            elif isinstance(v, Reduce) and node.over:
                self.accumulate(node, v)
            elif not isinstance(v, ScanOutput):
                self.keep(node, v)

    def written(self, axes: tuple[Axis, ...], action: Callable[[Places], None]) -> None:
        """An action at every index of the axes that have no loop yet: written out, or in plain loops."""
        with self.rows():
            self.each(self.left(axes), dict(self.places), action)

    def each(
        self,
        axes: tuple[tuple[Axis, int], ...],
        places: dict[Axis, Position],
        action: Callable[[Places], None],
        loops: bool = False,
    ) -> None:
        """An action at every index of some axes with extents; ``loops`` asks for loops where there are many."""
        if not axes:
            action(places)
            return
        (axis, extent), rest = axes[0], axes[1:]
        outer = places.get(axis, ZERO)
        if not loops or extent <= 4:
            for k in range(extent):
                self.each(rest, {**places, axis: outer + fixed(k)}, action, loops)
            return
        w = self.writer
        name, head, latch, leave = w.fresh("i"), w.label("head"), w.label("latch"), w.label("leave")
        w.line(f"br label %{head}")
        previous = w.block
        w.begin(head)
        w.line(f"{name} = phi i64 [ 0, %{previous} ], [ {name}n, %{latch} ]")
        self.scopes.append({})
        times, self.times = self.times, self.times * extent
        self.each(rest, {**places, axis: outer + at(Variable(name, 0, extent - 1))}, action, loops)
        self.times = times
        self.scopes.pop()
        w.line(f"br label %{latch}")
        w.begin(latch)
        w.line(f"{name}n = add nsw i64 {name}, 1")
        more = w.let(f"icmp slt i64 {name}n, {extent}")
        w.line(f"br i1 {more}, label %{head}, label %{leave}")
        w.begin(leave)

    def keep(self, node: Node, v: Value) -> None:
        """Compute a map (or a small reduction), and store it if it has a buffer."""
        instance = self.instances.get(id(v)) if node in self.buffers else None

        def one(places: Places) -> None:
            key = (id(v), tuple(places[a] for a in v.axes), None)
            result = self.known(key) or self.know(key, self.formula(v, places, None))
            if instance is not None:
                place = instance.local(places)
                assert place is not None
                self.put(instance, v.dtype, place, result)

        self.written(v.axes, one)
        if instance is not None:
            instance.filled = True

    def output(self, store: Store) -> None:
        """Write an output."""
        pointer = self.pointers[id(store.slot)]
        dims = tuple(d for d in store.dims if isinstance(d, Axis))

        def one(places: Places) -> None:
            place, stride = ZERO, 1
            for extent, entry in zip(reversed(store.slot.shape), reversed(store.dims), strict=True):
                if isinstance(entry, Axis):
                    place = place + places[entry] * stride
                stride *= extent
            self.store(pointer, store.slot.dtype, place, self.evaluate(store.value, places))

        self.written(dims, one)

    def scan(self, node: Node, scan: Scan) -> None:
        """A loop over time; see ``emit/whole``."""
        raise NotImplementedError

    def copied(self, store: Store) -> None:
        """A copy of a piece; see ``emit/whole``."""
        raise NotImplementedError

    def routine(self, routine: Routine) -> None:
        """A function of whole arrays; see ``emit/whole``."""
        raise NotImplementedError

    def scatter(self, v: Scatter) -> None:
        """Writes at computed places; see ``emit/whole``."""
        raise NotImplementedError


__all__ = ["Nest"]
