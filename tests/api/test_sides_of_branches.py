"""Second derivatives of functions that spell some of their kinks with branches: one piece, that of these branches."""

import numpy as np
import pytest

import wengert as wg
from tests.api.test_sides import BLOCKS, EYE, ONES, ROADS, SWAP, ZERO, apart


def by_elements(x):
    total = 0.0
    for v in x:
        total = total + (v if v > 0 else -v) * np.abs(v)
    return total


def by_if(x):
    largest, smallest = (x[0], x[1]) if x[0] > x[1] else (x[1], x[0])
    return largest * np.minimum(x[0], x[1]) + np.maximum(x[0], x[1]) * smallest


MIX = np.array([[1.0, -2.0, 0.5], [0.5, 1.5, -3.0], [-2.0, 0.25, 1.0]])


def mixed(x):
    u = MIX @ x
    return np.sum(np.abs(u) * np.where(u >= 0, u, -u)) + sum((v if v >= 0 else -v) * max(v, -v) for v in u)


# name: function, point, Hessian (by hand: each function is a polynomial)
CASES = {
    "where and abs": (lambda x: np.sum(np.where(x > 0, x, -x) * np.abs(x)), ZERO, 2 * EYE),
    "where, from above": (lambda x: np.sum(np.where(x >= 0, x, -x) * np.abs(x)), ZERO, 2 * EYE),
    "where, the other way round": (lambda x: np.sum(np.where(0.0 < x, x, -x) * np.abs(x)), ZERO, 2 * EYE),
    "masks and maximum": (
        lambda x: np.sum((x > 0) * x * np.maximum(x, 0.0) + (x <= 0) * x * np.minimum(x, 0.0)), ZERO, 2 * EYE
    ),
    "assignment by a mask": (lambda x: np.abs(x) @ negated(x), ZERO, 2 * EYE),
    "elements that go different ways": (
        lambda x: np.abs(x[0]) * (x[0] if x[0] > 0 else -x[0]) + np.abs(x[1]) * (x[1] if x[1] >= 0 else -x[1]),
        ZERO,
        2 * EYE,
    ),
    "if in a loop": (by_elements, np.array([0.0, 1.0, 0.0, -2.0]), 2 * np.eye(4)),
    "if between two elements": (by_if, ONES, 2 * SWAP),
    "if over a sum": (
        lambda x: (x[0] + x[1] if x[0] + x[1] > 0 else -x[0] - x[1]) * np.abs(x[0] + x[1]), ZERO, np.full((2, 2), 2.0)
    ),
    "mixtures of the elements": (mixed, np.zeros(3), 4 * MIX.T @ MIX),
    "a falling function of the elements": (
        lambda x: np.sum(np.where(np.exp(-x) > 1, -x, x) * np.abs(x)), ZERO, 2 * EYE
    ),
    "Python's max": (
        lambda x: max(x[0], -x[0]) * np.abs(x[0]) + max(x[1], 0.0) * np.maximum(x[1], 0.0) + np.minimum(x[1], 0.0) ** 2,
        ZERO,
        2 * EYE,
    ),
    "rows": (
        lambda x: np.sum(np.where(x[:2] > x[2:], x[:2], x[2:]) * np.minimum(x[:2], x[2:])),
        np.array([1.0, 2.0, 1.0, 2.0]),
        BLOCKS,
    ),
    "a comparison that decides nothing": (
        lambda x: np.sum(np.abs(x) ** 2) + np.sum(x > 0) + np.sum(x >= 0), ZERO, 2 * EYE
    ),
    "a guard against a zero": (
        lambda x: np.sum(np.abs(x) ** 2 + np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)), ZERO, 2 * EYE
    ),
}  # fmt: skip


SOME_ROADS = [
    "hessian", "jacrev of grad", "jacfwd of jacfwd", "jacrev of jacfwd", "hvp, backwards", "grad of grad", "linearize",
    "vmap of hessian",
]  # fmt: skip


def negated(x):
    y = x.copy()
    y[x < 0] *= -1
    return y


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("road", SOME_ROADS)
def test_operations_with_kinks_take_the_piece_of_the_branches(case, road):
    f, x, exact = CASES[case]
    np.testing.assert_allclose(ROADS[road](f, x), exact, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_compiled_ones_do_whatever_was_recorded_first(case):
    f, x, exact = CASES[case]
    away = apart(x)
    others = wg.hessian(f)(away)
    for points in ([x, away, x, -away], [away, x, away]):
        hessian = wg.compile(wg.hessian(f), backend="numpy")
        for point in points:
            expected = exact if point is x else others if point is away else wg.hessian(f)(point)
            np.testing.assert_allclose(hessian(point), expected, rtol=1e-12, atol=1e-12)


def test_rows_choose_their_own_directions():
    points = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 3.0]])
    f = CASES["elements that go different ways"][0]
    np.testing.assert_allclose(wg.vmap(wg.hessian(f))(points), [2 * EYE] * 4, atol=1e-13)
    second = wg.jacfwd(wg.vmap(wg.grad(f)))(points)
    np.testing.assert_allclose(second, np.einsum("ik,jl->ijkl", np.eye(4), 2 * EYE), atol=1e-13)


def torn(x):
    below, above = np.where(x > 0, x, -x), np.where(x >= 0, x, -x)
    return np.sum(below * np.abs(x) + above * np.maximum(x, 0.0))


def torn_by_python(x):  # max and min both take their first argument
    return sum(max(v, 0.0) * np.maximum(v, 0.0) + min(v, 0.0) ** 2 for v in x)


@pytest.mark.parametrize("f", [torn, torn_by_python])
@pytest.mark.parametrize("road", ["hessian", "jvp of grad", "grad of grad", "linearize", "jacrev of grad"])
def test_branches_that_no_direction_agrees_with_are_refused_where_they_count(road, f):
    with pytest.raises(wg.TieError, match="comparison of equal values"):
        ROADS[road](f, ZERO)
    np.testing.assert_array_equal(wg.grad(f)(ZERO), ZERO)
