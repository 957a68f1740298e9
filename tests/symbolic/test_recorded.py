"""Closed forms from NumPy functions: as from the formula, for every case; and what is refused, with its line."""

import ast

import numpy as np
import pytest

import wengert as wg
from benchmarks.closed_forms_cases import IDENTITIES
from benchmarks.closed_forms_models import MODELS

NAMES = {
    **{
        n: getattr(np, n)
        for n in (
            "sum",
            "mean",
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "sqrt",
            "outer",
            "trace",
            "arctan",
            "arcsin",
            "diag",
            "concatenate",
            "ones",
            "pi",
            "sign",
            "abs",
            "max",
            "maximum",
            "var",
            "prod",
            "cumsum",
            "diff",
            "tril",
            "hypot",
            "hstack",
            "ravel",
            "roll",
        )
    },
    "inv": np.linalg.inv,
    "solve": np.linalg.solve,
    "det": np.linalg.det,
    "logdet": lambda a: np.linalg.slogdet(a)[1],
    "norm": np.linalg.norm,
    "eye": lambda n: n,
    "np": np,
    "relu": lambda z: np.maximum(z, 0.0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
}
SOFTMAX = """
def softmax(z, axis=None):
    e = np.exp(z - np.max(z, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)
"""
CASES = [c for c in (*IDENTITIES, *MODELS) if "erf" not in c.text]


def function_of(case):
    names = list(
        case.shapes
        or dict.fromkeys(n.id for n in ast.walk(ast.parse(case.text)) if isinstance(n, ast.Name) and n.id not in NAMES)
    )
    space = dict(NAMES)
    exec(SOFTMAX, space)
    exec(f"def f({', '.join(names)}):\n    return {case.text.replace('eye(k)', 'np.eye(U.shape[1])')}", space)
    shapes = dict(case.shapes or dict.fromkeys(names, ()))
    if case.facts:
        name, fact = case.facts.split(": ")
        shapes[name] = wg.var(name, shapes[name], **{fact.replace(" ", "_"): True})
    return space["f"], shapes


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.text} by {c.wrt} {c.order}")
def test_a_recorded_function_gives_the_form_of_its_formula(case):
    fun, shapes = function_of(case)
    of_formula = wg.D(case.text, case.wrt, case.order, shapes=shapes)
    assert str(wg.closed_form(fun, case.wrt, case.order, shapes=shapes)) == str(of_formula)


def test_sizes_are_found_again_by_name():
    def loss(x):
        n = x.shape[0]
        return np.sum(x**2) / n + np.sum(x) / (2 * n) + np.sum(x) / np.sqrt(n)

    form = wg.closed_form(loss, "x", shapes={"x": "n"})
    x = np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(form.evaluate(x=x), 2 * x / 4 + 1 / 8 + 1 / 2, rtol=1e-13)


def test_choices_by_value_and_loops_over_sizes_are_refused_with_the_reason():
    def chooses(x):
        if x.sum() > 0:
            return np.sum(x**2)
        return np.sum(x)

    def loops(x):
        total = 0.0
        for k in range(len(x)):
            total = total + x[k] ** 2
        return total

    with pytest.raises(wg.WengertError, match="decides by a value"):
        wg.closed_form(chooses, "x", shapes={"x": "n"})
    with pytest.raises(wg.WengertError, match="other steps at other sizes"):
        wg.closed_form(loops, "x", shapes={"x": "n"})


def test_an_operation_of_complex_values_is_refused_with_its_line():
    def spectrum(x):
        return np.fft.fft(x) * 2

    with pytest.raises(wg.WengertError, match="complex128 has no closed form") as caught:
        wg.closed_form(spectrum, "x", shapes={"x": "n"})
    assert "test_recorded.py" in str(caught.value)


def test_arguments_and_shapes_must_agree():
    with pytest.raises(wg.WengertError, match="missing y"):
        wg.closed_form(lambda x, y: x @ y, "x", shapes={"x": "n"})
    with pytest.raises(wg.WengertError, match="unknown z"):
        wg.closed_form(lambda x: x @ x, "x", shapes={"x": "n", "z": "n"})


def test_ten_named_dimensions_are_told_apart():
    def chain(A, B, C, D, x, y):
        return np.sum(A @ B @ C @ D) * np.mean(x) + np.sum(y)

    shapes = {"A": ("a", "b"), "B": ("b", "c"), "C": ("c", "d"), "D": ("d", "e"), "x": ("f", "g"), "y": ("h", "i", "j")}
    rng = np.random.default_rng(0)
    sizes = dict(zip("abcdefghij", (2, 3, 4, 5, 2, 3, 4, 2, 3, 2), strict=True))
    values = {n: rng.normal(size=tuple(sizes[d] for d in s)) for n, s in shapes.items()}
    by_b = wg.closed_form(chain, "B", shapes=shapes).evaluate(**values)
    left, right = values["A"].sum(axis=0), (values["C"] @ values["D"]).sum(axis=1)
    np.testing.assert_allclose(by_b, np.outer(left, right) * values["x"].mean(), rtol=1e-12)
    by_x = wg.closed_form(chain, "x", shapes=shapes).evaluate(**values)
    total = (values["A"] @ values["B"] @ values["C"] @ values["D"]).sum()
    np.testing.assert_allclose(by_x, np.full((3, 4), total / 12), rtol=1e-12)


def test_a_function_that_does_not_run_at_other_sizes_says_so():
    with pytest.raises(wg.WengertError, match=r"does not run at the sizes n = 5 .operands could not be broadcast"):
        wg.closed_form(lambda A: np.sum(A + np.eye(3)), "A", shapes={"A": ("n", "n")})
