"""What a recording knows of its steps, as columns: one entry per step, in order, so that all steps are asked at once.

Imports node. ``Steps`` is filled while a long recording runs, when everything is at hand; ``Columns`` has the operands
as numbers. Invariant: a number that is not negative stands for one input or step, by its place in the order given; an
operand that is a constant has ``CONSTANT``, a node that is none of these ``FOREIGN``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, compress, count
from operator import attrgetter
from threading import get_ident
from typing import Any

import numpy as np

from wengert.core.node import Const, Node

CONSTANT, FOREIGN = -1, -2
COLUMNS = "columns"
"""Where a graph may remember those of its steps: they go with the first who asks."""
Array = np.ndarray[Any, Any]
_arity, _seq = attrgetter("arity"), attrgetter("seq")


class Kind:
    """What a step does: an operation, what computed it where that was not the operation's own function, the number of
    its operands; and of a read by one number, which the columns have, the shape that it reads from."""

    __slots__ = ("arity", "function", "op", "shape")

    def __init__(self, op: Any, function: Any, arity: int, shape: tuple[int, ...] | None = None) -> None:
        self.op, self.function, self.arity, self.shape = op, function, arity, shape


class Steps:
    """The steps of a recording; of operands, the sequence numbers (-1: a constant), and the values of constants; of
    reads whose kind has a shape, the numbers (not negative)."""

    __slots__ = (
        "code", "constants", "indices", "kinds", "known", "mixed", "nodes", "operands", "seqs", "thread", "types",
        "wheres",
    )  # fmt: skip

    def __init__(self, nodes: Sequence[Node] = ()) -> None:
        self.nodes: list[Any] = []
        self.kinds: list[Kind] = []
        self.wheres: list[Any] = []
        self.types: list[Any] = []
        self.seqs: list[int] = []
        self.operands: list[int] = []
        self.constants: list[Any] = []
        self.indices: list[int] = []
        self.known: dict[Any, Kind] = dict(KINDS)
        self.code: Any = None  # of the user's, from where the last step was made
        self.thread = get_ident()
        self.mixed = False  # whether another thread noted steps as well: then only ``nodes`` has one order
        for node in nodes:
            self.append(node)

    def __len__(self) -> int:
        return len(self.nodes)

    def append(self, node: Any) -> None:
        """Note a step that is fully recorded. (``ops/generate`` has this inline.)"""
        if get_ident() != self.thread:
            self.mixed = True
        args = node.args
        key = node.op, node.evaluate, len(args)
        kind = self.known.get(key)
        if kind is None:
            kind = self.known[key] = Kind(*key)
        self.nodes.append(node)
        self.kinds.append(kind)
        self.wheres.append(node.where)
        self.types.append(node.type)
        self.seqs.append(node.seq)
        for a in args:
            self.operands.append(a.seq)
            if type(a) is Const:
                self.constants.append(a.value)

    def whole(self) -> bool:
        """Whether every step is in every column, in one order: an interrupt that the program caught may have come in
        between, or another thread. (Its node is noted first.)"""
        count = len(self.nodes)
        if self.mixed or any(len(column) != count for column in (self.kinds, self.wheres, self.types, self.seqs)):
            return False
        often = Counter(self.kinds)
        operands = sum(kind.arity * times for kind, times in often.items())
        indices = sum(times for kind, times in often.items() if kind.shape is not None)
        found = len(self.operands), len(self.constants), len(self.indices)
        return found == (operands, self.operands.count(-1), indices)

    def readers(self) -> Array:
        """The places of the steps that ``indices`` belong to."""
        numbered = {kind for kind in {*self.kinds} if kind.shape is not None}
        if not numbered:
            return np.zeros(0, np.int64)
        return np.flatnonzero([*map(numbered.__contains__, self.kinds)])

    def only(self, alive: Array, lengths: Array) -> Steps:
        """Some of the steps, whose operands are ``lengths`` many."""
        kept = np.repeat(alive, lengths)
        constant = np.array(self.operands, np.int64) < 0
        found, chosen = Steps(), alive.tolist()
        found.nodes = [*compress(self.nodes, chosen)]
        found.kinds = [*compress(self.kinds, chosen)]
        found.wheres = [*compress(self.wheres, chosen)]
        found.types = [*compress(self.types, chosen)]
        found.seqs = [*compress(self.seqs, chosen)]
        found.operands = [*compress(self.operands, kept.tolist())]
        found.indices = [*compress(self.indices, alive[self.readers()].tolist())]
        found.constants = [*compress(self.constants, kept[constant].tolist())]
        return found


KINDS: dict[Any, Kind] = {}
"""Those that recording functions written for long recordings know."""


def kind_of(op: Any, function: Callable[..., Any] | None, arity: int) -> Kind:
    """The kind of a recording function's steps."""
    return KINDS.setdefault((op, function, arity), Kind(op, function, arity))


@dataclass(slots=True, eq=False)
class Columns:
    """Steps, ``lengths[k]`` operands of step k, and the ``numbers`` of all operands, one step's after the other's; the
    first ``given`` numbers are the inputs."""

    given: int
    steps: Steps
    lengths: Array
    numbers: Array
    places: Array | None  # of the sequence numbers from ``first`` on
    first: int
    known: dict[Any, int]  # in place of these

    def number(self, node: Node) -> int:
        """The number of a node."""
        if self.places is None:
            return self.known.get(node, FOREIGN)
        at = node.seq - self.first
        return int(self.places[at]) if 0 <= at < len(self.places) else FOREIGN

    def starts(self) -> Array:
        """Where the operands of each step begin, and where the last one's end."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def only(self, alive: Array) -> Columns:
        """The columns of some of the steps, which nothing but these needs."""
        kept = np.repeat(alive, self.lengths)
        place = np.concatenate([np.arange(self.given), self.given - 1 + np.cumsum(alive)])
        stays = np.concatenate([np.ones(self.given, bool), alive])
        numbers = self.numbers[kept]
        found = np.where(numbers >= 0, place[np.maximum(numbers, 0)], numbers)
        moved, known = None, {}
        if self.places is None:
            known = {node: int(place[k]) for node, k in self.known.items() if stays[k]}
        else:
            left = np.concatenate([np.where(stays, place, FOREIGN), [FOREIGN]])
            moved = left[np.where(self.places >= 0, self.places, len(left) - 1)]
        steps = self.steps.only(alive, self.lengths)
        return Columns(self.given, steps, self.lengths[alive], found, moved, self.first, known)

    def needed(self, ends: Sequence[int]) -> Array | None:
        """Per step whether one of ``ends`` needs it; None where all are needed."""
        used = np.bincount(self.numbers[self.numbers >= 0], minlength=self.given + len(self.lengths))
        used[[e for e in ends if e >= 0]] += 1
        dead = (np.flatnonzero(used[self.given :] == 0) + self.given).tolist()
        if not dead:
            return None
        uses, starts, numbers = used.tolist(), self.starts().tolist(), self.numbers.tolist()
        alive = np.ones(len(self.lengths), bool)
        while dead:
            step = dead.pop() - self.given
            alive[step] = False
            for source in numbers[starts[step] : starts[step + 1]]:
                if source >= 0:
                    uses[source] -= 1
                    if not uses[source] and source >= self.given:
                        dead.append(source)
        return alive


def columns_of(inputs: Sequence[Node], steps: Steps) -> Columns:
    """The columns of steps that are fully recorded."""
    if not steps.whole():
        steps = Steps(steps.nodes)
    lengths = np.fromiter(map(_arity, steps.kinds), np.int64, len(steps))
    operands = np.array(steps.operands, np.int64)
    seqs = np.array([*map(_seq, inputs), *steps.seqs], np.int64)
    first = int(seqs.min(initial=0 if not len(seqs) else int(seqs[0])))
    span = int(seqs.max(initial=first)) - first + 1
    if span <= 8 * len(seqs) + 1000:  # nearly all numbers of a recording are those of its steps
        places = np.full(span + 1, FOREIGN, np.int64)
        seqs -= first
        order = np.arange(len(seqs))
        places[seqs] = order
        if (places[seqs] == order).all():
            at = operands - first
            numbers = places[np.where((at >= 0) & (at < span), at, span)]
            numbers[operands < 0] = CONSTANT
            return Columns(len(inputs), steps, lengths, numbers, places, first, {})
    known: dict[Any, int] = dict(zip(chain(inputs, steps.nodes), count(), strict=False))
    args = chain.from_iterable(node.args for node in steps.nodes)
    numbers = np.array([CONSTANT if type(a) is Const else known.get(a, FOREIGN) for a in args], np.int64)
    return Columns(len(inputs), steps, lengths, numbers, None, 0, known)


__all__ = ["COLUMNS", "CONSTANT", "FOREIGN", "KINDS", "Columns", "Kind", "Steps", "columns_of", "kind_of"]
