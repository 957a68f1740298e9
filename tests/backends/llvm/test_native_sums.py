"""Sums of many equal terms in native code: rounding that goes one way in every addition must not add up.

Imports wengert and NumPy. Invariant: what is wanted is the exact sum of the terms, rounded once (``math.fsum``)."""

import math

import numpy as np
import pytest

import wengert

pytest.importorskip("llvmlite")

SHAPES = [
    (29791,),
    (31, 31, 31),
    (961, 31),
    (31, 961),
    (3000, 100),
    (1000, 7),
    (64, 64, 64),
    (7, 11, 13, 17),
    (5, 9000),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_equal_terms_of_tables_are_added_as_those_of_rows_are(shape, dtype):
    x = np.full(shape, 2.3561944901923448, dtype)
    eps = np.finfo(dtype).eps
    for function, terms in (
        (lambda x: np.sum(x), x),
        (lambda x: np.sum(x * x), (x * x)),
        (lambda x: np.sum(np.sqrt(x) * 1.5), np.sqrt(x) * dtype(1.5)),
    ):
        compiled = wengert.compile(function, backend="native")
        compiled(x)
        exact = math.fsum(terms.ravel().tolist())
        assert abs(float(compiled(x)) - exact) <= 128 * eps * exact  # chains of a few hundred terms


def test_gradients_beside_such_sums_stay_what_they_are():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((700, 40))
    loss = wengert.compile(
        wengert.value_and_grad(lambda x: np.sum(np.tanh(x) ** 2) + np.sum(x[:, 0])), backend="native"
    )
    for _ in range(2):
        value, slope = loss(x)
    t = np.tanh(x)
    want = 2.0 * t * (1.0 - t * t)
    want[:, 0] += 1.0
    np.testing.assert_allclose(slope, want, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(value, math.fsum((t * t).ravel()) + math.fsum(x[:, 0]), rtol=1e-14)
