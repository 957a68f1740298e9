"""Equal eigenvalues in what is recorded to run at other values: vmap, hessian and compiled functions.

May import wengert's public API. Invariant: values are compared with closed forms of spectral functions; where there is
no derivative to be found, the answer is NaN or an error, never a finite number.
"""

import numpy as np
import pytest

import wengert as wg

S = np.array([[2.0, 0.3, -0.5], [0.3, -1.0, 0.8], [-0.5, 0.8, 0.4]])
EQUAL = np.eye(3)


def cubes(A):
    return np.sum(np.linalg.eigvalsh(0.5 * (A + A.T)) ** 3)  # tr A^3: gradient 3 A^2


def cubes_of_singular_values(A):
    return np.sum(np.linalg.svd(A)[1] ** 3)


def weighted(A):
    w, V = np.linalg.eigh(A)
    return np.sum((V * np.exp(w)) @ V.T * np.arange(9.0).reshape(3, 3))


def test_first_derivatives_of_spectral_sums_are_right_in_every_row():
    found = wg.vmap(wg.grad(cubes))(np.stack([EQUAL, S, 2 * EQUAL]))
    np.testing.assert_allclose(found, [3 * EQUAL, 3 * S @ S, 12 * EQUAL], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(wg.jacfwd(lambda A: np.sum(np.linalg.eigh(A)[0] ** 3))(EQUAL), 3 * EQUAL, atol=1e-12)


@pytest.mark.parametrize("function", [cubes, cubes_of_singular_values])
def test_second_derivatives_at_equal_values_are_not_finite_and_elsewhere_right(function):
    with np.errstate(all="ignore"):
        assert np.isnan(wg.hessian(function)(EQUAL)).any()
        rows = wg.vmap(wg.hessian(function))(np.stack([EQUAL, S]))
    assert np.isnan(rows[0]).any()
    step = 1e-6
    slope = wg.grad(function)
    wanted = np.empty((3, 3, 3, 3))
    for k in np.ndindex(3, 3):
        e = np.zeros((3, 3))
        e[k] = step
        wanted[..., k[0], k[1]] = (slope(S + e) - slope(S - e)) / (2 * step)
    np.testing.assert_allclose(rows[1], wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_a_compiled_derivative_does_not_keep_which_values_were_equal(backend):
    slope = wg.compile(wg.grad(cubes), backend=backend)
    for A in (EQUAL, S, 2 * S, EQUAL, S):
        np.testing.assert_allclose(slope(A), 3 * A @ A, rtol=1e-11, atol=1e-11)
    second = wg.compile(wg.hessian(cubes), backend=backend)
    with np.errstate(all="ignore"):
        assert np.isnan(second(EQUAL)).any()
        for A in (S, 2 * S):
            np.testing.assert_allclose(second(A), wg.hessian(cubes)(A), rtol=1e-9, atol=1e-9)
        assert np.isnan(second(EQUAL)).any()
    vectors = wg.compile(wg.grad(weighted), backend=backend)
    for A in (S, 2 * S):
        np.testing.assert_allclose(vectors(A), wg.grad(weighted)(A), rtol=1e-10, atol=1e-10)
    with pytest.raises(wg.WengertError, match="equal values"):
        vectors(EQUAL)
