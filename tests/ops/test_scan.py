"""The operation ``scan`` and the loops that record it: values, derivatives of all orders and modes, batches.

References are the complex step of the plain Python loop (untraced), closed forms, and the unrolled program.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(7)
W = 0.5 * RNG.normal(size=(3, 3))
C = RNG.normal(size=3)
X = RNG.normal(size=(5, 3))


def by_hand(w: Any, c: Any, xs: Any, reverse: bool = False) -> Any:
    """The loop as a plain program, complex numbers allowed."""
    total = 0.0
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        c = np.tanh(w @ c + xs[t]) * c
        total = total + (t + 1.0) * np.sum(c**2)
    return np.sum(c) + total


def with_scan(w: Any, c: Any, xs: Any, reverse: bool = False) -> Any:
    def body(c: Any, x: Any) -> Any:
        c = np.tanh(w @ c + x) * c
        return c, np.sum(c**2)

    c, ys = wg.scan(body, c, xs, reverse=reverse)
    return np.sum(c) + np.sum(ys * np.arange(1.0, len(xs) + 1))


def complex_gradient(f: Any, x: np.ndarray) -> np.ndarray:
    found = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[place] += 1e-30j
        found[place] = f(moved).imag / 1e-30
    return found


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_in_every_kind_of_trace(reverse: bool) -> None:
    wanted = [
        complex_gradient(lambda w: by_hand(w, C, X, reverse), W),
        complex_gradient(lambda c: by_hand(W, c, X, reverse), C),
        complex_gradient(lambda x: by_hand(W, C, x, reverse), X),
    ]
    graph = wg.trace(lambda *a: with_scan(*a, reverse))(W, C, X)
    assert next(n.op.name for n in graph) == "scan"
    assert float(graph(W, C, X)) == pytest.approx(by_hand(W, C, X, reverse), rel=1e-14)
    tangents = [RNG.normal(size=a.shape) for a in (W, C, X)]
    along = sum(np.vdot(t, g) for t, g in zip(tangents, wanted, strict=True))
    recorded = wg.trace(wg.grad(lambda *a: with_scan(*a, reverse), (0, 1, 2)))(W, C, X)
    assert sum(n.op.name == "scan" for n in recorded) == 2
    _, linear = wg.linearize(graph, W, C, X)
    for found in (
        wg.grad(lambda *a: with_scan(*a, reverse), (0, 1, 2))(W, C, X),
        wg.grad(lambda *a: graph(*a), (0, 1, 2))(W, C, X),
        recorded(W, C, X),
        linear.T(1.0),
    ):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)
    pushed = wg.trace(lambda *a: wg.jvp(lambda *b: with_scan(*b, reverse), a, tuple(tangents))[1])(W, C, X)
    for value in (
        wg.jvp(lambda *a: graph(*a), (W, C, X), tuple(tangents))[1],
        linear(*tangents),
        pushed(W, C, X),
    ):
        assert float(value) == pytest.approx(along, rel=1e-11)


def test_recorded_at_one_point_and_run_at_another() -> None:
    recorded = wg.trace(wg.grad(with_scan, (0, 1)))(W, C, X)
    w, c, x = W.T.copy(), C[::-1].copy(), X * 0.3
    found = recorded(w, c, x)
    np.testing.assert_allclose(found[0], complex_gradient(lambda v: by_hand(v, c, x), w), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(found[1], complex_gradient(lambda v: by_hand(w, v, x), c), rtol=1e-11, atol=1e-13)


def test_second_and_third_order() -> None:
    def gradient(c: Any) -> Any:
        return complex_gradient(lambda v: by_hand(W, v, X), c)

    steps = [1e-3, 5e-4]
    columns = [np.array([(gradient(C + h * e) - gradient(C - h * e)) / (2 * h) for e in np.eye(3)]) for h in steps]
    wanted = (4 * columns[1] - columns[0]) / 3  # Richardson
    graph = wg.trace(with_scan)(W, C, X)
    for hessian in (
        wg.hessian(lambda c: graph(W, c, X))(C),
        wg.trace(wg.hessian(lambda c: with_scan(W, c, X)))(C)(C),
    ):
        np.testing.assert_allclose(hessian, wanted, rtol=1e-8, atol=1e-8)

    def third(c: Any, f: Any) -> Any:
        return wg.grad(lambda c: np.sum(wg.grad(lambda c: np.sum(wg.grad(f)(c) ** 2))(c) ** 2))(c)

    unrolled = third(C, lambda c: by_hand(W, c, X))
    recorded = wg.trace(lambda c: third(c, lambda c: with_scan(W, c, X)))(C)
    assert all(
        n.op.name in {"scan", "item", "get", "multiply", "add", "sum", "square", "broadcast"} or len(recorded) < 80
        for n in recorded
    )
    np.testing.assert_allclose(recorded(C), unrolled, rtol=1e-12, atol=1e-12 * np.abs(unrolled).max())


def test_a_loop_in_a_loop() -> None:
    def nested(a: Any, xs: Any) -> Any:
        def outer(c: Any, x: Any) -> Any:
            def inner(d: Any, y: Any) -> Any:
                d = np.sin(a * d + y * c)
                return d, d * c

            d, ds = wg.scan(inner, c, xs)
            return d * x, np.sum(ds)

        c, out = wg.scan(outer, a, xs)
        return c + np.sum(out**2)

    def plain(a: Any, xs: Any) -> Any:
        c, total = a, 0.0
        for x in xs:
            d, out = c, 0.0
            for y in xs:
                d = np.sin(a * d + y * c)
                out = out + d * c
            c, total = d * x, total + out**2
        return c + total

    xs = np.array([0.3, 1.1, -0.7])
    wanted = plain(0.7 + 1e-30j, xs).imag / 1e-30
    rows = complex_gradient(lambda v: plain(0.7, v), xs)
    recorded = wg.trace(wg.grad(nested, (0, 1)))(0.7, xs)
    assert {n.op.name for n in recorded} >= {"scan"} and len(recorded) < 30
    assert float(recorded(0.7, xs)[0]) == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(recorded(0.7, xs)[1], rows, rtol=1e-12)
    step = 1e-4
    second = [
        (plain(0.7 + s + 1e-30j, xs).imag - plain(0.7 - s + 1e-30j, xs).imag) / 1e-30 / (2 * s)
        for s in (step, 2 * step)
    ]
    found = wg.trace(wg.grad(wg.grad(nested)))(0.7, xs)(0.7, xs)
    assert float(found) == pytest.approx((4 * second[0] - second[1]) / 3, rel=1e-8)


def test_batches() -> None:
    ws = RNG.normal(size=(4, 3, 3))
    xs = RNG.normal(size=(4, 5, 3))
    found = wg.vmap(with_scan, (0, None, 0))(ws, C, xs)
    np.testing.assert_allclose(found, [by_hand(w, C, x) for w, x in zip(ws, xs, strict=True)], rtol=1e-13)
    grads = wg.vmap(wg.grad(with_scan), (None, 0, None))(W, np.stack([C, 2 * C]), X)
    for got, c in zip(grads, (C, 2 * C), strict=True):
        np.testing.assert_allclose(got, complex_gradient(lambda w, c=c: by_hand(w, c, X), W), rtol=1e-11, atol=1e-13)
    inner = wg.grad(lambda w: np.sum(wg.vmap(with_scan, (None, None, 0))(w, C, xs)))(W)
    np.testing.assert_allclose(
        inner, complex_gradient(lambda w: sum(by_hand(w, C, x) for x in xs), W), rtol=1e-11, atol=1e-13
    )


def test_a_carried_array_is_written_to_in_place_only_when_nobody_looks() -> None:
    def fill(x: Any) -> Any:
        def body(carry: Any, i: Any) -> Any:
            buf, _old = carry
            kept = buf[0] + buf[i]
            buf[i] = kept * x[i]
            return (buf, kept), np.sum(buf)

        (buf, old), sums = wg.scan(body, (np.ones(4), 0.0), np.arange(4))
        return np.sum(sums) + np.sum(buf**2) + old

    def plain(x: Any) -> Any:
        buf, total, kept = np.ones(4, x.dtype), 0.0, 0.0
        for i in range(4):
            kept = buf[0] + buf[i]
            buf[i] = kept * x[i]
            total = total + np.sum(buf)
        return total + np.sum(buf**2) + kept

    x = np.array([0.5, 1.5, -2.0, 0.25])
    graph = wg.trace(fill)(x)
    assert sum(n.op.name == "scan" for n in graph) == 1
    assert float(graph(x)) == plain(x)
    np.testing.assert_allclose(wg.grad(lambda x: graph(x))(x), complex_gradient(plain, x), rtol=1e-13)
    np.testing.assert_allclose(wg.grad(lambda x: graph(x))(x), wg.grad(plain)(x), rtol=1e-13)


def test_masked_infinities_stay_masked() -> None:
    """A step that is chosen away gives no NaN, in the loop as in the unrolled program."""

    def f(x: Any) -> Any:
        def body(c: Any, t: Any) -> Any:
            return c + np.where(x > 0.0, np.sqrt(x), 0.0) * t, None

        return np.sum(wg.scan(body, np.zeros(2), np.arange(1.0, 4.0))[0])

    x = np.array([4.0, 0.0])
    np.testing.assert_array_equal(wg.grad(f)(x), [1.5, 0.0])
    graph = wg.trace(f)(x)
    np.testing.assert_array_equal(wg.grad(lambda x: graph(x))(x), [1.5, 0.0])
    np.testing.assert_array_equal(wg.trace(wg.grad(f))(x)(x), [1.5, 0.0])


def test_float32_and_complex_keep_their_types() -> None:
    def f(a: Any, xs: Any) -> Any:
        return wg.scan(lambda c, x: (c * x + a, c), a, xs)

    xs = np.array([0.5, 2.0, 3.0], np.float32)
    c, ys = wg.trace(f)(np.float32(1.5), xs)(np.float32(1.5), xs)
    assert c.dtype == ys.dtype == np.float32
    assert float(c) == ((1.5 * 0.5 + 1.5) * 2 + 1.5) * 3 + 1.5
    z = np.array([1.0 + 2.0j, -0.5j])

    def g(a: Any) -> Any:
        return np.real(wg.scan(lambda c, x: (c * x + a * a, None), a, z)[0])

    a = 0.3 - 0.7j
    # c = ((a z0 + a^2) z1 + a^2), so c'(a) = z0 z1 + 2 a z1 + 2 a, and the gradient of the real part its conjugate.
    wanted = np.conj(z[0] * z[1] + 2 * a * z[1] + 2 * a)
    for found in (wg.grad(g)(a), wg.trace(wg.grad(g))(a)(a)):
        assert complex(found) == pytest.approx(wanted, rel=1e-13)
