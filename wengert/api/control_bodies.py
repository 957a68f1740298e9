"""Bodies of loops and branches: a function recorded by itself, as a graph that reads nothing from outside.

Imports core, ``engine``. Invariant: a body that cannot stand by itself (it asks Python about a value, writes into an
array from outside, raises) is not recorded, and what happens then is what plain Python does.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.core import context
from wengert.core.context import BODY, FULL, Frame, WritesOutside, tracing
from wengert.core.errors import WengertTypeError, error_at
from wengert.core.graph import Graph, copy_step, input_node
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.tree import Structure, flatten
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.numpy_api import reach
from wengert.ops.sides import SIDE, differentiations, is_kinked


@dataclass(frozen=True, slots=True)
class Body:
    """A recorded body: its graph, whose last inputs are the ``free`` handles that it closes over; the ``structure`` of
    what the function returned, which of its leaves are ``numbers``, the graph's outputs in order, and the ``leaves``
    that are plain values (None for the others)."""

    graph: Graph
    free: tuple[Any, ...]
    structure: Structure
    leaves: tuple[Any, ...]
    numbers: tuple[bool, ...]


def recording() -> Frame | None:
    """The full recording that is running, in which a body can be one step."""
    frame = tracing.get()
    return None if frame is None else frame.full


def served(f: Callable[..., Any], *args: Any) -> Any:
    """A call of a user's function from inside a recording."""
    return reach.served(f)(*args)


def is_number(value: Any) -> bool:
    """Whether a raw value is an array or a number (of Python or NumPy)."""
    return isinstance(value, (np.ndarray, np.generic, float, int, complex)) and dtype_of(value).kind in "fciub"


def raw(value: Any) -> Any:
    """The plain value of a handle, or the value itself."""
    return value.value if is_handle(value) else value


def sample(value: Any, row: int | None = None) -> Any:
    """A value (a row of it) as an input of a body gets it: an array of its own, or a number of NumPy."""
    plain = raw(value)
    if row is not None:
        plain = plain[row]
    return plain.copy(order="C") if type(plain) is np.ndarray else dtype_of(plain).type(plain)


def typed(value: Any, kind: ArrayType) -> Any:
    """A value as an operand of a step: Python's numbers as NumPy's."""
    return value if is_handle(value) or type(value) is np.ndarray else kind.dtype.type(value)


def record_body(
    run: Callable[[list[Any]], Any],
    samples: Sequence[Any],
    name: str,
    *,
    writes: bool = False,
) -> Body | None:
    """Run ``run(handles of samples)`` once in a recording of its own. None where the body cannot stand by itself; what
    it raises passes through.

    All numbers among the leaves of what is returned are outputs. ``writes``: the body may write into what it is given,
    which is nobody else's."""
    around = tracing.get()
    frame, token = context.enter(FULL)
    frame.note = BODY
    frame.asks = around is not None and around.full is not None and around.full.asks
    try:
        roots = [root(v, None, rich=True) for v in samples]
        given = [handle(r.value, r.node) for r in roots]
        leaves, structure = flatten(run(given))
        leaves = [engine.settled(v) for v in leaves]
        if not writes and any(engine.settled(h).node is not r.node for h, r in zip(given, roots, strict=True)):
            return None  # it writes into what it was given
        found = [kind_of(v) for v in leaves]
        ends = [cast(v, k) for v, k in zip(leaves, found, strict=True) if k is not None]
        graph = graph_of(frame, roots, ends, values=list(samples), name=name)
        if graph.guards or frame.guards:
            return None
    except WritesOutside:
        return None
    finally:
        context.leave(frame, token)
    if (SIDE.get() is not None or differentiations() > 1) and is_kinked(graph):
        return None  # where a second derivative meets a kink is seen step by step
    closed_graph, free = closed(graph)
    plain = tuple(None if is_handle(v) else v for v in leaves)
    return Body(closed_graph, tuple(free), structure, plain, tuple(k is not None for k in found))


def kind_of(value: Any) -> ArrayType | None:
    """The type of a leaf that is a number; None for any other."""
    plain = raw(value)
    return ArrayType(shape_of(plain), dtype_of(plain)) if is_number(plain) else None


def cast(value: Any, kind: ArrayType) -> Any:
    """An output of a body, as NumPy's number where it is one of Python's."""
    if not is_handle(value):
        return value if type(value) is np.ndarray else kind.dtype.type(value)
    return value if dtype_of(value.value) == kind.dtype else engine.settled(value.astype(kind.dtype))


def closed(graph: Graph) -> tuple[Graph, list[Any]]:
    """The graph with the outer handles that it reads made inputs of their own, and those handles."""
    made: dict[int, Any] = {}
    free: list[Any] = []

    def place(a: Any) -> Any:
        if not isinstance(a, Const):
            return known.get(a, a)
        if not is_handle(a.value):
            return a
        key = id(a.value.node)
        if key not in made:
            made[key] = input_node(ArrayType.of(a.value.value))
            free.append(a.value)
        return made[key]

    known: dict[Any, Any] = {}
    steps = []
    for node in graph.nodes:
        args = [place(a) for a in node.args]
        known[node] = copy_step(node, args)
        steps.append(known[node])
    outputs = tuple(place(o) for o in graph.outputs)
    found = Graph(
        inputs=(*graph.inputs, *made.values()),
        outputs=outputs,
        nodes=tuple(steps),
        values=(*graph.values, *(h.value for h in free)),
        name=graph.name,
        memory={"watched": None},
    )
    return found, free


def with_shared(bodies: Sequence[Body], own: int) -> tuple[list[Graph], list[Any]]:
    """Graphs of bodies that have the same first ``own`` inputs, each with the free handles of all of them as its
    further inputs; and those handles."""
    every: dict[int, Any] = {}
    for body in bodies:
        for h in body.free:
            every.setdefault(id(h.node), h)
    graphs = []
    for body in bodies:
        mine = dict(zip((id(h.node) for h in body.free), body.graph.inputs[own:], strict=True))
        more = [mine.get(key) or input_node(ArrayType.of(h.value)) for key, h in every.items()]
        values = (*body.graph.values[:own], *(h.value for h in every.values()))
        made = replace(body.graph, inputs=(*body.graph.inputs[:own], *more), values=values, memory={"watched": None})
        graphs.append(shared_graph(made))
    return graphs, list(every.values())


_SAME = 256
"""Graphs of bodies that are remembered, so that bodies of a loop's iterations are the same."""
_known: OrderedDict[Any, Graph] = OrderedDict()
_lock = threading.Lock()


def shared_graph(graph: Graph) -> Graph:
    """A graph that does the same, met before: loops that call for it are found, its derivatives are made once. (Only
    for graphs without arrays of their own, which somebody might write to.)"""
    key = _key(graph)
    if key is None:
        return graph
    with _lock:
        found = _known.setdefault(key, graph)
        _known.move_to_end(key)
        while len(_known) > _SAME:
            _known.popitem(last=False)
    return found


def _key(graph: Graph) -> Any:
    """What two graphs must share to be the same; None where that cannot be told."""
    if len(graph.nodes) > _SAME or any(getattr(v, "size", 1) > _SAME for v in graph.values):
        return None
    numbers: dict[Any, int] = {n: k for k, n in enumerate((*graph.inputs, *graph.nodes))}

    def of(a: Any) -> Any:
        if not isinstance(a, Const):
            return numbers[a]
        if type(a.value) is np.ndarray or is_handle(a.value):
            raise TypeError
        return type(a.value), repr(a.value)

    try:
        steps = tuple(
            (n.op, n.evaluate, tuple(map(of, n.args)), n.params, repr(n.params), n.type)
            for n in graph.nodes
        )
        key = graph.name, tuple(n.type for n in graph.inputs), steps, tuple(map(of, graph.outputs))
        hash(key)
    except TypeError:
        return None
    return key


def same_carry(start: Sequence[Any], structure: Structure, carry: Any, name: str) -> list[Any]:
    """The leaves of a carry, checked against those the loop began with."""
    leaves, found = flatten(carry)
    if found != structure:
        raise error_at(
            WengertTypeError,
            f"the carry of {name} changes its structure: from {structure} to {found}",
            fix="return the carry in the containers in which it comes in",
        )
    leaves = [engine.settled(v) for v in leaves]
    for path, a, b in zip(structure.paths(), start, leaves, strict=True):
        before, after = raw(a), raw(b)
        if not is_number(before) or not is_number(after):
            continue
        if shape_of(before) != shape_of(after) or dtype_of(before) != dtype_of(after):
            raise error_at(
                WengertTypeError,
                f"the carry{path} of {name} comes in as {ArrayType.of(before)} and is returned as "
                f"{ArrayType.of(after)}",
                fix="start the loop with a value of the shape and dtype that the body returns (0.0, not 0)",
            )
    return leaves


__all__ = [
    "Body", "cast", "closed", "is_number", "kind_of", "raw", "record_body", "recording", "same_carry", "sample",
    "served", "shared_graph", "typed", "with_shared",
]  # fmt: skip
