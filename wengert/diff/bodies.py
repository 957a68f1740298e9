"""Derivatives of loop bodies: the body of a loop that carries tangents, and the two bodies of a loop that is swept
back.

Imports core, ops. Invariant: everything is recorded at the body's own sample values, in a recording that no running
trace sees; what the backward body needs of the forward run is a row of a residual, a row that came in, or an
invariant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core import context, sweep
from wengert.core.context import FORWARD, FULL, REVERSE, tracing
from wengert.core.graph import Graph, Operand, copy_step, input_node
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, ELEMENTWISE
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.diff.linearize import settled
from wengert.ops.fitting import exact_cotangent, fit, zero_of
from wengert.ops.loops import Moved, Reversed
from wengert.ops.memory import GET

_ARITHMETIC = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "negative",
        "positive",
        "square",
        "conjugate",
        "astype",
        "where",
        "divide",
        "reciprocal",
        "absolute",
        "maximum",
        "minimum",
        "sign",
    }
)


def kind_of(operand: Operand) -> ArrayType:
    """The type of an operand of a graph."""
    return ArrayType.of(operand.value) if isinstance(operand, Const) else operand.type


def influence(body: Graph) -> list[int]:
    """For every output the inputs that move it, as bits."""
    bits: dict[Node, int] = {n: (1 << k if n.type.dtype.kind in "fc" else 0) for k, n in enumerate(body.inputs)}
    for node in body.nodes:
        found = 0
        if node.op.kind != CONSTANT:
            for a in node.args:
                if not isinstance(a, Const):
                    found |= bits[a]
        bits[node] = found
    return [0 if isinstance(o, Const) or o.type.dtype.kind not in "fc" else bits[o] for o in body.outputs]


def varied(body: Graph, carries: int, active: Sequence[bool]) -> tuple[tuple[int, ...], list[int]]:
    """The carries that move when the ``active`` inputs do, and all moving inputs of the body as bits (in a list of
    one, with the influence of each output after it)."""
    moves = influence(body)
    mask = sum(1 << k for k, a in enumerate(active) if a)
    for _ in range(carries + 1):
        grown = mask | sum(1 << k for k in range(carries) if moves[k] & mask and body.inputs[k].type.dtype.kind in "fc")
        if grown == mask:
            break
        mask = grown
    return tuple(k for k in range(carries) if mask >> k & 1), [mask, *moves]


def forward_body(body: Graph, carries: int, sequences: int, active: Sequence[bool]) -> Moved:
    """The body of the loop that carries tangents along."""
    first = carries + sequences
    moving, (mask, *moves) = varied(body, carries, active)
    rows = tuple(k for k in range(sequences) if active[carries + k])
    invariants = tuple(k for k in range(len(body.inputs) - first) if active[first + k])
    outputs = tuple(k for k in range(len(body.outputs) - carries) if moves[carries + k] & mask)
    places = [*moving, *(carries + k for k in rows), *(first + k for k in invariants)]

    def record(values: list[Any]) -> list[Any]:
        primals, tangents = values[: len(body.inputs)], values[len(body.inputs) :]
        given = dict(zip(places, tangents, strict=True))
        frame, token = context.enter(FORWARD)
        try:
            roots = [root(v, None, frame=frame, tangent=given.get(k)) for k, v in enumerate(primals)]
            ends = [settled(o) for o in body.evaluate(roots)]
        finally:
            context.leave(frame, token)

        def tangent(k: int) -> Any:
            o = ends[k]
            found = o.node.tangents.get(frame) if is_handle(o) and o.node is not None and o.node.tangents else None
            return exactly(found, kind_of(body.outputs[k]))

        moved = [tangent(k) for k in moving]
        return [*ends[:carries], *moved, *ends[carries:], *(tangent(carries + k) for k in outputs)]

    graph = recorded([*body.values, *(one(body.values[k]) for k in places)], record, f"{body.name} with tangents")
    n, a, b = len(body.inputs), len(moving), len(rows)
    order = [
        *range(carries),
        *range(n, n + a),
        *range(carries, first),
        *range(n + a, n + a + b),
        *range(first, n),
        *range(n + a + b, n + a + b + len(invariants)),
    ]
    return Moved(_reordered(graph, order), moving, rows, invariants, outputs)


def reverse_body(
    body: Graph, carries: int, sequences: int, active: Sequence[bool], wanted: Sequence[bool], careful: bool
) -> Reversed:
    """The two bodies of a loop that is swept back; ``careful``: exact zeros absorb infinities."""
    first = carries + sequences
    moving, (mask, *moves) = varied(body, carries, active)
    useful = {k for k, w in enumerate(wanted) if w}
    for _ in range(carries + 1):  # a carry matters when something that matters depends on it
        more = {k for k in moving if any(moves[o] >> k & 1 for o in useful)} - useful
        if not more:
            break
        useful |= more
    moving = tuple(k for k in moving if k in useful)
    summed = tuple(k for k in range(len(body.inputs) - first) if active[first + k])
    rows = tuple(k for k in range(sequences) if active[carries + k])
    pulled = tuple(k for k in range(len(body.outputs) - carries) if wanted[carries + k] and moves[carries + k] & mask)
    seeded = [*moving, *(carries + k for k in pulled)]
    ends = [*moving, *(first + k for k in summed), *(carries + k for k in rows)]

    def record(values: list[Any]) -> list[Any]:
        n = len(body.inputs)
        primals, sums, cts = values[:n], values[n : n + len(summed)], values[n + len(summed) :]
        have = {first + k: total for k, total in zip(summed, sums, strict=True)}
        outputs, given = swept_back(body, primals, dict(zip(seeded, cts, strict=True)), have, careful)
        return [*outputs, *(exactly(given[k], body.inputs[k].type) for k in ends)]

    samples = [
        *body.values,
        *(one(body.values[first + k]) for k in summed),
        *(one_of(kind_of(body.outputs[k])) for k in seeded),
    ]
    graph = recorded(samples, record, f"{body.name} swept back")
    return _split(graph, body, carries, sequences, moving, summed, pulled, rows)


def swept_back(
    graph: Graph, primals: Sequence[Any], seeds: dict[int, Any], have: dict[int, Any], careful: bool
) -> tuple[list[Any], list[Any]]:
    """The outputs of a program, and the cotangents of its inputs (None where nothing came) for those of some outputs
    (``seeds``, by number), added to what some inputs ``have`` already; recorded by the trace around."""
    frame, token = context.enter(REVERSE)
    try:
        roots = [root(v, None) for v in primals]
        outputs = [settled(o) for o in graph.evaluate([handle(r.value, r.node) for r in roots])]
    finally:
        tracing.reset(token)
    try:
        starts = [r.node for r in roots]
        live = [
            (outputs[k].node, ct)
            for k, ct in seeds.items()
            if is_handle(outputs[k]) and outputs[k].node is not None and outputs[k].node.seq >= frame.start
        ]
        order = sweep.reachable([node for node, _ in live], starts, frame.start)
        inner, outer = dependence(order, starts, frame.start)
        state = sweep.Sweep(lifted=True, careful=careful)
        for k, total in have.items():
            state.cts[starts[k]] = total
        for node, ct in live:
            if node in inner:
                state.add(node, ct)
        with np.errstate(all="ignore"):
            sweep.run_lifted(order, state, inner, outer, frame.start)
        return outputs, [state.cts.get(start) for start in starts]
    finally:
        context.retire(frame)


def dependence(order: list[Node], starts: Sequence[Node], begin: float) -> tuple[set[Node], set[Node]]:
    """``sweep.dependence`` of what is swept: cotangents go to floating point inputs alone, while truth values and
    counts among the inputs are seen from outside all the same."""
    moving = [n for n in starts if n.type.dtype.kind in "fc"]
    return sweep.dependence(order, moving, begin)[0], sweep.dependence(order, starts, begin)[1]


def _split(
    graph: Graph,
    body: Graph,
    carries: int,
    sequences: int,
    moving: tuple[int, ...],
    summed: tuple[int, ...],
    pulled: tuple[int, ...],
    rows: tuple[int, ...],
) -> Reversed:
    """Part a recorded sweep: what is costly is stored as a residual, what is cheap is computed again."""
    n, first, count = len(body.inputs), carries + sequences, len(body.outputs)
    primals, tail = graph.inputs[:n], graph.inputs[n:]
    places = {node: k for k, node in enumerate(primals)}
    late: set[Node] = set(tail)
    for node in graph.nodes:
        if any(a in late for a in node.args if not isinstance(a, Const)):
            late.add(node)
    kept: dict[Node, int] = {}  # residuals, in the order in which they are met
    again: set[Node] = set()
    read: set[int] = set()
    used: set[int] = set()
    stack: list[Operand] = [a for node in graph.nodes if node in late for a in node.args]
    stack.extend(graph.outputs[count:])
    seen: set[Node] = set()
    while stack:
        a = stack.pop()
        if isinstance(a, Const) or a in late or a in seen:
            continue
        seen.add(a)
        place = places.get(a)
        if place is None:
            if _is_cheap(a):
                again.add(a)
                stack.extend(a.args)
            else:
                kept[a] = len(kept)
        elif place < carries:
            kept[a] = len(kept)
        elif place < first:
            read.add(place - carries)
        else:
            used.add(place - first)
    forward = Graph(
        inputs=primals,
        outputs=(*graph.outputs[:count], *kept),
        nodes=(),
        values=body.values,
        name=f"{body.name} with residuals",
        memory={"watched": None},
    )
    forward = forward.with_steps(needed(graph.nodes, forward.outputs), forward.outputs)
    samples = forward.evaluate(list(body.values))[count:]
    known: dict[Node, Operand] = {node: input_node(node.type) for node in kept}
    read_, used_ = tuple(sorted(read)), tuple(sorted(used))
    s, m = len(summed), len(moving)
    sums, cts, rows_ct = tail[:s], tail[s : s + m], tail[s + m :]
    inputs: tuple[Any, ...] = (
        *cts,
        *sums,
        *(known[k] for k in kept),
        *(primals[carries + k] for k in read_),
        *rows_ct,
        *(primals[first + k] for k in used_),
    )
    values = dict(zip(graph.inputs, graph.values, strict=True))
    steps: list[Node] = []
    for node in graph.nodes:
        if node in late or node in again:
            known[node] = copy_step(node, [known.get(a, a) if isinstance(a, Node) else a for a in node.args])
            steps.append(known[node])  # type: ignore[arg-type]
    outputs = tuple(known.get(o, o) if isinstance(o, Node) else o for o in graph.outputs[count:])
    backward = Graph(
        inputs=inputs,
        outputs=outputs,
        nodes=tuple(needed(steps, outputs)),
        values=(
            *(values[c] for c in (*cts, *sums)),
            *samples,
            *(values[primals[carries + k]] for k in read_),
            *(values[c] for c in rows_ct),
            *(values[primals[first + k]] for k in used_),
        ),
        name=graph.name,
        memory={"watched": None},
    )
    return Reversed(forward, backward, moving, summed, read_, pulled, used_, rows)


def _is_cheap(node: Node) -> bool:
    """Whether a step is computed again rather than stored."""
    if node.op.kind == CONSTANT:
        return True
    if node.op.kind == ELEMENTWISE:
        return node.op.name in _ARITHMETIC
    return node.op is GET or node.op.name in {"where", "sum"}


def needed(nodes: Sequence[Node], outputs: Sequence[Operand]) -> list[Node]:
    """The steps that outputs need, in order."""
    wanted = {o for o in outputs if not isinstance(o, Const)}
    found = []
    for node in reversed(nodes):
        if node in wanted:
            found.append(node)
            wanted.update(a for a in node.args if not isinstance(a, Const))
    return found[::-1]


def recorded(values: Sequence[Any], record: Any, name: str) -> Graph:
    """Record ``record(handles)`` in full, unseen by the traces that run."""
    outside = tracing.set(None)
    before = context.SWITCH.where
    try:
        frame, token = context.enter(FULL)
        try:
            roots = [root(v, None, rich=True) for v in values]
            outputs = record([handle(r.value, r.node) for r in roots])
            return graph_of(frame, roots, [settled(o) for o in outputs], values=values, name=name)
        finally:
            context.leave(frame, token)
    finally:
        context.SWITCH.where = before
        tracing.reset(outside)


def _reordered(graph: Graph, order: Sequence[int]) -> Graph:
    """The graph with its inputs in another order."""
    return Graph(
        inputs=tuple(graph.inputs[k] for k in order),
        outputs=graph.outputs,
        nodes=graph.nodes,
        values=tuple(graph.values[k] for k in order),
        name=graph.name,
        memory={"watched": None},
    )


def exactly(value: Any, kind: ArrayType) -> Any:
    """A tangent or cotangent of exactly a type; zeros where there is none."""
    if value is None:
        return zero_of(kind)
    value = fit(value, kind.shape, kind.dtype)
    plain = value.value if is_handle(value) else value
    if shape_of(plain) != kind.shape:
        value = value + zero_of(kind)
    return settled(exact_cotangent(value, kind))


def one(value: Any) -> Any:
    """Ones like a value."""
    return one_of(ArrayType(shape_of(value), dtype_of(value)))


def one_of(kind: ArrayType) -> Any:
    """Ones of a type."""
    return np.ones(kind.shape, kind.dtype) if kind.shape else kind.dtype.type(1)


__all__ = [
    "dependence", "exactly", "forward_body", "influence", "kind_of", "needed", "one", "one_of", "recorded",
    "reverse_body", "varied",
]  # fmt: skip
