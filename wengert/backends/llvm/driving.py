"""The graph that drives a cut: its steps are whole segments and the steps of NumPy between them.

Imports core, the segments and their kernels. Invariant: a guard keeps the number that it has in the original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.native_kernel import NativeKernel
from wengert.backends.llvm.segments import Cut, Segment
from wengert.core.graph import Graph, Guard, Operand, copy_step, step
from wengert.core.node import Const, Node
from wengert.core.op import CONTROL, Op
from wengert.core.structure import ITEM

if TYPE_CHECKING:
    from wengert.backends.llvm.subplans import Inside


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


__all__ = ["driver"]
