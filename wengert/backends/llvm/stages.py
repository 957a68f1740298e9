"""A graph through all stages of native code: cut into segments, each of them a kernel, and the steps of NumPy between.

Imports the segments, their kernels, the steps that lead to plans of their own. Invariant: a step that cannot be native
is a step of NumPy, for a reason that ``explain`` tells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.emit.emit import CannotEmit
from wengert.backends.llvm.fresh_kernel import Fresh, fresh
from wengert.backends.llvm.indexed import Program
from wengert.backends.llvm.lower.lower import Refused, can_ask, can_lower, lower
from wengert.backends.llvm.native_kernel import NativeKernel, helpers_of
from wengert.backends.llvm.segments import LONGEST, Cut, Segment, cut, left_to_libraries, whole
from wengert.backends.llvm.subplans import STRICT, Inside, inside
from wengert.core.graph import Graph, Guard, Operand, copy_step, step
from wengert.core.node import Const, Node
from wengert.core.op import CONTROL, Op
from wengert.core.structure import ITEM


class Stages(NamedTuple):
    """A cut all of whose segments could be compiled, their kernels, and how the last of them was made."""

    cut: Cut
    kernels: dict[Segment, NativeKernel]
    last: Fresh | None


def compiled(graph: Graph, threads: int) -> Stages:
    """The stages of a graph, whose long loops are split among ``threads``."""
    kernels: dict[Segment, NativeKernel] = {}
    made: Fresh | None = None
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
                made = fresh(segment.graph, program, lowering=lowering, split=split)
                kernels[segment] = NativeKernel(_giving(segment.graph), made, like=segment.graph, threads=threads)
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
            program, lowering = None, 0.0
            break
        else:
            return Stages(found, kernels, made)


def _giving(graph: Graph) -> Callable[[], Graph]:
    return lambda: graph


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


def driver(
    found: Cut, kernels: dict[Segment, NativeKernel], insides: Mapping[Node, Inside]
) -> tuple[Graph, tuple[int, ...]]:
    """The graph whose steps are whole segments and the steps of NumPy (``insides``: what runs in the place of some);
    and for each of its guards, the number that it has in the original."""
    graph = found.graph
    known: dict[Node, Node] = {n: n for n in graph.inputs}
    nodes: list[Node] = []

    def now(o: Operand) -> Operand:
        return o if isinstance(o, Const) else known[o]

    for part in found.order:
        if isinstance(part, Segment):
            nodes.extend(_as_steps(part, kernels[part], known))
        else:
            made = copy_step(part, [now(a) for a in part.args])
            if part in insides:
                made.evaluate = insides[part].evaluate
            known[part] = made
            nodes.append(made)
    taken = {k for part in found.segments for k in part.guards}
    numbers = tuple(k for k in range(len(graph.guards)) if k not in taken)
    guards: list[Guard] = [graph.guards[k].of(known[graph.guards[k].node]) for k in numbers]
    return graph.with_steps(nodes, [now(o) for o in graph.outputs], guards), numbers


def _as_steps(part: Segment, kernel: NativeKernel, known: dict[Node, Node]) -> list[Node]:
    """A segment as a step, and its results as steps."""

    def native(*operands: Any) -> Any:
        try:
            return kernel.call(*operands)
        except GuardFailed as failed:
            raise GuardFailed(part.guards[failed.index]) from None

    args = [known[n] for n in part.inputs]
    outputs = [o for o in part.outputs if isinstance(o, Node)]
    names = tuple(f"y{k}" for k in range(len(outputs)))
    several = len(outputs) != 1
    op = Op(
        name="native", kind=CONTROL, inputs=tuple(f"x{k}" for k in range(len(args))), params={}, evaluate=native,
        outputs=names if several else None, listed=False,
    )  # fmt: skip
    kind = tuple(o.type for o in outputs) if several else outputs[0].type
    made = step(op, args, (), kind, part.nodes[0].where)
    if not several:
        known[outputs[0]] = made
        return [made]
    items: list[Node] = []
    for k, o in enumerate(outputs):
        known[o] = step(ITEM, [made], (k,), o.type, o.where)
        items.append(known[o])
    return [made, *items]


__all__ = ["STRICT", "Stages", "compiled", "driver", "insides"]
