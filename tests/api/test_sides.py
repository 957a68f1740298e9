"""Second derivatives at kinks of functions that are smooth there: exact, on every road, first derivatives untouched."""

import numpy as np
import pytest

import wengert as wg

ZERO, ONES, TIED = np.zeros(2), np.ones(2), np.array([1.0, 2.0, 1.0, 2.0, 2.0])
EYE, SWAP = np.eye(2), np.eye(2)[::-1]
BLOCKS = np.kron(SWAP, EYE)


def leaky(x, slope):
    return np.maximum(x, 0.0) + slope * np.minimum(x, 0.0)


# name: function, point, Hessian (by hand: each function is a polynomial)
CASES = {
    "abs ** 2": (lambda x: np.sum(np.abs(x) ** 2), ZERO, 2 * EYE),
    "abs * abs": (lambda x: np.abs(x) @ (np.abs(x) * np.array([1.0, 3.0])), np.array([0.0, 1.0]), np.diag([2.0, 6.0])),
    "x * abs * sign of abs": (lambda x: np.sum(np.fabs(x) ** 4 + np.fabs(x) ** 2), ZERO, 2 * EYE),
    "copysign": (lambda x: np.sum(np.copysign(x, 1.0) ** 2), ZERO, 2 * EYE),
    "sort": (lambda x: np.sum(np.sort(x) ** 2), TIED, 2 * np.eye(5)),
    "sort along an axis": (lambda x: np.sum(np.sort(x.reshape(2, 2), 0) ** 2), np.ones(4), 2 * np.eye(4)),
    "partition": (lambda x: np.sum(np.partition(x, 2) ** 2), TIED, 2 * np.eye(5)),
    "sum of order statistics": (lambda x: np.sum(np.sort(x)[::-1]) ** 2, TIED, np.full((5, 5), 2.0)),
    "max * min": (lambda x: np.max(x) * np.min(x), ONES, SWAP),
    "max * min along an axis": (
        lambda x: np.sum(np.max(x.reshape(2, 2), 0) * np.min(x.reshape(2, 2), 0)),
        np.array([1.0, 2.0, 1.0, 2.0]),
        BLOCKS,
    ),
    "maximum * minimum": (lambda x: np.maximum(x[0], x[1]) * np.minimum(x[0], x[1]), ONES, SWAP),
    "maximum * minimum of arrays": (lambda x: np.maximum(x, x[::-1]) @ np.minimum(x, x[::-1]), ONES, 2 * SWAP),
    "fmax * fmin": (lambda x: np.fmax(x[0], x[1]) * np.fmin(x[0], x[1]), ONES, SWAP),
    "running extremes": (lambda x: np.maximum.accumulate(x)[-1] * np.minimum.accumulate(x)[-1], ONES, SWAP),
    "ptp": (lambda x: np.ptp(x) ** 2, ONES, 2 * EYE - 2 * SWAP),
    "quantiles": (lambda x: np.quantile(x, 0.25) + np.quantile(x, 0.75) + np.median(x) * np.sum(x), ONES, EYE + SWAP),
    "positive and negative part": (lambda x: np.sum(np.maximum(x, 0) ** 2 + np.minimum(x, 0) ** 2), ZERO, 2 * EYE),
    "relu": (lambda x: np.sum(wg.relu(x) ** 2 + wg.relu(-x) ** 2), ZERO, 2 * EYE),
    "leaky": (lambda x: np.sum(leaky(x, 0.1) * leaky(x, 10.0)), ZERO, 2 * EYE),
    "clip at its bounds": (lambda x: np.sum(np.clip(x, 0, 1) ** 2 + np.clip(x, -1, 0) ** 2), ZERO, 2 * EYE),
    "clip at moving bounds": (lambda x: np.clip(x[0], x[1], 2.0) * np.clip(x[0], -2.0, x[1]), ONES, SWAP),
    "Huber by clip": (
        lambda x: np.sum(0.5 * np.clip(x, -1, 1) ** 2 + np.clip(x, -1, 1) * (x - np.clip(x, -1, 1))),
        np.array([0.5, 2.0]),
        np.diag([1.0, 0.0]),
    ),
    "log-sum-exp": (lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))), ONES, 0.25 * (EYE - SWAP)),
    "sum of abs": (lambda x: np.sum(np.abs(x) + 0.5 * x**2), ZERO, EYE),
}


def rows(x):
    return np.eye(len(x))


ROADS = {
    "hessian": lambda f, x: wg.hessian(f)(x),
    "jacfwd of grad": lambda f, x: wg.jacfwd(wg.grad(f))(x),
    "jacrev of grad": lambda f, x: wg.jacrev(wg.grad(f))(x),
    "jacfwd of jacfwd": lambda f, x: wg.jacfwd(wg.jacfwd(f))(x),
    "jacrev of jacfwd": lambda f, x: wg.jacrev(wg.jacfwd(f))(x),
    "jacrev of jacrev": lambda f, x: wg.jacrev(wg.jacrev(f))(x),
    "hvp": lambda f, x: np.array([wg.hvp(f, (x,), (e,))[1] for e in rows(x)]),
    "hvp, backwards": lambda f, x: np.array([-wg.hvp(f, (x,), (-e,))[1] for e in rows(x)]),
    "jvp of grad": lambda f, x: np.array([wg.jvp(wg.grad(f), (x,), (e,))[1] for e in rows(x)]),
    "grad of grad": lambda f, x: np.array([wg.grad(lambda t, e=e: wg.grad(f)(t) @ e)(x) for e in rows(x)]),
    "grad of jvp": lambda f, x: np.array([wg.grad(lambda t, e=e: wg.jvp(f, (t,), (e,))[1])(x) for e in rows(x)]),
    "linearize": lambda f, x: np.array([wg.linearize(wg.grad(f), x)[1](e) for e in rows(x)]),
    "linearize, transposed": lambda f, x: np.array([wg.linearize(wg.grad(f), x)[1].T(e)[0] for e in rows(x)]),
    "vmap of hessian": lambda f, x: wg.vmap(wg.hessian(f))(np.stack([x, apart(x)]))[0],
    "vmap of hvp": lambda f, x: wg.vmap(lambda e: wg.hvp(f, (x,), (e,))[1])(rows(x)),
}


def apart(x):
    """A point without ties near ``x``."""
    return x + 0.37 * np.arange(len(x)) + 0.11


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("road", ROADS)
def test_the_second_derivative_of_a_smooth_function_is_exact_at_kinks(case, road):
    f, x, exact = CASES[case]
    np.testing.assert_allclose(ROADS[road](f, x), exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_compiled_second_derivatives_are_exact_at_kinks_whatever_was_recorded_first(case, backend):
    f, x, exact = CASES[case]
    others = wg.hessian(f)(apart(x))
    for points in ([x, apart(x), x], [apart(x), apart(x), x, apart(x), x]):
        hessian = wg.compile(wg.hessian(f), backend=backend)
        product = wg.compile(lambda x, v: wg.hvp(f, (x,), (v,))[1], backend=backend)
        for point in points:
            expected = exact if point is x else others
            np.testing.assert_allclose(hessian(point), expected, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(product(point, rows(x)[0]), expected[0], rtol=1e-12, atol=1e-12)


ROWS = np.array([[1.0, 1.0], [2.0, 5.0], [3.0, 3.0]])
OF_ROWS = np.einsum("ik,jl->ijkl", np.eye(3), SWAP)


@pytest.mark.parametrize("road", [wg.jacfwd, wg.jacrev])
@pytest.mark.parametrize("f", [
    lambda r: np.max(r) * np.min(r),
    lambda r: np.maximum(r[0], r[1]) * np.minimum(r[0], r[1]),
    lambda r: np.prod(np.sort(r)),
])  # fmt: skip
def test_rows_inside_a_derivative_decide_each_for_itself(road, f):
    np.testing.assert_allclose(road(wg.vmap(wg.grad(f)))(ROWS), OF_ROWS)


def test_rows_decide_with_what_they_close_over():
    def loss(f):
        return lambda w: np.sum(wg.vmap(wg.grad(lambda r: f(r * w)))(ROWS) ** 2)

    kinked, smooth = loss(lambda u: np.max(u) * np.min(u)), loss(lambda u: u[0] * u[1])
    for road in (wg.grad, wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(road(kinked)(np.ones(2)), road(smooth)(np.ones(2)), rtol=1e-13)


def test_first_derivatives_and_values_stay_those_of_least_norm():
    total = lambda x: np.sum(np.abs(x)) + np.max(x)
    for road in (wg.grad(total)(ZERO), wg.hvp(total, (ZERO,), (ONES,))[0], wg.jvp(wg.grad(total), (ZERO,), (ONES,))[0]):
        np.testing.assert_array_equal(road, [0.5, 0.5])
    np.testing.assert_array_equal(wg.hessian(total)(ZERO), 0 * EYE)


def test_third_and_fourth_derivatives_at_kinks():
    third = wg.jacfwd(wg.hessian(lambda x: np.max(x) * np.min(x) * x[0]))(ONES)
    np.testing.assert_allclose(third, [[[0.0, 2.0], [2.0, 0.0]], [[2.0, 0.0], [0.0, 0.0]]], atol=1e-13)
    fourth = wg.grad(wg.grad(wg.grad(wg.grad(lambda x: np.abs(x) ** 4))))
    assert fourth(0.0) == 24.0


def test_a_chosen_subgradient_is_taken_at_every_order():
    with wg.subgradient(abs=1.0, max=1.0):
        np.testing.assert_array_equal(wg.hessian(lambda x: np.sum(np.abs(x) ** 2))(ZERO), 2 * EYE)
        assert wg.hessian(lambda x: np.sum(np.maximum(x, 0.0) ** 2))(ZERO)[0, 0] == 2.0


def test_closed_forms_are_checked_at_kinks():
    f = lambda x: np.sum(np.maximum(x, 0.0) ** 2 + np.minimum(x, 0.0) ** 2)
    closed = wg.hessian(f, mode="closed")
    np.testing.assert_allclose(closed(np.array([0.5, -2.0])), 2 * EYE)
    with pytest.raises(wg.WengertError, match="differs"):
        closed(ZERO)


def test_what_is_differentiated_once_keeps_the_element_of_least_norm_beside_second_derivatives():
    def mixed(x):
        return np.sum(3 * np.abs(x) + np.maximum(x, 0.0) + wg.grad(lambda t: np.sum(np.abs(t) * np.abs(t)))(x))

    np.testing.assert_array_equal(wg.grad(mixed)(ZERO), [2.5, 2.5])  # 0, 1/2 and 2
    np.testing.assert_array_equal(wg.jacfwd(mixed)(ZERO), [2.5, 2.5])
    assert wg.jvp(mixed, (ZERO,), (ONES,))[1] == 5.0
