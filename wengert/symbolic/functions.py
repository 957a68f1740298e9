"""Element-wise functions.

Value, derivative, printing name, the condition under which the form holds; and their constructors. One statement per
function, read like a formula sheet. Imports build. Invariant: ``apply`` folds constants exactly, pulls broadcast axes
outside, and its rewritings hold on the whole domain of the written form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wengert.symbolic.build import (
    Fraction,
    add,
    contract,
    exact,
    minus,
    negative,
    number,
    ones,
    plus,
    scale,
    split,
    times,
    uniform,
    zero,
)
from wengert.symbolic.terms import Constant, Count, Fn, Matrix, Prod, Reduce, Sum, Term, Var, intern


@dataclass(frozen=True, slots=True)
class Function:
    """What is known of an element-wise function; ``partials`` take the arguments and give terms (None.

    No derivative).
    """

    name: str
    partials: tuple[Callable[..., Term] | None, ...]
    condition: str = ""
    latex: str = ""
    text: str = ""
    numpy: str = ""
    smooth: bool = True


FUNCTIONS: dict[str, Function] = {}


def define(name: str, *partials: Callable[..., Term] | None, **facts: Any) -> None:
    """One element-wise function."""
    FUNCTIONS[name] = Function(name, partials, **facts)


def one_like(x: Term) -> Term:
    """Ones of the same shape."""
    return ones(x.shape)


def shifted(x: Term, value: Any) -> Term:
    """x plus a number in every entry."""
    return add([(Fraction(1), x), (exact(value), ones(x.shape))], x.shape)


def power(base: Term, exponent: Any) -> Term:
    """A base to a number, element by element."""
    from wengert.symbolic.powers import power as made

    return made(base, exponent)


def power_term(base: Term, exponent: Term) -> Term:
    """A base to an exponent that is a term of the same shape."""
    from wengert.symbolic.powers import power_term as made

    return made(base, exponent)


def power_sum(base: Term, exponents: list[Any]) -> Term:
    """A base to the sum of exponents."""
    from wengert.symbolic.powers import power_sum as made

    return made(base, exponents)


def function(name: str) -> Callable[..., Term]:
    """The constructor of a named function."""
    return lambda *args: apply(name, *args)


exp, log, sin, cos, tanh, sigmoid, sign = map(function, ("exp", "log", "sin", "cos", "tanh", "sigmoid", "sign"))


def square(x: Term) -> Term:
    """The square of every entry."""
    return power(x, 2)


def inverse(x: Term) -> Term:
    """The reciprocal of every entry."""
    return power(x, -1)


def polygamma(order: int, x: Term) -> Term:
    """The derivative of digamma of that order."""
    return apply("polygamma", scale(Fraction(order), ones(x.shape)), x)


PI = intern(Constant, "pi", (), name="pi", value=math.pi)


def _gauss(x: Term) -> Term:
    """2 / sqrt(pi) exp(-x^2)"""
    return times(number(2), power(PI, Fraction(-1, 2)), exp(negative(square(x))))


define("exp", exp, numpy="np.exp")
define("log", inverse, condition="{} > 0", numpy="np.log")
define("sin", cos, numpy="np.sin")
define("cos", lambda x: negative(sin(x)), numpy="np.cos")
define("tan", lambda x: shifted(square(apply("tan", x)), 1), numpy="np.tan")
define("tanh", lambda x: minus(one_like(x), square(tanh(x))), numpy="np.tanh")
define("sinh", function("cosh"), numpy="np.sinh")
define("cosh", function("sinh"), numpy="np.cosh")
define(
    "arcsin", lambda x: power(minus(one_like(x), square(x)), Fraction(-1, 2)), condition="|{}| < 1", numpy="np.arcsin"
)
define(
    "arccos",
    lambda x: negative(power(minus(one_like(x), square(x)), Fraction(-1, 2))),
    condition="|{}| < 1",
    numpy="np.arccos",
)
define("arctan", lambda x: inverse(shifted(square(x), 1)), numpy="np.arctan")
define("arcsinh", lambda x: power(shifted(square(x), 1), Fraction(-1, 2)), numpy="np.arcsinh")
define("arccosh", lambda x: power(shifted(square(x), -1), Fraction(-1, 2)), condition="{} > 1", numpy="np.arccosh")
define("arctanh", lambda x: inverse(minus(one_like(x), square(x))), condition="|{}| < 1", numpy="np.arctanh")
define("sigmoid", lambda x: times(sigmoid(x), minus(one_like(x), sigmoid(x))), text="σ", latex=r"\sigma")
define("softplus", sigmoid)
define("erf", _gauss, latex=r"\operatorname{erf}")
define("erfc", lambda x: negative(_gauss(x)), latex=r"\operatorname{erfc}")
define("gammaln", function("digamma"), condition="{} > 0", latex=r"\log\Gamma", text="logΓ")
define("digamma", function("trigamma"), condition="{} > 0", latex=r"\psi", text="ψ")
define("trigamma", lambda x: polygamma(2, x), condition="{} > 0", latex=r"\psi'", text="ψ′")
define(
    "polygamma",
    None,
    lambda n, x: apply("polygamma", shifted(n, 1), x),
    condition="{} > 0",
    latex=r"\operatorname{polygamma}",
)
define(
    "cbrt",
    lambda x: scale(Fraction(1, 3), power(apply("cbrt", x), -2)),
    condition="{} ≠ 0",
    latex=r"\sqrt[3]",
    text="∛",
    numpy="np.cbrt",
)
define("abs", sign, condition="{} ≠ 0", numpy="np.abs", smooth=False)
define("sign", lambda x: zero(x.shape), condition="{} ≠ 0", latex=r"\operatorname{sign}", numpy="np.sign", smooth=False)
define("relu", function("step"), condition="{} ≠ 0", latex=r"\operatorname{relu}", smooth=False)
define("step", lambda x: zero(x.shape), condition="{} ≠ 0", text="𝟙", latex=r"\mathbf{1}", smooth=False)
define(
    "maximum",
    lambda a, b: apply("half", minus(a, b)),
    lambda a, b: apply("half", minus(b, a)),
    numpy="np.maximum",
    text="max",
    latex=r"\max",
    smooth=False,
)
define(
    "minimum",
    lambda a, b: apply("half", minus(b, a)),
    lambda a, b: apply("half", minus(a, b)),
    numpy="np.minimum",
    text="min",
    latex=r"\min",
    smooth=False,
)
define("half", lambda x: zero(x.shape), condition="{} ≠ 0", text="H", latex=r"\operatorname{H}", smooth=False)
define("floor", lambda x: zero(x.shape), numpy="np.floor", smooth=False)
define(
    "where",
    lambda c, a, b: zero(c.shape),
    lambda c, a, b: apply("where", c, one_like(a), zero(b.shape)),
    lambda c, a, b: apply("where", c, zero(a.shape), one_like(b)),
    numpy="np.where",
    smooth=False,
)
define("greater", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define("greater_equal", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define("equal", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define(
    "arctan2",
    lambda a, b: times(b, inverse(plus(square(a), square(b)))),
    lambda a, b: negative(times(a, inverse(plus(square(a), square(b))))),
    numpy="np.arctan2",
)
define("trunc", lambda x: zero(x.shape), numpy="np.trunc", smooth=False)
define("not_equal", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define("and", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define("or", lambda a, b: zero(a.shape), lambda a, b: zero(a.shape), smooth=False)
define("not", lambda a: zero(a.shape), smooth=False)
define(
    "sinc",
    lambda x: times(minus(cos(times(PI, x)), apply("sinc", x)), inverse(x)),
    condition="{} ≠ 0",
    latex=r"\operatorname{sinc}",
    numpy="np.sinc",
)
define("gamma", lambda x: times(apply("gamma", x), apply("digamma", x)), condition="{} > 0", text="Γ", latex=r"\Gamma")
define(
    "logaddexp",
    lambda a, b: sigmoid(minus(a, b)),
    lambda a, b: sigmoid(minus(b, a)),
    latex=r"\operatorname{logaddexp}",
    numpy="np.logaddexp",
)
define("pow", lambda x, p: scale(p, power(x, p - 1)))
define(
    "power",
    lambda x, y: times(y, power_term(x, shifted(y, -1))),
    lambda x, y: times(log(x), power_term(x, y)),
    condition="{} > 0",
)

ODD = {"cbrt", "sin", "tan", "tanh", "sinh", "arcsin", "arctan", "arcsinh", "arctanh", "erf", "sign"}
EVEN = {"cos", "cosh", "abs"}
AT_ZERO = {
    "exp": 1,
    "sin": 0,
    "cos": 1,
    "tan": 0,
    "tanh": 0,
    "sinh": 0,
    "cosh": 1,
    "arctan": 0,
    "arcsinh": 0,
    "erf": 0,
    "abs": 0,
    "sign": 0,
    "relu": 0,
    "arcsin": 0,
    "arctanh": 0,
}


def derivative(term: Fn, k: int) -> Term | None:
    """The partial derivative of an element-wise function by its argument k; None where none is known."""
    rule = FUNCTIONS[term.name].partials[k]
    return None if rule is None else rule(*term.args, *term.params)


def apply(name: str, *args: Term, params: tuple[Any, ...] = ()) -> Term:
    """An element-wise function of terms of one shape, in normal form."""
    if name == "pow":
        return power(args[0], params[0])
    if name == "power":
        return power_term(*args)
    shape = args[0].shape
    axes = constant_axes(args)
    if axes:
        small = apply(name, *(dropped(a, axes) for a in args), params=params)
        kept = tuple(k for k in range(len(shape)) if k not in axes)
        return contract([(small, kept)], tuple(range(len(shape))), dict(enumerate(shape)))
    if len(args) == 1:
        found = _simple(name, args[0])
        if found is not None:
            return found
    return intern(Fn, (name, tuple(a.ident for a in args), params), shape, name=name, args=args, params=params)


def _simple(name: str, x: Term) -> Term | None:
    value = uniform(x)
    if value == 0 and name in AT_ZERO:
        return scale(exact(AT_ZERO[name]), ones(x.shape))
    coefficient, _core = split(x)
    if coefficient < 0 and name in ODD | EVEN:
        found = apply(name, negative(x))
        return negative(found) if name in ODD else found
    if name == "log":
        return _log(x, value)
    if name == "exp" and isinstance(x, Fn) and x.name == "log":
        return x.args[0]
    if name == "abs" and is_positive(x):
        return x
    if name == "sign" and value is not None:
        return scale(exact((value > 0) - (value < 0)), ones(x.shape))
    return None


def _log(x: Term, value: Any) -> Term | None:
    from wengert.symbolic.matrices import matrix, reduce
    from wengert.symbolic.products import summed_exp

    if value == 1:
        return zero(x.shape)
    if isinstance(x, Fn) and x.name == "exp":
        return x.args[0]
    if isinstance(x, Fn) and x.name == "sigmoid":
        return negative(apply("softplus", negative(x.args[0])))
    if isinstance(x, Matrix) and x.name == "det":
        return matrix("logdet", x.arg)
    if isinstance(x, Fn) and x.name == "pow" and (x.params[0] == -1 or is_positive(x.args[0])):
        return scale(x.params[0], apply("log", x.args[0]))
    if isinstance(x, Reduce) and x.name == "softmax":
        total = reduce("logsumexp", x.arg, x.axes)
        kept = tuple(k for k in range(x.rank) if k not in x.axes)
        return minus(x.arg, contract([(total, kept)], tuple(range(x.rank)), dict(enumerate(x.shape))))
    found = summed_exp(x)
    if found is not None and found[2] == tuple(sorted(found[2])):
        return reduce("logsumexp", found[0], found[1])
    argument = one_plus_exp(x)
    return apply("softplus", argument) if argument is not None else None


def one_plus_exp(x: Term) -> Term | None:
    """u when x is 1 + exp(u)."""
    if isinstance(x, Sum) and len(x.terms) == 2 and all(c == 1 for c, _ in x.terms):
        cores = [t for _, t in x.terms]
        for a, b in (cores, cores[::-1]):
            if uniform(a) == 1 and isinstance(b, Fn) and b.name == "exp":
                return b.args[0]
    return None


def constant_axes(args: Iterable[Term]) -> tuple[int, ...]:
    """Axes along which all of the terms are constant."""
    found: set[int] | None = None
    for term in args:
        mine = _constant_axes(term)
        found = mine if found is None else found & mine
    return tuple(sorted(found or ()))


def _constant_axes(term: Term) -> set[int]:
    if isinstance(term, Prod):
        used = {i for _, idx in term.factors for i in idx}
        return {k for k in range(term.rank) if k not in used}
    if isinstance(term, Sum):
        return set(constant_axes(t for _, t in term.terms)) if term.terms else set(range(term.rank))
    return set()


def dropped(term: Term, axes: tuple[int, ...]) -> Term:
    """A term without axes along which it is constant."""
    kept = tuple(k for k in range(term.rank) if k not in axes)
    if isinstance(term, Sum):
        return add([(c, dropped(t, axes)) for c, t in term.terms], tuple(term.shape[k] for k in kept))
    assert isinstance(term, Prod)
    return contract(term.factors, kept, {i: d for i, d in enumerate(term.sizes) if i not in axes})


def is_positive(term: Term) -> bool:
    """Whether all entries are known to be positive (sufficient conditions only)."""
    if isinstance(term, Var):
        return "positive" in term.facts or ("probability" in term.facts)
    if isinstance(term, (Count, Constant)):
        return not isinstance(term, Constant) or term is PI
    if isinstance(term, Fn):
        if term.name in ("exp", "sigmoid", "softplus", "cosh"):
            return True
        return term.name == "pow" and is_positive(term.args[0])
    if isinstance(term, Reduce):
        return term.name == "softmax"
    if isinstance(term, Sum):
        return bool(term.terms) and all(c > 0 and is_positive(t) for c, t in term.terms)
    if isinstance(term, Prod):
        return all(is_positive(t) for t, _ in term.factors)
    return False
