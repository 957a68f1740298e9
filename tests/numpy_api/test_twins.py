"""Makers, converters, lists, index objects, random draws and statistics inside a trace.

Imports the public API; the derivative to compare with is a difference quotient of the same program,
untraced. Invariant: a traced run has the value of the untraced one.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg

from .differences import slope

T = 0.8
PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "full": lambda t: np.full((2, 3), t).sum() + np.full(3, [t, 1.0, t]) @ np.ones(3),
    "full_like": lambda t: (
        np.full_like(np.ones((2, 2)), t).sum() + np.full_like([1.0, 2.0], [t, t * t]).sum()
    ),
    "arange": lambda t: (
        (np.arange(t, 3.0, t / 2) ** 2).sum() + np.arange(0.1, 2 * t + 0.05, 0.5).sum() * t
    ),
    "linspace": lambda t: (
        (np.linspace(t, 2.0, 5) ** 2).sum() + (np.linspace([t, 1.0], 3.0, 4) ** 2).sum()
    ),
    "linspace_open": lambda t: (np.linspace(t, 3.0 * t, 4, endpoint=False) ** 3).sum(),
    "linspace_step": lambda t: np.linspace(0.0, t, 5, retstep=True)[1] ** 2,
    "linspace_axis": lambda t: (
        np.linspace([t, 1.0], [2.0, t], 3, axis=-1) ** 2 @ np.arange(3.0)
    ).sum(),
    "logspace": lambda t: (
        np.logspace(0.0, t, 4).sum() + np.logspace(0.1, 1.0, 3, base=t + 1.0).sum()
    ),
    "geomspace": lambda t: np.geomspace(t, 4.0, 5).sum() + np.geomspace(-t, -4.0, 3).sum(),
    "array_nested": lambda t: np.linalg.det(np.array([[t, 1.0], [0.5, t * t]])),
    "array_deep": lambda t: (np.array([[[t, 1.0], [2.0, t]], [[0.0, t], [t, t]]]) ** 2).sum(),
    "array_rows": lambda t: (np.array([np.ones(2) * t, [1.0, t], (2, 3)]) ** 2).sum(),
    "array_dtype": lambda t: np.array([[t, 1], [2, t]], dtype=float).sum() ** 2,
    "array_ndmin": lambda t: np.array([t, 1.0], ndmin=2)[0, 0] ** 2 + np.array(t, ndmin=1)[0],
    "array_zero_rank": lambda t: np.array(t) ** 2 + np.asarray(t) * 1.0,
    "array_of_objects": lambda t: (
        np.array(np.array([t, 2.0, t], dtype=object), dtype=float).sum() ** 2
    ),
    "asarray": lambda t: (
        np.asarray([t, 2.0]).prod() + np.asanyarray([[t]])[0, 0] + np.ascontiguousarray(t)[0]
    ),
    "asarray_chkfinite": lambda t: (
        np.asarray_chkfinite([t, 1.0]).sum() + np.require([t, 2.0], float, ["C", "W"]).prod()
    ),
    "atleast": lambda t: (
        np.atleast_1d(t)[0] + np.atleast_2d([t, 1.0])[0, 0] ** 2 + np.atleast_3d([t])[0, 0, 0] ** 3
    ),
    "array_is_a_copy": lambda t: _array_is_a_copy(t),
    "made_then_written": lambda t: _made_then_written(t),
    "fromiter": lambda t: np.fromiter((t * k for k in range(4)), float, 3).sum() ** 2,
    "fromfunction": lambda t: np.fromfunction(lambda i, j: t ** (i + j), (2, 3)).sum(),
    "lists": lambda t: (
        np.sum([t, t * t]) + np.max([t, 0.1]) + np.mean([[t, 1.0], [t, t]], axis=0)[0]
    ),
    "lists_of_rows": lambda t: np.sum([np.ones(2) * t, np.ones(2)], axis=0) @ np.array([1.0, 2.0]),
    "lists_by_keyword": lambda t: (
        np.sum(a=[t, 2.0]) ** 2 + np.average([1.0, 2.0], weights=[t, 1.0])
    ),
    "lists_linalg": lambda t: (
        np.linalg.inv([[t, 1.0], [0.0, 2.0]]).sum() + np.linalg.norm([t, 3.0])
    ),
    "lists_fft": lambda t: np.abs(np.fft.fft([t, 1.0, t * t])[1]) ** 2,
    "r_object": lambda t: (np.r_[t, 1.0, [t, t], 0:t:3j] ** 2).sum(),
    "c_object": lambda t: (np.c_[[t, 1.0], [2.0, t]] @ np.array([1.0, 3.0]))[1],
    "r_with_directive": lambda t: (np.r_["0,2", [t, 1.0], [2.0, t]] ** 2)[1, 1],
    "mgrid": lambda t: (np.mgrid[0:t:3j, 0:2] ** 2).sum() + (np.mgrid[t:3.0:0.5] ** 2).sum(),
    "ogrid": lambda t: (lambda y, x: (y * x).sum())(*np.ogrid[0:t:3j, 1:2:2j]),
    "vectorize": lambda t: np.vectorize(lambda a, b: a * b if a > 0.5 else np.sin(b))(
        np.array([0.2, 0.9]), t
    ).sum(),
    "vectorize_closure": lambda t: np.vectorize(lambda k: t**k)(np.arange(1.0, 4.0)).sum(),
    "vectorize_pair": lambda t: sum(
        part.sum() for part in np.vectorize(lambda a: (a * t, a + t))(np.ones(2))
    ),
    "vectorize_excluded": lambda t: np.vectorize(lambda a, p: a * p[0] + p[1], excluded={1})(
        np.ones(2), [t, t * t]
    ).sum(),
    "vectorize_signature": lambda t: np.vectorize(np.dot, signature="(n),(n)->()")(
        np.ones((2, 3)), np.array([t, t, 1.0])
    ).sum(),
    "vectorize_types": lambda t: (
        np.vectorize(lambda a: a * t, otypes=[float])(np.arange(3)).sum() ** 2
    ),
    "frompyfunc": lambda t: np.frompyfunc(lambda a, b: a * b, 2, 1)(
        np.ones(3) * t, [t, 1.0, 2.0]
    ).sum(),
    "object_arithmetic": lambda t: (
        (np.array([t, 2.0], dtype=object) * 3.0 + 1.0) @ np.array([1.0, t], dtype=object)
    ),
    "object_meets_array": lambda t: (
        (np.ones(2) * t * np.array([t, 2.0], dtype=object)).sum()
        + (np.array([t, 2.0], dtype=object) - np.ones(2) * t) @ np.array([1.0, 3.0])
        + np.dot(np.array([t, 2.0], dtype=object), np.ones(2) * t)
        + np.concatenate([np.array([t, 2.0], dtype=object), np.ones(1) * t]).sum() ** 2
    ),
    "ndenumerate": lambda t: sum(k[0] * x for k, x in np.ndenumerate(np.array([t, t * t]))),
    "statistics": lambda t: (
        statistics.mean([t, 2.0]) * statistics.pvariance([t, 1.0, 3.0]) + statistics.stdev((t, 1.0))
    ),
    "statistics_means": lambda t: (
        statistics.fmean([t, 2.0], [1.0, t])
        + statistics.geometric_mean([t, 3.0])
        + statistics.harmonic_mean([t, 1.0])
    ),
    "statistics_pairs": lambda t: (
        statistics.covariance([t, 1.0, 3.0], [1.0, t, 2.0])
        + statistics.correlation([t, 1.0, 3.0], [1.0, 5.0, 2.0])
        + statistics.linear_regression([1.0, 2.0, 4.0], [t, 1.0, t * t]).slope
    ),
    "statistics_order": lambda t: (
        statistics.median([t, 0.1, 5.0]) + statistics.median_low([t, 5.0])
    ),
}


def _array_is_a_copy(t):
    x = np.ones(2) * t
    y = np.array(x)
    z = np.asarray(x)
    y[0] = 5.0
    z[1] = t * t
    return (x * y).sum()


def _made_then_written(t):
    total = 0.0
    for made in (
        np.zeros(2),
        np.ones(2),
        np.eye(2)[0],
        np.identity(2),
        np.tri(2),
        np.array([1.0, 2.0]),
        np.copy([1.0, 2.0]),
        np.linspace(0.0, 1.0, 2),
        np.arange(2.0),
        np.full(2, 3.0),
        np.zeros_like([1.0, 2.0]),
        np.tile([1.0], 2),
        np.repeat([1.0, 2.0], 1),
        np.logspace(0, 1, 2),
        np.geomspace(1, 2, 2),
        np.diag([1.0, 2.0]),
        np.vander([1.0, 2.0]),
        np.triu(np.ones((2, 2))),
        np.meshgrid([1.0, 2.0], [3.0])[0],
        np.hanning(3),
        np.r_[1.0, 2.0],
        np.mgrid[0:1:2j],
        np.full_like([1.0, 2.0], 4.0),
        np.fromiter([1.0, 2.0], float),
        np.array([1.0, 2.0]) * 2.0,
    ):
        made[..., 0] = t * t
        total = total + made.sum()
    return total


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_value_and_derivative(name):
    fun = PROGRAMS[name]
    value, gradient = wg.value_and_grad(fun)(T)
    # abs() and np.abs() of one complex number differ in NumPy itself, by a last bit.
    np.testing.assert_allclose(value, fun(T), rtol=1e-15 if "fft" in name else 0.0)
    np.testing.assert_allclose(gradient, slope(fun, T), rtol=1e-8)
    tangent = wg.jvp(fun, (T,), (1.0,))[1]
    np.testing.assert_allclose(tangent, gradient, rtol=1e-12)


@pytest.mark.parametrize(
    "name",
    ["array_nested", "linspace", "made_then_written", "vectorize", "lists_linalg", "r_object"],
)
def test_second_derivative(name):
    fun = PROGRAMS[name]
    np.testing.assert_allclose(wg.grad(wg.grad(fun))(T), slope(wg.grad(fun), T), rtol=1e-7)


def inside(fun: Callable[[Any], Any]) -> Any:
    """What a function of a traced number makes of it."""
    seen = []

    def run(t):
        seen.append(fun(t))
        return t

    wg.grad(run)(T)
    return seen[0]


def test_whole_numbers_and_masks_stay_plain():
    for make in (
        lambda t: np.zeros(3, int),
        lambda t: np.ones(2, bool),
        lambda t: np.arange(4),
        lambda t: np.array([1, 2]),
        lambda t: np.empty(2, object),
        lambda t: np.array(["a"]),
        lambda t: np.full(2, 7),
        lambda t: np.indices((2, 2)),
    ):
        assert type(inside(make)) is np.ndarray


def test_an_array_that_is_the_callers_stays_the_callers():
    mine = np.ones(3)
    for convert in (np.asarray, np.asanyarray, np.ascontiguousarray, np.require):
        name = convert.__name__
        assert inside(lambda t, name=name: getattr(np, name)(mine) is mine)
    assert inside(lambda t: np.array(mine, copy=None) is mine)
    assert inside(lambda t: np.asarray(np.zeros(2) + t) is not None)


def test_integers_truncate_and_objects_keep_the_handle():
    assert inside(lambda t: np.array([t, 3.7], dtype=int)).tolist() == [0, 3]
    kept = inside(lambda t: np.array([[t, 1.0], [2.0, t]], dtype=object))
    assert kept.shape == (2, 2)
    assert type(kept[0, 0]).__name__ == "TracedScalar"
    assert kept[0, 1] == 1.0
    mixed = inside(lambda t: np.array([t, None]))
    assert mixed.dtype == object


def test_single_precision_is_a_cast():
    got = wg.grad(lambda t: np.array([t, 1.0], dtype=np.float32).sum() ** 2)(T)
    np.testing.assert_allclose(got, 2 * (T + 1.0), rtol=1e-6)


def test_wrong_shapes_are_numpys_error():
    with pytest.raises(ValueError, match="inhomogeneous"):
        wg.grad(lambda t: np.array([[t, 1.0], [2.0]]).sum())(T)


def test_text_beside_a_traced_number_is_refused():
    with pytest.raises(wg.CutError, match="text"):
        wg.grad(lambda t: len(np.array([t, "a"])) * t)(T)


# ---------------------------------------------------------------- random numbers

MOVED = {
    "normal": (T, 2.0),
    "uniform": (-1.0, T),
    "exponential": (T,),
    "laplace": (1.0, T),
    "logistic": (T, T),
    "gumbel": (T, 0.3),
    "lognormal": (T, 0.2),
    "rayleigh": (T,),
    "weibull": (T,),
    "pareto": (T + 2.0,),
    "power": (T,),
    "gamma": (2.5, T),
}
SOURCES: dict[str, Callable[[], Any]] = {
    "default_rng": lambda: np.random.default_rng(7),
    "Generator": lambda: np.random.Generator(np.random.Philox(7)),
    "RandomState": lambda: np.random.RandomState(7),
    "module": lambda: (np.random.seed(7), np.random)[1],
}


@pytest.mark.parametrize("source", sorted(SOURCES))
@pytest.mark.parametrize("name", sorted(MOVED))
def test_a_traced_parameter_moves_the_draw(source, name):
    places = [k for k, value in enumerate(MOVED[name]) if value in (T, T + 2.0)]

    def fun(t):
        rng = SOURCES[source]()
        args = [
            MOVED[name][k] - T + t if k in places else value for k, value in enumerate(MOVED[name])
        ]
        draws = getattr(rng, name)(*args, size=3)
        after = getattr(rng, name)(*MOVED[name])  # the stream goes on as it would have
        return (draws**2).sum() * after + getattr(rng, name)(*args)

    value, gradient = wg.value_and_grad(fun)(T)
    np.testing.assert_allclose(value, fun(T), rtol=1e-15)
    np.testing.assert_allclose(gradient, slope(fun, T), rtol=1e-7)


def test_draws_without_traced_parameters_are_the_same_numbers():
    def fun(t):
        rng, old = np.random.default_rng(3), np.random.RandomState(3)
        np.random.seed(5)
        draws = [
            rng.normal(size=3),
            rng.integers(0, 9, 4),
            rng.random(),
            old.rand(2),
            old.poisson(3.0, 2),
            np.random.randn(2),
            rng.choice(5, 2, replace=False),
            np.random.uniform(1.0, 2.0),
            rng.permutation(4),
            rng.standard_t(3.0),
        ]
        assert isinstance(rng, np.random.Generator)
        assert isinstance(old, np.random.RandomState)
        return draws

    for traced, untraced in zip(inside(fun), fun(T), strict=True):
        np.testing.assert_array_equal(traced, untraced)


def test_choice_permutation_and_shuffle_carry_the_derivative():
    weights = np.array([1.0, 3.0, -2.0, 0.5])
    x = np.array([0.3, 0.9, -0.4, 1.2])

    def fun(x):
        rng = np.random.default_rng(11)
        y = x * x
        rng.shuffle(y)
        return (rng.permutation(x) * weights).sum() + (y * weights).sum() + rng.choice(x, 2).sum()

    value, gradient = wg.value_and_grad(fun)(x)
    assert value == fun(x)
    np.testing.assert_allclose(gradient, slope(fun, x), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    "draw",
    [
        lambda r, t: r.poisson(t),
        lambda r, t: r.gamma(t),
        lambda r, t: r.beta(t, 1.0),
        lambda r, t: r.binomial(4, t),
    ],
)
def test_a_draw_without_formula_is_refused(draw):
    with pytest.raises(wg.NoRuleError, match="random draws") as caught:
        wg.grad(lambda t: draw(np.random.default_rng(0), t) * t)(T)
    assert caught.value.file == __file__
    assert "transform" in caught.value.fix
