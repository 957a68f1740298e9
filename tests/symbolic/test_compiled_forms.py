"""Closed forms, compiled: the same values as the printed program, for changing arguments and sizes.

May import wengert's public API. Invariant: values are compared with formulas written out by hand.
"""

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_a_compiled_form_gives_the_form_by_hand(backend):
    form = wg.D("sum(log(1 + exp(-y*(X @ w))))", "w", order=2, w="n", X=("m", "n"), y="m")
    compiled = form.compile(backend=backend)
    rng = np.random.default_rng(4)
    for m, n in ((30, 4), (12, 5), (30, 4)):
        given = {"w": rng.normal(size=n), "X": rng.normal(size=(m, n)), "y": np.sign(rng.normal(size=m))}
        s = 1 / (1 + np.exp(given["y"] * (given["X"] @ given["w"])))
        wanted = given["X"].T @ ((s * (1 - s))[:, None] * given["X"])
        for _ in range(3):
            np.testing.assert_allclose(compiled(*(given[k] for k in form.free)), wanted, rtol=1e-12)


def test_a_scalar_form_compiles():
    slope = wg.D("4*x**3 + x**2 + 3", "x").compile()
    for x in (0.5, -2.0, 3.25):
        assert slope(x) == pytest.approx(12 * x**2 + 2 * x, rel=1e-14)


def test_a_form_with_named_operators_compiles():
    form = wg.D("sum(sort(x)**3)", "x", x="n").compile()
    x = np.array([0.5, -1.0, 2.0, 0.25])
    for _ in range(2):
        np.testing.assert_allclose(form(x), 3 * x**2, rtol=1e-14)


def test_a_form_whose_operation_has_derivatives_of_another_order_compiles():
    form = wg.D("sum(cholesky(P)**3)", "P", 2, P=wg.var("P", ("n", "n"), positive_definite=True))
    compiled = form.compile()
    p = np.array([[2.0, 0.4], [0.4, 1.5]])
    for _ in range(2):
        np.testing.assert_allclose(compiled(p), form.evaluate(P=p), rtol=1e-12)
