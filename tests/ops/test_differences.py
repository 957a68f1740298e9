"""Differences of slices of one array: their cotangents reach it in one pass."""

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize("shape", [(20000,), (9000, 3)])
@pytest.mark.parametrize(
    ("plus", "minus"),
    [
        ((1, 9000), (0, 8999)), ((0, 8999), (1, 9000)), ((3, 8998), (0, 8995)), ((5, 8995), (7, 8997)),
        ((0, 9000), (0, 9000)), ((0, 4500), (4500, 9000)), ((10, 3000), (6000, 8990)), ((200, 8200), (1000, 9000)),
    ],
)  # fmt: skip
def test_differences_of_slices_of_one_array(shape, plus, minus):
    x = np.random.default_rng(2).normal(size=shape)
    first, second = slice(*plus), slice(*minus)
    weights = np.cos(np.arange(x[first].size)).reshape(x[first].shape)

    def program(x):
        return np.sum(np.sin(x[first] - x[second]) * weights)

    slope = np.cos(x[first] - x[second]) * weights
    exact = np.zeros(shape)
    exact[first] += slope
    exact[second] -= slope
    np.testing.assert_array_equal(wg.grad(program)(x), exact)

    def with_others(x):
        return program(x) + np.sum(x[first] * x[second]) + np.sum(x**3)

    exact[first] += x[second]
    exact[second] += x[first]
    np.testing.assert_allclose(wg.grad(with_others)(x), exact + 3.0 * x**2, rtol=1e-12, atol=1e-12)
