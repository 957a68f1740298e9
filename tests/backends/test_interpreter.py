"""The reference backend: layouts, aliases, several outputs, handles, zeros that absorb.

Imports the public API and the backend. Invariant: references are untraced runs and closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs.harness import same_bits
from wengert.backends.numpy.interpreter import plan_of, run
from wengert.core.graph import Graph, input_node, step
from wengert.core.node import Const
from wengert.core.op import OPS
from wengert.core.types import ArrayType


@pytest.mark.parametrize(
    "layout", [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]]
)
def test_every_layout_gives_the_same_bits(layout: Any) -> None:
    """Sums depend in their last bits on the order of memory: reuse must not change it."""
    rng = np.random.default_rng(0)
    x = layout(rng.normal(size=(40, 60)))

    def program(x: Any) -> Any:
        y = np.exp(x) * x.T[:60].T
        z = (y + x) * 2.0 - y
        return z.sum(), z.mean(axis=0), (z * 0.1).sum(axis=1)

    assert same_bits(wg.trace(program)(x)(x), program(x))


def test_a_write_through_a_reshape_finds_its_place_in_any_layout() -> None:
    def program(x: Any) -> Any:
        y = x * 1.0
        y.reshape(-1)[1] = y[0, 0] ** 2
        return y

    x = np.arange(1.0, 7.0).reshape(2, 3)
    graph = wg.trace(program)(x)
    wanted = np.array([[1.0, 1.0, 3.0], [4.0, 5.0, 6.0]])
    np.testing.assert_array_equal(graph(x), wanted)
    np.testing.assert_array_equal(graph(np.asfortranarray(x)), wanted)
    assert float(wg.grad(lambda t: graph(t).sum())(np.asfortranarray(x))[0, 0]) == 3.0


def test_overlapping_reads_and_writes() -> None:
    def program(x: Any) -> Any:
        y = x + 0.0
        y[1:] = y[:-1]
        y[::-1] += y
        return y

    x = np.arange(6.0)
    assert same_bits(wg.trace(program)(x)(x), program(x))


def test_an_operation_that_returns_its_operand_gets_a_copy() -> None:
    """The plan counts on fresh memory: a result that is the operand itself must not be overwritten
    with it."""
    kind = ArrayType((3,))
    from wengert.core.op import GENERAL, Op

    same = Op(
        listed=False, name="same", kind=GENERAL, inputs=("x",), params={}, evaluate=lambda x: x
    )
    x = input_node(kind)
    a = step(OPS["exp"], [x], (), kind, None)
    b = step(same, [a], (), kind, None)
    c = step(OPS["negative"], [a], (), kind, None)
    out = step(OPS["add"], [b, c], (), kind, None)
    graph = Graph(inputs=(x,), outputs=(out, b), nodes=(a, b, c, out))
    value = np.array([0.0, 1.0, 2.0])
    found = graph.evaluate([value])
    np.testing.assert_array_equal(found[0], np.zeros(3))
    np.testing.assert_array_equal(found[1], np.exp(value))


def test_careful_runs_let_zeros_absorb_infinities() -> None:
    kind = ArrayType((3,))
    t = input_node(kind)
    scaled = step(OPS["multiply"], [t, Const(np.array([np.inf, np.nan, 2.0]))], (), kind, None)
    twice = step(OPS["negative"], [scaled], (), kind, None)
    plan = plan_of(Graph(inputs=(t,), outputs=(twice,), nodes=(scaled, twice)))
    zero = np.array([0.0, 0.0, 1.0])
    np.testing.assert_array_equal(run(plan, [zero], careful=True)[0], [0.0, 0.0, -2.0])
    assert np.isnan(run(plan, [zero])[0]).tolist() == [True, True, False]
    np.testing.assert_array_equal(run(plan, [np.ones(3)], careful=True)[0], [-np.inf, np.nan, -2.0])


def test_the_line_of_a_replayed_step_is_the_users() -> None:
    """Recording a replay in an outer trace keeps the line of the program that was traced first."""
    graph = wg.trace(lambda x: np.log(x))(2.0)
    outer = wg.trace(lambda x: graph(x) * 2.0)(2.0)
    line = graph.nodes[0].where[0].co_firstlineno
    from wengert.core.node import line_of

    assert line_of(outer.nodes[0].where)[1] == line
    assert outer.nodes[0].op.name == "log"


def test_numpys_own_power_is_replayed_as_such() -> None:
    """np.power of a Python number and Python's ** are different functions in the last bit."""
    for x in np.linspace(0.1, 3.0, 97):
        x = float(x)
        both = wg.trace(lambda t: (t**2.3, np.power(t, 2.3)))(x)
        assert same_bits(both(x), (x**2.3, np.power(x, 2.3)))
