"""Loops with a test on a batch: one count for all rows, or rows that end one after the other.

Imports core, ops, ``branches``, ``loops``. Invariant: a row that has ended keeps its values, and no step of the other
rows is differentiated at what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.batch.branches import beside, run_rows, substituted
from wengert.batch.loops import batched_body, recorded, recorded_on
from wengert.batch.rules import expanded
from wengert.batch.transform import Value
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.types import shape_of
from wengert.ops import compare, questions, select
from wengert.ops.while_loops import Layout, starts, while_loop


def batched_while(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The batch rule of ``while_loop``: every output has the batch first."""
    layout, test, *bodies = params
    size = next(_shape(v)[0] for v, b in zip(values, mask, strict=True) if b)
    first = starts(layout)[-1]
    shared = mask[first:]
    p = layout.passes[0]
    flags = [*mask[: p.carries], *(shared[k] for k in p.invariants)]
    _, grown, _ = batched_body(bodies[0], p.carries, flags, size)
    asked = [*grown[: layout.tested], *(shared[k] for k in layout.invariants)]
    counted, by_row = recorded_on(test, 0, asked, size)
    if by_row[0]:
        return _row_by_row(values, mask, params, size)
    return _together(values, mask, params, size, counted)


def _together(
    values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...], size: int, test: Graph
) -> tuple[Any, ...]:
    """All rows make the same steps."""
    layout, _, *bodies = params
    begin = starts(layout)
    shared = mask[begin[-1] :]
    rows: list[bool] = []
    made, operands, batched = [], [], []
    for number, (p, body) in enumerate(zip(layout.passes, bodies, strict=True)):
        own = range(begin[number], begin[number + 1])
        flags = [*(mask[k] for k in own), *(any(rows[i] for i in ids) for ids in p.reads)]
        flags += [shared[k] for k in p.invariants]
        graph, grown, written = batched_body(body, p.carries, flags, size)
        made.append(graph)
        rows += written
        batched += grown
        operands += [
            values[k] if mask[k] or not g else _whole(values[k], size) for k, g in zip(own, grown, strict=True)
        ]
    ends = while_loop(layout, test, made, [*operands, *values[begin[-1] :]])
    return tuple(e if b else expanded(e, size) for e, b in zip(ends, batched, strict=True))


def _row_by_row(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Rows end one after the other: the first carry says which still run, and is a row for the other passes."""
    layout, test, *bodies = params
    begin = starts(layout)
    shared = list(values[begin[-1] :])
    flags = mask[begin[-1] :]
    operands = [v if b else _whole(v, size) for v, b in zip(values[: begin[-1]], mask, strict=False)]
    asked = [*operands[: layout.tested], *(shared[k] for k in layout.invariants)]
    batched = [*(True for _ in range(layout.tested)), *(flags[k] for k in layout.invariants)]
    (running,) = run_rows(test, [Value(v, b) for v, b in zip(asked, batched, strict=True)], size)
    outputs = len(bodies[0].outputs) - layout.passes[0].carries
    made, passes = [], []
    for number, (p, body) in enumerate(zip(layout.passes, bodies, strict=True)):
        fixed = [flags[k] for k in p.invariants]
        made.append(
            _guarded(body, p.carries, len(p.reads), fixed, size, _Asked(test, layout, flags) if number == 0 else None)
        )
        reads = tuple(tuple(i if i < outputs else i + 1 for i in ids) for ids in p.reads)
        if number:
            passes.append(p._replace(reads=(*reads, (outputs,))))
        else:
            passes.append(p._replace(carries=p.carries + 1, invariants=(*p.invariants, *layout.invariants)))
    going = _any(size)
    ends = while_loop(Layout(tuple(passes), 1, ()), going, made, [_plain(running), *operands, *shared])
    return tuple(ends[1:])


class _Asked:
    """The test of a loop, and which of the invariants that it takes are batched."""

    def __init__(self, test: Graph, layout: Layout, flags: Sequence[bool]) -> None:
        self.test, self.tested = test, layout.tested
        self.flags = [flags[k] for k in layout.invariants]
        self.values = test.values[layout.tested :]


def _guarded(body: Graph, carries: int, reads: int, fixed: Sequence[bool], size: int, asked: _Asked | None) -> Graph:
    """A body that moves only the rows that still run; made once.

    In the first pass (``asked``) these are the first carry, and a row that is written; in others the last row that is
    read."""
    known = body.memory.setdefault("batched", {})
    key = ("rows", size, tuple(fixed), None if asked is None else (asked.test, *asked.flags))
    if key in known:
        return known[key]
    ones = np.ones(size, bool)

    def rows_of(v: Any) -> Any:
        return np.array(np.broadcast_to(v, (size, *shape_of(v))))

    moving = list(map(rows_of, body.values[: carries + reads]))
    shared = [rows_of(v) if b else v for v, b in zip(body.values[carries + reads :], fixed, strict=True)]
    if asked is None:
        samples = [*moving, ones, *shared]
    else:
        more = [rows_of(v) if b else v for v, b in zip(asked.values, asked.flags, strict=True)]
        samples = [ones, *moving, *shared, *more]

    def run(handles: list[Any]) -> list[Any]:
        given = list(handles)
        running = given.pop(carries + reads if asked is None else 0)
        mine = [Value(v, True) for v in given[: carries + reads]]
        mine += [Value(v, b) for v, b in zip(given[carries + reads :], fixed, strict=False)]
        found = run_rows(body, substituted(mine, running), size)
        ends = [select.where(beside(running, v), v, old) for v, old in zip(found[:carries], given, strict=False)]
        rows = list(found[carries:])
        if asked is None:
            return [*ends, *rows]
        invariants = zip(given[carries + len(fixed) :], asked.flags, strict=True)
        asking = [*(Value(v, True) for v in ends[: asked.tested]), *(Value(v, b) for v, b in invariants)]
        (answer,) = run_rows(asked.test, asking, size)
        return [compare.logical_and(running, answer), *ends, *rows, running]

    known[key] = recorded(samples, run, f"{body.name}, {size} rows")
    return known[key]


def _any(size: int) -> Graph:
    """The test whether a row still runs."""
    return recorded(
        [np.ones(size, bool)], lambda handles: [questions.any(handles[0], None, False)], f"any of {size} rows"
    )


def _plain(value: Any) -> Any:
    return value if is_handle(value) else np.array(value)


def _whole(value: Any, size: int) -> Any:
    found = expanded(value, size)
    return found if is_handle(found) else np.array(found)


def _shape(value: Any) -> tuple[int, ...]:
    return shape_of(value.value if is_handle(value) else value)


__all__ = ["batched_while"]
