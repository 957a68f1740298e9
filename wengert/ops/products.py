"""Products of cotangents and tangents with partial derivatives: cheap where it is 1, in place where the memory is ours.

Imports core. Invariant: a residual is never written to, and an exactly zero cotangent stays zero where that is asked
for.
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from wengert.core import freed
from wengert.core.handle import is_handle
from wengert.core.sweep import Sweep
from wengert.core.types import FLOAT64, FLOATS

_NUMBERS = frozenset({float, int, np.float64})


def times(ct: Any, p: Any) -> Any:
    """``ct * p`` with the constant partials 1 and -1 made cheap."""
    if type(p) is int:
        if p == 1:
            return ct
        if p == -1:
            return -ct
    return ct * p


def spread_number(number: Any, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array of doubles all of which are one number in memory, which nobody may write to."""
    spread = np.ndarray(shape, FLOAT64, np.asarray(number), 0, (0,) * len(shape))
    spread.flags.writeable = False
    return spread


def multiply_spread(ct: Any, number: Any) -> Any:
    """``ct * number``; of a spread number (the cotangent of a sum) a spread number again, not an array of its size."""
    if type(ct) is np.ndarray and ct.dtype is FLOAT64 and ct.size > 1 and not any(ct.strides):
        return spread_number(ct.item(0) * np.float64(number), ct.shape)
    return ct * number


def multiply_into(ct: Any, p: Any, *residuals: Any) -> Any:
    """``ct * p`` in the memory of a large partial, if that was made fresh (is no residual, nor a view of one)."""
    if type(p) in _NUMBERS:
        return multiply_spread(ct, p)
    if type(ct) is np.ndarray and _is_one(ct, p):
        return p if not any(p is r for r in residuals) else p.view()
    if (
        type(ct) is np.ndarray
        and type(p) is np.ndarray
        and ct.dtype is p.dtype
        and ct.shape == p.shape
        and p.base is None
        and p.flags.writeable
        and not any(p is r for r in residuals)
    ):
        return np.multiply(ct, p, out=p)
    return ct * p


def multiply_owned(sweep: Sweep, node: Any, ct: Any, factor: Any) -> Any:
    """``ct * factor`` in the memory of a large cotangent that nobody else needs any more."""
    if type(factor) is np.ndarray and _is_one(ct, factor):
        return factor.view()  # not ours to write to
    if (
        node in sweep.owned and type(factor) is np.ndarray and ct.dtype is factor.dtype and ct.shape == factor.shape
        and ct.flags.writeable
    ):
        return np.multiply(ct, factor, out=ct)
    return multiply_spread(ct, factor) if type(factor) in _NUMBERS else ct * factor


def _is_one(ct: np.ndarray[Any, Any], other: Any) -> bool:
    """Whether a cotangent is a spread 1.0 (that of a sum), so that a product with it is the other factor."""
    return (
        not any(ct.strides)
        and ct.dtype is other.dtype
        and ct.shape == other.shape
        and ct.size > 0
        and ct.item(0) == 1.0
    )


def own(sweep: Sweep, node: Any, parent: Any, made: Any, ct: Any, alone: bool) -> None:
    """Note that a large cotangent just made for ``parent`` is exclusively ours: fresh, or of its only user."""
    if not freed.asked and made.nbytes > freed.LARGE:
        freed.keep()
    if made is ct:
        if alone and node in sweep.owned:
            sweep.owned.add(parent)
    elif made.base is None and made.flags.writeable:
        sweep.owned.add(parent)


def absorb(ct: Any, p: Any) -> Any:
    """``ct * p`` where an exactly zero cotangent stays zero, whatever the partial.

    Only a product that is no number is replaced: elsewhere the zero may be one for this point alone, and its own
    derivative, which is ``p``, is asked for by the next order.
    """
    if type(p) is int:
        return times(ct, p)
    with np.errstate(all="ignore"):
        product = ct * p
        if is_handle(ct) and ct.node is not None and ct.node.abstract:
            return product  # no values yet: whoever runs the program that is being recorded absorbs
        zero = np.equal(ct, 0)  # in a full recording the question is a step of it
        if not is_handle(zero) and not np.any(zero):
            return product
        return np.where(np.logical_and(zero, np.logical_not(np.isfinite(product))), 0.0, product)


def finite_product(t: Any, p: Any) -> Any:
    """``t * p``; an exact zero of ``t`` absorbs where that is not finite."""
    part = times(t, p)
    return part if is_finite(part) else absorb(t, p)


def is_finite(part: Any) -> bool:
    """Whether a value has neither infinities nor NaN, in one pass over it."""
    value = part.value if is_handle(part) else part
    if type(value) is np.ndarray:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(np.add.reduce(value, axis=None)))
    return isfinite(value) if type(value) in FLOATS else bool(np.isfinite(value))
