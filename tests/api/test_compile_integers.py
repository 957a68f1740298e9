"""Integer and Boolean arrays that change from call to call: replays give what NumPy gives, in value and in dtype.

Oracle: the functions themselves, run by NumPy on the same arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

CONTENTS: dict[str, list[np.ndarray]] = {
    dtype: [
        *(np.random.default_rng(k).integers(0, 6, (3, 5)).astype(dtype) for k in range(4)),
        *(np.random.default_rng(k).integers(0, 2, (3, 5)).astype(dtype) * np.array(highest, dtype) for k in (4, 5)),
        np.zeros((3, 5), dtype),
    ]
    for dtype, highest in (("i8", 2**62), ("i4", 2**31 - 1), ("u1", 255), ("i1", 127), ("?", True))
}


def _maximum_at(a: Any) -> Any:
    b = a[0].copy()
    np.maximum.at(b, [0, 0, 2], a[1, :3])
    return b


def _into_a_copy(a: Any) -> Any:
    b = a[0].copy()
    b[1:3] = a[1, :2]
    b[b > 3] = a[2, 0]
    return b


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "median": np.median,
    "median along": lambda a: np.median(a, axis=0),
    "quantile": lambda a: np.quantile(a, 0.3, axis=1),
    "nansum": lambda a: np.nansum(a, axis=0),
    "nanprod": np.nanprod,
    "nanmax": lambda a: np.nanmax(a, axis=1),
    "nanmin": np.nanmin,
    "nancumsum": np.nancumsum,
    "nancumprod": lambda a: np.nancumprod(a, axis=0),
    "nanmean": np.nanmean,
    "nanmedian": lambda a: np.nanmedian(a, axis=1),
    "pad with means": lambda a: np.pad(a, 1, "mean"),
    "pad with medians": lambda a: np.pad(a, 1, "median"),
    "histogram": lambda a: np.histogram(a, bins=4)[1],
    "nan_to_num": np.nan_to_num,
    "clip beyond the range": lambda a: np.clip(a, -1, 2),
    "clip below": lambda a: np.clip(a, 1, None),
    "heaviside": lambda a: np.heaviside(a, a[0]),
    "modf": np.modf,
    "gradient": lambda a: np.gradient(a, axis=1),
    "gradient at the ends": lambda a: np.gradient(a[0], 2.0, edge_order=2),
    "maximum.at": _maximum_at,
    "writes into a copy": _into_a_copy,
    "item": lambda a: a.item(3) * np.float32(2),
    "tolist": lambda a: [np.float32(1.5) * n for n in a[0].tolist()],
    "any of the rows": lambda a: np.sum(a[0].tolist()),
}


def _same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, (tuple, list)):
        assert type(found) is type(wanted)
        for f, w in zip(found, wanted, strict=True):
            _same(f, w)
        return
    assert type(found) is type(wanted)
    assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None)
    np.testing.assert_allclose(np.asarray(found, dtype=float), np.asarray(wanted, dtype=float), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("dtype", CONTENTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_replays_at_other_integers(name: str, dtype: str) -> None:
    function = FUNCTIONS[name]
    compiled = wg.compile(lambda a, x: (function(a), x * 2.0), backend="numpy")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for a in (*CONTENTS[dtype], *CONTENTS[dtype]):
            try:
                wanted = function(a.copy())
            except TypeError:
                with pytest.raises(TypeError):
                    compiled(a.copy(), 1.0)
            else:
                _same(compiled(a.copy(), 1.0)[0], wanted)


def _mask_overwritten(x: Any) -> Any:
    m = x > 0
    m[0] = x[0] < 0
    m[3:] = ~m[3:]
    return np.where(m, x * x, 0.0)


def _order_overwritten(x: Any) -> Any:
    m = np.argsort(x)
    m[0] = m[1]
    return x[m]


def _order_summed(x: Any) -> Any:
    m = np.argsort(x)
    for i in range(1, 5):
        m[i] = m[i] + m[i - 1]
    return m * x


def _cut_off(x: Any) -> Any:
    m = np.argsort(x)
    m[0] = abs(x[1]) * 1.5
    return x[np.minimum(m, 4)] * m


def _view_of_order(x: Any) -> Any:
    m = np.argsort(x)
    v = m[1:]
    v[:] = v[::-1].copy()
    return x[m] * v[0]


WRITES = (_mask_overwritten, _order_overwritten, _order_summed, _cut_off, _view_of_order)
ROWS = np.random.default_rng(0).standard_normal((7, 5))


@pytest.mark.parametrize("function", WRITES)
def test_what_is_written_into_computed_integers(function: Callable[[Any], Any]) -> None:
    wanted = [function(row) for row in ROWS]
    compiled = wg.compile(function, backend="numpy")
    np.testing.assert_array_equal([compiled(row) for row in ROWS], wanted)
    np.testing.assert_array_equal(wg.vmap(function)(ROWS), wanted)


@pytest.mark.parametrize("function", WRITES)
def test_slopes_beside_written_integers(function: Callable[[Any], Any]) -> None:
    slope = wg.compile(wg.grad(lambda x: np.sum(np.sin(function(x)))), backend="numpy")
    for row in ROWS:
        steps = 1e-6 * np.eye(5)
        wanted = [(np.sum(np.sin(function(row + s))) - np.sum(np.sin(function(row - s)))) / 2e-6 for s in steps]
        np.testing.assert_allclose(slope(row), wanted, atol=1e-8)


def test_native_code_of_written_integers() -> None:
    pytest.importorskip("llvmlite")
    for function in WRITES:
        compiled = wg.compile(function, backend="native")
        np.testing.assert_array_equal([compiled(row) for row in ROWS], [function(row) for row in ROWS])


def test_covariances_are_computed_in_double_precision() -> None:
    compiled = wg.compile(np.cov, backend="numpy")
    related = wg.compile(np.corrcoef, backend="numpy")
    for k in range(3):
        a = np.random.default_rng(k).standard_normal((3, 9)).astype("f4")
        np.testing.assert_allclose(compiled(a), np.cov(a), rtol=1e-13)
        np.testing.assert_allclose(related(a), np.corrcoef(a), rtol=1e-13)


def test_edges_of_data_that_are_all_the_same() -> None:
    compiled = wg.compile(lambda x: np.histogram_bin_edges(x, 4), backend="numpy")
    for x in (np.arange(5.0), np.zeros(5), -np.zeros(5), np.full(5, 2.0), np.arange(5.0) - 3):
        np.testing.assert_array_equal(compiled(x), np.histogram_bin_edges(x, 4))


def test_vectorized_functions_have_the_type_of_their_first_result() -> None:
    double = np.vectorize(lambda v: v * 2 if v > 0 else v)
    two = np.vectorize(lambda v, w: (v + w, v * 2.5))
    compiled = wg.compile(lambda a: (double(a), *two(a, a)), backend="numpy")
    for dtype in ("f4", "f2", "i4", "i2", "u1", "f8", "i8"):
        for a in (np.arange(1, 5, dtype=dtype), np.arange(2, 6, dtype=dtype), np.arange(3, 7, dtype=dtype)):
            _same(compiled(a), (double(a), *two(a, a)))


def test_medians_of_complex_numbers_with_nan() -> None:
    compiled = wg.compile(lambda z: np.median(z), backend="numpy")
    z = np.array([1 + 2j, 3 - 1j, 2j, -1.0, 2 + 2j])
    spoilt = z.copy()
    spoilt[1] = np.nan + 1j
    for each in (z, spoilt, z * 2):
        _same(complex(compiled(each)).imag, complex(np.median(each)).imag)
        assert np.isnan(compiled(each).real) == np.isnan(np.median(each).real)
