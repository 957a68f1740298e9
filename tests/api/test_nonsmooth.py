"""``nonsmooth=`` of every transformation, and a chosen subgradient of extremes of arrays.

Invariant: expected slopes are one-sided difference quotients or the definition of the choice.
"""

import warnings
from functools import partial

import numpy as np
import pytest

import wengert as wg

AT = np.array([1.0, 0.0, 2.0])
OFF = np.array([1.0, 0.5, 2.0])
ONES = np.ones(3)


def bent(x):
    return np.abs(x) + x * x


def total(x):
    return np.sum(bent(x))


def of_one(t):
    return np.abs(t) + t * t


CALLS = {
    "grad": lambda x, mode: wg.grad(total, nonsmooth=mode)(x),
    "jvp": lambda x, mode: wg.jvp(bent, (x,), (ONES,), nonsmooth=mode)[1],
    "vjp": lambda x, mode: wg.vjp(bent, x, nonsmooth=mode)[1](ONES)[0],
    "jacobian": lambda x, mode: wg.jacobian(bent, nonsmooth=mode)(x),
    "jacobian by name": lambda x, mode: wg.jacobian(bent, argnames="x", nonsmooth=mode)(x=x)["x"],
    "jacfwd": lambda x, mode: wg.jacfwd(bent, nonsmooth=mode)(x),
    "jacrev": lambda x, mode: wg.jacrev(bent, nonsmooth=mode)(x),
    "hessian": lambda x, mode: wg.hessian(total, nonsmooth=mode)(x),
    "hvp": lambda x, mode: wg.hvp(total, (x,), (ONES,), nonsmooth=mode)[1],
    "elementwise_grad": lambda x, mode: wg.elementwise_grad(bent, nonsmooth=mode)(x),
    "derivative": lambda x, mode: wg.derivative(of_one, nonsmooth=mode)(float(x[1])),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_kink_is_reported_by_every_transformation(call):
    plain = call(AT, "ignore")
    np.testing.assert_array_equal(call(AT, "record"), plain)
    (report,) = wg.kinks()
    assert (report.op, report.count) == ("absolute", 1)
    assert report.file == __file__
    with pytest.raises(wg.KinkError, match="absolute has no unique derivative") as caught:
        call(AT, "raise")
    assert __file__ in str(caught.value)
    with pytest.warns(wg.KinkWarning, match="absolute"):
        np.testing.assert_array_equal(call(AT, "warn"), plain)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_and_none_where_there_is_none(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(call(OFF, "warn"), call(OFF, "ignore"))
    call(OFF, "raise")
    call(OFF, "record")
    assert wg.kinks() == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_unknown_option_is_refused(call):
    with pytest.raises(ValueError, match="nonsmooth='loud' is unknown"):
        call(AT, "loud")


def test_arguments_that_the_function_writes_to_stay_as_they_are():
    def writes(x, work):
        work[:] += 1.0
        return np.abs(x) * work

    work = np.zeros(3)
    np.testing.assert_array_equal(wg.jacobian(writes, nonsmooth="record")(OFF, work), np.eye(3))
    np.testing.assert_array_equal(work, ONES)  # once, by the derivative itself, as by the plain function


TIES = np.array([[3.0, 1.0, 3.0], [3.0, 0.0, -1.0]])


def summed(x, extreme, axis, power=1):
    return np.sum(extreme(x, axis=axis) ** power)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (None, lambda t: [[t, 0, (1 - t) / 2], [(1 - t) / 2, 0, 0]]),
        (0, lambda t: [[t, 1, 1], [1 - t, 0, 0]]),
        (1, lambda t: [[t, 0, 1 - t], [1, 0, 0]]),
        ((1, 0), lambda t: [[t, 0, (1 - t) / 2], [(1 - t) / 2, 0, 0]]),
    ],
)
def test_the_first_of_equal_extremes_gets_the_chosen_share(share, axis, expected):
    for extreme, x in ((np.max, TIES), (np.min, -TIES)):
        f = partial(summed, extreme=extreme, axis=axis)
        square = partial(summed, extreme=extreme, axis=axis, power=2)
        with wg.subgradient(max=share):
            np.testing.assert_array_equal(wg.grad(f)(x), expected(share))
            np.testing.assert_allclose(wg.jvp(f, (x,), (x,))[1], f(x), rtol=1e-15)  # homogeneous: <g, x> = f(x)
            compiled = wg.compile(wg.grad(f), backend="numpy")
            np.testing.assert_array_equal(compiled(x), expected(share))
            # of degree 2, so that <H, x> is the gradient
            np.testing.assert_allclose(wg.hvp(square, (x,), (x,))[1], wg.grad(square)(x), rtol=1e-15)


def test_a_choice_agrees_with_that_of_maximum():
    for share in (0.0, 0.3, 1.0):
        with wg.subgradient(max=share):
            reduced = wg.grad(np.max)(np.array([2.0, 2.0]))
            np.testing.assert_allclose(reduced, wg.grad(np.maximum, (0, 1))(2.0, 2.0), rtol=1e-15)


def test_without_a_choice_the_split_is_even():
    np.testing.assert_array_equal(wg.grad(np.max)(np.array([2.0, 2.0, 2.0, 1.0])), [1 / 3, 1 / 3, 1 / 3, 0])
    assert np.isnan(wg.grad(np.max)(np.array([1.0, np.nan]))).any()


@pytest.mark.parametrize(
    "f",
    [np.max, lambda x: np.maximum(x[0], x[1]), lambda x: np.sum(np.abs(x - 2.0)), lambda x: np.sum(wg.relu(x - 2.0))],
    ids=["max", "maximum", "abs", "relu"],
)
def test_a_compiled_derivative_follows_the_choice_that_is_made_when_it_is_called(f):
    slope, x = wg.grad(f), np.array([2.0, 2.0, 1.0])
    compiled = wg.compile(slope)
    for _ in range(3):
        for chosen in ({}, {"max": 1.0, "abs": 1.0, "relu": 1.0}, {"max": 0.25, "abs": -0.5, "relu": 0.5}):
            with wg.subgradient(**chosen):
                for _ in range(3):
                    np.testing.assert_array_equal(compiled(x), slope(x))
