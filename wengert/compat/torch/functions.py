"""PyTorch's functions of Tensors: those that are methods too, and a few that take several Tensors.

Imports the public names of wengert. Invariant: every function is the method of the same name, or NumPy's function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert

_METHODS_ALONE = {"astype", "backward", "bool", "contiguous", "copy", "cpu", "dim", "double", "expand", "float", "int"}
_METHODS_ALONE |= {"item", "long", "new_ones", "new_zeros", "numpy", "register_hook", "repeat", "retain_grad", "size"}
_METHODS_ALONE |= {
    "to",
    "tolist",
    "type",
    "type_as",
    "view",
    "zero_grad",
    "where",
    "expand_as",
    "view_as",
    "reshape_as",
}
_METHODS_ALONE |= {"element_size", "ndimension", "nelement", "new_empty", "new_full", "new_tensor", "is_contiguous"}
NAMES = [
    name
    for name in dir(wengert.Tensor)
    if not name.startswith("_")
    and not name.endswith("_")
    and name not in _METHODS_ALONE
    and callable(getattr(wengert.Tensor, name))
]


def _function(name: str) -> Callable[..., Any]:
    def call(t: Any, *args: Any, **kwargs: Any) -> Any:
        t = t if isinstance(t, wengert.Tensor) else wengert.tensor(t)
        return getattr(t, name)(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"The method ``{name}`` of Tensors."
    return call


globals().update({name: _function(name) for name in NAMES})


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors one after the other along an axis.

    >>> cat([wengert.ones(1), wengert.zeros(2)])
    tensor([1., 0., 0.])
    """
    return np.concatenate(list(tensors), axis=dim)


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors along a new axis."""
    return np.stack(list(tensors), axis=dim)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Elements of ``a`` where the condition is True, of ``b`` elsewhere."""
    return np.where(condition, a, b)


def einsum(subscripts: str, *tensors: Any) -> Any:
    """``np.einsum``."""
    return np.einsum(subscripts, *tensors)


concat = concatenate = cat


def hstack(tensors: Sequence[Any]) -> Any:
    """``np.hstack``."""
    return np.hstack(list(tensors))


def vstack(tensors: Sequence[Any]) -> Any:
    """``np.vstack``."""
    return np.vstack(list(tensors))


def real(t: Any) -> Any:
    """The real part."""
    return t.real


def imag(t: Any) -> Any:
    """The imaginary part."""
    return t.imag


def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """``np.meshgrid``, by rows unless ``indexing="xy"``, as in PyTorch.

    >>> [t.shape for t in meshgrid(wengert.ones(2), wengert.ones(3))]
    [(2, 3), (2, 3)]
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    return tuple(np.meshgrid(*given, indexing=indexing))  # type: ignore[call-overload]


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """``np.tensordot``."""
    return np.tensordot(a, b, dims)


_MORE = ["cat", "concat", "concatenate", "einsum", "hstack", "imag", "meshgrid", "real", "stack", "tensordot", "vstack"]
__all__ = [*NAMES, *_MORE, "where"]  # noqa: PLE0604  names, made above
