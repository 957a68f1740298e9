"""PyTorch's names for what Tensors do, so that a script needs another import: ``from wengert.compat import torch``.

Imports the public names of wengert. Invariant: what is here behaves as ``docs/pytorch.md`` says; a name that is missing
is an error that says so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert import Tensor, autograd, enable_grad, from_dlpack, is_grad_enabled, no_grad, ones, tensor, zeros
from wengert.compat.torch import nn, optim
from wengert.compat.torch.functions import *  # noqa: F403
from wengert.compat.torch.making import (
    arange,
    as_tensor,
    empty,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    manual_seed,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    zeros_like,
)

float16, float32, float64 = (np.dtype(name) for name in ("float16", "float32", "float64"))
int8, int16, int32, int64, uint8 = (np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8"))
complex64, complex128 = (np.dtype(name) for name in ("complex64", "complex128"))
half, float, double, int, long, bool = (  # noqa: A001  PyTorch's names
    np.dtype(name) for name in ("float16", "float32", "float64", "int32", "int64", "bool")
)
pi, e, inf, nan = math.pi, math.e, math.inf, math.nan


def is_tensor(value: Any) -> Any:
    """Whether it is a Tensor.

    >>> is_tensor(tensor(1.0))
    True
    """
    return isinstance(value, Tensor)


def set_grad_enabled(mode: Any) -> Any:
    """A scope in which operations record, or do not."""
    return enable_grad() if mode else no_grad()


def inference_mode(mode: Any = True) -> Any:
    """A scope in which nothing is recorded: ``no_grad``.

    >>> with inference_mode():
    ...     (tensor(1.0, requires_grad=True) * 2).requires_grad
    False
    """
    return set_grad_enabled(not mode)


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"wengert.compat.torch has no {name!r}\n"
        "  fix: use NumPy's function on the Tensor (np.sin(t) works and records), or a method of Tensor"
    )


__all__ = [
    "Tensor",
    "arange",
    "as_tensor",
    "autograd",
    "empty",
    "enable_grad",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "inference_mode",
    "is_grad_enabled",
    "is_tensor",
    "linspace",
    "manual_seed",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "set_grad_enabled",
    "tensor",
    "zeros",
    "zeros_like",
]
