"""Powers and roots as LLVM text: power, cbrt, hypot.

Imports ``vector_text`` and the exponential part. Invariant: the logarithm within a power is carried in two words, with
some 65 bits, since its error is multiplied by the exponent.
"""

from __future__ import annotations

import math

from wengert.backends.llvm import vector_math_exponential as exponential
from wengert.backends.llvm.vector_text import Body, Value

LOG_TAIL = (0.4, 0.28571428571429364, 0.22222222221656232, 0.18181818335314404, 0.15384594970895457,
            0.13334804238225345, 0.11706248540922386, 0.11723051028097753)  # fmt: skip
"""(ln((1+s)/(1-s)) - 2s - 2s^3/3)/s^5 in s^2, |s| <= 0.1716."""
TWO_THIRDS, TWO_THIRDS_TAIL = 2.0 / 3.0, float.fromhex("0x1.5555555555555p-55")
LN_2, LN_2_TAIL = float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56")


def log_words(b: Body, x: Value) -> tuple[Value, Value]:
    """ln x in two words, for positive finite x (float64): with s = (m - 1)/(m + 1),
    ln m = 2s + 2/3 s^3 + s^5 T(s^2)."""
    k, f = exponential._positive_parts(b, x)
    d, d_low = b.total(b.constant("double", 2.0), f)
    s, s_low = exponential.quotient(b, f, 0.0, d, d_low)
    s, s_low = b.total(s, s_low)
    z, z_low = b.product(s, s)
    z_low = b.fma(s * 2.0, s_low, z_low)
    # c = 2/3 + z T(z) in two words, then s^3 c
    t = z * b.horner(z, LOG_TAIL)
    c, c_low = b.total(b.constant("double", TWO_THIRDS), t)
    c_low = c_low + TWO_THIRDS_TAIL
    u, u_low = b.product(z, c)
    u_low = b.fma(z, c_low, b.fma(z_low, c, u_low))
    v, v_low = b.product(u, s)
    v_low = b.fma(u, s_low, b.fma(u_low, s, v_low))
    # k ln 2 + 2s + v
    whole, whole_low = b.product(k, LN_2)
    whole_low = b.fma(k, LN_2_TAIL, whole_low)
    first, first_low = b.total(s * 2.0, v)
    first_low = first_low + b.fma(s_low, 2.0, v_low)
    high, low = b.exact_sum(whole, first)
    return b.total(high, low + (whole_low + first_low))


def power(b: Body, x: Value, y: Value) -> Value:
    """x^y as IEEE 754 has it."""
    size = abs(x)
    high, low = log_words(b, size)
    # Beyond 2^20 in size the product is far out of range: keep its words finite.
    bounded = b.most(b.least(y, 2.0**66), -(2.0**66))
    p, p_low = b.product(high, bounded)
    p_low = b.fma(low, bounded, p_low)
    p, p_low = b.total(p, p_low)
    far = abs(p) > 1000.0
    value = exponential.exp_of_sum(b, p, far.where(0.0, p_low))
    # Poles and zeros of |x|: 0 and infinity, and y infinite.
    y_up = y > 0.0
    zero, endless = size.equal(0.0), size.equal(math.inf)
    value = zero.where(y_up.where(b.constant(x.kind, 0.0), math.inf), value)
    value = endless.where(y_up.where(b.constant(x.kind, math.inf), 0.0), value)
    # The sign of odd whole powers; no real power of a negative number else.
    ay = abs(y)
    is_whole = b.intrinsic("rint", y).equal(y)
    half = y * 0.5
    odd = is_whole & b.intrinsic("rint", half).differs(half) & (ay < 2.0**53)
    negative = x.bits() < 0
    value = ((x < 0.0) & ~is_whole & (x > -math.inf)).where(math.nan, value)
    value = (negative & odd).where(-value, value)
    value = (x.is_nan() | y.is_nan()).where(x + y, value)
    # |x| < 1 or > 1 with y infinite
    grows = (size > 1.0).where(y, -y)
    limit = size.equal(1.0).where(1.0, (grows > 0.0).where(b.constant(x.kind, math.inf), 0.0))
    value = (ay.equal(math.inf) & size.equal(size)).where(limit, value)
    return (y.equal(0.0) | x.equal(1.0)).where(1.0, value)
