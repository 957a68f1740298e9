"""Formulas as SymPy's expressions: scalars as scalars, vectors as matrices of one column.

Imports notation, recover; SymPy is imported inside. Invariant: what SymPy has no word for raises and names it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from wengert.core.errors import NoRuleError, WengertTypeError
from wengert.symbolic.dims import Dim
from wengert.symbolic.expression import Expression
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

    def _array(self, form: Form) -> Any:
        shape, entries = form.value
        if len(shape) > 2:
            raise NoRuleError("SymPy has no word for an array of numbers of this rank")
        rows, columns = (*shape, 1)[:2]
        return self.sympy.Matrix(rows, columns, [self.sympy.nsimplify(v, rational=True) for v in entries])

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


__all__ = ["sympy_module", "to_sympy"]
