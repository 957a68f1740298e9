"""Equal eigenvalues and singular values in forward mode: the basis that goes with the direction, and if it matters.

Along a direction dX one basis of a space of equal values continues smoothly (Rellich): that in which dX has no entries
between them. With it the derivatives of values, and of what does not ask for the basis, are exact. Whether a result
asks is seen by two more tangents: the *turn* (what another basis changes) and the *doubt* (what rounding changes).
Imports core, ``linalg/checks``. Invariant: a result whose turn exceeds its doubt is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from itertools import takewhile
from typing import Any

import numpy as np

from wengert.core.context import ABSTRACT, FORWARD, LINEARIZE, REVERSE, TIES, Frame, tracing
from wengert.core.errors import TieError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import here
from wengert.core.op import OPS, Op
from wengert.core.record import seen_from
from wengert.ops.contract import rank
from wengert.ops.kinds import general, linear
from wengert.ops.linalg.checks import recorded_again
from wengert.ops.linalg.matrices import eps_of, raw, refuse
from wengert.ops.memory import sync
from wengert.ops.reduce import tied

_FIX = (
    "use what does not depend on which vectors span their space (all of them together, or V f(w) V^H); single vectors, "
    "and values of which equal ones count differently (a largest, a smallest), have no derivative there"
)


_lost_in_body: ContextVar[Any] = ContextVar("wengert_lost_in_body", default=None)
"""Where the last derivative of a loop's body met equal values: a new tuple each time."""


class Ties:
    """What a forward trace knows about equal values it met: the two frames whose tangents tell, and where."""

    __slots__ = ("before", "doubt", "lost", "ordered", "turn", "where")

    def __init__(self) -> None:
        self.turn: Frame | None = None
        self.doubt: Frame | None = None
        self.where: Any = None
        self.lost: Any = None
        self.before = _lost_in_body.get()
        self.ordered: dict[Any, list[Any]] = {}  # sums of what arrives where equal values are ordered (``_Extremes``)

    def begin(self, forward: Frame) -> None:
        """Let two more tangents run behind ``forward``, in every trace inside it."""
        if self.turn is not None:
            return
        self.turn, self.doubt = Frame(FORWARD, forward.parent), Frame(FORWARD, forward.parent)
        running = tracing.get()
        for frame in running.chain() if running is not None else ():
            place = frame.forwards.index(forward) + 1
            frame.forwards = (*frame.forwards[:place], self.turn, self.doubt, *frame.forwards[place:])
            if frame.kinks is None:
                frame.kinks = _Extremes(self, forward)
            if frame is forward:
                break

    def depends(self, tangents: Any) -> bool:
        """Whether a value with these tangents depends on equal eigenvalues or singular values."""
        return bool(tangents) and (self.turn in tangents or self.doubt in tangents)

    def is_free(self, tangents: Any) -> bool:
        """Whether a value with these tangents does not depend on the basis of equal values, up to rounding."""
        turned, doubt = tangents.get(self.turn), tangents.get(self.doubt)
        if turned is None:
            return True
        room = np.max(np.abs(doubt), initial=0.0) if doubt is not None else 0.0
        return _all(np.less_equal(np.max(np.abs(turned), initial=0.0), room))

    def check(self, outputs: Sequence[Any], forward: Frame) -> None:
        """Raise TieError where an output depends on the basis, or lost its tangent at a tie."""
        if self.lost is None and _lost_in_body.get() is not self.before:
            self.lost = _lost_in_body.get()
        if self.turn is None and self.lost is None:
            return
        reached = any(is_handle(o) and o.node is not None and self.depends(o.node.tangents) for o in outputs)
        for where, small, *sums in self.ordered.values() if reached else ():
            if all(np.max(np.abs(sums[k])) <= small * sums[2 + k] for k in (0, 1)):
                continue
            raise error_at(
                TieError,
                "a second derivative was taken through an order of equal eigenvalues or singular values (a largest, a "
                "smallest, a sorted one); it does not exist there",
                fix="use a function that treats all values alike (a sum of f(w)), without sorting them: they are "
                "sorted already, and w[::-1] turns them around",
                where=where,
            )
        for out in outputs:
            tangents = out.node.tangents if is_handle(out) and out.node is not None else None
            if not tangents:
                continue
            moved = tangents.get(forward)
            if moved is None:
                continue
            if self.lost is not None and not _all(np.isfinite(moved)):
                raise error_at(
                    TieError,
                    "vectors or second derivatives of equal eigenvalues or singular values were used in a way that "
                    "leaves their derivative open",
                    fix="one direction at a time is exact: take jvp once, and second derivatives of functions of the "
                    "values forward over reverse (hessian, jvp(grad(f), ...))",
                    where=self.lost[0],
                )
            if _all(np.isfinite(moved)) and not self.is_free(tangents):
                raise error_at(
                    TieError,
                    "a result depends on which vectors were taken for equal eigenvalues or singular values; it has no "
                    "derivative there (nor has a second derivative that treats equal values differently)",
                    fix=_FIX,
                    where=self.where,
                )


def _repeats(values: Any, params: Any, y: Any) -> Any:
    return np.any(np.diff(np.sort(values[0], axis=params[-1]), axis=params[-1]) == 0)


_ORDERING: dict[str, Any] = {
    **dict.fromkeys(("max", "min"), tied),
    **dict.fromkeys(("sort", "partition"), _repeats),
    **dict.fromkeys(("maximum", "minimum", "fmax", "fmin"), lambda values, params, y: values[0] == values[1]),
    "vector_norm": lambda values, params, y: params[0] in (np.inf, -np.inf),
}


class _Extremes:
    """A watcher of kinks that looks where equal values are ordered in a program whose gradient is being differentiated.

    The even split is the derivative of no order; only where no cotangent arrives (the shift of a softmax) it is not
    needed. So such a step gets a pull that looks.
    """

    __slots__ = ("forward", "mode", "ties")

    def __init__(self, ties: Ties, forward: Frame) -> None:
        self.ties, self.forward, self.mode = ties, forward, TIES

    def look(self, op: Op, values: Sequence[Any], params: Sequence[Any], y: Any, node: Any) -> None:
        """Called for each step."""
        if op.name not in _ORDERING or node is None or node.abstract:
            return
        if not any(n is not None and self.ties.depends(getattr(n, "tangents", None)) for n in node.inputs):
            return
        frame = tracing.get()
        inside = [] if frame is None else [f.kind for f in takewhile(lambda f: f is not self.forward, frame.chain())]
        if REVERSE in inside and np.any(_ORDERING[op.name](values, params, y)):
            watched = copy(op)
            watched.pull = self._pull
            node.op = watched

    def _pull(self, node: Any, ct: Any, sweep: Any) -> None:
        parents = tuple(n for n in node.inputs if n is not None)
        key = (node.op.name, node.params[:1], *parents)
        sums = self.ties.ordered.setdefault(key, [node.where, eps_of(ct) ** (2.0 / 3.0), 0.0, 0.0, 0.0, 0.0])
        for k in (0, 1):  # the cotangent itself, and its tangent; what else arrived so far tells their size
            sums[2 + k] = sums[2 + k] + np.ravel(self._part(ct, k))
            others = (np.max(np.abs(self._part(sweep.cts.get(n), k)), initial=0.0) for n in parents)
            sums[4 + k] = max(sums[4 + k], *others)
        OPS[node.op.name].pull(node, ct, sweep)

    def _part(self, ct: Any, order: int) -> Any:
        if order and ct is not None:
            node = ct.node if is_handle(ct) else None
            ct = node.tangents.get(self.forward) if node is not None and node.tangents else None
        return 0.0 if ct is None else raw(ct)


def _all(mask: Any) -> bool:
    return bool(np.all(mask)) if not is_handle(mask) else bool(mask.all() if hasattr(mask, "all") else mask)


def direction(x: Any) -> tuple[Frame, Any] | None:
    """The outermost forward trace that moves ``x``, and the tangent it has there; None where nothing moves it.

    The tangent is None where one basis cannot serve: two directions at once, a tangent without data, a trace that does
    not look at its outputs, or a direction that is itself being differentiated.
    """
    frame = tracing.get()
    if frame is None or not frame.forwards or not is_handle(x):
        return None
    if x.base is not None:
        sync(x)
    tangents = x.node.tangents if x.node is not None and not x.node.abstract else None
    if not tangents:
        return None
    own = {f for g in frame.forwards if g.ties is not None for f in (g.ties.turn, g.ties.doubt)}
    found = [(f, tangents[f]) for f in frame.forwards if f not in own and tangents.get(f) is not None]
    if not found:
        return None
    first, along = found[0]
    others = [t for _, t in found[1:]]
    if any(is_handle(t) and t.node is not None and t.node.abstract for _, t in found):
        return first, None
    if first.ties is None or _differentiated(along, first.parent) or not all(parallel(along, t) for t in others):
        return first, None
    if not recorded_again() and not np.any(raw(along)):
        return None
    return first, along


def _differentiated(along: Any, around: Frame | None) -> bool:
    if not is_handle(along) or along.node is None or around is None:
        return False
    node = along.node
    for frame in around.chain():
        if frame.kind == FORWARD:
            if node.tangents and frame in node.tangents:
                return True
        elif frame.kind in (REVERSE, LINEARIZE, ABSTRACT) and node.seq >= frame.start:
            return True
    return False


def parallel(one: Any, other: Any) -> bool:
    """Whether two directions are the same up to a factor, and are sure to stay so."""
    if one is other or (is_handle(one) and is_handle(other) and one.node is other.node is not None):
        return True
    if recorded_again() and (is_handle(one) or is_handle(other)):
        return False
    a, b = raw(one), raw(other)
    if np.shape(a) != np.shape(b):
        return False
    factor = np.vdot(a, a).real
    if factor == 0.0:
        return True
    gap = b - a * (np.vdot(a, b).real / factor)
    return bool(np.max(np.abs(gap), initial=0.0) <= 16.0 * eps_of(a) * np.max(np.abs(b), initial=0.0))


def along_one(record: Any, tied_at: Callable[..., bool]) -> Any:
    """Let an operation on ``(x, along)`` with vectors among its results lose their tangents in other directions, where
    ``tied_at(x, *outputs)`` says that some values are equal."""
    push = record.op.push

    def checked(values: Any, y: Any, params: Any, tangents: Any, moving: Any) -> Any:
        out = push(values, y, params, tangents, moving)
        if tangents[0] is None or parallel(values[1], tangents[0]) or not tied_at(values[0], *y):
            return out
        if not concrete(tangents[0]):
            return tuple(t if rank(t) < rank(tangents[0]) else undetermined(t, here(3)) for t in out)
        return tuple(t if rank(t) < rank(tangents[0]) else t * np.nan for t in out)

    record.op.push = checked
    return record


def refuse_direction(name: str) -> None:
    """Raise: the basis of equal values goes with a direction that is itself being differentiated."""
    refuse(
        f"{name}: the vectors of equal values go with the direction, and that is itself being differentiated",
        "take such derivatives where the values differ",
        kind=TieError,
    )


@contextmanager
def without_turn(x: Any, forward: Frame) -> Iterator[None]:
    """A block in which a value that does not depend on the basis of an earlier tie has no such tangents."""
    ties, tangents = forward.ties, x.node.tangents
    if ties.turn in tangents and ties.is_free(tangents):
        x.node.tangents = {f: t for f, t in tangents.items() if f is not ties.turn and f is not ties.doubt}
    try:
        yield
    finally:
        x.node.tangents = tangents


def concrete(dx: Any) -> bool:
    """Whether a tangent has data (while a rule is being transposed it has a type only)."""
    return not (is_handle(dx) and dx.node is not None and dx.node.abstract)


def lose(forward: Frame) -> None:
    """Note that tangents behind a tie are not to be had here; only a result that needs them is refused."""
    if forward.ties is None:  # the derivative of a body of a loop is recorded by itself
        _lost_in_body.set((here(3),))
    elif forward.ties.lost is None:
        forward.ties.lost = (here(3),)


def mark(outputs: Any, forward: Frame, turns: Any, doubts: Any) -> None:
    """Give the results of a step the two more tangents; ``turns`` and ``doubts`` get the results as they are seen from
    outside of ``forward``, and return one tangent (or None) for each."""
    forward.ties.begin(forward)
    several = type(outputs) is tuple
    parts = outputs if several else (outputs,)
    source = parts[0].node.inputs[0] if several and parts[0].node.op.name == "item" else None
    if forward.ties.where is None:
        forward.ties.where = parts[0].node.where
    outer = forward.parent
    seen = [p.value if outer is None else seen_from(outer, p.value, p.node) for p in parts]
    for frame, rule in ((forward.ties.turn, turns), (forward.ties.doubt, doubts)):
        token = tracing.set(outer)
        try:
            made = rule(*seen)
        finally:
            tracing.reset(token)
        for part, tangent in zip(parts, made, strict=True):
            if tangent is not None:
                _add(part.node, frame, tangent)
        if source is not None and any(t is not None for t in made):
            source.tangents = source.tangents or {}
            have = source.tangents.get(frame) or (None,) * len(made)
            source.tangents[frame] = tuple(
                t if h is None else h if t is None else h + t for h, t in zip(have, made, strict=True)
            )


def _add(node: Any, frame: Any, tangent: Any) -> None:
    node.tangents = node.tangents or {}
    have = node.tangents.get(frame)
    node.tangents[frame] = tangent if have is None else have + tangent


def _refused(x: Any, where: Any) -> Any:
    raise error_at(
        TieError,
        "the derivative of vectors that belong to equal eigenvalues or singular values was asked for as a linear map; "
        "which vectors go on smoothly depends on the direction",
        fix="take one direction at a time (jvp, jacfwd), or use what depends on the values alone",
        where=where,
    )


undetermined = linear(
    "undetermined",
    _refused,
    [lambda ct, where: _refused(ct, where)],
    params={"where": None},
    shape=lambda x_shape: x_shape,
    listed=False,  # no law holds for what only refuses
    doc="A tangent that equal values leave open: nothing, unless somebody asks for it; then an error.",
)


def _no_second(dx: Any, where: Any, what: str) -> Any:
    raise error_at(
        TieError,
        f"the gradient of a norm that is the {what} has no derivative here",
        fix="use a function that treats all values alike, or keep the values apart",
        where=where,
    )


final = general(
    "final",
    lambda x, where, what: x,
    [_no_second],
    params={"where": None, "what": ""},
    shape=lambda x_shape: x_shape,
    listed=False,
    doc="The same value, of which no derivative is to be had.",
)


__all__ = [
    "Ties", "along_one", "concrete", "direction", "final", "lose", "mark", "parallel", "refuse_direction",
    "undetermined", "without_turn",
]  # fmt: skip
