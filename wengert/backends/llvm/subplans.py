"""Steps of NumPy that lead to native code: a choice between large branches, a loop with a test.

Imports core, ops, ``loop_body``; what makes a native plan is given. Invariant: where no native code can be made of the
programs inside a step, or it meets something that it cannot do, NumPy runs the step.

A loop with a test runs in blocks of steps, each a native loop of fixed length in which steps after the last are left
out; the rows that its passes hand to each other stay in their blocks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.backends.guards import GuardFailed
from wengert.core.graph import Graph, copy_step, input_node, step
from wengert.core.node import Const, Node
from wengert.core.op import OPS
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType
from wengert.ops import branches, loops
from wengert.ops.branches import is_cond, kind_of
from wengert.ops.fitting import zero_of
from wengert.ops.loop_body import runner
from wengert.ops.while_loops import Layout, Pass, is_while, run_passes, starts
from wengert.rewrite.passes import size_of

STRICT = "WENGERT_NATIVE_STRICT"
"""The environment variable that turns a fault of the native stages into an error, where else NumPy takes over."""
MakePlan = Callable[[Graph], Any]

BLOCK = 64
"""The most steps of a block."""
WORTH = 8_000
"""Operations that take the time of a call of a kernel: a block has about so many, so that what is left out is cheap."""
LARGE = 64
"""Numbers of a carried array from which on a step that writes into it in place is better than one that copies it."""
BOOL = ArrayType((), np.dtype(bool))


class Inside(NamedTuple):
    """What runs in the place of a step, and lines that say how."""

    evaluate: Callable[..., Any]
    lines: tuple[str, ...]


def inside(node: Node, make: MakePlan) -> Inside | None:
    """How native code runs what is inside a step; None where it does not."""
    try:
        if is_cond(node):
            return _choice(node, make)
        return _loop(node, make) if is_while(node) else None
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        if os.environ.get(STRICT):
            raise
        return None


# ---------------------------------------------------------------- choices


def _choice(node: Node, make: MakePlan) -> Inside:
    plans = [make(graph) for graph in node.params]

    def cond(pred: Any, *operands: Any) -> tuple[Any, ...]:
        values, graphs = operands[:-2], operands[-2:]
        which = 0 if pred else 1
        try:
            return tuple(plans[which].run(values))
        except GuardFailed:
            return branches.run_branch(graphs[which], values)

    lines = [f"{name}: {line}" for name, plan in zip(("true", "false"), plans, strict=True) for line in _first(plan)]
    return Inside(cond, tuple(lines))


def _first(plan: Any) -> list[str]:
    """The first line of what a plan says of itself, without the machine."""
    return [plan.explain().splitlines()[0].split(";")[0]]


# ---------------------------------------------------------------- loops


def _loop(node: Node, make: MakePlan) -> Inside | None:
    layout, test, *bodies = node.params
    for body, p in zip(bodies, layout.passes, strict=True):
        written = runner(body, p.carries)[1]
        if any(np.prod(body.inputs[k].type.shape) > LARGE for k in written):
            return None
    cost = sum(s.flops + s.bytes // 8 for s in map(size_of, (test, *bodies)))
    length = int(min(BLOCK, WORTH // max(cost, 1)))
    if length >= 4:
        plans = [make(graph) for graph in _blocks(layout, test, bodies, length)]
        if all(plan.fallen == 0 for plan in plans):
            return _in_blocks(layout, test, plans, length)
    plans = [make(graph) for graph in (test, *bodies)]
    if not any(plan.native for plan in plans):
        return None

    asked, *bodies = map(_spread, plans)
    steps = [(run, ()) for run in bodies]

    def while_loop(*operands: Any) -> tuple[Any, ...]:
        try:
            return run_passes(layout, asked, steps, operands)
        except GuardFailed:
            return node.op.evaluate(*operands)  # type: ignore[no-any-return]

    names = ("test", "body", *(f"pass {k + 2}" for k in range(len(plans) - 2)))
    lines = [f"{name}: {line}" for name, plan in zip(names, plans, strict=True) for line in _first(plan)]
    return Inside(while_loop, ("step by step", *lines))


def _spread(plan: Any) -> Callable[..., Any]:
    return lambda *values: plan.run(values)


def _in_blocks(layout: Layout, test: Graph, plans: Sequence[Any], length: int) -> Inside:
    first, _ = runner(test, 0)
    begin = starts(layout)
    shared_of = [_shared(layout, number) for number in range(len(plans))]

    def while_loop(*operands: Any) -> tuple[Any, ...]:
        shared = operands[begin[-1] :]
        rows: list[list[Any]] = []
        running: list[Any] = []
        ends: list[Any] = []
        for number, (p, plan) in enumerate(zip(layout.passes, plans, strict=True)):
            state: list[Any] = list(operands[begin[number] : begin[number + 1]])
            fixed = [shared[k] for k in shared_of[number]]
            if number == 0:
                kept: list[Any] = []
                with np.errstate(all="ignore"):
                    going = first(*state[: layout.tested], *(shared[k] for k in layout.invariants))[0]
                while going:
                    going, *found = plan.run([np.True_, *state, *fixed])
                    state = found[: p.carries]
                    kept.append(found[p.carries : -1])
                    running.append(found[-1])
            else:
                kept = [()] * len(running)
                for t in range(len(running) - 1, -1, -1) if p.backwards else range(len(running)):
                    reads = [_sum(rows, ids, t) for ids in p.reads]
                    found = plan.run([*state, *reads, running[t], *fixed])
                    state = found[: p.carries]
                    kept[t] = found[p.carries :]
            rows.extend(map(list, zip(*kept, strict=True)) if kept else ())
            ends.extend(v.copy(order="K") if type(v) is np.ndarray and not running else v for v in state)
        return tuple(ends)

    lines = [f"{name}: {line}" for k, plan in enumerate(plans) for name in [f"pass {k + 1}"] for line in _first(plan)]
    return Inside(while_loop, (f"in native blocks of {length} steps", *lines))


def _sum(rows: Sequence[Sequence[Any]], ids: Sequence[int], t: int) -> Any:
    first, *more = ids
    total = rows[first][t]
    for k in more:
        total = total + rows[k][t]
    return total


def _shared(layout: Layout, number: int) -> list[int]:
    """The invariants that a block of a pass takes."""
    p = layout.passes[number]
    return sorted({*p.invariants, *layout.invariants}) if number == 0 else list(p.invariants)


def _blocks(layout: Layout, test: Graph, bodies: Sequence[Graph], length: int) -> list[Graph]:
    """For every pass the program of one block: of the first pass from whether the loop goes on, the carries and the
    invariants to the same, the rows, and which steps were made; of others from carries, rows, which steps were made,
    and invariants to carries and rows."""
    made = []
    for number, (p, body) in enumerate(zip(layout.passes, bodies, strict=True)):
        inner = _step_of(layout, p, test, body, number)
        carries = p.carries + (number == 0)
        sequences = 0 if number == 0 else len(p.reads) + 1
        inputs = [
            input_node(
                ArrayType((length, *n.type.shape), n.type.dtype) if carries <= k < carries + sequences else n.type
            )
            for k, n in enumerate(inner.inputs)
        ]
        params = (inner, length, carries, p.backwards, sequences, None)
        kinds = loops.op_for(inner).infer((), params)
        scan = step(loops.op_for(inner), inputs, params, kinds, None)
        items = [step(ITEM, [scan], (k,), kind, None) for k, kind in enumerate(kinds)]
        made.append(_graph(inputs, [scan, *items], items, f"{body.name}, {length} steps"))
    return made


def _step_of(layout: Layout, p: Pass, test: Graph, body: Graph, number: int) -> Graph:
    """One step of a block: the body, or nothing where the loop has ended."""
    running = input_node(BOOL)
    carries, reads = body.inputs[: p.carries], body.inputs[p.carries : p.carries + len(p.reads)]
    own = dict(zip(p.invariants, body.inputs[p.carries + len(p.reads) :], strict=True))
    asked = dict(zip(layout.invariants, test.inputs[layout.tested :], strict=True))
    shared = {k: input_node((own.get(k) or asked[k]).type) for k in _shared(layout, number)}
    state, given = [input_node(n.type) for n in carries], [input_node(n.type) for n in reads]
    outputs = [kind_of(o) for o in body.outputs]
    zeros = [Const(zero_of(k)) for k in outputs[p.carries :]]
    nothing = _graph(body.inputs, [], [*carries, *zeros], "nothing")
    operands = [running, *state, *given, *(shared[k] for k in p.invariants)]
    chosen = step(branches.op_for(body, nothing), operands, (body, nothing), tuple(outputs), None)
    items = [step(ITEM, [chosen], (k,), kind, None) for k, kind in enumerate(outputs)]
    if number:
        return _graph([*state, *given, running, *shared.values()], [chosen, *items], items, body.name)
    known: dict[Node, Any] = dict(
        zip(test.inputs, [*items[: layout.tested], *(shared[k] for k in layout.invariants)], strict=True)
    )
    steps: list[Node] = [chosen, *items]
    for n in test.nodes:
        known[n] = copy_step(n, [a if isinstance(a, Const) else known[a] for a in n.args])
        steps.append(known[n])
    (answer,) = (o if isinstance(o, Const) else known[o] for o in test.outputs)
    steps.append(step(OPS["logical_and"], [running, answer], (), BOOL, None))
    outs = [steps[-1], *items[: p.carries], *items[p.carries :], running]
    return _graph([running, *state, *shared.values()], steps, outs, body.name)


def _graph(inputs: Sequence[Any], nodes: Sequence[Node], outputs: Sequence[Any], name: str) -> Graph:
    return Graph(inputs=tuple(inputs), outputs=tuple(outputs), nodes=tuple(nodes), name=name, memory={"watched": None})


__all__ = ["BLOCK", "WORTH", "Inside", "inside"]
