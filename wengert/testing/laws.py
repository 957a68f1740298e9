"""The laws of derivatives: numbers, transposes and second order agree with what values say.

A law is a function of (operation, operands, parameters, random generator) that raises
AssertionError. May import every room. Invariant: a law says nothing about how a rule is written, so
that every rule, whoever derives it, is judged alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert import numeric
from wengert.api.gradients import jvp, vjp
from wengert.core import context, sweep
from wengert.core.handle import handle, is_handle
from wengert.core.op import LINEAR, Op
from wengert.core.structure import root
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.testing.programs import (
    LEADING_OPERANDS,
    Program,
    assert_close,
    assert_same,
    determined,
    evaluated,
    joined,
    narrowed,
    pairing,
    parts,
    programs,
    random_like,
    size_of,
    tolerance,
    widened,
)
from wengert.testing.registry import Rng, Values, law


@law
def tangent_is_the_numeric_derivative(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """J t is what differences of values give, by all inputs together and by each alone."""
    for run in programs(op, operands, params):
        tangents = run.tangents(rng)
        value, got = jvp(run, run.leaves, tangents)
        assert_types(got, value)
        wide = Program(op, widened(operands), params, run.which)
        if not joined(value).size or not any(np.size(v) for v in run.leaves):
            continue
        found = numeric.directional(wide.joined, wide.leaves, widened(tangents))
        scale = np.max(np.abs(found.value)) + np.max(np.abs(joined(value)))
        rtol = tolerance(value, *run.leaves, double=1e-7, single=2e-3)
        assert np.max(found.error) <= max(rtol, 1e-5) * scale, (
            f"the reference is rough here: {found}; choose a smoother sample"
        )
        assert_close(got, found.value, rtol, f"tangent by operands {run.which}", found.error)


def assert_types(derivative: Any, value: Any) -> None:
    """Assert that each output's tangent has its shape and dtype."""
    for d, v in zip(parts(derivative), parts(value), strict=True):
        assert shape_of(d) == shape_of(v) and dtype_of(d) == dtype_of(v), (
            f"tangent of type {ArrayType.of(d)} for a value of type {ArrayType.of(v)}"
        )


@law
def transpose_pairs_with_tangent(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """Re<ct, J t> = Re<J^T ct, t>; neither operands nor cotangent are written to."""
    before = copies(operands)
    for run in programs(op, operands, params):
        value, pullback = vjp(run, *run.leaves)
        tangents = run.tangents(rng)
        ct = random_like(value, rng)
        kept = copies(ct)
        back = pullback(ct)
        assert_types(back, run.leaves)
        push = jvp(run, run.leaves, tangents)[1]
        left, right = pairing(ct, push), pairing(back, tangents)
        rtol = tolerance(value, *run.leaves, double=1e-10, single=1e-4)
        allowed = rtol * (size_of(ct) * size_of(push) + size_of(back) * size_of(tangents))
        assert abs(left - right) <= allowed, f"operands {run.which}: <ct, J t> = {left}, <J^T ct, t> = {right}"
        assert_same(ct, kept, "cotangent after the sweep")
    assert_same(tuple(operands), before, "operands after the sweeps")


def copies(value: Any) -> Any:
    """Copies of arrays in a value or tuple."""
    if isinstance(value, tuple):
        return tuple(map(copies, value))
    return value.copy() if isinstance(value, np.ndarray) else value


@law
def linear_is_linear(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """f(a x + b x') = a f(x) + b f(x'): in all inputs together, or in each."""
    if op.kind != LINEAR:
        return
    together, *alone = programs(op, operands, params)
    if not alone:
        assert_linear(together, rng)
        return
    try:
        assert_linear(together, rng)
    except AssertionError:
        for run in alone:
            assert_linear(run, rng)


def assert_linear(run: Program, rng: np.random.Generator) -> None:
    """Assert linearity at two random points, with real factors."""
    first, second = ([random_like(v, rng) for v in run.leaves] for _ in range(2))
    mixed = [np.asarray(0.75 * x - 1.5 * z).astype(x.dtype)[()] for x, z in zip(first, second, strict=True)]
    want = 0.75 * run.joined(*first) - 1.5 * run.joined(*second)
    assert_close(
        run(*mixed),
        want,
        tolerance(*first, run(*mixed), double=1e-12, single=1e-5),
        f"linear in operands {run.which}",
    )


@law
def transposing_twice_gives_the_tangent(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """The transpose of ct -> J^T ct is t -> J t; of a linear operation that is itself."""
    for run in programs(op, operands, params):
        value = run(*run.leaves)
        tangents = run.tangents(rng)
        ct = random_like(value, rng)
        if not parts(value):
            continue
        moved = parts(ct)

        def transposed(*cts: Any, run: Program = run, value: Any = value) -> Any:
            rest = iter(cts)
            given = [next(rest) if parts(v) else None for v in (value if isinstance(value, tuple) else (value,))]
            return vjp(run, *run.leaves)[1](tuple(given) if isinstance(value, tuple) else given[0])

        twice = vjp(transposed, *moved)[1](tangents)
        push = jvp(run, run.leaves, tangents)[1]
        rtol = tolerance(value, *run.leaves, double=1e-10, single=1e-4)
        assert_close(twice, push, rtol, f"transposed twice, operands {run.which}")


@law
def second_order_agrees(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """With g(x) = J(x)^T w: reverse of g . v = forward of g along v = reverse of J v . w.

    All three are also what differences of g give.
    """
    for run in programs(op, operands, params)[:1]:
        value = run(*run.leaves)
        w, v = random_like(value, rng), run.tangents(rng)

        def gradient(*leaves: Any, run: Program = run, w: Any = w) -> Any:
            return vjp(run, *leaves)[1](w)

        def slope(*leaves: Any, run: Program = run, v: Any = v) -> Any:
            return jvp(run, leaves, v)[1]

        forward = jvp(gradient, run.leaves, v)[1]
        rtol = tolerance(value, *run.leaves, double=1e-9, single=2e-3)
        scale = size_of(gradient(*run.leaves))
        noise = rtol * scale / 10.0
        assert_close(
            vjp(gradient, *run.leaves)[1](v),
            forward,
            rtol,
            "reverse over reverse, against forward over reverse",
            noise,
        )
        assert_close(
            vjp(slope, *run.leaves)[1](w),
            forward,
            rtol,
            "reverse over forward, against forward over reverse",
            noise,
        )
        if not joined(forward).size or tolerance(value, *run.leaves, double=0.0, single=1.0):
            continue
        found = numeric.directional(lambda *leaves: joined(gradient(*leaves)), run.leaves, v)
        assert np.max(found.error) <= 1e-5 * (np.max(np.abs(found.value)) + scale), (
            f"the reference is rough here: {found}"
        )
        assert_close(forward, found.value, 1e-7, "second derivative", found.error + 1e-9 * scale)


@law
def single_precision_stays_single(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """Of float32 and complex64 operands: values as NumPy's, gradients of the operand's dtype."""
    if op.name in LEADING_OPERANDS:
        return  # their parameters hold the dtype: they have samples of every precision
    thin = narrowed(operands)
    try:
        with np.errstate(all="ignore"):
            plain_value = determined(op, evaluated(op, thin, params))
    except TypeError:
        return  # NumPy itself refuses
    for run in programs(op, thin, params):
        value, pullback = vjp(run, *run.leaves)
        assert_same(value, plain_value, "value in single precision")
        assert_types(pullback(random_like(value, rng)), run.leaves)
        assert_types(jvp(run, run.leaves, run.tangents(rng))[1], value)


@law
def careful_sweep_agrees(op: Op, operands: Values, params: Values, rng: Rng) -> None:
    """Where all is finite, the sweep in which zero absorbs infinity is the ordinary sweep."""
    for run in programs(op, operands, params)[:1]:
        value, pullback = vjp(run, *run.leaves)
        ct = random_like(value, rng)
        frame, token = context.enter(context.REVERSE)
        try:
            roots = [root(v, None) for v in run.leaves]
            out = run(*(handle(r.value, r.node) for r in roots))
        finally:
            context.leave(frame, token)
        state = sweep.Sweep(careful=True)
        pairs = zip(
            out if isinstance(out, tuple) else (out,),
            ct if isinstance(ct, tuple) else (ct,),
            strict=True,
        )
        ends = [(o.node, c) for o, c in pairs if is_handle(o) and o.node is not None and c is not None]
        for node, c in ends:
            state.add(node, c)
        order = sweep.reachable([node for node, _ in ends], [r.node for r in roots], frame.start)
        sweep.run(order, state, keep=True)
        found = tuple(np.zeros_like(r.value) if r.node not in state.cts else state.cts[r.node] for r in roots)
        assert_close(
            found,
            pullback(ct),
            tolerance(value, *run.leaves, double=1e-12, single=1e-5),
            "careful sweep",
        )
