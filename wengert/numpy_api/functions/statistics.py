"""Statistics of data: cov, corrcoef, histograms, bincount.

Imports core, ops, ``table``. Invariant: counts are constants; weights and densities carry
derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import buffer
from wengert.core.types import dtype_of
from wengert.numpy_api.exact import (
    MISSING,
    array,
    decided,
    exactly,
    looked,
    looks_traced,
    rank,
    values_of,
)
from wengert.numpy_api.table import implements
from wengert.ops.contract import conj
from wengert.ops.memory import write


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if rank(m) > 2 or (y is not None and rank(y) > 2):
        raise ValueError("m has more than 2 dimensions")
    data = np.atleast_2d(array(m))
    if not rowvar and rank(m) != 1:
        data = data.T
    if y is not None:
        other = np.atleast_2d(array(y))
        data = np.concatenate(
            (data, other.T if not rowvar and other.shape[0] != 1 else other), axis=0
        )
    # NumPy computes in double precision, whatever the data are, unless told otherwise.
    data = data.astype(np.result_type(dtype_of(values_of(data)), np.float64) if dtype is None else dtype)
    freedom = (0 if bias else 1) if ddof is None else ddof
    w: Any = None
    if fweights is not None:
        w = np.asarray(decided(fweights), dtype=float)
    if aweights is not None:
        w = array(aweights) if w is None else w * array(aweights)
    mean, total = np.average(data, axis=1, weights=w, returned=True)
    total = total[0]
    if w is None:
        factor = data.shape[1] - freedom
    elif freedom == 0:
        factor = total
    elif aweights is None:
        factor = total - freedom
    else:
        factor = total - freedom * np.sum(w * array(aweights)) / total
    if values_of(factor) <= 0:
        factor = 0.0
    data = data - mean[:, None]
    right = data.T if w is None else (data * w).T
    result = np.squeeze((data @ conj(right)) * np.true_divide(1, factor))
    return exactly(result, np.cov, m, y, rowvar, bias, ddof, fweights, aweights, dtype=dtype)


@implements(np.corrcoef)
def corrcoef(
    x: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: Any = MISSING,
    ddof: Any = MISSING,
    *,
    dtype: Any = None,
) -> Any:
    c = cov(x, y, rowvar, dtype=dtype)
    del bias, ddof
    if rank(c) == 0:
        return exactly(c / c, np.corrcoef, x, y, rowvar, dtype=dtype)
    spread = np.sqrt(np.diagonal(c).real)
    return exactly(c / spread[:, None] / spread[None, :], np.corrcoef, x, y, rowvar, dtype=dtype)


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    places = np.asarray(decided(x))
    if weights is None:
        return looked(x, "bincount", np.bincount(places, minlength=minlength))
    plain = np.bincount(places, values_of(weights), minlength)
    return exactly(
        _scattered(places, array(weights), len(plain)), np.bincount, x, weights, minlength
    )


def _scattered(places: Any, values: Any, count: int) -> Any:
    """The sums of the values that share a place."""
    out = buffer(np.zeros(count))
    write(out, ("index", places), values, add=True)
    return out


def _edges(a: Any, bins: Any, range: Any, plain: Any) -> Any:
    """The edges of bins as they follow traced edges, a traced range, or the least and the largest
    of traced data.
    """
    if looks_traced(bins):
        return array(bins)
    if np.ndim(bins) > 0 or not (looks_traced(a) if range is None else looks_traced(range)):
        return plain
    low, high = (np.min(array(a)), np.max(array(a))) if range is None else range
    if dtype_of(values_of(low)).kind in "biu":
        low, high = low * 1.0, high * 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    return exactly(np.linspace(low, high, len(plain)), lambda: plain)


def _edges_of_all(columns: Any, bins: Any, range: Any, plain: Any) -> list[Any]:
    count = len(plain)
    per_axis = list(bins) if _len(bins) == count else [bins] * count
    ranges = [None] * count if range is None else list(range)
    return [_edges(*row) for row in zip(columns, per_axis, ranges, plain, strict=True)]


def _len(bins: Any) -> int:
    return (
        len(bins)
        if isinstance(bins, (list, tuple)) or (not isinstance(bins, (int, str)) and rank(bins) > 0)
        else -1
    )


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    plain = np.histogram_bin_edges(
        values_of(a), values_of(bins), values_of(range), values_of(weights)
    )
    if isinstance(bins, str):  # how many there are is decided by the data
        decided([a, weights])
    return _edges(a, bins, range, plain)


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    decided([a, bins, range])
    plain, edges = np.histogram(
        values_of(a), values_of(bins), values_of(range), density, values_of(weights)
    )
    kept = _edges(a, bins, range, edges)
    counts = _weighted(_bins([np.ravel(values_of(a))], [edges]), weights, (len(edges) - 1,))
    if counts is None and not (density and looks_traced(kept)):
        return looked(a, "histogram", plain), kept
    counts = np.histogram(values_of(a), edges)[0].astype(float) if counts is None else counts
    result = counts / np.diff(kept) / counts.sum() if density else counts
    return exactly(result, lambda: plain), kept


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    decided([x, y, bins, range])
    plain, *edges = np.histogram2d(
        values_of(x), values_of(y), values_of(bins), values_of(range), density, values_of(weights)
    )
    found = _bins([np.ravel(values_of(x)), np.ravel(values_of(y))], edges)
    kept = _edges_of_all([x, y], bins, range, edges)
    return _density(plain, found, kept, density, weights, x), *kept


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    seen = decided(sample)
    decided([bins, range])
    plain, edges = np.histogramdd(
        seen, values_of(bins), values_of(range), density, values_of(weights)
    )
    columns = list(
        np.atleast_2d(seen).T
        if isinstance(seen, np.ndarray) and seen.ndim == 2
        else map(np.ravel, np.atleast_2d(seen))
    )
    if isinstance(sample, (list, tuple)):
        sources = list(sample)
    else:
        sources = [sample[:, k] for k, _ in enumerate(edges)] if rank(sample) == 2 else [sample]
    kept = _edges_of_all(sources, bins, range, edges)
    return _density(plain, _bins(columns, list(edges)), kept, density, weights, sample), kept


def _density(
    plain: Any, found: Any, edges: list[Any], density: Any, weights: Any, source: Any
) -> Any:
    counts = _weighted(found, weights, plain.shape)
    if counts is None and density and looks_traced(*edges):
        there = found >= 0
        share = None if weights is None else np.ravel(values_of(weights))[there]
        counts = np.bincount(found[there], share, plain.size).reshape(plain.shape) * 1.0
    if counts is None:
        return looked(source, "histogram", plain)
    if density:
        total = counts.sum()
        for k, edge in enumerate(edges):
            counts = counts / np.diff(edge).reshape(
                tuple(-1 if k == j else 1 for j in np.arange(len(edges)))
            )
        counts = counts / total
    return exactly(counts, lambda: plain)


def _bins(columns: list[Any], edges: list[Any]) -> Any:
    """The bin of every sample, as a flat number, or -1 outside; the last bin has its right edge."""
    out: Any = 0
    inside = np.ones(columns[0].shape, dtype=bool)
    for column, edge in zip(columns, edges, strict=True):
        k = np.searchsorted(edge, column, side="right") - 1
        k = np.where(column == edge[-1], len(edge) - 2, k)
        inside &= (k >= 0) & (k < len(edge) - 1)
        out = out * (len(edge) - 1) + k
    return np.where(inside, out, -1)


def _weighted(found: Any, weights: Any, shape: tuple[int, ...]) -> Any:
    if not looks_traced(weights):
        return None
    there = np.flatnonzero(found >= 0)
    return _scattered(found[there], array(weights).ravel()[there], int(np.prod(shape))).reshape(
        shape
    )
