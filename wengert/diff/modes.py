"""Both modes on recorded graphs: the program that computes values and tangents, and the one that
computes values and cotangents.

Imports core, ops. Invariant: the result is a graph that any of the rooms above may rewrite, plan
and run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import context, sweep
from wengert.core.context import FORWARD, FULL, REVERSE
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.diff.linearize import settled
from wengert.ops.visit import stub


def forward(graph: Graph) -> Graph:
    """The graph from (values, tangents) to (outputs, tangents of the outputs), all flat."""

    def record(values: list[Any], tangents: list[Any]) -> list[Any]:
        frame, token = context.enter(FORWARD)
        try:
            roots = [
                root(v, None, frame=frame, tangent=t) for v, t in zip(values, tangents, strict=True)
            ]
            outputs = [settled(o) for o in graph.evaluate(roots)]
        finally:
            context.leave(frame, token)
        moved = []
        for o in outputs:
            found = (
                o.node.tangents.get(frame)
                if is_handle(o) and o.node is not None and o.node.tangents
                else None
            )
            moved.append(_zero(o) if found is None else settled(found))
        return [*outputs, *moved]

    return _recorded(
        graph,
        [ArrayType.of(_plain(v)) for v in graph.values],
        record,
        f"forward mode of {graph.name}",
    )


def reverse(graph: Graph) -> Graph:
    """The graph from (values, cotangents of the outputs) to (outputs, cotangents of the values),
    all flat."""
    kinds = [ArrayType.of(_plain(o)) for o in graph.evaluate(list(map(_plain, graph.values)))]

    def record(values: list[Any], cotangents: list[Any]) -> list[Any]:
        frame, token = context.enter(REVERSE)
        try:
            roots = [root(v, None) for v in values]
            outputs = [settled(o) for o in graph.evaluate([handle(r.value, r.node) for r in roots])]
        finally:
            context.tracing.reset(token)
        try:
            starts = [r.node for r in roots]
            active = [
                (o.node, ct)
                for o, ct in zip(outputs, cotangents, strict=True)
                if is_handle(o) and o.node is not None and o.node.seq >= frame.start
            ]
            order = sweep.reachable([n for n, _ in active], starts, frame.start)
            inner, outer = sweep.dependence(order, starts, frame.start)
            state = sweep.Sweep(lifted=True)
            for node, ct in active:
                if node in inner:
                    state.add(node, ct)
            with np.errstate(all="ignore"):
                sweep.run_lifted(order, state, inner, outer, frame.start)
            found = [state.cts.get(s) for s in starts]
            return [
                *outputs,
                *(
                    _zero(v) if ct is None else settled(ct)
                    for ct, v in zip(found, values, strict=True)
                ),
            ]
        finally:
            context.retire(frame)

    return _recorded(graph, kinds, record, f"reverse mode of {graph.name}")


def _recorded(
    graph: Graph,
    kinds: Sequence[ArrayType],
    record: Callable[[list[Any], list[Any]], list[Any]],
    name: str,
) -> Graph:
    """Record ``record(values, seeds)`` in full, the seeds being ones."""
    seeds = [np.ones(k.shape, k.dtype) if k.shape else k.dtype.type(1) for k in kinds]
    frame, token = context.enter(FULL)
    try:
        roots = [root(v, None, rich=True) for v in (*graph.values, *seeds)]
        inputs = [handle(r.value, r.node) for r in roots]
        count = len(graph.values)
        outputs = record(inputs[:count], inputs[count:])
        return graph_of(frame, roots, outputs, values=[*graph.values, *seeds], name=name)
    finally:
        context.leave(frame, token)


def _plain(value: Any) -> Any:
    return value.value if is_handle(value) else value


def _zero(value: Any) -> Any:
    plain = _plain(value)
    return stub(ArrayType(shape_of(plain), dtype_of(plain)))


__all__ = ["forward", "reverse"]
