"""Functions of Tensors made of others: softmax and its logarithm, clamp, norm, repeat.

Imports ``bridge``, ``shapes``. Invariant: none overflows where its result does not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.tensor.bridge import through
from wengert.tensor.shapes import Axes, reshape, sizes_of
from wengert.tensor.tensor import Tensor, plain


def _array(t: Any) -> Any:
    """The values, as a constant."""
    value = plain(t)
    return value if is_handle(value) else np.asarray(value)


def softmax(self: Any, dim: int) -> Any:
    """exp(t) over its sum along ``dim``, without overflow."""
    shifted = np.exp(self - np.max(_array(self), axis=dim, keepdims=True))
    return shifted / shifted.sum(dim, True)


def logsumexp(self: Any, dim: Axes, keepdim: bool = False) -> Any:
    """The logarithm of the sum of exponentials along ``dim``, without overflow."""
    axes: Any = dim if dim is None or isinstance(dim, int) else tuple(dim)
    top = np.max(_array(self), axis=axes, keepdims=True)
    out = np.log(np.exp(self - top).sum(dim, True)) + top
    return out if keepdim else out.sum(dim)


def log_softmax(self: Any, dim: int) -> Any:
    """The logarithm of ``softmax``, without overflow."""
    return self - logsumexp(self, dim, True)


def clamp(self: Tensor, min: Any = None, max: Any = None) -> Any:
    """Values below ``min`` and above ``max`` replaced by them."""
    return through(np.clip, (self, min, max))


def masked_fill(self: Tensor, mask: Any, value: Any) -> Any:
    """``value`` where the mask is True."""
    return through(np.where, (mask, value, self))


def norm(self: Tensor, p: Any = 2, dim: Axes = None, keepdim: bool = False) -> Any:
    """The p-norm of all elements, or along ``dim``."""
    order = None if p == "fro" else p
    target = reshape(self, -1) if dim is None else self
    return through(np.linalg.norm, (target,), {"ord": order, "axis": dim, "keepdims": keepdim and dim is not None})


def repeat(self: Tensor, *sizes: Any) -> Any:
    """The whole repeated along each axis (``np.tile``)."""
    return through(np.tile, (self, sizes_of(sizes)))
