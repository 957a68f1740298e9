"""Operations without a closed form stay in it by name, with their derivative operator.

May import wengert's public API. Invariant: values are compared with central differences of the function itself.
"""

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(12)
X = np.array([0.3, -1.2, 2.1, 0.9])
S = RNG.normal(size=(3, 3))


def largest(A):
    return np.linalg.eigh(A + A.T)[0][-1]


def cubes(A):
    return np.sum(np.linalg.cholesky(A @ A.T + np.eye(A.shape[0])) ** 3)


PROGRAMS = [
    (lambda x: np.sum(np.sort(x) ** 2 * np.arange(4.0)), X, 4),
    (lambda x: np.cumsum(x) @ x, X, "n"),
    (lambda x: np.sum(np.cumprod(x) ** 2), X, "n"),
    (lambda x: np.sum(np.sinc(x) * x), X, "n"),
    (lambda x: np.sum(np.floor(x) * x**2), X, "n"),
    (largest, S, ("n", "n")),
    (cubes, S, ("n", "n")),
    (lambda A: np.sum(np.linalg.eigvalsh(A @ A.T) ** 3), S, ("n", "n")),
]


def differences(f, x, order):
    """Central differences of f, or of its gradient by complex-free differences."""
    h = 1e-5 if order == 1 else 1e-4
    eye = np.eye(x.size).reshape(-1, *x.shape)
    if order == 1:
        return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in eye]).reshape(x.shape)
    mixed = [
        (f(x + h * a + h * b) - f(x + h * a - h * b) - f(x - h * a + h * b) + f(x - h * a - h * b)) / (4 * h * h)
        for a in eye
        for b in eye
    ]
    return np.array(mixed).reshape(x.shape + x.shape)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("function", "point", "shape"), PROGRAMS)
def test_values_are_those_of_differences(function, point, shape, order):
    name = function.__code__.co_varnames[0]
    form = wg.closed_form(function, name, order, shapes={name: shape})
    wanted = differences(function, point, order)
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(
        form.evaluate(**{name: point}), wanted, atol=(1e-7 if order == 1 else 2e-5) * scale, rtol=0
    )


def test_it_prints_the_operator():
    form = wg.closed_form(lambda x: np.sum(np.sort(x) ** 2), "x", shapes={"x": "n"})
    assert str(form) == "2(∂sort/∂x)ᵀ sort(x)"
    assert form.shape == ("n",)
    assert "operatorname{sort}" in form.latex()


def test_layouts_apply_to_named_functions():
    form = wg.closed_form(lambda x: np.cumsum(x) * 2, "x", layout="denominator", shapes={"x": "n"})
    np.testing.assert_allclose(form.evaluate(x=X), 2 * np.triu(np.ones((4, 4))))
    row = wg.closed_form(lambda x: np.sum(np.cumsum(x)), "x", layout="numerator", shapes={"x": "n"})
    assert row.shape == (1, "n")
    np.testing.assert_allclose(row.evaluate(x=X), [[4.0, 3.0, 2.0, 1.0]])


def test_there_is_no_standalone_source_and_the_error_says_why():
    form = wg.closed_form(lambda x: np.sum(np.sort(x) ** 2), "x", shapes={"x": "n"})
    with pytest.raises(wg.NoRuleError, match="sort is known by name only"):
        form.numpy_source()


def test_random_draws_and_custom_rules_are_refused():
    own = wg.custom_jvp(lambda x: x * x)
    own.defjvp(lambda primals, tangents: (primals[0] ** 2, 2 * primals[0] * tangents[0]))
    with pytest.raises(wg.WengertError, match="no closed form"):
        wg.closed_form(lambda x: np.sum(own(x)), "x", shapes={"x": "n"})
