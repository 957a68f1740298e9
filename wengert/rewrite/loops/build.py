"""A folded tape as a graph: bodies are graphs of their own, numbers go back into indices.

Imports core, ops, ``loops/tape``. While steps are made they are run once, a loop for one iteration, so that every body
knows sample values of its inputs. Invariant: only small samples are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Guard, Operand, input_node, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import OPS
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType
from wengert.ops.loops import op_for
from wengert.ops.memory import GET
from wengert.ops.paths import Slot, apply
from wengert.ops.steps import run_step
from wengert.rewrite.loops.body import Loop
from wengert.rewrite.loops.paths import path_of
from wengert.rewrite.loops.tables import Info, Tables
from wengert.rewrite.loops.tape import Tape

_LARGEST = 1 << 16
"""Bytes of a sample."""


def graph_of_tape(tape: Tape, graph: Graph) -> Graph:
    """The graph of a tape; inputs, values, signature and name are those of ``graph``."""
    build = _Builder(tape.tables)
    samples = graph.values if len(graph.values) == len(graph.inputs) else [_ones(n.type) for n in graph.inputs]
    for node, value in zip(graph.inputs, samples, strict=True):
        build.samples[node] = _small(value, node.type)
    made: list[Operand] = list(graph.inputs)
    infos = tape.tables.infos
    starts, operands, tokens = tape.starts.tolist(), tape.operands.tolist(), tape.tokens.tolist()
    guards: list[Guard] = []
    for k in range(tape.inputs):
        guards.extend(_guards(tape.guards.get(k, ()), made[k]))
    for k in range(tape.inputs, len(tape)):
        ids = operands[starts[k] : starts[k + 1]]
        args = [made[i] if i >= 0 else Const(tape.tables.value(i)) for i in ids]
        made.append(build.step(infos[tokens[k]], args))
        guards.extend(_guards(tape.guards.get(k, ()), made[k]))
    outputs = [made[o] if o >= 0 else Const(tape.tables.value(o)) for o in tape.outputs]
    return graph.with_steps(_needed(build.steps, outputs, guards), outputs, guards)


def _guards(asked: Sequence[Any], node: Operand) -> list[Guard]:
    found = []
    for g in asked:
        if type(g.outcome) is np.ndarray and g.kind in ("bool", "int", "float"):
            found.append(Guard("cast", node, g.outcome, g.where, g.value))
        else:
            found.append(Guard(g.kind, node, g.outcome, g.where, g.value))
    return found


def _needed(steps: Sequence[Node], outputs: Sequence[Operand], guards: Sequence[Guard]) -> list[Node]:
    wanted: set[Any] = {*outputs, *(g.node for g in guards)}
    found = []
    for node in reversed(steps):
        if node in wanted:
            found.append(node)
            wanted.update(node.args)
    return found[::-1]


def _ones(kind: ArrayType) -> Any:
    if type(kind) is tuple:
        return tuple(map(_ones, kind))
    one = np.ones((), kind.dtype)
    return np.broadcast_to(one, kind.shape) if kind.shape else one[()]


def _small(value: Any, kind: Any) -> Any:
    """A sample that costs no memory."""
    if is_handle(value):
        value = value.value
    if type(value) is tuple:
        return tuple(_small(v, k) for v, k in zip(value, kind, strict=True))
    return _ones(kind) if getattr(value, "nbytes", 0) > _LARGEST and 0 not in value.strides else value


class _Builder:
    """The steps made so far, and a sample of what each gives."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.steps: list[Node] = []
        self.samples: dict[Node, Any] = {}
        self.bodies: dict[Any, Graph] = {}

    def step(self, info: Info, args: list[Operand]) -> Node:
        """Make a step."""
        if info.kind == "scan":
            return self.scan(info, args)
        kind = self.tables.types[info.type]
        if info.kind == "item":
            return self.make(ITEM, args, (info.number,), kind, info.where)
        if info.kind in ("stack", "concat"):
            op = OPS["stack" if info.kind == "stack" else "concatenate"]
            return self.make(op, args, (0,), kind, info.where)
        node = info.node
        if info.kind == "op" or (node is not None and info.static[0][0] == "whole"):
            return self.make(node.op, args, node.params, kind, node.where, node.evaluate)
        count = 1 if info.kind == "read" else 2
        numbers, dynamic = self.indices(info, args[count:])
        if info.kind == "read":
            return self.read(info, args[0], numbers, dynamic, kind)
        path = path_of(info.static, numbers)
        value = _type(args[1])
        region = _region(path, kind, value)
        weak = (
            node.params[4] if region is None or tuple(region) == tuple(node.params[1]) else (value.shape, value.dtype)
        )
        params = (path, node.params[1] if region is None else region, kind.shape, kind.dtype, weak)
        return self.make(node.op, [*args[:2], *dynamic], params, kind, node.where)

    def indices(self, info: Info, args: Sequence[Operand]) -> tuple[list[Any], list[Operand]]:
        """The numbers of a path, and the operands that stand for those that vary."""
        entries = _owners(info.static)
        numbers: list[Any] = []
        dynamic: list[Operand] = []
        for entry, a in zip(entries, args, strict=True):
            if isinstance(a, Const):
                numbers.append(a.value)
                continue
            if entry[0] == "s":
                span = np.arange(entry[1], dtype=np.int64) * entry[2]
                a = self.make(OPS["add"], [a, Const(span)], (), ArrayType((entry[1],), span.dtype), info.where)
            numbers.append(Slot(len(dynamic)))
            dynamic.append(a)
        return numbers, dynamic

    def read(self, info: Info, source: Operand, numbers: list[Any], dynamic: list[Operand], kind: ArrayType) -> Node:
        """Make the steps of a read: windows that vary are read one axis at a time."""
        windows = [k for k, e in enumerate(_owners(info.static)) if e[0] == "s" and type(numbers[k]) is Slot]
        held = _type(source)
        if not windows:
            path = path_of(info.static, numbers)
            return self.make(GET, [source, *dynamic], (path, held.shape, held.dtype), kind, info.where)
        entries = list(info.static[0][1])
        places = [j for j, e in enumerate(entries) if e[0] in "isa"]
        later = [(places[k], dynamic[numbers[k].number], entries[places[k]]) for k in windows]
        kept = [k for k in range(len(numbers)) if k not in windows]
        for j, _, _ in later:
            entries[j] = ("f",)
        rest = [dynamic[numbers[k].number] for k in kept if type(numbers[k]) is Slot]
        slots = iter(range(len(rest)))
        fixed = [Slot(next(slots)) if type(numbers[k]) is Slot else numbers[k] for k in kept]
        axes = [e[0] != "i" for e in entries]
        if any(e[0] != "f" for e in entries):
            path = path_of((("index", tuple(entries)),), fixed)
            shape = tuple(e[1] if e[0] == "s" else n for n, e in zip(held.shape, entries, strict=False) if e[0] != "i")
            held = ArrayType((*shape, *held.shape[len(entries) :]), held.dtype)
            source = self.make(GET, [source, *rest], (path, _type(source).shape, held.dtype), held, info.where)
        for j, index, entry in later:
            axis = sum(axes[:j])
            path = (("index", (*(slice(None),) * axis, Slot(0)) if axis else Slot(0)),)
            after = ArrayType((*held.shape[:axis], entry[1], *held.shape[axis + 1 :]), held.dtype)
            source = self.make(GET, [source, index], (path, held.shape, held.dtype), after, info.where)
            held = after
        return source  # type: ignore[return-value]

    def make(self, op: Any, args: Sequence[Operand], params: Any, kind: Any, where: Any, evaluate: Any = None) -> Node:
        node = step(op, args, params, kind, where, evaluate=evaluate)
        self.steps.append(node)
        try:
            with np.errstate(all="ignore"):
                values = [self.sample(a) for a in args]
                self.samples[node] = _small(run_step(op, values, params, evaluate), kind)
        except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
            self.samples[node] = _ones(kind)  # the samples are not what the program computes
        return node

    def sample(self, a: Operand) -> Any:
        return _plain(a) if isinstance(a, Const) else self.samples[a]

    def scan(self, info: Info, args: list[Operand]) -> Node:
        """Make a loop: constants among its invariants go into the body, equal operands are one."""
        loop: Loop = info.loop
        c, x = len(loop.carries), len(loop.sequences)
        fixed = tuple(a if isinstance(a, Const) and not is_handle(a.value) else None for a in args[c + x :])
        firsts = [self.sample(a) for a in args[:c]] + [self.sample(a)[0] for a in args[c : c + x]]
        inner = _Builder(self.tables)
        inputs: list[Operand] = []
        for k, number in enumerate((*loop.carries, *loop.sequences)):
            node = input_node(self.tables.types[number])
            inner.samples[node] = firsts[k]
            inputs.append(node)
        free: list[Operand] = []
        known: dict[Any, Operand] = {}
        invariants: list[Operand] = []
        for a, constant in zip(args[c + x :], fixed, strict=True):
            if constant is not None:
                invariants.append(constant)
                continue
            key = id(a.value.node) if isinstance(a, Const) else a
            if key not in known:
                node = input_node(ArrayType.of(_plain(a)) if isinstance(a, Const) else a.type)
                inner.samples[node] = self.sample(a)
                known[key] = node
                free.append(a)
            invariants.append(known[key])
        made: list[Operand] = []

        def value(ref: tuple[str, int]) -> Operand:
            kind, k = ref
            if kind == "b":
                return made[k]
            return inputs[k] if kind == "c" else inputs[c + k] if kind == "x" else invariants[k]

        for _, token, refs in loop.steps:
            made.append(inner.step(self.tables.infos[token], [value(r) for r in refs]))
        outputs = [value(r) for r in (*loop.updates, *loop.rows)]
        # What a body gives are steps or inputs of its own; a constant stays one.
        body_inputs: tuple[Any, ...] = (*inputs, *known.values())
        body = Graph(
            inputs=body_inputs,
            outputs=tuple(outputs),
            nodes=tuple(_needed(inner.steps, outputs, ())),
            values=tuple(inner.samples[n] for n in body_inputs),
            name="loop",
            memory={"watched": None},
        )
        ends = [inner.sample(o) for o in outputs]
        operands = [*args[: c + x], *free]
        node = step(
            op_for(body), operands, (body, loop.count, c, False, x, None), self.tables.types[info.type], info.where
        )
        self.steps.append(node)
        rows = [np.broadcast_to(v, (loop.count, *np.shape(v))) for v in ends[c:]]
        self.samples[node] = (*ends[:c], *rows)
        return node


def _owners(static: Any) -> list[Any]:
    """The entries of a path that have a number."""
    return [e for kind, part in static if kind == "index" for e in part if e[0] in "isa"]


def _plain(a: Any) -> Any:
    return a.value.value if is_handle(a.value) else a.value


def _type(a: Operand) -> ArrayType:
    return ArrayType.of(_plain(a)) if isinstance(a, Const) else a.type


def _region(path: Any, kind: ArrayType, value: ArrayType) -> tuple[int, ...] | None:
    """The shape of the region that a path with known numbers leads to; None where they vary."""
    for step_kind, argument in path:
        parts = argument if type(argument) is tuple else (argument,)
        if step_kind == "index" and any(type(p) is Slot for p in parts):
            return None
    return np.shape(apply(path, np.broadcast_to(np.zeros(()), kind.shape)))


__all__ = ["graph_of_tape"]
