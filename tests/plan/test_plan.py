"""Plans: what is freed and reused, the predicted peak against the measured one, and that memory is
never clobbered.

Imports the public API and plan. Invariant: references are the untraced programs and tracemalloc.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs.harness import same_bits
from wengert.backends.numpy.interpreter import plan_of, run
from wengert.core.node import Const
from wengert.ops.memory import ADD_AT, UPDATE
from wengert.plan.plan import FOREIGN, make_plan
from wengert.rewrite.clean import simplify

N = 50_000
X = np.linspace(0.1, 1.0, N)


def chain(x: Any) -> Any:
    for _ in range(10):
        x = np.sin(x) + 1.0
    return x


def branches(x: Any) -> Any:
    a, b = np.exp(x), np.sqrt(x)
    c = a * b
    return c + a, b - c


def outer_product(x: Any) -> Any:
    y = x[:200, None] * x[None, :200]
    return (y @ y).sum(axis=0)


def writes(x: Any) -> Any:
    y = np.zeros(N)
    y[1:] = x[:-1] * 2.0
    y[::2] += x[::2]
    y *= 3.0
    return y


def views(x: Any) -> Any:
    y = np.exp(x).reshape(100, -1)
    return y.T[::2].copy() + 1.0, y[0] * 2.0


def kept_alive(x: Any) -> Any:
    values = [x * float(k) for k in range(1, 6)]
    total = values[0]
    for v in values[1:]:
        total = total + v
    return total


def reduced(x: Any) -> Any:
    y = np.tanh(x)
    for _ in range(5):
        y = y - y.mean()
    return y.sum()


PROGRAMS: list[Callable[..., Any]] = [
    chain,
    branches,
    outer_product,
    writes,
    views,
    kept_alive,
    reduced,
]


def measured_peak(work: Callable[[], Any]) -> int:
    """The most bytes that were allocated at once during a call."""
    gc.collect()
    tracemalloc.start()
    try:
        base = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        result = work()
        peak = tracemalloc.get_traced_memory()[1]
        del result
    finally:
        tracemalloc.stop()
    return peak - base


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("optimise", [lambda g: g, simplify], ids=["plain", "simplified"])
def test_the_measured_peak_is_at_most_the_predicted_one(program: Any, optimise: Any) -> None:
    graph = optimise(wg.trace(program)(X))
    plan = plan_of(graph)
    run(plan, [X])
    peak = measured_peak(lambda: run(plan, [X]))
    slack = 20_000 + N // 2  # Python objects; buffers of NumPy's own loops
    assert peak <= plan.peak + slack
    assert plan.peak <= peak + slack, "the prediction is far too large"
    assert plan.peak <= plan.total + X.nbytes * len(graph.outputs)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_the_same_bits_as_the_program(program: Any) -> None:
    graph = wg.trace(program)(X)
    before = X.copy()
    assert same_bits(graph(X), program(X))
    np.testing.assert_array_equal(X, before)
    assert same_bits(graph(X[::-1].copy()), program(X[::-1].copy()))


def test_a_chain_needs_two_arrays_at_most() -> None:
    plan = make_plan(wg.trace(chain)(X))
    assert plan.peak <= 2 * X.nbytes
    assert plan.total == 20 * X.nbytes
    assert sum(s.reuses is not None for s in plan.steps) == 19


def test_n_writes_make_one_buffer() -> None:
    """O(n) in total: no step but the first allocates the array, and none copies it."""
    for n in (100, 1000):

        def program(x: Any, n: int = n) -> Any:
            y = np.zeros(n)
            y[0] = x
            for i in range(1, n):
                y[i] = y[i - 1] * 0.5 + 1.0
            return y

        graph = wg.trace(program)(1.0)
        plan = plan_of(graph)
        assert sum(s.node.op is UPDATE and s.reuses is None for s in plan.steps) == 1
        assert plan.peak == 8 * n
        np.testing.assert_array_equal(graph(3.0), program(3.0))
        peak = measured_peak(lambda plan=plan: run(plan, [3.0]))
        assert peak < 8 * n + 400 * n  # the list of values, no arrays


def test_a_write_copies_what_is_still_needed() -> None:
    def program(x: Any) -> Any:
        y = x * 1.0
        z = y + 0.0
        y[0] = 5.0
        old = z * y
        view = y[1:]
        y = np.array(y)
        y[1] = 7.0
        return old, view, y, z

    x = np.arange(4.0)
    graph = wg.trace(program)(x)
    assert same_bits(graph(x), program(x))
    assert same_bits(simplify(graph)(x), program(x))


def test_reuse_never_happens_under_a_living_view() -> None:
    def program(x: Any) -> Any:
        y = np.exp(x)
        head = y[:2]
        z = y * 2.0  # y's memory is dead but for head
        return head * 1.0, z

    x = np.arange(4.0)
    graph = wg.trace(program)(x)
    plan = plan_of(graph)
    multiply = [s for s in plan.steps if s.node.op.name == "multiply"]
    assert multiply[0].reuses is None
    assert same_bits(graph(x), program(x))


def test_inputs_and_constants_are_never_written_to() -> None:
    constant = np.ones(5)

    def program(x: Any) -> Any:
        y = x + constant
        x[2] = 9.0
        np.add.at(x, [0, 0, 1], 1.0)
        return y, x * constant

    x = np.arange(5.0)
    graph = wg.trace(program)(x.copy())
    plan = plan_of(graph)
    for s in plan.steps:
        if s.reuses is not None:
            read = s.reads[s.reuses]
            assert not isinstance(read, Const)
            assert plan.buffers[read] != FOREIGN
    got = graph(x)
    np.testing.assert_array_equal(x, np.arange(5.0))
    np.testing.assert_array_equal(constant, np.ones(5))
    assert same_bits(got, program(np.arange(5.0)))
    assert any(s.node.op is ADD_AT for s in plan.steps)


def test_every_value_is_freed_once_and_after_its_last_reader() -> None:
    for program in PROGRAMS:
        plan = make_plan(wg.trace(program)(X))
        freed: dict[int, int] = {}
        for k, s in enumerate(plan.steps):
            for read in s.reads:
                assert isinstance(read, Const) or read not in freed
            for f in s.frees:
                assert f not in freed
                freed[f] = k
        outputs = {o for o in plan.outputs if not isinstance(o, Const)}
        assert not outputs & set(freed)
        assert len(freed) + len(outputs) == len(plan.buffers)


def test_guards_are_asked_before_what_they_guard() -> None:
    def program(x: Any) -> Any:
        if np.all(x > 0):
            return np.log(x)
        return x

    plan = make_plan(simplify(wg.trace(program)(X)))
    names = [s.node.op.name for s in plan.steps]
    asked = next(k for k, s in enumerate(plan.steps) if s.guards)
    assert asked < names.index("log")


def test_the_explanation_names_memory() -> None:
    plan = make_plan(wg.trace(writes)(X))
    text = plan.explain()
    assert "steps in place" in text
    assert "in the memory of" in text
    assert "frees" in text
    assert "KiB" in text
    long = make_plan(wg.trace(chain)(X)).explain(longest=6)
    assert "... 14 steps ..." in long
    assert len(long.splitlines()) == 8
