"""Checkpointed calls in a recorded program: what a later step needs of their inside is computed again, right before it.

Imports core. Invariant: the same values by the same steps; no later pass may merge the second computation with the
first, because it starts from steps of its own (``again``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Operand, copy_step, step
from wengert.core.node import Const, Node
from wengert.core.op import CONTROL, Op

AGAIN = Op(
    listed=False,
    name="again",
    kind=CONTROL,
    inputs=("x",),
    params={"number": 0},
    rules=(),
    needs=(),
    evaluate=lambda x, number: np.copy(x)[()],
    infer=lambda types, params: types[0],
    doc="A value from which steps are computed again.",
)
_numbers = count()


@dataclass(slots=True)
class Region:
    """The steps of one checkpointed call: recorded from ``start`` to ``end``; ``results`` are the numbers of its result
    steps, ``keeps`` says which others are kept."""

    start: int
    end: int
    results: frozenset[int]
    keeps: Callable[[Node], bool] | None = None


class _Call:
    """A region among the nodes of a program that is being rewritten; ``kept`` are those of them that are stored."""

    def __init__(self, nodes: set[Node], kept: set[Node], inner: list[_Call]) -> None:
        self.nodes, self.kept, self.inner = nodes, kept, inner

    def copied(self, copies: dict[Node, Node]) -> _Call:
        """The same call among copies of its nodes."""
        return _Call(
            {copies[n] for n in self.nodes if n in copies},
            {copies[n] for n in self.kept if n in copies},
            [call.copied(copies) for call in self.inner],
        )


def recompute(graph: Graph, regions: Sequence[Region]) -> Graph:
    """The graph in which the inside of every region is computed again where steps after it ask for it."""
    order = list(graph.nodes)
    args: dict[Node, list[Operand]] = {node: list(node.args) for node in order}
    calls = _calls(order, sorted(regions, key=lambda region: (region.start, -region.end)))
    while calls:
        call = calls.pop(0)
        copies = _again(order, args, call)
        calls = [*call.inner, *(inner.copied(copies) for inner in call.inner if copies), *calls]
    known: dict[Any, Any] = {node: node for node in graph.inputs}
    for node in order:
        known[node] = copy_step(node, [a if isinstance(a, Const) else known[a] for a in args[node]])
    outputs = [o if isinstance(o, Const) else known[o] for o in graph.outputs]
    return graph.with_steps([known[n] for n in order], outputs, [g.of(known[g.node]) for g in graph.guards])


def _calls(order: Sequence[Node], regions: Sequence[Region]) -> list[_Call]:
    """Regions as calls, those inside of others in these."""
    top: list[_Call] = []
    open_calls: list[tuple[Region, _Call]] = []
    for region in regions:
        nodes = {n for n in order if region.start < n.seq < region.end}
        keeps = region.keeps
        kept = {n for n in nodes if n.seq in region.results or (keeps is not None and keeps(n))}
        while open_calls and open_calls[-1][0].end < region.end:
            open_calls.pop()
        call = _Call(nodes, kept, [])
        (open_calls[-1][1].inner if open_calls else top).append(call)
        open_calls.append((region, call))
    return top


def _again(order: list[Node], args: dict[Node, list[Operand]], call: _Call) -> dict[Node, Node]:
    """Compute the inside of a call again before the first step outside that asks for it; gives the copies by node."""
    hidden = call.nodes - call.kept
    users = [
        (k, node)
        for k, node in enumerate(order)
        if node not in call.nodes and any(not isinstance(a, Const) and a in hidden for a in args[node])
    ]
    if not users:
        return {}
    stack = [a for _, node in users for a in args[node] if not isinstance(a, Const) and a in hidden]
    needed: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack += [a for a in args[node] if not isinstance(a, Const) and a in hidden]
    made: list[Node] = []
    copies: dict[Node, Node] = {}
    starts: dict[Any, Any] = {}
    number = next(_numbers)

    def start(a: Any) -> Any:
        if type(a.type) is tuple:
            return a
        if a not in starts:
            starts[a] = step(AGAIN, [a], (number,), a.type, a.where)
            args[starts[a]] = [a]
            made.append(starts[a])
        return starts[a]

    for node in order:
        if node in needed:
            operands = [a if isinstance(a, Const) else copies[a] if a in copies else start(a) for a in args[node]]
            copies[node] = step(node.op, operands, node.params, node.type, node.where, evaluate=node.evaluate)
            args[copies[node]] = operands
            made.append(copies[node])
    for _, node in users:
        args[node] = [a if isinstance(a, Const) else copies.get(a, a) for a in args[node]]
    order[users[0][0] : users[0][0]] = made
    return copies


__all__ = ["AGAIN", "Region", "recompute"]
