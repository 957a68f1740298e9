"""Operations whose derivative is zero wherever it exists: comparisons, predicates, rounding, and the searches for an index.

Imports core and the makers. Invariant: in an ordinary gradient these return NumPy's plain booleans and integers.
"""

from __future__ import annotations

import operator as python

import numpy as np

from wengert.ops.kinds import constant

less = constant("less", python.lt, inputs="a b", expression="a < b", doc="`a < b`.")
less_equal = constant("less_equal", python.le, inputs="a b", expression="a <= b", doc="`a <= b`.")
greater = constant("greater", python.gt, inputs="a b", expression="a > b", doc="`a > b`.")
greater_equal = constant("greater_equal", python.ge, inputs="a b", expression="a >= b", doc="`a >= b`.")
equal = constant("equal", python.eq, inputs="a b", expression="a == b", doc="`a == b`.")
not_equal = constant("not_equal", python.ne, inputs="a b", expression="a != b", doc="`a != b`.")
logical_and = constant("logical_and", np.logical_and, inputs="a b", doc="`a and b`, element by element.")
logical_or = constant("logical_or", np.logical_or, inputs="a b", doc="`a or b`, element by element.")
logical_xor = constant("logical_xor", np.logical_xor, inputs="a b", doc="Exactly one of `a`, `b`.")
logical_not = constant("logical_not", np.logical_not, doc="`not x`.")
bitwise_and = constant("bitwise_and", python.and_, inputs="a b", expression="a & b", doc="`a & b`.")
bitwise_or = constant("bitwise_or", python.or_, inputs="a b", expression="a | b", doc="`a | b`.")
bitwise_xor = constant("bitwise_xor", python.xor, inputs="a b", expression="a ^ b", doc="`a ^ b`.")
invert = constant("invert", python.invert, expression="~x", doc="`~x`.")

isnan = constant("isnan", np.isnan, doc="Is it not a number?")
isinf = constant("isinf", np.isinf, doc="Is it infinite?")
isfinite = constant("isfinite", np.isfinite, doc="Is it finite?")
signbit = constant("signbit", np.signbit, doc="Is the sign bit set?")
sign = constant("sign", np.sign, doc="The sign: -1, 0 or 1.")
floor = constant("floor", np.floor, doc="The largest integer not above `x`.")
ceil = constant("ceil", np.ceil, doc="The smallest integer not below `x`.")
trunc = constant("trunc", np.trunc, doc="`x` without its fraction.")
rint = constant("rint", np.rint, doc="The nearest integer, halves to even.")
floor_divide = constant("floor_divide", python.floordiv, inputs="a b", expression="a // b", doc="`floor(a / b)`.")
