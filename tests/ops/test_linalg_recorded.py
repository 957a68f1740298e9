"""Linear algebra in recordings that run at other values: what a rule decides on values is decided again.

A function is compiled at values of one pattern (signs, orders, zeros, equal values) and called at values of others; a
batch mixes them. The answers are closed forms, or differences of NumPy's own values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import numeric
from wengert.core.errors import WengertValueError

RNG = np.random.default_rng(11)

VECTORS = np.array([[3.0, -3.5, 1.0], [1.0, 2.0, -4.0], [-1.0, 0.0, 5.0], [0.0, 0.0, 0.0], [2.0, 2.0, -2.0]])


def of_vector(v: Any, order: float) -> Any:
    """The gradient of the norm: 0 at 0, equal shares for ties."""
    size = np.abs(v)
    if not size.any():
        return np.zeros(3)
    if abs(order) == np.inf:
        hit = size == (size.max() if order > 0 else size.min())
        return np.sign(v) * hit / hit.sum()
    norm = np.sum(size**order) ** (1.0 / order)
    return np.sign(v) * (size / norm) ** (order - 1.0)


@pytest.mark.parametrize("order", [1, 1.5, 2, 3, np.inf, -np.inf])
def test_norms_of_vectors(order: float) -> None:
    def gradient(v: Any) -> Any:
        return wg.grad(lambda u: np.linalg.norm(u, order))(v)

    wanted = np.stack([of_vector(v, order) for v in VECTORS])
    np.testing.assert_allclose(wg.vmap(gradient)(VECTORS), wanted, atol=1e-15)
    compiled = wg.compile(gradient)
    for v, w in zip(VECTORS, wanted, strict=True):
        np.testing.assert_allclose(compiled(v), w, atol=1e-15)


MATRICES = np.stack([-2.0 * np.eye(3), *RNG.normal(size=(3, 3, 3)), np.diag([3.0, -3.0, 1.0])])


def of_matrix(a: Any, order: Any) -> Any:
    """The gradient of a matrix norm, equal shares for ties."""
    if order == "nuc":
        u, _, vh = np.linalg.svd(a)
        return u @ vh
    if abs(order) == 2:
        u, s, vh = np.linalg.svd(a)
        hit = np.isclose(s, s[0 if order > 0 else -1])
        return (u * (hit / hit.sum())) @ vh
    sums = np.abs(a).sum(0 if abs(order) == 1 else 1, keepdims=True)
    hit = sums == (sums.max() if order > 0 else sums.min())
    return np.sign(a) * hit / hit.sum()


@pytest.mark.parametrize("order", [1, -1, 2, -2, np.inf, -np.inf, "nuc"])
def test_norms_of_matrices(order: Any) -> None:
    def gradient(a: Any) -> Any:
        return wg.grad(lambda x: np.linalg.norm(x, order))(a)

    wanted = np.stack([of_matrix(a, order) for a in MATRICES])
    np.testing.assert_allclose(wg.vmap(gradient)(MATRICES), wanted, atol=1e-13)
    compiled = wg.compile(gradient)
    for a, w in zip(MATRICES, wanted, strict=True):
        np.testing.assert_allclose(compiled(a), w, atol=1e-13)


def cofactors_along(a: Any, t: Any) -> Any:
    """The derivative of the gradient of the determinant of a 3 x 3 matrix: its rows are cross products of others."""
    return np.stack(
        [np.cross(t[(k + 1) % 3], a[(k + 2) % 3]) + np.cross(a[(k + 1) % 3], t[(k + 2) % 3]) for k in range(3)]
    )


def test_determinants_of_regular_and_singular_matrices() -> None:
    thin = RNG.normal(size=(3, 2))
    points = [RNG.normal(size=(3, 3)) + 3.0 * np.eye(3), thin @ RNG.normal(size=(2, 3)), np.diag([1.0, 0.0, 2.0])]
    t = RNG.normal(size=(3, 3))
    second = wg.hessian(np.linalg.det)
    compiled = wg.compile(second)
    batch = wg.vmap(second)(np.stack(points))
    for a, row in zip(points, batch, strict=True):
        for got in (compiled(a), row):
            np.testing.assert_allclose(np.tensordot(got, t), cofactors_along(a, t), atol=1e-12)


def weighed(y: Any) -> Any:
    k = np.arange(9.0).reshape(3, 3)
    return np.sum(np.cos(k) * y.real) + np.sum(np.sin(k) * y.imag)


def hermitian(*values: float) -> Any:
    q = np.linalg.qr(RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3)))[0]
    a = q @ np.diag(values) @ q.conj().T
    return 0.5 * (a + a.conj().T)


GENERAL = RNG.normal(size=(3, 3, 3)) + 1j * RNG.normal(size=(3, 3, 3))
HERMITIAN = np.stack([hermitian(1.0, 2.0, 4.0), hermitian(-3.0, 0.5, 2.0), hermitian(0.1, 5.0, 9.0)])
VECTORS_OF = {
    "eigh": (lambda a: weighed(np.linalg.eigh(a)[1]), HERMITIAN),
    "eigh, upper": (lambda a: weighed(np.linalg.eigh(a, "U")[1]), HERMITIAN),
    "svd, left": (lambda a: weighed(np.linalg.svd(a)[0]), GENERAL),
    "svd, right": (lambda a: weighed(np.linalg.svd(a)[2]), GENERAL),
    "eig": (lambda a: weighed(np.linalg.eig(a)[1]), GENERAL),
}


@pytest.mark.parametrize(("f", "points"), VECTORS_OF.values(), ids=VECTORS_OF)
def test_complex_vectors_in_lapacks_normalisation(f: Any, points: Any) -> None:
    gradient = wg.grad(f)
    diagonal = np.diag([1.0, 2.0, 4.0]) + 0j  # where other rows are real than elsewhere, and have zeros
    absolute = wg.grad(lambda a: f(a) * 0.0 + weighed(np.abs(np.linalg.eigh(a)[1]) ** 2))

    def both(a: Any) -> Any:
        return absolute(a) if np.count_nonzero(a - np.diag(np.diag(a))) == 0 else gradient(a)

    compiled = wg.compile(both)
    compiled(diagonal)
    batch = wg.vmap(gradient)(points)
    for a, row in zip(points, batch, strict=True):
        t = RNG.normal(size=(3, 3)) + 1j * RNG.normal(size=(3, 3))
        t = t + t.conj().T
        wanted = numeric.directional(f, (a,), (t,)).value
        for got in (compiled(a), row):
            np.testing.assert_allclose(np.vdot(got, t).real, wanted, rtol=1e-6, atol=1e-6)


def test_a_phase_that_nothing_fixes_is_refused() -> None:
    # LAPACK makes a row of the vectors real; a vector that is zero in that row has any phase.
    a, t = np.diag([1.0, 2.0, 4.0]) + 0j, hermitian(1.0, 2.0, 3.0)

    def entry(x: Any) -> Any:
        return np.linalg.eigh(x)[1][2, 2].imag

    for road in (lambda: wg.grad(entry)(a), lambda: wg.jvp(entry, (a,), (t,))):
        with pytest.raises(WengertValueError) as caught:
            road()
        assert __file__ in str(caught.value)
    # What does not ask for phases is as ever: the projector onto the last vector.
    moved = wg.jvp(lambda x: (lambda v: v[:, 2:] @ np.conj(v[:, 2:]).T)(np.linalg.eigh(x)[1]), (a,), (t,))[1]
    wanted = np.zeros((3, 3), complex)
    for j, gap in ((0, 3.0), (1, 2.0)):
        wanted[j, 2], wanted[2, j] = t[j, 2] / gap, t[2, j] / gap
    np.testing.assert_allclose(moved, wanted, atol=1e-13)
