"""The simple functions as instructions: arithmetic, comparison, choice, rounding, bits, casts.

Imports ``vector_text`` only. Invariant: the result is NumPy's bit for bit, for every argument (division by zero, the
least integer, NaN, signed zeros; the sign and payload of a NaN are nobody's promise).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.backends.llvm.vector_text import BITS, FLOATING, Body, Value

INTEGER = ("i64", "i32")
NUMBER = (*FLOATING, *INTEGER)
EVERY = (*NUMBER, "i1")
Rule = Callable[..., Value]


@dataclass(frozen=True, slots=True)
class Simple:
    """A simple function: its arity, the kinds it takes (all arguments of one kind), whether the result is Boolean
    (else of the kind of the arguments), and its formula."""

    arity: int
    kinds: tuple[str, ...]
    rule: Rule
    boolean: bool = False


def _larger(x: Value, y: Value) -> Value:
    # The second of two that are equal; NaN wins.
    if x.kind in FLOATING:
        return ((x > y) | x.is_nan()).where(x, y)
    return x | y if x.kind == "i1" else (x > y).where(x, y)


def _smaller(x: Value, y: Value) -> Value:
    if x.kind in FLOATING:
        return ((x < y) | x.is_nan()).where(x, y)
    return x & y if x.kind == "i1" else (x < y).where(x, y)


def _larger_number(x: Value, y: Value) -> Value:
    return ((x > y) | y.is_nan()).where(x, y) if x.kind in FLOATING else _larger(x, y)


def _smaller_number(x: Value, y: Value) -> Value:
    return ((x < y) | y.is_nan()).where(x, y) if x.kind in FLOATING else _smaller(x, y)


def _absolute(b: Body, x: Value) -> Value:
    return x if x.kind == "i1" else abs(x)


def _sign(b: Body, x: Value) -> Value:
    one = 1.0 if x.kind in FLOATING else 1
    flat: Value | float = x.is_nan().where(x, 0.0) if x.kind in FLOATING else 0
    return (x > 0).where(one, (x < 0).where(b.lift(x.kind, -one), flat))


def _divisor(x: Value, y: Value) -> Value:
    # What integers may be divided by: 1 instead of 0, and for the least integer over -1, which NumPy leaves as it is.
    least = -(2 ** (BITS[y.kind] - 1))
    return (y.equal(0) | (y.equal(-1) & x.equal(least))).where(1, y)


def _divmod(b: Body, x: Value, y: Value) -> tuple[Value, Value]:
    # Quotient rounded down and remainder with the divisor's sign, as NumPy computes them.
    if x.kind in INTEGER:
        safe = _divisor(x, y)
        quotient = x / safe
        rest = x - quotient * safe
        down = rest.differs(0) & ((rest ^ safe) < 0)
        zero = y.equal(0)
        return zero.where(0, down.where(quotient - 1, quotient)), zero.where(0, down.where(rest + safe, rest))
    rest = b.remainder(x, y)
    quotient = (x - rest) / y
    turned = rest.differs(0.0) & ((rest < 0.0) ^ (y < 0.0))
    quotient = turned.where(quotient - 1.0, quotient)
    # fmod is NaN for y = 0 and stays so.
    signed = rest.differs(0.0).where(turned.where(rest + y, rest), b.copysign(b.constant(x.kind, 0.0), y))
    floor = b.intrinsic("floor", quotient)
    floor = ((quotient - floor) > 0.5).where(floor + 1.0, floor)
    ratio = x / y
    floor = quotient.differs(0.0).where(floor, b.copysign(b.constant(x.kind, 0.0), ratio))
    zero = y.equal(0.0)
    return zero.where(ratio, floor), zero.where(rest, signed)


def _fmod(b: Body, x: Value, y: Value) -> Value:
    if x.kind in FLOATING:
        return b.remainder(x, y)
    return y.equal(0).where(0, x % _divisor(x, y))


def _shift(b: Body, x: Value, y: Value, left: bool) -> Value:
    # A count outside of the width shifts everything out; the count of the instruction must stay inside.
    width = BITS[x.kind]
    inside = (y >= 0) & (y < width)
    count = inside.where(y, 0)
    if left:
        return inside.where(x << count, 0)
    return x >> inside.where(y, width - 1)


def _next(b: Body, x: Value, y: Value) -> Value:
    bits = x.bits()
    away = (y > x) ^ (x < 0.0)
    step = away.where(b.constant(bits.kind, 1), -1)
    least = b.copysign(b.constant(bits.kind, 1).as_float(), y)
    moved = x.equal(0.0).where(least, (bits + step).as_float())
    return (x.is_nan() | y.is_nan()).where(x + y, x.equal(y).where(y, moved))


def _spacing(b: Body, x: Value) -> Value:
    # To the neighbour farther from 0; of zero and infinity as NumPy has them.
    gap = (x.bits() + 1).as_float() - x
    gap = x.equal(0.0).where(b.constant(x.bits().kind, 1).as_float(), gap)
    return abs(x).equal(math.inf).where(math.nan, gap)


def _ulp(b: Body, x: Value) -> Value:
    size = abs(x)
    bits = size.bits()
    up = (bits + 1).as_float()
    gap = up.equal(math.inf).where(size - (bits - 1).as_float(), up - size)
    return (size < math.inf).where(gap, size)


def _heaviside(b: Body, x: Value, at_zero: Value) -> Value:
    return x.is_nan().where(x, x.equal(0.0).where(at_zero, (x < 0.0).where(b.constant(x.kind, 0.0), 1.0)))


def _fraction(b: Body, x: Value) -> Value:
    rest = abs(x).equal(math.inf).where(0.0, x - b.intrinsic("trunc", x))
    return b.copysign(rest, x)


def _angle_of_real(b: Body, x: Value) -> Value:
    return x.is_nan().where(x, (x.bits() < 0).where(b.constant(x.kind, math.pi), 0.0))


def _rounded(name: str) -> Rule:
    return lambda b, x: b.intrinsic(name, x) if x.kind in FLOATING else x


def _sqrt(b: Body, x: Value) -> Value:
    return b.intrinsic("sqrt", x)


def _scaled(factor: float, single: float) -> Rule:
    return lambda b, x: x * (factor if x.kind == "double" else single)


def _question(rule: Rule, of_integers: bool = False) -> Rule:
    return lambda b, x: rule(b, x) if x.kind in FLOATING else b.constant("i1", of_integers)


def _logical(operator: Callable[[Value, Value], Value]) -> Rule:
    return lambda b, x, y: operator(x.to("i1"), y.to("i1"))


def _compared(floating: str, integer: str) -> Rule:
    signed = {"olt": "slt", "ole": "sle", "ogt": "sgt", "oge": "sge"}
    return lambda b, x, y: x.compare(floating, integer if x.kind == "i1" else signed.get(floating, integer), y)


def _comparison(floating: str, integer: str) -> Simple:
    return Simple(2, EVERY, _compared(floating, integer), boolean=True)


def _ldexp(b: Body, x: Value, n: Value) -> Value:
    # Through m in [1, 2) and one exponent, so that the last product alone rounds.
    bits, bias = (52, 1023) if x.kind == "double" else (23, 127)
    integer = "i64" if x.kind == "double" else "i32"
    n = (n > 5000).where(5000, (n < -5000).where(b.constant(n.kind, -5000), n)).to(integer)
    small = abs(x) < 2.0 ** (1 - bias)
    image = small.where(x * 2.0 ** (bits + 2), x).bits()
    field = image.logical_shift(bits) & (2 * bias + 1)
    m = (image ^ (field << bits)) | (bias << bits)
    total = n + field - small.where(b.constant(integer, bias + bits + 2), bias)
    bound = bias + bits + 8
    total = (total > bound).where(bound, (total < -bound).where(b.constant(integer, -bound), total))
    half = total >> 1
    first = ((half + bias) << bits).as_float()
    second = ((total - half + bias) << bits).as_float()
    value = m.as_float() * first * second
    return (x.equal(0.0) | ~(abs(x) < math.inf)).where(x, value)


def _exponent(b: Body, x: Value) -> Value:
    bits, bias = (52, 1023) if x.kind == "double" else (23, 127)
    integer = "i64" if x.kind == "double" else "i32"
    small = abs(x) < 2.0 ** (1 - bias)
    field = small.where(x * 2.0 ** (bits + 2), x).bits().logical_shift(bits) & (2 * bias + 1)
    found = field - small.where(b.constant(integer, bias + bits + 1), bias - 1)
    return ((abs(x) > 0.0) & (abs(x) < math.inf)).where(found, 0).to("i32")


_PLAIN = (*INTEGER, "i1")
SIMPLE: dict[str, Simple] = {
    "add": Simple(2, EVERY, lambda b, x, y: x | y if x.kind == "i1" else x + y),
    "subtract": Simple(2, NUMBER, lambda b, x, y: x - y),
    "multiply": Simple(2, EVERY, lambda b, x, y: x & y if x.kind == "i1" else x * y),
    "divide": Simple(2, FLOATING, lambda b, x, y: x / y),
    "negative": Simple(1, NUMBER, lambda b, x: -x),
    "positive": Simple(1, NUMBER, lambda b, x: x),
    "conjugate": Simple(1, NUMBER, lambda b, x: x),
    "fma": Simple(3, NUMBER, lambda b, x, y, z: x * y + z),
    "square": Simple(1, NUMBER, lambda b, x: x * x),
    "reciprocal": Simple(1, FLOATING, lambda b, x: 1.0 / x),
    "sqrt": Simple(1, FLOATING, _sqrt),
    "absolute": Simple(1, EVERY, _absolute),
    "fabs": Simple(1, FLOATING, _absolute),
    "sign": Simple(1, NUMBER, _sign),
    "copysign": Simple(2, FLOATING, lambda b, x, y: b.copysign(x, y)),
    "maximum": Simple(2, EVERY, lambda b, x, y: _larger(x, y)),
    "minimum": Simple(2, EVERY, lambda b, x, y: _smaller(x, y)),
    "fmax": Simple(2, EVERY, lambda b, x, y: _larger_number(x, y)),
    "fmin": Simple(2, EVERY, lambda b, x, y: _smaller_number(x, y)),
    "clip": Simple(3, EVERY, lambda b, x, low, high: _smaller(high, _larger(x, low))),
    "relu": Simple(1, FLOATING, lambda b, x: _larger(x, b.constant(x.kind, 0.0))),
    "heaviside": Simple(2, FLOATING, _heaviside),
    "floor": Simple(1, EVERY, _rounded("floor")),
    "ceil": Simple(1, EVERY, _rounded("ceil")),
    "trunc": Simple(1, EVERY, _rounded("trunc")),
    "rint": Simple(1, FLOATING, _rounded("rint")),
    "fraction": Simple(1, FLOATING, _fraction),
    "floor_divide": Simple(2, NUMBER, lambda b, x, y: _divmod(b, x, y)[0]),
    "remainder": Simple(2, NUMBER, lambda b, x, y: _divmod(b, x, y)[1]),
    "fmod": Simple(2, NUMBER, _fmod),
    "nextafter": Simple(2, FLOATING, _next),
    "spacing": Simple(1, FLOATING, _spacing),
    "ulp": Simple(1, ("double",), _ulp),
    "angle_of_real": Simple(1, FLOATING, _angle_of_real),
    "deg2rad": Simple(1, FLOATING, _scaled(math.pi / 180.0, math.pi / 180.0)),
    "rad2deg": Simple(1, FLOATING, _scaled(180.0 / math.pi, 57.2957763671875)),
    "less": _comparison("olt", "ult"),
    "less_equal": _comparison("ole", "ule"),
    "greater": _comparison("ogt", "ugt"),
    "greater_equal": _comparison("oge", "uge"),
    "equal": _comparison("oeq", "eq"),
    "not_equal": _comparison("une", "ne"),
    "logical_and": Simple(2, EVERY, _logical(lambda x, y: x & y), boolean=True),
    "logical_or": Simple(2, EVERY, _logical(lambda x, y: x | y), boolean=True),
    "logical_xor": Simple(2, EVERY, _logical(lambda x, y: x ^ y), boolean=True),
    "logical_not": Simple(1, EVERY, lambda b, x: ~x.to("i1"), boolean=True),
    "bitwise_and": Simple(2, _PLAIN, lambda b, x, y: x & y),
    "bitwise_or": Simple(2, _PLAIN, lambda b, x, y: x | y),
    "bitwise_xor": Simple(2, _PLAIN, lambda b, x, y: x ^ y),
    "invert": Simple(1, _PLAIN, lambda b, x: ~x),
    "left_shift": Simple(2, INTEGER, lambda b, x, y: _shift(b, x, y, True)),
    "right_shift": Simple(2, INTEGER, lambda b, x, y: _shift(b, x, y, False)),
    "isnan": Simple(1, EVERY, _question(lambda b, x: x.is_nan()), boolean=True),
    "isinf": Simple(1, EVERY, _question(lambda b, x: abs(x).equal(math.inf)), boolean=True),
    "isfinite": Simple(1, EVERY, _question(lambda b, x: abs(x) < math.inf, True), boolean=True),
    "signbit": Simple(1, FLOATING, lambda b, x: x.bits() < 0, boolean=True),
}
"""The simple functions whose arguments are of one kind."""


def _whole_power(b: Body, x: Value, n: int) -> Value:
    result, factor = b.constant(x.kind, 1), x
    while n:
        if n & 1:
            result = factor if result.text == b.constant(x.kind, 1).text else result * factor
        n >>= 1
        factor = factor * factor if n else factor
    return result


def _short_power(b: Body, x: Value, exponent: float) -> Value | None:
    # Exact or within 1.5 units in the last place, over- and underflow included.
    match exponent:
        case 0.0:
            return b.constant(x.kind, 1.0)
        case 1.0:
            return x
        case 2.0:
            return x * x
        case 3.0:
            return x * x * x
        case 4.0:
            return (x * x) * (x * x)
        case -1.0:
            return 1.0 / x
        case -2.0:
            inverse = 1.0 / x
            return inverse * inverse
        case 0.5:
            # As NumPy has it for arrays; C's pow of -0 and -inf gives 0 and inf.
            return b.intrinsic("sqrt", x)
    return None


def _known_exponent(literals: Sequence[Any] | None, unknown: float) -> float:
    return unknown if not literals or literals[1] is None else literals[1]


def supports(function: str, args: Sequence[str], result: str, literals: Sequence[Any] | None) -> bool:
    """Whether the function of these kinds is one of instructions alone."""
    if function == "cast":
        return len(args) == 1
    if function == "select":
        return len(args) == 3 and args[0] == "i1" and args[1] == args[2] == result
    if function == "power" and len(args) == 2 and set(args) == {result} and result in INTEGER:
        return 0 <= _known_exponent(literals, -1) <= 64
    if function == "ldexp":
        return len(args) == 2 and args[0] == result and result in FLOATING and args[1] in INTEGER
    if function == "exponent":
        return len(args) == 1 and args[0] in FLOATING and result == "i32"
    known = SIMPLE.get(function)
    if known is None or len(args) != known.arity or len(set(args)) != 1 or args[0] not in known.kinds:
        return False
    return result == ("i1" if known.boolean else args[0])


def apply(b: Body, function: str, args: Sequence[Value], kind: str, literals: Sequence[Any] | None) -> Value | None:
    """The function's instructions, or None where it is not a simple one."""
    if function == "cast":
        return args[0].to(kind)
    if function == "select":
        return args[0].where(args[1], args[2])
    if function == "ldexp":
        return _ldexp(b, *args)
    if function == "exponent":
        return _exponent(b, *args)
    if function == "power":
        exponent = _known_exponent(literals, math.nan)
        return _whole_power(b, args[0], int(exponent)) if kind in INTEGER else _short_power(b, args[0], exponent)
    known = SIMPLE.get(function)
    return None if known is None else known.rule(b, *args)


__all__ = ["SIMPLE", "Simple", "apply", "supports"]
