"""Runs a plan with NumPy: on raw values in the planned memory, on handles through the operations'
own recording.

Imports core, ops, plan. Invariant: outputs are fresh memory, inputs and constants are never written
to, guards are asked as soon as their value is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, tracing
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.op import ELEMENTWISE
from wengert.ops.memory import ADD_AT, GET, UPDATE, sync
from wengert.ops.select import where
from wengert.ops.steps import run_step
from wengert.plan.plan import Plan, Step, into, make_plan


def evaluate(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """The outputs of a graph at raw values or handles; the plan is made once per graph."""
    return run(plan_of(graph), values)


def plan_of(graph: Graph) -> Plan:
    """The plan of a graph, made when first asked for."""
    plan: Plan | None = graph.memory.get("plan")
    if plan is None:
        plan = graph.memory["plan"] = make_plan(graph)
    return plan


def run(plan: Plan, values: Sequence[Any], *, careful: bool = False) -> list[Any]:
    """Execute a plan; returns the outputs.

    ``careful`` is for linear programs: an element-wise step all of whose moving operands are
    exactly zero gives exactly zero, whatever infinities it multiplies by. Raises WengertValueError
    where a guard answers otherwise than at recording."""
    env: list[Any] = [None] * len(plan.buffers)
    env[: len(values)] = values
    for number, guard in plan.guards:
        guard.check(_plain(env[number]))
    before = SWITCH.where
    watching = tracing.get() is not None
    try:
        # Steps that the program ran masked (np.log with where=) are here whole steps and a choice:
        # their warnings mean nothing.
        with np.errstate(all="ignore"):
            for step in plan.steps:
                operands = [r.value if isinstance(r, Const) else env[r] for r in step.reads]
                if watching:
                    SWITCH.where = step.node.where
                zero = (
                    _zeros(step, operands) if careful and step.node.op.kind == ELEMENTWISE else None
                )
                y = _execute(step, operands)
                env[step.writes] = y if zero is None else _absorbed(zero, y)
                for guard in step.guards:
                    guard.check(_plain(y))
                for number in step.frees:
                    env[number] = None
    finally:
        SWITCH.where = before
    out = []
    for k, o in enumerate(plan.outputs):
        value = o.value if isinstance(o, Const) else env[o]
        if type(value) is np.ndarray and k in plan.copied:
            value = value.copy(order="K")
        out.append(value)
    return out


def _execute(step: Step, operands: list[Any]) -> Any:
    node = step.node
    reuses = step.reuses
    if reuses is not None and node.op.kind == ELEMENTWISE:
        function = into(node)
        if function is not None and _same_layout(operands, operands[reuses]):
            return function(*operands, out=operands[reuses])
        reuses = None
    y = run_step(node.op, operands, node.params, node.evaluate, owned=reuses is not None)
    if (
        type(y) is np.ndarray
        and node.op is not GET
        and node.op is not UPDATE
        and node.op is not ADD_AT
    ):
        return own(y, operands)
    return tuple(own(part, operands) for part in y) if type(y) is tuple else y


def _same_layout(operands: list[Any], target: Any) -> bool:
    """Whether computing into ``target`` gives the layout a fresh result would have (sums depend on
    it in their last bits)."""
    if type(target) is not np.ndarray or not target.flags.writeable:
        return False
    return not any(
        is_handle(x) or (type(x) is np.ndarray and x.ndim and not x.flags.c_contiguous) for x in operands
    )


def own(y: Any, operands: Sequence[Any]) -> Any:
    """A result in memory of its own: the plan counts on it."""
    if type(y) is not np.ndarray or (y.base is None and not any(y is x for x in operands)):
        return y
    for x in operands:
        if type(x) is np.ndarray and np.may_share_memory(x, y):
            return y.copy(order="K")
    return y


def _zeros(step: Step, operands: list[Any]) -> Any:
    """Where all moving operands are exactly zero; None when that is nowhere. (Asked before the
    step, which may reuse their memory.)"""
    zero: Any = None
    for read, x in zip(step.reads, operands, strict=True):
        if type(read) is not Const:
            part = np.equal(_plain(x), 0)
            zero = part if zero is None else zero & part
    return zero if zero is not None and np.any(zero) else None


def _absorbed(zero: Any, y: Any) -> Any:
    """A result that is zero where the operands are and it is no number. (Elsewhere it is zero by itself, and its own
    derivative by the operands is asked for when a traced vector goes through the program.)"""
    with np.errstate(all="ignore"):
        wrong = zero & ~np.isfinite(_plain(y))
    return where(wrong, 0.0, y) if np.any(wrong) else y


def _plain(value: Any) -> Any:
    if not is_handle(value):
        return value
    if value.base is not None:
        sync(value)
    return value.value


__all__ = ["evaluate", "own", "plan_of", "run"]
