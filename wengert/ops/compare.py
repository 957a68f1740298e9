"""Operations whose derivative is zero wherever it exists: comparisons, predicates, rounding, and
the searches for an index.

Imports core and the makers. Invariant: in an ordinary gradient these return NumPy's plain booleans
and integers.
"""

from __future__ import annotations

import math
import operator as python
from typing import Any

import numpy as np

from wengert.core.types import ArrayType
from wengert.ops.kinds import constant


def _tie(values: Any, params: Any, y: Any) -> Any:
    # Where the two sides are equal the program may be about to switch between branches.
    return np.equal(values[0], values[1])


def _zero(values: Any, params: Any, y: Any) -> Any:
    return np.equal(values[0], 0)


def _whole(values: Any, params: Any, y: Any) -> Any:
    return np.equal(values[0], y)


def _whole_but_zero(values: Any, params: Any, y: Any) -> Any:
    return np.logical_and(np.equal(values[0], y), np.not_equal(y, 0))


def _half(x: Any) -> Any:
    if np.iscomplexobj(x):
        return np.logical_or(_half(np.real(x)), _half(np.imag(x)))
    return np.equal(np.abs(np.asarray(x) - np.trunc(x)), 0.5)


less = constant("less", python.lt, inputs="a b", expression="a < b", kink=_tie, doc="`a < b`.")
less_equal = constant(
    "less_equal", python.le, inputs="a b", expression="a <= b", kink=_tie, doc="`a <= b`."
)
greater = constant(
    "greater", python.gt, inputs="a b", expression="a > b", kink=_tie, doc="`a > b`."
)
greater_equal = constant(
    "greater_equal", python.ge, inputs="a b", expression="a >= b", kink=_tie, doc="`a >= b`."
)
equal = constant("equal", python.eq, inputs="a b", expression="a == b", kink=_tie, doc="`a == b`.")
not_equal = constant(
    "not_equal", python.ne, inputs="a b", expression="a != b", kink=_tie, doc="`a != b`."
)
logical_and = constant(
    "logical_and", np.logical_and, inputs="a b", doc="`a and b`, element by element."
)
logical_or = constant(
    "logical_or", np.logical_or, inputs="a b", doc="`a or b`, element by element."
)
logical_xor = constant("logical_xor", np.logical_xor, inputs="a b", doc="Exactly one of `a`, `b`.")
logical_not = constant("logical_not", np.logical_not, doc="`not x`.")
bitwise_and = constant("bitwise_and", python.and_, inputs="a b", expression="a & b", doc="`a & b`.")
bitwise_or = constant("bitwise_or", python.or_, inputs="a b", expression="a | b", doc="`a | b`.")
bitwise_xor = constant("bitwise_xor", python.xor, inputs="a b", expression="a ^ b", doc="`a ^ b`.")
left_shift = constant("left_shift", python.lshift, inputs="a b", expression="a << b", doc="`a << b`.")
right_shift = constant("right_shift", python.rshift, inputs="a b", expression="a >> b", doc="`a >> b`.")
gcd = constant("gcd", np.gcd, inputs="a b", doc="The greatest common divisor of integers.")
lcm = constant("lcm", np.lcm, inputs="a b", doc="The least common multiple of integers.")
bitwise_count = constant("bitwise_count", np.bitwise_count, doc="The bits of an integer that are set.")
invert = constant("invert", python.invert, expression="~x", doc="`~x`.")

isnan = constant("isnan", np.isnan, doc="Is it not a number?")
isinf = constant("isinf", np.isinf, doc="Is it infinite?")
isfinite = constant("isfinite", np.isfinite, doc="Is it finite?")
signbit = constant("signbit", np.signbit, kink=_zero, doc="Is the sign bit set?")
sign = constant("sign", np.sign, kink=_zero, doc="The sign of a real number: -1, 0 or 1.")
floor = constant("floor", np.floor, kink=_whole, doc="The largest integer not above `x`.")
ceil = constant("ceil", np.ceil, kink=_whole, doc="The smallest integer not below `x`.")
trunc = constant("trunc", np.trunc, kink=_whole_but_zero, doc="`x` without its fraction.")
rint = constant(
    "rint", np.rint, kink=lambda v, p, y: _half(v[0]), doc="The nearest integer, halves to even."
)
rounded = constant(
    "round",
    np.round,
    params={"decimals": 0},
    kink=lambda v, p, y: _half(v[0] * 10.0 ** p[0]),
    doc="Rounded to a number of decimals, halves to even.",
)
whole: Any = constant(
    "whole",
    lambda x, dtype: np.asarray(x).astype(dtype)[()],
    params={"dtype": np.dtype(int)},
    infer=lambda types, params: ArrayType(types[0].shape, params[0]),
    batch=lambda values, mask, params: whole(values[0], params[0]),
    kink=_whole_but_zero,
    doc="`x` as an array of integers or truth values takes it: without its fraction.",
    samples=lambda rng: [((rng.normal(size=(2, 3)) * 4,), (np.dtype(int),))],
)
floor_divide = constant(
    "floor_divide",
    python.floordiv,
    inputs="a b",
    expression="a // b",
    kink=lambda v, p, y: np.equal(np.remainder(v[0], v[1]), 0),
    doc="`floor(a / b)`.",
)
isclose = constant(
    "isclose",
    lambda a, b, rel_tol, abs_tol: math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol),
    inputs="a b",
    params={"rel_tol": 1e-9, "abs_tol": 0.0},
    doc="Are two numbers close (`math.isclose`)?",
)
ulp = constant(
    "ulp",
    np.vectorize(math.ulp, otypes=[float]),
    doc="The value of the last bit of `x` (`math.ulp`).",
)
