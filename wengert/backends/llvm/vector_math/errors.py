"""The error function and its complement as LLVM text.

Imports ``vector_text`` and the exponential part. For x >= 0, erfc x = e^(-x^2) g(t)/(1 + 2x) with t = (x - 4)/(x + 4)
and a polynomial g on [-1, 0.75] (the transformation of Shepherd and Laframboise, 1981; the coefficients are our own).
Invariant: e^(-x^2) is taken of the square in two words.
"""

from __future__ import annotations

from wengert.backends.llvm.vector_math import exponential
from wengert.backends.llvm.vector_text import Body, Value

SCALED = (1.2329951186255526, -0.1396211168405629, 0.01537965210262074, 0.06809705425473732, -0.10103906603635213,
          0.09373283499679412, -0.06633036581152939, 0.03716751556249286, -0.016197734059115006, 0.005031969755895426,
          -0.00075777334141333, -0.00019925550755614952, 0.000150622243948303, -2.4403169244974074e-05,
          -1.1224789135154701e-05, 5.7178872846321855e-06, 3.0135049944875397e-07, -8.351619688696847e-07,
          6.270727157198311e-08, 1.1534943745754157e-07, -7.71541861441783e-09, -1.3670989863347383e-08,
          -1.8206098680308682e-09)  # fmt: skip
"""(1 + 2x) e^(x^2) erfc x in t."""
NEAR = (0.1283791670955126, -0.37612638903183754, 0.1128379167095512, -0.02686617064512984, 0.0052239776254232985,
        -0.000854832702193483, 0.00012055332902888736, -1.4925647567519332e-05, 1.6462045441468418e-06,
        -1.6364642158167616e-07, 1.4792401209404813e-08, -1.216456005728345e-09, 8.709045129053106e-11,
        -4.230945824295338e-12)  # fmt: skip
"""erf x / x - 1 in x^2, |x| <= 1."""
SCALED_TAIL = -4.625318921008717e-17
"""What its first coefficient lacks."""
FAR = 28.0
"""Beyond this erfc is 0."""


def _far(b: Body, size: Value) -> Value:
    # erfc of 0 <= size <= 28
    d, d_low = b.exact_sum(size, b.constant(size.kind, 4.0))
    t, t_low = exponential.quotient(b, size - 4.0, 0.0, d, d_low)
    value, value_low = b.total(b.constant(size.kind, SCALED[0]), t * b.polynomial(t, SCALED[1:]))
    w, w_low = b.exact_sum(size * 2.0, b.constant(size.kind, 1.0))
    q, rest = exponential.quotient(b, value, b.fma(t_low, SCALED[1], value_low) + SCALED_TAIL, w, w_low)
    square, error = b.product(size, size)
    e, e_low = exponential.exp_of_sum(b, -square, -error)
    return b.fma(e, q, b.fma(e, rest, e_low * q))


def _near(b: Body, x: Value) -> tuple[Value, Value]:
    # erf of |x| <= 1 as x and the rest
    z = x * x
    return x, x * b.polynomial(z, NEAR)


def erf(b: Body, x: Value) -> Value:
    """erf x."""
    size = b.least(abs(x), FAR)
    head, rest = _near(b, size)
    return b.copysign((size < 1.0).where(head + rest, 1.0 - _far(b, size)), x)


def erfc(b: Body, x: Value) -> Value:
    """1 - erf x."""
    size = b.least(abs(x), FAR)
    head, rest = _near(b, x)
    far = _far(b, size)
    far = (x < 0.0).where(2.0 - far, far)
    near = (0.5 - head) + (0.5 - rest)
    return ((x < 0.5) & (x > -1.0)).where(near, far)


__all__ = ["erf", "erfc"]
