"""Which steps of a recording are put off, and the type of their results: NumPy itself is asked, on small arrays.

Imports core, ``memory``. Invariant: a step that is put off gives an array or number of the very type, shape and layout
that computing it at once would have given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.constants import COPIED, without_repeats
from wengert.core.context import tracing
from wengert.core.deferred import LARGE, PLACEHOLDERS, held, is_missing, reserved
from wengert.core.floats import ignored
from wengert.core.handle import TracedArray, TracedScalar
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE, GENERAL, LINEAR, Op
from wengert.core.record import record
from wengert.core.types import SCALARS, ArrayType, broadcast_shapes, shape_of
from wengert.ops.late_memory import running, watching
from wengert.ops.memory import sync

_COMPARISONS = frozenset(
    {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
    | {"isfinite", "isnan", "isinf", "sign", "shift"}
)
"""Operations without derivative that are element-wise."""


_SURE = frozenset({"max", "min"})
"""Operations of other kinds that never raise, whatever the values."""


def deferred(op: Op, operands: Sequence[Any], params: tuple[Any, ...], evaluate: Callable[..., Any] | None) -> Any:
    """The result of a step that is put off; None where it is to be computed."""
    frame = tracing.get()
    late = running()
    loop = op.kind == CONTROL and op.name == "scan"
    if late is None or frame is None or not (loop or (_takes(op) and not op.outputs)) or not watching(frame):
        return None
    values: list[Any] = []
    nodes: list[Any] = []
    start = late.start
    large = False
    for a in operands:
        kind = type(a)
        if kind is TracedArray or kind is TracedScalar:
            if a.base is not None:
                sync(a)
            node = a.node
            if node is None or node.seq < start or node.abstract:
                return None
            value = held(a)
            large = large or (type(value) is np.ndarray and value.nbytes >= LARGE) or is_missing(value)
            values.append(value)
            nodes.append(node)
        elif kind in SCALARS or (kind is np.ndarray and a.dtype.kind in "fciub"):
            values.append(a)
            nodes.append(None)
        else:
            return None
    if loop:
        from wengert.ops.put_off_loops import deferred_loop  # what few programs need

        return deferred_loop(op, values, nodes, params, frame, late, operands)
    if not large:
        return None
    function = evaluate or op.evaluate
    y = outcome(op, function, values, params)
    if y is None:
        return None
    for k, (value, node) in enumerate(zip(values, nodes, strict=True)):
        if node is None and type(value) is np.ndarray:
            core = without_repeats(value)
            if core.nbytes > max(COPIED, 2 * y.nbytes):
                return None
            whole = core.nbytes == value.nbytes
            values[k] = late.private(value) if whole else np.broadcast_to(late.private(core), value.shape)
    if params:
        known = params
        y = late.put_off(y, lambda *given: function(*given, *known), tuple(values))
    else:
        y = late.put_off(y, function, tuple(values))
    result = record(op, values, nodes, params, y, frame, operands)
    if evaluate is not None:
        result.node.evaluate = evaluate
    return result


def _takes(op: Op) -> bool:
    if op.kind in (ELEMENTWISE, LINEAR):
        return op.name != "relu" and not op.aware
    return (op.kind == CONSTANT and op.name in _COMPARISONS) or (op.kind == GENERAL and op.name in _SURE)


_SHORT = 9


def outcome(op: Op, function: Callable[..., Any], values: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """Empty memory for the result of a step, or a number of its type; None where it cannot be told.

    The step is taken on arrays of ones whose axes are as long as the operands' where these are short, and else nine,
    ten, ...: equal lengths stay equal."""
    shapes = [shape_of(v) for v in values]
    lengths = {n: n for n in range(_SHORT)}
    for shape in shapes:
        for n in shape:
            if n not in lengths:
                lengths[n] = len(lengths)
    small = [_small(v, tuple([lengths[n] for n in s])) for v, s in zip(values, shapes, strict=True)]
    try:
        if op.kind in (LINEAR, GENERAL):
            kind = op.infer([ArrayType.of(v) for v in values], params)
            shape = kind.shape
        else:
            shape = broadcast_shapes(*shapes)
        with ignored():
            found = function(*small, *params)
    except Exception:  # noqa: BLE001 whatever it is, the step itself will raise it
        return None
    if type(found) is not np.ndarray:
        # A new object, which nothing else can be.
        return found.dtype.type(0.5) if type(found) in PLACEHOLDERS and shape == () else None
    if found.shape != tuple([lengths.get(n) for n in shape]) or found.dtype.kind not in "fcb":
        return None
    try:
        if found.flags.c_contiguous:
            return reserved(shape, found.dtype)
        order = _order(found)
        return np.empty_like(np.empty(tuple([shape[k] for k in order]), found.dtype).transpose(_inverse(order)))
    except MemoryError:  # what is computed at once may find room
        return None


def _order(array: Any) -> list[int]:
    """The axes by the length of their steps through memory, the longest first."""
    return sorted(range(array.ndim), key=lambda k: -abs(array.strides[k]))


def _inverse(order: list[int]) -> list[int]:
    return [order.index(k) for k in range(len(order))]


def _small(value: Any, shape: tuple[int, ...]) -> Any:
    """Ones of the type of an operand, laid out as it is."""
    if type(value) is not np.ndarray:
        return type(value)(1) if is_missing(value) else value
    if value.flags.c_contiguous:
        return np.ones(shape, value.dtype)
    order = _order(value)
    whole = np.ones(tuple([2 * shape[k] for k in order]), value.dtype)
    return whole[tuple([slice(0, shape[k]) for k in order])].transpose(_inverse(order))


__all__ = ["deferred", "outcome"]
