"""A branch that is not taken has an infinite slope, and elsewhere a cotangent is zero at this point: the derivative of
that zero is not lost. Expected values are closed forms.

May import wengert's public API.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

X = np.array([0.0, 0.0])


def loss(x):
    """A guarded root, whose slope at 0 is taken for 0, and 9 sin(x1)^2."""
    return np.where(x[0] > 0, np.sqrt(x[0]), 0.0) + (np.sin(x[1]) * 3.0) ** 2


def residuals(x):
    """A least-squares loss at its solution: the Hessian is 2 J^T J."""
    return np.sum(np.where(x > 0, np.sqrt(x), 0.0)) + np.sum((np.array([[1.0, 2.0], [3.0, 4.0]]) @ np.sin(x)) ** 2)


HESSIANS = {
    "hessian": wg.hessian,
    "reverse over reverse": lambda f: wg.jacrev(wg.grad(f)),
    "reverse over forward": lambda f: wg.jacrev(wg.jacfwd(f)),
    "forward over forward": lambda f: wg.jacfwd(wg.jacfwd(f)),
    "compiled": lambda f: wg.compile(wg.hessian(f), backend="numpy"),
    "products": lambda f: lambda x: np.stack([wg.hvp(f, (x,), (e,))[1] for e in np.eye(2)]),
    "batched": lambda f: lambda x: wg.vmap(lambda e: wg.hvp(f, (x,), (e,))[1])(np.eye(2)),
}


@pytest.mark.parametrize("kind", HESSIANS)
def test_second_derivatives(kind: str) -> None:
    assert np.allclose(HESSIANS[kind](loss)(X), [[0.0, 0.0], [0.0, 18.0]])
    assert np.allclose(HESSIANS[kind](residuals)(X), 2 * np.array([[10.0, 14.0], [14.0, 20.0]]))


def test_fourth_derivative() -> None:
    found = wg.jacrev(wg.jacfwd(wg.hessian(loss)))(X)
    assert np.isclose(found[1, 1, 1, 1], -72.0)  # 9 sin(x)^2 = 9 x^2 - 3 x^4 + ...


def test_of_tensors_with_a_hook_and_without() -> None:
    for hooked in (False, True):
        t = wg.tensor(X, requires_grad=True)
        y = t * 1.0
        if hooked:
            y.register_hook(lambda grad: None)
        (slope,) = wg.autograd.grad(loss(y), t, create_graph=True)
        (second,) = wg.autograd.grad(slope[1], t)
        assert np.allclose(second, [0.0, 18.0])


def test_the_zero_still_absorbs_what_is_infinite() -> None:
    assert wg.grad(loss)(X).tolist() == [0.0, 0.0]
    assert np.isfinite(wg.jvp(wg.grad(loss), (X,), (np.ones(2),))[1]).all()


def test_the_derivative_of_a_linear_map_at_zero() -> None:
    def guarded(x):
        return np.array([np.where(x[0] > 0, np.sqrt(x[0]), 0.0), np.sin(x[1]) * 3.0])

    _, linear_map = wg.linearize(guarded, X)
    for apply in (linear_map, lambda v: linear_map.T(v)[0]):
        for jacobian in (wg.jacrev, wg.jacfwd):
            assert np.allclose(jacobian(apply)(np.zeros(2)), [[0.0, 0.0], [0.0, 3.0]])
