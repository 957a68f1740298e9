"""Derivatives through slices: the programs read and write strips, and have the values of differences.

May import wengert's public API. Invariant: the reference is a complex step of gradients by complex differences of the
NumPy function itself, which knows nothing of forms.
"""

import numpy as np
import pytest

import wengert as wg

rng = np.random.default_rng(5)
N = 7
x = rng.uniform(0.4, 1.3, N)
A = rng.normal(size=(N, N))
X = rng.uniform(0.4, 1.3, (N, 4))
a = rng.uniform(0.4, 1.3, N)
VECTOR = {"x": "n", "a": "n", "A": ("n", "n")}


def differences(fun, at):
    """The Hessian by a complex step of central differences: eight digits."""
    flat = at.ravel()
    unit, h = np.eye(flat.size), 1e-5

    def slope(z, k):
        return np.imag(fun((z + 1e-30j * unit[k]).reshape(at.shape))) / 1e-30

    found = [
        [(slope(flat + h * unit[j], k) - slope(flat - h * unit[j], k)) / (2 * h) for j in range(flat.size)]
        for k in range(flat.size)
    ]
    return np.array(found).reshape(at.shape * 2)


def value(text, **names):
    return eval(text, {"np": np, "sum": np.sum, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, **vars(np), **names})


VECTORS = [
    "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "sum((x[1:] - x[:-1])**2)",
    "sum((x[2:] - 2*x[1:-1] + x[:-2])**2)",
    "x[1:] @ x[:-1]",
    "x[3:] @ x[:-3]",
    "x @ x[::-1]",
    "sum(exp(x[1:]*x[::-1][1:]))",
    "x[:3] @ A[:3, :3] @ x[:3]",
    "x[:-1] @ A[1:, 1:] @ x[1:]",
    "x[2:] @ A[2:, :-1] @ x[:-1]",
    "sum(sqrt(1 + (x[1:] - x[:-1])**2))",
    "exp(x[0]) + sum(x[1:]**4)",
    "x[0]*x[1]*x[2]",
    "exp(x[0]*x[-1])",
    "sum(log(1 + exp(A[:, 1:] @ x[1:])))",
    "log(sum(exp(x[1:] - a[:-1])))",
    "sum(x[1:])*sum(x[:-1]**2)",
    "sum(concatenate((x**2, a*x))**3)",
    "sum(stack((x, x**2, a))**2)",
    "sum(stack((x[1:], x[:-1]))[0]**3)",
    "sum(x**3) + (a[1:] @ x[1:])**2",
]
MATRICES = [
    "sum(X[:, :2]**3)",
    "sum((X[1:] - X[:-1])**2)",
    "sum((X[1:, 1:] - X[:-1, :-1])**3)",
    "sum(exp(X[:, 0]*X[:, 1]))",
    "sum((X[:3].T @ X[:3])**2)",
    "sum(X[1:] @ X[:-1].T)",
    "sum((A[:, 2:] @ X[2:])**2)",
]


@pytest.mark.parametrize("text", VECTORS)
def test_hessians_by_a_vector(text):
    form = wg.D(text, "x", 2, shapes=VECTOR)
    wanted = differences(lambda z: value(text, x=z, a=a, A=A), x)
    np.testing.assert_allclose(form.evaluate(x=x, a=a, A=A), wanted, rtol=1e-7, atol=1e-7)
    source = form.numpy_source()
    assert "np.eye" not in source and "[::-1]" * 2 not in source, source
    direction = rng.normal(size=N)
    np.testing.assert_allclose(form.operator(x=x, a=a, A=A) @ direction, wanted @ direction, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("text", MATRICES)
def test_hessians_by_a_matrix(text):
    form = wg.D(text, "X", 2, shapes={"X": ("n", "k"), "A": ("n", "n")})
    wanted = differences(lambda z: value(text, X=z, A=A), X)
    np.testing.assert_allclose(form.evaluate(X=X, A=A), wanted, rtol=1e-7, atol=1e-7)
    assert "np.eye" not in form.numpy_source(), form.numpy_source()


@pytest.mark.parametrize("text", [*VECTORS[:6], *VECTORS[10:12]])
@pytest.mark.parametrize("n", [3, 4, 9])
def test_short_axes(text, n):
    """Slices that nearly miss each other, or are empty."""
    at = rng.uniform(0.4, 1.3, n)
    form = wg.D(text, "x", 2, shapes=VECTOR)
    wanted = differences(lambda z: value(text, x=z), at)
    np.testing.assert_allclose(form.evaluate(x=at, a=at, A=np.ones((n, n))), wanted, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("text", ["sum((x[1:] - x[:-1]**2)**2)", "exp(x[0]) + sum(x[1:]**4)", "x[1:] @ x[:-1]"])
def test_gradients_and_jacobians_read_slices(text):
    gradient = wg.D(text, "x", shapes=VECTOR)
    wanted = [np.imag(value(text, x=x + 1e-30j * e)) / 1e-30 for e in np.eye(N)]
    np.testing.assert_allclose(gradient.evaluate(x=x), wanted, rtol=1e-12, atol=1e-12)
    assert "np.eye" not in gradient.numpy_source()
    inner = "exp(x[1:]*x[:-1])"
    found = wg.D(inner, "x", shapes=VECTOR).evaluate(x=x)
    rows = [np.imag(value(inner, x=x + 1e-30j * e)) / 1e-30 for e in np.eye(N)]
    np.testing.assert_allclose(found, np.stack(rows, axis=1), rtol=1e-12, atol=1e-12)


def test_fixed_sizes_and_steps():
    text = "sum(x[1::2]**3*x[:-1:2]) + x[::3] @ a[::3]**2"
    form = wg.D(text, "x", 2, shapes={"x": 8, "a": 8})
    at, b = rng.uniform(0.4, 1.3, 8), rng.normal(size=8)
    wanted = differences(lambda z: value(text, x=z, a=b), at)
    np.testing.assert_allclose(form.evaluate(x=at, a=b), wanted, rtol=1e-7, atol=1e-7)


def test_the_program_of_rosenbrock_writes_four_strips():
    source = wg.D(VECTORS[0], "x", 2, x="n").numpy_source()
    assert source.count("    flat[") == 4 and "@" not in source and "einsum" not in source


@pytest.mark.parametrize(
    "text",
    [
        "x @ A @ x + sum(x**3)",
        "sum(x**3) - x @ A.T @ x/2",
        "(a @ x)**2 + sum(exp(x[1:]))",
        "x @ A.T @ x[::-1] + sum(x**4)",
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_any_order_of_memory(text, order):
    form = wg.D(text, "x", 2, shapes=VECTOR)
    wanted = differences(lambda z: value(text, x=z, a=a, A=A), x)
    for B in (np.array(A, order=order), np.array(A.T, order=order).T, np.pad(A, 1)[1:-1, 1:-1]):
        np.testing.assert_allclose(form.evaluate(x=x, a=a, A=B), wanted, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(
            form.numpy()(**{n: {"x": x, "a": a, "A": B}[n] for n in form.free}), wanted, atol=1e-7
        )


def test_sizes_that_a_slice_does_not_fit_are_refused():
    form = wg.D("x[:2] @ x[1:3] + x[2]**2", "x", 2, x="n")
    assert form.evaluate(x=np.ones(3)).shape == (3, 3)
    with pytest.raises(wg.WengertError, match="[12]:3 of an axis of length 2"):
        form.evaluate(x=np.ones(2))
    with pytest.raises(wg.WengertError, match="1:3 of an axis of length 2"):
        wg.D("x[:2] @ x[1:3]", "x", 2, x="n").evaluate(x=np.ones(2))
    with pytest.raises(wg.WengertError, match="axis of length 1"):
        wg.D("sum(x[2:]**2)", "x", 2, x="n").evaluate(x=np.ones(1))


def test_numpy_code_with_slices_is_read_alike():
    def rosenbrock(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    form = wg.closed_form(rosenbrock, "x", order=2, shapes={"x": "n"})
    np.testing.assert_allclose(form.evaluate(x=x), differences(rosenbrock, x), rtol=1e-7, atol=1e-7)
    assert "np.eye" not in form.numpy_source()


def test_an_operator_through_slices_is_not_a_matrix():
    form = wg.D("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", "x", 2, x="n")
    n = 200_000  # 320 GB if it were dense
    at, v = rng.uniform(0.4, 1.3, n), rng.normal(size=n)
    wanted = np.zeros(n)  # by the definition: each term couples two neighbours
    wanted[:-1] += (1200 * at[:-1] ** 2 - 400 * at[1:] + 2) * v[:-1] - 400 * at[:-1] * v[1:]
    wanted[1:] += 200 * v[1:] - 400 * at[:-1] * v[:-1]
    for _ in range(2):
        np.testing.assert_allclose(form.operator(x=at) @ v, wanted, rtol=1e-10, atol=1e-9)
