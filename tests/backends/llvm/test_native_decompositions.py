"""QR, eigenvalues and singular values as native code, against NumPy and against what they mean."""

import numpy as np
import pytest

import wengert
from tests.backends.llvm.emitted import run
from wengert.backends.llvm.indexed import Axis, Program, Read, Routine, ScanOutput, Slot, Store
from wengert.backends.llvm.program import NativePlan
from wengert.backends.llvm.routines import EIGH, EIGH_UPPER, SVD, results

pytest.importorskip("llvmlite")
pytest.importorskip("scipy")


@pytest.fixture(autouse=True)
def _faults_are_errors(monkeypatch):
    monkeypatch.setenv("WENGERT_NATIVE_STRICT", "1")


def outputs_of(name, array):
    """What a routine gives for one array."""
    axes = tuple(Axis(n) for n in array.shape)
    slot = Slot("x", array.shape, array.dtype, "input")
    routine = Routine(name, ((Read(axes, array.dtype, slot, axes), axes),))
    stores = []
    for k, (shape, dtype) in enumerate(results(routine)):
        fresh = tuple(Axis(n) for n in shape)
        stores.append(Store(Slot(f"y{k}", shape, dtype, "output"), ScanOutput(fresh, dtype, routine, k, fresh), fresh))
    found, answer = run(Program((slot,), (), tuple(stores)), [array], 256)
    assert answer == 0
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [2, 3, 9, 40])
def test_eigenvectors_and_eigenvalues(n, dtype):
    a = np.random.default_rng(n).standard_normal((3, n, n)).astype(dtype)
    scale = 50 * n * np.finfo(dtype).eps
    for name, part in ((EIGH, np.tril), (EIGH_UPPER, np.triu)):
        whole = part(a) + np.swapaxes(part(a, -1 if part is np.tril else 1), -1, -2)
        vectors, values, answers = outputs_of(name, np.swapaxes(a, -1, -2))  # columns first
        v = np.swapaxes(vectors, -1, -2)
        assert not answers.any()
        assert np.all(np.diff(values) >= 0)
        np.testing.assert_allclose(whole @ v, v * values[:, None, :], atol=scale * n)
        np.testing.assert_allclose(np.swapaxes(v, -1, -2) @ v, np.broadcast_to(np.eye(n), a.shape), atol=scale)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(3, 3), (7, 2), (2, 7), (30, 41)])
def test_singular_vectors_and_values(shape, dtype):
    a = np.random.default_rng(sum(shape)).standard_normal((3, *shape)).astype(dtype)
    scale = 50 * max(shape) * np.finfo(dtype).eps
    _, values, left, right, answers = outputs_of(SVD, np.swapaxes(a, -1, -2))
    u, vt = np.swapaxes(left, -1, -2), np.swapaxes(right, -1, -2)
    assert not answers.any()
    np.testing.assert_allclose(u @ (values[..., None] * vt), a, atol=scale)
    for basis in (np.swapaxes(u, -1, -2) @ u, vt @ np.swapaxes(vt, -1, -2)):
        np.testing.assert_allclose(basis, np.broadcast_to(np.eye(min(shape)), basis.shape), atol=scale)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1, 1), (4, 4), (6, 2), (2, 6), (1, 5), (5, 1), (2, 33, 20)])
def test_qr_and_values_are_numpys(shape, dtype):
    a = np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)

    def f(a):
        square = a @ np.swapaxes(a, -1, -2)
        return (*np.linalg.qr(a), np.linalg.svd(a, compute_uv=False), np.linalg.eigvalsh(square))

    plan = NativePlan(wengert.trace(f)(a))
    assert not plan.fallen
    scale = 50 * max(shape) * np.finfo(dtype).eps
    for got, want in zip(plan.run([a]), f(a), strict=True):
        assert got.dtype == want.dtype and got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=scale, atol=scale * np.max(np.abs(want)))


def test_vectors_that_are_seen_are_numpys():
    a = np.random.default_rng(3).standard_normal((5, 5))
    plan = NativePlan(wengert.trace(lambda a: (*np.linalg.eigh(a @ a.T), *np.linalg.svd(np.sin(a) * a)))(a))
    assert plan.explain().count("signs LAPACK leaves open") + plan.explain().count("svd_full has no") == 2


@pytest.mark.parametrize("n", [3, 6])
def test_gradients_of_values_have_no_step_of_numpy(n):
    a = np.random.default_rng(n).standard_normal((n, n))

    def loss(a):
        square = a @ a.T
        weights = np.arange(1.0, n + 1)
        return np.sum(weights * np.linalg.eigvalsh(square)) + np.sum(weights * np.linalg.svd(a, compute_uv=False) ** 3)

    compiled = wengert.compile(wengert.grad(loss), backend="native")
    got = compiled(a)
    assert " 0 steps of NumPy" in compiled.explain(), compiled.explain()
    for point in (a, 1.5 * a):
        direction = np.random.default_rng(n + 1).standard_normal((n, n))
        slope = (loss(point + 1e-6 * direction) - loss(point - 1e-6 * direction)) / 2e-6
        got = compiled(point)
        assert np.isclose(np.sum(got * direction), slope, rtol=1e-6)
        np.testing.assert_allclose(got, wengert.grad(loss)(point), rtol=1e-8, atol=1e-9)


def test_gradients_of_qr():
    for shape in ((4, 4), (6, 3), (3, 5)):
        a = np.random.default_rng(sum(shape)).standard_normal(shape)

        def loss(a):
            q, r = np.linalg.qr(a)
            return np.sum(np.sin(q)) + np.sum(r * r * r)

        compiled = wengert.compile(wengert.grad(loss), backend="native")
        for point in (a, a * 0.7):
            np.testing.assert_allclose(compiled(point), wengert.grad(loss)(point), rtol=1e-8, atol=1e-9)
        assert " 0 steps of NumPy" in compiled.explain(), compiled.explain()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_not_finite_is_numpys():
    a = np.random.default_rng(4).standard_normal((4, 4))
    a = a + a.T
    broken = a.copy()
    broken[2, 1] = np.nan
    for f in (np.linalg.eigvalsh, lambda x: np.linalg.svd(x, compute_uv=False), lambda x: np.linalg.qr(x)[1]):
        compiled = wengert.compile(lambda x, f=f: f(x * 2.0), backend="native")
        compiled(a)
        try:
            want = f(broken * 2.0)
        except np.linalg.LinAlgError as error:
            with pytest.raises(np.linalg.LinAlgError, match=str(error)):
                compiled(broken)
        else:
            np.testing.assert_array_equal(compiled(broken), want)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (2, 6), (4, 1), (2, 7, 4)])
def test_pseudo_inverses_and_norms(shape):
    a = np.random.default_rng(sum(shape)).standard_normal(shape)

    def f(a):
        norms = [np.linalg.norm(a, order, axis=(-2, -1), keepdims=k) for order in (2, -2, "nuc") for k in (False, True)]
        return (np.linalg.pinv(a), *norms)

    plan = NativePlan(wengert.trace(f)(a))
    assert not plan.fallen
    flat = a.copy()
    flat[..., -1, :] = flat[..., 0, :]  # a row twice
    for point in (a, a * 1e-3, flat, np.zeros_like(a)):
        for got, want in zip(plan.run([point]), f(point), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


def test_gradients_of_pseudo_inverses():
    a = np.random.default_rng(8).standard_normal((5, 3))

    def loss(a):
        return np.sum(np.sin(np.linalg.pinv(a))) + np.linalg.norm(a, 2) + np.linalg.norm(a, "nuc")

    compiled = wengert.compile(wengert.grad(loss), backend="native")
    for point in (a, 0.8 * a):
        got = compiled(point)
        direction = np.random.default_rng(9).standard_normal(a.shape)
        slope = (loss(point + 1e-6 * direction) - loss(point - 1e-6 * direction)) / 2e-6
        assert np.isclose(np.sum(got * direction), slope, rtol=1e-6)
