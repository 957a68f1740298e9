"""``h[index]``: what programs do most with arrays, in one short function for each of the two traces that meet it often.

Imports core, ``memory``. Invariant: node and handle are those that ``memory.read`` makes, which does all the rest.
"""

from __future__ import annotations

import sys
from threading import get_ident
from typing import Any

import numpy as np

from wengert.core.columns import Kind, Steps, kind_of
from wengert.core.context import SWITCH, next_seq, tracing
from wengert.core.handle import TracedArray, TracedScalar
from wengert.core.node import USER_FILES, ListedNode, Node, outside
from wengert.core.types import ArrayType
from wengert.ops.memory import read, refresh
from wengert.ops.paths import is_basic
from wengert.ops.regions import GET

_new = object.__new__
_READ = kind_of(GET, None, 1)


def getitem(h: Any, index: Any) -> Any:
    """``h[index]``: the ordinary case in one short function, everything else by ``read``."""
    parent = h.node
    kind = type(index)
    if parent is None or not (kind is int or kind is slice or is_basic(index)):
        return read(h, ("index", index))
    if SWITCH.special:
        frame = tracing.get()
        if frame is None or frame.steps is None or parent.seq < frame.start or parent.abstract or frame.forwards:
            return read(h, ("index", index))
        return _listed(h, index, frame)
    if h.base is not None:
        return read(h, ("index", index))
    value = h.value
    y = value[index]
    caller = sys._getframe(1)
    code = caller.f_code
    where = (code, caller.f_lasti) if USER_FILES.get(code.co_filename) and SWITCH.where is None else outside(caller)
    path = (("index", index),)
    node = _new(Node)  # what the constructors of node and handle do, written out
    node.seq, node.op, node.inputs, node.saved = next_seq(), GET, (parent,), ()
    node.params, node.where = (path, value.shape, value.dtype), where
    if type(y) is not np.ndarray:
        return TracedScalar(y, node)
    out = _new(TracedArray)
    h.version = out.version = 0
    out.value, out.node, out.base, out.path = y, node, h, path
    return out


def _listed(h: Any, index: Any, frame: Any) -> Any:
    """The same in a full recording that lists its steps, of any array of that recording."""
    base = h.base
    if base is not None and base is not h:
        if getattr(h, "traced", None) is not None:
            return read(h, ("index", index))
        if h.version != base.version:
            refresh(h, base)
    value, parent = h.value, h.node
    y = value[index]
    shape = value.shape
    caller = sys._getframe(2)
    code = caller.f_code
    path = (("index", index),)
    node = ListedNode()
    users = USER_FILES.get(code.co_filename) and SWITCH.where is None
    node.where = where = (code, caller.f_lasti) if users else outside(caller)
    node.seq = seq = next_seq()
    node.op, node.params = GET, (path, shape, value.dtype)
    node.inputs = node.saved = ()
    node.args = (parent,)
    node.tangents = node.evaluate = None
    node.abstract = False
    node.type = kind = ArrayType.of(y)
    steps = frame.steps
    if type(steps) is Steps:  # as its ``append``
        if get_ident() != steps.thread:
            steps.mixed = True
        steps.nodes.append(node)
        if type(index) is int:
            steps.kinds.append(steps.known.get(shape) or _by_number(steps, shape))
            steps.indices.append(index if index >= 0 else index + shape[0])
        else:
            steps.kinds.append(_READ)
        steps.wheres.append(where)
        steps.types.append(kind)
        steps.seqs.append(seq)
        steps.operands.append(parent.seq)
    else:
        steps.append(node)
    if type(y) is not np.ndarray:
        return TracedScalar(y, node)
    out = _new(TracedArray)
    out.node = node
    if base is None:
        h.version = out.version = 0
        out.value, out.base, out.path = y, h, path
        return out
    out.value = y.copy(order="K") if base.base is base else y  # live: never alias memory that writes hit
    out.base, out.version = base, base.version
    out.path = path if base is h else (*h.path, *path)
    return out


def _by_number(steps: Steps, shape: tuple[int, ...]) -> Kind:
    """The kind of reads by one number from arrays of a shape."""
    found = steps.known[shape] = Kind(GET, None, 1, shape)
    return found


__all__ = ["getitem"]
