"""The nan family: NumPy's functions that pass over what is not a number.

Imports core, ops, ``table``. Invariant: an element that is not a number gets an exactly zero
derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import dtype_of
from wengert.numpy_api.exact import MISSING, axes_of, deliver, exactly, given, listed, values_of
from wengert.numpy_api.functions.reduce import _cast
from wengert.numpy_api.table import implements
from wengert.ops import reduce, select


def _filled(a: Any, value: Any) -> Any:
    """The array with another number where there is none."""
    a = listed(a)
    return select.where(np.isnan(a), value, a)


def _options(**options: Any) -> dict[str, Any]:
    return {k: v for k, v in options.items() if v is not MISSING}


def _register(name: str, neutral: float) -> None:
    plain, original = getattr(np, name.removeprefix("nan")), getattr(np, name)

    def reduction(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = MISSING,
        initial: Any = MISSING,
        where: Any = MISSING,
    ) -> Any:
        options = _options(keepdims=keepdims, initial=initial, where=where)
        result = plain(_cast(_filled(a, neutral), dtype), axis=axes_of(axis), **options)
        return deliver(exactly(result, original, a, axes_of(axis), dtype=dtype, **options), out)

    reduction.__name__ = name
    implements(original)(reduction)


def _register_scan(name: str, neutral: float) -> None:
    plain, original = getattr(np, name.removeprefix("nan")), getattr(np, name)

    def running(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return deliver(
            exactly(
                plain(_filled(a, neutral), axis=axis, dtype=dtype),
                original,
                a,
                axis=axis,
                dtype=dtype,
            ),
            out,
        )

    running.__name__ = name
    implements(original)(running)


def _register_extreme(name: str, neutral: float) -> None:
    plain, original = getattr(np, name.removeprefix("nan")), getattr(np, name)

    def extreme(
        a: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = MISSING,
        initial: Any = MISSING,
        where: Any = MISSING,
    ) -> Any:
        options = _options(keepdims=keepdims, initial=initial, where=where)
        result = plain(_filled(a, neutral), axis=axes_of(axis), **options)
        if initial is MISSING:  # where there is no number, there is no largest one
            kept = {k: v for k, v in options.items() if k != "initial"}
            result = select.where(np.all(np.isnan(listed(a)), axis=axes_of(axis), **kept), np.nan, result)
        return deliver(exactly(result, original, a, axes_of(axis), **options), out)

    extreme.__name__ = name
    implements(original)(extreme)


for _name, _neutral in (("nansum", 0.0), ("nanprod", 1.0)):
    _register(_name, _neutral)
for _name, _neutral in (("nancumsum", 0.0), ("nancumprod", 1.0)):
    _register_scan(_name, _neutral)
for _name, _neutral in (("nanmax", -np.inf), ("nanmin", np.inf)):
    _register_extreme(_name, _neutral)


def _counted(a: Any, axis: Any, keepdims: Any, where: Any) -> tuple[Any, Any, Any]:
    """The elements that count, a mask of them, and how many there are."""
    a = listed(a)
    there = ~np.isnan(a)
    if given(where, True) is not True:
        there = there & np.broadcast_to(listed(where), there.shape)
    return select.where(there, a, 0.0), there, there.sum(axis=axis, keepdims=keepdims)


def _number_of(count: Any, terms: Any) -> Any:
    """A count in the precision of what it divides."""
    dtype = dtype_of(values_of(terms))
    return count.astype(dtype.type(0).real.dtype) if dtype.kind in "fc" else count


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = MISSING,
    *,
    where: Any = MISSING,
) -> Any:
    axis, keep = axes_of(axis), bool(given(keepdims, False))
    filled, _, count = _counted(a, axis, keep, where)
    filled = _cast(filled, dtype)
    result = reduce.sum(filled, axis, keep) / _number_of(count, filled)
    return deliver(
        exactly(
            result, np.nanmean, a, axis, dtype=dtype, **_options(keepdims=keepdims, where=where)
        ),
        out,
    )


def _spread(name: str) -> None:
    original = getattr(np, name)

    def moment(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        ddof: Any = 0,
        keepdims: Any = MISSING,
        *,
        where: Any = MISSING,
        mean: Any = MISSING,
        correction: Any = MISSING,
    ) -> Any:
        freedom = ddof if correction is MISSING else correction
        axis, keep = axes_of(axis), bool(given(keepdims, False))
        filled, there, count = _counted(_cast(listed(a), dtype), axis, True, where)
        centre = reduce.sum(filled, axis, True) / _number_of(count, filled) if mean is MISSING else mean
        away = select.where(there, filled - centre, 0.0)
        square = (away * away.conj()).real if values_of(away).dtype.kind == "c" else away * away
        terms = there.sum(axis=axis, keepdims=keep) - freedom
        result = reduce.sum(square, axis, keep) / _number_of(terms, square)
        if name == "nanstd":
            still = result == 0
            result = select.where(still, 0.0, np.sqrt(select.where(still, 1.0, result)))
        options = _options(keepdims=keepdims, where=where, mean=mean, correction=correction)
        return deliver(exactly(result, original, a, axis, dtype=dtype, ddof=ddof, **options), out)

    moment.__name__ = name
    implements(original)(moment)


_spread("nanvar")
_spread("nanstd")
