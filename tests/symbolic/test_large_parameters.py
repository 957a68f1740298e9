"""Operations with long index arrays, which ``repr`` writes with dots in the middle: each is a function of its own."""

import numpy as np
import pytest

import wengert as wg

SIZE = 1100
RANDOM = np.random.default_rng(5)
X, W = RANDOM.normal(size=(2, SIZE))
FIRST = RANDOM.permutation(SIZE)
SECOND = FIRST.copy()
SECOND[[500, 600]] = FIRST[[600, 500]]


def scattered(places):
    found = np.zeros(SIZE)
    found[places] = W
    return found


# name: function of x and places, its gradient
CASES = {
    "part": (lambda x, k: np.sum(np.exp(x)[k] * W), lambda k: np.exp(X) * scattered(k)),
    "part of complex steps": (
        lambda x, k: np.sum(np.real(np.fft.fft(x)[k]) * W),
        lambda k: np.real(np.fft.fft(scattered(k))),  # the matrix of the transform is symmetric
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_that_differ_in_the_middle_are_two_functions(case):
    f, slope = CASES[case]
    form = wg.closed_form(lambda x: f(x, FIRST) - f(x, SECOND), "x", shapes={"x": (SIZE,)})
    exact = slope(FIRST) - slope(SECOND)
    assert np.max(np.abs(exact)) > 0.1
    space = {"np": np}
    exec(form.numpy_source(), space)
    for found in (form.evaluate(x=X), form.compile()(X, W), space["derivative"](X, W)):
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_forms_made_one_after_the_other(case):
    f, slope = CASES[case]
    forms = [wg.closed_form(lambda x, k=k: f(x, k), "x", shapes={"x": (SIZE,)}) for k in (FIRST, SECOND)]
    for form, places in zip(forms, (FIRST, SECOND), strict=True):
        np.testing.assert_allclose(form.evaluate(x=X), slope(places), rtol=1e-9, atol=1e-9)
