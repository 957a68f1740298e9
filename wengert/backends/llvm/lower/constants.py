"""What is known about constant arrays when a program is built: the type they are held in, the number they all are.

Imports NumPy. Invariant: nothing is lost, the sign of a zero included."""

from __future__ import annotations

from typing import Any

import numpy as np


def wider(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Small integers are held as int64, half precision as float32: both hold every number of them."""
    if dtype.kind in "iu" and dtype.itemsize < 8 and dtype != np.dtype(np.int32):
        return np.dtype(np.int64)
    return np.dtype(np.float32) if dtype == np.dtype(np.float16) else dtype.newbyteorder("=")


def uniform(array: np.ndarray[Any, Any]) -> Any:
    """The element that all are to the bit, or None."""
    first = array.reshape(-1)[0] if array.ndim else array[()]
    if array.size == 1 or not any(s for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        return first
    if array.dtype.kind == "f":
        if not (array == first).all() and not (first != first and np.isnan(array).all()):  # noqa: PLR0124 NaN
            return None
        return first if (np.signbit(array) == np.signbit(first)).all() else None
    return first if (array == first).all() else None


__all__ = ["uniform", "wider"]
