"""Order in index form: sorted rows, the places that sort them, groups of equal elements, searches.

Imports NumPy, core, ``lower/builder``, ``lower/routine``, ``lower/scan``. Invariant: where NumPy leaves the order of
equal elements open, none may be equal, which is asked when the program runs; else NumPy answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Scatter, Value
from wengert.backends.llvm.lower import scan as lower_scan
from wengert.backends.llvm.lower.builder import BOOL, FLOAT64, INT64, NATIVE, Builder, Dim, Laid, Refused, along
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.backends.llvm.lower.routine import routine
from wengert.backends.llvm.lower.shape import reshaped
from wengert.backends.llvm.routines import SORT
from wengert.core.graph import input_node
from wengert.core.graph import step as graph_step
from wengert.core.node import Node
from wengert.core.op import OPS
from wengert.core.types import ArrayType

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {}
STABLE = ("stable", "mergesort")
"""The kinds of sort for which NumPy promises the order of equal elements."""


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return enter


def _last(x: Laid, axis: int) -> tuple[Laid, int]:
    """The array with an axis moved behind the others, and that axis."""
    k = int(axis) % len(x.dims)
    return Laid(x.value, (*x.dims[:k], *x.dims[k + 1 :], x.dims[k])), k


def _back(b: Builder, x: Laid, k: int) -> Laid:
    """The array with its last axis moved to the k-th place."""
    return b.laid(x.value, (*x.dims[:k], x.dims[-1], *x.dims[k:-1]))


def _sorted(b: Builder, rows: Laid) -> list[Laid]:
    """The rows in order and the places that sort them."""
    if rows.dtype == BOOL:
        raise Refused("a sort of Booleans")
    return routine(b, SORT, (rows,))


@_rule("sort")
def _sort(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    rows, k = _last(x, node.params[0])
    if not isinstance(rows.dims[-1], Axis):
        return x
    return _back(b, _sorted(b, rows)[0], k)


@_rule("argsort")
def _argsort(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    axis, kind = node.params
    rows, k = _last(x, axis)
    if not isinstance(rows.dims[-1], Axis):
        return b.laid(b.number(0, INT64), x.dims)
    found, order = _sorted(b, rows)
    if kind not in STABLE:
        lower, upper, _ = neighbours(b, found)
        apart = b.map("less", BOOL, lower, upper)
        if x.dtype.kind == "f":
            is_nan, above = b.map("isnan", BOOL, lower), b.map("isnan", BOOL, upper)
            apart = b.map("logical_or", BOOL, apart, b.map("not_equal", BOOL, is_nan, above))
        b.check(apart, "an order without equal elements")
    return _back(b, order, k)


def neighbours(b: Builder, rows: Laid) -> tuple[Value, Value, tuple[Dim, ...]]:
    """Each element but the last and the one after it, and the dimensions of both."""
    axis = rows.dims[-1]
    assert isinstance(axis, Axis)
    if axis.extent == 2:
        first, second = (b.substitute(rows.value, {axis: Affine((), k)}) for k in (0, 1))
        return first, second, (*rows.dims[:-1], 0)
    run = Axis(axis.extent - 1)
    lower, upper = (b.substitute(rows.value, {axis: along(run, 1, k)}) for k in (0, 1))
    return lower, upper, (*rows.dims[:-1], run)


@_rule("has_ties")
def _has_ties(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # As np.diff has it: two infinities differ by NaN, which is not 0.
    (x,) = operands
    rows, _ = _last(x, node.params[0])
    if x.dtype == BOOL:
        raise Refused("differences of Booleans")
    if not isinstance(rows.dims[-1], Axis):
        return b.laid(b.number(False, BOOL), ())
    lower, upper, _ = neighbours(b, rows)
    zero = b.map("equal", BOOL, b.map("subtract", x.dtype, upper, lower), b.number(0, x.dtype))
    return b.laid(b.reduced("any", zero, zero.axes), ())


def tie_groups(b: Builder, node: Node, operands: Sequence[Laid], lower: lower_scan.Lower) -> Laid:
    """Equal neighbours share a number: a running count of those that differ from the one before, over all rows."""
    (y,) = operands
    rows, k = _last(y, node.params[0])
    axis = rows.dims[-1]
    count = math.prod(rows.shape)
    if isinstance(axis, Axis):
        guards = ((along(axis), 1, axis.extent),)
        before = b.substitute(rows.value, {axis: along(axis, 1, -1)}, guards, 0)
        differs = b.map("not_equal", BOOL, rows.value, before)
        first = b.map("logical_not", BOOL, b.substitute(b.number(True, BOOL), {}, guards, False))
        new = b.cast(b.map("logical_or", BOOL, first, differs), INT64)
    else:
        new = b.number(1, INT64)
    flat = reshaped(b, b.laid(new, rows.dims), (count,))
    kind = ArrayType((count,), INT64)
    running = graph_step(OPS["cumsum"], (input_node(kind),), (0,), kind, node.where)
    total = lower_scan.RULES["cumsum"](b, running, (flat,), lower)
    less = b.laid(b.map("subtract", INT64, total.value, b.number(1, INT64)), total.dims)
    return _back(b, reshaped(b, less, rows.shape), k)


LOOPS = {"tie_groups": tie_groups}
"""Operations with a loop, to whose rules ``lower`` is given."""


@_rule("tie_mean")
def _tie_mean(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    x, groups = operands
    count = math.prod(x.shape)
    if x.dtype.kind != "f" or x.shape != groups.shape:
        raise Refused("means of groups of this form")
    if count == 1:
        return x
    (value, number), dims = aligned(b, (x, groups))
    number = b.cast(number, INT64)
    inside = b.map("less", BOOL, number, b.number(count, INT64))
    positive = b.map("greater_equal", BOOL, number, b.number(0, INT64))
    b.check(b.map("logical_and", BOOL, inside, positive), "groups that are numbered from 0")
    order = tuple(d for d in dims if isinstance(d, Axis))
    means = []
    for source in (value, b.number(1, FLOAT64)):
        group = Axis(count)
        b.keep_apart((group, *order))
        means.append(Scatter((group,), source.dtype, None, source, order, (number,), "add", where=b.where))
    (sums, counts), (group_dim,) = aligned(b, [b.laid(v, v.axes) for v in means])
    mean = b.map("divide", FLOAT64, b.cast(sums, FLOAT64), counts)
    assert isinstance(group_dim, Axis)
    return b.laid(b.cast(b.substitute(mean, {group_dim: number}), x.dtype), dims)


@_rule("searchsorted")
def _searchsorted(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    """The number of elements below (or not above) each sought one: powers of two are added from the largest down
    while what they lead to stays below."""
    ordered, sought = operands
    side, sorter = node.params
    common = np.result_type(ordered.dtype, sought.dtype)
    if sorter is not None or len(ordered.dims) != 1 or common not in NATIVE or common == BOOL:
        raise Refused("a search of this form")
    table = b.fresh(b.laid(b.cast(ordered.value, common), ordered.dims))
    wanted = b.cast(sought.value, common)
    (axis,) = table.dims
    count = axis.extent if isinstance(axis, Axis) else 1

    def below(place: Value) -> Value:
        found = b.substitute(table.value, {axis: place}) if isinstance(axis, Axis) else table.value
        first, second = (found, wanted) if side == "left" else (wanted, found)
        less = b.map("less", BOOL, first, second)
        if common.kind == "f":  # NaN is the largest
            nan, other = b.map("isnan", BOOL, second), b.map("isnan", BOOL, first)
            less = b.map("logical_or", BOOL, less, b.map("logical_and", BOOL, nan, b.map("logical_not", BOOL, other)))
        return less if side == "left" else b.map("logical_not", BOOL, less)

    position: Value = b.number(0, INT64)
    step = 1 << count.bit_length() - 1
    while step:
        reached = b.map("add", INT64, position, b.number(step, INT64))
        last = b.map("minimum", INT64, reached, b.number(count, INT64))
        there = below(b.map("subtract", INT64, last, b.number(1, INT64)))
        fits = b.map("less_equal", BOOL, reached, b.number(count, INT64))
        position = b.map("select", INT64, b.map("logical_and", BOOL, fits, there), reached, position)
        step //= 2
    return b.laid(position, sought.dims)


__all__ = ["LOOPS", "RULES", "neighbours"]
