"""Converters: ``np.array`` and the ``asarray`` family. Lists and object arrays that hold handles
are stacked, handles pass, data stays data.

Imports core, ops, ``table``. Invariant: what holds a traced value becomes a handle or
(``dtype=object``) an array of handles, never numbers; an integer dtype cuts as NumPy's truncation
does and leaves a guard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import HANDLES, TracedArray, TracedScalar, buffer
from wengert.core.types import SCALARS
from wengert.numpy_api.methods import astype, copied, lying
from wengert.numpy_api.table import implements, twin
from wengert.ops.join import holds_handle, nested, objects, zero_dimensional

_array, _asarray = np.array, np.asarray
_FRESH = frozenset({list, tuple}) | SCALARS
"""Types whose array is new memory, whatever ``copy`` says."""


@twin(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
    ndmax: int = 0,
) -> Any:
    """``np.array``: a copy in memory of its own, of a handle a handle."""
    object = _within(object)
    kind = type(object)
    if kind in HANDLES or (
        (kind is list or kind is tuple or kind is np.ndarray) and holds_handle(object)
    ):
        return _traced(object, dtype, copy is True, ndmin, order)
    options: dict[str, Any] = {} if like is None or type(like) in HANDLES else {"like": like}
    if ndmax:
        options["ndmax"] = ndmax
    made = _array(object, dtype, copy=copy, order=order, subok=subok, ndmin=ndmin, **options)
    if (
        type(made) is np.ndarray
        and made.dtype.kind in "fc"
        and (copy is True or kind in _FRESH)
        and made is not object
    ):
        return buffer(made)
    return made


def _within(value: Any) -> Any:
    """The handle that an object stands for (a Tensor in a recording), or the object itself."""
    own = getattr(type(value), "__wengert_value__", None)
    return value if own is None else own(value)


def _traced(value: Any, dtype: Any, copy: bool, ndmin: int, order: Any = "K") -> Any:
    wanted = None if dtype is None else np.dtype(dtype)
    if type(value) not in HANDLES:
        if wanted is None and type(value) is np.ndarray:
            return value.copy() if copy else value
        if wanted is not None and wanted.kind == "O":
            return _at_least(_array(value) if type(value) is np.ndarray else objects(value), ndmin)
        made, copy = nested(value), False
        if type(made) is np.ndarray:
            return made if wanted is None else made.astype(wanted)
    else:
        made = value
    if type(made) is TracedScalar:
        if wanted is not None and wanted.kind == "O":
            out = np.empty((), dtype=np.dtype("O"))
            out[()] = made
            return _at_least(out, ndmin)
        made, copy = zero_dimensional(made), False
    if wanted is not None and wanted != made.dtype:
        made, copy = astype(made, wanted, order or "K"), False
    elif copy:
        made = copied(made, order or "K")
    elif type(made) in HANDLES:
        made = lying(made, order)
    return _at_least(made, ndmin)


def _at_least(made: Any, ndmin: int) -> Any:
    missing = ndmin - made.ndim
    return made[(None,) * missing + (...,)] if missing > 0 else made


def _converter(original: Callable[..., Any], ndmin: int = 0, order: Any = None) -> Callable[..., Any]:
    def convert(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        a = _within(a)
        kind = type(a)
        if kind in HANDLES or (
            (kind is list or kind is tuple or kind is np.ndarray) and holds_handle(a)
        ):
            asked = order or (args[0] if args else kwargs.get("order"))
            return _traced(a, dtype, kwargs.get("copy") is True, ndmin, asked)
        if type(kwargs.get("like")) in HANDLES:
            del kwargs["like"]
        made = original(a, dtype, *args, **kwargs)
        # New memory may be written into; an array that is the caller's stays the caller's.
        return (
            buffer(made)
            if kind in _FRESH and type(made) is np.ndarray and made.dtype.kind in "fc"
            else made
        )

    return convert


asarray = twin(np.asarray)(_converter(np.asarray))
asanyarray = twin(np.asanyarray)(_converter(np.asanyarray))
ascontiguousarray = twin(np.ascontiguousarray)(_converter(np.ascontiguousarray, 1, "C"))
asfortranarray = twin(np.asfortranarray)(_converter(np.asfortranarray, order="F"))


@twin(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    """``np.asarray_chkfinite``: as ``asarray``, and every number is finite."""
    made = asarray(a, dtype, order)
    if made.dtype.kind in "fc" and not np.all(np.isfinite(made)):
        raise ValueError("array must not contain infs or NaNs")
    return made


@twin(np.require)
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """``np.require``: requirements on memory are met by a handle as it is."""
    if type(a) not in HANDLES and not holds_handle(a):
        return np.require(a, dtype, requirements)
    # Ownership is the memory's business, and a handle always has its own.
    asked = [requirements] if isinstance(requirements, str) else list(requirements or ())
    orders = [r[0].upper() for r in asked if r[:1].upper() in ("C", "F")]
    return asanyarray(a, dtype, orders[0] if orders else None)


@implements(
    np.asarray, np.asanyarray, np.array, np.ascontiguousarray, np.asfortranarray, np.require
)
def with_like(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    """``np.asarray(x, like=t)``: NumPy hands the call over because of ``like``."""
    kwargs.pop("like", None)
    return (
        array(a, dtype, copy=None)
        if type(a) is not TracedArray
        else array(a, dtype, copy=kwargs.get("copy"))
    )


def _promoted_rank(rank: int) -> Callable[..., Any]:
    originals: dict[int, Any] = {1: np.atleast_1d, 2: np.atleast_2d, 3: np.atleast_3d}
    original = originals[rank]

    def atleast(*arys: Any) -> Any:
        parts = tuple(_raised(original, a, rank) for a in arys)
        return parts[0] if len(parts) == 1 else parts

    return twin(original)(implements(original)(atleast))


def _raised(original: Any, a: Any, rank: int) -> Any:
    if type(a) not in HANDLES and not holds_handle(a):
        return original(a)
    a = _traced(a, None, False, 0)
    if a.ndim >= rank:
        return a
    if rank == 1:
        return a.reshape(1)
    if rank == 2:
        return a.reshape(1, 1) if a.ndim == 0 else a[None, :]
    return a.reshape(1, 1, 1) if a.ndim == 0 else a[None, :, None] if a.ndim == 1 else a[:, :, None]


atleast_1d, atleast_2d, atleast_3d = map(_promoted_rank, (1, 2, 3))

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "require",
]
