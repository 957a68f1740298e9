"""Every program of the tables: value, gradient, tangent and second derivatives against the oracle.

Imports the public API, the tables and the oracle. Invariant: no expected number here comes from the
library itself; the value is compared bit for bit with the untraced run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from . import oracle
from .harness import FIRST_TOLERANCE, SECOND_TOLERANCE, Program, pair, quiet, same_bits
from .tables import PROGRAMS, THEMES

SMOOTH = [program for program in PROGRAMS if program.smooth]
TWICE = [program for program in SMOOTH if program.order >= 2]
THEME_OF = {program.name: theme for theme, rows in THEMES.items() for program in rows}


def label(program: Program) -> str:
    """The test id: theme and name."""
    return f"{THEME_OF[program.name]}-{program.name}"


def argnums(program: Program) -> int | tuple[int, ...]:
    """All arguments; a bare 0 for a function of one."""
    return 0 if len(program.args) == 1 else tuple(range(len(program.args)))


def is_real_number(output: Any) -> bool:
    """Whether an output is what `grad` accepts: one real floating number."""
    return oracle.is_number(output) and np.ndim(output) == 0 and not np.iscomplexobj(output)


def real_function(program: Program) -> Callable[..., Any]:
    """The program itself when it returns one real number, else its weighted sum of outputs."""
    return program.fun if is_real_number(program.value()) else program.scalar()


def first_reference(program: Program) -> np.ndarray:
    """The oracle's gradient as one vector, kinks by the mean of both slopes."""
    if not program.smooth:
        return oracle.one_sided_mean(program.scalar_at, program.point())
    return oracle.gradient(program.scalar_at, program.point())[0]


def assert_close(got: Any, wanted: np.ndarray, tolerance: float) -> None:
    """Compare a container of derivatives with the oracle's, relative to its largest entry."""
    vector = oracle.flatten(got)
    assert vector.shape == wanted.shape, f"{vector.size} numbers came back, {wanted.size} went in"
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(vector, wanted, rtol=0, atol=tolerance * scale)


def as_tuple(program: Program, gradient: Any) -> tuple[Any, ...]:
    """One gradient per argument, also for a function of one argument."""
    return (gradient,) if len(program.args) == 1 else gradient


@pytest.mark.parametrize("program", PROGRAMS, ids=label)
def test_traced_value_is_the_untraced_value_and_arguments_stay(program: Program) -> None:
    wanted = program.value()
    arguments, before = program.arguments(), program.arguments()
    with quiet():
        reverse, _ = wg.vjp(program.fun, *arguments)
    assert same_bits(wanted, reverse)
    assert same_bits(before, arguments), "the caller's arguments were changed by vjp"
    tangents = program.tangents()
    with quiet():
        forward, _ = wg.jvp(program.fun, arguments, tangents)
    assert same_bits(wanted, forward)
    assert same_bits(before, arguments), "the caller's arguments were changed by jvp"
    if is_real_number(wanted):
        with quiet():
            value, _ = wg.value_and_grad(program.fun, argnums(program), verify=True)(*arguments)
        assert same_bits(wanted, value)
        assert same_bits(before, arguments), "the caller's arguments were changed by value_and_grad"


@pytest.mark.parametrize("program", PROGRAMS, ids=label)
def test_gradient(program: Program) -> None:
    with quiet():
        gradient = wg.grad(real_function(program), argnums(program))(*program.arguments())
    tolerance = FIRST_TOLERANCE if program.smooth else 1e-6
    assert_close(gradient, first_reference(program), tolerance)
    for part, argument in zip(as_tuple(program, gradient), program.args, strict=True):
        for slope, leaf in zip(oracle.leaves(part), oracle.leaves(argument), strict=True):
            assert np.shape(slope) == np.shape(leaf)
            assert np.asarray(slope).dtype == np.asarray(leaf).dtype


@pytest.mark.parametrize("program", PROGRAMS, ids=label)
def test_pullback(program: Program) -> None:
    with quiet():
        _, pullback = wg.vjp(program.fun, *program.arguments())
        cotangents = pullback(program.weights())
    assert isinstance(cotangents, tuple)
    assert len(cotangents) == len(program.args)
    assert_close(cotangents, first_reference(program), FIRST_TOLERANCE if program.smooth else 1e-6)


@pytest.mark.parametrize("program", SMOOTH, ids=label)
def test_tangent(program: Program) -> None:
    direction = program.direction()
    wanted, _ = oracle.directional(program.outputs_at, program.point(), direction)
    tangents = program.tangents()
    with quiet():
        _, tangent = wg.jvp(program.fun, program.arguments(), tangents)
    assert_close(tangent, wanted, FIRST_TOLERANCE)


@pytest.mark.parametrize("program", TWICE, ids=label)
def test_forward_over_reverse(program: Program) -> None:
    direction = program.direction()
    wanted, _ = oracle.hessian_vector(program.scalar_at, program.point(), direction)
    tangents = program.tangents()
    with quiet():
        gradient, product = wg.hvp(real_function(program), program.arguments(), tangents)
    assert_close(gradient, first_reference(program), FIRST_TOLERANCE)
    assert_close(product, wanted, SECOND_TOLERANCE)


@pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")
@pytest.mark.parametrize("program", TWICE, ids=label)
def test_reverse_over_reverse(program: Program) -> None:
    """grad of <direction, grad f>; a gradient that is constant may say so by the warning."""
    direction = program.direction()
    wanted, _ = oracle.hessian_vector(program.scalar_at, program.point(), direction)
    tangents = program.tangents()
    fun = real_function(program)

    def slope(*arguments: Any) -> Any:
        gradient = wg.grad(fun, argnums(program))(*arguments)
        return pair(tangents, as_tuple(program, gradient))

    with quiet():
        product = wg.grad(slope, argnums(program))(*program.arguments())
    assert_close(product, wanted, SECOND_TOLERANCE)
