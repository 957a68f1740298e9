"""Scans, scatters and routines: steps that make their own loops.

Imports the nest. Invariants: within one step of a scan the body reads the old carried values and writes the new ones
elsewhere; a scatter writes in the C order of its source."""

from __future__ import annotations

from collections.abc import Callable
from math import prod as product
from typing import Any

from wengert.backends.llvm.emit.arithmetic import CannotEmit
from wengert.backends.llvm.emit.loops import Nest
from wengert.backends.llvm.emit.memory import Result
from wengert.backends.llvm.emit.values import Places
from wengert.backends.llvm.indexed import Axis, Read, Routine, Scan, Scatter, Slot, Store, Value
from wengert.backends.llvm.loop_tree import Body, Loop, Node
from wengert.backends.llvm.positions import ZERO, Position, Variable, at
from wengert.backends.llvm.routine_forms import form_of
from wengert.backends.llvm.scan_forms import updated_in_place
from wengert.backends.llvm.schedule import Plan
from wengert.backends.llvm.schedule_nodes import slab
from wengert.backends.llvm.storage import Storage
from wengert.backends.llvm.writer import literal, memory_type, vector_of

IN_FRAME = 64
"""The most elements of a carried value in the frame (where LLVM keeps small ones in registers)."""


class Whole(Nest):
    """A nest with steps of their own."""

    plan: Plan
    storage: Storage

    def setup(self, plan: Plan, storage: Storage) -> None:
        """The plan to be written."""
        self.plan, self.storage = plan, storage
        self.width_bits = plan.width_bits
        self.instances, self.accumulators = {}, {}
        self.prepare(storage.buffers, storage.skipped, plan.nodes.unrolled)
        self.watching, self.leading = {id(w) for w in plan.nodes.bands.watches.values()}, {}
        for buffer in storage.scanned.values():
            self.by_share.setdefault((), []).append(buffer)

    # Scatters.

    def scatter(self, v: Scatter) -> None:
        """The base, then every element of the source at its place."""
        target = self.instances[id(v)]

        def begin(places: Places) -> None:
            place = target.local(places)
            assert place is not None
            if v.base is None:
                self.put(target, v.dtype, place, self.plain(literal(0, v.dtype)))
            else:
                self.put(target, v.dtype, place, self.evaluate(v.base, places))

        def one(places: Places) -> None:
            to = {a: self.place_of(i, a.extent, places, None) for a, i in zip(v.axes, v.place, strict=True)}
            place = target.local(to)
            assert place is not None
            new = self.evaluate(v.source, places)
            if v.mode == "add":
                new = self.apply("add", [self.get(target, v.dtype, place, None), new], [v.dtype] * 2, v.dtype)
            self.put(target, v.dtype, place, new)

        self.loops(v.axes, begin)
        rest = tuple(a for a in v.source.axes if a not in v.order)
        self.loops((*v.order, *rest), one)
        target.filled = True

    def plain(self, text: str) -> Result:
        """A literal as a result."""
        return Result(text)

    def loops(self, axes: tuple[Axis, ...], action: Callable[[Places], None]) -> None:
        """An action at every index, in C order."""
        if any(a.extent == 0 for a in axes):
            return
        self.scopes.append({})
        self.each(tuple((a, a.extent) for a in axes), dict(self.places), action, loops=True)
        self.scopes.pop()

    # Scans.

    def area_for(self, dtype: Any, size: int) -> str:
        """Memory of some elements."""
        if 0 < size <= IN_FRAME:
            return self.frame(dtype, size, 1)
        offset = self.reserve(size * dtype.itemsize)
        return self.writer.let(f"getelementptr inbounds i8, ptr {self.area}, i64 {offset}", "w")

    def whole(self, v: Value, dims: tuple[Axis | int, ...]) -> str | None:
        """A pointer to all of a value in the C order of its dimensions, where it lies so already."""
        order = tuple(d for d in dims if isinstance(d, Axis))
        found = slab(v, order) if id(v) not in self.nodes else None
        if found is not None:
            source, begin = found
            if isinstance(source, Read):
                return self.pointer(self.pointers[id(source.slot)], memory_type(v.dtype), str(begin))
            held = self.instances.get(id(source))
            if held is not None and held.filled:
                return self.pointer(held.pointer, memory_type(v.dtype), str(begin))
        instance = self.instances.get(id(v))
        if instance is not None and instance.filled and instance.axes == order and instance.lanes == 1:
            return instance.pointer
        return None

    def copy_of(self, v: Value, dims: tuple[Axis | int, ...], dtype: Any, pointer: str | None = None) -> str:
        """All of a value, written in the C order of its dimensions."""
        order = tuple(d for d in dims if isinstance(d, Axis))
        size = 1
        for a in order:
            size *= a.extent
        base = self.area_for(dtype, size) if pointer is None else pointer

        def one(places: Places) -> None:
            self.store(base, dtype, self.linear(order, places), self.evaluate(v, places))

        self.loops(order, one)
        return base

    def scan(self, node: Node, scan: Scan) -> None:
        """Carried values in memory of their own, then the body once per step."""
        plan = self.plan.bodies[id(scan)]
        body = plan.program
        carries = len(scan.initial)
        pointers: dict[int, str] = {}
        states: list[str] = []
        news: list[str] = []
        for slot, (v, dims) in zip(body.inputs, scan.initial, strict=False):
            if v.dtype != slot.dtype:
                raise CannotEmit("a carried value changes its type")
            states.append(self.copy_of(v, dims, slot.dtype, self.state_of(scan, len(states), size_of(slot))))
            kept = updated_in_place(body, len(news))
            news.append(states[-1] if kept else self.area_for(slot.dtype, size_of(slot)))
            pointers[id(slot)] = states[-1]
        rows: list[tuple[Slot, str]] = []
        for slot, (v, dims) in zip(body.inputs[carries:], scan.sequences, strict=False):
            rows.append((slot, self.whole(v, dims) or self.copy_of(v, dims, slot.dtype)))
        for slot, (v, dims) in zip(body.inputs[carries + len(scan.sequences) :], scan.invariants, strict=True):
            pointers[id(slot)] = self.whole(v, dims) or self.copy_of(v, dims, slot.dtype)
        for slot in constants_of(plan):
            pointers[id(slot)] = self.pointers[id(slot)]
        outputs = {v.number: v for v in reversed(self.plan.nodes.outputs[id(scan)])}
        for k, store in enumerate(body.stores):
            if k < carries:
                pointers[id(store.slot)] = news[k]
            elif k in outputs:
                rows.append((store.slot, self.instances[id(outputs[k])].pointer))
            else:
                pointers[id(store.slot)] = self.area_for(store.slot.dtype, size_of(store.slot))
        self.time(scan, plan, pointers, rows, list(zip(body.inputs, states, news, strict=False)))
        for v in self.plan.nodes.outputs[id(scan)]:
            target = self.instances[id(v)]
            first = outputs[v.number]
            source = states[v.number] if v.number < carries else self.instances[id(first)].pointer
            if source != target.pointer:
                size = size_of(body.stores[v.number].slot) * (1 if v.number < carries else scan.length)
                self.move(source, target.pointer, size, v.dtype)
            target.filled = True

    def copied(self, store: Store) -> None:
        """An output that is a piece of what a scan has left."""
        pointer, source = self.pointers[id(store.slot)], self.whole(store.value, store.dims)
        if source is None:
            self.copy_of(store.value, store.dims, store.slot.dtype, pointer)
        else:
            self.move(source, pointer, size_of(store.slot), store.slot.dtype)

    # Routines.

    def routine(self, routine: Routine) -> None:
        """A call of a function of whole arrays; what it writes over is copied to where its output belongs."""
        asked = self.plan.nodes.outputs[id(routine)]
        form = form_of(routine, {v.number for v in asked})
        targets: list[str] = []
        first = {v.number: v for v in reversed(asked)}
        for k, (shape, dtype) in enumerate(form.results):
            if k in first:
                targets.append(self.instances[id(first[k])].pointer)
            else:
                targets.append(self.area_for(dtype, product(shape)) if k in form.needed else "null")
        arguments: list[str] = []
        for k, (v, dims) in enumerate(routine.operands):
            to = form.over.get(k)
            there = self.whole(v, dims)
            if to is None:
                arguments.append(there or self.copy_of(v, dims, v.dtype))
            elif there is None:
                self.copy_of(v, dims, v.dtype, targets[to])
            else:
                self.move(there, targets[to], product(form.results[to][0]), v.dtype)
        scratch = "null"
        if form.scratch:
            scratch = self.writer.let(
                f"getelementptr inbounds i8, ptr {self.area}, i64 {self.reserve(form.scratch)}", "w"
            )
        given = ", ".join([*(f"ptr {a}" for a in (*arguments, *targets, scratch)), *(f"i64 {n}" for n in form.sizes)])
        self.writer.declared.update(form.texts)
        self.writer.line(f"call void @{form.symbol}({given})")
        for v in asked:
            target = self.instances[id(v)]
            if v is not first[v.number]:
                self.move(targets[v.number], target.pointer, target.size, v.dtype)
            target.filled = True

    def state_of(self, scan: Scan, number: int, size: int) -> str | None:
        """The memory of a final state, where the state can live from the first step on."""
        if size > IN_FRAME:
            for v in self.plan.nodes.outputs[id(scan)]:
                if v.number == number:
                    return self.instances[id(v)].pointer
        return None

    def move(self, source: str, target: str, size: int, dtype: Any) -> None:
        """Copy so many elements."""
        element = memory_type(dtype)
        if size > 16:
            self.writer.call(
                "void",
                "llvm.memcpy.p0.p0.i64",
                [("ptr", target), ("ptr", source), ("i64", str(size * dtype.itemsize)), ("i1", "false")],
            )
            return
        if size > 8:
            kind = vector_of(element, size)
            name = self.writer.let(f"load {kind}, ptr {source}, align {dtype.itemsize}")
            self.writer.line(f"store {kind} {name}, ptr {target}, align {dtype.itemsize}")
            return
        for k in range(size):
            name = self.writer.let(
                f"load {element}, ptr {self.pointer(source, element, str(k))}, align {dtype.itemsize}"
            )
            self.writer.line(
                f"store {element} {name}, ptr {self.pointer(target, element, str(k))}, align {dtype.itemsize}"
            )

    def time(
        self,
        scan: Scan,
        plan: Plan,
        pointers: dict[int, str],
        rows: list[tuple[Slot, str]],
        carried: list[tuple[Slot, str, str]],
    ) -> None:
        """The loop over time."""
        if scan.length == 0:
            return
        w = self.writer
        name, head, latch, leave = w.fresh("time"), w.label("head"), w.label("latch"), w.label("leave")
        w.line(f"br label %{head}")
        previous = w.block
        w.begin(head)
        w.line(f"{name} = phi i64 [ 0, %{previous} ], [ {name}n, %{latch} ]")
        step: Position = at(Variable(name, 0, scan.length - 1))
        here = step * -1 + (scan.length - 1) if scan.reverse else step
        self.scopes.append({})
        for slot, base in rows:
            place = self.scalar(here * size_of(slot)) if here != ZERO else "0"
            pointers[id(slot)] = self.pointer(base, memory_type(slot.dtype), place)
        inner = type(self)(w, self.vocabulary, pointers, plan.nodes.of)
        inner.area, inner.reserve, inner.areas = self.area, self.reserve, self.areas
        inner.common = self.area
        inner.in_scan = True
        inner.in_place = any(state == new for _, state, new in carried)
        inner.times, inner.spare = self.times * scan.length, self.spare
        inner.steady = {id(s) for s in plan.program.constants}
        inner.write(plan)
        for slot, state, new in carried:
            if state != new:
                self.move(new, state, size_of(slot), slot.dtype)
        self.scopes.pop()
        w.line(f"br label %{latch}")
        w.begin(latch)
        w.line(f"{name}n = add nsw i64 {name}, 1")
        more = w.let(f"icmp slt i64 {name}n, {scan.length}")
        w.line(f"br i1 {more}, label %{head}, label %{leave}")
        w.begin(leave)

    def top(self, items: list[Loop | Body], guards: list[Value] | None) -> None:
        """Statements of the outermost level; ``guards`` at the end of the last ones."""
        with self.shared(()):
            for item in items:
                self.statement(item, ())
            if guards is None:
                self.writer.line("ret void")
                return
            code = "0"
            for number in reversed(range(len(guards))):
                holds = self.evaluate(guards[number], {})
                code = self.writer.let(f"select i1 {holds.name}, i64 {code}, i64 {number + 1}")
            self.writer.line(f"ret i64 {code}")

    def write(self, plan: Plan) -> None:
        """All of a plan, in the function that is being written."""
        storage = Storage(plan, [0] * len(plan.tree), self.reserve)
        storage.assign()
        for number, slot in enumerate(slots_of(plan)):
            self.pointers[-1 - number] = self.pointers[id(slot)]
        self.setup(plan, storage)
        self.children(plan.tree, ())


def size_of(slot: Slot) -> int:
    """The number of elements."""
    total = 1
    for n in slot.shape:
        total *= n
    return total


def constants_of(plan: Plan) -> list[Slot]:
    """The constants of a plan and of the bodies of its scans."""
    return [*plan.program.constants, *(s for inner in plan.bodies.values() for s in constants_of(inner))]


def slots_of(plan: Plan) -> tuple[Slot, ...]:
    """Inputs, constants and outputs."""
    p = plan.program
    return (*p.inputs, *p.constants, *(s.slot for s in p.stores))


__all__ = ["Whole", "constants_of", "size_of", "slots_of"]
