"""Scalar derivatives beside SymPy's: the same function, and not much longer than what SymPy's simplification prints."""

import ast

import numpy as np
import pytest

import wengert as wg
from benchmarks.closed_forms_cases import SCALAR

sympy = pytest.importorskip("sympy")
NAMES = {
    **{n: getattr(sympy, n) for n in ("exp", "log", "sin", "cos", "tan", "tanh", "sqrt", "erf", "pi")},
    "arctan": sympy.atan, "arcsin": sympy.asin, "abs": sympy.Abs,
}  # fmt: skip


def theirs(case):
    """SymPy's simplified derivative and its symbols."""
    names = sorted({n.id for n in ast.walk(ast.parse(case.text)) if isinstance(n, ast.Name) and n.id not in NAMES})
    symbols = {n: sympy.Symbol(n, real=True) for n in names}
    expression = eval(case.text.replace("(1/2)", "Rational(1, 2)"), {**NAMES, **symbols, "Rational": sympy.Rational})
    return sympy.simplify(sympy.diff(expression, symbols[case.wrt], case.order)), symbols


def nodes(e):
    """Leaves and operations, with a quotient as one operation and a sign that a sum takes as none."""
    if not e.args:
        return 3 if e.is_Rational and not e.is_Integer else 1 + bool(e.is_Integer and e < 0)
    if e.is_Mul:
        top, bottom = sympy.fraction(e)
        if bottom != 1:
            return nodes(top) + nodes(bottom) + 1
        if e.args[0] == -1:
            return 1 + nodes(sympy.Mul(*e.args[1:]))
    if e.is_Add or e.is_Mul:
        signs = sum(a.is_Mul and a.args[0] == -1 for a in e.args[1:]) if e.is_Add else 0
        return sum(map(nodes, e.args)) + len(e.args) - 1 - signs
    if e.is_Pow:
        if e.exp == sympy.S.Half:
            return 1 + nodes(e.base)
        return 2 + nodes(1 / e) if e.exp.is_number and e.exp < 0 else 1 + nodes(e.base) + nodes(e.exp)
    return 1 + sum(map(nodes, e.args))


@pytest.mark.parametrize("case", [c for c in SCALAR if "abs" not in c.text], ids=lambda c: f"{c.text} {c.order}")
def test_values_are_those_of_sympy(case):
    derivative, symbols = theirs(case)
    form = wg.D(case.text, case.wrt, case.order)
    rng = np.random.default_rng(2)
    for _ in range(5):
        at = {n: rng.uniform(0.2, 0.9) for n in symbols}
        want = float(derivative.evalf(30, subs={symbols[n]: v for n, v in at.items()}))
        assert form.evaluate(**at) == pytest.approx(want, rel=1e-11)


def test_forms_are_at_most_a_fifth_longer_than_simplified_sympy():
    cases = [c for c in SCALAR if "abs" not in c.text]
    ours = sum(wg.D(c.text, c.wrt, c.order).size for c in cases)
    assert ours <= 1.2 * sum(nodes(theirs(c)[0]) for c in cases)
