"""The reverse sweep: one short loop over recorded nodes, last to first, that calls ``pull(node, cotangent, sweep)``.

The same loop runs on raw values and, when an outer trace is watching, on nodes whose residuals were lifted to handles,
and is then itself recorded. Imports context, handle, node, types. Invariant: cotangents are produced only for nodes
that depend on the roots.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from wengert.core.constants import is_unchanged
from wengert.core.context import SWITCH
from wengert.core.deferred import real
from wengert.core.errors import ChangedError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Node
from wengert.core.op import CONSTANT
from wengert.core.structure import item

_by_seq = attrgetter("seq")


class Sweep:
    """State of one reverse sweep.

    ``cts`` maps a node to its cotangent so far; ``owned`` has the nodes whose cotangent array is exclusively ours;
    ``careful`` makes an exact zero absorb infinities; ``lifted`` says that rules run on handles; ``final`` that the
    nodes are swept once only and may let their residuals go; ``pulled`` counts the pulls made.
    """

    __slots__ = ("careful", "cts", "final", "lifted", "owned", "pulled")

    def __init__(self, *, careful: bool = False, lifted: bool = False) -> None:
        self.cts: dict[Node, Any] = {}
        self.owned: set[Node] = set()
        self.careful = careful
        self.lifted = lifted
        self.final = False
        self.pulled = 0

    def add(self, node: Node, ct: Any) -> None:
        """Add a cotangent to a node's: in place from the second addition on."""
        cts = self.cts
        have = cts.get(node)
        if have is None:
            cts[node] = ct
        elif type(have) is np.ndarray and type(ct) is np.ndarray:
            if node in self.owned and have.dtype is ct.dtype and have.shape == ct.shape:
                have += ct
            else:
                cts[node] = have + ct
                self.owned.add(node)
        elif type(have) is list:
            cts[node] = [b if a is None else a if b is None else a + b for a, b in zip(have, ct, strict=True)]
        else:
            cts[node] = have + ct
            self.owned.discard(node)


def reachable(
    outputs: Iterable[Node], roots: Iterable[Node], start: float, outside: list[Node] | None = None
) -> list[Node]:
    """The nodes between outputs and roots (roots excluded), in order of recording.

    Nodes older than ``start`` are outside; ``outside`` collects them.
    """
    seen: set[Node] = set(roots)
    order: list[Node] = []
    stack: list[Node] = []
    for node in outputs:
        if node.seq >= start and node not in seen:
            seen.add(node)
            stack.append(node)
    pop, push, note, mark = stack.pop, stack.append, order.append, seen.add
    while stack:
        node = pop()
        note(node)
        for parent in node.inputs:
            if parent is not None and parent not in seen:
                mark(parent)
                if parent.seq >= start:
                    push(parent)
                elif outside is not None:
                    outside.append(parent)
    order.sort(key=_by_seq)
    return order


def dependence(order: list[Node], roots: Iterable[Node], start: float) -> tuple[set[Node], set[Node]]:
    """Of the ordered nodes: which depend on the roots, and which on a trace outside (older than ``start``)."""
    inner: set[Node] = set()
    outer: set[Node] = set()
    for root in roots:
        inner.add(root)
        if any(parent is not None for parent in root.inputs) or _moves(root):
            outer.add(root)
    for node in order:
        if _moves(node):
            outer.add(node)
        for parent in node.inputs:
            if parent is None:
                continue
            if parent in inner and node.op.kind != CONSTANT:
                inner.add(node)
            if parent.seq < start or parent in outer:
                outer.add(node)
    return inner, outer


def _moves(node: Node) -> bool:
    """Whether a forward trace that still runs follows the node (a trace inside the recorded program has ended)."""
    return bool(node.tangents) and any(frame.alive for frame in node.tangents)


def lift(node: Node, inner: set[Node], outer: set[Node], start: float) -> Node:
    """A copy of a node whose residuals are handles where an outer trace watches, without parents nobody asked for."""
    op = node.op
    inputs = node.inputs
    saved = node.saved
    if op.saved_from:
        lifted = []
        origins = op.saved_from if type(op.saved_from) is tuple else op.saved_from(node)
        for value, origin in zip(saved, origins, strict=True):
            source = None
            if origin is not None and value is not None:
                source = node if origin < 0 else inputs[origin]
            if source is not None and (source in outer or SWITCH.oldest <= source.seq < start):
                lifted.append(_lift_value(value, source))
            else:
                lifted.append(real(value))
        saved = tuple(lifted)
    kept = tuple(p if p is not None and p in inner else None for p in inputs)
    return Node(node.seq, op, kept, saved, node.params, node.where)


def _lift_value(value: Any, source: Node) -> Any:
    if type(value) is tuple:  # the outputs of an operation with several
        return tuple(handle(part, item(source, k)) for k, part in enumerate(value))
    return handle(value, source)


def run(order: list[Node], sweep: Sweep, *, keep: bool) -> None:
    """Sweep raw nodes backwards. Without ``keep`` nodes and their residuals are let go on the way."""
    cts = sweep.cts
    owned = sweep.owned
    pulled = 0
    sweep.final = not keep
    nodes = list(order) if keep else order
    while nodes:
        node = nodes.pop()
        ct = cts.pop(node, None)
        if ct is not None:
            pulled += 1
            node.op.pull(node, ct, sweep)
            if owned:
                owned.discard(node)
    sweep.pulled += pulled


def run_lifted(
    order: list[Node], sweep: Sweep, inner: set[Node], outer: set[Node], start: float, *, final: bool = False
) -> None:
    """Sweep with lifted residuals, so that the sweep itself is recorded. ``final`` says that no other sweep passes
    through these nodes: then they let their residuals go on the way."""
    cts = sweep.cts
    before = SWITCH.where
    try:
        for node in reversed(order):
            ct = cts.pop(node, None)
            if ct is not None and node in inner:
                sweep.pulled += 1
                SWITCH.where = node.where
                node.op.pull(lift(node, inner, outer, start), ct, sweep)
                sweep.owned.discard(node)
            if final:
                node.saved = ()
    finally:
        SWITCH.where = before


def check_watched(watched: dict[int, tuple[Any, Any, Any]]) -> None:
    """Raise if a large constant that a residual refers to was overwritten since."""
    for array, mark, where in watched.values():
        if not is_unchanged(array, mark):
            raise error_at(
                ChangedError,
                f"an array of shape {array.shape} was overwritten after a step whose derivative needs its old content",
                fix="use a copy in that step (t * G.copy()), or make the array inside the function with np.zeros",
                where=where,
            )


def raw(value: Any) -> Any:
    """The plain value of a handle, or the value itself."""
    return value.value if is_handle(value) else value
