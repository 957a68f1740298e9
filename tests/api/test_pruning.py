"""Cotangents nobody asked for are not computed: a rule that counts its runs shows it."""

import numpy as np

import wengert as wg


def counted():
    """A square with a reverse rule, and the list of cotangents the rule was given."""
    seen = []

    @wg.custom_vjp
    def square(x):
        return x * x

    def backwards(x, cotangent):
        seen.append(cotangent)
        return (2.0 * x * cotangent,)

    square.defvjp(lambda x: (x * x, x), backwards)
    return square, seen


def test_an_argument_that_is_not_differentiated_costs_no_cotangent():
    square, seen = counted()
    assert wg.grad(lambda x, y: 3.0 * x + square(y))(1.0, 2.0) == 3.0
    assert seen == []
    assert wg.grad(lambda x, y: 3.0 * x + square(y), argnums=1)(1.0, 2.0) == 4.0
    assert len(seen) == 1


def test_a_branch_that_the_output_does_not_use_costs_no_cotangent():
    square, seen = counted()

    def program(x):
        unused = square(x)
        del unused
        return 3.0 * x

    assert wg.grad(program)(2.0) == 3.0
    assert seen == []


def test_an_inner_sweep_leaves_the_outer_variable_alone():
    square, seen = counted()
    inner_only = []

    def outer(w):
        slope = wg.grad(lambda x: x * x * square(w))(3.0)  # 2 x w^2
        inner_only.append(len(seen))
        return slope

    assert wg.grad(outer)(2.0) == 2 * 3.0 * 2 * 2.0
    assert inner_only == [0]
    assert len(seen) == 1


def test_paths_that_meet_are_summed_and_swept_once():
    square, seen = counted()
    assert wg.grad(lambda x: square(x) * 2.0 + square(x) * 3.0)(1.5) == 2 * 1.5 * 5.0
    assert len(seen) == 2
    seen.clear()

    def shared(x):
        y = square(x)
        return y * 2.0 + y * 3.0

    assert wg.grad(shared)(1.5) == 2 * 1.5 * 5.0
    assert seen == [5.0]


def test_the_generalised_product_of_jacobian_and_tangent_is_jvp():
    rng = np.random.default_rng(0)
    X, dX = rng.normal(size=(2, 2, 3))
    M = rng.normal(size=(4, 2))

    def program(X):
        return np.exp(M @ X)[:, None, :] * np.sum(X, axis=1)[:, None]

    J = wg.jacobian(program)(X)
    assert J.shape == (4, 2, 3, 2, 3)
    _, tangent = wg.jvp(program, (X,), (dX,))
    np.testing.assert_allclose(np.tensordot(J, dX, axes=2), tangent, rtol=1e-13)
    flat = wg.jacobian(lambda x: program(x.reshape(2, 3)).ravel())(X.ravel())
    np.testing.assert_allclose(J.reshape(flat.shape), flat, rtol=0, atol=0)
