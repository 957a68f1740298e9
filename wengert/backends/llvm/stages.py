"""A graph through all stages of native code: cut into segments, each of them a kernel, and the steps of NumPy between.

Imports the segments, their kernels, the steps that lead to plans of their own. Invariant: a step that cannot be native
is a step of NumPy, for a reason that ``explain`` tells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wengert.backends.llvm.emit.emit import CannotEmit
from wengert.backends.llvm.fresh_kernel import Fresh, fresh
from wengert.backends.llvm.indexed import Program
from wengert.backends.llvm.lower.lower import Refused, can_ask, can_lower, lower
from wengert.backends.llvm.native_kernel import NativeKernel, helpers_of
from wengert.backends.llvm.segments import LONGEST, Cut, Segment, cut, left_to_libraries, whole
from wengert.backends.llvm.subplans import STRICT, Inside, inside
from wengert.core.graph import Graph
from wengert.core.node import Const, Node


class Stages(NamedTuple):
    """A cut all of whose segments could be compiled, their kernels, and how they were made."""

    cut: Cut
    kernels: dict[Segment, NativeKernel]
    made: dict[Segment, Fresh]


def compiled(graph: Graph, threads: int) -> Stages:
    """The stages of a graph, whose long loops are split among ``threads``."""
    kernels: dict[Segment, NativeKernel] = {}
    made: dict[Segment, Fresh] = {}
    banned: dict[Node, str] = {}
    begin = time.perf_counter()
    program = _at_once(graph)  # most graphs: then no step is asked for alone
    lowering = time.perf_counter() - begin if program is not None else 0.0
    split = helpers_of(threads) is not None
    while True:
        if program is not None:
            found = whole(graph)
        else:
            found = cut(graph, lambda node: banned.get(node) or can_lower(node), can_ask)
        for segment in found.segments:
            try:
                made[segment] = fresh(segment.graph, program, lowering=lowering, split=split)
                kernels[segment] = NativeKernel(segment.giving, made[segment], like=segment.graph, threads=threads)
            except (Refused, CannotEmit) as refused:
                reason = str(refused)
            except Exception as fault:  # a fault of ours must not become the user's
                if os.environ.get(STRICT):
                    raise
                reason = f"the compiler's fault ({type(fault).__name__}: {fault})"
            else:
                continue
            banned.update(dict.fromkeys(segment.nodes, reason))
            kernels.clear()
            made.clear()
            program, lowering = None, 0.0
            break
        else:
            return Stages(found, kernels, made)


def insides(reasons: Mapping[Node, str], make: Callable[[Graph], Any]) -> dict[Node, Inside]:
    """The steps of NumPy that lead to native code themselves, for which ``make`` makes plans."""
    found = {}
    for node in reasons:
        how = inside(node, make)
        if how is not None:
            found[node] = how
    return found


def _at_once(graph: Graph) -> Program | None:
    """A graph in index form, where all of it can be one kernel and nothing is better left to a library."""
    if not 0 < len(graph.nodes) <= LONGEST or any(isinstance(o, Const) for o in graph.outputs):
        return None
    if left_to_libraries(graph):
        return None
    try:
        return lower(graph)
    except Refused:
        return None


__all__ = ["STRICT", "Stages", "compiled", "insides"]
