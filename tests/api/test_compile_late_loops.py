"""Long loops of a recording that are put off until native code, or who asks, computes them.

Imports wengert and its parts. Invariant: what is compared with is the function that is not compiled."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.api.late_steps import Seen, same, watched
from wengert.ops import put_off_loops

STEPS = 100
W = np.linspace(-0.4, 0.6, 30).reshape(6, 5)
START = np.linspace(0.1, 0.5, 5)
INPUTS = np.sin(np.arange(STEPS * 5.0)).reshape(STEPS, 5)
ZERO_FIRST = np.array([0.0, 1.0, 1.0, 1.0, 1.0])
PLACES = np.arange(STEPS)[::-1].copy()
BACKENDS = ["numpy", "auto"] if importlib.util.find_spec("llvmlite") else ["numpy"]


def carried(w: Any, start: Any) -> Any:
    state, total = start, 0.0
    for t in range(STEPS):
        state = np.tanh(w[:5] @ state + INPUTS[t])
        total = total + np.sum(state * w[5])
    return total


def written(w: Any, start: Any) -> Any:
    state = np.array(start)
    rows = np.zeros((STEPS, 5))
    for t in range(STEPS):
        state[1:] = np.sin(state[:-1]) * w[5, 1:] + INPUTS[t, 1:]
        rows[t] = state * w[0]
    return np.sum(rows * rows) + state[2]


def gathered(w: Any, start: Any) -> Any:
    state = start
    for t in range(STEPS):
        state = state * w[5] + INPUTS[PLACES[t]] * w[0]
    return np.sum(state)


def counted(w: Any, start: Any) -> Any:
    state, count = start, 1
    for t in range(STEPS):
        state = state * w[5] / count + INPUTS[t]
        count = count + 1
    return np.sum(state) * count


def branched(w: Any, start: Any) -> Any:
    state = start
    for t in range(STEPS):
        state = state * w[5] + INPUTS[t]
        if np.sum(state) > -1e9:
            state = state * 0.5
    return np.sum(state)


def masked(w: Any, start: Any) -> Any:
    """Its sweep meets infinities beside exact zeros, and is run again."""
    state = start * ZERO_FIRST
    for _ in range(STEPS):
        state = np.where(state > 0.0, np.sqrt(state), 0.0) * w[4] * w[4] + 0.1 * state
    return np.sum(state)


def of_several(w: Any, start: Any) -> Any:
    for _ in range(2):
        state = start
        for t in range(STEPS):
            state = np.tanh(w[:5] @ state) + INPUTS[t]
        start = state * 0.5
    return np.sum(start)


def of_complex(w: Any, start: Any) -> Any:
    state = start * (1.0 + 0.5j)
    for t in range(STEPS):
        state = np.exp(1j * w[5]) * state + INPUTS[t]
    return np.sum(np.abs(state) ** 2)


def said(w: Any, start: Any) -> Any:
    flush = carried(w, start)  # a name that counts as an effect: nothing is taken for granted
    return flush * 1.0


FUNCTIONS = [carried, written, gathered, counted, branched, masked, of_several, of_complex, said]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Every loop may be put off."""
    monkeypatch.setattr(put_off_loops, "LONG", 1)
    with watched(monkeypatch) as found:
        yield found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_values_and_gradients(function: Any, backend: str, seen: Seen) -> None:
    derivative = wg.value_and_grad(function, (0, 1))
    compiled = wg.compile(derivative, backend=backend)
    for scale in (1.0, 1.0, 0.9):
        same(compiled(W * scale, START), derivative(W * scale, START))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", [carried, gathered, branched])
def test_higher_derivatives(function: Any, backend: str, seen: Seen) -> None:
    hessian = wg.hessian(function, 1)
    compiled = wg.compile(hessian, backend=backend)
    for _ in range(2):
        same(compiled(W, START), hessian(W, START))


@pytest.mark.skipif("auto" not in BACKENDS, reason="needs llvmlite")
@pytest.mark.parametrize("function", [carried, written, gathered])
def test_native_code_gives_the_first_answer(function: Any, seen: Seen) -> None:
    compiled = wg.compile(wg.value_and_grad(function, (0, 1)))
    compiled(W, START)
    assert seen.steps
    assert not seen.computed
    assert compiled.paths[0].native is not None


def test_where_native_code_fails_steps_are_taken(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    from wengert.api.compiling.path import Path

    monkeypatch.setattr(Path, "answer", lambda self, leaves: (None, False))
    derivative = wg.value_and_grad(written, (0, 1))
    same(wg.compile(derivative)(W, START), derivative(W, START))


def test_no_loop_waits_where_the_user_s_code_goes_on(seen: Seen) -> None:
    def twice(w: Any, start: Any) -> Any:
        first = wg.grad(carried)(w, start)
        return first + wg.grad(carried)(w * 2.0, start)

    compiled = wg.compile(twice)
    for _ in range(2):
        same(compiled(W, START), twice(W, START))
    assert not seen.steps


def test_a_sweep_that_ends_non_finite_is_run_again(seen: Seen) -> None:
    derivative = wg.value_and_grad(masked, (0, 1))
    found = wg.compile(derivative)(W, START)
    same(found, derivative(W, START))
    assert all(np.isfinite(v).all() for v in (found[0], *found[1]))
