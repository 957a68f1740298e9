"""``verify=True``: a function whose values differ under a trace is found, a right one passes."""

import itertools

import numpy as np
import pytest

import wengert
from wengert import VerificationError

X = np.array([0.5, -1.5, 2.0])
ONES = np.ones(3)


def is_traced(x):
    """What a program should not ask, and what hardly anything tells."""
    return repr(x).startswith("Traced")


def by_type(x):
    """Takes another road for traced arrays than for others."""
    return np.sum(x * 3.0) if not is_traced(x) else np.sum(x * 2.0)


def by_type_in_each(x):
    return x * 3.0 if not is_traced(x) else x * 2.0


def cube(x):
    return np.sum(x**3)


def cubes(x):
    return x**3


def writes(x):
    x[0] = 2.0 * x[1]
    return np.sum(x**3)


def by_number(x):
    return x * 3.0 if isinstance(x, float) and not is_traced(x) else x * 2.0


SCALAR = {
    "grad": lambda f: wengert.grad(f, verify=True)(X),
    "value_and_grad": lambda f: wengert.value_and_grad(f, verify=True)(X),
    "vjp": lambda f: wengert.vjp(f, X, verify=True)[0],
    "jvp": lambda f: wengert.jvp(f, (X,), (ONES,), verify=True),
    "hessian": lambda f: wengert.hessian(f, verify=True)(X),
    "hvp": lambda f: wengert.hvp(f, (X,), (ONES,), verify=True),
    "jacobian": lambda f: wengert.jacobian(f, verify=True)(X),
    "jacfwd": lambda f: wengert.jacfwd(f, verify=True)(X),
    "jacrev": lambda f: wengert.jacrev(f, verify=True)(X),
    "vmap": lambda f: wengert.vmap(f, verify=True)(np.stack([X, 2.0 * X])),
}
ARRAYS = {
    "jacobian": lambda f: wengert.jacobian(f, verify=True)(X),
    "jacobian fwd": lambda f: wengert.jacobian(f, mode="fwd", verify=True)(X),
    "jacobian rev": lambda f: wengert.jacobian(f, mode="rev", chunk_size=1, verify=True)(X),
    "elementwise_grad": lambda f: wengert.elementwise_grad(f, verify=True)(X),
    "vmap": lambda f: wengert.vmap(f, verify=True)(np.stack([X, 2.0 * X])),
}


@pytest.mark.parametrize("name", SCALAR)
def test_another_road_under_a_trace_is_found(name):
    with pytest.raises(VerificationError) as caught:
        SCALAR[name](by_type)
    assert "by_type" in str(caught.value)
    assert "traced:" in str(caught.value) and "untraced:" in str(caught.value)
    assert caught.value.file == __file__


@pytest.mark.parametrize("name", ARRAYS)
def test_the_first_differing_element_is_named(name):
    with pytest.raises(VerificationError, match=r"the output\[0\]"):
        ARRAYS[name](by_type_in_each)


def test_derivative_of_one_number():
    assert wengert.derivative(lambda t: t**3, verify=True)(2.0) == 12.0
    with pytest.raises(VerificationError, match="traced:   np.float64|traced:   4.0"):
        wengert.derivative(by_number, verify=True)(2.0)


def test_right_functions_pass_and_give_what_they_give_without():
    assert (wengert.grad(cube, verify=True)(X) == 3.0 * X**2).all()
    value, gradient = wengert.value_and_grad(cube, verify=True)(X)
    assert value == cube(X) and (gradient == 3.0 * X**2).all()
    out, pullback = wengert.vjp(cubes, X, verify=True)
    assert (out == X**3).all() and (pullback(ONES)[0] == 3.0 * X**2).all()
    assert (wengert.jvp(cubes, (X,), (ONES,), verify=True)[1] == 3.0 * X**2).all()
    np.testing.assert_allclose(wengert.jacobian(cubes, verify=True)(X), np.diag(3.0 * X**2))
    np.testing.assert_allclose(wengert.hessian(cube, verify=True)(X), np.diag(6.0 * X))
    np.testing.assert_allclose(wengert.hvp(cube, (X,), (ONES,), verify=True)[1], 6.0 * X)
    np.testing.assert_allclose(wengert.elementwise_grad(cubes, verify=True)(X), 3.0 * X**2)
    np.testing.assert_allclose(
        wengert.vmap(cube, verify=True)(np.outer([1, 2], X)), [cube(X), cube(2 * X)]
    )


def test_a_function_that_writes_into_its_argument_gets_a_fresh_copy_each_time():
    start = X.copy()
    wengert.grad(writes, verify=True)(X)
    assert (X == start).all()


def test_state_is_found():
    counter = itertools.count()
    with pytest.raises(VerificationError, match="state"):
        wengert.grad(lambda x: np.sum(x) * next(counter), verify=True)(X)


def test_random_numbers_are_found():
    rng = np.random.default_rng(3)
    with pytest.raises(VerificationError, match="random"):
        wengert.grad(lambda x: np.sum(x * rng.normal(size=3)), verify=True)(X)


def test_an_exception_of_the_untraced_run_is_told():
    def refuses(x):
        if not is_traced(x):
            raise RuntimeError("no plain arrays here")
        return np.sum(x)

    with pytest.raises(
        VerificationError, match="without one it raises RuntimeError: no plain arrays"
    ):
        wengert.grad(refuses, verify=True)(X)


def test_nan_equals_nan_and_zeros_have_signs():
    with np.errstate(all="ignore"):
        wengert.jacobian(lambda x: np.log(x * 0.0 - 1.0), verify=True)(X)
    with pytest.raises(VerificationError):
        wengert.jacobian(lambda x: x * (0.0 if not is_traced(x) else -0.0), verify=True)(ONES)


def test_containers_keywords_and_aux_are_compared():
    def model(weights, *, scale):
        return scale * np.sum(weights["w"] ** 2), {"seen": not is_traced(weights["w"]), "n": 3}

    run = wengert.grad(model, has_aux=True, verify=True)
    with pytest.raises(VerificationError, match=r"\[1\]\['seen'\]"):
        run({"w": X}, scale=2.0)

    def same(weights, *, scale):
        return scale * np.sum(weights["w"] ** 2), {"half": weights["w"] / 2.0, "name": "w"}

    gradient, aux = wengert.grad(same, has_aux=True, verify=True)({"w": X}, scale=2.0)
    assert (gradient["w"] == 4.0 * X).all() and (aux["half"] == X / 2.0).all()


def test_rows_that_were_not_traced_are_compared_too():
    def hidden(x):
        return x * 1.0 if wengert_sees_row_zero(x) else x * 2.0

    def wengert_sees_row_zero(x):
        # Untraced, the second row takes another road than the batch took for it.
        return is_traced(x) or x < 1.0

    with pytest.raises(VerificationError, match="row 1"):
        wengert.vmap(hidden, verify=True)(np.array([0.5, 1.5]))


def test_vmap_along_other_axes_and_with_shared_arguments():
    A = np.arange(6.0).reshape(2, 3)
    got = wengert.vmap(lambda a, b: (a * b, b), in_axes=(1, None), out_axes=1, verify=True)(
        A, np.ones(2)
    )
    np.testing.assert_allclose(got[0], A)


def test_inside_an_outer_derivative():
    def outer(x):
        return np.sum(wengert.grad(cube, verify=True)(x) * ONES)

    np.testing.assert_allclose(wengert.grad(outer)(X), 6.0 * X)
