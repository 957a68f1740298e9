"""What is refused, and whether the message names cause, place and cure."""

import math
import re

import numpy as np
import pytest

from wengert.numeric import (
    ComplexStepError,
    NonFiniteError,
    StepError,
    derivative,
    directional,
    gradient,
    hessian,
    jacobian,
    step_curve,
)


@pytest.mark.parametrize("operation", [gradient, jacobian, hessian])
def test_integer_arrays_name_the_cure(operation):
    with pytest.raises(TypeError, match=re.escape("x.astype(float)")):
        operation(np.sum, np.array([1, 2]))


@pytest.mark.parametrize("x", [np.int64(3), True, np.array([True])])
def test_integer_and_boolean_numbers(x):
    with pytest.raises(TypeError, match="float"):
        jacobian(lambda x: x * 1.0, x)


def test_a_python_int_is_a_float():
    assert derivative(lambda x: x**2, 3).value == pytest.approx(6.0)


@pytest.mark.parametrize("x", ["text", None, [[1.0], [1.0, 2.0]], np.array(["a"]), object()])
def test_things_that_are_no_numbers(x):
    with pytest.raises(TypeError, match="x must be a float or an array of floats"):
        jacobian(lambda x: x, x)


def test_a_complex_argument_is_sent_to_directional():
    with pytest.raises(TypeError, match="directional"):
        derivative(lambda z: z * z, 1 + 1j)


def test_a_non_finite_argument_names_its_component():
    with pytest.raises(ValueError, match=re.escape("x[1, 0] = nan")):
        jacobian(np.sin, np.array([[1.0, 2.0], [np.nan, 0.0]]))


@pytest.mark.parametrize("operation", [gradient, hessian])
@pytest.mark.parametrize("method", ["central", "richardson", "complex"])
def test_non_finite_at_the_point(operation, method):
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="at the point itself"):
        operation(lambda x: np.sum(np.log(x)), np.array([1.0, 0.0]), method=method)


def test_non_finite_beside_the_point_names_both_components():
    with pytest.raises(NonFiniteError) as caught:
        jacobian(lambda x: np.sqrt(x), np.array([4.0, 0.0]), method="central")
    assert caught.value.output_index == (1,)
    assert "x[1] = 0 moved by -" in str(caught.value) and "one-sided" in str(caught.value)


def test_a_step_that_leaves_the_domain_shrinks():
    found = derivative(lambda x: math.log(x - 0.9999), 1.0)
    assert abs(found.value - 1e4) <= 3 * found.error + 1e-6 * 1e4 and found.error < 1.0
    with pytest.raises(NonFiniteError, match="math domain error"):
        derivative(lambda x: math.log(x - 0.9999), 1.0, step=0.1)


def test_exceptions_of_the_function_at_the_point_are_its_own():
    def fun(x):
        raise KeyError("weight")

    with pytest.raises(KeyError, match="weight"):
        derivative(fun, 1.0)


@pytest.mark.parametrize("result", [None, "text", [1.0, [2.0]], {"loss": 1.0}, True])
def test_outputs_that_are_no_numbers(result):
    with pytest.raises(TypeError, match="fun (must return|returned)"):
        derivative(lambda x: result, 1.0)


def test_shape_that_depends_on_the_value():
    with pytest.raises(ValueError, match="must not depend on the values"):
        jacobian(lambda x: x[x > 1.0], np.array([1.0, 2.0]))


def test_gradient_of_an_array_and_derivative_by_an_array():
    with pytest.raises(ValueError, match=re.escape("shape (2,); sum the output, or use jacobian")):
        gradient(np.sin, np.ones(2))
    with pytest.raises(ValueError, match="use gradient or jacobian"):
        derivative(np.sin, np.ones(2))
    with pytest.raises(ValueError, match="number to a number"):
        step_curve(np.sin, np.ones(2), "central", [0.1])


def test_methods_and_steps():
    with pytest.raises(ValueError, match="'centre' is unknown; choose one of forward"):
        derivative(np.sin, 1.0, method="centre")
    for step in (0.0, -1.0, np.inf, [0.1, 0.0]):
        with pytest.raises(ValueError, match="positive"):
            jacobian(np.sin, np.ones(2), step=step)
    with pytest.raises(ValueError, match="does not fit x"):
        jacobian(np.sin, np.ones(2), step=np.ones(3))
    with pytest.raises(StepError, match=re.escape("step 1e-18 does not move x[0] = 1")):
        jacobian(np.sin, np.ones(2), method="central", step=1e-18)
    with pytest.raises(TypeError, match="callable"):
        derivative(3.0, 1.0)


def test_directional_refuses_what_does_not_fit():
    x = np.ones(2)
    with pytest.raises(TypeError, match=re.escape("write (primal,)")):
        directional(np.sin, x, (x,))
    with pytest.raises(ValueError, match="1 primals and 2 tangents"):
        directional(np.sin, (x,), (x, x))
    with pytest.raises(ValueError, match=re.escape("tangents[0] has shape (3,), its primal (2,)")):
        directional(np.sin, (x,), (np.ones(3),))
    with pytest.raises(TypeError, match="complex128, its primal float64"):
        directional(np.sin, (x,), (1j * x,))
    with pytest.raises(TypeError, match=re.escape("primals[1].astype(float)")):
        directional(np.add, (x, np.array([1, 2])), (x, x))
    with pytest.raises(ValueError, match="not finite"):
        directional(np.sin, (x,), (x * np.nan,))


def write_into_a_real_array(x):
    y = np.zeros(2)
    y[:] = x
    return y * y


@pytest.mark.parametrize(
    ("fun", "cause"),
    [
        (np.abs, "imaginary part"),
        (lambda x: np.abs(x) * x, "imaginary part"),
        (lambda x: x * np.conj(x), "imaginary part"),
        (lambda x: np.linalg.norm(x), "imaginary part"),
        (lambda x: x.real * 2, "imaginary part"),
        (lambda x: [math.sin(v) for v in x], "ComplexWarning"),
        (lambda x: [v.item() if v.item() > 0 else 0.0 for v in x], "TypeError"),
        (write_into_a_real_array, "ComplexWarning"),
        (lambda x: np.exp(1j * x), "returns complex128 for real arguments"),
        (lambda x: np.append(x, 1.0) * np.append(np.sin(x), abs(x[0])), "imaginary part"),
    ],
)
@pytest.mark.parametrize("operation", [jacobian, hessian])
def test_the_complex_step_notices_lost_imaginary_parts(fun, cause, operation):
    with pytest.raises(ComplexStepError, match=cause) as caught:
        operation(fun, np.array([1.5, 2.5]), method="complex")
    assert "complex step" in str(caught.value) and "richardson" in str(caught.value)


def test_the_complex_step_names_the_line():
    def fun(x):
        return math.sin(x)

    with pytest.raises(ComplexStepError, match=r"test_refusals\.py:\d+"):
        derivative(fun, 1.0, method="complex")


def test_a_lost_part_among_many_kept_ones_is_noticed():
    weights = np.ones(300)
    weights[17] = 1e-3

    def fun(x):
        y = np.sin(x)
        return np.dot(weights[:17], y[:17]) + weights[17] * abs(y[17]) + np.sum(y[18:])

    with pytest.raises(ComplexStepError, match="loses the imaginary part"):
        gradient(fun, np.linspace(0.2, 1.2, 300), method="complex")


def test_a_constant_is_no_lost_part():
    found = jacobian(lambda x: np.array([1.0, 2.0]), np.ones(2), method="complex")
    assert not found.value.any()


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_empty_arguments_and_outputs(shape):
    x = np.zeros(shape)
    assert gradient(lambda x: np.sum(x), x).value.shape == shape
    assert jacobian(lambda x: np.ones(3), x).value.shape == (3, *shape)
    assert jacobian(lambda y: np.zeros(shape), np.ones(2)).value.shape == (*shape, 2)
    assert hessian(lambda x: np.sum(x), x).value.shape == shape + shape
    assert directional(np.sin, (x,), (x,)).value.shape == shape
