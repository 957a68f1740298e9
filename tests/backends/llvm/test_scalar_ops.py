"""The simple functions against NumPy, bit for bit, at several vector widths."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.backends.llvm.native_loops import compiled, kind_of
from wengert.backends.llvm.scalar_ops import Vocabulary, supports
from wengert.backends.llvm.scalar_rules import SIMPLE

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -7.0, 1e300, -1e300, np.inf, -np.inf, np.nan]
FLOATS += [5e-324, -5e-324, 2.0**53, -(2.0**31), 2.0**63, 1e19, 1e-320, 1.7976931348623157e308, 0.1, 2.0**52 + 1.5]
INTEGERS = [0, 1, -1, 2, -2, 3, -7, 63, 64, 31, 32, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 100]
DTYPES = [np.dtype(t) for t in ("float64", "float32", "int64", "int32", "bool")]
# What NumPy has under no name of one function, written with NumPy's functions.
REFERENCES = {
    "clip": lambda x, low, high: np.minimum(high, np.maximum(x, low)),
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "fma": lambda x, y, z: x * y + z,
    "fraction": lambda x: np.modf(x)[0],
    "ulp": np.vectorize(math.ulp, otypes=[float]),
    "angle_of_real": np.angle,
}
CASES = [(name, dtype) for name, known in SIMPLE.items() for dtype in DTYPES if kind_of(dtype) in known.kinds]


def edge_values(dtype):
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.array(FLOATS).astype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    return np.array([v for v in INTEGERS if np.iinfo(dtype).min <= v <= np.iinfo(dtype).max], dtype)


def assert_same_bits(got, want, *arguments):
    assert got.dtype == want.dtype
    bad = ~((got == want) | ((got != got) & (want != want)))
    if got.dtype.kind == "f":
        bad |= (np.signbit(got) != np.signbit(want)) & (want == want)
    where = np.flatnonzero(bad)[:5]
    assert not bad.any(), ([a[where] for a in arguments], got[where], want[where])


def reference(name, arguments):
    with np.errstate(all="ignore"):
        return REFERENCES.get(name, getattr(np, name, None))(*arguments)


@functools.cache
def native(name, dtype, width):
    known = SIMPLE[name]
    out = np.dtype(bool) if known.boolean else dtype
    return compiled([(name, range(known.arity), out)], [dtype] * known.arity, out, width)


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda v: str(v))
def test_simple_functions_are_numpys_at_every_pair_of_edge_values(name, dtype):
    known = SIMPLE[name]
    arguments = [np.array(a) for a in zip(*itertools.product(edge_values(dtype), repeat=known.arity), strict=True)]
    out = np.dtype(bool) if known.boolean else dtype
    want = reference(name, arguments).astype(out, casting="same_kind")
    assert supports(name, [dtype] * known.arity, out)
    assert_same_bits(native(name, dtype, 8)(*arguments), want, *arguments)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_simple_functions_are_numpys_on_drawn_values(data):
    name, dtype = data.draw(st.sampled_from(CASES))
    count = data.draw(st.integers(1, 11))
    known = SIMPLE[name]
    arguments = [data.draw(arrays.arrays(dtype, count)) for _ in range(known.arity)]
    out = np.dtype(bool) if known.boolean else dtype
    want = reference(name, arguments).astype(out, casting="same_kind")
    got = native(name, dtype, data.draw(st.sampled_from([1, 2, 16])))(*arguments)
    if name in {"fmax", "fmin"}:  # of two zeros NumPy gives the first in some places of an array, the second in others
        want = np.where((arguments[0] == 0) & (arguments[1] == 0) & (got == 0), got, want)
    assert_same_bits(got, want, *arguments)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(DTYPES, DTYPES)), ids=str)
def test_casts_are_numpys(source, target):
    x = edge_values(source)
    with np.errstate(all="ignore"):
        want = x.astype(target)
        if source.kind == "f" and target.kind == "i":
            # What does not fit is the machine's choice in C; here it is the least integer everywhere.
            limits = np.iinfo(target)
            fits = (x >= limits.min) & (x < -float(limits.min))
            want = np.where(fits, np.where(fits, x, 0).astype(target), limits.min)
    for width in (1, 8):
        assert_same_bits(compiled([("cast", [0], target)], [source], target, width)(x), want, x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_select_chooses_lane_by_lane(dtype):
    x = edge_values(dtype)
    condition, other = np.arange(x.size) % 3 == 0, x[::-1].copy()
    for width in (1, 4):
        run = compiled([("select", [0, 1, 2], dtype)], [bool, dtype, dtype], dtype, width)
        assert_same_bits(run(condition, x, other), np.where(condition, x, other), x, other)


@pytest.mark.parametrize("integer", [np.int64, np.int32])
@pytest.mark.parametrize("dtype", DTYPES[:2], ids=str)
def test_scaling_by_powers_of_two_and_exponents(dtype, integer):
    values = [0.0, -0.0, 1.0, -1.5, 5e-324, -3e-310, 1e-40, 2.0**-1022, 1e308, np.inf, -np.inf, np.nan, 3.3e-38, 1e-45]
    counts = [0, 1, -1, 52, -53, 1000, -1000, 1074, -1074, 2098, -2098, 2**31 - 1, -(2**31), 127, -149, -150, 277, -277]
    with np.errstate(all="ignore"):
        pairs = list(itertools.product(np.array(values).astype(dtype), counts))
        x, n = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], integer)
        want = np.ldexp(x, n)
    assert_same_bits(compiled([("ldexp", [0, 1], dtype)], [dtype, integer], dtype, 8)(x, n), want, x, n)
    exponents = compiled([("exponent", [0], np.int32)], [dtype], np.int32, 8)(x)
    assert np.array_equal(exponents, np.frexp(x)[1])


def test_products_and_sums_are_joined_only_where_that_was_allowed():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 800))
    steps = [("multiply", [0, 1], DTYPES[0]), ("multiply", [0, 1], DTYPES[0]), ("subtract", [2, 3], DTYPES[0])]
    assert not compiled(steps, DTYPES[:1] * 2, DTYPES[0], 8)(x, y).any()
    steps = [("multiply", [0, 1], DTYPES[0]), ("add", [2, 0], DTYPES[0])]
    assert np.array_equal(compiled(steps, DTYPES[:1] * 2, DTYPES[0], 8)(x, y), x * y + x)


def test_lanes_without_a_name_are_refused_with_the_remedy():
    words = Vocabulary(lambda: "%v")
    with pytest.raises(ValueError, match="ask scalar_ops.supports"):
        words.emit("add", ["%a", "%b"], [np.float64, np.int64], np.float64, 1)
    assert not supports("subtract", [bool, bool], bool)
    assert not supports("power", [np.int64, np.int64], np.int64)
