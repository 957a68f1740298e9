"""Squares whose reverse step writes into what was squared: never where anybody else could still read it."""

import weakref

import numpy as np
import pytest

import wengert as wg
from wengert.ops import squares

N = squares.LARGE + 3
X = np.random.default_rng(5).normal(size=N)
SQUARED = 3.0 * X * 2.0 * 3.0
KEPT: dict = {}


@pytest.fixture
def done(monkeypatch):
    """How often memory was used again."""
    count = []
    ordinary = squares._doubled
    monkeypatch.setattr(squares, "_doubled", lambda *a: count.append(1) or ordinary(*a))
    return count


def test_neighbours_squared_use_their_own_memory(done):
    steps = 2.0 * np.diff(X)
    exact = np.concatenate(([0.0], steps)) - np.concatenate((steps, [0.0]))
    before = X.copy()
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum((x[1:] - x[:-1]) ** 2))(X), exact)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.square(x[1:] - x[:-1])))(X), exact)
    weights = np.cos(X[1:])
    np.testing.assert_allclose(
        wg.grad(lambda x: np.sum(weights * (3.0 * x[1:]) ** 2))(X)[1:], 18.0 * weights * X[1:], rtol=1e-14
    )
    assert len(done) == 3
    np.testing.assert_array_equal(X, before)


def kept_handle(x):
    KEPT["d"] = d = x * 3.0
    return np.sum(d**2)


def kept_view(x):
    d = x * 3.0
    KEPT["d"] = d[::2]
    return np.sum(d**2)


def kept_value(x):
    d = x * 3.0
    KEPT["d"] = wg.stop_gradient(d)
    return np.sum(d**2)


def kept_weakly(x):
    d = x * 3.0
    KEPT["d"] = weakref.ref(d.value)
    return np.sum(d**2)


@pytest.mark.parametrize("keeping", [kept_handle, kept_view, kept_value])
def test_what_somebody_kept_is_not_written_to(keeping):
    np.testing.assert_array_equal(wg.grad(keeping)(X), SQUARED)
    kept = KEPT.pop("d")
    kept = getattr(kept, "value", kept)
    np.testing.assert_array_equal(kept, (3.0 * X)[:: 2 if kept.size < N else 1])


def test_a_weak_reference_sees_no_other_numbers(done):
    np.testing.assert_array_equal(wg.grad(kept_weakly)(X), SQUARED)
    assert not done
    KEPT.clear()


def test_an_argument_an_output_and_other_readers_keep_their_numbers(done):
    before = X.copy()
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x**2))(X), 2.0 * X)
    np.testing.assert_array_equal(X, before)

    def two_readers(x):
        d = x * 3.0
        return np.sum(d**2) + np.sum(d**2 * np.cos(d))

    d = 3.0 * X
    exact = 3.0 * (2.0 * d + 2.0 * d * np.cos(d) - d**2 * np.sin(d))
    np.testing.assert_allclose(wg.grad(two_readers)(X), exact, rtol=1e-12, atol=1e-12)

    def with_output(x):
        d = x * 3.0
        return np.sum(d**2), d

    gradient, d = wg.grad(with_output, has_aux=True)(X)
    np.testing.assert_array_equal(gradient, SQUARED)
    np.testing.assert_array_equal(d, 3.0 * X)
    assert not done


def test_a_pullback_called_twice_and_second_order(done):
    value, pullback = wg.vjp(lambda x: (x * 3.0) ** 2, X)
    weights = np.sin(X)
    (first,), (second,) = pullback(weights), pullback(weights)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, 18.0 * X * weights, rtol=1e-14)
    np.testing.assert_array_equal(value, (3.0 * X) ** 2)
    _, product = wg.hvp(lambda x: np.sum((3.0 * x) ** 2), (X,), (weights,))
    np.testing.assert_allclose(product, 18.0 * weights, rtol=1e-14)
    assert not done


def test_tensors_keep_their_data():
    t = wg.tensor(X, requires_grad=True)
    u = t * 3.0
    (u**2).sum().backward()
    np.testing.assert_array_equal(t.grad.numpy(), SQUARED)
    np.testing.assert_array_equal(u.detach().numpy(), 3.0 * X)
