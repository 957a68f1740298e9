"""Choices on a batch: one choice for all rows, or a choice per row.

Imports core, ops, ``rules``, ``transform``, ``loops``. Invariant: no row sees a branch that it does not take: rows are
parted where their choices are known, else a branch runs, for rows that do not take it, on the operands of one that
does, and what it gives for them is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.batch.loops import recorded_on
from wengert.batch.rules import expanded
from wengert.batch.transform import Value, operand, run_batched
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.types import shape_of
from wengert.ops import compare, join, memory, questions, select
from wengert.ops.branches import cond
from wengert.ops.control import stop_gradient

Given = Sequence[Value]


def batched_cond(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> tuple[Any, ...]:
    """The batch rule of ``cond``: every output has the batch first."""
    true, false = params
    pred, *operands = values
    size = next(_shape(v)[0] for v, b in zip(values, mask, strict=True) if b)
    if not mask[0]:
        yes, no = (_on_rows(graph, mask[1:], size) for graph in (true, false))
        return cond(yes, no, pred, operands)
    given = [Value(v, b) for v, b in zip(operands, mask[1:], strict=True)]
    if not is_handle(pred):
        return _parted(np.asarray(pred, bool), true, false, given)
    others = compare.logical_not(pred)
    found = [run_rows(graph, substituted(given, taken), size) for graph, taken in ((true, pred), (false, others))]
    return tuple(select.where(beside(pred, a), a, b) for a, b in zip(*found, strict=True))


def _shape(value: Any) -> tuple[int, ...]:
    return shape_of(value.value if is_handle(value) else value)


def _on_rows(graph: Graph, mask: Sequence[bool], size: int) -> Graph:
    """A branch on a batch, all of whose outputs are batched; made once."""
    known = graph.memory.setdefault("batched", {})
    key = (size, tuple(mask), "branch")
    if key not in known:
        known[key] = recorded_on(graph, len(graph.outputs), mask, size, every=True)[0]
    return known[key]


def _parted(pred: Any, true: Graph, false: Graph, given: Given) -> tuple[Any, ...]:
    """Each branch on the rows that take it, and the rows in their order again."""
    size = len(pred)
    if pred.all() or not pred.any():
        return run_rows(true if pred.all() else false, given, size)
    places = np.flatnonzero(pred), np.flatnonzero(~pred)
    back = np.argsort(np.concatenate(places), kind="stable")
    parts = [
        run_rows(graph, [Value(_picked(v, rows), True) if b else Value(v, b) for v, b in given], len(rows))
        for graph, rows in zip((true, false), places, strict=True)
    ]
    return tuple(_picked(_joined(a, b), back) for a, b in zip(*parts, strict=True))


def _picked(value: Any, rows: Any) -> Any:
    return memory.read(value, ("index", rows)) if is_handle(value) else value[rows]


def _joined(a: Any, b: Any) -> Any:
    return join.concatenate([a, b], 0) if is_handle(a) or is_handle(b) else np.concatenate([a, b])


def substituted(given: Given, taken: Any) -> list[Value]:
    """Rows of which only those in ``taken`` count: the others get the operands of one that counts, so that no infinity
    of theirs meets the zeros that go back to them."""
    place = questions.argmax(taken, None, False)
    return [Value(select.where(beside(taken, v), v, _of_row(v, place)), True) if b else Value(v, b) for v, b in given]


def _of_row(value: Any, place: Any) -> Any:
    """One row, as a constant."""
    value = stop_gradient(value) if is_handle(value) else value
    if not is_handle(value):
        value = memory.buffer(np.array(value))
    return memory.read(value, ("index", place))


def beside(taken: Any, value: Any) -> Any:
    """A truth value per row with the axes of what is chosen."""
    rank = len(_shape(value)) - 1
    if not rank:
        return taken
    shape = (*_shape(taken), *(1,) * rank)
    return memory.read(taken, ("reshape", (shape, "C"))) if is_handle(taken) else taken.reshape(shape)


def run_rows(graph: Graph, given: Given, size: int) -> tuple[Any, ...]:
    """The outputs of a graph, each with the batch first and of the recorded type."""
    with np.errstate(all="ignore"):
        env = run_batched(graph.nodes, graph.inputs, given, size)
    found = []
    for o in graph.outputs:
        value, batched = (o.value, False) if isinstance(o, Const) else operand(o, env)
        if is_handle(value) and value.base is not None:
            memory.sync(value)
        found.append(value if batched else expanded(value, size))
    return tuple(found)


__all__ = ["batched_cond", "beside", "run_rows", "substituted"]
