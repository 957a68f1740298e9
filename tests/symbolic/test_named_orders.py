"""Functions without a closed form of their own derivative, differentiated one to three times, against differences.

Invariant: the reference is NumPy's value of the function, differenced; no derivative rule of ours takes part.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import wengert as wg


def differenced(function, x, order):
    """The derivative of that order, of shape value + x + x + ..., by nested extrapolated central differences."""
    if not order:
        return np.asarray(function(x))
    step = {1: 4e-3, 2: 1.6e-2, 3: 4e-2}[order]
    slices = {}
    for place in np.ndindex(x.shape):

        def moved(h, place=place):
            y = x.copy()
            y[place] += h
            return differenced(function, y, order - 1)

        rows = [(moved(h) - moved(-h)) / (2 * h) for h in (step, step / 2)]
        slices[place] = (4 * rows[1] - rows[0]) / 3
    whole = np.stack([slices[p] for p in itertools.product(*map(range, x.shape))], axis=-1)
    return whole.reshape((*whole.shape[:-1], *x.shape))


def nuclear(x):
    return np.linalg.norm(x, "nuc")


POINTS = {
    "tall": np.array([[1.0, 0.2], [-0.4, 0.9], [0.3, 0.5]]),
    "wide": np.array([[1.0, 0.2, -0.6], [-0.4, 0.9, 0.1]]),
    "equal singular values": np.array([[0.6, -0.8], [0.8, 0.6]]),
}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_derivatives_of_the_nuclear_norm(order, point):
    x = POINTS[point]
    form = wg.D("norm(X, 'nuc')", "X", order, X=("m", "n"))
    assert "X of full rank" in form.conditions
    want = differenced(nuclear, x, order)
    np.testing.assert_allclose(form.evaluate(X=x), want, rtol=0, atol=(0, 1e-7, 1e-5, 2e-3)[order])


def test_the_hessian_of_a_nuclear_norm_inside_a_formula():
    x, y = POINTS["tall"], POINTS["tall"][::-1] - 0.3
    form = wg.D("norm(X + t*Y, 'nuc')**2", "t", 2, X=("m", "n"), Y=("m", "n"), t=())
    want = differenced(lambda t: nuclear(x + t * y) ** 2, np.array(0.3), 2)
    np.testing.assert_allclose(form.evaluate(X=x, Y=y, t=0.3), want, atol=1e-6)
    assert "polar" in str(form) and "polar" in form.latex() and "polar" in form.mathml()


def test_where_a_singular_value_is_zero_the_second_derivative_is_not_a_number():
    form = wg.D("norm(X, 'nuc')", "X", 2, X=("m", "n"))
    assert np.all(np.isnan(form.evaluate(X=[[1.0, 2.0], [2.0, 4.0]])))


FUNCTIONS = {
    "cholesky": (lambda a: np.sum(np.linalg.cholesky(a) ** 3), np.array([[2.0, 0.4], [0.4, 1.5]])),
    "eigenvalues": (lambda a: np.sum(np.linalg.eigvalsh(a) ** 3), np.array([[2.0, 0.4], [0.4, 1.1]])),
    "sort": (lambda a: np.sum(np.sort(a) ** 3 * np.arange(1.0, 5.0)), np.array([0.4, -1.0, 2.0, 1.1])),
    "max": (lambda a: np.max(a) ** 3 + np.min(a) ** 4, np.array([0.4, -1.0, 2.0, 1.1])),
    "singular values": (lambda a: np.sum(np.linalg.svd(a)[1] ** 3), np.array([[2.0, 0.4], [-0.3, 1.1]])),
    "cumulative": (lambda a: np.sum(np.cumsum(a) ** 4), np.array([0.4, -1.0, 2.0, 1.1])),
}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_kept_by_name(order, name):
    function, x = FUNCTIONS[name]
    sizes = x.shape if name in ("sort",) else ("n",) * x.ndim
    facts = {"cholesky": {"positive_definite": True}, "eigenvalues": {"symmetric": True}}.get(name, {})
    variable = wg.var("a", sizes, **facts)
    form = wg.closed_form(function, "a", order, shapes={"a": variable})
    want = differenced(function, x, order)
    got = form.evaluate(a=x)
    if facts:  # NumPy reads one triangle; compared along symmetric directions
        rng = np.random.default_rng(3)
        for _ in range(2):
            d = rng.normal(size=x.shape)
            d = d + d.T
            for _ in range(order):
                got, want = np.tensordot(got, d, axes=2), np.tensordot(want, d, axes=2)
            np.testing.assert_allclose(got, want, rtol=(0, 1e-6, 1e-4, 1e-2)[order], atol=1e-4)
            got, want = form.evaluate(a=x), differenced(function, x, order)
        return
    np.testing.assert_allclose(got, want, rtol=(0, 1e-7, 1e-5, 2e-3)[order], atol=(0, 1e-7, 1e-5, 2e-2)[order])
