"""Where stored nodes live: an output, the workspace, a tile of it, or registers.

Imports nodes and the loop tree. Invariant: one instance of a buffer holds the node at every index at which it is
fetched while the loops that the buffer's ``share`` names stand still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wengert.backends.llvm.indexed import Axis, Reduce, Routine, Scan, ScanOutput, Scatter, Store, Value
from wengert.backends.llvm.loop_tree import Body, Buffer, Loop, Node
from wengert.backends.llvm.schedule import Plan
from wengert.backends.llvm.schedule_nodes import SMALL

FAR = 8.0
"""A formula of at most so many operations is computed again rather than kept in an array between two nests."""
REGISTERS = 64
"""The most elements of a buffer in the frame."""
Spot = tuple[tuple[Loop, ...], int]


@dataclass(eq=False)
class Storage:
    """The buffers of a plan; ``parts`` gives each top-level item the function it goes to."""

    plan: Plan
    parts: list[int]
    reserve: Callable[[int], int]
    """Takes bytes of the workspace; gives their offset."""
    buffers: dict[Node, Buffer] = field(default_factory=dict)
    scanned: dict[int, Buffer] = field(default_factory=dict)
    """Those of outputs of scans, by identity."""
    skipped: set[Node] = field(default_factory=set)
    """Stores whose value is computed in place."""
    spots: dict[Node, Spot] = field(default_factory=dict)

    def assign(self) -> None:
        """Decide for all nodes, users before what they need."""
        for item, part in zip(self.plan.tree, self.parts, strict=True):
            self.locate(item, part)
        users: dict[Node, list[Node]] = {}
        for n in self.plan.nodes.nodes:
            for p in n.needs:
                users.setdefault(p, []).append(n)
        needed: dict[Node, set[Spot]] = {}
        for n in reversed(self.plan.nodes.nodes):
            if isinstance(n.value, Store):
                continue
            spots: set[Spot] = set()
            for u in users.get(n, ()):
                spots.add(self.spots[u])
                if u not in self.buffers and not isinstance(u.value, Store | Scan | Routine):
                    spots |= needed[u]
            if isinstance(n.value, Value) and any(g is n.value for g, _ in self.plan.program.guards):
                spots.add(((), max(self.parts, default=0)))
            needed[n] = spots
            self.consider(n, spots)

    def locate(self, item: Loop | Body, part: int) -> None:
        """The loops and the function around every node."""
        if isinstance(item, Loop):
            for child in item.children:
                self.locate(child, part)
        else:
            for n in item.nodes:
                self.spots[n] = (n.path, part)

    def consider(self, n: Node, spots: set[Spot]) -> None:
        """Give a node a buffer if it must have one, or had better."""
        if isinstance(n.value, Scan | Routine):
            for v in self.plan.nodes.outputs.get(id(n.value), ()):
                self.scanned[id(v)] = self.buffer(n, v, (), set())
            return
        if not isinstance(n.value, Value):
            return
        elsewhere = any(s != self.spots[n] for s in spots)
        cone = self.plan.nodes.cones[id(n.value)]
        if not n.must:
            if not elsewhere:
                return
            near = all(s[0][:1] == n.path[:1] and s[1] == self.spots[n][1] for s in spots)
            if cone <= (SMALL if near else FAR) and n.path:
                return
        share = self.share(n, spots)
        self.buffers[n] = self.buffer(n, n.value, share, {s[1] for s in spots} | {self.spots[n][1]})

    def share(self, n: Node, spots: set[Spot]) -> tuple[Loop, ...]:
        """The loops around both the node and all its users."""
        share = n.path
        for k, loop in enumerate(share):
            if loop.axis in n.over:
                share = share[:k]
                break
        for path, _ in spots:
            same = 0
            while same < min(len(share), len(path)) and share[same] is path[same]:
                same += 1
            share = share[:same]
        return share

    def buffer(self, n: Node, v: Value, share: tuple[Loop, ...], parts: set[int]) -> Buffer:
        """The layout of a stored node."""
        tiles = {x.axis: x.width for x in share if x.tile}
        opened = {x.axis for x in share if not x.tile}
        rolled = [a for a in v.axes if a not in opened and a not in self.plan.nodes.unrolled]
        small = [a for a in v.axes if a not in opened and a in self.plan.nodes.unrolled]
        rolled.sort(key=lambda a: any(x.axis is a and x.width > 1 and not x.tile for x in n.path))
        axes = (*small, *rolled)
        made = Buffer(v, share, axes, tuple(min(tiles.get(a, a.extent), a.extent) for a in axes))
        laid = self.plan.nodes.laid.get(id(v))
        if laid is not None or isinstance(v, ScanOutput):
            assert not share
        if not share:
            made.axes = laid or axes
            if isinstance(v, ScanOutput):
                made.axes = tuple(d for d in v.dims if isinstance(d, Axis))
            elif isinstance(v, Scatter):
                made.axes = laid or v.axes
            made.extents = tuple(a.extent for a in made.axes)
            if self.in_place(n, v, made, laid):
                return made
        vectors = [x for x in share if x.width > 1 and not x.tile and x.axis in v.axes]
        made.lanes = vectors[0].width if vectors else 1
        if made.size > REGISTERS or len(parts) > 1 or laid is not None or isinstance(v, Scatter | ScanOutput):
            made.offset = self.reserve(made.size * made.lanes * v.dtype.itemsize)
        return made

    def in_place(self, n: Node, v: Value, made: Buffer, laid: tuple[Axis, ...] | None) -> bool:
        """Let an output be the buffer of a node that it shows."""
        first = len(self.plan.program.inputs) + len(self.plan.program.constants)
        for number, store in enumerate(self.plan.program.stores):
            dims = tuple(d for d in store.dims if isinstance(d, Axis))
            if store.value is v and set(dims) == set(v.axes) and laid in {None, dims}:
                if v.dtype != store.slot.dtype or isinstance(v, ScanOutput):
                    continue
                made.axes, made.extents = dims, tuple(a.extent for a in dims)
                made.slot = first + number
                self.skipped.update(m for m in self.plan.nodes.nodes if isinstance(m.value, Store) and m.value is store)
                return True
        return False


def is_sum(v: Value) -> bool:
    """Whether a node is a floating sum, whose rounding is compensated."""
    return isinstance(v, Reduce) and v.kind == "sum" and v.dtype.kind == "f"


__all__ = ["Spot", "Storage", "is_sum"]
