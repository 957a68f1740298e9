"""The conditions under which a form holds.

Positive arguments of logarithms, divisors that are not zero, invertible matrices. Imports text. Invariant: a
condition is listed when the form needs it, even where the expression itself needs it already.
"""

from __future__ import annotations

from fractions import Fraction

from wengert.symbolic.functions import FUNCTIONS, is_positive
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Fn, Matrix, Reduce, Term, ordered, variables
from wengert.symbolic.text import write


def conditions(given: Term, derived: Term) -> list[str]:
    """The conditions as text, each once."""
    found: dict[str, None] = {}
    for term in (given, derived):
        for t in ordered(term):
            text = condition(t) if variables(t) else ""
            if text:
                found[text] = None
    return [t for t in found if not (t.endswith(" ≠ 0") and t.replace("≠", ">") in found)]


def condition(term: Term) -> str:
    """The condition of one node, or an empty text."""
    if isinstance(term, Fn) and term.name == "power" and not variables(term.args[0]):
        return ""  # a number to a variable power
    if isinstance(term, Fn):
        inner = write(form_of(term.args[0]))
        if term.name == "pow":
            p = term.params[0]
            whole = isinstance(p, Fraction) and p.denominator == 1
            if is_positive(term.args[0]) or (whole and p > 0):
                return ""
            return f"{inner} ≠ 0" if whole else f"{inner} > 0"
        if term.name == "polygamma":
            inner = write(form_of(term.args[1]))
        if term.name == "power" or (FUNCTIONS[term.name].condition and not is_positive(term.args[0])):
            return FUNCTIONS[term.name].condition.format(inner)
        if term.name in ("maximum", "minimum"):
            return f"{inner} ≠ {write(form_of(term.args[1]))}"
    if isinstance(term, Matrix) and term.name in ("inv", "logdet"):
        return (
            f"{write(form_of(term.arg))} invertible" if term.name == "inv" else f"det({write(form_of(term.arg))}) ≠ 0"
        )
    if isinstance(term, Matrix) and term.name in ("nuclear", "polar"):
        return f"{write(form_of(term.arg))} of full rank"
    if isinstance(term, Reduce) and term.name in ("max", "min"):
        return f"the {term.name} of {write(form_of(term.arg))} is attained once"
    return ""
