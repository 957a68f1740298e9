"""Random programs before and after the passes: exact rules keep every bit at infinities, NaN and zeros of both signs;
the others keep values, and gradients, to roundings.

Imports the public API and rewrite. Invariant: the reference is the graph that was not rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.core.graph import Graph
from wengert.rewrite import passes
from wengert.rewrite.builder import rebuild
from wengert.rewrite.passes import gates, improve, report
from wengert.rewrite.regions import chains

EXACT = {name: [rule for rule in rules if rule[1]] for name, rules in passes._AFTER.items()}
ROWS, COLUMNS = 4, 3
NUMBERS = [1.0, -1.0, 2.0, -0.5, 0.0, -0.0, 3.0, 0.25]


def unary(rng: Any, x: Any) -> Any:
    """One of the functions of one array."""
    k = rng.integers(13)
    c = NUMBERS[rng.integers(len(NUMBERS))]
    table: list[Any] = [
        lambda: -x,
        lambda: x * c,
        lambda: c * x,
        lambda: x + c,
        lambda: c - x,
        lambda: x / 2.0,
        lambda: x**2,
        lambda: np.tanh(x),
        lambda: np.maximum(x, c),
        lambda: np.where(x > 0.5, x, c),
        lambda: +x,
        lambda: x * np.full(x.shape, c),
        lambda: np.abs(x),
    ]
    return table[k]()


def binary(rng: Any, x: Any, y: Any) -> Any:
    """One of the functions of two arrays."""
    k = rng.integers(6)
    table: list[Any] = [
        lambda: x + y,
        lambda: x - y,
        lambda: x * y,
        lambda: x / (2.0 + np.abs(y)),
        lambda: np.minimum(x, y),
        lambda: np.where(x > y, x, y),
    ]
    return table[k]()


def rearranged(rng: Any, x: Any) -> Any:
    """Views and writes that give an array of the same shape."""
    k = rng.integers(7)
    if k == 0:
        return x.T.reshape(ROWS, COLUMNS)
    if k == 1:
        return x[::-1]
    if k == 2:
        return np.stack([x[i] for i in range(ROWS)])
    if k == 3:
        out = np.zeros((ROWS, COLUMNS))
        for i in range(ROWS):
            out[i] = x[ROWS - 1 - i] if i else -x[0]
        return out
    if k == 4:
        out = np.array(x)
        out[1:] += x[:-1]
        return out
    if k == 5:
        out = np.array(x)
        out[2] = x[1]
        return out + out[2] * x
    return np.broadcast_to(x[1], (ROWS, COLUMNS)) * x


def reduced(rng: Any, x: Any, y: Any) -> Any:
    """Sums, contractions and gates, spread over the shape again."""
    k = rng.integers(9)
    w = np.linspace(-1.0, 1.0, 9).reshape(3, 3)
    if k == 0:
        return np.sum(x, axis=0) * y
    if k == 1:
        return np.sum(-x * y, axis=1)[:, None] + y
    if k == 2:
        return x @ w - y
    if k == 3:
        return np.sum(x @ w + y, axis=0) - x
    if k == 4:
        return np.einsum("ni,nj->ij", x, y)[0] * x
    if k == 5:
        return np.einsum("ij,nj->ni", w, x) + y * x
    if k == 6:
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return e / np.sum(e, axis=1, keepdims=True) * y
    if k == 7:
        return y + np.log(np.sum(np.exp(x), axis=1))[:, None]
    return y / (1 + np.exp(-x))


def program(seed: int, length: int, *, exact: bool) -> Any:
    """A function of two arrays with one array as value."""

    def run(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        known = [x, y]
        for _ in range(length):
            kind = rng.integers(3 if exact else 4)
            a, b = (known[rng.integers(len(known))] for _ in range(2))
            if kind == 0:
                known.append(unary(rng, a))
            elif kind == 1:
                known.append(binary(rng, a, b))
            elif kind == 2:
                known.append(rearranged(rng, a))
            else:
                known.append(reduced(rng, a, b))
        return known[-1] + known[-2]

    return run


def recorded(f: Any) -> Graph:
    rng = np.random.default_rng(7)
    return wg.trace(f)(rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=(ROWS, COLUMNS)))


def special(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pool = np.array([0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e300, -1e-310, 2.0, 3.0])
    return rng.choice(pool, size=(ROWS, COLUMNS))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 12))
def test_exact_rules_keep_every_bit(seed: int, length: int) -> None:
    graph = recorded(program(seed, length, exact=True))
    after = graph
    for _ in range(2):
        after, _ = rebuild(after, EXACT, chains(after), final=True)
    for k in range(4):
        x, y = special(seed + k), special(seed + k + 100)
        with np.errstate(all="ignore"):
            left, right = np.asarray(graph(x, y)), np.asarray(after(x, y))
        np.testing.assert_array_equal(left, right)
        numbers = ~np.isnan(left)
        np.testing.assert_array_equal(np.signbit(left[numbers]), np.signbit(right[numbers]))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 12))
def test_improved_values_and_gradients_are_the_same(seed: int, length: int) -> None:
    f = program(seed, length, exact=False)

    def scalar(x: Any, y: Any) -> Any:
        return np.sum(np.cos(f(x, y)))

    graph = recorded(f)
    primal = gates(recorded(scalar))
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, ROWS, COLUMNS))
    with np.errstate(all="ignore"):
        want = graph(x, y)
        if not np.all(np.isfinite(want)) or np.max(np.abs(want)) > 1e6:
            return
        np.testing.assert_allclose(improve(graph)(x, y), want, rtol=1e-9, atol=1e-9)
        slope = wg.trace(wg.grad(scalar, (0, 1)))(x, y)
        through = improve(wg.trace(wg.grad(lambda x, y: primal(x, y), (0, 1)))(x, y))
        plain = improve(slope)
    for wanted, a, b in zip(slope(x, y), plain(x, y), through(x, y), strict=True):
        size = max(1.0, float(np.max(np.abs(wanted))))
        np.testing.assert_allclose(a, wanted, rtol=1e-8, atol=1e-8 * size)
        np.testing.assert_allclose(b, wanted, rtol=1e-8, atol=1e-8 * size)


def test_passing_twice_changes_nothing_more_and_rules_do_not_go_round_in_circles() -> None:
    for seed in range(20):
        graph = recorded(program(seed, 10, exact=False))
        once = improve(graph)
        assert len(improve(once)) == len(once)
        assert sum(report(once).rules.values()) <= 4 * len(graph) + 20, "rules that undo each other"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype: Any) -> None:
    x = np.ones((ROWS, COLUMNS), dtype)
    for seed in range(20):
        graph = wg.trace(program(seed, 8, exact=False))(x, x)
        assert improve(graph)(x, x).dtype == graph(x, x).dtype
