"""Lengths (norms, ``hypot``, ``abs`` of a complex number) of zero vectors, where a second derivative is being taken.

There a length has no pieces: its slope is v/|v| along a direction v and turns with it, infinitely fast. So the weights
are those of the direction that the derivative is taken along. How fast they turn must not matter, as it does not where
the slope vanishes in the end (|x|^2): two runs that differ in it are compared. Imports core, ``sides`` and the makers.
Invariant: at first order the weights at zero are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.context import FORWARD, LINEARIZE, REVERSE, Frame, tracing
from wengert.core.handle import is_handle
from wengert.ops.kinds import elementwise
from wengert.ops.sides import Side, plain_or_step, side_at

_FAST = 1024.0
"""How fast slopes turn in the second run."""

turning = elementwise(
    "turning",
    lambda x, steep: 0.0 * steep,
    [lambda steep: steep, 0],
    inputs="x steep",
    listed=False,  # no law holds for what only marks
    doc="0, with slopes of its own.",
)

Weights = Callable[..., Any]


def at_zero(
    base: Any, length: Any, at: Callable[[Any], Any], parts: Sequence[Any], weights: Weights, k: int = 0
) -> Any:
    """The weights ``base`` of a length by its k-th part, with those of a direction where it is zero (``at(length)``).

    ``weights(*direction)`` gives the weights that the length has at a point in this direction, 0 where that is 0.
    """
    side = side_at(lambda length, *_: _moves(at(length), parts, weights), length, *parts)
    if side is None:
        return base
    zero = at(length)
    along = [side.tangent(x, j) for j, x in enumerate(parts)]
    moves = np.logical_and(zero, np.not_equal(weights(*along), 0))
    side.note(moves, "steep")
    course = _course(parts, side)
    if course is not None:
        found = np.where(zero, weights(*course), base)
    else:
        side.note(moves, "lost")
        found = np.where(zero, weights(*along) if side.first else 0.0, base)
    watched = any(f.kind in (REVERSE, FORWARD, LINEARIZE) for f in _inside(side.frame))
    if side.first or not watched or not is_handle(parts[k]):
        return found
    return found + turning(parts[k], np.where(moves, _FAST, 0.0))


def _inside(outermost: Frame | None) -> list[Frame]:
    """The running traces, from the innermost to that inside ``outermost``."""
    found = []
    frame = tracing.get()
    while frame is not None and frame is not outermost:
        found.append(frame)
        frame = frame.parent
    return found


def _course(parts: Sequence[Any], side: Side | None) -> list[Any] | None:
    """How the parts move along the direction that the derivative is taken along; None where no single one is known."""
    pushed, tangents = side.along if side is not None and side.along is not None else (None, ())
    if side is not None and pushed is side.frame:
        return [0.0 if t is None else plain_or_step(t) for t in tangents]
    frames = _inside(side.frame if side is not None else None)
    if any(f.kind in (REVERSE, LINEARIZE) for f in frames):
        return None
    forwards = {f for f in frames if f.kind == FORWARD and f.side is None}
    found: set[Frame] = set()
    for x in parts:
        if is_handle(x) and x.node is not None and x.node.tangents:
            found.update(f for f in forwards if x.node.tangents.get(f) is not None)
    if len(found) > 1 or (not found and _cut(parts, forwards)):
        return None
    moved: list[Any]
    if found:
        (forward,) = found
        moved = [x.node.tangents.get(forward) if _has_tangents(x) else None for x in parts]
    elif pushed is not None:
        moved = list(tangents)
    elif forwards:
        moved = [None] * len(parts)
    else:
        return None
    if any(is_handle(t) and t.node is not None and t.node.abstract for t in moved):
        return None
    return [0.0 if t is None else plain_or_step(t) for t in moved]


def _cut(parts: Sequence[Any], forwards: set[Frame]) -> bool:
    """Whether a recording between here and a forward trace keeps the tangents away: it will follow later."""
    running = tracing.get()
    full = running.full if running is not None else None
    if running is None or full is None or all(f in running.forwards for f in forwards):
        return False
    return any(is_handle(x) and x.node is not None and x.node.seq >= full.start for x in parts)


def _has_tangents(x: Any) -> bool:
    return is_handle(x) and x.node is not None and bool(x.node.tangents)


def _moves(zero: Any, parts: Sequence[Any], weights: Weights) -> Any:
    if not is_handle(zero) and not np.any(zero):
        return False
    course = _course(parts, None)
    return zero if course is None else np.logical_and(zero, np.not_equal(weights(*course), 0))


__all__ = ["at_zero", "turning"]
