"""Which loops of a kernel are split among threads, into how many blocks, and what stands between them.

Imports the plan. Invariant: what a loop computes, and in which order it adds, does not depend on how it is split:
either its iterations are of no concern to each other, or a reduction over it may be grouped in any way, or it is a
compensated sum of tiles, whose parts are kept and added one after the other in the order of the tiles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod

from wengert.backends.llvm.indexed import Map, Reduce, Store, Value
from wengert.backends.llvm.loop_tree import Body, Loop, Node
from wengert.backends.llvm.schedule import Plan, parts_of, walk
from wengert.backends.llvm.schedule_nodes import cost_of
from wengert.backends.llvm.storage import is_sum
from wengert.backends.llvm.threads.text import MOST

SPEED = 25_000.0 / 512
"""Operations on doubles in a microsecond, per bit of a vector: what loops of all kinds were measured at, within a
factor of three."""
LEAST = 150.0
"""Microseconds from which on a loop is worth waking others for (which takes some ten to thirty)."""
EACH = 50.0
"""The least microseconds for one more thread."""
BLOCK = 10.0
"""The least microseconds of a block."""
BETWEEN = 1.5e-3
"""Microseconds to add one number of one tile to a compensated sum."""
KEPT = 1 << 24
"""The most bytes of tiles' sums that are kept until they are added."""
CUTS = 8
"""The most pieces of a loop at whose ends guards change, each with a remainder."""


@dataclass(eq=False, slots=True)
class Share:
    """A loop of the outermost level that is split: into ``blocks`` ranges of its steps, among at most ``most``
    threads."""

    loop: Loop
    microseconds: float
    blocks: int
    most: int
    part: int = -1
    """The number of the function of its ranges."""
    joined: int = -1
    """The number of the function that puts reductions over it together, or -1."""
    kept: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Where the workspace has the partial results of a reduction, and the bytes of each."""
    steps: int = 0
    """How many steps the written loop has."""

    @property
    def most_steps(self) -> int:
        """No fewer than the steps that it has."""
        return -(-self.loop.axis.extent // self.loop.width) + 2 * CUTS

    @property
    def sums(self) -> list[Node]:
        """The sums over it whose tiles are added in order."""
        return [n for n in self.loop.starts if not groups(n)]


@dataclass(eq=False, slots=True)
class Division:
    """The split loops of a kernel, by their function and by that which joins; ``parts`` gives the function of each
    statement; ``told`` says of each loop what becomes of it."""

    shares: dict[int, Share]
    joins: dict[int, Share]
    parts: list[int]
    told: tuple[str, ...]


def groups(n: Node) -> bool:
    """Whether the terms of a reduction can be grouped in any way, in their order, for the same bits."""
    v = n.value
    assert isinstance(v, Reduce)
    return v.kind in {"all", "any", "max", "min"} or (v.kind in {"sum", "prod"} and v.dtype.kind in "iub")


def tells(v: Value) -> int:
    """The numbers of one partial result."""
    return prod(a.extent for a in v.axes)


def cost(loop: Loop, plan: Plan) -> float:
    """About how many microseconds a loop takes, if every value is computed once at each of its places."""
    total, seen = 0.0, set[int]()
    nodes = plan.nodes
    for n in inside(loop):
        v = n.value.value if isinstance(n.value, Store) else n.value
        stack = [v] if isinstance(v, Value) and (v is n.value or not nodes.is_node(v)) else []
        if isinstance(n.value, Store):
            total += prod(n.value.slot.shape)
        while stack:
            v = stack.pop()
            if id(v) in seen:
                continue
            seen.add(id(v))
            axes = {*v.axes, *(v.over if isinstance(v, Reduce) else ())}
            own = cost_of(v.function) if isinstance(v, Map) else 0.5
            total += prod(a.extent for a in axes) * own * (0.5 if v.dtype.itemsize == 4 else 1.0)
            stack.extend(a for a in v.arguments if not nodes.is_node(a))
    return total / (SPEED * plan.width_bits)


def inside(item: Loop | Body) -> list[Node]:
    """What is computed there."""
    return [n for b in walk([item]) if isinstance(b, Body) for n in b.nodes]


def obstacle(loop: Loop, microseconds: float) -> str | None:
    """Why a loop is left to one thread."""
    if microseconds < LEAST:
        return "too short"
    if loop.axis.extent < 2 * loop.width:
        return "one step"
    if any(n.alone for n in inside(loop)):
        return "scans or scatters inside"
    serial = 0.0
    for n in loop.starts:
        v = n.value
        assert isinstance(v, Reduce)
        lanes = max((x.width for x in n.path if not x.tile), default=1)
        numbers = tells(v) * lanes
        if groups(n):
            if numbers * v.dtype.itemsize * MOST > KEPT:
                return "a large result in every thread"
            continue
        if not (is_sum(v) and loop.tile and not loop.jam):
            return f"a {v.kind} over it, in one order"
        steps = -(-loop.axis.extent // loop.width)
        if steps * numbers * v.dtype.itemsize > KEPT:
            return "large sums over it"
        serial += steps * tells(v) * BETWEEN
    return "large sums over it" if serial > microseconds / 3 else None


def divide(plan: Plan) -> tuple[Plan, Division]:
    """The plan, whose last function has no loop that is split, and its division (where no loop is split, of no
    use but for what it tells)."""
    shares: dict[Loop, Share] = {}
    told = []
    for item in plan.tree:
        if not isinstance(item, Loop):
            told += [f"{type(n.value).__name__.lower()}: one thread" for n in item.nodes if n.alone]
            continue
        microseconds = cost(item, plan)
        name = f"{item.axis.extent} places, about {microseconds:.3g} us"
        why = obstacle(item, microseconds)
        if why is None:
            steps = item.axis.extent // item.width
            blocks = max(2, min(MOST, steps, int(microseconds / BLOCK)))
            shares[item] = Share(item, microseconds, blocks, max(2, min(blocks, int(microseconds / EACH))))
            why = f"{blocks} blocks for at most {shares[item].most} threads"
        else:
            why = f"one thread ({why})"
        told.append(f"{name}: {why}")
    plan = replace(plan, tree=[*plan.tree, Body([])])
    parts: list[int] = []
    number, before = -1, None
    for item, group in zip(plan.tree, parts_of(plan.tree), strict=True):
        share = shares.get(item) if isinstance(item, Loop) else None
        if share is not None or group != before:
            number += 1
        before = group
        parts.append(number)
        if share is not None:
            share.part, before = number, None
            if share.loop.starts:
                share.joined = number = number + 1
    by_part = {s.part: s for s in shares.values()}
    joins = {s.joined: s for s in shares.values() if s.joined >= 0}
    return plan, Division(by_part, joins, parts, tuple(told))


__all__ = ["Division", "Share", "divide", "groups"]
