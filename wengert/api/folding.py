"""Fold first, then differentiate: the run of a function that is going to be swept back inside a recording that will be
compiled.

Imports core, numpy_api, ops, rewrite, ``engine``. Invariant: the function runs once; what is swept is a run of its
folded graph, with the same values, guards and lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.core import context
from wengert.core.context import FOLDING, FULL, REVERSE, SWITCH, Frame, tracing
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const
from wengert.core.structure import root
from wengert.core.trace import complete, graph_of, release
from wengert.core.tree import Structure
from wengert.numpy_api.conversions import guard as ask
from wengert.ops.apply import begin_late
from wengert.ops.loops import is_scan
from wengert.ops.memory import sync
from wengert.ops.sides import differentiations, is_kinked
from wengert.ops.steps import run_step

Rebuild = Callable[[list[Any]], tuple[Sequence[Any], dict[str, Any]]]


class Unfolded(BaseException):
    """The function holds a checkpointed call, whose steps belong to one sweep: it is differentiated as it stands."""


def folded_trace(
    fun: Callable[..., Any], leaves: Sequence[Any], rebuild: Rebuild, where: Any
) -> tuple[Frame, list[Any], Any]:
    """What ``engine.reverse_trace`` gives, from a run of the folded graph of ``fun``."""
    around = tracing.get()
    assert around is not None
    try:
        graph, structure, kinked = _recorded(fun, leaves, rebuild, where)
    except Unfolded:
        if around.full is not None and around.full.note is FOLDING:
            raise
        folds, around.folds = around.folds, False
        try:
            return engine.reverse_trace(fun, leaves, rebuild, where)
        finally:
            around.folds = folds
    from wengert.rewrite.loops.fold import fold
    from wengert.rewrite.passes import gates

    # Where a second derivative meets a kink is seen step by step.
    folded = graph if differentiations() and is_kinked(graph) else fold(graph)
    if folded is graph or not {*graph.nodes}.isdisjoint(folded.nodes):
        complete(graph)
    else:
        release(graph)
    graph = gates(folded)
    _put_off_loops(around, graph)
    frame, token = context.enter(REVERSE)
    frame.kinked = kinked
    full = frame.full
    met = full.met if full is not None else None
    try:
        if full is not None:
            full.met = None  # the constants of the graph were met when it was recorded
        roots = [root(leaf, where) for leaf in leaves]
        out = structure.unflatten(_run(graph, [handle(r.value, r.node) for r in roots]))
        frame.watched.update(graph.memory.get("watched") or {})
    except BaseException:
        context.leave(frame, token)
        raise
    finally:
        if full is not None:
            full.met = met
    tracing.reset(token)
    return frame, roots, out


def _put_off_loops(around: Frame, graph: Graph) -> None:
    """From here on the recording that is going to be compiled puts off its long loops, if nothing of the user's runs in
    it any more."""
    met = None if around.full is None else around.full.met
    if met is None or not met.patient or met.hopes is None or not any(map(is_scan, graph.nodes)):
        return
    from wengert.ops.put_off_loops import is_long

    if any(is_scan(node) and is_long(node.params) for node in graph.nodes):
        begin_late(around)


def _recorded(
    fun: Callable[..., Any], leaves: Sequence[Any], rebuild: Rebuild, where: Any
) -> tuple[Graph, Structure, Any]:
    around = tracing.get()
    frame, token = context.enter(FULL)
    frame.note = FOLDING
    late = frame.met is not None and frame.met.late is not None  # steps are put off where they are not listed
    frame.steps = None if late or frame.swept or frame.kinks is not None else []
    if around is not None and around.full is not None:
        frame.asks = around.full.asks
    try:
        plain = [leaf.value if is_handle(leaf) else leaf for leaf in leaves]
        roots = [root(v, where, rich=True) for v in plain]
        args, kwargs = rebuild([handle(r.value, r.node) for r in roots])
        outputs, structure = engine.flat_output(engine.call(fun, args, kwargs))
        graph = graph_of(frame, roots, outputs, values=plain, name="body", alone=True, bare=True)
        return graph, structure, frame.kinked
    finally:
        context.leave(frame, token)


def _run(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """The graph on handles; its guards become guards of the recording around."""
    env: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))
    last = {a: node for node in graph.nodes for a in node.args if not isinstance(a, Const)}
    kept = {o for o in (*graph.outputs, *(g.node for g in graph.guards)) if not isinstance(o, Const)}
    before = SWITCH.where
    try:
        with np.errstate(all="ignore"):
            for node in graph.nodes:
                SWITCH.where = node.where
                operands = [a.value if isinstance(a, Const) else env[a] for a in node.args]
                env[node] = run_step(node.op, operands, node.params, node.evaluate)
                for a in {a for a in node.args if not isinstance(a, Const)}:
                    if last[a] is node and a not in kept:
                        env[a] = None
        for g in graph.guards:
            value = env[g.node]
            if is_handle(value):
                if value.base is not None:
                    sync(value)
                SWITCH.where = g.where
                ask(value, g.kind, g.outcome)
    finally:
        SWITCH.where = before
    return [o.value if isinstance(o, Const) else env[o] for o in graph.outputs]


__all__ = ["FOLDING", "Unfolded", "folded_trace"]
