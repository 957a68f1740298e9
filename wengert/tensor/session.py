"""Tensors while a compiled function is recorded: their values are handles of that recording, their history is a graph
of its own, made of the same nodes.

Imports core, ``history``. Invariant: a step belongs to both graphs at once; where the history ends (``detach``,
``no_grad``), the value stays connected with the recording.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.context import EAGER, SWITCH, Frame, next_seq, tracing
from wengert.core.errors import CutError, WengertValueError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node, RichNode, here
from wengert.core.op import CONSTANT
from wengert.core.structure import ROOT
from wengert.core.types import ArrayType
from wengert.ops.memory import sync
from wengert.tensor.history import LEAF


class Session:
    """What one full recording knows of its Tensors: which nodes lead to a leaf, and what Tensors it met."""

    __slots__ = ("_expected", "_flows", "_met", "refusal", "regions", "start")

    def __init__(self) -> None:
        self.start: float = 0
        self.refusal = ""  # why a replay would not do what the run does
        self.regions: list[Any] = []  # the checkpointed calls
        self._flows: dict[Node, bool] = {}
        self._met: dict[int, tuple[weakref.ref[Any], tuple[Any, ...] | None]] = {}
        self._expected: dict[int, weakref.ref[Any]] = {}

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
            if t.value.node is not None and t.value.node.seq < self.start:
                raise used_elsewhere()
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

    def expect(self, tensors: Iterable[Any]) -> None:
        """Count Tensors as results of the run, which may outlive it."""
        self._expected.update((id(t), weakref.ref(t)) for t in tensors)

    def close(self, own: set[int]) -> str:
        """After the run: Tensors that somebody else holds (not those with the ids ``own``) get back what they were, or
        lose what is only true in the recording. Says why the run cannot be replayed then, else nothing."""
        self._flows.clear()
        held = self._held(own)
        if held:
            gc.collect()
            held = self._held(own)
        reason = self.refusal
        for t, state in held:
            if state is not None:
                t.value, t.node, t.mem, t._grad = state
                reason = reason or "it reads a Tensor from outside in a way that cannot be seen"
            else:
                t.value, t.node, t.mem = raw_of(t.value), None, None
                reason = reason or "it keeps a Tensor that it made"
        self._met.clear()
        return reason

    def _held(self, own: set[int]) -> list[tuple[Any, tuple[Any, ...] | None]]:
        found = [(t, state) for ref, state in self._met.values() if (t := ref()) is not None and id(t) not in own]
        return [(t, s) for t, s in found if (e := self._expected.get(id(t))) is None or e() is not t]


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
    return session_of(tracing.get()) if SWITCH.live else None


def used_elsewhere() -> Exception:
    """The error for a Tensor whose value belongs to a recording of another thread."""
    return error_at(
        WengertValueError,
        "a Tensor is used while another thread records a compiled function that works on it",
        fix="call the compiled function once before the threads start, or give each thread Tensors of its own",
        depth=5,
    )


def is_ours(frame: Frame | None) -> bool:
    """Whether a Tensor's value may be a handle: a compiled function is being recorded in this thread."""
    full = frame.full if frame is not None else None
    while full is not None and type(full.note) is not Session:
        full = full.parent.full if full.parent is not None else None
    return full is not None


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
        return handle(value.value, node)  # a handle of its own: views made of it are no views of the Tensor
    return joined(value.value, history, node)


def snapshot(value: Any) -> Any:
    """A handle that later writes to an array do not reach."""
    if not is_handle(value):
        return value
    if value.base is not None:
        sync(value)
    return handle(value.value, value.node)


def python_number(value: Any) -> Any:
    """A scalar handle as one of Python's own number, without history; other values as they are."""
    if type(value) is list:
        return [python_number(v) for v in value]
    if not is_handle(value):
        return value
    value = entering(value, None)
    raw = value.value
    return handle(raw.item() if isinstance(raw, np.generic) else raw, value.node)


def raw_of(value: Any) -> Any:
    """The plain value of a handle, or the value itself."""
    return value.value if is_handle(value) else value


__all__ = [
    "EAGER",
    "Session",
    "entering",
    "in_operation",
    "is_ours",
    "joined",
    "python_number",
    "raw_of",
    "session",
    "session_of",
    "snapshot",
    "used_elsewhere",
]
