"""Graphs: what a trace records, how it prints, and what it refuses.

Imports the public API. Invariant: expected values come from running the program itself, untraced.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs.harness import Program, quiet, same_bits
from tests.programs.tables import PROGRAMS
from wengert.core.handle import is_handle

# These compute a value by one formula and record another one for the derivative: the last bits may
# differ.
ROUNDED = {"quantiles_and_median"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_graph_gives_what_the_program_gives(program: Program) -> None:
    wanted = program.value()
    with quiet():
        graph = wg.trace(program.fun)(*program.arguments())
        before = program.arguments()
        got = graph(*before)
        again = graph(*before)
    assert same_bits(before, program.arguments()), "the caller's arguments were changed"
    assert same_bits(got, again)
    if program.name in ROUNDED:
        np.testing.assert_allclose(got, wanted, rtol=1e-14)
    else:
        assert same_bits(got, wanted)
    assert len(str(graph).splitlines()) > len(graph.inputs)


def test_a_graph_runs_at_other_values() -> None:
    def program(x: Any, scale: Any) -> Any:
        y = np.zeros(4)
        for i in range(4):
            y[i] = scale["a"] * np.exp(-x[i])
        y[1:3] *= y[::3]
        return y, {"total": y.sum(), "label": "sum"}

    rng = np.random.default_rng(3)
    graph = wg.trace(program)(rng.normal(size=4), {"a": 2.0, "n": 3})
    for _ in range(5):
        x, scale = rng.normal(size=4), {"a": float(rng.normal()), "n": 3}
        assert same_bits(graph(x, scale), program(x, scale))


def test_outputs_are_memory_of_their_own() -> None:
    constant = np.arange(3.0)
    graph = wg.trace(lambda x: (x, x, x[1:], constant * 1.0, x * 2.0))(np.ones(3))
    x = np.ones(3)
    outputs = graph(x)
    for k, out in enumerate(outputs):
        out[...] = 7.0
        assert not np.shares_memory(out, x)
        for other in outputs[k + 1 :]:
            assert not np.shares_memory(out, other)
    np.testing.assert_array_equal(graph(x)[3], [0.0, 1.0, 2.0])


def test_a_decision_that_falls_otherwise_is_an_error_with_the_line() -> None:
    def program(x: Any) -> Any:
        if x.sum() > 0:
            return x * 2.0
        return x * 3.0

    graph = wg.trace(program)(np.ones(3))
    np.testing.assert_array_equal(graph(np.full(3, 2.0)), np.full(3, 4.0))
    with pytest.raises(
        ValueError, match=r"bool\(\.\.\.\) giving True at .*test_graph\.py:\d+"
    ) as caught:
        graph(-np.ones(3))
    assert caught.value.file.endswith("test_graph.py")
    assert "trace" in caught.value.fix


@pytest.mark.parametrize(
    ("program", "start", "other"),
    [
        (lambda x: x * int(x), 2.5, 3.5),
        (lambda x: np.zeros(int(x)) + x, 2.5, 3.5),
        (lambda x: x * float(np.floor(x)), 2.5, 3.5),
        (lambda x: x * np.arange(5.0)[int(np.rint(x))], 1.2, 2.2),
        (lambda x: np.sum(x[np.nonzero(x > 0.0)]), np.array([1.0, -1.0]), np.array([-1.0, 1.0])),
        (lambda x: x * 2 if np.allclose(x, 1.0) else x, np.array([1.0]), np.array([5.0])),
    ],
)
def test_every_question_is_a_guard(program: Any, start: Any, other: Any) -> None:
    graph = wg.trace(program)(start)
    assert graph.guards
    assert same_bits(graph(start), program(start))
    with pytest.raises(ValueError, match="recorded"):
        graph(other)


def test_a_traced_index_is_followed_not_frozen() -> None:
    def program(x: Any) -> Any:
        return x[np.argsort(x)] * np.arange(3.0)

    graph = wg.trace(program)(np.array([3.0, 1.0, 2.0]))
    for x in (np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([-1.0, -5.0, 9.0])):
        assert same_bits(graph(x), program(x))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((np.ones(4), 2), ValueError, "shape"),
        ((np.ones(3), 3), ValueError, "recorded with 2"),
        ((np.ones(3) * 1j, 2), TypeError, "dtype complex128"),
        ((np.ones(3),), ValueError, "entries"),
        (("abc", 2), ValueError, "shape"),
    ],
)
def test_arguments_that_do_not_fit(arguments: Any, error: type[Exception], text: str) -> None:
    graph = wg.trace(lambda x, n: x**n)(np.ones(3), 2)
    with pytest.raises(error, match=text):
        graph(*arguments)


def test_integers_are_taken_for_floats_of_the_recorded_dtype() -> None:
    graph = wg.trace(lambda x: x / 2)(np.ones(3, np.float32))
    out = graph(np.array([1, 2, 3]))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [0.5, 1.0, 1.5])


def test_the_list_shows_steps_values_lines_and_guards() -> None:
    def program(x: Any, p: Any) -> Any:
        y = np.sin(x) * p["w"]
        if y > 0:
            y = y + x
        return y

    graph = wg.trace(program)(0.5, {"w": 2.0})
    text = graph.text(lines=True)
    assert "program: 2 inputs, 4 steps, 1 output" in text
    assert "x " in text
    assert "p['w']" in text
    assert f"{math.sin(0.5):.8g}" in text
    assert "asked: bool(v3) was True" in text
    line = program.__code__.co_firstlineno + 1
    assert f"test_graph.py:{line}" in text
    assert "test_graph.py" not in str(graph)
    assert "asked" not in graph.text(guards=False)
    assert graph.text(values=False).count("=") == len(graph)


def test_a_long_list_is_cut_in_the_middle_with_the_count() -> None:
    def program(x: Any) -> Any:
        for _ in range(500):
            x = x + 1.0
        return x

    graph = wg.trace(program)(0.25)
    text = graph.text(longest=10)
    assert "... 490 more steps ..." in text
    assert "v1 = " in text
    assert "v500 = v499 + 1" in text
    assert "500.25" in text
    assert len(text.splitlines()) < 20


def test_only_what_outputs_and_guards_need_is_kept() -> None:
    def program(x: Any) -> Any:
        unused = np.exp(x)
        del unused
        return x * 3.0

    graph = wg.trace(program)(np.ones(2))
    assert [n.op.name for n in graph] == ["multiply"]
    assert len(graph) == 1


def test_several_outputs_of_one_operation() -> None:
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])

    def program(a: Any) -> Any:
        values, vectors = np.linalg.eigh(a)
        return vectors @ np.diag(values**2) @ vectors.T

    graph = wg.trace(program)(matrix)
    np.testing.assert_allclose(graph(matrix), matrix @ matrix, rtol=1e-13)
    np.testing.assert_allclose(graph(2 * matrix), 4 * matrix @ matrix, rtol=1e-13)


def test_a_derivative_inside_is_part_of_the_graph() -> None:
    """d/dx sin(x)^2 = sin(2x), taken inside a traced function; at another point the graph
    follows."""

    def program(x: Any) -> Any:
        return wg.grad(lambda t: np.sin(t) ** 2)(x) + wg.jvp(lambda t: t**3, (x,), (1.0,))[1]

    graph = wg.trace(program)(0.3)
    for x in (0.3, -1.1, 2.0):
        assert float(graph(x)) == pytest.approx(math.sin(2 * x) + 3 * x**2, rel=1e-14)


def test_a_trace_inside_a_trace_has_a_free_leaf() -> None:
    seen = []

    def program(x: Any) -> Any:
        inner = wg.trace(lambda t: t * x)(2.0)
        seen.append((len(inner.free), len(inner)))
        return inner(3.0) + x

    graph = wg.trace(program)(5.0)
    assert seen == [(1, 1)]
    assert float(graph(7.0)) == 3.0 * 7.0 + 7.0


def test_a_graph_called_under_a_trace_is_differentiated() -> None:
    """d/dx sum exp(2x) = 2 exp(2x), and once more."""
    graph = wg.trace(lambda x: np.exp(2 * x).sum())(np.zeros(3))
    x = np.array([0.1, -0.4, 0.7])
    np.testing.assert_allclose(wg.grad(lambda t: graph(t))(x), 2 * np.exp(2 * x), rtol=1e-14)
    second = wg.grad(lambda t: wg.grad(lambda s: graph(s))(t).sum())(x)
    np.testing.assert_allclose(second, 4 * np.exp(2 * x), rtol=1e-14)
    np.testing.assert_allclose(
        wg.jvp(lambda t: graph(t), (x,), (x,))[1], (2 * x * np.exp(2 * x)).sum(), rtol=1e-14
    )


def test_a_graph_of_writes_called_under_a_trace() -> None:
    def program(x: Any) -> Any:
        y = np.zeros(6)
        y[0] = x[0]
        for i in range(1, 6):
            y[i] = y[i - 1] * x[i % 3]
        return y

    x = np.array([1.1, 0.7, -0.9])
    graph = wg.trace(program)(x)
    jacobian = np.array([wg.grad(lambda t, i=i: graph(t)[i])(x) for i in range(6)])
    steps = 1e-30
    wanted = np.array([program_complex(x + 1j * steps * e).imag / steps for e in np.eye(3)]).T
    np.testing.assert_allclose(jacobian, wanted, rtol=1e-13, atol=1e-15)


def program_complex(x: Any) -> Any:
    """The same recurrence in complex arithmetic, untraced, for the complex step."""
    y = np.zeros(6, complex)
    y[0] = x[0]
    for i in range(1, 6):
        y[i] = y[i - 1] * x[i % 3]
    return y


def test_no_handle_leaves_a_graph() -> None:
    graph = wg.trace(lambda x: (x + 1.0, x))(np.ones(2))
    assert not any(is_handle(out) for out in graph(np.ones(2)))
    for node in graph:
        assert node.saved == ()


def test_a_constant_changed_after_the_trace_is_found() -> None:
    big = np.ones(100_000)
    graph = wg.trace(lambda x: (x * big).sum())(2.0)
    assert float(graph(3.0)) == 300_000.0
    big[:] = 2.0
    with pytest.raises(wg.ChangedError, match="overwritten"):
        graph(3.0)


def test_a_constant_changed_during_the_trace_is_found() -> None:
    big = np.ones(100_000)

    def program(x: Any) -> Any:
        y = x * big
        big[:] = 2.0
        return y.sum()

    with pytest.raises(wg.ChangedError, match="overwritten"):
        wg.trace(program)(np.ones(100_000))
