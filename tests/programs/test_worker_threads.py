"""Programs that start threads of their own while they are differentiated.

Imports the public API. Invariant: what a worker computes reaches the derivative, or an error names the worker's line
and the fix; also where the worker's own exception is lost.
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import wengert as wg

from .test_refusals import cut_line

X = np.array([0.7, -0.4, 1.3, 0.9])
SQUARES, TAIL = X @ X, X[1:] @ X[1:]
SLOPE = 2 * X * (TAIL + SQUARES * np.array([0.0, 1.0, 1.0, 1.0]))
"""The gradient of (x.x) (x[1:].x[1:]), by the product rule."""


def in_threads(x):
    out = [0.0, 0.0]

    def work(i):
        out[i] = np.sum(x[i:] ** 2)  # cut

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out[0] * out[1]


def in_a_pool(x):
    def work(i):
        return np.sum(x[i:] ** 2)  # cut

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(work, [0, 1])
    return first * second


def branch_in_a_thread(x):
    out = [0.0]

    def work():
        out[0] = 2.0 if x[0] > 0 else 3.0  # cut

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return x[0] * out[0]


def in_copies_of_the_context(x):
    out = np.zeros(2)

    def work(i):
        mine = np.zeros(4)
        mine[i:] = x[i:]
        out[i] = mine @ mine

    threads = [threading.Thread(target=contextvars.copy_context().run, args=(work, i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out[0] * out[1]


@pytest.fixture(autouse=True)
def _quiet_threads(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda args: None)


@pytest.mark.parametrize("fun", [in_threads, in_a_pool])
def test_plain_gradients_follow_other_threads(fun):
    np.testing.assert_allclose(wg.grad(fun)(X), SLOPE, rtol=1e-12)


NEED_THE_TRACE = {
    "jvp": lambda f: wg.jvp(f, (X,), (np.ones(4),)),
    "jacfwd": lambda f: wg.jacfwd(f)(X),
    "hessian": lambda f: wg.hessian(f)(X),
    "linearize": lambda f: wg.linearize(f, X),
    "vmap": lambda f: wg.vmap(f)(np.stack([X, 2 * X])),
    "trace": lambda f: wg.trace(f)(X),
}


@pytest.mark.parametrize("name", NEED_THE_TRACE)
@pytest.mark.parametrize("fun", [in_threads, in_a_pool, branch_in_a_thread])
def test_a_thread_without_the_trace_is_refused(fun, name):
    with pytest.raises(wg.CutError, match="thread that knows nothing of the trace") as caught:
        NEED_THE_TRACE[name](fun)
    assert caught.value.line == cut_line(fun)
    assert "contextvars.copy_context().run" in caught.value.fix


def test_copies_of_the_context_bring_the_trace_along():
    np.testing.assert_allclose(wg.grad(in_copies_of_the_context)(X), SLOPE, rtol=1e-12)
    np.testing.assert_allclose(wg.jacfwd(in_copies_of_the_context)(X), SLOPE, rtol=1e-12)
    tail = np.diag([0.0, 1.0, 1.0, 1.0])
    ones = np.array([0.0, 1.0, 1.0, 1.0])
    mixed = np.outer(2 * X, 2 * X * ones)
    wanted = 2 * TAIL * np.eye(4) + 2 * SQUARES * tail + mixed + mixed.T
    np.testing.assert_allclose(wg.hessian(in_copies_of_the_context)(X), wanted, rtol=1e-12)


def test_a_compiled_function_takes_both_sides_of_a_branch_in_a_thread():
    with pytest.warns(wg.CompileWarning, match="thread"):
        compiled = wg.compile(branch_in_a_thread, backend="numpy")
        first = compiled(X)
    assert [float(first), float(compiled(-X))] == [2.0 * 0.7, 3.0 * -0.7]


def derivative_in_a_thread(as_argument, in_context):
    """x ** 2 by way of a derivative that a thread takes: of t * x by t, or of t ** 2 / 2 at x."""

    def fun(x):
        found = []

        def work():
            found.append(wg.grad(lambda t: t * t / 2)(x) if as_argument else wg.grad(lambda t: t * x)(2.0))

        run = (contextvars.copy_context().run, work) if in_context else (work,)
        thread = threading.Thread(target=run[0], args=run[1:])
        thread.start()
        thread.join()
        return (found[0] if found else x) ** 2

    return fun


WAYS = {
    "grad": (lambda f: wg.grad(f)(3.0), 6.0),
    "jvp": (lambda f: wg.jvp(f, (3.0,), (1.0,))[1], 6.0),
    "second": (lambda f: wg.grad(wg.grad(f))(3.0), 2.0),
    "trace": (lambda f: wg.trace(f)(3.0)(4.0), 16.0),
}


@pytest.mark.parametrize("as_argument", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_a_derivative_inside_a_thread_needs_the_trace(way, as_argument):
    take, expected = WAYS[way]
    with pytest.raises(wg.CutError, match="thread that knows nothing of the trace"):
        take(derivative_in_a_thread(as_argument, in_context=False))
    assert take(derivative_in_a_thread(as_argument, in_context=True)) == expected


def test_a_compiled_function_is_not_replayed_without_what_a_thread_derives():
    compiled = wg.compile(derivative_in_a_thread(as_argument=False, in_context=False), backend="numpy")
    with pytest.warns(wg.CompileWarning, match="thread"):
        assert [compiled(3.0), compiled(4.0)] == [9.0, 16.0]


@pytest.mark.parametrize("is_leak", [False, True])
def test_other_traces_go_on_beside_a_stray_value(is_leak):
    inside, over = threading.Event(), threading.Event()
    found, kept = [], []

    def patient(x):
        inside.set()
        over.wait(10)
        return np.sin(x)

    def keeps(x):
        kept.append(x * 2)
        return x

    other = threading.Thread(target=lambda: found.append(wg.jvp(patient, (1.0,), (1.0,))))
    other.start()
    inside.wait(10)
    if is_leak:
        wg.jvp(keeps, (3.0,), (1.0,))
        with pytest.warns(wg.LeakWarning):
            assert kept[0] + 1.0 == 7.0
    else:
        with pytest.raises(wg.CutError, match="thread that knows nothing of the trace"):
            wg.jvp(in_threads, (X,), (X,))
    over.set()
    other.join()
    assert found == [(np.sin(1.0), np.cos(1.0))]
