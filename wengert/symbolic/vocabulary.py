"""The functions both parsers know by name, and the variables of a formula with their declared shapes.

Imports arrays, functions. Invariant: nothing is looked up anywhere but in these tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from wengert.core.errors import WengertTypeError, WengertValueError
from wengert.symbolic import arrays, functions
from wengert.symbolic.build import count, eye, number, ones, var, zero
from wengert.symbolic.dims import Dim, size
from wengert.symbolic.matrices import matrix
from wengert.symbolic.terms import Abstract, Term, Var

FACTS = ("symmetric", "positive definite", "triangular", "diagonal", "orthogonal", "positive", "probability")
LONGEST = 20_000
DEEPEST = 80
REFUSED = {
    "integrate": "an integral",
    "integral": "an integral",
    "quad": "an integral",
    "solve_equation": "solving an equation",
    "fsolve": "solving an equation",
    "dsolve": "solving an equation",
    "limit": "a limit",
}


class FormulaError(WengertValueError):
    """A formula that cannot be read; ``column`` (from 1) says where, and the message shows the place."""

    column: int = 0


def refuse(text: str, column: int, what: str, fix: str = "") -> FormulaError:
    """The error for a place in a formula."""
    lines = text.splitlines() or [""]
    left = column
    for row in lines:
        if left <= len(row):
            break
        left -= len(row) + 1
    start = max(0, left - 30)
    shown = row[start : start + 60]
    pointer = " " * (left - start) + "^"
    error = FormulaError(
        f"{what}\n  column {column + 1}: {shown}\n            {' ' * len(str(column + 1))}{pointer}"
        + (f"\n  fix: {fix}" if fix else "")
    )
    error.column = column + 1
    error.fix = fix
    return error


def shape_of(spec: Any) -> tuple[Any, ...]:
    """A declared shape from a name, an int, or a sequence of them; ``"m,n"`` is a matrix.

    ``()`` and ``""`` a scalar.
    """
    if isinstance(spec, str):
        return tuple(size(word) for word in spec.replace(",", " ").split())
    if isinstance(spec, (tuple, list)):
        return tuple(size(d) for d in spec)
    return (size(spec),)


def declared(shapes: Mapping[str, Any]) -> dict[str, Term]:
    """Variables from ``name -> shape`` (or name -> variable)."""
    found: dict[str, Term] = {}
    for name, spec in shapes.items():
        term = getattr(spec, "term", spec)
        if isinstance(term, Var):
            found[name] = term if term.name == name else var(name, term.shape, term.facts)
        elif isinstance(term, (Abstract,)):
            found[name] = term
        else:
            found[name] = var(name, shape_of(spec))
    return found


class Scope:
    """What names mean in a formula. With no declared shape at all, every name is a scalar."""

    def __init__(self, shapes: Mapping[str, Any]) -> None:
        self.variables = declared(shapes)
        self.open = not shapes
        self.dims = {
            n: d for t in self.variables.values() for d in t.shape if isinstance(d, Dim) and d.simple for n in d.names
        }

    def lookup(self, name: str) -> Term | None:
        """The term of a name, or None."""
        found = self.variables.get(name)
        if found is None and name in self.dims:
            return count(self.dims[name])
        if found is None and name in ("pi", "π"):
            return functions.PI
        if found is None and self.open:
            found = self.variables[name] = var(name)
        return found


def _elementwise(name: str) -> Callable[..., Term]:
    return lambda *args: arrays.apply(name, *args)


def _power(p: Any) -> Callable[[Term], Term]:
    return lambda x: functions.power(x, p)


def _log_base(base: float) -> Callable[[Term], Term]:
    import math

    return lambda x: arrays.times(number(1 / math.log(base)), functions.apply("log", x))


def axis_of(value: Any) -> Any:
    """An axis argument: an int, a tuple of ints or None."""
    if value is None or isinstance(value, (int, tuple)):
        return value
    raise WengertTypeError(f"axis takes a number, got {value!r}")


def _sum(x: Term, axis: Any = None, keepdims: bool = False) -> Term:
    return arrays.sum_over(x, axis_of(axis), bool(keepdims))


def _mean(x: Term, axis: Any = None, keepdims: bool = False) -> Term:
    return arrays.mean(x, axis_of(axis), bool(keepdims))


def _var(x: Term, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Term:
    return arrays.variance(x, axis_of(axis), bool(keepdims), int(ddof))


def _std(x: Term, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Term:
    return functions.power(_var(x, axis, keepdims, ddof), Fraction(1, 2))


def _reduction(name: str) -> Callable[..., Term]:
    return lambda x, axis=None, keepdims=False: arrays.reduction(name, x, axis_of(axis), bool(keepdims))


def _norm(x: Term, ord: Any = None) -> Term:
    return arrays.norm(x, ord)


def _matrix(name: str) -> Callable[[Term], Term]:
    return lambda x: matrix(name, x)


def _matrix_power(x: Term, p: Any) -> Term:
    if not isinstance(p, int):
        raise WengertTypeError("a matrix power needs a whole number as exponent")
    base = matrix("inv", x) if p < 0 else x
    found: Term = eye(x.shape[0])
    arrays.square(x, "a matrix power")
    for _ in range(abs(p)):
        found = arrays.matmul(found, base)
    return found


def _clip(x: Term, low: Any, high: Any) -> Term:
    return arrays.apply("minimum", arrays.apply("maximum", x, low), high)


def _where(c: Term, a: Term, b: Term) -> Term:
    return arrays.apply("where", c, a, b)


def _relu(x: Term) -> Term:
    return functions.apply("relu", x)


def _slogdet(x: Term) -> tuple[Term, Term]:
    return functions.apply("sign", matrix("det", x)), matrix("logdet", x)


def _softmax(x: Term, axis: Any = ...) -> Term:
    if axis is ...:
        if x.rank > 1:
            raise WengertValueError("softmax of a matrix needs its axis: write softmax(Z, axis=1) for rows")
        axis = None
    return arrays.reduction("softmax", x, axis_of(axis))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        n: _elementwise(n)
        for n in (
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "arcsin",
            "arccos",
            "arctan",
            "arcsinh",
            "arccosh",
            "arctanh",
            "sigmoid",
            "softplus",
            "erf",
            "erfc",
            "gammaln",
            "digamma",
            "sign",
            "abs",
            "maximum",
            "minimum",
            "arctan2",
            "floor",
        )
    },
    "expit": _elementwise("sigmoid"),
    "absolute": _elementwise("abs"),
    "fabs": _elementwise("abs"),
    "ln": _elementwise("log"),
    "asin": _elementwise("arcsin"),
    "acos": _elementwise("arccos"),
    "atan": _elementwise("arctan"),
    "asinh": _elementwise("arcsinh"),
    "acosh": _elementwise("arccosh"),
    "atanh": _elementwise("arctanh"),
    "psi": _elementwise("digamma"),
    "lgamma": _elementwise("gammaln"),
    "sqrt": _power(Fraction(1, 2)),
    "square": _power(2),
    "reciprocal": _power(-1),
    "cbrt": _power(Fraction(1, 3)),
    "expm1": lambda x: arrays.plus(functions.apply("exp", x), number(1), -1),
    "log1p": lambda x: functions.apply("log", arrays.plus(number(1), x)),
    "log2": _log_base(2.0),
    "log10": _log_base(10.0),
    "negative": lambda x: arrays.times(number(-1), x),
    "relu": _relu,
    "logaddexp": lambda a, b: arrays.plus(a, functions.apply("softplus", arrays.plus(b, a, -1))),
    "sum": _sum,
    "mean": _mean,
    "average": _mean,
    "var": _var,
    "std": _std,
    "max": _reduction("max"),
    "min": _reduction("min"),
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "logsumexp": _reduction("logsumexp"),
    "softmax": _softmax,
    "norm": _norm,
    "log_softmax": lambda x, axis=...: functions.apply("log", _softmax(x, axis)),
    "det": _matrix("det"),
    "inv": _matrix("inv"),
    "logdet": _matrix("logdet"),
    "slogdet": _slogdet,
    "pinv": _matrix("inv"),
    "trace": arrays.trace,
    "diag": arrays.diag,
    "diagonal": arrays.diag,
    "outer": arrays.outer,
    "dot": arrays.dot,
    "vdot": arrays.dot,
    "inner": lambda a, b: arrays.dot(a, arrays.transpose(b)),
    "matmul": arrays.matmul,
    "multiply": arrays.times,
    "add": arrays.plus,
    "subtract": lambda a, b: arrays.plus(a, b, -1),
    "divide": arrays.divide,
    "power": arrays.power,
    "transpose": arrays.transpose,
    "solve": arrays.solve,
    "matrix_power": _matrix_power,
    "einsum": arrays.einsum,
    "clip": _clip,
    "where": _where,
    "stack": arrays.stack,
    "concatenate": arrays.concatenate,
    "kron": arrays.kron,
    "vec": arrays.vec,
    "ravel": arrays.vec,
    "flatten": arrays.vec,
    "ones": ones,
    "zeros": zero,
    "eye": eye,
    "identity": eye,
}
FUNCTIONS.pop("pinv")
METHODS = {"sum", "mean", "var", "std", "max", "min", "dot", "trace", "transpose", "diagonal", "clip"}
