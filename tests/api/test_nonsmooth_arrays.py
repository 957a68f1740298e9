"""Kinks of operations on whole arrays are told of: extremes and sorts with equal elements, norms where they have no
slope; and only those."""

import numpy as np
import pytest

import wengert

TIED = np.array([1.0, 3.0, 3.0, -2.0])
PLAIN = np.array([1.0, 3.0, 2.5, -2.0])
ZERO = np.array([1.0, 0.0, 3.0])

AT_TIES = {
    "max": np.max,
    "min": lambda x: np.min(-x),
    "max of rows": lambda x: np.sum(np.max(np.stack([x, x[::-1]]), axis=1)),
    "sort": lambda x: np.sum(np.sort(x) ** 2),
    "partition": lambda x: np.partition(x, 2)[2],
    "infinity norm": lambda x: np.linalg.norm(x, np.inf),
    "ptp": np.ptp,
}


@pytest.mark.parametrize("name", AT_TIES)
def test_equal_elements(name):
    function = AT_TIES[name]
    with pytest.raises(wengert.KinkError, match=r"element \((1, )?1,?\)|element \(0, 1\)"):
        wengert.grad(function, nonsmooth="raise")(TIED)
    gradient = wengert.grad(function, nonsmooth="raise")(PLAIN)
    assert np.allclose(gradient, wengert.numeric.gradient(function, PLAIN).value, atol=1e-8)


@pytest.mark.parametrize(
    ("function", "at", "clear"),
    [
        (np.linalg.norm, np.zeros(3), ZERO),
        (lambda x: np.linalg.norm(x, 3), np.zeros(3), np.abs(ZERO) + 0.1),
        (lambda x: np.linalg.norm(x, 1), ZERO, ZERO + 0.1),
        (lambda x: np.linalg.norm(x.reshape(1, 3)), np.zeros(3), ZERO),
        (lambda x: np.linalg.norm(x, np.inf), np.zeros(3), ZERO),
    ],
)
def test_norms(function, at, clear):
    with pytest.raises(wengert.KinkError, match="no unique derivative"):
        wengert.grad(function, nonsmooth="raise")(at)
    gradient = wengert.grad(function, nonsmooth="raise")(clear)
    assert np.allclose(gradient, wengert.numeric.gradient(function, clear).value, atol=1e-8)


def test_all_equal_elements_are_counted():
    wengert.grad(lambda x: np.max(x), nonsmooth="record")(TIED)
    (kink,) = wengert.kinks()
    assert (kink.op, kink.count, kink.where) == ("max", 2, (1,))
