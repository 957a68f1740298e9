"""Choosing between values: where.

Imports core and the makers. Invariant: a cotangent reaches only the operand that was chosen; the
others get exact zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import buffer, is_handle
from wengert.core.types import broadcast_shapes
from wengert.ops.kinds import linear
from wengert.ops.memory import fit

where = linear(
    "where",
    np.where,
    [
        None,
        lambda ct, condition, a_shape: _share(ct, condition, a_shape, chosen=True),
        lambda ct, condition, b_shape: _share(ct, condition, b_shape, chosen=False),
    ],
    inputs="condition a b",
    joint=True,
    zeroes=True,
    shape=lambda condition_shape, a_shape, b_shape: broadcast_shapes(
        condition_shape, a_shape, b_shape
    ),
    doc="`a` where the condition holds, else `b`.",
)


def _share(ct: Any, condition: Any, shape: tuple[int, ...], *, chosen: bool) -> Any:
    out = where(condition, ct, 0.0) if chosen else where(condition, 0.0, ct)
    return fit(out, shape, np.dtype(complex))


def along_axis(indices: Any, axis: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The index that takes ``indices`` along one axis and every position of the others."""
    ndim = len(shape)
    axis = axis % ndim
    ranges = [
        np.arange(n).reshape([-1 if j == k else 1 for j in range(ndim)])
        for k, n in enumerate(shape)
    ]
    return tuple(indices if k == axis else ranges[k] for k in range(ndim))


def gather(x: Any, indices: Any, axis: int) -> Any:
    """Elements of ``x`` by their indices along an axis; ``indices`` has the rank of ``x``."""
    if is_handle(indices) and not is_handle(x):
        x = buffer(np.array(x))  # a plain array takes no traced index
    return x[along_axis(indices, axis, x.shape)]
