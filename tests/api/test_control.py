"""scan, cond, while_loop, fori_loop as users call them: values, containers, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg


def recorded(f: Any, *args: Any) -> Any:
    return wg.trace(f)(*args)(*args)


@pytest.mark.parametrize("run", [lambda f, *a: f(*a), recorded], ids=["plain", "recorded"])
def test_containers_and_directions(run: Any) -> None:
    def f(x: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            carry = {"a": carry["a"] + row["u"] * row["v"], "b": (carry["b"][0] * 2.0,)}
            return carry, [carry["a"], None, carry["b"][0]]

        return wg.scan(body, {"a": np.zeros(2), "b": (1.0,)}, {"u": x, "v": np.arange(3.0)[:, None]}, reverse=True)

    x = np.arange(6.0).reshape(3, 2)
    carry, (sums, nothing, doubled) = run(f, x)
    np.testing.assert_array_equal(carry["a"], x[1] + 2 * x[2])
    np.testing.assert_array_equal(sums, [x[1] + 2 * x[2], x[1] + 2 * x[2], 2 * x[2]])
    np.testing.assert_array_equal(doubled, [8.0, 4.0, 2.0])
    assert nothing is None and float(carry["b"][0]) == 8.0


def test_length_without_rows() -> None:
    carry, ys = wg.scan(lambda c, x: (c * 2.0, c), 1.0, length=4)
    assert float(carry) == 16.0
    np.testing.assert_array_equal(ys, [1.0, 2.0, 4.0, 8.0])
    carry, ys = wg.scan(lambda c, x: (c * 2.0, c), 1.0, np.zeros(0))
    assert carry == 1.0 and ys is None
    graph = wg.trace(lambda a: wg.scan(lambda c, x: (c * a, c), 1.0, length=4))(3.0)
    carry, ys = graph(3.0)
    assert float(carry) == 81.0
    np.testing.assert_array_equal(ys, [1.0, 3.0, 9.0, 27.0])


@pytest.mark.parametrize("run", [lambda f, *a: f(*a), recorded], ids=["plain", "recorded"])
def test_what_changes_is_refused(run: Any) -> None:
    with pytest.raises(wg.WengertError, match=r"comes in as int64\[\] and is returned as float64\[\]"):
        run(lambda x: wg.scan(lambda c, r: (c + r, None), 0, x), np.ones(3))
    with pytest.raises(wg.WengertError, match="changes its structure"):
        run(lambda x: wg.scan(lambda c, r: ((c, r), None), 0.0, x), np.ones(3))
    with pytest.raises(wg.WengertError, match=r"float64\[\] and is returned as float64\[3\]"):
        run(lambda x: wg.fori_loop(0, 3, lambda i, c: c + x, 0.0), np.ones(3))
    with pytest.raises(wg.WengertError, match=r"float64\[\] and is returned as float64\[3\]"):
        run(lambda x: wg.while_loop(lambda c: np.sum(c) < 3.0, lambda c: c + x, 0.0), np.ones(3))
    with pytest.raises(wg.WengertError, match="pair"):
        run(lambda x: wg.scan(lambda c, r: c, 0.0, x), np.ones(3))
    with pytest.raises(wg.WengertError, match="lengths differ"):
        run(lambda x: wg.scan(lambda c, r: (c, None), 0.0, x, length=2), np.ones(3))
    with pytest.raises(wg.WengertError, match="neither xs nor length"):
        run(lambda x: wg.scan(lambda c, r: (c * x, None), 0.0), 1.0)
    with pytest.raises(wg.WengertError, match="no rows"):
        run(lambda x: wg.scan(lambda c, r: (c, None), 0.0, 3.0), 1.0)
    with pytest.raises(wg.WengertError, match="takes a function"):
        run(lambda x: wg.scan(x, 0.0, np.ones(2)), 1.0)
    with pytest.raises(wg.WengertError, match="predicate"):
        run(lambda x: wg.cond(x > 0, lambda: 1.0, lambda: 2.0), np.ones(3))


def test_bodies_that_ask_are_unrolled() -> None:
    def f(x: Any) -> Any:
        def body(c: Any, r: Any) -> Any:
            return (c * r if c > 2.0 else c + r), c

        return wg.scan(body, x, np.array([1.5, 1.25, 3.0]))

    graph = wg.trace(f)(1.0)
    assert all(n.op.name != "scan" for n in graph)
    assert float(graph(1.0)[0]) == (1.0 + 1.5) * 1.25 * 3.0
    assert float(wg.grad(lambda x: f(x)[0])(1.0)) == 1.25 * 3.0


def test_cond() -> None:
    def f(x: Any) -> Any:
        return wg.cond(x > 1.0, lambda v: v * v, lambda v: -v, x)

    assert f(3.0) == 9.0 and f(0.5) == -0.5
    assert float(wg.grad(f)(3.0)) == 6.0 and float(wg.grad(f)(0.5)) == -1.0
    np.testing.assert_array_equal(wg.vmap(wg.grad(f))(np.array([3.0, 0.5])), [6.0, -1.0])

    def loop(x: Any) -> Any:
        return wg.scan(
            lambda c, r: (wg.cond(c > r, lambda v: v * x, lambda v: v + x, c), None), 1.0, np.array([0.5, 9.0, 2.0])
        )[0]

    graph = wg.trace(loop)(2.0)
    assert next(n.op.name for n in graph) == "scan"
    for x in (2.0, 0.1, 5.0):
        c = 1.0
        for r in (0.5, 9.0, 2.0):
            c = c * x if c > r else c + x
        assert float(graph(x)) == c
    assert float(wg.grad(lambda x: graph(x))(2.0)) == float(wg.grad(loop)(2.0)) == 8.0  # (x + x) x at 2


def test_while_loop_follows_its_steps() -> None:
    def root(a: Any) -> Any:
        return wg.while_loop(lambda x: abs(x * x - a) > 1e-13 * a, lambda x: 0.5 * (x + a / x), 1.0)

    assert float(root(2.0)) == pytest.approx(2**0.5, rel=1e-14)
    assert float(wg.grad(root)(2.0)) == pytest.approx(0.5 / 2**0.5, rel=1e-9)
    assert float(wg.trace(root)(2.0)(2e6)) == pytest.approx(2e6**0.5, rel=1e-12)


def test_fori_loop() -> None:
    def f(x: Any) -> Any:
        return wg.fori_loop(1, 4, lambda i, c: c * x[i] + i, 1.0)

    x = np.array([9.0, 2.0, 3.0, 4.0])
    assert float(f(x)) == float(recorded(f, x)) == ((1 * 2 + 1) * 3 + 2) * 4 + 3
    wanted = [0.0, 12.0, 12.0, 11.0]
    np.testing.assert_array_equal(wg.grad(f)(x), wanted)
    np.testing.assert_array_equal(recorded(wg.grad(f), x), wanted)
    assert wg.fori_loop(3, 1, lambda i, c: c + 1.0, 5.0) == 5.0
