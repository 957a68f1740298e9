"""Sums and lengths as ``math`` computes them: exactly rounded sums, products summed, the length of
a vector.

Imports the makers. Invariant: the value is the one ``math`` gives, whose rounding a plain sum of
products does not reproduce.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.types import FLOAT64, ArrayType
from wengert.ops.kinds import general, linear, variadic
from wengert.ops.lengths import at_zero
from wengert.ops.transcendental import ratio


def _unit(v: Any) -> Any:
    return ratio(v, np.sqrt(np.sum(v * v)))


_SCALAR = ArrayType((), FLOAT64)

length = general(
    "length",
    lambda x: math.hypot(*x.tolist()),
    [lambda x, y, dx: (at_zero(ratio(x, y), y, lambda y: np.equal(y, 0), (x,), _unit) * dx).sum()],
    infer=lambda types, params: _SCALAR,
    kink=lambda v, p, y: y == 0,
    latex="\\left\\|{x}\\right\\|",
    samples=lambda rng: (((rng.normal(size=n),), ()) for n in (3, 5)),
    doc="A vector's length (`math.hypot` of its coordinates); at the origin the gradient is 0.",
)
fsum = variadic(
    "fsum",
    lambda *x: math.fsum(x),
    lambda k, ct, values, shapes: ct,
    infer=lambda types, params: _SCALAR,
    samples=lambda rng: ((rng.normal(size=4).tolist(), ()),),
    doc="A sum of numbers, rounded once (`math.fsum`).",
)
sumprod = linear(
    "sumprod",
    lambda a, b: getattr(math, "sumprod", _sumprod)(a.tolist(), b.tolist()),
    [lambda ct, b: ct * b, lambda ct, a: ct * a],
    inputs="a b",
    infer=lambda types, params: _SCALAR,
    samples=lambda rng: (((rng.normal(size=4), rng.normal(size=4)), ()),),
    doc="A sum of products, rounded once (`math.sumprod`).",
)


def _sumprod(a: Any, b: Any) -> float:
    # Exact products as pairs of floats (Dekker 1971), then one rounding.
    return math.fsum(part for x, y in zip(a, b, strict=True) for part in _product(x, y))


def _product(x: float, y: float) -> tuple[float, float]:
    p = x * y
    (xh, xl), (yh, yl) = _split(x), _split(y)
    return p, ((xh * yh - p) + xh * yl + xl * yh) + xl * yl


def _split(x: float) -> tuple[float, float]:
    c = 134217729.0 * x  # 2^27 + 1
    high = c - (c - x)
    return high, x - high
