"""Norms of vectors and matrices, of every order NumPy has.

At a kink (zeros, ties) the derivative is the minimum-norm element: 0 at the zero vector, equal
shares for ties. Imports core, the makers, ``linalg/checks``, ``linalg/svd``, ``reduce``. Invariant:
dy = sum Re(conj(w) dx), one weight w per element, whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.node import here
from wengert.core.types import ArrayType, shape_of
from wengert.ops import reduce
from wengert.ops.contract import conj, normal, rank
from wengert.ops.kinds import general
from wengert.ops.lengths import at_zero
from wengert.ops.linalg.checks import near_pairs, recorded_again
from wengert.ops.linalg.matrices import eps_of, inexact, is_complex, mask, raw, real, real_type, tall
from wengert.ops.linalg.polar import polar
from wengert.ops.linalg.svd import svd, svdvals
from wengert.ops.linalg.ties import final
from wengert.ops.reduce import kept, reduced_shape, shifted
from wengert.ops.select import where
from wengert.ops.shares import winner
from wengert.ops.sides import side_at, unasked


def _vector(x: Any, order: Any, axis: Any, keepdims: Any) -> Any:
    if type(axis) is tuple:
        return np.linalg.vector_norm(x, axis=axis, ord=order, keepdims=keepdims)
    return np.linalg.norm(x, None if axis is None else order, axis, keepdims)


# What decides here is a step too (comparisons of traced values), so that a recording decides again for other values.


def _direction(x: Any) -> Any:
    """``x / |x|``, 0 at 0."""
    if not is_complex(x):
        return np.sign(x)
    zero = x == 0
    return where(zero, mask(x, 0.0), x / where(zero, mask(x, 1.0), np.abs(x)))


def _at_zero(x: Any) -> Any:
    """``_direction(x)``, on the side that is taken at 0 where a second derivative is."""
    if unasked(x):
        return _direction(x)
    if is_complex(x):
        return at_zero(_direction(x), x, lambda x: x == 0, (x,), _direction)
    side = side_at(lambda x: x == 0, x)
    if side is None:
        return _direction(x)
    zero = x == 0
    return np.sign(x) + zero * side.sign(x, zero)


def _share(x: Any, size: Any, extreme: Any, axis: Any, inside: Any = None, *, largest: bool) -> Any:
    """Equal shares for the elements that attain an extreme: of ``size = |x|``, or of its sums over ``inside``."""
    side = None if unasked(x) else side_at(lambda at, _: reduce.sum(1.0 * at, axis, False) > 1.0, size == extreme, x)
    if side is not None:
        t = side.tangent(x)
        t = where(x == 0, np.abs(t) * np.ones(shape_of(raw(x))), real(conj(_direction(x)) * t))
        t = t if inside is None else np.sum(t, axis=inside, keepdims=True)
        axes = reduce.normal_axes(axis, rank(size))
        return winner(side, t, size == extreme, axes, largest=largest)
    hit = where(size == extreme, mask(size, 1.0), mask(size, 0.0))
    with np.errstate(invalid="ignore"):
        return hit / reduce.sum(hit, axis, True)


def _vector_weights(x: Any, y: Any, order: Any, axis: Any) -> Any:
    if order == 1:
        return _at_zero(x)
    if order == 0:
        return mask(x, np.zeros(shape_of(raw(x))))
    if order in (np.inf, -np.inf):
        size = np.abs(x)
        extreme = (np.max if order > 0 else np.min)(size, axis=axis, keepdims=True)
        return _at_zero(x) * _share(x, size, extreme, axis, largest=order > 0)
    base = _smooth_weights(x, y, order, axis)
    if unasked(x) or (order is not None and order < 1):
        return base
    return at_zero(base, y, lambda y: y == 0, (x,), lambda v: _weights_along(v, order, axis, shape_of(raw(x))))


def _weights_along(v: Any, order: Any, axis: Any, shape: tuple[int, ...]) -> Any:
    v = v * np.ones(shape) if shape_of(raw(v)) != shape else v
    return _smooth_weights(v, kept(_vector_of(v, order, axis), shape, axis), order, axis)


def _vector_of(v: Any, order: Any, axis: Any) -> Any:
    return vector_norm(v, order, axis, False) if is_handle(v) else _vector(v, order, axis, False)


def _smooth_weights(x: Any, y: Any, order: Any, axis: Any) -> Any:
    if order is None or order == 2:
        zero = y == 0
        return where(zero, mask(x, 0.0), x / where(zero, mask(x, 1.0), y))
    # y = (sum |x|^p)^(1/p): dy/d|x| = (|x| / y)^(p - 1); 0 at x = 0.
    zero = x == 0
    ratio = np.abs(where(zero, mask(x, 1.0), x)) / where(y == 0, mask(x, 1.0), y)
    return where(zero, mask(x, 0.0), _direction(x) * ratio ** (order - 1.0))


def _vector_tangent(x: Any, y: Any, dx: Any, order: Any, axis: Any, keepdims: Any) -> Any:
    w = _vector_weights(x, kept(y, shape_of(raw(x)), axis), order, axis)
    return reduce.sum(real(conj(w) * dx), axis, keepdims)


def _type(types: Any, params: Any) -> ArrayType:
    _, axis, keepdims = params
    return ArrayType(reduced_shape(types[0].shape, axis, keepdims), real_type(inexact(types[0].dtype)))


def _vector_batch(values: Any, batched: Any, params: Any) -> Any:
    order, axis, keepdims = params
    axes = shifted(axis, rank(values[0]) - 1)
    return vector_norm(values[0], 2 if axis is None else order, axes if len(axes) != 1 else axes[0], keepdims)


_ORDERS = (2, 1, 3, 0.5, -1, -2.5, np.inf, -np.inf)


def _vector_samples(rng: Any) -> Iterable[Any]:
    for order in _ORDERS:
        yield (normal(rng, 3, 4),), (order, 0 if order == 2 else -1, False)
        yield (normal(rng, 4, dtype=complex),), (order, 0, False)
    yield (normal(rng, 3, 4),), (None, None, False)
    yield (normal(rng, 2, 3, 4),), (3, (0, 2), True)
    yield (normal(rng, 4, dtype=np.float32),), (None, None, False)


def _at_kink(values: Any, params: Any, y: Any) -> Any:
    """Where |x| or its extreme has a kink, by order; at the zero vector for orders above 1."""
    x, (order, axis, _) = values[0], params
    whole = kept(y, np.shape(x), axis)
    if order in (np.inf, -np.inf):
        at = np.abs(x) == whole
        return at & ((np.count_nonzero(at, axis=axis, keepdims=True) > 1) | (whole == 0))
    return np.equal(x, 0) & ((whole == 0) | (order is not None and order <= 1))


vector_norm = general(
    "vector_norm",
    _vector,
    [_vector_tangent],
    params={"order": None, "axis": None, "keepdims": False},
    infer=_type,
    kink=_at_kink,
    zeroes=True,
    doc="The norm `(sum |x|^p)^(1/p)` over axes; 0 is its derivative at the zero vector.",
    latex="\\|{x}\\|",
    batch=_vector_batch,
    samples=_vector_samples,
)

# ---------------------------------------------------------------- matrices


def _matrix_weights(x: Any, order: Any, axis: tuple[int, int]) -> Any:
    n = rank(x)
    row, column = axis[0] % n, axis[1] % n
    if order in (1, -1, np.inf, -np.inf):
        # The largest (smallest) sum of absolute values, over columns for 1, over rows for inf.
        inside, outside = (row, column) if abs(order) == 1 else (column, row)
        sums = np.sum(np.abs(x), axis=inside, keepdims=True)
        extreme = (np.max if order > 0 else np.min)(sums, axis=outside, keepdims=True)
        return _at_zero(x) * _share(x, sums, extreme, outside, inside, largest=order > 0)
    # A function of the singular values: U diag(dy/ds) V^H.
    others = tuple(k for k in range(n) if k not in (row, column))
    order_of_axes = (*others, row, column)
    back = tuple(int(k) for k in np.argsort(order_of_axes))
    moved = x.transpose(order_of_axes)
    if order == "nuc" and _full_rank(moved):
        return polar(moved).transpose(back)
    u, s, vh = svd(moved)
    weights = _singular_weights(raw(s), order)
    if s is not raw(s) and recorded_again():
        bool((_singular_weights(s, order) == weights).all())  # a guard: other values, other weights
    w = (u * mask(s, weights)[..., None, :]) @ vh
    if np.any((weights == 0) if order == "nuc" else (weights > 0) & (weights < 1)):
        # An element of the generalised gradient; what is no gradient has no derivative.
        what = "sum of singular values of which some are 0" if order == "nuc" else "extreme of equal singular values"
        w = final(w, here(3), what)
    return w.transpose(back)


def _full_rank(x: Any) -> bool:
    s = svdvals(x)
    return bool(np.all(_singular_weights(s, "nuc")))


def _singular_weights(s: Any, order: Any) -> Any:
    size = s.shape[-1]
    if order == "nuc":
        return s > 8.0 * size * eps_of(s) * np.max(s, axis=-1, keepdims=True, initial=0.0)
    near = near_pairs(s, size, eps_of(s))[..., 0 if order == 2 else -1, :]
    return near / np.sum(near, axis=-1, keepdims=True)


def _matrix_tangent(x: Any, dx: Any, order: Any, axis: Any, keepdims: Any) -> Any:
    return reduce.sum(real(conj(_matrix_weights(x, order, axis)) * dx), axis, keepdims)


def _matrix_batch(values: Any, batched: Any, params: Any) -> Any:
    order, axis, keepdims = params
    row, column = (a % (rank(values[0]) - 1) + 1 for a in axis)
    return matrix_norm(values[0], order, (row, column), keepdims)


def _matrix_samples(rng: Any) -> Iterable[Any]:
    for order in (1, -1, 2, -2, np.inf, -np.inf, "nuc"):
        yield (tall(rng, 3, 4),), (order, (0, 1), False)
        yield (tall(rng, 3, 3, dtype=complex),), (order, (0, 1), False)
    yield (tall(rng, 2, 3, 4),), ("nuc", (1, 2), True)
    yield (normal(rng, 3, 2, 4),), (2, (2, 0), False)


matrix_norm = general(
    "matrix_norm",
    lambda x, order, axis, keepdims: np.linalg.norm(x, order, axis, keepdims),
    [_matrix_tangent],
    params={"order": 2, "axis": (0, 1), "keepdims": False},
    infer=_type,
    doc="Matrix norms: sums of absolute values (1, inf), singular values (2, -2, nuclear).",
    batch=_matrix_batch,
    samples=_matrix_samples,
)


def _frobenius_tangent(x: Any, y: Any, dx: Any, axis: Any, keepdims: Any) -> Any:
    w = _vector_weights(x, kept(y, shape_of(raw(x)), axis), 2, axis)
    return reduce.sum(real(conj(w) * dx), axis, keepdims)


def _frobenius_batch(values: Any, batched: Any, params: Any) -> Any:
    axis, keepdims = params
    row, column = (a % (rank(values[0]) - 1) + 1 for a in axis)
    return frobenius(values[0], (row, column), keepdims)


frobenius = general(
    "frobenius",
    lambda x, axis, keepdims: np.linalg.norm(x, "fro", axis, keepdims),
    [_frobenius_tangent],
    params={"axis": (0, 1), "keepdims": False},
    zeroes=True,
    infer=lambda types, params: _type(types, (None, *params)),
    kink=lambda v, p, y: np.equal(v[0], 0) & (kept(y, np.shape(v[0]), p[0]) == 0),
    doc="The root of the sum of squares of a matrix's elements.",
    batch=_frobenius_batch,
    latex="\\|{x}\\|_F",
    samples=lambda rng: [
        ((normal(rng, 3, 2, 4, dtype=t),), ((0, 2), k))
        for t, k in ((float, False), (complex, True), (np.float32, False))
    ],
)
