"""The text of split loops: a function for a range of steps, and one that joins what the ranges have reduced.

Imports the nest and the division. Invariant: a step's text is that of the loop which is not split; only which steps
are run, where a thread's own memory lies, and when reductions are finished is otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from wengert.backends.llvm.emit.arithmetic import COMBINE
from wengert.backends.llvm.emit.runs import Run
from wengert.backends.llvm.emit.values import Places
from wengert.backends.llvm.emit.whole import Whole
from wengert.backends.llvm.indexed import Reduce
from wengert.backends.llvm.instances import Instance
from wengert.backends.llvm.loop_tree import Loop, Node
from wengert.backends.llvm.positions import Variable
from wengert.backends.llvm.threads.division import Share, groups
from wengert.backends.llvm.writer import Type


class Split(Whole):
    """What both functions know: where partial results lie."""

    share: Share

    def partial(self, node: Node, held: Instance, number: str) -> Instance:
        """The memory of one partial result, laid out as the accumulator is."""
        v = node.value
        offset, size = self.share.kept[id(v)]
        first = self.writer.let(f"getelementptr inbounds i8, ptr {self.common}, i64 {offset}", "p")
        away = self.writer.let(f"mul nsw i64 {number}, {size}")
        return replace(held, pointer=self.writer.let(f"getelementptr inbounds i8, ptr {first}, i64 {away}", "p"))


class Ranged(Split):
    """The loop from step ``%first`` to ``%last``, as block ``%block``."""

    def hand_in(self, share: Share, reserve: Callable[[int], int], common: Callable[[int], int]) -> None:
        """The loop; where the thread's own memory comes from, and that of all."""
        self.share, self.reserve, self.reserve_common = share, reserve, common
        self.area, self.areas = "%own", {}
        self.passed, self.step = 0, "0"

    def run(self, loop: Loop, path: tuple[Loop, ...], run: Run) -> None:
        """Those iterations that are in the range."""
        if loop is not self.share.loop or self.probing is not None or run.trips <= 0:
            super().run(loop, path, run)
            return
        w, before = self.writer, self.passed
        inside, over = w.label("inside"), w.label("over")
        low = w.call("i64", "llvm.smax.i64", [("i64", w.let(f"sub nsw i64 %first, {before}")), ("i64", "0")])
        high = w.call("i64", "llvm.smin.i64", [("i64", w.let(f"sub nsw i64 %last, {before}")), ("i64", str(run.trips))])
        some = w.let(f"icmp slt i64 {low}, {high}")
        w.line(f"br i1 {some}, label %{inside}, label %{over}")
        w.begin(inside)
        self.limits = tuple(
            w.let(f"add nsw i64 {w.let(f'mul nsw i64 {step}, {run.step}')}, {run.start}") for step in (low, high)
        )
        super().run(loop, path, run)
        w.line(f"br label %{over}")
        w.begin(over)
        self.limits = None
        self.passed = self.share.steps = before + run.trips

    def enter(self, loop: Loop, run: Run, variable: Variable, lanes: int) -> None:
        """Note the step's number."""
        super().enter(loop, run, variable, lanes)
        if loop is self.share.loop and self.share.sums and self.probing is None:
            w = self.writer
            self.step = str(self.passed)
            if run.trips > 1:
                away = w.let(f"sub nsw i64 {variable.name}, {run.start}")
                self.step = w.let(f"add nsw i64 {w.let(f'udiv i64 {away}, {run.step}')}, {self.passed}")

    def totals(self, loop: Loop) -> bool:
        """Whether tiles are added here: not those of the split loop."""
        return loop is not self.share.loop and super().totals(loop)

    def start(self, node: Node, loop: Loop, path: tuple[Loop, ...]) -> None:
        """Find room for the partial results."""
        super().start(node, loop, path)
        if loop is self.share.loop:
            v = node.value
            assert isinstance(v, Reduce)
            now = self.accumulators[id(v)].now
            size = now.size * now.lanes * v.dtype.itemsize
            count = self.share.blocks if groups(node) else self.share.most_steps
            self.share.kept[id(v)] = self.reserve_common(size * count), size

    def start_tile(self, node: Node) -> None:
        """Begin a tile's sum."""
        if node in self.share.loop.starts and not groups(node):
            v = node.value
            assert isinstance(v, Reduce)
            self.clear(self.accumulators[id(v)].now, v.dtype, v.kind)
        else:
            super().start_tile(node)

    def finish_tile(self, node: Node) -> None:
        """Keep a tile's sum."""
        if node not in self.share.loop.starts:
            super().finish_tile(node)
        elif not groups(node) and self.probing is None:
            self.hand_over(node, self.step)

    def finish(self, node: Node, loop: Loop, path: tuple[Loop, ...]) -> None:
        """Keep a block's result."""
        if loop is not self.share.loop:
            super().finish(node, loop, path)
            return
        if groups(node):
            self.hand_over(node, "%block")
        self.accumulators.pop(id(node.value))

    def hand_over(self, node: Node, number: str) -> None:
        """Copy an accumulator to the partial results."""
        v = node.value
        assert isinstance(v, Reduce)
        now = self.accumulators[id(v)].now
        self.move(now.pointer, self.partial(node, now, number).pointer, now.size * now.lanes, v.dtype)


class Joined(Split):
    """The reductions over a loop, from the partial results of its tiles and blocks in their order."""

    def join(self) -> None:
        """All of the function."""
        loop = self.share.loop
        path = (loop,)
        with self.shared(()):
            for node in loop.starts:
                self.start(node, loop, path)
            sums = self.share.sums
            rest = [n for n in loop.starts if n not in sums]
            if sums:
                with self.counted(self.share.steps) as number:
                    for node in sums:
                        self.add_tile(node, number)
            if rest:
                with self.counted(self.share.blocks) as number:
                    for node in rest:
                        self.add_block(node, number)
            for node in reversed(loop.starts):
                self.finish(node, loop, path)
        self.writer.line("ret void")

    @contextmanager
    def counted(self, count: int) -> Iterator[str]:
        """A loop over partial results; their number."""
        w = self.writer
        name, head, leave = w.fresh("n"), w.label("head"), w.label("leave")
        latch, previous = w.label("latch"), w.block
        w.line(f"br label %{head}")
        w.begin(head)
        w.line(f"{name} = phi i64 [ 0, %{previous} ], [ {name}n, %{latch} ]")
        self.scopes.append({})
        yield name
        self.scopes.pop()
        w.line(f"br label %{latch}")
        w.begin(latch)
        w.line(f"{name}n = add nsw i64 {name}, 1")
        w.line(f"br i1 {w.let(f'icmp slt i64 {name}n, {count}')}, label %{head}, label %{leave}")
        w.begin(leave)

    def add_tile(self, node: Node, number: str) -> None:
        """Add the sum of one tile, as the loop does."""
        made = self.accumulators[id(node.value)]
        held = made.now
        made.now = self.partial(node, held, number)
        self.finish_tile(node)
        made.now = held

    def add_block(self, node: Node, number: str) -> None:
        """Combine with the result of one block."""
        v = node.value
        assert isinstance(v, Reduce)
        now, dtype = self.accumulators[id(v)].now, v.dtype
        new = self.partial(node, now, number)
        self.over(now, lambda places: self.combine(v, dtype, now, new, places))

    def combine(self, v: Reduce, dtype: Type, now: Instance, new: Instance, places: Places) -> None:
        """One element."""
        place = now.local(places)
        assert place is not None
        both = [self.get(i, dtype, place, None) for i in (now, new)]
        self.put(now, dtype, place, self.apply(COMBINE[v.kind], both, [dtype, dtype], dtype))


__all__ = ["Joined", "Ranged", "Split"]
