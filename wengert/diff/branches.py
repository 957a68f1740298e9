"""Derivatives of the branches of a cond: for each of the two, the program of its cotangents and that of its tangents.

Imports core, ops, ``bodies``. Invariant: both programs take the same operands and give the same types, whichever
branch they belong to; they compute again what they need of the branch's run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.core import context
from wengert.core.context import FORWARD
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.structure import root
from wengert.diff.bodies import exactly, influence, kind_of, needed, one, one_of, recorded, swept_back
from wengert.diff.linearize import settled
from wengert.ops.branches import Pulled, Pushed


def reverse_branches(
    true: Graph, false: Graph, active: Sequence[bool], wanted: Sequence[bool], careful: bool
) -> Pulled:
    """The branches of the cond that is swept back; ``careful``: exact zeros absorb infinities."""
    moved = 0
    for graph in (true, false):
        for bits, asked in zip(influence(graph), wanted, strict=True):
            moved |= bits if asked else 0
    places = tuple(k for k, a in enumerate(active) if a and moved >> k & 1)
    seeded = tuple(k for k, w in enumerate(wanted) if w)
    made = [_reverse(graph, seeded, places, careful) for graph in (true, false)]
    (yes, no), operands = _on_common(made, len(active))
    return Pulled(yes, no, operands, places)


def forward_branches(true: Graph, false: Graph, active: Sequence[bool]) -> Pushed:
    """The branches of the cond that gives tangents."""
    moving = tuple(k for k, a in enumerate(active) if a)
    mask = sum(1 << k for k in moving)
    moves = [bool((a | b) & mask) for a, b in zip(influence(true), influence(false), strict=True)]
    outputs = tuple(k for k, m in enumerate(moves) if m)
    made = [_forward(graph, moving, outputs) for graph in (true, false)]
    (yes, no), operands = _on_common(made, len(active))
    return Pushed(yes, no, operands, moving, outputs)


def _reverse(graph: Graph, seeded: Sequence[int], places: Sequence[int], careful: bool) -> Graph:
    count = len(graph.inputs)

    def record(values: list[Any]) -> list[Any]:
        seeds = dict(zip(seeded, values[count:], strict=True))
        _, given = swept_back(graph, values[:count], seeds, {}, careful)
        return [exactly(given[k], graph.inputs[k].type) for k in places]

    samples = [*graph.values, *(one_of(kind_of(graph.outputs[k])) for k in seeded)]
    return recorded(samples, record, f"{graph.name} swept back")


def _forward(graph: Graph, moving: Sequence[int], outputs: Sequence[int]) -> Graph:
    count = len(graph.inputs)

    def record(values: list[Any]) -> list[Any]:
        given = dict(zip(moving, values[count:], strict=True))
        frame, token = context.enter(FORWARD)
        try:
            roots = [root(v, None, frame=frame, tangent=given.get(k)) for k, v in enumerate(values[:count])]
            ends = [settled(o) for o in graph.evaluate(roots)]
        finally:
            context.leave(frame, token)

        def tangent(k: int) -> Any:
            o = ends[k]
            found = o.node.tangents.get(frame) if is_handle(o) and o.node is not None and o.node.tangents else None
            return exactly(found, kind_of(graph.outputs[k]))

        return [tangent(k) for k in outputs]

    samples = [*graph.values, *(one(graph.values[k]) for k in moving)]
    return recorded(samples, record, f"tangents of {graph.name}")


def _on_common(graphs: Sequence[Graph], count: int) -> tuple[list[Graph], tuple[int, ...]]:
    """The graphs without what their outputs do not need, on those of their first ``count`` inputs that one of them
    reads and all further ones; and which of the first these are."""
    lean = []
    read: set[int] = set()
    for graph in graphs:
        steps = needed(graph.nodes, graph.outputs)
        used = {a for n in steps for a in n.args if isinstance(a, Node)}
        used.update(o for o in graph.outputs if not isinstance(o, Const))
        read.update(k for k in range(count) if graph.inputs[k] in used)
        lean.append(steps)
    kept = [*sorted(read), *range(count, len(graphs[0].inputs))]
    made = [
        Graph(
            inputs=tuple(graph.inputs[k] for k in kept),
            outputs=graph.outputs,
            nodes=tuple(steps),
            values=tuple(graph.values[k] for k in kept),
            name=graph.name,
            memory={"watched": None},
        )
        for graph, steps in zip(graphs, lean, strict=True)
    ]
    return made, tuple(sorted(read))


__all__ = ["forward_branches", "reverse_branches"]
