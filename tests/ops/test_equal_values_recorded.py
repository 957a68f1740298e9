"""Equal eigenvalues in what is recorded to run at other values: vmap, hessian and compiled functions.

May import wengert's public API. Invariant: values are compared with closed forms of spectral functions; what
was recorded where values differ is not used where they are equal, nor the other way round.
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


def parts(E):
    return 0.5 * (E + E.T), 0.5 * (E - E.T)


# At the identity: the gradient 3 A^2 of the symmetric part has the slope 6; that of singular values, 3 U s^2 V^T, has
# it on the symmetric part of a direction, and (3 + 3) / (1 + 1) on the skew part.
AT_EQUAL = {cubes: lambda E: 6 * parts(E)[0], cubes_of_singular_values: lambda E: 6 * parts(E)[0] + 3 * parts(E)[1]}


def columns(slope):
    return np.stack([slope(E) for E in np.eye(9).reshape(9, 3, 3)], -1).reshape(3, 3, 3, 3)


@pytest.mark.parametrize("function", [cubes, cubes_of_singular_values])
def test_second_derivatives_at_equal_values_and_elsewhere(function):
    np.testing.assert_allclose(wg.hessian(function)(EQUAL), columns(AT_EQUAL[function]), atol=1e-12)
    rows = wg.vmap(wg.hessian(function))(np.stack([EQUAL, S]))
    np.testing.assert_allclose(rows[0], columns(AT_EQUAL[function]), atol=1e-12)
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
    for A in (EQUAL, S, 2 * S, EQUAL):
        wanted = columns(lambda E, A=A: 3 * (A @ parts(E)[0] + parts(E)[0] @ A))
        np.testing.assert_allclose(second(A), wanted, rtol=1e-9, atol=1e-9)
    vectors = wg.compile(wg.grad(weighted), backend=backend)
    for A in (S, 2 * S):
        np.testing.assert_allclose(vectors(A), wg.grad(weighted)(A), rtol=1e-10, atol=1e-10)
    wanted = np.exp(1.0) * parts(np.arange(9.0).reshape(3, 3))[0]  # the slope of exp at 1, on symmetric directions
    np.testing.assert_allclose(vectors(EQUAL), wanted, rtol=1e-12)
