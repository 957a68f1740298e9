"""Gradients, Jacobians, Hessians and directional derivatives against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wengert.numeric import METHODS, directional, gradient, hessian, jacobian

TOLERANCE = {
    "forward": 1e-5,
    "backward": 1e-5,
    "central": 1e-7,
    "richardson": 1e-9,
    "complex": 1e-13,
}
SECOND = {"forward": 1e-2, "backward": 1e-2, "central": 1e-4, "richardson": 1e-6, "complex": 1e-9}

any_shape = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
number = st.floats(-3.0, 3.0, width=32)


def sides(shape):
    return arrays(np.float64, shape, elements=number)


@settings(max_examples=25, deadline=None)
@given(st.data(), any_shape, any_shape, st.sampled_from(METHODS))
def test_jacobian_of_any_shape_by_any_shape(data, inner, outer, method):
    """f(x)_o = sum_i A_oi sin(x_i): J_oi = A_oi cos(x_i)."""
    x = data.draw(sides(inner))
    a = data.draw(sides((*outer, *inner)))

    def fun(x):
        return np.tensordot(a, np.sin(x), np.ndim(x))

    found = jacobian(fun, x, method=method)
    truth = a * np.cos(x)
    assert found.value.shape == outer + inner
    assert found.error.shape == outer + inner
    assert np.shape(found.step) == inner
    scale = 1.0 + np.abs(a).sum()
    assert np.abs(found.value - truth).max(initial=0.0) <= TOLERANCE[method] * scale
    assert (np.abs(found.value - truth) <= 3 * found.error + 1e-15 * scale).all()


@settings(max_examples=15, deadline=None)
@given(st.data(), array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=2))
def test_hessian_of_any_shape(data, shape):
    """f(x)_k = sin(q_k . x): the second derivative is -sin(q_k . x) q_k q_k^T."""
    x, q = data.draw(sides(shape)), data.draw(sides((2, *shape)))

    def fun(x):
        return np.sin(np.tensordot(q, x, np.ndim(x)))

    s = np.sin(np.tensordot(q, x, x.ndim))
    flat = q.reshape(2, -1)
    truth = (-s[:, None, None] * flat[:, :, None] * flat[:, None, :]).reshape(2, *shape, *shape)
    found = hessian(fun, x)
    assert found.value.shape == found.error.shape == (2, *shape, *shape)
    assert (np.abs(found.value - truth) <= 3 * found.error + 1e-14).all()
    assert np.abs(found.error).max(initial=0.0) <= 1e-6 * (1 + np.abs(q).max(initial=0.0) ** 2)


@pytest.mark.parametrize("method", METHODS)
def test_hessian_of_rosenbrock(method):
    x = np.array([-1.2, 1.0, 0.7])
    found = hessian(
        lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2), x, method=method
    )
    truth = np.zeros((3, 3))
    for k in range(2):
        truth[k, k] += 1200 * x[k] ** 2 - 400 * x[k + 1] + 2
        truth[k, k + 1] = truth[k + 1, k] = -400 * x[k]
        truth[k + 1, k + 1] += 200
    assert np.abs(found.value - truth).max() <= SECOND[method] * np.abs(truth).max()
    assert (np.abs(found.value - truth) <= 3 * found.error).all()
    assert np.array_equal(found.value, found.value.T)
    assert found.error.max() <= 30 * SECOND[method] * np.abs(truth).max()


@pytest.mark.parametrize("method", METHODS)
def test_gradient_with_components_of_very_different_size(method):
    """Steps per component: one step for all would leave the domain of one or freeze the other."""
    x = np.array([1e-9, 1e-3, 1.0, 1e6])
    found = gradient(lambda x: np.sum(np.log(x)), x, method=method)
    assert found.value == pytest.approx(1.0 / x, rel=3e-4 if method != "complex" else 1e-14)
    assert (np.abs(found.value - 1.0 / x) <= found.error).all()
    assert (np.diff(found.step) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_directional_is_the_sum_over_all_arguments(method):
    generator = np.random.default_rng(5)
    A, x = generator.normal(size=(3, 4)), generator.normal(size=4)
    dA, dx = generator.normal(size=(3, 4)), generator.normal(size=4)
    found = directional(lambda A, x, c: c * (A @ x), (A, x, 0.5), (dA, dx, 2.0), method=method)
    truth = 2.0 * (A @ x) + 0.5 * (dA @ x + A @ dx)
    assert found.value == pytest.approx(truth, abs=TOLERANCE[method] * 10)
    assert (np.abs(found.value - truth) <= 3 * found.error + 1e-15).all()


def test_directional_of_complex_arguments_is_over_the_reals():
    z, t = np.array([1 + 2j, -0.5j]), np.array([0.3 - 1j, 2.0 + 0j])
    found = directional(lambda z: (z * z.conj()).real, (z,), (t,))
    assert found.value == pytest.approx(2 * (z.conj() * t).real, abs=1e-11)
    holomorphic = directional(np.exp, (z,), (1j * t,))
    assert holomorphic.value == pytest.approx(1j * t * np.exp(z), abs=1e-11)


def test_a_zero_tangent_gives_zero_of_the_right_shape():
    found = directional(lambda x: np.outer(x, x), (np.ones(3),), (np.zeros(3),))
    assert found.value.shape == (3, 3) and not found.value.any() and found.evaluations == 1


def test_complex_output_of_a_real_argument():
    found = jacobian(lambda x: np.exp(1j * x), np.array([0.3, 2.0]))
    assert found.value == pytest.approx(np.diag(1j * np.exp(1j * np.array([0.3, 2.0]))), abs=1e-12)


@pytest.mark.parametrize("operation", [gradient, hessian])
def test_the_caller_s_array_survives_a_function_that_writes_into_its_argument(operation):
    x = np.array([1.0, 2.0])

    def fun(y):
        y *= y
        return y.sum()

    found = operation(fun, x)
    assert x.tolist() == [1.0, 2.0]
    truth = 2 * x if operation is gradient else 2 * np.eye(2)
    assert found.value == pytest.approx(truth, abs=1e-8)


def test_an_output_buffer_that_is_used_again_is_copied():
    buffer = np.zeros(2)

    def fun(x):
        np.multiply(x, x, out=buffer)
        return buffer

    assert jacobian(fun, np.array([1.0, 2.0])).value == pytest.approx(np.diag([2.0, 4.0]))


def test_float32_stays_float32():
    x = np.array([0.5, 2.0], dtype=np.float32)
    seen = set()
    found = jacobian(lambda x: (seen.add(x.dtype), x**3)[1], x)
    assert seen == {x.dtype} and found.value.dtype == found.error.dtype == np.float32
    assert found.value == pytest.approx(np.diag(3 * x**2), abs=1e-4)
    assert (np.abs(found.value - np.diag(3 * x.astype(float) ** 2)) <= 3 * found.error).all()


def test_a_kink_in_one_component_leaves_the_others_sharp():
    found = jacobian(lambda x: np.maximum(x, 0.0), np.array([-1.0, 0.0, 2.0]))
    assert found.value == pytest.approx(np.diag([0.0, 0.5, 1.0]), abs=1e-12)
    assert found.error == pytest.approx(np.diag([0.0, 0.5, 0.0]), abs=1e-12)
