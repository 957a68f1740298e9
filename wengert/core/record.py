"""The general recorder: makes the node of a step in any mix of running traces (reverse, forward, full, type-only).

The fast path for ordinary reverse traces is generated in ``ops/kinds``; this one handles all the rest. Imports core
only. Invariant: while the tangent for a forward trace is computed, only traces outside it are watching.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.constants import keep_constant, watch_constant
from wengert.core.context import EAGER, FORWARD, FULL, LINEARIZE, REVERSE, SWITCH, TIES, Frame, next_seq, tracing
from wengert.core.errors import CutError, LeakWarning, error_at
from wengert.core.handle import buffer, handle, is_handle
from wengert.core.node import Const, Node, RichNode, describe, here
from wengert.core.op import CONSTANT, OWNED, Op
from wengert.core.types import ArrayType


def live_node(node: Node | None) -> Node | None:
    """The node, or None when its trace has ended: then its handle stands for its plain value."""
    if node is None:
        return None
    if node.seq >= SWITCH.oldest:
        frame = tracing.get()
        # Sweeps follow steps of any thread; forward traces and full recordings do not.
        if node.seq >= frame.start if frame is not None else not (node.tangents or node.type is not None):
            return node
        if is_known(node, frame):
            return node
    leaked(node)
    return None


def is_known(node: Node, frame: Frame | None) -> bool:
    """Whether a value is one of the traces that run here, the innermost being ``frame``; False where its own has ended.

    Raises CutError where it is one of a trace that runs elsewhere, and has that trace raise as well, for errors of
    threads are easily lost.
    """
    chain = [*frame.chain()] if frame is not None else []
    if any(node.seq >= f.start for f in chain):
        return True
    live = list(SWITCH.live)
    owners = [f for f in live if f not in chain and f.start <= node.seq and _may_own(f, node, frame)]
    if not owners:
        return False
    error = error_at(
        CutError,
        "a traced value was used in a thread that knows nothing of the trace, which would cut the derivative",
        fix="run the work in a copy of the context that the function runs in, one per thread: pool.submit(contextvars."
        "copy_context().run, work, t), Thread(target=contextvars.copy_context().run, args=(work, t)); or use no thread",
    )
    families = {_outermost(f) for f in owners}
    if len(families) == 1:
        for f in live:
            if _outermost(f) in families:
                f.strayed = error
    raise error


def _may_own(owner: Frame, node: Node, frame: Frame | None) -> bool:
    """Whether a value that is older than the traces here may be one of a trace that runs elsewhere."""
    if owner.note is EAGER:
        return False
    if owner.kind == FORWARD:
        return bool(node.tangents) and owner in node.tangents
    if owner.kind == FULL:
        return node.type is not None
    # A sweep follows steps of any thread, but not through another trace.
    return owner.kind != REVERSE or frame is not None


def _outermost(frame: Frame) -> Frame:
    return [*frame.chain()][-1]


def leaked(node: Node) -> None:
    """Warn that a handle outlived its trace."""
    import warnings

    warnings.warn(
        "a traced value was used after its trace had ended: it now stands for its plain value, without derivative"
        f"\n  made at {describe(node.where)}\n  fix: return it from the function instead of storing it outside",
        LeakWarning, stacklevel=4,
    )


def plain(y: Any, operands: Sequence[Any]) -> Any:
    """The result of a step none of whose operands is traced: a buffer if an operand was one, else the value itself."""
    if type(y) is np.ndarray and y.dtype.kind in "fc" and SWITCH.live and any(map(is_handle, operands)):
        if any(is_handle(a) and np.may_share_memory(y, a.value) for a in operands):
            y = y.copy(order="K")
        return buffer(y)
    return y


def record(
    op: Op, values: Sequence[Any], nodes: Sequence[Node | None], params: tuple[Any, ...], y: Any, frame: Frame | None,
    operands: Sequence[Any] | None = None,
) -> Any:
    """Make the node of a step and return its result as a handle (a tuple of them for several outputs).

    ``values``, ``nodes`` are those of the operands; ``operands`` the handles themselves, needed for free leaves of a
    full recording.
    """
    node = make_node(op, values, nodes, params, y, frame, operands)
    if node is None:
        return y
    if op.outputs:
        return tuple(handle(part, item_of(node, k)) for k, part in enumerate(y))
    return handle(y, node)


def make_node(
    op: Op, values: Sequence[Any], nodes: Sequence[Node | None], params: tuple[Any, ...], y: Any, frame: Frame | None,
    operands: Sequence[Any] | None = None, type_of_y: Any = None, hands_on: bool = False,
) -> Node | None:
    """The node of a step, or None when no running trace needs one.

    ``hands_on`` says that the first operand's tangent is this step's to write to: nothing else can see it.
    """
    full = frame.full if frame is not None else None
    if op.kind == CONSTANT and full is None:
        return None
    node = RichNode(next_seq(), op, (), (), params, here(3))
    node.abstract = any(n is not None and n.abstract for n in nodes)
    if frame is not None and frame.keeper is not None:
        frame.keeper.look(node, values, nodes, y, frame)
    elif SWITCH.sweeping and (frame is None or frame.swept):
        node.inputs = tuple(nodes)
        mask = tuple(n is not None for n in nodes)
        kept = [keep_constant(v, frame) if n is None else v for v, n in zip(values, nodes, strict=True)]
        node.saved = op.save(kept, y, params, mask) if op.save is not None else ()
    if node.abstract:
        if frame is not None and frame.kind == LINEARIZE:
            # Of the linear program only what depends on the tangents is a step; all the rest is a residual.
            node.args = tuple(
                n if n is not None and n.abstract else residual(v, n, frame) for v, n in zip(values, nodes, strict=True)
            )
            node.type = _type(op, y, type_of_y)
    elif full is not None:
        if full.met is not None:
            full.met(values, nodes)
        start = full.start
        node.args = tuple([
            n if n is not None and n.seq >= start else _leaf(v, n, frame) for v, n in zip(values, nodes, strict=True)
        ])
        node.type = _type(op, y, type_of_y)
        if full is frame and full.steps is not None:
            full.steps.append(node)
    if frame is not None and frame.kinks is not None and (op.kink is not None or frame.kinks.mode == TIES):
        frame.kinks.look(op, values, params, y, node)
    if frame is not None and frame.forwards and op.kind != CONSTANT and not node.abstract:
        push(node, op, values, nodes, params, y, frame, hands_on=hands_on)
    return node


def _type(op: Op, y: Any, known: Any) -> Any:
    if known is not None:
        return known
    return tuple(map(ArrayType.of, y)) if op.outputs else ArrayType.of(y)


def residual(value: Any, node: Node | None, frame: Frame) -> Const:
    """A constant of a linear program: kept for as long as the program lives, so a large array is watched."""
    return Const(handle(value, node) if node is not None else keep_constant(value, frame))


def _leaf(value: Any, node: Node | None, frame: Frame | None) -> Const:
    if node is not None:
        return Const(handle(value, node))
    return Const(watch_constant(value, frame) if type(value) is np.ndarray else value)


def item_of(node: Node, k: int) -> Node:
    """The node of the k-th output of a step with several."""
    from wengert.core.structure import item

    return item(node, k)


def push(
    node: Node,
    op: Op,
    values: Sequence[Any],
    nodes: Sequence[Node | None],
    params: tuple[Any, ...],
    y: Any,
    frame: Frame,
    *,
    hands_on: bool = False,
) -> None:
    """Compute the tangents of a new node for each running forward trace, outermost first."""
    for forward in frame.forwards:
        tangents = tuple(
            n.tangents.get(forward) if n is not None and n.tangents else None for n in nodes
        )
        if all(t is None for t in tangents):
            continue
        # (A direction that decides at kinks is nobody's derivative: it is a step of the recording it goes through.)
        outer = forward.parent if forward.side is None else frame.full
        if outer is not None:
            operands = [seen_from(outer, v, n) for v, n in zip(values, nodes, strict=True)]
            if op.outputs:
                result = tuple(seen_from(outer, part, item_of(node, k)) for k, part in enumerate(y))
            else:
                result = seen_from(outer, y, node)
        else:
            operands, result = list(values), y
        mask: tuple[int, ...] = tuple(t is not None for t in tangents)
        if hands_on and mask[0] and forward.side is None:
            mask = (OWNED, *mask[1:])
        side = frame.forwards[0].side
        token = tracing.set(outer)
        try:
            if side is None:
                tangent = op.push(operands, result, params, tangents, mask)
            else:
                if forward.side is not None:
                    side.enlist(node, nodes, frame)
                with side.pushing(forward, tangents, outer):
                    tangent = op.push(operands, result, params, tangents, mask)
        finally:
            tracing.reset(token)
        if tangent is not None:
            if node.tangents is None:
                node.tangents = {}
            node.tangents[forward] = tangent


def seen_from(outer: Frame, value: Any, node: Node | None) -> Any:
    """A residual as a handle when a trace at or outside ``outer`` may be watching it."""
    if node is None:
        return value
    if (
        SWITCH.keeping
        or outer.full is not None
        or (node.tangents and any(f in node.tangents for f in outer.forwards))
    ):
        return handle(value, node)
    return value


__all__ = [
    "is_known", "item_of", "keep_constant", "leaked", "live_node", "make_node", "plain", "push", "record", "residual",
    "seen_from",
]  # fmt: skip
