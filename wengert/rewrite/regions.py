"""Local rules of views and writes: views of views, elements read back from what was written, chains of writes as one
stack.

Imports core, ops, ``builder``, ``elements``, ``views``. Invariant: an element is replaced by what was written there
only where its place is known when the graph is rewritten."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.graph import Graph, Operand, copy_step, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.types import ArrayType
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.ops.paths import Path, apply, is_basic
from wengert.rewrite.builder import CONSTANT, Builder, Local, needs
from wengert.rewrite.elements import size, view
from wengert.rewrite.pattern import kind_of
from wengert.rewrite.views import simplified

_LONGEST = 4096
"""The largest number of operands of a stack that a chain of writes becomes."""
_LOOK_BACK = 8


# ---------------------------------------------------------------- views


def in_order(kind: str, argument: Any) -> bool:
    """Whether a view step leaves its elements in their order."""
    if kind == "reshape":
        return bool(argument[1] == "C")
    if kind != "index" or not is_basic(argument):
        return False
    parts = argument if type(argument) is tuple else (argument,)
    return all(type(p) is not slice or p.step is None or p.step > 0 for p in parts)


def merged_view(b: Builder, node: Node) -> Operand | None:
    """x[p][q] as one step; steps that change nothing left out."""
    source, path = node.args[0], node.params[0]
    if len(node.args) > 1:
        return None
    start = node.params[1:]
    if not isinstance(source, Const) and source.op is GET and len(source.args) == 1 and _is_view(source.params[0]):
        path = (*source.params[0], *path)
        start = source.params[1:]
        source = source.args[0]
    if len(path) == 1 and path[0][0] == "index" and source is node.args[0]:
        index = path[0][1]
        if type(index) is int or not is_basic(index):
            return None
    short = _shortened(simplified(path, start[0]), start[0])
    if not short:
        return source if kind_of(source) == node.type else None
    if source is node.args[0] and _same_path(short, node.params[0]):
        return None
    return b.add(step(GET, (source,), (short, *start), node.type, node.where, seq=node.seq))


def _is_view(path: Path) -> bool:
    return all(kind != "index" or is_basic(argument) for kind, argument in path)


def _shortened(path: Path, shape: tuple[int, ...]) -> Path:
    """The path without steps that leave every element where it is, with slices written out, and with neighbours that
    keep all elements in their order as one reshape."""
    dummy = np.broadcast_to(np.zeros(()), shape)
    out: list[tuple[str, Any]] = []
    begin: tuple[int, ...] | None = None  # the shape before the last step of the path, where that keeps the order
    for kind, argument in path:
        if kind == "index" and is_basic(argument):
            argument = _written_out(argument, dummy.shape)
        after = apply(((kind, argument),), dummy)
        keeps = kind == "broadcast" or (kind == "reshape" and argument[1] == "C")
        if kind == "index" and type(argument) is tuple:
            keeps = all(type(p) is slice and p == slice(None) for p in argument)
        if not (keeps and np.shape(after) == dummy.shape):
            ordered = in_order(kind, argument) and np.size(after) == dummy.size > 0
            if ordered and begin is not None:
                out[-1] = "reshape", (np.shape(after), "C")
                if np.shape(after) == begin:
                    out.pop()
                    begin = None
            else:
                out.append((kind, argument))
                begin = dummy.shape if ordered else None
        dummy = np.broadcast_to(np.zeros(()), np.shape(after))
    return tuple(out)


def _written_out(index: Any, shape: tuple[int, ...]) -> Any:
    """A basic index without an ellipsis and with slices of three numbers, so that equal regions look equal."""
    parts = index if type(index) is tuple else (index,)
    taken = sum(p is not None and p is not Ellipsis for p in parts)
    full: list[Any] = []
    for p in parts:
        full.extend([slice(None)] * (len(shape) - taken) if p is Ellipsis else [p])
    if not any(p is Ellipsis for p in parts):
        full.extend([slice(None)] * (len(shape) - taken))
    out: list[Any] = []
    axis = 0
    for p in full:
        if p is None:
            out.append(None)
            continue
        n = shape[axis]
        axis += 1
        if type(p) is slice:
            out.append(_plain_slice(p, n))
        else:
            out.append(int(p) % n)
    return out[0] if len(out) == 1 and type(out[0]) is int else tuple(out)


def _plain_slice(p: slice, n: int) -> slice:
    start, stop, stride = p.indices(n)
    if stride != 1:
        return slice(start, None if stop < 0 else stop, stride)
    return slice(start or None, None if stop == n else stop, None)


def _same_path(left: Path, right: Path) -> bool:
    if len(left) != len(right):
        return False
    for (kind, p), (other, q) in zip(left, right, strict=True):
        if kind != other or (p is not q and (_has_array(p) or _has_array(q) or p != q)):
            return False
    return True


def _has_array(argument: Any) -> bool:
    if type(argument) is tuple:
        return any(map(_has_array, argument))
    return isinstance(argument, (np.ndarray, list))


def stack_of_one(b: Builder, node: Node) -> Operand | None:
    """A stack of one operand is that operand in another shape."""
    if len(node.args) != 1 or kind_of(node.args[0]).dtype != node.type.dtype:
        return None
    return view(b, node.args[0], ("reshape", (node.type.shape, "C")), where=node.where)


def element_of_stack(b: Builder, node: Node) -> Operand | None:
    """stack(a, b, ...)[k] is an operand, and so is the slice of a concatenation that one of them became."""
    source, path = node.args[0], node.params[0]
    if isinstance(source, Const) or not path or path[0][0] != "index" or source.op.name not in ("stack", "concatenate"):
        return None
    index = path[0][1]
    parts = index if type(index) is tuple else (index,)
    axis = source.params[0]
    if axis != 0 or not parts or not is_basic(index):
        return None
    first, rest = parts[0], parts[1:]
    if source.op.name == "stack" and type(first) is int:
        found = source.args[first]
        remaining = ((("index", rest),) if rest else ()) + path[1:]
    elif source.op.name == "concatenate" and type(first) is slice and first.step in (None, 1):
        start, stop, _ = first.indices(source.type.shape[0])
        at = 0
        for found in source.args:
            count = kind_of(found).shape[0]
            if (at, at + count) == (start, stop):
                break
            at += count
        else:
            return None
        remaining = ((("index", (slice(None), *rest)),) if rest else ()) + path[1:]
    else:
        return None
    if kind_of(found).dtype != source.type.dtype:
        return None
    return view(b, found, *remaining, where=node.where) if remaining else found


# ---------------------------------------------------------------- writes


def place_of(node: Node) -> int | None:
    """The row (or element) that a write hits, where that is one fixed number."""
    path, shape, dtype = node.params[0], node.params[2], node.params[3]
    if len(path) != 1 or len(node.args) != 2 or path[0][0] != "index" or not shape:
        return None
    index = path[0][1]
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if type(index) is not int or dtype.kind != "f":
        return None
    return index % shape[0]


def chains(graph: Graph) -> set[int]:
    """The steps (by their number) at which a chain of writes to fixed rows ends."""
    uses = graph.uses()
    ends: dict[Node, bool] = {}
    for node in graph.nodes:
        if node.op is ADD_AT or node.op is UPDATE:
            ends[node] = True
            before = node.args[0]
            if before in ends and uses[before] == 1:
                ends[before] = False
    return {n.seq for n, end in ends.items() if end}


class Rows:
    """What the rows of an array are, after writes: ``made[k]`` where it is known, else those of ``base``."""

    __slots__ = ("base", "made")

    def __init__(self, base: Operand) -> None:
        self.base = base
        self.made: dict[int, Operand] = {}

    def row(self, k: int) -> Operand | None:
        """Row k, where it is an operand or a constant."""
        found = self.made.get(k)
        if found is None and isinstance(self.base, Node) and self.base.op.name == "stack" and self.base.params[0] == 0:
            return self.base.args[k]
        if found is not None or not isinstance(self.base, Const) or is_handle(self.base.value):
            return found
        return Const(self.base.value[k])


def write_row(b: Builder, node: Node) -> Operand | None:
    """Follow a chain of writes to rows; where it ends with all rows known, it is a stack."""
    k = place_of(node)
    old, value = node.args[0], node.args[1]
    if k is None or (node.op is ADD_AT and b.exact):
        return None
    rows = b.written.pop(old, None) if not isinstance(old, Const) else None
    if rows is None:
        rows = Rows(old)
        if node.op is ADD_AT and rows.row(k) is None:
            return _added_rows(b, node, k)
    row_kind = ArrayType(node.type.shape[1:], node.type.dtype)
    made: Operand | None = value if kind_of(value) == row_kind else None
    if node.op is ADD_AT and made is not None:
        before = rows.row(k)
        made = None if before is None else b.make("add", (before, made), where=node.where)
    if made is None or kind_of(made) != row_kind:
        return None
    rows.made[k] = made
    count = node.type.shape[0]
    if node.seq in b.ends and count <= _LONGEST and 2 * len(rows.made) >= count:
        found = [rows.row(j) for j in range(count)]
        if all(f is not None for f in found):
            return b.make("stack", found, (0,), node.where)  # type: ignore[arg-type]
    return b.remember(node, rows)


def _added_rows(b: Builder, node: Node, k: int) -> Operand | None:
    """x with [0] += a, with [1] += b, ..., each row once, is x + stack(a, b, ...)."""
    if node.seq not in b.ends:
        return None
    count = node.type.shape[0]
    row_kind = ArrayType(node.type.shape[1:], node.type.dtype)
    found: dict[int, Operand] = {}
    at: Operand = node
    while len(found) < count:
        row = None if isinstance(at, Const) or at.op is not ADD_AT else place_of(at)
        if row is None or row in found or (at is not node and not b.single(at)):
            return None
        assert isinstance(at, Node)
        found[row] = at.args[1]
        if kind_of(at.args[1]) != row_kind:
            return None
        at = at.args[0]
    made = b.make("stack", [found[j] for j in range(count)], (0,), node.where)
    return b.make("add", (at, made), where=node.where)


def written_row(b: Builder, node: Node) -> Operand | None:
    """A row read from an array whose writes are known."""
    source, path = node.args[0], node.params[0]
    if isinstance(source, Const) or source not in b.written or not path or path[0][0] != "index":
        return None
    index = path[0][1]
    parts = index if type(index) is tuple else (index,)
    if not parts or type(parts[0]) is not int:
        return None
    rows: Rows = b.written[source]
    k = parts[0] % source.type.shape[0]
    rest = ((("index", parts[1:]),) if parts[1:] else ()) + path[1:]
    found = rows.row(k)
    if found is not None:
        return view(b, found, *rest, where=node.where) if rest else found
    if isinstance(rows.base, Const):
        return None
    return view(b, rows.base, ("index", k), *rest, where=node.where)


def whole_region(b: Builder, node: Node) -> Operand | None:
    """Adding to a region that is all of the array is adding."""
    path, region, shape, dtype, _ = node.params
    old, value = node.args[0], node.args[1]
    if len(node.args) != 2 or size(region) != size(shape) or not all(in_order(kind, p) for kind, p in path):
        return None
    if kind_of(value).dtype != dtype or kind_of(value).shape != region or kind_of(old) != node.type:
        return None
    if region != shape:
        value = view(b, value, ("reshape", (shape, "C")), where=node.where)
    return b.make("add", (old, value), where=node.where)


def same_region(b: Builder, node: Node) -> Operand | None:
    """Two additions to one region are the addition of a sum."""
    path, region = node.params[0], node.params[1]
    value = node.args[1]
    if len(node.args) != 2 or kind_of(value).shape != region or not _is_view(path):
        return None
    between: list[Node] = []
    at = node.args[0]
    for _ in range(_LOOK_BACK):
        if isinstance(at, Const) or at.op is not ADD_AT or len(at.args) != 2 or not b.single(at):
            return None
        if _same_path(at.params[0], path) and kind_of(at.args[1]) == kind_of(value):
            both = b.make("add", (at.args[1], value), where=node.where)
            made = b.add(copy_step(at, (at.args[0], both)))
            for link in reversed(between):
                made = b.add(copy_step(link, (made, link.args[1])))
            return made
        between.append(at)
        at = at.args[0]
    return None


@needs(CONSTANT)
def plus_zeros(b: Builder, node: Node) -> Operand | None:
    """0 + x = x and 0 - x = -x, but for the sign of a zero: not where that shows."""
    if b.signed:
        return None
    add = node.op.name == "add"
    for k in (0, 1) if add else (0,):
        a, x = node.args[k], node.args[1 - k]
        if isinstance(a, Const) and kind_of(x) == node.type and node.type.dtype.kind == "f" and b.uniform(a) == 0:
            return x if add else b.make("negative", (x,), where=node.where)
    return None


WRITES: dict[str, list[tuple[str, bool, Local]]] = {
    "get": [
        ("row that was written", True, written_row),
        ("element of a stack", True, element_of_stack),
        ("view of a view", True, merged_view),
    ],
    "update": [("writes as a stack", True, write_row)],
    "add_at": [
        ("writes as a stack", False, write_row),
        ("all of an array", True, whole_region),
        ("region added to twice", False, same_region),
    ],
    "stack": [("stack of one", True, stack_of_one)],
    "add": [("plus zeros", False, plus_zeros)],
    "subtract": [("zeros minus", False, plus_zeros)],
}

__all__ = ["WRITES", "Rows", "chains", "in_order"]
