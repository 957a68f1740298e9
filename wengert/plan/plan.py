"""Plans: the steps of a graph with the memory each reads, writes, reuses and frees, and the peak
that follows.

Imports core, ops, ``liveness``. Invariant: memory is written to only by the step that owns it, when
every other value in it is dead."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Guard, Operand
from wengert.core.node import Const, Node, line_of
from wengert.core.op import ELEMENTWISE
from wengert.core.printing import names_of, operation
from wengert.ops.memory import ADD_AT, UPDATE
from wengert.plan.liveness import NEVER, last_uses, looks_into, nbytes

FOREIGN = -1
"""The buffer of inputs and constants: memory that belongs to somebody else and is never written
to."""

_AS_UFUNC: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    operator.neg: np.negative,
    operator.pos: np.positive,
}
# Not operator.pow: on arrays ``**`` is sometimes a square or a square root, which np.power is not,
# bit for bit.


def into(node: Node) -> np.ufunc | None:
    """The ufunc that computes an element-wise step with ``out=``, giving the same bits; None when
    there is none."""
    function = node.evaluate or node.op.evaluate
    if isinstance(function, np.ufunc):
        return function if function.nout == 1 else None
    return _AS_UFUNC.get(function)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: ``reads`` are numbers of values or constants, ``writes`` the number of its own
    value.

    ``reuses`` is the position among the operands whose memory the result takes over (None: fresh
    memory); ``frees`` are the values dropped afterwards; ``guards`` are asked afterwards; steps of
    one ``group`` may be run as one loop by a backend."""

    node: Node
    reads: tuple[int | Const, ...]
    writes: int
    frees: tuple[int, ...]
    reuses: int | None
    guards: tuple[Guard, ...]
    group: int
    live_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order; ``buffers[v]`` is the buffer of value ``v`` (FOREIGN for inputs),
    ``sizes[b]`` the bytes of buffer ``b``.

    ``inputs`` and ``outputs`` are numbers of values (or constants); ``copied`` are the outputs that
    need a copy at the end, because their memory is an input's, a constant's or another output's.
    ``peak`` predicts the most bytes held at once, outputs included, inputs and constants not."""

    graph: Graph
    steps: tuple[Step, ...]
    buffers: tuple[int, ...]
    sizes: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int | Const, ...]
    copied: frozenset[int]
    guards: tuple[tuple[int, Guard], ...]
    peak: int

    @property
    def total(self) -> int:
        """The bytes that would be held if nothing were freed or reused."""
        return sum(nbytes(s.node.type) for s in self.steps if looks_into(s.node) is None)

    def explain(self, longest: int = 60) -> str:
        """A line per step: what it computes, whose memory it takes over, what it frees, and the
        bytes held while it runs."""
        names = names_of(self.graph)
        by_number = [*self.graph.inputs, *self.graph.nodes]
        reused = sum(s.reuses is not None for s in self.steps)
        size = f"{len(self.steps)} steps, {len(self.sizes)} buffers, {reused} steps in place"
        memory = f"peak {_bytes(self.peak)} (all values together {_bytes(self.total)})"
        out = [f"plan of {self.graph.name}: {size}; {memory}"]
        cut = len(self.steps) > longest
        for k, s in enumerate(self.steps):
            if cut and longest // 2 <= k < len(self.steps) - longest // 2:
                if k == longest // 2:
                    out.append(f"  ... {len(self.steps) - 2 * (longest // 2)} steps ...")
                continue
            notes = []
            if s.reuses is not None:
                notes.append(f"in the memory of {names[s.node.args[s.reuses]]}")
            elif self.buffers[s.writes] != FOREIGN and looks_into(s.node) is not None:
                notes.append("a view")
            if s.frees:
                notes.append("frees " + ", ".join(names[by_number[f]] for f in s.frees))
            notes.extend(f"asks {g.kind} ({line_of(g.where)[1]})" for g in s.guards)
            text = f"{names[s.node]} = {operation(s.node, names)}"
            out.append(f"  {text:<48} {_bytes(s.live_bytes):>10}  {'; '.join(notes)}".rstrip())
        return "\n".join(out)


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


class _Planner:
    """The state of planning: which buffer each value is in, and which values in a buffer are still
    needed."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.number = {n: k for k, n in enumerate((*graph.inputs, *graph.nodes))}
        self.last = last_uses(graph)
        self.buffer: dict[Node, int] = dict.fromkeys(graph.inputs, FOREIGN)
        self.whole: set[Node] = set()  # values that fill their buffer, rather than look into a part
        self.sizes: list[int] = []
        self.members: list[list[Node]] = []

    def place(self, node: Node, at: int) -> int | None:
        """Give a step's value its buffer; returns the operand whose memory it takes over, if
        any."""
        source = looks_into(node)
        if source is not None:
            self.buffer[node] = FOREIGN if isinstance(source, Const) else self.buffer[source]
            if self.buffer[node] != FOREIGN:
                self.members[self.buffer[node]].append(node)
            return None
        for k in self.candidates(node):
            if self.is_free(node, k, at):
                taken = self.buffer[node.args[k]]
                self.buffer[node] = taken
                self.members[taken] = [node]
                self.whole.add(node)
                return k
        self.buffer[node] = len(self.sizes)
        self.sizes.append(nbytes(node.type))
        self.members.append([node])
        if not node.op.outputs:
            self.whole.add(node)
        return None

    def candidates(self, node: Node) -> Sequence[int]:
        """Operands whose memory the result could take over."""
        if node.op is UPDATE or node.op is ADD_AT:
            return (0,)
        if node.op.kind != ELEMENTWISE or not node.type.shape or into(node) is None:
            return ()
        return tuple(
            k
            for k, a in enumerate(node.args)
            if not isinstance(a, Const)
            and type(a.type) is type(node.type)
            and a.type.shape == node.type.shape
            and a.type.dtype == node.type.dtype
        )

    def is_free(self, node: Node, k: int, at: int) -> bool:
        """Whether the memory of an operand is ours, and dead after this step."""
        a = node.args[k]
        if isinstance(a, Const) or a not in self.whole or self.buffer[a] == FOREIGN:
            return False
        taken = self.buffer[a]
        if any(self.last[m] > at for m in self.members[taken]):
            return False
        if node.op is UPDATE or node.op is ADD_AT:
            # A value that lies in the memory it is written to would change while it is read.
            return all(isinstance(b, Const) or self.buffer[b] != taken for b in node.args[1:])
        return True

    def alive(self, buffer: int, at: int) -> bool:
        return any(self.last[m] > at for m in self.members[buffer])


def make_plan(graph: Graph) -> Plan:
    """Plan a graph: keep its order, free every value after its last use, and compute in dead memory
    where that is exact."""
    state = _Planner(graph)
    asked: dict[Node, list[Guard]] = {}
    for guard in graph.guards:
        asked.setdefault(guard.node, []).append(guard)
    steps: list[Step] = []
    held = peak = 0
    live: set[int] = set()
    dying: dict[int, list[Node]] = {}
    for node, at in state.last.items():
        dying.setdefault(at, []).append(node)
    for at, node in enumerate(graph.nodes):
        reuses = state.place(node, at)
        buffer = state.buffer[node]
        if buffer != FOREIGN and buffer not in live:
            live.add(buffer)
            held += state.sizes[buffer]
        peak = max(peak, held)
        gone = list(dying.get(at, ()))
        if state.last[node] == NEVER:
            gone.append(node)
        here = held
        for b in {state.buffer[n] for n in gone if state.buffer[n] != FOREIGN}:
            if b in live and not state.alive(b, at):
                live.discard(b)
                held -= state.sizes[b]
        steps.append(
            Step(
                node,
                tuple(a if isinstance(a, Const) else state.number[a] for a in node.args),
                state.number[node],
                tuple(state.number[n] for n in gone),
                reuses,
                tuple(asked.get(node, ())),
                at,
                here,
            )
        )
    copied, extra = _copies_of_outputs(graph, state)
    return Plan(
        graph=graph,
        steps=tuple(steps),
        buffers=tuple(state.buffer[n] for n in (*graph.inputs, *graph.nodes)),
        sizes=tuple(state.sizes),
        inputs=tuple(range(len(graph.inputs))),
        outputs=tuple(o if isinstance(o, Const) else state.number[o] for o in graph.outputs),
        copied=copied,
        guards=tuple((k, g) for k, n in enumerate(graph.inputs) for g in asked.get(n, ())),
        peak=max(peak, held + extra),
    )


def _copies_of_outputs(graph: Graph, state: _Planner) -> tuple[frozenset[int], int]:
    """Which outputs must be copied so that each has memory of its own, and the bytes of the
    copies."""
    taken: set[int] = set()
    copied: set[int] = set()
    extra = 0
    for k, o in enumerate(graph.outputs):
        buffer = FOREIGN if isinstance(o, Const) else state.buffer[o]
        if (
            not isinstance(o, Const)
            and buffer != FOREIGN
            and buffer not in taken
            and o in state.whole
        ):
            taken.add(buffer)
            continue
        copied.add(k)
        extra += _size(o)
    return frozenset(copied), extra


def _size(o: Operand) -> int:
    if isinstance(o, Const):
        return int(getattr(o.value, "nbytes", 0))
    return nbytes(o.type)


__all__ = ["FOREIGN", "Plan", "Step", "into", "make_plan"]
