"""Hessians as operators: products and Newton steps without the dense tensor.

May import wengert's public API and SciPy. Invariant: products are compared with differences of gradients written by
hand, solutions with NumPy's solve of the evaluated dense Hessian.
"""

import numpy as np
import pytest

import wengert as wg

SIZES = {"m": 5, "n": 4, "k": 3}
CASES = [
    ("sum((T - U @ V.T)**2)", "U", {"T": ("m", "n"), "U": ("m", "k"), "V": ("n", "k")}, (0,)),
    ("sum(x**3)", "x", {"x": "n"}, (0,)),
    ("sum(log(1 + exp(X @ w))) + w @ w", "w", {"X": ("m", "n"), "w": "n"}, ()),
    ("sum(exp(A) * A)", "A", {"A": ("m", "n")}, (0, 1)),
    ("x @ x", "x", {"x": "n"}, (0,)),
    ("x**3", "x", {"x": ()}, ()),
    ("sum(U**2) + sum((U @ V)**2)", "U", {"U": ("m", "k"), "V": ("k", "k")}, (0,)),
    ("sum((A @ U)**2) + sum(U**2)", "U", {"U": ("m", "k"), "A": ("m", "m")}, (1,)),
    ("sum(x**2) + (a @ x)**2", "x", {"x": "n", "a": "n"}, ()),
]


def values_of(shapes, seed=3):
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=tuple(SIZES[d] for d in ((s,) if isinstance(s, str) else s))) for n, s in shapes.items()}


@pytest.mark.parametrize(("text", "wrt", "shapes", "pattern"), CASES)
def test_products_are_differences_of_the_gradient(text, wrt, shapes, pattern):
    values = values_of(shapes)
    hessian = wg.D(text, wrt, order=2, shapes=shapes).operator(**values)
    assert hessian.pattern == pattern
    formula = wg.parse(text, **shapes)
    direction = np.random.default_rng(1).normal(size=np.shape(values[wrt]))

    def value(s, t):
        step = np.eye(direction.size).reshape(-1, *direction.shape)
        at = [values[wrt] + s * e + t * direction for e in step]
        return np.array([formula.evaluate(**{**values, wrt: x}) for x in at]).reshape(direction.shape)

    h = 1e-3
    wanted = (value(h, h) - value(h, -h) - value(-h, h) + value(-h, -h)) / (4 * h * h)
    np.testing.assert_allclose(hessian @ direction, wanted, atol=1e-4 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize(("text", "wrt", "shapes", "pattern"), CASES)
def test_solutions_are_those_of_the_dense_hessian(text, wrt, shapes, pattern):
    values = values_of(shapes)
    form = wg.D(text, wrt, order=2, shapes=shapes)
    hessian = form.operator(**values)
    n = hessian.shape[0]
    right = np.random.default_rng(2).normal(size=np.shape(values[wrt]))
    dense = np.reshape(form.evaluate(**values), (n, n))
    wanted = np.linalg.solve(dense, np.reshape(right, n)).reshape(np.shape(right))
    np.testing.assert_allclose(hessian.solve(right), wanted, rtol=1e-9)
    np.testing.assert_allclose(np.reshape(hessian.dense(), (n, n)), dense, rtol=1e-12)


def test_only_the_blocks_are_formed():
    form = wg.D("sum((T - U @ V.T)**2)", "U", order=2, T=("m", "n"), U=("m", "k"), V=("n", "k"))
    rng = np.random.default_rng(0)
    U, V, T = rng.normal(size=(3000, 5)), rng.normal(size=(20, 5)), rng.normal(size=(3000, 20))
    hessian = form.operator(T=T, U=U, V=V)
    assert hessian.shape == (15000, 15000)  # 1.8 GB if it were dense
    assert hessian.core.size == 3000 * 25
    right = rng.normal(size=U.shape)
    np.testing.assert_allclose(hessian.solve(right), np.linalg.solve(2 * V.T @ V, right.T).T, rtol=1e-9)


def test_scipys_solvers_take_it():
    linalg = pytest.importorskip("scipy.sparse.linalg")
    form = wg.D("sum(log(1 + exp(X @ w))) + w @ w", "w", order=2, X=("m", "n"), w="n")
    values = values_of({"X": ("m", "n"), "w": "n"})
    hessian = form.operator(**values)
    right = np.arange(4.0)
    found, status = linalg.cg(linalg.aslinearoperator(hessian), right, rtol=1e-12)
    assert status == 0
    np.testing.assert_allclose(form.evaluate(**values) @ found, right, rtol=1e-8, atol=1e-10)


def test_bad_input_is_refused():
    form = wg.D("sum(x**3)", "x", order=2, x="n")
    hessian = form.operator(x=np.ones(3))
    with pytest.raises(wg.WengertError, match=r"vector of shape \(2,\)"):
        hessian @ np.ones(2)
    with pytest.raises(wg.WengertError, match=r"right-hand side of shape \(4,\)"):
        hessian.solve(np.ones(4))
    with pytest.raises(wg.WengertError, match="second derivative"):
        wg.D("sum(x**3)", "x", x="n").operator(x=np.ones(3))
    with pytest.raises(np.linalg.LinAlgError):
        form.operator(x=np.array([1.0, 0.0])).solve(np.ones(2))
    with pytest.raises(wg.WengertError, match="no value for x"):
        form.operator()
