"""Compiled functions of Tensors: what cannot be compiled says so once and is right; operations and transformations one
by one."""

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert import nn
from wengert.core.errors import CompileWarning


def values(t):
    return np.asarray(t.detach()) if isinstance(t, wg.Tensor) else np.asarray(t)


# ---------------------------------------------------------------- what is not compiled says so


V = np.array([0.5, -1.0, 2.0])


def leaf():
    return wg.tensor(V, requires_grad=True)


def live_history(w):
    return w * 2.0


@wg.no_grad()
def view_of_argument(w):
    return w[1:]


def float_of_it(w):
    return float((w * w).sum())


held = []


def held_outside(w):
    held.append((w * 2.0).detach())
    return w.sum().detach()


@pytest.mark.parametrize(
    ("function", "reason"),
    [(live_history, "history"), (view_of_argument, "view"), (float_of_it, "item"), (held_outside, "held")],
)
def test_one_note_and_the_right_answer(function, reason):
    compiled = wg.compile(function, backend="numpy")
    with pytest.warns(CompileWarning, match=reason) as notes:
        found = [compiled(leaf()) for _ in range(3)]
    assert len(notes) == 1
    np.testing.assert_array_equal(values(found[-1]), values(function(leaf())))
    assert all(type(t.value) is np.ndarray for t in held)


def test_gradients_flow_through_what_is_not_compiled():
    w = leaf()
    compiled = wg.compile(live_history, backend="numpy")
    for _ in range(2):
        w.grad = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompileWarning)
            out = compiled(w)
        out.sum().backward()
        assert w.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_tensor_with_a_history_or_a_hook_is_refused():
    compiled = wg.compile(lambda t: (t * t).sum().detach(), backend="numpy")
    with pytest.warns(CompileWarning, match="history"):
        assert compiled(leaf() * 1.0).item() == 5.25
    hooked = leaf()
    hooked.register_hook(lambda g: g)
    with pytest.warns(CompileWarning, match="hooks"):
        assert compiled(hooked).item() == 5.25
    assert compiled(leaf()).item() == 5.25


def test_a_second_backward_is_an_error_as_it_is_uncompiled():
    def step(w):
        loss = (w * w).sum()
        loss.backward()
        return loss

    compiled = wg.compile(step, backend="numpy")
    for w in (leaf(), leaf()):
        loss = compiled(w)
        assert loss.requires_grad and not loss.is_leaf
        with pytest.raises(wg.WengertError, match="a second time"):
            loss.backward()
        assert w.grad.tolist() == (2 * V).tolist()


# ---------------------------------------------------------------- one by one


def gradient(function):
    def step(w):
        (g,) = wg.autograd.grad(function(w), w)
        return g

    return step


class Cube(wg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad


def hooked_sum(w):
    y = w * 2.0
    y.register_hook(lambda g: 3.0 * g)
    return (y * y).sum()


def hessian_trace(w):
    (g,) = wg.autograd.grad((w**4).sum(), w, create_graph=True)
    return (g * g).sum() + Cube.apply(g).sum()


def written(w):
    y = w * 2.0
    z = y.tanh()
    y.mul_(3.0)
    y[1] = w[0] * w[2]
    return (y * z).sum()


def stepped(w):
    y = w
    while y.norm() > 0.5:
        y = y * 0.5
    return (y * w).sum()


@pytest.mark.parametrize(
    "function",
    [
        lambda w: Cube.apply(w).sum(),
        hooked_sum,
        hessian_trace,
        written,
        stepped,
        lambda w: wg.checkpoint(lambda t: (t * t).tanh())(w).sum(),
        lambda w: w[w > 0.0].sum() * w.argmax() + np.where(w > 1.0, w, w * w).sum(),
        lambda w: w.softmax(0)[1] + w.logsumexp(0) + w.norm() + w.std() + w.clamp(-0.5, 0.5).sum() + w.max(dim=0)[0],
        lambda w: wg.grad(lambda v: (v * v * w).sum())(w).sum(),
        lambda w: np.concatenate([w, w.flip(0)]).reshape(2, 3).T.cumsum(0).prod(),
        lambda w: nn.cross_entropy(nn.gelu(w).reshape(1, 3), np.array([1])),
    ],
)
def test_gradients(function):
    step = gradient(function)
    compiled = wg.compile(step, backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        for _ in range(3):
            np.testing.assert_allclose(values(compiled(leaf())), values(step(leaf())), rtol=1e-12, atol=1e-14)
    (path,) = compiled.paths
    assert path.uses == 1


def test_the_mode_of_recording_is_part_of_a_path():
    compiled = wg.compile(lambda x: wg.tensor(x, requires_grad=True) * 2.0, backend="numpy")
    flags = []
    for scope in (wg.no_grad, wg.enable_grad) * 3:
        with scope():
            flags.append(compiled(V).requires_grad)
    assert flags == [False, True] * 3


def test_the_same_tensor_twice():
    def step(a, b):
        with wg.no_grad():
            a.add_(1.0)
        return a, b * 1.0

    compiled = wg.compile(step, backend="numpy")
    for _ in range(3):
        t = wg.tensor(V)
        a, b = compiled(t, t)
        assert a is t
        np.testing.assert_array_equal(values(b), V + 1.0)
        u = wg.tensor(V)
        np.testing.assert_array_equal(values(compiled(wg.tensor(V), u)[1]), V)
