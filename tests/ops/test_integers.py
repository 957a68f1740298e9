"""Integers that are made of traced numbers: their operations are steps, not constants.

Imports wengert. Invariant: the reference is NumPy at the same values."""

import numpy as np
import pytest

import wengert as wg


@pytest.mark.parametrize(
    "of_integers",
    [
        lambda n: n << 2,
        lambda n: 3 << (n % 4),
        lambda n: n >> 1,
        lambda n: np.left_shift(n, 1) - np.right_shift(n, n % 3),
        lambda n: np.gcd(n, 12) + np.lcm(n, 4),
        lambda n: np.bitwise_count(n),
    ],
)
def test_integers_made_of_traced_numbers_are_shifted_and_divided(of_integers):
    def function(t):
        return t * of_integers(np.argsort(t) + 5) + t * of_integers(np.argmax(t) + 3)

    graph = wg.trace(function)(np.array([2.5, 1.0, 30.0]))
    compiled = wg.compile(function, backend="numpy")
    for x in (np.array([1.5, 6.2, 9.7]), np.array([3.5, 16.2, 4.7])):
        np.testing.assert_array_equal(graph(x), function(x))
        np.testing.assert_array_equal(compiled(x), function(x))
        np.testing.assert_array_equal(compiled(x[::-1].copy()), function(x[::-1]))


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("bins", [[0.0, 0.5, 1.0], [1.0, 0.5, 0.0], [0.0, 0.0, 1.0], [0.5], []])
def test_bins_are_found_again_at_other_values(bins, right):
    def function(x):
        return np.digitize(x, bins, right=right) * x

    graph = wg.trace(function)(np.array([0.1, 0.7, -2.0, 1.0]))
    assert not graph.guards
    for x in (np.array([0.0, 0.5, 1.0, np.nan]), np.array([-1.0, 0.25, 0.75, 7.0])):
        np.testing.assert_array_equal(graph(x), function(x))


def test_bins_without_an_order_are_refused_as_by_numpy():
    with pytest.raises(ValueError, match="bins must be monotonically"):
        wg.grad(lambda x: np.sum(np.digitize(x, [1.0, 0.0, 2.0]) * x))(np.ones(3))
