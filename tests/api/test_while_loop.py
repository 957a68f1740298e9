"""A recorded ``while_loop`` is one step for any number of steps: values, derivatives of all orders and modes, batches,
compiled code, against plain Python loops and closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg

# A loop that makes no step depends on nothing.
pytestmark = pytest.mark.filterwarnings("ignore::wengert.NoDependenceWarning")


def root(a: Any) -> Any:
    """Newton's iteration for the square root."""
    return wg.while_loop(lambda x: abs(x * x - a) > 1e-13 * a, lambda x: 0.5 * (x + a / x), 1.0)


def slopes(a: float) -> list[float]:
    return [math.sqrt(a), 0.5 * a**-0.5, -0.25 * a**-1.5, 0.375 * a**-2.5]


ORDERS = {
    "value": (0, lambda f: f),
    "reverse": (1, wg.grad),
    "forward": (1, wg.jacfwd),
    "reverse over reverse": (2, lambda f: wg.grad(wg.grad(f))),
    "forward over reverse": (2, lambda f: wg.jacfwd(wg.grad(f))),
    "reverse over forward": (2, lambda f: wg.grad(wg.jacfwd(f))),
    "forward over forward": (2, lambda f: wg.jacfwd(wg.jacfwd(f))),
    "third": (3, lambda f: wg.grad(wg.grad(wg.grad(f)))),
    "third, mixed": (3, lambda f: wg.grad(wg.jacfwd(wg.grad(f)))),
}


@pytest.mark.parametrize("name", ORDERS)
def test_derivatives_for_any_number_of_steps(name: str) -> None:
    order, transform = ORDERS[name]
    graph = wg.trace(transform(root))(2.0)
    assert not graph.guards and sum(n.op.name == "while_loop" for n in graph) == 1
    for a in (2.0, 3.0, 2e4, 0.01):
        assert float(graph(a)) == pytest.approx(slopes(a)[order], rel=1e-10)
        assert float(graph(a)) == pytest.approx(float(transform(root)(a)), rel=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", ["value", "reverse", "forward", "forward over reverse"])
def test_compiled_it_is_one_path(backend: str, name: str) -> None:
    if backend == "native":
        pytest.importorskip("llvmlite")
    order, transform = ORDERS[name]
    compiled = wg.compile(transform(root), backend=backend)
    for a in (2.0, 3.0, 2e4, 3e4, 0.01, 2.0):
        assert float(compiled(a)) == pytest.approx(slopes(a)[order], rel=1e-10)
    assert "path 0" in compiled.explain() and "path 1" not in compiled.explain()


def arrays(x: Any, m: Any) -> Any:
    """Containers, a counter, a flag, arrays, an invariant matrix; ends by what it computes."""

    def test(s: Any) -> Any:
        return (s["n"] < 40) & s["go"] & (np.sum(s["v"] ** 2) < 9.0)

    def body(s: Any) -> Any:
        v = np.tanh(m @ s["v"]) + x * s["c"][0]
        return {"n": s["n"] + 1, "go": np.sum(v) < 100.0, "v": v, "c": [s["c"][0] * 1.25]}

    s = wg.while_loop(test, body, {"n": 0, "go": True, "v": x, "c": [0.5]})
    return np.sum(s["v"] * s["n"]) + s["c"][0] * np.sum(x)


def arrays_plain(x: Any, m: Any) -> Any:
    n, v, c = 0, x, 0.5
    while n < 40 and float(np.sum(wg.stop_gradient(v) ** 2)) < 9.0:
        v = np.tanh(m @ v) + x * c
        n, c = n + 1, c * 1.25
    return np.sum(v * n) + c * np.sum(x)


M = np.array([[0.5, 0.2], [-0.3, 0.4]])


@pytest.mark.parametrize("x", [np.array([0.3, 0.4]), np.array([0.03, -0.01]), np.array([4.0, 0.0])])
def test_containers_counters_and_invariants(x: Any) -> None:
    start = np.array([0.25, 0.5])
    cases = [
        lambda f: f,
        lambda f: wg.grad(f, (0, 1)),
        lambda f: wg.jacfwd(f, (0, 1)),
        lambda f: wg.hessian(f),
        lambda f: wg.jacrev(wg.grad(f, 1)),
    ]
    for transform in cases:
        graph = wg.trace(transform(arrays))(start, M)
        compiled = wg.compile(transform(arrays), backend="numpy")
        compiled(start, M)
        wanted = transform(arrays_plain)(x, M)
        for found in (graph(x, M), compiled(x, M), transform(arrays)(x, M)):
            for a, b in zip(*(v if type(v) is tuple else (v,) for v in (found, wanted)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
        assert "path 1" not in compiled.explain()


def collatz(x: Any) -> Any:
    """Rows end at different times, and going on would divide by zero and take roots of negative numbers."""
    return wg.while_loop(
        lambda s: s[0] > 1.0, lambda s: (s[0] - 1.0, s[1] * np.sqrt(s[0] - 1.0) / (s[0] - 1.0)), (x, x)
    )[1]


def collatz_plain(x: float) -> tuple[float, float]:
    """The value and its derivative: the product of x and 1 / sqrt(x - k)."""
    k, y, relative = 1, x, 1.0 / x
    while x - k > 0.0:
        y /= math.sqrt(x - k)
        relative -= 0.5 / (x - k)
        k += 1
    return y, y * relative


ROWS = np.array([3.5, 0.5, 1.25, 7.75, -2.0])


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("rows", [ROWS, ROWS[:0:-1].copy(), np.array([-1.0, 0.25])], ids=["ragged", "others", "none"])
def test_rows_end_one_after_the_other(rows: Any, recorded: bool) -> None:
    wanted = np.array([collatz_plain(x) for x in rows]).T
    cases = [
        (0, wg.vmap(collatz)),
        (1, wg.vmap(wg.grad(collatz))),
        (1, wg.vmap(wg.jacfwd(collatz))),
        (1, wg.grad(lambda x: np.sum(wg.vmap(collatz)(x)))),
        (1, lambda x: wg.jvp(wg.vmap(collatz), (x,), (np.ones_like(x),))[1]),
    ]
    for order, f in cases:
        if recorded:
            f = wg.compile(f, backend="numpy")
            f(rows[::-1].copy())
        np.testing.assert_allclose(f(rows), wanted[order], rtol=1e-12)
        np.testing.assert_allclose(f(rows), wanted[order], rtol=1e-12)


def test_second_derivatives_of_rows() -> None:
    rows = np.array([2.0, 3.0, 0.5, 50.0])
    wanted = [slopes(a)[2] for a in rows]
    for f in (wg.vmap(wg.grad(wg.grad(root))), wg.vmap(wg.jacfwd(wg.grad(root)))):
        np.testing.assert_allclose(f(rows), wanted, rtol=1e-10)
        np.testing.assert_allclose(wg.compile(f, backend="numpy")(rows), wanted, rtol=1e-10)
    both = wg.jacfwd(wg.grad(lambda a: np.sum(wg.vmap(root)(a))))(rows)
    np.testing.assert_allclose(both, np.diag(wanted), rtol=1e-10, atol=1e-300)


def test_one_count_for_all_rows() -> None:
    def f(x: Any, n: Any) -> Any:
        return wg.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1.0, s[1] * x), (0.0, 1.0))[1]

    xs = np.array([2.0, 3.0])
    graph = wg.trace(wg.vmap(wg.grad(f), (0, None)))(xs, 2.0)
    for n in (0.0, 1.0, 3.0, 5.0):
        np.testing.assert_allclose(graph(xs, n), n * xs ** (n - 1))
    nested = wg.vmap(lambda n: wg.vmap(f, (0, None))(xs, n))(np.array([0.0, 3.0]))
    np.testing.assert_array_equal(nested, [xs**0, xs**3])


def test_loops_in_loops_and_choices() -> None:
    def f(x: Any) -> Any:
        def outer(s: Any) -> Any:
            inner = wg.while_loop(lambda v: v < 3.0, lambda v: v * 1.5 + x, s[1])
            return s[0] + 1.0, wg.cond(inner > 4.0, lambda: inner * 0.25, lambda: np.sqrt(inner) * x)

        return wg.while_loop(lambda s: s[0] * x < 4.0, outer, (0.0, x))[1]

    def plain(x: Any) -> Any:
        n, y = 0.0, x
        while n * x < 4.0:
            while y < 3.0:
                y = y * 1.5 + x
            n, y = n + 1.0, (y * 0.25 if y > 4.0 else np.sqrt(y) * x)
        return y

    for transform in (lambda f: f, wg.grad, lambda f: wg.grad(wg.grad(f))):
        graph = wg.trace(transform(f))(1.0)
        assert not graph.guards
        for x in (1.0, 0.7, 2.5, 0.3, 5.0):
            assert float(graph(x)) == pytest.approx(float(transform(plain)(x)), rel=1e-12, abs=1e-300)

    def rows(c: Any, x: Any) -> Any:
        return c + wg.while_loop(lambda v: v < 2.0, lambda v: v * 1.5, x * c), c

    graph = wg.trace(wg.grad(lambda c, xs: wg.scan(rows, c, xs)[0]))(0.5, np.array([1.0, 0.1]))
    assert not graph.guards

    def rows_plain(c: Any, xs: Any) -> Any:
        for x in xs:
            v = x * c
            while v < 2.0:
                v = v * 1.5
            c = c + v
        return c

    for xs in (np.array([1.0, 0.1]), np.array([0.01, 3.0])):
        for c in (0.5, 1.5):
            assert float(graph(c, xs)) == pytest.approx(float(wg.grad(rows_plain)(c, xs)), rel=1e-13)


def test_carries_that_are_written_to() -> None:
    def f(x: Any) -> Any:
        def body(s: Any) -> Any:
            k, y = s
            y = y.copy()
            y[k] = y[k - 1] * x[k] + y[k] ** 2
            return k + 1, y

        k, y = wg.while_loop(lambda s: np.sum(s[1][:2]) + s[0] < 5.5 + x[0], body, (1, x))
        return np.sum(y * np.arange(1.0, 6.0)) + k

    def plain(x: Any) -> Any:
        y = [x[i] for i in range(5)]
        k = 1
        while y[0] + y[1] + k < 5.5 + x[0]:
            y[k] = y[k - 1] * x[k] + y[k] ** 2
            k += 1
        return sum(v * (i + 1) for i, v in enumerate(y)) + k

    x = np.array([1.0, 0.5, 0.25, 2.0, -1.0])
    graph = wg.trace(wg.value_and_grad(f))(x)
    assert "while_loop" in {n.op.name for n in graph}
    for v in (x, x * 0.9, x * [1.0, 3.0, 1.0, 1.0, 1.0]):
        value, slope = graph(v)
        assert float(value) == pytest.approx(float(plain(v)), rel=1e-14)
        np.testing.assert_allclose(slope, wg.grad(plain)(v), rtol=1e-13)


def test_what_cannot_be_one_step_is_followed() -> None:
    def asks(x: Any) -> Any:
        return wg.while_loop(lambda v: v < 10.0, lambda v: v * 2.0 if v < 4.0 else v + 3.0, x)

    def raises(x: Any) -> Any:
        def body(v: Any) -> Any:
            return v - np.linalg.inv(np.array([[v, 0.0], [0.0, v - 1.0]]))[0, 0]

        return wg.while_loop(lambda v: v > 1.0, body, x)

    def words(x: Any) -> Any:
        """What is no number may change too."""
        s = wg.while_loop(lambda s: len(s[1]) < 4, lambda s: (s[0] * x, s[1] + "a"), (x, "a"))
        return s[0]

    for f, points in ((words, [2.0, 3.0]), (asks, [1.0, 2.0, 5.0, 20.0]), (raises, [1.0, 3.0, 0.5, 5.0])):
        compiled = wg.compile(wg.value_and_grad(f), backend="numpy")
        for x in (*points, *points):
            found, wanted = compiled(x), wg.value_and_grad(f)(x)
            assert tuple(map(float, found)) == tuple(map(float, wanted))
    with pytest.raises(wg.WengertError, match="comes in as int64"):
        wg.trace(lambda x: wg.while_loop(lambda v: v < 3, lambda v: v + x, 0))(1.0)


def test_tensors_are_followed() -> None:
    f = wg.compile(
        lambda t: wg.cond(
            t.sum() > 0, lambda t: wg.while_loop(lambda t: t.sum() < 20.0, lambda t: t * 2, t), lambda t: -t, t
        ),
        backend="numpy",
    )
    for values, wanted in (([1.0, 2.0], [8.0, 16.0]), ([-1.0, -2.0], [1.0, 2.0]), ([1.0, 2.0], [8.0, 16.0])):
        assert f(wg.tensor(values)).tolist() == wanted
