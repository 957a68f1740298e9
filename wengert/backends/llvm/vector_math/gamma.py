"""The digamma function as LLVM text.

Imports ``vector_text``, the exponential and the trigonometric part. Invariant: the error is below 8 units in the last
place of max(1, |psi|); near the zeros of psi no more is known of it.
"""

from __future__ import annotations

import math

from wengert.backends.llvm.vector_math import exponential, trigonometric
from wengert.backends.llvm.vector_text import Body, Value

SHIFT = 10
"""From here on the asymptotic series has converged."""
SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160, 43867 / 14364)
"""B_2k/(2k), k = 1, 2, ... (DLMF 5.11.2)."""


def digamma(b: Body, x: Value) -> Value:
    """psi(x): by recurrence upwards and the asymptotic series, and by reflection for x <= 0."""
    left = x <= 0.0
    y = left.where(1.0 - x, x)
    low = y < float(SHIFT)
    # sum 1/(y + k) = p'/p with p = y (y + 1) ... (y + SHIFT - 1); above SHIFT nothing is added.
    near = low.where(y, 1.0)
    p, slope = near, b.constant(x.kind, 1.0)
    for k in range(1, SHIFT):
        factor = near + float(k)
        slope = b.fma(slope, factor, p)
        p = p * factor
    added = low.where(slope / p, 0.0)
    far = low.where(y + float(SHIFT), y)
    inverse = 1.0 / far
    z = inverse * inverse
    value = exponential.log(b, far) - b.fma(inverse, 0.5, z * b.polynomial(z, SERIES))
    value = value - added
    # psi(x) = psi(1 - x) - pi cot(pi x), the cotangent from the distance to the nearest pole; there it is NaN.
    r = left.where(x - b.intrinsic("rint", x), 0.25)
    cosine = trigonometric.sin(b, (0.5 - abs(r)) * math.pi)
    turned = value - cosine / trigonometric.sin(b, r * math.pi) * math.pi
    value = left.where(r.equal(0.0).where(math.nan, turned), value)
    return x.equal(math.inf).where(math.inf, value)


__all__ = ["digamma"]
