"""The least time that NumPy's plan of a graph can take: where native code is below it, nothing needs to be timed.

Imports core, ops and plan. Invariant: every rate is one that NumPy on one thread does not reach, so
that a plan which might be the better one is always tried."""

from __future__ import annotations

import math

from wengert.core.graph import Graph
from wengert.core.op import ELEMENTWISE
from wengert.ops.loops import is_scan
from wengert.plan.liveness import nbytes

_CACHED, _STREAMED = 2e11, 3e10
"""Bytes a second that element-wise steps write at most: into the caches of a core, and past them."""
_LARGE = 4 << 20
"""Bytes of a result that passes the caches of a core."""
_FUNCTION = 2.5e-11
"""Seconds for each byte of results of exp, log and their like."""
_SIMPLE = {"add", "subtract", "multiply", "divide", "negative", "positive", "square", "absolute", "sqrt"}
_SIMPLE |= {"maximum", "minimum", "reciprocal", "where", "relu", "sign"}
"""Element-wise operations that are not bound by arithmetic."""
_STEP, _CALL = 2e-8, 2e-7
"""Seconds that a step on Python's numbers, and a call of NumPy with an array, take with nothing to do."""


def least_seconds(graph: Graph) -> float:
    """Seconds that a run of NumPy's plan takes at the very least."""
    total = 0.0
    for node in graph.nodes:
        if is_scan(node):
            body, count = node.params[:2]
            total += count * least_seconds(body)
        elif node.op.kind == ELEMENTWISE:
            written = nbytes(node.type)
            total += (_CALL if node.type.shape else _STEP) + written / (_STREAMED if written >= _LARGE else _CACHED)
            if node.op.name not in _SIMPLE and node.type.dtype.kind == "f":
                total += _FUNCTION * math.prod(node.type.shape) * node.type.dtype.itemsize
    return total


__all__ = ["least_seconds"]
