"""Steps written with Tensors, compiled: several steps of training equal those of the plain function."""

import sys
import threading
import warnings

import numpy as np
import pytest

import wengert as wg
from tests.tensor.test_random_programs import program as written_views
from wengert import optim
from wengert.core.errors import CompileWarning
from wengert.core.tree import flatten

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 5))
Y = np.sin(X @ RNG.normal(size=5))
W1, B1, W2 = RNG.normal(size=(5, 7)) * 0.4, np.zeros(7), RNG.normal(size=7) * 0.4


def parameters(dtype=float):
    return [wg.tensor(np.array(v, dtype), requires_grad=True) for v in (W1, B1, W2)]


def state_of(tensors):
    return [(t.tolist(), t.requires_grad, None if t.grad is None else t.grad.tolist()) for t in tensors]


def compare(step, start, *, calls=5, backend="numpy", tolerance=1e-11, paths=1):
    """Run ``step(state, ...) -> (state, result)`` eagerly and compiled, side by side; nothing may fall back."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        compiled = wg.compile(step, backend=backend)
        plain_state, state = start(), start()
        for _ in range(calls):
            plain_state, want = step(plain_state, X, Y)
            state, found = compiled(state, X, Y)
            assert type(found) is type(want)
            np.testing.assert_allclose(values(found), values(want), rtol=tolerance, atol=tolerance)
            for a, b in zip(flatten(state)[0], flatten(plain_state)[0], strict=True):
                same(a, b, tolerance)
    assert len(compiled.paths) == paths
    return compiled


def values(t):
    return np.asarray(t.detach()) if isinstance(t, wg.Tensor) else np.asarray(t)


def same(a, b, tolerance):
    assert type(a) is type(b)
    if isinstance(a, wg.Tensor):
        assert (a.dtype, a.shape, a.requires_grad, a.is_leaf) == (b.dtype, b.shape, b.requires_grad, b.is_leaf)
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            same(a.grad, b.grad, tolerance)
    np.testing.assert_allclose(values(a), values(b), rtol=tolerance, atol=tolerance)


def network(p, x):
    return (wg.tensor(x) @ p[0] + p[1]).tanh() @ p[2]


def loss_of(p, x, y):
    return ((network(p, x) - wg.tensor(y)) ** 2).mean()


BACKENDS = ["numpy", "auto"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters_written_in_place(backend):
    def step(p, x, y):
        for t in p:
            t.zero_grad()
        loss = loss_of(p, x, y)
        loss.backward()
        with wg.no_grad():
            for t in p:
                t -= 0.1 * t.grad
        return p, loss

    compare(step, parameters, backend=backend, paths=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_state_in_and_out(backend):
    def step(p, x, y):
        p = [t.detach().requires_grad_() for t in p]
        loss = loss_of(p, x, y)
        loss.backward()
        return [(t - 0.1 * t.grad).detach() for t in p], loss.item()

    compare(step, lambda: [t.detach() for t in parameters()], backend=backend)


def test_gradients_accumulate_over_calls():
    def step(p, x, y):
        loss = loss_of(p, x, y)
        loss.backward()
        return p, loss.detach()

    compare(step, parameters, paths=2)


def test_momentum():
    def step(state, x, y):
        p, v = state
        gradients = wg.autograd.grad(loss_of(p, x, y), p)
        v = [0.9 * m + g for m, g in zip(v, gradients, strict=True)]
        with wg.no_grad():
            for t, m in zip(p, v, strict=True):
                t.add_(-0.05 * m)
        return (p, v), loss_of(p, x, y).detach()

    compare(step, lambda: (parameters(), [wg.zeros(*t.shape) for t in parameters()]))


def test_adam():
    def step(state, x, y):
        p, m, s, count = state
        count = count + 1
        loss = loss_of(p, x, y)
        gradients = wg.autograd.grad(loss, p)
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        s = [0.99 * a + 0.01 * g * g for a, g in zip(s, gradients, strict=True)]
        with wg.no_grad():
            for t, a, b in zip(p, m, s, strict=True):
                t -= 0.01 * (a / (1 - 0.9**count)) / ((b / (1 - 0.99**count)).sqrt() + 1e-8)
        return (p, m, s, count), loss.item()

    def start():
        p = parameters()
        return p, [wg.zeros(*t.shape) for t in p], [wg.zeros(*t.shape) for t in p], wg.tensor(0.0)

    compare(step, start)


def test_frozen_layer():
    def step(p, x, y):
        hidden = (wg.tensor(x) @ p[0] + p[1]).tanh().detach()
        loss = ((hidden @ p[2] - wg.tensor(y)) ** 2).mean()
        for t in p:
            t.grad = None
        loss.backward()
        assert p[0].grad is None
        with wg.no_grad():
            p[2] -= 0.1 * p[2].grad
        return p, loss

    compare(step, parameters, paths=2)


def test_clipping_takes_two_paths():
    def step(p, x, y):
        loss = loss_of(p, x, y)
        gradients = wg.autograd.grad(loss, p)
        norm = sum((g * g).sum() for g in gradients).sqrt()
        scale = 1.0
        if norm > 0.7:
            scale = 0.7 / norm
        with wg.no_grad():
            for t, g in zip(p, gradients, strict=True):
                t -= 0.2 * scale * g
        return p, norm

    compare(step, parameters, calls=25, paths=2)


def test_gradient_penalty():
    def step(p, x, y):
        inputs = wg.tensor(x, requires_grad=True)
        out = (inputs @ p[0] + p[1]).tanh() @ p[2]
        (slope,) = wg.autograd.grad(out.sum(), inputs, create_graph=True)
        loss = ((out - wg.tensor(y)) ** 2).mean() + 0.3 * ((slope**2).sum(1) - 1.0).square().mean()
        for t in p:
            t.grad = None
        loss.backward()
        with wg.no_grad():
            for t in p:
                t -= 0.05 * t.grad
        return p, loss

    compare(step, parameters, paths=2)


def test_evaluation_without_gradients():
    @wg.no_grad()
    def step(p, x, y):
        return p, loss_of(p, x, y)

    compare(step, parameters)


@pytest.mark.parametrize("backend", BACKENDS)
def test_float32(backend):
    def step(p, x, y):
        for t in p:
            t.grad = None
        data, wanted = wg.tensor(x).to(np.float32), wg.tensor(y, dtype=np.float32)
        loss = (((data @ p[0] + p[1]).relu() @ p[2] - wanted) ** 2).mean()
        loss.backward()
        with wg.no_grad():
            for t in p:
                t -= 0.1 * t.grad
        return p, loss

    compare(step, lambda: parameters(np.float32), backend=backend, tolerance=2e-5, paths=2)


def test_views_and_writes():
    def step(p, x, y):
        w = p[0].clone()
        w[0] = w[1] * 2.0
        row = w[2]
        row += 1.0
        w[:, 3] *= p[1].sum() + 0.5
        loss = (((wg.tensor(x) @ w).tanh() @ p[2] - wg.tensor(y)) ** 2).mean()
        for t in p:
            t.grad = None
        loss.backward()
        with wg.no_grad():
            p[0][0] -= 0.1 * p[0].grad[0]
            p[0][1:] -= 0.2 * p[0].grad[1:]
            p[2][:] = p[2] - 0.1 * p[2].grad
        return p, loss

    compare(step, parameters, paths=2)


# ---------------------------------------------------------------- Tensors outside


class Model:
    def __init__(self):
        self.layers = parameters()

    def __call__(self, x):
        return network(self.layers, x)


def trained(make_optimizer, compiled, calls=6):
    model = Model()
    optimizer = make_optimizer(model.layers)

    def step(x, y):
        optimizer.zero_grad()
        loss = ((model(x) - wg.tensor(y)) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    run = wg.compile(step, backend="numpy") if compiled else step
    losses = [run(X, Y * (1.0 + 0.1 * k)) for k in range(calls)]
    if compiled:
        assert sum(path.uses for path in run.paths) and len(run.paths) == 2
    return losses, [values(t) for t in model.layers], [values(part) for state in optimizer.state for part in state]


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, 0.1),
        lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: optim.Adam(p, 0.02),
        lambda p: optim.AdamW(p, 0.02),
    ],
)
def test_model_and_optimizer_outside(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        for want, found in zip(trained(make, False), trained(make, True), strict=True):
            for a, b in zip(want, found, strict=True):
                np.testing.assert_allclose(b, a, rtol=1e-11, atol=1e-12)


def test_a_tensor_outside_is_read_at_every_call():
    scale, picked = wg.tensor(2.0), wg.tensor([2, 0])
    f = wg.compile(lambda x: (scale * x)[picked.numpy()], backend="numpy")
    x = wg.tensor(np.arange(3.0))
    for k in range(4):
        scale.data = 2.0 + k
        np.testing.assert_array_equal(values(f(x)), (2.0 + k) * np.array([2.0, 0.0]))
    picked.data = np.array([1, 1])
    np.testing.assert_array_equal(values(f(x)), [5.0, 5.0])


def test_errors_leave_tensors_outside_as_they_were():
    w = wg.tensor([1.0, 2.0], requires_grad=True)

    def step(x):
        with wg.no_grad():
            w.mul_(2.0)
        raise KeyError(x.sum().item() > 0)

    before = w.value
    with pytest.raises(KeyError):
        wg.compile(step, backend="numpy")(wg.tensor([1.0]))
    assert type(w.value) is np.ndarray and w.requires_grad and w.tolist() == [2.0, 4.0] and w.value is not before


def test_threads_that_record_with_the_same_tensor():
    scale = wg.tensor(np.arange(3.0), requires_grad=True)

    def slope(x):
        (g,) = wg.autograd.grad(((x @ scale) ** 2).sum(), scale)
        return g

    compiled = wg.compile(slope, backend="numpy")
    wrong = []

    def work(number):
        for k in range(12):
            x = X[: 1 + (number + k) % 4, :3]
            found = values(compiled(wg.tensor(x)))
            if not np.allclose(found, 2.0 * x.T @ (x @ np.arange(3.0)), rtol=1e-12):
                wrong.append((number, k, found))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong and type(scale.value) is np.ndarray and len(compiled.paths) == 4


@pytest.mark.parametrize("seed", range(12))
def test_random_writes_into_views(seed):
    way = np.random.default_rng(seed).standard_normal((3, 3))

    def step(t):
        out = written_views(t, seed, lambda a: a.clone())
        (slope,) = wg.autograd.grad(out, t, create_graph=True)
        (curved,) = wg.autograd.grad((slope * way).sum(), t)
        with wg.no_grad():
            written_views(t, seed + 1, lambda a: a)
        return slope.detach(), curved, t

    compiled = wg.compile(step, backend="numpy")
    for k in range(3):
        start = np.random.default_rng(100 + seed).standard_normal((3, 3)) + k
        want, found = (f(wg.tensor(start, requires_grad=True)) for f in (step, compiled))
        for a, b in zip(want, found, strict=True):
            np.testing.assert_allclose(values(b), values(a), rtol=1e-10, atol=1e-11)
    assert len(compiled.paths) == 1 and compiled.paths[0].uses
