"""Scans, differences, products of sequences, interpolation, statistics, polynomials, order and
sets, by NumPy's names."""

import numpy as np
import pytest

import wengert as wg
from tests.ops.checking import check

RNG = np.random.default_rng(3)
A, T, V = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3, 4)), RNG.normal(size=7)
P = RNG.uniform(0.5, 2.0, size=4)
XP, QUERY = np.array([0.0, 0.3, 0.8, 1.5]), np.array([-0.5, 0.1, 0.5, 1.4, 2.0])
HEIGHTS = [1.0, 3, 2, 5]

SCANS = {
    "cumsum": np.cumsum,
    "cumprod": np.cumprod,
    "nancumsum": np.nancumsum,
    "nancumprod": np.nancumprod,
    "cumsum_axis": lambda x: np.cumsum(x, axis=1),
    "cumprod_axis": lambda x: np.cumprod(x, axis=0),
    "nancumsum_holes": lambda x: np.nancumsum(np.where(x > 1, np.nan, x), axis=1),
    "cumulative_sum": lambda x: np.cumulative_sum(x, axis=1, include_initial=True),
    "cumulative_prod": lambda x: np.cumulative_prod(x, axis=0, include_initial=True),
    "diff": lambda x: np.diff(x, n=2, axis=0),
    "diff_ends": lambda x: np.diff(x, prepend=x[:, :1], append=0.0),
    "ediff1d": lambda x: np.ediff1d(x, to_begin=x[0, 0], to_end=[1.0, 2]),
    "trapezoid": lambda x: np.trapezoid(x, axis=0),
    "trapezoid_places": lambda x: np.trapezoid(A, np.cumsum(x[0] ** 2), axis=1),
    "trapezoid_step": lambda x: np.trapezoid(x, dx=x[0, 0]),
}


@pytest.mark.parametrize("name", SCANS)
def test_scans(name: str) -> None:
    check(SCANS[name], A)


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order: int) -> None:
    check(lambda x: np.gradient(x, edge_order=edge_order), A)
    check(lambda x: np.gradient(x, 0.5, axis=1, edge_order=edge_order), A)
    check(lambda x: np.gradient(x, 0.5, [0.0, 0.4, 1.0, 1.7], edge_order=edge_order), A)
    check(lambda x: np.gradient(A[0], np.cumsum(x * x), edge_order=edge_order), P)
    check(lambda h: np.gradient(A[0], h[0], edge_order=edge_order), P)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("size", [1, 3, 4, 7, 9])
def test_convolve_and_correlate(mode: str, size: int) -> None:
    w = RNG.normal(size=size)
    check(lambda x: np.convolve(x, w, mode), V)
    check(lambda x: np.correlate(x, w, mode), V)
    check(lambda x: np.correlate(w, x, mode), V)
    check(lambda x: np.convolve(x, x[:2] * w[0], mode), V)
    check(lambda x: np.correlate(x, x[:2], mode), V[:4] + 1j * V[3:])


def test_interp() -> None:
    check(lambda x: np.interp(x, XP, HEIGHTS), QUERY)
    check(lambda x: np.interp(QUERY, XP, x), A[0])
    check(lambda x: np.interp(XP, XP, x), A[0])
    check(lambda x: np.interp([-0.5, 0.1, 0.5, 1.4, 9.0], np.cumsum(x), A[0]), P)
    check(lambda x: np.interp(x, XP, HEIGHTS, left=-1, right=7), QUERY)
    check(lambda x: np.interp(x, XP, HEIGHTS, period=1.6), QUERY)
    check(lambda x: np.interp(x[0], XP, x[1:5]), np.abs(V) / 2)


def test_interp_on_a_knot_has_the_slope_nearest_to_zero() -> None:
    # The slopes are 1, 3, -2: between 1 and 3 the nearest is 1, between 3 and -2 it is 0, at the
    # ends it is 0.
    slope = wg.grad(lambda x: np.interp(x, [0.0, 1, 2, 3], [0.0, 1, 4, 2]).sum())(
        np.array([0.0, 1, 2, 3])
    )
    np.testing.assert_array_equal(slope, [0.0, 1.0, 0.0, 0.0])


STATISTICS = {
    "cov": np.cov,
    "cov_of_two": lambda x: np.cov(x[0], x[1]),
    "cov_columns": lambda x: np.cov(x, rowvar=False, bias=True),
    "cov_weights": lambda x: np.cov(x, fweights=[1, 2, 1, 3], aweights=[0.5, 1, 2, 1.0]),
    "cov_by_weights": lambda x: np.cov(A, aweights=x[0] ** 2),
    "corrcoef": np.corrcoef,
    "cov_of_one": lambda x: np.cov(x[0]),
    "histogram": lambda x: np.histogram(A, bins=4, weights=x)[0],
    "histogram_density": lambda x: np.histogram(A, bins=4, weights=x * x, density=True)[0],
    "histogram2d": lambda x: np.histogram2d(A[0], A[1], bins=3, weights=x[0])[0],
    "histogramdd": lambda x: np.histogramdd(A.T, bins=2, weights=x[0] ** 2, density=True)[0],
    "bincount": lambda x: np.bincount([0, 2, 2, 1], x[0], minlength=8),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics(name: str) -> None:
    check(STATISTICS[name], A)


def test_counts_are_constants() -> None:
    def f(x):
        counts, _ = np.histogram(x, bins=[-10.0, 0.0, 10.0])
        assert counts.dtype.kind == "i"
        return counts[1] * x.sum()

    np.testing.assert_array_equal(wg.grad(f)(V), np.full(7, np.count_nonzero(V >= 0)))


POLYNOMIALS = {
    "polyval": lambda x: np.polyval(x[:4], x[4:]),
    "polyfit": lambda x: np.polyfit(np.arange(7.0), x, 2),
    "polyfit_weights": lambda x: np.polyfit(x * x, x, 2, w=np.arange(1.0, 8)),
    "polyadd": lambda x: np.polyadd(x, x[:3]),
    "polysub": lambda x: np.polysub(x[:2], x),
    "polymul": lambda x: np.polymul(x, x[:3]),
    "polydiv": lambda x: np.polydiv(x, x[:3]),
    "polyder": lambda x: np.polyder(x, 2),
    "polyint": lambda x: np.polyint(x, 2, k=[x[0], 2.0]),
    "poly": lambda x: np.poly(x[:4]),
    "vander": lambda x: np.vander(x, 4),
    "vander_increasing": lambda x: np.vander(x, 3, increasing=True),
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    check(POLYNOMIALS[name], V)


def test_roots() -> None:
    check(np.roots, np.array([1.0, -3.5, 2.0, 0.4]))
    # x^2 - 2 b x + c: the roots are b -+ sqrt(b^2 - c).
    b, c = 2.0, 1.0
    gradient = wg.grad(lambda p: np.max(np.roots(p)))(np.array([1.0, -2 * b, c]))
    assert gradient[2] == pytest.approx(-0.5 / np.sqrt(b * b - c))


ORDER = {
    "unique": lambda x: np.unique(x, return_counts=True)[0],
    "unique_and_back": lambda x: np.unique(x)[np.unique(x, return_inverse=True)[1]],
    "unique_rows": lambda x: np.unique(x.reshape(-1, 1), axis=0),
    "union1d": lambda x: np.union1d(x, [1.0, 2.0]),
    "setdiff1d": lambda x: np.setdiff1d(x, [0.0]),
    "setxor1d": lambda x: np.setxor1d(x, [0.0, 3.0]),
    "unique_values": lambda x: np.sort(np.unique_values(x)),
    "sort_complex": np.sort_complex,
    "sort_descending": lambda x: -np.sort(-x),
    "argsort": lambda x: x[np.argsort(x)[::-1]],
    "argpartition": lambda x: np.sort(x[np.argpartition(x, 3)[:3]]),
}


@pytest.mark.parametrize("name", ORDER)
def test_order(name: str) -> None:
    check(ORDER[name], V)


@pytest.mark.parametrize("axis", [0, 1, -1, None])
def test_sort_and_partition(axis) -> None:
    check(lambda x: np.sort(x, axis=axis), T)
    check(lambda x: np.partition(x, 1, axis=axis), T)
    check(lambda x: np.partition(x, (0, 1), axis=axis), T[:, :, :3])


def test_an_element_of_both_sets_has_half_of_it() -> None:
    common = wg.grad(lambda x, y: (np.intersect1d(x, y) ** 2).sum(), (0, 1))(
        np.array([1.0, 2.0]), np.array([2.0, 3.0])
    )
    np.testing.assert_array_equal(common[0], [0.0, 2.0])
    np.testing.assert_array_equal(common[1], [2.0, 0.0])
