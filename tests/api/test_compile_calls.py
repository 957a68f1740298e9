"""Compiled functions among threads, inside traces, calling themselves; choosing between plans."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.api.compiling import calls as compiling_calls
from wengert.api.compiling import path as compiling_path
from wengert.backends.guards import GuardFailed
from wengert.backends.numpy.compiled import PythonPlan

on_numpy = functools.partial(wg.compile, backend="numpy")

OUTSIDE = np.array([1.0, 2.0, 3.0])


def f(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.sin(x[i]) * OUTSIDE[i] if x[i] > 0 else x[i] ** 2
    return np.sum(y * y)


def test_threads_call_one_function_at_once():
    g, h = on_numpy(wg.grad(f)), on_numpy(f)
    points = [np.array(p) for p in np.ndindex(2, 2, 2)]
    points = [2.0 * p - 0.9 for p in points]
    want = [(f(p), wg.grad(f)(p)) for p in points]
    problems = []
    start = threading.Barrier(6)

    def work(seed):
        rng = np.random.default_rng(seed)
        start.wait()
        try:
            for k in rng.integers(len(points), size=120):
                value, slope = want[k]
                assert h(points[k]) == pytest.approx(value, rel=1e-13)
                np.testing.assert_allclose(g(points[k]), slope, rtol=1e-12)
                if k == 0:
                    wg.grad(f)(points[k])  # twins are in place while others look at their globals
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems
    assert 8 <= len(h.paths) <= compiling_calls.PATHS


def test_compiled_functions_inside_traces():
    g = on_numpy(f)
    x = np.array([0.4, -0.3, 1.2])
    g(x), g(x)
    np.testing.assert_allclose(wg.grad(g)(x), wg.grad(f)(x), rtol=1e-14)
    np.testing.assert_allclose(wg.hessian(g)(x), wg.hessian(f)(x), rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(g)(np.stack([x, -x])), [f(x), f(-x)], rtol=1e-14)
    np.testing.assert_allclose(wg.jvp(g, (x,), (x,))[1], wg.jvp(f, (x,), (x,))[1], rtol=1e-14)
    np.testing.assert_allclose(on_numpy(wg.grad(g))(x), wg.grad(f)(x), rtol=1e-14)

    def closing_over(w):
        inner = on_numpy(lambda v: np.sum(v * w))
        return inner(np.ones(3)) + inner(np.ones(3))

    assert wg.grad(closing_over)(2.0) == 6.0
    assert on_numpy(wg.grad(closing_over))(2.0) == 6.0


@wg.compile(backend="numpy")
def factorial(x):
    return x * factorial(x - 1.0) if x > 1.0 else 1.0


def test_recursion():
    for _ in range(2):
        assert [factorial(k) for k in (1.0, 2.0, 5.0, 3.0)] == [1.0, 2.0, 120.0, 6.0]


def test_a_compiled_function_calling_another():
    inner = on_numpy(lambda x: x * OUTSIDE)
    outer = on_numpy(lambda x: np.sum(inner(x) ** 2))
    try:
        for k in range(3):
            assert outer(np.arange(3.0)) == np.sum((np.arange(3.0) * OUTSIDE) ** 2)
            OUTSIDE[1] = 5.0 + k
    finally:
        OUTSIDE[1] = 2.0


class Fake(PythonPlan):
    """A plan that says it is native."""

    slow = 0.0
    made = 0

    def __init__(self, graph, *, threads=1, improved=None):
        time.sleep(self.slow)
        super().__init__(graph)
        type(self).made += 1
        python = self.entry

        def entry(*leaves):
            time.sleep(self.pause)
            return python(*leaves)

        self.entry = entry

    pause = 0.0

    def source(self, kind="llvm"):
        return f"; {kind}"


@pytest.fixture
def fake(monkeypatch):
    plan = type("NativePlan", (Fake,), {})
    monkeypatch.setattr(compiling_path, "native_plan", lambda: plan)
    monkeypatch.setattr(compiling_calls, "native_plan", lambda: plan)
    return plan


def test_auto_takes_the_faster(fake):
    x = np.array([0.4, -0.3, 1.2])
    g = wg.compile(f)
    assert g(x) == g(x) == pytest.approx(f(x))
    fake.pause = 0.003
    h = wg.compile(f)
    assert h(x) == h(x) == pytest.approx(f(x))
    assert h.paths[0].chosen is h.paths[0].numpy
    assert h.source("llvm") == "; llvm"
    assert "native" in g.explain()


def test_numpy_is_not_tried_where_it_cannot_win(fake):
    x = np.linspace(0.0, 1.0, 1_000_000)
    g = wg.compile(lambda x: np.sum(np.exp(np.sin(x) * x) * x + x * x))
    g(x)
    (path,) = g.paths
    path.make_native()
    path.native.entry = lambda *leaves: np.float64(7.0)  # takes no time at all
    path.wanted = False
    assert path.choose([x]) and path.chosen is path.native
    assert "a call, numpy" not in path.seconds
    path.native.entry = lambda *leaves: (time.sleep(0.01), np.float64(7.0))[1]
    assert path.choose([x]) and "a call, numpy" in path.seconds


def test_the_choice_waits_for_a_call_that_takes_the_path(fake):
    g = wg.compile(f)
    first, second = np.array([0.4, -0.3, 1.2]), np.array([0.4, 0.3, 1.2])
    assert g(first) == pytest.approx(f(first))
    assert g(second) == pytest.approx(f(second))
    assert [path.chosen for path in g.paths] == [None, None]
    assert g(first) == pytest.approx(f(first))
    assert g(second) == pytest.approx(f(second))
    assert None not in [path.chosen for path in g.paths]


def test_compiling_beside_the_program(fake):
    fake.slow = 0.5
    x = np.array([0.4, -0.3, 1.2])
    g = wg.compile(f, wait=False)
    assert g(x) == g(x) == pytest.approx(f(x))
    assert g.paths[0].native is None  # still being made
    assert g.paths[0].chosen is g.paths[0].numpy
    for thread in threading.enumerate():
        if thread.name.startswith("wengert compiles"):
            thread.join()
    assert g(x) == pytest.approx(f(x))
    assert fake.made == 1
    assert g.paths[0].native is not None


def test_a_compiler_that_fails_leaves_the_numpy_plan(monkeypatch):
    class Broken:
        def __init__(self, graph, *, threads=1, improved=None):
            raise RuntimeError("no such instruction")

    monkeypatch.setattr(compiling_path, "native_plan", lambda: Broken)
    monkeypatch.setattr(compiling_calls, "native_plan", lambda: Broken)
    x = np.array([0.4, -0.3, 1.2])
    g = wg.compile(f)
    assert g(x) == g(x) == pytest.approx(f(x))
    assert "no such instruction" in g.explain()
    h = wg.compile(f, wait=False)
    with pytest.warns(wg.CompileWarning, match="no such instruction"):
        h(x)
        for thread in threading.enumerate():
            if thread.name.startswith("wengert compiles"):
                thread.join()
    assert h(x) == pytest.approx(f(x))


def test_without_llvmlite(monkeypatch):
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.setattr(compiling_calls, "_said", [])
    g = wg.compile(lambda x: x * 2)
    with pytest.warns(wg.CompileWarning, match=r"pip install wengert\[native\]") as caught:
        assert [g(k) for k in (1.0, 2.0, 3.0)] == [2.0, 4.0, 6.0]
        assert wg.compile(lambda x: x * 3)(1.0) == 3.0
    assert len(caught) == 1
    with pytest.raises(ValueError, match="llvmlite"):
        wg.compile(f, backend="native")


def test_the_interpreter_may_end_while_something_compiles():
    program = """
import time, numpy as np, wengert as wg
from wengert.api.compiling import calls as compiling_calls, path as compiling_path
from wengert.backends.numpy.compiled import PythonPlan
class Slow(PythonPlan):
    def __init__(self, graph, *, threads=1, improved=None):
        time.sleep(0.2)
        super().__init__(graph)
compiling_calls.native_plan = compiling_path.native_plan = lambda: Slow
print(wg.compile(lambda x: x * 2, wait=False)(3.0))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "6.0\n", "")


def test_the_numpy_plan_by_itself():
    graph = wg.trace(wg.grad(f))(np.array([0.4, -0.3, 1.2]))
    plan = PythonPlan(graph)
    x = np.array([0.9, -1.3, 2.2])
    (found,) = plan.run([x])
    np.testing.assert_allclose(found, wg.grad(f)(x), rtol=1e-14)
    with pytest.raises(GuardFailed) as caught:
        plan.run([np.array([0.4, 0.3, 1.2])])
    assert caught.value.index == 1
    assert "in the memory of" in plan.explain() or "steps" in plan.explain()
    with pytest.raises(ValueError, match="python"):
        plan.source("llvm")


def test_large_arrays_are_computed_in_place():
    def loss(x, w):
        y = np.tanh(x * w) + x
        y[::2] *= 3.0
        y[1:] = y[:-1] * 2.0
        return np.sum(y * w) + np.sum(np.maximum(y, 0.5) * x[::-1])

    g, plain = on_numpy(wg.grad(loss, (0, 1))), wg.grad(loss, (0, 1))
    rng = np.random.default_rng(0)
    for n in (2000, 2000, 2000):
        x, w = rng.normal(size=n), rng.normal(size=2 * n)[::2]
        before = x.copy(), w.copy()
        for a, b in zip(g(x, w), plain(x, w), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(x, before[0])
        np.testing.assert_array_equal(w, before[1])
    assert "tanh" in g.source("python")
    assert g.paths[0].numpy.plan.peak < 0.7 * g.paths[0].numpy.plan.total


def test_notes_say_where_they_come_from():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        on_numpy(lambda x: x * np.random.rand())(1.0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("backend", ["native", "auto"])
def test_native_code(backend):
    pytest.importorskip("llvmlite")
    plain, g = wg.value_and_grad(f), wg.compile(wg.value_and_grad(f), backend=backend)
    strided = np.arange(12.0)[::4] / 7.0
    points = [
        np.array([0.4, -0.3, 1.2]),
        np.array([0.7, -1.3, 0.2]),
        np.array([-0.7, 1.3, 0.2]),
        strided,
        strided[::-1],
    ]
    for _ in range(3):
        for x in points:
            for a, b in zip(g(x), plain(x), strict=True):
                assert type(a) is type(b)
                np.testing.assert_allclose(a, b, rtol=1e-12)
    assert len(g.paths) == 3
    OUTSIDE[0] = 3.0
    try:
        np.testing.assert_allclose(g(points[0])[1], plain(points[0])[1], rtol=1e-12)
    finally:
        OUTSIDE[0] = 1.0
    assert "kernel" in g.explain(points[0])
    for kind in ("llvm", "loops", "asm", "python"):
        assert g.source(kind)


def test_native_threads():
    pytest.importorskip("llvmlite")
    plain, g = wg.grad(f), wg.compile(wg.grad(f), backend="native")
    points = [2.0 * np.array(p) - 0.9 for p in np.ndindex(2, 2, 2)]
    want = [plain(p) for p in points]
    problems = []

    def work(seed):
        try:
            for k in np.random.default_rng(seed).integers(len(points), size=200):
                np.testing.assert_allclose(g(points[k]), want[k], rtol=1e-12)
        except BaseException as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems


def test_native_scalars_keep_their_types():
    pytest.importorskip("llvmlite")
    g = wg.compile(lambda x, y: x * y + 1.0, backend="native")
    for kinds in ((float, float), (np.float64, float), (np.float32, np.float32), (float, float), (float, np.float64)):
        for _ in range(2):
            x, y = kinds[0](1.5), kinds[1](2.5)
            assert g(x, y) == x * y + 1.0
            assert type(g(x, y)) is type(x * y + 1.0)
