"""From a finished recording to a graph: the steps that outputs and guards need, freed of what only
the running trace wanted.

Imports core. Invariant: a node of the graph depends on nothing that is not a node of the graph, an
input, or a constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from wengert.core.columns import COLUMNS, FOREIGN, Columns, Steps, columns_of
from wengert.core.context import LINEARIZE, Frame
from wengert.core.errors import WengertValueError, error_at
from wengert.core.graph import Graph, Operand, Signature, copy_step, input_node
from wengert.core.handle import HANDLES, is_handle
from wengert.core.node import Const, Node
from wengert.core.structure import ROOT
from wengert.core.sweep import check_watched

_by_seq = attrgetter("seq")


def graph_of(
    frame: Frame,
    roots: Sequence[Any],
    outputs: Sequence[Any],
    *,
    values: Sequence[Any] = (),
    signature: Signature | None = None,
    name: str = "graph",
    alone: bool = False,
    bare: bool = False,
) -> Graph:
    """The graph of a finished frame (full, or linearizing): from ``roots`` (handles of its inputs)
    to ``outputs`` (settled leaves). ``alone``: nobody asks for the recorded nodes any more, so the
    graph takes them as they are where it can. ``bare``: its steps may lack their ``inputs``, which
    ``complete`` fills in.

    Raises ChangedError when a large constant that a step reads was overwritten later in the
    recorded program."""
    if frame.watched:
        check_watched(frame.watched)
    inputs = tuple(input_node(r.node.type, r.node.where, seq=r.node.seq) for r in roots)
    known: dict[Node, Operand] = {r.node: made for r, made in zip(roots, inputs, strict=True)}
    resolve = _resolver(frame)
    ends = [resolve(Const(o)) for o in outputs]
    asked = [g.node for g in frame.guards]
    steps: list[Node] = []
    note = steps.append
    taken = set(known) if alone else set()  # operands that are not what they stand for
    wanted = [e for e in (*ends, *asked) if isinstance(e, Node)]
    listed = _listed(frame.steps, list(known), wanted, resolve) if alone else None
    frame.steps = None
    if listed is not None:
        steps, entered, columns = listed
        for node in entered:
            node.args = tuple([known.get(a, a) for a in node.args])
        known.update((e, e) for e in wanted if e not in taken)
    for node in () if listed is not None else _needed(wanted, set(known), resolve):
        if alone and not _stands_for_more(node, taken):
            args = node.args
        else:
            args = tuple([
                (_known(resolve(a), known) if is_handle(a.value) else a)
                if type(a) is Const
                else known[a]
                for a in node.args
            ])
        if node.op is ROOT:
            if not args:
                raise error_at(
                    WengertValueError,
                    "a value of a function that was differentiated is used outside of it",
                    fix="return it from the function instead of storing it outside",
                    where=node.where,
                )
            known[node] = args[0]  # the input of an inner trace: another name of what came in
            taken.add(node)
            continue
        if alone:
            node.args, made = args, node
            node.inputs = tuple([None if type(a) is Const else a for a in args])
            node.saved = ()  # residuals of a sweep that is over, as large as all values together
        else:
            made = copy_step(node, args)
        known[node] = made
        note(made)
    guards = tuple(g.of(known[g.node]) for g in frame.guards if isinstance(known[g.node], Node))
    graph = Graph(
        inputs=inputs,
        outputs=tuple(known[e] if isinstance(e, Node) else e for e in ends),
        guards=guards,
        nodes=tuple(steps),
        values=tuple(values),
        signature=signature,
        name=name,
        memory={"watched": frame.watched},
    )
    if listed is not None:
        if bare:
            graph.memory[COLUMNS] = columns
        else:
            complete(graph)
    return graph


def complete(graph: Graph) -> None:
    """Fill in what the steps of a bare graph lack."""
    graph.memory.pop(COLUMNS, None)
    for node in graph.nodes:
        node.inputs = tuple([None if type(a) is Const else a for a in node.args])
        node.saved = ()


def _listed(
    steps: Steps | Sequence[Node] | None,
    roots: Sequence[Node],
    ends: Sequence[Node],
    resolve: Callable[[Operand], Operand],
) -> tuple[list[Node], list[Node], Columns] | None:
    """The nodes that ``ends`` need, from the steps of a frame in order, those of them that read a root, and the columns
    of all; None where something else is needed as well."""
    if not steps:
        return None
    columns = columns_of(roots, steps if type(steps) is Steps else Steps(steps))  # type: ignore[arg-type]
    last = [columns.number(e) for e in ends]
    alive = columns.needed(last)
    if alive is not None:
        columns = columns.only(alive)
    if FOREIGN in last or (columns.numbers == FOREIGN).any():
        return None
    constants = columns.steps.constants
    if not HANDLES.isdisjoint(map(type, constants)):  # free leaves stay, values of this recording are its steps
        leaves = [Const(value) for value in constants if is_handle(value)]
        if any(resolve(leaf) is not leaf for leaf in leaves):
            return None
    entered = np.flatnonzero((columns.numbers >= 0) & (columns.numbers < len(roots)))
    readers = np.searchsorted(columns.starts(), entered, side="right") - 1  # rising; ``np.unique`` loads ``numpy.ma``
    readers = readers[np.flatnonzero(np.diff(readers, prepend=-1))]
    nodes = columns.steps.nodes
    return nodes, [nodes[k] for k in readers.tolist()], columns


def _stands_for_more(node: Node, taken: set[Node]) -> bool:
    """Whether an operand of a step is not the node or constant that the graph has in its place."""
    for a in node.args:
        if type(a) is Const:
            if is_handle(a.value):
                return True
        elif a in taken:
            return True
    return False


def release(graph: Graph) -> None:
    """Take the steps of a graph that nobody asks for any more apart: a written array is a cycle, which would keep all
    that led to it until the collector has walked over everything."""
    for node in graph.nodes:
        node.args = None
        node.inputs = node.saved = ()


def _known(arg: Operand, known: dict[Node, Operand]) -> Operand:
    return known[arg] if isinstance(arg, Node) else arg


def _resolver(frame: Frame) -> Callable[[Operand], Operand]:
    """Operands as nodes where they belong to this recording: a trace inside it saw them from
    outside, as free leaves.

    In a linear program what does not depend on the tangents is a residual: a handle where a trace
    around it watches, else a plain value."""
    linear = frame.kind == LINEARIZE
    watched: dict[Node, bool] = {}

    def resolve(arg: Operand) -> Operand:
        if isinstance(arg, Const) and is_handle(arg.value):
            node = arg.value.node
            if node is None:
                return Const(arg.value.value)
            if node.seq >= frame.start:
                if node.abstract or not linear:
                    return node  # type: ignore[no-any-return]
                if not _is_watched(node, frame, watched):
                    return Const(arg.value.value)
        return arg

    return resolve


def _is_watched(node: Node, frame: Frame, known: dict[Node, bool]) -> bool:
    """Whether a node recorded inside ``frame`` depends on something outside of it."""
    stack = [node]
    while stack:
        top = stack[-1]
        if top in known:
            stack.pop()
            continue
        parents = [p for p in top.inputs if p is not None]
        if any(p.seq < frame.start for p in parents) or any(
            f in (top.tangents or ()) for f in frame.forwards
        ):
            known[top] = True
        elif waiting := [p for p in parents if p not in known]:
            stack.extend(waiting)
            continue
        else:
            known[top] = any(known[p] for p in parents)
        stack.pop()
    return known[node]


def _needed(
    ends: Sequence[Node], roots: set[Node], resolve: Callable[[Operand], Operand]
) -> list[Node]:
    """The nodes that ``ends`` need, in the order of recording."""
    seen = set(roots)
    order: list[Node] = []
    stack = list(ends)
    pop, push, mark, note = stack.pop, stack.append, seen.add, order.append
    while stack:
        node = pop()
        if node in seen:
            continue
        mark(node)
        if node.args is None:
            raise error_at(
                WengertValueError,
                f"the step {node.op.name} was not fully recorded",
                fix="this is a fault of wengert: please report the program that led here",
                where=node.where,
            )
        note(node)
        for a in node.args:
            if type(a) is Const:
                if not is_handle(a.value):
                    continue
                a = resolve(a)
                if type(a) is Const:
                    continue
            if a not in seen:
                push(a)
    order.sort(key=_by_seq)
    return order


__all__ = ["complete", "graph_of", "release"]
