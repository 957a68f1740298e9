"""Every transform inside every other, against plain loops over rows and against differences.

The functions in the middle are ordinary ones and functions with rules of their own; what they are
compared with uses no transform, or one first derivative that other tests have checked.
"""

import numpy as np
import pytest

import wengert
from wengert import numeric

RNG = np.random.default_rng(8)
ROWS = RNG.uniform(0.5, 1.5, size=(4, 3))
MOVES = RNG.normal(size=(4, 3))
POINT = RNG.uniform(0.5, 1.5, size=3)
MOVE = RNG.normal(size=3)
MATRIX = RNG.normal(size=(3, 3))


def smooth(x):
    """R^3 -> R."""
    return np.sum(np.sin(MATRIX @ x) * x**2) + x[0] * x[1]


def branching(x):
    """R^3 -> R, with control flow, a write and an index that depend on the values."""
    y = np.zeros(3)
    for k in range(3):
        y[k] = x[k] ** 2 if x[k] > 1.0 else np.exp(x[k]) - np.e + 1.0
    return y[int(np.argmax(x))] * y.sum() + np.where(x > 0.8, x, 0.8 * x).prod()


def decomposed(x):
    """R^3 -> R through linear algebra."""
    a = np.outer(x, x) + np.diag(x) + np.eye(3)
    return np.linalg.slogdet(a)[1] + np.sum(np.linalg.solve(a, x))


@wengert.custom_jvp
def with_jvp(x):
    return np.sum(np.sinh(x) * x)


@with_jvp.defjvp
def _with_jvp_rule(primals, tangents):
    (x,), (t,) = primals, tangents
    return with_jvp(x), np.sum((np.cosh(x) * x + np.sinh(x)) * t)


@wengert.custom_vjp
def with_vjp(x):
    return np.sum(np.cos(x) * x**2)


with_vjp.defvjp(
    lambda x: (np.sum(np.cos(x) * x**2), x),
    lambda x, ct: (ct * (2.0 * np.cos(x) * x - np.sin(x) * x**2),),
)

SCALAR = {f.__name__: f for f in (smooth, branching, decomposed)} | {
    "with_jvp": with_jvp, "with_vjp": with_vjp,
}  # fmt: skip


def vector(fun):
    """R^3 -> R^2 made of a function R^3 -> R."""
    return lambda x: np.stack([fun(x) * x[0], np.sin(fun(x))])


@pytest.fixture(params=SCALAR)
def fun(request):
    return SCALAR[request.param]


def slope(fun, x, t):
    return numeric.directional(fun, (x,), (t,)).value


def measured_gradient(fun, x):
    return numeric.gradient(fun, x).value


def measured_hessian(fun, x):
    # Differences of the gradient, which test_laws and test_checking compare with values.
    return numeric.jacobian(wengert.grad(fun), x).value


def close(got, want, rtol=1e-7):
    want = np.asarray(want)
    got = np.asarray(got)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.max(np.abs(want), initial=0.0))


def test_vmap(fun):
    close(wengert.vmap(fun)(ROWS), [fun(r) for r in ROWS])


def test_vmap_of_grad(fun):
    close(wengert.vmap(wengert.grad(fun))(ROWS), [measured_gradient(fun, r) for r in ROWS])


def test_grad_of_vmap(fun):
    weights = np.arange(1.0, 5.0)
    got = wengert.grad(lambda rows: np.sum(wengert.vmap(fun)(rows) * weights))(ROWS)
    close(got, [w * measured_gradient(fun, r) for w, r in zip(weights, ROWS, strict=True)])


def test_jvp_of_vmap(fun):
    value, moved = wengert.jvp(wengert.vmap(fun), (ROWS,), (MOVES,))
    close(value, [fun(r) for r in ROWS], 1e-12)
    close(moved, [slope(fun, r, t) for r, t in zip(ROWS, MOVES, strict=True)])


def test_vmap_of_jvp(fun):
    got = wengert.vmap(lambda x, t: wengert.jvp(fun, (x,), (t,))[1])(ROWS, MOVES)
    close(got, [slope(fun, r, t) for r, t in zip(ROWS, MOVES, strict=True)])


def test_vmap_of_vjp(fun):
    got = wengert.vmap(lambda x, ct: wengert.vjp(fun, x)[1](ct)[0])(ROWS, np.arange(1.0, 5.0))
    close(
        got, [w * measured_gradient(fun, r) for w, r in zip(np.arange(1.0, 5.0), ROWS, strict=True)]
    )


def test_vmap_of_vmap(fun):
    cube = np.stack([ROWS, ROWS[::-1] * 1.1])
    close(wengert.vmap(wengert.vmap(fun))(cube), [[fun(r) for r in rows] for rows in cube])


def test_vmap_of_vmap_over_different_arguments():
    got = wengert.vmap(wengert.vmap(lambda x, y: x @ MATRIX @ y, (None, 0)), (0, None))(ROWS, MOVES)
    close(got, ROWS @ MATRIX @ MOVES.T, 1e-12)


def test_grad_of_vmap_of_grad(fun):
    got = wengert.grad(lambda rows: np.sum(wengert.vmap(wengert.grad(fun))(rows) * MOVES))(ROWS)
    close(got, [measured_hessian(fun, r) @ t for r, t in zip(ROWS, MOVES, strict=True)], 1e-6)


def test_hessian_of_vmap(fun):
    got = wengert.hessian(lambda rows: np.sum(wengert.vmap(fun)(rows)))(ROWS[:2])
    want = np.zeros((2, 3, 2, 3))
    for b in range(2):
        want[b, :, b, :] = measured_hessian(fun, ROWS[b])
    close(got, want, 1e-6)


def test_vmap_of_hessian(fun):
    got = wengert.vmap(wengert.hessian(fun))(ROWS)
    close(got, [measured_hessian(fun, r) for r in ROWS], 1e-6)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_jacobian_of_vmap(fun, mode):
    got = wengert.jacobian(wengert.vmap(vector(fun)), mode=mode)(ROWS[:2])
    want = np.zeros((2, 2, 2, 3))
    for b in range(2):
        want[b, :, b] = numeric.jacobian(vector(fun), ROWS[b]).value
    close(got, want)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_vmap_of_jacobian(fun, mode):
    got = wengert.vmap(wengert.jacobian(vector(fun), mode=mode))(ROWS)
    close(got, [numeric.jacobian(vector(fun), r).value for r in ROWS])


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_jacobian_of_jvp(fun, mode):
    got = wengert.jacobian(lambda x: wengert.jvp(vector(fun), (x,), (MOVE,))[1], mode=mode)(POINT)
    want = numeric.jacobian(lambda x: wengert.jvp(vector(fun), (x,), (MOVE,))[1], POINT).value
    close(got, want, 1e-6)


@pytest.mark.parametrize("outer", ["fwd", "rev"])
@pytest.mark.parametrize("inner", ["fwd", "rev"])
def test_jacobian_of_jacobian(fun, outer, inner):
    once = wengert.jacobian(vector(fun), mode=inner)
    got = wengert.jacobian(once, mode=outer)(POINT)
    close(got, numeric.jacobian(once, POINT).value, 1e-6)


def test_grad_of_grad_of_grad(fun):
    def curvature(x):
        return np.sum(wengert.grad(lambda v: np.sum(wengert.grad(fun)(v) * MOVE))(x) * MOVE)

    want = numeric.gradient(lambda x: wengert.hvp(fun, (x,), (MOVE,))[1] @ MOVE, POINT).value
    close(wengert.grad(curvature)(POINT), want, 1e-6)


def test_jvp_of_jvp_of_jvp(fun):
    def along(g):
        return lambda x: wengert.jvp(g, (x,), (MOVE,))[1]

    want = slope(lambda x: wengert.hvp(fun, (x,), (MOVE,))[1] @ MOVE, POINT, MOVE)
    close(along(along(along(fun)))(POINT), want, 1e-6)


def test_grad_of_jacobian(fun):
    def size(x):
        return np.sum(wengert.jacobian(vector(fun))(x) ** 2)

    want = numeric.gradient(size, POINT).value
    close(wengert.grad(size)(POINT), want, 1e-6)


def test_linearize_inside_grad(fun):
    def slope_of(x):
        return wengert.linearize(fun, x)[1](MOVE)

    close(wengert.grad(slope_of)(POINT), measured_hessian(fun, POINT) @ MOVE, 1e-6)


def test_linearize_inside_vmap(fun):
    got = wengert.vmap(lambda x, t: wengert.linearize(fun, x)[1](t))(ROWS, MOVES)
    close(got, [slope(fun, r, t) for r, t in zip(ROWS, MOVES, strict=True)])


def test_linearize_of_vmap(fun):
    value, move = wengert.linearize(wengert.vmap(fun), ROWS)
    close(value, [fun(r) for r in ROWS], 1e-12)
    close(move(MOVES), [slope(fun, r, t) for r, t in zip(ROWS, MOVES, strict=True)])


def test_hvp_of_vmap(fun):
    got = wengert.hvp(lambda rows: np.sum(wengert.vmap(fun)(rows)), (ROWS,), (MOVES,))[1]
    close(got, [measured_hessian(fun, r) @ t for r, t in zip(ROWS, MOVES, strict=True)], 1e-6)


def test_trace_of_grad(fun):
    graph = wengert.trace(wengert.grad(fun))(POINT)
    close(graph(POINT), measured_gradient(fun, POINT))


# ---------------------------------------------------------------- values closed over


def test_the_inner_derivative_does_not_take_the_outer_variable_for_its_own():
    # d/dx [x d/dy (x y)] = d/dx x^2 = 2 x, in every pair of modes.
    forward = lambda g: lambda x: wengert.jvp(g, (x,), (1.0,))[1]
    for outer in (wengert.grad, forward):
        for inner in (wengert.grad, forward):
            got = outer(lambda x, inner=inner: x * inner(lambda y: x * y)(2.0))(3.0)
            assert got == pytest.approx(6.0, rel=1e-14)


def test_vmap_over_a_function_that_closes_over_a_traced_value(fun):
    def total(scale):
        return np.sum(wengert.vmap(lambda row: fun(row) * scale**2)(ROWS))

    want = 2.0 * 1.5 * sum(fun(r) for r in ROWS)
    assert wengert.grad(total)(1.5) == pytest.approx(want, rel=1e-10)
    assert wengert.jvp(total, (1.5,), (1.0,))[1] == pytest.approx(want, rel=1e-10)


def test_a_custom_rule_sees_its_own_derivative_inside_vmap_of_grad():
    @wengert.custom_vjp
    def tripled(x):
        return np.sum(x**2)

    tripled.defvjp(
        lambda x: (np.sum(x**2), x), lambda x, ct: (6.0 * x * ct,)
    )  # 3 times the right one
    close(wengert.vmap(wengert.grad(tripled))(ROWS), 6.0 * ROWS, 1e-14)
    close(wengert.grad(lambda r: np.sum(wengert.vmap(tripled)(r)))(ROWS), 6.0 * ROWS, 1e-14)
    moved = wengert.jvp(wengert.vmap(tripled), (ROWS,), (MOVES,))[1]
    close(moved, np.sum(6.0 * ROWS * MOVES, axis=1), 1e-13)
