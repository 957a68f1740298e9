"""The other transformations on programs of one argument: jacobian, hessian, vmap, trace.

Imports the public API, the tables and the oracle. Jacobians have shape output + input; a batch
equals the stack of single untraced runs.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg

from . import oracle
from .harness import FIRST_TOLERANCE, SECOND_TOLERANCE, Program, quiet, same_bits
from .tables import PROGRAMS, THEMES


def one_real_array(program: Program) -> bool:
    """Whether the program maps one real array to one real array or number, smoothly."""
    if len(program.args) != 1 or not program.smooth or program.order < 2:
        return False
    argument, output = program.args[0], program.value()
    return all(
        isinstance(item, (np.ndarray, np.floating, float)) and np.asarray(item).dtype == np.float64
        for item in (argument, output)
    ) and isinstance(argument, np.ndarray)


ARRAYS = [program for program in PROGRAMS if one_real_array(program)]
SCALARS = [program for program in ARRAYS if np.ndim(program.value()) == 0]
NUMBERS = [
    program
    for program in PROGRAMS
    if program.smooth
    and len(program.args) == 1
    and isinstance(program.args[0], float)
    and np.ndim(program.value()) == 0
]
BATCHED = [
    program
    for theme in ("making", "writing", "views", "algorithms", "physics")
    for program in THEMES[theme]
    if program in ARRAYS
]


def identifier(program: Program) -> str:
    """The test id."""
    return program.name


@pytest.mark.parametrize("mode", ["auto", "fwd", "rev"])
@pytest.mark.parametrize("program", ARRAYS, ids=identifier)
def test_jacobian(program: Program, mode: str) -> None:
    wanted, _ = oracle.gradient(program.outputs_at, program.point())
    (argument,) = program.args
    shape = np.shape(program.value()) + argument.shape
    with quiet():
        jac = wg.jacobian(program.fun, mode=mode)(*program.arguments())
    assert jac.shape == shape
    scale = max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(jac, wanted.T.reshape(shape), rtol=0, atol=FIRST_TOLERANCE * scale)


@pytest.mark.parametrize("program", SCALARS, ids=identifier)
def test_hessian(program: Program) -> None:
    point = program.point()
    wanted = np.array(
        [oracle.hessian_vector(program.scalar_at, point, e)[0] for e in np.eye(point.size)]
    )
    shape = program.args[0].shape * 2
    with quiet():
        hess = wg.hessian(program.fun)(*program.arguments())
    assert hess.shape == shape
    scale = max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(hess, wanted.reshape(shape), rtol=0, atol=SECOND_TOLERANCE * scale)


@pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")
@pytest.mark.parametrize("program", NUMBERS, ids=identifier)
def test_derivative_of_derivative(program: Program) -> None:
    point, unit = program.point(), np.ones(1)
    first, _ = oracle.directional(program.scalar_at, point, unit)
    with quiet():
        slope = wg.derivative(program.fun)(program.args[0])
    np.testing.assert_allclose(slope, first, rtol=FIRST_TOLERANCE, atol=FIRST_TOLERANCE)
    if program.order >= 2:
        second, _ = oracle.mixed(program.scalar_at, point, unit, unit)
        with quiet():
            curvature = wg.derivative(wg.derivative(program.fun))(program.args[0])
        np.testing.assert_allclose(curvature, second, rtol=SECOND_TOLERANCE, atol=SECOND_TOLERANCE)


# Their intermediate shapes depend on data, which a batch may refuse but must never get wrong.
DATA_SHAPED = {
    "mask_read",
    "mask_written_with_values",
    "mask_of_a_matrix",
    "place_putmask_and_put_along_axis",
    "fancy_indexing_gives_a_copy",
}


@pytest.mark.parametrize("program", BATCHED, ids=identifier)
def test_vmap_is_the_stack_of_single_runs(program: Program) -> None:
    (argument,) = program.args
    rows = np.stack([argument, argument * 1.003, argument * 0.998])
    wanted = np.stack([program.fun(row.copy()) for row in rows])
    given = rows.copy()
    try:
        with quiet():
            got = wg.vmap(program.fun)(given)
    except wg.WengertError as error:
        if program.name not in DATA_SHAPED or not error.fix:
            raise
        return
    assert np.shape(got) == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    assert np.array_equal(given, rows)


def test_vmap_rows_that_branch_differently_are_right_row_by_row() -> None:
    def branchy(x):
        y = np.zeros(2)
        if x[0] > 0:
            y[0] = x[0] ** 2
        else:
            y[1] = np.sin(x[0])
        for value in x:
            if value > 1.0:
                break
            y += value
        return y

    rows = np.array([[0.5, 0.2, 1.4], [-0.3, 1.2, 0.1], [0.6, 0.1, 0.3], [-2.0, -1.0, 4.0]])
    wanted = np.stack([branchy(row) for row in rows])
    np.testing.assert_allclose(wg.vmap(branchy)(rows), wanted, rtol=1e-14)


@pytest.mark.parametrize("program", SCALARS, ids=identifier)
def test_trace_prints_a_list_that_ends_in_the_value(program: Program) -> None:
    with quiet():
        graph = wg.trace(program.fun)(*program.arguments())
    text = str(graph)
    assert len(text.splitlines()) >= 2
    printed = [float(number) for number in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", text)]
    assert np.isclose(printed, float(program.value()), rtol=2e-3, atol=1e-6).any()


@pytest.mark.parametrize("program", SCALARS, ids=identifier)
def test_float32_arguments_keep_value_type_and_gradient_type(program: Program) -> None:
    single = program.args[0].astype(np.float32)
    wanted = program.fun(single.copy())
    slopes, _ = oracle.gradient(program.scalar_at, program.point())
    with quiet():
        value, gradient = wg.value_and_grad(program.fun)(single.copy())
    assert same_bits(wanted, value)
    assert gradient.dtype == np.float32
    scale = max(1.0, np.abs(slopes).max())
    np.testing.assert_allclose(gradient.ravel(), slopes, rtol=0, atol=2e-3 * scale)
