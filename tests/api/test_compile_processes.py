"""Compiled functions and processes: forks, first calls from many threads, the end of the interpreter, a llvmlite that
does not serve. The answers are those of the function, and every process ends by itself."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import wengert as wg

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def run(program, **environment):
    """What a program prints in a process of its own that ends by itself, with nothing said on stderr."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program], capture_output=True, text=True, timeout=100,
        env={**os.environ, "WENGERT_CACHE": "0", **environment}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


FORKS = """
import os, threading, time, warnings
import numpy as np
import wengert as wg
warnings.simplefilter("ignore")  # newer Pythons tell of threads in a process that forks

def deep(k):
    def f(x):
        y = x
        for i in range(4):
            y = np.sin(y * 1.1) + np.cumsum(y) * (0.01 * k) + np.sort(y)
        return np.sum(y * y)
    return f

x = np.linspace(-1.0, 1.0, 10)
early = wg.compile(wg.grad(deep(7)), backend="native")
if WARM:
    early(x), early(x)
held = []
for k, pause in enumerate((0.0, 0.02, 0.1)):
    held.append(wg.compile(wg.grad(deep(k)), wait=False, backend="native"))
    held[-1](x)  # a thread compiles from here on
    time.sleep(pause)
    child = os.fork()
    if child == 0:
        ok = np.allclose(early(x), wg.grad(deep(7))(x))
        for j, f in enumerate(held):
            ok = ok and np.allclose(f(x), wg.grad(deep(j))(x))
        mine = wg.compile(wg.grad(deep(9)), wait=False)
        ok = ok and np.allclose(mine(x), wg.grad(deep(9))(x)) and "native" in early.explain()
        os._exit(0 if ok else 3)
    deadline = time.monotonic() + 30.0
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, (k, status)
            break
        if time.monotonic() > deadline:
            os.kill(child, 9)
            raise SystemExit(f"the child of fork {k} waits for ever")
        time.sleep(0.005)
print("done")
"""


@needs_fork
@pytest.mark.parametrize("warm", [False, True])
def test_forks_while_code_is_compiled(warm):
    pytest.importorskip("llvmlite")
    assert run(f"WARM = {warm}\n" + FORKS) == "done\n"


@needs_fork
def test_locks_that_other_threads_held_are_free_in_a_child():
    program = """
import os, threading
from wengert.core.locks import ForkLock
mine, theirs = ForkLock(), ForkLock()
taken, go = threading.Event(), threading.Event()
def hold():
    with theirs:
        taken.set()
        go.wait()
thread = threading.Thread(target=hold)
thread.start()
taken.wait()
assert not theirs.acquire(timeout=0.01)
import warnings
warnings.simplefilter("ignore")
with mine:
    child = os.fork()
    if child == 0:
        free = theirs.acquire(timeout=5.0)
        if not free:
            os._exit(3)
        stranger = []
        t = threading.Thread(target=lambda: stranger.append(mine.acquire(timeout=0.01)))
        t.start(), t.join()
        os._exit(4 if stranger[0] else 0)  # what the forking thread holds, it still holds
    assert os.waitpid(child, 0)[1] == 0
go.set()
thread.join()
"""
    assert run(program) == ""


@needs_fork
def test_compiled_functions_in_a_pool_of_processes():
    pytest.importorskip("llvmlite")
    program = """
import multiprocessing, warnings
import numpy as np
import wengert as wg
warnings.simplefilter("ignore")

@wg.compile(backend="native")
def loss(x):
    return np.sum(np.exp(-x * x) * np.sin(x))

if __name__ == "__main__":
    points = [np.linspace(0.0, k, 5) for k in range(1, 9)]
    loss(points[0]), loss(points[0])
    with multiprocessing.get_context("fork").Pool(3) as pool:
        found = pool.map(loss, points)
    assert np.allclose(found, [np.sum(np.exp(-x * x) * np.sin(x)) for x in points])
    print("done")
"""
    assert run(program) == "done\n"


def test_first_calls_from_many_threads():
    pytest.importorskip("llvmlite")

    def f(x):
        y = np.tanh(x) * x
        return np.sum(np.where(x > 0, y, np.exp(x))) if x[0] > 0 else np.sum(np.sort(y) * 3.0)

    plain = wg.value_and_grad(f)
    for wait in (True, False):
        g = wg.compile(plain, backend="native", wait=wait)
        problems = []
        start = threading.Barrier(5)

        def work(seed, g=g, problems=problems, start=start):
            rng = np.random.default_rng(seed)
            start.wait()
            try:
                for k in range(15):
                    x = rng.normal(size=rng.choice([3, 4]))
                    for a, b in zip(g(x), plain(x), strict=True):
                        np.testing.assert_allclose(a, b, rtol=1e-11)
                    if (seed, k) == (0, 7):
                        g.clear()
                    if seed == 1:
                        assert g.explain()
            except BaseException as problem:  # noqa: BLE001
                problems.append(problem)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not problems


ENDS = """
import os, sys, threading, time
import numpy as np
import wengert as wg

def deep(x):
    for i in range(8):
        x = np.sin(x * 1.1) + np.cumsum(x) * 0.01 + np.sort(x)
    return np.sum(x * x)

x = np.linspace(-1.0, 1.0, 10)
held = [wg.compile(wg.grad(lambda x, k=k: deep(x) * k), wait=False, backend="native") for k in range(2)]
assert all(np.isfinite(f(x)).all() for f in held)
def endless():
    while True:
        fresh = wg.compile(deep, backend="native")
        fresh(x), fresh(x)
print("done", flush=True)
"""


@pytest.mark.parametrize(
    "end",
    [
        "", "import gc; del held; gc.collect(); raise SystemExit(0)",
        "threading.Thread(target=endless, daemon=True).start(); time.sleep(0.2)",
    ],
)  # fmt: skip
def test_ends_of_the_interpreter_while_something_compiles(end):
    pytest.importorskip("llvmlite")
    assert run(ENDS + end) == "done\n"


# ---------------------------------------------------------------- llvmlite


PROGRAM = """
import warnings
import numpy as np
import wengert as wg
x = np.array([0.3, 0.1, 2.0])
plain = wg.grad(lambda x: np.sum(np.exp(x) * x))
for backend in ("auto", "native", "numpy"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f = wg.compile(plain, backend=backend)
        for _ in range(3):
            assert np.allclose(f(x), plain(x))
    print(backend, len(caught), *(w.message for w in caught))
"""


@pytest.mark.parametrize(
    ("package", "binding", "said"),
    [
        ("raise AttributeError('half of it')", "", "does not load (AttributeError: half of it)"),
        ("__version__ = '0.39.1'", "", "found 0.39.1"),
        ("__version__ = '0.50.0'", "raise OSError('libllvmlite.so')", "does not load (OSError: libllvmlite.so)"),
        ("__version__ = '9.9'", "create_lljit_compiler = create_pass_builder = None", "does not serve (AttributeError"),
    ],
)  # fmt: skip
def test_a_llvmlite_that_does_not_serve(tmp_path, package, binding, said):
    (tmp_path / "llvmlite" / "binding").mkdir(parents=True)
    (tmp_path / "llvmlite" / "__init__.py").write_text(package)
    (tmp_path / "llvmlite" / "binding" / "__init__.py").write_text(binding)
    path = os.pathsep.join([str(tmp_path), str(Path.cwd())])
    lines = run(PROGRAM, PYTHONPATH=path).splitlines()
    assert [line.split()[:2] for line in lines] == [["auto", "1"], ["native", "1"], ["numpy", "0"]]
    assert all(said in line for line in lines[:2]), lines
    assert "uses NumPy only" in lines[0] and "generated NumPy code runs instead" in lines[1]


@pytest.mark.parametrize("setting", ["WENGERT_CPU_FEATURES", "WENGERT_NATIVE_ENTRY"])
def test_a_setting_that_means_nothing(setting):
    pytest.importorskip("llvmlite")
    said = run(PROGRAM.replace('"auto", "native", "numpy"', '"native",'), **{setting: "nonsense"})
    assert said.startswith("native 1 ") and f"{setting}='nonsense'" in said
