"""Folding: programs as people write them, and random ones. The folded graph gives the bits of the plain program on
recorded and on new inputs; its derivatives are compared with the complex step and with the unrolled program's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.rewrite.loops.fold import fold

sys.path.insert(0, str(Path(__file__).parent))
import loop_fuzzer
from loop_programs import PROGRAMS

REAL_ONLY = {"hidden_markov", "time_warping", "newton", "kalman"}  # max, min, abs, slogdet: no complex step


def scans(graph: Any) -> list[Any]:
    return [n for n in graph.nodes if n.op.name == "scan"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_fold_exactly(name: str) -> None:
    f, args, count, most = PROGRAMS[name]
    graph = wg.trace(f)(*args)
    folded = fold(graph, smallest=1)
    assert len(scans(folded)) == count, str(folded)
    assert len(folded) <= most, str(folded)
    for factor in (1.0, 1.0007, 0.9995):
        moved = [a * factor for a in args]
        assert np.array_equal(f(*moved), folded(*moved)), factor


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_of_folded_programs(name: str) -> None:
    f, args, _, _ = PROGRAMS[name]
    folded = fold(wg.trace(f)(*args), smallest=1)
    unrolled = wg.grad(f)(*args)
    recorded = wg.trace(wg.grad(lambda *a: folded(*a)))(*args)
    scale = 1e-10 * (1.0 + np.max(np.abs(unrolled)))
    for found in (wg.grad(lambda *a: folded(*a))(*args), recorded(*args)):
        np.testing.assert_allclose(found, unrolled, rtol=1e-9, atol=scale)
    if name not in REAL_ONLY:
        x = np.asarray(args[0], float)
        direction = np.cos(np.arange(x.size) + 1.0).reshape(x.shape)
        step = 1e-5
        moved = [
            f(x + k * step * direction if x.shape else float(x + k * step * direction), *args[1:])
            for k in (-2, -1, 1, 2)
        ]
        along = (8 * (moved[2] - moved[1]) - (moved[3] - moved[0])) / (12 * step)
        np.testing.assert_allclose(np.sum(unrolled * direction), along, rtol=1e-5)


def test_second_order_through_a_folded_loop() -> None:
    f, args, _, _ = PROGRAMS["garch"]
    folded = fold(wg.trace(f)(*args), smallest=1)
    wanted = wg.hessian(f)(*args)
    np.testing.assert_allclose(wg.hessian(lambda *a: folded(*a))(*args), wanted, rtol=1e-9)
    gradient = lambda p: wg.grad(f)(p, args[1])
    columns = [(gradient(args[0] + 1e-5 * e) - gradient(args[0] - 1e-5 * e)) / 2e-5 for e in np.eye(3)]
    np.testing.assert_allclose(wanted, columns, rtol=1e-5)


def test_a_guard_in_a_loop_asks_all_iterations() -> None:
    def f(x: Any) -> Any:
        for _ in range(120):
            x = x * 0.99 if x > 0.5 else x * 0.98
        return x

    graph = wg.trace(f)(0.4)
    folded = fold(graph, smallest=1)
    assert len(scans(folded)) == 1 and len(folded.guards) == 1
    assert float(folded(0.3)) == f(0.3)
    with pytest.raises(wg.WengertError, match="cast"):
        folded(0.6)


def test_small_loops_and_straight_lines_stay() -> None:
    graph = wg.trace(lambda x: np.sin(x) + np.cos(x))(1.0)
    assert fold(graph) is graph

    def few(x: Any) -> Any:
        for _ in range(10):
            x = np.sin(x)
        return x

    graph = wg.trace(few)(1.0)
    assert fold(graph) is graph

    def random_walk(x: Any) -> Any:
        for bit in np.random.default_rng(1).integers(0, 5, 400):
            x = [np.sin, np.cos, np.tanh, np.arctan, np.square][bit](x)
        return x

    assert float(fold(wg.trace(random_walk)(0.5))(0.7)) == random_walk(0.7)


def test_buffers_leave_the_loop() -> None:
    """Element after element written: one write after the loop, and no array is carried through it."""
    f, args, _, _ = PROGRAMS["garch"]
    (loop,) = scans(fold(wg.trace(f)(*args), smallest=1))
    body, carries = loop.params[0], loop.params[2]
    assert carries == 1 and all(n.type.shape == () for n in body.inputs)


def test_python_numbers_and_float32_tables() -> None:
    def f(x: Any) -> Any:
        for i in range(150):
            x = x * (1.0 + 0.001 * i) + 0.1 * i
            x = x / (1 + i)
        return x

    x = np.array([0.3, 1.7], np.float32)
    folded = fold(wg.trace(f)(x), smallest=1)
    assert len(scans(folded)) == 1
    got, wanted = folded(x * np.float32(1.1)), f(x * np.float32(1.1))
    assert got.dtype == wanted.dtype == np.float32
    assert np.array_equal(got, wanted)


@pytest.mark.parametrize("seed", [14, 3102, 3103, 3129, *range(1000, 1036)])  # the first few were wrong once
def test_random_programs(seed: int) -> None:
    loop_fuzzer.check(seed, gradients=seed % 5 < 1 or seed > 3000)
