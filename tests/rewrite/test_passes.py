"""The passes of compiled programs: fewer steps, the same values; gates stable, and cheap in reverse.

Imports the public API and rewrite. Invariant: references are NumPy, mpmath, the programs themselves, and graphs that
were not rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from tests.programs.harness import Program, quiet
from tests.programs.oracle import flatten as numbers
from tests.programs.tables import PROGRAMS
from wengert.core.graph import Graph
from wengert.core.node import Const
from wengert.rewrite.loops.fold import fold
from wengert.rewrite.passes import REVERSE, gates, improve, report


def close(got: Any, wanted: Any, rtol: float = 1e-11) -> None:
    got, wanted = numbers(got), numbers(wanted)
    finite = np.abs(wanted[np.isfinite(wanted)])
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * finite.max(initial=1e-300))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_values_and_gradients_of_programs_stay(program: Program) -> None:
    arguments = program.arguments()
    wanted = numbers(program.value())
    with quiet():
        graph = wg.trace(program.fun)(*arguments)
        close(improve(graph)(*program.arguments()), wanted)
        close(gates(graph)(*program.arguments()), wanted)
        scalar = program.scalar()
        derivative = wg.trace(wg.grad(scalar, tuple(range(len(arguments)))))(*program.arguments())
        better = improve(derivative)
        assert len(better) <= len(derivative) + 6
        assert sum(report(better).rules.values()) <= 2 * len(derivative) + 20, "rules that undo each other"
        close(better(*program.arguments()), derivative(*program.arguments()))


def through_gates(f: Any, *args: Any, argnums: Any = 0) -> Graph:
    """The derivative of a program whose gates were recognised first, improved."""
    primal = gates(wg.trace(f)(*args))
    return improve(wg.trace(wg.grad(lambda *a: primal(*a), argnums))(*args))


def names(graph: Graph) -> list[str]:
    return [n.op.name for n in graph]


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def shifted(x: Any) -> Any:
    return x - np.max(x, axis=1, keepdims=True)


def softmax(x: Any) -> Any:
    e = np.exp(shifted(x))
    return e / np.sum(e, axis=1, keepdims=True)


GATES: dict[str, tuple[Any, Any, Any]] = {  # spelled out; the same in mpmath; its derivative in mpmath
    "sigmoid": (sigmoid, lambda m, x: 1 / (1 + m.exp(-x)), lambda m, x: m.exp(-x) / (1 + m.exp(-x)) ** 2),
    "quotient": (
        lambda x: np.exp(x) / (1 + np.exp(x)),
        lambda m, x: 1 / (1 + m.exp(-x)),
        lambda m, x: m.exp(-x) / (1 + m.exp(-x)) ** 2,
    ),
    "tanh": (
        lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
        lambda m, x: 1 / (1 + m.exp(-x)),
        lambda m, x: m.exp(-x) / (1 + m.exp(-x)) ** 2,
    ),
    "softplus": (lambda x: np.log(1 + np.exp(x)), lambda m, x: m.log(1 + m.exp(x)), lambda m, x: 1 / (1 + m.exp(-x))),
    "log1p": (lambda x: np.log1p(np.exp(x)), lambda m, x: m.log(1 + m.exp(x)), lambda m, x: 1 / (1 + m.exp(-x))),
    "logaddexp": (
        lambda x: np.logaddexp(0, x),
        lambda m, x: m.log(1 + m.exp(x)),
        lambda m, x: 1 / (1 + m.exp(-x)),
    ),
    "log sigmoid": (
        lambda x: np.log(sigmoid(x)),
        lambda m, x: -m.log(1 + m.exp(-x)),
        lambda m, x: 1 / (1 + m.exp(x)),
    ),
    "log of one minus": (
        lambda x: np.log(1 - sigmoid(x)),
        lambda m, x: -m.log(1 + m.exp(x)),
        lambda m, x: -1 / (1 + m.exp(-x)),
    ),
    "silu": (
        lambda x: x / (1 + np.exp(-x)),
        lambda m, x: x / (1 + m.exp(-x)),
        lambda m, x: (1 + m.exp(-x) + x * m.exp(-x)) / (1 + m.exp(-x)) ** 2,
    ),
}
POINTS = np.array([0.0, -0.0, 1e-3, -0.7, 3.0, -20.0, 30.0, 100.0, -100.0, 1000.0, -1000.0])


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gate_is_right_everywhere(name: str, dtype: Any) -> None:
    mpmath = pytest.importorskip("mpmath")
    f, value, slope = GATES[name]
    x = POINTS.astype(dtype)
    with mpmath.workdps(1200), np.errstate(all="ignore"):
        exact = [mpmath.mpf(float(v)) for v in x]
        primal = gates(wg.trace(f)(x))
        derivative = through_gates(lambda x: np.sum(f(x)), x)
        for graph, wanted in ((primal, value), (derivative, slope)):
            got = graph(x)
            assert got.dtype == dtype
            assert np.all(np.isfinite(got))
            want = np.array([float(wanted(mpmath, v)) for v in exact])
            eps = float(np.finfo(dtype).eps)
            wide = 2 * eps * np.maximum(1.0, np.abs(x))  # y (1 - y) knows 1 - y to a rounding of 1
            assert np.all(np.abs(got - want) <= 8 * eps * np.abs(want) + wide)
            assert "exp" not in names(graph)


def test_the_reverse_of_a_spelled_out_sigmoid_is_a_subtraction_and_a_multiplication() -> None:
    x, w = np.array([0.3, -2.0]), np.array([1.5, -0.5])
    graph = through_gates(lambda x: np.sum(w * sigmoid(x)), x)
    assert names(graph) == ["sigmoid", "subtract", "multiply", "multiply"]  # the last: the factor from above
    y = sigmoid(x)
    np.testing.assert_allclose(graph(x), w * y * (1 - y), rtol=1e-15)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("naive", [True, False])
def test_softmax_and_log_sum_exp_have_one_exponential_and_no_ties(keep: bool, naive: bool) -> None:
    def shift(x: Any) -> Any:
        return x if naive else x - (np.max(x, axis=1, keepdims=True) if keep else np.max(x, axis=1)[:, None])

    def soft(x: Any) -> Any:
        e = np.exp(shift(x))
        return e / (np.sum(e, axis=1, keepdims=True) if keep else np.sum(e, axis=1)[:, None])

    def log_sum_exp(x: Any) -> Any:
        m = 0.0 if naive else np.max(x, axis=1)
        return m + np.log(np.sum(np.exp(shift(x)), axis=1))

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    x[0, 0] = x[0, 1] = 2.0  # a tie of the maximum
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    graph = through_gates(lambda x: np.sum(w * soft(x)), x)
    np.testing.assert_allclose(graph(x), p * (w - np.sum(w * p, 1, keepdims=True)), rtol=1e-13, atol=1e-15)
    assert names(graph).count("exp") == 1
    assert "equal" not in names(graph)
    graph = through_gates(lambda x: np.sum(w[:, 0] * log_sum_exp(x)), x)
    np.testing.assert_allclose(graph(x), w[:, :1] * p, rtol=1e-13)
    assert names(graph).count("exp") == 1
    assert "equal" not in names(graph)
    far = np.array([[1000.0, 999.0, -1000.0], [-1e4, -1e4, -1e4 - 1], [0.0, 0.0, 0.0], [1e5, 0.0, -1e5]])
    shift_ = far - far.max(1, keepdims=True)
    p = np.exp(shift_) / np.exp(shift_).sum(1, keepdims=True)
    np.testing.assert_allclose(graph(far), w[:, :1] * p, rtol=1e-13)
    values = gates(wg.trace(log_sum_exp)(x))(far)
    np.testing.assert_allclose(values, far.max(1) + np.log(np.exp(shift_).sum(1)), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gates_of_one_number_share_an_exponential(dtype: Any) -> None:
    mpmath = pytest.importorskip("mpmath")

    def cross_entropy(x: Any) -> Any:
        p = sigmoid(x)
        return np.log(p), np.log(1 - p), p

    x = POINTS.astype(dtype)
    with np.errstate(all="ignore"):
        graph = improve(wg.trace(cross_entropy)(x))
    assert names(graph).count("exp") == names(graph).count("log1p") == 1
    assert not {"sigmoid", "softplus"} & set(names(graph))
    eps = float(np.finfo(dtype).eps)
    with mpmath.workdps(1200):
        z = [mpmath.mpf(float(v)) for v in x]
        want = [[-mpmath.log(1 + mpmath.exp(s * v)) for v in z] for s in (-1, 1)]
        want.append([1 / (1 + mpmath.exp(-v)) for v in z])
    for got, exact in zip(graph(x), want, strict=True):
        assert got.dtype == dtype
        tiny = float(np.finfo(dtype).tiny)
        np.testing.assert_allclose(got, [float(v) for v in exact], rtol=8 * eps, atol=tiny)


def test_infinities_of_a_naive_log_sum_exp_stay() -> None:
    x = np.array([[np.inf, 1.0], [-np.inf, -np.inf], [-np.inf, 2.0], [np.nan, 1.0]])
    with np.errstate(all="ignore"):
        graph = improve(wg.trace(lambda x: np.log(np.sum(np.exp(x), axis=1)))(np.zeros((4, 2))))
        np.testing.assert_allclose(graph(x), [np.inf, -np.inf, 2.0, np.nan])


def test_a_quotient_that_is_no_softmax_is_left_alone() -> None:
    x = np.random.default_rng(0).normal(size=(3, 3))

    def rows_against_columns(x: Any) -> Any:
        e = np.exp(x - np.max(x, axis=1, keepdims=True))
        return e / np.sum(e, axis=1)  # the sums stand along the wrong axis

    def program(x: Any) -> Any:
        return np.sum(rows_against_columns(x) ** 2)

    graph = gates(wg.trace(program)(x))
    assert "shift" not in names(graph)
    np.testing.assert_allclose(wg.grad(lambda x: graph(x))(x), wg.grad(program)(x), rtol=1e-12)


def test_what_a_guard_asked_keeps_every_bit() -> None:
    def program(x: Any) -> Any:
        if np.sum(1 / (1 + np.exp(-x)) * 3.0) > 1.0:
            return np.sum(1 / (1 + np.exp(-x)) * 3.0)
        return np.sum(x)

    graph = improve(wg.trace(program)(np.ones(3)))
    (guard,) = graph.guards
    needed, stack = set(), [guard.node]
    while stack:
        node = stack.pop()
        needed.add(node.op.name)
        stack.extend(a for a in node.args if not isinstance(a, Const))
    assert {"negative", "exp", "add", "divide", "multiply", "sum"} <= needed
    assert "sigmoid" not in needed
    np.testing.assert_allclose(graph(np.ones(3)), program(np.ones(3)), rtol=1e-15)


@pytest.mark.parametrize("name", ["sigmoid", "quotient", "silu"])
def test_a_derivative_recorded_from_the_spelled_out_gate_is_made_stable_too(name: str) -> None:
    mpmath = pytest.importorskip("mpmath")
    f, _, slope = GATES[name]
    weights = np.linspace(0.5, 1.5, POINTS.size)
    with np.errstate(all="ignore"):
        graph = improve(wg.trace(wg.grad(lambda x: np.sum(weights * f(x))))(np.ones(POINTS.size)))
        got = graph(POINTS)
    with mpmath.workdps(1200):
        want = weights * np.array([float(slope(mpmath, mpmath.mpf(float(v)))) for v in POINTS])
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-13)


def test_sums_move_into_contractions() -> None:
    rng = np.random.default_rng(0)
    left, right, add = rng.normal(size=(5, 4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(5, 4, 2))
    graph = improve(wg.trace(lambda a, b, c: np.sum(a @ b - c, axis=0))(left, right, add))
    products = [n for n in graph if n.op.name == "matmul"]
    assert products[0].args[0].type.shape in ((4, 3), (1, 4, 3))
    np.testing.assert_allclose(graph(left, right, add), (left @ right - add).sum(0), rtol=1e-12)
    graph = improve(wg.trace(lambda a, b: np.einsum("nij,jk->ik", a, b))(left, right))
    assert names(graph)[0] == "sum"
    np.testing.assert_allclose(graph(left, right), np.einsum("nij,jk->ik", left, right), rtol=1e-12)


def test_a_diagonal_is_added_to_the_matrix() -> None:
    rng = np.random.default_rng(0)
    scale, lower, x = rng.normal(size=(3, 2)), rng.normal(size=(3, 2, 2)), rng.normal(size=(7, 3, 2))

    def program(scale: Any, lower: Any, x: Any) -> Any:
        return scale * x + np.einsum("kij,nkj->nki", lower, x)

    graph = improve(wg.trace(program)(scale, lower, x))
    assert "multiply" not in names(graph)
    np.testing.assert_allclose(graph(scale, lower, x), program(scale, lower, x), rtol=1e-13, atol=1e-14)
    scale[1, 0] = np.inf  # stays in its own component
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(graph(scale, lower, x), program(scale, lower, x), rtol=1e-13, atol=1e-14)


def test_chains_of_writes_become_stacks() -> None:
    def program(x: Any) -> Any:
        out = np.zeros(4)
        out[0] = x[0]
        for i in range(1, 4):
            out[i] = out[i - 1] * x[i] + x[0]
        return np.sum(out)

    x = np.array([0.3, -1.2, 2.0, 0.7])
    graph = improve(wg.trace(wg.grad(program))(x))
    assert not {"update", "add_at"} & set(names(graph))
    step = 1e-30j * np.eye(4)
    wanted = [(program_complex(x + h)).imag / 1e-30 for h in step]
    np.testing.assert_allclose(graph(x), wanted, rtol=1e-14)


def program_complex(x: Any) -> Any:
    """The program above for complex numbers."""
    out = [x[0]]
    for i in range(1, 4):
        out.append(out[-1] * x[i] + x[0])
    return sum(out)


def test_the_report_names_gates_and_lines() -> None:
    x = np.array([[0.3, -2.0]])
    graph = through_gates(lambda x: np.sum(sigmoid(x) * softmax(x)), x)
    said = str(report(graph))
    line = sigmoid.__code__.co_firstlineno + 1
    assert f"sigmoid at test_passes.py:{line}: reverse 2 operations instead of 4" in said
    assert "softmax at test_passes.py" in said
    assert report(graph).after.steps == len(graph)


def test_value_and_slope_of_softplus_share_an_exponential() -> None:
    primal = gates(wg.trace(lambda x: np.sum(np.log(1 + np.exp(x))))(np.ones(2)))
    graph = improve(wg.trace(wg.value_and_grad(lambda x: primal(x)))(np.ones(2)))
    assert names(graph).count("exp") == 1
    slope = improve(wg.trace(wg.grad(lambda x: primal(x)))(np.ones(2)))
    assert names(slope) == ["sigmoid"]


def computing(graph: Graph) -> int:
    return sum(name != "get" for name in names(graph))


@pytest.mark.parametrize(
    ("gate", "f"),
    [
        ("sigmoid", sigmoid),
        ("softmax", softmax),
        ("log-sum-exp", lambda x: np.max(x, axis=1) + np.log(np.sum(np.exp(shifted(x)), axis=1))),
        ("log-softmax", lambda x: shifted(x) - np.log(np.sum(np.exp(shifted(x)), axis=1, keepdims=True))),
    ],
)
def test_the_counts_of_a_gate_are_true(gate: str, f: Any) -> None:
    """Steps of value and pullback together less those of the value, less the product with the factor from above; views
    compute nothing and do not count."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    ct = np.ones(f(x).shape)

    def both(g: Any) -> Any:
        def run(x: Any, ct: Any) -> Any:
            y, pullback = wg.vjp(g, x)
            return y, pullback(ct)

        return run

    spelled = wg.trace(f)(x)
    primal = gates(spelled)
    now = computing(improve(wg.trace(both(lambda x: primal(x)))(x, ct))) - computing(improve(primal))
    then = computing(wg.trace(both(f))(x, ct)) - computing(spelled)
    assert (now - 1, then - 1) == REVERSE[gate]


def test_gates_inside_a_loop_keep_one_row_of_residuals() -> None:
    def cell(w: Any, h: Any) -> Any:
        for _ in range(120):
            h = sigmoid(w[0] * h + w[1])
        return np.sum(h)

    w, h = np.array([[0.3, -0.2], [0.1, 0.5]]), np.array([1.0, -1.0])
    primal = gates(fold(wg.trace(cell)(w, h)))
    graph = improve(wg.trace(wg.grad(lambda w, h: primal(w, h)))(w, h))
    bodies = [p for n in graph for p in n.params if type(p) is Graph]
    assert len(bodies) == 2
    assert not any("exp" in names(body) for body in bodies)
    assert "sigmoid" not in names(bodies[1])  # swept back with what the forward loop stored
    assert report(graph).gates[0][0] == "sigmoid"
    step = 1e-30
    for k in np.ndindex(w.shape):
        moved = w.astype(complex)
        moved[k] += 1j * step
        np.testing.assert_allclose(graph(w, h)[k], cell(moved, h).imag / step, rtol=1e-11)


def test_the_question_whether_a_value_is_finite_stands_in_no_rules_way() -> None:
    """Every compiled derivative asks it at its end."""

    def program(x: Any) -> Any:
        y = np.exp(x) / (1 + np.exp(x))
        if np.all(np.isfinite(y)):
            return y
        raise AssertionError

    x = np.array([0.3, -2.0, 1.5])
    graph = improve(wg.trace(program)(x))
    assert len(graph.guards) == 1
    assert names(graph) == ["sigmoid", "isfinite", "all"]
    np.testing.assert_allclose(graph(x), program(x), rtol=1e-15)
    np.testing.assert_array_equal(graph(np.array([1000.0, -1000.0, 0.0])), [1.0, 0.0, 0.5])
