"""Arithmetic: + - * / ** and their relatives, with Python's own operators as evaluation.

Imports core and the makers. Invariant: on raw values the result is what the operator itself would
give, bit for bit.
"""

from __future__ import annotations

import math
import operator as python
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import dtype_of
from wengert.ops.kinds import elementwise
from wengert.ops.kinks import some

add = elementwise(
    "add",
    python.add,
    [1, 1],
    inputs="a b",
    expression="a + b",
    doc="Sum: `y = a + b`.",
    text="({a} + {b})",
    latex="{a} + {b}",
    scalar="fadd",
)
subtract = elementwise(
    "subtract",
    python.sub,
    [1, -1],
    inputs="a b",
    expression="a - b",
    doc="Difference: `y = a - b`.",
    text="({a} - {b})",
    latex="{a} - {b}",
    scalar="fsub",
)
multiply = elementwise(
    "multiply",
    python.mul,
    [lambda b: b, lambda a: a],
    inputs="a b",
    expression="a * b",
    doc="Product: `y = a b`.",
    text="({a} * {b})",
    latex="{a} \\, {b}",
    scalar="fmul",
)
divide = elementwise(
    "divide",
    python.truediv,
    [lambda b: 1.0 / b, lambda b, y: -y / b],
    inputs="a b",
    expression="a / b",
    doc="Quotient: `y = a / b`.",
    text="({a} / {b})",
    latex="\\frac{{{a}}}{{{b}}}",
    scalar="fdiv",
    domain=(None, (0.5, 2.0)),
)
negative = elementwise(
    "negative",
    python.neg,
    [-1],
    expression="-x",
    doc="`y = -x`.",
    text="(-{x})",
    latex="-{x}",
    scalar="fneg",
)
positive = elementwise(
    "positive",
    python.pos,
    [1],
    expression="+x",
    doc="`y = +x`, a copy.",
    text="(+{x})",
    latex="{x}",
)


def _fma(a: Any, b: Any, c: Any) -> Any:
    if hasattr(math, "fma") and all(type(v) in (float, np.float64, int) for v in (a, b, c)):
        return math.fma(a, b, c)  # it computes in double precision only
    return a * b + c


fma = elementwise(
    "fma",
    _fma,
    [lambda b: b, lambda a: a, 1],
    inputs="a b c",
    text="({a} * {b} + {c})",
    latex="{a} \\, {b} + {c}",
    scalar="llvm.fma",
    doc="`y = a b + c`, rounded once for scalars where Python can (`math.fma`).",
)


def _power_base(a: Any, b: Any) -> Any:
    # b a^(b-1); a^0 is constant at a = 0 too, where the formula would give 0 times infinity.
    if type(b) is int or type(b) is float:
        return 2.0 * a if b == 2 else 0.0 * a if b == 0 else b * a ** (b - 1)
    flat = np.logical_and(np.equal(b, 0), np.equal(a, 0))
    b = _as_precise(b, a)
    if some(flat):
        return np.where(flat, 0.0, b * a ** np.where(flat, 1.0, b - 1.0))
    return b * a ** (b - 1.0)


def _as_precise(a: Any, y: Any) -> Any:
    """A constant as precise as the value beside it: NumPy's logarithm of an int8 is a float16."""
    kind = type(a)
    if kind is np.ndarray or (issubclass(kind, np.generic) and kind is not np.float64):
        own, dtype = a.dtype, dtype_of(y)
        if own is not dtype and dtype.kind == "f" and own.kind in "biuf" and not np.can_cast(dtype, own):
            return a.astype(dtype)
    return a


def _power_exponent(a: Any, b: Any, y: Any) -> Any:
    if is_handle(a) or is_handle(b):
        return power_log(a, b, 1)
    return _power_log(a, b, 1, y)


def _power_log(a: Any, b: Any, n: Any, y: Any = None) -> Any:
    # a^b (log a)^n; its limit at a = 0 < b is 0.
    if y is None:
        dtype = np.result_type(
            a, b
        )  # with float32 beside them, Python floats would count as single precision
        y = np.power(a, b, dtype=dtype if dtype.kind in "fc" else float)
    a = _as_precise(a, y)
    vanishes = np.logical_and(np.equal(a, 0), np.greater(np.real(b), 0))
    if np.any(vanishes):
        return np.where(vanishes, 0.0, y * np.log(np.where(vanishes, 1.0, a)) ** n)
    return y * np.log(a) ** n


def _power_log_base(a: Any, b: Any, n: Any) -> Any:
    return (
        b * power_log(a, b - 1.0, n) + n * power_log(a, b - 1.0, n - 1) if n else _power_base(a, b)
    )


# Negative bases have no derivative in the exponent (NaN), but an integer exponent's derivative in
# the base is right.
power = elementwise(
    "power",
    python.pow,
    [_power_base, _power_exponent],
    inputs="a b",
    expression="a ** b",
    doc="Power: `y = a^b`.",
    text="({a} ** {b})",
    latex="{{{a}}}^{{{b}}}",
    scalar="llvm.pow",
    domain=((0.5, 2.0), None),
    kink=lambda v, p, y: np.logical_and(
        np.equal(v[0], 0), np.logical_and(np.greater(v[1], 0), np.less(v[1], 1))
    ),
)
float_power = elementwise(
    "float_power",
    np.float_power,
    [_power_base, _power_exponent],
    inputs="a b",
    domain=((0.5, 2.0), None),
    latex="{{{a}}}^{{{b}}}",
    kink=power.op.kink,
    doc="Power in double precision: `y = a^b`.",
)
power_log: Any = elementwise(
    "power_log",
    _power_log,
    [_power_log_base, lambda a, b, n: power_log(a, b, n + 1), None],
    inputs="a b n",
    domain=((0.5, 2.0), None, None),
    samples=lambda rng: (((rng.uniform(0.5, 2.0), rng.normal(), n), ()) for n in (0, 1, 2)),
    doc="`y = a^b (ln a)^n` for an integer `n`: the derivatives of `a^b` in `b`.",
)


def _multiples(a: Any, b: Any, y: Any) -> Any:
    # How often b fits: exactly the integer (a - y) / b, where rounding a / b up could miss it by
    # one.
    return -np.rint((a - y) / b)


remainder = elementwise(
    "remainder",
    python.mod,
    [1, _multiples],
    inputs="a b",
    expression="a % b",
    kink=lambda v, p, y: np.equal(y, 0),
    doc="Remainder with the sign of the divisor: `y = a - b floor(a / b)`.",
    text="({a} % {b})",
    latex="{a} \\bmod {b}",
    domain=((0.2, 0.8), (1.0, 2.0)),
)
fmod = elementwise(
    "fmod",
    np.fmod,
    [1, _multiples],
    inputs="a b",
    kink=lambda v, p, y: np.logical_and(np.equal(y, 0), np.not_equal(v[0], 0)),
    doc="Remainder with the sign of the dividend: `y = a - b trunc(a / b)`.",
    domain=((0.2, 0.8), (1.0, 2.0)),
)


def _ieee_remainder(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 and np.ndim(b) == 0:
        return math.remainder(a, b)
    return np.vectorize(math.remainder, otypes=[float])(a, b)


ieee_remainder = elementwise(
    "ieee_remainder",
    _ieee_remainder,
    [1, _multiples],
    inputs="a b",
    domain=((0.2, 0.8), (1.8, 2.2)),
    kink=lambda v, p, y: np.equal(2.0 * np.abs(y), np.abs(v[1])),
    doc="Remainder of the nearest multiple: `y = a - b rint(a / b)` (`math.remainder`).",
)
