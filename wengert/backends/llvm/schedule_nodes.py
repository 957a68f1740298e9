"""What is scheduled: the values that are computed at a place of their own, and what each of them needs.

Imports the index form and the loop tree. Invariant: everything that a value is computed from and that is no node
can be computed again wherever the value is; so the nodes in ``needs``, fetched, and those formulas are enough."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from wengert.backends.llvm.bands import Bands
from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Program,
    Read,
    Reduce,
    Reshaped,
    Routine,
    ScanOutput,
    Scatter,
    Store,
    Sub,
    Value,
    given,
)
from wengert.backends.llvm.loop_tree import Node
from wengert.backends.llvm.routines import operations

MEDIUM = frozenset({"divide", "true_divide", "sqrt", "floor", "ceil", "trunc", "rint", "left_shift", "right_shift"})
COSTLY = frozenset(
    {
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "arctan2",
    }
    | {"sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "cbrt", "hypot", "power", "float_power", "logaddexp"}
    | {"logaddexp2", "sinc", "sigmoid", "softplus", "erf", "erfc", "erfinv", "gammaln", "lgamma", "digamma", "gamma"}
    | {"floor_divide", "remainder", "fmod", "mod", "i0", "ndtr", "log_ndtr", "nextafter", "log_sigmoid"}
)
RECOMPUTE = 40.0
"""A formula of at most so many operations is computed again under a moved index rather than stored."""
COSTLY_FORMULA = 10.0
"""One of at least so many is stored where each of its values is needed several times."""
SMALL = 3.0
"""A formula of at most so many operations is never a node."""
WATCHING = 0.01
"""What it counts for that a sum watches another: it decides on no loop."""
LARGEST = 100
"""The most operations of one formula between nodes."""


def cost_of(function: str) -> float:
    """Operations of a scalar function, in additions."""
    return 15.0 if function in COSTLY else 5.0 if function in MEDIUM else 1.0


def product(axes: tuple[Axis, ...] | frozenset[Axis]) -> int:
    """The number of points."""
    return math.prod(a.extent for a in axes)


@dataclass(eq=False)
class Nodes:
    """The nodes of a program, given the axes that are unrolled."""

    program: Program
    unrolled: frozenset[Axis]
    nodes: list[Node] = field(default_factory=list)
    of: dict[int, Node] = field(default_factory=dict)
    """The node of a value (of a scan output too), by identity."""
    cones: dict[int, float] = field(default_factory=dict)
    outputs: dict[int, list[ScanOutput]] = field(default_factory=dict)
    """The outputs of a scan that are asked for."""
    whole: set[int] = field(default_factory=set)
    """Values stored in full, whatever they are."""
    laid: dict[int, tuple[Axis, ...]] = field(default_factory=dict)
    """The order of axes that a stored value must have in memory."""
    bands: Bands = field(init=False)
    """What counts of large reductions."""

    def __post_init__(self) -> None:
        self.bands = Bands(self.program, self.unrolled)

    def rolled(self, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
        """The axes that have loops."""
        return tuple(a for a in axes if a not in self.unrolled)

    def must(self, v: Value) -> bool:
        """Whether a value cannot be computed again at will."""
        if isinstance(v, Reduce):
            return bool(self.rolled(v.over)) or id(v) in self.whole
        return isinstance(v, Scatter | ScanOutput) or id(v) in self.whole

    def cone(self, v: Value) -> float:
        """Operations to compute the value again from what is in memory (its arguments are known)."""
        if isinstance(v, Read | Constant | Index) or self.must(v):
            return 0.0
        below = sum(self.cones[id(a)] for a in v.arguments)
        if isinstance(v, Map):
            below += cost_of(v.function)
        elif isinstance(v, Reduce):
            below = (below + 1) * max(1, product(v.over))
        elif isinstance(v, Sub):
            below += 2.0 * sum(isinstance(i, Value) for i in v.index.values())
        return min(below, 1e12)

    def moved(self, v: Value, arg: Value) -> frozenset[Axis]:
        """The rolled axes of ``arg`` that are elsewhere in ``v``."""
        if isinstance(v, Sub) and arg is v.arg:
            return frozenset(a for a in v.index if a not in self.unrolled)
        if isinstance(v, Reshaped):
            return frozenset(self.rolled(v.source))
        return frozenset()

    def keep(self, v: Value, arg: Value, through: bool) -> None:
        """Store the argument of a moving value in full when it is too costly to compute again."""
        if isinstance(arg, Read | Constant | Index) or self.must(arg) or not self.moved(v, arg):
            return
        points, all_points = product(v.axes), product(arg.axes)
        cone = self.cones[id(arg)]
        again = cone >= COSTLY_FORMULA and points >= 4 * all_points
        if (cone <= RECOMPUTE and not again) or (points * 4 <= all_points and cone <= 1000) or through:
            return
        self.store_whole(arg)

    def store_whole(self, v: Value) -> None:
        """Keep all of a value in memory, for users at any place."""
        if not isinstance(v, Read | Constant | Index):
            self.whole.add(id(v))
            self.cones[id(v)] = 0.0

    def lay(self, v: Value, dims: tuple[Axis | int, ...]) -> None:
        """Keep all of a value in memory in the C order of ``dims``."""
        order = tuple(d for d in dims if isinstance(d, Axis))
        if (
            isinstance(v, Constant | Index)
            or set(order) != set(v.axes)
            or ((found := slab(v, order)) is not None and isinstance(found[0], Read))
        ):
            return
        self.whole.add(id(v))
        self.cones[id(v)] = 0.0
        self.laid.setdefault(id(v), order)

    def find(self) -> list[Node]:
        """All nodes in an order that respects what they need."""
        values = self.bands.find()
        for v in values:
            for arg in v.arguments:
                self.keep(v, arg, through=False)
            if isinstance(v, Reshaped):
                self.lay(v.arg, v.source)
            elif isinstance(v, ScanOutput):
                for value, dims in given(v.scan):
                    self.lay(value, dims)
            self.cones[id(v)] = self.cone(v)
        for g, _ in self.program.guards:
            self.store_whole(g)
        self.choose(values)
        for v in values:
            if self.is_node(v):
                self.add(v)
        for store in self.program.stores:
            self.add_store(store)
        return self.nodes

    def choose(self, values: list[Value]) -> None:
        """Make nodes of the maps that several values share, of those of fewer axes than their user, of large ones."""
        users: dict[int, int] = {}
        wider: set[int] = set()
        for v in values:
            for arg in {id(a): a for a in v.arguments}.values():
                if not self.moved(v, arg):
                    users[id(arg)] = users.get(id(arg), 0) + 1
                    space = self.rolled((*v.axes, *(v.over if isinstance(v, Reduce) else ())))
                    if len(self.rolled(arg.axes)) < len(space):
                        wider.add(id(arg))
        for v in reversed(values):  # where unrolled axes are only renamed, the argument is what has fewer
            if id(v) in wider and isinstance(v, Sub) and not self.moved(v, v.arg):
                wider.add(id(v.arg))
        for store in self.program.stores:
            users[id(store.value)] = users.get(id(store.value), 0) + 1
        self.chosen: set[int] = set()
        size: dict[int, int] = {}
        for v in values:
            own = sum(size[id(a)] for a in v.arguments)
            if isinstance(v, Map):
                own += 1
            elif isinstance(v, Reduce):
                own = min(own, LARGEST)
            shared = users.get(id(v), 0) > 1 or id(v) in wider
            if isinstance(v, Read | Constant | Index) or self.must(v):
                own = 0
            elif isinstance(v, Map | Reduce) and ((shared and self.cones[id(v)] > SMALL) or own >= LARGEST):
                self.chosen.add(id(v))
                own = 0
            size[id(v)] = own

    def is_node(self, v: Value) -> bool:
        """Whether a value is computed at a place of its own."""
        return self.must(v) or id(v) in self.chosen

    def add(self, v: Value) -> None:
        """A node for a value whose arguments' nodes are there."""
        if isinstance(v, ScanOutput):
            known = self.of.get(id(v.scan))
            if known is None:
                cost = operations(v.scan) if isinstance(v.scan, Routine) else 1e3 * v.scan.length
                known = Node(v.scan, (), frozenset(), cost, True, True, len(self.nodes))
                self.link(known, v)
                self.of[id(v.scan)] = known
                self.nodes.append(known)
            self.of[id(v)] = known
            self.outputs.setdefault(id(v.scan), []).append(v)
            return
        over = frozenset(self.rolled(v.over)) if isinstance(v, Reduce) else frozenset()
        space = self.rolled((*v.axes, *(v.over if isinstance(v, Reduce) else ())))
        alone = isinstance(v, Scatter)
        if alone:
            space = ()
        node = Node(v, space, over, max(1.0, self.local_cost(v)), self.must(v), alone, len(self.nodes))
        node.guarded = isinstance(v, Sub) and bool(v.guards)
        self.link(node, v)
        watch = self.bands.watches.get(id(v))
        if watch is not None:
            self.of[id(watch)].cost = WATCHING
            node.needs[self.of[id(watch)]] = frozenset()
        self.of[id(v)] = node
        self.nodes.append(node)

    def drop(self, node: Node) -> None:
        """Do without a node that nothing is computed from."""
        self.nodes.remove(node)
        self.of.pop(id(node.value))
        for n in self.nodes:
            n.needs.pop(node, None)

    def add_store(self, store: Store) -> None:
        """A node for an output."""
        dims = tuple(d for d in store.dims if isinstance(d, Axis))
        found = slab(store.value, dims)
        if found is not None and isinstance(found[0], ScanOutput) and store.slot.dtype == store.value.dtype:
            node = Node(store, (), frozenset(), float(product(dims)), True, True, len(self.nodes))
        else:
            node = Node(store, self.rolled(dims), frozenset(), 1.0, True, False, len(self.nodes))
        self.reach(node, store.value, frozenset(), set())
        self.nodes.append(node)

    def local_cost(self, v: Value) -> float:
        """Operations per point, those of unrolled axes multiplied."""
        small = product(tuple(a for a in v.axes if a in self.unrolled))
        if isinstance(v, Reduce):
            small *= product(tuple(a for a in v.over if a in self.unrolled))
        own = cost_of(v.function) if isinstance(v, Map) else 1.0
        seen: set[int] = set()
        stack = list(v.arguments)
        while stack:
            a = stack.pop()
            if id(a) in seen or self.is_node(a):
                continue
            seen.add(id(a))
            own += cost_of(a.function) if isinstance(a, Map) else 0.1
            stack.extend(a.arguments)
        return own * max(1, small)

    def link(self, node: Node, v: Value) -> None:
        """Enter what a value needs."""
        seen: set[tuple[int, frozenset[Axis]]] = set()
        for arg in v.arguments:
            self.reach(node, arg, self.moved(v, arg), seen)

    def reach(self, node: Node, v: Value, moved: frozenset[Axis], seen: set[tuple[int, frozenset[Axis]]]) -> None:
        """Enter the nodes met on the way down from ``v``, which is read with some axes moved."""
        stack = [(v, moved)]
        while stack:
            value, moves = stack.pop()
            if (id(value), moves) in seen:
                continue
            seen.add((id(value), moves))
            node.guarded |= isinstance(value, Sub) and bool(value.guards)
            if self.is_node(value) and (self.must(value) or not moves):
                found = self.of[id(value)]
                node.needs[found] = node.needs.get(found, frozenset()) | moves
                continue
            stack.extend((a, moves | self.moved(value, a)) for a in value.arguments)


def slab(v: Value, order: tuple[Axis, ...]) -> tuple[Read | ScanOutput, int] | None:
    """The array or output of a scan that holds all of a value in one piece, in the C order of some axes, and where in
    it the piece begins; None where there is none."""
    source, index = (v.arg, v.index) if isinstance(v, Sub) and not v.guards else (v, {})
    if isinstance(source, Read):
        dims = tuple(zip(source.slot.shape, source.index, strict=True))
    elif isinstance(source, ScanOutput):
        dims = tuple((d.extent if isinstance(d, Axis) else 1, d) for d in source.dims)
    else:
        return None
    strides: dict[Axis, int] = {}
    begin, stride = 0, 1
    for extent, dim in reversed(dims):
        if isinstance(dim, Axis):
            place = index.get(dim, Affine(((dim, 1),)))
            if not isinstance(place, Affine):
                return None
            begin += place.offset * stride
            for axis, factor in place.terms:
                strides[axis] = strides.get(axis, 0) + factor * stride
        stride *= extent
    size = 1
    for axis in reversed(order):
        if strides.pop(axis, 0) != size:
            return None
        size *= axis.extent
    return (source, begin) if not strides else None


def reads_all(v: Read, order: tuple[Axis, ...]) -> bool:
    """Whether an array is read in the C order of some axes."""
    return tuple(e for e in v.index if isinstance(e, Axis)) == order


def axes_of(program: Program) -> list[Axis]:
    """Every axis of the outer program, in the order in which the program meets them."""
    found: dict[Axis, None] = {}
    for v in program.values():
        found.update(dict.fromkeys(v.axes))
        if isinstance(v, Reduce):
            found.update(dict.fromkeys(v.over))
        elif isinstance(v, Sub):
            for i in v.index.values():
                if isinstance(i, Affine):
                    found.update(dict.fromkeys(i.axes))
    for s in program.stores:
        found.update(dict.fromkeys(d for d in s.dims if isinstance(d, Axis)))
    return list(found)


__all__ = ["Nodes", "axes_of", "cost_of", "product", "reads_all"]
