"""Functions whose derivatives need series at special points: sinc and its derivatives, the Bessel
functions I_n.

Imports the makers. Invariant: each is a family indexed by a constant integer order and closed under
differentiation, so that every derivative is right at 0 too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ops.kinds import elementwise


def _sinc(n: int, x: Any) -> Any:
    """The n-th derivative of sin(pi x) / (pi x)."""
    if n == 0:
        return np.sinc(x)
    u = np.pi * np.asarray(x)
    if u.dtype.kind not in "fc":
        u = u.astype(float)
    near = np.abs(u) < n + 1.0
    # Near 0, from sin(u)/u = sum (-1)^k u^2k / (2k+1)!: terms (-1)^k u^(2k-n) / ((2k+1) (2k-n)!).
    small = np.where(near, u, 0.0)
    k = (n + 1) // 2
    power = 2 * k - n
    factor = small**power * (-1.0) ** k
    series = factor / (2 * k + 1)
    square = small * small
    for _ in range(30 + 2 * n):
        power += 2
        factor = -factor * square / (power * (power - 1))
        series = series + factor / (power + n + 1)
    # Away from 0, from u f = sin u: u f^(n) + n f^(n-1) = sin(u + n pi / 2).
    far = np.where(near, 1.0, u)
    f = np.sin(far) / far
    for m in range(1, n + 1):
        f = (_turned(far, m) - m * f) / far
    return (np.where(near, series, f) * np.pi**n)[()]


def _turned(u: Any, quarters: int) -> Any:
    # sin(u + quarters pi / 2), without rounding the shift.
    return (np.sin, np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v))[quarters % 4](u)


sinc: Any = elementwise(
    "sinc",
    lambda n, x: _sinc(int(n), x),
    [None, lambda n, x: sinc(n + 1, x)],
    inputs="n x",
    samples=lambda rng: (((n, rng.normal(size=4)), ()) for n in range(3)),
    latex="\\operatorname{{sinc}}^{{({n})}}({x})",
    doc="The n-th derivative of sin(pi x) / (pi x).",
)


def _bessel(n: int, x: Any) -> Any:
    """The modified Bessel function I_n(x) for an integer order n >= 0 and real x."""
    if n == 0:
        return np.i0(x)[()]
    x = np.asarray(x, float)
    size = np.abs(x)
    large = size > 40.0 + n * n
    # Power series, DLMF 10.25.2: sum (x/2)^(2k+n) / (k! (k+n)!); all terms of one sign, so nothing
    # cancels.
    half = np.where(large, 0.0, size) / 2
    term = np.ones_like(half)
    for k in range(1, n + 1):
        term = term * half / k
    total, square = term, half * half
    k = 0
    while np.any(np.abs(term) > 1e-18 * np.abs(total)):
        k += 1
        term = term * square / (k * (k + n))
        total = total + term
    # Large arguments, DLMF 10.40.1: e^x / sqrt(2 pi x) sum (-1)^k a_k / x^k, a_k = prod (4n^2 -
    # (2j-1)^2) / (k! 8^k).
    far = np.where(large, size, 1.0)
    term = series = np.ones_like(far)
    for k in range(1, 25):
        following = -term * (4.0 * n * n - (2 * k - 1) ** 2) / (k * 8.0 * far)
        term = np.where(np.abs(following) < np.abs(term), following, 0.0)
        series = series + term
    with np.errstate(over="ignore"):
        root = np.exp(far / 2)
        grown = root * (series / np.sqrt(2.0 * np.pi * far)) * root
    y = np.where(large, grown, total)
    y = np.where(np.isnan(x), x, y)
    return (np.where(x < 0, (-1.0) ** n * y, y))[()]


def _bessel_slope(n: Any, x: Any) -> Any:
    # DLMF 10.29.1: I_0' = I_1, I_n' = (I_(n-1) + I_(n+1)) / 2.
    return bessel_i(1, x) if n == 0 else (bessel_i(n - 1, x) + bessel_i(n + 1, x)) * 0.5


bessel_i: Any = elementwise(
    "bessel_i",
    lambda n, x: _bessel(int(n), x),
    [None, _bessel_slope],
    inputs="n x",
    samples=lambda rng: (((n, rng.normal(size=4)), ()) for n in range(3)),
    latex="I_{{{n}}}({x})",
    doc="The modified Bessel function of the first kind of integer order.",
)
