"""Loops in index form: the scan, and running sums and products as scans along their axis.

Imports core, ops.loops, ``lower/builder``; what lowers a body is given by ``lower``. Invariant: what a body asks about
its values (an index within its axis) is asked of every row, outside of the loop."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Map, Program, Read, Scan, ScanOutput, Slot, Store
from wengert.backends.llvm.lower import reduce
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim, Laid, Refused
from wengert.core.graph import Graph, input_node
from wengert.core.graph import step as graph_step
from wengert.core.node import Node
from wengert.core.op import OPS
from wengert.core.types import ArrayType
from wengert.ops.reduce import normal_axes

Lower = Callable[[Graph], Program]


def body_of(graph: Graph, lower: Lower) -> Program:
    """The body of a loop in index form, made once; its guards, which it must not have, are a last row, all true."""
    known: Program | Refused | None = graph.memory.get("indexed")
    if known is None:
        try:
            known = _without_guards(lower(graph))
        except Refused as refused:
            known = refused
        graph.memory["indexed"] = known
    if isinstance(known, Refused):
        raise Refused(f"in the body of a loop: {known}")
    return known


def _without_guards(program: Program) -> Program:
    if not program.guards:
        return program
    holds = program.guards[0][0]
    for guard, _ in program.guards[1:]:
        holds = Map((), BOOL, "logical_and", (holds, guard))
    slot = Slot("holds", (), BOOL, "output")
    return Program(program.inputs, program.constants, (*program.stores, Store(slot, holds, ())))


def scan(b: Builder, node: Node, operands: Sequence[Laid], lower: Lower) -> list[Laid]:
    """The outputs of a scan: final carries, then stacked rows."""
    graph, length, carries, reverse, sequences, *_ = node.params
    if length < 1:
        raise Refused("a loop that does not run")
    body = body_of(graph, lower)
    for operand, slot, k in zip(operands, body.inputs, range(len(operands)), strict=True):
        row = operand.shape[1:] if carries <= k < carries + sequences else operand.shape
        if row != slot.shape:
            raise Refused("a loop whose operands do not fit its body")
    given = tuple(
        (b.cast(operand.value, slot.dtype), tuple(d.find() if isinstance(d, Axis) else 0 for d in operand.dims))
        for operand, slot in zip(operands, body.inputs, strict=True)
    )
    first = carries + sequences
    made = Scan(length, bool(reverse), body, given[:carries], given[carries:first], given[first:])
    outputs = [_output(b, made, k, k >= carries) for k in range(len(body.stores))]
    if len(outputs) > len(graph.outputs):
        b.check(outputs.pop().value, "what a loop asks about its values")
    return outputs


def _output(b: Builder, scan: Scan, number: int, stacked: bool) -> Laid:
    slot = scan.body.stores[number].slot
    dims = b.axes((scan.length, *slot.shape) if stacked else slot.shape)
    axes = tuple(d for d in dims if isinstance(d, Axis))
    return b.laid(ScanOutput(axes, slot.dtype, scan, number, dims, where=b.where), dims)


# ---------------------------------------------------------------- running sums and products


def _running(name: str, neutral: float) -> Callable[[Builder, Node, Sequence[Laid], Lower], Laid]:
    def rule(b: Builder, node: Node, operands: Sequence[Laid], lower: Lower) -> Laid:
        (x,) = operands
        dtype: np.dtype[Any] = node.type.dtype
        if dtype == BOOL or not x.dims:
            raise Refused(f"a running {name} of this form")
        axis = int(node.params[0]) % len(x.dims)
        rest: tuple[Dim, ...] = (*x.dims[:axis], *x.dims[axis + 1 :])
        shape = tuple(d.extent if isinstance(d, Axis) else 1 for d in rest)
        row = ArrayType(shape, dtype)
        carried, part = input_node(row), input_node(row)
        joined = graph_step(OPS[name], (carried, part), (), row, node.where)
        body = Graph(inputs=(carried, part), outputs=(joined, joined), nodes=(joined,))
        length = x.shape[axis]
        outer = graph_step(OPS["stack"], (), (body, length, 1, False, 1, None), None, node.where)
        start = b.laid(b.number(neutral if dtype.kind == "f" else abs(neutral), dtype), rest)
        ordered = b.laid(x.value, (x.dims[axis], *rest))
        rows = scan(b, outer, (start, ordered), lower)[1]
        return b.laid(rows.value, (*rows.dims[1 : axis + 1], rows.dims[0], *rows.dims[axis + 1 :]))

    return rule


UNROLLED = (16, 4)
"""The most factors that are written out, one after the other: those that are read, those that are computed."""


def product(b: Builder, node: Node, operands: Sequence[Laid], lower: Lower) -> Laid:
    """Factors in NumPy's order, one after the other: in any other order a product that leaves the range of numbers on
    its way leaves it elsewhere."""
    (x,) = operands
    gone = normal_axes(node.params[0], len(x.dims))
    over = [d.find() for k in gone if isinstance(d := x.dims[k], Axis)]
    carried = {a.find() for a in x.value.axes}
    dtype: np.dtype[Any] = node.type.dtype
    if dtype.kind != "f" or not over or not carried.issuperset(over):
        return reduce.RULES["prod"](b, node, operands)
    count = math.prod(a.extent for a in over)
    value, axis = b.cast(x.value, dtype), over[0]
    if len(over) > 1:
        axis = Axis(count)
        value = b.reshape(value, over, (axis,))
    kept = tuple((0 if k in gone else d) for k, d in enumerate(x.dims) if node.params[1] or k not in gone)
    if count <= UNROLLED[not isinstance(value, Read)]:
        factors = [b.substitute(value, {axis: Affine((), k)}) for k in range(count)]
        return b.laid(functools.reduce(functools.partial(b.map, "multiply", dtype), factors), kept)
    rest = tuple(d for d in kept if isinstance(d, Axis))
    row = ArrayType(tuple(d.extent for d in rest), dtype)
    carry, factor = input_node(row), input_node(row)
    joined = graph_step(OPS["multiply"], (carry, factor), (), row, node.where)
    body = Graph(inputs=(carry, factor), outputs=(joined,), nodes=(joined,))
    outer = graph_step(OPS["stack"], (), (body, count, 1, False, 1, None), None, node.where)
    (whole,) = scan(b, outer, (b.laid(b.number(1.0, dtype), rest), b.laid(value, (axis, *rest))), lower)
    found = dict(zip(rest, whole.dims, strict=True))
    return b.laid(whole.value, tuple(found[d] if isinstance(d, Axis) else d for d in kept))


RULES = {"cumsum": _running("add", -0.0), "cumprod": _running("multiply", 1.0), "prod": product}
"""Operations that are loops; -0 is what adds nothing, whatever the sign of a zero."""

__all__ = ["RULES", "body_of", "scan"]
