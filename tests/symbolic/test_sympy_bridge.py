"""Formulas to SymPy and back: values agree with SymPy's own, and with NumPy's on explicit matrices.

May import wengert's public API and SymPy. Invariant: numbers come from SymPy's evaluation on one side and from
``evaluate`` on the other; no text is compared with a stored one.
"""

import re

import numpy as np
import pytest

import wengert as wg

sympy = pytest.importorskip("sympy")

SHAPES = {"X": (4, 3), "w": 3, "y": 4, "A": (3, 3), "s": ()}  # SymPy evaluates explicit sizes only
RNG = np.random.default_rng(8)
VALUES = {
    "X": RNG.normal(size=(4, 3)),
    "w": RNG.normal(size=3),
    "y": RNG.normal(size=4),
    "A": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "s": 0.7,
}


def number(expression):
    """SymPy's own value of an expression for the values above."""
    matrices = {a: sympy.Matrix(VALUES[a.name].reshape(a.shape)) for a in expression.atoms(sympy.MatrixSymbol)}
    matrices |= {a: sympy.ones(*a.shape) for a in expression.atoms(sympy.OneMatrix)}
    scalars = {a: VALUES[a.name] for a in expression.atoms(sympy.Symbol) if a.name in VALUES}
    found = expression.subs(matrices).subs(scalars).doit()
    if found.is_Matrix:
        return np.array(found.as_explicit().evalf().tolist(), dtype=float)
    return float(found.evalf())


FORMULAS = [
    "(X @ w - y) @ (X @ w - y)",
    "sum(log(1 + exp(-y * (X @ w))))",
    "linalg.slogdet(A.T @ A)[1]",
    "trace(A @ A)",
    "w @ A @ w * s",
    "sum(X, axis=0) @ w",
    "linalg.norm(w) ** 3",
    "sum(tanh(X) * X)",
    "w @ linalg.inv(A) @ w",
    "mean((X @ w - y)**2)",
    "linalg.det(A)",
    "exp(s) * sin(s)**2 / (1 + s**2)",
    "sum(outer(w, w) * A)",
    "sum(abs(w))",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_values_agree_with_sympys(text):
    formula = wg.parse(text, **SHAPES)
    names = {a.name for a in wg.to_sympy(formula).atoms(sympy.Symbol, sympy.MatrixSymbol)}
    used = {n: v for n, v in VALUES.items() if n in names}
    np.testing.assert_allclose(number(wg.to_sympy(formula)), formula.evaluate(**used), rtol=1e-12)


PAIRS = [(text, wrt) for text in FORMULAS for wrt in "wAXs" if re.search(rf"\b{wrt}\b", text)]


@pytest.mark.parametrize(("text", "wrt"), PAIRS)
def test_derivatives_cross_the_bridge_both_ways(text, wrt):
    formula = wg.parse(text, **SHAPES)
    derivative = wg.D(formula, wrt)
    there = wg.to_sympy(derivative)
    back = wg.from_sympy(there)
    used = {n: VALUES[n] for n in derivative.free}
    wanted = derivative.evaluate(**used)
    np.testing.assert_allclose(np.reshape(number(there), np.shape(wanted)), wanted, rtol=1e-10)
    names = {a.name for a in there.atoms(sympy.Symbol, sympy.MatrixSymbol)}
    again = back.evaluate(**{n: v for n, v in VALUES.items() if n in names})
    np.testing.assert_allclose(np.broadcast_to(again, np.shape(wanted)), wanted, rtol=1e-10)


x, z = sympy.symbols("x z", real=True)
SCALARS = [
    sympy.sin(x) ** 2 / z,
    sympy.exp(-(x**2)) * sympy.sqrt(z),
    sympy.Piecewise((x**2, x > 0), (0, True)),
    sympy.Piecewise((x, x <= 1), (z * x, x < 2), (1, True)),
    sympy.Max(x, z, 1),
    sympy.Min(x, z),
    sympy.Abs(x) * z,
    sympy.Rational(3, 7) * x + 2 * sympy.pi,
    sympy.atan2(x, z) + sympy.asinh(x),
    sympy.loggamma(x) + sympy.erf(z),
    x**z,
    sympy.tan(x) / (1 + sympy.cosh(z)),
]


@pytest.mark.parametrize("expression", SCALARS, ids=str)
def test_scalar_expressions_come_over_with_their_derivatives(expression):
    formula = wg.from_sympy(expression)
    names = sorted(a.name for a in expression.free_symbols)
    point = {"x": 1.3, "z": 0.6}
    given = {n: point[n] for n in names}
    function = sympy.lambdify(sympy.symbols(names, real=True), expression, "scipy")
    np.testing.assert_allclose(formula.evaluate(**given), function(*given.values()), rtol=1e-13)
    slope = sympy.lambdify(sympy.symbols(names, real=True), sympy.diff(expression, x), "scipy")
    np.testing.assert_allclose(wg.D(formula, "x").evaluate(**given), slope(*given.values()), rtol=1e-12)
    again = sympy.lambdify(sympy.symbols(names, real=True), wg.to_sympy(formula), "scipy")
    np.testing.assert_allclose(again(*given.values()), function(*given.values()), rtol=1e-13)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (sympy.Function("f")(x), wg.NoRuleError, "no formula for SymPy's f"),
        (sympy.Integral(x, x), wg.NoRuleError, "Integral"),
        ("x + 1", TypeError, "takes a SymPy expression, got a? ?str"),
    ],
)
def test_what_has_no_formula_is_named(value, error, message):
    with pytest.raises(error, match=message):
        wg.from_sympy(value)


def test_what_sympy_has_no_word_for_is_named():
    third = wg.D("sum(w**3)", "w", order=3, w="n")
    with pytest.raises(wg.NoRuleError, match="SymPy has no word"):
        wg.to_sympy(third)
    with pytest.raises(TypeError, match="takes a formula"):
        wg.to_sympy(3.0)


def test_positive_symbols_stay_positive():
    p = sympy.Symbol("p", positive=True)
    formula = wg.from_sympy(sympy.log(p))
    assert wg.to_sympy(formula).free_symbols.pop().is_positive
