"""Recordings that put steps off from the first large result on, where the arguments were small.

Imports wengert and its parts. Invariant: what is compared with is the function that is not compiled."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.api.late_steps import Seen, same, watched
from wengert.core import deferred

SIZE = 800
X = np.linspace(0.1, 0.9, SIZE)
BACKENDS = ["numpy", "auto"] if importlib.util.find_spec("llvmlite") else ["numpy"]


def outer(x: Any) -> Any:
    table = x[:, None] * x
    return np.sum(np.exp(-table) * np.sin(table))


def after_a_loop(x: Any) -> Any:
    """Its first steps are listed, as those of long recordings are."""
    total, y = 0.0, x[0]
    for k in range(1500):
        y = np.sin(y) + x[k % SIZE]
        total = total + y * y
    table = x[:, None] - x
    return total + np.sum(np.cos(table * y))


def written(x: Any) -> Any:
    table = np.zeros((SIZE, SIZE))
    table[1:] = x[1:, None] * x
    table[:, 0] = x
    return np.sum(table**2) + table[3, 4]


def branched(x: Any) -> Any:
    table = x[:, None] * x
    return np.sum(table * table) if np.max(table) > 0.5 else np.sum(table)


def returned(x: Any) -> Any:
    table = x[:, None] * x
    return table, np.sum(table), table.T


def of_constants(x: Any) -> Any:
    return np.sum(np.tanh(TABLE * x))


TABLE = np.sin(np.arange(SIZE * SIZE)).reshape(SIZE, SIZE)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Any:
    with watched(monkeypatch) as found:
        yield found


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", [outer, after_a_loop, written, branched, of_constants])
def test_values_and_gradients(function: Any, backend: str, seen: Seen) -> None:
    derivative = wg.value_and_grad(function)
    compiled = wg.compile(derivative, backend=backend)
    for scale in (1.0, 1.0, 0.9):
        same(compiled(X * scale), derivative(X * scale))
    assert seen.steps


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", [outer, after_a_loop, written, branched, returned])
def test_the_functions_themselves(function: Any, backend: str, seen: Seen) -> None:
    compiled = wg.compile(function, backend=backend)
    for _ in range(2):
        same(compiled(X), function(X))
    assert seen.steps


def test_small_steps_are_taken_at_once(seen: Seen) -> None:
    compiled = wg.compile(wg.grad(outer), backend="numpy")
    same(compiled(X[:20]), wg.grad(outer)(X[:20]))
    assert not seen.steps


def test_hessian_products(seen: Seen) -> None:
    def product(x: Any) -> Any:
        return wg.hvp(outer, (x,), (X,))

    compiled = wg.compile(product, backend="numpy")
    for _ in range(2):
        same(compiled(X), product(X))


def test_errors_name_the_line(seen: Seen) -> None:
    def function(x: Any) -> Any:
        table = x[:, None] * x
        return np.sum(table @ np.ones(3))

    with pytest.raises(ValueError, match="800"):
        wg.compile(function, backend="numpy")(X)


def test_memory_to_be_filled_is_not_mapped() -> None:
    resource = pytest.importorskip("resource")
    if deferred.private_memory() is None:
        pytest.skip("this system has no private anonymous memory")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    reserved = [deferred.reserved((1 << 20,), np.dtype(float)) for _ in range(20)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 40  # 20 * 2048 pages
    for k, array in enumerate(reserved):
        array[...] = k
    assert [array.sum() for array in reserved] == [k * 2.0**20 for k in range(20)]
    assert all(array.flags.c_contiguous and array.flags.writeable and array.flags.aligned for array in reserved)
    assert deferred.reserved((3, 2), np.dtype(np.float32)).shape == (3, 2)
