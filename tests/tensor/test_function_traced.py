"""A Function inside of traced functions, and what its context offers."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

X = np.array([0.3, -1.2, 0.8])


class Cube(wg.autograd.Function):
    runs: list[int] = []

    @staticmethod
    def forward(ctx, x):
        Cube.runs.append(1)
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad


class Both(wg.autograd.Function):
    @staticmethod
    def forward(ctx, a, b, k):
        ctx.save_for_backward(a, b)
        ctx.k = k
        return a * b, (a + b) * k

    @staticmethod
    def backward(ctx, first, second):
        a, b = ctx.saved_tensors
        return first * b + second * ctx.k, first * a + second * ctx.k, None


class Clamped(wg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0).exp()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        grad = grad.clone() * x.clamp(min=0).exp()
        grad[x < 0] = 0
        return grad


class Sine(wg.autograd.Function):
    @staticmethod
    def forward(x):
        return np.sin(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(*inputs)

    @staticmethod
    def jvp(ctx, tangent):
        return np.cos(ctx.saved_tensors[0]) * tangent


def cubed(x):
    return (Cube.apply(x) * x).sum()


def both(x):
    first, second = Both.apply(x, np.sin(x), 3.0)
    return (first**2 * second).sum()


def plain_both(x):
    return ((x * np.sin(x)) ** 2 * (x + np.sin(x)) * 3.0).sum()


def test_derivatives_of_every_kind() -> None:
    assert np.allclose(wg.grad(cubed)(X), 4 * X**3)
    assert np.allclose(wg.jvp(cubed, (X,), (X,))[1], (4 * X**4).sum())
    assert np.allclose(wg.hessian(cubed)(X), np.diag(12 * X**2))
    assert np.allclose(wg.jacrev(wg.grad(cubed))(X), np.diag(12 * X**2))
    third = wg.jacrev(wg.jacfwd(wg.grad(cubed)))(X)
    assert np.allclose(third[np.arange(3), np.arange(3), np.arange(3)], 24 * X)
    assert np.allclose(wg.vmap(wg.grad(cubed))(np.stack([X, 2 * X])), [4 * X**3, 32 * X**3])
    assert wg.grad(Cube.apply)(2.0) == 12.0
    wg.check_grads(both, (X,), order=2)
    assert np.allclose(wg.grad(both)(X), wg.grad(plain_both)(X))


def test_compiled() -> None:
    compiled = wg.compile(wg.grad(cubed), backend="numpy")
    for k in (1.0, 2.0, 3.0):
        assert np.allclose(compiled(k * X), 4 * (k * X) ** 3)


def test_forward_runs_once_for_a_gradient() -> None:
    Cube.runs.clear()
    wg.grad(cubed)(X)
    assert len(Cube.runs) == 1


def test_on_plain_numbers_it_sees_tensors() -> None:
    found = wg.grad(lambda x: (Clamped.apply(x) * x).sum())(X)
    assert np.allclose(found, np.where(X > 0, np.exp(X) * (1 + X), 1.0))
    with pytest.raises(TypeError, match=r"Clamped uses a method that traced arrays do not have \((clamp|clone)\)"):
        wg.hessian(lambda x: (Clamped.apply(x) * x).sum())(X)


def test_a_jvp_alone_serves_both_modes() -> None:
    def loss(x):
        return (Sine.apply(x) * x).sum()

    slope = np.sin(X) + X * np.cos(X)
    assert np.allclose(wg.grad(loss)(X), slope)
    assert np.allclose(wg.jvp(loss, (X,), (X,))[1], slope @ X)
    assert np.allclose(wg.hessian(loss)(X), np.diag(2 * np.cos(X) - X * np.sin(X)))


def test_a_tensor_inside_of_a_traced_function_is_a_constant() -> None:
    w = wg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert wg.grad(lambda x: Both.apply(x, w, 2.0)[0].sum())(X).tolist() == [1.0, 2.0, 3.0]
    assert wg.grad(lambda x: (Cube.apply(wg.tensor([2.0])) * x).sum())(X).tolist() == [8.0, 8.0, 8.0]


def test_perturbations_are_not_confused() -> None:
    def inner(a):
        return wg.grad(lambda x: Both.apply(x, a * x, 1.0)[0].sum())(X).sum()

    assert np.isclose(wg.grad(inner)(2.0), 2 * X.sum())


def test_a_traced_value_that_is_no_argument_is_an_error() -> None:
    class Scaled(wg.autograd.Function):
        factor = None

        @staticmethod
        def forward(ctx, x):
            return x * Scaled.factor

        @staticmethod
        def backward(ctx, grad):
            return grad * Scaled.factor

    def loss(x):
        Scaled.factor = x[0]
        return Scaled.apply(x).sum()

    with pytest.raises(wg.CutError, match="not one of its arguments"):
        wg.grad(loss)(X)


def test_outputs_without_gradient() -> None:
    class Sorted(wg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, order = x.sort()
            ctx.mark_non_differentiable(order)
            ctx.save_for_backward(order)
            ctx.set_materialize_grads(False)
            return values, order

        @staticmethod
        def backward(ctx, grad, nothing):
            assert nothing is None
            return wg.zeros(3).scatter(0, ctx.saved_tensors[0], grad)

    x = wg.tensor(X, requires_grad=True)
    values, order = Sorted.apply(x)
    assert values.requires_grad
    assert not order.requires_grad
    (values * values * wg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert np.allclose(x.grad, [2 * 0.3 * 2, 2 * -1.2, 2 * 0.8 * 3])


def test_an_argument_that_is_written_to() -> None:
    class Doubled(wg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            x.mul_(2)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    x = wg.tensor(X, requires_grad=True)
    y = x * 1
    z = Doubled.apply(y)
    assert z is y
    (z * z).sum().backward()
    assert np.allclose(x.grad, 8 * X)
    with pytest.raises(ValueError, match="Doubled.forward writes to a leaf Tensor"):
        Doubled.apply(wg.tensor(X, requires_grad=True))
