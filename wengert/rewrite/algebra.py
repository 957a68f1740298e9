"""The table of algebra that is always right: identities that hold in floating point, bit for bit or
up to rounding.

Imports ``pattern``. Invariant: no rule here is true only of real numbers. ``x * 0``, ``x - x`` and
``x + 0.0`` are left alone: the first two are NaN for infinities, the last turns a negative zero
into a positive one."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import OPS
from wengert.ops import (  # the operations that the patterns name
    arithmetic,
    complexes,
    contract,
    memory,
    piecewise,
    select,
    transcendental,
)
from wengert.rewrite.pattern import Bindings, Computed, Rule, Variable, call, kind_of

x, y, z = Variable("x"), Variable("y"), Variable("z")
a, b = Variable("a", constant=True), Variable("b", constant=True)
c = Variable("c")

_FAMILIES = (arithmetic, complexes, contract, memory, piecewise, select, transcendental)


def is_array(found: Bindings, node: Node) -> bool:
    """NumPy's ``**`` takes its short ways for arrays only; for a number it calls the general
    power."""
    return (
        kind_of(found["x"]).shape != ()
        and node.evaluate is None
        and node.op.evaluate is operator.pow
    )


def is_real(found: Bindings, node: Node) -> bool:
    """No operand of the step is complex."""
    return node.type.dtype.kind == "f" and all(kind_of(v).dtype.kind != "c" for v in found.values())


def is_float(found: Bindings, node: Node) -> bool:
    """``x`` is floating point (so that the rule does not change what overflow means)."""
    return kind_of(found["x"]).dtype.kind in "fc"


def never_negative(found: Bindings, node: Node) -> bool:
    """``x`` comes from an operation that gives no negative number and no negative zero."""
    made = found["x"]
    return not isinstance(made, Const) and made.op.name in {
        "exp",
        "exp2",
        "absolute",
        "square",
        "cosh",
        "sigmoid",
        "softplus",
    }


def _numbers(found: Bindings) -> tuple[float, float] | None:
    values = [found[k].value for k in ("a", "b")]  # type: ignore[union-attr]
    if any(is_handle(v) or type(v) not in (float, int, np.float64) for v in values):
        return None
    return float(values[0]), float(values[1])


def same_sign(found: Bindings, node: Node) -> bool:
    """Two factors that add without cancellation, for a double precision result."""
    pair = _numbers(found)
    return (
        pair is not None
        and node.type.dtype == np.float64
        and pair[0] * pair[1] > 0
        and np.isfinite(pair[0] + pair[1])
    )


def same_side_of_one(found: Bindings, node: Node) -> bool:
    """Factors both at least 1, or both at most 1 and not tiny: the product over- or underflows only
    where the two steps do."""
    pair = _numbers(found)
    if pair is None or node.type.dtype != np.float64:
        return False
    p, q = abs(pair[0]), abs(pair[1])
    return (p >= 1 and q >= 1 and np.isfinite(p * q)) or (p <= 1 and q <= 1 and p * q > 1e-290)


def power_of_two(found: Bindings, node: Node) -> bool:
    """A divisor whose reciprocal is exact."""
    value = found["a"].value  # type: ignore[union-attr]
    if (
        is_handle(value)
        or type(value) not in (float, int, np.float64)
        or value == 0
        or node.type.dtype != np.float64
    ):
        return False
    mantissa, exponent = np.frexp(float(value))
    return bool(abs(mantissa) == 0.5 and abs(exponent) < 1000)


def _combined(function: Any, text: str) -> Computed:
    return Computed(lambda known: function(float(known["a"]), float(known["b"])), text)


EXACT: list[Rule] = [
    Rule("times one", x * 1, x, "1 is neutral", is_float),
    Rule("over one", x / 1, x, "1 is neutral", is_float),
    Rule("plus negative zero", x + (-0.0), x, "x + (-0) = x for every x, zeros included", is_float),
    Rule("minus zero", x - 0, x, "x - (+0) = x for every x, zeros included", is_float),
    Rule("plus zero", x + 0, x, "x is never a negative zero", never_negative),
    Rule("negative of negative", call("negative", -x), x, "a sign flipped twice"),
    Rule("positive", +x, x, "a copy; outputs are copied anyway"),
    Rule("times minus one", x * -1, -x, "only the sign flips", is_real),
    Rule("over minus one", x / -1, -x, "only the sign flips", is_real),
    Rule("add a negative", x + (-y), x - y, "subtraction is addition of the negative", is_float),
    Rule(
        "subtract a negative", x - (-y), x + y, "subtraction is addition of the negative", is_float
    ),
    Rule(
        "product of negatives",
        (-x) * (-y),
        x * y,
        "the signs cancel, the rounding is symmetric",
        is_real,
    ),
    Rule(
        "quotient of negatives",
        (-x) / (-y),
        x / y,
        "the signs cancel, the rounding is symmetric",
        is_real,
    ),
    Rule(
        "square of a negative", call("square", -x), call("square", x), "the signs cancel", is_real
    ),
    Rule(
        "absolute of negative",
        call("absolute", -x),
        call("absolute", x),
        "the sign does not matter",
        is_real,
    ),
    Rule(
        "absolute twice",
        call("absolute", call("absolute", x)),
        call("absolute", x),
        "no sign is left",
    ),
    Rule("power one", x**1, x, "x^1 = x", lambda f, n: is_real(f, n) and is_array(f, n)),
    Rule(
        "power two",
        x**2,
        call("square", x),
        "NumPy squares arrays for ** 2",
        lambda f, n: is_real(f, n) and is_array(f, n),
    ),
    Rule(
        "power half",
        x**0.5,
        call("sqrt", x),
        "NumPy takes roots of arrays for ** 0.5",
        lambda f, n: is_real(f, n) and is_array(f, n),
    ),
    Rule("maximum of one", call("maximum", x, x), x, "one value", is_real),
    Rule("minimum of one", call("minimum", x, x), x, "one value", is_real),
    Rule("choice of one", call("where", c, x, x), x, "both ways give x"),
    Rule("conjugate twice", call("conjugate", call("conjugate", x)), x, "a sign flipped twice"),
    Rule("conjugate of real", call("conjugate", x), x, "a real number is its conjugate", is_real),
    Rule(
        "divide by a power of two",
        x / a,
        x * Computed(lambda known: 1.0 / float(known["a"]), "1/a"),
        "the reciprocal is exact",
        power_of_two,
    ),
]
"""Rules that keep every bit."""

ROUNDING: list[Rule] = [
    Rule(
        "factor of factor",
        a * (b * x),
        _combined(operator.mul, "(a b)") * x,
        "one product instead of two",
        same_side_of_one,
        False,
    ),
    Rule(
        "sum of multiples",
        a * x + b * x,
        _combined(operator.add, "(a + b)") * x,
        "no cancellation: equal signs",
        same_sign,
        False,
    ),
    Rule(
        "power two of a number",
        x**2,
        x * x,
        "one multiplication, correctly rounded",
        lambda f, n: is_real(f, n) and not is_array(f, n),
        False,
    ),
]
"""Rules that change a finite value by a rounding at most."""

ALGEBRA: list[Rule] = [*EXACT, *ROUNDING]

assert all(rule.operation in OPS for rule in ALGEBRA), (
    "a rule names an operation that does not exist"
)

__all__ = ["ALGEBRA", "EXACT", "ROUNDING"]
