"""Where the derivative would be cut without a word: each raises at the user's line, with a fix.

Imports the public API. In every program one line carries the comment `cut`; the error must
name this file and that line. Invariant: the untraced program runs, so the refusal is ours alone.
"""

from __future__ import annotations

import array
import copy
import ctypes
import inspect
import io
import json
import pickle
import re
import struct
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.7, 0.4, 1.3, 0.9])
G = np.array([1.0, 2.0, 3.0, 4.0])
SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])
MADE_OUTSIDE = np.zeros(4)
GENERATOR = np.random.default_rng(5)


@dataclass(frozen=True)
class Refusal:
    """A program of one array that would lose the derivative, and a pattern for the fix."""

    fun: Callable[..., Any]
    fix: str


REFUSALS: list[Refusal] = []


def refused(fix: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a program in the table; `fix` is a pattern that the proposed fix must match."""

    def enter(fun: Callable[..., Any]) -> Callable[..., Any]:
        REFUSALS.append(Refusal(fun, fix))
        return fun

    return enter


INSIDE = r"np\.(zeros|array|copy|empty)"
LEAVE_OUT = r"float\(|np\.|stop_gradient"


@refused(LEAVE_OUT)
def float_of_a_number(x):
    return float(x[0]) * x[1]  # cut


@refused(LEAVE_OUT)
def float_of_a_sum(x):
    total = np.sum(x)
    return float(total)  # cut


@refused(LEAVE_OUT)
def numpy_float_of_a_number(x):
    return np.float64(x[0]) * x[1]  # cut


@refused(r"complex|1j|np\.|stop_gradient")
def complex_of_two_numbers(x):
    return abs(complex(x[0], 1.0))  # cut


@refused(INSIDE)
def entry_of_an_outside_array(x):
    G[0] = x[0]  # cut
    return np.sum(G * x)


@refused(INSIDE)
def slice_of_an_outside_array(x):
    G[1:3] = x[:2]  # cut
    return np.sum(G * x)


@refused(INSIDE)
def mask_of_an_outside_array(x):
    G[G > 1.5] = x[0]  # cut
    return np.sum(G)


@refused(INSIDE)
def fancy_write_into_an_outside_array(x):
    G[[0, 2]] = x[:2]  # cut
    return np.sum(G)


@refused(INSIDE)
def added_to_an_entry_of_an_outside_array(x):
    G[0] += x[0]  # cut
    return np.sum(G)


@refused(INSIDE)
def added_to_a_slice_of_an_outside_array(x):
    G[:2] *= x[:2]  # cut
    return np.sum(G)


@refused(INSIDE)
def added_to_an_aliased_outside_array(x):
    h = MADE_OUTSIDE
    h += x  # cut
    return np.sum(MADE_OUTSIDE * x)


@refused(INSIDE)
def outside_array_filled(x):
    G.fill(x[0])  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_out(x):
    np.multiply(x, x, out=G)  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_positional_out(x):
    np.multiply(x, x, G)  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_out_of_matmul(x):
    np.matmul(SQUARE, x[:2], out=G[:2])  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_copyto_target(x):
    np.copyto(G, x)  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_put_target(x):
    np.put(G, [0, 1], x[:2])  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_add_at_target(x):
    np.add.at(G, [0, 0], x[:2])  # cut
    return np.sum(G)


@refused(INSIDE)
def outside_array_as_diagonal_target(x):
    np.fill_diagonal(SQUARE, x[0])  # cut
    return np.sum(SQUARE)


@refused(INSIDE)
def product_of_outside_arrays_written(x):
    k = G * 2.0
    k[0] = x[0]  # cut
    return np.sum(k)


@refused(INSIDE)
def copy_method_of_an_outside_array_written(x):
    k = G.copy()
    k[1] = x[0]  # cut
    return np.sum(k)


@refused(INSIDE)
def array_by_its_class_written(x):
    k = np.ndarray((2,))
    k[0] = x[0]  # cut
    k[1] = 0.0
    return np.sum(k)


@refused(r"@|np\.dot")
def dot_method_of_an_outside_array(x):
    return G.dot(x)  # cut


@refused(r"np\.|stop_gradient")
def list_stored_in_an_outside_array_row(x):
    SQUARE[0] = [x[0], 1.0]  # cut
    return np.sum(SQUARE)


@refused(r"outside|stop_gradient|np\.|value")
def pickled(x):
    return len(pickle.dumps(x)) * x[0]  # cut


@refused(r"np\.array|stop_gradient|list|float")
def stored_in_an_array_array(x):
    return array.array("d", [x[0], 1.0])[0]  # cut


@refused(r"outside|stop_gradient|np\.|value")
def bytes_of_an_array(x):
    return np.frombuffer(x.tobytes())[0]  # cut


@refused(r"outside|stop_gradient|np\.|value")
def saved_to_a_file(x):
    np.save(io.BytesIO(), x)  # cut
    return x[0]


@refused(r"stop_gradient|np\.|value|float")
def given_to_ctypes(x):
    return ctypes.c_double(x[0]).value  # cut


@refused(r"np\.|stop_gradient|x\[|operat")
def bits_reinterpreted(x):
    return x.view(np.uint64)[0] * 1.0  # cut


@refused(r"default_rng|np\.|scale|stop_gradient|\*")
def outside_generator_with_a_traced_mean(x):
    return GENERATOR.normal(x[0], 1.0)  # cut


@refused(r"np\.|stop_gradient|custom")
def compiled_geometry(x):
    from scipy.spatial import cKDTree

    return cKDTree(x.reshape(2, 2)).query([0.0, 0.0])[0]  # cut


@refused(r"np\.|thread")
def worker_thread_with_its_own_array(x):
    def work(value):
        mine = np.zeros(1)
        mine[0] = value  # cut
        return mine[0]

    with ThreadPoolExecutor(1) as pool:
        return sum(pool.map(work, [x[0], x[1]]))


def cut_line(fun: Callable[..., Any]) -> int:
    """The number of the line marked `cut` in the source of a function."""
    lines, start = inspect.getsourcelines(fun)
    (offset,) = [place for place, line in enumerate(lines) if line.rstrip().endswith("# cut")]
    return start + offset


@pytest.fixture(autouse=True)
def _outside_arrays_stay():
    before = G.copy(), SQUARE.copy(), MADE_OUTSIDE.copy()
    yield
    for target, kept in zip((G, SQUARE, MADE_OUTSIDE), before, strict=True):
        target[...] = kept


def name_of(row: Refusal) -> str:
    return row.fun.__name__


@pytest.mark.parametrize("row", REFUSALS, ids=name_of)
def test_the_untraced_program_runs(row):
    assert np.isfinite(row.fun(X.copy()))


TRANSFORMS = {
    "reverse": lambda fun: wg.grad(fun)(X.copy()),
    "forward": lambda fun: wg.jvp(fun, (X.copy(),), (np.ones(4),)),
}


@pytest.mark.parametrize("mode", sorted(TRANSFORMS))
@pytest.mark.parametrize("row", REFUSALS, ids=name_of)
def test_refusal_names_the_line_and_the_fix(row, mode):
    before = G.copy(), SQUARE.copy(), MADE_OUTSIDE.copy()
    with pytest.raises(wg.WengertError) as caught:
        TRANSFORMS[mode](row.fun)
    error = caught.value
    assert isinstance(error, TypeError)
    line = cut_line(row.fun)
    assert f"test_refusals.py:{line}" in str(error)
    assert error.line == line
    assert error.file == __file__
    assert error.fix
    assert error.fix in str(error)
    assert re.search(row.fix, error.fix), error.fix
    for target, kept in zip((G, SQUARE, MADE_OUTSIDE), before, strict=True):
        assert np.array_equal(target, kept), "the refused write left something behind"


# Compiled code that refuses a foreign object by itself: its error stays, and says what it met.
FOREIGN = [
    ("unbound method", lambda x: np.ndarray.sum(x)),
    ("float slot", lambda x: float.__add__(x[0], 1.0)),
    ("memoryview", lambda x: memoryview(x)[0]),
    ("bytes", lambda x: len(bytes(x)) * x[0]),
    ("json", lambda x: len(json.dumps({"a": x[0]})) * x[0]),
    ("nditer", lambda x: sum(item * 1.0 for item in np.nditer(x))),
    ("struct", lambda x: struct.unpack("d", struct.pack("d", x[0]))[0]),
    ("decimal", lambda x: len(str(Decimal(x[0]))) * x[0]),
    ("float flat item", lambda x: G.flat.__setitem__(0, x[0])),
]


@pytest.mark.parametrize(("name", "fun"), FOREIGN)
def test_compiled_code_that_refuses_is_explained(name, fun):
    with pytest.raises((TypeError, ValueError, struct.error)) as caught:
        wg.grad(fun)(X.copy())
    told = "".join(traceback.format_exception_only(caught.value))
    assert "traced" in told
    assert "test_refusals.py" in told


@pytest.mark.parametrize("fun", [copy.copy, copy.deepcopy, np.copy])
def test_a_copy_is_no_cut(fun):
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(fun(x) ** 2))(X), 2 * X)


def objects_converted_by_their_own_method(x):
    boxes = np.array([x[0] ** 2, x[1]], dtype=object)
    return np.sum(boxes.astype(float))


def test_an_object_array_that_converts_itself_is_not_silent():
    right_or_refused(objects_converted_by_their_own_method, np.array([0.5, 0.2]), [1.0, 1.0])


@lru_cache
def cached_square(value):
    return value * value


def right_or_refused(fun, point, wanted):
    """Silence is the one wrong answer: the exact gradient, or an error or warning of ours."""
    try:
        got = wg.grad(fun)(point)
    except (wg.WengertError, wg.WengertWarning):
        return
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_a_cache_filled_by_an_earlier_trace_is_not_silent():
    cached_square.cache_clear()
    right_or_refused(lambda x: cached_square(x[0]) + x[1], np.array([0.5, 0.2]), [1.0, 1.0])
    right_or_refused(lambda x: cached_square(x[0]) + x[1], np.array([0.5, 0.9]), [1.0, 1.0])


def test_a_cache_that_takes_equal_numbers_for_one_is_not_silent():
    cached_square.cache_clear()
    right_or_refused(
        lambda x: cached_square(x[0]) + 3.0 * cached_square(x[1]), np.array([0.5, 0.5]), [1.0, 3.0]
    )


def test_a_dictionary_keyed_by_equal_numbers_is_not_silent():
    def memoised(x):
        memo = {}
        total = 0.0
        for weight, value in zip((1.0, 3.0), x, strict=True):
            if value not in memo:
                memo[value] = value**2
            total = total + weight * memo[value]
        return total

    right_or_refused(memoised, np.array([0.5, 0.5]), [1.0, 3.0])
