"""Norms of every order, written in NumPy's way and by hand, against differences of ``np.linalg.norm`` itself.

Invariant: a spelling either has the meaning of the NumPy expression beside it, or is refused with its column.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import wengert as wg

SHAPES = {"x": "n", "y": "n", "A": ("n", "n"), "X": ("m", "n"), "t": (), "T": ("n", "m", "k")}


def arrays():
    rng = np.random.default_rng(4)
    sizes = {"n": 3, "m": 4, "k": 2}
    found = {name: rng.normal(size=tuple(sizes[d] for d in shape)) for name, shape in SHAPES.items()}
    return found | {"t": 1.7}


def differenced(function, x):
    slices = []
    x = np.asarray(x)
    for place in np.ndindex(x.shape):

        def moved(h, place=place):
            y = x.copy()
            y[place] += h
            return np.asarray(function(y))

        rows = [(moved(h) - moved(-h)) / (2 * h) for h in (1e-3, 5e-4, 2.5e-4)]
        first = [(4 * b - a) / 3 for a, b in itertools.pairwise(rows)]
        slices.append((16 * first[1] - first[0]) / 15)
    return np.stack(slices, axis=-1).reshape((*slices[0].shape, *x.shape))


def compared(form, wrt, meaning):
    v = arrays()

    def function(z):
        return eval(meaning, {"np": np, "norm": np.linalg.norm, "inf": np.inf, **v, wrt: z})

    np.testing.assert_allclose(form.evaluate(**v), differenced(function, v[wrt]), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        *(
            (f"np.linalg.norm(x, {p})", "x")
            for p in ("1", "2", "3", "4", "2.5", "1/2", "-1", "-2", "np.inf", "-np.inf")
        ),
        *((f"np.linalg.norm(X, {p})", "X") for p in ("1", "-1", "2", "-2", "np.inf", "-np.inf", "'fro'", "'nuc'")),
        *((f"np.linalg.norm(X, {p}, axis={k})", "X") for p in ("1", "3", "np.inf", "None") for k in ("0", "1", "-1")),
        *((f"np.linalg.norm(T, {p}, axis={k})", "T") for p in ("1", "np.inf", "'fro'") for k in ("(0, 2)", "(2, 0)")),
        ("np.linalg.norm(x, ord=0)", "x"),
        ("np.linalg.norm(x, ord=3)**3 + np.linalg.norm(x, ord=1)", "x"),
        ("np.linalg.norm(T)", "T"),
        ("np.linalg.norm(X, axis=(0, 1), keepdims=True) * X", "X"),
        ("np.linalg.norm(X, 1, axis=(0, 1), keepdims=True) * X", "X"),
        ("X / np.linalg.norm(X, axis=1, keepdims=True)", "X"),
        ("norm(x, inf)", "x"),
        ("norm(x, t)", "x"),
        ("norm(x, t)", "t"),
        ("norm(X, t, axis=0)", "X"),
    ],
)
def test_norms_in_numpy_syntax(text, wrt):
    compared(wg.D(text, wrt, shapes=SHAPES), wrt, text)


@pytest.mark.parametrize(
    ("text", "wrt", "meaning"),
    [
        ("‖x‖", "x", "norm(x)"),
        ("||x||", "x", "norm(x)"),
        ("||A*x - y||_2^2", "x", "norm(A @ x - y)**2"),
        ("‖x‖₁", "x", "norm(x, 1)"),
        ("‖x‖_1", "x", "norm(x, 1)"),
        ("‖x‖_∞", "x", "norm(x, inf)"),
        ("‖x‖_{inf}", "x", "norm(x, inf)"),
        ("‖x‖_t", "x", "norm(x, t)"),
        ("||X||_F^2", "X", "norm(X)**2"),
        ("‖X‖_2", "X", "norm(X, 2)"),
        ("‖X‖_*", "X", "norm(X, 'nuc')"),
        ("norm(x, inf)", "x", "norm(x, inf)"),
        ("norm(x, 3)", "x", "norm(x, 3)"),
        ("norm1(x) + norm2(x)^2", "x", "norm(x, 1) + norm(x)**2"),
        ("||x|| ||y||", "x", "norm(x)*norm(y)"),
        ("| |t| - 1 |", "t", "abs(abs(t) - 1)"),
    ],
)
def test_norms_by_hand(text, wrt, meaning):
    compared(wg.D(text, wrt, syntax="hand", shapes=SHAPES), wrt, meaning)


@pytest.mark.parametrize(
    ("text", "syntax", "column", "said"),
    [
        ("norm(X, t)", "numpy", 1, "symbolic order"),
        ("norm(x, y)", "numpy", 1, "symbolic order"),
        ("norm(X, 3)", "numpy", 1, "Invalid norm order"),
        ("norm(x, 'fro')", "numpy", 1, "Invalid norm order"),
        ("max(x, y)", "numpy", 8, "takes an axis"),
        ("max(x, axis=y)", "hand", 1, "maximum"),
        ("softmax(x, y)", "hand", 1, "whole numbers"),
        ("sum(X, 0.5)", "hand", 1, "whole numbers"),
        ("eye(x)", "hand", 1, "whole numbers"),
        ("||x|-1|", "hand", 4, "not closed"),
        ("‖x‖_q", "hand", 4, "order q"),
        ("norm(x)_1", "hand", 8, "nothing is expected"),
    ],
)
def test_what_has_no_such_meaning_is_refused_with_its_column(text, syntax, column, said):
    with pytest.raises(ValueError, match=said) as caught:
        wg.parse(text, syntax, **SHAPES)
    assert caught.value.column == column


def test_vdot_of_matrices_is_the_sum_of_products():
    form = wg.D("np.vdot(A, A.T)", "A", A=("n", "n"))
    a = arrays()["A"]
    np.testing.assert_allclose(form.evaluate(A=a), 2 * a.T, rtol=1e-14)


def test_cube_roots_of_negative_numbers():
    form = wg.D("cbrt(x)", "x", x="n")
    x = np.array([-8.0, 27.0])
    np.testing.assert_allclose(np.diag(form.evaluate(x=x)), 1 / (3 * np.cbrt(x) ** 2), rtol=1e-15)
