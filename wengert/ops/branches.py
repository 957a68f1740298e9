"""The operation ``cond``: one of two branches, each a graph of its own, chosen by a truth value.

Imports core and ``apply``, ``loop_body``; what differentiates and batches branches is installed by the room that
composes (``install``). Invariant: operands are the truth value, then what both branches take; only the branch that is
taken runs, and both give the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from wengert.core.context import tracing
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Node
from wengert.core.op import CONTROL, ELEMENTWISE, Op
from wengert.core.sweep import Sweep
from wengert.core.types import ArrayType, dtype_of
from wengert.ops.apply import special
from wengert.ops.fitting import exact_cotangent, exact_tangent
from wengert.ops.loop_body import runner
from wengert.ops.program_op import program_op

PARAMS = ("true", "false")
"""The parameters of a cond: its branches."""


class Pulled(NamedTuple):
    """How a cond is swept back: branches that take the ``operands`` (their positions), then a cotangent per wanted
    output, and give the cotangents of the operands ``places``."""

    true: Graph
    false: Graph
    operands: tuple[int, ...]
    places: tuple[int, ...]


class Pushed(NamedTuple):
    """The tangents of a cond: branches that take the ``operands``, then the tangents of the operands ``moving``, and
    give the tangents of the ``outputs``."""

    true: Graph
    false: Graph
    operands: tuple[int, ...]
    moving: tuple[int, ...]
    outputs: tuple[int, ...]


_makers: dict[str, Callable[..., Any]] = {}


def install(reverse: Callable[..., Pulled], forward: Callable[..., Pushed], batch: Callable[..., Any]) -> None:
    """Say what differentiates branches (``reverse(true, false, active, wanted, careful)``, ``forward(true, false,
    active)``) and what batches a cond."""
    _makers.update(reverse=reverse, forward=forward, batch=batch)


def _made(kind: str, true: Graph, *key: Any) -> Any:
    """The derivatives of two branches, made once."""
    known = true.memory.setdefault("derivatives", {})
    found = known.get((kind, *key))
    if found is None:
        found = known[kind, *key] = _makers[kind](true, *key)
    return found


# ---------------------------------------------------------------- evaluation


def run_branch(graph: Graph, values: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs of a branch on raw values, in memory of their own and of the recorded types."""
    run, _ = runner(graph, 0)
    with np.errstate(all="ignore"):
        found = run(*values)
    kept: set[int] = set()
    return tuple(_own(v, o, kept) for v, o in zip(found, graph.outputs, strict=True))


def _own(value: Any, operand: Any, kept: set[int]) -> Any:
    if type(value) is not np.ndarray:
        kind = kind_of(operand).dtype
        return value if getattr(value, "dtype", None) == kind else kind.type(value)
    fresh = isinstance(operand, Node) and operand.op.kind == ELEMENTWISE and value.base is None
    if fresh and id(value) not in kept:
        kept.add(id(value))
        return value
    return value.copy(order="K")


def kind_of(operand: Any) -> ArrayType:
    """The type of an operand of a graph."""
    return operand.type if isinstance(operand, Node) else ArrayType.of(operand.value)


def _evaluate(pred: Any, *operands: Any) -> tuple[Any, ...]:
    *values, true, false = operands
    return run_branch(true if pred else false, values)


def _infer(types: Sequence[ArrayType], params: Sequence[Any]) -> tuple[ArrayType, ...]:
    return tuple(map(kind_of, params[0].outputs))


# ---------------------------------------------------------------- derivatives


def is_float(value: Any) -> bool:
    """Whether a raw value or a handle is real or complex floating point."""
    return dtype_of(value.value if is_handle(value) else value).kind in "fc"


def _pull(node: Node, ct: Any, sweep: Sweep) -> None:
    pred, *values = node.saved
    true, false = node.params
    active = tuple(p is not None and is_float(v) for p, v in zip(node.inputs[1:], values, strict=True))
    kinds = [kind_of(o) for o in true.outputs]
    wanted = tuple(c is not None and k.dtype.kind in "fc" for c, k in zip(ct, kinds, strict=True))
    plan: Pulled = _made("reverse", true, false, active, wanted, sweep.careful)
    if not plan.places:
        return
    seeds = [exact_cotangent(c, k) for c, k, w in zip(ct, kinds, wanted, strict=True) if w]
    found = cond(plan.true, plan.false, pred, [*(values[k] for k in plan.operands), *seeds])
    for place, c in zip(plan.places, found, strict=True):
        sweep.add(node.inputs[1 + place], c)


def _push(values: Sequence[Any], y: Any, params: Any, tangents: Sequence[Any], mask: Any) -> Any:
    true, false = params
    pred, *operands = values
    active = tuple(t is not None and is_float(v) for t, v in zip(tangents[1:], operands, strict=True))
    plan: Pushed = _made("forward", true, false, active)
    if not plan.outputs:
        return None
    moved = [exact_tangent(tangents[1 + k], operands[k]) for k in plan.moving]
    found = cond(plan.true, plan.false, pred, [*(operands[k] for k in plan.operands), *moved])
    out: list[Any] = [None] * len(true.outputs)
    for place, t in zip(plan.outputs, found, strict=True):
        out[place] = t
    return tuple(out)


# ---------------------------------------------------------------- the operation


@lru_cache(maxsize=256)
def cond_op(count: int, zeroes: bool = False) -> Op:
    """The operation for ``count`` outputs; ``zeroes``: a branch has steps whose transposes make exact zeros."""
    return program_op(
        "cond",
        PARAMS,
        count,
        evaluate=_evaluate,
        pull=_pull,
        push=_push,
        infer=_infer,
        batch=lambda values, mask, params: _makers["batch"](values, mask, params),
        zeroes=zeroes,
        doc="A choice: one of two branches runs, and the first operand says which.",
    )


def is_cond(node: Node) -> bool:
    """Whether a step is a choice of branches."""
    return node.op.kind == CONTROL and node.op.name == "cond" and len(node.params) == len(PARAMS)


def op_for(true: Graph, false: Graph) -> Op:
    """The operation that fits two branches."""
    return cond_op(len(true.outputs), any(n.op.zeroes for g in (true, false) for n in g.nodes))


def cond(true: Graph, false: Graph, pred: Any, operands: Sequence[Any]) -> tuple[Any, ...]:
    """Run and record a choice; returns the outputs of the branch that is taken.

    The branches take the same operands, have no guards, read no outer handles and give the same types."""
    if not true.outputs:
        return ()
    if tracing.get() is None and not any(map(is_handle, (pred, *operands))):
        return _evaluate(pred, *operands, true, false)
    return tuple(special(op_for(true, false), [pred, *operands], (true, false)))


__all__ = [
    "Pulled", "Pushed", "cond", "cond_op", "install", "is_cond", "is_float", "kind_of", "op_for", "run_branch",
]  # fmt: skip
