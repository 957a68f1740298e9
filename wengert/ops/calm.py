"""Sweeps that cannot end non-finite, and the question that a recording asks about the others.

Imports core, ``compare``, ``questions``. Invariant: a sweep called calm gives finite cotangents wherever its output is
finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.deferred import held, is_missing, real
from wengert.core.floats import ignored
from wengert.core.handle import TracedArray, is_handle
from wengert.core.node import Node
from wengert.core.record import record
from wengert.core.types import shape_of
from wengert.ops.compare import isfinite as isfinite_of
from wengert.ops.questions import all as every
from wengert.ops.reduce import sum as total


def ask_finite(values: Sequence[Any]) -> None:
    """Record that all these values are finite: the sweep was not run again because of it, but at other values it
    would be."""
    for value in values:
        if not is_handle(value) or value.node is None:
            continue
        if shape_of(value.value) and np.isfinite(np.add.reduce(value.value, axis=None)):
            bool(isfinite_of(total(value, None, False)))  # one pass; a sum that overflows is asked in the other way
            continue
        t = isfinite_of(value)
        bool(every(t, None, False) if shape_of(t.value if is_handle(t) else t) else t)


# Steps whose transposes multiply by no residual, so that a zero cotangent stays zero in them.
_CARRIES = frozenset(
    {"add", "subtract", "negative", "positive", "get", "update", "add_at", "sum", "mean", "concatenate"}
)
# Steps through which an infinity or a NaN always reaches the output, and whose partials are finite at finite values.
_SHOWS = _CARRIES | {"multiply", "square", "dot", "matmul", "einsum", "sin", "cos"}


def assumed_finite(values: Sequence[Any]) -> bool:
    """Whether a recording that puts off its steps goes on as if all these values, some of them still to come, were
    finite: that is a guard then, and looked at before anything that was put off is handed out."""
    frame = tracing.get()
    late = None if frame is None or frame.met is None else frame.met.late
    if late is None or not late.hopes or not late.may():
        return False
    open_ = [v for v in values if is_handle(v) and is_missing(held(v))]
    known = [v for v in values if v is not None and not (is_handle(v) and is_missing(held(v)))]
    if not open_ or not all(np.all(np.isfinite(v.value if is_handle(v) else v)) for v in known):
        return False
    ask_finite(known)
    for value in open_:
        with ignored():
            whole = total(value, None, False) if type(value) is TracedArray else value
        number = held(whole)
        if not is_missing(number):
            ask_finite([whole])
            continue
        late.assume_finite(number)
        bool(record(isfinite_of.op, [number], [whole.node], (), np.True_, frame, [whole]))
    return True


def is_calm(order: list[Node], outputs: Sequence[Any]) -> bool:
    """Whether a sweep cannot end non-finite, so that nothing has to be kept for a second one.

    Exact zeros are made by the masking steps and travel to earlier ones: those must carry them as they are. After the
    last masking step every value reaches the output, so a finite output shows that all residuals are finite. (Memory
    let go on the way is used again while it is still in the cache.)
    """
    if len(outputs) != 1:
        return False
    value = held(outputs[0]) if is_handle(outputs[0]) else None
    if not (type(value) is float or type(value) is np.float64):
        return False
    last = max((k for k, node in enumerate(order) if node.op.zeroes), default=-1)
    if not all(node.op.name in _CARRIES for node in order[: last + 1]) or not all(
        node.op.name in _SHOWS or (node.op.name == "power" and _whole_power(node)) for node in order[last + 1 :]
    ):
        return False
    return assumed_finite(outputs) or isfinite(real(value))


def _whole_power(node: Node) -> bool:
    """A power with a constant exponent of at least 1: its partial is finite wherever it is."""
    if node.inputs[1] is not None:
        return False
    exponent = node.saved[[need.name for need in node.op.needs].index("b")]
    return type(exponent) in (int, float) and exponent >= 1


__all__ = ["ask_finite", "assumed_finite", "is_calm"]
