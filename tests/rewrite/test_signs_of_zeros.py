"""Sums with zero that a program writes keep the signs of zeros where a later step shows them."""

import numpy as np
import pytest

import wengert as wg

X = np.array([0.0, -0.0, 1.0, -2.0])
SHOWN = {
    "divisor": lambda x: 1.0 / (0.0 - x),
    "divisor after others": lambda x: 1.0 / (np.sin(x + 0.0) * 2.0),
    "angle": lambda x: np.arctan2(x + 0.0, -1.0),
    "sign copied": lambda x: np.copysign(1.0, 0.0 - x),
    "sign asked": lambda x: np.where(np.signbit(x + 0.0), 1.0, 2.0) * x,
    "negative power": lambda x: (0.0 - x) ** -1.0,
    "reciprocal": lambda x: np.reciprocal(x + 0.0),
}


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("f", SHOWN.values(), ids=SHOWN)
def test_a_zero_keeps_the_sign_that_is_seen(f, backend):
    if backend == "native":
        pytest.importorskip("llvmlite")
    compiled = wg.compile(f, backend=backend)
    with np.errstate(all="ignore"):
        want = f(X)
        for _ in range(3):
            np.testing.assert_array_equal(compiled(X), want)


def test_sums_with_zero_go_where_no_sign_is_seen():
    compiled = wg.compile(lambda x: np.exp(x + 0.0) * (0.0 - x), backend="numpy")
    compiled(X)
    np.testing.assert_array_equal(compiled(X), np.exp(X) * -X)
    assert "add" not in compiled.explain().partition("memory")[0]
