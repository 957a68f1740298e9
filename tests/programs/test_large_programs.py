"""Random programs on arrays large enough for the sweep to work in memory of its own.

The sweep multiplies and adds in place where a cotangent is exclusively its own; a wrong owner would spoil a residual or
another cotangent. So each program is swept twice, and held against forward mode and a central difference. May import
wengert's public API. Invariant: nothing here is compared with a stored output.
"""

import numpy as np
import pytest

import wengert as wg

N = 9000
KINDS = (
    "add sub mul sin exp tanh square neg mixed slice write sum where div max reshape cumsum inplace same product sqrt "
    "neighbours shared"
).split()


def program(seed):
    """A function of two vectors made of random steps, any of which may be used again."""
    rng = np.random.default_rng(seed)
    plan = [
        (str(rng.choice(KINDS)), int(rng.integers(k)), int(rng.integers(k)), float(rng.uniform(0.5, 1.5)))
        for k in range(2, 2 + int(rng.integers(4, 14)))
    ]
    weights = rng.normal(size=N)

    def f(x, y):
        values = [x, y]
        for kind, i, j, c in plan:
            values.append(step(kind, values[i], values[j], c, weights))
        return np.sum(np.tanh(values[-1]) * weights) + np.mean(values[-2] * values[-1])

    return f


def step(kind, a, b, c, weights):
    if kind == "write":
        r = a * 1.0
        r[2:-2] += b[:-4]
        r[::3] *= c
        return r
    if kind == "inplace":
        r = a + 0.0
        r *= b
        r += a
        return r
    if kind == "shared":  # one slice with several users
        part = a[50:]
        return np.concatenate([(b[50:] - part) * c - part, -a[:50]])
    if kind == "product":
        rows = a.reshape(90, 100) @ (b[:100] * 0.1)
        return (rows[:, None] * np.ones((90, 100))).reshape(-1) * 0.1
    return {
        "add": lambda: a + b,
        "sub": lambda: a - b,
        "mul": lambda: a * b,
        "sin": lambda: np.sin(a),
        "exp": lambda: np.exp(-a * a),
        "tanh": lambda: np.tanh(a),
        "square": lambda: a**2,
        "neg": lambda: -a,
        "mixed": lambda: c * a + b * weights,
        "slice": lambda: np.concatenate([a[1:], b[:1]]),
        "sum": lambda: a * np.sum(b) / N + b,
        "where": lambda: np.where(a > b, a * c, b),
        "div": lambda: a / (1.5 + np.cos(b)),
        "max": lambda: np.maximum(a, b * c),
        "reshape": lambda: (a.reshape(90, 100).T @ np.full((90, 90), 0.01)).T.reshape(-1) + b,
        "cumsum": lambda: np.cumsum(a) / N,
        "same": lambda: a,
        "neighbours": lambda: np.concatenate([a[20:] - a[:-20], b[:20] - a[:20]]),
        "sqrt": lambda: np.sqrt(1.0 + a * a),
    }[kind]()


@pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")
@pytest.mark.parametrize("seed", range(60))
def test_both_modes_agree_with_a_difference_and_a_second_sweep_with_the_first(seed):
    f = program(seed)
    x, y, dx, dy = np.random.default_rng(1000 + seed).normal(size=(4, N)) * 0.5
    before = x.copy(), y.copy()
    value, (gx, gy) = wg.value_and_grad(f, (0, 1))(x, y)
    assert value == f(x.copy(), y.copy())
    _, pullback = wg.vjp(f, x, y)
    first, second = pullback(1.0), pullback(1.0)
    _, tangent = wg.jvp(f, (x, y), (dx, dy))
    scale = max(1.0, abs(tangent), 1e-3 * float(np.abs(gx).max() * np.abs(dx).sum()))
    assert abs(gx @ dx + gy @ dy - tangent) <= 1e-9 * scale
    h = 1e-6
    difference = (f(x + h * dx, y + h * dy) - f(x - h * dx, y - h * dy)) / (2 * h)
    assert abs(difference - tangent) <= 1e-5 * scale
    for a, b, g in zip(first, second, (gx, gy), strict=True):
        assert np.array_equal(a, b)
        np.testing.assert_allclose(a, g, rtol=1e-12, atol=1e-14 * scale)
    assert np.array_equal(x, before[0])
    assert np.array_equal(y, before[1])


@pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")
@pytest.mark.parametrize("seed", range(15))
def test_hessian_products_by_both_ways_agree(seed):
    f = program(seed)
    x, y, dx, dy = np.random.default_rng(2000 + seed).normal(size=(4, N)) * 0.5
    _, reverse = wg.hvp(f, (x, y), (dx, dy))
    _, forward = wg.jvp(wg.grad(f, (0, 1)), (x, y), (dx, dy))
    for a, b in zip(reverse, forward, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * max(1.0, float(np.abs(b).max())))
