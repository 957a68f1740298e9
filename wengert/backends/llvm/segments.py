"""Cutting a graph: which steps are native together, and which stay steps of NumPy.

Imports core, ops (the names of contractions), plan (which values are views). Invariant: segments are convex (no value
leaves one and comes back), every step is in exactly one segment or none, and what enters or leaves a segment is an
array or a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import Any

from wengert.core.graph import Graph, Guard, Operand, copy_step, input_node
from wengert.core.node import Const, Node
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType, shape_of
from wengert.ops.branches import is_cond
from wengert.ops.contract import dot_axes, inner_axes
from wengert.ops.einsum import parse
from wengert.ops.while_loops import is_while
from wengert.plan.liveness import looks_into, nbytes

LARGE = 64
"""Extents from which on a matrix product is a library's, when all three have them."""

LARGE_IN_BATCH = 128
"""The same for one of a batch of products, which native code can fuse with what surrounds it."""

LONG_ROW = 40
"""Elements of a row from which on its sort costs about the same for each."""

SMALL_SEGMENT = 2
"""So few steps beside NumPy steps are not worth a compilation."""

MANY = 1024
"""So many values of a transcendental function are worth one."""

MANY_SUMMED = 1 << 15
"""So many elements of a sum are worth one: native code sums them at the speed of memory."""

LONGEST = 8000
"""Steps of a segment at most: what LLVM does with a function grows with the square of its length."""

PIECE = 4000
"""About the steps of each piece of a longer one, which is parted where the fewest bytes cross."""

_NEVER = 1 << 60

_COSTLY = frozenset(
    {
        *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2", "power", "cbrt", "hypot"),
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2"),
        *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"),
        *("sigmoid", "softplus", "erf", "erfc", "gammaln", "digamma"),
    }
)

VIEW = "a view of what NumPy made"
SMALL = "too few native steps around it"


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Steps that become one kernel: a graph of its own; ``inputs`` and ``outputs`` are the nodes of the whole graph
    that go in and come out, ``guards`` the numbers of the guards that the kernel asks."""

    graph: Graph
    inputs: tuple[Node, ...]
    outputs: tuple[Operand, ...]
    nodes: tuple[Node, ...]
    guards: tuple[int, ...]

    def giving(self) -> Graph:
        """Its graph."""
        return self.graph


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A graph cut up: segments and the steps of NumPy in an order in which they can run, and why those are NumPy's."""

    graph: Graph
    order: tuple[Segment | Node, ...]
    reasons: dict[Node, str]

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments alone."""
        return tuple(part for part in self.order if isinstance(part, Segment))

    @property
    def whole(self) -> bool:
        """Whether all of the graph is one segment."""
        return len(self.segments) == 1 and self.segments[0].graph is self.graph


def cut(graph: Graph, can_lower: Callable[[Node], str | None], can_ask: Callable[[Guard], str | None]) -> Cut:
    """Cut a graph. ``can_lower`` and ``can_ask`` say why a step or a guard has no native form (None: it has)."""
    reasons: dict[Node, str] = {}
    for_libraries = left_to_libraries(graph)
    for node in graph.nodes:
        if node.op is ITEM and isinstance(node.args[0], Node):
            why = reasons.get(node.args[0])
        else:
            why = for_libraries.get(node) or can_lower(node)
        if why is not None:
            reasons[node] = why
    asked = tuple(k for k, g in enumerate(graph.guards) if can_ask(g) is None)
    computed = all(isinstance(o, Node) for o in graph.outputs)
    if not reasons and len(asked) == len(graph.guards) and computed and 0 < len(graph.nodes) <= LONGEST:
        return whole(graph)
    _leave_views(graph, reasons)
    while True:
        phases = _phases(graph, reasons)
        _sink(graph, phases, reasons)
        groups: dict[int, list[Node]] = {}
        for node in graph.nodes:
            if node not in reasons:
                groups.setdefault(phases[node], []).append(node)
        small = [n for group in groups.values() if _is_small(group) for n in group]
        if not small:
            break
        for node in small:
            reasons[node] = SMALL
    order: list[Segment | Node] = []
    for phase in range(max(phases.values(), default=0) + 1):
        if phase in groups:
            order.extend(segment_of(graph, piece, asked) for piece in _pieces(graph, groups[phase]))
        else:
            order.extend(n for n in graph.nodes if n in reasons and phases[n] == phase)
    return Cut(graph, tuple(order), reasons)


def whole(graph: Graph) -> Cut:
    """A graph that is one segment."""
    asked = tuple(range(len(graph.guards)))
    segment = Segment(graph, tuple(graph.inputs), tuple(graph.outputs), tuple(graph.nodes), asked)
    return Cut(graph, (segment,), {})


# ---------------------------------------------------------------- what a library does better


def for_a_library(node: Node) -> str | None:
    """Why a contraction is left to BLAS; None where native code is as good, or for any other step."""
    found = extents(node)
    if found is None or (node.op.name == "einsum" and not node.params[1]):
        return None  # without a path NumPy's einsum is a loop of its own, which no library helps
    batch, *sides = found
    if min(sides) >= (LARGE if batch == 1 else LARGE_IN_BATCH):
        return f"a large product ({'x'.join(map(str, sides))}), which is BLAS's"
    return None


def left_to_libraries(graph: Graph) -> dict[Node, str]:
    """The steps that NumPy or a library does better, and why: large products, sorts that nothing else asks the order
    of, ways that values decide."""
    found = {node: why for node in graph.nodes if (why := for_a_library(node)) is not None}
    found.update((node, why) for node in graph.nodes if (why := _followed(node)) is not None)
    ordered = {(a, node.params[0]) for node in graph.nodes if node.op.name == "argsort" for a in node.args[:1]}
    for node in graph.nodes:
        if node.op.name == "sort" and (node.args[0], node.params[0]) not in ordered and _is_much_to_sort(node):
            found[node] = "a long sort, which NumPy does with vectors"
    return found


def _followed(node: Node) -> str | None:
    """Why a step is one whose way is decided by NumPy, with native code on the way."""
    if is_while(node):
        return "a loop that ends by what it computes"
    if not is_cond(node):
        return None
    from wengert.backends.llvm.lower.branches import is_cheap

    return None if is_cheap(node) else "a choice of which only one branch is to run"


def _is_much_to_sort(node: Node) -> bool:
    """Whether rows are sorted faster by NumPy, which needs about 2 ns for an element, and 1 us more for a call."""
    shape = node.type.shape
    size, n = prod(shape), shape[node.params[0]] if shape else 1
    return bool(size * (0.35 * min(n, LONG_ROW) - 2.0) > 1000.0)


def extents(node: Node) -> tuple[int, int, int, int] | None:
    """Batch, rows, columns and inner extent of a product of two arrays; None for anything else."""
    name = node.op.name
    if name not in ("matmul", "dot", "inner", "tensordot", "einsum") or type(node.type) is not ArrayType:
        return None
    shapes = [shape_of(a.value) if isinstance(a, Const) else a.type.shape for a in node.args]
    if len(shapes) != 2 or not all(shapes):
        return None
    left, right = shapes
    size = prod(node.type.shape)
    if name == "einsum":
        try:
            terms, output = parse(node.params[0], [len(shape) for shape in shapes])[:2]
        except (TypeError, ValueError):
            return None
        sizes: dict[Any, int] = {}
        for term, shape in zip(terms, shapes, strict=True):
            for label, n in zip(term, shape, strict=True):
                sizes[label] = max(n, sizes.get(label, 1))
        a, b, out = set(terms[0]), set(terms[1]), set(output)
        batch, m, n, k = (
            prod(sizes[c] for c in group) for group in (a & b & out, (a - b) & out, (b - a) & out, (a & b) - out)
        )
        return batch, m, n, k
    if name == "matmul":
        inner = left[-1]
        rows = left[-2] if len(left) > 1 else 1
        columns = right[-1] if len(right) > 1 else 1
        return max(1, size // max(1, rows * columns)), rows, columns, inner
    if name == "tensordot":
        taken = node.params[0][0]
    else:
        taken = (dot_axes if name == "dot" else inner_axes)(len(left), len(right))[0]
    inner = prod(left[k] for k in taken)
    rows = prod(left) // max(1, inner)
    return 1, rows, size // max(1, rows), inner


# ---------------------------------------------------------------- where each step goes


def _users(graph: Graph) -> dict[Node, list[Node]]:
    users: dict[Node, list[Node]] = {n: [] for n in (*graph.inputs, *graph.nodes)}
    for node in graph.nodes:
        for a in node.args:
            if isinstance(a, Node):
                users[a].append(node)
    return users


def _leave_views(graph: Graph, reasons: dict[Node, str]) -> None:
    """A view that only NumPy steps look at, or of what NumPy made, costs NumPy nothing and native code a copy."""
    users = _users(graph)
    leaving = {o for o in graph.outputs if isinstance(o, Node)}
    for node in reversed(graph.nodes):
        if node in reasons or node.op is ITEM or looks_into(node) is None:
            continue
        seen = users[node]
        source = node.args[0]
        unseen = not seen and isinstance(source, Node) and source in reasons
        if unseen or (seen and all(u in reasons for u in seen) and node not in leaving):
            reasons[node] = VIEW


def _phases(graph: Graph, reasons: dict[Node, str]) -> dict[Node, int]:
    """The earliest phase of every step: even ones are native, odd ones NumPy's. What is native in one phase is convex,
    because phases never fall along a path."""
    phases: dict[Node, int] = dict.fromkeys(graph.inputs, 0)
    for node in graph.nodes:
        at = max((phases[a] for a in node.args if isinstance(a, Node)), default=0)
        phases[node] = at + (at % 2 != (node in reasons))
    return phases


def _sink(graph: Graph, phases: dict[Node, int], reasons: dict[Node, str]) -> None:
    """Move native steps to the phase that needs them, where that makes no more bytes wait between the phases."""
    users = _users(graph)
    needed = {o for o in graph.outputs if isinstance(o, Node)} | {g.node for g in graph.guards}
    for node in reversed(graph.nodes):
        if node in reasons or node.op is ITEM or node in needed or not users[node] or type(node.type) is tuple:
            continue
        first = min(phases[u] - (u in reasons) for u in users[node])
        first -= first % 2
        if first <= phases[node]:
            continue
        sources = {a for a in node.args if isinstance(a, Node)}
        if any(type(a.type) is tuple for a in sources):
            continue
        waiting = sum(
            nbytes(a.type) for a in sources
            if phases[a] < first and max((phases[u] for u in users[a]), default=0) < first and a not in graph.inputs
        )  # fmt: skip
        if waiting <= nbytes(node.type):
            phases[node] = first


def _is_small(group: Sequence[Node]) -> bool:
    """Whether steps are too few for a kernel of their own: one or two, and nothing that native code computes much
    faster than NumPy."""
    if any(type(n.type) is tuple for n in group):
        return False
    if any(n.op.name in _COSTLY and prod(n.type.shape) >= MANY for n in group):
        return False
    if any(n.op.name == "sum" and _is_long(n.args[0]) for n in group):
        return False
    return sum(n.op is not ITEM and looks_into(n) is None for n in group) <= SMALL_SEGMENT


def _is_long(summed: Operand) -> bool:
    """Whether a sum is long enough for native code, and what it reads is an array that needs no copy first."""
    if isinstance(summed, Const) or looks_into(summed) is not None or type(summed.type) is not ArrayType:
        return False
    size: int = prod(summed.type.shape)
    return size >= MANY_SUMMED


# ---------------------------------------------------------------- segments


def _pieces(graph: Graph, nodes: list[Node]) -> list[list[Node]]:
    """A group in pieces that are not too long, one after the other."""
    if len(nodes) <= LONGEST:
        return [nodes]
    # Bytes made before a step and read at it or later, counted from where they begin and end.
    place = {node: k for k, node in enumerate(nodes)}
    last = dict(place)
    for node in nodes:
        for a in node.args:
            if a in place:
                last[a] = place[node]
    leaving = {a for n in graph.nodes if n not in place for a in n.args} | {*graph.outputs}
    change = [0] * (len(nodes) + 2)
    for node, k in place.items():
        if node not in leaving:  # what leaves is written anyway
            change[k + 1] += nbytes(node.type) + 8
            change[last[node] + 1] -= nbytes(node.type) + 8
        if type(node.type) is tuple:  # its results are read in the piece that makes them
            change[k + 1] += _NEVER
            change[last[node] + 1] -= _NEVER
    crossing = [*accumulate(change)]
    count = round(len(nodes) / PIECE)
    size, ends = len(nodes) / count, [0]
    for k in range(1, count):
        middle = round(k * size)
        around = range(middle - PIECE // 4, middle + PIECE // 4)
        best = min(around, key=lambda j, middle=middle: (crossing[j], abs(j - middle)))  # type: ignore[misc]
        if crossing[best] < _NEVER:
            ends.append(best)
    ends.append(len(nodes))
    return [nodes[a:b] for a, b in pairwise(ends)]


def segment_of(graph: Graph, nodes: Sequence[Node], asked: Iterable[int]) -> Segment:
    """Steps as a segment, which asks those of the guards ``asked`` that are about them."""
    mine = set(nodes)
    sources: dict[Node, Node] = {}
    made: dict[Node, Node] = {}
    for node in nodes:
        args: list[Any] = []
        for a in node.args:
            if isinstance(a, Node) and a not in mine:
                if a not in sources:
                    sources[a] = input_node(a.type, a.where, seq=a.seq)
                args.append(sources[a])
            else:
                args.append(made[a] if isinstance(a, Node) else a)
        made[node] = copy_step(node, args)
    guards = tuple(k for k in asked if graph.guards[k].node in mine)
    used = {a for n in graph.nodes if n not in mine for a in n.args if isinstance(a, Node)}
    used |= {o for o in graph.outputs if isinstance(o, Node)}
    used |= {g.node for k, g in enumerate(graph.guards) if k not in guards}
    outputs = tuple(n for n in nodes if n in used)
    piece = Graph(
        inputs=tuple(sources.values()),
        outputs=tuple(made[n] for n in outputs),
        guards=tuple(graph.guards[k].of(made[graph.guards[k].node]) for k in guards),
        nodes=tuple(made.values()),
        name=f"a part of {graph.name}",
    )
    return Segment(piece, tuple(sources), outputs, tuple(nodes), guards)


__all__ = ["Cut", "Segment", "cut", "extents", "for_a_library", "left_to_libraries", "segment_of", "whole"]
