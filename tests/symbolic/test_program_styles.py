"""Programs in other words than the printed ones: for a compiler, and for few calls of NumPy.

May import wengert's public API, the styles and what they are made of. Invariant: references are automatic Hessians, or
NumPy's own functions.
"""

import re

import numpy as np
import pytest

import wengert as wg
from wengert.symbolic import runner
from wengert.symbolic.code_contractions import LETTERS, contraction
from wengert.symbolic.code_kernels import KERNELS, diagonal, weighted_gram
from wengert.symbolic.dense_quick import halves
from wengert.symbolic.recover import form_of
from wengert.symbolic.runner import Runner

rng = np.random.default_rng(11)
VECTOR = {"x": "n", "a": "n", "A": ("n", "n")}
MODEL = {"X": ("m", "n"), "w": "n", "y": "m"}
MATRIX = {"X": ("m", "n"), "W": ("n", "k"), "Y": ("m", "k")}
FORMULAS = [
    ("np.linalg.norm(x)**3 + np.sum(x**3)", "x", VECTOR),
    ("np.log(np.sum(np.exp(x)))", "x", VECTOR),
    ("a @ (np.exp(x)/np.sum(np.exp(x)))", "x", VECTOR),
    ("np.sum(np.where(np.abs(x) < 1, x**2/2, np.abs(x) - 0.5))", "x", VECTOR),
    ("np.max(x)**2 + np.min(x)**2", "x", VECTOR),
    ("np.sum(x**4)**0.25 + np.exp(np.mean(np.log(np.abs(x))))", "x", VECTOR),
    ("a @ ((x - np.mean(x))/np.sqrt(np.var(x) + 0.1))", "x", VECTOR),
    ("(x @ A @ x)/(x @ x)", "x", VECTOR),
    ("np.sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", "x", VECTOR),
    ("np.sum((x[2:] - 2*x[1:-1] + x[:-2])**2) + np.sum(np.sin(x[:-1])*np.cos(x[1:]))", "x", VECTOR),
    ("x[:-1] @ A[1:, 1:] @ x[1:] + x @ x[::-1]", "x", VECTOR),
    ("x @ np.tanh(A @ x)", "x", VECTOR),
    ("np.sum((np.outer(x, x) - A)**2) + np.sum(np.cumsum(x)**2)", "x", VECTOR),
    ("np.sum(np.log(1 + (X @ w - y)**2))", "w", MODEL),
    ("np.sum(np.log(1 + np.exp(-y*(X @ w)))) + 0.5*w @ w", "w", MODEL),
    ("np.log(np.sum(np.exp(X @ w)))", "w", MODEL),
    ("np.sum(np.sqrt(np.sum((X - w)**2, axis=1))) + np.sum(np.exp(-np.sum((X - w)**2, axis=1)/10))", "w", MODEL),
    ("np.sum((Y.T @ np.tanh(X @ w))**2)", "w", {**MODEL, **MATRIX}),
    ("np.sum((np.exp(X @ W)/np.sum(np.exp(X @ W), axis=1, keepdims=True) - Y)**2)", "W", MATRIX),
    ("np.sum(Y*(X @ W)**2) + np.sum((W.T @ W - np.eye(2))**2)", "W", {**MATRIX, "W": ("n", 2), "Y": ("m", 2)}),
    ("np.sum((W[1:] - W[:-1])**2) + np.sum(W[:, :2]**3)", "W", MATRIX),
    ("np.trace(np.linalg.inv(A)) + np.trace(A @ A @ A @ A)", "A", VECTOR),
    ("np.sum(np.exp(-np.sum((X[:, None, :] - X[None, :, :])**2, axis=2)))", "X", MATRIX),
]


def values_for(shapes, sizes):
    drawn = {n: tuple(sizes.get(d, d) for d in ((s,) if isinstance(s, str) else s)) for n, s in shapes.items()}
    found = {n: rng.normal(size=shape) for n, shape in drawn.items()}
    if "A" in found:
        found["A"] = 0.3 * found["A"] + 2 * np.eye(sizes["n"])
    return found


@pytest.mark.parametrize(("text", "wrt", "shapes"), FORMULAS, ids=[f[0] for f in FORMULAS])
def test_programs_in_all_words_have_the_automatic_hessian(text, wrt, shapes):
    shapes = {n: s for n, s in shapes.items() if re.search(rf"\b{n}\b", text)}
    form = wg.D(text, wrt, 2, shapes=shapes)
    function = eval(f"lambda {', '.join(shapes)}: {text}", {"np": np})
    for sizes in ({"n": 4, "m": 6, "k": 3}, {"n": 7, "m": 5, "k": 2}, {"n": 3, "m": 1, "k": 4}):
        values = values_for(shapes, sizes)
        wanted = wg.hessian(function, argnums=list(shapes).index(wrt))(*values.values())
        given = [values[n] for n in form.free]
        for program in (form._function, form._fused, form._quick):
            found = program(*given)
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 + 1e-9 * np.max(np.abs(wanted)))
            assert found.flags.writeable or program is form._quick


@pytest.mark.parametrize(("text", "wrt", "shapes"), FORMULAS[::3], ids=[f[0] for f in FORMULAS[::3]])
def test_what_is_evaluated_again_keeps_the_automatic_hessian(monkeypatch, text, wrt, shapes):
    monkeypatch.setattr(runner, "COST", 0.0)
    shapes = {n: s for n, s in shapes.items() if re.search(rf"\b{n}\b", text)}
    form = wg.D(text, wrt, 2, shapes=shapes)
    function = eval(f"lambda {', '.join(shapes)}: {text}", {"np": np})
    hessian = wg.hessian(function, argnums=list(shapes).index(wrt))
    for _ in range(6):
        values = values_for(shapes, {"n": 5, "m": 6, "k": 3})
        wanted = hessian(*values.values())
        found = form.evaluate(**values)
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12 + 1e-9 * np.max(np.abs(wanted)))
        assert found.flags.writeable
        found += 1.0  # nobody else's memory


def test_results_are_not_the_constants_that_are_kept(monkeypatch):
    monkeypatch.setattr(runner, "COST", 0.0)
    form = wg.D("x @ x/2", "x", 2, x="n")
    for _ in range(4):
        found = form.evaluate(x=np.ones(3))
        np.testing.assert_array_equal(found, np.eye(3))
        found[0, 0] = 5.0


def test_variables_with_the_names_of_kernels():
    form = wg.D("sum(total*mean**3)", "mean", 2, total="n", mean="n")
    for program in (form._quick, form._fused, form._function):
        np.testing.assert_allclose(program(np.array([1.0, 2.0]), np.array([3.0, 4.0])), np.diag([18.0, 48.0]))


@pytest.mark.parametrize("name", ["flat", "filled", "size", "rows", "part", "np", "special"])
def test_variables_with_the_names_of_programs(name):
    values = np.arange(1.0, 4.0)
    form = wg.D(f"sum({name}**3)", name, 2, shapes={name: "size"})
    for program in (form._quick, form._fused, form.numpy()):
        np.testing.assert_array_equal(program(values), np.diag(6 * values))
        np.testing.assert_array_equal(program(**{name: values}), np.diag(6 * values))
    other = f"{name}_"
    form = wg.D(f"sum({name}*{other}*exp({name}))", name, 2, shapes={name: "n", other: "n"})
    wanted = np.diag((2 + values) * np.exp(values) * values[::-1])
    np.testing.assert_allclose(form.numpy()(**{name: values, other: values[::-1]}), wanted, rtol=1e-14)


def test_a_variable_with_the_name_of_the_module_of_special_functions():
    special = pytest.importorskip("scipy").special
    values = np.arange(1.0, 4.0)
    form = wg.D("special @ gammaln(special)", "special", shapes={"special": "n"})
    wanted = special.gammaln(values) + values * special.digamma(values)
    np.testing.assert_allclose(form.evaluate(special=values), wanted, rtol=1e-14)


def drawn_sum(draw):
    """Places of the factors of a random sum of products, and how many of the indices stay."""
    rank, summed = int(draw.integers(0, 5)), int(draw.integers(0, 4))
    total = rank + summed
    places = [
        tuple(draw.permutation(total)[: draw.integers(0, min(3, total) + 1)].tolist())
        for _ in range(draw.integers(1, 6))
    ]
    return places, rank


def test_contractions_are_those_of_einsum():
    draw = np.random.default_rng(3)
    compared = 0
    while compared < 400:
        places, rank = drawn_sum(draw)
        used = {i for idx in places for i in idx}
        if not used or used != set(range(max(used) + 1)) or max(used) + 1 < rank:
            continue
        sizes = draw.integers(1, 5, max(used) + 1).tolist()
        arrays = {f"a{k}": draw.normal(size=[sizes[i] for i in idx]) for k, idx in enumerate(places)}
        text, _ = contraction(list(arrays), places, rank, [str(s) for s in sizes])
        spec = ",".join("".join(LETTERS[i] for i in idx) for idx in places) + "->" + LETTERS[:rank]
        found = eval(text, {"np": np}, arrays)
        wanted = np.einsum(spec, *arrays.values())
        assert np.shape(found) == wanted.shape, (spec, text)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12, err_msg=f"{spec}: {text}")
        compared += 1


def test_contractions_leave_what_is_no_such_product():
    assert contraction(["A"], [(1, 1)], 0, ["n", "n"]) is None  # a trace
    assert contraction(["x"], [(0,)], 2, ["n", "m"]) is None  # the same along an axis


@pytest.mark.parametrize("rows", [3, 90])
@pytest.mark.parametrize("signs", ["both", "plus", "minus", "none"])
def test_weighted_gram_matrices(rows, signs):
    matrix, weights = rng.normal(size=(rows, 60)), rng.normal(size=rows)
    weights = {"both": weights, "plus": abs(weights), "minus": -abs(weights), "none": 0 * weights}[signs]
    if signs == "both":
        weights[1] = 0.0
    wanted = matrix.T @ np.diag(weights) @ matrix
    np.testing.assert_allclose(weighted_gram(matrix, weights), wanted, rtol=1e-12, atol=1e-12)
    weights[0] = np.nan
    assert np.isnan(weighted_gram(matrix, weights)).all()


@pytest.mark.parametrize("laid", ["rows", "columns", "part"])
def test_diagonals_are_views(laid):
    square = {"rows": np.zeros((3, 3)), "columns": np.zeros((3, 3), order="F"), "part": np.zeros((3, 4))[:, :3]}[laid]
    diagonal(square)[...] = [1, 2, 3]
    np.testing.assert_array_equal(square, np.diag([1.0, 2.0, 3.0]))


def test_kept_constants_cannot_be_written_to():
    for name, wanted in (("ones", np.ones(3)), ("zeros", np.zeros(3)), ("unit", np.eye(3)), ("triangle", np.tri(3))):
        for n in (3, 5000 if wanted.ndim == 1 else 80):
            found = KERNELS[name](n)
            np.testing.assert_array_equal(found[:3][..., :3], wanted)
        with pytest.raises(ValueError, match="read-only"):
            KERNELS[name](3)[0] = 5.0


def test_halves_of_chains_that_read_alike_from_both_ends():
    def found(text, **shapes):
        return halves(form_of(wg.parse(text, **shapes).term))

    shapes = {"X": ("m", "n"), "A": ("n", "n"), "v": "m", "w": "n"}
    matrix, weights = found("X.T @ diag(v) @ X", **shapes)
    assert matrix.value[0] == "X"
    assert weights.value[0] == "v"
    matrix, weights = found("X.T @ diag(v) @ X @ X.T @ diag(v) @ X", **shapes)
    assert weights is None
    for text in ("A @ diag(w) @ A", "X.T @ X @ A", "A.T @ A @ A", "A @ w"):
        assert found(text, **{n: s for n, s in shapes.items() if n in text}) is None


def test_rivals_in_other_words_come_early(monkeypatch):
    monkeypatch.setattr(runner, "COST", 1.0)
    made = []

    def waiting(x):
        made.append("called")
        return x + 1

    run = Runner(waiting, ["x"], [lambda: made.append("words") or waiting, lambda: made.append("code")], early=1)
    monkeypatch.setattr(runner, "WORDS", 0.0)
    run.call(np.ones(2))
    assert "words" in made
    run.call(np.ones(2))
    assert "code" not in made
