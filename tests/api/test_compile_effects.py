"""What a program does besides returning: what a replay would leave out is seen, and the function runs uncompiled."""

from __future__ import annotations

import functools
import random
import warnings

import numpy as np
import pytest

import wengert as wg

on_numpy = functools.partial(wg.compile, backend="numpy")


@pytest.fixture(autouse=True)
def _no_notes():
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.CompileWarning)
        yield


def effect(fun, state, match, *, calls=4):
    """Compiled and plain leave the same results and the same state."""
    plain_state, state_of = state()
    want = [fun(plain_state, float(k)) for k in range(calls)]
    wanted = state_of()
    compiled_state, state_of = state()
    g = on_numpy(functools.partial(fun, compiled_state))
    with pytest.warns(wg.CompileWarning, match=match) as caught:
        got = [g(float(k)) for k in range(calls)]
    assert len(caught) == 1
    np.testing.assert_allclose(got, want)
    assert repr(state_of()) == repr(wanted)
    assert not any(wg.core.handle.is_handle(v) for v in np.ravel(np.array(state_of(), dtype=object)))


def test_a_list_that_grows():
    def fun(history, x):
        history.append(x * 2)
        return x * len(history)

    def state():
        held = []
        return held, lambda: held

    effect(fun, state, "changes")


def test_a_counter_attribute():
    class Box:
        pass

    def fun(box, x):
        box.calls = getattr(box, "calls", 0) + 1
        box.last = x
        return x * box.calls

    def state():
        held = Box()
        return held, lambda: (held.calls, held.last)

    effect(fun, state, "changes")


def test_a_dictionary_used_as_a_cache():
    def fun(cache, x):
        cache["n"] = cache.get("n", 0) + 1
        return x + cache["n"]

    def state():
        held = {}
        return held, lambda: held

    effect(fun, state, "changes")


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_outside_array_of_counts(size):
    def fun(counts, x):
        counts[3] += 1
        return x * 2

    def state():
        held = np.zeros(size)
        return held, lambda: held[:6].tolist()

    effect(fun, state, "changes")


def test_a_nonlocal_and_a_global():
    calls = 0

    def f(x):
        nonlocal calls
        global _made_by_f
        calls += 1
        _made_by_f = calls
        return x * calls

    g = on_numpy(f)
    with pytest.warns(wg.CompileWarning, match="changes"):
        assert [g(1.0) for _ in range(3)] == [1.0, 2.0, 3.0]
    assert _made_by_f == calls == 3


def test_random_numbers_stay_random():
    rng = np.random.default_rng(0)

    class Sampler:
        def __init__(self):
            self.rng = np.random.default_rng(1)

        def draw(self, x):
            return x + self.rng.normal()

    for fun in (
        lambda x: x + np.random.normal(),
        lambda x: x + rng.uniform(),
        lambda x: x + random.random(),
        lambda x: x + np.random.default_rng().normal(),
        Sampler().draw,
        wg.grad(lambda x: x * np.random.rand()),
    ):
        g = on_numpy(fun)
        with pytest.warns(wg.CompileWarning, match="random"):
            assert len({float(g(1.0)) for _ in range(5)}) == 5
    g = on_numpy(lambda x, rng: x + rng.normal())
    with pytest.warns(wg.CompileWarning, match="random"):
        assert g(1.0, np.random.default_rng(3)) == 1.0 + np.random.default_rng(3).normal()


def test_seeded_random_numbers_are_constants():
    f = lambda x: x * np.random.default_rng(7).normal(size=3)
    g = on_numpy(f)
    for x in (1.0, 2.0, 3.0):
        np.testing.assert_array_equal(g(x), f(x))
    assert len(g.paths) == 1


def test_writes_into_arguments_reach_the_caller():
    def f(x, y):
        x[0] = y * 2
        x += 1.0
        return x.sum()

    g = on_numpy(f)
    for k in range(4):
        a, b = np.arange(3.0) + k, np.arange(3.0) + k
        assert f(a, 1.0 + k) == g(b, 1.0 + k)
        np.testing.assert_array_equal(a, b)
    locked = np.arange(3.0)
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        g(locked, 1.0)


def test_writes_into_arguments_that_overlap():
    def f(x, y):
        x[0] = 5.0
        y[1] = x[0] * y[0]
        return x.sum() + y.sum()

    for overlapping in (lambda a: (a, a), lambda a: (a[:3], a[1:])):
        g = on_numpy(f)
        for _ in range(3):
            separate = [np.arange(4.0), np.arange(4.0)]
            assert g(*separate) == f(np.arange(4.0), np.arange(4.0))
        a, b = np.arange(4.0), np.arange(4.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wg.CompileWarning)
            assert f(*overlapping(a)) == g(*overlapping(b))
        np.testing.assert_array_equal(a, b)


def test_writes_into_containers_and_integer_arrays():
    def f(params, counts, x):
        params["seen"] = x
        counts[0] += 1
        return x * counts[0]

    g = on_numpy(f)
    params, counts = {}, np.zeros(2, int)
    with pytest.warns(wg.CompileWarning, match="argument|changes"):
        assert [g({**params}, counts, 2.0) for _ in range(3)] == [2.0, 4.0, 6.0]
        held = {}
        g(held, counts, 3.0)
    assert held == {"seen": 3.0}
    assert counts[0] == 4


def test_results_that_hold_more_than_numbers():
    class Result:
        def __init__(self, value):
            self.value = value

    g = on_numpy(lambda x: Result(x * 2))
    with pytest.warns(wg.CompileWarning, match="returns a Result"):
        assert [g(k).value for k in (1.0, 2.0)] == [2.0, 4.0]
    h = on_numpy(lambda x: wg.vjp(np.sin, x))
    with pytest.warns(wg.CompileWarning, match="returns a"):
        assert [float(h(k)[1](1.0)[0]) for k in (1.0, 2.0)] == [np.cos(1.0), np.cos(2.0)]


def test_tensors_outside_and_as_arguments():
    w = wg.tensor([1.0, 2.0], requires_grad=True)
    f = lambda x: (w * x).sum()
    g = on_numpy(f)
    with pytest.warns(wg.CompileWarning, match="Tensor"):
        out = g(3.0)
    out.backward()
    np.testing.assert_array_equal(np.asarray(w.grad), [3.0, 3.0])
    h = on_numpy(lambda x: (x * x).sum())
    v = wg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(wg.CompileWarning, match="history"):
        h(v).backward()
    np.testing.assert_array_equal(np.asarray(v.grad), [2.0, 4.0])


def test_state_that_cannot_be_compared():
    import array
    import itertools

    counter = itertools.count(1)
    numbers = array.array("d", [1.0, 2.0])
    for fun in (lambda x: x * next(counter), lambda x: x * numbers[0]):
        g = on_numpy(fun)
        numbers[0] = 1.0
        with pytest.warns(wg.CompileWarning, match="cannot be compared"):
            first = g(1.0)
        numbers[0] = 2.0
        assert first == 1.0
        assert g(1.0) == 2.0
    total = on_numpy(lambda numbers: sum(numbers))
    for _ in range(3):
        assert total(k * 0.5 for k in range(4)) == 3.0
