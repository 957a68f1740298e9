"""Arrays that are filled region by region are one formula with tables: the same bits as writing them."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.indexed import Sub
from wengert.backends.llvm.interpret import interpret
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.tables import FEWEST, tabled

pytest.importorskip("llvmlite")


def guards(program):
    """How many guarded values a program has."""
    return sum(isinstance(v, Sub) and bool(v.guards) for v in program.values())


def lowered(f, *args):
    return lower(wengert.trace(f)(*args))


def lower_triangle(rows, n):
    """Packed rows: the log-diagonal, then the columns below it."""
    made = np.zeros((len(rows), n, n))
    for i in range(n):
        made[:, i, i] = np.exp(rows[:, i])
    start = n
    for j in range(n - 1):
        made[:, j + 1 :, j] = rows[:, start : start + n - 1 - j]
        start += n - 1 - j
    return made


def spiral(x):
    """Rows and columns written over one another, forwards and backwards, some negated."""
    made = np.zeros((9, 9))
    for k in range(4):
        made[k, k : 9 - k] = x[k : 9 - k]
        made[k : 9 - k, 8 - k] = x[::-1][k : 9 - k]
        made[8 - k, k : 9 - k] = -x[k : 9 - k]
    return made


def banded(x):
    """Bands of a matrix, added and set."""
    made = np.ones((12, 12))
    for i in range(12):
        made[i, i] = x[i] * 2.0
    for i in range(11):
        made[i + 1, i] += x[i]
    return made


FILLED = {
    "lower triangle": (lambda x: lower_triangle(x, 7), (5, 28)),
    "spiral": (spiral, (9,)),
    "banded": (banded, (12,)),
}


@pytest.mark.parametrize("name", FILLED)
@pytest.mark.parametrize("bits", [128, 512])
def test_what_was_written_stands_there(name, bits):
    f, shape = FILLED[name]
    x = np.random.default_rng(1).standard_normal(shape)
    x.flat[::4] *= -0.0
    x.flat[3] = np.nan
    program = lowered(f, x)
    assert guards(program) >= FEWEST and guards(tabled(program)) < FEWEST
    (made,) = agree(program, [x], bits)
    want = f(x)
    np.testing.assert_allclose(made, want, rtol=1e-15)
    assert (np.signbit(made) == np.signbit(want))[~np.isnan(want)].all()


@pytest.mark.parametrize("name", FILLED)
def test_gradients_by_tables(name):
    f, shape = FILLED[name]
    rng = np.random.default_rng(2)
    x = rng.standard_normal(shape)
    weight = rng.standard_normal(f(x).shape)
    program = lowered(wengert.grad(lambda x: np.sum(np.sin(f(x)) * weight)), x)
    (slope,) = agree(program, [x], 512)
    moved = np.empty(shape)
    for k in np.ndindex(*shape):  # central differences, extrapolated
        step = np.zeros(shape)
        step[k] = 1e-3
        g = lambda h, step=step: np.sum((np.sin(f(x + h * step)) - np.sin(f(x - h * step))) * weight) / (2e-3 * h)
        moved[k] = (64 * g(1.0) - 20 * g(2.0) + g(4.0)) / 45
    np.testing.assert_allclose(slope, moved, rtol=1e-8, atol=1e-8)


def test_costly_elements_are_computed_once():
    x = np.random.default_rng(3).standard_normal((40, 28))
    loops = emit(lowered(lambda x: lower_triangle(x, 7), x), width_bits=512, fma=True).loops
    (line,) = (line for line in loops.splitlines() if "exp(" in line)
    assert "select" not in line and "7" in loops.splitlines()[1]  # a table of 7 for each row


def test_different_formulas_stay_choices():
    x = np.random.default_rng(4).standard_normal((8, 30))

    def f(x):
        made = np.zeros((8, 30))
        for k, g in enumerate([np.sin, np.cos, np.tanh, np.exp, np.sqrt, np.cbrt, np.abs, np.arctan]):
            made[k] = g(np.abs(x[k]))
        return made

    program = lowered(f, x)
    assert guards(tabled(program)) == guards(program)
    (made,) = agree(program, [x])
    np.testing.assert_allclose(made, f(x), rtol=1e-14)


def test_values_of_fewer_axes_and_long_chains():
    x = np.random.default_rng(5).standard_normal(400)

    def f(x):
        made = np.zeros(400)
        for k in range(0, 380, 1):
            made[k] = x[399 - k] + 1.0
        same = np.zeros((6, 3))
        for k in range(6):
            same[k] = 2.0
        return made, same * x[0]

    made, same = agree(lowered(f, x), [x])
    want = np.where(np.arange(400) < 380, x[::-1] + 1.0, 0.0)
    np.testing.assert_array_equal(made, want)
    np.testing.assert_array_equal(same, np.full((6, 3), 2.0 * x[0]))


def test_steps_that_follow_one_another_are_not_looked_through():
    """Each step uses the one before three times: there are 3^30 ways from the end to the beginning."""

    def steps(p):
        x = p[:2]
        for _ in range(30):
            x = x + 0.01 * np.stack([x[1] - p[2] * x[0] * x[1], x[0] - p[3] * x[0] * x[1]])
        return np.sum(x)

    rows = np.random.default_rng(4).uniform(0.5, 1.5, (9, 4))
    program = lowered(wengert.vmap(wengert.grad(steps)), rows)
    assert guards(program) >= FEWEST
    agree(program, [rows], tolerance=1e-10)
    (slopes,) = interpret(program, [rows])[0]
    for k in range(4):
        shift = 1e-20j * np.eye(4)[k]
        exact = [complex(steps(row + shift)).imag / 1e-20 for row in rows]
        np.testing.assert_allclose(slopes[:, k], exact, rtol=1e-11)
