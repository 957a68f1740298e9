"""Loops split among threads: the bits of one thread for every number of threads, and the numbers of NumPy."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import ctypes

import wengert
from tests.backends.llvm.random_programs import function_of
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.emit.emit import CannotEmit, emit
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.call import constant_memory
from wengert.backends.llvm.lower.lower import Refused, lower
from wengert.backends.llvm.program import NativePlan
from wengert.backends.llvm.threads import division as threads_division
from wengert.backends.llvm.threads.pool import pool

RANDOM = np.random.default_rng(7)
NUMBERS = (2, 3, 8)
KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)


@pytest.fixture
def eager(monkeypatch):
    """Every loop that may be split is split, into as many blocks as it can be, whatever it takes."""
    for name in ("LEAST", "BLOCK", "EACH", "BETWEEN"):
        monkeypatch.setattr(threads_division, name, 0.0 if name in ("LEAST", "BETWEEN") else 1e-12)


def run(kernel, code, arrays, threads):
    """The answer of a kernel and the bytes of its outputs; memory behind the threads' must stay as it was."""
    symbols = pool().symbols(threads) if kernel.scratch else {}
    library = engine().link(code, [kernel.name], external=kernel.external, symbols=symbols)
    given, held, outputs = iter(arrays), [], []
    for slot in kernel.slots:
        if slot.kind == "input":
            held.append(np.ascontiguousarray(next(given), slot.dtype).reshape(slot.shape))
        elif slot.kind == "constant":
            held.append(constant_memory(slot))
        else:
            outputs.append(np.zeros(slot.shape, slot.dtype))
            held.append(outputs[-1])
    size = kernel.workspace + kernel.scratch * threads
    space = np.full(size + 320, 0xA5, np.uint8)
    start = -space.ctypes.data % 64
    pointers = np.array([a.ctypes.data for a in held], np.uint64)
    answer = KERNEL(library[kernel.name])(pointers.ctypes.data, space.ctypes.data + start)
    assert (space[start + size :] == 0xA5).all(), "memory of nobody was written"
    return answer, [a.tobytes() for a in outputs]


def compared(program, arrays, bits=512):
    """Run a program on one thread and on several; the split kernel, or None where nothing was split."""
    fma = engine().host.fma
    whole = emit(program, width_bits=bits, fma=fma)
    split = emit(program, width_bits=bits, fma=fma, split=True)
    if not split.scratch:
        assert split.text == whole.text
        return None
    want = run(whole, engine().compile(whole.text), arrays, 1)
    code = engine().compile(split.text)
    for threads in (1, *NUMBERS):
        assert run(split, code, arrays, threads) == want, f"{threads} threads"
    return split


def bits_of(plan, values):
    return [np.asarray(v).tobytes() for v in plan.run(list(values))]


def row(x):
    return np.sum(np.sin(x) * np.roll(x, 1)) + np.exp(-np.sum(x * x))


def by_rows(x, factor):
    for k in range(4):
        x = 0.9 * x + np.tanh(x) * factor[k]
    return x


def softmax(x):
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def loss(w, x, y):
    return np.mean(np.log1p(np.exp(-y * (x @ w))))


def steps(x, table):
    return wengert.scan(lambda c, t: (np.tanh(c) * t[0] + c, np.sum(c * t)), x, table)


def extremes(x):
    return np.max(np.sin(x)), np.min(x * x), np.sum(np.exp(x)), np.argmax(x), np.prod(1.0 + 1e-6 * x)


LONG, TALL, SMALL = (
    RANDOM.standard_normal(120_003),
    RANDOM.standard_normal((3001, 40)),
    RANDOM.standard_normal((9001, 5)),
)
PROGRAMS = [
    ("element-wise", lambda x: np.tanh(np.sin(x) * np.exp(-x * x) + np.log1p(x * x)), (LONG,), 1),
    ("single precision", lambda x: np.exp(x) / (1 + np.cos(x) ** 2), (LONG.astype(np.float32),), 1),
    ("counts", lambda x: (np.count_nonzero(x > 0.1), np.sum(x < 2.0), np.floor(x) // 3.0), (LONG,), 1),
    ("a sum of all", lambda x: np.sum(np.tanh(np.exp(x) + np.sin(x))), (LONG,), 1),
    ("gradient", wengert.grad(lambda x: np.sum(np.tanh(np.exp(x) + np.sin(x)))), (LONG,), 1),
    ("neighbours", lambda x: np.sin(x) * np.roll(x, 1) + np.exp(np.concatenate([x[3:], np.cos(x[:3])])), (LONG,), 1),
    ("gradient over rows", wengert.vmap(wengert.grad(row)), (SMALL,), 1),
    ("Hessian over rows", wengert.vmap(wengert.hessian(row)), (SMALL[:2001],), 1),
    ("several sums", extremes, (LONG,), 0),
    ("sums and extremes", lambda x: extremes(x)[:3], (LONG,), 1),
    ("softmax", softmax, (TALL,), 1),
    ("logistic regression", wengert.value_and_grad(loss), (TALL[0], TALL, np.sign(TALL[:, 0])), 1),
    ("in two loops", lambda x: softmax(x) * np.sum(softmax(x), axis=0), (TALL,), 1),
    ("transposed", lambda x: np.exp(x).T * 2, (TALL,), 1),
    ("product", lambda x, y: np.tanh(x[:, :30]) @ y[:30, :20], (TALL, TALL), 1),
    ("indices", lambda x, k: np.sin(x[k]) + x, (LONG, RANDOM.integers(0, LONG.size, LONG.size)), 1),
    ("an unrolled loop", wengert.vmap(by_rows, in_axes=(0, None)), (LONG, np.arange(4.0)), 1),
    ("a scan over rows", wengert.vmap(steps, in_axes=(0, None)), (SMALL, np.ones((6, 5))), None),
    ("a scatter", lambda x, k: np.bincount(k, weights=np.exp(x), minlength=9), (LONG, np.arange(LONG.size) % 9), None),
    ("columns", lambda x: np.sum(np.exp(x), axis=0), (RANDOM.standard_normal((900, 70)),), None),
    ("nothing", lambda x: np.exp(x), (np.zeros((0, 3)),), 0),
]


@pytest.mark.parametrize(("f", "arrays", "split"), [p[1:] for p in PROGRAMS], ids=[p[0] for p in PROGRAMS])
def test_bits_do_not_depend_on_the_number_of_threads(f, arrays, split, eager, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE", "0")  # the thresholds are no part of a kernel's name
    graph = wengert.trace(f)(*arrays)
    given = list(arrays[: len(graph.inputs)])
    alone = NativePlan(graph)
    want = bits_of(alone, given)
    for threads in NUMBERS:
        plan = NativePlan(graph, threads=threads)
        assert bits_of(plan, given) == want, f"{threads} threads"
        found = any(k.kernel.scratch for k in plan.kernels.values())
        assert split is None or found == bool(split), [k.kernel.threads for k in plan.kernels.values()]
    want = f(*arrays)
    want = want if isinstance(want, tuple) else (want,)
    for a, b in zip(alone.run(given), [x for w in want for x in (w if isinstance(w, tuple) else (w,))], strict=True):
        tolerance = 1e-5 if np.asarray(b).dtype == np.float32 else 1e-10
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("start", [0, 40])
def test_random_programs(start, eager):
    split = 0
    for seed in range(start, start + 14):
        try:
            f, arrays = function_of(seed)
            taken = wengert.grad(lambda x, y: f(x, y)[-1], (0, 1)) if seed % 3 == 0 else f  # noqa: B023
            with np.errstate(all="ignore"):
                program = lower(wengert.trace(taken)(*arrays))
            split += compared(program, arrays[: len(program.inputs)], (512, 256, 128)[seed % 3]) is not None
        except (Refused, CannotEmit, ValueError, wengert.WengertError):
            continue
    assert split > 2


@pytest.mark.parametrize("size", [1, 2, 9, 63, 64, 65, 4096, 20_479, 20_480, 20_481, 65_537])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_of_any_length(size, dtype, eager):
    x = RANDOM.standard_normal(size).astype(dtype) * np.logspace(-6, 6, size).astype(dtype)
    f = lambda x: (np.sum(x), np.sum(x * x, dtype=np.float64), np.max(x), np.any(x > 2.0))
    made = compared(lower(wengert.trace(f)(x)), [x])
    assert made is not None or size < 20_000


def test_zeros_of_both_signs_and_nan_in_extremes(eager):
    x = np.zeros(60_001)
    x[::7] *= -1.0
    for place in (None, 0, 31_234, 60_000):
        y = x.copy()
        if place is not None:
            y[place] = np.nan
        f = lambda x: (np.max(x), np.min(x), np.sum(x))
        assert compared(lower(wengert.trace(f)(y)), [y]) is not None


def test_sums_into_large_results(eager):
    x = RANDOM.standard_normal((3000, 90))
    f = lambda w: np.sum(np.log1p(np.exp(x[:, :70] @ w)))
    w = RANDOM.standard_normal((70, 3)) * 0.1
    program = lower(wengert.trace(wengert.grad(f))(w))
    compared(program, [w])


# What is split, and what is said of it.


def test_short_loops_stay_as_they_are():
    x = np.linspace(0.0, 1.0, 500)
    program = lower(wengert.trace(lambda x: np.sin(x) * 2)(x))
    one, several = (emit(program, width_bits=256, fma=False, split=s) for s in (False, True))
    assert one.text == several.text and not several.scratch
    assert several.threads == (several.threads[0],) and "too short" in several.threads[0]


def test_a_plan_tells_what_is_split():
    graph = wengert.trace(lambda x, y: (np.sum(np.exp(x), axis=0), np.sin(np.exp(y))))(np.ones((4000, 70)), LONG)
    plan = NativePlan(graph, threads=2)
    text, loops = plan.explain(), plan.source("loops")
    assert "blocks for at most" in text and "blocks among threads" in loops
    assert "threads" not in NativePlan(graph).explain() and "blocks" not in NativePlan(graph).source("loops")
    columns = NativePlan(wengert.trace(lambda x: np.sum(np.exp(x), axis=0))(np.ones((4000, 70))), threads=2)
    assert "one thread (a sum over it, in one order)" in columns.explain()
    assert "scan: one thread" in NativePlan(wengert.trace(steps)(np.ones(5), np.ones((6, 5))), threads=2).explain()


def test_guards_are_those_of_one_thread():
    def f(x):
        if np.all(x > -5.0) and np.sum(x) > 0:
            return np.exp(x)
        return x

    x = np.ones(90_001)
    graph = wengert.trace(f)(x)
    bad, worse = x.copy(), -x
    bad[70_000] = -9.0
    for values in (bad, worse):
        failed = []
        for threads in (1, *NUMBERS):
            with pytest.raises(GuardFailed) as caught:
                NativePlan(graph, threads=threads).run([values])
            failed.append(caught.value.index)
        assert len(set(failed)) == 1
    np.testing.assert_allclose(NativePlan(graph, threads=3).run([x])[0], np.exp(x), rtol=1e-14)


def test_an_index_that_does_not_fit_is_numpys_error_for_every_number():
    x, k = np.ones(120_000), np.zeros(120_000, int)
    bad = k + 1
    bad[100_000] = 120_000
    for threads in (1, 2, 3):
        f = wengert.compile(lambda x, k: np.exp(np.sin(x[k])), backend="native", threads=threads)
        for index in (k, k + 1, k + 2):
            np.testing.assert_allclose(f(x, index), np.exp(np.sin(x)), rtol=1e-14)
        assert ("blocks for at most" in f.explain()) == (threads > 1)
        with pytest.raises(IndexError):
            f(x, bad)
        np.testing.assert_allclose(f(x, k), np.exp(np.sin(x)), rtol=1e-14)


def test_kernels_on_disk_know_whether_they_are_split(tmp_path, monkeypatch):
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))
    graph, x = wengert.trace(lambda x: np.sin(np.exp(x)))(LONG), LONG
    plans = [NativePlan(graph, threads=n) for n in (1, 2, 1, 3)]
    kernels = [k for p in plans for k in p.kernels.values()]
    assert [k.facts.cached for k in kernels] == [False, False, True, True]
    assert [bool(k.kernel.scratch) for k in kernels] == [False, True, False, True]
    assert kernels[1].kernel.threads == kernels[3].kernel.threads != ()
    assert len({bits_of(p, [x])[0] for p in plans}) == 1
