"""Methods of Tensors that pick, sort and rearrange elements, by PyTorch's names; new Tensors of the same kind.

Imports ``bridge``, ``tensor``. Invariant: indices are constants, gradients flow to the elements picked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, error_at
from wengert.core.handle import is_handle
from wengert.tensor.bridge import outward, through
from wengert.tensor.inplace import indices
from wengert.tensor.tensor import Tensor, plain


def gather(self: Tensor, dim: int, index: Any) -> Any:
    """Along ``dim`` the elements that ``index`` names, which has the shape of the result."""
    place = _integers(index, "gather")
    if self.ndim == place.ndim and self.shape != place.shape:  # PyTorch allows a smaller index
        self = self[tuple(slice(None) if k == dim % self.ndim else slice(n) for k, n in enumerate(place.shape))]
    return through(np.take_along_axis, (self, place), {"axis": dim})


def index_select(self: Tensor, dim: int, index: Any) -> Any:
    """The slices along ``dim`` that ``index`` names."""
    return through(np.take, (self, _integers(index, "index_select")), {"axis": dim})


def _integers(index: Any, name: str) -> Any:
    value = indices(index) if isinstance(index, Tensor) else index
    value = value if is_handle(value) else np.asarray(value)
    if value.dtype.kind not in "iu":
        raise error_at(WengertTypeError, f"{name}: indices of {value.dtype}", fix="give integers", depth=4)
    return value


def sort(self: Tensor, dim: int = -1, descending: bool = False) -> tuple[Any, Any]:
    """The elements in order along ``dim``, and where they were."""
    value = plain(self)
    order = np.argsort(-value if descending else value, axis=dim, kind="stable")
    return through(np.take_along_axis, (self, order), {"axis": dim}), outward(order)


def topk(self: Tensor, k: int, dim: int = -1, largest: bool = True) -> tuple[Any, Any]:
    """The ``k`` largest (or smallest) elements along ``dim``, and where they were."""
    value = plain(self)
    order = np.argsort(-value if largest else value, axis=dim, kind="stable")
    place = tuple(slice(k) if n == dim % self.ndim else slice(None) for n in range(self.ndim))
    order = order[place]
    return through(np.take_along_axis, (self, order), {"axis": dim}), outward(order)


def unbind(self: Tensor, dim: int = 0) -> tuple[Any, ...]:
    """The slices along ``dim``."""
    lead = (slice(None),) * (dim % self.ndim)
    return tuple(self[(*lead, k)] for k in range(self.shape[dim]))


def lerp(self: Tensor, end: Any, weight: Any) -> Any:
    """``self + weight * (end - self)``."""
    return self + weight * (end - self)


def rsqrt(self: Tensor) -> Any:
    """One over the square root."""
    return 1.0 / np.sqrt(self)


def movedim(self: Tensor, source: Any, destination: Any) -> Any:
    """``np.moveaxis``."""
    return through(np.moveaxis, (self, source, destination))


def type_as(self: Tensor, other: Tensor) -> Any:
    """In the dtype of ``other``."""
    return self.to(other.dtype)  # type: ignore[attr-defined]


def new_zeros(self: Tensor, *size: Any) -> Tensor:
    """Zeros of the same dtype."""
    return Tensor(np.zeros(_size(size), self.dtype)[()])


def new_ones(self: Tensor, *size: Any) -> Tensor:
    """Ones of the same dtype."""
    return Tensor(np.ones(_size(size), self.dtype)[()])


def _size(size: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size


METHODS = {
    "gather": gather,
    "index_select": index_select,
    "sort": sort,
    "topk": topk,
    "unbind": unbind,
    "lerp": lerp,
    "rsqrt": rsqrt,
    "movedim": movedim,
    "type_as": type_as,
    "new_zeros": new_zeros,
    "new_ones": new_ones,
}
