"""Making Tensors: ``tensor``, ``ones``, ``zeros``, ``from_dlpack``.

Imports ``tensor``, ``mode``. Invariant: the memory of a Tensor is its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.errors import CutError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import STANDINS
from wengert.ops.join import nested
from wengert.tensor.bridge import constants, value_alone
from wengert.tensor.mode import makes_leaves
from wengert.tensor.session import entering, session, snapshot
from wengert.tensor.tensor import Tensor

_FLOAT64 = np.dtype(np.float64)


def tensor(data: Any, requires_grad: bool | None = None, dtype: Any = None) -> Tensor:
    """A Tensor with a copy of ``data``: a number, nested lists, an array, a Tensor (its values without history).

    With ``requires_grad`` gradients are accumulated in its ``grad``. The dtype is NumPy's for the data: float64 for
    Python's floats.

    >>> import wengert as wg
    >>> x = wg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    tensor([[2., 4.],
            [6., 8.]])
    """
    if type(data) is np.ndarray and dtype is None and requires_grad is False and data.dtype is _FLOAT64 and data.ndim:
        copied = data.copy()
        copied.flags.writeable = False
        STANDINS.setdefault(Tensor, value_alone)
        return Tensor(copied)
    if session() is not None:
        return _recorded(data, requires_grad, dtype)
    if is_handle(data):
        raise error_at(
            CutError,
            "a traced value was made a Tensor, which would cut the derivative",
            fix="keep to the traced value: inside wengert.grad NumPy's functions differentiate by themselves",
            depth=3,
        )
    try:
        value = np.array(constants(data), dtype=dtype)
    except (ValueError, RecursionError) as problem:
        what = problem if isinstance(problem, ValueError) else "the data contains itself"
        raise error_at(
            WengertValueError, f"tensor: {what}", fix="give nested lists of equal lengths", depth=3
        ) from None
    if value.dtype.kind not in "fciub":
        raise error_at(WengertTypeError, f"a Tensor of {value.dtype} is not possible", fix="give numbers", depth=3)
    wanted = requires_grad
    if wanted is None:
        wanted = makes_leaves() and value.dtype.kind in "fc"
    STANDINS.setdefault(Tensor, value_alone)
    value.flags.writeable = False
    made = Tensor(value if value.shape else value[()])
    return made.requires_grad_() if wanted else made


def _recorded(data: Any, requires_grad: bool | None, dtype: Any) -> Tensor:
    """``tensor`` while a compiled function is recorded: the values stay connected with the recording."""
    inside = session()
    assert inside is not None
    value = constants(data)
    if not is_handle(value):
        value = nested(value) if isinstance(value, (list, tuple)) else value
    if is_handle(value):
        value = entering(snapshot(value), None)
        if dtype is not None and value.dtype != np.dtype(dtype):
            value = value.astype(dtype)
    else:
        full = frame.full if (frame := tracing.get()) is not None else None
        if full is not None and full.met is not None:
            full.met((value,), (None,))
        value = np.array(value, dtype=dtype)
        value = value if value.shape else value[()]
    STANDINS.setdefault(Tensor, value_alone)
    kind = value.dtype.kind
    if kind not in "fciub":
        raise error_at(WengertTypeError, f"a Tensor of {value.dtype} is not possible", fix="give numbers", depth=4)
    made = inside.own(Tensor(value))
    wanted = (makes_leaves() and kind in "fc") if requires_grad is None else requires_grad
    return made.requires_grad_() if wanted else made


def ones(*shape: Any, requires_grad: bool | None = None, dtype: Any = float) -> Tensor:
    """A Tensor of ones.

    >>> ones(2, 2).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return tensor(np.ones(_shape(shape), dtype), requires_grad)


def zeros(*shape: Any, requires_grad: bool | None = None, dtype: Any = float) -> Tensor:
    """A Tensor of zeros.

    >>> zeros((3,)).tolist()
    [0.0, 0.0, 0.0]
    """
    return tensor(np.zeros(_shape(shape), dtype), requires_grad)


def _shape(shape: tuple[Any, ...]) -> tuple[int, ...]:
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return tuple(int(n) for n in given)


def from_dlpack(source: Any) -> Tensor:
    """A Tensor with the values of anything that speaks DLPack (a PyTorch or JAX array); copied, so that it is nobody
    else's.

    >>> from_dlpack(np.arange(3.0)).tolist()
    [0.0, 1.0, 2.0]
    """
    return tensor(np.from_dlpack(source))


__all__ = ["from_dlpack", "ones", "tensor", "zeros"]
