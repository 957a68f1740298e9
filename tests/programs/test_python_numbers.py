"""What Python's own numbers allow and programs use: truth values as indices, `is_integer`, the module `statistics`.

Imports the public API. Invariant: values are those of the untraced program, bit for bit; derivatives are held against
formulas or the complex step.
"""

from __future__ import annotations

import statistics

import numpy as np
import pytest

import wengert as wg

FIRST_ORDER = {
    "grad": lambda f: wg.grad(f, verify=True),
    "jacfwd": wg.jacfwd,
    "compiled": lambda f: wg.compile(wg.grad(f), backend="numpy"),
    "compiled forward": lambda f: wg.compile(wg.jacfwd(f), backend="numpy"),
}


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_a_comparison_is_an_index(name):
    derivative = FIRST_ORDER[name](lambda t: [3 * t, t * t][t > 0.4])
    assert [float(derivative(t)) for t in (0.5, 0.25, 0.75, 0.125)] == [1.0, 3.0, 1.5, 3.0]


@pytest.mark.parametrize("name", FIRST_ORDER)
def test_is_integer_decides(name):
    derivative = FIRST_ORDER[name](lambda t: t * t if (2 * t).is_integer() else 3 * t)
    assert [float(derivative(t)) for t in (0.5, 0.25, 1.5, 0.75)] == [1.0, 3.0, 3.0, 3.0]
    assert float(wg.grad(lambda t: t * 2 if (t + np.inf).is_integer() else t)(1.0)) == 1.0


OTHER = [0.3, -1.2, 0.9, 2.2, 0.1, -0.7]
STATISTICS = {
    "mean": statistics.mean,
    "fmean": statistics.fmean,
    "fmean with weights": lambda x: statistics.fmean(x, weights=[1.0, 2.0, 0.5, 1.0, 3.0, 0.1]),
    "geometric_mean": lambda x: statistics.geometric_mean([v * v for v in x]),
    "harmonic_mean": lambda x: statistics.harmonic_mean([v * v for v in x]),
    "variance": statistics.variance,
    "pvariance": statistics.pvariance,
    "stdev": statistics.stdev,
    "pstdev": lambda x: statistics.pstdev(x, mu=x[0]),
    "covariance": lambda x: statistics.covariance(x, OTHER),
    "correlation": lambda x: statistics.correlation(OTHER, x),
    "slope": lambda x: statistics.linear_regression(x, OTHER).slope,
    "intercept": lambda x: statistics.linear_regression(x, OTHER).intercept,
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_have_the_bits_of_the_module(name):
    def fun(x):
        return STATISTICS[name](list(x))

    rng = np.random.default_rng(11)
    for _ in range(20):
        x = rng.normal(size=6) * 10.0 ** rng.integers(-3, 4)
        value, _ = wg.value_and_grad(fun, verify=True)(x)
        assert value == fun(x)
    wg.check_grads(fun, (rng.normal(size=6),), order=2)


def test_a_shape_set_in_place_is_refused():
    def fun(x):
        y = np.zeros(4)
        y[:] = x
        y.shape = (2, 2)
        return y[0] @ y[1]

    with pytest.raises(TypeError, match=r"shape of a traced array was set in place, to \(2, 2\)") as caught:
        wg.grad(fun)(np.ones(4))
    assert "y.reshape((2, 2))" in caught.value.fix
    assert caught.value.line == fun.__code__.co_firstlineno + 3


def test_a_view_as_a_subclass_is_refused():
    with pytest.raises(wg.CutError, match="looked at as a matrix, a subclass"):
        wg.grad(lambda x: np.sum(np.asarray(x.view(np.matrix))))(np.ones(4))
