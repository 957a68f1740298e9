"""Choices and loops with a test in native plans: which way they run, and that it is the same as plain Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")


def close(found: Any, wanted: Any, rtol: float = 1e-11) -> None:
    for a, b in zip(*(v if type(v) is tuple else (v,) for v in (found, wanted)), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


RNG = np.random.default_rng(3)


def test_small_branches_are_computed_both() -> None:
    def f(x: Any) -> Any:
        return wg.cond(np.sum(x) > 0, lambda: np.sum(np.log(x)), lambda: np.sum(x[::-1] * x**3))

    def plain(x: Any) -> Any:
        return np.sum(np.log(x)) if np.sum(x) > 0 else np.sum(x[::-1] * x**3)

    compiled = wg.compile(wg.value_and_grad(f), backend="native")
    for x in (np.array([1.0, 0.5, 2.0]), -np.array([1.0, 0.0, 2.0]), np.array([3.0, 0.25, 2.0])):
        for _ in range(2):
            close(compiled(x), wg.value_and_grad(plain)(x))
    assert "0 steps of NumPy" in compiled.explain() and "path 1" not in compiled.explain()


def test_what_an_untaken_branch_asks_does_not_matter() -> None:
    """Its index is outside of the array, its matrix is singular."""

    def f(x: Any, k: Any) -> Any:
        def picked() -> Any:
            return x[np.floor(k).astype(int)] * 2.0

        return wg.cond(k < 3, picked, lambda: np.sum(x) * k)

    compiled = wg.compile(wg.value_and_grad(f), backend="native")
    x = np.array([1.0, 2.0, 4.0])
    for k in (1.0, 50.0, 2.0, -1.0, 7.0):
        value, slope = compiled(x, k)
        assert float(value) == (2.0 * x[int(k)] if k < 3 else 7.0 * k)
        np.testing.assert_array_equal(slope, 2.0 * (np.arange(3) == int(k) % 3) if k < 3 else np.full(3, k))


def test_of_large_branches_one_runs() -> None:
    def f(x: Any, w: Any) -> Any:
        return wg.cond(
            x[0, 0] > 0,
            lambda: np.sum(np.tanh(x @ w) * np.exp(-x * x)),
            lambda: np.sum(np.sin(x) * w + np.cos(x * w)) ** 2,
        )

    def plain(x: Any, w: Any) -> Any:
        if x[0, 0] > 0:
            return np.sum(np.tanh(x @ w) * np.exp(-x * x))
        return np.sum(np.sin(x) * w + np.cos(x * w)) ** 2

    compiled = wg.compile(wg.value_and_grad(f, (0, 1)), backend="native")
    x, w = RNG.normal(size=(2, 60, 60)) / 8
    for sign in (1.0, -1.0, 1.0, -1.0):
        x[0, 0] = sign
        found, wanted = compiled(x, w), wg.value_and_grad(plain, (0, 1))(x, w)
        close(found[0], wanted[0])
        close(found[1], wanted[1], 1e-9)
    said = compiled.explain()
    assert "a choice of which only one branch is to run" in said and "true: native plan" in said
    assert "path 1" not in said


def relax(x: Any, m: Any) -> Any:
    """Small arrays, an invariant matrix, a counter, a long run."""

    def body(s: Any) -> Any:
        n, v, total = s
        v = v + 0.02 * (np.tanh(m @ v) - v)
        return n + 1, v, total + np.sum(v * x) / n

    return wg.while_loop(lambda s: (s[0] < 500) & (np.sum(s[1] * s[1]) > 0.01 * x[0]), body, (1, x, 0.0))[2]


def relax_plain(x: Any, m: Any) -> Any:
    n, v, total = 1, x, 0.0
    while n < 500 and np.sum(v * v) > 0.01 * x[0]:
        v = v + 0.02 * (np.tanh(m @ v) - v)
        n, total = n + 1, total + np.sum(v * x) / n
    return total


@pytest.mark.parametrize("transform", [lambda f: f, lambda f: wg.grad(f, (0, 1)), wg.hessian])
def test_loops_run_in_blocks(transform: Any) -> None:
    """Counts that are no multiples of the length of a block, and none."""
    m = RNG.normal(size=(3, 3)) * 0.2
    compiled = wg.compile(transform(relax), backend="native")
    for x in (
        np.array([0.5, 0.25, -1.0]),
        np.array([1e-3, 0.01, 0.0]),
        np.array([2.0, 0.1, 0.1]),
        np.array([1.0, 0, 0]),
    ):
        for _ in range(2):
            close(compiled(x, m), transform(relax_plain)(x, m), 1e-9)
    said = compiled.explain()
    assert "in native blocks of" in said and "path 1" not in said


def test_loops_of_large_steps_run_step_by_step() -> None:
    def f(x: Any, m: Any) -> Any:
        v = wg.while_loop(lambda v: np.sum(v * v) > 1.0, lambda v: np.tanh(m @ v) * 0.9 + 0.001 * x, x)
        return np.sum(v * np.cos(v))

    def plain(x: Any, m: Any) -> Any:
        v = x
        while np.sum(v * v) > 1.0:
            v = np.tanh(m @ v) * 0.9 + 0.001 * x
        return np.sum(v * np.cos(v))

    m = RNG.normal(size=(80, 80)) / 12
    compiled = wg.compile(wg.value_and_grad(f, (0, 1)), backend="native")
    for scale in (1.0, 3.0, 0.01, 10.0):
        x = scale * np.linspace(-1.0, 1.0, 80)
        found, wanted = compiled(x, m), wg.value_and_grad(plain, (0, 1))(x, m)
        close(found[0], wanted[0])
        close(found[1], wanted[1], 1e-9)
    assert "step by step" in compiled.explain() and "path 1" not in compiled.explain()


def test_steps_after_the_last_ask_nothing() -> None:
    """The place that a further step would read lies outside of the array."""

    def f(x: Any) -> Any:
        return wg.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * x[s[0]]), (0, 1.0))[1]

    x = np.array([1.5, 2.0, -1.0, 0.5, 3.0])
    compiled = wg.compile(wg.value_and_grad(f), backend="native")
    for v in (x, 2 * x, x[::-1].copy()):
        value, slope = compiled(v)
        assert float(value) == pytest.approx(np.prod(v), rel=1e-15)
        np.testing.assert_allclose(slope, np.prod(v) / v, rtol=1e-14)


def test_batches_of_loops_are_native() -> None:
    def root(a: Any) -> Any:
        return wg.while_loop(lambda x: abs(x * x - a) > 1e-13 * a, lambda x: 0.5 * (x + a / x), 1.0)

    rows = np.array([2.0, 3.0, 100.0, 0.25, 7.0])
    compiled = wg.compile(wg.vmap(wg.value_and_grad(root)), backend="native")
    for a in (rows, rows[::-1].copy(), rows * 1e4, rows):
        value, slope = compiled(a)
        np.testing.assert_allclose(value, np.sqrt(a), rtol=1e-13)
        np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-12)
    assert "in native blocks" in compiled.explain() and "path 1" not in compiled.explain()
