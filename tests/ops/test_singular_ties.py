"""Functions of singular values where these are equal or zero: exact, or an error that names the line.

Every expectation is a closed form of the matrix itself (powers), in which equal values are nothing special.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import TieError

RNG = np.random.default_rng(4)


def orthonormal(rows: int, columns: int, dtype: Any = float) -> Any:
    z = RNG.normal(size=(rows, columns))
    return np.linalg.qr(z + 1j * RNG.normal(size=z.shape) if dtype is complex else z)[0]


RECTANGULAR = [
    (3, 3, (2, 2, 2)),
    (3, 3, (2, 2, 1)),
    (4, 2, (3, 3)),
    (2, 4, (3, 3)),
    (4, 3, (2, 0, 0)),
    (3, 4, (2, 2, 0)),
    (3, 1, (0,)),
    (4, 4, (2, 2, 0, 0)),
    (3, 3, (0, 0, 0)),
]


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("rows", "columns", "values"), RECTANGULAR)
def test_singular_values(rows: int, columns: int, values: Any, dtype: Any) -> None:
    k = min(rows, columns)
    a = orthonormal(rows, k, dtype) @ np.diag(values) @ orthonormal(columns, k, dtype).conj().T
    t = RNG.normal(size=(rows, columns)) + (1j * RNG.normal(size=(rows, columns)) if dtype is complex else 0.0)

    def third(x: Any, y: Any, z: Any) -> Any:
        return x @ y.conj().T @ z

    def slope_of_third(along: Any) -> Any:
        return third(along, a, a) + third(a, along, a) + third(a, a, along)

    of_values = {
        "squares": (lambda x: np.sum(np.linalg.svdvals(x) ** 2), 2.0 * t),
        "fourth powers": (lambda x: np.sum(np.linalg.svd(x, compute_uv=False) ** 4), 4.0 * slope_of_third(t)),
        "by svd": (lambda x: np.sum(np.linalg.svd(x)[1] ** 4), 4.0 * slope_of_third(t)),
        "by reduced svd": (lambda x: np.sum(np.linalg.svd(x, full_matrices=False)[1] ** 2), 2.0 * t),
    }
    for f, wanted in of_values.values():
        np.testing.assert_allclose(wg.hvp(f, (a,), (t,))[1], wanted, atol=1e-12)
        np.testing.assert_allclose(wg.jvp(wg.grad(f), (a,), (t,))[1], wanted, atol=1e-12)

    for full in (False, True):

        def odd(x: Any, full: bool = full) -> Any:  # x + x x^H x
            u, s, vh = np.linalg.svd(x, full_matrices=full)
            return (u[:, :k] * (s + s**3)) @ vh[:k]

        np.testing.assert_allclose(wg.jvp(odd, (a,), (t,))[1], t + slope_of_third(t), atol=1e-12)
        gradient = wg.grad(lambda x, odd=odd: np.sum((np.conj(t) * odd(x)).real))(a)
        np.testing.assert_allclose(gradient, t + slope_of_third(t), atol=1e-12)  # self-adjoint


def test_norms_with_singular_values_that_are_zero_or_equal() -> None:
    low = np.outer(RNG.normal(size=3), RNG.normal(size=3))
    t = RNG.normal(size=(3, 3))
    for order, a in (("nuc", low), ("nuc", np.zeros((3, 3))), (2, np.eye(3)), (-2, low)):
        with pytest.raises(TieError) as caught:
            wg.hvp(lambda x, order=order: np.linalg.norm(x, order), (a,), (t,))
        assert __file__ in str(caught.value)
    # Of full rank the gradient of the nuclear norm is the orthogonal factor: at 2 Q its slope is the skew part over 2.
    q = orthonormal(3, 3)
    inside = q.T @ t
    got = wg.hvp(lambda x: np.linalg.norm(x, "nuc"), (2.0 * q,), (t,))[1]
    np.testing.assert_allclose(got, q @ (0.25 * (inside - inside.T)), atol=1e-13)


def test_vectors_of_the_value_zero_are_any_basis() -> None:
    low = np.outer(RNG.normal(size=3), RNG.normal(size=3))
    for f in (lambda x: np.linalg.svd(x)[0][0, 1], lambda x: np.linalg.svd(x)[2][2, 0]):
        for road in (lambda f=f: wg.grad(f)(low), lambda f=f: wg.jvp(f, (low,), (np.eye(3),))):
            with pytest.raises(ValueError, match="basis|equal") as caught:
                road()
            assert __file__ in str(caught.value)
