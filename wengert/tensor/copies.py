"""Copies of Tensors, in another dtype, and as lists.

Imports ``bridge``. Invariant: a copy shares no memory that anybody could write to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.tensor.bridge import outward, through
from wengert.tensor.session import python_number
from wengert.tensor.tensor import Tensor, current, plain


def clone(self: Tensor) -> Any:
    """A copy that gradients flow through."""
    current(self)
    if self.node is None:
        return Tensor(self.value.copy() if type(self.value) is np.ndarray else self.value)
    return +self  # type: ignore[operator]


def to(self: Tensor, dtype: Any = None, *_: Any, **options: Any) -> Any:
    """In another dtype (``"cpu"``, the only device there is, changes nothing)."""
    dtype = options.get("dtype", dtype)
    if isinstance(dtype, Tensor):
        dtype = dtype.dtype
    if isinstance(dtype, str) and dtype.split(":")[0] in {"cuda", "mps", "xpu", "meta"}:
        raise error_at(
            WengertValueError,
            f"there is no device {dtype!r}",
            fix='leave it away: Tensors are on the CPU ("cpu")',
            depth=3,
        )
    if dtype is None or (isinstance(dtype, str) and dtype == "cpu") or np.dtype(dtype) == self.dtype:
        return self
    if np.dtype(dtype).kind not in "fc":
        value = plain(self)
        return outward(value.astype(dtype)) if is_handle(value) else Tensor(value.astype(dtype))
    return (
        through(lambda t: t.astype(dtype), (self,))
        if self.requires_grad or is_handle(self.value)
        else Tensor(np.asarray(plain(self)).astype(dtype)[()])
    )


def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers."""
    value = plain(self)
    return python_number(value.tolist()) if is_handle(value) else np.asarray(value).tolist()


def zero_grad(self: Tensor) -> None:
    """Forget the gradient accumulated so far."""
    self.grad = None
