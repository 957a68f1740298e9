"""Arithmetic: + - * / ** and their relatives, with Python's own operators as evaluation.

Imports core and the makers. Invariant: on raw values the result is what the operator itself would give, bit for bit.
"""

from __future__ import annotations

import operator as python
from typing import Any

import numpy as np

from wengert.ops.kinds import elementwise

add = elementwise(
    "add", python.add, [1, 1], inputs="a b", expression="a + b", doc="Sum: `y = a + b`.", text="({a} + {b})",
    latex="{a} + {b}", scalar="fadd",
)
subtract = elementwise(
    "subtract", python.sub, [1, -1], inputs="a b", expression="a - b", doc="Difference: `y = a - b`.",
    text="({a} - {b})", latex="{a} - {b}", scalar="fsub",
)
multiply = elementwise(
    "multiply", python.mul, [lambda b: b, lambda a: a], inputs="a b", expression="a * b", doc="Product: `y = a b`.",
    text="({a} * {b})", latex="{a} \\, {b}", scalar="fmul",
)
divide = elementwise(
    "divide", python.truediv, [lambda b: 1.0 / b, lambda b, y: -y / b], inputs="a b", expression="a / b",
    doc="Quotient: `y = a / b`.", text="({a} / {b})", latex="\\frac{{{a}}}{{{b}}}", scalar="fdiv",
    domain=(None, (0.5, 2.0)),
)
negative = elementwise("negative", python.neg, [-1], expression="-x", doc="`y = -x`.", text="(-{x})", latex="-{x}", scalar="fneg")
positive = elementwise("positive", python.pos, [1], expression="+x", doc="`y = +x`, a copy.", text="(+{x})", latex="{x}")


def _power_base(a: Any, b: Any) -> Any:
    # b a^(b-1); where b = 0 the function is constant, whatever a is.
    if type(b) is int or type(b) is float:
        return 2.0 * a if b == 2 else 0.0 * a if b == 0 else b * a ** (b - 1)
    zero = np.equal(b, 0)
    if np.any(zero):
        return np.where(zero, 0.0, b * a ** np.where(zero, 1.0, b - 1.0))
    return b * a ** (b - 1.0)


def _power_exponent(a: Any, b: Any, y: Any) -> Any:
    # y log a; at a = 0 < b the limit is 0.
    zero = np.equal(a, 0)
    if np.any(zero):
        vanishes = zero & np.greater(b, 0)
        return np.where(vanishes, 0.0, y * np.log(np.where(vanishes, 1.0, a)))
    return y * np.log(a)


power = elementwise(
    "power", python.pow, [_power_base, _power_exponent], inputs="a b", expression="a ** b", doc="Power: `y = a^b`.",
    text="({a} ** {b})", latex="{{{a}}}^{{{b}}}", scalar="llvm.pow", domain=((0.5, 2.0), None),
)
remainder = elementwise(
    "remainder", python.mod, [1, lambda a, b: -np.floor(a / b)], inputs="a b", expression="a % b",
    doc="Remainder with the sign of the divisor: `y = a - b floor(a / b)`.", text="({a} % {b})", latex="{a} \\bmod {b}",
    domain=((0.2, 0.8), (1.0, 2.0)),
)
fmod = elementwise(
    "fmod", np.fmod, [1, lambda a, b: -np.trunc(a / b)], inputs="a b",
    doc="Remainder with the sign of the dividend: `y = a - b trunc(a / b)`.", domain=((0.2, 0.8), (1.0, 2.0)),
)
