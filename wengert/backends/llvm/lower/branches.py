"""Choices in index form: both branches, and of every result the one that is chosen.

Imports core, ops.branches, ``lower/builder``; what lowers the steps of a branch is given by ``lower``. Invariant: what
a branch asks about its values is asked only where it is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.lower.builder import BOOL, Builder, Laid, Refused
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.core.graph import Graph
from wengert.core.node import Node
from wengert.rewrite.passes import size_of

Inline = Callable[[Builder, Graph, Sequence[Laid]], list[Laid]]

CHEAP = 20_000
"""Operations and bytes of both branches up to which they are computed both: a step of NumPy between two kernels takes
the time of about so many."""


def is_cheap(node: Node) -> bool:
    """Whether computing both branches of a choice is cheaper than going to the one that is taken."""
    sizes = [size_of(graph) for graph in node.params]
    return sum(s.flops + s.bytes // 8 for s in sizes) <= CHEAP


def cond(b: Builder, node: Node, operands: Sequence[Laid], inline: Inline) -> list[Laid]:
    """The outputs of a choice."""
    pred, *given = operands
    if pred.axes:
        raise Refused("a choice by several truth values")
    taken = b.cast(pred.value, BOOL)
    found = []
    for graph, mask in zip(node.params, (taken, b.map("logical_not", BOOL, taken)), strict=True):
        before = len(b.checks)
        outputs = inline(b, graph, given)
        untaken = b.map("logical_not", BOOL, mask)
        b.checks[before:] = [(b.map("logical_or", BOOL, untaken, value), what) for value, what in b.checks[before:]]
        found.append(outputs)
    results = []
    for x, y, kind in zip(*found, node.type, strict=True):
        dtype: np.dtype[Any] = np.dtype(kind.dtype)
        (one, other), dims = aligned(b, (x, y))
        chosen = b.map("select", dtype, taken, b.cast(one, dtype), b.cast(other, dtype))
        results.append(b.laid(chosen, dims))
    return results


__all__ = ["CHEAP", "cond", "is_cheap"]
