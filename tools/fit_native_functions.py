"""Prints the coefficients of the polynomials in wengert/backends/llvm/vector_math/*.py with what they are off:
`python tools/fit_native_functions.py`.

Each is the interpolation at Chebyshev's nodes of its interval, solved in 80 digits and rounded to the format: within
a factor of two of the best polynomial of that degree. `weight` turns an error of the fitted quotient into a relative
error of the function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

Number = Any


@dataclass
class Fit:
    """A quotient to be fitted on [low, high], with its value where it is 0/0 (at 0)."""

    name: str
    function: Callable[[Number], Number]
    at_zero: Number
    low: Number
    high: Number
    degree: int
    weight: Callable[[Number], Number]
    single: bool = False


def coefficients(fit: Fit) -> list[float]:
    """The rounded coefficients, the constant one first."""
    count = fit.degree + 1
    nodes = [
        (fit.low + fit.high) / 2 + (fit.high - fit.low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * count))
        for k in range(count)
    ]
    powers = mp.matrix([[x**k for k in range(count)] for x in nodes])
    found = mp.lu_solve(powers, mp.matrix([value(fit, x) for x in nodes]))
    return [float(np.float32(float(c))) if fit.single else float(c) for c in found]


def value(fit: Fit, x: Number) -> Number:
    """The fitted quotient, its limit near 0."""
    return fit.at_zero if abs(x) < mp.mpf(10) ** -14 else fit.function(x)


def error(fit: Fit, found: list[float]) -> Number:
    """The largest weighted error, on a grid that keeps off 0."""
    grid = [fit.low + (fit.high - fit.low) * k / 499 for k in range(500)]
    exact = [mp.mpf(c) for c in reversed(found)]
    return max(abs((mp.polyval(exact, x) - value(fit, x)) * fit.weight(x)) for x in grid if x)


def of_square(function: Callable[[Number], Number], power: int) -> Callable[[Number], Number]:
    """(f(sqrt z) - sqrt z)/sqrt(z)^power: what is left of an odd function that begins with its argument."""
    return lambda z: (function(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** power


def scaled_erfc(t: Number) -> Number:
    """(1 + 2x) e^(x^2) erfc x at x = 4 (1 + t)/(1 - t)."""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def log(z: Number) -> Number:
    """ln((1 + s)/(1 - s)) - 2s at s = sqrt z."""
    return mp.log((1 + mp.sqrt(z)) / (1 - mp.sqrt(z))) - 2 * mp.sqrt(z)


def exp(r: Number) -> Number:
    """What follows 1 + r, over r^2."""
    return (mp.expm1(r) - r) / r**2


def exp2(r: Number) -> Number:
    """What follows 1 + r ln 2, over r^2."""
    return (mp.power(2, r) - 1 - r * mp.log(2)) / r**2


def cosine(z: Number) -> Number:
    """What follows 1 - r^2/2, over r^4, at r = sqrt z."""
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


def square(x: Number) -> Number:
    """x^2, as a weight."""
    return x * x


def same(x: Number) -> Number:
    """x, as a weight."""
    return x


def fits() -> list[Fit]:
    """All polynomials, under their names in the source."""
    half_ln2, eighth = mp.log(2) / 2 * mp.mpf("1.002"), mp.pi / 4 * mp.mpf("1.001")
    s = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    tan_eighth = (mp.tan(mp.pi / 8) * mp.mpf("1.0001")) ** 2
    third, half, fifth, zero = mp.mpf(1) / 3, mp.mpf(1) / 2, mp.mpf(2) / 5, mp.mpf(0)
    bit, nearly = mp.mpf("0.501"), mp.mpf("0.9999")
    made = []
    for single, exp_degree, log_degree, turn_degree in ((False, 10, 6, 5), (True, 5, 3, 3)):
        name = "SINGLE" if single else "DOUBLE"
        made += [
            Fit(f"{name}.exp", exp, half, -half_ln2, half_ln2, exp_degree, square, single),
            Fit(f"{name}.exp2", exp2, mp.log(2) ** 2 / 2, -bit, bit, exp_degree, square, single),
            Fit(f"{name}.log", lambda z: log(z) / mp.sqrt(z) ** 3, 2 * third, zero, s, log_degree,
                lambda z: z / 2, single),
            Fit(f"SIN {name}", of_square(mp.sin, 3), -half * third, zero, eighth**2, turn_degree, same, single),
            Fit(f"COS {name}", cosine, mp.mpf(1) / 24, zero, eighth**2, turn_degree, square, single),
        ]  # fmt: skip
    return [
        *made,
        Fit("LOG_TAIL", lambda z: (log(z) - 2 * third * mp.sqrt(z) ** 3) / mp.sqrt(z) ** 5, fifth, zero, s, 7,
            lambda z: z * z / 2),
        Fit("ARCTAN", of_square(mp.atan, 3), -third, zero, tan_eighth, 11, same),
        Fit("ARCSIN", of_square(mp.asin, 3), half * third, zero, mp.mpf("0.2501"), 12, same),
        Fit("CUBE_ROOT", mp.cbrt, zero, mp.sqrt(half) * nearly, mp.sqrt(2) / nearly, 5, lambda m: 1),
        Fit("NEAR", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, 2 / mp.sqrt(mp.pi) - 1, zero, mp.mpf(1), 13, same),
        Fit("SCALED", scaled_erfc, scaled_erfc(mp.mpf(0)), -mp.mpf(1), mp.mpf("0.75"), 22, lambda t: 1),
    ]  # fmt: skip


if __name__ == "__main__":
    mp.mp.dps = 80
    for wanted in fits():
        got = coefficients(wanted)
        print(f"{wanted.name}: error 2^{float(mp.log(error(wanted, got), 2)):.1f}")
        print("    " + ", ".join(repr(c) for c in got))
