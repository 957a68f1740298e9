"""A cotangent that an index or a write made exactly zero stays zero, on large arrays as on small ones.

Large sweeps let their memory go when they cannot end non-finite; these programs can. May import wengert's public API.
Invariant: the wanted gradients are closed forms.
"""

import numpy as np
import pytest

import wengert as wg


def left_out(x):
    return np.sum(np.exp(x)[1:])


def overwritten(x):
    y = np.exp(x)
    y[0] = 0.0
    return np.sum(y)


def squared_and_left_out(x):
    return np.sum((x * x)[1:])


def underflown(x):
    return np.sum(np.exp(-np.exp(x[1:]))) + np.sum(x[:1] * 0.0 + 1.0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [5, 70_000])
@pytest.mark.parametrize("program", [left_out, overwritten])
def test_an_overflow_that_is_left_out_has_no_gradient(program, size):
    x = np.linspace(0.0, 1.0, size)
    x[0] = 1000.0
    wanted = np.exp(x)
    wanted[0] = 0.0
    np.testing.assert_allclose(wg.grad(program)(x), wanted, rtol=1e-14)


@pytest.mark.parametrize("size", [5, 70_000])
def test_an_infinite_element_that_is_left_out_has_no_gradient(size):
    x = np.linspace(0.0, 1.0, size)
    x[0] = np.inf
    wanted = 2.0 * x
    wanted[0] = 0.0
    np.testing.assert_allclose(wg.grad(squared_and_left_out)(x), wanted, rtol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("size", [5, 70_000])
def test_an_infinity_that_underflows_gives_the_limit_on_any_size(size):
    x = np.linspace(0.0, 1.0, size)
    x[2] = 1000.0
    wanted = -np.exp(x) * np.exp(-np.exp(x))
    wanted[[0, 2]] = 0.0
    np.testing.assert_allclose(wg.grad(underflown)(x), wanted, rtol=1e-13)
