"""Compiled functions in trouble: arguments that overlap or may not be written to, errors half-way, functions of all
kinds. The answers are those of the function, or an error that says what is wrong."""

from __future__ import annotations

import functools
import sys
import traceback
import types
import warnings

import numpy as np
import pytest

import wengert as wg


@pytest.fixture(params=["numpy", "native"])
def compiled(request):
    """``compile`` for a backend."""
    if request.param == "native":
        pytest.importorskip("llvmlite")
    return functools.partial(wg.compile, backend=request.param)


# ---------------------------------------------------------------- arguments


def shifted_sum(x, y):
    x[1:] = y[:-1] * 2.0
    x += y
    return np.sum(x * y), x


def pairs(values):
    """Two arrays of four elements that lie in memory in all ways; the memory as well."""
    base = np.array(values)
    one = base[:4]
    locked = base[4:].copy()
    locked.flags.writeable = False
    odd = np.zeros(8 * 8 + 1, np.uint8)[1:].view(np.float64)
    odd[:] = base
    return [
        (base[:4], base[4:], base), (one, one, base), (base[:4], base[2:6], base), (base[::2], base[1::2], base),
        (base[:4][::-1], base[:4], base), (base[:4], locked, base), (odd[:4], odd[4:], odd), (odd[:4], odd[1:5], odd),
        (np.lib.stride_tricks.as_strided(base, (4,), (0,)), base[4:], base),
        (np.lib.stride_tricks.as_strided(base.view(np.uint8)[:32].view(np.float64), (4,), (8,)), base[4:], base),
        (base[:4].astype(">f8"), base[4:], base),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore::wengert.CompileWarning")
def test_arguments_that_overlap_and_are_written_to(compiled):
    count = len(pairs(range(8)))
    for first in range(count):
        f = compiled(shifted_sum)
        for k in (first, first, 0, 3, first, 8, 9, 0):
            values = np.sin(np.arange(8.0) + k)
            *want, memory_wanted = pairs(values)[k]
            *got, memory = pairs(values)[k]
            value, x = shifted_sum(*want)
            found, y = f(*got)
            np.testing.assert_allclose(found, value, rtol=1e-13)
            np.testing.assert_array_equal(y, x)
            np.testing.assert_array_equal(got[0], want[0])
            np.testing.assert_array_equal(memory, memory_wanted)


def raise_both(x, y):
    x += 1.0
    y *= 2.0  # here
    return x.sum() + y.sum()


@pytest.mark.parametrize("calls_before", [0, 1, 3])
def test_an_argument_that_may_not_be_written_to(compiled, calls_before):
    f = compiled(raise_both)
    for _ in range(calls_before):
        f(np.ones(3), np.ones(3))
    locked = np.ones(3)
    locked.flags.writeable = False
    for _ in range(3):
        x = np.ones(3)
        with pytest.raises(ValueError, match="read-only") as caught:
            f(x, locked)
        assert traceback.extract_tb(caught.tb)[-1].line == "y *= 2.0  # here"
        assert x.tolist() == [2.0, 2.0, 2.0]  # as the function itself leaves it
    x, y = np.ones(3), np.ones(3)
    assert f(x, y) == 12.0 and x.tolist() == y.tolist() == [2.0, 2.0, 2.0]


def half(x):
    x[0] = 7.0
    if x[1] > 0:
        raise KeyError("mine")
    return x * 2.0


def test_what_was_written_before_an_error_is_written_once(compiled):
    f = compiled(half)
    for sign in (1.0, -1.0, 1.0, -1.0, 1.0):
        x = sign * np.ones(2)
        if sign > 0:
            with pytest.raises(KeyError, match="mine"):
                f(x)
        else:
            assert f(x).tolist() == [14.0, -2.0]
        assert x.tolist() == [7.0, sign]


def solved(x, b):
    b += 1.0
    y = np.linalg.solve(x, b)  # the step that raises
    b *= 2.0
    return np.sum(np.sin(y))


def test_a_step_of_numpy_that_raises_leaves_the_arguments_as_the_function_does(compiled):
    f = compiled(solved)
    good, bad = np.eye(3) * 2.0, np.ones((3, 3))
    for x in (good, good, bad, good, bad, bad, good):
        want, b = np.arange(3.0), np.arange(3.0)
        if x is good:
            assert f(x, b) == pytest.approx(solved(x, want), rel=1e-14)
        else:
            with pytest.raises(np.linalg.LinAlgError):
                solved(x, want)
            with pytest.raises(np.linalg.LinAlgError) as caught:
                f(x, b)
            lines = [entry.line for entry in traceback.extract_tb(caught.tb)]
            assert "y = np.linalg.solve(x, b)  # the step that raises" in lines
        assert b.tolist() == want.tolist()


class Own(np.ndarray):
    """A subclass, which may mean anything by its operations."""

    def __mul__(self, other):
        return np.asarray(self) * other * 100.0


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_objects_that_are_not_plain_arrays(compiled):
    def f(x):
        return x * 2.0, np.sum(x)

    g = compiled(f)
    x = np.arange(4.0).reshape(2, 2)
    masked = np.ma.array(x, mask=[[False, True], [False, False]])
    for value in (x, masked, np.matrix(x), x.view(Own), x, masked, x.tolist(), x.astype(object), x > 1.0, x):
        want = f(value) if not isinstance(value, list) else None
        if want is None:
            with pytest.raises(TypeError, match="multiply"):
                g(value)
            continue
        got = g(value)
        assert type(got[0]) is type(want[0]) and type(got[1]) is type(want[1])
        assert np.array_equal(got[0], want[0]) and got[1] == want[1]
    assert g(masked)[0].mask.tolist() == masked.mask.tolist()


def one_object(a, b):
    return a * 1.0 if a is b else a + b


def one_id(a, b):
    return a * 1.0 if id(a) == id(b) else a + b


def one_memory(a, b):
    return a * 1.0 if np.shares_memory(a, b) else a + b


def may_be_written_to(a, b):
    return a * b if b.flags.writeable else a - b


def in_order(a, b):
    return a * b if b.flags["C_CONTIGUOUS"] else a - b


@pytest.mark.filterwarnings("ignore::wengert.CompileWarning")
@pytest.mark.parametrize("fun", [one_object, one_id, one_memory, may_be_written_to, in_order])
def test_questions_about_the_memory_of_arguments(compiled, fun):
    x = np.arange(1.0, 5.0)
    locked = x + 1.0
    locked.flags.writeable = False
    calls = [(x, x.copy()), (x, x), (x, locked), (x, np.repeat(x, 2)[::2]), (x, x[:]), (x, x + 2.0)]
    for first in range(len(calls)):
        f = compiled(fun)
        for args in (calls[first], *calls, calls[0], calls[0]):
            np.testing.assert_array_equal(f(*args), fun(*args))
        assert len(f.paths) == 1  # the usual arguments are replayed


def test_a_question_about_arguments_is_noted_once_and_records_once(compiled):
    g = compiled(one_object)
    x = np.ones(2)
    with pytest.warns(wg.CompileWarning, match="whether two objects are one, and some are one array") as caught:
        for _ in range(5):
            assert g(x, x).tolist() == [1.0, 1.0]
    assert len(caught) == 1
    for _ in range(3):
        assert g(x, x.copy()).tolist() == [2.0, 2.0] and g(x, x).tolist() == [1.0, 1.0]
    assert len(g.paths) == 1


def exactly_array(x):
    return x * 2.0 if type(x) is np.ndarray else x * 3.0


def exactly_float(x):
    def inside(y):
        return y * 2.0 if type(y) in (int, float) else y * 3.0

    return inside(x)


def not_float(x):
    return x * 3.0 if x.__class__ != np.float64 else x * 2.0


def float_first(x):
    return x * 2.0 if np.float64 is type(x) else x * 3.0


@pytest.mark.parametrize("fun", [exactly_array, exactly_float, not_float, float_first])
def test_questions_for_exact_types_run_uncompiled(compiled, fun):
    f = compiled(fun)
    with pytest.warns(wg.CompileWarning, match="exactly .*isinstance"):
        for x in (np.ones(2), 1.5, np.float64(1.5), np.float32(1.5), 2):
            for _ in range(2):
                assert np.array_equal(f(x), fun(x))


def test_types_that_no_traced_value_has_may_be_asked_for(compiled):
    class Mode:
        pass

    def f(x, mode, more=None):
        if (type(mode) is Mode and type(more) in (list, tuple, int)) or mode.__class__ is Mode:
            return x * 2.0
        return x * 3.0 if isinstance(x, np.ndarray) and type(x).__name__ else type(x)(x)

    g = compiled(f)
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.CompileWarning)
        for args in ((np.ones(2), Mode()), (np.ones(2), 3, [1]), (np.ones(2), "mode")) * 2:
            np.testing.assert_array_equal(g(*args), f(*args))
        kind = compiled(lambda x: type(x))
        for x in (np.ones(2), 1.5, np.float64(1.5), np.float32(1.5), 2, np.ones(2)) * 2:
            assert kind(x) is type(x)


# ---------------------------------------------------------------- functions


async def later(x):
    return x * 2.0


def parts(x):
    for k in range(3):
        yield x * k


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_generators_and_coroutines_run_uncompiled(compiled):
    import asyncio

    f, g = compiled(parts), compiled(later)
    with pytest.warns(wg.CompileWarning, match="generator"):
        for _ in range(3):
            assert [v.tolist() for v in f(np.ones(2))] == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]
    with pytest.warns(wg.CompileWarning, match="coroutine"):
        for _ in range(3):
            assert asyncio.run(g(np.ones(2))).tolist() == [2.0, 2.0]
    total = compiled(lambda x: sum(parts(x)))
    assert [total(np.ones(2)).tolist() for _ in range(3)] == [[3.0, 3.0]] * 3
    spent = compiled(lambda parts: sum(parts))
    assert [spent(iter([1.0, x])) for x in (2.0, 3.0, 4.0)] == [3.0, 4.0, 5.0]


def test_a_function_compiled_in_many_ways_at_once(compiled):
    def f(x, mode="double", *rest, scale=1.0, **more):
        y = x * 2.0 if mode == "double" else x + 1.0
        for r in rest:
            y = y + r
        return y * scale + sum(more.values(), 0.0)

    g = compiled(f)
    x = np.arange(3.0)
    calls = [
        ((x,), {}), ((x, "double"), {}), ((x,), {"mode": "other"}), ((x, "other", 1.0, x), {}), ((x,), {"scale": 3.0}),
        ((x,), {"a": x, "b": 2.0}), ((x,), {"b": 2.0, "a": x}), ((), {"x": x}), ((1.5, None), {}), ((x, b"double"), {}),
    ]  # fmt: skip
    for args, kwargs in calls * 3:
        np.testing.assert_array_equal(g(*args, **kwargs), f(*args, **kwargs))


def test_reloaded_modules(tmp_path, monkeypatch):
    import importlib

    text = "import wengert as wg\nK = {k}\ndef helper(x): return x * K\n@wg.compile\ndef f(x): return helper(x) + {c}\n"
    (tmp_path / "reloaded_by_a_test.py").write_text(text.format(k=2.0, c=1.0))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("reloaded_by_a_test")
    try:
        old = module.f
        assert [old(3.0) for _ in range(3)] == [7.0] * 3
        (tmp_path / "reloaded_by_a_test.py").write_text(text.format(k=5.0, c=10.0) + "# longer\n")
        importlib.invalidate_caches()
        importlib.reload(module)
        assert [(module.f(3.0), old(3.0)) for _ in range(3)] == [(25.0, 16.0)] * 3  # old code, new K
    finally:
        del sys.modules["reloaded_by_a_test"]


def test_copies_and_pickles():
    import copy
    import pickle

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = wg.compile(lambda x: x * 2.0, backend="numpy")
        assert copy.copy(f)(2.0) == copy.deepcopy(f)(2.0) == 4.0
        assert pickle.loads(pickle.dumps(decorated))(2.0) == 6.0
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(f)


@wg.compile(backend="numpy")
def decorated(x):
    return x * 3.0


# ---------------------------------------------------------------- options, and llvmlite that cannot be looked for


def test_an_unknown_way_to_wait_is_refused():
    with pytest.raises(ValueError, match="wait='no' is not known to compile"):
        wg.compile(np.sin, wait="no")


def test_llvmlite_kept_from_being_imported(monkeypatch):
    """What stands in its place, or a finder that refuses it, is as good as none."""
    nothing = types.ModuleType("llvmlite")

    class Refusing:
        def find_spec(self, name, path=None, target=None):
            if name == "llvmlite":
                raise ModuleNotFoundError(f"no {name}", name=name)

    for replaced in (True, False):
        with monkeypatch.context() as patch:
            if replaced:
                patch.setitem(sys.modules, "llvmlite", nothing)
            else:
                patch.delitem(sys.modules, "llvmlite", raising=False)
                patch.setattr(sys, "meta_path", [Refusing(), *sys.meta_path])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", wg.CompileWarning)
                squared = wg.compile(lambda x: x * x)
                assert [squared(3.0), squared(4.0), squared(5.0)] == [9.0, 16.0, 25.0]
            with pytest.raises(ValueError, match="needs llvmlite"):
                wg.compile(np.sin, backend="native")
