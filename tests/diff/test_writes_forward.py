"""Forward mode through n writes costs O(n) altogether: the tangent array is handed on, and copied
only where it was seen.

Imports the public API. Invariant: copies are counted, never timed; derivatives are closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.ops import memory


class Counting:
    """NumPy, with the elements counted that ``array`` copies and ``zeros`` makes."""

    def __init__(self) -> None:
        self.elements = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def array(self, value: Any, *args: Any, **options: Any) -> Any:
        made = np.array(value, *args, **options)
        self.elements += made.size
        return made

    def zeros(self, shape: Any, *args: Any) -> Any:
        made = np.zeros(shape, *args)
        self.elements += made.size
        return made


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    found = Counting()
    monkeypatch.setattr(memory, "np", found)
    return found


def filled(n: int) -> Any:
    def program(x: Any) -> Any:
        y = np.zeros(n)
        y[0] = x
        for i in range(1, n):
            y[i] = y[i - 1] * 0.999 + x
        return y

    return program


def slope(n: int) -> np.ndarray:
    """dy_i/dx = sum_{k<=i} 0.999^k."""
    return np.cumsum(0.999 ** np.arange(n))


@pytest.mark.parametrize("n", [1_000, 10_000])
def test_n_writes_copy_a_few_arrays(n: int, counting: Counting) -> None:
    _, tangent = wg.jvp(filled(n), (0.5,), (1.0,))
    assert counting.elements <= 20 * n
    np.testing.assert_allclose(tangent, slope(n), rtol=1e-12)


@pytest.mark.parametrize("n", [300, 1_200])
def test_n_writes_of_traced_tangents(n: int, counting: Counting) -> None:
    """Tangents that are handles: jvp inside grad. d/dx of the tangent's sum with x^2 written."""

    def program(x: Any) -> Any:
        y = np.zeros(n)
        for i in range(n):
            y[i] = x * x * float(i)
        return y

    found = wg.grad(lambda x: wg.jvp(program, (x,), (1.0,))[1].sum())(0.5)
    assert float(found) == pytest.approx(n * (n - 1), rel=1e-12)
    assert counting.elements <= 40 * n


@pytest.mark.parametrize("n", [300, 1_200])
def test_n_writes_linearized(n: int, counting: Counting) -> None:
    _, derivative = wg.linearize(filled(n), 0.5)
    np.testing.assert_allclose(derivative(1.0), slope(n), rtol=1e-12)
    assert float(derivative.T(np.ones(n))[0]) == pytest.approx(slope(n).sum(), rel=1e-12)
    assert counting.elements <= 40 * n


def test_a_tangent_that_was_seen_is_not_overwritten() -> None:
    def program(x: Any) -> Any:
        y = x * 1.0
        first = +y  # takes the tangent itself on
        y[0] = x[1] * 3.0
        second = y * 1.0
        copy = y.copy()
        y[1] = 0.0
        copy[2] = x[0]
        y[2] = x[1] * 5.0
        return first, second, copy, y

    t = np.array([1.0, 10.0, 100.0])
    _, (first, second, copy, y) = wg.jvp(program, (np.ones(3),), (t,))
    np.testing.assert_array_equal(first, t)
    np.testing.assert_array_equal(second, [30.0, 10.0, 100.0])
    np.testing.assert_array_equal(copy, [30.0, 10.0, 1.0])
    np.testing.assert_array_equal(y, [30.0, 0.0, 50.0])
    np.testing.assert_array_equal(t, [1.0, 10.0, 100.0])
    _, derivative = wg.linearize(program, np.ones(3))
    for got, wanted in zip(derivative(t), (first, second, copy, y), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_parts_read_between_writes_keep_their_tangents() -> None:
    def program(x: Any) -> Any:
        y = np.zeros(4)
        y[0] = x
        head = y[:2] * 1.0
        number = y[0]
        window = y[:2]
        y[0] = x * 7.0
        y[1] = number + head[0]
        return head, number, window, y

    for run in (
        lambda: wg.jvp(program, (1.0,), (1.0,))[1],
        lambda: wg.linearize(program, 1.0)[1](1.0),
    ):
        head, number, window, y = run()
        np.testing.assert_array_equal(head, [1.0, 0.0])
        assert float(number) == 1.0
        np.testing.assert_array_equal(window, [7.0, 2.0])
        np.testing.assert_array_equal(y, [7.0, 2.0, 0.0, 0.0])
    second = wg.jvp(lambda x: wg.jvp(lambda s: program(s * s), (x,), (1.0,))[1], (3.0,), (1.0,))[1]
    np.testing.assert_array_equal(second[3], [14.0, 4.0, 0.0, 0.0])
