"""The operation ``scan``: a loop over time whose body is a graph of its own.

Imports core and ``apply``, ``loop_body``; what differentiates and batches bodies is installed by the room that composes
(``install``). Invariant: operands are the initial carries, the sequences (time axis first), then the invariants;
outputs the final carries, then the stacked rows; row t belongs to time t whichever way time runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from wengert.core.context import FULL, REVERSE, tracing
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Node
from wengert.core.op import CONTROL, Op
from wengert.core.sweep import Sweep
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.apply import special
from wengert.ops.fitting import exact_cotangent, exact_tangent, type_of, zero_of
from wengert.ops.loop_body import runner
from wengert.ops.loop_plain import by_floats
from wengert.ops.program_op import program_op

PARAMS = ("body", "length", "carries", "reverse", "sequences", "origin")
"""The parameters of a scan. ``origin`` is None, or what of a simpler scan on some of the same operands this one
computes as well (``Origin``), so that the simpler one need not run."""


class Origin(NamedTuple):
    """The scan that another one computes as well: its body, the positions of its operands among those of the other
    one, and of its outputs among the other's."""

    body: Graph
    operands: tuple[int, ...]
    outputs: tuple[int, ...]


class Reversed(NamedTuple):
    """How a loop is swept back: ``forward`` is the body with rows of residuals added, ``backward`` the body of the loop
    in the other direction.

    ``backward`` takes the cotangents of the carries ``moving``, the sums for the invariants ``summed``, then rows: the
    residuals (as many as ``forward`` has more outputs than the body), the sequences ``read``, the cotangents of the
    rows ``pulled``; then the invariants ``used``. It gives the carries' cotangents, the sums, and a row per sequence
    ``rows``."""

    forward: Graph
    backward: Graph
    moving: tuple[int, ...]
    summed: tuple[int, ...]
    read: tuple[int, ...]
    pulled: tuple[int, ...]
    used: tuple[int, ...]
    rows: tuple[int, ...]


class Moved(NamedTuple):
    """A body that carries tangents along: ``body`` takes carries and the tangents of those in ``moving``, rows and the
    tangents of the sequences ``rows``, invariants and the tangents of those in ``invariants``; it gives carries, their
    tangents, rows, and the tangents of those rows that are in ``outputs``."""

    body: Graph
    moving: tuple[int, ...]
    rows: tuple[int, ...]
    invariants: tuple[int, ...]
    outputs: tuple[int, ...]


_makers: dict[str, Callable[..., Any]] = {}


def install(reverse: Callable[..., Reversed], forward: Callable[..., Moved], batch: Callable[..., Any]) -> None:
    """Say what differentiates bodies (``reverse(body, carries, sequences, active, wanted, careful)``, ``forward(body,
    carries, sequences, active)``) and what batches a scan."""
    _makers.update(reverse=reverse, forward=forward, batch=batch)


def derived(kind: str, body: Graph, *key: Any) -> Any:
    """A derivative of a body, made once."""
    known = body.memory.setdefault("derivatives", {})
    found = known.get((kind, *key))
    if found is None:
        found = known[kind, *key] = _makers[kind](body, *key)
    return found


# ---------------------------------------------------------------- evaluation


def _evaluate(*operands: Any) -> tuple[Any, ...]:
    *values, body, length, carries, reverse, sequences, _origin = operands
    run, overwritten = runner(body, carries)
    state = list(values[:carries])
    for k in overwritten:
        state[k] = np.array(state[k], copy=True, order="K")
    rows_in = values[carries : carries + sequences]
    invariants = values[carries + sequences :]
    stacks: list[Any] = []
    order = range(length - 1, -1, -1) if reverse else range(length)

    def iterate(state: list[Any], some: range) -> list[Any]:
        for t in some:
            found = run(*state, *[x[t] for x in rows_in], *invariants)
            state = list(found[:carries])
            if len(found) > carries:
                if not stacks:
                    stacks.extend(np.empty((length, *shape_of(r)), dtype_of(r)) for r in found[carries:])
                for stack, row in zip(stacks, found[carries:], strict=True):
                    stack[t] = row
        return state

    with np.errstate(all="ignore"):
        first = iterate(state, order[:1])
        state = iterate(first, order[1:2])
        settled = [*map(type, first)] == [*map(type, state)]
        rest = by_floats(body, state, rows_in, invariants, order[2:], stacks) if settled else None
        state = iterate(state, order[2:]) if rest is None else rest
    if not stacks:
        stacks = [np.empty((length, *k.shape), k.dtype) for k in map(_kind, body.outputs[carries:])]
    return (*map(_own, state), *stacks)


def _own(value: Any) -> Any:
    return value.copy(order="K") if type(value) is np.ndarray else value


def _kind(operand: Any) -> ArrayType:
    kind = getattr(operand, "type", None)
    return kind if kind is not None else ArrayType.of(operand.value)


def _infer(types: Sequence[ArrayType], params: Sequence[Any]) -> tuple[ArrayType, ...]:
    body, length, carries = params[:3]
    kinds = [_kind(o) for o in body.outputs]
    return (*kinds[:carries], *(ArrayType((length, *k.shape), k.dtype) for k in kinds[carries:]))


# ---------------------------------------------------------------- derivatives


def is_float(value: Any) -> bool:
    """Whether a raw value or a handle is real or complex floating point."""
    return dtype_of(value.value if is_handle(value) else value).kind in "fc"


def _zero(value: Any) -> Any:
    return zero_of(type_of(value))


def _pull(node: Node, ct: Any, sweep: Sweep) -> None:
    values = list(node.saved)
    body, length, carries, reverse, sequences, _ = node.params
    first = carries + sequences
    active = tuple(p is not None and is_float(v) for p, v in zip(node.inputs, values, strict=True))
    kinds = [_kind(o) for o in body.outputs]
    if _few(node, active, sweep):
        _pull_by_tangents(node, ct, active, sweep)
        return
    wanted = tuple(c is not None and k.dtype.kind in "fc" for c, k in zip(ct, kinds, strict=True))
    plan: Reversed = derived("reverse", body, carries, sequences, active, wanted, sweep.careful)
    residuals: Sequence[Any] = ()
    outputs = len(body.outputs)
    if len(plan.forward.outputs) > outputs:
        origin = Origin(body, tuple(range(len(values))), tuple(range(outputs)))
        stored = scan(plan.forward, values, length, carries, sequences, reverse=reverse, origin=origin)
        residuals = stored[outputs:]
    seeds = [zero_of(kinds[i]) if ct[i] is None else exact_cotangent(ct[i], kinds[i]) for i in plan.moving]
    sums = [_zero(values[first + k]) for k in plan.summed]
    rows_of = [ArrayType((length, *k.shape), k.dtype) for k in kinds[carries:]]
    rows = [*residuals, *(values[carries + k] for k in plan.read)]
    rows.extend(exact_cotangent(ct[carries + k], rows_of[k]) for k in plan.pulled)
    found = scan(
        plan.backward,
        [*seeds, *sums, *rows, *(values[first + k] for k in plan.used)],
        length,
        len(seeds) + len(sums),
        len(rows),
        reverse=not reverse,
    )
    places = [*plan.moving, *(first + k for k in plan.summed), *(carries + k for k in plan.rows)]
    for place, c in zip(places, found, strict=True):
        if active[place]:
            sweep.add(node.inputs[place], c)


_FEW = 8
"""Tangents that fit a vector register: a loop of scalars carries so many for nearly the price of one."""


def _few(node: Node, active: Sequence[bool], sweep: Sweep) -> bool:
    """Whether tangents carried along are cheaper than a sweep: few moving scalars, a body of scalars, native code."""
    body, _, carries, _, sequences, _ = node.params
    frame = tracing.get()
    if frame is None or frame.folds is not True or frame.kind not in (FULL, REVERSE) or sweep.careful:
        return False
    if sum(active) > _FEW or any(active[carries : carries + sequences]):
        return False
    inputs = [n.type for k, n in enumerate(body.inputs) if active[k]]
    kinds = (*inputs, *(n.type for n in body.nodes))
    return all(type(k) is ArrayType and not k.shape and k.dtype.kind != "c" for k in kinds)


def _pull_by_tangents(node: Node, ct: Any, active: Sequence[bool], sweep: Sweep) -> None:
    """The cotangents of few scalars from their tangents, carried through the loop as one vector."""
    values = node.saved
    moving = [k for k, a in enumerate(active) if a]
    seeds: list[Any] = [None] * len(values)
    for row, k in zip(np.eye(len(moving)), moving, strict=True):
        seeds[k] = row.astype(dtype_of(values[k].value if is_handle(values[k]) else values[k]))
    found = _push_many(values, node.params, seeds, len(moving))
    total: Any = None
    for c, t in zip(ct, found, strict=True):
        if c is None or t is None:
            continue
        # A carry's tangents are a vector; those of stacked rows have a row per tangent.
        rows = len(shape_of(t.value if is_handle(t) else t)) - 1
        part = t @ c if rows else t * c
        total = part if total is None else total + part
    if total is not None:
        for j, k in enumerate(moving):
            value = values[k].value if is_handle(values[k]) else values[k]
            sweep.add(node.inputs[k], exact_cotangent(total[j], ArrayType(shape_of(value), dtype_of(value))))


def _push_many(values: Sequence[Any], params: Any, tangents: Sequence[Any], count: int) -> list[Any]:
    """The tangents of the outputs for ``count`` tangents of each moving operand, their axis first."""
    plan, operands, tangent_params, mask = _with_tangents(values, params, tangents, count)
    found = _makers["batch"](operands, mask, tangent_params)
    return _tangents_of(plan, params, found)


def _push(values: Sequence[Any], y: Any, params: Any, tangents: Sequence[Any], mask: Any) -> Any:
    plan, operands, (body, length, carries, reverse, sequences, origin), _ = _with_tangents(values, params, tangents)
    found = scan(body, operands, length, carries, sequences, reverse=reverse, origin=origin)
    out = _tangents_of(plan, params, found)
    return None if all(t is None for t in out) else tuple(out)


def _with_tangents(
    values: Sequence[Any], params: Any, tangents: Sequence[Any], count: int = 0
) -> tuple[Moved, list[Any], tuple[Any, ...], list[bool]]:
    """The loop that carries tangents along (``count`` of them, in rows, where that is not 0): plan, operands,
    parameters, and which operands are tangents."""
    body, length, carries, reverse, sequences, _ = params
    first = carries + sequences
    active = tuple(t is not None and is_float(v) for t, v in zip(tangents, values, strict=True))
    plan: Moved = derived("forward", body, carries, sequences, active)

    def tangent(k: int) -> Any:
        if tangents[k] is not None:
            return tangents[k] if count else exact_tangent(tangents[k], values[k])
        zero = _zero(values[k])
        return np.zeros((count, *shape_of(zero)), dtype_of(zero)) if count else zero

    moved = [tangent(i) for i in plan.moving]
    rows = [tangent(carries + k) for k in plan.rows]
    fixed = [tangent(first + k) for k in plan.invariants]
    operands = [*values[:carries], *moved, *values[carries:first], *rows, *values[first:], *fixed]
    n, many = len(moved), len(rows)
    primal = (*range(carries), *range(carries + n, first + n), *range(first + n + many, len(values) + n + many))
    outputs = len(body.outputs)
    origin = Origin(body, primal, (*range(carries), *range(carries + n, outputs + n)))
    mask = [k not in set(primal) for k in range(len(operands))]
    return plan, operands, (plan.body, length, carries + n, reverse, sequences + many, origin), mask


def _tangents_of(plan: Moved, params: Any, found: Sequence[Any]) -> list[Any]:
    """The tangents among the outputs of a loop that carries them along, one (or None) per output of the plain loop."""
    carries, outputs = params[2], len(params[0].outputs)
    out: list[Any] = [None] * outputs
    for k, t in zip(plan.moving, found[carries:], strict=False):
        out[k] = t
    for k, t in zip(plan.outputs, found[outputs + len(plan.moving) :], strict=True):
        out[carries + k] = t
    return out


# ---------------------------------------------------------------- the operation


@lru_cache(maxsize=256)
def scan_op(count: int, zeroes: bool = False) -> Op:
    """The operation for ``count`` outputs; ``zeroes``: the body has steps whose transposes make exact zeros."""
    return program_op(
        "scan",
        PARAMS,
        count,
        evaluate=_evaluate,
        pull=_pull,
        push=_push,
        infer=_infer,
        batch=lambda values, mask, params: _makers["batch"](values, mask, params),
        zeroes=zeroes,
        doc="A loop: the body runs once per row of the sequences and hands its carried values on.",
    )


def op_for(body: Graph) -> Op:
    """The scan operation that fits a body."""
    return scan_op(len(body.outputs), any(n.op.zeroes for n in body.nodes))


def is_scan(node: Node) -> bool:
    """Whether a step is a loop."""
    return node.op.kind == CONTROL and node.op.name == "scan" and len(node.params) == len(PARAMS)


def scan(
    body: Graph,
    operands: Sequence[Any],
    length: int,
    carries: int,
    sequences: int,
    *,
    reverse: bool = False,
    origin: Origin | None = None,
) -> tuple[Any, ...]:
    """Run and record a loop; returns the final carries and the stacked rows.

    ``body`` takes carries, a row of each sequence, and invariants, has no guards and reads no outer handles; carries
    keep their types."""
    params = (body, length, carries, reverse, sequences, origin)
    if tracing.get() is None and not any(map(is_handle, operands)):
        return _evaluate(*operands, *params)
    return tuple(special(op_for(body), operands, params))


__all__ = ["Moved", "Origin", "Reversed", "derived", "install", "is_float", "is_scan", "op_for", "scan", "scan_op"]
