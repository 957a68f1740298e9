"""Second derivatives of functions of lengths at zero vectors: exact forward over reverse, refused where infinite."""

import math

import numpy as np
import pytest

import wengert as wg

ZERO, EYE = np.zeros(2), np.eye(2)

# name: function, point, Hessian (by hand)
CASES = {
    "norm ** 2": (lambda x: np.linalg.norm(x) ** 2, ZERO, 2 * EYE),
    "norm ** 2 and more": (lambda x: np.linalg.norm(x) ** 2 + x[0] * x[1] + x[0] ** 3, ZERO, 2 * EYE + EYE[::-1]),
    "cosh(norm)": (lambda x: np.cosh(np.linalg.norm(x)), ZERO, EYE),
    "two norms whose slopes cancel": (
        lambda x: np.exp(np.linalg.norm(x)) + np.exp(-np.linalg.norm(x)), ZERO, 2 * EYE
    ),
    "max(norm, x) ** 2 + min(norm, x) ** 2": (
        lambda x: np.maximum(np.linalg.norm(x), 2 * x[0]) ** 2 + np.minimum(np.linalg.norm(x), 2 * x[0]) ** 2,
        ZERO,
        np.diag([10.0, 2.0]),
    ),
    "norms of rows": (
        lambda x: np.sum(np.linalg.norm(x.reshape(2, 2), axis=1) ** 2 * np.array([1.0, 3.0])),
        np.array([0.0, 0.0, 1.0, 2.0]),
        np.diag([2.0, 2.0, 6.0, 6.0]),
    ),
    "Frobenius": (lambda x: np.linalg.norm(np.outer(x, np.ones(2)), "fro") ** 2, ZERO, 4 * EYE),
    "hypot": (lambda x: np.hypot(x[0], 2 * x[1]) ** 2, ZERO, np.diag([2.0, 8.0])),
    "math.hypot": (lambda x: math.hypot(x[0], x[1], 2 * x[0]) ** 2, ZERO, np.diag([10.0, 2.0])),
    "abs of a complex number": (lambda x: abs(x[0] + 1j * x[1]) ** 2, ZERO, 2 * EYE),
    "standard deviation": (lambda x: np.std(x) ** 2, np.ones(2), 0.5 * EYE - 0.5 * EYE[::-1]),
    "1-norms": (lambda x: np.linalg.norm(x[:1], 1) ** 2 + np.linalg.norm(x[1:], 1) ** 2, ZERO, 2 * EYE),
    "largest and smallest": (
        lambda x: np.linalg.norm(x, np.inf) * np.linalg.norm(x, -np.inf), np.ones(2), EYE[::-1]
    ),
    "distances": (
        lambda x: np.sum(np.exp(-np.linalg.norm(x[:, None, None] - x[None, :, None], axis=-1))),
        np.array([0.0, 1.0]),
        2 * np.exp(-1.0) * (EYE - EYE[::-1]),
    ),
}  # fmt: skip

ROADS = {
    "hessian": lambda f, x: wg.hessian(f)(x),
    "jvp of grad": lambda f, x: np.array([wg.jvp(wg.grad(f), (x,), (e,))[1] for e in np.eye(len(x))]),
    "hvp": lambda f, x: np.array([wg.hvp(f, (x,), (e,))[1] for e in np.eye(len(x))]),
    "grad of grad": lambda f, x: np.array([wg.grad(lambda t, e=e: wg.grad(f)(t) @ e)(x) for e in np.eye(len(x))]),
    "grad of jvp": lambda f, x: np.array(
        [wg.grad(lambda t, e=e: wg.jvp(f, (t,), (e,))[1])(x) for e in np.eye(len(x))]
    ),
    "vmap of hessian": lambda f, x: wg.vmap(wg.hessian(f))(np.stack([x + 0.3, x]))[1],
    "compiled": lambda f, x: [wg.compile(wg.hessian(f))(p) for p in (x + 0.3, x)][1],
    "compiled, that point first": lambda f, x: [g(p) for g in [wg.compile(wg.hessian(f))] for p in (x, x + 0.3, x)][2],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("road", ROADS)
def test_functions_of_a_length_that_are_smooth_at_zero_have_their_second_derivative(case, road):
    f, x, exact = CASES[case]
    np.testing.assert_allclose(ROADS[road](f, x), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("f", [
    np.linalg.norm, lambda x: np.hypot(x[0], x[1]), lambda x: 0.1 * np.linalg.norm(x) + x @ x,
    lambda x: abs(x[0] + 1j * x[1]),
])  # fmt: skip
@pytest.mark.parametrize("road", ROADS)
def test_an_infinite_second_derivative_is_refused_at_the_line_of_the_user(f, road):
    np.testing.assert_array_equal(wg.grad(f)(ZERO), ZERO)
    with pytest.raises(wg.TieError, match=r"(?s)length.*test_sides_of_lengths.*square of the length"):
        ROADS[road](f, ZERO)


@pytest.mark.parametrize("road", [
    lambda f, x: wg.jacrev(wg.grad(f))(x),
    lambda f, x: wg.linearize(wg.grad(f), x),
    lambda f, x: wg.vjp(wg.grad(f), x)[1](np.ones(2)),
])  # fmt: skip
def test_reverse_mode_alone_does_not_know_the_direction_and_says_what_does(road):
    with pytest.raises(wg.TieError, match=r"(?s)reverse mode.*test_sides_of_lengths.*hessian"):
        road(lambda x: np.linalg.norm(x) ** 2, ZERO)


def test_pieces_that_agree_in_value_and_slope_are_refused_only_where_they_differ():
    with pytest.raises(wg.TieError, match="two pieces"):
        wg.hessian(lambda x: np.sum(np.maximum(x**2, 0.0)))(ZERO)
    np.testing.assert_array_equal(wg.hessian(lambda x: np.sum(np.maximum(x, x)))(ZERO), 0 * EYE)
    np.testing.assert_allclose(wg.hessian(lambda x: np.sum(np.maximum(x**2, x**2)))(ZERO), 2 * EYE)
    dead = lambda w: np.sum(np.tanh(np.maximum(np.zeros((3, 2)) @ w.reshape(2, 2), 0.0))) + np.sum(w) ** 2
    np.testing.assert_allclose(wg.hessian(dead)(np.arange(4.0)), np.full((4, 4), 2.0))
