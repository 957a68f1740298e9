"""A sweep through a float32 function is one of float32.

Imports the public API. Invariant: references are the same derivatives in float64."""

from __future__ import annotations

import numpy as np
import pytest

import wengert

X = np.random.default_rng(3).standard_normal((6, 5)).astype(np.float32)
FUNCTIONS = {
    "mean of tanh": lambda x: np.mean(np.tanh(x @ x.T)),
    "largest": lambda x: np.max(x * x),
    "largest of rows": lambda x: np.sum(np.max(x, axis=1) ** 2),
    "shifted exponentials": lambda x: np.sum(np.log(np.sum(np.exp(x - np.max(x, axis=1, keepdims=True)), axis=1))),
    "norm": lambda x: np.sqrt(np.sum(x * x)),
    "an element": lambda x: x[1, 2] * x[0, 0],
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_gradients_stay_in_single_precision(function):
    graph = wengert.trace(wengert.grad(function))(X)
    wide = [n.op.name for n in graph if getattr(n.type, "dtype", None) == np.float64 and n.type.shape != ()]
    assert wide in ([], ["divide"])  # shares among the largest, a quotient of counts
    for found in (wengert.grad(function)(X), graph(X)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wengert.grad(function)(X.astype(np.float64)), rtol=2e-5, atol=2e-6)


def test_a_result_in_double_precision_is_swept_in_it():
    found = wengert.grad(lambda x: np.sum(x.astype(np.float64) ** 2) * 1e-60)(X)
    assert found.dtype == np.float32
    graph = wengert.trace(wengert.grad(lambda x: np.sum(np.tanh(x * np.float64(0.1)))))(X)
    assert any(getattr(n.type, "dtype", None) == np.float64 for n in graph)
