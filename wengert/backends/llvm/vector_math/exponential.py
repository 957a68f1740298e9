"""Exponentials and logarithms as LLVM text: exp, expm1, log, log1p, tanh, sigmoid and their kin.

Imports ``vector_text`` only. Arguments are reduced to a short interval without a branch, where a polynomial (our own
near-minimax fits, made by tools/fit_native_functions.py) is evaluated. Invariant: what is rounded before the last
operation is carried along as a second word wherever it would show in the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wengert.backends.llvm.vector_text import Body, Value


@dataclass(frozen=True, slots=True)
class Format:
    """What depends on the format of floats: ``magic`` rounds a small float to a whole number when added (its last
    place is 1); ``ln2_high`` has so few bits that products with exponents are exact."""

    mantissa: int
    bias: int
    magic: float
    magic_bits: int
    ln2_high: float
    ln2_low: float
    root_half: int
    """The bits of sqrt(1/2)."""
    tiny: float
    """The least normal number."""
    exp_high: float
    """The exponential of more is infinite."""
    exp_low: float
    """The exponential of less is 0."""
    exp: tuple[float, ...]
    """(e^r - 1 - r)/r^2 on |r| <= ln(2)/2."""
    exp2: tuple[float, ...]
    """(2^r - 1 - r ln 2)/r^2 on |r| <= 1/2."""
    log: tuple[float, ...]
    """(ln((1+s)/(1-s)) - 2s)/s^3 in s^2, |s| <= 0.1716."""


DOUBLE = Format(
    mantissa=52,
    bias=1023,
    magic=1.5 * 2.0**52,
    magic_bits=0x4338000000000000,
    ln2_high=float.fromhex("0x1.62e42fef00000p-1"),
    ln2_low=float.fromhex("0x1.473de6af278edp-34"),
    root_half=0x3FE6A09E667F3BCD,
    tiny=2.0**-1022,
    exp_high=710.0,
    exp_low=-746.0,
    exp=(0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326025, 0.001388888888888367,
         0.00019841269875205077, 2.4801587325822283e-05, 2.75572549134867e-06, 2.7557273295539724e-07,
         2.5105419192016337e-08, 2.091483135138041e-09),
    exp2=(0.24022650695910072, 0.0555041086648216, 0.009618129107628479, 0.001333355814641675, 0.00015403530393375822,
          1.5252733830147138e-05, 1.3215486803057882e-06, 1.0178062256646543e-07, 7.054899862722409e-09,
          4.4549983631048684e-10, 2.5725267506017277e-11),
    log=(0.666666666666667, 0.39999999999899505, 0.28571428625975487, 0.2222221113479508, 0.18182889125261723,
         0.15331721600556042, 0.14616449685043406),
)  # fmt: skip
SINGLE = Format(
    mantissa=23,
    bias=127,
    magic=1.5 * 2.0**23,
    magic_bits=0x4B400000,
    ln2_high=float.fromhex("0x1.62e400p-1"),
    ln2_low=float.fromhex("0x1.7f7d1cf79abcap-20"),
    root_half=0x3F3504F3,
    tiny=2.0**-126,
    exp_high=89.0,
    exp_low=-104.0,
    exp=(0.5, 0.1666666716337204, 0.041666463017463684, 0.00833331048488617, 0.0013933820882812142,
         0.00019891180272679776),
    exp2=(0.24022650718688965, 0.05550410971045494, 0.009618082083761692, 0.0013333521783351898, 0.0001545336126582697,
          1.529110159026459e-05),
    log=(0.6666666865348816, 0.4000012278556824, 0.2855082154273987, 0.2333046793937683),
)  # fmt: skip
LOG2_E = 1.4426950408889634
LN_2 = float.fromhex("0x1.62e42fefa39efp-1")
LN_2_TAIL = float.fromhex("0x1.abc9e3b39803fp-56")


def format_of(x: Value) -> Format:
    """The constants for the format of ``x``."""
    return DOUBLE if x.kind == "double" else SINGLE


def power_of_two(b: Body, n: Value) -> Value:
    """2^n for an integer n among the exponents of normal numbers."""
    f = DOUBLE if n.kind == "i64" else SINGLE
    return ((n + f.bias) << f.mantissa).as_float()


def scaled(b: Body, x: Value, n: Value) -> Value:
    """``x 2^n`` for |x| near 1 and n as far out as exp needs; only the last product rounds."""
    half = n >> 1
    return x * power_of_two(b, half) * power_of_two(b, n - half)


def reduced(b: Body, x: Value) -> tuple[Value, Value, Value]:
    """n, r and the rounding error of r, so that ``x = n ln 2 + r``, |r| <= ln(2)/2."""
    f = format_of(x)
    shifted = b.fma(x, LOG2_E, f.magic)
    n = shifted.bits() - f.magic_bits
    whole = shifted - f.magic
    high = b.fma(whole, -f.ln2_high, x)
    r = b.fma(whole, -f.ln2_low, high)
    return n, r, b.fma(whole, -f.ln2_low, high - r)


def exp(b: Body, x: Value) -> Value:
    """e^x."""
    f = format_of(x)
    n, r, _ = reduced(b, b.most(b.least(x, f.exp_high), f.exp_low))
    return scaled(b, b.fma(r * r, b.polynomial(r, f.exp), r) + 1.0, n)


def exp_words(b: Body, x: Value) -> tuple[Value, Value]:
    """e^x and its rounding error, as far as it is not below the least numbers."""
    f = format_of(x)
    n, r, error = reduced(b, b.most(b.least(x, f.exp_high), f.exp_low))
    tail = b.fma(r * r, b.polynomial(r, f.exp), r)
    one = b.constant(x.kind, 1.0)
    high, low = b.total(one, tail)
    return scaled(b, high, n), scaled(b, low + error, n)


def exp_of_sum(b: Body, high: Value, low: Value) -> tuple[Value, Value]:
    """e^(high + low), high being the rounded sum, and its rounding error."""
    f = format_of(high)
    n, r, error = reduced(b, b.most(b.least(high, f.exp_high), f.exp_low))
    r, error = b.exact_sum(r, error + low)
    tail = b.fma(r * r, b.polynomial(r, f.exp), error)
    first, rest = b.total(b.constant(high.kind, 1.0), r)
    value, last = b.total(first, rest + tail)
    return scaled(b, value, n), scaled(b, last, n)


def exp2(b: Body, x: Value) -> Value:
    """2^x."""
    f = format_of(x)
    x = b.most(b.least(x, f.bias + 2.0), -f.bias - f.mantissa - 2.0)
    shifted = x + f.magic
    r = x - (shifted - f.magic)
    linear, error = b.product(r, LN_2)
    tail = b.fma(r * r, b.polynomial(r, f.exp2), b.fma(r, LN_2_TAIL, error))
    return scaled(b, (linear + tail) + 1.0, shifted.bits() - f.magic_bits)


def expm1_words(b: Body, x: Value) -> tuple[Value, Value, Value]:
    """Two words whose sum is ``(e^x - 1)/t``, and t: 1, or more where 2^n alone would overflow. For x >= -40."""
    f = format_of(x)
    n, r, error = reduced(b, x)
    # Beyond the exponents of normal numbers the rest of the scale stays apart.
    top = b.constant(n.kind, f.bias)
    capped = (n > f.bias).where(top, n)
    t = power_of_two(b, n - capped)
    n = capped
    s = power_of_two(b, n)
    less_one = s - 1.0
    high = b.fma(s, r, less_one)
    # |s - 1| >= |s r| or s - 1 = 0: the error of the sum is exact.
    low = b.fma(s, r, less_one - high)
    tail = b.fma(r * r, b.polynomial(r, f.exp), error)
    return high, b.fma(s, tail, low), t


def expm1(b: Body, x: Value) -> Value:
    """e^x - 1."""
    f = format_of(x)
    high, low, t = expm1_words(b, b.most(b.least(x, f.exp_high), -40.0))
    return b.copysign((high + low) * t, x)


def _expm1_of_negative(b: Body, x: Value) -> tuple[Value, Value]:
    # Two words (rounded sum and the rest) of e^x - 1 for -40 <= x <= 0: no overflow to look after.
    f = format_of(x)
    n, r, error = reduced(b, x)
    s = power_of_two(b, n)
    less_one = s - 1.0
    high = b.fma(s, r, less_one)
    low = b.fma(s, r, less_one - high) + (s - (less_one + 1.0))
    low = b.fma(s, b.fma(r * r, b.polynomial(r, f.exp), error), low)
    return b.total(high, low)


def quotient(b: Body, high: Value, low: Value | float, d_high: Value, d_low: Value) -> tuple[Value, Value]:
    """Two words of ``(high + low)/(d_high + d_low)`` with one division."""
    inverse = 1.0 / d_high
    q = high * inverse
    return q, (b.fma(-q, d_high, high) + (low - q * d_low)) * inverse


def tanh(b: Body, x: Value) -> Value:
    """(e^2x - 1)/(e^2x + 1), by way of -2|x|, where e^x - 1 stays within (-1, 0]."""
    high, low = _expm1_of_negative(b, b.most(abs(x) * -2.0, -40.0))
    d_high, d_low = b.total(b.constant(x.kind, 2.0), high)
    q, rest = quotient(b, high, low, d_high, d_low + low)
    return b.copysign(q + rest, x)


def split(b: Body, x: Value) -> tuple[Value, Value]:
    """The exponent field e and m with ``x = m 2^(e - bias)``, sqrt(1/2) <= m < sqrt(2), for a positive normal x."""
    f = format_of(x)
    one = f.bias << f.mantissa
    raised = x.bits() + (one - f.root_half)
    m = (raised & ((1 << f.mantissa) - 1)) + f.root_half
    return raised.logical_shift(f.mantissa), m.as_float()


def exponent(b: Body, field: Value, up: tuple[Value, int] | None = None) -> Value:
    """A field of an exponent as a float without its bias; where ``up[0]`` holds, it is ``up[1]`` too large."""
    f = DOUBLE if field.kind == "i64" else SINGLE
    carrier = 2.0**f.mantissa  # its last place is 1
    number = (field | ((f.bias + f.mantissa) << f.mantissa)).as_float()
    if up is None:
        return number - (carrier + f.bias)
    return number - up[0].where(b.constant(number.kind, carrier + f.bias + up[1]), carrier + f.bias)


def log_of_parts(b: Body, k: Value, f: Value, error: Value | None = None) -> Value:
    """``k ln 2 + ln(1 + f + error)`` for 1 + f within [sqrt(1/2), sqrt(2)]: with s = f/(2 + f), h = f^2/2, this is
    k ln 2 + f - (h - s (h + R(s^2)))."""
    form = format_of(f)
    s = f / (f + 2.0)
    z = s * s
    h = f * f * 0.5
    correction = s * b.fma(z, b.polynomial(z, form.log), h)
    if error is not None:
        correction = correction + error
    inner = b.fma(k, form.ln2_low, correction)
    return b.fma(k, form.ln2_high, f - (h - inner))


def _positive_parts(b: Body, x: Value) -> tuple[Value, Value]:
    # k and f with x = 2^k (1 + f); denormals are scaled up first.
    form = format_of(x)
    small = x < form.tiny
    up = form.mantissa + 2
    field, m = split(b, small.where(x * 2.0**up, x))
    return exponent(b, field, (small, up)), m - 1.0


def log_special(b: Body, x: Value, zero: Value | float, result: Value) -> Value:
    """``result`` with what a logarithm gives where ``x`` is infinite or NaN, ``zero`` is 0 (its pole) or less."""
    zero = b.lift(x.kind, zero)
    edge = zero.equal(0.0).where(-math.inf, (zero < 0.0).where(math.nan, x))
    return ((zero > 0.0) & (x < math.inf)).where(result, edge)


def log(b: Body, x: Value) -> Value:
    """ln x."""
    k, f = _positive_parts(b, x)
    return log_special(b, x, x, log_of_parts(b, k, f))


def log1p_words(b: Body, x: Value, low: Value | None = None) -> Value:
    """ln(1 + x + low), finite and positive what is in the brackets."""
    form = format_of(x)
    far, down = 2.0 ** (form.bias - form.bias // 3), form.bias // 2
    huge = x > far
    x = huge.where(x * 2.0**-down, x)
    field, _ = split(b, x + 1.0)
    k = exponent(b, field, (huge, -down))
    # 1 + f = s (1 + x) with s = 2^-k, free of the rounding of 1 + x.
    s = ((2 * form.bias - field) << form.mantissa).as_float()
    less_one = s - 1.0
    f = b.fma(s, x, less_one)
    error = b.fma(s, x, less_one - f)
    if low is not None:
        error = b.fma(s, huge.where(low * 2.0**-down, low), error)
    return log_of_parts(b, k, f, error)


def log1p(b: Body, x: Value) -> Value:
    """ln(1 + x)."""
    result = log_special(b, x, x + 1.0, log1p_words(b, x))
    return b.copysign(result, x)


def sigmoid(b: Body, x: Value) -> Value:
    """1/(1 + e^-x), the exponential taken of -|x|."""
    e, low = exp_words(b, -abs(x))
    one = b.constant(x.kind, 1.0)
    d, d_low = b.total(one, e)
    left = x < 0.0
    q, rest = quotient(b, left.where(e, one), left.where(low, 0.0), d, d_low + low)
    return q + rest


def softplus(b: Body, x: Value) -> Value:
    """ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|)."""
    return log1p_words(b, *exp_words(b, -abs(x))) + (x < 0.0).where(0.0, x)
