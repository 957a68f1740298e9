"""Element-wise functions that are made of simpler ones in index form: powers, gates, rounding, choices.

Imports NumPy, ``lower/builder``. Invariant: a function is made of the steps in which NumPy (or wengert) computes it, so
that it has their bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Constant, Value
from wengert.backends.llvm.lower.builder import BOOL, FLOAT64, Builder, Laid, Refused
from wengert.core.node import Node
from wengert.core.op import ELEMENTWISE


def computed(b: Builder, function: str, dtype: np.dtype[Any], values: Sequence[Value]) -> Value:
    """A function of arguments cast to ``dtype``."""
    return b.map(function, dtype, *(b.cast(v, dtype) for v in values))


Made = Callable[[Builder, Node, Sequence[Laid], list[Value]], Value]
MADE: dict[str, Made] = {}


def _made(*names: str) -> Callable[[Made], Made]:
    def enter(rule: Made) -> Made:
        for name in names:
            MADE[name] = rule
        return rule

    return enter


def _float(node: Node) -> np.dtype[Any]:
    dtype: np.dtype[Any] = node.type.dtype
    if dtype.kind != "f":
        raise Refused(f"{node.op.name} of {dtype}")
    return dtype


@_made("positive", "conjugate", "stop_gradient", "shift")
def _itself(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    return b.cast(values[0], node.type.dtype)


@_made("astype")
def _astype(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    return b.cast(values[0], node.type.dtype)


@_made("fabs")
def _fabs(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    return computed(b, "absolute", _float(node), values)


@_made("square")
def _square(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    if node.type.dtype.kind == "b":
        return values[0]
    x = b.cast(values[0], node.type.dtype)
    return b.map("multiply", x.dtype, x, x)


@_made("reciprocal")
def _reciprocal(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = _float(node)
    return b.map("divide", dtype, b.number(1, dtype), b.cast(values[0], dtype))


@_made("fma")
def _fma(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    if hasattr(math, "fma") and not node.type.shape:
        raise Refused("a product and sum rounded once")
    dtype = _float(node)
    return computed(b, "add", dtype, [computed(b, "multiply", dtype, values[:2]), values[2]])


@_made("clip")
def _clip(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = node.type.dtype
    x, low, high = values
    if dtype.kind == "b":
        raise Refused("clip of Booleans")
    return computed(b, "minimum", dtype, [high, computed(b, "maximum", dtype, [x, low])])


@_made("relu")
def _relu(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = _float(node)
    return computed(b, "maximum", dtype, [values[0], b.number(0.0, dtype)])


@_made("sigmoid", "softplus", "deg2rad", "rad2deg", "heaviside", "fraction", "ulp", "angle_of_real")
def _named(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    return computed(b, node.op.name, _float(node), values)


@_made("logistic")
def _logistic(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    # The same function as sigmoid; only their derivatives are written differently.
    return computed(b, "sigmoid", _float(node), values)


@_made("round")
def _round(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    decimals = int(node.params[0])
    dtype = node.type.dtype
    if dtype.kind == "i" and decimals >= 0:
        return b.cast(values[0], dtype)
    dtype = _float(node)
    x = b.cast(values[0], dtype)
    if decimals == 0:
        return b.map("rint", dtype, x)
    scale = b.number(10.0 ** abs(decimals), dtype)
    there, back = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    return b.map(back, dtype, b.map("rint", dtype, b.map(there, dtype, x, scale)), scale)


@_made("rise")
def _rise(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = _float(node)
    flat = b.map("equal", BOOL, b.cast(values[1], dtype), b.number(0.0, dtype))
    return b.map("select", dtype, flat, b.number(-0.0, dtype), computed(b, "multiply", dtype, values))


@_made("isclose")
def _isclose(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    # math.isclose: equal, or both finite and |a - b| within one of the three bounds.
    relative, absolute = (b.number(float(t), FLOAT64) for t in node.params)
    x, y = (b.cast(v, FLOAT64) for v in values)

    def size(v: Value) -> Value:
        return b.map("absolute", FLOAT64, v)

    distance = size(b.map("subtract", FLOAT64, x, y))
    near = b.map("less_equal", BOOL, distance, absolute)
    for v in (x, y):
        bound = size(b.map("multiply", FLOAT64, relative, v))
        near = b.map("logical_or", BOOL, near, b.map("less_equal", BOOL, distance, bound))
    infinite = b.map("logical_or", BOOL, b.map("isinf", BOOL, x), b.map("isinf", BOOL, y))
    near = b.map("logical_and", BOOL, near, b.map("logical_not", BOOL, infinite))
    return b.map("logical_or", BOOL, near, b.map("equal", BOOL, x, y))


@_made("where")
def _where(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = node.type.dtype
    condition, x, y = values
    return b.map("select", dtype, b.cast(condition, BOOL), b.cast(x, dtype), b.cast(y, dtype))


# ---------------------------------------------------------------- powers


@_made("power")
def _power(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    dtype = node.type.dtype
    base, exponent = values
    plain = _scalar(operands[1])
    if dtype.kind == "i":
        return _integer_power(b, dtype, base, plain)
    dtype = _float(node)
    x = b.cast(base, dtype)
    # NumPy's ``**`` takes these ways for an array and a Python number; np.power and a number alone do so for 2 only.
    if plain is not None:
        if plain == 2:
            return b.map("multiply", dtype, x, x)
        if plain == 1:
            return x
        if plain == 0:
            return b.number(1, dtype)
        if plain == -1:
            return b.map("divide", dtype, b.number(1, dtype), x)
        if plain == 0.5:
            return _half_power(b, node, operands[0], x)
    raised = b.map("power", dtype, x, b.cast(exponent, dtype))
    if plain is None and operands[0].dims and not operands[1].dims and _takes_roots(node):
        # Only zero and minus infinity have another root than power.
        half = b.map("equal", BOOL, b.cast(exponent, dtype), b.number(0.5, dtype))
        return b.map("select", dtype, half, b.map("sqrt", dtype, x), raised)
    return raised


@lru_cache(maxsize=1)
def _function_takes_roots() -> bool:
    """Whether np.power takes roots where the exponent is one number 0.5; older ones leave that to ``**``."""
    with np.errstate(invalid="ignore"):
        return bool(np.isnan(np.power(np.array([-np.inf, 1.0]), 0.5)[0]))


def _takes_roots(node: Node) -> bool:
    return node.evaluate is not np.power or _function_takes_roots()


def _half_power(b: Builder, node: Node, base: Laid, x: Value) -> Value:
    """The root of arrays; C's power, which gives 0 for -0 and inf for -inf, of numbers. Where the recording does not
    say whether it is a number or an array without axes, neither may come."""
    dtype = x.dtype
    if (base.dims or node.evaluate is np.power) and _takes_roots(node):
        return b.map("sqrt", dtype, x)
    if base.dims or node.evaluate is np.power or _gives_a_number(node.args[0]):
        return _power_of_half(b, x)
    below = b.map("logical_and", BOOL, b.map("signbit", BOOL, x), b.map("equal", BOOL, x, b.number(0.0, dtype)))
    either = b.map("logical_or", BOOL, below, b.map("equal", BOOL, x, b.number(-np.inf, dtype)))
    b.check(b.map("logical_not", BOOL, either), "the root of a number without -0 and -inf")
    return b.map("sqrt", dtype, x)


def _power_of_half(b: Builder, x: Value) -> Value:
    """x^(1/2) as C's power has it."""
    dtype = x.dtype
    root = b.map("sqrt", dtype, b.map("add", dtype, x, b.number(0.0, dtype)))
    least = b.map("equal", BOOL, x, b.number(-np.inf, dtype))
    return b.map("select", dtype, least, b.number(np.inf, dtype), root)


_NUMBERS = frozenset({"sum", "mean", "prod", "max", "min", "dot", "inner", "vdot", "item"})
"""Operations besides ufuncs whose results without axes are numbers."""
_MAYBE_ARRAYS = frozenset({"where", "astype", "stop_gradient", "shift"})


def _gives_a_number(made: Any) -> bool:
    """Whether a value without axes is sure to be a number, no array without axes."""
    if not isinstance(made, Node):
        return False
    return made.op.name in _NUMBERS or (made.op.kind == ELEMENTWISE and made.op.name not in _MAYBE_ARRAYS)


def _scalar(operand: Laid) -> Any:
    """The one number that a constant operand is, else None."""
    return operand.value.value if isinstance(operand.value, Constant) else None


def _integer_power(b: Builder, dtype: np.dtype[Any], base: Value, plain: Any) -> Value:
    if plain is None or isinstance(plain, float) or not 0 <= plain <= 64:
        raise Refused("an integer power whose exponent is not a small number")
    return b.whole_power(b.cast(base, dtype), int(plain))


@_made("float_power")
def _float_power(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    if node.type.dtype != FLOAT64:
        raise Refused(f"float_power of {node.type.dtype}")
    if _scalar(operands[1]) == 2:
        return _square(b, node, operands, values)
    if _scalar(operands[1]) == 0.5:
        return _power_of_half(b, b.cast(values[0], FLOAT64))
    return computed(b, "power", FLOAT64, values)


@_made("power_log")
def _power_log(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    # a^b (ln a)^n, whose limit at a = 0 < b is 0.
    n = _scalar(operands[2])
    dtype = _float(node)
    if n is None or any(v.dtype.kind == "f" and v.dtype != dtype for v in values[:2]):
        raise Refused("a power of a logarithm in mixed precision")
    x, y = (b.cast(v, dtype) for v in values[:2])
    zero, one = b.number(0.0, dtype), b.number(1.0, dtype)
    vanishes = b.map("logical_and", BOOL, b.map("equal", BOOL, x, zero), b.map("greater", BOOL, y, zero))
    logarithm = b.map("log", dtype, b.map("select", dtype, vanishes, one, x))
    if n == 2:
        logarithm = b.map("multiply", dtype, logarithm, logarithm)
    elif n == 0:
        logarithm = one
    elif n != 1:
        logarithm = b.map("power", dtype, logarithm, b.number(n, dtype))
    out = b.map("multiply", dtype, b.map("power", dtype, x, y), logarithm)
    return b.map("select", dtype, vanishes, zero, out)


__all__ = ["MADE", "computed"]
