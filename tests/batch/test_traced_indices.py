"""An index computed from the data (argmax, argsort) differs from row to row, in every derivative too."""

import numpy as np
import pytest

import wengert as wg

ROWS = np.random.default_rng(0).normal(size=(4, 5))
DIRECTION = np.random.default_rng(1).normal(size=5)
WEIGHTS = np.arange(1.0, 6.0)


def reads(x):
    return x[np.argmax(x)] ** 2 + 3.0 * x[np.argsort(x)][0] * x[-1]


def writes(x):
    y = np.zeros(5)
    y[np.argsort(x)] = x * x
    y[np.argmax(x)] *= 2.0
    return np.sum(y * WEIGHTS)


def writes_twice_to_one_place(x):
    y = np.zeros(5)
    y[np.argsort(x) // 2] = x * x
    return np.sum(y * WEIGHTS)


def reads_by_mask(x):
    return np.sum(np.where(x > np.median(x), x**3, x))


PROGRAMS = [reads, writes, writes_twice_to_one_place, reads_by_mask]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_batched_derivative_is_that_of_each_row_alone(program):
    wanted = np.stack([wg.grad(program)(row) for row in ROWS])
    for row, gradient in zip(ROWS, wanted, strict=True):
        numeric = wg.numeric.gradient(program, row)
        np.testing.assert_allclose(gradient, numeric.value, rtol=0, atol=1e-8)
    np.testing.assert_allclose(wg.vmap(wg.grad(program))(ROWS), wanted, rtol=0, atol=1e-14)
    slopes = wg.vmap(lambda row: wg.jvp(program, (row,), (DIRECTION,))[1])(ROWS)
    np.testing.assert_allclose(slopes, wanted @ DIRECTION, rtol=0, atol=1e-13)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_batched_hessian_is_that_of_each_row_alone(program):
    wanted = np.stack([wg.jacobian(wg.grad(program), mode="rev")(row) for row in ROWS])
    np.testing.assert_allclose(wg.vmap(wg.hessian(program))(ROWS), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_recorded_gradient_is_right_at_other_points(program):
    graph = wg.trace(wg.grad(program))(ROWS[0])
    for row in ROWS[1:]:
        try:
            got = graph(row)
        except wg.WengertError:
            continue  # a guard may refuse another path, but never answer wrongly
        np.testing.assert_allclose(got, wg.grad(program)(row), rtol=0, atol=1e-14)
