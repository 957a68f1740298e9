"""Derivatives inside a recording that folds: the loops of the function are folded first, so the derivative has loops.

References are the uncompiled derivatives (which are held against differences elsewhere) and Richardson's differences.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import context
from wengert.core.context import FULL
from wengert.rewrite.loops.fold import fold

sys.path.insert(0, str(Path(__file__).parent.parent / "rewrite"))
from loop_programs import PROGRAMS, garch, lotka_volterra


def recorded(f: Any, *args: Any, folds: Any = True) -> Any:
    """The folded graph of ``f``, recorded as ``compile`` records it."""
    frame, token = context.enter(FULL)
    frame.folds = folds
    try:
        return fold(wg.trace(f)(*args))
    finally:
        context.leave(frame, token)


def loops(graph: Any) -> int:
    return sum(n.op.name == "scan" for n in graph.nodes)


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n not in {"convolution", "newton"}])
def test_the_gradient_of_a_loop_is_a_loop(name: str) -> None:
    f, args, count, _ = PROGRAMS[name]
    graph = recorded(wg.value_and_grad(f), *args)
    assert count <= loops(graph) and len(graph) < 130, str(graph)
    for factor in (1.0, 1.0003):
        moved = [a * factor for a in args]
        value, gradient = wg.value_and_grad(f)(*moved)
        got, found = graph(*moved)
        np.testing.assert_allclose(got, value, rtol=1e-14)  # a product may meet another layout
        np.testing.assert_allclose(found, gradient, rtol=1e-9, atol=1e-10 * (1 + np.abs(gradient).max()))


def test_few_parameters_of_a_loop_of_scalars_go_forward() -> None:
    p = np.array([1.5, 1.0, 3.0, 1.0])
    forward = recorded(wg.value_and_grad(lotka_volterra), p)
    back = recorded(wg.value_and_grad(lotka_volterra), p, folds="reverse")
    assert loops(forward) == 1 and loops(back) == 2
    for q in (p, 0.9 * p):
        step = 1e-4
        moved = [np.array([lotka_volterra(q + k * step * e) for e in np.eye(4)]) for k in (-2, -1, 1, 2)]
        wanted = (8 * (moved[2] - moved[1]) - (moved[3] - moved[0])) / (12 * step)
        for graph in (forward, back):
            value, gradient = graph(q)
            assert value == lotka_volterra(q)
            np.testing.assert_allclose(gradient, wanted, rtol=1e-9)


def test_forward_through_rows_in_float32() -> None:
    def f(a: Any, xs: Any) -> Any:
        c, log = a, []
        for x in xs:
            c = np.sin(c * x) + a
            log.append(c)
        return np.sum(np.stack(log) * xs) + c

    xs = np.linspace(0.1, 1.0, 150).astype(np.float32)
    graph = recorded(wg.grad(f), np.float32(0.7), xs)
    assert loops(graph) >= 1
    found = graph(np.float32(0.6), xs)
    exact = [f(0.6 + k * 1e-5, xs.astype(float)) for k in (-1, 1)]
    assert found.dtype == np.float32
    assert float(found) == pytest.approx((exact[1] - exact[0]) / 2e-5, rel=1e-4)


def test_gradient_of_a_gradient() -> None:
    args = PROGRAMS["garch"][1]

    def along(p: Any, e: Any) -> Any:
        return wg.grad(lambda q: np.sum(wg.grad(garch)(q, e) * np.array([1.0, 2.0, -1.0])))(p)

    graph = recorded(along, *args)
    assert loops(graph) >= 2 and len(graph) < 300
    step = 1e-5
    direction = np.array([1.0, 2.0, -1.0])
    moved = [wg.grad(garch)(args[0] + k * step * direction, args[1]) for k in (-2, -1, 1, 2)]
    wanted = (8 * (moved[2] - moved[1]) - (moved[3] - moved[0])) / (12 * step)
    np.testing.assert_allclose(graph(*args), wanted, rtol=1e-6)


def test_vjp_jacobian_and_vmap_inside() -> None:
    p = np.array([1.5, 1.0, 3.0, 1.0])

    def jacobian(p: Any) -> Any:
        return wg.jacrev(lambda q: np.stack([lotka_volterra(q), lotka_volterra(2.0 * q)]))(p)

    graph = recorded(jacobian, p)
    assert 2 <= loops(graph) and len(graph) < 120
    rows = [wg.grad(lotka_volterra)(p), 2.0 * wg.grad(lotka_volterra)(2.0 * p)]
    np.testing.assert_allclose(graph(p), rows, rtol=1e-10)
    ps = np.stack([p, p * 1.1])
    batch = recorded(wg.vmap(wg.grad(lotka_volterra)), ps)
    assert loops(batch) >= 1 and len(batch) < 120
    np.testing.assert_allclose(batch(ps), [wg.grad(lotka_volterra)(q) for q in ps], rtol=1e-10)


def test_guards_inside_are_asked() -> None:
    def f(x: Any) -> Any:
        for _ in range(150):
            x = x * 0.99 if x > 0.5 else x * 0.98
        return x

    graph = recorded(wg.grad(f), 0.4)
    assert loops(graph) >= 1
    assert float(graph(0.3)) == pytest.approx(0.98**150, rel=1e-12)
    with pytest.raises(wg.WengertError, match="another way"):
        graph(0.6)


def test_closures_and_containers() -> None:
    def f(x: Any) -> Any:
        def inner(d: Any) -> Any:
            c, log = d["c"], []
            for i in range(110):
                c = np.tanh(c * x + d["w"][0] * 0.01 * i)
                log.append(c)
            return sum(log), {"last": c}

        (value, aux), g = wg.value_and_grad(inner, has_aux=True)({"c": 0.3, "w": (x * 2.0,)})
        return value + g["c"] * g["w"][0] + aux["last"]

    graph = recorded(f, 0.7)
    assert loops(graph) >= 2 and len(graph) < 100
    assert float(graph(0.8)) == pytest.approx(float(f(0.8)), rel=1e-11)
    gradient = recorded(wg.grad(f), 0.7)
    wanted = float(wg.grad(f)(0.8))
    assert float(gradient(0.8)) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("backend", ["numpy"])
def test_compiled(backend: str) -> None:
    run = wg.compile(wg.value_and_grad(lotka_volterra), backend=backend)
    for p in (np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.2, 0.9, 2.5, 1.1])):
        value, gradient = run(p)
        wanted = wg.value_and_grad(lotka_volterra)(p)
        assert value == wanted[0]
        np.testing.assert_allclose(gradient, wanted[1], rtol=1e-11)


def test_rows_of_an_argument_without_derivative_are_read_before_the_loop() -> None:
    def f(w: Any, xs: Any) -> Any:
        c = 0.5
        for t in range(len(xs) - 1):
            c = np.tanh(w[0] * c + np.sum(w * xs[t] * xs[-1])) - xs[t + 1, 0]
        return c

    rng = np.random.default_rng(3)
    graph = recorded(wg.value_and_grad(f), rng.random(4), rng.random((60, 4)))
    scans = [n for n in graph.nodes if n.op.name == "scan"]
    assert len(scans) == 2 and all(n.params[4] >= 2 for n in scans)
    for scan in scans:  # no table of indices goes into the loop, and what is the same in every turn is made once
        body = scan.params[0]
        assert all(len(n.args) == 1 for n in body.nodes if n.op.name == "getitem"), str(body)
        assert not any(n.type.shape == (60, 4) for n in body.inputs)
    w, xs = rng.random(4), rng.random((60, 4))
    value, gradient = graph(w, xs)
    assert value == f(w, xs)
    wanted = [f(w + 1e-30j * e, xs).imag * 1e30 for e in np.eye(4)]
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12)


def test_what_a_recording_wrote_into_dies_with_it() -> None:
    import gc

    from wengert.core.node import RichNode

    def f(w: Any, x: Any) -> Any:
        state = np.array(x)
        for t in range(100):
            state[0] = np.tanh(state[0] * w + state[1])
            state[1] = state[0] * x[t % 2]
        return state[1]

    gc.collect()
    gc.disable()
    try:
        before = sum(type(o) is RichNode for o in gc.get_objects())
        graph = recorded(wg.grad(f), 0.3, np.array([0.2, 0.4]))
        after = sum(type(o) is RichNode for o in gc.get_objects())
    finally:
        gc.enable()
    assert loops(graph) == 2 and after - before < 400  # the run had more than 600 steps
    x = np.array([0.25, 0.35])
    assert float(graph(0.4, x)) == pytest.approx(f(0.4 + 1e-30j, x.astype(complex)).imag * 1e30, rel=1e-12)


def test_a_value_that_outlives_the_recording_of_its_function() -> None:
    def f(x: Any) -> Any:
        box = []

        def inner(y: Any) -> Any:
            c = y
            for _ in range(120):
                c = np.sin(c * y)
            box.append(c * 2.0)
            return c

        return wg.grad(inner)(x) + box[0]

    with pytest.raises(wg.WengertError, match="outside of it"):
        recorded(f, 0.9)
    run = wg.compile(f, backend="numpy")
    with pytest.warns(wg.WengertWarning):
        assert float(run(0.9)) == pytest.approx(float(f(0.9)), rel=1e-14)


def test_numpy_runs_loops_back_and_native_code_carries_few_tangents() -> None:
    p = np.array([1.5, 1.0, 3.0, 1.0])
    back = wg.compile(wg.value_and_grad(lotka_volterra), backend="numpy")
    found = [back(p), back(p)]
    assert "scan 2" in back.explain()
    if importlib.util.find_spec("llvmlite") is not None:
        forward = wg.compile(wg.value_and_grad(lotka_volterra), backend="native")
        found += [forward(p), forward(p)]
        assert "scan 1" in forward.explain()
    wanted = wg.value_and_grad(lotka_volterra)(p)
    for value, gradient in found:
        assert value == pytest.approx(wanted[0], rel=1e-13)
        np.testing.assert_allclose(gradient, wanted[1], rtol=1e-10)


_READS = (
    "xs[t, 1]", "xs[-t - 1, 2]", "np.sum(xs[t] * w)", "np.sum(xs[2 * t + 1])", "np.sum(xs[t : t + 3, 0])",
    "xs[idx[t], 3]", "xs[5, 0]", "np.sum(xs[7] * w)", "xs[t].max()", "np.sum(xs[:, 1][t : t + 2])", "xs[t + 1][2]",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_reads_of_any_kind_of_an_argument_with_or_without_derivative(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(40, 70))
    first, second, third = rng.choice(_READS, 3)
    text = f"""
def f(w, xs):
    c, s = 0.3, 0.0
    for t in range({n}):
        c = np.tanh(c * w[0] + {first} * w[1] * 0.3) + {second} * 0.1
        s = s + c * {third}
    return c + s
"""
    space: dict[str, Any] = {"np": np, "idx": rng.integers(0, n, n)}
    exec(text, space)
    which = (0, 1) if seed % 3 == 2 else 0
    graph = recorded(wg.value_and_grad(space["f"], which), rng.random(4), rng.random((2 * n + 6, 4)))
    assert loops(graph) >= 1
    w, xs = rng.random(4), rng.random((2 * n + 6, 4))
    value, gradients = graph(w, xs)
    assert value == pytest.approx(space["f"](w, xs), rel=1e-13)
    slope = gradients[0] if which else gradients
    for k, e in enumerate(1e-5 * np.eye(4)):
        near = [space["f"](w + j * e, xs) for j in (-2, -1, 1, 2)]
        assert slope[k] == pytest.approx((8 * (near[2] - near[1]) - near[3] + near[0]) / 12e-5, rel=1e-7, abs=1e-8)
