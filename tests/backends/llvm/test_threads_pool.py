"""The pool of threads: when it starts, who shares it, what a fork and the end of a process do to it."""

import ctypes
import ctypes.util
import os
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import wengert
from tests.backends.llvm.kernels import fresh_python
from wengert.backends.llvm import native_kernel
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.program import NativePlan
from wengert.backends.llvm.threads.pool import Pool, pool
from wengert.backends.llvm.threads.text import MOST, SPLIT

X = np.random.default_rng(3).standard_normal(150_001)

# Writes the block's number to every place of its range, and adds one to a counter of the thread's own memory.
RANGE = """
define void @range(ptr %args, ptr %workspace, ptr %own, i64 %first, i64 %last, i64 %block) {
  %n = load i64, ptr %own
  %n1 = add i64 %n, 1
  store i64 %n1, ptr %own
  br label %head
head:
  %i = phi i64 [ %first, %0 ], [ %i1, %body ]
  %more = icmp slt i64 %i, %last
  br i1 %more, label %body, label %end
body:
  %at = getelementptr i64, ptr %args, i64 %i
  %was = load i64, ptr %at
  %sum = add i64 %was, %block
  store i64 %sum, ptr %at
  %i1 = add i64 %i, 1
  br label %head
end:
  ret void
}
"""


def wave(x):
    return np.tanh(np.sin(x) * np.exp(-x * x)), np.sum(np.cos(x))


def split(made, function, steps, blocks, threads):
    """Run ranges on a pool: what was written, and how many blocks each thread had."""
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 4)(made.library[SPLIT])
    written, own = np.zeros(steps, np.int64), np.zeros((threads, 8), np.int64)
    call(function, written.ctypes.data, 0, own.ctypes.data, 64, steps, blocks, threads)
    return written, own[:, 0]


@pytest.mark.parametrize(("steps", "blocks"), [(0, 3), (1, 1), (5, 64), (64, 64), (1000, 7), (100_003, 64)])
def test_every_step_is_run_once(steps, blocks):
    library = engine().link(engine().compile(RANGE), ["range"])
    want = np.zeros(steps, np.int64)
    for b in range(blocks):
        want[b * steps // blocks : (b + 1) * steps // blocks] = b
    for threads in (1, 2, 3, 8):
        for _ in range(20):
            written, had = split(pool(), library["range"], steps, blocks, threads)
            assert np.array_equal(written, want) and had.sum() == blocks


def test_the_calling_thread_does_what_others_do_not():
    made = Pool()
    made._start = lambda *given: ctypes.c_ulong(-1).value  # as where the system has no more threads
    library = engine().link(engine().compile(RANGE), ["range"])
    for _ in range(3):
        written, had = split(made, library["range"], 5000, 10, 4)
        assert np.array_equal(written, np.arange(5000) // 500) and had.tolist() == [10, 0, 0, 0]
    assert made.helpers == 0


def test_helpers_are_started_when_needed_and_no_more_than_needed():
    printed = fresh_python("""
import numpy as np, threading, wengert
from wengert.backends.llvm.threads.pool import pool
small = wengert.compile(np.sin, backend="native", threads=4)
print(small(np.ones(10))[0] == np.sin(1.0), small(np.zeros(10))[0], pool().helpers)
large = wengert.compile(lambda x: np.tanh(np.sin(np.exp(-x * x))), backend="native", threads=3)
x = np.linspace(-1.0, 1.0, 400_000)
for _ in range(3):
    y = large(x)
print(np.allclose(y, np.tanh(np.sin(np.exp(-x * x)))), pool().helpers, threading.active_count())
again = wengert.compile(lambda x: np.sin(np.exp(-x * x)), backend="native", threads=2)
again(x), again(x), print(pool().helpers)
""")
    assert printed.split() == ["True", "0.0", "0", "True", "2", "1", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_has_threads_of_its_own():
    printed = fresh_python(
        """
import os, threading, warnings
import numpy as np, wengert
from wengert.backends.llvm.threads.pool import pool
warnings.simplefilter("ignore")  # Python 3.12 tells of threads in a process that forks
f = wengert.compile(lambda x: (np.tanh(np.sin(x)), np.sum(np.exp(x))), backend="native", threads=3)
x = np.linspace(-1.0, 1.0, 300_000)
f(x); want = f(x)
stop = threading.Event()
def busy():
    while not stop.is_set():
        f(x)
thread = threading.Thread(target=busy)
thread.start()
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        before = pool().helpers
        same = all(np.array_equal(a, b) for _ in range(3) for a, b in zip(f(x), want))
        os._exit(0 if before == 0 and same and pool().helpers == 2 else 1)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
stop.set()
thread.join()
print(all(np.array_equal(a, b) for a, b in zip(f(x), want)), pool().helpers)
"""
    )
    assert printed.splitlines() == ["[0, 0, 0, 0, 0]", "True 2"]


def test_a_process_ends_while_threads_are_at_work():
    start = time.monotonic()
    fresh_python(
        """
import threading, time
import numpy as np, wengert
f = wengert.compile(lambda x: np.tanh(np.sin(x)), backend="native", threads=3)
x = np.linspace(-1.0, 1.0, 300_000)
f(x)
def busy():
    while True:
        f(x)
for _ in range(2):
    threading.Thread(target=busy, daemon=True).start()
time.sleep(0.1)
""",
        tests="1",
    )
    assert time.monotonic() - start < 30


def test_python_threads_share_a_function():
    g = wengert.value_and_grad(lambda x: np.sum(np.exp(-x * x) * np.tanh(x)))
    f = wengert.compile(g, backend="native", threads=3)
    f(X)  # the first call is the recorded run
    want = {k: f(X * k) for k in (0.5, 0.9, 1.3, 2.0)}
    wrong = []

    def work(k):
        for _ in range(15):
            value, slope = f(X * k)
            if value != want[k][0] or not np.array_equal(slope, want[k][1]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in want]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    for k, (value, slope) in want.items():
        y = X * k
        np.testing.assert_allclose(value, np.sum(np.exp(-y * y) * np.tanh(y)), rtol=1e-10)
        exact = np.exp(-y * y) * (1.0 / np.cosh(y) ** 2 - 2.0 * y * np.tanh(y))
        np.testing.assert_allclose(slope, exact, rtol=1e-10, atol=1e-13)


def test_other_threads_of_python_run_while_native_code_does():
    """With a switch interval that never comes, the other thread has its turn only where the lock is given up."""
    f = wengert.compile(lambda x: np.tanh(np.sin(x) * np.exp(-x * x)), backend="native")
    go, turns = threading.Event(), []

    def other():
        go.wait()
        turns.append(time.perf_counter())

    f(X), f(X)
    thread, interval = threading.Thread(target=other), sys.getswitchinterval()
    thread.start()
    sys.setswitchinterval(1000.0)
    try:
        go.set()
        for _ in range(200):
            f(X)
        end = time.perf_counter()
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert turns[0] < end


def test_threads_that_need_much_memory_are_few(monkeypatch):
    monkeypatch.setattr(native_kernel, "SCRATCHES", 3 * 64)
    graph = wengert.trace(wave)(X)
    plan = NativePlan(graph, threads=8)
    (kernel,) = plan.kernels.values()
    assert kernel.kernel.scratch == 64 and kernel.workspace == kernel.kernel.workspace + 3 * 64
    for a, b in zip(NativePlan(graph).run([X]), plan.run([X]), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_many_more_threads_than_processors():
    graph = wengert.trace(wave)(X)
    alone, crowd = NativePlan(graph), NativePlan(graph, threads=1000)
    for a, b in zip(alone.run([X]), crowd.run([X]), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert pool().helpers < MOST


UPWARD = {"x86_64": 0x800, "AMD64": 0x800, "aarch64": 0x400000, "arm64": 0x400000}


@pytest.mark.skipif(sys.platform == "win32", reason="looks for fesetround in the C library")
def test_helpers_round_as_the_caller_does():
    machine = os.uname().machine
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    if machine not in UPWARD:
        pytest.skip(f"the word for rounding upwards on {machine} is not known")
    graph = wengert.trace(lambda x: np.sqrt(x * x + 1.0) / 3.0 + np.sqrt(x * x * 3.0) / 7.0)(np.tile(X, 4))
    alone, several = NativePlan(graph), NativePlan(graph, threads=3)
    x = np.tile(X, 4)
    nearest = several.run([x])[0]
    assert library.fesetround(UPWARD[machine]) == 0
    try:
        upward = [p.run([x])[0] for p in (alone, several, several, several)]
    finally:
        library.fesetround(0)
    assert all(np.array_equal(u, upward[0]) for u in upward)
    assert np.mean(upward[0] > nearest) > 0.5
    assert np.array_equal(several.run([x])[0], nearest)
