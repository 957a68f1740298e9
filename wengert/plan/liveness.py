"""How long values live: the last step that reads each, and which values look into the memory of
which others.

Imports core, ops. Invariant: a value is dead only when nothing that shares its memory is needed any
more."""

from __future__ import annotations

from typing import Any

from wengert.core.graph import Graph
from wengert.core.node import Const, Node
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType
from wengert.ops.memory import GET
from wengert.ops.paths import Slot, is_basic

NEVER = -1
"""The last use of a value that nothing uses."""


def last_uses(graph: Graph) -> dict[Node, int]:
    """The number of the last step that reads each value; ``len(graph)`` for outputs, NEVER for what
    is not read.

    A guard reads its value right after the step that makes it.
    """
    last: dict[Node, int] = dict.fromkeys((*graph.inputs, *graph.nodes), NEVER)
    for number, node in enumerate(graph.nodes):
        for arg in node.args:
            if not isinstance(arg, Const):
                last[arg] = number
    for arg in graph.outputs:
        if not isinstance(arg, Const):
            last[arg] = len(graph.nodes)
    return last


def looks_into(node: Node) -> Node | Const | None:
    """The operand whose memory a step's result shares; None when the result has memory of its
    own."""
    if node.op is ITEM:
        return node.args[0]  # type: ignore[no-any-return]
    if node.op is GET and not _copies(node.params[0], node.type):
        return node.args[0]  # type: ignore[no-any-return]
    return None


def _copies(path: Any, kind: ArrayType) -> bool:
    if not path or path[-1][0] != "index":
        return False
    index = path[-1][1]
    parts = index if type(index) is tuple else (index,)
    traced = any(type(p) is Slot or type(p) is slice for p in parts)  # a traced number picks a view
    if not traced and not is_basic(index):
        return True  # a fancy index
    return kind.shape == () and Ellipsis not in parts  # a number taken out


def nbytes(kind: Any) -> int:
    """The memory of a value of a type (of several: their sum); numbers without an axis count
    nothing."""
    if type(kind) is tuple:
        return sum(map(nbytes, kind))
    if kind.shape == ():
        return 0
    size = kind.dtype.itemsize
    for n in kind.shape:
        size *= int(n)
    return int(size)


__all__ = ["NEVER", "last_uses", "looks_into", "nbytes"]
