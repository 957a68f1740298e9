"""Loops that share work become one, and carry nothing that nobody reads.

Imports core, ops, ``clean``. A loop that is swept back or carries tangents computes what the plain loop computes as
well (``Origin``): then the plain one goes. Invariant: every value that is left has the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.core.graph import Graph, Operand, copy_step, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.structure import ITEM
from wengert.ops.loops import Origin, is_scan, op_for
from wengert.rewrite.clean import clean


def tidy(graph: Graph) -> Graph:
    """The graph with steps merged, loops shared, and their bodies freed of what nothing needs."""
    return pruned(clean(shared(clean(graph))))


def shared(graph: Graph) -> Graph:
    """The graph in which a loop that another one computes as well is left to that one."""
    instead = _stand_ins(graph)
    if not instead:
        return graph
    known: dict[Node, Operand] = {n: n for n in graph.inputs}
    steps: list[Node] = []

    def put(node: Node) -> None:
        args = [a if isinstance(a, Const) else known[a] for a in node.args]
        if node.op is ITEM and node.args[0] in instead:
            by, outputs = instead[node.args[0]]
            known[node] = made = step(ITEM, [known[by]], (outputs[node.params[0]],), node.type, node.where)
        else:
            known[node] = made = copy_step(node, args)
        steps.append(made)

    for node in graph.nodes:
        if node in instead:
            by = instead[node][0]
            if by not in known:
                put(by)
            known[node] = known[by]
        elif node not in known:
            put(node)
    return _with(graph, steps, known)


def _stand_ins(graph: Graph) -> dict[Node, tuple[Node, tuple[int, ...]]]:
    """For every loop that another one computes as well: that one, and where its outputs are there."""
    place = {n: k for k, n in enumerate((*graph.inputs, *graph.nodes))}
    loops = [n for n in graph.nodes if is_scan(n)]
    of_body: dict[Any, list[Node]] = {}
    for node in loops:
        of_body.setdefault((id(node.params[0]), *node.params[1:5]), []).append(node)
    instead: dict[Node, tuple[Node, tuple[int, ...]]] = {}
    for same in of_body.values():  # the very same loop twice
        for k, node in enumerate(same):
            for other in same[:k]:
                if other not in instead and _alike(other.args, node.args):
                    instead[node] = other, tuple(range(len(node.op.outputs)))
                    break
    for node in loops:
        origin: Origin | None = node.params[5]
        if origin is None or node in instead:
            continue
        wanted = [node.args[k] for k in origin.operands]
        for other in loops:
            if (
                other in instead
                or other.params[0] is not origin.body
                or other.params[1::2][:2] != node.params[1::2][:2]
            ):
                continue
            early = all(isinstance(a, Const) or place[a] < place[other] for a in node.args)
            if early and _alike(other.args, wanted):
                instead[other] = node, origin.outputs
    for old in list(instead):  # to those that stay
        by, outputs = instead[old]
        while by in instead:
            by, further = instead[by]
            outputs = tuple(further[k] for k in outputs)
        instead[old] = by, outputs
    return instead


def _alike(some: Sequence[Operand], others: Sequence[Operand]) -> bool:
    return len(some) == len(others) and all(map(_is, some, others))


def _is(a: Operand, b: Operand) -> bool:
    if a is b:
        return True
    if not isinstance(a, Const) or not isinstance(b, Const):
        return False
    if is_handle(a.value) and is_handle(b.value):
        return a.value.node is b.value.node
    if a.value is b.value:
        return True
    same = type(a.value) is type(b.value) and getattr(a.value, "shape", 0) == getattr(b.value, "shape", 0)
    same = same and getattr(a.value, "dtype", 0) == getattr(b.value, "dtype", 0)
    return same and _bytes(a.value) == _bytes(b.value)


def _bytes(value: Any) -> Any:
    return value.tobytes() if hasattr(value, "tobytes") else repr(value)


def _with(graph: Graph, steps: Sequence[Node], known: dict[Node, Operand]) -> Graph:
    return graph.with_steps(
        steps,
        [o if isinstance(o, Const) else known[o] for o in graph.outputs],
        [g.of(known[g.node]) for g in graph.guards],
    )


# ---------------------------------------------------------------- what nobody reads


def pruned(graph: Graph) -> Graph:
    """The graph whose loops have no rows, carries or operands that nothing needs; their bodies are cleaned."""
    if not any(is_scan(n) for n in graph.nodes):
        return graph
    read: dict[Node, set[int]] = {}
    whole: set[Node] = {o for o in (*graph.outputs, *(g.node for g in graph.guards)) if not isinstance(o, Const)}
    for node in graph.nodes:
        for a in node.args:
            if isinstance(a, Const):
                continue
            if node.op is ITEM:
                read.setdefault(a, set()).add(node.params[0])
            else:
                whole.add(a)
    known: dict[Node, Operand] = {n: n for n in graph.inputs}
    numbers: dict[Node, dict[int, int]] = {}
    steps: list[Node] = []
    for node in graph.nodes:
        args = [a if isinstance(a, Const) else known[a] for a in node.args]
        if is_scan(node) and node not in whole:
            made, numbers[node] = _smaller(node, args, read.get(node, set()))
            known[node] = made
        elif node.op is ITEM and node.args[0] in numbers:
            known[node] = step(ITEM, args, (numbers[node.args[0]][node.params[0]],), node.type, node.where)
        else:
            known[node] = copy_step(node, args)
        steps.append(known[node])  # type: ignore[arg-type]
    return _with(graph, steps, known)


def _smaller(node: Node, args: Sequence[Operand], wanted: set[int]) -> tuple[Node, dict[int, int]]:
    """A loop with only the outputs that are read; old output numbers to new ones."""
    body, length, carries, reverse, sequences, _ = node.params
    body = pruned(clean(body))
    first = carries + sequences
    needs = _inputs_of_outputs(body)
    kept = {k for k in wanted if k < carries}
    rows = [k for k in range(carries, len(body.outputs)) if k in wanted]
    while True:
        used = set().union(*(needs[k] for k in (*kept, *rows))) if kept or rows else set()
        more = {k for k in used if k < carries} | kept
        if more == kept:
            break
        kept = more
    outputs = [*sorted(kept), *rows]
    merged: dict[Any, int] = {}
    stands: dict[int, int] = {}
    for k in sorted(used | kept):
        a = args[k]
        key = (k,) if k < carries or isinstance(a, Const) else (a, k < first)
        stands[k] = merged.setdefault(key, k)
    inputs = [k for k in sorted(used | kept) if stands[k] == k]
    known: dict[Node, Operand] = {body.inputs[k]: body.inputs[stands[k]] for k in stands}
    steps = []
    for inner in body.nodes:
        if all(isinstance(a, Const) or a in known for a in inner.args):
            known[inner] = copy_step(inner, [a if isinstance(a, Const) else known[a] for a in inner.args])
            steps.append(known[inner])
    ends = tuple(known[o] if isinstance(o, Node) else o for o in (body.outputs[k] for k in outputs))
    values = body.values if len(body.values) == len(body.inputs) else ()
    smaller = Graph(
        inputs=tuple(body.inputs[k] for k in inputs),
        outputs=ends,
        nodes=tuple(steps),  # type: ignore[arg-type]
        values=tuple(values[k] for k in inputs) if values else (),
        name=body.name,
        memory={"watched": None},
    )
    smaller = clean(smaller)
    params = (smaller, length, len(kept), reverse, sum(carries <= k < first for k in inputs), None)
    kinds = tuple(node.type[k] for k in outputs)
    made = step(op_for(smaller), [args[k] for k in inputs], params, kinds, node.where)
    return made, {old: new for new, old in enumerate(outputs)}


def _inputs_of_outputs(body: Graph) -> list[set[int]]:
    """For every output the inputs that it is computed from."""
    bits: dict[Node, int] = {n: 1 << k for k, n in enumerate(body.inputs)}
    for node in body.nodes:
        found = 0
        for a in node.args:
            if not isinstance(a, Const):
                found |= bits[a]
        bits[node] = found
    return [
        set() if isinstance(o, Const) else {k for k in range(len(body.inputs)) if bits[o] >> k & 1}
        for o in body.outputs
    ]


__all__ = ["pruned", "shared", "tidy"]
