"""Evaluating a form again and again: the value stays, whatever evaluates it.

May import wengert's public API and the runner. Invariant: references are written by hand in NumPy.
"""

import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.symbolic import runner
from wengert.symbolic.runner import Runner, same

rng = np.random.default_rng(4)


def test_values_before_and_after_compiling(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("log(sum(exp(A @ x)))", "x", 2, A=("m", "n"), x="n")
    A = rng.normal(size=(6, 4))
    for k in range(5):
        x = rng.normal(size=4) + k
        e = np.exp(A @ x)
        p = e / e.sum()
        wanted = A.T @ (np.diag(p) - np.outer(p, p)) @ A
        np.testing.assert_allclose(form.evaluate(A=A, x=x), wanted, rtol=1e-12, atol=1e-14)
    B, x = rng.normal(size=(3, 4)), rng.normal(size=4)  # other shapes start anew
    p = np.exp(B @ x) / np.exp(B @ x).sum()
    np.testing.assert_allclose(form.evaluate(x=x, A=B), B.T @ (np.diag(p) - np.outer(p, p)) @ B, rtol=1e-12)


def test_results_are_arrays_of_their_own(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("sum(x**3)", "x", 2, x="n")
    found = [form.evaluate(x=np.full(3, float(k))) for k in range(6)]
    for k, value in enumerate(found):
        np.testing.assert_array_equal(value, 6.0 * k * np.eye(3))


def test_what_computes_something_else_is_not_taken(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    for wrong in (lambda x: 2 * x, lambda x: x[:1], lambda x: (x + 1).astype(np.float32), lambda x: 1 / 0):
        run = Runner(lambda x: x + 1, ["x"], [lambda wrong=wrong: wrong])
        for _ in range(3):
            np.testing.assert_array_equal(run.call(np.ones(2)), np.full(2, 2.0))
        assert run.call is run.function


def test_the_faster_one_is_taken(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)

    def slow(x):
        return sum((x for _ in range(2000)), 0 * x) / 2000 + 1

    def fast(x):
        return x + 1

    run = Runner(slow, ["x"], [lambda: fast])
    run.call(np.ones(2))
    assert run.call is fast
    run = Runner(fast, ["x"], [lambda: slow])
    run.call(np.ones(2))
    assert run.call is fast


def test_rivals_come_in_turn_and_later_ones_later(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    made = []

    def rival(which, found):
        return lambda: made.append(which) or found

    def broken(x):
        raise ValueError("cannot")

    run = Runner(lambda x: x + 1, ["x"], [rival("first", broken), rival("second", lambda x: x + 2)])
    run.call(np.ones(2))
    assert made == ["first"]
    run.call(np.ones(2))
    assert made == ["first", "second"]
    np.testing.assert_array_equal(run.call(np.ones(2)), np.full(2, 2.0))
    assert run.call is run.function


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_of_named_functions_are_accumulated(monkeypatch, order):
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("a @ sort(x)**2", "x", order, x="n", a="n")
    x, a = rng.normal(size=6), rng.normal(size=6)
    place = np.argsort(np.argsort(x))
    wanted = 2 * a[place] * x if order == 1 else np.diag(2 * a[place])
    for _ in range(6):
        np.testing.assert_allclose(form.evaluate(x=x, a=a), wanted, rtol=1e-12, atol=1e-14)
    (run,) = form._runners.values()
    assert run.call is not form._program  # the slow program of operators was replaced


def test_the_accumulated_hessian_by_a_matrix(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("sum((X @ W)**3)", "W", 2, X=("m", "n"), W=("n", "k"))
    X, W = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))
    wanted = 6 * np.einsum("qi,qj,qk,jl->ijkl", X, X @ W, X, np.eye(2))
    for _ in range(8):
        np.testing.assert_allclose(form.evaluate(X=X, W=W), wanted, rtol=1e-10, atol=1e-12)


def test_a_large_product_is_left_to_numpy(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    monkeypatch.setattr(runner, "LONG", 0.0)
    run = Runner(lambda x: x + 1, ["x"], [lambda: pytest.fail("compiled")])
    run.call(np.ones(2))
    assert run.call is run.function


def test_what_counts_as_the_same():
    assert same(np.array([1.0, np.nan, np.inf]), np.array([1.0 + 1e-13, np.nan, np.inf]))
    assert not same(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    assert not same(np.array([1.0, np.inf]), np.array([1.0, 2.0]))
    assert not same(1.0, np.array(1.0))


def test_other_values_are_still_checked():
    form = wg.D("sum(a*x**3)", "x", 2, x="n", a="n")
    x = np.arange(1.0, 4.0)
    for _ in range(2):
        np.testing.assert_array_equal(form.evaluate(x=x, a=x), np.diag(6 * x**2))
        np.testing.assert_array_equal(form.evaluate(x=[1, 2, 3], a=x.astype(int)), np.diag(6 * x**2))
        np.testing.assert_array_equal(form.evaluate(x=x.astype(np.float32), a=x), np.diag(6 * x**2))
        for broken in ({"x": x}, {"x": x, "a": x[:2]}, {"x": x, "a": x, "b": x}, {"x": 1.0, "a": x}):
            with pytest.raises(wg.WengertError):
                form.evaluate(**broken)
        with pytest.raises(wg.WengertError, match="dtype complex"):
            form.evaluate(x=x + 1j, a=x)


def test_sums_with_the_transpose_are_compiled_to_the_kernel_of_large_ones():
    pytest.importorskip("llvmlite")
    form = wg.D("x @ A @ x", "x", 2, x="n", A=("n", "n"))
    compiled = form.compile()
    for n in (5, 600):
        A, x = rng.normal(size=(n, n)), rng.normal(size=n)
        for _ in range(2):
            np.testing.assert_array_equal(compiled(x, A), A + A.T)
        np.testing.assert_array_equal(compiled(A=A, x=x), A + A.T)


def test_nobody_is_told_of_native_code_who_evaluates(monkeypatch):
    from wengert.api.compiling import calls, passes

    monkeypatch.setattr(passes, "has_llvmlite", lambda: False)
    monkeypatch.setattr(calls, "_said", [])
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("sum(exp(x)) + x @ x", "x", 2, x="n")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(6):
            np.testing.assert_allclose(form.evaluate(x=np.ones(3)), np.diag(np.exp(np.ones(3)) + 2), rtol=1e-14)
    assert not said
    assert not calls._said
