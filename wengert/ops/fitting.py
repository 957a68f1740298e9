"""Fitting a cotangent to the value it belongs to: its shape, and the real part that a real value can feel.

Imports core. Invariant: what was broadcast is summed; nothing else is changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.deferred import by_type
from wengert.core.handle import is_handle
from wengert.core.types import FLOAT64, ArrayType, dtype_of, shape_of


@by_type
def real_part(ct: Any) -> Any:
    """The part of a cotangent that a real value can feel: its real part."""
    value = ct.value if is_handle(ct) else ct
    dtype = getattr(value, "dtype", None)
    if (dtype is not None and dtype.kind == "c") or type(value) is complex:
        return ct.real
    return ct


@by_type
def fit(ct: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Sum a cotangent over the axes along which its value was broadcast, and drop what a real value cannot feel."""
    if type(ct) is np.ndarray and ct.dtype is FLOAT64 and ct.ndim == len(shape) + 1 and ct.shape[1:] == shape:
        return np.add.reduce(ct, 0)  # a row added to every row
    if dtype is None or dtype.kind != "c":
        ct = real_part(ct)
    have = shape_of(ct.value if is_handle(ct) else ct)
    if have != shape:
        lead = len(have) - len(shape)
        axes = tuple(range(lead)) + tuple(
            lead + k for k, size in enumerate(shape) if size == 1 and have[lead + k] != 1
        )
        if lead < 0:  # a value of shape (1, n) written into a region of shape (n,)
            return ct.reshape(shape)
        if axes:
            ct = ct.sum(axis=axes)
        if shape_of(ct.value if is_handle(ct) else ct) != shape:
            ct = ct.reshape(shape)
    return ct


def zero_of(kind: ArrayType) -> Any:
    """The zero of a type."""
    return np.zeros(kind.shape, kind.dtype) if kind.shape else kind.dtype.type(0)


@by_type
def type_of(value: Any) -> ArrayType:
    """The type of a raw value or of a handle's value."""
    plain = value.value if is_handle(value) else value
    return ArrayType(shape_of(plain), dtype_of(plain))


def exact_cotangent(ct: Any, kind: ArrayType) -> Any:
    """A cotangent of exactly a type: what a recorded backward program takes."""
    return _cast(fit(ct, kind.shape, kind.dtype), kind)


@by_type
def exact_tangent(t: Any, value: Any) -> Any:
    """A tangent of exactly the type of its value."""
    kind = type_of(value)
    if shape_of(t.value if is_handle(t) else t) != kind.shape:
        t = t + zero_of(kind)
    return _cast(t, kind)


@by_type
def _cast(value: Any, kind: ArrayType) -> Any:
    if dtype_of(value.value if is_handle(value) else value) == kind.dtype:
        return value
    return value.astype(kind.dtype) if hasattr(value, "astype") else kind.dtype.type(value)
