"""Around a trace: names restored, exceptions, leaks, threads, nesting, missing dependence.

Imports the public API. Invariant: after any call, and in every other thread, the modules of the
user and NumPy itself are as they were.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
import threading
import traceback
import warnings

import numpy as np
import pytest

import wengert as wg

from .test_refusals import cut_line

X = np.array([0.7, -0.4, 1.3])
# Identities only: the arrays and modules that a dictionary of this module holds are served too.
NUMPY_BEFORE = {name: id(thing) for name, thing in vars(np).items()}
MATH_BEFORE = {name: id(thing) for name, thing in vars(math).items()}


def filled(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = math.sin(x[i]) * x[i]
    return np.sum(y**2)


def filled_slope(x):
    return 2 * x * np.sin(x) * (np.sin(x) + x * np.cos(x))


def names_are_restored():
    return (
        np is sys.modules["numpy"]
        and math is sys.modules["math"]
        and type(np.zeros(2)) is np.ndarray
    )


def fails(x):
    y = np.zeros(2)
    y[0] = x[0]
    raise KeyError("no such key")  # cut


def shapes_do_not_fit(x):
    y = np.zeros(2)
    y[:] = x[:2]
    return y @ np.ones(5)  # cut


# ---------------------------------------------------------------- names


def test_names_are_restored_after_every_kind_of_exit():
    wg.grad(filled)(X)
    assert names_are_restored()
    with pytest.raises(KeyError):
        wg.grad(fails)(X)
    assert names_are_restored()
    wg.grad(lambda x: np.sum(wg.grad(filled)(x) ** 2))(X)
    assert names_are_restored()


def test_numpy_and_math_themselves_are_never_touched():
    def watching(x):
        for module, before in (("numpy", NUMPY_BEFORE), ("math", MATH_BEFORE)):
            now = vars(sys.modules[module])
            assert {name: id(now[name]) for name in before} == before
        return filled(x)

    np.testing.assert_allclose(wg.grad(watching)(X), filled_slope(X), rtol=1e-12)


def test_a_suspended_generator_holds_no_trace():
    def numbers(x):
        y = np.zeros(2)
        y[0] = x[0]
        yield y[0] ** 2
        yield type(np.zeros(2)) is np.ndarray

    kept = []

    def first(x):
        kept.append(numbers(x))
        return next(kept[0])

    assert wg.grad(first)(X)[0] == 2 * X[0]
    assert names_are_restored()
    assert next(kept[0])


# ---------------------------------------------------------------- exceptions of the user


def test_user_exception_arrives_unchanged_and_ends_at_the_user_line():
    for run in (wg.grad(fails), lambda x: wg.jvp(fails, (x,), (x,)), wg.jacobian(fails)):
        with pytest.raises(KeyError, match="no such key") as caught:
            run(X)
        last = traceback.extract_tb(caught.value.__traceback__)[-1]
        assert last.filename == __file__
        assert last.lineno == cut_line(fails)


def test_numpy_error_names_the_user_line():
    with pytest.raises(ValueError, match="size 5") as caught:
        wg.grad(shapes_do_not_fit)(X)
    told = "".join(traceback.format_exception(caught.value))
    assert f'test_around_a_trace.py", line {cut_line(shapes_do_not_fit)}' in told


def test_assertions_and_exits_pass_through():
    def stops(x):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        wg.grad(stops)(X)
    assert names_are_restored()


# ---------------------------------------------------------------- leaks


def test_leaked_values_are_plain_constants_afterwards():
    kept = []

    def leaking(x):
        y = x * 2.0
        kept.append(y)
        kept.append(y[0])
        return np.sum(y**2)

    wg.grad(leaking)(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.WengertWarning)
        np.testing.assert_array_equal(np.asarray(kept[0]), 2 * X)
        assert float(kept[1]) == 2 * X[0]
        got = wg.grad(lambda x: np.sum(x**2 * kept[0]))(X)
        assert type(got) is np.ndarray
        np.testing.assert_allclose(got, 4 * X**2)


def test_results_hold_no_traced_values():
    value, slope = wg.value_and_grad(filled)(X)
    assert type(slope) is np.ndarray
    assert isinstance(value, float)
    out, pullback = wg.vjp(lambda x: {"a": x * 2.0, "b": [x[0]]}, X)
    assert type(out["a"]) is np.ndarray
    assert isinstance(out["b"][0], float)
    assert type(pullback(out)[0]) is np.ndarray
    assert out["a"].flags.writeable


# ---------------------------------------------------------------- threads and tasks


def test_threads_tracing_and_not_tracing_at_once():
    wrong, done = [], threading.Event()

    def tracing(seed):
        rng = np.random.default_rng(seed)
        for _ in range(25):
            x = rng.normal(size=3)
            if not np.allclose(wg.grad(filled)(x), filled_slope(x), rtol=1e-10):
                wrong.append(("gradient", x))

    def plain():
        while not done.is_set():
            y = np.zeros(3)
            y[0] = math.sin(0.5)
            if type(y) is not np.ndarray or type(y[0]) is not np.float64:
                wrong.append(("plain", type(y)))
                return

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        tracers = [threading.Thread(target=tracing, args=(k,)) for k in range(4)]
        others = [threading.Thread(target=plain) for _ in range(2)]
        for thread in tracers + others:
            thread.start()
        for thread in tracers:
            thread.join()
    finally:
        done.set()
        sys.setswitchinterval(interval)
    for thread in others:
        thread.join()
    assert not wrong
    assert names_are_restored()


def test_interleaved_tasks():
    async def one(scale):
        results = []
        for _ in range(5):
            results.append(wg.grad(lambda x: filled(x) * scale)(X))
            await asyncio.sleep(0)
        return results

    async def both():
        return await asyncio.gather(one(1.0), one(2.0))

    first, second = asyncio.run(both())
    np.testing.assert_allclose(first, [filled_slope(X)] * 5, rtol=1e-12)
    np.testing.assert_allclose(second, [2 * filled_slope(X)] * 5, rtol=1e-12)


# ---------------------------------------------------------------- nesting and depth


def test_many_nested_derivatives():
    fun, factor = (lambda t: np.exp(2.0 * t)), 1.0
    for _ in range(5):
        fun, factor = wg.derivative(fun), 2.0 * factor
    np.testing.assert_allclose(fun(0.3), factor * math.exp(0.6), rtol=1e-12)


def test_perturbations_are_not_confused():
    for outer in (wg.derivative, wg.grad):
        for inner in (wg.derivative, wg.grad):
            assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(1.0))(0.7) == 1.0
            assert outer(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(0.7) == 1.4


def test_inner_gradient_of_an_in_place_program():
    def outer(x):
        y = np.zeros(3)
        y[:] = wg.grad(filled)(x)
        y[0] *= x[1]
        return np.sum(y * np.array([1.0, 2.0, 3.0]))

    h = 1e-6
    wanted = []
    for unit in np.eye(3):
        values = []
        for sign in (1, -1):
            at = X + sign * h * unit
            slope = filled_slope(at)
            values.append(slope[0] * at[1] + 2 * slope[1] + 3 * slope[2])
        wanted.append((values[0] - values[1]) / (2 * h))
    np.testing.assert_allclose(wg.grad(outer)(X), wanted, rtol=1e-7)


def test_long_chains_need_no_recursion():
    def chain(t):
        for _ in range(20_000):
            t = t * 0.9999 + 1e-5
        return t

    np.testing.assert_allclose(wg.grad(chain)(0.5), 0.9999**20_000, rtol=1e-9)


def test_deep_containers_and_deep_user_recursion():
    nested = 0.5
    for _ in range(60):
        nested = [nested]

    def innermost(tree):
        while isinstance(tree, list):
            (tree,) = tree
        return tree**2

    got = wg.grad(innermost)(nested)
    for _ in range(60):
        (got,) = got
    assert got == 1.0

    def product(t, depth):
        return t if depth == 0 else product(t, depth - 1) * 1.001

    np.testing.assert_allclose(wg.grad(lambda t: product(t, 300))(0.5), 1.001**300, rtol=1e-12)


# ---------------------------------------------------------------- no dependence


def path_ends_in_floor(x):
    return np.sum(np.floor(x))  # cut


def path_ends_in_sign(x):
    s = np.sign(x)  # cut
    return np.sum(s) * 2.0


def path_ends_in_int(x):
    return 1.5 * int(3 * x[2])  # cut


def path_ends_in_a_comparison(x):
    return np.sum(x > 0) * 1.0  # cut


def path_ends_in_argmax(x):
    return np.argmax(x) * 1.0  # cut


def path_ends_in_stop_gradient(x):
    return np.sum(wg.stop_gradient(x) ** 2)  # cut


ENDINGS = [
    path_ends_in_floor,
    path_ends_in_sign,
    path_ends_in_int,
    path_ends_in_a_comparison,
    path_ends_in_argmax,
    path_ends_in_stop_gradient,
]


@pytest.mark.parametrize("fun", ENDINGS)
def test_lost_dependence_gives_zeros_and_shows_where_the_path_ended(fun):
    with pytest.warns(wg.NoDependenceWarning) as caught:
        got = wg.grad(fun)(X)
    np.testing.assert_array_equal(got, np.zeros(3))
    assert any(f"test_around_a_trace.py:{cut_line(fun)}" in str(w.message) for w in caught)


@pytest.mark.parametrize(
    "fun",
    [lambda x: 3.0, lambda x: float(len(x)), lambda x: np.ones(3).sum(), lambda x: x.size * 2.0],
)
def test_constant_output_gives_zeros_and_warns(fun):
    with pytest.warns(wg.NoDependenceWarning):
        got = wg.grad(fun)(X)
    np.testing.assert_array_equal(got, np.zeros(3))


def test_an_unused_argument_beside_a_used_one_is_zero():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.NoDependenceWarning)
        used, unused = wg.grad(lambda a, b: np.sum(a**2), (0, 1))(X, X)
    np.testing.assert_array_equal(used, 2 * X)
    np.testing.assert_array_equal(unused, np.zeros(3))


def test_a_vanishing_slope_is_no_lost_dependence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x**2))(np.zeros(3)), np.zeros(3))


def test_signature_and_name_of_the_function_survive():
    slope = wg.grad(filled)
    assert slope.__name__
    assert list(inspect.signature(slope).parameters) == ["x"]
