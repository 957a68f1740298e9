"""Makers: functions that make arrays. In a trace their floating arrays are buffers, which traced
values may be written into later.

Imports core, ops, ``table``. Invariant: without traced arguments the memory holds NumPy's own
result, bit for bit; integer, boolean and object arrays stay plain.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import HANDLES, TracedArray, TracedScalar, buffer, is_handle
from wengert.core.types import dtype_of
from wengert.numpy_api.table import TWINS, implements, twin
from wengert.numpy_api.twins.lists import stacked
from wengert.ops import arithmetic, compare
from wengert.ops.join import holds_handle, nested, zero_dimensional
from wengert.ops.memory import write

numpy: Any = np  # whose stubs know fewer calls than NumPy answers

ELL = ("index", Ellipsis)


def owned(made: Any) -> Any:
    """An array just made, as a buffer when it is a plain floating one."""
    return buffer(made) if type(made) is np.ndarray and made.dtype.kind in "fc" else made


def _maker(original: Callable[..., Any]) -> Callable[..., Any]:
    def make(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        if type(made) is np.ndarray and made.dtype.kind in "fc":
            return buffer(made)
        return made

    return make


_original: Any
# Their arguments are sizes and options: a traced one is asked for an integer, or refused.
for _original in (
    np.zeros,
    np.ones,
    np.empty,
    np.eye,
    np.identity,
    np.tri,
    np.loadtxt,
    np.genfromtxt,
    np.fromfile,
    np.fromstring,
    np.bartlett,
    np.blackman,
    np.hamming,
    np.hanning,
    np.kaiser,
):
    TWINS[_original] = _maker(_original)


def _dispatching_maker(original: Any) -> Callable[..., Any]:
    def make(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            if type(a) is list or type(a) is tuple:
                args = tuple(map(stacked, args))
                break
        return owned(original(*args, **kwargs))

    return make


# These dispatch when an argument is a handle; the twin is for plain arguments. Views (np.diag of a
# matrix) stay plain.
for _original in (
    np.zeros_like,
    np.ones_like,
    np.empty_like,
    np.copy,
    np.linspace,
    np.logspace,
    np.geomspace,
    np.tile,
    np.repeat,
    np.diagflat,
    np.tril,
    np.triu,
    np.vander,
):
    TWINS[_original] = _dispatching_maker(_original)


@twin(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """``np.diag`` of a list or a plain array."""
    made = np.diag(stacked(v), k)
    return made if type(made) is not np.ndarray or made.base is not None else owned(made)


@twin(np.meshgrid)
def meshgrid(*xi: Any, **options: Any) -> Any:
    """``np.meshgrid``: buffers, unless views are asked for."""
    parts = np.meshgrid(*map(stacked, xi), **options)
    return type(parts)(map(owned, parts)) if options.get("copy", True) else parts


@twin(np.indices)
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """``np.indices``."""
    made = numpy.indices(dimensions, dtype, sparse)
    return tuple(map(owned, made)) if sparse else owned(made)


@twin(np.full)
def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **more: Any) -> Any:
    """``np.full``: a traced value fills the array by one write."""
    value = stacked(fill_value)
    if not is_handle(value):
        return owned(numpy.full(shape, fill_value, dtype, order, **more))
    return _filled(numpy.zeros(shape, value.dtype if dtype is None else dtype, order), value)


def _filled(memory: np.ndarray[Any, Any], value: Any) -> Any:
    if memory.dtype.kind not in "fc":
        memory[...] = value.astype(memory.dtype) if memory.dtype != object else value
        return memory
    out = buffer(memory)
    write(out, ELL, value)
    return out


# ---------------------------------------------------------------- like another array


def _like(a: Any, dtype: Any, order: str, shape: Any, make: Callable[..., Any]) -> Any:
    return owned(make(_model(a), dtype=dtype, order=order, shape=shape))


def _model(a: Any) -> Any:
    """What a plain maker may look at for shape, dtype and layout: never the values."""
    a = stacked(a)
    if not is_handle(a):
        return a
    return a.value if type(a) is TracedArray else np.asarray(a.value)


@implements(np.zeros_like)
def zeros_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """``np.zeros_like`` of a handle: a buffer."""
    return _like(a, dtype, order, shape, np.zeros_like)


@implements(np.ones_like)
def ones_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """``np.ones_like`` of a handle: a buffer."""
    return _like(a, dtype, order, shape, np.ones_like)


@implements(np.empty_like)
def empty_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """``np.empty_like`` of a handle: a buffer."""
    return _like(a, dtype, order, shape, np.empty_like)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """``np.full_like`` with a traced model or value."""
    value = stacked(fill_value)
    if not is_handle(value):
        return owned(numpy.full_like(_model(a), value, dtype=dtype, order=order, shape=shape))
    return _filled(numpy.zeros_like(_model(a), dtype=dtype, order=order, shape=shape), value)


TWINS[np.full_like] = full_like  # NumPy does not look at the value to fill in


@twin(np.ndenumerate)
def ndenumerate(arr: Any) -> Any:
    """``np.ndenumerate`` of a handle."""
    arr = stacked(arr)
    if not is_handle(arr):
        return np.ndenumerate(arr)
    return ((index, arr[index]) for index in np.ndindex(arr.shape))


# ---------------------------------------------------------------- ranges between traced bounds


@twin(np.arange)
def arange(*args: Any, dtype: Any = None, **more: Any) -> Any:
    """``np.arange`` with a traced bound or step; its length is a guard."""
    if not any(type(a) in HANDLES for a in args) and not any(
        type(a) in HANDLES for a in more.values()
    ):
        return owned(np.arange(*args, dtype=dtype, **more))
    start, stop, step = _bounds(
        *args, **{k: v for k, v in more.items() if k in {"start", "stop", "step"}}
    )
    # The length is what Python learns from the values: a guard, like any other int().
    count = max(int(compare.ceil(arithmetic.divide(arithmetic.subtract(stop, start), step))), 0)
    kind = (
        np.result_type(*(_weak(a) for a in (start, stop, step)), np.float64)
        if dtype is None
        else np.dtype(dtype)
    )
    # NumPy's own filling: the second element is start + step, the distance of the first two is then
    # repeated.
    second = start + step
    out = start + (second - start) * np.arange(count, dtype=np.result_type(kind, np.float64))
    if count > 1:
        out[1] = second
    return out if out.dtype == kind else out.astype(kind)


def _weak(a: Any) -> Any:
    return a.dtype if is_handle(a) else a


def _bounds(*args: Any, start: Any = 0, stop: Any = None, step: Any = 1) -> tuple[Any, Any, Any]:
    if len(args) == 1 and stop is None:
        return start, args[0], step
    given = [start, stop, 1 if step is None else step]
    given[: len(args)] = args
    return given[0], given[1], 1 if given[2] is None else given[2]


def _number(x: Any) -> Any:
    """A scalar handle, plain number or array as an operand with a shape."""
    x = stacked(x)
    return x if is_handle(x) else np.asarray(x) * 1.0


def _ends(*ends: Any) -> list[Any]:
    """Two bounds in the type that NumPy computes with: Python's numbers take that of the other bound."""
    parts = [stacked(x) for x in ends]
    plain = [x.value if is_handle(x) else x for x in parts]
    dtype = np.result_type(*(v if type(v) in (bool, int, float, complex) else dtype_of(v) for v in plain), 0.0)
    return [(x if is_handle(x) else np.asarray(x)).astype(dtype) for x in parts]


@implements(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """``np.linspace`` between traced bounds."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    intervals = num - 1 if endpoint else num
    start, stop = _ends(start, stop)
    distance = stop - start
    rank = len(distance.shape) if hasattr(distance, "shape") else 0
    count = np.arange(0, num, dtype=distance.dtype).reshape((-1,) + (1,) * rank)
    # The order of operations is NumPy's: it decides the last bit.
    if intervals > 0:
        step = distance / intervals
        y = (count / intervals) * distance if np.any(np.equal(step, 0)) else count * step
    else:
        step = np.nan
        y = count * distance
    y = y + start
    if endpoint and num > 1:
        y[-1, ...] = stop
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    if dtype is not None:
        y = np.floor(y).astype(dtype) if np.dtype(dtype).kind in "iu" else y.astype(dtype)
    return (y, step) if retstep else y


@implements(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """``np.logspace`` between traced bounds."""
    base = stacked(base)
    if getattr(base, "shape", ()) != ():
        raise NotImplementedError("np.logspace with an array of bases")
    y = np.power(base, np.linspace(start, stop, num=num, endpoint=endpoint, axis=axis))
    return y if dtype is None else y.astype(dtype)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """``np.geomspace`` between traced bounds."""
    start, stop = _number(start), _number(stop)
    if np.any(np.equal(start, 0)) or np.any(np.equal(stop, 0)):
        raise ValueError("Geometric sequence cannot include zero")
    if start.dtype.kind == "c" or stop.dtype.kind == "c":
        raise NotImplementedError("np.geomspace between complex bounds")
    sign = np.sign(start)
    first, last = start * sign, stop * sign
    y = logspace(np.log10(first), np.log10(last), num=num, endpoint=endpoint)
    if num > 0:
        y[0] = first
        if num > 1 and endpoint:
            y[-1] = last
    y = y * sign
    if axis != 0:
        y = np.moveaxis(y, 0, axis)
    return y if dtype is None else y.astype(dtype)


# ---------------------------------------------------------------- from functions and iterators


@twin(np.fromfunction)
def fromfunction(
    function: Callable[..., Any], shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any
) -> Any:
    """``np.fromfunction``: one call of the function on the grids of indices."""
    return function(*np.indices(shape, dtype=dtype), **kwargs)


@twin(np.fromiter)
def fromiter(iterable: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    """``np.fromiter`` of traced numbers."""
    values = (
        list(iterable) if count < 0 else [v for _, v in zip(range(count), iterable, strict=False)]
    )
    if not holds_handle(values):
        return owned(np.fromiter(values, dtype, count))
    if len(values) < count:
        raise ValueError(
            f"iterator too short: Expected {count} but iterator had only {len(values)} items."
        )
    return nested(values).astype(dtype)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """``np.copy`` of a handle."""
    a = stacked(a)
    if type(a) is TracedScalar:
        return zero_dimensional(a)
    return a.copy(order) if is_handle(a) else numpy.copy(a, order, subok)


__all__ = ["arange", "full", "linspace", "owned"]
