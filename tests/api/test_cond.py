"""A recorded choice is one step: values, derivatives of all orders and modes, batches and compiled code, against plain
Python ``if`` and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg

X = np.array([0.3, 0.5])
W = np.array([1.5, 2.0])


def yes(v: Any, w: Any) -> Any:
    return {"a": np.sin(v) * w, "b": [np.sum(v**2)]}


def no(v: Any, w: Any) -> Any:
    return {"a": np.log(-v) + w[0] * w, "b": [3]}


def with_cond(x: Any, w: Any) -> Any:
    r = wg.cond(np.sum(x) > 0, yes, lambda v, w: no(v, w), x, w)
    return np.sum(r["a"] * x) * r["b"][0]


def with_if(x: Any, w: Any) -> Any:
    r = yes(x, w) if np.sum(x) > 0 else no(x, w)
    return np.sum(r["a"] * x) * r["b"][0]


TRANSFORMS = {
    "value": lambda f: f,
    "grad": lambda f: wg.grad(f, (0, 1)),
    "forward": lambda f: wg.jacfwd(f, (0, 1)),
    "hessian": lambda f: wg.hessian(f),
    "reverse over reverse": lambda f: wg.jacrev(wg.grad(f)),
    "forward over reverse": lambda f: wg.jacfwd(wg.grad(f)),
    "third": lambda f: (
        lambda x, w: wg.grad(lambda x: np.sum(wg.grad(lambda x: np.sum(wg.grad(f)(x, w) * w))(x) * w))(x)
    ),
}


def agree(found: Any, wanted: Any, rtol: float = 1e-11) -> None:
    found, wanted = (v if isinstance(v, tuple) else (v,) for v in (found, wanted))
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_derivatives_are_those_of_an_if(name: str, sign: float) -> None:
    """Recorded on one side, the graph is right on both."""
    transform = TRANSFORMS[name]
    graph = wg.trace(transform(with_cond))(sign * X, W)
    assert "cond" in {n.op.name for n in graph}
    assert not graph.guards or name not in {"value", "forward"}
    for x in (X, 2 * X):
        agree(graph(sign * x, W), transform(with_if)(sign * x, W))
    if not graph.guards:
        agree(graph(-sign * X, W), transform(with_if)(-sign * X, W))


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", ["value", "grad", "forward", "forward over reverse"])
def test_compiled_it_is_one_path(backend: str, name: str) -> None:
    if backend == "native":
        pytest.importorskip("llvmlite")

    def f(x: Any, w: Any) -> Any:
        return wg.cond(
            np.sum(x) > 0, lambda: np.sum(np.sin(x) * w), lambda: np.sum(x * x * w * w) * np.exp(np.sum(x)) * 0.5
        )

    def plain(x: Any, w: Any) -> Any:
        return np.sum(np.sin(x) * w) if np.sum(x) > 0 else np.sum(x * x * w * w) * np.exp(np.sum(x)) * 0.5

    compiled = wg.compile(TRANSFORMS[name](f), backend=backend)
    for x in (X, -X, X, -2 * X, 3 * X):
        agree(compiled(x, W), TRANSFORMS[name](plain)(x, W))
    assert compiled.explain().count("path 0") == 1 and "path 1" not in compiled.explain()


def test_only_the_chosen_branch_runs() -> None:
    """The other one would raise: a matrix that is not positive definite has no Cholesky factor."""

    def f(a: Any) -> Any:
        return wg.cond(a[0, 0] > 0, lambda a: np.sum(np.linalg.cholesky(a)), lambda a: np.sum(a * a), a)

    good, bad = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[-2.0, 0.5], [0.5, 1.0]])
    graph = wg.trace(f)(good)
    assert "cond" in {n.op.name for n in graph}
    assert float(graph(good)) == np.sum(np.linalg.cholesky(good))
    assert float(graph(bad)) == np.sum(bad * bad)
    gradient = wg.trace(wg.grad(f))(good)
    agree(gradient(bad), 2 * bad)
    agree(gradient(good), wg.grad(lambda a: np.sum(np.linalg.cholesky(a)))(good))
    # Recorded where it raises, the choice is a guard.
    graph = wg.trace(f)(bad)
    assert float(graph(bad)) == np.sum(bad * bad)
    with pytest.raises(wg.WengertError, match="another way"):
        graph(good)
    compiled = wg.compile(f, backend="numpy")
    for a in (bad, good, bad, good):
        assert float(compiled(a)) == float(f(a))


ROWS = np.array([2.0, -1.0, 0.0, 5.0, -3.0])


def root_or_square(x: Any) -> Any:
    """Where a branch is not taken its derivative is infinite, or no number."""
    return wg.cond(x > 0, lambda x: np.sqrt(x) * np.log(x), lambda x: x * x, x)


def closed(x: float) -> tuple[float, float, float]:
    if x > 0:
        root = math.sqrt(x)
        return root * math.log(x), (math.log(x) / 2 + 1) / root, -math.log(x) / (4 * x * root)
    return x * x, 2 * x, 2.0


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("rows", [ROWS, -np.abs(ROWS), np.abs(ROWS) + 0.5], ids=["both", "none", "all"])
def test_rows_choose_for_themselves(rows: Any, recorded: bool) -> None:
    wanted = np.array([closed(x) for x in rows]).T
    cases = [
        wg.vmap(root_or_square),
        wg.vmap(wg.grad(root_or_square)),
        wg.vmap(wg.grad(wg.grad(root_or_square))),
        wg.grad(lambda x: np.sum(wg.vmap(root_or_square)(x))),
        wg.vmap(lambda x: wg.jvp(root_or_square, (x,), (1.0,))[1]),
        lambda x: wg.jvp(wg.vmap(root_or_square), (x,), (np.ones_like(x),))[1],
    ]
    for f, order in zip(cases, [0, 1, 2, 1, 1, 1], strict=True):
        if recorded:
            f = wg.compile(f, backend="numpy")
            f(ROWS[::-1].copy())
        np.testing.assert_allclose(f(rows), wanted[order], rtol=1e-12)
        np.testing.assert_allclose(f(rows), wanted[order], rtol=1e-12)


def test_shared_operands_feel_only_the_rows_that_take_the_branch() -> None:
    def f(w: Any, x: Any) -> Any:
        return wg.cond(x > 0, lambda x: np.log(x * w), lambda x: x * w * w, x)

    def total(w: Any, x: Any) -> Any:
        return np.sum(wg.vmap(f, (None, 0))(w, x))

    taken, rest = ROWS[ROWS > 0], ROWS[ROWS <= 0]
    wanted = len(taken) / 3.0 + 6.0 * rest.sum()
    for g in (wg.grad(total), wg.compile(wg.grad(total), backend="numpy"), wg.jacfwd(total)):
        assert float(g(3.0, ROWS)) == pytest.approx(wanted, rel=1e-13)
        assert float(g(3.0, ROWS)) == pytest.approx(wanted, rel=1e-13)
        assert float(g(3.0, -np.abs(ROWS))) == pytest.approx(-6.0 * np.abs(ROWS).sum(), rel=1e-13)
    batch = np.array([3.0, 2.0])
    found = wg.vmap(lambda w: wg.vmap(f, (None, 0))(w, ROWS))(batch)
    for w, row in zip(batch, found, strict=True):
        np.testing.assert_allclose(row, [math.log(x * w) if x > 0 else x * w * w for x in ROWS], rtol=1e-14)


def test_one_choice_for_all_rows() -> None:
    def f(p: Any, x: Any) -> Any:
        return wg.cond(p > 0, lambda x: (np.sum(x), 7.0), lambda x: (x[0] * p, p), x)

    xs = np.arange(6.0).reshape(3, 2)
    for p in (2.0, -2.0):
        first, second = wg.compile(wg.vmap(f, (None, 0)), backend="numpy")(p, xs)
        np.testing.assert_array_equal(first, xs.sum(1) if p > 0 else xs[:, 0] * p)
        np.testing.assert_array_equal(second, np.full(3, 7.0 if p > 0 else p))


def test_choices_in_choices_and_loops() -> None:
    def f(x: Any) -> Any:
        def inner(v: Any) -> Any:
            return wg.cond(v > 2.0, lambda v: v * x, lambda v: v + x * x, v)

        def body(c: Any, r: Any) -> Any:
            return wg.cond(c > r, inner, lambda v: v * r, c), c

        c, rows = wg.scan(body, x, np.array([0.5, 9.0, 2.0, 1.0]))
        return c + np.sum(rows)

    def plain(x: Any) -> Any:
        c, total = x, 0.0
        for r in (0.5, 9.0, 2.0, 1.0):
            total = total + c
            c = (c * x if c > 2.0 else c + x * x) if c > r else c * r
        return c + total

    graph = wg.trace(f)(0.7)
    assert [n.op.name for n in graph if n.op.name == "scan"] and not graph.guards
    slope = wg.compile(wg.grad(f), backend="numpy")
    for x in (0.7, 0.3, 1.1, 2.5, 3.0):
        assert float(graph(x)) == pytest.approx(plain(x), rel=1e-14)
        assert float(slope(x)) == pytest.approx(float(wg.grad(plain)(x)), rel=1e-13)

    def loop_inside(x: Any) -> Any:
        return wg.cond(x > 1.0, lambda: wg.fori_loop(0, 4, lambda i, c: c * x, 1.0), lambda: np.cos(x))

    slope = wg.compile(wg.grad(loop_inside), backend="numpy")
    for x in (0.5, 1.5, 0.25, 2.0):
        assert float(slope(x)) == pytest.approx(4 * x**3 if x > 1 else -math.sin(x), rel=1e-14)


def test_nothing_and_empty_arrays_come_out() -> None:
    x = np.array([1.0, 2.0])
    graph = wg.trace(lambda x: (wg.cond(x[0] > 0, lambda: None, lambda: None), x[0]))(x)
    assert graph(-x)[0] is None
    for backend in ("numpy", "auto"):
        f = wg.compile(lambda x: wg.cond(x[0] > 0, lambda: (x[:0], x), lambda: (x[:0] * 2, x * x)), backend=backend)
        for v in (x, -x, x):
            empty, full = f(v)
            assert empty.shape == (0,)
            np.testing.assert_array_equal(full, v if v[0] > 0 else v * v)


def test_python_numbers_adapt() -> None:
    def f(x: Any) -> Any:
        return wg.cond(np.sum(x) > 0, lambda: (np.sum(x), 1, 0.0, "left"), lambda: (0, 1, x[0] * 2, "left"))

    x = np.array([1.0, 2.0], np.float32)
    graph = wg.trace(f)(x)
    total, one, zero, word = graph(-x)
    assert (total, one, zero, word) == (0.0, 1, -2.0, "left") and total.dtype == zero.dtype == np.float32
    assert graph(x)[0].dtype == np.float32


def test_what_differs_is_refused_in_a_recording() -> None:
    cases = [
        (lambda x: np.sum(x), lambda x: x, r"is float64\[\], that of .* is float64\[3\]"),
        (lambda x: x, lambda x: x.astype(np.float32), "float32"),
        (lambda x: x, lambda x: [x], "returns"),
        (lambda x: x, lambda x: "word", "'word'"),
    ]
    for a, b, message in cases:

        def f(x: Any, a: Any = a, b: Any = b) -> Any:
            return wg.cond(x[0] > 0, a, b, x)

        x = np.ones(3)
        with pytest.raises(wg.WengertError, match=message) as caught:
            wg.trace(f)(x)
        assert "test_cond.py" in str(caught.value) and "fix:" in str(caught.value)
        assert type(f(-x)) is type(b(-x))  # uncompiled it is an ``if``
    with pytest.warns(wg.CompileWarning, match="the result of"):
        f = wg.compile(lambda x: np.sum(wg.cond(x[0] > 0, lambda: x, lambda: x[:2])), backend="numpy")
        assert float(f(np.ones(3))) == 3.0
    assert float(f(-np.ones(3))) == -2.0


def test_bodies_that_cannot_stand_alone_are_followed() -> None:
    def asks(x: Any) -> Any:
        return wg.cond(x > 0, lambda x: x * 2 if x > 1 else x * 3, lambda x: -x, x)

    def writes(x: Any) -> Any:
        y = np.zeros(2)

        def one(v: Any) -> Any:
            y[0] = v
            return v

        def other(v: Any) -> Any:
            y[1] = 5.0
            return v * 2

        return wg.cond(x > 0, one, other, x) + y[0] + 10 * y[1]

    def writes_operand(x: Any) -> Any:
        y = np.ones(2) * x

        def one(v: Any) -> Any:
            v[0] = 7.0
            return np.sum(v)

        return wg.cond(x > 0, one, lambda v: v[0] * 2, y) + y[0]

    for f in (asks, writes, writes_operand):
        compiled = wg.compile(f, backend="numpy")
        slopes = wg.compile(wg.grad(f), backend="numpy")
        points = [2.0, 0.5, -1.0, 3.0, 0.25, -2.0]
        for x in points:
            assert float(compiled(x)) == float(f(x)), (f.__name__, x)
            assert float(slopes(x)) == float(wg.grad(f)(x)), (f.__name__, x)
            assert all(n.op.name != "cond" for n in wg.trace(f)(x))
        np.testing.assert_array_equal(wg.vmap(f)(np.array(points)), [float(f(x)) for x in points])
    assert [writes(2.0), writes(-1.0)] == [4.0, 48.0] and writes_operand(2.0) == 16.0


def test_complex_and_single_precision() -> None:
    def f(z: Any) -> Any:
        return wg.cond(z.real > 0, lambda z: z * z, lambda z: np.exp(z), z)

    graph = wg.trace(lambda z: wg.jvp(f, (z,), (1.0 + 0.5j,)))(1.0 + 2.0j)
    for z in (1.0 + 2.0j, -1.0 + 0.5j):
        value, moved = graph(z)
        assert value == pytest.approx(z * z if z.real > 0 else np.exp(z))
        assert moved == pytest.approx((2 * z if z.real > 0 else np.exp(z)) * (1 + 0.5j))
    g = wg.compile(wg.grad(lambda x: wg.cond(x[0] > 0, lambda: np.sum(x * x), lambda: np.sum(x) * 3)), backend="numpy")
    x = np.array([1.0, 2.0], np.float32)
    for v, wanted in ((x, 2 * x), (-x, [3.0, 3.0])):
        found = g(v)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, wanted)


def test_choices_in_a_python_loop_fold() -> None:
    """Each iteration may choose otherwise: still one path, and one loop."""

    def f(x: Any) -> Any:
        c = x
        for _ in range(200):
            c = wg.cond(c > 2.0, lambda c: c * 0.5, lambda c: c * 1.1 + 0.01 * x, c)
        return c

    def plain(x: Any) -> Any:
        c = x
        for _ in range(200):
            c = c * 0.5 if c > 2.0 else c * 1.1 + 0.01 * x
        return c

    slope = wg.compile(wg.grad(f), backend="numpy")
    for x in (1.0, 0.3, 2.2, 1.7):
        assert float(slope(x)) == pytest.approx(float(wg.grad(plain)(x)), rel=1e-13)
    said = slope.explain()
    assert "scan 2" in said and "path 1" not in said


def test_printed_with_its_branches() -> None:
    text = str(wg.trace(lambda x: wg.cond(x > 0, lambda: x * 2.0, lambda: np.sin(x)))(1.0))
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "<lambda>: 1 input, 3 steps, 1 output",
        "x float64[] = 1",
        "v1 = x > 0 bool[] = True",
        "v2 = cond(v1, x) (float64[]) = (2)",
        "true: <lambda>: 1 input, 1 step, 1 output",
        "x0 float64[]",
        "v1 = x0 * 2 float64[]",
        "return v1",
        "false: <lambda>: 1 input, 1 step, 1 output",
        "x0 float64[]",
        "v1 = sin(x0) float64[]",
        "return v1",
        "v3 = v2[0] float64[] = 2",
        "return v3",
    ]
