"""The law of backends: native code gives what the operation itself gives, special values included.

All samples of an operation are steps of one graph, so that one compilation serves them. May import every room.
Invariant: what is compared with is the operation's own function, called on the same values."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np

from wengert.backends.llvm.lower.lower import can_lower
from wengert.backends.llvm.program import STRICT, NativePlan
from wengert.core.graph import Graph, input_node, step
from wengert.core.node import Const, Node
from wengert.core.op import CONTROL, ELEMENTWISE, LINEAR, Op
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType, dtype_of
from wengert.ops.steps import run_step
from wengert.testing.programs import LEADING_OPERANDS, narrowed
from wengert.testing.samples import Sample

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-40, 88.8, -745.2, 1e308)
"""Where functions have their corners: limits, poles, ties, numbers that are barely or no longer normal."""

UNITS = {"power": 4, "float_power": 4, "power_log": 8, "gamma": 16, "lgamma": 16, "polygamma": 64, "sinc": 8}
"""Units in the last place that native functions and NumPy's may be apart, where they are more than 3."""


CANCELLING = frozenset({"logaddexp", "logaddexp2", "lgamma"})
"""Logarithms that are exact to a unit of one, but not of themselves, where they come near zero."""


def backends_agree(op: Op, samples: Sequence[Sample]) -> int:
    """Assert that a native plan of all samples gives what the operation gives: to a few units in the last place,
    element by element for element-wise operations, else of the largest element. Returns how many samples ran as
    native code; the others say why not and are steps of NumPy.

    Raises AssertionError with the sample that differs."""
    points = [s for s in (*_wide_and_narrow(op, samples), *_special(op, samples)) if _inputs(s)]
    steps = []
    for sample in points:
        with np.errstate(all="ignore"):
            try:
                want = run_step(op, sample.operands, sample.params)
            except (TypeError, ValueError, np.linalg.LinAlgError):
                continue  # NumPy itself refuses these numbers
        steps.append((sample, want, _as_step(op, sample, want)))
    able = [s for s in steps if can_lower(s[2][0]) is None]
    rest = [s for s in steps if can_lower(s[2][0]) is not None]
    return sum(_compared(op, some) for some in (able, rest) if some)


def _compared(op: Op, steps: list[tuple[Sample, Any, Any]]) -> int:
    """Compare one plan of these steps; the number of those that ran as native code."""
    inputs: list[Node] = []
    nodes: list[Node] = []
    outputs: list[Node] = []
    values: list[Any] = []
    for sample, want, (made, given, results) in steps:
        inputs += given
        values += [sample.operands[k] for k in _inputs(sample)]
        nodes += [made, *results[1:]] if isinstance(want, tuple) else [made]
        outputs += results[1:] if isinstance(want, tuple) else [made]
    graph = Graph(inputs=tuple(inputs), outputs=tuple(outputs), nodes=tuple(nodes), name=op.name)
    with mock.patch.dict(os.environ, {STRICT: "1"}):
        plan = NativePlan(graph)
    before = [np.array(v) for v in values]
    found = iter(plan.run(values))
    for v, kept in zip(values, before, strict=True):
        assert np.array_equal(v, kept, equal_nan=kept.dtype.kind in "fc"), "an operand was changed"
    for sample, want, _ in steps:
        for w in want if isinstance(want, tuple) else (want,):
            _assert_near(op, next(found), w, sample)
    return sum(made not in plan.reasons for _, _, (made, _, _) in steps)


def _as_step(op: Op, sample: Sample, want: Any) -> tuple[Node, list[Node], list[Node]]:
    """The step, its inputs, and (after the step itself) the parts of several results."""
    given: list[Node] = []
    args: list[Node | Const] = []
    inputs = _inputs(sample)
    for k, v in enumerate(sample.operands):
        if k in inputs:
            given.append(input_node(ArrayType.of(v)))
            args.append(given[-1])
        else:
            args.append(Const(v))
    several = isinstance(want, tuple)
    kind: Any = tuple(map(ArrayType.of, want)) if several else ArrayType.of(want)
    made = step(op, args, sample.params, kind, None)
    parts = [step(ITEM, [made], (k,), t, None) for k, t in enumerate(kind)] if several else []
    return made, given, [made, *parts]


def _inputs(sample: Sample) -> tuple[int, ...]:
    """The operands that vary: arrays and floats; other numbers are parts of the program."""
    return tuple(k for k, v in enumerate(sample.operands) if isinstance(v, (np.ndarray, np.generic, float)))


def _wide_and_narrow(op: Op, samples: Sequence[Sample]) -> Iterator[Sample]:
    for sample in samples:
        yield sample
        if op.name in LEADING_OPERANDS:
            continue  # their parameters hold the dtype: they have samples of every precision
        thin = narrowed(sample.operands)
        if any(dtype_of(a) != dtype_of(b) for a, b in zip(thin, sample.operands, strict=True)):
            yield Sample(thin, sample.params)


def _special(op: Op, samples: Sequence[Sample]) -> Iterator[Sample]:
    """Every combination of special values, for operations on elements of floats."""
    by_element = op.kind == ELEMENTWISE or (op.infer is not None and op.kind != CONTROL and op.scalar is not None)
    floats = [s for s in samples if all(dtype_of(v) == np.float64 for v in s.operands)]
    if not by_element or not floats or len(op.inputs) > 3 or op.inputs[:1] == ("*operands",):
        return
    chosen = SPECIAL if len(op.inputs) < 3 else SPECIAL[:10]
    columns = np.array(list(itertools.product(chosen, repeat=len(op.inputs)))).T
    for dtype in (np.float64, np.float32):
        with np.errstate(over="ignore", under="ignore"):
            yield Sample(tuple(c.astype(dtype) for c in columns), floats[0].params)


def _assert_near(op: Op, got: Any, want: Any, sample: Sample) -> None:
    g, w = np.asarray(got), np.asarray(want)
    assert g.dtype == w.dtype and g.shape == w.shape, f"{sample}: {g.dtype}{g.shape}, wanted {w.dtype}{w.shape}"
    if w.dtype.kind not in "fc":
        np.testing.assert_array_equal(g, w, err_msg=str(sample))
        return
    info, size = np.finfo(w.dtype), _size(op, w, sample)
    units = UNITS.get(op.name, 3 if op.kind == ELEMENTWISE else 8)
    with np.errstate(all="ignore"):
        right = np.abs(g - w) <= units * (info.eps * np.where(np.isfinite(size), size, 0.0) + info.smallest_subnormal)
        right |= (g == w) | (np.isnan(g) & np.isnan(w))
        if w.dtype.kind == "f" and op.kind == ELEMENTWISE:
            right &= (w != 0) | (g != 0) | (np.signbit(g) == np.signbit(w))
    if not np.all(right):
        at = np.unravel_index(int(np.argmin(right)), right.shape)
        shown = [np.broadcast_to(v, w.shape)[at] if np.ndim(v) and _fits(v, w) else v for v in sample.operands]
        raise AssertionError(f"{op.name}: {g[at]!r}, wanted {w[at]!r}, at {at} of {sample}, operands {shown}")


def _size(op: Op, w: np.ndarray[Any, Any], sample: Sample) -> Any:
    """What roundings are measured by: the element, where terms may cancel the sum of their sizes."""
    if op.kind == ELEMENTWISE:
        return np.abs(w) + (1.0 if op.name in CANCELLING else 0.0)
    if op.kind == LINEAR:
        with np.errstate(all="ignore"):
            found = run_step(op, [np.abs(v) if dtype_of(v).kind in "fc" else v for v in sample.operands], sample.params)
        return np.abs(found)
    return np.full(w.shape, np.abs(w[np.isfinite(w)]).max(initial=0.0))


def _fits(v: Any, w: Any) -> bool:
    try:
        return np.broadcast_shapes(np.shape(v), w.shape) == w.shape
    except ValueError:
        return False


__all__ = ["backends_agree"]
