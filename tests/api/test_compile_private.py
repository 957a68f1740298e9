"""The arrays that a recording run works on: shown as they are where nothing can write to them, else copies."""

from __future__ import annotations

import ctypes as memory
import warnings
from typing import Any

import numpy as np
import pytest

import wengert
from wengert.api.compiling.outside import Outside
from wengert.api.compiling.private import Private

SIZE = 1 << 18
ADDRESS: list[tuple[int, int]] = []
shared = np.linspace(0.5, 1.5, SIZE)


def reading(x: Any) -> Any:
    return np.sum(np.sin(x[1:]) * x[:-1])


def adding(x: Any) -> Any:
    x += 1.0
    return np.sum(x)


def storing(x: Any) -> Any:
    x[0] = 1.0
    return np.sum(x)


def calling(x: Any) -> Any:
    return storing(2.0 * x)


def asking(x: Any) -> Any:
    return np.sum(x) if x.flags.owndata else np.sum(2.0 * x)


def beside(x: Any) -> Any:
    return np.sum(x * shared)


def private(fun: Any, *leaves: Any, taken: bool = True) -> list[Any]:
    return Private(fun, leaves, [taken] * len(leaves), Outside(fun, [], "sampled")).values


def test_a_large_array_is_shown_read_only() -> None:
    x = np.linspace(0.0, 1.0, SIZE)
    (found,) = private(reading, x)
    assert np.shares_memory(found, x)
    assert not found.flags.writeable
    (derived,) = private(wengert.value_and_grad(reading), x)
    assert np.shares_memory(derived, x)


@pytest.mark.parametrize("function", [adding, storing, calling, asking])
def test_where_the_code_may_write_or_look_it_is_copied(function: Any) -> None:
    x = np.linspace(0.0, 1.0, SIZE)
    (found,) = private(function, x)
    assert not np.shares_memory(found, x)
    assert found.flags.writeable


def test_arrays_of_other_kinds_are_copied() -> None:
    x = np.linspace(0.0, 1.0, 2 * SIZE)
    for leaf in (x[::2], x[:10], np.broadcast_to(x[0], (SIZE,))):
        (found,) = private(reading, leaf)
        assert not np.shares_memory(found, x)
    (found,) = private(reading, x, taken=False)
    assert not np.shares_memory(found, x)
    for leaf in (shared, shared[: SIZE // 2]):  # the function reads the same memory by another name
        (found,) = private(beside, leaf)
        assert not np.shares_memory(found, shared)


@pytest.mark.parametrize("backend", ["numpy", "auto"])
@pytest.mark.parametrize("function", [reading, adding, storing, asking, beside])
def test_results_and_arguments_are_those_of_the_function(function: Any, backend: str) -> None:
    x = np.linspace(0.0, 1.0, SIZE)
    compiled = wengert.compile(function, backend=backend)
    for _ in range(3):
        mine, theirs = x.copy(), x.copy()
        found, expected = compiled(mine), function(theirs)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        np.testing.assert_array_equal(mine, theirs)
        mine += 1.0  # what the call gave does not depend on it any more
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_an_argument_that_is_returned_is_a_copy() -> None:
    x = np.linspace(0.0, 1.0, SIZE)
    compiled = wengert.compile(lambda x: (x, x[1:], np.sum(x)), backend="numpy")
    for _ in range(2):
        whole, part, _ = compiled(x)
        assert whole.flags.writeable
        assert part.flags.writeable
        assert not np.shares_memory(whole, x)
        assert not np.shares_memory(part, x)


def test_a_write_by_position_leaves_what_was_computed_before() -> None:
    def function(x: Any) -> Any:
        y = np.sin(x)
        np.negative(x, x)  # no word of the code says that this writes
        return y, np.sum(x)

    compiled = wengert.compile(function, backend="numpy")
    for _ in range(2):
        mine, theirs = np.linspace(0.0, 1.0, SIZE), np.linspace(0.0, 1.0, SIZE)
        found, expected = compiled(mine), function(theirs)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)
        np.testing.assert_array_equal(mine, theirs)


def test_an_argument_that_changes_meanwhile_is_found() -> None:
    def function(x: Any) -> Any:
        y = np.sum(np.exp(x))
        memory.memset(ADDRESS[0][0], 0, ADDRESS[0][1])  # behind everybody's back
        return y + np.sum(np.exp(x))

    x = np.linspace(0.0, 1.0, SIZE)
    ADDRESS[:] = [(x.ctypes.data, x.nbytes)]
    compiled = wengert.compile(function, backend="numpy")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = compiled(x)
    assert found == 2.0 * SIZE  # the function ran again, on what the argument now holds
    assert any("changed while it ran" in str(w.message) for w in told)
