"""Constant arrays that sizes alone decide: uniform ones, unit matrices, triangles of ones, the numbers 0, 1, 2, ...

They are found again in what a program holds at several sizes. Imports arrays, build. Invariant: the term gives the
arrays of all recordings, entry by entry; what is none of these is None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.symbolic import arrays
from wengert.symbolic.build import add, eye, join, ones, pattern, plus, scale, select, split, transpose
from wengert.symbolic.graphs import Arange
from wengert.symbolic.terms import Delta, Pattern, Prod, Term

Scalar = Callable[[Sequence[Any]], Term]
"""What a number that differs between recordings is."""


def pattern_of(found: Sequence[Any], shape: tuple[Any, ...], scalar: Scalar) -> Term | None:
    """The term of an array in all recordings, given its named shape; raises WengertValueError as ``scalar`` does."""
    if not all(v.size for v in found):
        return None
    if all(np.all(v == v.flat[0]) for v in found):
        return arrays.broadcast(scalar([v.flat[0].item() for v in found]), shape)
    if len(shape) == 1:
        return _counted(found, shape, scalar)
    if len(shape) > 2 and 1 in (sides := [isinstance(d, int) and d for d in shape]):
        kept = [k for k, d in enumerate(sides) if d != 1]
        inner = pattern_of(
            [v.reshape([v.shape[k] for k in kept]) for v in found], tuple(shape[k] for k in kept), scalar
        )
        sizes = dict(enumerate(shape))
        return None if inner is None else arrays.contract([(inner, kept)], tuple(range(len(shape))), sizes)
    if len(shape) != 2:
        return None
    if 1 in (whole := tuple(isinstance(d, int) and d for d in shape)) and shape != (1, 1):
        row = whole[0] == 1
        line = _counted([v.ravel() for v in found], shape[1:] if row else shape[:1], scalar)
        if line is not None:
            return arrays.contract([(line, "j" if row else "i")], "ij", {"i": shape[0], "j": shape[1]})
    if (banded := _banded(found, shape, scalar)) is not None:
        return banded
    tops = [np.max(v) if np.max(v) > 0 else np.min(v) for v in found]
    parts = [v / t if t else v for v, t in zip(found, tops, strict=True)]
    core = _matrix(parts, shape)
    return None if core is None else arrays.times(scalar([t.item() for t in tops]), core)


def _counted(found: Sequence[Any], shape: tuple[Any, ...], scalar: Scalar) -> Term | None:
    """Evenly spaced numbers: first + step * (0, 1, 2, ...); or one entry that is not zero, the first or the last."""
    if not all(len(v) > 2 for v in found):
        return None
    for at, start in ((0, 0), (-1, shape[0] - 1)):
        if all(v[at] and not np.any(np.delete(v, at)) for v in found):
            unit = arrays.contract([(select(1, shape[0], start), ("u", "o"))], "o")
            return arrays.times(scalar([_plain(v[at]) for v in found]), unit)
    steps = [(v[-1] - v[0]) / (len(v) - 1) for v in found]
    for v, step in zip(found, steps, strict=True):
        even = v[0] + step * np.arange(len(v))
        if not np.allclose(v, even, rtol=1e-13, atol=1e-13 * float(np.max(np.abs(v)))):
            return None
    moved = arrays.times(scalar([_plain(s) for s in steps]), pattern("arange", shape))
    first = [_plain(v[0]) for v in found]
    return moved if not any(first) else arrays.plus(arrays.broadcast(scalar(first), shape), moved)


def _plain(value: Any) -> Any:
    """A number as an int where it is one."""
    number = float(value)
    return int(number) if number == int(number) else number


def _matrix(parts: Sequence[Any], shape: tuple[Any, ...]) -> Term | None:
    """A unit matrix, or one with ones on and below (above) some diagonal."""
    if shape[0] == shape[1] and all(np.array_equal(v, np.eye(len(v))) for v in parts):
        return eye(shape[0])
    for turned in (False, True):
        given = [v.T for v in parts] if turned else list(parts)
        k = _offset(given[0])
        if k is not None and all(np.array_equal(v, np.tri(v.shape[0], v.shape[1], k)) for v in given):
            lower = pattern("tri", shape[::-1] if turned else shape, k)
            return transpose(lower) if turned else lower
    return None


def _banded(found: Sequence[Any], shape: tuple[Any, ...], scalar: Scalar) -> Term | None:
    """A square matrix of one number below the diagonal, one on it, one above it, where the three differ."""
    if shape[0] != shape[1] or min(len(v) for v in found) < 2:
        return None
    three = [(v[1, 0], v[0, 0], v[0, 1]) for v in found]
    for v, (below, on, above) in zip(found, three, strict=True):
        size = len(v)
        if len({below, on, above}) < 3:
            return None  # simpler forms say it
        made = below * np.tri(size, size, -1) + on * np.eye(size) + above * np.tri(size, size, -1).T
        if not np.array_equal(made, v):
            return None
    lower = pattern("tri", shape, -1)
    parts = [(lower, 0), (eye(shape[0]), 1), (transpose(lower), 2)]
    terms = [arrays.times(scalar([_plain(t[k]) for t in three]), core) for core, k in parts if any(t[k] for t in three)]
    return add([(Fraction(1), t) for t in terms], shape)


def _offset(lower: Any) -> int | None:
    """The diagonal up to which the first row that is not zero goes."""
    rows = np.flatnonzero(lower.any(axis=1))
    if not len(rows):
        return None
    k = int(lower[rows[0]].sum()) - 1 - int(rows[0])
    return k if abs(k) <= 8 else None


def complement(mask: Term) -> Term | None:
    """One minus a 0/1 matrix of this room; None for what is no such matrix."""
    coefficient, core = split(mask)
    if coefficient != 1:
        return None
    turned = isinstance(core, Prod) and len(core.factors) == 1 and core.factors[0][1] == (1, 0)
    inner = core.factors[0][0] if turned and isinstance(core, Prod) else core
    if isinstance(inner, Pattern) and inner.name == "tri":
        (k,) = inner.params
        other = pattern("tri", inner.shape[::-1], -k - 1)
        return other if turned else transpose(other)
    if isinstance(inner, Delta):
        return plus(ones(inner.shape), scale(Fraction(-1), inner))
    return None


def chosen(condition: Term, yes: Term, no: Term) -> Term | None:
    """Entries by such a 0/1 matrix, as a sum of two products; None for any other condition."""
    other = complement(condition)
    if other is None:
        return None
    return arrays.plus(arrays.times(condition, yes), arrays.times(other, no))


def cumulated(x: Term, axis: Any) -> Term | None:
    """Cumulative sums along an axis: the product with a triangle of ones."""
    if x.rank != 1 and axis is None:
        return None
    at = 0 if axis is None else axis % x.rank
    own = [f"i{k}" for k in range(x.rank)]
    out = [*own[:at], "o", *own[at + 1 :]]
    lower = pattern("tri", (x.shape[at], x.shape[at]), 0)
    return arrays.contract([(lower, ("o", own[at])), (x, own)], out)


def diagonal(term: Term, offset: int) -> Term:
    """The entries beside the diagonal of a square matrix, ``offset`` columns to its right."""
    size = term.shape[0]
    rows, columns = _beside(size - abs(offset), size, offset)
    return arrays.contract([(term, "ij"), (rows, "ri"), (columns, "rj")], "r")


def diagonal_of(term: Term, offset: int) -> Term:
    """The matrix with a vector beside its diagonal."""
    rows, columns = _beside(term.shape[0], term.shape[0] + abs(offset), offset)
    return arrays.diag(term) if not offset else arrays.contract([(term, "r"), (rows, "ri"), (columns, "rj")], "ij")


def _beside(count: Any, size: Any, offset: int) -> tuple[Term, Term]:
    """What takes the rows and the columns of a diagonal."""
    return select(count, size, max(0, -offset)), select(count, size, max(0, offset))


def gathered(x: Term, key: Sequence[Any]) -> Term | None:
    """Entries by an index of whole numbers on one axis, slices on the others; None for any other key."""
    places = [k for k, part in enumerate(key) if not isinstance(part, slice)]
    if len(places) != 1 or not isinstance(key[places[0]], (Arange, np.ndarray)) or len(key) > x.rank:
        return None
    (axis,) = places
    by, dim = key[axis], x.shape[axis]
    if isinstance(by, Arange) and by.place is not None:
        return None
    rest = arrays.index(x, tuple(slice(None) if k == axis else part for k, part in enumerate(key)))
    own = [f"i{k}" for k in range(rest.rank)]
    out = [*own[:axis], "o", *own[axis + 1 :]]
    if isinstance(by, Arange):
        size, start, each = by.whole
        rows = select(size, dim, start)
        if each == 1:
            return arrays.contract([(rest, own), (rows, ("o", own[axis]))], out)
        parts = [(rest, own), (rows, ("r", own[axis])), (join(size, each), ("o", "r", "e"))]
        return arrays.contract(parts, out)
    if by.ndim != 1 or by.dtype.kind not in "iu" or not 0 < len(by) <= 16:
        return None
    total = []
    for k, entry in enumerate(by.tolist()):
        start = entry if entry >= 0 else dim + entry
        units = [(select(1, len(by), k), ("u", "o")), (select(1, dim, start), ("u", own[axis]))]
        total.append((Fraction(1), arrays.contract([(rest, own), *units], out)))
    return add(total, total[0][1].shape)
