"""Reductions by name and as methods: sum, prod, mean, var, the extremes, all and any, average.

Imports core, ops, ``table``. Invariant: the short way (an array, an axis) calls the operation at
once; rare options have NumPy's own bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, is_handle
from wengert.numpy_api.exact import (
    MISSING,
    axes_of,
    deliver,
    exactly,
    given,
    listed,
    rank,
    values_of,
)
from wengert.numpy_api.table import implements, method
from wengert.ops import questions, reduce, scan, select, visit


def _cast(a: Any, dtype: Any) -> Any:
    return (
        a
        if dtype is None or dtype is MISSING
        else (a.astype(dtype) if hasattr(a, "astype") else np.asarray(a, dtype))
    )


def accumulated(dtype: Any, out: Any) -> Any:
    """The type a sum is formed in: as asked for, else that of the array it goes to."""
    if type(out) is tuple:
        out = out[0]
    return dtype if given(dtype) is not None or given(out) is None else out.dtype


def _plain(options: dict[str, Any]) -> bool:
    return all(
        v is MISSING or v is None or (k == "where" and v is True) for k, v in options.items()
    )


@method("sum")
@implements(np.sum)
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    if type(a) is TracedArray and dtype is None and out is None and where is True and initial is MISSING:
        return reduce.sum(a, axes_of(axis), keepdims is not MISSING and bool(keepdims))
    dtype = accumulated(dtype, out)
    a = listed(a)
    keepdims = given(keepdims, False)
    if where is True and dtype is None and initial is MISSING and out is None:
        return reduce.sum(a, axes_of(axis), bool(keepdims))
    start = given(initial, 0)
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        whole: Any = _cast(a, dtype)
        total = whole.sum(axes_of(axis), keepdims=bool(keepdims), initial=start, where=given(where, True))
        return deliver(total, out)
    result = reduce.masked_sum(
        a,
        0 if start is None else start,
        given(where, True),
        axes_of(axis),
        bool(keepdims),
        given(dtype),
    )
    return deliver(result, out)


@method("mean")
@implements(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    if type(a) is TracedArray and dtype is None and out is None and where is True:
        return reduce.mean(a, axes_of(axis), keepdims is not MISSING and bool(keepdims))
    a, axis, keepdims, where = (
        listed(a),
        axes_of(axis),
        bool(given(keepdims, False)),
        given(where, True),
    )
    dtype = accumulated(dtype, out)
    if where is True:
        return deliver(reduce.mean(_cast(a, dtype), axis, keepdims), out)
    a = _cast(a, dtype)
    count = np.sum(np.broadcast_to(listed(where), a.shape), axis=axis, keepdims=keepdims)
    result = reduce.masked_sum(a, 0, where, axis, keepdims, None) / count
    return deliver(exactly(result, np.mean, a, axis, keepdims=keepdims, where=where), out)


@method("prod")
@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    dtype = accumulated(dtype, out)
    a, axis, keepdims = _cast(listed(a), dtype), axes_of(axis), bool(given(keepdims, False))
    options = {"initial": initial, "where": where}
    if _plain(options):
        return deliver(reduce_or_same(scan.prod, a, axis, keepdims), out)
    allowed = given(where, True)
    result = scan.prod(a if allowed is True else select.where(allowed, a, 1.0), axis, keepdims)
    if given(initial) is not None:
        result = result * initial
    return deliver(exactly(result, np.prod, a, axis, keepdims=keepdims, **_present(options)), out)


def _present(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if v is not MISSING}


def reduce_or_same(record: Callable[..., Any], a: Any, axis: Any, keepdims: bool) -> Any:
    """A reduction; over no axes at all it is a copy."""
    return +a if axis == () else record(a, axis, keepdims)


@method("max")
@implements(np.max, np.amax)
def max(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    return _extreme(reduce.max, np.maximum, a, axis, out, keepdims, initial, where)


@method("min")
@implements(np.min, np.amin)
def min(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    return _extreme(reduce.min, np.minimum, a, axis, out, keepdims, initial, where)


def _extreme(
    record: Any, pair: Any, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a = listed(a)
    if initial is MISSING and (where is True or where is MISSING):
        result = record(a, axes_of(axis), bool(keepdims) and keepdims is not MISSING)
    else:
        if initial is MISSING:
            raise ValueError(
                f"reduction operation '{pair.__name__}' does not have an identity, "
                "so to use a where mask one has to specify 'initial'"
            )
        chosen = a if where is True or where is MISSING else select.where(where, a, initial)
        result = pair(record(chosen, axes_of(axis), bool(given(keepdims, False))), initial)
    return result if out is None else deliver(result, out)


@method("ptp")
@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    a, axis, keepdims = listed(a), axes_of(axis), bool(given(keepdims, False))
    return deliver(reduce.max(a, axis, keepdims) - reduce.min(a, axis, keepdims), out)


def _moment(
    record: Any,
    name: str,
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    if correction is not MISSING:
        if ddof not in {0, MISSING}:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    a, axis, keepdims, where = (
        _cast(listed(a), dtype),
        axes_of(axis),
        bool(given(keepdims, False)),
        given(where, True),
    )
    centre = given(mean)
    if where is True and centre is None:
        return deliver(record(a, axis, keepdims, ddof), out)
    function = getattr(np, name)
    if centre is None:
        centre = np.mean(a, axis=axis, keepdims=True, where=where)
    away = a - centre
    square = (away * away.conj()).real if values_of(away).dtype.kind == "c" else away * away
    count = np.sum(np.broadcast_to(listed(where), a.shape), axis=axis, keepdims=keepdims)
    result = reduce.masked_sum(square, 0, where, axis, keepdims, None) / np.maximum(count - ddof, 0)
    if name == "std":
        still = result == 0
        result = select.where(still, 0.0, np.sqrt(select.where(still, 1.0, result)))
    kwargs = {} if mean is MISSING or mean is None else {"mean": mean}
    return deliver(
        exactly(result, function, a, axis, ddof=ddof, keepdims=keepdims, where=where, **kwargs), out
    )


@method("var")
@implements(np.var)
def var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Any:
    return _moment(reduce.var, "var", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


@method("std")
@implements(np.std)
def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = MISSING,
    correction: Any = MISSING,
) -> Any:
    return _moment(reduce.std, "std", a, axis, dtype, out, ddof, keepdims, where, mean, correction)


@implements(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = MISSING,
) -> Any:
    a, axis = listed(a), axes_of(axis)
    keep = bool(given(keepdims, False))
    options = {} if keepdims is MISSING else {"keepdims": keepdims}
    if weights is None:
        result = reduce.mean(a, axis, keep)
        scale: Any = np.size(values_of(a)) / np.size(values_of(result))
    else:
        w = visit.as_wide(listed(weights), a)
        if w.shape != a.shape:
            w = _placed(w, axis, a.shape)
        scale = reduce.sum(w, axis, keep)
        if np.any(values_of(scale) == 0.0):
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        result = exactly(
            reduce.sum(a * w, axis, keep) / scale, np.average, a, axis, weights, **options
        )
    if not returned:
        return result
    if np.shape(values_of(scale)) == np.shape(values_of(result)):
        return result, values_of(result).dtype.type(scale) if weights is None else scale
    if weights is None:
        scale = values_of(result).dtype.type(scale)
    return result, np.broadcast_to(scale, np.shape(values_of(result))).copy()


def _placed(w: Any, axis: Any, shape: tuple[int, ...]) -> Any:
    """Weights of some axes of an array, as an array that broadcasts against it."""
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = reduce.normal_axes(axis, len(shape))
    if tuple(w.shape) != tuple(shape[k] for k in axes):
        raise ValueError(
            "Shape of weights must be consistent with shape of a along specified axis."
        )
    order = sorted(range(len(axes)), key=axes.__getitem__)
    return w.transpose(order).reshape(tuple(n if k in axes else 1 for k, n in enumerate(shape)))


def _ask(
    record: Any, a: Any, axis: Any, keepdims: Any, out: Any, where: Any = True, neutral: Any = None
) -> Any:
    a = listed(a)
    if given(where, True) is not True:
        a = select.where(where, np.not_equal(a, 0), neutral)
    return deliver(record(a, axes_of(axis), bool(given(keepdims, False))), out)


@method("all")
@implements(np.all)
def all_true(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    return _ask(questions.all, a, axis, keepdims, out, where, True)


@method("any")
@implements(np.any)
def any_true(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    return _ask(questions.any, a, axis, keepdims, out, where, False)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _ask(questions.count_nonzero, a, axis, keepdims, None)


@method("argmax")
@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return _ask(questions.argmax, a, axis, keepdims, out)


@method("argmin")
@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return _ask(questions.argmin, a, axis, keepdims, out)


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return _ask(questions.nanargmax, a, axis, keepdims, out)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
    return _ask(questions.nanargmin, a, axis, keepdims, out)


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    a = listed(a)
    ndim = rank(a)
    for axis in np.atleast_1d(axes):
        result = func(a, int(axis) % ndim)
        if rank(result) != ndim:
            result = np.expand_dims(result, int(axis) % ndim)
            if rank(result) != ndim:
                raise ValueError("function is not returning an array of the correct shape")
        a = result
    return a


def is_traced(x: Any) -> bool:
    """Whether a value carries a derivative."""
    return is_handle(x) and x.node is not None


@implements(np.where)
def where(condition: Any, *choices: Any) -> Any:
    if not choices:
        return np.nonzero(condition)
    return select.where(listed(condition), listed(choices[0]), listed(choices[1]))
