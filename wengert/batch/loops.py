"""Loops on a batch: one loop whose body works on all rows at once.

Imports core, ops, ``transform``. Invariant: what is batched has the batch first outside of the loop; inside, the time
axis of sequences and stacked rows comes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.batch.rules import expanded
from wengert.batch.transform import Value, operand, run_batched
from wengert.core import context
from wengert.core.context import FULL, tracing
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.types import shape_of
from wengert.ops import memory
from wengert.ops.loops import Origin, scan


def batched_scan(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The batch rule of ``scan``: every output has the batch first."""
    body, length, carries, reverse, sequences, origin = params
    size = next(_shape(v)[0] for v, b in zip(values, mask, strict=True) if b)
    inner, grown, rows = batched_body(body, carries, mask, size)
    if origin is not None:
        origin = _batched_origin(origin, carries, mask, size, grown)
    operands = []
    for k, (v, b) in enumerate(zip(values, mask, strict=True)):
        if k < carries:
            operands.append(v if b or not grown[k] else _whole(expanded(v, size)))
        elif k < carries + sequences and b:
            operands.append(_swapped(v))
        else:
            operands.append(v)
    ends = list(scan(inner, operands, length, carries, sequences, reverse=reverse, origin=origin))
    for k in range(len(ends)):
        if k < carries:
            if not grown[k]:
                ends[k] = expanded(ends[k], size)
        else:
            ends[k] = _swapped(ends[k]) if rows[k - carries] else expanded(ends[k], size)
    return tuple(ends)


def batched_body(body: Graph, carries: int, mask: Sequence[bool], size: int) -> Any:
    """The batched body, which carries are batched, and which rows are; made once."""
    known = body.memory.setdefault("batched", {})
    found = known.get((size, tuple(mask)))
    if found is None:
        found = known[size, tuple(mask)] = _batched_body(body, carries, mask, size)
    return found


def _batched_origin(
    origin: Origin, carries: int, mask: Sequence[bool], size: int, grown: Sequence[bool]
) -> Origin | None:
    """What a batched loop computes of another one: that one, batched in the same operands."""
    inner = [mask[k] for k in origin.operands]
    if not any(inner):
        return origin if not any(grown[k] for k in origin.operands if k < carries) else None
    count = sum(k < carries for k in origin.operands)
    body, same, _ = batched_body(origin.body, count, inner, size)
    if list(same) != [grown[k] for k in origin.operands[:count]]:
        return None
    return Origin(body, origin.operands, origin.outputs)


def _shape(value: Any) -> tuple[int, ...]:
    return shape_of(value.value if is_handle(value) else value)


def _whole(value: Any) -> Any:
    return value if is_handle(value) else np.array(value)


def _swapped(value: Any) -> Any:
    """The first two axes exchanged."""
    order = (1, 0, *range(2, len(_shape(value))))
    if is_handle(value):
        return memory.read(value, ("transpose", order))
    return np.ascontiguousarray(value.transpose(order))


def _batched_body(
    body: Graph, carries: int, mask: Sequence[bool], size: int
) -> tuple[Graph, tuple[bool, ...], tuple[bool, ...]]:
    """The body on a batch, which carries become batched, and which rows are."""
    grown = list(mask)
    while True:
        graph, batched = recorded_on(body, carries, grown, size)
        more = [b or (k < carries and batched[k]) for k, b in enumerate(grown)]
        if more == grown:
            return graph, tuple(grown[:carries]), tuple(batched[carries:])
        grown = more


def recorded_on(
    body: Graph, carries: int, mask: Sequence[bool], size: int, *, every: bool = False
) -> tuple[Graph, list[bool]]:
    """A graph on a batch, and which of its outputs are batched: those of carries that come in batched in any case,
    or ``every`` one."""
    samples = [
        np.array(np.broadcast_to(v, (size, *shape_of(v)))) if b else v for v, b in zip(body.values, mask, strict=True)
    ]
    batched: list[bool] = []

    def run(handles: list[Any]) -> list[Any]:
        given = [Value(h, b) for h, b in zip(handles, mask, strict=True)]
        env = run_batched(body.nodes, body.inputs, given, size)
        ends = [Value(o.value, False) if isinstance(o, Const) else operand(o, env) for o in body.outputs]
        outputs = []
        for k, end in enumerate(ends):
            value, rows = end
            if (every or (k < carries and mask[k])) and not rows:
                value, rows = _whole(expanded(value, size)), True
            batched.append(rows)
            outputs.append(value)
        return outputs

    return recorded(samples, run, f"{body.name}, {size} rows"), batched


def recorded(samples: Sequence[Any], run: Callable[[list[Any]], list[Any]], name: str) -> Graph:
    """A program as a graph, unseen by the traces that run."""
    outside = tracing.set(None)
    before = context.SWITCH.where
    try:
        frame, token = context.enter(FULL)
        try:
            roots = [root(v, None, rich=True) for v in samples]
            with np.errstate(all="ignore"):
                outputs = run([handle(r.value, r.node) for r in roots])
            for value in outputs:
                if is_handle(value) and value.base is not None:
                    memory.sync(value)
            return graph_of(frame, roots, outputs, values=samples, name=name)
        finally:
            context.leave(frame, token)
    finally:
        context.SWITCH.where = before
        tracing.reset(outside)


__all__ = ["batched_body", "batched_scan", "recorded", "recorded_on"]
