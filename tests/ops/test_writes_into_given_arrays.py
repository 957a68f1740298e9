"""One element of a large array from outside is overwritten after a step that needs it: found, however it is written.

May import wengert's public API. Invariant: no gradient is computed from an array that has changed since.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest

import wengert as wg

COUNT = 40_000
W = np.ones(COUNT)
X = np.full(COUNT, 1.3)
EXPECTED = np.cos(1.3)


def spoil(array):
    array[5] = 0.0


def by_a_helper(x):
    y = np.sum(np.sin(x * W))
    spoil(W)
    return y


def through_a_view(x):
    y = np.sum(np.sin(x * W))
    part = W[5:6]
    part *= 0.0
    return y


def by_out(x):
    y = np.sum(np.sin(x * W))
    np.multiply(W[5:6], 0.0, out=W[5:6])
    return y


def by_put(x):
    y = np.sum(np.sin(x * W))
    np.put(W, [5], 0.0)
    return y


class Model:
    def spoil(self):
        W[5] = 0.0

    def __call__(self, x):
        y = np.sum(np.sin(x * W))
        self.spoil()
        return y


def only_reading(x):
    return np.sum(np.sin(x * W))


WRITERS = [by_a_helper, through_a_view, by_out, by_put, Model(), Model().__call__, functools.partial(by_a_helper)]


@pytest.mark.parametrize("write", WRITERS, ids=[f"writer {k}" for k in range(len(WRITERS))])
@pytest.mark.parametrize(
    "transform",
    [
        wg.grad,
        lambda f: lambda x: wg.vjp(f, x)[1](1.0),
        lambda f: lambda x: wg.hvp(f, (x,), (np.ones(COUNT),)),
        lambda f: wg.grad(lambda x: wg.grad(f)(x).sum()),
    ],
    ids=["grad", "vjp", "hvp", "grad of grad"],
)
def test_the_write_is_found(write, transform) -> None:
    W[:] = 1.0
    try:
        with pytest.raises(
            wg.ChangedError, match="was overwritten after a step whose derivative needs its old content"
        ):
            transform(write)(X)
    finally:
        W[:] = 1.0


def test_without_a_write_the_gradient_comes() -> None:
    assert np.allclose(wg.grad(only_reading)(X), EXPECTED)
    assert np.allclose(wg.grad(lambda x: only_reading(x) + spoiled_copy())(X), EXPECTED)


def spoiled_copy():
    mine = W.copy()
    mine[5] = 0.0
    return mine[5]
