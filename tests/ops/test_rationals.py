"""Fractions beside traced numbers: Python's own answers, and the slopes of the floats it makes of them."""

import operator
from fractions import Fraction

import numpy as np
import pytest

import wengert as wg
from wengert.core.errors import WengertTypeError

THIRD, HALF = Fraction(1, 3), Fraction(1, 2)
ARITHMETIC = [operator.mul, operator.add, operator.sub, operator.truediv, operator.mod, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
NUMBERS = [1.7, np.float64(1.7), np.float32(1.7), np.array(1.7)]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("operate", ARITHMETIC)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_number_meets_a_fraction_as_in_python(operate, number, mirrored):
    def f(x):
        return operate(THIRD, x) if mirrored else operate(x, THIRD)

    def by_floats(x):
        return operate(1 / 3, x) if mirrored else operate(x, 1 / 3)

    value, slope = wg.value_and_grad(f)(number)
    assert value == f(number)
    difference = (by_floats(1.7 + 1e-5) - by_floats(1.7 - 1e-5)) / 2e-5
    room = 1e-6 if np.asarray(number).dtype == np.float32 else 1e-9
    np.testing.assert_allclose(slope, difference, rtol=room, atol=1e-9)


@pytest.mark.parametrize("operate", [operator.mul, operator.add, operator.sub, operator.truediv])
def test_complex_numbers_meet_fractions(operate):
    z = 1.5 - 2.0j
    assert wg.jvp(lambda x: operate(x, THIRD), (z,), (1.0 + 0j,))[0] == operate(z, THIRD)
    assert wg.jvp(lambda x: operate(THIRD, x), (z,), (1.0 + 0j,))[0] == operate(THIRD, z)


@pytest.mark.parametrize("compare", COMPARISONS)
@pytest.mark.parametrize("fraction", [THIRD, 2 * THIRD, HALF, -THIRD])
def test_comparisons_are_exact(compare, fraction):
    def f(x):
        return 2.0 * x if compare(x, fraction) else 3.0 * x

    near = float(fraction)
    points = [near, np.nextafter(near, 1), np.nextafter(near, -1), 5.0, -5.0, np.float32(near), np.float32(0.5)]
    compiled = wg.compile(f, backend="numpy")
    for x in points:
        assert wg.grad(f)(x) == (2.0 if compare(x, fraction) else 3.0)
        assert compiled(x) == f(x)
    array = np.array(points)
    marked = wg.grad(lambda x: np.sum(np.where(compare(x, fraction), x, 0.0)))(array)
    np.testing.assert_array_equal(marked, [float(compare(float(x), fraction)) for x in points])


def test_an_array_and_a_fraction_are_refused():
    with pytest.raises(WengertTypeError, match="array of objects"):
        wg.grad(lambda x: np.sum(x * THIRD))(np.ones(2))
