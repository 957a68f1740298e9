"""Loops, guards and functions of math in index form: what they mean, and what is asked of their values."""

import math

import numpy as np
import pytest

import wengert as wg
from tests.backends.llvm.segments_of import assert_native_part_agrees
from wengert.backends.llvm.indexed import ScanOutput
from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower.lower import Refused, can_ask, can_lower, lower
from wengert.core.errors import WengertValueError
from wengert.core.graph import Guard


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def all_native(f, *args):
    """The program and its gradient: every step is native, and gives NumPy's value."""
    for fun in (f, wg.grad(f, tuple(range(len(args))))):
        graph = wg.trace(fun)(*args)
        reasons = {n.op.name: why for n in graph.nodes if (why := can_lower(n)) is not None}
        assert not reasons
        assert_native_part_agrees(graph, graph.values)
    return lower(wg.trace(f)(*args))


# ---------------------------------------------------------------- loops


@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrence_and_its_gradient(reverse):
    def f(W, h, xs):
        h, ys = wg.scan(lambda h, x: (np.tanh(W @ h + x), h * x), h, xs, reverse=reverse)
        return np.sum(h) + np.sum(ys**2)

    program = all_native(f, numbers(3, 3), numbers(3, seed=1), numbers(5, 3, seed=2))
    loops = {id(v.scan): v.scan for v in program.values() if isinstance(v, ScanOutput)}
    assert [(s.length, s.reverse) for s in loops.values()] == [(5, reverse)]


def test_a_loop_of_one_step_and_rows_of_numbers():
    def f(x, ts):
        x, ys = wg.scan(lambda c, t: (c * t + 0.1, c - t), x, ts)
        return np.sum(ys) * x

    all_native(f, 0.7, numbers(1))
    all_native(f, 0.7, numbers(4))


def test_what_a_body_asks_about_an_index_is_asked_outside():
    def f(xs, ks):
        def body(c, k):
            return c + xs[2 - 2 * np.argmax(k)], c * 1.0

        return np.sum(wg.scan(body, xs[0], ks)[1])

    xs, ks = numbers(2), np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    graph = wg.trace(f)(xs, ks)
    program = lower(graph)
    assert len(program.guards) == 1
    (got,), holds = interpret(program, [xs, ks])
    assert holds == [True]
    np.testing.assert_allclose(got, graph(xs, ks), rtol=1e-14)
    assert interpret(program, [xs, ks[:, ::-1]])[1] == [False]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums_and_products_have_numpys_bits(axis):
    x = np.concatenate([numbers(3, 4), -np.zeros((1, 4))])
    program = lower(wg.trace(lambda x: (np.cumsum(x, axis), np.cumprod(x, axis)))(x))
    (sums, products), _ = interpret(program, [x])
    assert sums.tobytes() == np.cumsum(x, axis).tobytes()
    assert products.tobytes() == np.cumprod(x, axis).tobytes()
    all_native(lambda x: np.sum(np.cumsum(np.sin(x), axis) ** 2), x)


def test_a_body_without_native_form_says_why():
    def f(x, rows):
        return np.sum(wg.scan(lambda c, r: (np.partition(c, 1) * r, c), x, rows)[0])

    graph = wg.trace(f)(numbers(3), numbers(4, 3))
    loops = [n for n in graph.nodes if n.op.name == "scan"]
    assert "partition" in can_lower(loops[0])
    with pytest.raises(Refused, match="partition"):
        lower(graph)


# ---------------------------------------------------------------- guards


def guards_at(f, recorded, others):
    """Whether the guards of a recorded program hold, in index form and as the graph itself finds."""
    graph = wg.trace(f)(*recorded)
    assert graph.guards and all(can_ask(g) is None for g in graph.guards)
    program = lower(graph)
    assert all(interpret(program, list(graph.values))[1])
    for other in others:
        try:
            graph(*other)
            wanted = True
        except WengertValueError:
            wanted = False
        assert all(interpret(program, list(other))[1]) == wanted, other


def test_a_decision():
    guards_at(lambda x: x * 2.0 if x > 1.0 else x, (2.0,), [(3.0,), (1.0,), (0.0,), (math.nan,)])
    guards_at(lambda x: x * 2.0 if x.any() else x, (np.ones(3),), [(np.zeros(3),), (np.array([0.0, np.nan, 0.0]),)])


def test_a_whole_number():
    guards_at(lambda x: x * int(x), (2.5,), [(2.0,), (2.999,), (3.0,), (1.999,)])
    guards_at(lambda x: x * int(x), (-0.5,), [(0.5,), (-1.0,)])


def test_a_question_that_only_the_same_value_answers():
    x = np.array([0.5, np.nan, 2.0])
    graph = wg.trace(lambda x: x * 2.0)(x)
    guard = Guard("sorting", graph.nodes[0], None, None, value=x * 2.0)
    graph = graph.with_steps(graph.nodes, graph.outputs, (guard,))
    assert can_ask(guard) is None
    program = lower(graph)
    assert interpret(program, [x])[1] == [True]
    for k, other in ((0, 0.25), (1, 1.0), (2, np.nan)):
        changed = x.copy()
        changed[k] = other
        assert interpret(program, [changed])[1] == [False]
        with pytest.raises(WengertValueError):
            graph(changed)


# ---------------------------------------------------------------- math


@pytest.mark.parametrize(
    ("f", "bad"),
    [
        (lambda x: math.log(x) * math.sin(x), -1.0),
        (lambda x: math.sqrt(x) + math.atan(x), -0.5),
        (lambda x: math.exp(x), 1000.0),
        (lambda x: math.pow(x, 1.5), -2.0),
        (lambda x: math.lgamma(x) + math.fabs(x), 0.0),
        (lambda x: math.cos(x), math.inf),
    ],
)
def test_where_math_raises_the_check_fails(f, bad):
    graph = wg.trace(wg.value_and_grad(f))(0.7)
    if any(can_lower(n) for n in graph.nodes if n.op.name in ("gamma", "lgamma", "polygamma")):
        graph = wg.trace(f)(0.7)
    if any(can_lower(n) for n in graph.nodes):
        pytest.skip("not all of its functions have a native form")
    program = lower(graph)
    found, holds = interpret(program, [0.7])
    assert all(holds)
    np.testing.assert_allclose(found, graph.evaluate([0.7]), rtol=1e-14)
    assert not all(interpret(program, [bad])[1])
    with pytest.raises((ValueError, OverflowError)):
        f(bad)


def test_functions_of_math_let_nan_through():
    program = lower(wg.trace(lambda x: math.sin(x) + math.exp(x))(0.7))
    (got,), holds = interpret(program, [math.nan])
    assert all(holds) and math.isnan(got)


@pytest.mark.parametrize("scale", [1.0, 1e300, 1e-300, 0.0])
def test_a_length_neither_overflows_nor_vanishes(scale):
    point = [3.0 * scale, -4.0 * scale]
    program = lower(wg.trace(lambda x: math.dist(x, [0.0, 0.0]))(point))
    (got,), holds = interpret(program, point)
    assert all(holds)
    np.testing.assert_allclose(got, 5.0 * scale, rtol=4e-16)
    assert not all(interpret(program, [math.nan, math.inf])[1])


# ---------------------------------------------------------------- types


def test_a_comparison_bends_as_numpy_does():
    x = np.array([0.1, 0.2], np.float32)
    program = lower(wg.trace(lambda x: (x == 0.1, x * 0.1, x < np.float64(0.1)))(x))
    found, _ = interpret(program, [x])
    for got, want in zip(found, (x == 0.1, x * 0.1, x < np.float64(0.1)), strict=True):
        assert got.dtype == want.dtype and np.array_equal(got, want)
    graph = wg.trace(lambda x, y: x < y)(x, 0.1)
    assert "precision" in can_lower(graph.nodes[0])


def test_integers_divide_and_truth_counts():
    x = np.array([1.5, -0.5, 2.0])

    def f(x):
        k = np.argmax(x) + 1
        return x * (k / 4), np.sum(x > 0.0), np.mean(x > 0.0), (x > 0.0) + (x > 1.0), k // 2, k % 2

    program = lower(wg.trace(f)(x))
    found, _ = interpret(program, [x])
    for got, want in zip(found, f(x), strict=True):
        assert got.dtype == np.asarray(want).dtype and np.array_equal(got, want)


def test_the_text_of_a_program_reads_like_its_formula():
    shown = str(lower(wg.trace(lambda x, w: x[1:] * w)(numbers(3), numbers(2))))
    assert "v1[i] = x0[j] with j := i + 1" in shown
    assert "v2[i] = v1[i] * x1[i]" in shown
    shown = str(lower(wg.trace(lambda h, xs: wg.scan(lambda h, x: (h * x, h + x), h, xs)[0])(0.5, numbers(4))))
    assert "loop1: 4 times; carried x0 over (); rows of x1[i] over (i)" in shown
