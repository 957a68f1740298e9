"""Cleaning: fewer steps, the same values, guards kept and in front, opaque steps alone.

Imports the public API and rewrite. Invariant: references are the untraced programs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs.harness import Program, quiet
from tests.programs.oracle import flatten as numbers
from tests.programs.tables import PROGRAMS
from wengert.core.graph import Graph, input_node, step
from wengert.core.node import Const
from wengert.core.op import CONTROL, Op
from wengert.core.types import ArrayType
from wengert.rewrite.clean import clean, merged, simplify, without_dead
from wengert.rewrite.views import simplified


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_a_simplified_graph_gives_what_the_program_gives(program: Program) -> None:
    wanted = numbers(program.value())
    with quiet():
        graph = wg.trace(program.fun)(*program.arguments())
        cleaned, simple = clean(graph), simplify(graph)
        got_clean, got = cleaned(*program.arguments()), simple(*program.arguments())
    assert len(simple) <= len(cleaned) <= len(graph)
    np.testing.assert_allclose(numbers(got_clean), wanted, rtol=1e-14, atol=0)
    np.testing.assert_allclose(numbers(got), wanted, rtol=1e-12, atol=1e-13)


def names(graph: Graph) -> list[str]:
    return [n.op.name for n in graph]


def test_equal_steps_are_one() -> None:
    graph = wg.trace(lambda x: np.sin(x) * np.sin(x) + np.sin(x))(0.3)
    assert names(graph).count("sin") == 3
    assert names(clean(graph)) == ["sin", "multiply", "add"]


def test_negative_zero_is_another_constant() -> None:
    def program(x: Any) -> Any:
        return np.copysign(1.0, x * 0.0), np.copysign(1.0, x * -0.0)

    plus, minus = clean(wg.trace(lambda x: (x * 0.0, x * -0.0))(2.0))(2.0)
    assert np.signbit(plus) != np.signbit(minus)
    assert program(2.0)[0] != program(2.0)[1]


def test_writes_are_values_and_merge_only_when_equal() -> None:
    def program(x: Any) -> Any:
        y, z = np.zeros(2), np.zeros(2)
        y[0] = x
        z[0] = x
        y[1] = 1.0
        return y, z

    graph = clean(wg.trace(program)(5.0))
    assert names(graph) == ["update", "update"]
    y, z = graph(7.0)
    np.testing.assert_array_equal(y, [7.0, 1.0])
    np.testing.assert_array_equal(z, [7.0, 0.0])


def test_constants_fold_and_what_fails_stays() -> None:
    kind = ArrayType(())
    x = input_node(kind)
    from wengert.core.op import OPS

    two = step(OPS["add"], [Const(1.0), Const(1.0)], (), kind, None)
    four = step(OPS["multiply"], [two, two], (), kind, None)
    out = step(OPS["multiply"], [x, four], (), kind, None)
    graph = clean(Graph(inputs=(x,), outputs=(out,), nodes=(two, four, out)))
    assert len(graph) == 1
    assert graph(3.0) == [12.0]
    bad = step(OPS["divide"], [Const(1), Const(0)], (), kind, None)
    kept = clean(Graph(inputs=(x,), outputs=(bad,), nodes=(bad,)))
    assert len(kept) == 1


def test_guards_are_roots_and_stay_in_front() -> None:
    def program(x: Any) -> Any:
        unused = x * 3.0
        if unused > 0:
            return np.log(x)
        return x

    graph = simplify(wg.trace(program)(2.0))
    assert names(graph) == ["multiply", "greater", "log"]
    assert len(graph.guards) == 1
    with pytest.raises(ValueError, match="bool"):
        graph(-2.0)  # and no warning of a logarithm: it never ran


def test_the_same_question_twice_is_one_guard() -> None:
    def program(x: Any) -> Any:
        total = 0.0
        for _ in range(3):
            if x > 0:
                total = total + x
        return total

    graph = wg.trace(program)(1.0)
    assert len(graph.guards) == 3
    assert len(simplify(graph).guards) == 1


def test_opaque_steps_are_neither_merged_nor_folded() -> None:
    draws = iter(range(100))
    op = Op(
        listed=False,
        name="draw",
        kind=CONTROL,
        inputs=("x",),
        params={},
        evaluate=lambda x: x + next(draws),
        infer=lambda types, params: types[0],
    )
    kind = ArrayType(())
    x = input_node(kind)
    first, second, third = (step(op, [a], (), kind, None) for a in (x, x, Const(1.0)))
    graph = clean(Graph(inputs=(x,), outputs=(first, second, third), nodes=(first, second, third)))
    assert len(graph) == 3
    assert graph(0.0) == [0.0, 1.0, 3.0]


def test_dead_steps_go_and_inputs_stay() -> None:
    graph = wg.trace(lambda x, y: (x * 2.0, y * 3.0))(1.0, 1.0)
    half = without_dead(graph.with_steps(graph.nodes, graph.outputs[:1]))
    assert len(half) == 1
    assert len(half.inputs) == 2


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T.T,
        lambda x: x.transpose(1, 0).T,
        lambda x: x.reshape(6).reshape(2, 3),
        lambda x: x[:, ::-1][:, ::-1],
        lambda x: x.reshape(3, 2)[1:][0],
        lambda x: x.T.reshape(-1)[2:5],
        lambda x: x.T[1:][:, 0],
        lambda x: x.reshape(1, 6)[0][::2],
        lambda x: x[[1, 0]].T[1],
        lambda x: x.T[[2, 0]][1:],
        lambda x: x.swapaxes(0, 1).reshape(2, 3).T,
    ],
)
def test_views_of_views_are_one_step(view: Any) -> None:
    """The same elements, and the right transpose of them."""
    x = np.arange(6.0).reshape(2, 3)
    plain = wg.trace(lambda x: view(x) * 2.0)(x)
    graph = simplify(plain)
    assert len(graph) <= len(plain)
    for z in (x, np.asfortranarray(x * 3.0), x[::-1]):
        np.testing.assert_array_equal(graph(z), view(z) * 2.0)
    weights = np.cos(np.arange(view(x).size)).reshape(view(x).shape)
    wanted = np.zeros(6)
    places = view(np.arange(6).reshape(2, 3))
    np.add.at(wanted, places.ravel(), 2.0 * weights.ravel())
    found = wg.grad(lambda x: np.sum(graph(x) * weights))(x)
    np.testing.assert_allclose(found, wanted.reshape(2, 3), rtol=1e-15)


def test_identity_paths_vanish() -> None:
    assert simplified((("transpose", None), ("transpose", None)), (2, 3)) == ()
    assert simplified((("transpose", (1, 2, 0)), ("transpose", (2, 0, 1))), (2, 3, 4)) == ()
    assert simplified((("reshape", ((6,), "C")), ("reshape", ((2, 3), "C"))), (2, 3))[-1][1][0] == (
        2,
        3,
    )
    graph = simplify(wg.trace(lambda x: np.sin(x.T.T))(np.ones((2, 3))))
    assert names(graph) == ["sin"]


def test_a_linear_program_simplified_is_the_same_map() -> None:
    x = np.array([0.3, 1.4, -0.6])
    _, derivative = wg.linearize(lambda x: np.concatenate([np.exp(x) * 2.0, np.negative(-x)]), x)
    graph = simplify(derivative.graph)
    t = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(graph.evaluate([t])[0], np.append(2 * np.exp(x) * t, t), rtol=1e-15)
    assert len(graph) < len(derivative.graph)


def test_merging_leaves_free_leaves_alone() -> None:
    def program(x: Any) -> Any:
        inner = merged(wg.trace(lambda t: (t * x, t * x, t * (x + 1.0)))(2.0))
        assert len(inner.free) in (2, 3)
        a, b, c = inner(3.0)
        return a + b + c

    assert float(wg.grad(program)(1.0)) == 9.0
