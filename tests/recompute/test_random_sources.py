"""The second run of a checkpointed function draws the numbers of the first, wherever it finds its source of them."""

import functools
import random
from random import gauss

import numpy as np
import pytest

import wengert as wg

X = np.random.default_rng(0).standard_normal((3, 3))
SOURCE = [np.random.default_rng(7)]


class Layer:
    def __init__(self):
        self.source = np.random.default_rng(0)

    def __call__(self, x):
        return np.tanh(x) * self.source.random(x.shape)


class Block:
    def __init__(self):
        self.parts = {"layers": [Layer()]}

    def __call__(self, x):
        return self.parts["layers"][0](x)

    run = __call__


def in_a_dict():
    held = {"source": np.random.default_rng(0)}
    return lambda x: np.tanh(x) * held["source"].random(x.shape)


def as_a_method():
    draw = np.random.default_rng(0).random
    return lambda x: np.tanh(x) * draw(x.shape)


def in_a_function_inside():
    SOURCE[0] = np.random.default_rng(7)
    return lambda x: (lambda v: np.tanh(v) * SOURCE[0].random(v.shape))(x)


def in_a_partial():
    return functools.partial(lambda source, x: np.tanh(x) * source.random(x.shape), np.random.default_rng(0))


@pytest.mark.parametrize(
    "make",
    [
        Layer,
        Block,
        lambda: Block().run,
        in_a_dict,
        as_a_method,
        in_a_function_inside,
        in_a_partial,
        lambda: lambda x: np.tanh(x) * np.random.rand(3, 3),
        lambda: lambda x: np.tanh(x) * random.random(),
        lambda: lambda x: np.tanh(x) * gauss(0.0, 1.0),
        lambda: functools.partial(lambda x, source: np.tanh(x) * source.random(), source=random.Random(3)),
    ],
)
def test_draws_are_repeated_and_the_sources_go_on_from_where_they_were(make):
    def run(wrap):
        random.seed(0)
        np.random.seed(0)
        layer = wrap(make())
        slope = wg.grad(lambda x: np.sum(layer(layer(x))))
        first = slope(X)
        return first, slope(X), random.random(), np.random.rand()

    for found, expected in zip(run(wg.checkpoint), run(lambda f: f), strict=True):
        assert np.array_equal(found, expected)
