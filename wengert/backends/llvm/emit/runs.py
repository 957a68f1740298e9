"""The iterations of a loop as they are written: full steps, then the tail.

Imports the loop tree. Invariant: every place of the range is in exactly one run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from wengert.backends.llvm.loop_tree import Body, Loop
from wengert.backends.llvm.placing import walk

OFTEN = 2
"""The fewest full steps of a loop whose last step may overlap."""
LARGE = 60.0
"""Operations from which on one in a scan may: the next step waits where it loads what two steps have stored."""


def again(loop: Loop, path: tuple[Loop, ...], least: float) -> bool:
    """Whether the places of a loop may be computed twice: nothing inside is added to what stays between its steps.
    One that costs less than ``least`` operations a place had better not."""
    if loop.width == 1 or loop.tile or any(x.axis is loop.axis for x in path):
        return False
    if sum(n.cost for item in walk(loop.children) if isinstance(item, Body) for n in item.nodes) < least:
        return False
    for item in walk(loop.children):
        for node in item.nodes if isinstance(item, Body) else ():
            outer = next((x for x in node.path if x.axis in node.over), None)
            if node.alone or (outer is not None and (outer is loop or outer in path)):
                return False
    return True


@dataclass(eq=False, slots=True)
class Run:
    """Some iterations of a loop: ``trips`` steps from ``start``; ``live`` lanes in each (all but a tail: the width)."""

    start: int
    trips: int
    step: int
    live: int
    width: int
    end: int = -1
    """Where the last step ends if it overlaps the one before, or -1."""


def runs(loop: Loop, low: int, high: int, overlapping: bool = False, least: int = 64) -> Iterator[Run]:
    """The iterations from ``low`` to ``high``: full steps, then the tail; a last full step that computes some places
    again, where that is allowed (``overlapping``) and saves a tail. A tail has ``least`` lanes or more."""
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
    if overlapping and rest and full >= OFTEN:
        yield Run(low, full + 1, loop.width, loop.width, loop.width, high)
        return
    yield Run(low, full, loop.width, loop.width, loop.width)
    if 0 < rest <= 2 and full:
        yield Run(high - rest, rest, 1, 1, 1)
    elif rest:
        width = loop.width
        while width % 2 == 0 and width // 2 >= max(rest, least):
            width //= 2
        yield Run(high - rest, 1, width, rest, width)


def ahead(steps: Iterable[Run], place: int) -> list[Run]:
    """The same steps, that of one place before all others."""
    first, rest = [], []
    for run in steps:
        step, away = divmod(place - run.start, run.step)
        if run.end < 0 and 0 <= step < run.trips and away < run.live:
            at = run.start + step * run.step
            first.append(replace(run, start=at, trips=1))
            rest += [replace(run, trips=step), replace(run, start=at + run.step, trips=run.trips - step - 1)]
        else:
            rest.append(run)
    return [*first, *(run for run in rest if run.trips > 0)]


__all__ = ["LARGE", "Run", "again", "ahead", "runs"]
