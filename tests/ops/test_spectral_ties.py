"""Functions of the spectrum where eigenvalues or singular values are equal: exact, or an error that names the line.

Every expectation is a closed form of the matrix itself (powers, inverses, SciPy's matrix functions), in which equal
values are nothing special.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg

import wengert as wg
from wengert.core.errors import TieError

RNG = np.random.default_rng(3)


def orthonormal(rows: int, columns: int, dtype: Any = float) -> Any:
    z = RNG.normal(size=(rows, columns))
    return np.linalg.qr(z + 1j * RNG.normal(size=z.shape) if dtype is complex else z)[0]


def hermitian(*values: float, dtype: Any = float) -> Any:
    q = orthonormal(len(values), len(values), dtype)
    a = q @ np.diag(values) @ q.conj().T
    return 0.5 * (a + a.conj().T)


def direction(n: int, dtype: Any = float) -> Any:
    t = RNG.normal(size=(n, n)) + (1j * RNG.normal(size=(n, n)) if dtype is complex else 0.0)
    return 0.5 * (t + t.conj().T)


def lse(w: Any) -> Any:
    shift = np.max(w)
    return np.log(np.sum(np.exp(w - shift))) + shift


def expm(a: Any) -> Any:
    w, v = np.linalg.eigh(a)
    return (v * np.exp(w)[..., None, :]) @ np.conj(np.swapaxes(v, -1, -2))


def slope_of_expm(a: Any, t: Any) -> Any:
    return scipy.linalg.expm_frechet(a, t, compute_expm=False)


def cube(a: Any) -> Any:
    return np.sum(np.linalg.eigvalsh(a) ** 3)


def slope_of_square(a: Any, t: Any) -> Any:
    """Of 3 a^2, the gradient of tr a^3."""
    return 3.0 * (a @ t + t @ a)


def hessian_of_cube(a: Any) -> Any:
    n = len(a)
    columns = [slope_of_square(a, 0.5 * (e + e.T)) for e in np.eye(n * n).reshape(-1, n, n)]
    return np.stack(columns, -1).reshape(n, n, n, n)


def slope_of_softmax(a: Any, t: Any) -> Any:
    """Of expm(a) / tr expm(a), the gradient of log tr expm(a)."""
    e = scipy.linalg.expm(a)
    z = np.trace(e).real
    return slope_of_expm(a, t) / z - e * (np.trace(e @ t).real / z**2)


def closed(a: Any, t: Any) -> dict[str, Any]:
    """Functions of the eigenvalues, and the derivative of their gradient along t."""
    inverse = np.linalg.inv(a)
    trace = np.trace(t).real
    values = np.linalg.eigvalsh
    return {
        "trace": (lambda x: np.sum(values(x)), 0.0 * t),
        "by eigh": (lambda x: np.sum(np.linalg.eigh(x)[0] ** 2), 2.0 * t),
        "squares": (lambda x: np.sum(values(x) ** 2), 2.0 * t),
        "backwards": (lambda x: np.sum(np.arange(3.0) * 0.0 + values(x)[::-1] ** 2), 2.0 * t),
        "flat at 2": (lambda x: np.sum((values(x) - 2.0) ** 2), 2.0 * t),
        "cubes": (cube, slope_of_square(a, t)),
        "logdet": (lambda x: np.sum(np.log(values(x))), -inverse @ t @ inverse),
        "exp": (lambda x: np.sum(np.exp(values(x))), slope_of_expm(a, t)),
        "logsumexp": (lambda x: lse(values(x)), slope_of_softmax(a, t)),
        "logaddexp": (lambda x: np.logaddexp.reduce(values(x)), slope_of_softmax(a, t)),
        "variance": (lambda x: np.var(values(x)), 2.0 / 3.0 * (t - trace / 3.0 * np.eye(3))),
        "a shift that cancels": (lambda x: np.sum((values(x) - np.max(values(x)) * 0.0) ** 2), 2.0 * t),
    }


NAMES = list(closed(np.eye(3), np.eye(3)))
POINTS = {"all equal": (2.0, 2.0, 2.0), "two equal": (2.0, 2.0, 5.0), "the others": (1.0, 3.0, 3.0)}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("values", POINTS.values(), ids=POINTS)
@pytest.mark.parametrize("name", NAMES)
def test_second_derivatives_of_functions_of_eigenvalues(name: str, values: Any, dtype: Any) -> None:
    a, t = hermitian(*values, dtype=dtype), direction(3, dtype)
    f, wanted = closed(a, t)[name]
    scale = {"rtol": 1e-11, "atol": 1e-11 * (1.0 + np.max(np.abs(wanted)))}
    np.testing.assert_allclose(wg.hvp(f, (a,), (t,))[1], wanted, **scale)
    np.testing.assert_allclose(wg.jvp(wg.grad(f), (a,), (t,))[1], wanted, **scale)
    np.testing.assert_allclose(wg.derivative(wg.derivative(lambda h: f(a + h * t)))(0.0), np.vdot(t, wanted), **scale)
    if dtype is float:
        np.testing.assert_allclose(np.tensordot(wg.hessian(f)(a), t), wanted, **scale)


@pytest.mark.parametrize("name", NAMES)
def test_at_the_identity_itself(name: str) -> None:
    # LAPACK's vectors are the axes here, and equal values are equal to the last bit.
    a, t = 2.0 * np.eye(3), direction(3)
    f, wanted = closed(a, t)[name]
    np.testing.assert_allclose(wg.hvp(f, (a,), (t,))[1], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.tensordot(wg.hessian(f)(a), t), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_in_single_precision(dtype: Any) -> None:
    double = complex if dtype is np.complex64 else float
    t = direction(3, double)
    for a in (np.eye(3), hermitian(2.0, 2.0, 5.0, dtype=double)):
        low, along = a.astype(dtype), t.astype(dtype)
        got = wg.hvp(cube, (low,), (along,))[1]
        assert got.dtype == dtype
        np.testing.assert_allclose(got, slope_of_square(a, t), atol=3e-5)
        moved = wg.jvp(expm, (low,), (along,))[1]
        assert moved.dtype == dtype
        np.testing.assert_allclose(moved, slope_of_expm(a, t), rtol=1e-4, atol=1e-3)


EXTREMES = {
    "max": lambda x: np.max(np.linalg.eigvalsh(x)),
    "its square": lambda x: np.max(np.linalg.eigvalsh(x - np.eye(3))) ** 2,
    "min": lambda x: np.linalg.eigvalsh(x).min(),
    "median": lambda x: np.median(np.linalg.eigvalsh(x)),
    "first": lambda x: np.linalg.eigvalsh(x)[0],
    "sorted, weighed": lambda x: np.sum(np.sort(np.linalg.eigvalsh(x)) * np.array([1.0, 2.0, 3.0])),
    "largest by norm": lambda x: np.linalg.norm(np.linalg.eigvalsh(x), np.inf),
    "norm 2": lambda x: np.linalg.norm(x, 2),
    "norm -2": lambda x: np.linalg.norm(x, -2),
    "condition": lambda x: np.linalg.cond(x),
    "largest singular value": lambda x: np.linalg.svdvals(x)[0],
    "a single vector": lambda x: np.linalg.eigh(x)[1][0, 1],
}


@pytest.mark.parametrize("f", EXTREMES.values(), ids=EXTREMES)
def test_what_is_not_smooth_there_is_refused(f: Any) -> None:
    a, t = np.eye(3), direction(3)
    for road in (
        lambda: wg.hvp(f, (a,), (t,)),
        lambda: wg.jvp(wg.grad(f), (a,), (t,)),
        lambda: wg.hessian(f)(a),
        lambda: wg.vmap(lambda x: wg.hvp(f, (x,), (t,))[1])(np.stack([hermitian(1.0, 2.0, 4.0), a])),
    ):
        with pytest.raises(TieError) as caught:
            road()
        assert __file__ in str(caught.value)
        assert "fix:" in str(caught.value)


def test_extremes_that_stand_alone_are_smooth() -> None:
    a, t = hermitian(2.0, 2.0, 5.0), direction(3)
    w, v = np.linalg.eigh(a)
    top = v[:, 2]
    # d v = sum_j v_j <v_j, t v> / (5 - w_j) over the others (Rayleigh and Schroedinger).
    moved = sum(v[:, j] * (v[:, j] @ t @ top) / (w[2] - w[j]) for j in (0, 1))
    wanted = np.outer(moved, top) + np.outer(top, moved)
    for f in (
        lambda x: np.max(np.linalg.eigvalsh(x)),
        lambda x: np.linalg.norm(x, 2),
        lambda x: np.linalg.eigh(x)[0][2],
    ):
        np.testing.assert_allclose(wg.jvp(wg.grad(f), (a,), (t,))[1], wanted, atol=1e-12)
        np.testing.assert_allclose(wg.hvp(f, (a,), (t,))[1], wanted, atol=1e-12)
    projector = wg.jvp(lambda x: np.outer(*[np.linalg.eigh(x)[1][:, 2]] * 2), (a,), (t,))[1]
    np.testing.assert_allclose(projector, wanted, atol=1e-12)
    others = wg.jvp(lambda x: (lambda u: u @ u.T)(np.linalg.eigh(x)[1][:, :2]), (a,), (t,))[1]
    np.testing.assert_allclose(others, -wanted, atol=1e-12)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("values", [*POINTS.values(), (0.0, 0.0, 0.0)], ids=[*POINTS, "zero"])
def test_functions_of_the_matrix(values: Any, dtype: Any) -> None:
    a, t, weights = hermitian(*values, dtype=dtype), direction(3, dtype), RNG.normal(size=(3, 3))
    np.testing.assert_allclose(wg.jvp(expm, (a,), (t,))[1], slope_of_expm(a, t), rtol=1e-11, atol=1e-11)

    def entries(x: Any) -> Any:
        return np.sum(weights * expm(x).real)

    adjoint = slope_of_expm(a, 0.5 * (weights + weights.T))
    np.testing.assert_allclose(wg.grad(entries)(a), adjoint, rtol=1e-10, atol=1e-10)
    value, gradient = wg.value_and_grad(entries)(a)
    np.testing.assert_allclose(value, entries(a), rtol=1e-13)
    np.testing.assert_allclose(gradient, adjoint, rtol=1e-10, atol=1e-10)
    if dtype is float:
        for jacobian in (wg.jacobian(expm)(a), wg.jacfwd(expm)(a)):
            np.testing.assert_allclose(np.tensordot(jacobian, t), slope_of_expm(a, t), rtol=1e-10, atol=1e-10)


def test_a_matrix_function_that_vanishes_where_its_slope_does_not() -> None:
    # log at the identity: the cotangents of values and vectors are both zero off the diagonal, and say nothing.
    def entry(x: Any) -> Any:
        w, v = np.linalg.eigh(x)
        return ((v * np.log(w)) @ v.T)[0, 1]

    wanted = np.zeros((3, 3))
    wanted[0, 1] = wanted[1, 0] = 0.5
    np.testing.assert_allclose(wg.grad(entry)(np.eye(3)), wanted, atol=1e-15)


def test_functions_of_functions_of_the_matrix() -> None:
    def root(x: Any) -> Any:
        w, v = np.linalg.eigh(x)
        return (v * np.sqrt(w)) @ v.T

    a, t = np.eye(3), direction(3)
    np.testing.assert_allclose(wg.jvp(lambda x: root(root(x)), (a,), (t,))[1], t / 4.0, atol=1e-14)
    np.testing.assert_allclose(wg.jvp(lambda x: root(x) @ root(x), (a,), (t,))[1], t, atol=1e-14)


def test_two_directions_at_once_are_refused_where_they_have_no_common_basis() -> None:
    a, t, other = hermitian(2.0, 2.0, 5.0), direction(3), direction(3)

    def twice(along: Any) -> Any:
        return wg.jvp(lambda x: wg.jvp(cube, (x,), (t,))[1], (a,), (along,))[1]

    np.testing.assert_allclose(twice(t), np.sum(t * slope_of_square(a, t)), rtol=1e-12)
    np.testing.assert_allclose(twice(-3.0 * t), -3.0 * np.sum(t * slope_of_square(a, t)), rtol=1e-12)
    with pytest.raises(TieError) as caught:
        twice(other)
    assert __file__ in str(caught.value)
    for road in (
        lambda: wg.hessian(lambda x: np.sum(t * expm(x)))(a),
        lambda: wg.hvp(lambda x: np.sum(t * expm(x)), (a,), (other,)),
        lambda: wg.jacrev(wg.grad(cube))(a),
        lambda: wg.linearize(expm, a)[1](t),
        lambda: wg.vjp(expm, a)[1](t),
    ):
        with pytest.raises(TieError) as caught:
            road()
        assert __file__ in str(caught.value)


STACK = np.stack([np.eye(3), hermitian(1.0, 2.0, 4.0), hermitian(2.0, 2.0, 7.0)])
ALONG = np.stack([direction(3) for _ in range(3)])


def test_stacks_with_equal_values_in_some() -> None:
    np.testing.assert_allclose(
        wg.hvp(cube, (STACK,), (ALONG,))[1], slope_of_square(STACK, ALONG), rtol=1e-12, atol=1e-12
    )
    wanted = np.stack([slope_of_expm(a, t) for a, t in zip(STACK, ALONG, strict=True)])
    for f in (expm, wg.vmap(expm)):
        np.testing.assert_allclose(wg.jvp(f, (STACK,), (ALONG,))[1], wanted, rtol=1e-11, atol=1e-11)
    each = wg.vmap(lambda a, t: wg.hvp(cube, (a,), (t,))[1])
    np.testing.assert_allclose(each(STACK, ALONG), slope_of_square(STACK, ALONG), rtol=1e-12, atol=1e-12)
    hessians = np.stack([hessian_of_cube(a) for a in STACK])
    np.testing.assert_allclose(wg.vmap(wg.hessian(cube))(STACK), hessians, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(wg.hessian(cube, chunk_size=2)(STACK[2]), hessians[2], rtol=1e-12, atol=1e-12)


def test_gradients_of_norms_in_a_batch_where_some_rows_have_equal_values() -> None:
    stack = np.stack([np.eye(3), np.diag([1.0, 2.0, 3.0]), np.diag([3.0, 3.0, 1.0])])
    wanted = np.stack([np.eye(3) / 3.0, np.diag([0.0, 0.0, 1.0]), np.diag([0.5, 0.5, 0.0])])
    np.testing.assert_allclose(wg.vmap(wg.grad(lambda a: np.linalg.norm(a, 2)))(stack), wanted, atol=1e-14)


def test_compiled() -> None:
    second = wg.compile(lambda a, t: wg.hvp(cube, (a,), (t,))[1])
    whole = wg.compile(wg.hessian(cube))
    moved = wg.compile(lambda a, t: wg.jvp(expm, (a,), (t,))[1])
    gradient = wg.compile(wg.grad(lambda a: np.sum(ALONG[0] * expm(a))))
    for _ in range(2):
        for a, t in zip(STACK, ALONG, strict=True):
            np.testing.assert_allclose(second(a, t), slope_of_square(a, t), rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(whole(a), hessian_of_cube(a), rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(moved(a, t), slope_of_expm(a, t), rtol=1e-11, atol=1e-11)
            np.testing.assert_allclose(gradient(a), slope_of_expm(a, ALONG[0]), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("gap", [1e-4, 1e-6, 1e-8])
def test_values_that_are_nearly_equal(gap: float) -> None:
    # Divided differences of the gradient lose what the gap has of the precision, and no more.
    a, t = hermitian(2.0, 2.0 + gap, 5.0), direction(3)
    np.testing.assert_allclose(wg.hvp(cube, (a,), (t,))[1], slope_of_square(a, t), atol=2e-13 / gap)


def test_a_matrix_of_low_rank_with_jitter() -> None:
    x = RNG.normal(size=(20, 3))
    a, t = x @ x.T + 1e-3 * np.eye(20), direction(20)
    inverse = np.linalg.inv(a)
    got = wg.hvp(lambda m: np.sum(np.log(np.linalg.eigvalsh(m))), (a,), (t,))[1]
    np.testing.assert_allclose(got, -inverse @ t @ inverse, atol=1e-8 * np.max(np.abs(inverse)) ** 2)


def test_a_recorded_graph_is_differentiated_as_the_function_is() -> None:
    a, t = np.eye(3), direction(3)
    graph = wg.trace(expm)(hermitian(1.0, 2.0, 4.0))
    np.testing.assert_allclose(wg.jvp(lambda x: graph(x), (a,), (t,))[1], slope_of_expm(a, t), atol=1e-12)
    np.testing.assert_allclose(wg.hvp(wg.checkpoint(cube), (a,), (t,))[1], slope_of_square(a, t), atol=1e-12)


def test_in_loops() -> None:
    t = direction(3)

    def summed(x: Any) -> Any:
        def step(k: Any, state: Any) -> Any:
            y, total = state
            return y + 0.5 * t, total + cube(y)

        return wg.fori_loop(0, 3, step, (x, 0.0))[1]

    a = np.eye(3)
    points = [a, a + 0.5 * t, a + t]
    np.testing.assert_allclose(wg.grad(summed)(a), sum(3.0 * p @ p for p in points), atol=1e-11)
    np.testing.assert_allclose(wg.hvp(summed, (a,), (t,))[1], sum(slope_of_square(p, t) for p in points), atol=1e-11)
    # A body is recorded without its directions, so that what needs them is refused, never NaN.
    with pytest.raises(TieError, match="eigenvalues"):
        wg.hessian(summed)(a)

    def functions(x: Any) -> Any:
        return np.sum(t * wg.fori_loop(0, 3, lambda k, y: 0.5 * expm(y), x))

    with pytest.raises(TieError, match="values"):
        wg.grad(functions)(a)


def test_third_derivatives_along_a_line() -> None:
    t = direction(3)

    def along(h: Any) -> Any:
        return cube(np.diag([1.0, 1.0, 3.0]) + h * t)

    third = wg.derivative(wg.derivative(wg.derivative(along)))(0.0)
    np.testing.assert_allclose(third, 6.0 * np.trace(t @ t @ t), rtol=1e-12)


def test_leading_vectors_of_a_matrix_of_low_rank_by_reverse_mode() -> None:
    # Equal values that are not used (the zeros of a covariance) leave nothing open.
    x = RNG.normal(size=(5, 2))
    a = x @ x.T

    def leading(m: Any) -> Any:
        w, v = np.linalg.eigh(m)
        return (v[:, 3:] * w[3:] ** 2) @ v[:, 3:].T

    weights = direction(5)
    back = wg.vjp(leading, a)[1](weights)[0]  # at this rank the square of the matrix, whose slope is a t + t a
    inside = x @ np.linalg.pinv(x)
    both = inside @ (a @ weights + weights @ a) @ inside
    outside = (np.eye(5) - inside) @ weights @ a
    np.testing.assert_allclose(back, both + outside + outside.T, atol=1e-12)
