"""Making Tensors by PyTorch's names: ranges, constants, random numbers.

Imports the public names of wengert, ``tensor.draws``. Invariant: random numbers come from the Generator that Tensors
draw from.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert
from wengert.tensor import draws


def manual_seed(seed: int) -> None:
    """Start the random numbers of this module from a seed.

    >>> manual_seed(0)
    >>> a = rand(3)
    >>> manual_seed(0)
    >>> bool((rand(3) == a).all())
    True
    """
    draws.seed(seed)


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    given = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    return tuple(int(n) for n in given)


def _made(values: Any, dtype: Any, requires_grad: bool) -> wengert.Tensor:
    return wengert.tensor(values, requires_grad, dtype)


def randn(*size: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Normal random numbers."""
    return _made(draws.source().standard_normal(_shape(size)), dtype, requires_grad)


def rand(*size: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Random numbers from 0 to 1."""
    return _made(draws.source().random(_shape(size)), dtype, requires_grad)


def randint(low: int, high: Any = None, size: Any = None, dtype: Any = None) -> wengert.Tensor:
    """Random integers from ``low`` to ``high - 1`` (from 0 to ``low - 1`` where two arguments are given)."""
    if size is None:
        low, high, size = 0, low, high
    return _made(draws.source().integers(low, high, _shape((size,))), dtype, False)


def randperm(n: int) -> wengert.Tensor:
    """The integers below ``n`` in random order."""
    return wengert.tensor(draws.source().permutation(n))


def arange(*ends: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """``np.arange`` as a Tensor.

    >>> arange(3.0)
    tensor([0., 1., 2.])
    """
    return _made(np.arange(*ends), dtype, requires_grad)


def linspace(start: Any, end: Any, steps: int, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """``steps`` numbers from ``start`` to ``end``.

    >>> linspace(0, 1, 3)
    tensor([0. , 0.5, 1. ])
    """
    return _made(np.linspace(start, end, steps), dtype, requires_grad)


def full(size: Any, fill_value: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """A Tensor of one value."""
    return _made(np.full(_shape((size,)), fill_value), dtype, requires_grad)


def empty(*size: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """A Tensor to be filled (with zeros)."""
    return _made(np.zeros(_shape(size)), dtype, requires_grad)


def eye(n: int, m: int | None = None, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """The identity matrix."""
    return _made(np.eye(n, m), dtype, requires_grad)


def as_tensor(data: Any, dtype: Any = None) -> wengert.Tensor:
    """A Tensor with the values of ``data``; a Tensor of that dtype as it is."""
    if isinstance(data, wengert.Tensor) and (dtype is None or data.dtype == np.dtype(dtype)):
        return data
    return wengert.tensor(data, False, dtype)


def from_numpy(array: np.ndarray[Any, Any]) -> wengert.Tensor:
    """A Tensor with a copy of an array."""
    return wengert.tensor(array, False)


def zeros_like(t: wengert.Tensor, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Zeros of the shape and dtype of ``t``."""
    return full(t.shape, 0, requires_grad, dtype or t.dtype)


def ones_like(t: wengert.Tensor, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Ones of the shape and dtype of ``t``."""
    return full(t.shape, 1, requires_grad, dtype or t.dtype)


def full_like(t: wengert.Tensor, fill_value: Any, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """One value in the shape and dtype of ``t``."""
    return full(t.shape, fill_value, requires_grad, dtype or t.dtype)


def rand_like(t: wengert.Tensor, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Random numbers from 0 to 1 in the shape and dtype of ``t``."""
    return rand(t.shape, requires_grad=requires_grad, dtype=dtype or t.dtype)


def randn_like(t: wengert.Tensor, requires_grad: bool = False, dtype: Any = None) -> wengert.Tensor:
    """Normal random numbers in the shape and dtype of ``t``."""
    return randn(t.shape, requires_grad=requires_grad, dtype=dtype or t.dtype)
