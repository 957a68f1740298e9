"""Products that sum over shared axes: matmul and its relatives.

Imports core and the makers. Invariant: every transpose is again a product from this file, so any order of derivative exists.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import broadcast_shapes
from wengert.ops.kinds import linear


def conj(x: Any) -> Any:
    """The complex conjugate; a real value as it is."""
    plain = x.value if is_handle(x) else x
    dtype = getattr(plain, "dtype", None)
    return x.conjugate() if type(plain) is complex or (dtype is not None and dtype.kind == "c") else x


def _matmul_shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
    lead = broadcast_shapes(a_shape[:-2], b_shape[:-2])
    rows = a_shape[-2:-1] if len(a_shape) > 1 else ()
    columns = b_shape[-1:] if len(b_shape) > 1 else ()
    return (*lead, *rows, *columns)


def _flip(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _matmul_left(ct: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    b = conj(b)
    if len(b_shape) == 1:
        out = ct[..., None] * b if len(a_shape) > 1 else ct * b
    elif len(a_shape) == 1:
        out = (b @ ct[..., None])[..., 0] if len(b_shape) > 2 else b @ ct
    else:
        out = ct @ _flip(b)
    return _unbroadcast(out, a_shape)


def _matmul_right(ct: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    a = conj(a)
    if len(a_shape) == 1:
        out = a[:, None] * ct[..., None, :] if len(b_shape) > 1 else ct * a
    elif len(b_shape) == 1:
        out = ct @ a if len(a_shape) == 2 else (_flip(a) @ ct[..., None])[..., 0]
    else:
        out = _flip(a) @ ct
    return _unbroadcast(out, b_shape)


def _unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    have = ct.shape
    if have == shape:
        return ct
    lead = len(have) - len(shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 and have[lead + k] != 1))
    return ct.sum(axis=axes).reshape(shape)


matmul = linear(
    "matmul", np.matmul, [_matmul_left, _matmul_right], inputs="a b", shape=_matmul_shape,
    doc="Matrix product over the last two axes, broadcast over the others: `y = a @ b`.", latex="{a} \\, {b}",
)
