"""Inverse trigonometric functions as LLVM text.

Imports ``vector_text`` and the exponential part (for quotients in two words). Invariant: angles are put together from
multiples of pi/4 in two words and a small rest.
"""

from __future__ import annotations

import math

from wengert.backends.llvm.vector_math.exponential import quotient
from wengert.backends.llvm.vector_text import Body, Value

ARCTAN = (-0.3333333333333333, 0.19999999999999804, -0.14285714285659729, 0.11111111105145725, -0.09090908753017178,
          0.07692296361048218, -0.06666424634599337, 0.05878926110528101, -0.052304330074828924, 0.0455149623749493,
          -0.034568068014968874, 0.016282993238924487)  # fmt: skip
"""(arctan t - t)/t^3 in t^2, |t| <= tan(pi/8)."""
ARCSIN = (0.16666666666666669, 0.07499999999998425, 0.04464285714637338, 0.030381944137085216, 0.022372173002005596,
          0.017352391265909227, 0.013971235301124539, 0.011478952690257387, 0.010324318288744113, 0.00545087818772055,
          0.017419357964884856, -0.014881409392818066, 0.02877844261259304)  # fmt: skip
"""(arcsin s - s)/s^3 in s^2, |s| <= 1/2."""
TAN_EIGHTH = math.tan(math.pi / 8)
QUARTER, QUARTER_TAIL = float.fromhex("0x1.921fb54442d18p-1"), float.fromhex("0x1.1a62633145c07p-55")
"""pi/4 in two words."""


def _angle(b: Body, y: Value, x: Value, left: Value | None) -> Value:
    # arctan(y/x) for 0 <= y, x, not both 0, neither infinite; pi minus that where ``left``.
    # With l <= h the two in order and t = l/h, or (l - h)/(l + h) = tan(angle - pi/4) beyond tan(pi/8), the angle is
    # k pi/4 +- arctan t.
    steep = y > x
    low, high = steep.where(x, y), steep.where(y, x)
    middle = low > high * TAN_EIGHTH
    zero = b.constant(x.kind, 0.0)
    sum_high, sum_low = b.total(high, low)
    gap, gap_low = b.total(-high, low)
    numerator, rest = middle.where(gap, low), middle.where(gap_low, zero)
    divisor, divisor_low = middle.where(sum_high, high), middle.where(sum_low, zero)
    t, t_low = quotient(b, numerator, rest, divisor, divisor_low)
    # k and the sign: reflected at pi/4 where steep, at pi/2 where left.
    k = middle.where(b.constant(x.kind, 1.0), 0.0)
    k = steep.where(2.0 - k, k)
    down = steep
    if left is not None:
        k = left.where(4.0 - k, k)
        down = steep ^ left
    t, t_low = down.where(-t, t), down.where(-t_low, t_low)
    base, base_low = b.product(k, QUARTER)
    z = t * t
    tail = b.fma(z * t, b.polynomial(z, ARCTAN), t_low + b.fma(k, QUARTER_TAIL, base_low))
    head, head_low = b.total(base, t)
    return head + (head_low + tail)


def arctan(b: Body, x: Value) -> Value:
    """arctan x, as the angle of (1, |x|)."""
    angle = _angle(b, b.least(abs(x), 1e300), b.constant(x.kind, 1.0), None)
    return b.copysign(angle, x)


def arctan2(b: Body, y: Value, x: Value) -> Value:
    """The angle of the point (x, y)."""
    up, right = abs(y), abs(x)
    big = (up > right).where(up, right)
    # Infinite coordinates count as 1 beside finite ones, which count as 0; two zeros are the point (1, 0).
    endless = big.equal(math.inf)
    up = endless.where(up.equal(math.inf).where(b.constant(x.kind, 1.0), 0.0), up)
    right = endless.where(right.equal(math.inf).where(b.constant(x.kind, 1.0), 0.0), right)
    right = big.equal(0.0).where(1.0, right)
    # Sums must not overflow, nor inverses.
    scale = (big > 2.0**1000).where(2.0**-200, (big < 2.0**-500).where(b.constant(x.kind, 2.0**400), 1.0))
    scale = endless.where(1.0, big.equal(0.0).where(1.0, scale))
    angle = _angle(b, up * scale, right * scale, x.bits() < 0)
    return (x.is_nan() | y.is_nan()).where(x + y, b.copysign(angle, y))


def _arc_of_half(b: Body, x: Value) -> tuple[Value, Value, Value, Value]:
    # Whether |x| > 1/2; s = sqrt((1 - |x|)/2) there, else |x|; its rounding error; and arcsin(s) - s.
    size = abs(x)
    big = size > 0.5
    z = big.where(0.5 - size * 0.5, size * size)
    root = b.intrinsic("sqrt", z)
    error = b.fma(-root, root, z) / (root * 2.0)
    error = (big & (root > 0.0)).where(error, 0.0)
    s = big.where(root, size)
    return big, s, error, b.fma(z * s, b.polynomial(z, ARCSIN), error)


def arcsin(b: Body, x: Value) -> Value:
    """arcsin |x|, or pi/2 - 2 arcsin(sqrt((1 - |x|)/2)), with the sign of x."""
    big, s, _, tail = _arc_of_half(b, x)
    head, low = b.total(b.constant(x.kind, QUARTER * 2.0), s * -2.0)
    far = head + (low + b.fma(tail, -2.0, QUARTER_TAIL * 2.0))
    return b.copysign(big.where(far, s + tail), x)


def arccos(b: Body, x: Value) -> Value:
    """pi/2 - arcsin x, or 2 arcsin(sqrt((1 - |x|)/2)), taken from pi for negative x."""
    big, s, _, tail = _arc_of_half(b, x)
    negative = x < 0.0
    signed, signed_tail = negative.where(s, -s), negative.where(tail, -tail)
    # Near 0: pi/2 -+ (s + tail). Near 1: 2 (s + tail). Near -1: pi - 2 (s + tail).
    twice = negative.where(s * -2.0, s * 2.0)
    twice_tail = negative.where(tail * -2.0, tail * 2.0)
    base = big.where(negative.where(b.constant(x.kind, QUARTER * 4.0), 0.0), QUARTER * 2.0)
    base_low = big.where(negative.where(b.constant(x.kind, QUARTER_TAIL * 4.0), 0.0), QUARTER_TAIL * 2.0)
    head, low = b.total(base, big.where(twice, signed))
    return head + (low + (base_low + big.where(twice_tail, signed_tail)))


__all__ = ["arccos", "arcsin", "arctan", "arctan2"]
