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


RECTANGLE = RNG.normal(size=(4, 3))
DEFINITE = S @ S.T + np.diag([1.0, 2.5, 4.0])
SOURCES = [
    (lambda x: np.sort(x) * 2, X, "n", {}),
    (lambda X: np.sort(X, axis=0), RECTANGLE, ("m", "n"), {}),
    (lambda x: np.partition(x, 1) ** 2, X, 4, {}),
    (lambda X: np.cumprod(X, axis=1), RECTANGLE, ("m", "n"), {}),
    (lambda x: np.cumprod(x), np.array([0.5, 0.0, 2.0, 3.0]), "n", {}),
    (lambda P: np.linalg.cholesky(P), DEFINITE, ("n", "n"), {"positive_definite": True}),
    (lambda P: np.linalg.cholesky(P, upper=True), DEFINITE, ("n", "n"), {"positive_definite": True}),
    (lambda P: np.linalg.eigvalsh(P), DEFINITE, ("n", "n"), {"symmetric": True}),
    (lambda P: np.linalg.eigh(P)[1], DEFINITE, ("n", "n"), {"symmetric": True}),
    (lambda X: np.linalg.svd(X, compute_uv=False), RECTANGLE, ("m", "n"), {}),
    (lambda X: np.linalg.svd(X, full_matrices=False)[0], RECTANGLE, ("m", "n"), {}),
    (lambda X: np.linalg.svd(X, full_matrices=False)[2], RECTANGLE.T.copy(), ("m", "n"), {}),
    (lambda X: np.linalg.qr(X)[0], RECTANGLE, ("m", "n"), {}),
    (lambda X: np.linalg.qr(X)[1], RECTANGLE.T.copy(), ("m", "n"), {}),
    (lambda X: np.linalg.pinv(X), RECTANGLE, ("m", "n"), {}),
    (lambda X: np.linalg.norm(X, 2), RECTANGLE, ("m", "n"), {}),
    (lambda X: np.linalg.norm(X, -2), RECTANGLE, ("m", "n"), {}),
    (lambda x: np.convolve(x, x), X, "n", {}),
    (lambda x: np.cross(x, x**2), np.array([0.3, -1.2, 2.1]), 3, {}),
    (lambda x: np.sum(np.i0(x) * x), X, "n", {}),
    (lambda x: np.argmax(x) * np.rint(x) * x, X, "n", {}),
]


@pytest.mark.parametrize(("function", "point", "shape", "facts"), SOURCES)
def test_the_source_stands_alone_and_has_the_values_of_differences(function, point, shape, facts):
    name = function.__code__.co_varnames[0]
    form = wg.closed_form(function, name, shapes={name: wg.var(name, shape, **facts)})
    source = form.numpy_source()
    assert "wengert" not in source
    space = {}
    exec(source, space)
    rows = []
    for unit in np.eye(point.size).reshape(-1, *point.shape):
        along = (unit + unit.T) / 2 if facts else unit
        whole, half = ((function(point + h * along) - function(point - h * along)) / (2 * h) for h in (2e-4, 1e-4))
        rows.append((4 * half - whole) / 3)
    wanted = np.moveaxis(np.array(rows), 0, -1).reshape(np.shape(rows[0]) + point.shape)
    found = space["derivative"](point)
    found = (found + np.swapaxes(found, -1, -2)) / 2 if facts else found
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8 * max(1.0, np.abs(wanted).max()))


def test_mixed_second_derivatives_of_products_have_a_source():
    form = wg.closed_form(lambda x: np.sum(np.convolve(x, x) ** 2), "x", 2, shapes={"x": "n"})
    space = {}
    exec(form.numpy_source(), space)
    wanted = differences(lambda x: np.sum(np.convolve(x, x) ** 2), X, 2)
    np.testing.assert_allclose(space["derivative"](X), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("point", [RECTANGLE, RECTANGLE.T.copy(), DEFINITE])
def test_the_hessian_of_a_nuclear_norm_has_a_source(point):
    form = wg.D("norm(X, 'nuc')", "X", 2, X=("m", "n"))
    space = {}
    exec(form.numpy_source(), space)
    wanted = differences(lambda x: np.linalg.norm(x, "nuc"), point, 2)
    np.testing.assert_allclose(space["derivative"](point), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_what_has_no_source_is_named():
    x = wg.var("x", "n")
    form = wg.D(wg.function("u", (), of=x) ** 2, x)
    for text in (form.numpy_source, form.numpy_expression):
        with pytest.raises(wg.NoRuleError, match="u is an abstract function, known by name only"):
            text()


def test_what_takes_entries_elsewhere_is_flat():
    for function in (np.sort, lambda x: np.partition(x, 2)):
        form = wg.closed_form(lambda x, f=function: np.sum(f(x)), "x", 2, shapes={"x": 5})
        assert str(form) == "0"


def test_random_draws_and_custom_rules_are_refused():
    own = wg.custom_jvp(lambda x: x * x)
    own.defjvp(lambda primals, tangents: (primals[0] ** 2, 2 * primals[0] * tangents[0]))
    with pytest.raises(wg.WengertError, match="no closed form"):
        wg.closed_form(lambda x: np.sum(own(x)), "x", shapes={"x": "n"})
