"""Transposition: a linear program run backwards, as a linear program.

Every step is pulled on cotangents that have a type but no data, and what the pulls record is the
transposed program. Imports core, ops. Invariant: the pairing is Re<ct, t>, so for complex values
the transpose is the adjoint, and transposing twice gives the same map."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.context import LINEARIZE, SWITCH
from wengert.core.graph import Graph, Operand
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.structure import ROOT
from wengert.core.sweep import Sweep
from wengert.core.trace import graph_of
from wengert.core.types import ArrayType, dtype_of
from wengert.diff.linearize import dummy, settled
from wengert.ops.memory import fit
from wengert.ops.visit import stub


def transpose(graph: Graph) -> Graph:
    """The transposed program: a cotangent per output to a cotangent per input.

    Outputs without a derivative (the constant None) take part as cotangents that are ignored.
    """
    frame, token = context.enter(LINEARIZE)
    before = SWITCH.where
    try:
        cotangents = [dummy(kind_of(o)) for o in graph.outputs]
        state = Sweep(lifted=True)
        lean: dict[Node, Node] = {n: Node(n.seq, ROOT, (), (), (), n.where) for n in graph.inputs}
        for node in graph.nodes:
            lean[node] = _lean(node, lean)
        for o, ct in zip(graph.outputs, cotangents, strict=True):
            if not isinstance(o, Const):
                state.add(lean[o], ct)
        with np.errstate(all="ignore"):
            for node in reversed(graph.nodes):
                made = lean[node]
                ct = state.cts.pop(made, None)
                if ct is not None:
                    SWITCH.where = node.where
                    node.op.pull(made, ct, state)
                    state.owned.discard(made)
            found = [_fitted(state.cts.get(lean[n]), n.type) for n in graph.inputs]
        return graph_of(frame, cotangents, found, name=f"transpose of {graph.name}")
    finally:
        SWITCH.where = before
        context.leave(frame, token)


def kind_of(operand: Operand) -> ArrayType:
    """The type of an operand of a graph."""
    if not isinstance(operand, Const):
        return operand.type
    value = operand.value.value if is_handle(operand.value) else operand.value
    return ArrayType(()) if value is None else ArrayType.of(value)


def _lean(node: Node, lean: dict[Node, Node]) -> Node:
    """A step as the reverse sweep wants it: parents, and residuals taken from its constants."""
    values = [_raw(a) for a in node.args]
    inputs = tuple(None if isinstance(a, Const) else lean[a] for a in node.args)
    made = Node(node.seq, node.op, inputs, (), node.params, node.where)
    if node.op.save is None:
        return made
    y = tuple(map(stub, node.type)) if node.op.outputs else stub(node.type)
    saved = list(node.op.save(values, y, node.params, tuple(i is not None for i in inputs)))
    origins = node.op.saved_from
    if origins:
        for slot, origin in enumerate(origins if type(origins) is tuple else origins(made)):
            if origin is not None and origin >= 0 and saved[slot] is not None:
                arg = node.args[origin]
                if isinstance(arg, Const) and is_handle(arg.value):
                    saved[slot] = arg.value
    made.saved = tuple(saved)
    return made


def _raw(arg: Operand) -> Any:
    if not isinstance(arg, Const):
        return tuple(map(stub, arg.type)) if type(arg.type) is tuple else stub(arg.type)
    return arg.value.value if is_handle(arg.value) else arg.value


def _fitted(ct: Any, kind: ArrayType) -> Any:
    if ct is None:
        return stub(kind)
    ct = fit(ct, kind.shape, kind.dtype)
    if dtype_of(ct.value if is_handle(ct) else ct) != kind.dtype:
        ct = ct.astype(kind.dtype)
    return settled(ct)


__all__ = ["kind_of", "transpose"]
