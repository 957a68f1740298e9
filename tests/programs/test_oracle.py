"""The oracle against closed forms, and every program run and judged without any trace.

Imports the tables, the oracle and NumPy, never the library under test: what fails here is a fault
of the tests themselves.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from . import oracle
from .harness import FIRST_TOLERANCE, SECOND_TOLERANCE, Program, same_bits
from .tables import PROGRAMS

CLOSED_FORMS = [
    ("sine", lambda x: np.sin(x[0]), [0.7], [math.cos(0.7)], [[-math.sin(0.7)]]),
    ("product", lambda x: x[0] * x[1], [0.7, -0.3], [-0.3, 0.7], [[0, 1], [1, 0]]),
    ("quotient", lambda x: x[0] / x[1], [0.7, -0.3], [-1 / 0.3, -0.7 / 0.09], None),
    ("exponential", lambda x: np.exp(3 * x[0]), [0.5], [3 * math.exp(1.5)], [[9 * math.exp(1.5)]]),
    (
        "log of a sum",
        lambda x: np.log(x[0] + x[1] ** 2),
        [0.4, 1.1],
        [1 / 1.61, 2.2 / 1.61],
        [[-1 / 1.61**2, -2.2 / 1.61**2], [-2.2 / 1.61**2, 2 / 1.61 - (2.2 / 1.61) ** 2]],
    ),
]


@pytest.mark.parametrize(("name", "fun", "point", "slope", "curvature"), CLOSED_FORMS)
def test_oracle_reproduces_closed_forms(name, fun, point, slope, curvature):
    at = np.array(point)
    value, error = oracle.gradient(fun, at)
    np.testing.assert_allclose(value, slope, rtol=1e-10, atol=1e-11)
    assert np.all(error < 1e-9)
    if curvature is not None:
        vector = np.array([0.6, -1.1])[: at.size]
        value, error = oracle.hessian_vector(fun, at, vector)
        np.testing.assert_allclose(value, np.array(curvature) @ vector, rtol=1e-7, atol=1e-8)
        assert np.all(error < 1e-6)


def test_oracle_agrees_with_the_complex_step_where_numbers_may_be_complex():
    def analytic(x):
        return np.sum(np.exp(x) * np.roll(x, 1) ** 2) / (1 + x[0] ** 2)

    at = np.array([0.7, -0.4, 1.3])
    np.testing.assert_allclose(
        oracle.gradient(analytic, at)[0], oracle.complex_step(analytic, at), rtol=1e-10
    )


def test_error_estimate_reports_a_kink():
    _, error = oracle.gradient(lambda x: np.abs(x[0]) + x[0] ** 2 * (x[0] > 0), np.array([1e-4]))
    assert error[0] > 1e-5


def test_flatten_and_unflatten_are_inverse_on_every_container():
    tree = {"a": [0.5, (np.array([[1.0, 2.0]]), None, "text", 3)], "z": 1.0 + 2.0j}
    vector = oracle.flatten(tree)
    assert vector.tolist() == [0.5, 1.0, 2.0, 1.0, 2.0]
    assert same_bits(oracle.unflatten(tree, vector), tree)


def test_there_are_enough_programs_and_no_name_twice():
    names = [program.name for program in PROGRAMS]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_program_is_finite_repeatable_and_within_reach_of_the_oracle(program: Program):
    output = program.value()
    numbers = oracle.flatten(output)
    assert numbers.size and np.all(np.isfinite(numbers))
    assert same_bits(program.value(), output), "a program must give the same value every time"
    point = program.point()
    assert point.size
    if not program.smooth:
        return
    slopes, error = oracle.gradient(program.scalar_at, point)
    assert np.any(slopes != 0), "the output does not depend on the arguments"
    assert np.all(error <= 0.1 * FIRST_TOLERANCE * max(1.0, np.abs(slopes).max()))
    _, error = oracle.directional(program.outputs_at, point, program.direction())
    assert np.all(error <= 0.1 * FIRST_TOLERANCE * max(1.0, np.abs(slopes).max(), np.abs(_).max()))
    if program.order >= 2:
        product, error = oracle.hessian_vector(program.scalar_at, point, program.direction())
        assert np.all(error <= 0.1 * SECOND_TOLERANCE * max(1.0, np.abs(product).max()))
