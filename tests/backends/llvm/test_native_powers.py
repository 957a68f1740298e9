"""Powers of one half and products in native code: with the signs, infinities and, for products, the bits of NumPy.

Imports wengert and NumPy. Invariant: what is wanted is what the function itself gives, with the signs of zeros."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert

pytest.importorskip("llvmlite")

VALUES = (-0.0, 0.0, -np.inf, np.inf, 2.0, np.nan)
MAKERS: dict[str, Callable[[float], Any]] = {
    "array": lambda v: np.array([v, 1.0, v]),
    "one element": lambda v: np.array([v]),
    "without axes": np.array,
    "float64": np.float64,
    "float": float,
    "singles": lambda v: np.array([v, v], np.float32),
    "float32": np.float32,
}


def assert_same(got: Any, want: Any) -> None:
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    np.testing.assert_array_almost_equal_nulp(np.nan_to_num(got, posinf=3, neginf=-3), np.nan_to_num(want, posinf=3))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.signbit(got)[~np.isnan(got)], np.signbit(want)[~np.isnan(want)])


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x**0.5,
        lambda x: (x * 2.0) ** 0.5,
        lambda x: np.where(np.isnan(x), -x, x) ** 0.5,
        lambda x: np.power(x, 0.5),
        lambda x: np.float_power(x, 0.5),
        lambda x: np.sum(np.abs(np.ravel(x))) ** 0.5,
    ],
    ids=["operator", "of a product", "of a choice", "power", "float_power", "of a sum"],
)
def test_half_powers_of_zeros_and_infinities(function: Callable[[Any], Any], maker: Callable[[float], Any]) -> None:
    compiled = wengert.compile(function, backend="native")
    with np.errstate(all="ignore"):
        for value in (2.0, 3.0, *VALUES):
            assert_same(compiled(maker(value)), function(maker(value)))


@pytest.mark.parametrize("function", [lambda x, p: x**p, np.power], ids=["operator", "power"])
@pytest.mark.parametrize("exponent", [0.5, np.float64(0.5), 2.5, -0.5])
def test_an_exponent_that_is_an_input_may_be_one_half(function: Callable[..., Any], exponent: Any) -> None:
    compiled = wengert.compile(lambda x, p: function(x, p), backend="native")
    x = np.array([*VALUES, 1e-300, 7.25])
    with np.errstate(all="ignore"):
        for _ in range(3):
            assert_same(compiled(x, exponent), function(x, exponent))


def test_a_root_within_a_loop_of_numbers() -> None:
    def walk(x: Any) -> Any:
        total = 0.0
        for k in range(6):
            total = total + (x[k] * x[k] + total) ** 0.5
        return total

    compiled = wengert.compile(wengert.value_and_grad(walk), backend="native")
    x = np.linspace(0.5, 1.5, 6)
    for _ in range(3):
        value, slope = compiled(x)
    assert abs(value - walk(x)) < 1e-14
    steps = 1e-20j * np.eye(6)
    np.testing.assert_allclose(slope, [walk(x + step).imag / 1e-20 for step in steps], rtol=1e-14)
    assert "0 steps of NumPy" in compiled.explain()


PRODUCTS = [((6,), None), ((40,), None), ((5, 9), 1), ((40, 7), 0), ((3, 40), 1), ((4, 5, 6), (0, 2)), ((4, 30), None)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("shape", "axis"), PRODUCTS)
@pytest.mark.parametrize("function", [lambda x: x, lambda x: x * 2.0 - x], ids=["read", "computed"])
def test_products_have_the_bits_of_numpys_order(
    function: Callable[[Any], Any], shape: tuple[int, ...], axis: Any, dtype: Any
) -> None:
    rng = np.random.default_rng(1)
    compiled = wengert.compile(lambda x: np.prod(function(x), axis=axis), backend="native")
    large = np.finfo(dtype).max ** 0.6
    with np.errstate(all="ignore"):
        for factors in ([0.9, 1.1, -1.3], [large, 1.0 / large, large, -1.0 / large], [0.0, 2.0, np.inf]):
            x = rng.choice(np.array(factors, dtype), shape)
            want = np.prod(function(x), axis=axis)
            for _ in range(2):
                np.testing.assert_array_equal(compiled(x), want)
    assert "0 steps of NumPy" in compiled.explain()


def test_gradients_of_products_over_several_axes() -> None:
    x = np.random.default_rng(2).uniform(0.8, 1.2, (3, 20, 2))
    slope = wengert.compile(
        wengert.grad(lambda x: np.sum(np.prod(x, axis=(1, 2), keepdims=True) ** 2)), backend="native"
    )
    want = 2.0 * np.prod(x, axis=(1, 2), keepdims=True) ** 2 / x
    for _ in range(3):
        np.testing.assert_allclose(slope(x), want, rtol=1e-13)
