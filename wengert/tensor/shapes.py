"""Shapes of Tensors in PyTorch's words: view, permute, transpose, unsqueeze, expand, split.

Imports core, ops, ``bridge``. Invariant: a result is a view of the Tensor exactly where NumPy's is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.errors import WengertIndexError, WengertValueError, error_at
from wengert.ops.paths import apply
from wengert.tensor.bridge import through
from wengert.tensor.mode import is_traced
from wengert.tensor.tensor import Tensor, plain
from wengert.tensor.views import view_of

Axes = int | Sequence[int] | None


def _viewed(self: Tensor, step: Any) -> Any:
    if is_traced():
        return apply((step,), np.asarray(plain(self)))
    return view_of(self, step)


def sizes_of(shape: Any) -> tuple[int, ...]:
    """Sizes given one by one, or as one tuple."""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return tuple(int(n) for n in given)


def reshape(self: Tensor, *shape: Any) -> Any:
    """The same elements in another shape: a view where the layout allows one."""
    return _viewed(self, ("reshape", (sizes_of(shape), "C")))


def flatten(self: Tensor, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The axes from ``start_dim`` to ``end_dim`` as one."""
    shape = self.shape
    first, last = start_dim % max(1, len(shape)), end_dim % max(1, len(shape))
    return reshape(self, (*shape[:first], -1, *shape[last + 1 :]))


def permute(self: Tensor, *order: Any) -> Any:
    """The axes in another order."""
    return _viewed(self, ("transpose", sizes_of(order)))


def transpose(self: Tensor, dim0: int, dim1: int) -> Any:
    """Two axes exchanged."""
    order = list(range(self.ndim))
    if not all(-self.ndim <= dim < self.ndim for dim in (dim0, dim1)):
        raise error_at(
            WengertIndexError,
            f"transpose of the axes {dim0} and {dim1} of a Tensor of shape {self.shape}",
            fix="name axes that it has",
            depth=3,
        )
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(self, order)


def transposed(self: Tensor) -> Any:
    """The matrix transposed (a vector or number as it is)."""
    return _viewed(self, ("transpose", None))


def unsqueeze(self: Tensor, dim: int) -> Any:
    """A new axis of length one at ``dim``."""
    place = dim % (self.ndim + 1)
    return reshape(self, (*self.shape[:place], 1, *self.shape[place:]))


def squeeze(self: Tensor, dim: Axes = None) -> Any:
    """Without axes of length one (or without ``dim``, where its length is one)."""
    wanted = range(self.ndim) if dim is None else [d % self.ndim for d in ((dim,) if isinstance(dim, int) else dim)]
    return reshape(self, tuple(n for k, n in enumerate(self.shape) if not (n == 1 and k in set(wanted))))


def expand(self: Tensor, *sizes: Any) -> Any:
    """Axes of length one repeated (-1: as it is)."""
    wanted = sizes_of(sizes)
    lead = len(wanted) - self.ndim
    return through(np.broadcast_to, (self, tuple(self.shape[k - lead] if n == -1 else n for k, n in enumerate(wanted))))


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the length of one axis."""
    return self.shape if dim is None else self.shape[dim]


def chunk(self: Tensor, chunks: int, dim: int = 0) -> tuple[Any, ...]:
    """At most ``chunks`` pieces along an axis."""
    return split(self, -(-self.shape[dim] // chunks), dim)


def split(self: Tensor, size: int | Sequence[int], dim: int = 0) -> tuple[Any, ...]:
    """Pieces of ``size`` (or of the sizes listed) along an axis."""
    total = self.shape[dim]
    sizes = [min(size, total - k) for k in range(0, total, size)] if isinstance(size, int) else list(size)
    if sum(sizes) != total:
        raise error_at(
            WengertValueError,
            f"split: sizes {sizes} for an axis of length {total}",
            fix="give sizes that add up to it",
            depth=3,
        )
    out, start = [], 0
    for n in sizes:
        index = [slice(None)] * self.ndim
        index[dim] = slice(start, start + n)
        out.append(self[tuple(index)])
        start += n
    return tuple(out)
