"""Constants of small dtypes (uint8, int8, int16, bool, float16) beside traced values in double precision.

Imports the public API. Invariant: a derivative is that of the same program with the constants in double precision, held
against formulas or differences, wherever NumPy's own value is the same.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg

X = np.array([0.71, 1.43, 1.31])
K = np.array([3, 100, 97])
DTYPES = [np.uint8, np.int8, np.int16, np.uint16, np.float16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_angles(dtype):
    k = K.astype(dtype)
    size = X**2 + K.astype(float) ** 2
    for mode in (wg.jacrev, wg.jacfwd):
        np.testing.assert_allclose(mode(lambda x: np.arctan2(k, x))(X), np.diag(-K / size), rtol=1e-14)
        np.testing.assert_allclose(mode(lambda x: np.arctan2(x, k))(X), np.diag(K / size), rtol=1e-14)
    slope = wg.grad(lambda t: np.arctan2(k[1], t))(0.71)
    np.testing.assert_allclose(slope, -100.0 / (0.71**2 + 1e4), rtol=1e-14)
    second = wg.hessian(lambda x: np.sum(np.arctan2(k, x)))(X)
    np.testing.assert_allclose(second, np.diag(2 * X * K / size**2), rtol=1e-13)


def test_an_angle_with_truth_values():
    truth = np.array([True, False, True])
    got = wg.jacrev(lambda x: np.arctan2(truth, x))(X)
    np.testing.assert_allclose(got, np.diag(-truth.astype(float) / (X**2 + truth)), rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("power", [np.power, np.float_power])
def test_powers(power, dtype):
    k = K.astype(dtype)
    wanted = np.diag(K**X * np.log(K))
    np.testing.assert_allclose(wg.jacrev(lambda x: power(k, x))(X), wanted, rtol=1e-14)
    np.testing.assert_allclose(wg.jacfwd(lambda x: power(k, x))(X), wanted, rtol=1e-14)
    slope = wg.grad(lambda t: power(k[1], t))(np.float64(0.71))
    np.testing.assert_allclose(slope, 100.0**0.71 * np.log(100.0), rtol=1e-14)
    second = wg.hessian(lambda x: np.sum(power(k, x)))(X)
    np.testing.assert_allclose(second, np.diag(K**X * np.log(K) ** 2), rtol=1e-13)
    small = np.array([0, 1, 3]).astype(dtype)
    got = wg.jacrev(lambda x: power(100 * x, small))(X)
    np.testing.assert_allclose(got, np.diag([0.0, 100.0, 3e6 * X[2] ** 2]), rtol=1e-14)


def test_an_exponent_in_single_precision():
    k = np.array([0.1, 2.3, 1.7], np.float16)
    exact = k.astype(float)
    got = wg.jacrev(lambda x: x**k)(X)
    np.testing.assert_allclose(got, np.diag(exact * X ** (exact - 1.0)), rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_interpolation_between_falling_heights(dtype):
    heights, knots = np.array([97, 3, 100]).astype(dtype), np.array([0, 1, 2]).astype(dtype)
    slopes = np.where(X < 1, -94.0, 97.0)
    for mode in (wg.jacrev, wg.jacfwd):
        got = mode(lambda x: np.interp(x, knots, heights))(X)
        np.testing.assert_allclose(got, np.diag(slopes), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16])
def test_slopes_over_small_integers(dtype):
    places = np.array([1, 4, 100]).astype(dtype)
    wanted = np.stack([np.gradient(unit, places.astype(float)) for unit in np.eye(3)], axis=1)  # it is linear
    np.testing.assert_allclose(wg.jacrev(lambda x: np.gradient(x, places))(X), wanted, rtol=1e-14, atol=1e-16)


SHORT = {
    "divisor": (lambda x, k: np.sum(x / k), lambda x, k: 1.0 / k),
    "divisor of a square": (lambda x, k: np.sum(x**2 / k), lambda x, k: 2.0 * x / k),
    "weights of a mean": (lambda x, k: np.average(x, weights=k), lambda x, k: k / np.sum(k)),
    "exponents": (lambda x, k: np.sum(x**k), lambda x, k: k * x ** (k - 1.0)),
    "lengths": (lambda x, k: np.sum(np.hypot(x, k)), lambda x, k: x / np.hypot(x, k)),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("f", "slope"), SHORT.values(), ids=SHORT)
def test_constants_of_short_floats_have_slopes_as_precise_as_the_argument(f, slope, dtype):
    x, k = np.array([3.1, 2.7, 1.9]), np.array([0.3, 0.7, 1.1], dtype)
    exact = slope(x, k.astype(float))
    compiled = wg.compile(wg.grad(f))
    for gradient in (wg.grad(f), wg.jacfwd(f), compiled, compiled):
        np.testing.assert_allclose(gradient(x, k), exact, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.int16])
def test_least_squares_beside_short_constants_are_as_precise_as_the_argument(dtype):
    rng = np.random.default_rng(3)
    matrix, b = (4 * rng.normal(size=(6, 3))).astype(dtype), rng.normal(size=6)
    wide = matrix.astype(np.result_type(dtype, float))
    for mode in (wg.jacrev, wg.jacfwd):
        got = mode(lambda b: np.real(np.linalg.lstsq(matrix, b, rcond=None)[0]))(b)
        np.testing.assert_allclose(got, np.real(np.linalg.pinv(wide)), rtol=1e-12, atol=1e-14)
    residual = b - wide @ np.linalg.pinv(wide) @ b
    slope = wg.grad(lambda b: np.linalg.lstsq(matrix, b, rcond=None)[1][0])(b)
    np.testing.assert_allclose(slope, 2 * np.real(residual), rtol=1e-12, atol=1e-14)
