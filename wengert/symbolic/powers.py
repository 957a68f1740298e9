"""Powers in normal form: of numbers, products, powers and exponentials, with constant and with symbolic exponents.

Imports functions. Invariant: a rewriting holds wherever the written form is defined; roots of squares are absolute
values.
"""

from __future__ import annotations

from typing import Any

from wengert.core.errors import WengertValueError
from wengert.symbolic.build import Fraction, add, contract, exact, is_zero, negative, ones, scale, split, uniform
from wengert.symbolic.functions import apply, constant_axes, dropped, is_positive, one_plus_exp, shifted
from wengert.symbolic.terms import Fn, Pattern, Prod, Term, intern

MARKS = {"step", "greater", "greater_equal", "equal", "not_equal", "and", "or", "not"}
"""Functions of the values 0 and 1, which are their own powers."""


def power_sum(base: Term, exponents: list[Any]) -> Term:
    """A base to the sum of exponents."""
    terms = [e for e in exponents if isinstance(e, Term)]
    total: Any = sum((e for e in exponents if not isinstance(e, Term)), Fraction(0))
    if not terms:
        return power(base, total)
    return power_term(base, shifted(add([(Fraction(1), t) for t in terms], base.shape), total))


def power_term(base: Term, exponent: Term) -> Term:
    """A base to an exponent that is a term of the same shape."""
    value = uniform(exponent)
    if value is not None:
        return power(base, value)
    axes = constant_axes((base, exponent))
    if axes:
        small = power_term(dropped(base, axes), dropped(exponent, axes))
        kept = tuple(k for k in range(base.rank) if k not in axes)
        return contract([(small, kept)], tuple(range(base.rank)), dict(enumerate(base.shape)))
    fixed = uniform(base)
    if fixed == 1:
        return ones(base.shape)
    return intern(
        Fn, ("power", (base.ident, exponent.ident), ()), base.shape, name="power", args=(base, exponent), params=()
    )


def power(base: Term, exponent: Any) -> Term:
    """A base to a number, element by element."""
    p = exact(exponent)
    if p == 0:
        return ones(base.shape)
    if p == 1:
        return base
    marks = (isinstance(base, Fn) and base.name in MARKS) or (isinstance(base, Pattern) and base.name == "tri")
    if marks and p > 0:
        return base
    axes = constant_axes((base,))
    if axes and not (isinstance(base, Prod) and not base.factors and not base.rank):
        small = power(dropped(base, axes), p)
        kept = tuple(k for k in range(base.rank) if k not in axes)
        return contract([(small, kept)], tuple(range(base.rank)), dict(enumerate(base.shape)))
    if is_zero(base):
        if p > 0:
            return base
        raise WengertValueError("a division by zero: the expression has the constant 0 as a divisor")
    whole = isinstance(p, Fraction) and p.denominator == 1
    coefficient, core = split(base)
    if coefficient != 1 and (whole or coefficient > 0):
        raised = _number_power(coefficient, p)
        if raised is not None:
            return scale(raised, power(core, p))
    if isinstance(base, Prod):
        found = _power_of_product(base, p, whole)
        if found is not None:
            return found
    if isinstance(base, Fn):
        found = _power_of_function(base, p, whole)
        if found is not None:
            return found
    argument = one_plus_exp(base)
    if argument is not None and p == -1:
        return apply("sigmoid", negative(argument))
    return intern(Fn, ("pow", (base.ident,), (p,)), base.shape, name="pow", args=(base,), params=(p,))


def _number_power(c: Any, p: Any) -> Any:
    """c**p when it is as simple as c: exact powers of fractions, floats of floats."""
    if isinstance(p, Fraction) and isinstance(c, Fraction):
        if p.denominator == 1:
            return c ** int(p)
        tops = [round(v ** (1 / p.denominator)) for v in (c.numerator, c.denominator)]
        if tops[0] ** p.denominator == c.numerator and tops[1] ** p.denominator == c.denominator:
            return Fraction(tops[0], tops[1]) ** int(p.numerator)
        return None
    return float(c) ** float(p)


def _power_of_product(base: Prod, p: Any, whole: bool) -> Term | None:
    if not base.factors:
        return ones(base.shape)
    if len(base.sizes) == base.rank:
        if not whole and not sum(not is_positive(t) for t, _ in base.factors) <= 1:
            return None
        if len(base.factors) == 1 and whole is False and not is_positive(base.factors[0][0]):
            return None
        if any(t.rank == 2 and type(t).__name__ in ("Delta", "Select") for t, _ in base.factors) and p < 0:
            return None
        raised = [(power(t, p), idx) for t, idx in base.factors]
        if len(raised) == 1 and isinstance(raised[0][0], Fn) and raised[0][0].args[0] is base.factors[0][0]:
            return None  # the power of a transpose stays one
        return contract(raised, tuple(range(base.rank)), dict(enumerate(base.sizes)))
    if whole and base.rank and 2 <= p <= 3:
        return contract([(base, tuple(range(base.rank)))] * int(p), tuple(range(base.rank)))
    return None


def _power_of_function(base: Fn, p: Any, whole: bool) -> Term | None:
    if base.name == "pow":
        q = base.params[0]
        if whole or is_positive(base.args[0]):
            return power(base.args[0], p * q)
        if isinstance(q, Fraction) and q.denominator == 1 and int(q) % 2 == 0 and isinstance(p, Fraction):
            return power(apply("abs", base.args[0]), p * q)
    if base.name == "exp" and (whole or isinstance(p, Fraction)):
        return apply("exp", scale(p, base.args[0]))
    if base.name == "abs" and whole and int(p) % 2 == 0:
        return power(base.args[0], p)
    if base.name == "sqrt":
        return power(base.args[0], p / 2)
    return None
