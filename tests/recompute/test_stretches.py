"""checkpoint_sequential: the last layer of a stretch is not run again, and everything comes out as if it was.

Gradients are compared bit for bit with those of the layers applied one after the other, and with complex steps.
"""

import tracemalloc

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(1)
X, W = rng.standard_normal((6, 5)), rng.standard_normal((5, 5)) / 2
MASK = rng.random((6, 5)) > 0.5


def plain(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def written(h):
    h = np.exp(-h)
    h[0] = 2.0 * h[1]
    return h


def chosen(h):
    return np.sin(h) if np.sum(h) > 0 else np.cos(h)


KINDS = {
    "products": lambda w: lambda h: np.tanh(h @ w),
    "rectified": lambda w: lambda h: np.maximum(h @ w, 0.1),
    "views": lambda w: lambda h: np.tanh(h).T[:, ::-1].T,
    "the layer's input itself": lambda w: lambda h: h,
    "writes": lambda w: written,
    "choices": lambda w: chosen,
    "constants": lambda w: lambda h: np.sin(h) * MASK,
    "reductions": lambda w: lambda h: h / np.sqrt(np.sum(h * h, axis=1, keepdims=True)) + np.mean(h),
    "derivatives inside": lambda w: lambda h: wg.grad(lambda v: np.sum(np.sin(v) * v))(h),
    "checkpoints inside": lambda w: wg.checkpoint(lambda h: np.sin(h @ w) ** 2),
    "policies inside": lambda w: wg.checkpoint(lambda h: np.sin(h @ w) ** 2, policy="cheap"),
    "nothing of the input": lambda w: lambda h: np.cos(w @ w)[:1] + np.zeros((6, 1)),
}


@pytest.mark.parametrize("segments", [2, 3, 6])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_layers_bit_for_bit(kind, segments):
    def loss(x, w, sequential):
        layers = [KINDS["products"](w), KINDS[kind](w)] * 3
        return np.sum(np.sin(sequential(layers, x)))

    expected = wg.grad(loss, (0, 1))(X, W, plain)
    found = wg.grad(loss, (0, 1))(X, W, lambda layers, x: wg.checkpoint_sequential(layers, x, segments))
    for a, b in zip(expected, found, strict=True):
        assert np.array_equal(a, b)


def test_the_gradient_is_the_complex_step():
    def loss(w, sequential):
        return np.sum(sequential([lambda h: np.tanh(h @ w)] * 6, X))

    found = wg.grad(loss)(W, lambda layers, x: wg.checkpoint_sequential(layers, x, 3))
    for k in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[k] += 1e-30j
        assert found[k] == pytest.approx(loss(moved, plain).imag / 1e-30, rel=1e-12)


def test_results_written_to_by_the_next_layer_are_still_known():
    def spoil(h):
        h[1] = 0.0
        return h * 2.0

    layers = [np.sin, np.tanh, spoil, np.tanh, np.cos, np.exp]
    expected = wg.grad(lambda x: np.sum(plain(layers, x)))(X)
    assert np.array_equal(wg.grad(lambda x: np.sum(wg.checkpoint_sequential(layers, x, 3)))(X), expected)


def test_containers_and_numbers_between_layers():
    layers = [
        lambda x: {"h": np.sin(x), "n": 3, "note": "a"},
        lambda d: {**d, "h": d["h"] ** d["n"]},
        lambda d: (d["h"], 2.0 * d["h"]),
        lambda t: (np.exp(t[0]), t[1] * t[0]),
        lambda t: [t[0] + t[1], None],
        lambda t: np.tanh(t[0]),
    ]
    expected = wg.grad(lambda x: np.sum(plain(layers, x)))(X)
    for segments in (2, 3, 6):
        assert np.array_equal(
            wg.grad(lambda x, s=segments: np.sum(wg.checkpoint_sequential(layers, x, s)))(X), expected
        )


def test_masks_drawn_in_the_last_layer_are_drawn_again_and_not_stored():
    shape = (64, 128)
    x = rng.standard_normal(shape)

    def loss(x, sequential):
        source = np.random.default_rng(5)
        layers = [np.tanh, lambda h: h * (source.random(shape) > 0.3)] * 8
        return np.sum(np.sin(sequential(layers, x)))

    def saving(layers, x):
        return wg.checkpoint_sequential(layers, x, 8)

    assert np.array_equal(wg.grad(loss)(x, saving), wg.grad(loss)(x, plain))
    _, pullback = wg.vjp(lambda x: loss(x, saving), x)
    tracemalloc.start()
    _, pullback = wg.vjp(lambda x: loss(x, saving), x)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert (
        held < 13 * x.nbytes
    )  # the results of 8 stretches and the inside of the last; 8 masks of floats would be 8 more
    del pullback


def test_higher_derivatives_and_pullbacks_called_twice():
    def loss(x, sequential):
        return np.sum(sequential([np.sin, lambda h: h * h, np.exp, np.tanh], x))

    def saving(layers, x):
        return wg.checkpoint_sequential(layers, x, 2)

    v = rng.standard_normal(X.shape)
    expected = wg.hvp(lambda x: loss(x, plain), (X,), (v,))[1]
    assert np.allclose(wg.hvp(lambda x: loss(x, saving), (X,), (v,))[1], expected, rtol=1e-12)
    second = wg.grad(lambda x: np.sum(wg.grad(lambda u: loss(u, saving))(x) * v))(X)
    assert np.allclose(second, expected, rtol=1e-12, atol=1e-14)
    _, pullback = wg.vjp(lambda x: loss(x, saving), X)
    once, twice = pullback(1.0)[0], pullback(1.0)[0]
    assert np.array_equal(once, twice) and np.array_equal(once, wg.grad(lambda x: loss(x, plain))(X))


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_tensors(segments):
    def run(sequential):
        x, w = wg.tensor(X, requires_grad=True), wg.tensor(W, requires_grad=True)
        out = sequential([lambda h: (h @ w).tanh(), lambda h: h.relu() + 0.1 * h] * 2, x)
        out.sum().backward(retain_graph=True)
        first = x.grad.tolist(), w.grad.tolist()
        x.grad = w.grad = None
        out.sum().backward()
        assert (x.grad.tolist(), w.grad.tolist()) == first
        return first

    assert run(lambda layers, x: wg.checkpoint_sequential(layers, x, segments)) == run(plain)


def test_second_derivatives_of_tensors():
    def run(sequential):
        x = wg.tensor(X, requires_grad=True)
        y = sequential([lambda h: h.sin(), lambda h: h * h, lambda h: h.tanh(), lambda h: h.exp()], x).sum()
        (first,) = wg.autograd.grad(y, x, create_graph=True)
        return wg.autograd.grad((first * first).sum(), x)[0].detach().numpy()

    assert np.allclose(run(lambda layers, x: wg.checkpoint_sequential(layers, x, 2)), run(plain), rtol=1e-12)


def test_a_layer_that_does_not_repeat_itself_is_detected():
    calls = []

    def counting(h):
        calls.append(1)
        return h * len(calls)

    layers = [counting, np.sin, np.sin, np.sin]
    with pytest.raises(wg.VerificationError, match="does not repeat itself"):
        wg.grad(lambda x: np.sum(wg.checkpoint_sequential(layers, x, 2)))(X)


def test_a_constant_overwritten_since_is_detected():
    factor = np.ones((64, 128))
    x = np.ones((64, 128))

    def loss(x):
        out = np.sum(wg.checkpoint_sequential([np.sin, lambda h: h * factor, np.sin, np.sin], x, 2))
        factor[:] = 2.0
        return out

    with pytest.raises((wg.VerificationError, wg.ChangedError)):
        wg.grad(loss)(x)


def test_the_chain_stores_two_square_roots_of_its_length():
    x, w = rng.standard_normal((1024, 64)), rng.standard_normal((64, 64)) / 8

    def loss(x):
        return np.sum(wg.checkpoint_sequential([lambda h: np.tanh(h @ w)] * 64, x, 8))

    slope = wg.grad(loss)
    slope(x)
    tracemalloc.start()
    slope(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 19 * x.nbytes


class Cube(wg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        return 3.0 * ctx.saved_tensors[0] ** 2 * grad


def slope_inside(h):
    (found,) = wg.autograd.grad((h**3).sum(), h, create_graph=True)
    return found


@pytest.mark.parametrize("special", [Cube.apply, slope_inside, wg.checkpoint(lambda h: h.sin(), policy="cheap")])
def test_what_cannot_be_recorded_in_full_runs_again_whole(special):
    def run(sequential):
        x = wg.tensor(X, requires_grad=True)
        layers = [lambda h: h * 1.5, special, lambda h: h.tanh(), special]
        sequential(layers, x).sum().backward()
        return x.grad.detach().numpy()

    assert np.allclose(run(lambda layers, x: wg.checkpoint_sequential(layers, x, 2)), run(plain), rtol=1e-13)


@pytest.mark.parametrize("special", [Cube.apply, slope_inside])
def test_under_a_policy_it_is_an_error(special):
    with pytest.raises((ValueError, TypeError), match=r"checkpointed with a policy[\s\S]*without policy"):
        wg.checkpoint(special, policy="cheap")(wg.tensor(X, requires_grad=True) * 1.0)
