"""Comparisons inside formulas count as NumPy counts them; transposes under powers; both tails of the logistic function.

May import wengert's public API. Invariant: values and derivatives are those of the formula run by NumPy and of reverse
mode, with ``check=False``, so that nothing but the form itself is asked.
"""

import numpy as np
import pytest

import wengert as wg

VALUES = {"x": np.array([1.0, 2.0, -1.0]), "a": np.array([1.0, -2.0, 3.0]), "c": 0.3}
SHAPES = {"x": "n", "a": "n", "c": ()}
TRUTHS = [
    "c*np.sum((x > 0)*1.0 - (a > 0))", "np.sum(c*((x > 0) + 1*(a > 0)))", "np.sum(((x > 0) + (a > 0))*c*x)",
    "c*((x[0] > 0) + (a[0] > 0))", "c*(np.isnan(x) + (x > 0))", "c*((x > 0) & (a > 0)) + c*(x > 0)",
    "c**2*(x > 0)*(a > 0)", "np.sum(c*~(x > 0))", "c*np.sum((x > 0) == (a > 0))", "c*((x > 0) @ (a > 0))",
    "c*np.any(x > 0) + c*np.all(a > 0) + c*np.any(a > 2)", "c*np.sum(np.where((x > 0) | (a > 0), x, 2.0))",
    "c*np.sum(x >= a) + c*np.sum(x != a)", "c*np.max(x > 0) + c*np.argmax(x)", "np.minimum(c, c) - c*np.min(x)",
]  # fmt: skip


@pytest.mark.parametrize("text", TRUTHS)
def test_truth_values_count_as_in_numpy(text):
    form = wg.D(text, "c", shapes=SHAPES, check=False)
    wanted = wg.jacobian(lambda c: eval(text, {"np": np, **VALUES, "c": c}))(VALUES["c"])
    values = {n: v for n, v in VALUES.items() if n in form.free}
    for found in (
        form.evaluate(**values),
        form.numpy()(**values),
        eval(form.numpy_expression(), {"np": np, **values}),
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
        assert np.asarray(found).dtype.kind != "b"


@pytest.mark.parametrize("text", ["np.sum(np.linalg.norm(W.T, axis=1))", "np.sum(W.T**2 * V)", "np.sum(abs(W.T)**3)",
                                  "np.sum((1 + W.T**2)**0.5)", "np.sum(V / W.T**2)"])  # fmt: skip
def test_powers_of_transposes(text):
    rng = np.random.default_rng(2)
    values = {"W": rng.uniform(0.5, 1.5, (3, 2)), "V": rng.normal(size=(2, 3))}
    values = {n: v for n, v in values.items() if n in text}
    form = wg.D(text, "W", shapes={n: {"W": ("n", "k"), "V": ("k", "n")}[n] for n in values}, check=False)
    wanted = wg.grad(lambda W: eval(text, {"np": np, **values, "W": W}))(values["W"])
    np.testing.assert_allclose(form.evaluate(**values), wanted, rtol=1e-13)


@pytest.mark.parametrize("x", [-800.0, -60.0, -38.0, 0.0, 38.0, 60.0])
def test_both_tails_of_the_logistic_function(x):
    """d log(log(1 + e^x)) / dx, between 1 and 1/x; with sort, so that the plain meaning is evaluated."""
    form = wg.D("log(log1p(exp(x)))*sum(sort(a))", "x", x=(), a="n", check=False)
    with np.errstate(all="ignore"):
        found = form.evaluate(x=x, a=np.array([1.0]))
    if x > -700:
        e = np.exp(-abs(x))
        wanted = (1.0 if x >= 0 else e) / (1 + e) / (max(x, 0.0) + np.log1p(e))
        assert found == pytest.approx(wanted, rel=1e-13)
