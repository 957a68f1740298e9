"""Order by name: sort, partition, median, quantiles, and the searches for an index.

Imports core, ops, ``table``. Invariant: indices are plain integers (recorded as constants in a full
recording); values carry derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import dtype_of
from wengert.numpy_api.exact import (
    MISSING,
    array,
    axes_of,
    decided,
    deliver,
    exactly,
    given,
    looked,
    rank,
    values_of,
    whole_axis,
)
from wengert.numpy_api.table import implements, method
from wengert.ops import sort as ops
from wengert.ops.memory import write


def _sortable(a: Any, axis: Any) -> tuple[Any, int]:
    a = array(a)
    if axis is None:
        return a.ravel(), 0
    return a, whole_axis(axis, rank(a))


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    a, axis = _sortable(a, axis)
    return exactly(ops.sort(a, axis), np.sort, a, axis, kind=kind, stable=stable)


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    return exactly(ops.sort(array(a), -1) + 0j, np.sort_complex, a)


@method("sort")
def sort_in_place(
    t: Any, axis: int = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    write(t, ("index", Ellipsis), sort(t.copy(), axis, kind, stable=stable))


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    a, axis = _sortable(a, axis)
    return ops.partition(a, tuple(map(int, np.ravel(kth))), axis)


@method("partition")
def partition_in_place(
    t: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: Any = None
) -> None:
    write(t, ("index", Ellipsis), partition(t.copy(), kth, axis))


@method("argsort")
@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    a, axis = _sortable(a, axis)
    return ops.argsort(a, axis, "stable" if stable else kind)


@method("argpartition")
@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    a, axis = _sortable(a, axis)
    return ops.argpartition(a, tuple(map(int, np.ravel(kth))), axis)


@implements(np.lexsort)
def lexsort(keys: Any, axis: int = -1) -> Any:
    return np.lexsort(decided(keys), axis)


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    return ops.searchsorted(
        array(a), v if is_handle(v) else np.asarray(v)[()], side, decided(sorter)
    )


@method("searchsorted")
def searchsorted_method(t: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    return searchsorted(t, v, side, sorter)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    edges = None if is_handle(bins) else np.asarray(bins)
    if is_handle(x) and edges is not None and edges.ndim == 1 and dtype_of(x.value).kind != "c":
        side, up = "left" if right else "right", np.diff(edges)
        if np.all(up >= 0):
            return searchsorted(edges, x, side)
        if np.all(up <= 0):
            return len(edges) - searchsorted(edges[::-1], x, side)
    return looked(
        x if is_handle(x) else bins, "digitize", np.digitize(values_of(x), values_of(bins), right)
    )


# ---------------------------------------------------------------- median and quantiles

_MEAN = "mean of the middle"

@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False
) -> Any:
    middle = _quantiles(a, 0.5, axis, _MEAN, keepdims)
    return deliver(exactly(middle, np.median, a, axis, keepdims=keepdims), out)


@implements(np.nanmedian)
def nanmedian(
    a: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: Any = MISSING,
) -> Any:
    keep = bool(given(keepdims, False))
    result = _by_row(a, 0.5, axis, _MEAN, keep)
    return deliver(exactly(result, np.nanmedian, a, axis, keepdims=keep), out)


def _quantile_function(name: str, scale: float, *, passing: bool) -> None:
    original = getattr(np, name)

    def quantiles(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        keepdims = bool(given(keepdims, False))
        level = q if is_handle(q) or type(q) is float else np.asarray(q, dtype=float)[()]
        level = float(level / scale) if type(q) in (int, float) else level / scale
        result = (
            _weighted(a, level, axis, method, keepdims, weights)
            if weights is not None
            else (_by_row if passing else _quantiles)(a, level, axis, method, keepdims)
        )
        return deliver(
            exactly(
                result, original, a, q, axis, method=method, keepdims=keepdims, weights=weights
            ),
            out,
        )

    quantiles.__name__ = name
    implements(original)(quantiles)


for _name, _scale, _passing in (
    ("quantile", 1.0, False),
    ("percentile", 100.0, False),
    ("nanquantile", 1.0, True),
    ("nanpercentile", 100.0, True),
):
    _quantile_function(_name, _scale, passing=_passing)

# Hyndman and Fan (1996): the place among n sorted numbers is n q + alpha + q (1 - alpha - beta) -
# 1.
_CONTINUOUS = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "linear": (1.0, 1.0),
    "median_unbiased": (1.0 / 3.0, 1.0 / 3.0),
    "normal_unbiased": (3.0 / 8.0, 3.0 / 8.0),
}


def _place(q: Any, n: int, method: str) -> tuple[Any, Any, Any]:
    """The two neighbours of a quantile among n sorted numbers and the weight of the upper one."""
    if method in _CONTINUOUS:
        alpha, beta = _CONTINUOUS[method]
        place = (n - 1) * q if method == "linear" else n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0
        seen = decided(place)
        lower = np.clip(np.floor(seen), 0, n - 1).astype(int)
        upper = np.clip(np.floor(seen) + 1, 0, n - 1).astype(int)
        inside = (seen > 0) & (seen < n - 1)
        return lower, upper, np.where(inside, place - lower, 0.0)
    q = decided(q)
    if method in {"lower", "higher", "nearest", "midpoint"}:
        place = (n - 1) * q
        lower, upper = np.floor(place).astype(int), np.ceil(place).astype(int)
        if method == "nearest":
            lower = upper = np.round(place).astype(int)
        return (
            (upper, upper, 0.0)
            if method == "higher"
            else (lower, upper if method == "midpoint" else lower, 0.5)
        )
    gap = n * q - np.floor(n * q)
    below = np.floor(n * q).astype(int) - 1
    if method == "inverted_cdf":
        k = np.clip(np.where(gap > 0, below + 1, below), 0, n - 1)
        return k, k, 0.0
    if method == "averaged_inverted_cdf":
        return (
            np.clip(np.where(gap > 0, below + 1, below), 0, n - 1),
            np.clip(below + 1, 0, n - 1),
            0.5,
        )
    if method == "closest_observation":
        place = n * q - 1.0 - 0.5
        k = np.floor(place).astype(int)
        k = np.clip(np.where((place == k) & (k % 2 == 1), k, k + 1), 0, n - 1)
        return k, k, 0.0
    raise ValueError(f"{method!r} is not a valid quantile method")


def _rows(a: Any, axis: Any) -> tuple[Any, tuple[int, ...]]:
    """The array with the reduced axes as one, the last, and those axes."""
    a = array(a)
    ndim = rank(a)
    axes = (
        tuple(range(ndim))
        if axis is None
        else tuple(whole_axis(k, ndim) for k in np.atleast_1d(axes_of(axis)))
    )
    rest = tuple(k for k in range(ndim) if k not in axes)
    return a.transpose((*rest, *axes)).reshape((*(a.shape[k] for k in rest), -1)), axes


def _finish(result: Any, q: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The quantiles, whose own axes are last, in NumPy's order: they come first."""
    extra = rank(q)
    have = rank(result)
    if extra:
        result = result.transpose((*range(have - extra, have), *range(have - extra)))
    if keepdims:
        for k in sorted(axes):
            result = np.expand_dims(result, extra + k)
    return result


def _quantiles(a: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    rows, axes = _rows(a, axis)
    if rank(rows) == 1 and rows.shape[0] == 0:
        return np.nan
    ordered = ops.sort(rows, rank(rows) - 1)
    result = _pick(ordered, q, rows.shape[-1], method)
    if dtype_of(rows).kind in "fc":  # what is no number comes last, and such a row has no quantiles
        last = ordered[..., -1].reshape((*rows.shape[:-1], *(1,) * rank(q)))
        result = np.where(np.isnan(last), last, result)
    return _finish(result, q, axes, keepdims)


def _pick(ordered: Any, q: Any, n: int, method: str) -> Any:
    if method == _MEAN:
        return ordered[..., n // 2] if n % 2 else (ordered[..., n // 2 - 1] + ordered[..., n // 2]) / 2
    lower, upper, weight = _place(q, n, method)
    low = ordered[..., lower]
    if lower is upper:
        return low
    high = ordered[..., upper]
    apart = high - low
    # NumPy goes from the nearer neighbour.
    if type(q) is float:
        weight = float(weight)  # a number of Python's takes the precision of the array
        return high - apart * (1 - weight) if weight >= 0.5 else low + apart * weight
    return np.where(decided(weight) >= 0.5, high - apart * (1 - weight), low + apart * weight)


def _by_row(a: Any, q: Any, axis: Any, method: str, keepdims: bool) -> Any:
    """Quantiles of the numbers of each row; a row without numbers gives nan."""
    rows, axes = _rows(a, axis)
    lead, n = rows.shape[:-1], rows.shape[-1]
    ordered = ops.sort(rows, rank(rows) - 1).reshape((-1, n))  # what is no number comes last
    counts = np.count_nonzero(~np.asarray(decided(np.isnan(rows))).reshape((-1, n)), axis=-1)
    shape, dtype = np.shape(values_of(q)), np.result_type(dtype_of(values_of(rows)), np.float16)
    parts = [
        _pick(ordered[k], q, int(c), method) if c else np.full(shape, np.nan, dtype)
        for k, c in enumerate(counts)
    ]
    return _finish(np.stack(parts).reshape((*lead, *shape)), q, axes, keepdims)


def _weighted(a: Any, q: Any, axis: Any, method: str, keepdims: bool, weights: Any) -> Any:
    """The inverse of the weighted distribution: an element of the array, chosen by weights that are
    constant here.
    """
    if method != "inverted_cdf":
        raise ValueError("Only method 'inverted_cdf' supports weights. Got: " + repr(method))
    rows, axes = _rows(a, axis)
    wanted = np.asarray(decided(weights), dtype=float)
    whole = array(a)
    if wanted.shape != whole.shape:
        shape = [1] * rank(whole)
        for k, size in zip(sorted(axes), wanted.shape, strict=True):
            shape[k] = size
        wanted = np.broadcast_to(wanted.reshape(shape), whole.shape)
    flat_weights = _rows(wanted, axis)[0].reshape(-1, rows.shape[-1])
    lead, flat = rows.shape[:-1], rows.reshape((-1, rows.shape[-1]))
    seen, levels = decided(flat), np.atleast_1d(decided(q))
    parts = []
    for k in range(flat.shape[0]):
        places = (
            np.flatnonzero(flat_weights[k] > 0)
            if not np.isnan(seen[k]).any()
            else np.arange(seen.shape[1])
        )
        places = places[~np.isnan(seen[k][places])] if len(places) else places
        places = places[np.argsort(seen[k][places], kind="stable")]
        total = np.cumsum(flat_weights[k][places])
        total = total / total[-1]
        found = places[
            np.minimum(np.searchsorted(total, levels.ravel(), side="left"), len(places) - 1)
        ]
        parts.append(flat[k][found.reshape(np.shape(values_of(q)))])
    return _finish(
        np.stack([array(p) for p in parts]).reshape((*lead, *np.shape(values_of(q)))),
        q,
        axes,
        keepdims,
    )
