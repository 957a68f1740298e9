"""The programs that fill large derivatives, against sums written out by hand.

Invariant: a reference is an einsum of NumPy over the definition, or a difference; it shares no code with the forms.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

SHAPES = {"X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k"), "b": "k", "lam": (), "y": "m", "w": "n", "s": "m"}


def values(m=9, n=4, k=3):
    rng = np.random.default_rng(2)
    found = {"X": rng.normal(size=(m, n)), "W": rng.normal(size=(n, k)), "Y": np.eye(k)[rng.integers(0, k, m)]}
    return {
        **found,
        "b": rng.normal(size=k),
        "lam": -0.7,
        "y": np.sign(rng.normal(size=m)),
        "w": rng.normal(size=n),
    } | {"s": rng.normal(size=m)}


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def classes(v, p):
    """sum_q X_qi X_qk (p_qj delta_jl - p_qj p_ql)"""
    inner = np.einsum("qj,jl->qjl", p, np.eye(p.shape[1])) - np.einsum("qj,ql->qjl", p, p)
    return np.einsum("qi,qk,qjl->ijkl", v["X"], v["X"], inner)


RIDGE = "lam*norm(W)**2"
LOSS = "(log(sum(exp(X @ W + b), axis=1)) - sum(Y*(X @ W + b), axis=1))"


@pytest.mark.parametrize(
    ("text", "scale", "ridge"),
    [
        (f"sum({LOSS})", 1, 0),
        (f"mean({LOSS})", 1 / 9, 0),
        (f"-sum({LOSS})", -1, 0),
        (f"3*sum({LOSS})/2", 1.5, 0),
        (f"lam*sum({LOSS})", -0.7, 0),
        (f"sum({LOSS}) + {RIDGE}", 1, -1.4),
        (f"mean({LOSS}) + {RIDGE}/2", 1 / 9, -0.7),
        (f"mean({LOSS})/lam - 5*norm(W)**2", -1 / 6.3, -10),
    ],
)
def test_hessians_of_softmax_regression(text, scale, ridge):
    v = values()
    form = wg.D(text, "W", 2, shapes=SHAPES)
    assert "rows.T @ rows" in form.numpy_source()  # half of the Gram matrix is computed
    unit = np.einsum("ik,jl->ijkl", np.eye(4), np.eye(3))
    want = scale * classes(v, softmax(v["X"] @ v["W"] + v["b"])) + ridge * unit
    np.testing.assert_allclose(form.evaluate(**v), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(form.numpy()(**v), want, rtol=1e-12, atol=1e-13)


def test_a_softmax_of_large_arguments_stays_finite():
    v = values()
    v["W"] = 400 * v["W"]
    form = wg.D(f"sum({LOSS})", "W", 2, shapes=SHAPES)
    want = classes(v, softmax(v["X"] @ v["W"] + v["b"]))
    assert np.all(np.isfinite(want))
    np.testing.assert_allclose(form.evaluate(**v), want, rtol=1e-10, atol=1e-12)


def test_the_hessian_by_the_bias_is_two_matrix_products():
    v = values()
    form = wg.D("sum(log(sum(exp(X @ W + b), axis=1)))", "b", 2, shapes=SHAPES)
    p = softmax(v["X"] @ v["W"] + v["b"])
    np.testing.assert_allclose(form.evaluate(**v), np.diag(p.sum(axis=0)) - p.T @ p, rtol=1e-12, atol=1e-13)
    assert str(form).startswith("diag(pᵀ1) − pᵀp")


MARGIN = "log(1 + exp(-y*(X @ w)))"


@pytest.mark.parametrize(
    ("text", "scale", "ridge"),
    [
        (f"sum({MARGIN})", 1, 0),
        (f"mean({MARGIN})", 1 / 9, 0),
        (f"-2*sum({MARGIN})", -2, 0),
        (f"lam*sum({MARGIN})", -0.7, 0),
        (f"sum({MARGIN}) + lam*w @ w", 1, -1.4),
        (f"mean({MARGIN})/lam + norm(w)**2/2", -1 / 6.3, 1),
    ],
)
def test_hessians_of_logistic_regression(text, scale, ridge):
    v = values()
    form = wg.D(text, "w", 2, shapes=SHAPES)
    assert "filled.T @ filled" in form.numpy_source()
    s = 1 / (1 + np.exp(v["y"] * (v["X"] @ v["w"])))
    want = scale * np.einsum("qi,q,qk->ik", v["X"], s * (1 - s), v["X"]) + ridge * np.eye(4)
    np.testing.assert_allclose(form.evaluate(**v), want, rtol=1e-12, atol=1e-13)


def test_weights_of_either_sign_are_not_rooted():
    v = values()
    form = wg.D("sum(s*(X @ w - y)**2)", "w", 2, shapes=SHAPES)
    assert "sqrt" not in form.numpy_source()
    want = 2 * np.einsum("qi,q,qk->ik", v["X"], v["s"], v["X"])
    np.testing.assert_allclose(form.evaluate(**v), want, rtol=1e-12, atol=1e-13)


def test_a_diagonal_beside_the_weighted_gram_matrix():
    v = values()
    form = wg.D(f"sum({MARGIN}) + sum(exp(w)) + lam*sum(w**3)", "w", 2, shapes=SHAPES)
    s = 1 / (1 + np.exp(v["y"] * (v["X"] @ v["w"])))
    gram = np.einsum("qi,q,qk->ik", v["X"], s * (1 - s), v["X"])
    want = gram + np.diag(np.exp(v["w"]) + 6 * v["lam"] * v["w"])
    np.testing.assert_allclose(form.evaluate(**v), want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("log(sum(exp(X @ w)))", lambda v, p, q: q.T @ np.diag(p) @ q - np.outer(q.T @ p, q.T @ p)),
        ("3*log(sum(exp(X @ w))) + lam*w @ w/2", None),
        ("norm(w)", lambda v, p, q: np.eye(4) / v - np.outer(q, q) / v**3),
        ("-2*norm(w) + sum(w**4)", None),
        ("exp(-(w @ w)/2)", None),
        ("(y @ X @ w)**2 + sum(w**4)", None),
        ("lam*(w @ w)**2", None),
    ],
)
def test_outer_products_and_diagonals(text, wanted):
    v = values()
    form = wg.D(text, "w", 2, shapes=SHAPES)
    gradient = wg.D(text, "w", shapes=SHAPES)  # its own test is against differences of the value
    found = form.evaluate(**v)

    def slope(h, k):
        w = v["w"].copy()
        w[k] += h
        return gradient.evaluate(**{**v, "w": w})

    columns = [
        (8 * (slope(h, k) - slope(-h, k)) - slope(2 * h, k) + slope(-2 * h, k)) / (12 * h)
        for k in range(4)
        for h in (1e-3,)
    ]
    np.testing.assert_allclose(found, np.stack(columns, axis=1), rtol=1e-7, atol=1e-7)
    if wanted is not None:
        if "X" in text:
            e = np.exp(v["X"] @ v["w"])
            np.testing.assert_allclose(found, wanted(v, e / e.sum(), v["X"]), rtol=1e-12, atol=1e-13)
        else:
            np.testing.assert_allclose(found, wanted(np.linalg.norm(v["w"]), None, v["w"]), rtol=1e-12, atol=1e-13)


def test_whole_numbers_in_a_standalone_program():
    form = wg.D("(x @ x)**2/4 + sum(log(x))", "x", 2, x="n")
    x = np.array([1, 2, 4])
    want = np.outer(x, x) * 2.0 + np.diag(x @ x - 1.0 / x**2)
    np.testing.assert_allclose(form.numpy()(x), want, rtol=1e-14)
