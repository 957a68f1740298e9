"""Folding: the iterations of Python loops, recorded one after the other, become ``scan`` steps again.

Imports core, ops, ``loops/*``. Nothing is looked up in the source: iterations are found because they record the same
steps. Invariant: folding is exact; unfolding gives back the recorded graph, operand for operand, so the folded graph
computes the same bits.
"""

from __future__ import annotations

from wengert.core.graph import Graph
from wengert.ops.loops import is_scan
from wengert.rewrite.loops.build import graph_of_tape
from wengert.rewrite.loops.clean import tidy
from wengert.rewrite.loops.emit import fold_pass
from wengert.rewrite.loops.tape import Tape, tape_of

_PASSES = 8
_WORTH = 0.05
"""The part of the steps that must go, or a long straight program is built anew for a few accidental repetitions."""
SMALLEST = 300
"""Loops that stand for fewer steps than this all together are left unrolled."""


def fold(graph: Graph, *, smallest: int = SMALLEST) -> Graph:
    """The graph with its repeated iterations folded into loops; the graph itself where there are none worth it.

    The steps must stand in the order in which they ran, unmerged. Inner loops are folded first, then the loops around
    them."""
    if len(graph.nodes) < max(8, smallest):
        return tidy(graph) if any(map(is_scan, graph.nodes)) else graph
    first = tape = tape_of(graph)
    for _ in range(_PASSES):
        before = len(tape)
        tape = fold_pass(tape)
        if len(tape) > 0.99 * before:
            break
    worth = len(first) - len(tape) >= _WORTH * len(first)
    if worth and weight_of(tape) >= smallest:
        graph = graph_of_tape(tape, graph)
    return tidy(graph) if any(map(is_scan, graph.nodes)) else graph


def weight_of(tape: Tape) -> int:
    """How many steps the loops of a tape stand for."""
    infos = tape.tables.infos
    return sum(infos[t].loop.weight(tape.tables) for t in tape.tokens.tolist() if infos[t].kind == "scan")


__all__ = ["SMALLEST", "fold", "weight_of"]
