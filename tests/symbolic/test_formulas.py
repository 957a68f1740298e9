"""Reading formulas: both syntaxes, what is ambiguous, what is hostile; refusals name a column, nothing is executed."""

import sys

import numpy as np
import pytest

import wengert as wg

S = {"X": ("m", "n"), "w": "n", "y": "m", "v": "n", "A": ("n", "n"), "lam": ()}
RNG = np.random.default_rng(0)
VALUES = {
    "X": RNG.normal(size=(4, 3)),
    "w": RNG.normal(size=3),
    "y": RNG.normal(size=4),
    "v": RNG.normal(size=3),
    "A": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "lam": 0.3,
}


@pytest.mark.parametrize(
    ("hand", "numpy"),
    [
        ("norm2(X*w - y)^2", "np.linalg.norm(X @ w - y)**2"),
        ("‖Xw − y‖²", "np.linalg.norm(X @ w - y)**2"),
        ("w'*A*w", "w @ A @ w"),
        ("wᵀAw + lam*norm2(w)^2", "w @ A @ w + lam * np.linalg.norm(w)**2"),
        ("tr(A'*A)", "np.trace(A.T @ A)"),
        ("log(det(A'*A))", "np.log(np.linalg.det(A.T @ A))"),
        ("logdet(A'*A)", "np.linalg.slogdet(A.T @ A)[1]"),
        ("sum(w ⊙ v)", "np.sum(w * v)"),
        ("w'*v", "w @ v"),
        ("⟨w, v⟩", "w @ v"),
        ("sum(w .* v ./ (v .^ 2 + v.^4))", "np.sum(w * v / (v**2 + v**4))"),
        ("w*v'", "np.outer(w, v)"),
        ("A^2*w", "A @ A @ w"),
        ("A⁻¹w", "np.linalg.inv(A) @ w"),
        ("inv(A)*w", "np.linalg.solve(A, w)"),
        ("-w'*v/2", "-(w @ v) / 2"),
        ("|lam| exp(-lam^2)", "np.abs(lam) * np.exp(-lam**2)"),
        ("sum(log(1 + exp(-y ⊙ (X*w))))", "np.sum(np.log(1 + np.exp(-y * (X @ w))))"),
        ("2 Xᵀ(Xw − y)", "2 * X.T @ (X @ w - y)"),
        ("diag(w)*v", "np.diag(w) @ v"),
        ("norm1(w)", "np.sum(np.abs(w))"),
        ("sum(w)/n", "np.mean(w)"),
        ("2^-1*lam", "lam / 2"),
        ("-lam^2", "-lam**2"),
        ("√(w'*w)", "np.linalg.norm(w)"),
    ],
)
def test_hand_notation_means_what_numpy_computes(hand, numpy):
    want = eval(numpy, {"np": np, **VALUES})
    found = wg.parse(hand, "hand", **S)
    np.testing.assert_allclose(found.evaluate(**VALUES), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "syntax", "what", "column"),
    [
        ("X @ z", "numpy", "unknown name z", 5),
        ("X @ y", "numpy", "is not", 3),
        ("w + y", "numpy", "do not go together", 3),
        ("foo(w)", "numpy", "unknown function foo", 1),
        ("(w + v", "numpy", "never closed", 1),
        ("w ^ 2", "numpy", "no power in NumPy syntax", 3),
        ("w @ w +", "numpy", "no formula", None),
        ("__import__('os').system('true')", "numpy", "unknown function", None),
        ("w.__class__", "numpy", "cannot stand", 1),
        ("lambda: w", "numpy", "lambda", 1),
        ("[w for w in v]", "numpy", "comprehension", 1),
        ("w if lam else v", "numpy", "no closed form", 1),
        ("integrate(w)", "numpy", "integral", 1),
        ("1/0", "numpy", "zero", None),
        ("9**9**9**9", "numpy", "large", None),
        ("'a'*3", "numpy", "needs numbers", 1),
        ("w*v", "hand", "two readings", 2),
        ("w^2", "hand", "two readings", 2),
        ("w/v", "hand", "two readings", 2),
        ("w*A", "hand", "does not conform", 2),
        ("X*y", "hand", "is not", 2),
        ("(w + v", "hand", "not closed", 7),
        ("w + v)", "hand", "never opened", 6),
        ("w + ", "hand", "ends where", 5),
        ("q*w", "hand", "unknown name q", 1),
        ("w $ v", "hand", "cannot stand", 3),
        ("integral(w)", "hand", "integral", 1),
        ("w + A", "hand", "cannot be added", 3),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_column(text, syntax, what, column):
    with pytest.raises(ValueError, match=what) as caught:
        wg.parse(text, syntax, **S)
    assert isinstance(caught.value, wg.WengertError)
    if column is not None:
        assert caught.value.column == column


@pytest.mark.parametrize("syntax", ["numpy", "hand"])
@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "w" + ")" * 10_000,
        "w" * 3_000_000,
        "-" * 50_000 + "lam",
        "lam+" * 4_000 + "lam",
        "lam**" * 500 + "2",
        "",
        "   ",
        "\x00",
        "w\n+v)",
        "1e999",
        "𝕏",
        "lam" + "'" * 4000,
        "exp(" * 60 + "lam" + ")" * 60,
        "'" * 100,
        "w[",
        "0x1F",
        "1_000*lam",
        "...",
    ],
)
def test_hostile_text_neither_crashes_nor_executes(text, syntax):
    before = sys.getrecursionlimit()
    try:
        found = wg.parse(text, syntax, **S)
    except wg.WengertError:
        pass
    else:
        assert found.shape is not None
    assert sys.getrecursionlimit() == before


def test_a_variable_that_does_not_occur_is_named():
    with pytest.raises(wg.WengertError, match="the variable q does not occur"):
        wg.D("w @ w", "q", **S)
    assert str(wg.D("lam**2", "w", **S)) == "0"


def test_options_are_checked():
    with pytest.raises(wg.WengertError, match="order"):
        wg.D("w @ w", "w", 0, **S)
    with pytest.raises(wg.WengertError, match="layout"):
        wg.D("w @ w", "w", layout="columns", **S)
    with pytest.raises(wg.WengertError, match="syntax"):
        wg.D("w @ w", "w", syntax="tex", **S)
    with pytest.raises(wg.WengertError, match="unknown fact"):
        wg.var("A", ("n", "n"), hermitian=True)
    with pytest.raises(wg.WengertError, match="square"):
        wg.var("A", ("n", "m"), symmetric=True)


def test_operators_and_numpy_functions_on_variables_build_the_formula():
    m, n = wg.dims("m n")
    X, w, y = wg.var("X", (m, n)), wg.var("w", n), wg.var("y", m)
    loss = np.sum(np.log(1 + np.exp(-y * (X @ w)))) + 0.5 * np.linalg.norm(w) ** 2
    values = {k: VALUES[k] for k in "Xwy"}
    want = np.sum(np.log(1 + np.exp(-values["y"] * (values["X"] @ values["w"])))) + 0.5 * values["w"] @ values["w"]
    np.testing.assert_allclose(loss.evaluate(**values), want, rtol=1e-13)
    traced = wg.grad(
        lambda w: np.sum(np.log(1 + np.exp(-values["y"] * (values["X"] @ w)))) + 0.5 * np.linalg.norm(w) ** 2
    )(values["w"])
    np.testing.assert_allclose(loss.grad("w", **values), traced, rtol=1e-12)
    np.testing.assert_allclose(wg.D(loss, w).evaluate(**values), traced, rtol=1e-12)
    direction = np.array([0.3, -0.2, 0.5])
    np.testing.assert_allclose(loss.jvp({"w": direction}, **values), traced @ direction, rtol=1e-12)
    np.testing.assert_allclose(
        np.tanh(X @ w).vjp(values["y"], "w", **values),
        wg.grad(lambda w: values["y"] @ np.tanh(values["X"] @ w))(values["w"]),
        rtol=1e-12,
    )
    with pytest.raises(wg.WengertError, match="truth value"):
        bool(loss > 0)
    with pytest.raises(wg.WengertError, match="no array"):
        np.asarray(loss)
