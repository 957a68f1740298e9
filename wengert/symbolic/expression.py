"""Explicit expressions: what users hold. Operators and NumPy functions on them make steps of a graph with named sizes.

Imports graphs, graphs_record, graphs_terms, vocabulary. Invariant: an expression is never changed, has no value until
``evaluate`` binds one, and is the step that tracing records for the same code.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.core.graph import Graph, Operand
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.op import OPS
from wengert.symbolic import graphs_run
from wengert.symbolic.build import number, var
from wengert.symbolic.dims import Dim
from wengert.symbolic.graphs import Held, abstract_step, graph_of, input_of, shape_of
from wengert.symbolic.graphs_record import Slot, called, check_shapes
from wengert.symbolic.graphs_terms import real, size_term, term_of
from wengert.symbolic.operators import Operators
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Abstract, Term, Var, intern, variables
from wengert.symbolic.vocabulary import FACTS, Scope
from wengert.symbolic.vocabulary import shape_of as declared_shape
from wengert.symbolic.whole import COMPOSED


class Expression(Operators):
    """A formula: a step of a graph with named sizes. Made by ``wengert.var``, ``wengert.parse``, and by computing with
    expressions.

    >>> n = Dim((((("n", 1),), 1),))
    >>> x = Expression(var("x", (n,)))
    >>> str(np.exp(x) + 2 * x)
    'exp(x) + 2x'
    >>> print((np.exp(x) + 2 * x).graph)
    expression: 1 input, 3 steps, 1 output
      x              float64[n]
      v1 = exp(x)    float64[n]
      v2 = 2 * x     float64[n]
      v3 = v1 + v2   float64[n]
      return v3
    """

    __slots__ = ("_graph", "source")
    __array_priority__ = 1000

    def __init__(self, source: Any) -> None:
        if isinstance(source, Term):
            source = operand_of(source)
        self.source: Operand = source
        self._graph: Graph | None = None

    @property
    def graph(self) -> Graph:
        """The program: a graph of the core's operations with named sizes, whose inputs are the variables."""
        if self._graph is None:
            self._graph = graph_of(self.source)
        return self._graph

    @property
    def term(self) -> Term:
        """What the program is in the language of closed forms; raises NoRuleError, naming the step, for one that is
        nothing there.
        """
        found: Term = real(term_of(self.source))
        return found

    @property
    def known(self) -> Any:
        """Whether every step has a form so far, complex ones among them; raises NoRuleError as ``term`` does."""
        return term_of(self.source) is not None

    @property
    def shape(self) -> tuple[Any, ...]:
        """The dimensions."""
        return shape_of(self.source)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> Any:
        """The number of entries."""
        total: Any = 1
        for d in self.shape:
            total = total * d
        return total

    @property
    def T(self) -> Expression:
        """The transpose."""
        return _transposed(self)

    @property
    def real(self) -> Expression:
        """The real part."""
        return call(np.real, (self,), {}, "the real part")

    @property
    def imag(self) -> Expression:
        """The imaginary part."""
        return call(np.imag, (self,), {}, "the imaginary part")

    def __str__(self) -> str:
        from wengert.symbolic.text import TextWriter

        form = form_of(self.term)
        if form.rank > 2:
            from wengert.symbolic.indexed import letters_for

            return TextWriter().indexed(form, letters_for(form.rank, 0))
        return TextWriter().write(form)

    def __repr__(self) -> str:
        return f"{self}   shape ({', '.join(map(str, self.shape))}{',' if self.ndim == 1 else ''})"

    def combined(self, function: Callable[..., Any], *values: Any) -> Any:
        """An operator of this and other values."""
        return operate(function, *values)

    def __getitem__(self, key: Any) -> Expression:
        return call(operator.getitem, (self, key), {}, "indexing")

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
        if method == "__call__" and not options:
            return operate(ufunc, *inputs)
        name = f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method}"
        if method not in ("__call__", "reduce", "outer", "accumulate"):
            raise NoRuleError(f"{name} is not known of formulas")
        return call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, options, name)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(func, args, kwargs, f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}")

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(f"a formula has no attribute {name!r}")
        return lambda *args, **kwargs: call(METHODS[name], (self, *args), kwargs, f"the method {name}")

    def held_constant(self) -> Expression:
        """The same as a constant (``wengert.stop_gradient``)."""
        return call(OPS["stop_gradient"].record, (self,), {}, "stop_gradient")

    def evaluate(self, **values: Any) -> Any:
        """The value for given variables; raises WengertValueError when one is missing or does not fit."""
        return graphs_run.evaluate(self.graph, values)

    def grad(self, wrt: str | None = None, **values: Any) -> Any:
        """The gradient of a scalar expression by one variable at given values."""
        if self.ndim:
            raise WengertValueError("grad is for a scalar expression; vjp takes weights for the others")
        return self.vjp(1.0, wrt, **values)

    def jvp(self, tangents: Mapping[str, Any], **values: Any) -> Any:
        """The derivative along tangents, one per variable name, by forward mode of the graph."""
        return graphs_run.jvp(self.graph, tangents, values)

    def vjp(self, cotangent: Any, wrt: str | None = None, **values: Any) -> Any:
        """The cotangent of one variable for a cotangent of the value, by reverse mode of the graph."""
        return graphs_run.vjp(self.graph, cotangent, wrt, values)


def _transposed(x: Any) -> Any:
    return call(_transpose, (x,), {}, "the transpose")


def _transpose(x: Any) -> Any:
    return x.T


def _method(name: str) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


METHODS: dict[str, Callable[..., Any]] = {
    name: _method(name)
    for name in (
        "argmax", "argmin", "clip", "cumprod", "cumsum", "diagonal", "dot", "flatten", "max", "mean", "min", "prod",
        "ravel", "repeat", "reshape", "round", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var",
    )
}  # fmt: skip
"""The methods of arrays that expressions have too."""


def operand_of(value: Any) -> Operand:
    """What stands in a graph for a value: an expression, a term, a dimension, a number, an array."""
    if isinstance(value, Expression):
        return value.source
    if is_handle(value):
        raise WengertTypeError("a traced value cannot stand in a formula: pass it to evaluate(...) as the value of one")
    if isinstance(value, Var):
        return input_of(value)
    if isinstance(value, Abstract):
        return abstract_step(value, [operand_of(a) for a in value.args])
    if isinstance(value, Term):
        if variables(value):
            raise WengertTypeError("a composed term is no step of a graph: build it with expressions")
        return Const(Held(value))
    if isinstance(value, (Dim, Fraction)):
        return Const(Held(size_term(value) if isinstance(value, Dim) else number(value)))
    if isinstance(value, (int, float, complex, np.number)) and not isinstance(value, (bool, np.bool_)):
        return Const(value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise WengertTypeError(f"{type(value).__name__} cannot stand in a formula")
    return Const(_kept(found))


def _kept(array: Any) -> Any:
    """A copy that nobody writes to: an expression never changes."""
    made = np.array(array)
    made.flags.writeable = False
    return made


def operate(function: Callable[..., Any], *values: Any) -> Any:
    """An operator or element-wise function of expressions, dimensions, numbers and arrays."""
    operands = [operand_of(v) for v in values]
    check_shapes(function, [shape_of(o) for o in operands])
    return _made(function, operands, [Slot(k) for k in range(len(operands))], {}, function.__name__)


def call(function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any], name: str) -> Any:
    """A NumPy function of arguments that hold expressions; all else is handed to it as it is, sizes put in."""
    if "out" in kwargs:
        raise NoRuleError(f"{name}: the option out is not known of formulas")
    composed = COMPOSED.get(function) if callable(function) else None
    if composed is not None:
        try:
            found = composed(*args, **kwargs)
        except TypeError as problem:
            raise WengertTypeError(f"{name} does not take these arguments ({problem})") from None
        if found is not NotImplemented:
            return found
    operands: list[Operand] = []

    def slots(value: Any) -> Any:
        if isinstance(value, Expression):
            operands.append(value.source)
            return Slot(len(operands) - 1)
        if type(value) in (list, tuple):
            return type(value)(slots(v) for v in value)
        return _kept(value) if type(value) is np.ndarray else value

    placed, named = slots(tuple(args)), {k: slots(v) for k, v in kwargs.items()}
    return _made(function, operands, placed, named, name)


def _made(function: Any, operands: list[Operand], args: Any, kwargs: Any, name: str) -> Any:
    """The results of a call. Numbers next to steps are handed over as they are, as a program hands them."""
    if any(type(o) is not Const for o in operands):
        kept: list[Operand] = []
        places: list[Any] = []
        for o in operands:
            plain = type(o) is Const and isinstance(o.value, (int, float, complex, np.number))
            places.append(o.value if plain else Slot(len(kept)))  # type: ignore[union-attr]
            if not plain:
                kept.append(o)
        if len(kept) < len(operands):
            operands, args, kwargs = kept, _placed(args, places), _placed(kwargs, places)
    leaves, structure = called(function, operands, args, kwargs, name)
    return structure.unflatten([v if isinstance(v, (int, Dim)) else Expression(v) for v in leaves])


def _placed(value: Any, places: list[Any]) -> Any:
    if type(value) is Slot:
        return places[value.number]
    if type(value) in (list, tuple):
        return type(value)(_placed(v, places) for v in value)
    if type(value) is dict:
        return {k: _placed(v, places) for k, v in value.items()}
    return value


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
    dims = declared_shape(shape)
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
    terms = tuple(a.term if isinstance(a, Expression) else var(a) for a in args)
    key = (name, tuple(t.ident for t in terms), ())
    made = intern(Abstract, key, declared_shape(shape), name=name, args=terms, slots=(), program=None)
    sources = [a.source if isinstance(a, Expression) else operand_of(t) for a, t in zip(args, terms, strict=True)]
    return Expression(abstract_step(made, sources))


def parse(text: str, syntax: str, shapes: dict[str, Any]) -> tuple[Expression, Scope]:
    """The expression of a formula and the scope it was read in."""
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
