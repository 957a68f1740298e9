"""The functions of ``math`` and ``cmath`` on traced scalars: no protocol reaches them, so they have
twins.

A twin records the operation's derivative but computes with the function itself: values and errors
are those of the untraced program. Imports core, ops, ``table``. Invariant: without a handle among
its arguments a twin is its original.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterable
from typing import Any

from wengert.core.handle import TracedArray, TracedScalar, is_handle
from wengert.core.types import FLOAT64, dtype_of
from wengert.numpy_api.conversions import current_value, to_bool, to_int
from wengert.numpy_api.table import twin
from wengert.ops import arithmetic, compare, complexes, gamma, piecewise, sums, transcendental
from wengert.ops.generate import evaluated_by
from wengert.ops.join import stack


def number(t: Any) -> Any:
    """A traced argument as a scalar handle; an array of several elements is refused as ``float``
    refuses it."""
    kind: Any = type(t)
    if kind is TracedArray:
        float(current_value(t))
        return t.item()
    return t


# ---------------------------------------------------------------- one argument

_original: Any
_record: Any


def _unary(original: Callable[..., Any], record: Any) -> None:
    computed = evaluated_by(record.op, original, original.__module__)

    def stand_in(x: Any, /) -> Any:
        kind = type(x)
        if kind is TracedScalar:
            return computed(x)
        return computed(number(x)) if kind is TracedArray else original(x)

    twin(original)(stand_in)


for _original, _record in {
    math.sin: transcendental.sin,
    math.cos: transcendental.cos,
    math.tan: transcendental.tan,
    math.asin: transcendental.arcsin,
    math.acos: transcendental.arccos,
    math.atan: transcendental.arctan,
    math.sinh: transcendental.sinh,
    math.cosh: transcendental.cosh,
    math.tanh: transcendental.tanh,
    math.asinh: transcendental.arcsinh,
    math.acosh: transcendental.arccosh,
    math.atanh: transcendental.arctanh,
    math.exp: transcendental.exp,
    math.exp2: transcendental.exp2,
    math.expm1: transcendental.expm1,
    math.log2: transcendental.log2,
    math.log10: transcendental.log10,
    math.log1p: transcendental.log1p,
    math.sqrt: transcendental.sqrt,
    math.cbrt: transcendental.cbrt,
    math.degrees: transcendental.rad2deg,
    math.radians: transcendental.deg2rad,
    math.fabs: piecewise.fabs,
    math.erf: gamma.erf,
    math.erfc: gamma.erfc,
    math.gamma: gamma.gamma,
    math.lgamma: gamma.lgamma,
    math.ulp: compare.ulp,
}.items():
    _unary(_original, _record)


# ---------------------------------------------------------------- two arguments


def _binary(original: Callable[..., Any], record: Any) -> None:
    computed = evaluated_by(record.op, original, original.__module__)

    def stand_in(x: Any, y: Any, /, **options: Any) -> Any:
        if options and (is_handle(x) or is_handle(y)):
            if (
                options.get("steps") is not None
            ):  # nextafter: moving along the numbers changes no derivative
                return evaluated_by(
                    record.op, lambda a, b: original(a, b, **options), f"math_{options}"
                )(number(x), number(y))
            return computed(number(x), number(y))
        if is_handle(x) or is_handle(y):
            return computed(number(x), number(y))
        return original(x, y, **options)

    twin(original)(stand_in)


for _original, _record in {
    math.pow: arithmetic.power,
    math.atan2: transcendental.arctan2,
    math.copysign: piecewise.copysign,
    math.fmod: arithmetic.fmod,
    math.remainder: arithmetic.ieee_remainder,
    math.nextafter: piecewise.nextafter,
}.items():
    _binary(_original, _record)

_ldexp = evaluated_by(piecewise.ldexp.op, math.ldexp, "math")
_log = evaluated_by(transcendental.log.op, math.log, "math")
_hypot = evaluated_by(transcendental.hypot.op, math.hypot, "math")


@twin(math.ldexp)
def ldexp(x: Any, i: Any, /) -> Any:
    """``x 2^i``."""
    return _ldexp(number(x), i) if is_handle(x) else math.ldexp(x, i)


@twin(math.log)
def log(x: Any, *base: Any) -> Any:
    """The logarithm to base e, or to a given base: ``log x / log base``, as Python computes it."""
    if not is_handle(x) and not any(map(is_handle, base)):
        return math.log(x, *base)
    if len(base) > 1:
        raise TypeError(f"log expected at most 2 arguments, got {1 + len(base)}")
    top = _log(number(x)) if is_handle(x) else math.log(x)
    if not base:
        return top
    return top / (_log(number(base[0])) if is_handle(base[0]) else math.log(base[0]))


# ---------------------------------------------------------------- many arguments

_fabs = evaluated_by(piecewise.fabs.op, math.fabs, "math_hypot")


@twin(math.hypot)
def hypot(*coordinates: Any) -> Any:
    """The length of a vector given by its coordinates; at the origin its gradient is 0."""
    if not any(map(is_handle, coordinates)):
        return math.hypot(*coordinates)
    parts = [number(c) for c in coordinates]
    if len(parts) == 1:
        return _fabs(parts[0])
    if len(parts) == 2:
        return _hypot(*parts)
    return sums.length(stack(list(map(_floating, parts)), 0))


@twin(math.dist)
def dist(p: Any, q: Any, /) -> Any:
    """The distance of two points."""
    first, second = list(p), list(q)
    if not any(map(is_handle, (*first, *second))):
        return math.dist(first, second)
    if len(first) != len(second):
        raise ValueError("both points must have the same number of dimensions")
    pairs = zip(first, second, strict=True)
    return sums.length(stack([_floating(number(a)) - _floating(number(b)) for a, b in pairs], 0))


@twin(math.fsum)
def fsum(terms: Iterable[Any], /) -> Any:
    """The sum of numbers, rounded once."""
    parts = list(terms)
    return sums.fsum([number(x) for x in parts]) if any(map(is_handle, parts)) else math.fsum(parts)


@twin(math.prod)
def prod(factors: Iterable[Any], /, *, start: Any = 1) -> Any:
    """The product of numbers, from left to right."""
    parts = list(factors)
    if not is_handle(start) and not any(map(is_handle, parts)):
        return math.prod(parts, start=start)
    total = start
    for factor in parts:
        total = total * factor
    return total


def _sumprod(p: Any, q: Any, /) -> Any:
    first, second = list(p), list(q)
    if not any(map(is_handle, (*first, *second))):
        plain: Any = vars(math)["sumprod"]  # from Python 3.12 on
        return plain(first, second)
    if len(first) != len(second):
        raise ValueError("Inputs are not the same length")
    return sums.sumprod(
        *(stack([_floating(number(x)) for x in side], 0) for side in (first, second))
    )


def _fma(x: Any, y: Any, z: Any, /) -> Any:
    if not any(map(is_handle, (x, y, z))):
        return math.fma(x, y, z)  # type: ignore[attr-defined]
    return _fused(number(x), number(y), number(z))


if hasattr(math, "sumprod"):  # Python 3.12
    twin(math.sumprod)(_sumprod)
if hasattr(math, "fma"):  # Python 3.13
    _fused = evaluated_by(arithmetic.fma.op, math.fma, "math")
    twin(math.fma)(_fma)


def _floating(x: Any) -> Any:
    # In double precision, as math computes whatever it is given.
    if not is_handle(x):
        return float(x)
    return x if dtype_of(x.value) is FLOAT64 else complexes.astype(x, float)


# ---------------------------------------------------------------- parts of a number

_fraction = evaluated_by(piecewise.fraction.op, lambda x: math.modf(x)[0], "math")
_whole = evaluated_by(compare.trunc.op, lambda x: math.modf(x)[1], "math")
_exponent = evaluated_by(piecewise.exponent.op, lambda x: math.frexp(x)[1], "math")


@twin(math.modf)
def modf(x: Any, /) -> Any:
    """Fraction and whole part."""
    if not is_handle(x):
        return math.modf(x)
    t = number(x)
    return _fraction(t), _whole(t)


@twin(math.frexp)
def frexp(x: Any, /) -> Any:
    """Mantissa and exponent."""
    if not is_handle(x):
        return math.frexp(x)
    t = number(x)
    power = _integer(_exponent(t))
    return (_ldexp(t, -power), power) if math.isfinite(current_value(t)) else (+t, power)


def _integer(found: Any) -> int:
    return to_int(found) if is_handle(found) else int(found)


def _truth(found: Any) -> bool:
    return to_bool(found) if is_handle(found) else bool(found)


def _to_int(original: Callable[..., Any], record: Any) -> None:
    twin(original)(lambda x, /: _integer(record(number(x))) if is_handle(x) else original(x))


def _to_bool(original: Callable[..., Any], record: Any) -> None:
    twin(original)(lambda x, /: _truth(record(number(x))) if is_handle(x) else original(x))


for _original, _record in {
    math.floor: compare.floor,
    math.ceil: compare.ceil,
    math.trunc: compare.trunc,
}.items():
    _to_int(_original, _record)
for _module in (math, cmath):
    for _record in (compare.isnan, compare.isinf, compare.isfinite):
        _to_bool(getattr(_module, _record.op.name), _record)


def _close(original: Callable[..., Any]) -> None:
    computed = evaluated_by(
        compare.isclose.op,
        lambda a, b, rel_tol, abs_tol: original(a, b, rel_tol=rel_tol, abs_tol=abs_tol),
        original.__module__,
    )

    def isclose(a: Any, b: Any, *, rel_tol: Any = 1e-9, abs_tol: Any = 0.0) -> Any:
        if not any(map(is_handle, (a, b, rel_tol, abs_tol))):
            return original(a, b, rel_tol=rel_tol, abs_tol=abs_tol)
        tolerances = (current_value(x) if is_handle(x) else x for x in (rel_tol, abs_tol))
        return _truth(computed(number(a), number(b), *tolerances))

    twin(original)(isclose)


_close(math.isclose)
_close(cmath.isclose)


# ---------------------------------------------------------------- cmath


def complex_number(t: Any) -> Any:
    """A traced argument as a complex scalar handle."""
    t = number(t)
    return t if dtype_of(t.value).kind == "c" else complexes.astype(t, complex)


def _complex_unary(original: Callable[..., Any], record: Any) -> None:
    computed = evaluated_by(record.op, original, "cmath")

    def stand_in(z: Any, /) -> Any:
        return computed(complex_number(z)) if is_handle(z) else original(z)

    twin(original)(stand_in)


for _original, _record in {
    cmath.sin: transcendental.sin,
    cmath.cos: transcendental.cos,
    cmath.tan: transcendental.tan,
    cmath.asin: transcendental.arcsin,
    cmath.acos: transcendental.arccos,
    cmath.atan: transcendental.arctan,
    cmath.sinh: transcendental.sinh,
    cmath.cosh: transcendental.cosh,
    cmath.tanh: transcendental.tanh,
    cmath.asinh: transcendental.arcsinh,
    cmath.acosh: transcendental.arccosh,
    cmath.atanh: transcendental.arctanh,
    cmath.exp: transcendental.exp,
    cmath.sqrt: transcendental.sqrt,
    cmath.log10: transcendental.log10,
    cmath.phase: complexes.angle,
}.items():
    _complex_unary(_original, _record)

_complex_log = evaluated_by(transcendental.log.op, cmath.log, "cmath")
_modulus = evaluated_by(piecewise.absolute.op, abs, "cmath")
_phase = evaluated_by(complexes.angle.op, cmath.phase, "cmath_polar")


@twin(cmath.log)
def complex_log(z: Any, *base: Any) -> Any:
    """The complex logarithm to base e or to a given base."""
    if not is_handle(z) and not any(map(is_handle, base)):
        return cmath.log(z, *base)
    if len(base) > 1:
        raise TypeError(f"log expected at most 2 arguments, got {1 + len(base)}")
    top = _complex_log(complex_number(z)) if is_handle(z) else cmath.log(z)
    if not base:
        return top
    return top / (
        _complex_log(complex_number(base[0])) if is_handle(base[0]) else cmath.log(base[0])
    )


@twin(cmath.polar)
def polar(z: Any, /) -> Any:
    """Modulus and phase."""
    if not is_handle(z):
        return cmath.polar(z)
    t = complex_number(z)
    return _modulus(t), _phase(t)


@twin(cmath.rect)
def rect(r: Any, phi: Any, /) -> Any:
    """The complex number with modulus r and phase phi."""
    if not is_handle(r) and not is_handle(phi):
        return cmath.rect(r, phi)
    return complexes.point(number(r), number(phi))
