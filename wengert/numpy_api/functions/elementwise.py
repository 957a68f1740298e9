"""Element-wise functions that are no ufuncs: clip, rounding, nan_to_num, sinc, i0, angle, unwrap,
parts of complex numbers.

Imports core, ops, ``table``. Invariant: values are NumPy's bit for bit, and a list that holds
traced numbers is as good as an array.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.core.handle import TracedArray, TracedScalar, is_handle
from wengert.core.types import dtype_of
from wengert.numpy_api.conversions import guard, peek, to_int
from wengert.numpy_api.exact import MISSING, array, deliver, given, listed, of_integers, only_integers
from wengert.numpy_api.table import implements, method, twin
from wengert.ops import compare, complexes, piecewise, series
from wengert.ops.kinds import general
from wengert.ops.memory import write


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = MISSING,
    a_max: Any = MISSING,
    out: Any = None,
    *,
    min: Any = MISSING,
    max: Any = MISSING,
    **options: Any,
) -> Any:
    """``np.clip``: at a bound the derivative in the value is 0, and the bound has all of it."""
    low, high = given(a_min, given(min)), given(a_max, given(max))
    if (a_min is not MISSING or a_max is not MISSING) and (
        min is not MISSING or max is not MISSING
    ):
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided "
            "is forbidden."
        )
    return clipped(listed(a), low, high, out, **options)


@method("clip")
def clipped(a: Any, min: Any = None, max: Any = None, out: Any = None, **options: Any) -> Any:
    """The array method ``clip``."""
    options = {k: v for k, v in options.items() if v is not MISSING and v is not None}
    if options.pop("where", True) is not True or options:
        raise error_at(
            NoRuleError,
            "np.clip with ufunc options has no derivative rule",
            fix="use np.where around np.clip",
        )
    low, high = listed(min), listed(max)
    if low is None and high is None:
        return deliver(+a if is_handle(a) else np.clip(a, None, None), out)
    if only_integers(a, low, high):  # a Python number may lie outside of their range
        return deliver(of_integers(np.clip, a, low, high), out)
    if low is None:
        return deliver(piecewise.clip(a, _beyond(a, high, -np.inf), high), out)
    return deliver(piecewise.clip(a, low, _beyond(a, low, np.inf) if high is None else high), out)


def _beyond(a: Any, other: Any, end: float) -> Any:
    # A missing bound: an infinite one, which changes neither values nor dtype.
    dtype = np.result_type(*(dtype_of(v.value) if is_handle(v) else v for v in (a, other)))
    return dtype.type(end) if dtype.kind in "fc" else end


@method("round")
@implements(np.round, np.around)
def rounded(a: Any, decimals: Any = 0, out: Any = None) -> Any:
    """``np.round``: constant."""
    return deliver(compare.rounded(listed(a), int(decimals)), out)


@method("__round__")
def python_round(t: Any, ndigits: Any = None) -> Any:
    """``round(t)``: constant, a plain number. ``round(t, n)``: constant, rounded as this number's type does it."""
    if type(t) is TracedArray:
        raise TypeError("type numpy.ndarray doesn't define __round__ method")
    if t.node is None:
        return round(peek(t), ndigits)
    if ndigits is not None:
        from wengert.ops.called import called

        return called(round, (t, operator.index(ndigits)), {})
    nearest = compare.rint(t)
    return to_int(nearest) if is_handle(nearest) else round(peek(t))


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """``np.fix``: constant."""
    return deliver(compare.trunc(listed(x)), out)


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """``np.nan_to_num``: what is replaced has no derivative."""
    x = listed(x)
    kind = dtype_of(x.value if is_handle(x) else x)
    if kind.kind == "c":
        parts = [nan_to_num(part, True, nan, posinf, neginf) for part in (x.real, x.imag)]
        result = parts[0] + 1j * parts[1]
    elif kind.kind != "f":
        result = +x if kind.kind != "b" else x.copy()  # integers are all numbers
    else:
        limits = np.finfo(kind)
        high = limits.max if posinf is None else posinf
        low = limits.min if neginf is None else neginf
        result = np.where(
            np.isnan(x), nan, np.where(np.isposinf(x), high, np.where(np.isneginf(x), low, x))
        )
    if not copy and type(x) is TracedArray:
        write(x, ("index", Ellipsis), result)
        return x
    result = result if result.dtype == kind else result.astype(kind)
    return result if np.ndim(result) else result[()]


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """``np.isposinf``."""
    x = listed(x)
    return deliver(np.logical_and(np.isinf(x), np.logical_not(np.signbit(x))), out)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """``np.isneginf``."""
    x = listed(x)
    return deliver(np.logical_and(np.isinf(x), np.signbit(x)), out)


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """``np.sinc``, with the right derivatives at 0."""
    return series.sinc(0, listed(x))


@implements(np.i0)
def i0(x: Any) -> Any:
    """``np.i0``: the Bessel function I_0, an array also of a number."""
    return array(series.bessel_i(0, listed(x)))


@implements(np.angle)
def angle(z: Any, deg: Any = False) -> Any:
    """``np.angle``."""
    z = listed(z)
    turned = complexes.angle(z) if piecewise.is_complex(z) else complexes.angle_of_real(z)
    return turned * (180 / np.pi) if deg else turned


@implements(np.real)
def real(val: Any) -> Any:
    """``np.real``: a view, as in NumPy."""
    return listed(val).real


@implements(np.imag)
def imag(val: Any) -> Any:
    """``np.imag``: a view, as in NumPy."""
    return listed(val).imag


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """``np.real_if_close``."""
    a = listed(a)
    if not piecewise.is_complex(a):
        return array(a)
    plain = peek(a) if is_handle(a) else a
    if guard(a, "real_if_close", bool(np.isrealobj(np.real_if_close(plain, tol)))):
        return array(a.real)
    return array(a)


unwrap_phases = general(
    "unwrap",
    lambda p, discont, axis, period: np.unwrap(p, discont, axis, period=period),
    [lambda dp: dp * 1.0],
    inputs="p",
    params={"discont": None, "axis": -1, "period": 2 * np.pi},
    shape=lambda p_shape: p_shape,
    samples=lambda rng: (((np.cumsum(rng.uniform(-2.0, 2.0, 6)) % 6.0,), (None, -1, 2 * np.pi)),),
    doc="Phases without jumps: multiples of the period are added, which are constant.",
)


@twin(np.unwrap)
@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    """``np.unwrap``."""
    if is_handle(period) or is_handle(discont):
        raise error_at(
            NoRuleError,
            "np.unwrap has no derivative in its period or discontinuity",
            fix="give a constant period: scale the phases instead",
        )
    return unwrap_phases(listed(p), discont, axis, period)


@method("__abs__")
def magnitude(t: Any) -> Any:
    """``abs(t)``."""
    return piecewise.absolute(t)


@method("__trunc__")
def truncated(t: Any) -> int:
    """``math.trunc(t)``: a plain int."""
    return _whole(t, compare.trunc)


@method("__floor__")
def floored(t: Any) -> int:
    """``math.floor(t)``: a plain int."""
    return _whole(t, compare.floor)


@method("__ceil__")
def ceiled(t: Any) -> int:
    """``math.ceil(t)``: a plain int."""
    return _whole(t, compare.ceil)


def _whole(t: Any, record: Any) -> int:
    if type(t) is not TracedScalar:
        t = t.item()
    found = record(t)
    return to_int(found) if is_handle(found) else int(found)
