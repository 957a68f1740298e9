"""Numbers and arrays without axes read by truth values, ``a[a > 0]``, on every road and at second order."""

import numpy as np
import pytest

import wengert as wg

POINTS = [np.array([1.0, 2.0]), np.array([-1.0, -2.0])]


def cube(x):
    """The sum cubed where it is positive: 3 s^2 and 6 s."""
    s = x.sum()
    return np.sum(s[s > 0] ** 3)


def of_an_array(x):
    s = np.array(x.sum())
    return np.sum(s[s > 0] ** 3)


def with_more_axes(x):
    s = x.sum()
    return np.sum(s[None, s > 0] ** 3)


def of_another(x):
    return np.sum(np.array(x.sum())[np.array(x[0] > 0)] ** 3)


ROADS = [
    wg.hessian,
    lambda f: wg.jacrev(wg.grad(f)),
    lambda f: wg.jacfwd(wg.jacfwd(f)),
    lambda f: wg.jacrev(wg.jacfwd(f)),
]


@pytest.mark.parametrize("f", [cube, of_an_array, with_more_axes, of_another])
@pytest.mark.parametrize("x", POINTS)
def test_what_is_read_moves_with_the_number(f, x):
    s = max(x.sum(), 0.0)
    assert f(x) == s**3
    np.testing.assert_allclose(wg.grad(f)(x), [3 * s**2] * 2)
    for road in ROADS:
        np.testing.assert_allclose(road(f)(x), np.full((2, 2), 6 * s))


@pytest.mark.parametrize("f", [cube, of_an_array, with_more_axes, of_another])
def test_compiled_and_batched(f):
    rows = np.stack(POINTS)
    expected = [[27.0, 27.0], [0.0, 0.0]]
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(rows), expected)
    compiled = wg.compile(wg.grad(f), backend="numpy")
    for x, slope in zip([*POINTS, *POINTS], [*expected, *expected], strict=True):
        np.testing.assert_allclose(compiled(x), slope)


def test_numbers_take_no_other_indices():
    for index in (0, slice(None), [True], np.array([True])):
        with pytest.raises(IndexError, match="invalid index to scalar variable"):
            wg.grad(lambda x, index=index: np.sum(x.sum()[index]))(POINTS[0])
