"""SymPy's expressions from formulas and formulas from SymPy's expressions.

Imports expression, recover, notation; SymPy is imported inside the functions. Invariant: the derivative engine never
uses SymPy; what one side has no word for raises and names it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError
from wengert.symbolic.dims import Dim
from wengert.symbolic.expression import Expression, lifted, variable
from wengert.symbolic.notation import Form
from wengert.symbolic.recover import form_of
from wengert.symbolic.simplify import simplified
from wengert.symbolic.terms import Var, variables


def sympy_module() -> Any:
    """SymPy, or an error that says how to get it."""
    try:
        import sympy
    except ImportError:
        raise NoRuleError("SymPy is not installed\n  fix: pip install 'wengert[sympy]'") from None
    return sympy


# ---------------------------------------------------------------- to SymPy


class ToSymPy:
    """Writes forms as SymPy expressions: scalars as scalars, vectors as one-column matrices."""

    def __init__(self, free: dict[str, Var]) -> None:
        self.sympy = sympy_module()
        self.matrices = self.sympy.matrices.expressions
        self.free = free

    def write(self, form: Form) -> Any:
        """The SymPy expression of a form."""
        found = getattr(self, "_" + form.kind, None)
        if found is None or form.rank > 2:
            raise NoRuleError(
                f"SymPy has no word for {form.kind} (rank {form.rank})\n  fix: use numpy_source() or latex()"
            )
        return found(form)

    def number(self, value: Any) -> Any:
        """An exact number where it is one."""
        if isinstance(value, Fraction):
            return self.sympy.Rational(value.numerator, value.denominator)
        return self.sympy.Float(value) if isinstance(value, float) else self.sympy.Integer(value)

    def dim(self, value: Any) -> Any:
        """A dimension, as an integer or a polynomial of positive integer symbols."""
        if not isinstance(value, Dim):
            return self.sympy.Integer(value)
        total = self.sympy.Integer(0)
        for monomial, c in value.terms:
            part = self.sympy.Integer(c)
            for name, power in monomial:
                part *= self.sympy.Symbol(name, integer=True, positive=True) ** power
            total += part
        return total

    def entry(self, form: Form, apply: Callable[..., Any]) -> Any:
        """A scalar function of a form: of a number at once, of a matrix entry by entry."""
        inner = self.write(form)
        if not form.rank:
            return apply(inner)
        slot = self.sympy.Dummy("entry")
        return inner.applyfunc(self.sympy.Lambda(slot, apply(slot)))

    def _num(self, form: Form) -> Any:
        return self.number(form.value)

    def _dim(self, form: Form) -> Any:
        return self.dim(form.value)

    def _constant(self, form: Form) -> Any:
        known = {"pi": self.sympy.pi, "e": self.sympy.E, "euler_gamma": self.sympy.EulerGamma}
        if form.value not in known:
            raise NoRuleError(f"SymPy has no word for the constant {form.value}")
        return known[form.value]

    def _name(self, form: Form) -> Any:
        name = form.value[0]
        shape = self.free[name].shape
        if not shape:
            positive = True if "positive" in self.free[name].facts else None
            return self.sympy.Symbol(name, real=True, positive=positive)
        rows = self.dim(shape[0])
        return self.sympy.MatrixSymbol(name, rows, self.dim(shape[1]) if len(shape) == 2 else 1)

    def _eye(self, form: Form) -> Any:
        return self.sympy.Identity(self.dim(form.value))

    def _ones(self, form: Form) -> Any:
        return self.sympy.OneMatrix(*self.sizes(form.value))

    def _zeros(self, form: Form) -> Any:
        return self.sympy.ZeroMatrix(*self.sizes(form.value)) if form.rank else self.sympy.Integer(0)

    def sizes(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Rows and columns; a vector is one column."""
        found = tuple(map(self.dim, shape))
        return found if len(found) == 2 else (*found, self.sympy.Integer(1))

    def _scale(self, form: Form) -> Any:
        return self.number(form.value) * self.write(form.args[0])

    def _add(self, form: Form) -> Any:
        total = self.write(form.args[0])
        for a in form.args[1:]:
            total = total + self.write(a)
        return total

    def _mul(self, form: Form) -> Any:
        total = self.write(form.args[0])
        for a in form.args[1:]:
            total = total * self.write(a)
        return total

    def _had(self, form: Form) -> Any:
        return self.matrices.HadamardProduct(*map(self.write, form.args))

    def _div(self, form: Form) -> Any:
        top, bottom = form.args
        if not bottom.rank:
            return self.write(top) / self.write(bottom)
        below = self.entry(bottom, lambda x: 1 / x)
        return self.matrices.HadamardProduct(self.write(top), below) if top.rank else self.write(top) * below

    def _mat(self, form: Form) -> Any:
        parts = [self.write(a) for a in form.args]
        turned = [flag and a.rank == 2 for a, flag in zip(form.args, form.value, strict=True)]
        parts = [p.T if t else p for p, t in zip(parts, turned, strict=True)]
        ranks = [a.rank for a in form.args]
        if ranks[0] == 1 and len(parts) > 1:
            parts[0] = parts[0].T
            row = True
        else:
            row = False
        product = self.sympy.MatMul(*parts)
        if not form.rank:
            return self.sympy.Trace(product)
        return product.T if row and form.rank == 1 else product

    def _T(self, form: Form) -> Any:
        return self.write(form.args[0]).T

    def _outer(self, form: Form) -> Any:
        u, v = map(self.write, form.args)
        return u * v.T

    def _inv(self, form: Form) -> Any:
        return self.sympy.Inverse(self.write(form.args[0]))

    def _kron(self, form: Form) -> Any:
        return self.sympy.KroneckerProduct(*map(self.write, form.args))

    def _matrix(self, form: Form) -> Any:
        inner = self.write(form.args[0])
        if form.value == "det":
            return self.sympy.Determinant(inner)
        if form.value == "logdet":
            return self.sympy.log(self.sympy.Abs(self.sympy.Determinant(inner)))
        raise NoRuleError(f"SymPy has no word for {form.value}")

    def _pow(self, form: Form) -> Any:
        value = self.number(form.value)
        return self.entry(form.args[0], lambda x: x**value)

    def _power(self, form: Form) -> Any:
        base, exponent = form.args
        if exponent.rank:
            raise NoRuleError("SymPy has no word for a power with an array as exponent")
        above = self.write(exponent)
        return self.entry(base, lambda x: x**above)

    def _norm2sq(self, form: Form) -> Any:
        inner = self.write(form.args[0])
        return self.sympy.Trace(inner.T * inner)

    def _norm(self, form: Form) -> Any:
        if form.value == "1":
            return self.total(self.entry(form.args[0], self.sympy.Abs))
        return self.sympy.sqrt(self._norm2sq(form))

    def _tr(self, form: Form) -> Any:
        return self.sympy.Trace(self.write(form.args[0]))

    def total(self, inner: Any) -> Any:
        """The sum of all entries: a trace of products with ones."""
        rows, columns = inner.shape
        return self.sympy.Trace(self.sympy.OneMatrix(1, rows) * inner * self.sympy.OneMatrix(columns, 1))

    def _sum(self, form: Form) -> Any:
        return self.total(self.write(form.args[0]))

    def _rowsum(self, form: Form) -> Any:
        inner = self.write(form.args[0])
        rows, columns = inner.shape
        if form.value[0] == 1:
            return inner * self.sympy.OneMatrix(columns, 1)
        return (self.sympy.OneMatrix(1, rows) * inner).T

    def _mean(self, form: Form) -> Any:
        inner = self.write(form.args[0])
        rows, columns = inner.shape
        if form.value is None:
            return self.total(inner) / (rows * columns)
        if form.value == 1:
            return inner * self.sympy.OneMatrix(columns, 1) / columns
        return (self.sympy.OneMatrix(1, rows) * inner).T / rows

    def _diag(self, form: Form) -> Any:
        return self.matrices.DiagMatrix(self.write(form.args[0]))

    def _diagonal(self, form: Form) -> Any:
        return self.matrices.DiagonalOf(self.write(form.args[0]))

    def _filled(self, form: Form) -> Any:
        return self.write(form.args[0])

    def _call(self, form: Form) -> Any:
        name, args = form.value, form.args
        if name in UNARY and len(args) == 1:
            return self.entry(args[0], lambda x: UNARY[name](self.sympy, x))
        if all(a.rank == 0 for a in args) and name in SEVERAL:
            return SEVERAL[name](self.sympy, *map(self.write, args))
        raise NoRuleError(f"SymPy has no word for {name} of arrays")


def _same_name(name: str) -> Callable[[Any, Any], Any]:
    return lambda s, x: getattr(s, name)(x)


SAME = ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "erf", "erfc", "sign", "digamma")
UNARY: dict[str, Callable[[Any, Any], Any]] = {
    **{n: _same_name(n) for n in SAME},
    "abs": lambda s, x: s.Abs(x),
    "arcsin": lambda s, x: s.asin(x),
    "arccos": lambda s, x: s.acos(x),
    "arctan": lambda s, x: s.atan(x),
    "arcsinh": lambda s, x: s.asinh(x),
    "arccosh": lambda s, x: s.acosh(x),
    "arctanh": lambda s, x: s.atanh(x),
    "gammaln": lambda s, x: s.loggamma(x),
    "trigamma": lambda s, x: s.polygamma(1, x),
    "sigmoid": lambda s, x: 1 / (1 + s.exp(-x)),
    "softplus": lambda s, x: s.log(1 + s.exp(x)),
    "relu": lambda s, x: s.Max(x, 0),
    "step": lambda s, x: s.Heaviside(x, 0),
    "half": lambda s, x: s.Heaviside(x, s.Rational(1, 2)),
}
SEVERAL: dict[str, Callable[..., Any]] = {
    "maximum": lambda s, a, b: s.Max(a, b),
    "minimum": lambda s, a, b: s.Min(a, b),
    "arctan2": lambda s, a, b: s.atan2(a, b),
    "where": lambda s, c, a, b: s.Piecewise((a, c), (b, True)),
    "greater": lambda s, a, b: s.Gt(a, b),
    "greater_equal": lambda s, a, b: s.Ge(a, b),
}


def to_sympy(formula: Any) -> Any:
    """A formula or a derivative as a SymPy expression: vectors as one-column matrices."""
    from wengert.symbolic.result import Derivative

    if isinstance(formula, Derivative):
        return ToSymPy({**variables(formula.term), **formula.free}).write(formula.form)
    if isinstance(formula, Expression):
        term = simplified(formula.term)
        return ToSymPy(dict(variables(term))).write(form_of(term))
    raise WengertTypeError(f"to_sympy takes a formula or a derivative, got {type(formula).__name__}")


# ---------------------------------------------------------------- from SymPy


def from_sympy(expression: Any) -> Expression:
    """The formula of a SymPy expression; matrices of one column become vectors."""
    sympy = sympy_module()
    if not isinstance(expression, sympy.Basic):
        raise WengertTypeError(f"from_sympy takes a SymPy expression, got {type(expression).__name__}")
    found = _From(sympy).read(expression)
    return found if isinstance(found, Expression) else Expression(lifted(found))


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
        from wengert.symbolic.build import number

        return Expression(number(a))
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
        from wengert.symbolic import functions

        return Expression(functions.power(lifted(_number(base)), exponent))
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
    from wengert.symbolic import functions

    return lambda reader, e: Expression(functions.apply(name, lifted(_number(reader.read(e.args[0])))))


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

__all__ = ["from_sympy", "to_sympy"]
