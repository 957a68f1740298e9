"""Long recordings: their recording functions are written anew on the way, and record the same steps as before.

Imports the public API. Invariant: what is compared is the function itself, at other values than those recorded."""

from __future__ import annotations

import math
import operator

import numpy as np
import pytest

import wengert
from wengert.ops import apply, generate

STEPS = 700
"""Iterations of the loops here: more steps than ``apply.LONG``."""


def arithmetic(x, y):
    for _ in range(STEPS):
        x, y = 0.9 * x + y / 3.0 - 0.1, 1.0 - y * (0.5 + 0.1 * math.sin(x))
        x = -x if abs(x) > 1e6 else x
        y = y + 2.0 / (3.0 + x * x) + operator.pow(1.0 + x * x, -0.5) * 1e-3
    return x + y


def arrays(x, y):
    for k in range(STEPS):
        x = x * 0.99 + np.sin(y) * 0.01 - np.maximum(x, y) * 1e-3
        y = 1.0 / (1.5 + y * y) + np.float64(1e-3) * x[::-1] - x[k % 3] * 1e-4
    return np.sum(x * y)


PROGRAMS = {
    "numbers of Python": (arithmetic, (0.3, 0.7), (0.4, 0.1)),
    "numbers of NumPy": (arithmetic, (np.float64(0.3), np.float64(0.7)), (np.float64(-0.4), np.float64(0.2))),
    "arrays": (arrays, (np.linspace(0.1, 1.0, 4), np.ones(4)), (np.linspace(0.4, 0.2, 4), np.full(4, 0.7))),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_long_recording_is_a_loop_that_computes_the_function(name):
    f, first, second = PROGRAMS[name]
    compiled = wengert.compile(f, backend="numpy")
    for args in (first, second, first):
        assert abs(compiled(*args) - f(*args)) <= 1e-13 * abs(f(*args))
    (path,) = compiled.paths
    assert path.recorded > apply.LONG
    assert len(path.graph) < 120  # one loop: steps recorded early and late have one token


@pytest.mark.parametrize("name", PROGRAMS)
def test_its_derivative(name):
    f, first, second = PROGRAMS[name]
    compiled = wengert.compile(wengert.grad(f), backend="numpy")
    compiled(*first)
    x, y = second
    slope = wengert.jvp(lambda x: f(x, y), (x,), (np.ones_like(x),))[1]
    assert abs(np.sum(compiled(x, y)) - slope) <= 1e-11 * abs(slope)
    assert len(compiled.paths) == 1


def test_the_functions_written_anew_are_in_use():
    f, first, _ = PROGRAMS["numbers of Python"]
    wengert.compile(f, backend="numpy")(*first)
    assert {"operator_multiply", "operator_add", "reflected_multiply"} <= generate._hastened


def test_a_division_by_zero_late_in_the_loop_is_an_error_there():
    def f(x):
        total = 0.0
        for k in range(apply.LONG):
            total = total + 1.0 / (x - k)
        return total

    compiled = wengert.compile(f, backend="numpy")
    assert compiled(0.5) == f(0.5)
    assert compiled(0.25) == pytest.approx(f(0.25), rel=1e-14)
    for late in (apply.LONG - 5.0, 3.0):
        with pytest.raises(ZeroDivisionError):
            compiled(late)


def test_an_error_late_in_the_loop_is_the_users():
    def f(x):
        for k in range(apply.LONG):
            x = x + np.ones(3 if k < apply.LONG - 5 else 4) * 0.0
        return x

    with pytest.raises(ValueError, match="broadcast|shape"):
        wengert.compile(f, backend="numpy")(np.ones(3))
