"""Reductions: sum, and the reductions built on it.

Imports core and the makers. Invariant: a cotangent is spread back over exactly the axes that were reduced.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import shape_of
from wengert.ops.kinds import linear
from wengert.ops.memory import read


def kept_shape(shape: tuple[Any, ...], axis: Any) -> tuple[Any, ...]:
    """The shape with the reduced axes kept as 1."""
    axes = normal_axes(axis, len(shape))
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes as a tuple of non-negative numbers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim if ndim else 0 for a in (axis if isinstance(axis, tuple) else (axis,)))


def reduced_shape(x_shape: tuple[Any, ...], axis: Any, keepdims: bool) -> tuple[Any, ...]:
    """The shape after a reduction."""
    axes = normal_axes(axis, len(x_shape))
    if keepdims:
        return kept_shape(x_shape, axis)
    return tuple(n for k, n in enumerate(x_shape) if k not in axes)


def spread_over(ct: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """A reduced cotangent seen from every element it came from (a broadcast view when that is large)."""
    if shape == ():
        return ct
    scalar = shape_of(ct.value if is_handle(ct) else ct) == ()
    if is_handle(ct):
        if type(ct.value) is not np.ndarray:
            return ct * np.ones(shape)
        if not scalar:
            ct = ct.reshape(kept_shape(shape, axis))
        return read(ct, ("broadcast", shape))
    if scalar:
        size = 1
        for n in shape:
            size *= n
        if size <= 4096:
            out = np.empty(shape, getattr(ct, "dtype", np.float64))
            out.fill(ct)
            return out
        return np.broadcast_to(ct, shape)
    return np.broadcast_to(ct.reshape(kept_shape(shape, axis)), shape)


def _sum(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


sum = linear(
    "sum", _sum, [lambda ct, x_shape, axis: spread_over(ct, x_shape, axis)], params={"axis": None, "keepdims": False},
    shape=reduced_shape, doc="Sum over axes: `y = sum_i x_i`.", latex="\\sum {x}",
)
