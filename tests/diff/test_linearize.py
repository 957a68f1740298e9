"""linearize and transpose: against the complex step, Richardson and closed forms, to any order,
inside other traces.

Imports the public API, the program tables and their oracle. Invariant: no expected number comes
from the library."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs import oracle
from tests.programs.harness import FIRST_TOLERANCE, Program, quiet, same_bits
from tests.programs.tables import PROGRAMS
from wengert.core.tree import flatten

SMOOTH = [p for p in PROGRAMS if p.smooth]


def assert_close(got: Any, wanted: np.ndarray, tolerance: float = FIRST_TOLERANCE) -> None:
    vector = oracle.flatten(got)
    assert vector.shape == wanted.shape
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    np.testing.assert_allclose(vector, wanted, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("program", SMOOTH, ids=lambda p: p.name)
def test_the_map_is_the_derivative_along_a_direction(program: Program) -> None:
    wanted, _ = oracle.directional(program.outputs_at, program.point(), program.direction())
    with quiet():
        before = program.arguments()
        out, derivative = wg.linearize(program.fun, *before)
    assert same_bits(out, program.value())
    assert same_bits(before, program.arguments())
    assert_close(derivative(*program.tangents()), wanted)
    assert_close(derivative(*program.tangents()), wanted)


@pytest.mark.parametrize("program", SMOOTH, ids=lambda p: p.name)
def test_the_transpose_is_the_gradient_of_the_weighted_sum(program: Program) -> None:
    wanted, _ = oracle.gradient(program.scalar_at, program.point())
    with quiet():
        _, derivative = wg.linearize(program.fun, *program.arguments())
    assert_close(derivative.T(program.weights()), wanted)


def test_the_function_runs_once() -> None:
    runs = []

    def program(x: Any) -> Any:
        runs.append(1)
        return np.sin(x) * x

    x = np.array([0.3, 0.9])
    _, derivative = wg.linearize(program, x)
    for t in np.eye(2):
        np.testing.assert_allclose(derivative(t), t * (np.cos(x) * x + np.sin(x)), rtol=1e-15)
        np.testing.assert_allclose(derivative.T(t)[0], t * (np.cos(x) * x + np.sin(x)), rtol=1e-15)
    assert len(runs) == 1


def test_residuals_are_not_computed_again() -> None:
    """Only products with known numbers are left: nothing of the sines, exponentials and roots."""
    _, derivative = wg.linearize(lambda x: np.exp(np.sin(x)) / np.sqrt(x), np.array([0.5, 1.5]))
    names = {node.op.name for node in derivative.graph}
    assert names <= {"multiply", "divide", "negative", "add", "subtract"}
    assert all(
        type(a).__name__ == "Const" or a.op is not None
        for node in derivative.graph
        for a in node.args
    )


def test_structures_of_arguments_and_results() -> None:
    def program(p: Any, name: str, x: float) -> Any:
        return {"y": p["w"] * x + p["b"], "name": name, "count": 3}

    p = {"w": np.array([1.0, 2.0]), "b": 0.5}
    out, derivative = wg.linearize(lambda p, x: program(p, "n", x), p, 2.0)
    assert out["name"] == "n"
    moved = derivative({"w": np.array([1.0, 0.0]), "b": 1.0}, 3.0)
    np.testing.assert_array_equal(moved["y"], [1.0 * 2 + 1.0 * 3 + 1.0, 2.0 * 3 + 1.0])
    assert moved["name"] is None
    only_x = derivative({"w": None, "b": None}, 1.0)
    np.testing.assert_array_equal(only_x["y"], p["w"])
    back = derivative.T({"y": np.array([1.0, 1.0]), "name": None, "count": None})
    np.testing.assert_array_equal(back[0]["w"], [2.0, 2.0])
    assert (float(back[0]["b"]), float(back[1])) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("tangents", "error", "text"),
    [
        ((np.ones(3),), ValueError, "shape"),
        ((np.ones(2), 1.0), ValueError, "2 tangents for 1"),
        ((np.ones(2) * 1j,), TypeError, "complex"),
        (([1.0, 1.0, 1.0],), ValueError, "shape"),
    ],
)
def test_tangents_that_do_not_fit(tangents: Any, error: type[Exception], text: str) -> None:
    _, derivative = wg.linearize(lambda x: x * x, np.ones(2))
    with pytest.raises(error, match=text):
        derivative(*tangents)


def test_single_precision_stays() -> None:
    x = np.array([0.5, 2.0], np.float32)
    out, derivative = wg.linearize(lambda x: np.exp(x).sum(), x)
    assert out.dtype == np.float32
    assert derivative.dtype == np.float32
    assert derivative(x).dtype == np.float32
    assert derivative.T(1.0)[0].dtype == np.float32
    np.testing.assert_allclose(derivative.T(1.0)[0], np.exp(x), rtol=1e-6)


def test_complex_maps_and_their_adjoints() -> None:
    """f(z) = A z^2 is holomorphic: J = 2 A diag(z), and the transpose is the adjoint."""
    rng = np.random.default_rng(5)
    a = rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2))
    z = rng.normal(size=2) + 1j * rng.normal(size=2)
    _, derivative = wg.linearize(lambda z: a @ z**2, z)
    jacobian = 2 * a * z
    np.testing.assert_allclose(derivative.matrix(), jacobian, rtol=1e-14)
    v = rng.normal(size=3) + 1j * rng.normal(size=3)
    np.testing.assert_allclose(derivative.rmatvec(v), jacobian.conj().T @ v, rtol=1e-13)


def test_real_and_imaginary_parts() -> None:
    """<J t, c> = <t, J^T c> for a map between real and complex numbers, J from the complex numbers'
    own algebra."""

    def program(x: Any) -> Any:
        z = x[0] + 1j * x[1]
        w = np.zeros(2, complex)
        w[0] = z * z
        w[1] = np.exp(z)
        return w

    x = np.array([0.4, -0.3])
    z = complex(*x)
    jacobian = np.array([[2 * z, 2j * z], [np.exp(z), 1j * np.exp(z)]])
    _, derivative = wg.linearize(program, x)
    for t in np.eye(2):
        np.testing.assert_allclose(derivative(t), jacobian @ t, rtol=1e-14)
    for c in (np.array([1.0, 0.5j]), np.array([0.3 - 1j, 2.0])):
        np.testing.assert_allclose(derivative.T(c)[0], (jacobian.conj().T @ c).real, rtol=1e-14)


def test_scipy_solves_with_it() -> None:
    """A Newton step by GMRES on x^3 + A x = b, and LSQR, which needs the adjoint."""
    linalg = pytest.importorskip("scipy.sparse.linalg")
    rng = np.random.default_rng(2)
    a = np.eye(6) * 4 + rng.normal(size=(6, 6)) * 0.3
    x = rng.normal(size=6)
    residual, derivative = wg.linearize(lambda x: x**3 + a @ x, x)
    jacobian = np.diag(3 * x**2) + a
    step, info = linalg.gmres(derivative, residual, rtol=1e-12)
    assert info == 0
    np.testing.assert_allclose(jacobian @ step, residual, rtol=1e-9, atol=1e-9)
    found = linalg.lsqr(derivative.as_linear_operator(), residual, atol=1e-14, btol=1e-14)[0]
    np.testing.assert_allclose(found, np.linalg.solve(jacobian, residual), rtol=1e-8)
    assert derivative.shape == (6, 6)
    np.testing.assert_allclose(derivative @ x, jacobian @ x, rtol=1e-13)
    np.testing.assert_allclose(derivative.matrix(), jacobian, rtol=1e-13)
    with pytest.raises(ValueError, match="length 6"):
        derivative.matvec(np.ones(5))


def test_transposing_twice_gives_the_map() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(size=(4, 3))

    def program(x: Any) -> Any:
        y = np.zeros(4)
        y[1:] = x**2
        y[0] = np.sum(x)
        return np.concatenate([a @ x, y[::-1], np.sort(y)])

    x = rng.normal(size=3)
    _, derivative = wg.linearize(program, x)
    matrix = derivative.matrix()
    from wengert.api.linear import LinearMap
    from wengert.diff.transpose import transpose

    twice = LinearMap(transpose(transpose(derivative.graph)), derivative.source, derivative.target)
    assert derivative.T.T is derivative
    np.testing.assert_allclose(twice.matrix(), matrix, rtol=1e-14)
    order = np.argsort(np.concatenate([[x.sum()], x**2]))
    wanted = np.vstack(
        [
            a,
            np.vstack([np.ones(3), np.diag(2 * x)])[::-1],
            np.vstack([np.ones(3), np.diag(2 * x)])[order],
        ]
    )
    np.testing.assert_allclose(matrix, wanted, rtol=1e-13)


# ---------------------------------------------------------------- higher order


def test_linearize_inside_grad() -> None:
    """d/dx (sin'(x) v) = -sin(x) v."""
    v = np.array([0.3, -2.0])
    x = np.array([0.7, 1.9])
    found = wg.grad(lambda x: wg.linearize(np.sin, x)[1](v).sum())(x)
    np.testing.assert_allclose(found, -np.sin(x) * v, rtol=1e-15)
    found = wg.grad(lambda x: wg.linearize(np.sin, x)[1].T(v)[0].sum())(x)
    np.testing.assert_allclose(found, -np.sin(x) * v, rtol=1e-15)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_nested_to_any_order(order: int) -> None:
    """The n-th derivative of exp(2x) is 2^n exp(2x); each order by another nesting of maps,
    transposes and modes."""

    def derivative_of(fun: Any, kind: int) -> Any:
        if kind == 0:
            return lambda x: wg.linearize(fun, x)[1](1.0)
        if kind == 1:
            return lambda x: wg.linearize(fun, x)[1].T(1.0)[0]
        return lambda x: wg.jvp(fun, (x,), (1.0,))[1]

    for offset in range(3):
        fun: Any = lambda x: np.exp(2.0 * x)
        for k in range(order):
            fun = derivative_of(fun, (k + offset) % 3)
        assert float(fun(0.3)) == pytest.approx(2.0**order * math.exp(0.6), rel=1e-12)


def test_hessian_by_linearizing_the_gradient() -> None:
    """f = sum x_i^3 x_{i+1}: closed-form Hessian."""

    def program(x: Any) -> Any:
        return np.sum(x[:-1] ** 3 * x[1:])

    x = np.array([0.5, -1.2, 2.0, 0.3])
    wanted = np.zeros((4, 4))
    for i in range(3):
        wanted[i, i] += 6 * x[i] * x[i + 1]
        wanted[i, i + 1] += 3 * x[i] ** 2
        wanted[i + 1, i] += 3 * x[i] ** 2
    _, product = wg.linearize(wg.grad(program), x)
    np.testing.assert_allclose(product.matrix(), wanted, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(product.T.matrix(), wanted, rtol=1e-14, atol=1e-14)


def test_mutation_differentiated_through_the_map() -> None:
    """y_i = y_{i-1} x_i, so y_n = prod x: its derivative along v, differentiated again, is sum over
    pairs."""
    v = np.array([1.0, -0.5, 0.25])
    x = np.array([1.3, 0.4, -0.8])

    def program(x: Any) -> Any:
        y = np.ones(4)
        for i in range(3):
            y[i + 1] = y[i] * x[i]
        return y[3]

    found = wg.grad(lambda x: wg.linearize(program, x)[1](v))(x)
    wanted = [v[1] * x[2] + v[2] * x[1], v[0] * x[2] + v[2] * x[0], v[0] * x[1] + v[1] * x[0]]
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    found = wg.grad(lambda x: (wg.linearize(program, x)[1].T(1.0)[0] * v).sum())(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_closing_over_an_outer_value() -> None:
    """No confusion of perturbations: d/dx [x d/dy (x y)] = 2x."""
    found = wg.grad(lambda x: x * wg.linearize(lambda y: x * y, 1.0)[1](1.0))(3.0)
    assert float(found) == 6.0


def test_a_map_outlives_the_traces_it_was_made_in() -> None:
    kept = []

    def program(x: Any) -> Any:
        constant = np.array([1.0, 2.0])
        kept.append(wg.linearize(np.sin, constant)[1])
        return np.sum(x)

    wg.grad(program)(np.ones(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(kept[0](np.ones(2)), np.cos([1.0, 2.0]), rtol=1e-15)


def test_custom_rules_checkpoints_and_decompositions() -> None:
    @wg.custom_jvp
    def safe(x: Any) -> Any:
        return np.log1p(np.exp(x))

    safe.defjvp(lambda primals, tangents: (safe(*primals), tangents[0] / (1 + np.exp(-primals[0]))))

    @wg.custom_vjp
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(lambda x: (cube(x), x), lambda x, ct: (3 * x**2 * ct,))
    x = 0.7
    _, first = wg.linearize(safe, x)
    assert float(first(2.0)) == pytest.approx(2.0 / (1 + math.exp(-x)), rel=1e-14)
    assert float(first.T(2.0)[0]) == pytest.approx(2.0 / (1 + math.exp(-x)), rel=1e-14)
    _, second = wg.linearize(lambda x: cube(x) * 2.0, x)
    assert float(second(1.0)) == pytest.approx(6 * x**2, rel=1e-14)
    assert float(second.T(1.0)[0]) == pytest.approx(6 * x**2, rel=1e-14)


@pytest.mark.parametrize("name", ["inv", "solve", "cholesky", "eigh", "det", "qr"])
def test_linear_algebra(name: str) -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(size=(3, 3))

    def program(x: Any) -> Any:
        a = base * x[:, None]
        a = a @ a.T + 2.0 * np.eye(3)
        if name == "inv":
            return np.linalg.inv(a)
        if name == "solve":
            return np.linalg.solve(a, x)
        if name == "cholesky":
            return np.linalg.cholesky(a)
        if name == "eigh":
            return np.linalg.eigh(a)[0]
        if name == "qr":
            return np.abs(np.linalg.qr(a)[1])
        return np.linalg.det(a)

    x = np.array([1.1, 0.6, -0.9])
    wanted = _richardson(program, x)
    _, derivative = wg.linearize(program, x)
    np.testing.assert_allclose(derivative.matrix(), wanted, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(derivative.T.matrix().T, wanted, rtol=1e-6, atol=1e-7)


def _richardson(program: Any, x: np.ndarray) -> np.ndarray:
    columns = [
        oracle.directional(lambda v: np.ravel(program(v)).astype(float), x, e)[0]
        for e in np.eye(x.size)
    ]
    return np.array(columns).T


def test_infinite_partials_beside_exact_zeros() -> None:
    """where(x > 0, sqrt(x), 0) at 0: the branch not taken has an infinite slope and must give 0."""

    def program(x: Any) -> Any:
        return np.where(x > 0, np.sqrt(x), 0.0)

    x = np.array([0.0, 4.0])
    _, derivative = wg.linearize(program, x)
    np.testing.assert_array_equal(derivative.T(np.ones(2))[0], [0.0, 0.25])
    np.testing.assert_array_equal(derivative(np.array([0.0, 1.0])), [0.0, 0.25])


def test_an_array_overwritten_since_is_found() -> None:
    big = np.ones(100_000)
    _, derivative = wg.linearize(lambda x: (x * big).sum(), np.ones(100_000))
    assert float(derivative(np.ones(100_000))) == 100_000
    big[:] = 2.0
    with pytest.raises(wg.ChangedError, match="overwritten"):
        derivative(np.ones(100_000))


def test_independent_outputs_have_zero_derivative() -> None:
    _, derivative = wg.linearize(lambda x: (x[0] * 2.0, np.arange(3.0)), np.ones(2))
    moved = derivative(np.ones(2))
    assert float(moved[0]) == 2.0
    np.testing.assert_array_equal(moved[1], np.zeros(3))
    moved[1][:] = 5.0
    np.testing.assert_array_equal(derivative(np.ones(2))[1], np.zeros(3))
    assert [leaf.shape for leaf in flatten(derivative.T((1.0, np.ones(3))))[0]] == [(2,)]
