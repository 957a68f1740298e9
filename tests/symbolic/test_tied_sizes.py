"""Formulas at sizes that coincide: one form serves all sizes, also where names of dimensions stand for one number.

May import wengert's public API. Invariant: with ``check=False`` the value and the program of every form are those of
forward mode of NumPy's own run, at sizes that differ, that are equal, and that are one.
"""

import re

import numpy as np
import pytest

import wengert as wg

SHAPES = {"x": ("n",), "a": ("n",), "y": ("m",), "w": ("k",), "A": ("n", "n"), "B": ("n", "n"), "X": ("m", "n"),
          "W": ("n", "k"), "Y": ("m", "k"), "c": (), "T": ("m", "n", "k"), "o": (1,), "R": (1, "n"), "C": ("m", 1),
          "E": (1, 1), "Z": ("k", "n")}  # fmt: skip
SIZES = [{"n": 3, "m": 4, "k": 2}, {"n": 3, "m": 3, "k": 3}, {"n": 2, "m": 2, "k": 3}, {"n": 1, "m": 2, "k": 1},
         {"n": 1, "m": 1, "k": 1}]  # fmt: skip
FORMULAS = """
np.sum((X - np.mean(X, axis=0))**2) | np.sum(R*X) | np.sum((C - R)**2) | np.sum(C*R*E) | E*X | X*o | o + x | R @ x
R.T @ R | C @ R | (C.T @ X) @ x | np.squeeze(R)*x | C[:, 0] @ X | np.trace(A @ np.outer(x, a)) | np.trace(A @ B @ A.T)
x @ np.linalg.solve(A @ A.T + B @ B.T, a) | np.linalg.norm(A @ x - a)/np.linalg.norm(a) | (x @ A @ x)/(x @ B @ x)
np.log(np.sum(np.exp(X @ x - y))) | np.sum(np.log(np.sum(np.exp(X @ W), axis=1))) | np.sum((X @ W @ Z - X)**2)
np.sum(np.tanh(X @ W) @ w * y) | np.linalg.norm(X - Y @ Z, 'fro')**2 + c*np.linalg.norm(Z)**2
np.diag(x) @ A @ np.diag(a) | np.convolve(x, y)
np.kron(x, w) @ np.kron(a, w) | np.einsum('ijk,k->ij', T, w) | np.einsum('ijk,j,k->i', T, x, w) | np.mean(T, axis=1) @ w
np.tensordot(T, W, 2) | np.sum(T**2, axis=(1, 2)) | np.transpose(T, (2, 0, 1)) @ x | np.concatenate([X, R]) @ x
np.hstack([X, C]) | np.repeat(x, 2) @ np.repeat(a, 2) | np.roll(x, 1)*a | x[::-1] @ A @ x | np.cumsum(X, axis=1) @ x
np.prod(X, axis=1) @ y | np.max(X, axis=0) @ x | np.sort(X, axis=1) @ x | np.median(x)*c | np.quantile(y, 0.4)*x
np.average(x, weights=np.exp(a)) | np.linalg.norm(X, np.inf) | np.where(X > 0, X, 0.1*X) @ x
np.subtract.outer(x, x)**2 @ a | np.ptp(x)*a
np.exp(-np.subtract.outer(x, a)**2) @ a | X/np.sum(X, axis=0) | X - X.max(axis=1, keepdims=True) | A[0] @ A[:, 0]
np.maximum.accumulate(x) @ a | np.abs(np.fft.fft(x)) @ a | np.linalg.pinv(X) @ y
""".replace("\n", " | ")  # fmt: skip
CASES = [t.strip() for t in FORMULAS.split(" | ") if t.strip()]


def used(text):
    plain = re.sub(r"np\.[\w.]+|axis|keepdims|weights|'[^']*'|\.T\b|\.max\b", " ", text)
    return [n for n in SHAPES if re.search(rf"\b{n}\b", plain)]


@pytest.mark.parametrize("text", CASES)
def test_one_form_serves_all_sizes(text):
    names = used(text)
    form = wg.D(text, names[0], shapes={n: SHAPES[n] for n in names}, check=False)
    seen = 0
    for number, sizes in enumerate(SIZES):
        rng = np.random.default_rng(number)
        values = {n: rng.normal(size=tuple(d if isinstance(d, int) else sizes[d] for d in SHAPES[n])) for n in names}
        values = {n: v if v.ndim else float(v) for n, v in values.items()}

        def run(v, values=values):
            return eval(text, {"np": np, **values, names[0]: v})

        wanted = wg.jacobian(run, mode="fwd")(values[names[0]])
        if not np.all(np.isfinite(wanted)):
            continue
        seen += 1
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        for found in (form.evaluate(**values), form.numpy()(**values)):
            assert np.shape(found) == np.shape(wanted)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * scale)
    assert seen >= 3
