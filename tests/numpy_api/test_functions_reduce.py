"""Reductions, the nan family, quantiles and ufunc methods, by NumPy's names and as methods."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from tests.ops.checking import check, same

RNG = np.random.default_rng(3)
A, T, P, V = (
    RNG.normal(size=(3, 4)),
    RNG.normal(size=(2, 3, 4)),
    RNG.uniform(0.5, 2.0, size=(3, 4)),
    RNG.normal(size=7),
)
HOLES = np.where(np.arange(12).reshape(3, 4) == 1, np.nan, 0.0)
MASK = (A > 0) | (np.arange(4) < 1)
PLAIN = ["sum", "prod", "mean", "var", "std", "max", "min", "ptp", "median"]
NAN = ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanmedian"]
WITH_WHERE = [n for n in PLAIN + NAN if n not in {"ptp", "median", "nanmedian"}]
METHODS = [
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "linear",
    "median_unbiased",
    "normal_unbiased",
    "lower",
    "higher",
    "midpoint",
    "nearest",
]


@pytest.mark.parametrize("name", PLAIN + NAN)
def test_axes_and_kept_dimensions(name: str) -> None:
    f = getattr(np, name)
    check(f, A)
    check(lambda x: f(x, axis=0), A)
    check(lambda x: f(x, axis=-1, keepdims=True), A)
    check(lambda x: f(x, axis=(0, 2)), T)


@pytest.mark.parametrize("name", WITH_WHERE)
def test_where(name: str) -> None:
    f = getattr(np, name)
    initial = {"initial": -5.0} if "max" in name else {"initial": 5.0} if "min" in name else {}
    check(lambda x: f(x, axis=1, where=MASK, **initial), A)


@pytest.mark.parametrize("name", ["sum", "prod", "nansum", "nanprod"])
def test_initial(name: str) -> None:
    check(lambda x: getattr(np, name)(x, axis=1, initial=3.0), A)
    check(lambda x: np.sum(x[1:], axis=1, initial=x[0, 0]), A)


@pytest.mark.parametrize("name", NAN)
def test_what_is_no_number_is_passed_over(name: str) -> None:
    f = getattr(np, name)
    check(lambda x: f(x + HOLES, axis=1), A)
    gradient = wg.grad(lambda x: f(np.where(np.isnan(HOLES), np.nan, x)))(A)
    assert gradient[0, 1] == 0.0
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "var", "std", "max", "min", "cumsum", "cumprod"]
)
def test_methods(name: str) -> None:
    check(lambda x: getattr(x, name)(axis=1), A)
    check(lambda x: getattr(x, name)(), A)


def test_out_and_dtype() -> None:
    def f(x):
        s = np.zeros(4)
        np.sum(x, axis=0, out=s)
        s += np.mean(x * x, axis=0)
        return s * np.sum(x, dtype=np.float64)

    check(f, A)
    gradient = wg.grad(lambda x: np.sum(x * x, dtype=np.float64))(A.astype(np.float32))
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 2 * A, rtol=1e-6)


@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name: str) -> None:
    check(lambda x: getattr(np, name)(x, axis=1, ddof=1), A)
    check(lambda x: getattr(np, name)(x, axis=1, correction=2), A)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
def test_complex(name: str) -> None:
    check(lambda x: getattr(np, name)(x, axis=0), A + 1j * A[::-1])


def test_average() -> None:
    check(lambda x: np.average(x, axis=1, weights=[1, 2, 3, 4.0]), A)
    check(lambda x: np.average(V[:4], weights=x), P[0])
    check(lambda x: np.average(A, axis=1, weights=x[0]), P)
    check(lambda x: np.average(x, axis=1, weights=x * x, returned=True), P)
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda x: np.average(x, weights=[1.0, -1.0]))(V[:2])


@pytest.mark.parametrize("method", METHODS)
def test_quantiles(method: str) -> None:
    for q in (0.0, 0.3, 0.5, 1.0):
        check(lambda x, q=q: np.quantile(x, q, method=method), V)
    check(lambda x: np.percentile(x, [10.0, 40, 77], axis=1, method=method, keepdims=True), T)
    check(lambda x: np.nanquantile(x + HOLES, [0.1, 0.4], axis=1, method=method), A)


def test_quantile_by_its_level_and_by_weights() -> None:
    check(lambda q: np.quantile(V, q), np.array([0.33, 0.71]))
    check(lambda x: np.quantile(x, [0.2, 0.6], method="inverted_cdf", weights=np.arange(1.0, 8)), V)
    # Between two neighbours the quantile rises by their distance over 1 / (n - 1).
    s = np.sort(V)
    assert wg.grad(lambda q: np.quantile(V, q))(0.4) == pytest.approx(6 * (s[3] - s[2]))


def test_questions_are_plain() -> None:
    def f(x):
        assert type(np.argmax(x)) is np.int64
        assert type(np.any(x > 0)) is np.bool_
        assert np.count_nonzero(x) == 7
        assert type(x.argmin()) is np.int64
        assert np.all(x == x, where=x > 0)
        assert not np.all(x > 100)
        return x[np.argmax(x)] * np.nanargmin(x)

    wg.grad(f)(V)


UFUNCS = [
    "add",
    "multiply",
    "maximum",
    "minimum",
    "logaddexp",
    "logaddexp2",
    "fmax",
    "fmin",
    "subtract",
    "divide",
    "hypot",
]


@pytest.mark.parametrize("name", UFUNCS)
def test_methods_of_ufuncs(name: str) -> None:
    u = getattr(np, name)
    check(lambda x: u.reduce(x), P)
    check(lambda x: u.reduce(x, axis=1, keepdims=True), P)
    check(lambda x: u.accumulate(x, axis=1), P)
    check(lambda x: u.reduceat(x, [0, 2, 1], axis=1), P)
    check(lambda x: u.outer(x[0], x), P)


def test_options_of_ufunc_reductions() -> None:
    check(lambda x: np.add.reduce(x, where=MASK, axis=None, initial=2.0), A)
    check(lambda x: np.multiply.reduce(x, initial=2.0, axis=(0, 1)), A)
    check(lambda x: np.hypot.reduce(x, axis=None), A)
    check(lambda x: np.power.accumulate(x), P[0])
    check(lambda x: np.maximum.reduce(x, axis=1, initial=0.7), A)
    with pytest.raises(ValueError, match="not reorderable"):
        wg.grad(lambda x: np.subtract.reduce(x, axis=None))(A)


@pytest.mark.parametrize(
    "change",
    [
        lambda y, x: np.add.at(y, ([0, 0, 1], [1, 1, 2]), x[0, :3]),
        lambda y, x: np.subtract.at(y, ([0, 0, 1], [1, 1, 2]), x[0, :3]),
        lambda y, x: np.multiply.at(y, ([0, 0, 1], [1, 1, 2]), x[0, :3]),
        lambda y, x: np.maximum.at(y, [0, 0, 2], x[0] + 0.1),
        lambda y, x: np.negative.at(y, [0, 2]),
        lambda y, x: np.divide.at(y, [0, 0], x[1]),
    ],
)
def test_ufunc_at(change) -> None:
    def f(x):
        y = x * 1.0
        change(y, x)
        return y

    check(f, A)


def test_ufunc_at_on_a_plain_array_is_refused() -> None:
    outside = np.zeros(3)
    with pytest.raises(wg.WengertError, match="plain array"):
        wg.grad(lambda x: np.add.at(outside, [0], x[:1]) or x.sum())(V)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 99),
    step=st.sampled_from([1, 2, -1]),
    name=st.sampled_from(["sum", "mean", "prod", "var", "std", "max", "min", "median", "cumsum"]),
    data=st.data(),
    dtype=st.sampled_from([np.float64, np.float32, np.complex128]),
    transposed=st.booleans(),
)
def test_values_are_numpys_bits(shape, seed, step, name, data, dtype, transposed) -> None:
    x = np.random.default_rng(seed).normal(size=shape).astype(dtype)
    axis = data.draw(st.sampled_from([None, *range(-len(shape), len(shape))]))

    def f(x):
        x = x[::step].T if transposed else x[::step]
        return getattr(np, name)(x, axis=axis)

    assert same(wg.vjp(f, x)[0], f(x))
