"""Hyperbolic functions and their inverses, and sums of logarithms, as LLVM text.

Imports ``vector_text``, the exponential part and its two-word logarithm. Invariant: arguments of e^x - 1 and
ln(1 + x) come and go in two words, so that results stay within a unit or so in the last place.
"""

from __future__ import annotations

import math

from wengert.backends.llvm.vector_math import exponential
from wengert.backends.llvm.vector_text import Body, Value

LN_2, LOG2_E = exponential.LN_2, exponential.LOG2_E
LARGE = 2.0**60
"""Beyond this, and in float32 too, 1 does not count beside x^2."""


def _grown(b: Body, x: Value) -> tuple[Value, Value, Value]:
    # (e^|x| - 1)/t in two words and t, a power of two; beyond 711 all is infinite.
    high, low, t = exponential.expm1_words(b, b.least(abs(x), exponential.format_of(x).exp_high + 1.0))
    high, low = b.total(high, low)
    return high, low, t


def sinh(b: Body, x: Value) -> Value:
    """With E = e^|x| - 1: (E + E/(E + 1))/2."""
    high, low, t = _grown(b, x)
    d, d_low = b.exact_sum(high, b.constant(x.kind, 1.0))
    q, rest = exponential.quotient(b, high, low, d, d_low + low)
    size = (high + (q + (low + rest))) * 0.5 * t
    return b.copysign(size, x)


def cosh(b: Body, x: Value) -> Value:
    """With E = e^|x| - 1: (E + 1 + 1/(E + 1))/2."""
    high, low, t = _grown(b, x)
    d, d_low = b.exact_sum(high, b.constant(x.kind, 1.0))
    d, d_low = b.total(d, d_low + low)
    return (d + (1.0 / d + d_low)) * 0.5 * t


def _root(b: Body, high: Value, low: Value) -> tuple[Value, Value]:
    # The square root of a sum in two words; of 0, both are 0.
    root = b.intrinsic("sqrt", high)
    error = b.fma(-root, root, high) + low
    return root, root.equal(0.0).where(0.0, error / (root * 2.0))


def arcsinh(b: Body, x: Value) -> Value:
    """ln(1 + (|x| + (sqrt(1 + x^2) - 1))), with the sign of x."""
    size = abs(x)
    far = size > LARGE
    near = far.where(1.0, size)
    p, p_low = b.product(near, near)
    one = b.constant(x.kind, 1.0)
    h, h_low = b.exact_sum(one, p)
    root, root_low = _root(b, h, h_low + p_low)
    less_one, error = b.exact_sum(root - 1.0, root_low)
    u, u_low = b.exact_sum(near, less_one)
    value = exponential.log1p_words(b, far.where(size, u), far.where(0.0, u_low + error))
    value = far.where(value + LN_2, value)
    # x - x^3/6 + ...: below 2^-30 the words above hold too little of x, beyond infinity nothing.
    value = ((size > 2.0**-30) & (size < math.inf)).where(value, size)
    return b.copysign(value, x)


def arccosh(b: Body, x: Value) -> Value:
    """ln(1 + ((x - 1) + sqrt(x^2 - 1))) for x >= 1."""
    far = x > LARGE
    near = far.where(2.0, x)
    p, p_low = b.product(near, near)
    less = b.constant(x.kind, -1.0)
    h, h_low = b.exact_sum(p, less)
    h, h_low = b.total(h, h_low + p_low)
    root, root_low = _root(b, h, h_low)
    v, v_low = b.exact_sum(near, less)
    u, u_low = b.exact_sum(v, root)
    u, u_low = b.total(u, u_low + (v_low + root_low))
    value = exponential.log1p_words(b, far.where(x, u), far.where(0.0, u_low))
    value = far.where(value + LN_2, value)
    return exponential.log_special(b, x, (x < 1.0).where(-1.0, x), value)


def arctanh(b: Body, x: Value) -> Value:
    """ln(1 + 2|x|/(1 - |x|))/2 with the sign of x."""
    size = abs(x)
    d, d_low = b.exact_sum(b.constant(x.kind, 1.0), -size)
    inside = size < 1.0
    q, rest = exponential.quotient(b, size * 2.0, 0.0, inside.where(d, 1.0), inside.where(d_low, 0.0))
    value = exponential.log1p_words(b, q, rest) * 0.5
    edge = size.equal(1.0).where(math.inf, x - x + math.nan)
    value = inside.where(value, edge)
    # Half of the least numbers and back: x + x^3/3 is x there.
    return b.copysign((size < 2.0**-30).where(size, value), x)


def logaddexp(b: Body, x: Value, y: Value) -> Value:
    """max(x, y) + ln(1 + e^-|x - y|); of two equal ones, infinite ones too, x + ln 2."""
    value = exponential.log1p_words(b, *exponential.exp_words(b, -abs(x - y)))
    # The second where they are not ordered: a NaN is in the difference as well.
    return x.equal(y).where(x + LN_2, (x > y).where(x, y) + value)


def logaddexp2(b: Body, x: Value, y: Value) -> Value:
    """max(x, y) + log2(1 + 2^-|x - y|)."""
    value = exponential.log1p_words(b, exponential.exp2(b, -abs(x - y)))
    return x.equal(y).where(x + 1.0, b.fma(value, LOG2_E, (x > y).where(x, y)))


def log_sigmoid(b: Body, x: Value) -> Value:
    """-ln(1 + e^-x) = min(x, 0) - ln(1 + e^-|x|)."""
    value = exponential.log1p_words(b, *exponential.exp_words(b, -abs(x)))
    return (x > 0.0).where(0.0, x) - value


__all__ = ["arccosh", "arcsinh", "arctanh", "cosh", "log_sigmoid", "logaddexp", "logaddexp2", "sinh"]
