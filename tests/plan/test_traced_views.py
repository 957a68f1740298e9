"""A row taken by a traced number is a view of its array: no plan may compute into it.

May import core, plan, backends and wengert's public API. Invariant: values are held against plain NumPy, and arguments
against copies made before.
"""

import numpy as np

import wengert as wg
from wengert.backends.numpy.interpreter import evaluate


def row_by_number(x, table):
    k = np.argmax(x)
    row = table[k]
    scaled = row * x
    return np.sum(scaled * scaled) + np.sum(table)


def rows_by_bounds(x, table):
    k = np.argmax(x)
    part = table[k : k + 2]
    scaled = part * x
    return np.sum(scaled * scaled) + np.sum(table)


def test_nothing_is_computed_into_a_row_of_an_input():
    rng = np.random.default_rng(3)
    x, table = rng.normal(size=3), rng.normal(size=(6, 3))
    for program in (row_by_number, rows_by_bounds):
        wanted = program(x.copy(), table.copy())
        graph = wg.trace(program)(x, table)
        before = table.copy()
        for _ in range(2):
            assert evaluate(graph, [x, table])[0] == wanted
            assert np.array_equal(table, before)


def test_the_first_gradient_of_a_compiled_loop_is_right():
    rng = np.random.default_rng(4)
    weights, state, rows = rng.random((4, 3)), rng.random((2, 3)), rng.random((12, 3))

    def cell(w, b, h, c, x):
        forget = 1 / (1 + np.exp(-(x * w[0] + b[0])))
        take = 1 / (1 + np.exp(-(h * w[1] + b[1])))
        c = c * forget + take * np.tanh(h * w[3] + b[3])
        return np.tanh(c) / (1 + np.exp(-(x * w[2] + b[2]))), c

    def loss(m):
        h, c = state[0], state[1]
        total = 0.0
        for i in range(len(rows) - 1):
            h, c = cell(m, m + 1, h, c, rows[i] * m[0])
            total = total + np.sum(rows[i + 1] * h)
        return total

    step = 1e-5
    wanted = np.empty_like(weights)
    for k in np.ndindex(weights.shape):
        e = np.zeros_like(weights)
        e[k] = step
        wanted[k] = (loss(weights + e) - loss(weights - e)) / (2 * step)
    before = rows.copy()
    compiled = wg.compile(wg.grad(loss))
    for _ in range(3):
        np.testing.assert_allclose(compiled(weights), wanted, rtol=1e-7, atol=1e-9)
        assert np.array_equal(rows, before)
