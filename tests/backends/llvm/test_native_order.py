"""Sorts, the places that sort, groups of equal elements and searches as native code, against NumPy."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree, run
from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.emit.sort import SHORT
from wengert.backends.llvm.indexed import Axis, Program, Read, Routine, ScanOutput, Slot, Store
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.program import NativePlan
from wengert.backends.llvm.routines import SORT

pytest.importorskip("llvmlite")

INT64 = np.dtype(np.int64)


@pytest.fixture(autouse=True)
def _faults_are_errors(monkeypatch):
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")


def sorting(shape, dtype, numbers):
    """The program that sorts rows and gives these outputs: the values (0), their places (1)."""
    axes = tuple(Axis(n) for n in shape)
    slot = Slot("x", shape, dtype, "input")
    routine = Routine(SORT, ((Read(axes, dtype, slot, axes), axes),))
    stores = []
    for k in numbers:
        fresh, kind = tuple(Axis(n) for n in shape), (dtype, INT64)[k]
        value = ScanOutput(fresh, kind, routine, k, fresh)
        stores.append(Store(Slot(f"y{k}", shape, kind, "output"), value, fresh))
    return Program((slot,), (), tuple(stores))


def rows(shape, dtype, seed):
    """Rows with equal elements, both zeros, infinities and NaN."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "i":
        info = np.iinfo(dtype)
        x = rng.integers(-50, 50, shape).astype(dtype)
        return np.where(rng.random(shape) < 0.2, rng.choice([info.min, info.max], shape), x).astype(dtype)
    x = np.round(rng.standard_normal(shape) * 30) / 3
    special = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-310, -1e-45], shape)
    return np.where(rng.random(shape) < 0.3, special, x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int32"])
@pytest.mark.parametrize("n", [2, 3, 17, SHORT, SHORT + 1, 400])
def test_rows_are_sorted_as_numpy_sorts_them(n, dtype):
    kind = np.dtype(dtype)
    x = rows((3, n), kind, n)
    for numbers in ((0,), (1,), (0, 1)):
        (*_, last), answer = run(sorting(x.shape, kind, numbers), [x], 256)
        assert answer == 0
        want = np.argsort(x, axis=-1, kind="stable") if numbers[-1] else np.sort(x, axis=-1)
        np.testing.assert_array_equal(last, want)
    (values, places), _ = run(sorting(x.shape, kind, (0, 1)), [x])
    assert values.tobytes() == np.take_along_axis(x, places, -1).tobytes()  # zeros keep their signs, NaN its bits


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_long_rows_of_all_sizes(dtype):
    rng = np.random.default_rng(8)
    x = (rng.standard_normal(20001) * 10.0 ** rng.integers(-8, 12, 20001)).astype(dtype)
    (values, places), _ = run(sorting(x.shape, x.dtype, (0, 1)), [x])
    np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))
    np.testing.assert_array_equal(values, np.sort(x))
    ((alone,), _) = run(sorting(x.shape, x.dtype, (0,)), [x])
    np.testing.assert_array_equal(alone, np.sort(x))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis_of_a_computed_array(axis):
    x = np.random.default_rng(1).standard_normal((7, 5, 4))

    def f(x):
        y = np.sin(x) * 2.0
        places = np.argsort(y, axis=axis, kind="stable")
        return np.sort(y, axis=axis), np.take_along_axis(y, places, axis), places

    program = lower(wengert.trace(f)(x))
    got = agree(program, [x])
    for a, b in zip(got, f(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_places_whose_order_numpy_leaves_open_are_numpys():
    x = np.random.default_rng(2).integers(0, 9, 300).astype(float)
    plan = NativePlan(wengert.trace(lambda x: np.argsort(x * 2.0))(x))
    assert not plan.fallen
    np.testing.assert_array_equal(plan.run([x])[0], np.argsort(x * 2.0))
    apart = np.random.default_rng(2).permutation(300) * 1.0
    np.testing.assert_array_equal(plan.run([apart])[0], np.argsort(apart))
    for k in (1, 2):
        apart[:k] = np.nan
        np.testing.assert_array_equal(plan.run([apart])[0], np.argsort(apart * 2.0))


def test_a_guard_on_places_is_asked_of_numpys():
    def f(x):
        places = np.argsort(x)
        return x * 2.0 if places[0] == 2 and places[-1] == 0 else -x

    graph = wengert.trace(f)(np.array([3.0, 2.0, 1.0]))
    plan = NativePlan(graph)
    assert not plan.fallen and len(graph.guards) == 2
    x = np.repeat(np.random.default_rng(3).permutation(40) * 1.0, 2)
    for ties in (np.array([3.0, 1.0, 1.0]), np.array([3.0, 3.0, 1.0]), np.array([3.0, 2.0, np.nan])):
        try:
            graph.evaluate([ties])
        except ValueError:
            with pytest.raises(GuardFailed):
                plan.run([ties])
        else:
            np.testing.assert_array_equal(plan.run([ties])[0], f(ties))
    for n in (64, 80):
        first, last = (int(k) for k in np.argsort(x[:n])[[0, -1]])

        def g(x, first=first, last=last):
            places = np.argsort(x)
            return np.sort(x) if int(places[0]) == first and int(places[-1]) == last else -x

        (got,) = NativePlan(wengert.trace(g)(x[:n])).run([x[:n]])  # the guards hold for NumPy's places
        np.testing.assert_array_equal(got, np.sort(x[:n]))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 100])
@pytest.mark.parametrize("dtypes", [(float, float), (np.float32, float), (np.float32, np.float32)])
def test_searches(n, dtypes):
    rng = np.random.default_rng(n)
    table = np.sort(np.concatenate([rng.integers(0, n, n - n // 4) * 1.0, [np.nan, np.inf, -np.inf] * n])[:n])
    sought = np.concatenate([rng.integers(-1, n + 1, 40) * 1.0, rng.standard_normal(20), [np.nan, np.inf, -np.inf]])
    table, sought = table.astype(dtypes[0]), sought.astype(dtypes[1]).reshape(9, 7)

    def f(a, v):
        return np.searchsorted(a, v), np.searchsorted(a, v, side="right")

    program = lower(wengert.trace(f)(table, sought))
    for got, want in zip(agree(program, [table, sought]), f(table, sought), strict=True):
        np.testing.assert_array_equal(got, want)


def median_of_rows(x):
    """A loss of medians."""
    return np.sum(np.median(x, axis=1) ** 2) + np.sum(np.sort(x, axis=0) * np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("ties", [False, True])
def test_gradients_of_sorts_have_no_step_of_numpy(ties):
    x = np.random.default_rng(4).standard_normal((4, 3))
    if ties:
        x[1] = x[2]
    compiled = wengert.compile(wengert.grad(median_of_rows), backend="native")
    got = compiled(x)
    assert " 0 steps of NumPy" in compiled.explain(), compiled.explain()
    np.testing.assert_allclose(got, wengert.grad(median_of_rows)(x), rtol=1e-14, atol=1e-14)
    step = 1e-6
    for index in np.ndindex(x.shape):
        if not ties:
            e = np.zeros_like(x)
            e[index] = step
            slope = (median_of_rows(x + e) - median_of_rows(x - e)) / (2 * step)
            assert abs(got[index] - slope) < 1e-6


def test_a_sort_and_its_places_are_one_routine():
    x = np.random.default_rng(5).standard_normal(50)
    plan = NativePlan(wengert.trace(wengert.grad(lambda x: np.sum(np.sort(x) ** 2 * np.arange(50.0))))(x))
    assert plan.source("loops").count("sort(") == 1
    order = np.argsort(x)
    want = np.empty(50)
    want[order] = 2 * x[order] * np.arange(50.0)
    np.testing.assert_allclose(plan.run([x])[0], want, rtol=1e-14)


def test_places_of_extremes_among_what_is_no_number():
    x = np.random.default_rng(6).standard_normal((6, 7))
    x[1, 2:5], x[2, :6] = np.nan, np.nan

    def f(x):
        return np.nanargmax(x, axis=1), np.nanargmin(x, axis=0), np.nanargmax(x)

    plan = NativePlan(wengert.trace(f)(x))
    assert not plan.fallen
    low = x.copy()
    low[1] = -np.inf
    for point in (x, low, -x):
        for got, want in zip(plan.run([point]), f(point), strict=True):
            np.testing.assert_array_equal(got, want)
    x[3] = np.nan
    with pytest.raises(ValueError, match="All-NaN slice"):
        plan.run([x])


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_quantiles_keep_the_precision_of_the_array(backend):
    x = np.random.default_rng(7).standard_normal((4, 5)).astype(np.float32)
    for f in (lambda x: np.median(x, axis=1), lambda x: np.quantile(x, 0.3, axis=0), lambda x: np.percentile(x, 91)):
        compiled = wengert.compile(f, backend=backend)
        for point in (x, x * np.float32(0.7)):
            got, want = compiled(point), f(point)
            assert got.dtype == want.dtype == np.float32
            np.testing.assert_allclose(got, want, rtol=2e-6, atol=1e-7)
