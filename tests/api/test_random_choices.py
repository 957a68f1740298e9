"""Random programs of choices and loops, in one another: recorded and compiled, in both modes and in batches, against
the same program with Python's ``if``, ``while`` and ``for``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")


class Plain:
    """The words of a program as Python has them."""

    @staticmethod
    def cond(pred: Any, true: Any, false: Any, *operands: Any) -> Any:
        return true(*operands) if pred else false(*operands)

    @staticmethod
    def while_loop(test: Any, body: Any, value: Any) -> Any:
        while test(value):
            value = body(value)
        return value

    @staticmethod
    def scan(body: Any, carry: Any, rows: Any) -> Any:
        out = []
        for row in rows:
            carry, y = body(carry, row)
            out.append(y)
        return carry, np.stack(out)


State = tuple[Any, Any]
Program = Callable[[Any, State, Any], State]


class Maker:
    """Random steps on a number and a vector of three; ``x`` is read from outside by all of them."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def number(self) -> float:
        return float(np.round(self.rng.uniform(0.2, 1.5), 2))

    def program(self, depth: int) -> Program:
        steps = [self.step(depth) for _ in range(self.rng.integers(1, 4))]

        def run(words: Any, state: State, x: Any) -> State:
            for step in steps:
                state = step(words, state, x)
            return state

        return run

    def step(self, depth: int) -> Program:
        kinds = ["plain"] * 3 + (["cond", "while", "scan", "cond", "while"] if depth else [])
        return getattr(self, str(self.rng.choice(kinds)))(depth)  # type: ignore[no-any-return]

    def plain(self, depth: int) -> Program:
        a, b, c = self.number(), self.number(), self.number()
        kind = self.rng.integers(6)

        def run(words: Any, state: State, x: Any) -> State:
            s, v = state
            if kind == 0:
                return np.sin(s * a) + b * x[0], v
            if kind == 1:
                return s, np.tanh(v * s) * a + x * b
            if kind == 2:
                return s * a + np.sum(v * x) * 0.1, v[::-1] * c
            if kind == 3:
                w = v.copy()
                w[1] = s * a
                return s, w
            if kind == 4:
                return s / (1.0 + s * s), v + a * x
            return np.sqrt(1.0 + s * s) - b, v * 0.5 + c * s

        return run

    def test(self) -> Callable[[State, Any], Any]:
        kind, a = self.rng.integers(3), self.number()
        if kind == 0:
            return lambda state, x: state[0] > a - 0.7
        if kind == 1:
            return lambda state, x: np.sum(state[1]) + a > x[1]
        return lambda state, x: (state[0] * x[0] < a) & (state[1][2] > -1.0)

    def cond(self, depth: int) -> Program:
        test, one, other = self.test(), self.program(depth - 1), self.program(depth - 1)
        closes = bool(self.rng.integers(2))

        def run(words: Any, state: State, x: Any) -> State:
            pred = test(state, x)
            if closes:
                return words.cond(pred, lambda: one(words, state, x), lambda: other(words, state, x))
            return words.cond(pred, lambda s, v: one(words, (s, v), x), lambda s, v: other(words, (s, v), x), *state)

        return run

    def _while(self, depth: int) -> Program:
        test, body = self.test(), self.program(depth - 1)
        most, edge = int(self.rng.integers(1, 7)), self.number()

        def run(words: Any, state: State, x: Any) -> State:
            def go(value: Any) -> Any:
                n, s, v = value
                return (n < most) & ((s < edge) | test((s, v), x))

            def step(value: Any) -> Any:
                n, s, v = value
                return (n + 1, *body(words, (s, v), x))

            n, s, v = words.while_loop(go, step, (0, *state))
            return s + 0.1 * n, v

        return run

    def scan(self, depth: int) -> Program:
        body, a = self.program(depth - 1), self.number()

        def run(words: Any, state: State, x: Any) -> State:
            def step(carry: Any, row: Any) -> Any:
                s, v = body(words, (carry[0] + row * a, carry[1]), x)
                return (s, v), s * row

            (s, _), rows = words.scan(step, state, x)
            return s, rows

        return run


setattr(Maker, "while", Maker._while)

POINTS = [
    np.array([0.3, 0.8, -0.4]),
    np.array([-0.9, 0.1, 1.2]),
    np.array([1.7, -0.6, 0.2]),
    np.array([-0.2, -1.5, -0.7]),
]


def check(seed: int, backends: tuple[str, ...] = ("numpy",)) -> None:
    """One program at four points."""
    program = Maker(seed).program(2)

    def f(words: Any, x: Any) -> Any:
        s, v = program(words, (x[0] * 0.5 + 0.2, x), x)
        return s + np.sum(v * np.array([1.0, 0.5, -0.25]))

    def said(x: Any) -> Any:
        return f(wg, x)

    def plain(x: Any) -> Any:
        return f(Plain, x)

    value_and_slope = wg.value_and_grad(plain)
    wanted = [value_and_slope(x) for x in POINTS]
    first = POINTS[seed % 4]
    graph, slope = wg.trace(said)(first), wg.trace(wg.grad(said))(first)
    forward = wg.trace(wg.jacfwd(said))(first)
    assert not graph.guards
    compiled = [wg.compile(wg.value_and_grad(said), backend=b) for b in backends]
    for x, (value, gradient) in zip(POINTS, wanted, strict=True):
        close(said(x), value)
        close(graph(x), value)
        for found in (slope, forward):
            if not found.guards or x is first:
                close(found(x), gradient)
        for both in compiled:
            for _ in range(2):
                close(both(x)[0], value)
                close(both(x)[1], gradient)
    rows = np.stack(POINTS)
    values, slopes = (np.stack(part) for part in zip(*wanted, strict=True))
    close(wg.vmap(said)(rows), values)
    close(wg.vmap(wg.grad(said))(rows), slopes)
    close(wg.grad(lambda rows: np.sum(wg.vmap(said)(rows)))(rows), slopes)
    for b in backends:
        batched = wg.compile(wg.vmap(wg.value_and_grad(said)), backend=b)
        for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 2, 0, 0]):
            found, gradients = batched(rows[order])
            close(found, values[order])
            close(gradients, slopes[order])
    second = wg.jacfwd(wg.grad(plain))(first)
    close(wg.trace(wg.jacfwd(wg.grad(said)))(first)(first), second)


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("seed", range(8))
def test_random_choices(seed: int) -> None:
    check(seed)


def test_the_programs_hold_what_they_are_about() -> None:
    met: set[str] = set()
    for seed in range(8):
        program = Maker(seed).program(2)
        graph = wg.trace(lambda x, program=program: program(wg, (x[0], x), x))(POINTS[0])
        met |= {n.op.name for n in graph}
        inside = [g for n in graph for g in n.params if isinstance(g, wg.Graph)]
        met |= {f"{n.op.name} inside" for g in inside for n in g}
    assert met >= {"cond", "while_loop", "scan", "cond inside", "while_loop inside"}
