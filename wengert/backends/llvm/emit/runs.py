"""The iterations of a loop as they are written: full steps, then the tail.

Imports the loop tree. Invariant: every place of the range is in exactly one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wengert.backends.llvm.loop_tree import Loop


@dataclass(eq=False, slots=True)
class Run:
    """Some iterations of a loop: ``trips`` steps from ``start``; ``live`` lanes in each (all but a tail: the width)."""

    start: int
    trips: int
    step: int
    live: int
    width: int


def runs(loop: Loop, low: int, high: int) -> Iterator[Run]:
    """The iterations from ``low`` to ``high``: full steps, then the tail."""
    count = high - low
    if loop.tile:
        full, rest = divmod(count, loop.width)
        yield Run(low, full, loop.width, loop.width, 1)
        if rest:
            yield Run(low + full * loop.width, 1, loop.width, rest, 1)
        return
    if loop.width == 1 or count <= 2:
        yield Run(low, count, 1, 1, 1)
        return
    full, rest = divmod(count, loop.width)
    yield Run(low, full, loop.width, loop.width, loop.width)
    if 0 < rest <= 2 and full:
        yield Run(high - rest, rest, 1, 1, 1)
    elif rest:
        yield Run(high - rest, 1, loop.width, rest, loop.width)


__all__ = ["Run", "runs"]
