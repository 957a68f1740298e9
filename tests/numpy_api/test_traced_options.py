"""Functions of NumPy on constant arrays with a traced value where NumPy's protocol does not look.

Imports the public API. Invariant: value and derivatives are those of the untraced program, held against differences;
without a traced value the answer is NumPy's own.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert import numeric

X = np.array([0.71, -0.43, 1.31, 0.93])
C = np.array([0.5, 1.5, 2.5, 0.2])
GRID = np.linspace(0.0, 3.0, 7)


def line_with_a_bend(x):
    x0, y0, k1, k2 = x
    y = np.piecewise(GRID, [GRID < x0], [lambda g: k1 * g + y0 - k1 * x0, lambda g: k2 * g + y0 - k2 * x0])
    return np.sum((y - np.sin(GRID)) ** 2)


PROGRAMS = {
    "select with a traced default": lambda x: np.sum(np.select([C > 1], [C], x) ** 2),
    "select with one number": lambda x: np.sum(np.select([C > 1, C > 0.3], [C, 2 * C], default=x[0] * x[1]) ** 2),
    "pad with a number": lambda x: np.sum(np.pad(C, 1, constant_values=x[0]) ** 2),
    "pad with four": lambda x: np.prod(np.pad(C.reshape(2, 2), 1, constant_values=((x[0], 1.0), (2.0, x[1])))),
    "pad with a ramp": lambda x: np.sum(np.pad(C, 2, mode="linear_ramp", end_values=(x[0], x[1])) ** 2),
    "interp outside": lambda x: np.prod(np.interp([-1.0, 5.0, 0.5], [0.0, 1.0], [2.0, 3.0], left=x[0], right=x[1])),
    "piecewise": lambda x: np.sum(np.piecewise(C, [C > 1, C < 0.4], [lambda v: v * x[0], x[1], lambda v: x[2]]) ** 2),
    "a line with a bend": line_with_a_bend,
    "rows": lambda x: np.sum(np.apply_along_axis(lambda row: row * x[:2] * x[3], 1, C.reshape(2, 2)) ** 2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives(name):
    fun = PROGRAMS[name]
    wanted = numeric.gradient(fun, X, method="richardson").value
    value, got = wg.value_and_grad(fun, verify=True)(X)
    assert value == fun(X)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-8)
    np.testing.assert_allclose(wg.jacfwd(fun)(X), wanted, rtol=0, atol=1e-8)
    wg.check_grads(fun, (X,), order=2)


PLAIN = {
    "select": lambda: np.select([C > 1], [np.arange(4)], 7),
    "pad": lambda: np.pad(np.arange(4), 2, mode="wrap"),
    "interp": lambda: np.interp(0.5, [0, 1], [2, 3]),
    "piecewise": lambda: np.piecewise(np.arange(4), [C > 1], [lambda v: v * 2, -1]),
    "piecewise of floats": lambda: np.piecewise(C, [C > 1], [lambda v: v * 2.0, -1.0]),
    "piecewise of a number": lambda: np.piecewise(1.5, [True], [lambda v: v * 2.0]),
    "rows": lambda: np.apply_along_axis(np.sort, 0, C.reshape(2, 2)),
    "rows to numbers": lambda: np.apply_along_axis(lambda row: row.sum(), 0, C.reshape(2, 2)),
}


@pytest.mark.parametrize("name", PLAIN)
def test_without_a_traced_value_the_answer_is_the_plain_one(name):
    found = []

    def fun(x):
        found.append(PLAIN[name]() * 1)
        return np.sum(x**2)

    wg.grad(fun)(X)
    wanted = PLAIN[name]() * 1
    assert np.shape(found[0]) == np.shape(wanted)
    assert found[0].dtype == wanted.dtype
    assert np.array_equal(np.array(found[0] if isinstance(found[0], np.generic) else found[0].tolist()), wanted)
