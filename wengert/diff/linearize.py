"""Linearization: run a function once at a point, and keep the linear program that its derivative
there is.

The forward rules are run on tangents that have a type but no data, and what they record is the
linear program: its steps are those that depend on the tangents, everything else is a residual.
Imports core, ops. Invariant: residuals are values, or handles of the traces around."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.context import FORWARD, LINEARIZE
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import RichNode
from wengert.core.structure import ROOT, root
from wengert.core.trace import graph_of
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.memory import sync
from wengert.ops.visit import stub

Flat = Callable[[list[Any]], Sequence[Any]]
"""A function of flat values to flat values."""


def dummy(kind: ArrayType, where: Any = None) -> Any:
    """A handle that has a type but no data: the input of a linear program while it is recorded."""
    node = RichNode(context.next_seq(), ROOT, (), (), (), where)
    node.abstract = True
    node.type = kind
    node.args = ()
    return handle(stub(kind), node)


def linearize(
    function: Flat, values: Sequence[Any], where: Any = None, name: str = "linear"
) -> tuple[list[Any], Graph]:
    """The outputs of ``function`` at ``values`` (raw, or settled handles of traces around), and its
    derivative there as a graph.

    The graph takes a tangent per value and gives one per output; outputs that are no floating point
    numbers have the constant None. Its ``memory["watched"]`` has the large arrays among the
    residuals: ``core.sweep.check_watched`` says whether one was overwritten; ``memory["kinked"]`` says where a second
    derivative met a kink (``ops/sides``)."""
    outer, outer_token = context.enter(LINEARIZE)
    try:
        kinds = [ArrayType.of(v.value if is_handle(v) else v) for v in values]
        tangents = [dummy(kind, where) for kind in kinds]
        inner, inner_token = context.enter(FORWARD)
        try:
            roots = [root(v, where, frame=inner, tangent=t) for v, t in zip(values, tangents, strict=True)]
            outputs = [settled(o) for o in function(roots)]
        finally:
            context.leave(inner, inner_token)
        moved = [_tangent(o, inner) for o in outputs]
        graph = graph_of(outer, tangents, moved, name=name)
        graph.memory["kinked"] = outer.kinked
    finally:
        context.leave(outer, outer_token)
    return outputs, graph


def settled(value: Any) -> Any:
    """An up-to-date handle, or the raw value."""
    if is_handle(value) and value.base is not None:
        sync(value)
    return value


def _tangent(out: Any, frame: Any) -> Any:
    kind = tangent_kind(out)
    if kind is None:
        return None
    node = out.node if is_handle(out) else None
    found = node.tangents.get(frame) if node is not None and node.tangents else None
    if found is None:
        return stub(kind)
    return settled(found)


def tangent_kind(out: Any) -> ArrayType | None:
    """The type of an output's tangent: that of the output; None for what is no floating point
    number."""
    plain = out.value if is_handle(out) else out
    if not isinstance(plain, (np.ndarray, np.generic, float, complex)) or dtype_of(plain).kind not in "fc":
        return None
    return ArrayType(shape_of(plain), dtype_of(plain))


__all__ = ["Flat", "dummy", "linearize", "settled", "tangent_kind"]
