"""Methods of Tensors that write into copies at places named by indices (``scatter``, ``index_add``, ...), and views of
parts by PyTorch's names.

Imports ops, ``bridge``. Invariant: a method gives a new Tensor; that with an underscore puts it in the old one's place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import WengertValueError, error_at
from wengert.core.handle import buffer, is_handle
from wengert.ops.memory import plain_copy, write
from wengert.tensor.bridge import through
from wengert.tensor.inplace import indices
from wengert.tensor.mode import is_grad_enabled
from wengert.tensor.picked import _integers
from wengert.tensor.shapes import permute, reshape, sizes_of
from wengert.tensor.tensor import LEAF, Tensor, current, plain
from wengert.tensor.views import view_of


def _written(add: bool) -> Callable[..., Any]:
    """A copy of an array with values written to (or added at) some places."""

    def written(array: Any, place: Any, values: Any) -> Any:
        if not is_handle(array) and not is_handle(values):
            out = np.array(array)
            if add:
                np.add.at(out, place, values)
            else:
                out[place] = values
            return out
        made = plain_copy(array) if is_handle(array) else buffer(np.array(array))
        write(made, ("index", place), values, add=add)
        return made

    return written


_put, _add = _written(add=False), _written(add=True)


def _each(index: Any, dim: int, ndim: int, name: str) -> tuple[Any, ...]:
    """The places that an index along ``dim`` names, one for each of its own elements."""
    index = _integers(index, name)
    if index.ndim != ndim:
        raise error_at(
            WengertValueError,
            f"{name}: an index of {index.ndim} axes for a Tensor of {ndim}",
            fix="give an index with as many axes as the Tensor",
            depth=5,
        )
    grid = np.ogrid[tuple(slice(n) for n in index.shape)]
    return tuple(index if k == dim % ndim else g for k, g in enumerate(grid))


def _source(src: Any, place: tuple[Any, ...]) -> Any:
    """As much of the source as the index has elements."""
    if not np.ndim(src):
        return src
    return src[tuple(slice(n) for n in np.broadcast_shapes(*(p.shape for p in place)))]


def scatter(self: Tensor, dim: int, index: Any, src: Any) -> Any:
    """A copy with the elements of ``src`` (or one value) at the places along ``dim`` that ``index`` names."""
    place = _each(index, dim, self.ndim, "scatter")
    return through(_put, (self, place, _source(src, place)))


def scatter_add(self: Tensor, dim: int, index: Any, src: Any) -> Any:
    """A copy with the elements of ``src`` added at the places along ``dim`` that ``index`` names."""
    place = _each(index, dim, self.ndim, "scatter_add")
    return through(_add, (self, place, _source(src, place)))


def _slices(index: Any, dim: int, ndim: int, name: str) -> tuple[Any, ...]:
    return (*(slice(None),) * (dim % ndim), _integers(index, name).reshape(-1))


def index_add(self: Tensor, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """A copy with slices of ``source`` (times ``alpha``) added to those along ``dim`` that ``index`` names."""
    moved = source if alpha == 1 else source * alpha
    return through(_add, (self, _slices(index, dim, self.ndim, "index_add"), moved))


def index_copy(self: Tensor, dim: int, index: Any, source: Any) -> Any:
    """A copy with slices of ``source`` in the place of those along ``dim`` that ``index`` names."""
    return through(_put, (self, _slices(index, dim, self.ndim, "index_copy"), source))


def index_fill(self: Tensor, dim: int, index: Any, value: Any) -> Any:
    """A copy with one value in the slices along ``dim`` that ``index`` names."""
    return through(_put, (self, _slices(index, dim, self.ndim, "index_fill"), value))


def index_put(self: Tensor, places: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """A copy with values written to (or added at) the places that a tuple of indices names."""
    return through(_add if accumulate else _put, (self, indices(tuple(places)), values))


def take_along_dim(self: Tensor, index: Any, dim: int | None = None) -> Any:
    """``np.take_along_axis``."""
    return through(np.take_along_axis, (self, _integers(index, "take_along_dim")), {"axis": dim})


def masked_select(self: Tensor, mask: Any) -> Any:
    """The elements where the mask is True, one after the other."""
    chosen = np.asarray(plain(mask))
    shape = np.broadcast_shapes(self.shape, chosen.shape)
    return self.expand(shape)[np.broadcast_to(chosen, shape)]  # type: ignore[attr-defined]


def fill_diagonal(self: Tensor, value: Any) -> Any:
    """One value on the diagonal: what ``fill_diagonal_`` puts in the place of the Tensor."""
    places = np.arange(min(self.shape))
    return through(_put, (self, (places,) * self.ndim, value))


# ---------------------------------------------------------------- views


def narrow(self: Tensor, dim: int, start: int, length: int) -> Any:
    """``length`` slices along ``dim`` from ``start`` on."""
    return self[(*(slice(None),) * (dim % self.ndim), slice(start, start + length))]


def select(self: Tensor, dim: int, index: int) -> Any:
    """One slice along ``dim``."""
    return self[(*(slice(None),) * (dim % self.ndim), int(index))]


def unflatten(self: Tensor, dim: int, sizes: Any) -> Any:
    """One axis as several."""
    k = dim % self.ndim
    given = list(sizes_of((sizes,) if isinstance(sizes, int) else tuple(sizes)))
    if -1 in given:
        rest = -math.prod(given)
        given[given.index(-1)] = self.shape[k] // rest if rest else 0
    return reshape(self, (*self.shape[:k], *given, *self.shape[k + 1 :]))


def unfold(self: Tensor, dim: int, size: int, step: int) -> Any:
    """Windows along ``dim``, their elements in a new last axis."""
    k = dim % self.ndim
    count = (self.shape[k] - size) // step + 1
    if not 0 < size <= self.shape[k] or step < 1:
        raise error_at(
            WengertValueError,
            f"unfold: windows of {size}, a step of {step}, on an axis of length {self.shape[k]}",
            fix="give a size from 1 to that length, and a positive step",
            depth=3,
        )
    windows = np.arange(count)[:, None] * step + np.arange(size)
    taken = through(np.take, (self, windows), {"axis": k})
    return taken.movedim(k + 1, -1)


def tensor_split(self: Tensor, parts: Any, dim: int = 0) -> tuple[Any, ...]:
    """As many pieces as equal as possible, or pieces that end at the places listed."""
    total = self.shape[dim]
    if isinstance(parts, int):
        lengths = [total // parts + (k < total % parts) for k in range(parts)]
        ends = [0, *np.cumsum(lengths).tolist()]
    else:
        ends = [0, *(min(int(p), total) for p in parts), total]
    return tuple(narrow(self, dim, a, max(0, b - a)) for a, b in itertools.pairwise(ends))


def swapaxes(self: Tensor, dim0: int, dim1: int) -> Any:
    """Two axes exchanged."""
    return self.transpose(dim0, dim1)  # type: ignore[attr-defined]


def movedim(self: Tensor, source: Any, destination: Any) -> Any:
    """Axes at other places."""
    return permute(self, _moved(range(self.ndim), source, destination))


def _moved(names: Sequence[int], source: Any, destination: Any) -> tuple[int, ...]:
    count = len(names)
    here = [k % count for k in ((source,) if isinstance(source, int) else source)]
    there = [k % count for k in ((destination,) if isinstance(destination, int) else destination)]
    order = [k for k in names if k not in here]
    for place, axis in sorted(zip(there, here, strict=True)):
        order.insert(place, axis)
    return tuple(order)


def real(self: Tensor) -> Any:
    """The real part: a view of complex numbers, real ones as they are."""
    return view_of(self, ("real", None)) if self.dtype.kind == "c" else self


def imag(self: Tensor) -> Any:
    """The imaginary part: a view of complex numbers, zeros for real ones."""
    return view_of(self, ("imag", None)) if self.dtype.kind == "c" else through(np.imag, (self,))


def _reshaping(name: str) -> Callable[..., Any]:
    """``t.unsqueeze_(0)`` and the like: the Tensor becomes its own view."""

    def operate(self: Tensor, *args: Any) -> Any:
        current(self)
        if self.node is not None and self.node.op is LEAF and is_grad_enabled():
            raise error_at(
                WengertValueError,
                f"{name}_: a leaf Tensor that requires gradients gets another shape in place",
                fix=f"use t.{name}(...)",
                depth=3,
            )
        made = getattr(self, name)(*args)
        self.value, self.node, self.mem = made.value, made.node, made.mem
        return self

    operate.__name__, operate.__doc__ = f"{name}_", f"``{name}`` in place; returns the Tensor itself."
    return operate


METHODS: dict[str, Callable[..., Any]] = {
    "scatter": scatter,
    "scatter_add": scatter_add,
    "index_add": index_add,
    "index_copy": index_copy,
    "index_fill": index_fill,
    "index_put": index_put,
    "take_along_dim": take_along_dim,
    "masked_select": masked_select,
    "narrow": narrow,
    "select": select,
    "unflatten": unflatten,
    "unfold": unfold,
    "tensor_split": tensor_split,
    "swapaxes": swapaxes,
    "swapdims": swapaxes,
    "movedim": movedim,
    "moveaxis": movedim,
    "ravel": lambda self: reshape(self, -1),
    "view_as": lambda self, other: reshape(self, other.shape),
    "reshape_as": lambda self, other: reshape(self, other.shape),
    "expand_as": lambda self, other: self.expand(other.shape),
    **{f"{name}_": _reshaping(name) for name in ("squeeze", "unsqueeze", "transpose", "swapaxes", "t")},
}
IN_PLACE: dict[str, Callable[..., Any]] = {
    **{f"{m.__name__}_": m for m in (scatter, scatter_add, index_add, index_copy, index_fill, index_put)},
    "fill_diagonal_": fill_diagonal,
}
PROPERTIES: dict[str, Callable[[Any], Any]] = {"real": real, "imag": imag}
