"""The table of mathematical functions with a native form, and their definitions as LLVM text.

Imports the ``vector_math/*`` parts. Invariant: ``definition`` depends on its arguments alone, so that a kernel's text
is the same in every process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wengert.backends.llvm.vector_math import arcs, errors, exponential, gamma, hyperbolic, trigonometric
from wengert.backends.llvm.vector_math import power as powers
from wengert.backends.llvm.vector_text import MANGLED, Body, Value, vector

Rule = Callable[..., Value]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of floats: how many arguments, its formula, whether that holds for float32 itself (else it is
    computed in float64), and the function of the mathematical library that stands in where the machine has no fused
    multiply-add."""

    arity: int
    rule: Rule
    single: bool = False
    library: str | None = None


FUNCTIONS: dict[str, Function] = {
    "exp": Function(1, exponential.exp, True, "exp"),
    "exp2": Function(1, exponential.exp2, True, "exp2"),
    "expm1": Function(1, exponential.expm1, True, "expm1"),
    "log": Function(1, exponential.log, True, "log"),
    "log1p": Function(1, exponential.log1p, True, "log1p"),
    "tanh": Function(1, exponential.tanh, True, "tanh"),
    "sigmoid": Function(1, exponential.sigmoid, True),
    "softplus": Function(1, exponential.softplus, True),
    "sin": Function(1, trigonometric.sin, True, "sin"),
    "cos": Function(1, trigonometric.cos, True, "cos"),
    "power": Function(2, powers.power, True, "pow"),
    "float_power": Function(2, powers.power, True, "pow"),
    "log2": Function(1, powers.log2, False, "log2"),
    "log10": Function(1, powers.log10, False, "log10"),
    "cbrt": Function(1, powers.cbrt, False, "cbrt"),
    "hypot": Function(2, powers.hypot, False, "hypot"),
    "sinh": Function(1, hyperbolic.sinh, True, "sinh"),
    "cosh": Function(1, hyperbolic.cosh, True, "cosh"),
    "arcsinh": Function(1, hyperbolic.arcsinh, False, "asinh"),
    "arccosh": Function(1, hyperbolic.arccosh, False, "acosh"),
    "arctanh": Function(1, hyperbolic.arctanh, False, "atanh"),
    "logaddexp": Function(2, hyperbolic.logaddexp, True),
    "logaddexp2": Function(2, hyperbolic.logaddexp2, True),
    "log_sigmoid": Function(1, hyperbolic.log_sigmoid, True),
    "tan": Function(1, trigonometric.tan, False, "tan"),
    "sinc": Function(1, trigonometric.sinc, False),
    "arcsin": Function(1, arcs.arcsin, False, "asin"),
    "arccos": Function(1, arcs.arccos, False, "acos"),
    "arctan": Function(1, arcs.arctan, False, "atan"),
    "arctan2": Function(2, arcs.arctan2, False, "atan2"),
    "erf": Function(1, errors.erf, False, "erf"),
    "erfc": Function(1, errors.erfc, False, "erfc"),
    "gamma": Function(1, lambda b, x: lane_by_lane(b, "tgamma", x), True, "tgamma"),
    "lgamma": Function(1, lambda b, x: lane_by_lane(b, "lgamma", x), True, "lgamma"),
    "digamma": Function(1, gamma.digamma),
}
"""The functions by NumPy's or wengert's name."""
MOST_LOGARITHMS = 4
"""``power_log`` x^y (ln x)^n has a native form for n up to this."""


def _power_log(n: int) -> Function:
    return Function(2, lambda b, x, y: powers.power_log(b, x, y, n))


FUNCTIONS |= {f"power_log_{n}": _power_log(n) for n in range(MOST_LOGARITHMS + 1)}


@dataclass(frozen=True, slots=True)
class Definition:
    """The text of one function, the symbols it needs, and the internal functions it calls."""

    symbol: str
    text: str
    external: tuple[tuple[str, str], ...]
    internal: tuple[tuple[str, str], ...]


def lane_by_lane(b: Body, name: str, *args: Value) -> Value:
    """A function of the mathematical library, once per lane, in double."""
    operands = ", ".join("double" for _ in args)
    b.external[name] = f"declare double @{name}({operands}) nounwind willreturn memory(none)"
    wide = [a.to("double") for a in args]
    if b.width == 1:
        return b.call("double", f"@{name}", wide).to(args[0].kind)
    kind = vector("double", b.width)
    result = "poison"
    for lane in range(b.width):
        parts = []
        for a in wide:
            parts.append(b.fresh())
            b.lines.append(f"{parts[-1]} = extractelement {b.typed(a)}, i32 {lane}")
        value, grown = b.fresh(), b.fresh()
        b.lines.append(f"{value} = call double @{name}({', '.join(f'double {p}' for p in parts)})")
        b.lines.append(f"{grown} = insertelement {kind} {result}, double {value}, i32 {lane}")
        result = grown
    return Value(b, "double", result).to(args[0].kind)


@lru_cache(maxsize=4096)
def definition(name: str, kind: str, width: int, fma: bool) -> Definition:
    """The definition of a function of ``kind`` (double or float) at a vector width.

    >>> definition("exp", "double", 4, True).symbol
    '@wengert.exp.v4f64'
    """
    function = FUNCTIONS[name]
    counter = itertools.count()
    b = Body(width, lambda: f"%t{next(counter)}", fma=fma)
    args = [Value(b, kind, f"%x{k}") for k in range(function.arity)]
    result = formula(b, name, *args)
    lanes, symbol = vector(kind, width), f"@wengert.{name}.v{width}{MANGLED[kind]}"
    parameters = ", ".join(f"{lanes} {a.text}" for a in args)
    head = f"define internal {lanes} {symbol}({parameters}) alwaysinline nounwind memory(none) {{"
    text = "\n".join([head, *b.lines, f"ret {lanes} {result.text}", "}"])
    return Definition(symbol, text, tuple(b.external.items()), tuple(b.internal.items()))


def formula(b: Body, name: str, *args: Value) -> Value:
    """The function's lines in ``b``."""
    function = FUNCTIONS[name]
    kind = args[0].kind
    if not b.fma_native and function.library is not None:
        return lane_by_lane(b, function.library, *args)
    if kind == "float" and not function.single:
        return function.rule(b, *(a.to("double") for a in args)).to("float")
    return function.rule(b, *args)


def names() -> tuple[str, ...]:
    """The functions in alphabetical order."""
    return tuple(sorted(FUNCTIONS))


__all__: list[Any] = ["FUNCTIONS", "Definition", "Function", "definition", "formula", "names"]
