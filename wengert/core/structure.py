"""The two structural operations: ROOT (an input of a trace) and ITEM (one output of an operation that has several).

Imports context, handle, node, op. Invariant: a root's parent is the outer node the input came from, so all traces share
one graph.
"""

from __future__ import annotations

from typing import Any

from wengert.core.context import SWITCH, Frame, next_seq, tracing
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node, RichNode
from wengert.core.op import CONTROL, Op
from wengert.core.record import is_known
from wengert.core.types import ArrayType


def _pull_root(node: Node, ct: Any, sweep: Any) -> None:
    parent = node.inputs[0] if node.inputs else None
    if parent is not None:
        sweep.add(parent, ct)


def _pull_item(node: Node, ct: Any, sweep: Any) -> None:
    parent = node.inputs[0]
    if parent is None:
        return
    parts: list[Any] = [None] * len(parent.op.outputs)
    parts[node.params[0]] = ct
    sweep.add(parent, parts)


def _same(values: Any, y: Any, params: Any, tangents: Any, mask: Any) -> Any:
    return tangents[0]


ROOT = Op(
    name="input", kind=CONTROL, inputs=("x",), params={}, evaluate=lambda x: x, pull=_pull_root, push=_same,
    save=lambda values, y, params, mask: (), saved_from=(), infer=lambda types, params: types[0],
    doc="An input of a trace.",
)
ITEM = Op(
    name="item",
    kind=CONTROL,
    inputs=("parts",),
    params={"k": 0},
    evaluate=lambda parts, k: parts[k],
    pull=_pull_item,
    push=lambda values, y, params, tangents, mask: tangents[0][params[0]],
    save=lambda values, y, params, mask: (),
    saved_from=(),
    infer=lambda types, params: types[0][params[0]],
    doc="One of the outputs of an operation that has several.",
)


def item(source: Node, k: int) -> Node:
    """The node of output ``k`` of ``source``, with the tangents its source has.

    One that is made while a recording runs which does not hold its source is a value from outside, like the source: it
    gets the number that follows the source, as the item had that was made when the source was.
    """
    frame = tracing.get()
    full = frame.full if frame is not None else None
    seq = next_seq() if full is None or source.seq >= full.start else source.seq + 1 + k
    if not isinstance(source, RichNode):
        return Node(seq, ITEM, (source,), (), (k,), source.where)
    node = RichNode(seq, ITEM, (source,), (), (k,), source.where)
    node.args = (source,)
    node.abstract = source.abstract
    if source.type is not None:
        node.type = source.type[k]
    if source.tangents:
        node.tangents = {f: t[k] for f, t in source.tangents.items() if t is not None and t[k] is not None}
    return node


def root(value: Any, where: Any, *, frame: Frame | None = None, tangent: Any = None, rich: bool = False) -> Any:
    """A handle for an input: ``value`` may be raw or an outer handle (already read as a whole).

    With ``frame`` and ``tangent`` the root carries that tangent; ``rich`` makes it a fully recorded input.
    """
    outer = value.node if is_handle(value) else None
    plain = value.value if is_handle(value) else value
    running = tracing.get()
    if outer is not None and SWITCH.oldest <= outer.seq and len(SWITCH.live) > 1:
        is_known(outer, running)
    inputs = (outer,) if outer is not None else ()
    inherited = outer.tangents if outer is not None else None
    full = running.full if running is not None else None
    node: Node
    if frame is None and not rich and not inherited and full is None:
        node = Node(next_seq(), ROOT, inputs, (), (), where)
    else:
        node = RichNode(next_seq(), ROOT, inputs, (), (), where)
        if not rich:  # the input of an inner trace: in a full recording simply the same value again
            known = outer is not None and full is not None and outer.seq >= full.start
            node.args = (outer if known else Const(value if outer is not None else plain),)
        else:
            node.args = ()
        node.type = ArrayType.of(plain)
        tangents = dict(inherited) if inherited else {}
        if frame is not None and tangent is not None:
            tangents[frame] = tangent
        node.tangents = tangents or None
    return handle(plain, node)
