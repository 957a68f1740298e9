"""Tensors while a compiled function is recorded: their values are handles of that recording, their history is a graph
of its own, made of the same nodes.

Imports core, ``history``. Invariant: a step belongs to both graphs at once; where the history ends (``detach``,
``no_grad``), the value stays connected with the recording.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from wengert.core.context import Frame, next_seq, tracing
from wengert.core.errors import CutError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node, RichNode, here
from wengert.core.op import CONSTANT
from wengert.core.structure import ROOT
from wengert.core.types import ArrayType
from wengert.ops.memory import sync
from wengert.tensor.history import LEAF

EAGER = "eager"
"""The note of the frames that stand around a general operation on Tensors: no function is being traced there."""


class Session:
    """What one full recording knows of its Tensors: which nodes lead to a leaf, and what Tensors it met."""

    __slots__ = ("_flows", "_met", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self._flows: dict[Node, bool] = {}
        self._met: dict[int, tuple[weakref.ref[Any], tuple[Any, ...] | None]] = {}

    # ------------------------------------------------------------ history

    def depends(self, node: Node) -> bool:
        """Whether a node leads back to a leaf through steps that have a derivative."""
        known = self._flows
        stack = [node]
        while stack:
            top = stack[-1]
            if top in known:
                stack.pop()
            elif top.op is LEAF or top.op.kind == CONSTANT:
                known[top] = top.op is LEAF
            else:
                parents = [p for p in top.inputs if p is not None]
                waiting = [p for p in parents if p not in known]
                if waiting:
                    stack.extend(waiting)
                else:
                    known[top] = any(known[p] for p in parents)
        return known[node]

    def history_of(self, node: Node | None) -> Node | None:
        """The node as a history: None where no leaf is behind it."""
        while node is not None and node.op is ROOT:
            node = node.inputs[0] if node.inputs else None
        return node if node is not None and self.depends(node) else None

    # ------------------------------------------------------------ Tensors met

    def meet(self, t: Any) -> None:
        """Note a Tensor that the program uses; one with a history from outside cannot be followed."""
        found = self._met.get(id(t))
        if found is not None and found[0]() is t:
            return
        if is_handle(t.value):
            self._met[id(t)] = weakref.ref(t), None
            return
        node = t.node if t.mem is None else t.mem.node
        if node is not None and node.seq < self.start:
            raise error_at(
                CutError,
                "a Tensor with a history was made outside of the compiled function and is no argument of it",
                fix="give it as an argument, or t.detach() it",
                depth=4,
            )
        self._met[id(t)] = weakref.ref(t), (t.value, t.node, t.mem, getattr(t, "_grad", None))

    def own(self, t: Any) -> Any:
        """Note a Tensor made by the program; returns it."""
        self._met[id(t)] = weakref.ref(t), None
        return t

    def used(self) -> bool:
        """Whether there were any."""
        return bool(self._met)

    def strangers(self, own: set[int]) -> list[tuple[Any, tuple[Any, ...]]]:
        """The Tensors that somebody outside holds (``own`` are the ids of those that are accounted for), with what they
        were when they were met."""
        for k in range(2):
            found = [
                (t, state)
                for ref, state in self._met.values()
                if state is not None and (t := ref()) is not None and id(t) not in own
            ]
            if not found or k:
                return found
            gc.collect()
        return []

    def kept(self, own: set[int]) -> list[Any]:
        """The Tensors made by the program that are still held by somebody."""
        for k in range(2):
            found = [
                t
                for ref, state in self._met.values()
                if state is None and (t := ref()) is not None and id(t) not in own
            ]
            if not found or k:
                return found
            gc.collect()
        return []


def session_of(frame: Frame | None) -> Session | None:
    """The session that a frame belongs to: the recording itself, or what stands around operations on Tensors in it."""
    while frame is not None:
        note = frame.note
        if type(note) is Session:
            return note
        if note is not EAGER:
            return None
        frame = frame.parent
    return None


def session() -> Session | None:
    """The session of this thread, unless a function is being traced inside it."""
    return session_of(tracing.get())


def in_operation() -> bool:
    """Whether an operation on Tensors is being recorded with its history."""
    frame = tracing.get()
    return frame is not None and frame.note is EAGER


def joined(raw: Any, history: Node | None, recorded: Node | None) -> Any:
    """A handle of the recording that has this history."""
    if history is None and recorded is None:
        return raw
    node = RichNode(next_seq(), ROOT, () if history is None else (history,), (), (), here(2))
    node.args = (Const(raw) if recorded is None else recorded,)
    node.type = ArrayType.of(raw)
    return handle(raw, node)


def entering(value: Any, history: Node | None) -> Any:
    """The value of a Tensor, or an array, with the history given and no other."""
    if not is_handle(value):
        return joined(value, history, None)
    if value.base is not None:
        sync(value)
    node = value.node
    if history is node or (history is None and (node is None or not node.inputs)):
        return value
    return joined(value.value, history, node)


def snapshot(value: Any) -> Any:
    """A handle that later writes to an array do not reach."""
    if is_handle(value) and value.base is not None:
        sync(value)
        return handle(value.value, value.node)
    return value


def raw_of(value: Any) -> Any:
    """The plain value of a handle, or the value itself."""
    return value.value if is_handle(value) else value


__all__ = ["EAGER", "Session", "entering", "in_operation", "joined", "raw_of", "session", "session_of", "snapshot"]
