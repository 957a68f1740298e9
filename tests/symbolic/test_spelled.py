"""Small things that a reader notices: signs, shares, orthogonal matrices, rows of sums, entries, and hostile numbers.

May import wengert's public API. Invariant: the text is what a textbook writes, and its value that of differences.
"""

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(5)
PRINTED = [
    ("log(abs(x))", "x", None, 1, "1/x"),
    ("log(abs(x))", "x", None, 2, "−1/x²"),
    ("x*abs(x)", "x", None, 1, "2|x|"),
    ("abs(x)**3", "x", None, 2, "6|x|"),
    ("x**-2", "x", None, 1, "−2/x³"),
    ("log2(x)", "x", None, 1, "1/(log(2) x)"),
    ("exp2(x)", "x", None, 1, "log(2) 2^x"),
    ("sum(softmax(x))*(a @ x)", "x", {"x": "n", "a": "n"}, 1, "a"),
    ("sum(softmax(X, axis=1)*1)*sum(X)", "X", {"X": ("m", "n")}, 1, "m 11ᵀ"),
    ("sum(logaddexp(x, a))", "x", {"x": "n", "a": "n"}, 1, "σ(x − a)"),
    ("sum(cumsum(x)**2)", "x", {"x": "n"}, 1, "2 tri(n)ᵀ tri(n) x"),
    ("sum(tril(A)**2)", "A", {"A": ("n", "n")}, 1, "2 tril(A)"),
    ("sum(triu(A, 1)**2)", "A", {"A": ("n", "n")}, 1, "2 triu(A, 1)"),
    ("sum(relu(X @ w)**2)", "w", {"X": ("m", "n"), "w": "n"}, 2, "2 Xᵀ diag(𝟙(Xw)) X"),
    ("sum(relu(X @ w)**2)", "w", {"X": ("m", "n"), "w": "n"}, 1, "2 Xᵀ relu(Xw)"),
    ("sum(maximum(X @ w, 0)**2)", "w", {"X": ("m", "n"), "w": "n"}, 1, "2 Xᵀ max(Xw, 0)"),
    ("sum(log(cosh(X @ w - y)))", "w", {"X": ("m", "n"), "w": "n", "y": "m"}, 1, "Xᵀ tanh(Xw − y)"),
    ("a @ inv(X) @ b", "X", {"X": ("n", "n"), "a": "n", "b": "n"}, 2,
     "D_ijkl = (X⁻¹)_jk (X⁻ᵀa)_i (X⁻¹b)_l + (X⁻ᵀa)_k (X⁻¹b)_j (X⁻¹)_li   (i, j, k, l: n)"),
    ("x @ triu(A) @ x", "x", {"A": ("n", "n"), "x": "n"}, 1, "(triu(A) + triu(A)ᵀ)x"),
    ("prod(x)", "x", {"x": "n"}, 1, "prod(x) (1 ⊘ x)"),
    ("tanh(W @ x)", "x", {"W": ("k", "n"), "x": "n"}, 2,
     "D_kij = −2 W_ki h_k (1 − h_k²) W_kj   (k: k; i, j: n), where h = tanh(Wx)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wrt", "shapes", "order", "printed"), PRINTED)
def test_forms_print_as_a_person_writes_them(text, wrt, shapes, order, printed):
    assert str(wg.D(text, wrt, order, shapes=shapes)) == printed


def test_an_orthogonal_matrix_cancels_its_transpose():
    n = wg.dims("n")
    Q, x, A = wg.var("Q", (n, n), orthogonal=True), wg.var("x", n), wg.var("A", (n, n))
    assert str(wg.D((Q @ x) @ (Q @ x), x)) == "2x"
    assert str(wg.D((Q.T @ x) @ (Q.T @ x), x, 2)) == "2I"
    assert str(wg.D(np.exp((Q @ x) @ (Q @ x)), x)) == "2 exp(‖x‖²) x"
    assert str(wg.D(np.trace(Q.T @ Q @ A), A)) == "I"
    assert str(wg.D(np.trace(Q.T @ Q), Q)) == "2Q"  # by Q itself nothing is taken for granted
    q = np.linalg.qr(RNG.normal(size=(3, 3)))[0]
    point = np.array([0.3, -1.0, 0.5])
    np.testing.assert_allclose(wg.D((Q @ x) @ (Q @ x), x).evaluate(Q=q, x=point), 2 * point)


def test_rows_of_sums_are_written_without_brackets():
    form = wg.D("norm(X @ w - y)**2 + lam*(w @ w)", "w", layout="numerator", X=("m", "n"), w="n", y="m", lam=())
    assert str(form) == "2((Xw − y)ᵀX + λwᵀ)"
    x = wg.var("x", "n")
    u, v = wg.function("u", "m", of=x), wg.function("v", "m", of=x)
    assert str(wg.D(u @ v, x, layout="numerator")) == "v(x)ᵀ ∂u/∂x + u(x)ᵀ ∂v/∂x"


def test_conditions_speak_of_variables_only():
    assert wg.D("log2(x)", "x").conditions == ["x > 0"]
    assert wg.D("2**x", "x").conditions == []


@pytest.mark.parametrize(
    ("text", "syntax", "said", "column"),
    [
        ("∫ x", "numpy", "an integral is not what this tool does", 1),
        ("x + ∫x", "hand", "an integral is not what this tool does", 5),
        ("x = 3", "numpy", "solving an equation is not what this tool does", 3),
        ("x*y = 3", "hand", "solving an equation is not what this tool does", 5),
        ("1e999*x", "numpy", "no finite real number", 1),
        ("np.foo.exp(x)", "numpy", "unknown function foo.exp", 1),
        ("np.os.system(x)", "numpy", "unknown function os.system", 1),
        ("cumsums(x)", "numpy", "unknown function cumsums", 1),
        ("x.fill(0)", "numpy", "unknown function fill", 1),
        ("repeat(x, 10**9)", "numpy", "entries", 1),
        ("ones(10**9) @ ones(10**9) * x", "numpy", "entries", 1),
        ("sum(eye(10**6)) * x", "numpy", "entries", 5),
        ("repeat(repeat(y, 9000), 9000)", "numpy", "entries", 1),
        ("x ⊗", "hand", "the formula ends", 4),
    ],
)
def test_what_cannot_be_read_is_refused_by_name_and_place(text, syntax, said, column):
    with pytest.raises(ValueError, match="column") as caught:
        wg.D(text, "x", syntax=syntax, x=(), y="n")
    assert said in str(caught.value)
    assert caught.value.column == column


def test_a_misspelt_word_is_guessed():
    with pytest.raises(ValueError, match="is cumsum meant"):
        wg.D("cumsums(x)", "x", x="n")


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("A ⊗ B", {"A": ("n", "n"), "B": ("m", "m")}),
        ("tr(A⊗B)", {"A": ("n", "n"), "B": ("m", "m")}),
        ("norm2((A⊗B)*x)^2", {"A": ("n", "n"), "B": ("m", "m"), "x": "n*m"}),
        ("a ⊗ b", {"a": "n", "b": "m"}),
        ("a ⊗ b'", {"a": "n", "b": "m"}),
        ("2 ⊗ a", {"a": "n"}),
    ],
)
def test_kronecker_products_are_read_by_hand(text, shapes):
    sizes = {"n": 3, "m": 2, "n*m": 6}
    values = {
        k: RNG.normal(size=tuple(sizes[d] for d in ((s,) if isinstance(s, str) else s))) for k, s in shapes.items()
    }
    wanted = {
        "A ⊗ B": lambda A, B: np.kron(A, B),
        "tr(A⊗B)": lambda A, B: np.trace(np.kron(A, B)),
        "norm2((A⊗B)*x)^2": lambda A, B, x: np.sum((np.kron(A, B) @ x) ** 2),
        "a ⊗ b": lambda a, b: np.kron(a, b),
        "a ⊗ b'": lambda a, b: np.outer(a, b),
        "2 ⊗ a": lambda a: 2 * a,
    }[text]
    np.testing.assert_allclose(wg.parse(text, "hand", **shapes).evaluate(**values), wanted(**values), rtol=1e-13)
    name = next(iter(shapes))
    form = wg.D(text, name, syntax="hand", **shapes)
    along = RNG.normal(size=values[name].shape)
    moved = (wanted(**{**values, name: values[name] + 1e-30j * along}) / 1e-30).imag
    found = np.tensordot(form.evaluate(**{n: values[n] for n in form.free}), along, along.ndim)
    np.testing.assert_allclose(found, moved, rtol=1e-12, atol=1e-12)


def test_the_step_of_a_printed_form_is_read_back():
    form = wg.D("sum(relu(x)*a)", "x", x="n", a="n")
    assert str(form) == "a ⊙ 𝟙(x)"
    found = wg.parse(str(form), "hand", x="n", a="n").evaluate(x=[-1.0, 2.0, 0.0], a=[3.0, 4.0, 5.0])
    np.testing.assert_array_equal(found, [0.0, 4.0, 0.0])
    assert wg.parse("tn + 2nt", "hand", t=(), x="n").evaluate(t=0.5, n=3) == 4.5
    largest = wg.parse("max(x, 0) + min(x, a)", "hand", x="n", a="n").evaluate(x=[-1.0, 2.0], a=[0.5, 1.0])
    np.testing.assert_array_equal(largest, [-1.0, 3.0])
    rows = wg.parse("max(X, axis=1)", "hand", X=("m", "n")).evaluate(X=[[1.0, 2.0], [4.0, 3.0]])
    np.testing.assert_array_equal(rows, [2.0, 4.0])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1ᵀx", lambda A, x: np.sum(x)),
        ("2 1ᵀAx", lambda A, x: 2 * np.sum(A @ x)),
        ("1'*A*x", lambda A, x: np.sum(A @ x)),
        ("(1ᵀA)ᵀ", lambda A, x: np.sum(A, axis=0)),
        ("x'x 1ᵀ(x + x)", lambda A, x: 2 * np.sum(x) * (x @ x)),
        ("log det A", lambda A, x: np.log(np.linalg.det(A))),
        ("log det(A) + x'x", lambda A, x: np.log(np.linalg.det(A)) + x @ x),
        ("ln det Aᵀ", lambda A, x: np.log(np.linalg.det(A))),
        ("|x|", lambda A, x: np.abs(x)),
        ("‖x‖₁", lambda A, x: np.sum(np.abs(x))),
        ("2‖x‖₁² + 1", lambda A, x: 2 * np.sum(np.abs(x)) ** 2 + 1),
    ],
)
def test_ones_and_determinants_are_read_by_hand(text, wanted):
    values = {"A": np.array([[2.0, 0.5], [-0.25, 1.5]]), "x": np.array([0.75, -2.0])}
    read = wg.parse(text, "hand", A=("n", "n"), x="n")
    found = read.evaluate(**{n: values[n] for n in read.graph.signature.names})
    np.testing.assert_allclose(found, wanted(**values), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x₁", "a subscript stands at norms only"),
        ("x₁ᵀx", "a subscript stands at norms only"),
        ("11ᵀx", "whose size is not known"),
        ("2ᵀx", "whose size is not known"),
        ("x + 1ᵀ", "1ᵀ stands before what it sums"),
        ("1ᵀ t", "1ᵀ sums a column or a matrix"),
        ("|A|", "two readings"),
    ],
)
def test_what_would_be_misread_by_hand_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        wg.parse(text, "hand", A=("n", "n"), x="n", t=())
