"""A checkpointed call in two parts: the first is run again, the end is not, for its result is known and its steps were
recorded.

Imports core, ``keeping``, ``recompute``, ``replay``. Invariant: besides the operands only the result is held, and
constants that live anyway; where the end made large constants of its own (random masks) all of it is run again.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.context import FULL, tracing
from wengert.core.errors import WengertError
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, CONTROL
from wengert.core.record import live_node
from wengert.core.structure import root
from wengert.core.sweep import Sweep
from wengert.core.trace import graph_of
from wengert.ops.keeping import Keeper
from wengert.ops.recompute import Body, Call, as_step, cotangents, first_run, plain
from wengert.ops.replay import MEMORY, Replay

_SMALL = 4096  # bytes of a constant that may be stored


def stretched(name: str, body: Body, end: Body, operands: Sequence[Any]) -> list[Any]:
    """``end(body(operands))`` recorded as one step that keeps the operands and its results. When it is swept, ``body``
    runs again, but of ``end`` only the steps whose values are asked for and not known.
    """
    whole = Call(name, lambda values: end(body(values)), verify=False)
    first = Call(name, body, verify=False)
    values = [plain(o) for o in operands]
    middles, zeroes, leaves = first_run(first, values)
    if not all(type(m) is np.ndarray and m.dtype.kind in "fc" for m in middles):
        return _run_on(whole, first, end, operands, values, middles, zeroes)
    try:
        last, graph, ends, lasting = _recorded(name, end, middles)
    except WengertError:  # something that cannot be recorded in full, or an error that comes again
        return _run_on(whole, first, end, operands, values, middles, zeroes)
    # Only now: the result, which stays, lies above all this, and the C library does not unmap what is below it.
    leaves.clear()
    middles.clear()
    whole.outside = list(dict.fromkeys([*first.outside, *last.outside]))
    whole.marks = [whole.mark(e) for e in ends]
    zeroes = zeroes or any(n.op.zeroes for n in graph.nodes)
    del middles
    if not lasting:
        return as_step(whole, operands, values, ends, zeroes)
    known = {
        o.seq: e
        for o, e in zip(graph.outputs, ends, strict=True)
        if isinstance(o, Node) and o.op.kind not in (CONSTANT, CONTROL) and o.op not in MEMORY
    }
    first.outside = whole.outside
    stretch = _Stretch(whole, first, Replay(last, graph, known), len(values))
    return as_step(whole, operands, values, ends, zeroes, stretch.pull)


class _Stretch:
    """The pull of such a call."""

    def __init__(self, whole: Call, first: Call, replay: Replay, count: int) -> None:
        self.whole = whole
        self.first = first
        self.replay = replay
        self.count = count

    def pull(self, node: Node, ct: Any, sweep: Sweep) -> None:
        """Cotangents of the operands and of what the call closes over."""
        saved = node.saved[: self.count]
        if sweep.lifted:
            cotangents(self.whole, node.inputs, saved, ct, sweep)
            return

        def finish(targets: list[Node | None], again: list[Any], cts: Sequence[Any], inner: Sweep) -> None:
            inputs = (*targets, *self.replay.call.outside)
            self.replay.pull(Node(node.seq, node.op, inputs, tuple(again), (), node.where), cts, inner)

        cotangents(self.first, node.inputs, saved, ct, sweep, finish)


def _run_on(
    whole: Call,
    first: Call,
    end: Body,
    operands: Sequence[Any],
    values: Sequence[Any],
    middles: list[Any],
    zeroes: bool,
) -> list[Any]:
    """The end of a call whose middle is not made of arrays alone: an ordinary checkpointed call."""
    last = Call(whole.name, end, verify=False)
    ends, more, _ = first_run(last, middles)
    whole.outside = list(dict.fromkeys([*first.outside, *last.outside]))
    whole.marks = [whole.mark(e) for e in ends]
    return as_step(whole, operands, values, ends, zeroes or more)


def _recorded(name: str, end: Body, middles: list[Any]) -> tuple[Call, Graph, list[Any], bool]:
    """The end of a call, its graph, its results, and whether the constants of the graph live anyway."""
    call = Call(name, end, verify=False)
    frame, token = context.enter(FULL)
    frame.keeper = Keeper(lambda op: False)
    try:
        roots = [root(m, call.where, rich=True) for m in middles]
        leaves = end([handle(r.value, r.node) for r in roots])
        graph = graph_of(frame, roots, leaves, name=name)
        ends = [plain(leaf) for leaf in leaves]
    finally:
        context.leave(frame, token)
    watched = dict(frame.watched)
    frame.watched.clear()
    free = {a.value.node: None for n in graph.nodes for a in n.args if isinstance(a, Const) and is_handle(a.value)}
    call.outside = [n for n in free if n is not None and live_node(n) is not None]
    places = {key: place for key, (_, *place) in watched.items()}
    watched.clear()
    del roots, leaves
    lasting = _lasts(graph)
    parent = tracing.get()
    if lasting and parent is not None:
        constants = {id(a.value): a.value for n in graph.nodes for a in n.args if isinstance(a, Const)}
        for key, place in places.items():
            if key in constants:
                parent.watched.setdefault(key, (constants[key], *place))
    return call, graph, ends, lasting


def _lasts(graph: Graph) -> bool:
    """Whether every large constant array of a graph has another owner; where one has none, the graph is spoiled."""
    found: dict[int, list[Const]] = {}
    for node in graph.nodes:
        for arg in node.args:
            if isinstance(arg, Const) and type(arg.value) is np.ndarray and arg.value.nbytes > _SMALL:
                found.setdefault(id(arg.value), []).append(arg)
    for constants in found.values():
        alive = weakref.ref(constants[0].value)
        for constant in constants:
            constant.value = None
        value = alive()
        if value is None:
            return False
        for constant in constants:
            constant.value = value
    return True


__all__ = ["stretched"]
