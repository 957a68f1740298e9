"""Cotangents of sums, one number seen from every element, stay one number through products with numbers."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert
from wengert.core.node import Const

SIZE = 20_000
POINT = np.linspace(0.1, 0.9, SIZE)

CASES: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("times a float", lambda x: np.sum(3.5 * np.sin(x)), 3.5 * np.cos(POINT)),
    ("times an int, from the right", lambda x: np.sum(np.sin(x) * 3), 3.0 * np.cos(POINT)),
    ("over a float", lambda x: np.sum(np.sin(x) / 8.0), np.cos(POINT) / 8.0),
    ("twice", lambda x: np.sum(4.0 * (np.sin(x) * 0.25)), np.cos(POINT)),
    ("a linear program", lambda x: np.sum(2.0 * x * 0.5), np.ones(SIZE)),
    ("added to itself", lambda x: np.sum(2.0 * x) + np.sum(3.0 * x), np.full(SIZE, 5.0)),
    ("beside another use", lambda x: np.sum(2.0 * x + x * x), 2.0 + 2.0 * POINT),
    ("a mean", lambda x: np.mean(3.0 * np.exp(x)), 3.0 * np.exp(POINT) / SIZE),
]


@pytest.mark.parametrize(("function", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_gradients(function: Callable[[Any], Any], expected: Any) -> None:
    found = wengert.grad(function)(POINT)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    found += 1.0  # a gradient is memory of its own
    np.testing.assert_allclose(wengert.grad(function)(POINT), expected, rtol=1e-14)
    again = wengert.grad(lambda x: np.sum(x * wengert.grad(function)(x)))(POINT)
    step = 1e-6
    slope = (wengert.grad(function)(POINT + step) - wengert.grad(function)(POINT - step)) / (2 * step)
    np.testing.assert_allclose(again, expected + POINT * slope, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.complex128])
def test_other_types(dtype: Any) -> None:
    x = np.linspace(0.1, 0.9, SIZE).astype(dtype)
    found = wengert.grad(lambda x: np.sum((3.0 * x * x).real))(x)
    assert found.dtype == x.dtype
    np.testing.assert_allclose(found, np.conj(6.0 * x), rtol=1e-6 if dtype is np.float32 else 1e-14)


def test_an_overflow_is_an_infinity_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = wengert.grad(lambda x: 1e200 * np.sum(1e200 * np.sin(x)))(POINT * 1e-250)
    assert np.isposinf(found).all()


def test_a_recorded_gradient_has_no_array_for_it() -> None:
    graph = wengert.trace(wengert.grad(lambda x: np.sum(100.0 * x**2 + (1.0 - x) ** 2 * 2.0)))(POINT)
    constants = [a.value for node in graph.nodes for a in node.args if isinstance(a, Const)]
    arrays = [v for v in constants if type(v) is np.ndarray and v.size == SIZE]
    assert not any(any(v.strides) for v in arrays), arrays


def test_linear_programs_make_no_array_on_the_way() -> None:
    x = np.ones(1 << 20)

    def line(x: Any) -> Any:
        return np.sum(x * 2.0 * 3.0 * 5.0)

    gradient = wengert.grad(line)
    gradient(x)
    tracemalloc.start()
    found = gradient(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0] == 30.0
    assert peak < 2.5 * x.nbytes  # two products of the forward run at a time, or the gradient
