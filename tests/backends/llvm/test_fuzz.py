"""A few random programs of every kind, and what longer runs of the fuzzer found, held against NumPy."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm import fuzz_words, fuzz_words_more  # noqa: F401 they fill the vocabulary
from tests.backends.llvm.fuzz import check, compare
from tests.backends.llvm.fuzz_programs import Program, Step
from tests.backends.llvm.fuzz_rounding import Nothing
from wengert.backends.llvm.program import NativePlan

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def _faults_are_errors(monkeypatch):
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")
    monkeypatch.setenv("WENGERT_CACHE", "0")  # which does not know of loops split however short they are


@pytest.mark.parametrize("first", range(0, 56, 8))
def test_random_programs_are_what_numpy_computes(first):
    assert sum(check(seed) for seed in range(first, first + 8)) >= 6


def test_a_fault_would_be_found():
    program = Program((np.linspace(1.0, 2.0, 9),), (Step("sin", (0,)),), (1,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.backends.llvm.fuzz_rounding.run_step", lambda *a: np.nextafter(np.sin(a[1][0]), 9) + 2e-14)
        with pytest.raises(AssertionError, match="9 of 9 wrong"):
            compare(program, 0, transform="value", compiled=False)
    compare(program, 0, transform="value", compiled=False)
    with pytest.raises(Nothing):
        compare(Program((np.ones((2, 3)),), (Step("matmul", (0, 0)),), (1,)), 0, transform="value", compiled=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (7, 9), (4, 3, 2)])
def test_rows_of_a_loop_that_are_read_in_two_ways(shape, dtype):
    x = np.random.default_rng(5).standard_normal(shape).astype(dtype)
    program = Program((x,), (Step("scanned", (0,), (False,)), Step("cos", (1,))), (2,))
    compare(program, 1, transform="product", compiled=False)


def test_a_cast_to_bool_under_vmap_is_asked_as_recorded():
    x = np.array([[0.3, 0.7], [0.0, 0.2], [0.5, np.nan]])
    got = wengert.vmap(lambda r: r * r.astype(bool))(x)
    np.testing.assert_array_equal(got, x * x.astype(bool))


@pytest.mark.parametrize(
    ("words", "shape", "dtype"),
    [
        ((Step("upper", (0,), (0,)), Step("upper", (1,), (2,))), (139, 16), np.float32),
        ((Step("cumprod", (0,), (1,)),), (3, 15, 16, 2), np.float64),
    ],
)
def test_little_programs_have_little_text(words, shape, dtype):
    x = np.random.default_rng(6).uniform(0.5, 1.5, shape).astype(dtype)
    program = Program((x,), words, (len(words),))
    assert len(NativePlan(wengert.trace(program)(x)).source("llvm")) < 500_000
    compare(program, 2, transform="value", compiled=False)


@pytest.mark.parametrize("x", [np.ones((3, 4)), np.arange(12.0).reshape(4, 3).T], ids=["rows", "columns"])
def test_an_equal_dtype_of_another_address_is_taken(x):
    mine = x.astype(np.dtype(np.float64, copy=True))
    assert mine.dtype == np.float64 and mine.dtype is not np.dtype(np.float64)
    compiled = wengert.compile(lambda x: np.exp(x) * x, backend="native")
    plan = NativePlan(wengert.trace(lambda x: np.exp(x) * x)(x))
    for _ in range(3):
        np.testing.assert_allclose(compiled(mine), np.exp(x) * x, rtol=4e-15)
        np.testing.assert_allclose(plan.run([mine])[0], np.exp(x) * x, rtol=4e-15)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("at", [np.array(1.3), np.array([1.3]), np.float64(1.3)], ids=["array", "row", "number"])
def test_second_derivatives_where_an_array_without_axes_is_read_in_two_ways(at, backend):
    # (x + x[...])^3 = 8 x^3, and sum(x[None]^3) + sin x
    for function, second in (
        (lambda x: np.sum((x + x[...]) ** 3), lambda x: 48.0 * x),
        (lambda x: np.sum(x[None] ** 3) + np.sum(np.sin(x)), lambda x: 6.0 * x - np.sin(x)),
    ):
        slope = wengert.grad(lambda x, f=function: np.sum(wengert.grad(f)(x)))
        compiled = wengert.compile(slope, backend=backend)
        for x in (at, at * 1.5, at):
            np.testing.assert_allclose(compiled(x), second(x), rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("function", [np.sign, np.rint, np.trunc], ids=lambda f: f.__name__)
def test_traced_numbers_are_written_into_values_without_derivative(function, dtype):
    if dtype is np.complex128:
        function = np.sign
    v = np.linspace(-1.0, 1.0, 4).astype(dtype)

    def total(y, v):
        out = function(v).copy()
        out[1:] = np.mean(y)
        return np.sum(out.real * 1.5)

    slope = wengert.grad(total, (0, 1))(np.arange(3.0), v)[0]
    np.testing.assert_allclose(slope, np.full(3, 1.5), rtol=1e-15)
