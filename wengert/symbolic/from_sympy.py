"""Formulas from SymPy's expressions of symbols and MatrixSymbols; matrices of one column become vectors.

Imports expression; SymPy is imported inside. Invariant: a function without a formula raises and is named.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError
from wengert.symbolic.expression import Expression, operand_of, variable
from wengert.symbolic.to_sympy import sympy_module


def from_sympy(expression: Any) -> Expression:
    """The formula of a SymPy expression; matrices of one column become vectors."""
    sympy = sympy_module()
    if not isinstance(expression, sympy.Basic):
        raise WengertTypeError(f"from_sympy takes a SymPy expression, got {type(expression).__name__}")
    found = _From(sympy).read(expression)
    return found if isinstance(found, Expression) else Expression(operand_of(found))


class _From:
    """Reads SymPy expressions from the leaves up."""

    def __init__(self, sympy: Any) -> None:
        self.sympy = sympy
        self.known: dict[Any, Any] = {}

    def read(self, e: Any) -> Any:
        """The formula of one expression; each sub-expression once."""
        if e not in self.known:
            self.known[e] = self._read(e)
        return self.known[e]

    def _read(self, e: Any) -> Any:
        s = self.sympy
        if e.is_Number:
            return Fraction(int(e.p), int(e.q)) if e.is_Rational else float(e)
        if e in (s.pi, s.E, s.EulerGamma):
            return float(e)
        if isinstance(e, s.MatrixSymbol):
            shape = [self.dim(d) for d in e.shape]
            return variable(e.name, tuple(shape[:1]) if shape[1] == 1 else tuple(shape))
        if e.is_Symbol:
            return variable(e.name, (), positive=bool(e.is_positive) and not e.is_integer)
        name = type(e).__name__
        rule = RULES.get(name)
        if rule is None:
            raise NoRuleError(f"no formula for SymPy's {name}: {str(e)[:60]}")
        return rule(self, e)

    def dim(self, d: Any) -> Any:
        """A dimension from an integer or a symbol."""
        if d.is_Integer:
            return int(d)
        if d.is_Symbol:
            return d.name
        raise NoRuleError(f"a dimension {d} is neither a number nor a name")

    def product(self, e: Any) -> Any:
        """A chain of matrices, in order; scalars first."""
        total: Any = None
        scale: Any = Fraction(1)
        for a in e.args:
            if not getattr(a, "is_Matrix", False):
                scale = _times(scale, self.read(a))
            elif total is None:
                total = (self.read(a), a.shape)
            else:
                total = _chained(total, (self.read(a), a.shape))
        return _times(scale, total[0])


def _times(a: Any, b: Any) -> Any:
    return b if type(a) is Fraction and a == 1 else _number(a) * _number(b)


def _number(a: Any) -> Any:
    if isinstance(a, Fraction):
        return Expression(operand_of(int(a) if a.denominator == 1 else a))
    return a


def _is_one(n: Any) -> bool:
    return bool(n == 1)


def _chained(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
    """The product of two matrices whose one-column and one-row forms are vectors here."""
    (a, (m, k)), (b, (_, n)) = left, right
    shape = (m, n)
    if _is_one(k):  # column times row
        if getattr(a, "ndim", 0) == 0 or getattr(b, "ndim", 0) == 0:
            return a * b, shape
        return np.outer(a, b), shape
    return a @ b, shape


def _applied(reader: _From, e: Any) -> Any:
    """``applyfunc``: the function's body with the array in the place of its variable."""
    inner = reader.read(e.expr)
    (slot,) = e.function.variables
    within = _From(reader.sympy)
    within.known[slot] = inner
    return within.read(e.function.expr)


def _folded(reader: _From, e: Any, join: Callable[[Any, Any], Any]) -> Any:
    parts = [reader.read(a) for a in e.args]
    total = parts[0]
    for p in parts[1:]:
        total = join(_number(total), _number(p))
    return total


def _sum(reader: _From, e: Any) -> Any:
    return _folded(reader, e, lambda a, b: a + b)


def _scalars(reader: _From, e: Any) -> Any:
    return _folded(reader, e, lambda a, b: a * b)


def _power(reader: _From, e: Any) -> Any:
    base, exponent = reader.read(e.args[0]), reader.read(e.args[1])
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        return base ** int(exponent)
    if isinstance(exponent, Fraction):
        return _number(base) ** _number(exponent)
    return _number(base) ** exponent


def _transpose(reader: _From, e: Any) -> Any:
    inner = reader.read(e.args[0])
    return inner.T if getattr(inner, "ndim", 0) == 2 else inner


def _trace(reader: _From, e: Any) -> Any:
    inner = reader.read(e.args[0])
    return inner.trace() if getattr(inner, "ndim", 0) == 2 else inner


def _identity(reader: _From, e: Any) -> Any:
    from wengert.symbolic.build import eye
    from wengert.symbolic.dims import named

    n = reader.dim(e.shape[0])
    return Expression(eye(named(n) if isinstance(n, str) else n))


def _ones(reader: _From, e: Any, value: int = 1) -> Any:
    from wengert.symbolic import arrays
    from wengert.symbolic.build import number
    from wengert.symbolic.dims import named

    shape = [reader.dim(d) for d in e.shape]
    dims = tuple(named(d) if isinstance(d, str) else d for d in shape if not _is_one(d))
    return Expression(arrays.broadcast(number(value), dims))


def _piecewise(reader: _From, e: Any) -> Any:
    *pairs, last = e.args
    if last[1] != reader.sympy.true:
        raise NoRuleError("a Piecewise needs a last case for all the rest")
    total = _number(reader.read(last[0]))
    for value, condition in reversed(pairs):
        total = np.where(reader.read(condition), _number(reader.read(value)), total)
    return total


def _compared(swap: bool, name: str) -> Callable[[_From, Any], Any]:
    def rule(reader: _From, e: Any) -> Any:
        a, b = (_number(reader.read(x)) for x in e.args)
        a, b = (b, a) if swap else (a, b)
        return a > b if name == "greater" else a >= b

    return rule


def _called(function: Callable[..., Any]) -> Callable[[_From, Any], Any]:
    return lambda reader, e: function(*(_number(reader.read(a)) for a in e.args))


def _named(name: str) -> Callable[[_From, Any], Any]:
    from wengert.symbolic.words import FUNCTIONS

    return lambda reader, e: FUNCTIONS[name](_number(reader.read(e.args[0])))


RULES: dict[str, Callable[[_From, Any], Any]] = {
    "Add": _sum,
    "MatAdd": _sum,
    "Mul": _scalars,
    "MatMul": lambda reader, e: reader.product(e),
    "Pow": _power,
    "MatPow": lambda reader, e: np.linalg.matrix_power(reader.read(e.args[0]), int(e.args[1])),
    "HadamardProduct": _scalars,
    "HadamardPower": _power,
    "Transpose": _transpose,
    "Inverse": lambda reader, e: np.linalg.inv(reader.read(e.args[0])),
    "Determinant": lambda reader, e: np.linalg.det(reader.read(e.args[0])),
    "Trace": _trace,
    "KroneckerProduct": lambda reader, e: np.kron(*(reader.read(a) for a in e.args)),
    "DiagMatrix": lambda reader, e: np.diag(reader.read(e.args[0])),
    "DiagonalOf": lambda reader, e: np.diag(reader.read(e.args[0])),
    "Identity": _identity,
    "OneMatrix": _ones,
    "ZeroMatrix": lambda reader, e: _ones(reader, e, 0),
    "ElementwiseApplyFunction": _applied,
    "Piecewise": _piecewise,
    "StrictGreaterThan": _compared(False, "greater"),
    "GreaterThan": _compared(False, "greater_equal"),
    "StrictLessThan": _compared(True, "greater"),
    "LessThan": _compared(True, "greater_equal"),
    "Abs": _called(abs),
    "Max": lambda reader, e: _folded(reader, e, np.maximum),
    "Min": lambda reader, e: _folded(reader, e, np.minimum),
    "asin": _called(np.arcsin),
    "acos": _called(np.arccos),
    "atan": _called(np.arctan),
    "asinh": _called(np.arcsinh),
    "acosh": _called(np.arccosh),
    "atanh": _called(np.arctanh),
    "atan2": _called(np.arctan2),
    "loggamma": _named("gammaln"),
    "digamma": _named("digamma"),
    "erf": _named("erf"),
    "erfc": _named("erfc"),
    **{n: _called(getattr(np, n)) for n in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "sign")},
}

__all__ = ["from_sympy"]
