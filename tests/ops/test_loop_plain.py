"""Loops of Python's floats give the bits of the body run step by step.

Imports ops and the public API. Invariant: the reference is NumPy's own numbers, one operation at a time."""

from __future__ import annotations

import numpy as np
import pytest

import wengert
from wengert.ops.loop_plain import by_floats, plain_loop
from wengert.ops.loops import is_scan
from wengert.rewrite.loops.fold import fold


def scans_of(f, *args):
    graph = fold(wengert.trace(f)(*args), smallest=1)
    return [node for node in graph.nodes if is_scan(node)], graph


def state_of(seed, *shapes):
    random = np.random.default_rng(seed)
    return [random.standard_normal(s) if s else np.float64(random.standard_normal()) for s in shapes]


def numbers(p, x):
    y, kept = x * 0.5, []
    for _ in range(40):
        kept.append(x)
        x, y = x + 0.1 * (p[0] * x - p[1] * x * y), y + 0.1 * (x * y / (1.0 + p[2] * p[2]) - y)
        x = x - (-y) * 1e-3 + np.sqrt(1.0 + y * y) * 1e-3
    return x * y + sum(kept)


def vectors(p, x):
    out = np.zeros(3)
    for _ in range(40):
        out = p[:3] * out + np.square(x) / (2.0 + out * out)
        x = x * 0.9 - np.negative(out[0])
    return out


@pytest.mark.parametrize("f", [numbers, vectors])
def test_a_loop_of_floats_computes_the_same_bits(f):
    p, x = state_of(3, (4,), ())
    loops, graph = scans_of(f, p, x)
    assert loops
    np.testing.assert_array_equal(graph(p, x), f(p, x))
    moved = p * 1.01
    np.testing.assert_array_equal(graph(moved, x * 0.5), f(moved, x * 0.5))


def test_such_loops_are_taken():
    p, x = state_of(3, (4,), ())
    (loop, *_), _ = scans_of(numbers, p, x)
    body, _, carries, _, sequences, _ = loop.params
    assert plain_loop(body, carries, sequences) is not None


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 17, 18, 40])
def test_rows_in_and_out(length, reverse):
    random = np.random.default_rng(5)
    rows, wide = random.standard_normal(length), random.standard_normal((length, 4))
    start, weight = np.float64(0.3), random.standard_normal(4)

    def step(carry, xs):
        number, vector = carry
        row, line = xs
        new = vector * weight + line * number
        return (number * 0.5 + row, new), (number, new - row)

    def by_hand(start, rows, wide):
        carry, found = (start, np.ones(4)), [None] * length
        for t in range(length - 1, -1, -1) if reverse else range(length):
            carry, found[t] = step(carry, (rows[t], wide[t]))
        return carry, found

    got, ys = wengert.scan(step, (start, np.ones(4)), (rows, wide), reverse=reverse)
    ends, found = by_hand(start, rows, wide)
    for a, b in zip(got, ends, strict=True):
        np.testing.assert_array_equal(a, b)
        assert type(a) is type(b)
    for k, stacked in enumerate(ys):
        assert stacked.shape[0] == length
        for t in range(length):
            np.testing.assert_array_equal(stacked[t], found[t][k])


def test_what_python_raises_on_is_left_to_numpy():
    def f(x):
        for _ in range(60):
            x = 1.0 / (x - 0.5) + 0.5
        return x

    loops, graph = scans_of(f, np.float64(2.0))
    assert loops
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(graph(np.float64(0.5)), f(np.float64(0.5)))  # 1 / 0, then 1 / inf
        roots = wengert.scan(lambda c, _: (np.sqrt(c) - 0.3, None), np.float64(0.5), None, length=60)[0]
    assert np.isnan(roots)


def test_special_values_and_types_pass_through():
    (loop, *_), graph = scans_of(numbers, *state_of(3, (4,), ()))
    for value in (np.inf, -np.inf, np.nan, -0.0, 5e-324, 1e308):
        p = np.array([value, 1.0, 0.5, 0.0])
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(graph(p, np.float64(0.7)), numbers(p, np.float64(0.7)))
    body = loop.params[0]
    state = [np.float32(1.0)] * loop.params[2]
    assert by_floats(body, state, [], [], range(100), []) is None  # a float32 is no float64
