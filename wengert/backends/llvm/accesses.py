"""What a cluster of nodes costs with one axis or another on the lanes: memory accesses and arithmetic.

Imports the index form and nodes. Invariant: costs only choose among legal nests; no answer depends on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from wengert.backends.llvm.indexed import Affine, Axis, Index, Map, Read, Reduce, Routine, Scan, Store, Sub, Value
from wengert.backends.llvm.loop_tree import Node
from wengert.backends.llvm.schedule_nodes import Nodes, product

Strides = dict[Axis, int] | None
GATHER = 2.0
APART = 1021
"""What is taken for the stride along axes that an index from a table depends on."""
HORIZONTAL = 10.0
CACHE = 1 << 19
"""Bytes that stay in the second cache beside all else."""


@dataclass(eq=False)
class Costs:
    """Estimates for one program."""

    nodes: Nodes
    width_bits: int
    reads: dict[Node, list[tuple[Strides, float]]] = field(default_factory=dict)

    def element(self, members: list[Node]) -> int:
        """Bytes of the widest numbers that are computed with."""
        sizes = [
            n.value.dtype.itemsize if isinstance(n.value, Value) else n.value.value.dtype.itemsize
            for n in members
            if isinstance(n.value, Value | Store)
        ]
        return max([4, *sizes])

    def accesses(self, node: Node) -> list[tuple[Strides, float]]:
        """What a node reads and writes: the stride along each axis (None: anywhere), and how many times in all."""
        known = self.reads.get(node)
        if known is not None:
            return known
        found: list[tuple[Strides, float]] = []
        points = float(product(node.space))
        seen: set[tuple[int, object]] = set()

        def visit(v: Value, moves: dict[Axis, Strides]) -> None:
            key = (id(v), tuple(sorted((id(a), repr(m)) for a, m in moves.items())))
            if key in seen or len(seen) > 500:
                return
            seen.add(key)
            if isinstance(v, Read):
                found.append((self.read(v, moves), points))
                return
            if v is not node.value and self.nodes.is_node(v):
                return
            if isinstance(v, Sub):
                inner = {a: m for a, m in moves.items() if a in v.arg.axes and a not in v.index}
                for axis, i in v.index.items():
                    if isinstance(i, Affine):
                        inner[axis] = self.moved(i, moves)
                    elif isinstance(i, Index):
                        inner[axis] = {i.axes[0]: 1}
                    else:
                        inner[axis] = dict.fromkeys(i.axes, APART)
                        visit(i, moves)
                visit(v.arg, inner)
                return
            for a in v.arguments:
                visit(a, moves)

        if isinstance(node.value, Store):
            found.append((self.store(node.value), points))
            visit(node.value.value, {})
        elif not isinstance(node.value, Scan | Routine):
            for a in (node.value,) if isinstance(node.value, Sub) else node.value.arguments:
                visit(a, {})
        self.reads[node] = found
        return found

    def across(self, node: Node, axis: Axis) -> list[Read]:
        """The arrays that a node reads, at its own index, with lanes of ``axis`` far apart."""
        found: dict[int, Read] = {}
        if not isinstance(node.value, Map | Reduce | Store):
            return []
        seen: set[int] = set()
        stack = [node.value.value] if isinstance(node.value, Store) else list(node.value.arguments)
        while stack:
            v = stack.pop()
            if id(v) in seen:
                continue
            seen.add(id(v))
            if isinstance(v, Read):
                if (self.read(v, {}) or {}).get(axis, 0) not in {0, 1}:
                    found[id(v)] = v
            elif isinstance(v, Map | Reduce) and not self.nodes.is_node(v):
                stack.extend(v.arguments)
        return list(found.values())

    def moved(self, i: Affine, moves: dict[Axis, Strides]) -> Strides:
        """The strides of an index expression."""
        total: dict[Axis, int] = {}
        for axis, factor in i.terms:
            inner = moves.get(axis, {axis: 1})
            if inner is None:
                return None
            for a, c in inner.items():
                total[a] = total.get(a, 0) + c * factor
        return total

    def read(self, v: Read, moves: dict[Axis, Strides]) -> Strides:
        """The strides of a read."""
        total: dict[Axis, int] = {}
        stride = 1
        for extent, entry in zip(reversed(v.slot.shape), reversed(v.index), strict=True):
            if isinstance(entry, Axis):
                inner = moves.get(entry, {entry: 1})
                if inner is None:
                    return None
                for a, c in inner.items():
                    total[a] = total.get(a, 0) + c * stride
            stride *= extent
        return total

    def store(self, s: Store) -> Strides:
        """The strides of an output."""
        total: dict[Axis, int] = {}
        stride = 1
        for extent, entry in zip(reversed(s.slot.shape), reversed(s.dims), strict=True):
            if isinstance(entry, Axis):
                total[entry] = stride
            stride *= extent
        return total

    def time(self, axis: Axis, members: list[Node], opened: frozenset[Axis]) -> float:
        """Operations, when ``axis`` lies on the lanes."""
        lanes = self.width_bits // (8 * self.element(members))
        full = -(-axis.extent // lanes) * lanes / axis.extent
        total = 0.0
        for node in members:
            inside = axis in node.space
            total += node.work * full / lanes if inside else node.work
            if axis in node.over:
                total += HORIZONTAL * product(node.space) / axis.extent
            for strides, times in self.accesses(node):
                step = None if strides is None else abs(strides.get(axis, 0))
                if not inside or step == 0:
                    total += times / (1 if not inside else lanes)
                else:
                    again = 1 if strides is None else product(frozenset(node.space) - opened - set(strides))
                    scattered = 0.0 if step == 1 else GATHER * times / (again if again >= 4 else 1)
                    total += times * full / lanes + scattered
        return total

    def lanes(self, label: Axis, members: list[Node], opened: frozenset[Axis]) -> Axis | None:
        """The axis to lie on the lanes inside the loop of ``label``, if any may."""
        candidates = dict.fromkeys(
            a for n in members for a in n.space if a not in opened and (a is label or a.extent >= 4)
        )
        for n in members:
            if isinstance(n.value, Reduce) and n.value.kind in {"argmax", "argmin"}:
                for a in n.over:
                    candidates.pop(a, None)
        if not candidates:
            return None
        times = {a: self.time(a, members, opened) for a in candidates}
        return min(candidates, key=lambda a: (times[a] * (1.0 if a is label else 1.05), a is not label, -a.extent))

    def width(self, label: Axis, members: list[Node], opened: frozenset[Axis]) -> int:
        """How many lanes a loop takes at a time."""
        lanes = max(2, self.width_bits // (8 * self.element(members)))
        flat = all(set(n.space) - opened <= {label} for n in members)
        cost = sum(n.cost for n in members)
        times = 4 if flat and cost <= 12 else 2 if flat and cost <= 24 else 1
        if not flat and any(isinstance(n.value, Reduce) and len(set(n.space) - opened - {label}) >= 2 for n in members):
            times = 4  # contractions: one number of the other operand serves four registers
            sums = sum(product(n.space) // label.extent for n in members if label in n.over)
            if sums * self.width_bits // 8 > CACHE:
                times = 8  # a sum per lane is read and written once for each step of this loop
        width = lanes * times
        while width > lanes and label.extent < 2 * width:
            width //= 2
        while width > 2 and width // 2 >= label.extent:
            width //= 2
        return width if label.extent >= 2 else 1


__all__ = ["Costs"]
