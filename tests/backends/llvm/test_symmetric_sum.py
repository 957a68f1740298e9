"""The native sum of a matrix and its transpose against NumPy's own, bit by bit, and where forms use it.

Invariant: every expected value is NumPy's ``factor * (a + a.T)``.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

pytest.importorskip("llvmlite")

from wengert.backends.llvm import symmetric_sum as module
from wengert.backends.llvm.symmetric_sum import symmetric_sum


def random(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n))


@pytest.mark.parametrize("n", [64, 65, 71, 72, 127, 128, 129, 200, 511, 512, 520])
@pytest.mark.parametrize("factor", [1.0, 0.5, 3.0])
def test_it_has_the_bits_of_numpy(n, factor):
    a = random(n)
    before = a.copy()
    found = symmetric_sum(a, factor)
    assert found.shape == (n, n) and found.flags.c_contiguous and found.flags.writeable
    np.testing.assert_array_equal(found, factor * (a + a.T))
    np.testing.assert_array_equal(a, before)


@pytest.mark.parametrize("offset", range(1, 8))
def test_matrices_anywhere_in_memory(offset):
    space = np.random.default_rng(1).normal(size=128 * 128 + 8)
    a = space[offset : offset + 128 * 128].reshape(128, 128)
    np.testing.assert_array_equal(symmetric_sum(a), a + a.T)


def test_special_values():
    a = random(96)
    a[3, 70], a[70, 3], a[5, 5], a[90, 2] = np.inf, -np.inf, np.nan, -0.0
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(symmetric_sum(a), a + a.T)
    zeros = -np.zeros((64, 64))
    assert np.all(np.signbit(symmetric_sum(zeros)))


@pytest.mark.parametrize(
    "other",
    [
        random(63),
        random(128).astype(np.float32),
        np.ones((128, 128), int),
        random(128).T,
        random(256)[::2, ::2],
        random(128)[:100],
        random(128)[0],
        random(128).view(np.ndarray).astype(">f8"),
        random(128).view(type("Own", (np.ndarray,), {})),
    ],
    ids=["small", "float32", "int", "transposed", "strided", "not square", "vector", "byte order", "subclass"],
)
def test_what_is_nothing_for_it_is_left_to_numpy(other):
    assert symmetric_sum(other) is None


@pytest.mark.parametrize("text", ["x @ A @ x", "x @ A @ x / 2", "x @ A @ x / 3", "3*(x @ A @ x)", "x @ A.T @ x"])
def test_large_quadratic_forms_use_it_from_the_third_time_on(text, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "symmetric_sum", lambda a, c: calls.append(1) or symmetric_sum(a, c))
    form = wg.D(text, "x", 2, x="n", A=("n", "n"))
    x, a = np.ones(520), random(520, 2)
    factor = {"x @ A @ x / 2": 0.5, "x @ A @ x / 3": 1 / 3, "3*(x @ A @ x)": 3.0}.get(text, 1.0)
    for _ in range(4):
        np.testing.assert_allclose(form.evaluate(x=x, A=a), factor * (a + a.T), rtol=2e-16, atol=0)
    assert len(calls) == (2 if factor in (1.0, 0.5) else 0)
    np.testing.assert_array_equal(form.evaluate(x=x, A=a), form.numpy()(x=x, A=a))
    assert np.shares_memory(form.evaluate(x=x, A=a), a) is False
    np.testing.assert_allclose(form.evaluate(x=x[:4], A=a[:4, :4]), factor * (a[:4, :4] + a[:4, :4].T), rtol=3e-16)
