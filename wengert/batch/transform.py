"""Runs a fully recorded computation on a batch: each node once, on values whose first axis is the batch.

Imports core, ops, ``rules``. Invariant: a node none of whose operands is batched is evaluated once, unbatched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.batch.rules import apply_batched
from wengert.core import freed
from wengert.core.deferred import by_type
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.op import Op
from wengert.core.structure import ITEM, ROOT
from wengert.ops.sides import replaying


class Value(NamedTuple):
    """A value during batched evaluation, and whether its first axis is the batch."""

    value: Any
    batched: bool


def run_batched(
    nodes: Iterable[Any],
    inputs: Sequence[Any],
    values: Sequence[Value],
    size: int,
    known: dict[Any, Value] | None = None,
    wanted: Collection[Any] | None = None,
) -> dict[Any, Value]:
    """Evaluate ``nodes`` (in order) given the values of the input nodes; returns every node's value, or those
    ``wanted``: then the others are let go after their last use.

    Values may be raw or handles of an outer trace: then the evaluation is recorded there.
    """
    env: dict[Any, Value] = dict(known or {})
    env.update(zip(inputs, values, strict=True))
    nodes = [node for node in nodes if node not in env]
    ends: dict[Any, list[Any]] = {}
    if wanted is not None:
        last = {a: node for node in nodes for a in node.args if not isinstance(a, Const)}
        for a, node in last.items():
            ends.setdefault(node, []).append(a)
    with replaying():
        for node in nodes:
            env[node] = evaluate(node.op, [operand(a, env) for a in node.args], node.params, size)
            for a in ends.get(node, ()):
                if a not in wanted:  # type: ignore[operator]
                    del env[a]
    return env


def operand(arg: Any, env: dict[Any, Value]) -> Value:
    """An argument's value: a constant, or what its node gave."""
    if isinstance(arg, Const):
        return Value(arg.value, False)
    return env[arg]


def evaluate(op: Op, operands: Sequence[Value], params: tuple[Any, ...], size: int) -> Value:
    """One operation on values some of which are batched."""
    if op is ROOT:
        return operands[0]
    if op is ITEM:
        parts = operands[0]
        return Value(parts.value[params[0]], parts.batched)
    values = [o.value for o in operands]
    mask = tuple(o.batched for o in operands)
    if not any(mask):
        return Value(call(op, values, params), False)
    found = apply_batched(op, values, mask, params, size)
    if not freed.asked and _is_large(found):
        freed.keep()
    return Value(found, True)


@by_type
def _is_large(value: Any) -> bool:
    plain = value.value if is_handle(value) else value
    return type(plain) is np.ndarray and plain.nbytes > freed.LARGE


def call(op: Op, values: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """An operation through its recording function, whatever its form."""
    from wengert.batch.rules import call_op

    return call_op(op, values, params)
