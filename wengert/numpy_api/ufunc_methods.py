"""The methods of ufuncs on handles: reduce, accumulate, reduceat, outer, at.

Imports core, ops, ``table``. Invariant: each is the function it stands for (``np.add.reduce`` is
``np.sum``), never an evaluation on values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray
from wengert.numpy_api import inplace
from wengert.numpy_api.exact import (
    MISSING,
    array,
    axes_of,
    decided,
    deliver,
    exactly,
    given,
    looks_traced,
    owned,
    rank,
    values_of,
    whole_axis,
)
from wengert.numpy_api.table import FUNCTIONS
from wengert.ops import questions, scan, select
from wengert.ops import reduce as reductions
from wengert.ops.memory import write
from wengert.ops.scan import along

_BY_FUNCTION = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}
_BY_OPERATION = {
    np.logaddexp: reductions.logaddexp_reduce,
    np.logaddexp2: reductions.logaddexp2_reduce,
}
_QUESTIONS = {np.logical_and: questions.all, np.logical_or: questions.any}
_SCANS = {np.add: scan.cumsum, np.multiply: scan.cumprod}


def _out_of(out: Any) -> Any:
    return out[0] if type(out) is tuple and len(out) == 1 else out


def reduce(
    ufunc: Any,
    record: Any,
    a: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = MISSING,
    where: Any = True,
) -> Any:
    """``ufunc.reduce``."""
    out = _out_of(out)
    a = array(a)
    axis, keepdims = axes_of(axis), bool(given(keepdims, False))
    plain = initial is MISSING and where is True
    function = _BY_FUNCTION.get(ufunc)
    if function is not None:
        options = {} if ufunc in {np.maximum, np.minimum} else {"dtype": dtype}
        if initial is None:
            initial = MISSING if where is True else {np.add: 0, np.multiply: 1}.get(ufunc, MISSING)
        return FUNCTIONS[function](
            a, axis=axis, out=out, keepdims=keepdims, initial=initial, where=where, **options
        )
    if dtype is not None:
        a = a.astype(dtype)
    if plain and ufunc in _QUESTIONS:
        return deliver(_QUESTIONS[ufunc](a, axis, keepdims), out)
    if plain and ufunc in _BY_OPERATION:
        return deliver(_BY_OPERATION[ufunc](a, axis, keepdims), out)
    if ufunc in {np.fmax, np.fmin}:
        pair, worst = (np.max, -np.inf) if ufunc is np.fmax else (np.min, np.inf)
        filled = select.where(np.isnan(a), worst, a)
        result = FUNCTIONS[pair](filled, axis=axis, keepdims=keepdims, initial=initial, where=where)
    else:
        result = _fold(ufunc, record, a, axis, keepdims, initial, where)
    options = {} if initial is MISSING else {"initial": initial}
    return deliver(
        exactly(result, ufunc.reduce, a, axis=axis, keepdims=keepdims, where=where, **options), out
    )


def _fold(
    ufunc: Any, record: Any, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any
) -> Any:
    """One element after the other: ``f(f(f(x_0, x_1), x_2), ...)``."""
    axes = reductions.normal_axes(axis, rank(a))
    if len(axes) > 1 and ufunc.identity is None and ufunc not in {np.hypot, np.gcd, np.lcm}:
        raise ValueError(
            f"reduction operation '{ufunc.__name__}' is not reorderable, "
            "so at most one axis may be specified"
        )
    rest = tuple(k for k in range(rank(a)) if k not in axes)
    rows = a.transpose((*axes, *rest)).reshape((-1, *(a.shape[k] for k in rest)))
    allowed = None
    if where is not True:
        mask = np.broadcast_to(np.asarray(decided(where)), a.shape)
        allowed = mask.transpose((*axes, *rest)).reshape(rows.shape)
    count = rows.shape[0]
    start = 0
    out = given(initial)
    if out is None:
        out = ufunc.identity
    if out is None or (initial is MISSING and allowed is None and count):
        if not count:
            raise ValueError(
                f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
            )
        if allowed is not None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, "
                "so to use a where mask one has to specify 'initial'"
            )
        out, start = rows[0], 1
    for k in range(start, count):
        stepped = record(out, rows[k])
        out = stepped if allowed is None else select.where(allowed[k], stepped, out)
    if rank(out) < len(rest):
        out = np.broadcast_to(array(out), tuple(a.shape[k] for k in rest))
    return out.reshape(reductions.kept_shape(a.shape, axis)) if keepdims else out


def accumulate(
    ufunc: Any, record: Any, a: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """``ufunc.accumulate``."""
    a = array(a)
    axis = whole_axis(axis, rank(a))
    if dtype is not None:
        a = a.astype(dtype)
    known = _SCANS.get(ufunc)
    if known is not None:
        return deliver(known(a, axis), _out_of(out))
    rows = np.moveaxis(a, axis, 0)
    steps = [rows[0]] if rows.shape[0] else []
    for k in range(1, rows.shape[0]):
        steps.append(record(steps[-1], rows[k]))
    result = np.stack([array(s) for s in steps], axis=axis) if steps else a
    return deliver(exactly(result, ufunc.accumulate, a, axis=axis), _out_of(out))


def reduceat(
    ufunc: Any, record: Any, a: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None
) -> Any:
    """``ufunc.reduceat``: a reduction per segment; the element itself where one is empty."""
    a = array(a)
    axis = whole_axis(axis, rank(a))
    if dtype is not None:
        a = a.astype(dtype)
    cuts = np.asarray(decided(indices)).tolist()
    parts = []
    for k, begin in enumerate(cuts):
        end = cuts[k + 1] if k + 1 < len(cuts) else a.shape[axis]
        if begin < end:
            parts.append(reduce(ufunc, record, a[along(axis, slice(begin, end))], axis))
        else:
            parts.append(a[along(axis, begin)])
    result = np.stack([array(p) for p in parts], axis=axis)
    return deliver(exactly(result, ufunc.reduceat, a, cuts, axis=axis), _out_of(out))


def outer(ufunc: Any, record: Any, a: Any, b: Any, **options: Any) -> Any:
    """``ufunc.outer``: every element of one with every element of the other."""
    a, b = array(a), array(b)
    return ufunc(a.reshape((*a.shape, *(1,) * rank(b))), b, **options)


def at(ufunc: Any, record: Any, a: Any, indices: Any, *operands: Any) -> None:
    """``ufunc.at``: in place and one after the other, so that an index that occurs twice counts
    twice.
    """
    traced = type(a) is TracedArray
    if not traced:
        if looks_traced(*operands):
            inplace.bind(array(operands[0]), a)
            return
        ufunc.at(a, values_of(indices), *values_of(operands))
        return
    if ufunc in {np.add, np.subtract}:
        value = operands[0]
        write(a, ("index", indices), value if ufunc is np.add else np.negative(value), add=True)
        return
    places = np.arange(a.size).reshape(a.shape)[decided(indices)]
    values = [np.broadcast_to(array(v), np.shape(places)) for v in operands]
    flat = np.ravel(places)
    # The first occurrences of all places, then the second ones, and so on.
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    turn = np.empty(len(flat), dtype=int)
    turn[order] = np.arange(len(flat)) - np.searchsorted(ordered, ordered)
    for k in range(int(turn.max(initial=-1)) + 1):
        now = np.flatnonzero(turn == k)
        index = np.unravel_index(flat[now], a.shape)
        a[index] = record(owned(a[index]), *(v.ravel()[now] for v in values))


METHODS_OF_UFUNCS: dict[str, Callable[..., Any]] = {
    "reduce": reduce,
    "accumulate": accumulate,
    "reduceat": reduceat,
    "outer": outer,
    "at": at,
}
