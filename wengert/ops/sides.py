"""Second derivatives at kinks: which smooth piece of a program is taken, the same one in every place.

The mean of two pieces is right once; a product of means is not the mean of products. So a derivative that is itself
differentiated takes one *piece*: that which holds a step further in one direction. A forward trace (``Side.frame``)
carries the direction along, and at a kink the rules compare tangents. (One essentially active selection: Scholtes 2012,
section 4.1.) Imports core, ``kinks``. Invariant: first derivatives, and programs that meet no kink, never ask a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import takewhile
from typing import Any

import numpy as np

from wengert.core.context import FOLDING, FORWARD, FULL, LINEARIZE, REVERSE, SWITCH, TANGENTS, Frame, tracing
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const, here
from wengert.core.op import CONSTANT
from wengert.ops.kinks import LEAST_NORM, choice

KINKED = frozenset({
    "absolute", "clip", "copysign", "fabs", "fmax", "fmin", "frobenius", "hypot", "length", "matrix_norm", "max",
    "maximum", "min", "minimum", "partition", "relu", "sort", "std", "vector_norm",
})  # fmt: skip
"""The operations whose rules ask for a side."""

_NOISE = 2.0**-40
"""Tangents that differ by less than this part of their size count as equal."""

_GOES_ON = {"greater": -1.0, "greater_equal": 1.0, "less": 1.0, "less_equal": -1.0}
"""By comparison: how the first of two equal values goes on from the second, where the answer is to stay what it is."""


class Side:
    """A direction that decides at kinks, while a derivative runs again.

    ``frame`` the forward trace that carries it; ``first`` which of the pieces that are equal along it too is taken;
    ``open`` where such were met; ``steep`` where lengths of zero were, ``lost`` where their direction was not known
    (``lengths``); ``split`` where a comparison of equal values took the branch that the direction leaves, and
    ``turns`` where in its arrays, with the slopes there; ``slopes`` those of all comparisons of equal values, positive
    where the branch goes on; ``along`` the forward trace whose step is being pushed, and its tangents.
    """

    __slots__ = (
        "along", "first", "frame", "lost", "open", "outer", "recorded", "replays", "slopes", "split", "steep", "turns",
        "twice",
    )  # fmt: skip

    def __init__(self, frame: Frame, *, first: bool) -> None:
        self.frame = frame
        self.first = first
        self.open: Any = None
        self.steep: Any = None
        self.lost: Any = None
        self.split: Any = None
        self.turns: list[tuple[Any, Any]] = []
        self.slopes: list[Any] = []
        self.recorded = False  # whether a recording was made on the way: its steps come back as others
        self.replays = 0  # of such recordings, that run now
        # What the operations with kinks work on: those that are differentiated once only, and the others.
        self.outer: set[Any] = set()
        self.twice: set[Any] = set()
        self.along: tuple[Frame, Any] | None = None

    def tangent(self, x: Any, k: int = 0) -> Any:
        """How an operand, the k-th of its step, moves along the direction."""
        if self.along is not None and self.along[0] is self.frame:
            t = self.along[1][k]
        else:
            node = x.node if is_handle(x) else None
            t = node.tangents.get(self.frame) if node is not None and node.tangents else None
        return 0.0 if t is None else plain_or_step(t)

    def enlist(self, node: Any, nodes: Any, frame: Frame) -> None:
        """Note on what level a step with a kink stands: differentiated once, by the outermost trace, or more often."""
        if node.op.name not in KINKED:
            return
        inside = sum(map(_differentiates, takewhile(lambda f: f is not self.frame, frame.chain())))
        once = inside == 1 and SWITCH.where is None and self.along is None and not self.recorded
        (self.outer if once else self.twice).update([n for n in (node, *nodes) if n is not None])

    def is_once(self, operands: Any) -> bool:
        """Whether a rule of the outermost trace works on what is differentiated once: there is no second derivative."""
        nodes = {x.node for x in operands if is_handle(x)}
        return not self.recorded and bool(nodes & self.outer) and not nodes & self.twice and not differentiations()

    @contextmanager
    def pushing(self, forward: Frame, tangents: Any, outer: Frame | None) -> Iterator[None]:
        """A block in which the tangent of a step is computed, seen from ``outer``."""
        before, self.along = self.along, (forward, tangents)
        followed = outer.forwards if outer is not None else ()
        if outer is not None and forward is self.frame:
            outer.forwards = ()  # the direction itself is followed no further
        try:
            yield
        finally:
            self.along = before
            if outer is not None:
                outer.forwards = followed

    def compare(self, op: Any, operands: Any) -> None:
        """Note where a comparison of the program (not of a rule) is one of equal values, whose branch is another than
        the one a step further along the direction."""
        goes_on = _GOES_ON.get(op.name)
        if goes_on is None or self.along is not None or self.replays or SWITCH.where is not None:
            return
        a, b = operands
        one, other = self.tangent(a), self.tangent(b)
        if not (is_handle(one) or is_handle(other) or np.any(one) or np.any(other)):
            return
        equal = np.equal(a, b)
        if not bool(np.any(equal)):  # asked before anything that depends on the direction
            return
        slope = goes_on * (one - other)
        noise = _NOISE * (np.abs(one) + np.abs(other))
        tie = np.logical_and(equal, np.greater(np.abs(slope), noise))
        if not bool(np.any(tie)):
            return
        back = np.logical_and(tie, np.less(slope, 0))
        split = bool(np.any(back))
        if split and is_handle(back):
            bool(np.all(np.equal(back, back.value)))  # a recording asks: another direction is chosen by it
        tie, back, slope = (np.asarray(v.value if is_handle(v) else v) for v in (tie, back, slope))
        self.slopes.append(np.broadcast_to(slope, tie.shape)[tie])
        if split:
            self.turns.append((back, slope))
            self.note(back, "split")

    def sign(self, x: Any, tie: Any) -> Any:
        """1 or -1 where a value at zero goes up or down."""
        t = self.tangent(x)
        still = np.logical_not(np.greater(np.abs(t), 0))
        self.note(np.logical_and(still, tie))
        return np.where(still, 1.0 if self.first else -1.0, np.sign(t))

    def ahead(self, a: Any, b: Any, tie: Any, *, largest: bool) -> Any:
        """Whether the first of two equal values becomes the larger one (the smaller one)."""
        one, other = self.tangent(a, 0), self.tangent(b, 1)
        above = self.above(one - other, np.abs(one) + np.abs(other), tie, later=made(a) > made(b))
        return above if largest else np.logical_not(above)

    def above(self, gap: Any, size: Any, tie: Any, *, later: bool) -> Any:
        """Where the first of two equal values goes above the other, by the gap between tangents of this size; where
        these are equal too, the ``later`` one in the first run."""
        near = np.logical_not(np.greater(np.abs(gap), _NOISE * size))
        self.note(np.logical_and(near, tie))
        return np.where(near, later == self.first, np.greater(gap, 0))

    def note(self, left: Any, what: str = "open") -> None:
        """Note that the direction leaves some open."""
        if bool(np.any(left)) and getattr(self, what) is None:
            setattr(self, what, SWITCH.where or here(3))


SIDE: ContextVar[Side | None] = ContextVar("wengert_side", default=None)


@contextmanager
def replaying() -> Iterator[None]:
    """A block in which the steps of a recording run: the program's own, and those of rules."""
    side = SIDE.get()
    if side is not None:
        side.replays += 1
    try:
        yield
    finally:
        if side is not None:
            side.replays -= 1


def plain_or_step(t: Any) -> Any:
    """A tangent that decides: its value, or in a recording that runs again the step that computes it."""
    if not is_handle(t):
        return t
    running = tracing.get()
    return t if running is not None and running.full is not None else t.value


def made(x: Any) -> int:
    """When an operand was made; 0 for a constant."""
    return x.node.seq if is_handle(x) and x.node is not None else 0


def rounded(t: Any, shape: tuple[int, ...]) -> Any:
    """The tangent of an array without its noise, so that what is equal along the direction is equal."""
    scale = np.max(np.abs(t)) if is_handle(t) else np.max(np.abs(t), initial=0.0)
    scale = np.where(np.equal(scale, 0), 1.0, scale) * _NOISE
    return np.rint(t / scale) * scale + np.zeros(shape)


def unasked(x: Any) -> bool:
    """Whether no second derivative is taken by way of an operand of a rule, so that no side need be looked for."""
    return not is_handle(x) and SIDE.get() is None


def side_at(kink: Callable[..., Any], *operands: Any) -> Side | None:
    """The side to take where a rule has met a kink of its operands, or None: then its element of least norm is right.

    ``kink(*operands)`` is the mask of the elements on a kink; it is asked where a second derivative is being taken.
    """
    side = SIDE.get()
    if side is None:
        if any(map(is_handle, operands)) and choice.get() == LEAST_NORM:
            _look(kink, operands)
        return None
    if (side.along is None and not any(map(is_handle, operands))) or choice.get() != LEAST_NORM:
        return None
    own = side.along is not None and side.along[0] is side.frame
    return None if not own and side.is_once(operands) else side


def is_kinked(graph: Graph) -> bool:
    """Whether a derivative of a graph may meet an operation that asks for a side, also in graphs inside its steps."""
    seen: set[Any] = set()
    stack = [o for o in graph.outputs if not isinstance(o, Const)]
    while stack:
        node = stack.pop()
        if node in seen or node.op.kind == CONSTANT:
            continue
        seen.add(node)
        inner = [g for p in node.params for g in (p if type(p) is tuple else (p,)) if type(g) is Graph]
        if node.op.name in KINKED or any(map(is_kinked, inner)):
            return True
        stack.extend(a for a in node.args if not isinstance(a, Const))
    return False


def differentiations() -> int:
    """How many of the running traces differentiate what runs now."""
    frame = tracing.get()
    return sum(map(_differentiates, frame.chain())) if frame is not None else 0


def _differentiates(frame: Frame) -> bool:
    return frame.side is None and (frame.kind in (REVERSE, FORWARD, LINEARIZE) or frame.note is FOLDING)


def _look(kink: Callable[..., Any], operands: Any) -> None:
    """Tell the outermost trace that differentiates what runs now where it met a kink."""
    found, recorded = None, False
    handles = [x for x in operands if is_handle(x)]
    frame = tracing.get()
    while frame is not None:
        if frame.ties is not None and any(x.node and frame.ties.depends(x.node.tangents) for x in handles):
            return  # equal eigenvalues have no order of their own: the mean is right, or is refused (``linalg/ties``)
        if _differentiates(frame):
            found = frame
        recorded = recorded or (frame.kind == FULL and frame.note is not TANGENTS)
        frame = frame.parent
    if found is None or found.kinked is not None:
        return
    # (In what is recorded to run at other values the question is a guard.)
    if bool(np.any(kink(*(operands if recorded else [x.value if is_handle(x) else x for x in operands])))):
        found.kinked = SWITCH.where or here(3)


__all__ = [
    "SIDE",
    "Side",
    "differentiations",
    "is_kinked",
    "made",
    "plain_or_step",
    "replaying",
    "rounded",
    "side_at",
    "unasked",
]
