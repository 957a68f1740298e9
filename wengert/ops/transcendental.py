"""Exponentials, logarithms, trigonometric and hyperbolic functions and their inverses.

Imports core, ``kinks`` and the makers. Invariant: each partial is the textbook derivative, in terms
of the output where that is cheaper.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.ops.kinds import elementwise
from wengert.ops.kinks import some
from wengert.ops.lengths import at_zero
from wengert.ops.sides import unasked

_LN2, _LN10 = float(np.log(2.0)), float(np.log(10.0))
_DEGREE = np.pi / 180.0


def _at_zero(values: Any, params: Any, y: Any) -> Any:
    # A vertical tangent: the derivative is infinite there.
    return np.equal(values[0], 0)


exp = elementwise("exp", np.exp, [lambda y: y], doc="`y = e^x`.", scalar="llvm.exp")
exp2 = elementwise("exp2", np.exp2, [lambda y: y * _LN2], doc="`y = 2^x`.", scalar="llvm.exp2")
expm1 = elementwise("expm1", np.expm1, [lambda x: np.exp(x)], doc="`y = e^x - 1`.", scalar="expm1")
log = elementwise(
    "log", np.log, [lambda x: 1.0 / x], doc="`y = ln x`.", scalar="llvm.log", domain=((0.2, 3.0),)
)
log2 = elementwise(
    "log2",
    np.log2,
    [lambda x: 1.0 / (x * _LN2)],
    doc="`y = log2 x`.",
    scalar="llvm.log2",
    domain=((0.2, 3.0),),
)
log10 = elementwise(
    "log10",
    np.log10,
    [lambda x: 1.0 / (x * _LN10)],
    doc="`y = log10 x`.",
    scalar="llvm.log10",
    domain=((0.2, 3.0),),
)
log1p = elementwise(
    "log1p",
    np.log1p,
    [lambda x: 1.0 / (1.0 + x)],
    doc="`y = ln(1 + x)`.",
    scalar="log1p",
    domain=((-0.8, 3.0),),
)
sqrt = elementwise(
    "sqrt",
    np.sqrt,
    [lambda y: 0.5 / y],
    doc="`y = x^(1/2)`.",
    scalar="llvm.sqrt",
    kink=_at_zero,
    domain=((0.2, 3.0),),
)
cbrt = elementwise(
    "cbrt",
    np.cbrt,
    [lambda y: 1.0 / (3.0 * y * y)],
    doc="`y = x^(1/3)`.",
    scalar="cbrt",
    kink=_at_zero,
    domain=((0.2, 3.0),),
)
square = elementwise("square", np.square, [lambda x: 2.0 * x], doc="`y = x^2`.")
reciprocal = elementwise(
    "reciprocal", np.reciprocal, [lambda y: -y * y], doc="`y = 1/x`.", domain=((0.5, 2.0),)
)

sin = elementwise("sin", np.sin, [lambda x: np.cos(x)], doc="`y = sin x`.", scalar="llvm.sin")
cos = elementwise("cos", np.cos, [lambda x: -np.sin(x)], doc="`y = cos x`.", scalar="llvm.cos")
tan = elementwise(
    "tan", np.tan, [lambda y: 1.0 + y * y], doc="`y = tan x`.", scalar="tan", domain=((-1.2, 1.2),)
)
arcsin = elementwise(
    "arcsin",
    np.arcsin,
    [lambda x: 1.0 / np.sqrt((1.0 - x) * (1.0 + x))],
    doc="`y = arcsin x`.",
    scalar="asin",
    domain=((-0.9, 0.9),),
)
arccos = elementwise(
    "arccos",
    np.arccos,
    [lambda x: -1.0 / np.sqrt((1.0 - x) * (1.0 + x))],
    doc="`y = arccos x`.",
    scalar="acos",
    domain=((-0.9, 0.9),),
)
arctan = elementwise(
    "arctan", np.arctan, [lambda x: 1.0 / (1.0 + x * x)], doc="`y = arctan x`.", scalar="atan"
)


def ratio(part: Any, whole: Any) -> Any:
    """``part / whole``, and 0 at the origin."""
    zero = np.equal(whole, 0)
    if some(zero):
        return np.where(zero, 0.0, part / np.where(zero, 1.0, whole))
    return part / whole


def _turn(part: Any, a: Any, b: Any) -> Any:
    # part / (a^2 + b^2) without squares, which would overflow or vanish.
    size = np.hypot(a, b)
    return ratio(ratio(part, size), size)


arctan2 = elementwise(
    "arctan2",
    np.arctan2,
    [lambda a, b: _turn(b, a, b), lambda a, b: -_turn(a, a, b)],
    inputs="a b",
    kink=lambda v, p, y: np.logical_and(np.equal(v[0], 0), np.less_equal(v[1], 0)),
    domain=((0.2, 2.0), None),
    scalar="atan2",
    doc="The angle of the point (b, a): `y = atan2(a, b)`; at the origin the partials are 0.",
)


def _leg(a: Any, b: Any, y: Any, k: int) -> Any:
    base = ratio((a, b)[k], y)
    if unasked(y):
        return base
    return at_zero(base, y, lambda y: np.equal(y, 0), (a, b), lambda *v: ratio(v[k], np.hypot(*v)), k)


hypot = elementwise(
    "hypot",
    np.hypot,
    [lambda a, b, y: _leg(a, b, y, 0), lambda a, b, y: _leg(a, b, y, 1)],
    inputs="a b",
    kink=lambda v, p, y: y == 0,
    doc="`y = (a^2 + b^2)^(1/2)`; at the origin the minimum-norm subgradient, 0.",
    scalar="hypot",
)


sinh = elementwise("sinh", np.sinh, [lambda x: np.cosh(x)], doc="`y = sinh x`.", scalar="sinh")
cosh = elementwise("cosh", np.cosh, [lambda x: np.sinh(x)], doc="`y = cosh x`.", scalar="cosh")


def _one_minus_square(y: Any) -> Any:
    if type(y) is not np.ndarray:
        return 1.0 - y * y
    square = y * y
    return np.subtract(1.0, square, out=square)  # the same numbers with one array less at a time


tanh = elementwise("tanh", np.tanh, [lambda y: _one_minus_square(y)], doc="`y = tanh x`.", scalar="tanh")
arcsinh = elementwise(
    "arcsinh",
    np.arcsinh,
    [lambda x: 1.0 / np.sqrt(x * x + 1.0)],
    doc="`y = arsinh x`.",
    scalar="asinh",
)
arccosh = elementwise(
    "arccosh",
    np.arccosh,
    [lambda x: 1.0 / (np.sqrt(x - 1.0) * np.sqrt(x + 1.0))],
    doc="`y = arcosh x`.",
    scalar="acosh",
    domain=((1.2, 3.0),),
)
arctanh = elementwise(
    "arctanh",
    np.arctanh,
    [lambda x: 1.0 / ((1.0 - x) * (1.0 + x))],
    doc="`y = artanh x`.",
    scalar="atanh",
    domain=((-0.8, 0.8),),
)


def _weight(part: Any, other: Any, whole: Any, power: Any) -> Any:
    # The share e^part / (e^part + e^other); at equal infinities, where the formula is undetermined,
    # its limit 1/2 along the diagonal.
    if not (is_handle(part) or is_handle(whole)):
        share = power(part - whole)
        # Shares lie within 0 and 1, so that only one that is NaN makes a sum of their squares NaN.
        if not math.isnan(np.vdot(share, share) if type(share) is np.ndarray else share):
            return share
    infinite = np.isinf(whole)
    if some(infinite):
        limit = np.where(np.equal(part, other), 0.5, np.equal(part, whole))
        return np.where(
            infinite, limit, power(np.where(infinite, 0.0, part - np.where(infinite, 0.0, whole)))
        )
    return power(part - whole)


logaddexp = elementwise(
    "logaddexp",
    np.logaddexp,
    [lambda a, b, y: _weight(a, b, y, np.exp), lambda a, b, y: _weight(b, a, y, np.exp)],
    inputs="a b",
    doc="`y = ln(e^a + e^b)`.",
)
logaddexp2 = elementwise(
    "logaddexp2",
    np.logaddexp2,
    [lambda a, b, y: _weight(a, b, y, np.exp2), lambda a, b, y: _weight(b, a, y, np.exp2)],
    inputs="a b",
    doc="`y = log2(2^a + 2^b)`.",
)
deg2rad = elementwise("deg2rad", np.deg2rad, [lambda: _DEGREE], doc="Degrees to radians.")
rad2deg = elementwise("rad2deg", np.rad2deg, [lambda: 1.0 / _DEGREE], doc="Radians to degrees.")
