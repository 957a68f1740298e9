"""The gamma function, its logarithm and the derivatives of that (digamma, polygamma), and the error
function.

NumPy has none of these; values come from ``math``, polygamma from recurrence, reflection and the
asymptotic series. Imports the makers. Invariant: derivatives of every order are operations of this
file; nothing here needs SciPy.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.ops.kinds import elementwise

# Bernoulli numbers B_2, B_4, ..., B_24: DLMF 24.2(iv).
_BERNOULLI = (
    1 / 6,
    -1 / 30,
    1 / 42,
    -1 / 30,
    5 / 66,
    -691 / 2730,
    7 / 6,
    -3617 / 510,
    43867 / 798,
    -174611 / 330,
    854513 / 138,
    -236364091 / 2730,
)


@lru_cache
def _cotangent_derivative(n: int) -> tuple[float, ...]:
    # Coefficients, lowest first, of P_n with d^n cot(u) / du^n = P_n(cot u): P_0 = c, P_(n+1) = -(1
    # + c^2) P_n'.
    p = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [0.0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            p[k] -= c
            p[k + 2] -= c
    return tuple(p)


def _cotangent(x: float) -> float:
    # cot(pi x), exact in the period and at its zeros: only distances to the nearest pole and zero
    # enter.
    r = math.remainder(x, 1.0)
    if r == 0.0:
        return math.nan
    return math.sin(math.pi * (0.5 - abs(r))) / math.sin(math.pi * r)


def _polygamma(n: int, x: float) -> float:
    """psi^(n)(x) for real x: NaN at the poles, where the sides differ in sign or the function is
    infinite."""
    if math.isnan(x) or x == -math.inf:
        return math.nan
    if x == math.inf:
        return math.inf if n == 0 else 0.0
    if x <= 0.0:
        # Reflection, DLMF 5.15.6: (-1)^n psi_n(1 - x) - psi_n(x) = pi d^n cot(pi x) / dx^n.
        c = _cotangent(x)
        turned = sum(a * c**k for k, a in enumerate(_cotangent_derivative(n)))
        return (-1) ** n * _polygamma(n, 1.0 - x) - math.pi ** (n + 1) * turned
    # Recurrence upwards, DLMF 5.15.5, to where the series has converged: psi_n(x) = psi_n(x + 1) -
    # (-1)^n n! / x^(n+1).
    factorial, total = float(math.factorial(n)), 0.0
    while x < 16.0 + n:
        total += x ** -(n + 1)
        x += 1.0
    if n == 0:
        # DLMF 5.11.2: psi(x) ~ ln x - 1/(2x) - sum B_2k / (2k x^2k).
        tail = math.fsum(b / (2 * k * x ** (2 * k)) for k, b in enumerate(_BERNOULLI, 1))
        return math.log(x) - 0.5 / x - tail - total
    # DLMF 5.15.8, up to the sign (-1)^(n+1): (n-1)!/x^n + n!/(2 x^(n+1)) + sum B_2k (2k+n-1)! /
    # ((2k)! x^(2k+n)).
    series = math.factorial(n - 1) * x**-n + 0.5 * factorial * x ** -(n + 1)
    series += math.fsum(
        b * (math.factorial(2 * k + n - 1) // math.factorial(2 * k)) * x ** -(2 * k + n)
        if n > 0
        else 0.0
        for k, b in enumerate(_BERNOULLI, 1)
    )
    return (-1) ** (n + 1) * (series + factorial * total)


def _each(function: Any) -> Any:
    # A scalar function on scalars and arrays alike.
    whole = np.vectorize(function, otypes=[float])

    def evaluate(*values: Any) -> Any:
        if any(type(v) is np.ndarray for v in values):
            return whole(*values)
        return function(*values)

    return evaluate


polygamma: Any = elementwise(
    "polygamma",
    _each(lambda n, x: _polygamma(int(n), float(x))),
    [None, lambda n, x: polygamma(n + 1, x)],
    inputs="n x",
    samples=lambda rng: (((n, rng.uniform(0.5, 6.0)), ()) for n in range(3)),
    latex="\\psi^{{({n})}}({x})",
    doc="The n-th derivative of the digamma function.",
)


def digamma(x: Any) -> Any:
    """The derivative of the logarithm of the gamma function."""
    return polygamma(0, x)


gamma = elementwise(
    "gamma",
    _each(math.gamma),
    [lambda x, y: y * digamma(x)],
    domain=((0.5, 4.0),),
    latex="\\Gamma({x})",
    scalar="tgamma",
    doc="The gamma function.",
)
lgamma = elementwise(
    "lgamma",
    _each(math.lgamma),
    [lambda x: digamma(x)],
    domain=((0.5, 4.0),),
    latex="\\ln\\left|\\Gamma({x})\\right|",
    scalar="lgamma",
    doc="The logarithm of the absolute value of the gamma function.",
)

_PEAK = 2.0 / math.sqrt(math.pi)
erf = elementwise(
    "erf",
    _each(math.erf),
    [lambda x: _PEAK * np.exp(-x * x)],
    latex="\\operatorname{{erf}} {x}",
    scalar="erf",
    doc="The error function.",
)
erfc = elementwise(
    "erfc",
    _each(math.erfc),
    [lambda x: -_PEAK * np.exp(-x * x)],
    latex="\\operatorname{{erfc}} {x}",
    scalar="erfc",
    doc="The complementary error function.",
)
