"""The operands of steps as numbers, asked of all steps at once: long recordings are walked in arrays.

Imports node. Invariant: a number that is not negative stands for one input or step, by its place in the order given;
an operand that is a constant has ``CONSTANT``, a node that is none of these ``FOREIGN``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, compress, count
from operator import attrgetter
from typing import Any

import numpy as np

from wengert.core.node import Node

CONSTANT, FOREIGN = -1, -2
COLUMNS = "columns"
"""Where a graph may remember those of its steps: they go with the first who asks."""
Array = np.ndarray[Any, Any]
_args, _seq = attrgetter("args"), attrgetter("seq")


@dataclass(slots=True, eq=False)
class Columns:
    """``operands`` of all steps, one after the other, ``lengths[k]`` of them of step k, and their ``numbers``; the
    first ``given`` numbers are the inputs."""

    given: int
    operands: list[Any]
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

    def constants(self) -> list[Any]:
        """The operands that are constants, in order."""
        return [*compress(self.operands, (self.numbers == CONSTANT).tolist())]

    def only(self, alive: Array) -> Columns:
        """The columns of some of the steps, which nothing but these needs."""
        kept = np.repeat(alive, self.lengths)
        place = np.concatenate([np.arange(self.given), self.given - 1 + np.cumsum(alive)])
        numbers = self.numbers[kept]
        found = np.where(numbers >= 0, place[np.maximum(numbers, 0)], numbers)
        moved, known = None, {}
        if self.places is None:
            stays = [*[True] * self.given, *alive.tolist()]
            known = {node: int(place[k]) for node, k in self.known.items() if stays[k]}
        else:
            left = np.concatenate(
                [np.where(np.concatenate([np.ones(self.given, bool), alive]), place, FOREIGN), [FOREIGN]]
            )
            moved = left[np.where(self.places >= 0, self.places, len(left) - 1)]
        operands = [*compress(self.operands, kept.tolist())]
        return Columns(self.given, operands, self.lengths[alive], found, moved, self.first, known)

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


def columns_of(inputs: Sequence[Node], steps: Sequence[Node]) -> Columns:
    """The columns of steps that are fully recorded."""
    args = [*map(_args, steps)]
    operands = [*chain.from_iterable(args)]
    lengths = np.fromiter(map(len, args), np.int64, len(args))
    seqs = np.array([*map(_seq, inputs), *map(_seq, steps)], np.int64)
    first = int(seqs.min(initial=0 if not len(seqs) else int(seqs[0])))
    span = int(seqs.max(initial=first)) - first + 1
    if span <= 8 * len(seqs) + 1000:  # nearly all numbers of a recording are those of its steps
        places = np.full(span + 1, FOREIGN, np.int64)
        seqs -= first
        order = np.arange(len(seqs))
        places[seqs] = order
        if (places[seqs] == order).all():
            asked = np.array([*map(_seq, operands)], np.int64)  # -1 of a constant
            at = asked - first
            numbers = places[np.where((at >= 0) & (at < span), at, span)]
            numbers[asked < 0] = CONSTANT
            return Columns(len(inputs), operands, lengths, numbers, places, first, {})
    known: dict[Any, int] = dict(zip(chain(inputs, steps), count(), strict=False))
    numbers = np.array([known.get(a, FOREIGN if isinstance(a, Node) else CONSTANT) for a in operands], np.int64)
    return Columns(len(inputs), operands, lengths, numbers, None, 0, known)


__all__ = ["COLUMNS", "CONSTANT", "FOREIGN", "Columns", "columns_of"]
