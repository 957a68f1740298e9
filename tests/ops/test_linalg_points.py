"""Linear algebra at the points where rules fail: singular matrices, equal values, kinks, free
bases.

The answers are closed forms (cofactors, SciPy's matrix functions, projectors), or an error that
says what has no derivative.
"""

from __future__ import annotations

import itertools
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.linalg

import wengert
from tests.ops.oracle import slope
from wengert.core.errors import WengertValueError

RNG = np.random.default_rng(0)
Q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
T = RNG.normal(size=(3, 3))
TWICE = Q @ np.diag([2.0, 2.0, 5.0]) @ Q.T
TWICE = 0.5 * (TWICE + TWICE.T)


def cofactors(x: Any) -> Any:
    """By minors, in exact enough arithmetic."""
    n = len(x)
    out = np.zeros((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        minor = np.delete(np.delete(x, i, 0), j, 1)
        out[i, j] = (-1) ** (i + j) * float(mpmath.det(mpmath.matrix(minor)))
    return out


@pytest.mark.parametrize("values", [(1.0, 2.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1e-13)])
def test_determinants_at_singular_matrices(values: Any) -> None:
    x = Q @ np.diag(values) @ Q.T
    gradient = wengert.grad(np.linalg.det)
    np.testing.assert_allclose(gradient(x), cofactors(x), atol=1e-14)
    second = wengert.jvp(gradient, (x,), (T,))[1]
    np.testing.assert_allclose(second.ravel(), slope(lambda h: cofactors(x + h * T)), atol=1e-10)
    # det(x + h t) is a cubic in h whose leading coefficient is det(t).

    def along(h: Any) -> Any:
        return np.linalg.det(x + h * T)

    third = wengert.grad(wengert.grad(wengert.grad(along)))(0.0)
    np.testing.assert_allclose(third, 6 * np.linalg.det(T), rtol=1e-10)


def test_gradient_of_logdet_is_the_inverse_transposed() -> None:
    x = T + 3 * np.eye(3)
    gradient = wengert.grad(lambda a: np.linalg.slogdet(a)[1])
    np.testing.assert_allclose(gradient(x), np.linalg.inv(x).T, rtol=1e-12)
    with pytest.raises(WengertValueError, match="singular"):
        gradient(np.diag([1.0, 0.0, 1.0]))


@pytest.mark.parametrize("x", [np.eye(3), TWICE])
def test_sums_over_equal_eigenvalues(x: Any) -> None:
    # d tr f(A) = tr(f'(A) dA).
    for spectral in (
        lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))),
        lambda a: np.sum(np.exp(np.linalg.eigh(a)[0])),
        lambda a: np.sum(np.exp(np.linalg.eigvals(a).real)),
        lambda a: np.trace(function_of_matrix(a)),
    ):
        np.testing.assert_allclose(wengert.grad(spectral)(x), scipy.linalg.expm(x), rtol=1e-12, atol=1e-11)


def function_of_matrix(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return (v * np.exp(w)) @ v.T


def test_functions_of_matrices_with_distinct_eigenvalues() -> None:
    x = Q @ np.diag([0.5, 1.0, 2.5]) @ Q.T
    s = 0.5 * (T + T.T)
    wanted = scipy.linalg.expm_frechet(x, s, compute_expm=False)
    np.testing.assert_allclose(wengert.jvp(function_of_matrix, (x,), (s,))[1], wanted, rtol=1e-11)


def test_functions_of_matrices_with_equal_eigenvalues() -> None:
    s = 0.5 * (T + T.T)
    wanted = scipy.linalg.expm_frechet(TWICE, s, compute_expm=False)
    np.testing.assert_allclose(wengert.jvp(function_of_matrix, (TWICE,), (T,))[1], wanted, rtol=1e-12, atol=1e-12)
    gradient = wengert.grad(lambda a: np.sum(T * function_of_matrix(a)))
    np.testing.assert_allclose(gradient(TWICE), wanted, rtol=1e-12, atol=1e-12)  # the derivative is self-adjoint


def test_single_vectors_of_equal_eigenvalues_are_refused() -> None:
    with pytest.raises(WengertValueError, match="equal eigenvalues") as caught:
        wengert.grad(lambda a: np.linalg.eigh(a)[1][0, 0])(TWICE)
    assert __file__ in str(caught.value)
    with pytest.raises(WengertValueError, match="equal values"):
        wengert.vjp(lambda a: np.linalg.eigh(a)[1][0, 0], TWICE)[1](1.0)


def test_a_projector_of_equal_eigenvalues_has_a_derivative() -> None:
    def projector(a: Any) -> Any:
        _, v = np.linalg.eigh(a)
        return v[:, :2] @ v[:, :2].T

    def other(a: Any) -> Any:
        _, v = np.linalg.eigh(a)
        return np.eye(3) - v[:, 2:] @ v[:, 2:].T

    first, second = (wengert.grad(lambda a, p=p: np.sum(T * p(a)))(TWICE) for p in (projector, other))
    np.testing.assert_allclose(first, second, atol=1e-13)


def test_the_nuclear_norm_at_equal_singular_values() -> None:
    # Its gradient is the polar factor, which is smooth there.
    gradient = wengert.grad(lambda a: np.linalg.norm(a, "nuc"))
    np.testing.assert_allclose(gradient(2 * Q), Q, atol=1e-14)
    wanted = slope(lambda h: scipy.linalg.polar(2 * Q + h * T)[0])
    for second in (
        wengert.jvp(gradient, (2 * Q,), (T,))[1],
        wengert.vjp(gradient, 2 * Q)[1](T)[0],  # a Hessian is symmetric
    ):
        np.testing.assert_allclose(second.ravel(), wanted, atol=1e-9)


def test_odd_functions_of_equal_singular_values() -> None:
    def rebuilt(a: Any) -> Any:
        u, s, vh = np.linalg.svd(a)
        return np.sum(T * ((u * np.tanh(s)) @ vh))

    # At 2 Q the symmetric part of Q^T dA has the slope tanh'(2), the skew part tanh(2) / 2, and Q is orthogonal.
    inside = Q.T @ T
    slopes = (1.0 - np.tanh(2.0) ** 2) * 0.5 * (inside + inside.T) + np.tanh(2.0) / 2.0 * 0.5 * (inside - inside.T)
    np.testing.assert_allclose(wengert.grad(rebuilt)(2 * Q), Q @ slopes, rtol=1e-12)
    np.testing.assert_allclose(wengert.jvp(rebuilt, (2 * Q,), (T,))[1], np.sum(T * (Q @ slopes)), rtol=1e-12)
    with pytest.raises(WengertValueError, match="equal values"):
        wengert.vjp(rebuilt, 2 * Q)[1](1.0)


def test_columns_that_are_any_basis_are_refused() -> None:
    tall = RNG.normal(size=(5, 3))
    for name in ("svd", "qr"):
        factor = np.linalg.svd if name == "svd" else lambda a: np.linalg.qr(a, "complete")
        with pytest.raises(WengertValueError, match="any basis"):
            wengert.grad(lambda a, factor=factor: np.sum(factor(a)[0][:, 3:]))(tall)


def test_qr_of_dependent_columns_is_refused() -> None:
    with pytest.raises(WengertValueError, match="linearly dependent"):
        wengert.grad(lambda a: np.sum(np.linalg.qr(a)[1]))(np.ones((4, 3)))


def test_defective_matrices_are_refused() -> None:
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    for fun in (lambda a: np.sum(np.linalg.eigvals(a)).real, lambda a: np.sum(np.linalg.eig(a)[0]).real):
        with pytest.raises(WengertValueError, match="defective"):
            wengert.grad(fun)(jordan)


@pytest.mark.parametrize("order", [None, 1, 2, 3, 1.5, np.inf])
def test_norms_of_the_zero_vector(order: Any) -> None:
    zero = np.zeros(3)
    gradient = wengert.grad(lambda a: np.linalg.norm(a, order))(zero)
    # The subdifferential is the dual unit ball; its element of least norm is 0.
    np.testing.assert_array_equal(gradient, zero)


def test_ties_share() -> None:
    gradient = wengert.grad(lambda a: np.linalg.norm(a, np.inf))(np.array([2.0, -2.0, 1.0]))
    np.testing.assert_array_equal(gradient, [0.5, -0.5, 0.0])
    gradient = wengert.grad(lambda a: np.linalg.norm(a, 2))(3 * np.eye(2))
    np.testing.assert_allclose(gradient, 0.5 * np.eye(2), atol=1e-15)


def test_symmetric_input_has_a_symmetric_gradient() -> None:
    x = T @ T.T + np.eye(3)
    for fun in (np.linalg.cholesky, lambda a: np.linalg.eigvalsh(a)[:1]):
        gradient = wengert.grad(lambda a, fun=fun: np.sum(fun(a) ** 3))(x)
        np.testing.assert_allclose(gradient, gradient.T, atol=1e-12)


def test_the_pseudo_inverse_keeps_its_rank() -> None:
    # Along x(h) = b(h) c the rank stays 1, and the derivative is that of the closed form c^T b^T /
    # (|b|^2 |c|^2).
    b, c, d = RNG.normal(size=(3, 4))

    def along(h: Any) -> Any:
        return np.linalg.pinv(np.outer(b + h * d, c))

    def closed(h: float) -> Any:
        moved = b + h * d
        return np.outer(c, moved) / (moved @ moved) / (c @ c)

    np.testing.assert_allclose(wengert.jvp(along, (0.0,), (1.0,))[1].ravel(), slope(closed), atol=1e-9)


@pytest.mark.parametrize("dtype", [float, complex])
def test_vectors_in_lapacks_normalisation(dtype: Any) -> None:
    # Not only invariant results: the vectors themselves, as LAPACK scales them.
    x = RNG.normal(size=(4, 4)).astype(dtype)
    if dtype is complex:
        x = x + 1j * RNG.normal(size=(4, 4))
    t = RNG.normal(size=(4, 4)) * np.asarray(1.0 if dtype is float else 1.0 - 0.5j)
    h = x + x.conj().T
    moved = {
        np.linalg.eig: (x, t),
        np.linalg.eigh: (h, t + t.conj().T),
        np.linalg.svd: (x, t),
    }
    for fun, (point, tangent) in moved.items():
        _, derivative = wengert.jvp(
            lambda a, fun=fun: fun(a)[1 if fun is not np.linalg.svd else 0], (point,), (tangent,)
        )
        number = slope(
            lambda step, fun=fun, point=point, tangent=tangent: fun(point + step * tangent)[
                1 if fun is not np.linalg.svd else 0
            ],
            1e-4,
        )
        got = (
            np.concatenate([derivative.real.ravel(), derivative.imag.ravel()])
            if np.iscomplexobj(derivative)
            else derivative.ravel()
        )
        np.testing.assert_allclose(got, number, rtol=1e-6, atol=1e-6)


# Functions of the values, and the derivative of their gradient along t: exact also where values are equal.
OF_VALUES = {
    "eigvalsh": (
        lambda x: np.sum(np.exp(np.linalg.eigvalsh(x))),
        lambda x, t: scipy.linalg.expm_frechet(x, t, compute_expm=False),
    ),
    "logdet by eigenvalues": (
        lambda x: np.sum(np.log(np.linalg.eigvalsh(x))),
        lambda x, t: -np.linalg.inv(x) @ t @ np.linalg.inv(x),
    ),
    "eigvals": (lambda x: np.sum(np.linalg.eigvals(x).real ** 3), None),
    "svdvals": (lambda x: np.sum(np.linalg.svdvals(x) ** 4), lambda x, t: quartic(x, t)),
    "svd without vectors": (
        lambda x: np.sum(np.linalg.svd(x, compute_uv=False) ** 4),
        lambda x, t: quartic(x, t),
    ),
}


def quartic(x: Any, t: Any) -> Any:
    """The derivative of 4 x x^T x, the gradient of the sum of fourth powers of singular values."""
    return 4.0 * (t @ x.T @ x + x @ t.T @ x + x @ x.T @ t)


@pytest.mark.parametrize(("f", "second"), OF_VALUES.values(), ids=OF_VALUES)
@pytest.mark.parametrize("x", [2.0 * np.eye(3), TWICE, np.diag([1.0, 1.0, 3.0])], ids=["multiple", "twice", "diagonal"])
def test_second_derivatives_of_equal_values(f: Any, second: Any, x: Any) -> None:
    t = T + T.T

    def along(h: Any) -> Any:
        return f(x + h * t)

    np.testing.assert_allclose(np.sum(wengert.grad(f)(x) * t), slope(along), rtol=1e-8)
    roads = (lambda: wengert.hvp(f, (x,), (t,))[1], lambda: wengert.jvp(wengert.grad(f), (x,), (t,))[1])
    for road in roads:
        if second is not None:
            np.testing.assert_allclose(road(), second(x, t), rtol=1e-11, atol=1e-11)
            continue
        with pytest.raises(WengertValueError, match="second derivative") as caught:
            road()
        assert __file__ in str(caught.value)


@pytest.mark.parametrize("f", [f for f, _ in OF_VALUES.values()], ids=OF_VALUES)
def test_and_right_where_the_values_differ(f: Any) -> None:
    x, t = Q @ np.diag([1.0, 2.0, 4.0]) @ Q.T, T + T.T
    x = 0.5 * (x + x.T)

    def bend(h: Any) -> Any:
        return np.sum(wengert.grad(f)(x + h * t) * t)

    np.testing.assert_allclose(np.sum(wengert.hvp(f, (x,), (t,))[1] * t), slope(bend), rtol=1e-7)
