"""Every rule of the table is its own test: both sides run on samples, infinities, zeros of both
signs and NaN among them.

Imports rewrite. Invariant: an exact rule keeps every bit, another one every finite value up to a
rounding."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from wengert.core.graph import Graph, input_node
from wengert.core.node import Const, Node
from wengert.core.types import ArrayType
from wengert.rewrite.algebra import ALGEBRA, EXACT
from wengert.rewrite.clean import without_dead
from wengert.rewrite.engine import rewrite
from wengert.rewrite.gates import SPARING, STABILITY
from wengert.rewrite.pattern import Bindings, Call, Computed, Pattern, Rule, Variable, build, call

SPECIAL = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        3.0,
        -7.25,
        1e-310,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        -1e300,
        np.inf,
        -np.inf,
        np.nan,
        0.1,
        1 / 3,
        np.pi,
    ]
)
FACTORS = [2.0, -3.0, 0.5, 0.1, 1e200, 1e-200, 4, -0.25]


def variables(pattern: Pattern) -> dict[str, Variable]:
    """The variables of a pattern by name."""
    if isinstance(pattern, Variable):
        return {pattern.name: pattern}
    found: dict[str, Variable] = {}
    if isinstance(pattern, Call):
        for part in pattern.args:
            found.update(variables(part))
    return found


def graph_of(rule: Rule, kind: ArrayType, factors: dict[str, float]) -> tuple[Graph, list[str]]:
    """The left side of a rule as a graph whose inputs are the rule's free variables."""
    found: Bindings = {}
    inputs: list[Node] = []
    names: list[str] = []
    made: list[Node] = []
    for name, variable in variables(rule.pattern).items():
        if variable.constant:
            found[name] = Const(factors[name])
            continue
        node = input_node(ArrayType(kind.shape, np.dtype(bool)) if name == "c" else kind)
        inputs.append(node)
        names.append(name)
        found[name] = node
        if rule.name == "plus zero":  # true only of what is never negative
            found[name] = build(call("square", variable), {name: node}, None, made)
    result = build(rule.pattern, found, None, made)
    return Graph(inputs=tuple(inputs), outputs=(result,), nodes=tuple(made)), names


def samples(names: list[str], kind: ArrayType) -> Any:
    """Every pair of special values, and random ones."""
    rng = np.random.default_rng(0)
    left, right = (m.ravel() for m in np.meshgrid(SPECIAL, SPECIAL))
    random = np.concatenate([rng.normal(size=200), np.exp(rng.uniform(-700, 700, 200)) * rng.choice([-1, 1], 200)])
    columns = {
        "x": np.concatenate([left, random]),
        "y": np.concatenate([right, rng.permutation(random)]),
    }
    size = columns["x"].size
    for name in names:
        value = rng.random(size) > 0.5 if name == "c" else columns[name].astype(kind.dtype)
        yield value


def kinds_of(rule: Rule) -> list[ArrayType]:
    size = SPECIAL.size**2 + 400
    found = [ArrayType((size,)), ArrayType((size,), np.dtype(np.float32))]
    if rule.name in {"conjugate twice"}:
        found.append(ArrayType((size,), np.dtype(complex)))
    return found


def same_bits(left: np.ndarray, right: np.ndarray) -> None:
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    both = np.isnan(left) & np.isnan(right)
    np.testing.assert_array_equal(left, right)
    parts = [(left.real, right.real), (left.imag, right.imag)] if left.dtype.kind == "c" else [(left, right)]
    for a, b in parts:
        np.testing.assert_array_equal(np.signbit(a)[~both], np.signbit(b)[~both])


FIRED: Counter[str] = Counter()


@pytest.mark.parametrize("rule", [*ALGEBRA, *SPARING], ids=lambda r: r.name)
def test_both_sides_agree(rule: Rule) -> None:
    with np.errstate(all="ignore"):
        for kind in [ArrayType(()), *kinds_of(rule)]:
            for p in FACTORS:
                for q in FACTORS:
                    _compare(rule, kind, {"a": p, "b": q})
                if "b" not in variables(rule.pattern):
                    break
            if "a" in variables(rule.pattern):
                for p in FACTORS:
                    _compare(rule, kind, {"a": p, "b": 3.0})
    assert FIRED[rule.name], "the rule never applied: it is not tested"


def _compare(rule: Rule, kind: ArrayType, factors: dict[str, float]) -> None:
    graph, names = graph_of(rule, kind, factors)
    counts: Counter[str] = Counter()
    after = without_dead(rewrite(graph, [rule], counts))
    if not counts:
        return
    FIRED[rule.name] += 1
    assert len(after) <= len(graph)
    if kind.shape == ():
        rows = list(zip(*samples(names, ArrayType((1,))), strict=True))[::7]
        values = [[v if isinstance(v, np.bool_) else np.float64(v) for v in row] for row in rows]
    else:
        values = [list(samples(names, kind))]
    for row in values:
        left, right = (np.asarray(g.evaluate(row)[0]) for g in (graph, after))
        if rule.exact:
            same_bits(left, right)
            continue
        finite = np.isfinite(left)
        assert np.all(np.isfinite(right[finite]))
        tiny = 1e-300  # where numbers lose digits to underflow, a rounding is absolute
        np.testing.assert_allclose(right[finite], left[finite], rtol=1e-15, atol=tiny)
        np.testing.assert_array_equal(np.isnan(left), np.isnan(right))


@pytest.mark.parametrize("rule", STABILITY, ids=lambda r: r.name)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_stability_rule_changes_a_finite_value_by_roundings_of_the_spelled_out_form(rule: Rule, dtype: Any) -> None:
    """What was finite stays, to a few units of 1 or of the value; what was infinite or NaN becomes finite or stays."""
    kind = ArrayType((SPECIAL.size**2 + 400,), np.dtype(dtype))
    graph, names = graph_of(rule, kind, {})
    counts: Counter[str] = Counter()
    after = without_dead(rewrite(graph, [rule], counts))
    assert counts
    eps = float(np.finfo(dtype).eps)
    with np.errstate(all="ignore"):
        values = list(samples(names, kind))
        left, right = (np.asarray(g.evaluate(values)[0]) for g in (graph, after))
    assert left.dtype == right.dtype == dtype
    finite = np.isfinite(left)
    assert np.all(np.isfinite(right[finite]))
    largest = np.max([np.abs(v) for v in values], axis=0)[finite]
    scale = np.maximum(np.maximum(np.abs(left[finite]), 1.0), largest if len(names) > 1 else 1.0)
    assert np.all(np.abs(right[finite] - left[finite]) <= 16 * eps * scale)
    assert np.all(np.isnan(right[np.isnan(values[0])]))


def test_every_rule_says_why_and_has_a_name_of_its_own() -> None:
    every = [*ALGEBRA, *SPARING, *STABILITY]
    assert len({r.name for r in every}) == len(every)
    assert all(r.why for r in every)
    for rule in ALGEBRA:
        assert rule.why
        assert rule.exact == (rule in EXACT)
        wanted = set(variables(rule.replacement)) if not isinstance(rule.replacement, Computed) else set()
        assert wanted <= set(variables(rule.pattern))


x, y = Variable("x"), Variable("y")


@pytest.mark.parametrize(
    "expression",
    [
        x * 0.0,
        x - x,
        x / x,
        x + 0.0,
        0.0 - x,
        (x + y) - y,
        call("exp", call("log", x)),
        call("sqrt", x) * call("sqrt", x),
        -(x - y),
    ],
    ids=repr,
)
def test_what_is_true_only_of_real_numbers_is_left_alone(expression: Call) -> None:
    kind = ArrayType((3,))
    found = {name: input_node(kind) for name in variables(expression)}
    made: list[Node] = []
    result = build(expression, dict(found), None, made)
    graph = Graph(inputs=tuple(found.values()), outputs=(result,), nodes=tuple(made))
    counts: Counter[str] = Counter()
    rewrite(graph, ALGEBRA, counts)
    assert not counts


def test_a_rule_that_changes_the_type_is_not_applied() -> None:
    """x * 1 of an integer array and a float 1 is a float array: x itself would be integers."""
    node = input_node(ArrayType((3,), np.dtype(np.int64)))
    made: list[Node] = []
    result = build(x * 1.0, {"x": node}, None, made)
    graph = Graph(inputs=(node,), outputs=(result,), nodes=tuple(made))
    counts: Counter[str] = Counter()
    assert rewrite(graph, ALGEBRA, counts).outputs == (result,)
    assert not counts
