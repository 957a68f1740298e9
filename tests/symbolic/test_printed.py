"""What is printed, letter by letter: the examples that the project promises, in every layout."""

import numpy as np
import pytest

import wengert as wg

LEAST_SQUARES = {"X": ("m", "n"), "w": "n", "y": "m"}
U = {"a": "n", "b": "n", "u": "n", "A": ("n", "n"), "k": ()}


@pytest.mark.parametrize(
    ("text", "wrt", "order", "shapes", "printed"),
    [
        ("4*x**3 + x**2 + 3", "x", 1, {}, "12x² + 2x"),
        ("(X @ w - y) @ (X @ w - y)", "w", 1, LEAST_SQUARES, "2 Xᵀ(Xw − y)"),
        ("(X @ w - y) @ (X @ w - y)", "w", 2, LEAST_SQUARES, "2XᵀX"),
        ("mean((X @ w - y)**2)", "w", 1, LEAST_SQUARES, "2 Xᵀ(Xw − y) / m"),
        ("log(sum(exp(u)))", "u", 1, U, "softmax(u)"),
        ("logdet(A)", "A", 1, U, "A⁻ᵀ"),
        ("det(A)", "A", 1, U, "det(A) A⁻ᵀ"),
        ("trace(inv(A))", "A", 1, U, "−(Aᵀ)⁻²"),
        ("u @ A @ u", "u", 1, U, "(A + Aᵀ)u"),
        ("u @ A @ u", "u", 2, U, "A + Aᵀ"),
        ("a @ tanh(A @ u)", "u", 1, U, "Aᵀ(a ⊙ (1 − tanh(Au)²))"),
        ("a @ tanh(A @ u)", "u", 2, U, "−2 Aᵀ diag(a ⊙ h ⊙ (1 − h²)) A, where h = tanh(Au)"),
    ],
)
def test_textbook_forms_print_as_written(text, wrt, order, shapes, printed):
    assert str(wg.D(text, wrt, order, **shapes)) == printed


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a @ b", "0ᵀ"),
        ("k*u", "kI"),
        ("a @ u", "aᵀ"),
        ("sum(u)", "1ᵀ"),
        ("norm(u)**2", "2uᵀ"),
        ("A @ u", "A"),
        ("u @ A", "Aᵀ"),
    ],
)
def test_the_vector_table_in_numerator_layout(text, printed):
    assert str(wg.D(text, "u", layout="numerator", **U)) == printed


def test_one_observation_and_all_of_them_in_numerator_layout():
    one = wg.D("(x @ w - y)**2", "w", layout="numerator", x="n", w="n", y=())
    assert str(one) == "2(⟨x,w⟩ − y)xᵀ"
    assert one.shape == (1, "n")
    every = wg.D("norm2(X*w - y)^2", "w", layout="numerator", syntax="hand", **LEAST_SQUARES)
    assert str(every) == "2(Xw − y)ᵀX"
    assert every.shape == (1, "n")


SCALAR_VECTOR_MATRIX = {
    "s": (),
    "x": "n",
    "X": ("n", "k"),
    "p": "m",
    "q": "l",
    "P": ("m", "l"),
    "A": ("m", "n"),
    "B": ("k", "l"),
}
BY = {"scalar": "s", "vector": "x", "matrix": "X"}
OUT = {
    ("scalar", "scalar"): ("s**2", (), ()),
    ("scalar", "vector"): ("x @ x", (1, "n"), ("n", 1)),
    ("scalar", "matrix"): ("sum(X**2)", ("k", "n"), ("n", "k")),
    ("vector", "scalar"): ("s*p", ("m", 1), (1, "m")),
    ("vector", "vector"): ("A @ x", ("m", "n"), ("n", "m")),
    ("vector", "matrix"): ("A @ X @ (B @ q)", ("m", "k", "n"), ("n", "k", "m")),
    ("matrix", "scalar"): ("s*P", ("m", "l"), ("l", "m")),
    ("matrix", "vector"): ("outer(A @ x, q)", ("m", "l", "n"), ("n", "l", "m")),
    ("matrix", "matrix"): ("A @ X @ B", ("m", "l", "k", "n"), ("n", "k", "l", "m")),
}


@pytest.mark.parametrize("cell", list(OUT))
def test_all_nine_cells_of_the_layout_table(cell):
    text, numerator, denominator = OUT[cell]
    by = BY[cell[1]]
    shapes = SCALAR_VECTOR_MATRIX
    assert wg.D(text, by, layout="numerator", **shapes).shape == numerator
    assert wg.D(text, by, layout="denominator", **shapes).shape == denominator
    rng = np.random.default_rng(0)
    sizes = {"m": 2, "n": 3, "k": 4, "l": 5}
    values = {
        n: rng.normal(size=tuple(sizes[d] for d in (s if isinstance(s, tuple) else (s,)))) for n, s in shapes.items()
    }
    plain = wg.D(text, by, **shapes).evaluate(**values)
    over = wg.D(text, by, layout="numerator", **shapes).evaluate(**values)
    under = wg.D(text, by, layout="denominator", **shapes).evaluate(**values)
    inputs = np.ndim(values[by])
    outputs = np.ndim(plain) - inputs
    reversed_inputs = np.transpose(plain, (*range(outputs), *reversed(range(outputs, outputs + inputs))))
    np.testing.assert_allclose(np.ravel(over), np.ravel(reversed_inputs), rtol=1e-12)
    np.testing.assert_allclose(np.squeeze(under), np.squeeze(over).T, rtol=1e-12)


def test_gradient_layout_has_the_shape_of_the_variable_and_refuses_vectors():
    assert wg.D("sum(X**2)", "X", layout="gradient", X=("n", "k")).shape == ("n", "k")
    with pytest.raises(wg.WengertError, match="gradient"):
        wg.D("X @ x", "x", layout="gradient", X=("n", "n"), x="n")


def test_the_chain_rule_is_written_out_with_its_shapes():
    lines = wg.D("norm(X @ w - y)**2", "w", **LEAST_SQUARES).chain().splitlines()
    assert lines[0] == "a = Xw, b = a − y, z = ‖b‖²"
    assert lines[1] == "∂z/∂w = ∂z/∂b ∂b/∂a ∂a/∂w"
    assert lines[2] == "(1,n) = (1,m)(m,m)(m,n)"
    assert lines[3:6] == ["∂z/∂b = 2bᵀ", "∂b/∂a = I", "∂a/∂w = X"]
    assert lines[6] == "∂z/∂w_i = Σ_kj ∂z/∂b_k ∂b_k/∂a_j ∂a_j/∂w_i"
    one = wg.D("exp(x @ w)", "w", x="n", w="n").chain()
    assert "(1,n) = (1,1)(1,n)" in one
    assert wg.D("W @ X", "W", W=("m", "n"), X=("n", "k")).chain() == "∂D_kl/∂W_ij = δ_ki x_jl"


def test_results_of_fourth_order_carry_a_legend():
    hessian = wg.D("norm(T - U @ V.T)**2", "U", 2, T=("m", "n"), U=("m", "k"), V=("n", "k"))
    assert str(hessian) == "D_ijkl = 2 δ_ik (VᵀV)_jl   (i, k: m; j, l: k)"
    assert hessian.shape == ("m", "k", "m", "k")
    assert hessian.latex() == r"D_{ijkl} = 2 \delta_{ik} \left(V^\top V\right)_{jl}"


def test_latex_mathml_and_numpy_of_one_form():
    form = wg.D("(X @ w - y) @ (X @ w - y)", "w", **LEAST_SQUARES)
    assert form.latex() == r"2 X^\top \left(X w - y\right)"
    assert form.numpy_expression() == "2 * (X.T @ (X @ w - y))"
    assert form.shape == ("n",)
    from xml.etree import ElementTree

    assert ElementTree.fromstring(form.mathml()).tag.endswith("math")
    space = {}
    exec(form.numpy_source(), space)
    rng = np.random.default_rng(1)
    X, w, y = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=5)
    want = 2 * X.T @ (X @ w - y)
    np.testing.assert_allclose(space["derivative"](X, w, y), want, rtol=1e-12)
    np.testing.assert_allclose(form.evaluate(X=X, w=w, y=y), want, rtol=1e-12)
    np.testing.assert_allclose(form.numpy()(X, w, y), want, rtol=1e-12)


def test_declared_symmetry_is_used():
    n = wg.dims("n")
    A, x = wg.var("A", (n, n), symmetric=True), wg.var("x", n)
    assert str(wg.D(x @ A @ x, x)) == "2Ax"
    assert str(wg.D(x @ A @ x, x, 2)) == "2A"


def test_abstract_functions_print_the_rule_tables():
    x = wg.var("x", "n")
    u, v = wg.function("u", (), of=x), wg.function("v", (), of=x)
    assert str(wg.D(u + v, x)) == "∂u/∂x + ∂v/∂x"
    assert str(wg.D(u * v, x)) in {"u(x) ∂v/∂x + v(x) ∂u/∂x", "v(x) ∂u/∂x + u(x) ∂v/∂x"}


def test_differences_keep_their_signs_whatever_was_derived_before():
    shapes = {"X": ("m", "n"), "w": "n", "y": "m"}
    first = wg.D("sum((y - X @ w)**2)", "w", **shapes)
    second = wg.D("norm(X @ w - y)**2 + sum(w)", "w", **shapes)
    third = wg.D("sum((y - X @ w)**2)", "w", **shapes)
    assert (str(first), str(second), str(third)) == ("−2 Xᵀ(y − Xw)", "2 Xᵀ(Xw − y) + 1", "−2 Xᵀ(y − Xw)")


EVERYDAY = [
    ("x[0]*x[1]", "x", {"x": "n"}, "x_1 e_0 + x_0 e_1", "x[1] * np.eye(x.shape[0])[0] + x[0] * np.eye(x.shape[0])[1]"),
    ("A[0, 1]*x[2]", "x", {"x": "n", "A": ("n", "n")}, "A_01 e_2", "A[0, 1] * np.eye(x.shape[0])[2]"),
    ("norm(A @ x)", "x", {"x": "n", "A": ("m", "n")}, "AᵀAx/‖Ax‖", "A.T @ (A @ x) / np.linalg.norm(A @ x)"),
    ("sum(where(x > 0, x**2, 0))", "x", {"x": "n"}, "{2x if x > 0; 0 otherwise}", "np.where(x > 0, 2 * x, 0.0)"),
    ("sum((x[:, None] - b[None, :])**3)", "x", {"x": "n", "b": "m"}, "3(x1ᵀ − 1bᵀ)∘² 1",
     "3 * np.sum((x[:, None] - b)**2, axis=1)"),
    ("cumsum(x) @ b", "x", {"x": "n", "b": "n"}, "tri(n)ᵀ b", "np.cumsum(b[::-1], axis=0)[::-1]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "shapes", "printed", "program"), EVERYDAY)
def test_everyday_forms_read_as_a_person_writes_them(text, wrt, shapes, printed, program):
    form = wg.D(text, wrt, **shapes)
    assert (str(form), form.numpy_expression()) == (printed, program)
