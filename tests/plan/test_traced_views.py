"""A row taken by a traced number is a view of its array: no plan may compute into it.

May import core, plan, backends and wengert's public API. Invariant: values are held against plain NumPy, and arguments
against copies made before.
"""

import numpy as np
import pytest

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


def write_through_a_row(x):
    table = np.outer(x, x)
    k = np.argmax(x)
    row = table[k]
    row *= 3.0
    return table


def write_through_a_part_of_a_row(x):
    table = np.outer(x, x)
    k, j = np.argmax(x), np.argmin(x)
    part = table[k][1:]
    part += x[:-1]
    table[k, 0] = 7.0 * x[j]
    table[k][j] += 1.0
    return table * part[0] + table[j].sum()


def row_follows_its_array(x):
    table = np.outer(x, x)
    row = table[np.argmax(x)]
    last = row[-2:]
    table[1:, 1:] *= x[0]
    table[np.argmin(x)] = x * x
    return np.concatenate([row, last, table[0]])


def row_of_a_view(x):
    cube = np.multiply.outer(np.outer(x, x), x)
    page = cube[1:]
    k = np.argmax(x[1:])
    page[k][:, k] = 2.0 * x
    page[k].T[0] -= 1.0
    return cube


def copies_stay_copies(x):
    table = np.outer(x, x)
    row = table[np.array([np.argmax(x)])]
    row *= 5.0
    return table + row


PROGRAMS = (
    write_through_a_row,
    write_through_a_part_of_a_row,
    row_follows_its_array,
    row_of_a_view,
    copies_stay_copies,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_writes_through_rows_taken_by_traced_numbers_are_numpys(program):
    rng = np.random.default_rng(7)
    points = [rng.normal(size=3) for _ in range(6)]
    graph = wg.trace(program)(points[0])
    compiled = wg.compile(program)
    slope = wg.compile(wg.jacobian(program))
    for x in points:
        wanted = program(x.copy())
        np.testing.assert_allclose(graph(x), wanted, rtol=1e-14)
        np.testing.assert_allclose(compiled(x), wanted, rtol=1e-14)
        step = 1e-6 * np.eye(3)
        difference = np.stack([(program(x + e) - program(x - e)) / 2e-6 for e in step], axis=-1)
        for found in (slope(x), wg.jacfwd(program)(x), wg.jacrev(program)(x)):
            np.testing.assert_allclose(found, difference, rtol=1e-6, atol=1e-7)
    rows = wg.vmap(program)(np.stack(points))
    np.testing.assert_allclose(rows, [program(x) for x in points], rtol=1e-14)
