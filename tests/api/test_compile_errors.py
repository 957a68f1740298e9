"""Errors, warnings and special values in compiled functions: those of the function itself."""

from __future__ import annotations

import functools
import warnings

import numpy as np
import pytest

import wengert as wg

on_numpy = functools.partial(wg.compile, backend="numpy")


@pytest.fixture(autouse=True)
def _no_notes():
    """A note is an error unless a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", wg.CompileWarning)
        yield


def test_signed_zeros_and_not_numbers():
    def f(x):
        return np.copysign(1.0, x), np.nan_to_num(x), x == x

    g = on_numpy(f)
    for value in (0.0, -0.0, np.nan, np.inf, -np.inf, 1.0):
        for kind in (float, np.float64):
            assert repr([float(v) for v in g(kind(value))]) == repr([float(v) for v in f(kind(value))])


def test_errors_of_the_function_are_those_of_the_function():
    class Negative(ValueError):
        pass

    def f(x):
        if x[0] < 0:
            raise Negative(f"got {x[0]:.1f}")
        return np.linalg.inv(x.reshape(2, 2))[0]

    g = on_numpy(f)
    good = np.array([2.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(g(good), f(good))
    np.testing.assert_array_equal(g(2 * good), f(2 * good))
    with pytest.raises(Negative, match="got -1.0"):
        g(-0.5 * good)
    with pytest.raises(np.linalg.LinAlgError) as caught:
        g(np.zeros(4))
    assert any(entry.name == "f" and str(entry.path) == __file__ for entry in caught.traceback)
    np.testing.assert_array_equal(g(good), f(good))
    with pytest.raises(TypeError, match="positional argument"):
        g()
    with pytest.raises(TypeError, match="unexpected keyword"):
        g(good, nonsense=1)


def test_what_cannot_be_recorded_runs_as_it_is():
    import json

    def f(x):
        return json.loads(json.dumps(float(x) ** 2))

    g = on_numpy(f)
    with pytest.warns(wg.CompileWarning, match="cannot be recorded") as caught:
        assert [g(k + 0.5) for k in range(5)] == [(k + 0.5) ** 2 for k in range(5)]
    assert len(caught) == 1
    with pytest.raises(wg.CutError):
        on_numpy(wg.grad(f))(1.5)


def test_errors_asked_for_by_errstate():
    g = on_numpy(lambda x: 1.0 / x)
    one, zero = np.array([1.0]), np.array([0.0])
    g(one)
    g(one)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        g(zero)
    with np.errstate(all="ignore"):
        assert g(zero)[0] == np.inf


def test_bad_options():
    with pytest.raises(TypeError, match="function"):
        wg.compile(3.0)
    for option in ({"backend": "gpu"}, {"check": "maybe"}, {"threads": 0}):
        with pytest.raises(ValueError, match="fix"):
            wg.compile(np.sin, **option)
    with pytest.raises(TypeError, match="threads"):
        wg.compile(np.sin, threads="2")
    for option in (True, 2.0, None, "all"):
        with pytest.raises(TypeError, match='(?s)is not a number of threads.*threads="auto"'):
            wg.compile(np.sin, threads=option)
    for option in (0, -3, np.int64(-1)):
        with pytest.raises(ValueError, match=f"threads={option!r}".replace("(", "\\(").replace(")", "\\)")):
            wg.compile(np.sin, threads=option)


def test_numbers_of_threads():
    x = np.array([0.5, 1.5])
    for option in (1, 2, np.int64(3), 1000, "auto"):
        f = wg.compile(lambda x: np.sin(x) * 2, backend="numpy", threads=option)
        assert [f(x).tolist() for _ in range(2)] == [(np.sin(x) * 2).tolist()] * 2


def outcome(fun, *args):
    """What a call gives, or the name of what it raises."""
    try:
        return fun(*args)
    except (ArithmeticError, ValueError) as problem:
        return type(problem).__name__


def reciprocal(x):
    try:
        return 1.0 / x
    except ZeroDivisionError:
        return 0.0


def inverse(x):
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return np.zeros_like(x)


def raising(x):
    with np.errstate(all="raise"):
        try:
            return np.log(x)
        except FloatingPointError:
            return np.zeros(1)


def warned(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.sqrt(x)
        except RuntimeWarning:
            return -np.sqrt(-x)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize(
    ("fun", "points"),
    [
        (reciprocal, (2.0, 0.0, 5.0)),
        (reciprocal, (0.0, 5.0, 2.0)),
        (inverse, (np.eye(2), np.zeros((2, 2)), 2 * np.eye(2))),
        (inverse, (np.zeros((2, 2)), np.eye(2), 2 * np.eye(2))),
        (raising, (np.ones(1), np.zeros(1), np.ones(1))),
        (warned, (np.ones(1), -np.ones(1), np.ones(1))),
        (lambda x: np.exp(-1.0 / x), (2.0, 0.0, 3.0)),
        (lambda x: 7.0 % x + 7.0 // x, (2.0, 0.0, 3.0)),
        (lambda x: x**-2, (2.0, 0.0, 3.0)),
        (lambda x: abs(x**0.5), (2.0, -2.0, 3.0, -3.0)),
        (lambda x: 2.0**x, (2.0, -2.0, 0.5)),
        (lambda x: abs((-2.0) ** x), (2.0, 0.5, 3.0)),
        (lambda x: x / (x - 1.0), (2.0, 1.0, 3.0)),
        (wg.grad(lambda x: 1.0 / x), (2.0, 0.0, 3.0)),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::wengert.CompileWarning")
def test_errors_decide_nothing_unseen(fun, points, backend):
    if backend == "native":
        pytest.importorskip("llvmlite")
    g = wg.compile(fun, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for point in points:
            for _ in range(2):
                want, got = outcome(fun, point), outcome(g, point)
                if isinstance(want, str):
                    assert got == want
                else:
                    np.testing.assert_allclose(got, want, rtol=1e-14)


def test_gradients_that_watch_for_kinks_keep_watching():
    g = on_numpy(wg.grad(lambda x: abs(x), nonsmooth="raise"))
    with pytest.warns(wg.CompileWarning, match="kinks"):
        assert g(2.0) == 1.0
    with pytest.raises(wg.KinkError):
        g(0.0)
