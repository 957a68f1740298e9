"""What is known of a matrix by which is differentiated, sizes as numbers, and programs that run for some sizes only.

May import wengert's public API. Invariant: values are compared with automatic differentiation of the function itself,
or with NumPy.
"""

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(8)
S = RNG.normal(size=(3, 3))
DEFINITE = S @ S.T + 2 * np.eye(3)
POINTS = {
    "symmetric": DEFINITE,
    "positive_definite": DEFINITE,
    "diagonal": np.diag([1.0, 2.0, 0.5]),
    "triangular": np.tril(S) + 2 * np.eye(3),
    "orthogonal": np.linalg.qr(S)[0] * np.sign(np.linalg.det(S)),
}
PROGRAMS = [
    lambda V, a, b: np.linalg.slogdet(V)[1],
    lambda V, a, b: a @ np.linalg.inv(V) @ b,
    lambda V, a, b: np.trace(V @ V @ V.T),
    lambda V, a, b: np.log(a @ V @ V.T @ a),
    lambda V, a, b: np.linalg.det(V) * (a @ V @ b),
]


@pytest.mark.parametrize("fact", POINTS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_second_derivatives_are_those_of_free_entries(program, fact):
    variables = {"V": wg.var("V", ("n", "n"), **{fact: True}), "a": wg.var("a", "n"), "b": wg.var("b", "n")}
    values = {"V": POINTS[fact], "a": np.array([0.5, -1.0, 2.0]), "b": np.array([1.5, 0.25, -0.5])}
    wanted = wg.hessian(lambda V: program(V, values["a"], values["b"]))(values["V"])
    for form in (
        wg.D(program(**variables), variables["V"], 2),
        wg.closed_form(program, "V", 2, shapes=variables),
    ):
        found = form.evaluate(**{n: values[n] for n in form.free})
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(wanted).max())


def test_a_program_that_runs_for_tall_matrices_only():
    def volume(X, C):
        return np.log(np.linalg.det(X.T @ C @ X)) + np.trace(np.linalg.inv(X.T @ X))

    form = wg.closed_form(volume, "X", shapes={"X": ("m", "n"), "C": ("m", "m")})
    X, C = RNG.normal(size=(5, 3)), np.diag(RNG.uniform(1, 2, 5))
    np.testing.assert_allclose(form.evaluate(X=X, C=C), wg.grad(volume)(X, C), rtol=1e-9, atol=1e-12)


def test_a_negative_number_of_sizes_keeps_its_sign():
    def likelihood(c, x):
        n = x.shape[0]
        return -n / 2 * np.log(2 * np.pi * c) - np.sum(x**2) / (2 * c) - np.sqrt(n) * c

    x = RNG.normal(size=4)
    form = wg.closed_form(likelihood, "c", shapes={"c": (), "x": "n"})
    assert form.evaluate(c=0.7, x=x) == pytest.approx(-4 / 1.4 + np.sum(x**2) / (2 * 0.49) - 2.0, rel=1e-12)


def test_sizes_are_numbers_of_formulas_too():
    n, m = wg.dims("n m")
    x = wg.var("x", n)
    c = wg.var("c", ())
    value = -n / 2 * np.log(2 * np.pi * c) - x @ x / (2 * c) + np.sqrt(n) * c + 0.5 * n + (1 / n) * c + 2.0**n + n**0.5
    point = np.array([0.5, -1.0, 2.0])
    wanted = -1.5 * np.log(2 * np.pi * 0.7) - point @ point / 1.4 + np.sqrt(3) * 0.7 + 1.5 + 0.7 / 3 + 8 + np.sqrt(3)
    assert value.evaluate(x=point, c=0.7) == pytest.approx(wanted, rel=1e-13)
    assert str(wg.D(x @ x * (n / 2), x)) == "nx"
    assert np.int64(3) * n == 3 * n
    assert np.int64(3) + n - np.int64(1) == n + 2
    assert str(2 * n + m) == "m + 2*n"
