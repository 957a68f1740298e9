"""Linear systems, determinants and Cholesky factors as native code, against NumPy and against what they mean."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import agree
from wengert.backends.llvm import lapack
from wengert.backends.llvm.lower.linalg import SMALL
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.program import NativePlan

pytest.importorskip("llvmlite")
pytest.importorskip("scipy")

SIZES = [1, 2, 3, SMALL, SMALL + 1, 9]


@pytest.fixture(autouse=True)
def _faults_are_errors(monkeypatch):
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")


def matrices(n, stack, dtype, seed=0):
    rng = np.random.default_rng(seed + n)
    return (rng.standard_normal((*stack, n, n)) + 0.1 * np.eye(n)).astype(dtype)


def near(got, want, dtype, condition=1.0):
    assert got.dtype == want.dtype and got.shape == want.shape
    scale = 100 * np.finfo(dtype).eps * condition
    np.testing.assert_allclose(got, want, rtol=scale, atol=scale * np.max(np.abs(want)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stack", [(), (5,), (2, 3)])
@pytest.mark.parametrize("n", SIZES)
def test_systems_and_inverses(n, stack, dtype):
    a = matrices(n, stack, dtype)
    rng = np.random.default_rng(n)
    wide, column = rng.standard_normal((*stack, n, 2)).astype(dtype), rng.standard_normal(n).astype(dtype)

    def f(a, wide, column):
        turned = np.swapaxes(a, -1, -2)
        return (
            np.linalg.solve(a, wide),
            np.linalg.solve(a, column),
            np.linalg.solve(turned, wide),
            np.linalg.inv(a),
            np.linalg.inv(turned),
        )

    plan = NativePlan(wengert.trace(f)(a, wide, column))
    assert not plan.fallen
    assert plan.source("loops").count("= lu(") == (n > SMALL)  # a matrix and its transpose have the same factors
    condition = np.max(np.linalg.cond(a))
    for got, want in zip(plan.run([a, wide, column]), f(a, wide, column), strict=True):
        near(got, want, dtype, condition)


def test_stacks_broadcast():
    for n in (3, 6):
        a, b = matrices(n, (4, 1), float), np.random.default_rng(1).standard_normal((5, n, 2))
        one, many = matrices(n, (), float, 7), np.random.default_rng(2).standard_normal((4, 3, n, 1))

        def f(a, b, one, many):
            return np.linalg.solve(a, b), np.linalg.solve(one, many), np.linalg.solve(a, b[0])

        plan = NativePlan(wengert.trace(f)(a, b, one, many))
        assert not plan.fallen
        for got, want in zip(plan.run([a, b, one, many]), f(a, b, one, many), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stack", [(), (5,)])
@pytest.mark.parametrize("n", SIZES)
def test_determinants_and_cholesky_factors(n, stack, dtype):
    a = matrices(n, stack, dtype)

    def f(a):
        square = a @ np.swapaxes(a, -1, -2) + np.eye(n, dtype=dtype)
        lower, upper = np.linalg.cholesky(square), np.linalg.cholesky(square, upper=True)
        return (*np.linalg.slogdet(a), np.linalg.det(a), lower, upper)

    plan = NativePlan(wengert.trace(f)(a))
    assert not plan.fallen
    condition = np.max(np.linalg.cond(a))
    for got, want in zip(plan.run([a]), f(a), strict=True):
        near(got, np.asarray(want), dtype, condition)


@pytest.mark.parametrize("n", [2, 3, 6])
def test_every_value_of_a_factorisation(n):
    a = matrices(n, (3,), float)
    agree(lower(wengert.trace(lambda a: (np.linalg.inv(a), np.linalg.cholesky(a @ a.transpose(0, 2, 1))))(a)), [a], 256)


def raised(call, *args):
    try:
        return None, call(*args)
    except np.linalg.LinAlgError as error:
        return str(error), None


BROKEN = {
    "zeros": np.zeros_like,
    "rank_one": lambda a: np.ones_like(a),
    "counted": lambda a: np.arange(a.size, dtype=float).reshape(a.shape),
    "nan": lambda a: np.where(np.eye(len(a)) > 0, np.nan, a),
    "infinite": lambda a: np.where(np.arange(len(a)) == 1, np.inf, a),
    "negative": lambda a: -np.eye(len(a)),
    "tiny": lambda a: a * 1e-300,
    "huge": lambda a: a * 1e300,
    "nearly": lambda a: np.ones_like(a) + 1e-15 * a,
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("name", ["inv", "solve", "det", "slogdet", "cholesky"])
def test_what_is_singular_or_not_finite_is_numpys(name, n):
    function = getattr(np.linalg, name)

    def f(a):
        found = function(a + 0.0, np.ones(n)) if name == "solve" else function(a + 0.0)
        return found[1] if name == "slogdet" else found

    compiled = wengert.compile(f, backend="native")
    good = matrices(n, (), float)
    good = good @ good.T + np.eye(n)
    for how, broken in BROKEN.items():
        for a in (good, broken(good)):
            (error, want), (said, got) = raised(f, a), raised(compiled, a)
            assert said == error, how
            if want is not None:
                np.testing.assert_allclose(got, want, rtol=1e-9, atol=0 if how == "tiny" else 1e-12, err_msg=how)


def test_a_stack_with_one_singular_matrix_raises_as_numpy_does():
    a = matrices(3, (4,), float)
    a[2] = 0.0
    compiled = wengert.compile(lambda a: np.sum(np.linalg.inv(a)), backend="native")
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        compiled(a)
    assert np.isclose(compiled(a + np.eye(3)), np.sum(np.linalg.inv(a + np.eye(3))))


@pytest.mark.parametrize("n", [3, 8])
def test_a_gradient_has_no_step_of_numpy_and_factors_once(n):
    a, side = matrices(n, (), float) + 2 * np.eye(n), np.arange(1.0, n + 1)

    def loss(a):
        return np.linalg.slogdet(a)[1] + np.sum(np.linalg.solve(a, side))

    compiled = wengert.compile(wengert.value_and_grad(loss), backend="native")
    value, slope = compiled(a)
    assert " 0 steps of NumPy" in compiled.explain(), compiled.explain()
    inverse = np.linalg.inv(a)
    want = inverse.T - np.outer(inverse.T @ np.ones(n), inverse @ side)
    assert np.isclose(value, loss(a), rtol=1e-12)
    np.testing.assert_allclose(slope, want, rtol=1e-9, atol=1e-12)
    assert compiled.source("loops").count("= lu(") == (n > SMALL)


def test_gradients_of_determinants_and_factors():
    for n in (3, 7):
        a = matrices(n, (), float)

        def loss(a, n=n):
            square = a @ a.T + np.eye(n)
            return np.linalg.det(square) * 1e-3 + np.sum(np.linalg.cholesky(square)) + np.sum(np.linalg.inv(square))

        compiled = wengert.compile(wengert.grad(loss), backend="native")
        got = compiled(a)
        assert " 0 steps of NumPy" in compiled.explain(), compiled.explain()
        direction = np.random.default_rng(3).standard_normal((n, n))
        slope = (loss(a + 1e-5 * direction) - loss(a - 1e-5 * direction)) / 2e-5
        assert np.isclose(np.sum(got * direction), slope, rtol=1e-6)


def test_systems_under_vmap_and_in_a_loop():
    a, b = matrices(3, (50,), float) + 2 * np.eye(3), np.random.default_rng(2).standard_normal((50, 3))

    def one(a, b):
        return np.sum(np.linalg.solve(a, b) ** 2)

    compiled = wengert.compile(wengert.vmap(wengert.grad(one)), backend="native")
    x = np.linalg.solve(a, b[..., None])
    want = -2 * np.linalg.solve(a.transpose(0, 2, 1), x) @ x.transpose(0, 2, 1)
    np.testing.assert_allclose(compiled(a, b), want, rtol=1e-9, atol=1e-10)
    assert " 0 steps of NumPy" in compiled.explain()

    def chain(matrix, rows):
        state = rows[0]
        for row in rows:
            state = np.linalg.solve(matrix, np.sin(state) + row)
        return np.sum(state)

    for n in (3, 6):
        matrix, rows = matrices(n, (), float) + 2 * np.eye(n), np.random.default_rng(n).standard_normal((12, n))
        compiled = wengert.compile(wengert.value_and_grad(chain), backend="native")
        value, slope = compiled(matrix, rows)
        assert " 0 steps of NumPy" in compiled.explain()
        assert np.isclose(value, chain(matrix, rows))
        np.testing.assert_allclose(slope, wengert.grad(chain)(matrix, rows), rtol=1e-9, atol=1e-11)


def test_without_scipy_they_are_steps_of_numpy(monkeypatch):
    monkeypatch.setattr(lapack, "_table", lambda: ("LAPACK is called through SciPy, which is not installed", {}))
    a = matrices(6, (), float)
    plan = NativePlan(wengert.trace(lambda a: np.linalg.inv(np.sin(a) + a))(a))
    assert "inv" in plan.explain() and "SciPy, which is not installed" in plan.explain()
    np.testing.assert_allclose(plan.run([a])[0], np.linalg.inv(np.sin(a) + a), rtol=1e-10)
    small = a[:3, :3]
    assert not NativePlan(wengert.trace(np.linalg.inv)(small)).fallen
