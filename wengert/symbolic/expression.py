"""Explicit expressions: what users hold. Operators and NumPy functions on them build terms with named dimensions.

Imports arrays, vocabulary, evaluate, derive. Invariant: an expression is never changed and has no value until
``evaluate`` binds one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.symbolic import arrays, functions
from wengert.symbolic.build import Fraction, contract, count, number, scale, var
from wengert.symbolic.derive import jacobian
from wengert.symbolic.dims import Dim
from wengert.symbolic.evaluate import evaluate, sizes_of
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Abstract, Constant, Term, intern, variables
from wengert.symbolic.vocabulary import FACTS, FUNCTIONS, Scope, shape_of


class Expression:
    """A formula: a term with operators. Made by ``wengert.var``, ``wengert.parse``, and by computing with expressions.

    >>> n, k = (Dim((((("n", 1),), 1),)), Dim((((("k", 1),), 1),)))
    >>> x = Expression(var("x", (n,)))
    >>> str(np.exp(x) + 2 * x)
    'exp(x) + 2x'
    """

    __slots__ = ("term",)
    __array_priority__ = 1000

    def __init__(self, term: Term) -> None:
        self.term = term

    @property
    def shape(self) -> tuple[Any, ...]:
        """The dimensions."""
        return self.term.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.term.rank

    @property
    def size(self) -> Any:
        """The number of entries."""
        total: Any = 1
        for d in self.term.shape:
            total = total * d
        return total

    @property
    def T(self) -> Expression:
        """The transpose."""
        return Expression(arrays.transpose(self.term))

    def __str__(self) -> str:
        from wengert.symbolic.text import TextWriter

        form = form_of(self.term)
        if form.rank > 2:
            from wengert.symbolic.indexed import letters_for

            return TextWriter().indexed(form, letters_for(form.rank, 0))
        return TextWriter().write(form)

    def __repr__(self) -> str:
        return f"{self}   shape ({', '.join(map(str, self.shape))}{',' if self.ndim == 1 else ''})"

    def __add__(self, other: Any) -> Any:
        return _binary(arrays.plus, self, other)

    def __radd__(self, other: Any) -> Any:
        return _binary(arrays.plus, other, self)

    def __sub__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.plus(a, b, -1), self, other)

    def __rsub__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.plus(a, b, -1), other, self)

    def __mul__(self, other: Any) -> Any:
        return _binary(arrays.times, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _binary(arrays.times, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _binary(arrays.divide, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _binary(arrays.divide, other, self)

    def __matmul__(self, other: Any) -> Any:
        return _binary(arrays.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return _binary(arrays.matmul, other, self)

    def __pow__(self, other: Any) -> Any:
        return _binary(arrays.power, self, other)

    def __rpow__(self, other: Any) -> Any:
        return _binary(arrays.power, other, self)

    def __neg__(self) -> Expression:
        return Expression(scale(Fraction(-1), self.term))

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return Expression(functions.apply("abs", self.term))

    def __gt__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.apply("greater", a, b), self, other)

    def __lt__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.apply("greater", a, b), other, self)

    def __ge__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.apply("greater_equal", a, b), self, other)

    def __le__(self, other: Any) -> Any:
        return _binary(lambda a, b: arrays.apply("greater_equal", a, b), other, self)

    def __getitem__(self, key: Any) -> Expression:
        return Expression(arrays.index(self.term, key))

    def __iter__(self) -> Any:
        if not self.ndim or isinstance(self.shape[0], Dim):
            raise WengertTypeError("an expression with a named first dimension cannot be iterated over")
        return (self[k] for k in range(self.shape[0]))

    def __len__(self) -> int:
        if self.ndim and isinstance(self.shape[0], int):
            return self.shape[0]
        raise WengertTypeError("the length of a named dimension is not a number: use shape[0]")

    def __bool__(self) -> bool:
        raise WengertTypeError(
            "a formula has no truth value: if and while on values have no closed form"
            "\n  fix: write np.where, or use wengert.grad on a function"
        )

    def __float__(self) -> float:
        raise WengertTypeError("a formula has no value yet: bind one with evaluate(...)")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise WengertTypeError("a formula is no array: bind values with evaluate(...)")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = UFUNCS.get(ufunc.__name__, ufunc.__name__)
        if method != "__call__" or options or (name not in OPERATORS and name not in FUNCTIONS):
            raise NoRuleError(
                f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} is not known of formulas"
            )
        return _called(OPERATORS.get(name) or FUNCTIONS[name], inputs, {})

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = UFUNCS.get(func.__name__, func.__name__)
        if name not in FUNCTIONS:
            raise NoRuleError(f"np.{func.__name__} is not known of formulas")
        return _called(FUNCTIONS[name], args, kwargs)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """The sum over axes."""
        return Expression(arrays.sum_over(self.term, axis, keepdims))

    def mean(self, axis: Any = None, keepdims: bool = False) -> Expression:
        """The mean over axes."""
        return Expression(arrays.mean(self.term, axis, keepdims))

    def dot(self, other: Any) -> Any:
        """NumPy's dot."""
        return _binary(arrays.dot, self, other)

    def trace(self) -> Expression:
        """The trace."""
        return Expression(arrays.trace(self.term))

    def evaluate(self, **values: Any) -> Any:
        """The value for given variables; raises WengertValueError when one is missing or does not fit."""
        return evaluate(self.term, _values(values))

    def grad(self, wrt: str | None = None, **values: Any) -> Any:
        """The gradient of a scalar expression by one variable at given values."""
        if self.ndim:
            raise WengertValueError("grad is for a scalar expression; vjp takes weights for the others")
        return self.vjp(1.0, wrt, **values)

    def jvp(self, tangents: dict[str, Any], **values: Any) -> Any:
        """The derivative along tangents, one per variable name."""
        total: Any = 0.0
        for name, tangent in tangents.items():
            x = self._variable(name)
            v = var(f"d {name}", x.shape)
            along = contract(
                [(jacobian(self.term, x), range(self.ndim + x.rank)), (v, range(self.ndim, self.ndim + x.rank))],
                range(self.ndim),
            )
            total = total + evaluate(
                along, {**_values(values), v.name: np.asarray(tangent, dtype=float)}, self._sizes(values)
            )
        return total

    def vjp(self, cotangent: Any, wrt: str | None = None, **values: Any) -> Any:
        """The cotangent of one variable for a cotangent of the value."""
        x = self._variable(wrt)
        weights = var("d out", self.shape)
        inner = contract([(self.term, range(self.ndim)), (weights, range(self.ndim))], ())
        given = {**_values(values), weights.name: np.asarray(cotangent, dtype=float)}
        return evaluate(jacobian(inner, x), given, self._sizes(values))

    def _sizes(self, values: dict[str, Any]) -> dict[str, int]:
        return sizes_of(self.term, _values(values))

    def _variable(self, name: str | None) -> Any:
        free = variables(self.term)
        if name is None and len(free) == 1:
            return next(iter(free.values()))
        if name not in free:
            raise WengertValueError(f"the expression has no variable {name}; it has {', '.join(free)}")
        return free[name]


UFUNCS = {"true_divide": "divide", "absolute": "abs", "conjugate": "positive"}
OPERATORS: dict[str, Callable[..., Any]] = {
    "positive": lambda a: a,
    "greater": lambda a, b: arrays.apply("greater", a, b),
    "less": lambda a, b: arrays.apply("greater", b, a),
    "greater_equal": lambda a, b: arrays.apply("greater_equal", a, b),
    "less_equal": lambda a, b: arrays.apply("greater_equal", b, a),
}


def lifted(value: Any) -> Term:
    """A number, a dimension or an array as a term."""
    if isinstance(value, Expression):
        return value.term
    if isinstance(value, Term):
        return value
    if isinstance(value, Dim):
        return count(value)
    if isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)):
        return number(value.item() if isinstance(value, np.number) else value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiu":
        raise WengertTypeError(f"{type(value).__name__} cannot stand in a formula")
    return constant(found)


def constant(value: Any) -> Term:
    """An array of numbers as a term; arrays of one number everywhere become that number."""
    if value.size and np.all(value == value.flat[0]):
        return arrays.broadcast(number(value.flat[0].item()), value.shape)
    key = ("array", value.tobytes(), value.shape, str(value.dtype))
    kept = np.array(value, dtype=float)
    return intern(Constant, key, value.shape, name=f"constant{value.shape}", value=kept)


def _binary(make: Callable[[Term, Term], Term], a: Any, b: Any) -> Any:
    return Expression(make(lifted(a), lifted(b)))


OPTIONS = {"axis", "keepdims", "ord", "ddof", "axes"}


def _called(make: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    def one(value: Any) -> Any:
        if isinstance(value, (Expression, np.ndarray)):
            return lifted(value)
        if isinstance(value, (list, tuple)) and any(isinstance(v, Expression) for v in value):
            return [lifted(v) for v in value]
        return value

    needs = [one(a) for a in args]
    if make not in RAW:
        needs = (
            [
                lifted(a) if isinstance(a, (int, float, np.number, Dim)) and not isinstance(a, bool) and k < 2 else a
                for k, a in enumerate(needs)
            ]
            if all(not isinstance(a, (list, str)) for a in needs)
            else needs
        )
    unknown = set(kwargs) - OPTIONS
    if unknown:
        raise NoRuleError(f"the options {sorted(unknown)} are not known of formulas")
    found = make(*needs, **kwargs)
    return tuple(map(Expression, found)) if isinstance(found, tuple) else Expression(found)


RAW = {
    FUNCTIONS[n]
    for n in (
        "sum",
        "mean",
        "var",
        "std",
        "max",
        "min",
        "amax",
        "amin",
        "norm",
        "logsumexp",
        "softmax",
        "matrix_power",
        "transpose",
        "stack",
        "concatenate",
        "einsum",
        "trace",
        "diag",
    )
}


def _values(values: dict[str, Any]) -> dict[str, Any]:
    return {n: float(v) if isinstance(v, (int, float)) else np.asarray(v, dtype=float) for n, v in values.items()}


def variable(name: str, shape: Any = (), **facts: bool) -> Expression:
    """A variable with a shape of names, ints or dimensions, and facts such as ``symmetric=True``."""
    chosen = []
    for fact, given in facts.items():
        word = fact.replace("_", " ")
        if word not in FACTS:
            raise WengertTypeError(f"unknown fact {fact}; known are {', '.join(f.replace(' ', '_') for f in FACTS)}")
        if given:
            chosen.append(word)
    if not isinstance(name, str) or not name.isidentifier():
        raise WengertValueError(f"a variable is named by an identifier, got {name!r}")
    dims = shape_of(shape)
    if set(chosen) & {"symmetric", "positive definite", "triangular", "diagonal", "orthogonal"} and (
        len(dims) != 2 or dims[0] != dims[1]
    ):
        raise WengertValueError(
            f"{name} is declared {', '.join(chosen)}, which needs a square matrix; its shape is {dims}"
        )
    if "positive definite" in chosen or "diagonal" in chosen:
        chosen.append("symmetric")
    return Expression(var(name, dims, chosen))


def function(name: str, shape: Any = (), of: Any = ()) -> Expression:
    """An abstract function of variables: its derivatives print as ∂u/∂x."""
    args = [of] if isinstance(of, (Expression, str)) else list(of)
    terms = tuple(lifted(a) if isinstance(a, Expression) else var(a) for a in args)
    key = (name, tuple(t.ident for t in terms), ())
    return Expression(intern(Abstract, key, shape_of(shape), name=name, args=terms, slots=(), program=None))


def parse(text: str, syntax: str, shapes: dict[str, Any]) -> tuple[Term, Scope]:
    """The term of a formula and the scope it was read in."""
    from wengert.symbolic.parse_hand import parse_hand
    from wengert.symbolic.parse_numpy import parse_numpy

    if not isinstance(text, str):
        raise WengertTypeError(f"a formula is a text, got {type(text).__name__}")
    scope = Scope(shapes)
    if syntax == "numpy":
        return parse_numpy(text, scope), scope
    if syntax == "hand":
        return parse_hand(text, scope), scope
    raise WengertValueError(f"syntax {syntax!r}: choose 'numpy' or 'hand'")
