"""The operation ``while_loop``: a loop that goes on while a test holds, and the passes over its steps that derivatives
add.

Imports core and ``apply``, ``loop_body``, ``loops``. Invariant: operands are the initial carries of every pass, then
the invariants, which all share; outputs the final carries of every pass. The first pass makes the steps, every other
one runs over the same steps, forwards or backwards; what one pass hands to another is a row per step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from wengert.core.context import tracing
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Node
from wengert.core.op import CONTROL, Op
from wengert.core.sweep import Sweep
from wengert.core.types import ArrayType
from wengert.ops.apply import special
from wengert.ops.branches import kind_of
from wengert.ops.fitting import exact_cotangent, exact_tangent, type_of, zero_of
from wengert.ops.loop_body import runner
from wengert.ops.loops import Moved, Reversed, derived, is_float
from wengert.ops.program_op import program_op


class Pass(NamedTuple):
    """One pass over the steps. Its body takes ``carries`` values, a row of each of ``reads`` (rows are numbered
    through all passes; several numbers: their sum) and the ``invariants`` (their numbers), and gives the carries and
    the rows that it writes."""

    carries: int
    backwards: bool
    reads: tuple[tuple[int, ...], ...]
    invariants: tuple[int, ...]


class Layout(NamedTuple):
    """How bodies hang together: the ``passes``, and what the test takes: the first ``tested`` carries of the first
    pass, and the invariants ``invariants``."""

    passes: tuple[Pass, ...]
    tested: int
    invariants: tuple[int, ...]

    def __repr__(self) -> str:
        return ", ".join(f"{'back' if p.backwards else 'on'} with {p.carries}" for p in self.passes)

    @property
    def carries(self) -> int:
        """The carries of all passes."""
        return sum(p.carries for p in self.passes)


def starts(layout: Layout) -> list[int]:
    """Where the carries of each pass begin among the operands, and the invariants (last)."""
    found = [0]
    for p in layout.passes:
        found.append(found[-1] + p.carries)
    return found


# ---------------------------------------------------------------- evaluation


def _evaluate(*operands: Any) -> tuple[Any, ...]:
    at = next(k for k, v in enumerate(operands) if type(v) is Layout)
    layout, (test, *bodies) = operands[at], operands[at + 1 :]
    with np.errstate(all="ignore"):
        return run_passes(layout, runner(test, 0)[0], [runner(b, p.carries) for b, p in _zip(bodies, layout)], operands)


def _zip(bodies: Sequence[Any], layout: Layout) -> Any:
    return zip(bodies, layout.passes, strict=True)


def run_passes(layout: Layout, test: Any, bodies: Sequence[Any], operands: Sequence[Any]) -> tuple[Any, ...]:
    """The final carries. ``test`` and ``bodies`` are functions of raw values; of each body also the carries that it
    may write to."""
    begin = starts(layout)
    shared = operands[begin[-1] :]
    rows: list[list[Any]] = []
    ends: list[Any] = []
    count = 0
    for number, p in enumerate(layout.passes):
        run, overwritten = bodies[number]
        state = list(operands[begin[number] : begin[number + 1]])
        for k in overwritten:
            state[k] = np.array(state[k], copy=True, order="K")
        fixed = [shared[k] for k in p.invariants]
        if number == 0:
            asked = [shared[k] for k in layout.invariants]
            kept: list[Sequence[Any]] = []
            while test(*state[: layout.tested], *asked)[0]:
                found = run(*state, *fixed)
                state = list(found[: p.carries])
                count += 1
                kept.append(_kept(found[p.carries :], overwritten))
        else:
            kept = [()] * count
            for t in range(count - 1, -1, -1) if p.backwards else range(count):
                found = run(*state, *(_sum(rows, ids, t) for ids in p.reads), *fixed)
                state = list(found[: p.carries])
                kept[t] = _kept(found[p.carries :], overwritten)
        rows.extend(map(list, zip(*kept, strict=True)) if kept else ())
        ends.extend(v.copy(order="K") if type(v) is np.ndarray else v for v in state)
    return tuple(ends)


def _kept(found: Sequence[Any], overwritten: Sequence[int]) -> Sequence[Any]:
    """Rows that later steps do not write to."""
    if not overwritten:
        return found
    return [v.copy(order="K") if type(v) is np.ndarray else v for v in found]


def _sum(rows: Sequence[Sequence[Any]], ids: Sequence[int], t: int) -> Any:
    first, *more = ids
    total = rows[first][t]
    for k in more:
        total = total + rows[k][t]
    return total


def _infer(types: Sequence[ArrayType], params: Sequence[Any]) -> tuple[ArrayType, ...]:
    layout, _, *bodies = params
    return tuple(kind_of(o) for body, p in _zip(bodies, layout) for o in body.outputs[: p.carries])


# ---------------------------------------------------------------- forward mode


def _push(values: Sequence[Any], y: Any, params: Any, tangents: Sequence[Any], mask: Any) -> Any:
    layout, test, *bodies = params
    begin = starts(layout)
    first = begin[-1]
    active = [t is not None and is_float(v) for t, v in zip(tangents, values, strict=True)]

    def tangent(k: int) -> Any:
        return exact_tangent(tangents[k], values[k]) if active[k] else zero_of(type_of(values[k]))

    moved = [k for k in range(first, len(values)) if active[k]]  # invariants
    place = {k: len(values) - first + i for i, k in enumerate(moved)}
    numbers: list[int] = []  # of rows, by their old numbers
    moves: list[int | None] = []  # the numbers of their tangents
    total = 0
    passes, made, where = [], [], []
    operands: list[Any] = []
    for number, (body, p) in enumerate(_zip(bodies, layout)):
        own = range(begin[number], begin[number + 1])
        flags = [*(active[k] for k in own), *(any(moves[i] is not None for i in ids) for ids in p.reads)]
        flags += [active[first + k] for k in p.invariants]
        plan: Moved = derived("forward", body, p.carries, len(p.reads), tuple(flags))
        made.append(plan.body)
        reads = [tuple(numbers[i] for i in ids) for ids in p.reads]
        reads += [tuple(moves[i] for i in p.reads[k] if moves[i] is not None) for k in plan.rows]
        fixed = (*p.invariants, *(place[first + p.invariants[k]] for k in plan.invariants))
        passes.append(Pass(p.carries + len(plan.moving), p.backwards, tuple(reads), fixed))
        where += [
            (len(operands) + p.carries + plan.moving.index(k)) if k in plan.moving else None for k in range(p.carries)
        ]
        operands += [*(values[k] for k in own), *(tangent(begin[number] + k) for k in plan.moving)]
        outputs = len(body.outputs) - p.carries
        numbers += range(total, total + outputs)
        further = {k: total + outputs + i for i, k in enumerate(plan.outputs)}
        moves += [further.get(k) for k in range(outputs)]
        total += outputs + len(plan.outputs)
    grown = Layout(tuple(passes), layout.tested, layout.invariants)
    found = while_loop(grown, test, made, [*operands, *values[first:], *map(tangent, moved)])
    out = [None if k is None else found[k] for k in where]
    return None if all(t is None for t in out) else tuple(out)


# ---------------------------------------------------------------- reverse mode


def _pull(node: Node, ct: Any, sweep: Sweep) -> None:
    values = list(node.saved)
    layout, test, *bodies = node.params
    begin = starts(layout)
    first = begin[-1]
    active = [p is not None and is_float(v) for p, v in zip(node.inputs, values, strict=True)]
    flags = _activity(layout, bodies, active)
    kinds = _infer((), node.params)
    rows_of = _rows_of(layout, bodies)
    plans: dict[int, Reversed] = {}
    givers: dict[int, list[tuple[int, int]]] = {}  # of a row's cotangent: the pass, the row of its sweep
    for number in range(len(bodies) - 1, -1, -1):
        p, body = layout.passes[number], bodies[number]
        own = range(begin[number], begin[number + 1])
        wanted = [ct[k] is not None and kinds[k].dtype.kind in "fc" for k in own]
        wanted += [i in givers for i in rows_of[number]]
        if not any(wanted):
            continue
        plan = derived("reverse", body, p.carries, len(p.reads), tuple(flags[number]), tuple(wanted), sweep.careful)
        plans[number] = plan
        for at, k in enumerate(plan.rows):
            for i in p.reads[k]:
                givers.setdefault(i, []).append((number, at))
    passes, made, numbers, residuals = _again(layout, bodies, plans, rows_of)
    total = sum(len(b.outputs) - p.carries for b, p in zip(made, passes, strict=True))
    swept: dict[int, int] = {}  # where the rows of the sweep of a pass begin
    operands = values[:first]
    places: list[tuple[int, int]] = []
    for number, plan in plans.items():
        p = layout.passes[number]
        reads: list[tuple[int, ...]] = [(k,) for k in residuals[number]]
        reads += [tuple(numbers[i] for i in p.reads[k]) for k in plan.read]
        reads += [tuple(swept[giver] + at for giver, at in givers[rows_of[number][k]]) for k in plan.pulled]
        passes.append(
            Pass(
                len(plan.moving) + len(plan.summed),
                not p.backwards,
                tuple(reads),
                tuple(p.invariants[k] for k in plan.used),
            )
        )
        made.append(plan.backward)
        swept[number] = total
        total += len(plan.rows)
        for k in plan.moving:
            places.append((len(operands), begin[number] + k))
            c = ct[begin[number] + k]
            kind = kinds[begin[number] + k]
            operands.append(zero_of(kind) if c is None else exact_cotangent(c, kind))
        for k in plan.summed:
            places.append((len(operands), first + p.invariants[k]))
            operands.append(zero_of(type_of(values[first + p.invariants[k]])))
    if not plans:
        return
    grown = Layout(tuple(passes), layout.tested, layout.invariants)
    found = while_loop(grown, test, made, [*operands, *values[first:]])
    for output, place in places:
        if active[place]:
            sweep.add(node.inputs[place], found[output])


def _rows_of(layout: Layout, bodies: Sequence[Graph]) -> list[range]:
    """The numbers of the rows that each pass writes."""
    found, total = [], 0
    for body, p in _zip(bodies, layout):
        found.append(range(total, total + len(body.outputs) - p.carries))
        total = found[-1].stop
    return found


def _activity(layout: Layout, bodies: Sequence[Graph], active: Sequence[bool]) -> list[list[bool]]:
    """For every pass which inputs of its body move."""
    begin = starts(layout)
    moving: list[bool] = []  # rows
    found = []
    for number, (body, p) in enumerate(_zip(bodies, layout)):
        flags = [*active[begin[number] : begin[number + 1]], *(any(moving[i] for i in ids) for ids in p.reads)]
        flags += [active[begin[-1] + k] for k in p.invariants]
        found.append(flags)
        plan: Moved = derived("forward", body, p.carries, len(p.reads), tuple(flags))
        moving += [k in plan.outputs for k in range(len(body.outputs) - p.carries)]
    return found


def _again(
    layout: Layout, bodies: Sequence[Graph], plans: dict[int, Reversed], rows_of: Sequence[range]
) -> tuple[list[Pass], list[Graph], dict[int, int], dict[int, range]]:
    """The passes as they run before they are swept back, their bodies, the new numbers of their rows, and those of the
    residuals that each writes besides."""
    numbers: dict[int, int] = {}
    residuals: dict[int, range] = {}
    passes, made, total = [], [], 0
    for number, (body, p) in enumerate(_zip(bodies, layout)):
        grown = plans[number].forward if number in plans else body
        passes.append(p._replace(reads=tuple(tuple(numbers[i] for i in ids) for ids in p.reads)))
        made.append(grown)
        numbers.update((i, total + k) for k, i in enumerate(rows_of[number]))
        residuals[number] = range(total + len(rows_of[number]), total + len(grown.outputs) - p.carries)
        total += len(grown.outputs) - p.carries
    return passes, made, numbers, residuals


# ---------------------------------------------------------------- the operation


@lru_cache(maxsize=256)
def while_op(count: int, bodies: int, zeroes: bool = False) -> Op:
    """The operation for ``count`` outputs and so many passes; ``zeroes``: a body has steps whose transposes make exact
    zeros."""
    names = ("layout", "test", "body", *(f"pass {k + 1}" for k in range(1, bodies)))
    return program_op(
        "while_loop",
        names,
        count,
        evaluate=_evaluate,
        pull=_pull,
        push=_push,
        infer=_infer,
        batch=lambda values, mask, params: _batch[0](values, mask, params) if _batch else None,
        zeroes=zeroes,
        doc="A loop that goes on while a test of its carried values holds.",
    )


_batch: list[Any] = []


def install(batch: Any) -> None:
    """Say what batches a loop."""
    _batch[:] = [batch]


def is_while(node: Node) -> bool:
    """Whether a step is a loop with a test."""
    return node.op.kind == CONTROL and node.op.name == "while_loop" and type(node.params[0]) is Layout


def while_loop(layout: Layout, test: Graph, bodies: Sequence[Graph], operands: Sequence[Any]) -> tuple[Any, ...]:
    """Run and record a loop; returns the final carries of all passes.

    ``test`` and ``bodies`` have no guards and read no outer handles; carries keep their types."""
    params = (layout, test, *bodies)
    if tracing.get() is None and not any(map(is_handle, operands)):
        return _evaluate(*operands, *params)
    zeroes = any(n.op.zeroes for g in bodies for n in g.nodes)
    return tuple(special(while_op(layout.carries, len(bodies), zeroes), operands, params))


__all__ = ["Layout", "Pass", "install", "is_while", "run_passes", "starts", "while_loop", "while_op"]
