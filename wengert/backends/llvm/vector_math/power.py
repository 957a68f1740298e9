"""Powers and roots as LLVM text: power, cbrt, hypot.

Imports ``vector_text`` and the exponential part. Invariant: the logarithm within a power is carried in two words, with
some 65 bits, since its error is multiplied by the exponent.
"""

from __future__ import annotations

import math

from wengert.backends.llvm.vector_math import exponential
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
    t = z * b.polynomial(z, LOG_TAIL)
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
    if x.kind == "float":
        # In float64 the product needs no second word.
        base, exponent = x.to("double"), y.to("double")
        value = exponential.exp(b, exponential.log(b, abs(base)) * exponent)
        return _completed(b, base, exponent, value).to("float")
    high, low = log_words(b, abs(x))
    p, p_low = b.product(high, y)
    # Far out of range the words are not finite, nor needed.
    p_low = (abs(p) < 1000.0).where(b.fma(low, y, p_low), 0.0)
    p, p_low = b.total(b.most(b.least(p, 1000.0), -1000.0), p_low)
    value, _ = exponential.exp_of_sum(b, p, p_low)
    return _completed(b, x, y, value)


def _completed(b: Body, x: Value, y: Value, value: Value) -> Value:
    plain = (x > 0.0) & (x < math.inf) & (abs(y) < math.inf)
    return b.rarely(~plain, value, lambda: _power_special(b, x, y, value))


def _power_special(b: Body, x: Value, y: Value, value: Value) -> Value:
    # What |x|^y becomes for arguments that are not positive or not finite.
    size, up, ay = abs(x), y > 0.0, abs(y)
    zero, endless = b.constant(x.kind, 0.0), b.constant(x.kind, math.inf)
    value = size.equal(0.0).where(up.where(zero, endless), value)
    value = size.equal(math.inf).where(up.where(endless, zero), value)
    # The sign of odd whole powers; no real power of a negative number else.
    is_whole = b.intrinsic("rint", y).equal(y)
    half = y * 0.5
    odd = is_whole & b.intrinsic("rint", half).differs(half) & (ay < 2.0**53)
    value = ((x < 0.0) & ~is_whole & (x > -math.inf)).where(math.nan, value)
    value = ((x.bits() < 0) & odd).where(-value, value)
    # With y infinite, all depends on whether |x| is above 1 or below.
    grows = (size > 1.0).where(y, -y) > 0.0
    limit = size.equal(1.0).where(1.0, grows.where(endless, zero))
    value = ay.equal(math.inf).where(limit, value)
    value = (x.is_nan() | y.is_nan()).where(x + y, value)
    return (y.equal(0.0) | x.equal(1.0)).where(1.0, value)


CUBE_ROOT = (0.4233082679532364, 1.0479258673986243, -0.8201431553040893, 0.49552071826519795, -0.17217606656956408,
             0.02556364952178943)  # fmt: skip
"""The cube root on [sqrt(1/2), sqrt(2)] to 19 bits."""


def cbrt(b: Body, x: Value) -> Value:
    """The cube root: a polynomial, one step of Halley's, and a correction by what its cube is off."""
    k, f = exponential._positive_parts(b, abs(x))
    third = b.intrinsic("rint", k * (1.0 / 3.0))
    r = k - third * 3.0
    up, down = r > 0.5, r < -0.5
    m = f + 1.0
    y = b.polynomial(m, CUBE_ROOT) * up.where(2.0 ** (1 / 3), down.where(b.constant("double", 0.5 ** (1 / 3)), 1.0))
    m = m * up.where(2.0, down.where(b.constant("double", 0.5), 1.0))
    cube = y * y * y
    y = y * ((cube + m * 2.0) / (cube * 2.0 + m))
    square, error = b.product(y, y)
    off = b.fma(square, y, -m) + error * y
    y = y - off / (square * 3.0)
    scale = power_of_whole(b, third)
    y = y * scale
    return b.copysign((x.equal(0.0) | ~(abs(x) < math.inf)).where(x, y), x)


def power_of_whole(b: Body, n: Value) -> Value:
    """2^n for a whole double n that is an exponent of normal numbers."""
    form = exponential.DOUBLE
    return (((n + form.magic).bits() - (form.magic_bits - form.bias)) << form.mantissa).as_float()


def hypot(b: Body, x: Value, y: Value) -> Value:
    """sqrt(x^2 + y^2), scaled, and corrected by what its square is off."""
    a, c = abs(x), abs(y)
    more = c > a
    high, low = more.where(c, a), more.where(a, c)
    big, small = high > 2.0**500, high < 2.0**-400
    scale = big.where(2.0**-600, small.where(b.constant("double", 2.0**600), 1.0))
    back = big.where(2.0**600, small.where(b.constant("double", 2.0**-600), 1.0))
    high, low = high * scale, low * scale
    p, p_low = b.product(high, high)
    q, q_low = b.product(low, low)
    s, s_low = b.total(p, q)
    root = b.intrinsic("sqrt", s)
    off = b.fma(-root, root, s) + (s_low + (p_low + q_low))
    value = (root + root.equal(0.0).where(0.0, off / (root * 2.0))) * back
    value = (x.is_nan() | y.is_nan()).where(x + y, value)
    return (a.equal(math.inf) | c.equal(math.inf)).where(math.inf, value)


LOG10_2 = float.fromhex("0x1.34413509f79ffp-2"), float.fromhex("-0x1.9dc1da994fd21p-59")
LOG10_E = float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57")
LOG2_E = float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56")


def _short_log_words(b: Body, f: Value) -> tuple[Value, Value]:
    # ln(1 + f) in two words with some 56 bits: f - f^2/2 in two words, and the rest.
    s = f / (f + 2.0)
    z = s * s
    h, h_low = b.product(f * 0.5, f)
    high, low = b.total(f, -h)
    low = low - h_low + s * b.fma(z, b.polynomial(z, exponential.DOUBLE.log), h)
    return b.total(high, low)


def _times(b: Body, high: Value, low: Value, factor: tuple[float, float]) -> tuple[Value, Value]:
    p, p_low = b.product(high, factor[0])
    return p, b.fma(high, factor[1], b.fma(low, factor[0], p_low))


def log2(b: Body, x: Value) -> Value:
    """log2 x; exact for powers of two."""
    k, f = exponential._positive_parts(b, x)
    p, p_low = _times(b, *_short_log_words(b, f), LOG2_E)
    high, low = b.total(k, p)
    return exponential.log_special(b, x, x, high + (low + p_low))


def log10(b: Body, x: Value) -> Value:
    """log10 x."""
    k, f = exponential._positive_parts(b, x)
    p, p_low = _times(b, *_short_log_words(b, f), LOG10_E)
    whole, whole_low = b.product(k, LOG10_2[0])
    high, low = b.total(whole, p)
    return exponential.log_special(b, x, x, high + (low + (p_low + b.fma(k, LOG10_2[1], whole_low))))


def power_log(b: Body, x: Value, y: Value, n: int) -> Value:
    """x^y (ln x)^n, its limit 0 at x = 0 < y."""
    value, factor = power(b, x, y), exponential.log(b, x)
    powers = factor
    for _ in range(n - 1):
        powers = powers * factor
    value = value * powers if n else value
    return (x.equal(0.0) & (y > 0.0)).where(0.0, value)
