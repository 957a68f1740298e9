"""Reductions in index form: sums, extremes, quantifiers, places of extremes, moments and norms.

Imports NumPy, ``lower/builder``. Invariant: an axis that a value does not depend on counts as often as it is long."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Axis, Value
from wengert.backends.llvm.lower.builder import BOOL, FLOAT64, INT64, Builder, Dim, Laid, Refused
from wengert.core.node import Node
from wengert.ops.reduce import normal_axes

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return enter


def _parts(x: Laid, axis: Any, keepdims: Any) -> tuple[list[Axis], tuple[Dim, ...], int]:
    """The axes reduced over, the dimensions of the result, how many elements go together."""
    gone = normal_axes(axis, len(x.dims))
    over = [d for k in gone if isinstance(d := x.dims[k], Axis)]
    kept = tuple((0 if k in gone else d) for k, d in enumerate(x.dims) if keepdims or k not in gone)
    return over, kept, math.prod(a.extent for a in over)


def _inexact(node: Node) -> np.dtype[Any]:
    dtype: np.dtype[Any] = node.type.dtype
    if dtype.kind != "f":
        raise Refused(f"{node.op.name} of {dtype}")
    return dtype


@_rule("sum", "prod", "max", "min")
def _accumulate(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    axis, keepdims = node.params
    over, kept, _ = _parts(x, axis, keepdims)
    dtype, kind = node.type.dtype, node.op.name
    if dtype == BOOL:
        if kind not in ("max", "min"):
            raise Refused(f"{kind} of Booleans")
        kind = "any" if kind == "max" else "all"
    return b.laid(b.reduced(kind, b.cast(x.value, dtype), over), kept)


@_rule("all", "any")
def _quantify(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    over, kept, _ = _parts(x, *node.params)
    return b.laid(b.reduced(node.op.name, b.cast(x.value, BOOL), over), kept)


@_rule("count_nonzero")
def _count(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    over, kept, _ = _parts(x, *node.params)
    return b.laid(b.total(b.cast(b.cast(x.value, BOOL), INT64), over), kept)


@_rule("argmax", "argmin")
def _place(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    over, kept, count = _parts(x, *node.params)
    value = b.cast(x.value, np.dtype(np.int32)) if x.dtype == BOOL else x.value
    if len(over) > 1:
        whole = Axis(count)
        value = b.reshape(value, over, (whole,))
        over = [whole]
    carried = {a.find() for a in value.axes}
    if not over or over[0].find() not in carried:
        return b.laid(b.number(0, INT64), kept)
    return b.laid(b.reduce(node.op.name.removeprefix("nan"), value, over, INT64), kept)


@_rule("nanargmax", "nanargmin")
def _place_of_number(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # NaN is what no number is beyond; a row of NaN alone is NumPy's error.
    (x,) = operands
    if x.dtype.kind != "f":
        return _place(b, node, operands)
    over, _, _ = _parts(x, *node.params)
    nan = b.map("isnan", BOOL, x.value)
    b.check(b.map("logical_not", BOOL, b.reduced("all", nan, over)), "a row with a number")
    worst = b.number(-math.inf if node.op.name == "nanargmax" else math.inf, x.dtype)
    return _place(b, node, [b.laid(b.map("select", x.dtype, nan, worst, x.value), x.dims)])


@_rule("mean")
def _mean(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    over, kept, count = _parts(x, *node.params)
    return b.laid(_mean_of(b, b.cast(x.value, _inexact(node)), over, count), kept)


def _mean_of(b: Builder, value: Value, over: Sequence[Axis], count: int) -> Value:
    return b.map("divide", value.dtype, b.total(value, over), b.number(count, value.dtype))


@_rule("var", "std")
def _variance(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    axis, keepdims, ddof = node.params
    over, kept, count = _parts(x, axis, keepdims)
    dtype = _inexact(node)
    if not isinstance(ddof, (int, float)):
        raise Refused("degrees of freedom that are not a number")
    value = b.cast(x.value, dtype)
    off = b.map("subtract", dtype, value, _mean_of(b, value, over, count))
    squares = b.total(b.map("multiply", dtype, off, off), over)
    out = b.map("divide", dtype, squares, b.number(max(count - ddof, 0), dtype))
    return b.laid(b.map("sqrt", dtype, out) if node.op.name == "std" else out, kept)


@_rule("masked_sum")
def _masked_sum(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    from wengert.backends.llvm.lower.elementwise import aligned

    axis, keepdims, _ = node.params
    x, initial, mask = operands
    dtype = node.type.dtype
    (value, chosen), dims = aligned(b, (x, mask))
    if dtype == BOOL or initial.dims or len(dims) != len(x.dims):
        raise Refused("a masked sum of this form")
    taken = b.map("select", dtype, b.cast(chosen, BOOL), b.cast(value, dtype), b.number(0, dtype))
    over, kept, _ = _parts(b.laid(taken, dims), axis, keepdims)
    return b.laid(b.map("add", dtype, b.cast(initial.value, dtype), b.total(taken, over)), kept)


# ---------------------------------------------------------------- logarithms of sums, norms


@_rule("logaddexp_reduce", "logaddexp2_reduce")
def _log_sum(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # m + log sum exp(x - m) with m the largest; where m is infinite or NaN, m itself.
    (x,) = operands
    over, kept, _ = _parts(x, *node.params)
    dtype = _inexact(node)
    exp, log = ("exp", "log") if node.op.name == "logaddexp_reduce" else ("exp2", "log2")
    value = b.cast(x.value, dtype)
    most = b.reduced("max", value, over)
    finite = b.map("isfinite", BOOL, most)
    shift = b.map("select", dtype, finite, most, b.number(0.0, dtype))
    total = b.total(b.map(exp, dtype, b.map("subtract", dtype, value, shift)), over)
    out = b.map("add", dtype, shift, b.map(log, dtype, total))
    return b.laid(b.map("select", dtype, finite, out, most), kept)


@_rule("vector_norm")
def _norm(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    order, axis, keepdims = node.params
    over, kept, _ = _parts(x, axis, keepdims)
    return b.laid(_norm_of(b, b.cast(x.value, _inexact(node)), over, None if axis is None else order), kept)


def _norm_of(b: Builder, value: Value, over: Sequence[Axis], order: Any) -> Value:
    dtype = value.dtype
    if order is None or order == 2:
        return b.map("sqrt", dtype, b.total(b.map("multiply", dtype, value, value), over))
    size = b.map("absolute", dtype, value)
    if order in (np.inf, -np.inf):
        return b.reduced("max" if order > 0 else "min", size, over)
    if order == 1:
        return b.total(size, over)
    if order == 0:
        return b.total(b.cast(b.map("not_equal", BOOL, value, b.number(0, dtype)), dtype), over)
    if not isinstance(order, (int, float)):
        raise Refused("a norm of this order")
    total = b.total(b.map("power", dtype, size, b.number(order, dtype)), over)
    return b.map("power", dtype, total, b.map("divide", dtype, b.number(1, dtype), b.number(order, dtype)))


@_rule("length")
def _length(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # m |x / m| with m the largest |x_k|, whose squares neither overflow nor vanish; m itself where that is 0, infinite
    # or NaN. (An infinite coordinate counts more than NaN in math.hypot: then Python is asked.)
    (x,) = operands
    over, _, _ = _parts(x, None, False)
    dtype = _inexact(node)
    size = b.map("absolute", dtype, b.cast(x.value, dtype))
    most = b.reduced("max", size, over)
    usual = b.map("logical_and", BOOL, b.map("isfinite", BOOL, most), b.map("greater", BOOL, most, b.number(0, dtype)))
    shares = b.map("divide", dtype, size, b.map("select", dtype, usual, most, b.number(1, dtype)))
    total = b.map("sqrt", dtype, b.total(b.map("multiply", dtype, shares, shares), over))
    b.check(b.map("logical_not", BOOL, b.map("isnan", BOOL, most)), "a length that is a number")
    return b.laid(b.map("select", dtype, usual, b.map("multiply", dtype, most, total), most), ())


@_rule("frobenius")
def _frobenius(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    over, kept, _ = _parts(x, *node.params)
    return b.laid(_norm_of(b, b.cast(x.value, _inexact(node)), over, 2), kept)


@_rule("matrix_norm")
def _matrix_norm(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    order, axis, keepdims = node.params
    if order not in (1, -1, np.inf, -np.inf):
        raise Refused("singular values")
    row, column = axis
    inside, outside = (row, column) if abs(order) == 1 else (column, row)
    value = b.map("absolute", _inexact(node), b.cast(x.value, _inexact(node)))
    first, _, _ = _parts(x, inside, True)
    second, _, _ = _parts(x, outside, True)
    _, kept, _ = _parts(x, (row, column), keepdims)
    return b.laid(b.reduced("max" if order > 0 else "min", b.total(value, first), second), kept)


__all__ = ["FLOAT64", "RULES"]
