"""Scans and products: cumsum, cumprod, prod. Right where factors are zero, and at every order.

Imports core, ``reduce`` and the makers. Invariant: no rule divides by a factor that is zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.ops.join import concatenate, stack
from wengert.ops.kinds import general, linear
from wengert.ops.reduce import complex_samples, normal_axes, reduction


def along(axis: int, part: Any) -> tuple[Any, ...]:
    """An index that takes ``part`` along a non-negative axis and all of the others."""
    return (slice(None),) * axis + (part,)


def _reversed(x: Any, axis: int) -> Any:
    return x[along(axis % len(x.shape), slice(None, None, -1))]


def _scan_samples(rng: Any) -> Iterable[Any]:
    for axis in (0, -1):
        yield (rng.normal(size=(3, 4)),), (axis,)
    yield (rng.normal(size=5),), (0,)
    yield (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)),), (1,)


def _row_axis(axis: int, ndim: int) -> int:
    return axis % (ndim - 1) + 1


cumsum: Any = linear(
    "cumsum",
    lambda x, axis: np.add.accumulate(x, axis=axis),
    [lambda ct, axis: _reversed(cumsum(_reversed(ct, axis), axis), axis)],
    params={"axis": 0},
    shape=lambda x_shape: x_shape,
    doc="Running sums along an axis: `y_k = x_0 + ... + x_k`.",
    samples=_scan_samples,
    batch=lambda values, _, params: np.add.accumulate(
        values[0], axis=_row_axis(params[0], values[0].ndim)
    ),
)


def _cumprod_tangent(x: Any, y: Any, dx: Any, axis: int) -> Any:
    # y_k (sum_{i<=k} dx_i / x_i), and where a factor vanishes the same sum by a scan of pairs
    # (product, its tangent).
    if np.all(np.not_equal(y, 0)) and np.all(np.isfinite(y)):
        return y * cumsum(dx / x, axis)
    axis = axis % len(x.shape)
    n, reach = x.shape[axis], 1
    product, tangent = x, dx
    while reach < n:
        head, tail, before = (
            along(axis, slice(0, reach)),
            along(axis, slice(reach, None)),
            along(axis, slice(0, n - reach)),
        )
        left, right = product[before], product[tail]
        tangent = concatenate([tangent[head], tangent[before] * right + left * tangent[tail]], axis)
        product = concatenate([product[head], left * right], axis)
        reach *= 2
    return tangent


cumprod = general(
    "cumprod",
    lambda x, axis: np.multiply.accumulate(x, axis=axis),
    [_cumprod_tangent],
    params={"axis": 0},
    shape=lambda x_shape: x_shape,
    doc="Running products along an axis: `y_k = x_0 ... x_k`.",
    samples=_scan_samples,
    batch=lambda values, _, params: np.multiply.accumulate(
        values[0], axis=_row_axis(params[0], values[0].ndim)
    ),
)


def excluding(x: Any, axis: Any) -> Any:
    """For every element the product of the others over the axes, by a tree of pairwise products."""
    shape = x.shape
    axes = normal_axes(axis, len(shape))
    rest = [k for k in range(len(shape)) if k not in axes]
    order = (*rest, *axes)
    lead = tuple(shape[k] for k in rest)
    n = math.prod(shape[k] for k in axes)
    level = x.transpose(order).reshape((*lead, n))
    levels = []
    while level.shape[-1] > 1:
        if level.shape[-1] % 2:
            level = concatenate([level, np.ones((*lead, 1))], len(lead))
        levels.append(level)
        level = level[..., 0::2] * level[..., 1::2]
    out: Any = np.ones(level.shape)
    for level in reversed(levels):
        out = out[..., : level.shape[-1] // 2]  # without the factor 1 that made the next level even
        pairs = stack([out * level[..., 1::2], out * level[..., 0::2]], -1)
        out = pairs.reshape((*lead, level.shape[-1]))
    out = out[..., :n]
    return out.reshape((*lead, *(shape[k] for k in axes))).transpose(
        tuple(int(k) for k in np.argsort(order))
    )


def _others(x: Any, y: Any, axis: Any) -> Any:
    if np.all(np.not_equal(y, 0)) and np.all(np.isfinite(y)):
        return y / x
    return excluding(x, axis)


prod = reduction(
    "prod",
    lambda x, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims),
    _others,
    doc="The product over axes.",
    samples=complex_samples(),
)
