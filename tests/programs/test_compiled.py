"""Every program of the tables under compile: the value, and the gradient, at the recorded and at another point.

Imports the public API, the tables and the oracle. Invariant: the expected gradient is the oracle's, the expected
value is the untraced run's."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import pytest

import wengert as wg

from . import oracle
from .harness import FIRST_TOLERANCE, Program, quiet, same_bits
from .tables import PROGRAMS
from .test_programs import argnums, assert_close, first_reference, label, real_function

BACKENDS = ("numpy", "native") if importlib.util.find_spec("llvmlite") else ("numpy",)


def moved(program: Program, seed: int) -> tuple:
    """The arguments a little elsewhere."""
    point = program.point()
    return oracle.unflatten(program.args, point * (1 + 1e-3 * np.random.default_rng(seed).normal(size=point.shape)))


NOTED = {
    "exception_caught_inside",  # makes text of a value, as the next two
    "format_and_print",
    "print_and_repr_of_an_array",
    "global_variable_written",
    "monte_carlo_path_with_legacy_seed",  # leaves NumPy's global generator in another state
}
"""Programs that do what no replay would do again: they run uncompiled, with a note."""


@pytest.fixture(autouse=True)
def _no_notes(request):
    noted = request.node.callspec.params["program"].name in NOTED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if noted else "error", wg.CompileWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", PROGRAMS, ids=label)
def test_compiled_gradient(program: Program, backend: str) -> None:
    plain = wg.grad(real_function(program), argnums(program))
    gradient = wg.compile(plain, backend=backend)
    tolerance = FIRST_TOLERANCE if program.smooth else 1e-6
    with quiet():
        for _ in range(2):
            assert_close(gradient(*program.arguments()), first_reference(program), tolerance)
        got, want = gradient(*moved(program, 0)), plain(*moved(program, 0))
        assert_close(got, oracle.flatten(want), 1e-10)
        for a, b in zip(oracle.leaves(got), oracle.leaves(want), strict=True):
            assert type(a) is type(b)
            assert np.asarray(a).dtype == np.asarray(b).dtype
    assert not [what for path in gradient.paths for what in path.left_out]


@pytest.mark.parametrize("program", PROGRAMS, ids=label)
def test_compiled_value_and_writes(program: Program) -> None:
    fun = wg.compile(program.fun, backend="numpy")
    with quiet():
        for k in range(3):
            ours = program.arguments() if k < 2 else moved(program, k)
            theirs = program.arguments() if k < 2 else moved(program, k)
            got, want = fun(*ours), program.fun(*theirs)
            assert_close(got, oracle.flatten(want), 1e-13)
            assert [np.asarray(v).dtype for v in oracle.leaves(got)] == [
                np.asarray(v).dtype for v in oracle.leaves(want)
            ]
            assert same_bits(ours, theirs), "what the program does to its arguments is another"


@pytest.mark.parametrize("program", PROGRAMS[::8], ids=label)
def test_the_gradient_by_whichever_backend_is_faster(program: Program) -> None:
    pytest.importorskip("llvmlite")
    plain = wg.grad(real_function(program), argnums(program))
    gradient = wg.compile(plain, backend="auto")
    with quiet():
        for k in range(4):  # recorded, compiled and timed, chosen, elsewhere
            assert_close(gradient(*moved(program, k)), oracle.flatten(plain(*moved(program, k))), 1e-10)
