"""Scans and differences: cumsum, cumprod and their relatives, diff, ediff1d, gradient, trapezoid,
convolve, correlate; interpolation.

Imports core, ops, ``table``. Invariant: the same arithmetic in the same order as NumPy's. ``interp`` asks nothing of
values that may be others when a recording or a batch is run again, so that one recording is right for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.context import SWITCH
from wengert.core.handle import buffer, is_handle
from wengert.core.types import dtype_of
from wengert.numpy_api.exact import (
    MISSING,
    array,
    deliver,
    exactly,
    looks_traced,
    rank,
    shape,
    values_of,
    whole_axis,
)
from wengert.numpy_api.functions.reduce import _cast, accumulated
from wengert.numpy_api.table import implements, method, twin
from wengert.ops import polynomial, scan
from wengert.ops.contract import conj
from wengert.ops.piecewise import rise
from wengert.ops.scan import along


def _scan(record: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    a = _cast(array(a), accumulated(dtype, out))
    if axis is None:
        a, axis = a.ravel(), 0
    elif rank(a) == 0:
        a = a.reshape(1)
    return deliver(record(a, whole_axis(axis, rank(a))), out)


@method("cumsum")
@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _scan(scan.cumsum, a, axis, dtype, out)


@method("cumprod")
@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _scan(scan.cumprod, a, axis, dtype, out)


def _cumulative(record: Any, start: float, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool) -> Any:
    x = array(x)
    if axis is None:
        if rank(x) != 1:
            raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
        axis = 0
    axis = whole_axis(axis, rank(x))
    result = record(_cast(x, dtype), axis)
    if include_initial:
        first = np.full(tuple(1 if k == axis else n for k, n in enumerate(x.shape)), start, dtype=result.dtype)
        result = np.concatenate([first, result], axis=axis)
    return deliver(result, out)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    return _cumulative(scan.cumsum, 0.0, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    return _cumulative(scan.cumprod, 1.0, x, axis, dtype, out, include_initial)


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = MISSING, append: Any = MISSING) -> Any:
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    a = array(a)
    if rank(a) == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = whole_axis(axis, rank(a))
    parts = []
    for part in (prepend, a, append):
        if part is MISSING:
            continue
        part = array(part)
        if rank(part) == 0:
            part = np.broadcast_to(part, tuple(1 if k == axis else m for k, m in enumerate(a.shape)))
        parts.append(part)
    if len(parts) > 1:
        a = np.concatenate(parts, axis)
    for _ in range(n):
        a = a[along(axis, slice(1, None))] - a[along(axis, slice(None, -1))]
    return a


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    a = array(ary).ravel()
    parts = [a[1:] - a[:-1]]
    if to_begin is not None:
        parts.insert(0, array(to_begin).astype(a.dtype).ravel())
    if to_end is not None:
        parts.append(array(to_end).astype(a.dtype).ravel())
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = array(y)
    axis = whole_axis(axis, rank(y))
    if x is None:
        step: Any = dx
    else:
        x = array(x)
        step = np.diff(x) if rank(x) == 1 else np.diff(x, axis=axis)
        if rank(x) == 1:
            step = step.reshape(tuple(-1 if k == axis else 1 for k in range(rank(y))))
    upper, lower = y[along(axis, slice(1, None))], y[along(axis, slice(None, -1))]
    return (step * (upper + lower) / 2.0).sum(axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    f = array(f)
    ndim = rank(f)
    axes = (
        tuple(range(ndim))
        if axis is None
        else tuple(whole_axis(k, ndim) for k in (axis if isinstance(axis, tuple) else (axis,)))
    )
    spacings: list[Any] = [1.0] * len(axes) if not varargs else list(varargs) * (len(axes) if len(varargs) == 1 else 1)
    if len(spacings) != len(axes) or (len(varargs) == 1 and len(axes) > 1 and rank(varargs[0]) > 0):
        raise TypeError("invalid number of arguments")
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    wanted = np.gradient(values_of(f), *values_of(varargs), axis=axis, edge_order=edge_order)
    if not looks_traced(f, *spacings):
        return wanted
    if dtype_of(values_of(f)).kind in "iu":  # differences of unsigned numbers would wrap around
        f = f.astype(float)
    wanted = (wanted,) if len(axes) == 1 else wanted
    parts = tuple(
        exactly(_slopes(f, h, k, edge_order), lambda y=y: y) for h, k, y in zip(spacings, axes, wanted, strict=True)
    )
    return parts[0] if len(axes) == 1 else parts


def _slopes(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    if rank(h) == 1:
        h = array(h)
        h = np.diff(h.astype(float) if dtype_of(h).kind in "biu" else h)
        if np.all(values_of(h) == values_of(h)[0]) and not looks_traced(h):
            h = h[0]
    n = f.shape[axis]

    def at(start: Any, stop: Any) -> Any:
        return f[along(axis, slice(start, stop))]

    def one(k: int) -> Any:
        return f[along(axis, slice(k, k + 1 if k != -1 else None))]

    if rank(h) == 0:
        middle = (at(2, None) - at(None, -2)) / (2.0 * h)
        left, right = h, h
    else:
        shape = tuple(-1 if k == axis else 1 for k in range(rank(f)))
        h1, h2 = h[:-1], h[1:]
        a, b, c = -h2 / (h1 * (h1 + h2)), (h2 - h1) / (h1 * h2), h1 / (h2 * (h1 + h2))
        middle = a.reshape(shape) * at(None, -2) + b.reshape(shape) * at(1, -1) + c.reshape(shape) * at(2, None)
        left, right = h[0], h[-1]
    if edge_order == 1:
        first, last = (one(1) - one(0)) / left, (one(-1) - one(n - 2)) / right
    elif rank(h) == 0:
        first = (-1.5 * one(0) + 2.0 * one(1) - 0.5 * one(2)) / h
        last = (0.5 * one(n - 3) - 2.0 * one(n - 2) + 1.5 * one(-1)) / h
    else:
        first = _edge(h[0], h[1], one(0), one(1), one(2))
        last = -_edge(h[-1], h[-2], one(-1), one(n - 2), one(n - 3))
    return np.concatenate([first, middle, last], axis)


def _edge(h1: Any, h2: Any, f0: Any, f1: Any, f2: Any) -> Any:
    """The slope of a parabola at the first of its three points."""
    a, b, c = -(2.0 * h1 + h2) / (h1 * (h1 + h2)), (h1 + h2) / (h1 * h2), -h1 / (h2 * (h1 + h2))
    return a * f0 + b * f1 + c * f2


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    x, w = _vector(a), _vector(v)
    if w.shape[0] > x.shape[0]:
        x, w = w, x
    if not w.shape[0]:
        return np.convolve(values_of(a), values_of(v), mode)
    return exactly(_middle(polynomial.convolve(x, w), x.shape[0], w.shape[0], mode), np.convolve, a, v, mode)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    x, w = _vector(a), _vector(v)
    full = polynomial.convolve(x, conj(w)[::-1])
    n, m = x.shape[0], w.shape[0]
    result = _middle(full, max(n, m), min(n, m), mode)
    if m > n and mode == "same":
        start = (n - 1) - (n - 1) // 2
        result = full[start : start + m]
    return exactly(result, np.correlate, a, v, mode)


def _vector(x: Any) -> Any:
    x = array(x)
    return x.reshape(1) if rank(x) == 0 else x


def _middle(full: Any, n: int, m: int, mode: Any) -> Any:
    """The part of a full product of a vector of n and one of m <= n that a mode keeps."""
    if mode in {"full", "f", 2}:
        return full
    if mode in {"same", "s", 1}:
        start = (m - 1) // 2
        return full[start : start + n]
    if mode in {"valid", "v", 0}:
        return full[m - 1 : n]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


# ---------------------------------------------------------------- interpolation


@twin(np.interp)  # NumPy's protocol does not look at the values outside
@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    if not looks_traced(x, xp, fp, left, right, period):
        return np.interp(x, xp, fp, left, right, period)
    points, at, heights = _double(x), _double(xp), _double(fp)
    if len(shape(at)) != 1 or shape(at) != shape(heights) or 0 in shape(at):
        return np.interp(*values_of((x, xp, fp, left, right, period)))  # which says what is wrong
    if period is not None:
        left = right = None
        points, at = np.remainder(points, period), np.remainder(at, period)
        order = np.argsort(at)
        at, heights = at[order], heights[order]
        at = np.concatenate([at[-1:] - period, at, at[:1] + period])
        heights = np.concatenate([heights[-1:], heights, heights[:1]])
    if shape(at)[0] > 1:
        with np.errstate(all="ignore"):
            inside = _between(points, at, heights)
    else:
        inside = heights[np.zeros(shape(points), dtype=int)]
    below, above = points < at[0], points > at[-1]
    result = np.where(above, heights[-1] if right is None else right, inside) if _somewhere(above) else inside
    if _somewhere(below):
        result = np.where(below, heights[0] if left is None else left, result)
    return exactly(result, np.interp, x, xp, fp, left, right, period)


def _double(x: Any) -> Any:
    """An array in double precision, in which NumPy interpolates."""
    x = array(x)
    dtype = np.result_type(dtype_of(x), np.float64)
    return x if dtype_of(x) == dtype else x.astype(dtype)


def _somewhere(mask: Any) -> bool:
    """Whether steps for the places of a mask are needed: always, where other values may come in their place."""
    return (SWITCH.special and is_handle(mask)) or bool(np.any(values_of(mask)))


def _between(points: Any, at: Any, heights: Any) -> Any:
    """Heights on the lines between the knots, as NumPy computes them: from the knot on the left;
    where that gives NaN (infinite heights, slopes that overflow) from the one on the right, and
    where that does too from equal heights. On a knot the height is the knot's.
    """
    last = shape(at)[0] - 1
    start = np.minimum(np.maximum(np.searchsorted(at, points, side="right") - 1, 0), last)
    here, height = _at(at, start), _at(heights, start)
    slope = _slope(points, at, heights, start, points == here)
    inside = rise(slope, points - here) + height
    if not _somewhere(np.isnan(inside)) or not (looks_traced(at, heights) or _may_be_lost(at, heights)):
        return inside
    lost = np.isnan(inside) & (points > here)
    other = np.minimum(start + lost, last)
    there = _at(heights, other)
    again = rise(slope, points - _at(at, other)) + there
    level = np.isnan(again) & (points >= here) & (height == there)
    return np.where(level, height, again)


def _may_be_lost(at: Any, heights: Any) -> bool:
    """Whether a line between constants can give NaN."""
    return not np.all(np.isfinite(at)) or not np.all(np.isfinite(np.diff(heights) / np.diff(at)))


def _slope(points: Any, at: Any, heights: Any, start: Any, hit: Any) -> Any:
    """The slopes of the lines that begin at the knots ``start``; on a knot, where two meet, the one nearest to zero of
    them; outside it is zero. All lines are computed first where there are no more of them than points.
    """
    last = shape(at)[0] - 1
    line = np.minimum(start, last - 1)
    constant = SWITCH.special and not looks_traced(at, heights)
    if constant or last < np.size(values_of(points)):
        lines = (heights[1:] - heights[:-1]) / (at[1:] - at[:-1])
        if not _somewhere(hit):
            return _at(lines, line)
        outside = np.zeros(1)
        knots = _nearest(np.concatenate([outside, lines]), np.concatenate([lines, outside]))
        return _at(np.concatenate([knots, lines]), np.where(hit, start, line + last + 1))

    def slope(k: Any) -> Any:
        return (_at(heights, k + 1) - _at(heights, k)) / (_at(at, k + 1) - _at(at, k))

    if not _somewhere(hit):
        return slope(line)
    one_before = np.maximum(start - 1, 0)
    before = np.where(start > 0, slope(one_before), 0.0)
    after = np.where(start < last, slope(line), 0.0)
    return np.where(hit, _nearest(before, after), slope(line))


def _nearest(before: Any, after: Any) -> Any:
    """The number nearest to zero of all between two slopes."""
    opposite = (before * conj(after)).real <= 0
    return np.where(opposite, 0.0, np.where(abs(before) < abs(after), before, after))


def _at(values: Any, places: Any) -> Any:
    """The values at places, which may be traced where the values are not."""
    if is_handle(places) and not is_handle(values):
        values = buffer(values)
    return values[places]
