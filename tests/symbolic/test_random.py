"""Random formulas: whatever is composed, the form is right, by reverse mode on the same text run as NumPy."""

import random

import numpy as np
import pytest

import wengert as wg

SHAPES = {"X": ("m", "n"), "w": "n", "y": "m", "A": ("n", "n"), "v": "n", "c": ()}
RNG = np.random.default_rng(5)
VALUES = {
    "X": RNG.uniform(0.2, 0.9, (4, 3)), "w": RNG.uniform(0.2, 0.9, 3), "y": RNG.uniform(0.2, 0.9, 4),
    "A": RNG.uniform(0.2, 0.9, (3, 3)), "v": RNG.uniform(0.2, 0.9, 3), "c": 0.7,
}  # fmt: skip


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


NAMES = {n: getattr(np, n) for n in ("sum", "trace", "exp", "log", "tanh", "mean")} | {
    "norm": np.linalg.norm, "softmax": softmax,
}  # fmt: skip


def scalar(choose, depth):
    if depth <= 0:
        return choose.choice(["c", "2", "0.5", "(w @ v)", "norm(w)", "sum(y)", "trace(A)"])
    make = choose.choice([
        lambda: f"({scalar(choose, depth - 1)} + {scalar(choose, depth - 1)})",
        lambda: f"({scalar(choose, depth - 1)} * {scalar(choose, depth - 1)})",
        lambda: f"({scalar(choose, depth - 1)} - {scalar(choose, depth - 1)})",
        lambda: f"sum({vector(choose, depth - 1)})",
        lambda: f"({vector(choose, depth - 1)} @ {vector(choose, depth - 1)})",
        lambda: f"exp(-({scalar(choose, depth - 1)})**2)",
        lambda: f"log(1 + ({scalar(choose, depth - 1)})**2)",
        lambda: f"({scalar(choose, depth - 1)}) / (1 + ({scalar(choose, depth - 1)})**2)",
        lambda: f"log(sum(exp({vector(choose, depth - 1)})))",
    ])  # fmt: skip
    return make()


def vector(choose, depth):
    if depth <= 0:
        return choose.choice(["w", "v", "(A @ w)", "(X.T @ y)", "(w @ A)"])
    make = choose.choice([
        lambda: f"({vector(choose, depth - 1)} + {vector(choose, depth - 1)})",
        lambda: f"({vector(choose, depth - 1)} * {vector(choose, depth - 1)})",
        lambda: f"({scalar(choose, depth - 1)} * {vector(choose, depth - 1)})",
        lambda: f"tanh({vector(choose, depth - 1)})",
        lambda: f"(A @ {vector(choose, depth - 1)})",
        lambda: f"softmax({vector(choose, depth - 1)})",
        lambda: f"(X.T @ (X @ {vector(choose, depth - 1)} - y))",
        lambda: f"({vector(choose, depth - 1)} / (1 + {vector(choose, depth - 1)}**2))",
    ])  # fmt: skip
    return make()


@pytest.mark.parametrize("seed", range(120))
def test_random_formulas_agree_with_reverse_mode(seed):
    choose = random.Random(seed)
    text, wrt = scalar(choose, choose.choice((1, 2, 2, 3))), choose.choice("wXAcy")
    form = wg.D(text, wrt, shapes=SHAPES)
    code = compile(text, "formula", "eval")
    with np.errstate(all="ignore"):
        want = wg.grad(lambda t: eval(code, {**NAMES, **VALUES, wrt: t}) + 0.0 * np.sum(t))(VALUES[wrt])
        got = form.evaluate(**VALUES)
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-9 * max(1.0, np.max(np.abs(want))))
