"""Where the nodes of a loop tree stand: paths, guarded loops, and the functions that long code is divided into.

Imports the index form and the loop tree. Invariant: nothing is moved: a statement is told where it is, or divided."""

from __future__ import annotations

from collections.abc import Iterable

from wengert.backends.llvm.indexed import Axis, Program, Reshaped, Routine, Scan, Store, Sub, Value
from wengert.backends.llvm.loop_tree import Body, Loop, Node

LONG = 1500.0
"""The cost of straight-line code above which it is divided: code generation is worse than linear in a function."""


def guarded_axes(program: Program) -> frozenset[Axis]:
    """The axes that guards may depend on, also where others were put in their place."""
    found: set[Axis] = set()
    moves: list[tuple[Axis, tuple[Axis, ...]]] = []
    for v in program.values():
        if isinstance(v, Sub):
            found.update(a for g, _, _ in v.guards for a in g.axes)
            moves += [(a, i.axes) for a, i in v.index.items()]
        elif isinstance(v, Reshaped):
            moves += [(a, v.target) for a in v.source]
    size = -1
    while size < len(found):
        size = len(found)
        for axis, others in moves:
            if axis in found:
                found.update(others)
    return frozenset(found)


def walk(tree: Iterable[Loop | Body]) -> Iterable[Loop | Body]:
    """All loops and bodies, outer ones first."""
    for item in tree:
        yield item
        if isinstance(item, Loop):
            yield from walk(item.children)


def place(tree: list[Loop | Body], path: tuple[Loop, ...], cut: frozenset[Axis]) -> None:
    """Tell every node where it stands, and every loop which accumulations it starts and whether guards that depend on
    its axis (one of ``cut``) are inside."""
    for item in tree:
        if isinstance(item, Loop):
            item.starts.clear()
            item.makes = frozenset(id(n.value) for c in walk([item]) if isinstance(c, Body) for n in c.nodes)
            place(item.children, (*path, item), cut)
            item.guarded = item.axis in cut and any(
                n.guarded for c in walk([item]) if isinstance(c, Body) for n in c.nodes
            )
        else:
            for node in item.nodes:
                node.path = path
                first = next((x for x in path if x.axis in node.over), None)
                if first is not None:
                    first.starts.append(node)


def split(tree: list[Loop | Body]) -> list[Loop | Body]:
    """Long straight-line bodies in pieces, so that each can be a function of its own."""
    pieces: list[Loop | Body] = []
    for item in tree:
        if isinstance(item, Loop) or sum(n.cost for n in item.nodes) <= LONG:
            pieces.append(item)
            continue
        piece: list[Node] = []
        amount = 0.0
        for n in item.nodes:
            if piece and amount + n.cost > LONG:
                pieces.append(Body(piece))
                piece, amount = [], 0.0
            piece.append(n)
            amount += n.cost
        pieces.append(Body(piece))
    return pieces


def parts_of(tree: list[Loop | Body]) -> list[int]:
    """The function that each statement of the outermost level goes to: some thousand operations each."""
    parts: list[int] = []
    part, amount = 0, 0.0
    for item in tree:
        size = sum(n.cost for child in walk([item]) if isinstance(child, Body) for n in child.nodes)
        if amount and amount + size > 2 * LONG:
            part, amount = part + 1, 0.0
        amount += size
        parts.append(part)
    return parts


def check(nodes: list[Node]) -> None:
    """No axis twice, needs before users."""
    for n in nodes:
        assert len(set(n.space)) == len(n.space), "an axis twice"
        assert all(p.order < n.order for p in n.needs), "needed later than used"
        assert isinstance(n.value, Value | Store | Scan | Routine)


__all__ = ["check", "guarded_axes", "parts_of", "place", "split", "walk"]
