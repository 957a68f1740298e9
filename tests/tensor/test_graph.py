"""Tensors among traces, threads, checkpoints, and operations with rules of their own."""

import threading

import numpy as np
import pytest

import wengert as wg


def leaf(data):
    return wg.tensor(data, requires_grad=True)


def array(t):
    return np.asarray(t.detach())


def test_transformations_take_tensors_like_arrays():
    x = wg.tensor([1.0, 2.0])
    assert np.array_equal(wg.grad(lambda t: np.sum(t**2))(x), [2.0, 4.0])
    assert np.allclose(wg.vmap(np.sin)(x), np.sin([1.0, 2.0]))
    assert wg.jvp(lambda t: np.sum(t**2), (x,), (wg.ones(2),))[1] == 6.0
    assert wg.hessian(lambda p: p["a"] @ p["a"])({"a": x})["a"]["a"].tolist() == [[2.0, 0.0], [0.0, 2.0]]
    # A Tensor that a traced function closes over is a constant of it.
    leaf_ = leaf([1.0, 2.0])
    assert np.array_equal(wg.grad(lambda t: np.sum(t * leaf_) + np.dot(leaf_, t))(np.ones(2)), [2.0, 4.0])


def test_transformations_of_recorded_tensors_are_recorded():
    x = leaf([1.0, 2.0])
    slope = wg.grad(lambda t: np.sum(t**3))(x)
    (slope.sum() + x.sum()).backward()
    assert array(x.grad).tolist() == [7.0, 13.0]
    x.zero_grad()
    wg.vmap(lambda t: np.sin(t) * t)(x).sum().backward()
    assert np.allclose(array(x.grad), np.sin([1.0, 2.0]) + np.cos([1.0, 2.0]) * [1.0, 2.0])
    x.zero_grad()
    wg.jvp(lambda t: np.sum(t**3), (x,), (np.array([1.0, 1.0]),))[1].backward()
    assert array(x.grad).tolist() == [6.0, 12.0]
    x.zero_grad()
    wg.hessian(lambda t: np.sum(t**3))(x).sum().backward()
    assert array(x.grad).tolist() == [6.0, 6.0]
    with pytest.raises(wg.CutError, match=r"detach\(\)"):
        wg.linearize(lambda t: np.sum(t**3), x)


def test_an_ordinary_trace_still_knows_values_that_outlived_theirs():
    kept = []
    wg.grad(lambda t: kept.append(t) or t * 2)(1.0)
    x = leaf(2.0)
    (x * 2).backward()
    with pytest.warns(wg.LeakWarning):
        _ = kept[0] * 2.0
    with pytest.raises(wg.CutError):
        wg.grad(lambda t: wg.tensor(t))(1.0)


def test_threads_have_graphs_of_their_own():
    results = {}

    def work(k):
        x = leaf(np.full(50, float(k)))
        for _ in range(20):
            y = x
            for _ in range(20):
                y = np.sin(y) * 1.01 + x[0]
            y.sum().backward()
        results[k] = array(x.grad)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    gradient = wg.grad(lambda t: np.sum(np.sin(t)))
    for _ in range(50):
        assert np.allclose(gradient(np.ones(3)), np.cos(1.0))
    for t in threads:
        t.join()
    for k in range(4):

        def program(v):
            y = v
            for _ in range(20):
                y = np.sin(y) * 1.01 + v[0]
            return np.sum(y)

        assert np.allclose(results[k], 20 * wg.grad(program)(np.full(50, float(k))))


def test_zero_cotangents_absorb_infinities():
    x = leaf([0.0, 4.0])
    np.where(x > 0, np.sqrt(x), 0.0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_the_caller_finds_the_collector_as_it_was():
    import gc

    before = gc.get_threshold()
    x = leaf(np.ones(3))
    np.sort(x).sum().backward()
    assert gc.get_threshold() == before


@pytest.mark.parametrize("policy", [None, "cheap"])
def test_checkpoint_on_tensors(policy):
    x, w = leaf(np.linspace(0.0, 1.0, 6).reshape(2, 3)), leaf(np.eye(3) / 2 + 0.1)

    def layer(h):
        return (h @ w).tanh().view(2, 3)

    def gradients(f):
        x.zero_grad()
        w.zero_grad()
        (f(f(x)) ** 2).sum().backward()
        return array(x.grad), array(w.grad)

    for a, b in zip(gradients(layer), gradients(wg.checkpoint(layer, policy=policy)), strict=True):
        assert np.array_equal(a, b)
    (first,) = wg.autograd.grad((wg.checkpoint(layer, policy=policy)(x) ** 2).sum(), x, create_graph=True)
    (second,) = wg.autograd.grad((first**2).sum(), x)
    (plain,) = wg.autograd.grad((layer(x) ** 2).sum(), x, create_graph=True)
    (expected,) = wg.autograd.grad((plain**2).sum(), x)
    assert np.allclose(array(second), array(expected), rtol=1e-13)


def test_functions_with_rules_of_their_own():
    class Scaled(wg.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return np.sin(x) * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * np.cos(x) * ctx.factor, None

    x = leaf([0.3, 0.4])
    (first,) = wg.autograd.grad(Scaled.apply(x, 2.0).sum(), x, create_graph=True)
    assert np.allclose(array(first), 2 * np.cos([0.3, 0.4]))
    (second,) = wg.autograd.grad(first.sum(), x)
    assert np.allclose(array(second), -2 * np.sin([0.3, 0.4]))

    class ByTangents(wg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def jvp(ctx, t):
            return 2 * ctx.saved_tensors[0] * t

    ByTangents.apply(x).sum().backward()
    assert np.allclose(array(x.grad), [0.6, 0.8])

    class Wrong(wg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.sum()

    with pytest.raises(ValueError, match="gradient of shape"):
        Wrong.apply(x).sum().backward()


def test_functions_of_the_package_know_tensors():
    x = leaf([-1.0, 2.0])
    wg.relu(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    x.zero_grad()
    (wg.sigmoid(x) * 1).sum().backward()
    s = 1 / (1 + np.exp(-array(x)))
    assert np.allclose(array(x.grad), s * (1 - s))
    assert not wg.stop_gradient(x * 2).requires_grad

    @wg.custom_vjp
    def straight(v):
        return np.floor(v)

    straight.defvjp(lambda v: (np.floor(v), None), lambda residual, ct: (ct * 5.0,))
    x.zero_grad()
    straight(x).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_a_function_with_a_jvp_alone_has_derivatives_of_any_order():
    class Sine(wg.autograd.Function):
        @staticmethod
        def forward(x):
            return np.sin(x)

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_forward(*inputs)

        @staticmethod
        def jvp(ctx, tangent):
            return tangent * np.cos(ctx.saved_tensors[0])

    x = wg.tensor([0.5, 1.0], requires_grad=True)
    (first,) = wg.autograd.grad((Sine.apply(x) * x).sum(), x, create_graph=True)
    (second,) = wg.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = wg.autograd.grad(second.sum(), x)
    t = np.array([0.5, 1.0])
    assert np.allclose(first.detach(), np.sin(t) + t * np.cos(t))
    assert np.allclose(second.detach(), 2 * np.cos(t) - t * np.sin(t))
    assert np.allclose(third, -3 * np.sin(t) - t * np.cos(t))
