"""Results of compiled functions lie in memory as those of the functions do; copies in an order are copies.

Imports wengert and NumPy. Invariant: the flags that are wanted are those of the function itself, run as it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert

X = np.random.default_rng(3).standard_normal((3, 4))


def _written(x: Any) -> Any:
    out = x.T.copy()
    out[0] = 1.0
    return out


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a copy of a transpose": lambda x: x.T.copy(),
    "a sum with such a copy": lambda x: x.T.copy() + 1.0,
    "np.copy in C order": lambda x: np.copy(x.T, order="C"),
    "np.copy": lambda x: np.copy(x.T),
    "np.array": lambda x: np.array(x.T),
    "np.array in C order": lambda x: np.array(x.T, order="C"),
    "ascontiguousarray": lambda x: np.ascontiguousarray(x.T),
    "asfortranarray": lambda x: np.asfortranarray(x * 2.0),
    "asarray in C order": lambda x: np.asarray(x.T, order="C"),
    "astype in C order": lambda x: x.T.astype(np.float32, order="C"),
    "a transpose": lambda x: x.T,
    "a sum": lambda x: x.T + 1.0,
    "taken columns": lambda x: np.take(x.T, [0, 2], axis=1),
    "a copy that is written to": _written,
    "zeros like a transpose": lambda x: np.zeros_like(x.T),
    "a grid": lambda x: np.meshgrid(x[0], x[1])[0],
    "a product": lambda x: (x @ x.T).T,
    "two": lambda x: (x.T.copy(), x.T * 2.0),
}


def _orders(result: Any) -> list[tuple[bool, bool]]:
    parts = result if isinstance(result, tuple) else (result,)
    return [(part.flags.c_contiguous, part.flags.f_contiguous) for part in parts]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_numpy_plans_give_the_order_that_the_function_gives(function: Callable[[Any], Any]) -> None:
    compiled = wengert.compile(function, backend="numpy")
    for k in range(4):
        got, want = compiled(X + k), function(X + k)
        assert _orders(got) == _orders(want)
        np.testing.assert_array_equal(got, want)
        assert not any(np.shares_memory(part, X) for part in (got if isinstance(got, tuple) else (got,)))


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_native_code_gives_c_order(function: Callable[[Any], Any]) -> None:
    pytest.importorskip("llvmlite")
    compiled = wengert.compile(function, backend="native")
    for k in range(1, 4):
        got = compiled(X * k)
        np.testing.assert_allclose(got, function(X * k), rtol=1e-15)
    assert all(c for c, _ in _orders(got)) or function is FUNCTIONS["zeros like a transpose"]


def test_arguments_in_fortran_order_keep_what_the_plan_gives() -> None:
    compiled = wengert.compile(lambda x: x * 2.0, backend="numpy")
    compiled(X), compiled(X)
    assert compiled(np.asfortranarray(X)).flags.f_contiguous


COPIES: dict[str, Callable[[Any], Any]] = {
    "ascontiguousarray": lambda y: np.ascontiguousarray(y.T),
    "asarray": lambda y: np.asarray(y.T, order="C"),
    "array": lambda y: np.array(y.T, order="C", copy=None),
    "require": lambda y: np.require(y.T, requirements=["C_CONTIGUOUS"]),
    "astype": lambda y: y.T.astype(float, order="C", copy=False),
    "asfortranarray": lambda y: np.asfortranarray(y),
    "nothing to copy": lambda y: np.ascontiguousarray(y),
    "nothing to turn": lambda y: np.asfortranarray(y.T),
}


@pytest.mark.parametrize("laid", COPIES.values(), ids=COPIES)
def test_what_is_written_into_a_copy_in_another_order_stays_there(laid: Callable[[Any], Any]) -> None:
    def total(x: Any) -> Any:
        y = x * 1.0
        z = laid(y)
        z[0] = 5.0
        return np.sum(y * y) + np.sum(z)

    value, slope = wengert.value_and_grad(total)(X)
    assert value == total(X)
    basis = np.eye(X.size).reshape(-1, *X.shape)
    steps = [(total(X + 1e-6 * e) - total(X - 1e-6 * e)) / 2e-6 for e in basis]
    np.testing.assert_allclose(slope.ravel(), steps, atol=1e-8)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("laid", COPIES.values(), ids=COPIES)
def test_whether_it_is_a_copy_is_asked_of_each_call(laid: Callable[[Any], Any], backend: str) -> None:
    if backend == "native":
        pytest.importorskip("llvmlite")

    def total(x: Any) -> Any:
        y = x * 1.0  # lies as x does
        z = laid(y)
        z[0] = 5.0
        return y

    compiled = wengert.compile(total, backend=backend)
    for x in (X, X, np.asfortranarray(X), np.asfortranarray(X), X, X[::-1]):
        np.testing.assert_array_equal(compiled(x), total(x))


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_numbers_rounded_to_decimals_are_those_of_each_call(backend: str) -> None:
    if backend == "native":
        pytest.importorskip("llvmlite")
    for function in (lambda x: round(np.mean(x), 2) * np.sum(x), lambda x: np.sum(round(2.5 * x[0], 1) * x)):
        for wanted in (function, wengert.grad(function)):
            compiled = wengert.compile(wanted, backend=backend)
            for row in (X[0], X[1], X[0] * 3.0, X[2] + 1.0):
                np.testing.assert_allclose(compiled(row), wanted(row), rtol=1e-13)
    slope = wengert.compile(wengert.grad(lambda x: round(np.mean(x), 2) * np.sum(x)), backend=backend)
    for row in X:  # within a flat piece the rounded factor is a number
        np.testing.assert_allclose(slope(row), np.full(4, np.round(np.mean(row), 2)), rtol=1e-14)


def test_pythons_own_numbers_are_rounded_as_python_does() -> None:
    compiled = wengert.compile(lambda x: round(x, 2) + 0.0 * x, backend="numpy")
    for x in (2.675, 1.005, 2.665, -0.125):
        assert compiled(x) == round(x, 2)
