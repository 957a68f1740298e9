"""Tensors with a history given to transformations, which join their graph: against differences of NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import numeric

X = np.array([0.7, -1.1])


def cubes(x):
    return x**3


def total(x):
    return (x**3).sum()


CASES = {
    "jacobian": (lambda y: wg.jacobian(cubes)(y), lambda x: np.diag(3 * x**2)),
    "jacfwd": (lambda y: wg.jacfwd(cubes)(y), lambda x: np.diag(3 * x**2)),
    "jacrev": (lambda y: wg.jacrev(cubes)(y), lambda x: np.diag(3 * x**2)),
    "by two": (
        lambda y: wg.jacobian(lambda a, b: a * b, argnums=(0, 1))(y, y * y)[0],
        lambda x: np.diag(x**2),
    ),
    "hessian": (lambda y: wg.hessian(total)(y), lambda x: np.diag(6 * x)),
    "hvp": (lambda y: wg.hvp(total, (y,), (np.ones(2),))[1], lambda x: 6 * x),
    "hvp along": (lambda y: wg.hvp(total, (X,), (y,))[1], lambda x: 6 * X * x),
    "derivative": (lambda y: wg.derivative(lambda t: t**3)(y[0]), lambda x: 3 * x[0] ** 2),
    "vjp": (lambda y: wg.vjp(cubes, y)[1](np.array([1.0, 2.0]))[0], lambda x: 3 * x**2 * [1, 2]),
    "vjp of several": (
        lambda y: wg.vjp(lambda a, b: a**2 * b, y, X)[1](y)[1],
        lambda x: x**3,
    ),
    "scan": (lambda y: wg.scan(lambda c, v: (c * v, c + v), 1.0, y)[1], lambda x: np.array([1 + x[0], x[0] + x[1]])),
    "scan from": (
        lambda y: wg.scan(lambda c, v: (c * v, c), y, np.array([2.0, 3.0]))[0],
        lambda x: 6 * x,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_flow_through(name: str) -> None:
    ours, plain = CASES[name]
    t = wg.tensor(X, requires_grad=True)
    found = ours(t * 2)
    value = np.asarray(plain(2 * X))
    assert found.requires_grad
    assert np.allclose(found.detach(), value, rtol=1e-13)
    weights = np.cos(np.arange(value.size)).reshape(value.shape)
    (found * weights).sum().backward()
    expected = numeric.gradient(lambda x: np.sum(plain(2 * x) * weights), X).value
    assert np.allclose(t.grad, expected, rtol=1e-9, atol=1e-10)


def test_a_scan_whose_body_uses_a_tensor() -> None:
    w = wg.tensor(2.0, requires_grad=True)
    for rows in (np.array([1.0, 2.0, 3.0]), wg.tensor([1.0, 2.0, 3.0])):
        w.grad = None
        last, ys = wg.scan(lambda c, x: (c * w + x, c * x), 0.0, rows)
        (last + ys.sum()).backward()
        assert (last.item(), ys.tolist()) == (11.0, [0.0, 2.0, 12.0])
        assert w.grad.item() == 9.0  # w^2 + 2w + 3, and 2 + 3(w + 2)


def test_the_checker_takes_tensors() -> None:
    wg.check_grads(total, (wg.tensor(X),), order=2)
