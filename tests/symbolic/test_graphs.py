"""Expressions are graphs: the steps that tracing records for the same code, with names where it has sizes.

May import wengert's public API and the rooms below. Invariant: graphs are compared with ``wengert.trace`` of the same
function, values and derivatives with NumPy and with reverse mode of that function.
"""

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from wengert.core.node import Const
from wengert.rewrite.clean import clean, simplify
from wengert.symbolic.graphs import bound

SHAPES = {"X": ("m", "n"), "A": ("n", "n"), "w": ("n",), "y": ("m",), "c": ()}
SIZES = {"m": 4, "n": 3}
RNG = np.random.default_rng(3)
VALUES = {name: RNG.uniform(0.3, 0.9, tuple(SIZES[d] for d in shape)) for name, shape in SHAPES.items()}
VALUES["A"] = VALUES["A"] + 2 * np.eye(3)
VALUES["c"] = 0.6


def expression_of(function):
    return function(**{name: wg.var(name, shape) for name, shape in SHAPES.items()})


def same(a, b):
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, slice):
        return same((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def assert_same_program(expression, function):
    """The bound graph has the steps, operands, parameters and types of the recorded one; inputs by name."""
    found, wanted = bound(expression.graph, SIZES), wg.trace(function)(**VALUES)
    names = {n: k for k, n in zip(expression.graph.signature.names, found.inputs, strict=True)}
    others = dict(zip(wanted.inputs, (n.split("[")[0] for n in wanted.signature.names), strict=True))
    assert [n.op.name for n in found] == [n.op.name for n in wanted]
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        names[a] = others[b] = k
        assert a.op is b.op
        assert same(a.params, b.params)
        assert a.type == b.type
        for p, q in zip(a.args, b.args, strict=True):
            assert type(p) is type(q)
            if isinstance(p, Const):
                np.testing.assert_array_equal(p.value, q.value)
            else:
                assert names[p] == others[q]


def assert_same_values(expression, function):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(expression.evaluate(**VALUES), function(**VALUES))
        for name in expression.graph.signature.names:

            def alone(value, name=name):
                return function(**{**VALUES, name: value})

            out, pullback = wg.vjp(alone, VALUES[name])
            weights = np.cos(np.arange(np.size(out))).reshape(np.shape(out))
            np.testing.assert_array_equal(expression.vjp(weights, name, **VALUES), pullback(weights[()])[0])
            along = np.sin(1.0 + np.arange(np.size(VALUES[name]))).reshape(np.shape(VALUES[name]))[()]
            _, moved = wg.jvp(alone, (VALUES[name],), (along,))
            np.testing.assert_array_equal(expression.jvp({name: along}, **VALUES), moved)


PROGRAMS = {
    "logistic": lambda X, A, w, y, c: np.mean(np.log(1 + np.exp(-y * (X @ w)))) + c * np.linalg.norm(w) ** 2,
    "sizes": lambda X, A, w, y, c: np.sum(X) / X.shape[0] + 2 * w.shape[0] * c + np.std(y, ddof=1),
    "views": lambda X, A, w, y, c: np.sum(X[1:, :-1] * X[:-1, ::-1][:, 1:]) + X[0, -1] + A.T[1] @ w + X[:, None].sum(),
    "matrices": lambda X, A, w, y, c: np.trace(np.linalg.inv(A) @ A.T) + np.linalg.slogdet(A)[1] + np.linalg.det(A),
    "solve": lambda X, A, w, y, c: np.linalg.solve(A, w) @ np.linalg.matrix_power(A, 3) @ w,
    "norms": lambda X, A, w, y, c: (
        np.linalg.norm(X, "nuc") + np.linalg.norm(w, 1) + np.linalg.norm(y, np.inf) + np.sum(np.linalg.norm(X, axis=1))
    ),
    "kron": lambda X, A, w, y, c: np.kron(A, X),
    "reshaped": lambda X, A, w, y, c: X.reshape(X.shape[0] * X.shape[1]) @ np.ravel(np.outer(y, w)),
    "einsum": lambda X, A, w, y, c: np.einsum("ij,jk,i->k", X, A, y),
    "joined": lambda X, A, w, y, c: np.concatenate([w, y, np.stack([w, 2 * w])[1]]),
    "diagonals": lambda X, A, w, y, c: np.diag(w) @ np.diag(A) + np.diagonal(A),
    "choices": lambda X, A, w, y, c: np.where(w > 0.5, w, c * w) + np.maximum(w, 0.4) + np.clip(w, 0.2, 0.5) + abs(-w),
    "equalities": lambda X, A, w, y, c: np.where(w == np.max(w), c * w, w) + np.where(w != w[0], w**2, 1.0),
    "softmax": lambda X, A, w, y, c: np.exp(X - np.max(X, axis=1, keepdims=True)) / (1 + np.sum(X, axis=0)),
    "powers": lambda X, A, w, y, c: w**2 + w**0.5 + 2.0**w + w**c + np.sqrt(w) + np.cbrt(w) + 1 / w,
    "no closed form": lambda X, A, w, y, c: np.sort(w) * np.cumsum(w) + np.linalg.eigh(A + A.T)[0] + np.prod(w),
    "a factor": lambda X, A, w, y, c: np.linalg.cholesky(A @ A.T) @ np.linalg.qr(A)[1],
    "logaddexp": lambda X, A, w, y, c: np.logaddexp.reduce(X, axis=1) + np.logaddexp(y, c),
    "roll": lambda X, A, w, y, c: np.roll(w, 1) - np.diff(np.append(w, c)),
    "contracted": lambda X, A, w, y, c: np.tensordot(X, A, 1) @ w + np.dot(X, w) + np.vdot(w, w) * np.inner(X, w),
    "arrays": lambda X, A, w, y, c: np.array([1.0, 2.0, 3.0]) * c + X[0, 0] * np.arange(3.0),
}


@pytest.mark.parametrize("function", PROGRAMS.values(), ids=PROGRAMS)
def test_numpy_functions_make_the_steps_that_tracing_records(function):
    expression = expression_of(function)
    assert_same_program(expression, function)
    assert_same_values(expression, function)


UNARY = {"exp": np.exp, "tanh": np.tanh, "negative": operator.neg, "square": np.square, "sine": np.sin,
         "cube": lambda a: a**3,
         "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "root": lambda a: np.sqrt(1 + a * a)}  # fmt: skip
BINARY = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
          "divide": lambda a, b: a / (2 + b * b), "larger": np.maximum, "angle": np.arctan2}  # fmt: skip
REDUCE = {"sum": np.sum, "mean": np.mean, "norm": np.linalg.norm, "largest": np.max, "spread": np.var}
MAPS = {
    "n": [lambda v, s: s["A"] @ v, lambda v, s: v @ s["A"], lambda v, s: np.linalg.solve(s["A"], v),
          lambda v, s: v[::-1], lambda v, s: np.einsum("ij,j->i", s["A"], v),
          lambda v, s: np.mean(np.outer(s["y"], v), axis=0)],
    "m": [lambda v, s: (v @ s["X"]) @ s["X"].T, lambda v, s: np.sum(np.outer(v, s["w"]), axis=1),
          lambda v, s: np.diag(np.outer(v, v)), lambda v, s: np.concatenate([v[1:], v[:1]]),
          lambda v, s: np.diag(v) @ v],
}  # fmt: skip
CHANGES = {"n": lambda v, s: s["X"] @ v, "m": lambda v, s: s["X"].T @ v}


@st.composite
def programs(draw):
    """A function of the five variables: a list of choices, each of which makes a new value of two earlier ones."""
    choices = draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=7)
    )
    last = draw(st.sampled_from(["n", "m", "scalar"]))

    def function(X, A, w, y, c):
        s = {"X": X, "A": A, "w": w, "y": y, "c": c}
        made = {"n": [w], "m": [y], "scalar": [c]}
        for kind, i, j in choices:
            space = ("n", "m")[i % 2]
            other = ("m", "n")[i % 2]
            a, b = made[space][i % len(made[space])], made[space][j % len(made[space])]
            if kind == 0:
                made[space].append(list(UNARY.values())[j % len(UNARY)](a))
            elif kind == 1:
                made[space].append(list(BINARY.values())[j % len(BINARY)](a, b))
            elif kind == 2:
                made["scalar"].append(list(REDUCE.values())[j % len(REDUCE)](a))
            elif kind == 3:
                made[space].append(MAPS[space][j % len(MAPS[space])](a, s))
            elif kind == 4:
                made[other].append(CHANGES[space](a, s))
            else:
                made[space].append(made["scalar"][j % len(made["scalar"])] * a / a.shape[0])
        return (
            np.sum(made["n"][-1]) * made["scalar"][-1] + made["m"][-1] @ y if last == "scalar" else made[last][-1] * 2
        )

    return function


@settings(max_examples=60, deadline=None)
@given(programs())
def test_random_programs_are_the_recorded_ones_with_their_values_and_derivatives(function):
    expression = expression_of(function)
    assert_same_program(expression, function)
    assert_same_values(expression, function)


@settings(max_examples=25, deadline=None)
@given(programs())
def test_the_term_of_a_random_program_has_the_derivative_of_the_program(function):
    expression = expression_of(function)
    name = expression.graph.signature.names[0]
    variable = wg.var(name, SHAPES[name])
    wanted = wg.jacobian(lambda value: function(**{**VALUES, name: value}))(VALUES[name])
    form = wg.D(expression, variable, check=False)
    values = {n: VALUES[n] for n in expression.graph.signature.names}
    found = form.evaluate(**values)
    assert np.shape(found) == np.shape(wanted)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9 * scale)


def test_the_graph_prints_names_of_sizes_and_facts():
    n, m = wg.dims("n m")
    X, A, w = wg.var("X", (m, n)), wg.var("A", (n, n), symmetric=True), wg.var("w", n)
    graph = (np.sum(X @ A @ w) / m).graph
    assert str(graph).splitlines() == [
        "expression: 3 inputs, 4 steps, 1 output",
        "  X                   float64[m,n]",
        "  A                   float64[n,n] symmetric",
        "  w                   float64[n]",
        "  v1 = matmul(X, A)   float64[m,n]",
        "  v2 = matmul(v1, w)  float64[m]",
        "  v3 = sum(v2)        float64[]",
        "  v4 = v3 / m         float64[]",
        "  return v4",
    ]
    assert isinstance(graph, wg.Graph)


def test_the_words_of_formulas_are_steps_of_the_core():
    text = "tr(A'*A) + logdet(A) + norm2(w)^2 + sum(softmax(w)) + 1'*w".replace("1'*w", "ones(n)'*w")
    graph = wg.parse(text, "hand", A=("n", "n"), w="n").graph
    names = [node.op.name for node in graph]
    for part in (["matmul", "get", "sum"], ["slogdet", "item"], ["vector_norm", "power"], ["max", "subtract", "exp"]):
        assert any(names[k : k + len(part)] == part for k in range(len(names)))
    want = np.trace(VALUES["A"].T @ VALUES["A"]) + np.log(np.linalg.det(VALUES["A"])) + VALUES["w"] @ VALUES["w"]
    found = wg.parse(text, "hand", A=("n", "n"), w="n").evaluate(A=VALUES["A"], w=VALUES["w"])
    np.testing.assert_allclose(found, want + 1 + np.sum(VALUES["w"]), rtol=1e-13)


def test_rewriting_works_where_sizes_are_names():
    w = wg.var("w", "n")
    twice = np.exp(w) + np.exp(w)
    assert [node.op.name for node in clean(twice.graph)] == ["exp", "add"]


@pytest.mark.parametrize("function", PROGRAMS.values(), ids=PROGRAMS)
def test_a_graph_that_was_simplified_by_names_runs_at_all_sizes(function):
    graph = simplify(expression_of(function).graph)
    names = graph.signature.names
    assert len(graph) <= len(expression_of(function).graph)
    np.testing.assert_allclose(graph(**{n: VALUES[n] for n in names}), function(**VALUES), rtol=1e-12)


def test_a_graph_is_called_with_values_in_order_or_by_name():
    X, w = wg.var("X", ("m", "n")), wg.var("w", "n")
    graph = (X @ w).graph
    for m, n in ((2, 3), (4, 1)):
        data, at = RNG.normal(size=(m, n)), RNG.normal(size=n)
        np.testing.assert_array_equal(graph(data, at), data @ at)
        np.testing.assert_array_equal(graph(data, w=at), data @ at)
    for arguments, named, what in (((), {}, "no value for X"), ((1, 2, 3), {}, "takes X, w"), ((), {"q": 1}, "got q")):
        with pytest.raises(wg.WengertError, match=what):
            graph(*arguments, **named)


def test_an_abstract_function_is_a_step_that_has_no_value():
    x = wg.var("x", "n")
    squared = wg.function("u", (), of=x) ** 2
    assert [node.op.name for node in squared.graph] == ["u", "power"]
    with pytest.raises(wg.NoRuleError, match="u is an abstract function"):
        squared.evaluate(x=[1.0, 2.0])


def test_a_formula_is_a_step_of_a_program_where_values_are_traced():
    X, w = wg.var("X", ("m", "n")), wg.var("w", "n")
    loss = np.sum((X @ w) ** 2)
    data, at = VALUES["X"], VALUES["w"]
    np.testing.assert_allclose(
        wg.grad(lambda v: loss.evaluate(X=data, w=v) ** 2)(at), 4 * np.sum((data @ at) ** 2) * data.T @ (data @ at)
    )
    np.testing.assert_allclose(wg.jacobian(lambda v: loss.grad("w", X=data, w=v))(at), 2 * data.T @ data, rtol=1e-13)


def test_missing_values_are_asked_for_when_there_are_values():
    w = wg.var("w", "n")
    for seed in range(3):
        at = RNG.normal(size=4 + seed)
        at[seed] = np.nan
        assert np.nanmean(w).evaluate(w=at) == np.nanmean(at)
        np.testing.assert_array_equal(np.nansum(w).grad(w=at), ~np.isnan(at) * 1.0)


def test_one_graph_serves_values_of_all_sizes():
    w = wg.var("w", "n")
    loss = np.mean(w**2)
    for k in (1, 2, 7):
        at = RNG.normal(size=k)
        assert loss.evaluate(w=at) == np.mean(at**2)
        np.testing.assert_allclose(loss.grad(w=at), 2 * at / k, rtol=1e-15)


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda X, w, y: w + y, r"do not go together: \(n,\) and \(m,\)"),
        (lambda X, w, y: X @ y, "n is not m"),
        (lambda X, w, y: np.concatenate([w, X]), r"np.concatenate does not take shapes \(n,\) and \(m, n\)"),
        (lambda X, w, y: np.linalg.inv(X), r"np.linalg.inv does not take shapes \(m, n\)"),
        (lambda X, w, y: np.sum(w, axis=3), "axis 3 is out of bounds"),
        (lambda X, w, y: np.histogram(w), "asks for values"),
        (lambda X, w, y: w[w > 0], "indexing"),
        (lambda X, w, y: wg.var("one", (1,))[wg.var("one", (1,)) > 0], "indexing"),
        (lambda X, w, y: np.piecewise(w, [w > 0], [np.sort, 2.0]), "piecewise calls a function with sort"),
        (lambda X, w, y: np.interp(wg.var("p", (4,)), np.arange(3.0), w), "two vectors of one length"),
        (lambda X, w, y: np.quantile(w, wg.var("q")), "np.quantile"),
        (lambda X, w, y: np.allclose(w, w), "asks for values"),
        (lambda X, w, y: np.put(w, 0, 1.0), "gives no value"),
        (lambda X, w, y: np.add(w, w, out=np.zeros(3)), "the option out"),
        (lambda X, w, y: w * "a", "cannot stand in a formula"),
        (lambda X, w, y: (w @ w).vjp(np.ones(2), w=np.ones(3)), r"cotangent has shape \(2,\)"),
        (lambda X, w, y: (w @ w).jvp({"w": np.ones(2)}, w=np.ones(3)), "tangent of w"),
        (lambda X, w, y: (w @ w).jvp({"q": np.ones(2)}, w=np.ones(3)), "no variable q"),
        (lambda X, w, y: (w @ w).evaluate(w=np.ones(3) * 1j), "complex128"),
        (lambda X, w, y: (X @ w).evaluate(w=np.ones(3)), "no value for X"),
        (lambda X, w, y: (X @ w).evaluate(w=np.ones(3), X=np.ones((2, 4))), "n is"),
        (lambda X, w, y: (w @ w + np.sum(wg.var("w", "m"))).graph, "two variables"),
        (lambda X, w, y: wg.grad(lambda t: np.sum(t * w))(np.ones(3)), "traced value cannot stand"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_names(build, what):
    with pytest.raises(wg.WengertError, match=what):
        build(wg.var("X", ("m", "n")), wg.var("w", "n"), wg.var("y", "m"))


def test_what_has_no_closed_form_names_the_line_of_the_step():
    X = wg.var("X", ("m", "n"))
    total = np.sum(abs(np.linalg.svd(X)[0]) ** 3)
    np.testing.assert_allclose(total.evaluate(X=VALUES["X"]), np.sum(abs(np.linalg.svd(VALUES["X"])[0]) ** 3))
    with pytest.raises(wg.NoRuleError, match="complete a basis and may be any columns") as caught:
        wg.D(total, X)
    assert "test_graphs.py" in str(caught.value)
