"""Element-wise steps in index form: arguments cast to the type in which NumPy computes.

Imports NumPy, ``lower/builder``, ``lower/functions``. Invariant: a step whose function is not NumPy's own (a Python
``round``) is refused unless it computes the same."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Value
from wengert.backends.llvm.lower.builder import BOOL, FLOAT64, NATIVE, NOTHING, Builder, Laid, Refused
from wengert.backends.llvm.lower.functions import MADE, computed
from wengert.core.node import Node
from wengert.core.types import broadcast_shapes

_ANY = frozenset({"add", "subtract", "multiply", "negative", "absolute", "maximum", "minimum", "fmax", "fmin", "sign"})
_FLOAT = frozenset(
    {
        "divide",
        "copysign",
        "nextafter",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "cbrt",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
        "hypot",
        "sinh",
        "cosh",
        "tanh",
        "arcsinh",
        "arccosh",
        "arctanh",
        "logaddexp",
        "logaddexp2",
        "rint",
        "spacing",
    }
)
_BOTH = frozenset({"remainder", "fmod", "floor_divide"})
_WHOLE = frozenset({"floor", "ceil", "trunc"})
_AS_BOOL = {
    "add": "logical_or",
    "multiply": "logical_and",
    "maximum": "logical_or",
    "minimum": "logical_and",
    "fmax": "logical_or",
    "fmin": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_and": "logical_and",
    "bitwise_xor": "logical_xor",
}
_COMPARE = frozenset({"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"})
_LOGICAL = frozenset({"logical_and", "logical_or", "logical_xor", "logical_not"})
_PREDICATE = frozenset({"isnan", "isinf", "isfinite", "signbit"})
_BITS = frozenset({"bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift"})
_OWN = frozenset({"erf", "erfc", "gamma", "lgamma"})
"""Functions of wengert's own with one float64 argument."""

_OPERATORS = frozenset(
    vars(operator)[name]
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "neg",
        "pos",
        "abs",
        "lt",
        "le",
        "gt",
        "ge",
        "eq",
        "ne",
        "and_",
        "or_",
        "xor",
        "lshift",
        "rshift",
        "invert",
    )
)
_SAME_NAME = {"degrees": "rad2deg", "radians": "deg2rad", "conjugate": "conjugate", "true_divide": "divide"}


_MATH = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "exp": "exp",
    "exp2": "exp2",
    "expm1": "expm1",
    "log": "log",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "sqrt": "sqrt",
    "cbrt": "cbrt",
    "degrees": "rad2deg",
    "radians": "deg2rad",
    "fabs": "fabs",
    "erf": "erf",
    "erfc": "erfc",
    "gamma": "gamma",
    "lgamma": "lgamma",
    "pow": "power",
    "atan2": "arctan2",
    "copysign": "copysign",
    "fmod": "fmod",
    "hypot": "hypot",
}
_TOTAL = frozenset(
    {"arctan", "tanh", "arcsinh", "cbrt", "rad2deg", "deg2rad", "fabs", "erf", "erfc", "arctan2", "copysign", "hypot"}
)
"""Functions of ``math`` that raise for no number."""


def is_math(node: Node) -> bool:
    """Whether a step was computed by a function of ``math``, which raises where NumPy gives NaN or infinity."""
    evaluate = node.evaluate
    name = getattr(evaluate, "__name__", "")
    return evaluate is getattr(math, name, None) and _MATH.get(name) == node.op.name


def check_function(node: Node) -> None:
    """Refuse a step that was computed by another function than the operation's own, NumPy's, or that of ``math``."""
    if is_math(node) and node.type.dtype == FLOAT64:
        return
    evaluate = node.evaluate
    if evaluate is None or evaluate is node.op.evaluate or evaluate in _OPERATORS:
        return
    if isinstance(evaluate, np.ufunc):
        name = evaluate.__name__
        if node.op.name in (name, _SAME_NAME.get(name)):
            return
    raise Refused(f"computed by {getattr(evaluate, '__name__', type(evaluate).__name__)}")


def aligned(b: Builder, operands: Sequence[Laid]) -> tuple[list[Value], tuple[Any, ...]]:
    """Operands over common axes by NumPy's broadcasting, and the dimensions of the result."""
    shape = broadcast_shapes(*(o.shape for o in operands))
    labels = [range(-len(o.dims), 0) for o in operands]
    found, env = b.align(operands, labels)
    return [f.value for f in found], tuple(env.get(k, 0) for k in range(-len(shape), 0))


def common_type(node: Node, operands: Sequence[Laid]) -> np.dtype[Any]:
    """The type in which NumPy compares these operands: a Python number bends to the others."""
    kinds: list[Any] = []
    for o in operands:
        plain = o.const
        weak = plain is not NOTHING and type(plain) in (int, float, bool)
        kinds.append(plain if weak else o.dtype)
    single = any(isinstance(k, np.dtype) and k == np.float32 and o.dims for k, o in zip(kinds, operands, strict=True))
    if single:
        for k, o in zip(kinds, operands, strict=True):
            # A recorded number may be Python's (which bends) or NumPy's (which does not): the recording does not say.
            if isinstance(k, np.dtype) and not o.dims and o.const is NOTHING and k not in (np.float32, BOOL):
                raise Refused("a comparison whose precision depends on the type of a number")
    if all(not isinstance(k, np.dtype) for k in kinds):
        return np.result_type(*(np.asarray(k).dtype for k in kinds))
    try:
        found = np.result_type(*kinds)
    except OverflowError:
        raise Refused("an integer that does not fit the type it is compared with") from None
    if found not in NATIVE:
        raise Refused(f"{found} numbers")
    return found


def elementwise(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    """The step ``node`` on operands that broadcast."""
    check_function(node)
    values, dims = aligned(b, operands)
    found = _value(b, node, operands, values)
    if (is_math(node) and node.op.name not in _TOTAL) or node.op.name in ("gamma", "lgamma"):
        # Where the result is not finite though no operand is NaN, it may have raised: then Python is asked.
        fine = b.map("isfinite", BOOL, found)
        for value in values:
            if value.dtype.kind == "f":
                fine = b.map("logical_or", BOOL, fine, b.map("isnan", BOOL, value))
        b.check(fine, f"a finite {node.op.name}")
    return b.laid(found, dims)


def _value(b: Builder, node: Node, operands: Sequence[Laid], values: list[Value]) -> Value:
    name, dtype = node.op.name, node.type.dtype
    if name in MADE:
        return MADE[name](b, node, operands, values)
    if name in _COMPARE:
        common = common_type(node, operands)
        return b.map(name, BOOL, *(b.cast(v, common) for v in values))
    if name in _LOGICAL:
        return b.map(name, BOOL, *(b.cast(v, BOOL) for v in values))
    if name in _PREDICATE:
        common = values[0].dtype if values[0].dtype.kind == "f" else FLOAT64
        return b.map(name, BOOL, b.cast(values[0], common))
    if dtype.kind == "b":
        if name in _AS_BOOL:
            return computed(b, _AS_BOOL[name], BOOL, values)
        if name == "invert":
            return computed(b, "logical_not", BOOL, values)
        if name in ("absolute", "floor", "ceil", "trunc"):
            return b.cast(values[0], BOOL)
        raise Refused(f"{name} of Booleans")
    if name in _WHOLE and dtype.kind == "i":
        return b.cast(values[0], dtype)
    fits = dtype.kind == "f" and (name in _ANY | _FLOAT | _BOTH | _WHOLE or (name in _OWN and dtype == FLOAT64))
    if fits or (dtype.kind == "i" and name in _ANY | _BOTH | _BITS):
        return computed(b, name, dtype, values)
    raise Refused(f"{name} of {dtype}")


NAMES = _ANY | _FLOAT | _BOTH | _WHOLE | _COMPARE | _LOGICAL | _PREDICATE | _BITS | _OWN | frozenset(MADE)
"""The operations that ``elementwise`` knows."""

__all__ = ["NAMES", "aligned", "check_function", "common_type", "computed", "elementwise"]
