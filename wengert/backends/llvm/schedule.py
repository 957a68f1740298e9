"""From nodes to loops: which nodes share a loop, in which order, and which axis lies on the lanes.

Typed fusion (Kennedy and McKinley 1994) as list scheduling, applied at every level of the nest. Imports the index
form, nodes and the loop tree. Invariant: a node joins a cluster only if everything it needs is done, or is in the
cluster, is not accumulated over the cluster's axis, and is needed at the same index of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wengert.backends.llvm.accesses import Costs
from wengert.backends.llvm.canonical import canonical
from wengert.backends.llvm.indexed import Affine, Axis, Index, Map, Program, Read, Reduce, Scan, Sub, Value
from wengert.backends.llvm.loop_tree import Body, Loop, Node
from wengert.backends.llvm.placing import check, guarded_axes, parts_of, place, split, walk
from wengert.backends.llvm.rebase import rebased
from wengert.backends.llvm.schedule_nodes import Nodes, axes_of, product
from wengert.backends.llvm.tables import tabled

UNROLL = 4
"""An axis of at most so many places is always written out."""
UNROLL_SMALL = 16
"""One of at most so many is, where a larger axis has the loop and the text stays short."""
LARGEST_TEXT = 6000
BLOCK = 64
"""Elements of a small matrix that is a sum of many, from which on its axes have loops."""
TILE = 64
"""Rows of a tile."""
TILE_COST = 10.0
"""Operations per row above which what has no columns is computed with the rows on the lanes."""
JAM = 24
"""Registers for accumulators of a loop that is written out inside its inner loops."""
ACCUMULATORS = 28
"""The most registers that they may ever take."""
REUSE = 4
"""An array that lies across the lanes is copied when each element is read at least so often."""
LARGEST_COPY = 1 << 16
"""The most elements of such a copy."""
CHAIN = 256
"""The most numbers added to one accumulator before it is added to the total."""


@dataclass(eq=False, slots=True)
class Plan:
    """A scheduled program; ``bodies`` are the plans of its scans, by identity."""

    program: Program
    nodes: Nodes
    tree: list[Loop | Body]
    width_bits: int
    bodies: dict[int, Plan]


def volume(values: list[Value], axes: frozenset[Axis]) -> int:
    """Operations in the text when these axes are written out."""
    total = 0
    for v in values:
        mine = set(v.axes) | set(v.over if isinstance(v, Reduce) else ())
        total += product(frozenset(mine & axes))
    return total


def choose_unrolled(program: Program, largest_text: int = LARGEST_TEXT) -> frozenset[Axis]:
    """The axes that are written out in registers, for at most so many operations in the text."""
    axes, values = axes_of(program), program.values()
    order = {a: k for k, a in enumerate(axes)}
    found = {a for a in axes if a.extent <= UNROLL}
    largest = max((a.extent for a in axes), default=0)
    while found and volume(values, frozenset(found)) > largest_text:
        found.discard(max(found, key=lambda a: (a.extent, order[a])))
    if found != {a for a in axes if a.extent <= UNROLL}:
        return frozenset(found)
    pieces = joined(values) if largest_text else frozenset()
    in_blocks = blocked(values)
    small = [a for a in axes if UNROLL < a.extent <= UNROLL_SMALL and a not in in_blocks and a not in pieces]
    small.sort(key=lambda a: a.extent)
    limit = largest_text if largest > UNROLL_SMALL else 300
    for a in small:
        beside = largest <= UNROLL_SMALL or any(
            a in v.axes and any(b.extent >= 4 * UNROLL_SMALL for b in v.axes) for v in values
        )
        if beside and volume(values, frozenset({*found, a})) <= limit:
            found.add(a)
    return pieces.union(found)


def joined(values: list[Value]) -> frozenset[Axis]:
    """The small axes along which single numbers are put side by side: written out, each is what it is; a loop would
    ask at every place which one it is."""
    pieces: dict[Axis, set[int]] = {}
    for v in values:
        if isinstance(v, Sub):
            for place, low, high in v.guards:
                if high == low + 1 and len(place.terms) == 1 and place.terms[0][1] == 1:
                    pieces.setdefault(place.terms[0][0], set()).add(low - place.offset)
    return frozenset(a for a, ks in pieces.items() if a.extent <= UNROLL_SMALL and 2 * len(ks) >= a.extent)


def blocked(values: list[Value]) -> frozenset[Axis]:
    """The small axes of matrices that are summed over a large axis: loops over them keep a block of the sums in
    registers, while all of them written out would be read and written again for every step along the lanes."""
    found: set[Axis] = set()
    for v in values:
        if isinstance(v, Reduce) and v.kind == "sum" and isinstance(v.arg, Map) and v.arg.function == "multiply":
            small = frozenset(a for a in v.arg.axes if UNROLL < a.extent <= UNROLL_SMALL)
            if product(small) >= BLOCK and any(a.extent >= TILE for a in v.over):
                found |= small
    return frozenset(found)


def rank(nodes: list[Node], picked: frozenset[Axis] = frozenset()) -> dict[Axis, tuple[int, bool, int, int]]:
    """How much work each axis carries; larger is better. Of about equal ones, those come last along which computed
    places are ``picked`` afterwards: what lies on the lanes must then be gathered."""
    work: dict[Axis, float] = {}
    first: dict[Axis, int] = {}
    for node in nodes:
        for a in node.space:
            work[a] = work.get(a, 0.0) + node.work
            first.setdefault(a, len(first))
    return {a: (max(int(w), 1).bit_length(), a not in picked, a.extent, -first[a]) for a, w in work.items()}


def picked_axes(values: list[Value]) -> frozenset[Axis]:
    """The axes of which computed places are read."""
    return frozenset(
        a for v in values if isinstance(v, Sub) for a, i in v.index.items() if not isinstance(i, Affine | Index)
    )


def fuse(nodes: list[Node], labels: dict[Node, Any], amounts: dict[Any, float]) -> list[tuple[Any, list[Node]]]:
    """Clusters of one label each, in an order that respects what nodes need."""
    mine = set(nodes)
    needs = {n: [(p, moved) for p, moved in n.needs.items() if p in mine] for n in nodes}
    users: dict[Node, list[Node]] = {n: [] for n in nodes}
    waiting = {n: len(needs[n]) for n in nodes}
    for n in nodes:
        for p, _ in needs[n]:
            users[p].append(n)
    ready: dict[Any, list[Node]] = {}
    for n in nodes:
        if not waiting[n]:
            ready.setdefault(labels[n], []).append(n)
    done: set[Node] = set()
    clusters: list[tuple[Any, list[Node]]] = []
    while ready:
        label = min(ready, key=lambda x: (amounts[x], -min(n.order for n in ready[x])))
        work = sorted(ready.pop(label), key=lambda n: -n.order)
        cluster: list[Node] = []
        members: set[Node] = set()
        alone = work[-1].alone
        if alone and len(work) > 1:
            ready[label] = work[:-1]
        while work:
            n = work.pop()
            cluster.append(n)
            members.add(n)
            if alone:
                break
            for u in users[n]:
                if (
                    labels[u] == label
                    and u not in members
                    and all(
                        p in done or (p in members and (label is None or (label not in p.over and label not in moved)))
                        for p, moved in needs[u]
                    )
                ):
                    work.append(u)
                    members.add(u)
        done.update(cluster)
        for n in cluster:
            for u in users[n]:
                waiting[u] -= 1
                if not waiting[u] and u not in done:
                    ready.setdefault(labels[u], []).append(u)
        clusters.append((label, sorted(cluster, key=lambda n: n.order)))
    assert len(done) == len(nodes), "nodes need one another"
    return clusters


class Builder:
    """The loop tree of one program."""

    def __init__(self, found: Nodes, width_bits: int) -> None:
        self.found, self.costs = found, Costs(found, width_bits)
        watching = {id(w) for w in found.bands.watches.values()}
        ranked = [n for n in found.nodes if id(n.value) not in watching]
        self.ranks = rank(ranked, picked_axes(found.program.values()))
        self.open_width = 1
        self.turned: dict[tuple[int, frozenset[Axis]], Node] = {}
        """Copies of arrays that are turned around, by the array's read and the loops that are open."""

    def primary(self, node: Node, opened: frozenset[Axis]) -> Any:
        """The axis whose loop a node asks for next; None where all are open."""
        if node.alone:
            return ("alone", type(node.value).__name__)
        left = [a for a in node.space if a not in opened]
        return max(left, key=lambda a: self.ranks[a]) if left else None

    def build(self, nodes: list[Node], opened: frozenset[Axis], lanes: bool) -> list[Loop | Body]:
        """The statements of some nodes inside open loops; ``lanes``: one of these lies on the lanes."""
        labels = {n: self.primary(n, opened) for n in nodes}
        amounts: dict[Any, float] = {}
        for n in nodes:
            amounts[labels[n]] = amounts.get(labels[n], 0.0) + n.work
        tree: list[Loop | Body] = []
        for label, members in fuse(nodes, labels, amounts):
            if not isinstance(label, Axis):
                tree.append(Body(members))
                continue
            chosen = None if lanes else self.costs.lanes(label, members, opened)
            if chosen is label:
                tree.append(self.on_lanes(label, members, opened))
            elif chosen is not None:
                tree.extend(self.turned_around(label, chosen, members, opened))
                tree.append(self.rows(label, members, opened))
            else:
                loop = Loop(label, 1, self.build(members, opened | {label}, lanes))
                tree.append(self.tiled(self.jammed(loop, members), members, opened))
        return tree

    def on_lanes(self, label: Axis, members: list[Node], opened: frozenset[Axis]) -> Loop:
        """A loop whose axis lies on the lanes."""
        width = self.costs.width(label, members, opened)
        if width > 1:
            members = [*self.packed(label, members, opened), *members]
        self.open_width = width
        loop = Loop(label, width, self.build(members, opened | {label}, width > 1))
        self.open_width = 1
        return self.tiled(loop, members, opened)

    def rows(self, label: Axis, members: list[Node], opened: frozenset[Axis]) -> Loop:
        """A loop over rows, whose columns lie on the lanes. What has no columns is computed for a tile of rows
        together, if it is worth it, with the rows on the lanes."""
        inside = opened | {label}
        alone = [n for n in members if not set(n.space) - inside]
        if label.extent >= 2 * TILE and sum(n.cost for n in alone) >= TILE_COST:
            labels = {n: (label, not set(n.space) - inside) for n in members}
            amounts: dict[Any, float] = {}
            for n in members:
                amounts[labels[n]] = amounts.get(labels[n], 0.0) + n.work
            children: list[Loop | Body] = []
            for (_, lanes), cluster in fuse(members, labels, amounts):
                if lanes:
                    width = self.costs.width(label, cluster, opened)
                    children.append(Loop(label, width, self.build(cluster, inside, True)))
                else:
                    children.append(self.jammed(Loop(label, 1, self.build(cluster, inside, False)), cluster))
            size = next((t for t in range(TILE, 2 * TILE, 8) if label.extent % t == 0), TILE)
            return Loop(label, size, children, tile=True)
        loop = Loop(label, 1, self.build(members, inside, False))
        return self.tiled(self.jammed(loop, members), members, opened)

    def jammed(self, loop: Loop, members: list[Node]) -> Loop:
        """The loop, several places at a time inside its innermost loops, where products are accumulated there: what
        one place loads serves the others."""
        inner = [x for x in walk(loop.children) if isinstance(x, Loop)]
        if not inner or any(isinstance(n.value, Reduce) and n.value.kind in {"argmax", "argmin"} for n in members):
            return loop
        depth = [x for x in loop.children if isinstance(x, Loop)]
        if any(isinstance(c, Loop) for x in depth for c in x.children):
            return loop
        sums = [
            n
            for x in depth
            for b in x.children
            if isinstance(b, Body)
            for n in b.nodes
            if isinstance(n.value, Reduce)
            and n.value.kind == "sum"
            and loop.axis in n.space
            and serves(n.value, loop.axis)
        ]
        if not sums:
            return loop
        lanes = max([x.width for x in inner if not x.tile], default=1)
        lanes = max(lanes, self.open_width)
        registers = max(1, lanes * self.costs.element(members) * 8 // self.costs.width_bits)
        # Each place has as many accumulators as the text has elements of the sum.
        made = [n.value.axes for n in sums if isinstance(n.value, Reduce)]
        registers *= max(product(tuple(a for a in axes if a in self.found.unrolled)) for axes in made)
        if 2 * registers > ACCUMULATORS:
            return loop
        most = min(8, max(2, JAM // (registers * min(len(sums), 2))))
        size = next((p for p in range(most, 2, -1) if loop.axis.extent % p == 0), min(4, most))
        size = self.found.bands.together(sums, loop.axis, registers, most) or size
        if loop.axis.extent < 2 * size:
            return loop
        return Loop(loop.axis, size, loop.children, tile=True, jam=True)

    def packed(self, label: Axis, members: list[Node], opened: frozenset[Axis]) -> list[Node]:
        """Nodes for arrays that lie across the lanes and are read again and again in inner loops: lanes side by side,
        once per step of the loop."""
        found = self.found
        users: dict[int, tuple[Read, list[Node]]] = {}
        for n in members:
            for read in self.costs.across(n, label):
                if id(read) not in found.of:
                    users.setdefault(id(read), (read, []))[1].append(n)
        packs = []
        for read, using in users.values():
            again = max(product(frozenset(n.space) - opened - {label} - set(read.axes)) for n in using)
            if again >= REUSE:
                node = Node(read, found.rolled(read.axes), frozenset(), 1.0, True, order=-1)
                found.of[id(read)] = node
                found.nodes.insert(0, node)
                for n in using:
                    n.needs[node] = frozenset()
                packs.append(node)
        return packs

    def turned_around(
        self, label: Axis, chosen: Axis, members: list[Node], opened: frozenset[Axis]
    ) -> list[Loop | Body]:
        """Copies, made before the loop of ``label``, of arrays that lie across the lanes of ``chosen`` inside it and
        are the same in each of its iterations: there the lanes lie side by side."""
        made: list[Node] = []
        for n in members:
            if label not in n.space or chosen not in n.space:
                continue
            for read in self.costs.across(n, chosen):
                again = product(frozenset(n.space) - opened - set(read.axes))
                if label in read.axes or again < REUSE or not REUSE <= product(read.axes) <= LARGEST_COPY:
                    continue
                node = self.turned.get((id(read), opened))
                if node is None:
                    if id(read) in self.found.of:
                        continue
                    node = Node(read, self.found.rolled(read.axes), frozenset(), 1.0, True, order=-1)
                    self.found.of[id(read)] = self.turned[id(read), opened] = node
                    self.found.nodes.insert(0, node)
                    made.append(node)
                n.needs[node] = frozenset()
        return [plainly(node, opened) for node in made]

    def tiled(self, loop: Loop, members: list[Node], opened: frozenset[Axis]) -> Loop:
        """The loop in tiles, where a sum over it would become a long chain of additions. Sums over this axis alone are
        such chains, as NumPy's over an outer axis are; those that began in a loop around this one are tiled there."""
        sums = [
            n
            for n in members
            if isinstance(n.value, Reduce)
            and n.value.kind == "sum"
            and n.value.dtype.kind == "f"
            and loop.axis in n.over
            and opened.isdisjoint(n.over)
        ]
        if not sums:
            return loop
        chain = max(self.inner_chain(n, loop) for n in sums)
        steps = max(1, CHAIN // chain) * loop.width
        alone = all(len(n.over) == 1 for n in sums)
        if loop.axis.extent < 2 * steps or (chain == 1 and (loop.jam or (loop.width == 1 and alone))):
            return loop
        return Loop(loop.axis, steps, [loop], tile=True)

    def inner_chain(self, node: Node, loop: Loop) -> int:
        """Additions to one accumulator in one iteration."""
        lanes = {c.axis: c.width for c in walk(loop.children) if isinstance(c, Loop) and c.width > 1 and not c.tile}
        total = 1
        for axis in node.over:
            if axis is not loop.axis:
                total *= -(-axis.extent // lanes.get(axis, 1))
        return total


def plainly(node: Node, opened: frozenset[Axis]) -> Loop | Body:
    """A node in loops without lanes."""
    tree: Loop | Body = Body([node])
    for axis in reversed(node.space):
        if axis not in opened:
            tree = Loop(axis, 1, [tree])
    return tree


def serves(v: Reduce, axis: Axis) -> bool:
    """Whether a factor of the product that is summed is the same at several places of the axis."""
    return (
        isinstance(v.arg, Map)
        and v.arg.function == "multiply"
        and any(a.axes and axis not in a.axes for a in v.arg.args)
    )


def schedule(program: Program, width_bits: int, largest_text: int = LARGEST_TEXT) -> Plan:
    """The loop tree of a canonical program; axes are written out up to so many operations in the text."""
    program = rebased(tabled(program))
    found = Nodes(program, choose_unrolled(program, largest_text))
    check(found.find())
    tree = split(Builder(found, width_bits).build(found.nodes, frozenset(), False))
    found.bands.mark(tree, found.of, found.drop)
    place(tree, (), guarded_axes(program))
    scans = [n.value for n in found.nodes if isinstance(n.value, Scan)]
    bodies = {id(s): schedule(canonical(s.body), width_bits, largest_text) for s in scans}
    return Plan(program, found, tree, width_bits, bodies)


__all__ = ["Builder", "Plan", "choose_unrolled", "parts_of", "place", "schedule", "walk"]
