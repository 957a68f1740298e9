"""Checkpointed calls in compiled functions: the same bits, in the memory that was promised."""

import gc
import tracemalloc
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import CompileWarning

LAYERS = 64
X = np.random.default_rng(0).normal(size=65536)


@pytest.fixture(autouse=True)
def _no_notes():
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompileWarning)
        yield


def chain(segments):
    layers = [np.tanh] * LAYERS

    def total(x):
        if segments is None:
            for layer in layers:
                x = layer(x)
            return np.sum(x)
        return np.sum(wg.checkpoint_sequential(layers, x, segments))

    return total


def slope_of_chain(x):
    """By hand: the product of 1 - y^2 over the layers."""
    slope, y = np.ones_like(x), x
    for _ in range(LAYERS):
        y = np.tanh(y)
        slope = slope * (1.0 - y * y)
    return slope


def of_arrays(segments):
    return wg.grad(chain(segments))


def of_tensors(segments):
    def step(x):
        t = wg.tensor(x, requires_grad=True)
        chain(segments)(t).backward()
        return t.grad.numpy()

    return step


def activations(call):
    for _ in range(3):
        call()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    try:
        found = call()
        return (tracemalloc.get_traced_memory()[1] - before) / X.nbytes, found
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [of_arrays, of_tensors])
def test_memory_of_a_chain(make):
    storing, recomputing = (wg.compile(make(segments), backend="numpy") for segments in (None, 8))
    stored, plain = activations(lambda: storing(X))
    again, found = activations(lambda: recomputing(X))
    assert stored >= 60
    assert again <= 18
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_allclose(found, slope_of_chain(X), rtol=1e-11)


SMALL = np.linspace(-1.0, 1.5, 6)


def nested(x):
    inner = wg.checkpoint(lambda v: np.sin(v * 3.0) * v)
    outer = wg.checkpoint(lambda v: inner(np.exp(-v)) + inner(v) * v)
    return np.sum(outer(outer(x)) ** 2)


def closing_over(x):
    scale = np.cos(x)
    f = wg.checkpoint(lambda v: np.tanh(v * scale) / (2.0 + scale))
    return np.sum(f(f(x)) * scale)


def several_results(x):
    def parts(v, k):
        y = np.sin(v) * k
        return {"a": y * y, "b": (y, [v, 3])}

    out = wg.checkpoint(parts)(x, 2.0)
    return np.sum(out["a"] * out["b"][0]) + np.sum(out["b"][1][0]) * out["b"][1][1]


def cheap(x):
    layer = wg.checkpoint(lambda v: np.tanh(np.outer(v, v) @ np.sin(v)), policy="cheap")
    return np.sum(layer(layer(x)))


def used_by_nothing(x):
    wg.checkpoint(np.exp)(x)
    return np.sum(wg.checkpoint(lambda v: v)(x) * x)


def decided_inside(x):
    f = wg.checkpoint(lambda v: np.sin(v) * v if np.sum(v) > 0 else np.exp(v) * v)
    return np.sum(f(f(x)))


def written_inside(x):
    def f(v):
        y = np.zeros(6, v.dtype)
        y[1:] = v[:-1] * np.sin(v[1:])
        y *= y + 1.0
        return y

    g = wg.checkpoint(f)
    return np.sum(np.cos(g(g(x))))


def length_of_slope(f):
    return wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2))


@pytest.mark.parametrize("backend", ["numpy", "auto"])
@pytest.mark.parametrize(
    "function", [nested, closing_over, several_results, cheap, used_by_nothing, decided_inside, written_inside]
)
def test_derivatives(function, backend):
    for transform in (wg.grad, wg.hessian, length_of_slope, wg.jacfwd):
        compiled = wg.compile(transform(function), backend=backend)
        for factor in (1.0, 0.5, -0.75):
            x = SMALL * factor
            np.testing.assert_allclose(compiled(x), transform(function)(x), rtol=1e-11, atol=1e-12)
    for k in range(6):
        moved = SMALL.astype(complex)
        moved[k] += 1e-30j
        if function is not decided_inside:  # numbers are not ordered there
            slope = wg.compile(wg.grad(function), backend=backend)(SMALL)[k]
            np.testing.assert_allclose(slope, function(moved).imag / 1e-30, rtol=1e-10, atol=1e-14)


def test_a_step_of_training():
    start = np.random.default_rng(1).normal(size=(3, 5, 5)) * 0.4
    data = np.random.default_rng(2).normal(size=(7, 5))

    def step(parameters, x):
        for p in parameters:
            p.zero_grad()
        h = x
        for p in parameters:
            h = wg.checkpoint(lambda v, w: ((v @ w).tanh() * v).sin())(h, p)
        loss = (h * h).mean()
        loss.backward()
        with wg.no_grad():
            for p in parameters:
                p -= 0.5 * p.grad
        return loss.item()

    runs = []
    for run in (step, wg.compile(step, backend="numpy")):
        parameters = [wg.tensor(p, requires_grad=True) for p in start]
        losses = [run(parameters, wg.tensor(data)) for _ in range(5)]
        runs.append((losses, [p.detach().numpy() for p in parameters]))
    np.testing.assert_allclose(runs[1][0], runs[0][0], rtol=1e-12)
    np.testing.assert_allclose(runs[1][1], runs[0][1], rtol=1e-11)
    assert runs[0][0][-1] < runs[0][0][0]


def test_steps_computed_again_start_from_a_step_of_their_own():
    compiled = wg.compile(wg.grad(chain(8)), backend="numpy")
    compiled(X)
    names = [node.op.name for node in compiled.paths[0].graph.nodes]
    assert names.count("again") == 7  # the last stretch is not run twice
    assert names.count("tanh") == LAYERS + 7 * 7  # of each other one all but the result
