"""The loop tree: nodes that are computed, in bodies, in loops.

Imports the index form only. Invariants: a node stands in exactly one body; it stands after every node it needs, and
outside (behind) every loop that accumulates what it needs."""

from __future__ import annotations

from dataclasses import dataclass, field

from wengert.backends.llvm.indexed import Axis, Routine, Scan, Store, Value


@dataclass(eq=False, slots=True)
class Node:
    """Something that is computed at one place of the tree: a value, a store, a scan or a routine (all its outputs)."""

    value: Value | Store | Scan | Routine
    space: tuple[Axis, ...]
    """The rolled axes it is computed over (those it is accumulated over too)."""
    over: frozenset[Axis]
    """The rolled axes it is accumulated over."""
    cost: float
    """Scalar operations per point of its space."""
    must: bool
    """Whether its users can only fetch it (a map could be computed again)."""
    alone: bool = False
    """Whether it makes its own loops (scans, routines, scatters)."""
    order: int = 0
    guarded: bool = False
    """Whether its formula has guards."""
    needs: dict[Node, frozenset[Axis]] = field(default_factory=dict)
    """The nodes it is computed from, with the axes moved on the way."""
    path: tuple[Loop, ...] = ()

    @property
    def work(self) -> float:
        """Operations in all."""
        total = self.cost
        for axis in self.space:
            total *= axis.extent
        return total


@dataclass(eq=False, slots=True)
class Body:
    """Nodes computed one after the other, at one index."""

    nodes: list[Node]


@dataclass(eq=False, slots=True)
class Band:
    """The places of a loop that count, from ``first`` to before ``last`` for each place of the axis ``outer``: in them
    is all that anybody reads and every product that is not with a zero, which the loop may leave out where the values
    ``watches`` are finite."""

    outer: Axis
    first: tuple[int, ...]
    last: tuple[int, ...]
    watches: tuple[Value, ...] = ()
    row: int = -1
    """The place of ``outer`` at which the only sum inside adds all its products, and watches itself for the others,
    which come later; -1 where other values watch."""

    @property
    def counts(self) -> int:
        """How many places count, for all places of the outer axis."""
        return sum(self.last) - sum(self.first)


@dataclass(eq=False, slots=True)
class Loop:
    """``width`` lanes of ``axis`` at a time (1: one); a tile of ``width`` places whose inner loops run over the same
    axis where ``tile`` is set."""

    axis: Axis
    width: int
    children: list[Loop | Body]
    tile: bool = False
    jam: bool = False
    """Whether the places of a tile are written out inside the innermost loops instead of in a loop."""
    starts: list[Node] = field(default_factory=list)
    """Accumulations whose outermost loop this is."""
    guarded: bool = False
    """Whether something inside depends on guards."""
    makes: frozenset[int] = frozenset()
    """The values computed inside, by identity."""
    band: Band | None = None
    """Where places need not all be visited."""
    ahead: int = -1
    """A place whose step comes before all others, or -1."""


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory of a stored node: ``share`` are the loops inside which one instance lives; ``axes`` are laid out in C
    order with ``extents``; ``lanes`` > 1 where every element is a vector over the lanes of the loop of ``share``."""

    value: Value
    share: tuple[Loop, ...]
    axes: tuple[Axis, ...]
    extents: tuple[int, ...]
    lanes: int = 1
    slot: int = -1
    """The output slot that it is, or -1."""
    offset: int = -1
    """Its place in the workspace, or -1: in the frame."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements between neighbours, for each axis."""
        found, total = [], 1
        for extent in reversed(self.extents):
            found.append(total)
            total *= extent
        return tuple(reversed(found))

    @property
    def size(self) -> int:
        """Elements in all (vectors, where there are lanes)."""
        total = 1
        for extent in self.extents:
            total *= extent
        return total


__all__ = ["Band", "Body", "Buffer", "Loop", "Node"]
