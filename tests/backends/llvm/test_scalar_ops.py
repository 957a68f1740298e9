"""The simple functions against NumPy, bit for bit, at several vector widths."""

import itertools

import numpy as np
import pytest

from tests.backends.llvm.native_loops import compiled, kind_of
from wengert.backends.llvm.scalar_ops import supports
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
    "ulp": np.vectorize(__import__("math").ulp, otypes=[float]),
    "angle_of_real": np.angle,
}
CASES = [(name, dtype) for name, known in SIMPLE.items() for dtype in DTYPES if kind_of(dtype) in known.kinds]


def edge_values(dtype):
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            return np.array(FLOATS).astype(dtype)
    if dtype == bool:
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


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda v: str(v))
def test_simple_functions_are_numpys_at_every_pair_of_edge_values(name, dtype):
    known = SIMPLE[name]
    arguments = [np.array(a) for a in zip(*itertools.product(edge_values(dtype), repeat=known.arity), strict=True)]
    out = np.dtype(bool) if known.boolean else dtype
    want = reference(name, arguments).astype(out, casting="same_kind")
    assert supports(name, [dtype] * known.arity, out)
    for width in (1, 8):
        run = compiled([(name, range(known.arity), out)], [dtype] * known.arity, out, width)
        assert_same_bits(run(*arguments), want, *arguments)
