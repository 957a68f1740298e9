"""Which traces are running: the chain of frames of this thread or task, and the switch every operation reads.

A frame is one running trace: reverse, forward, full recording, type-only, or linearizing (the record of a linear
program, made on type-only tangents). Frames are entered and left in one call, never held across a yield. Imports
nothing of wengert. Invariant: ``SWITCH.special`` is False only while every running trace in the process is an ordinary
reverse trace, so that the generated fast path may be taken without looking further.
"""

from __future__ import annotations

import gc
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

next_seq = itertools.count(1).__next__

REVERSE, FORWARD, FULL, ABSTRACT, LINEARIZE = "reverse", "forward", "full", "abstract", "linearize"

TIES = "ties"
"""The mode of a watcher of kinks that wants to see every step (``ops/linalg/ties``)."""

FOLDING = "folding"
"""The note of a full recording that is made to be folded, and then to be differentiated."""

TANGENTS = "tangents"
"""The note of a full recording of a derivative whose inputs are tangents or cotangents: no value depends on them."""

EAGER = "eager"
"""The note of the frames that stand around a general operation on Tensors: no function is being traced there."""

BODY = "a body"
"""The note of a full recording of a body (of a loop, a branch), which will run elsewhere, and other times."""


class WritesOutside(BaseException):
    """A body writes into an array from outside of it: it cannot be recorded by itself. (No Exception, which user code
    might catch.)"""


_COLLECTOR = (200_000, 1000, 1000)
_RESTING = (1_000_000, 1000, 1000)


class Frame:
    """One running trace; ``parent`` is the trace it runs inside of, or None."""

    __slots__ = (
        "alive", "asks", "copies", "folds", "forwards", "full", "given", "guards", "keeper", "kind", "kinked", "kinks",
        "met", "note", "parent", "side", "start", "steps", "strayed", "swept", "ties", "watched",
    )

    def __init__(self, kind: str, parent: Frame | None) -> None:
        self.kind = kind
        self.parent = parent
        self.start = next_seq()
        self.alive = True
        # What is fully recorded runs again later: only then do the traces outside of it follow its steps. (But on which
        # side of a kink they are is decided when they are recorded.)
        inherited = parent.forwards if parent is not None else ()
        if kind == FULL and inherited:
            inherited = tuple([f for f in inherited if f.side is not None])
            for f in inherited:
                f.side.recorded = True
        self.forwards: tuple[Frame, ...] = (*inherited, self) if kind == FORWARD else inherited
        # Whether steps made here are going to be pulled: then they keep inputs and residuals. (The steps of a sweep
        # that is itself recorded belong to the traces outside of the one that is swept.)
        self.swept: bool = kind in (REVERSE, ABSTRACT, LINEARIZE) or (parent is not None and parent.swept)
        self.full: Frame | None = self if kind == FULL else (parent.full if parent else None)
        self.guards: list[Any] = []
        self.steps: Any = None  # of a full one, if asked for: steps in order, not those of inner traces
        self.watched: dict[int, tuple[Any, Any, Any]] = {}
        self.copies: dict[Any, Any] | None = None  # of constants that residuals refer to (``constants``)
        self.given: tuple[Any, Any, Any] | None = None  # the function and its arguments
        self.kinks: Any = parent.kinks if parent is not None else None
        self.note: Any = None
        self.asks = False  # of a full one: what a sweep decides on values is a guard too (the graph runs at others)
        # Whether what is differentiated inside is recorded and folded first, so that the derivative has loops too
        # ("reverse": these only ever swept back).
        self.folds: bool | str = parent.folds if parent is not None else False
        self.met: Any = parent.met if parent is not None else None  # is told of the constants met
        self.kinked: Any = None  # where a second derivative met a kink (``ops/sides``)
        self.side: Any = None  # of a forward one that carries the direction which decides there
        self.ties: Any = None  # of a forward one: what equal eigenvalues left open (``ops/linalg/ties``)
        self.strayed: Any = None  # the error of a thread that used its values without knowing of it (``core/record``)
        self.keeper: Any = None  # keeps chosen results in place of residuals (``ops/keeping``)

    def chain(self) -> Iterator[Frame]:
        """This trace and those it runs inside of, from the inside out."""
        frame: Frame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


tracing: ContextVar[Frame | None] = ContextVar("wengert_tracing", default=None)


def current() -> Frame | None:
    """The innermost running trace of this thread or task."""
    return tracing.get()


class Switch:
    """Process-wide facts that generated code reads with one attribute look-up."""

    __slots__ = ("cut", "keeping", "live", "oldest", "special", "sweeping", "where")

    def __init__(self) -> None:
        self.special = True  # nothing is tracing: handles met now are stale
        self.keeping = 0  # running traces that record steps
        self.sweeping = 0  # of these, those for which nodes must keep their inputs and residuals
        self.live: dict[Frame, int] = {}
        self.oldest: float = float("inf")  # the earliest start of a running trace
        self.cut: Any = None  # the last place where a traced value met an operation without derivative
        self.where: Any = None  # while a sweep is itself recorded: the line of the primal node


SWITCH = Switch()
_lock = threading.RLock()
_saved_thresholds: tuple[int, int, int] | None = None
_resting = 0  # blocks that keep the collector from walking over steps that will not outlive them


def _refresh() -> None:
    live = SWITCH.live
    kinds = [frame.kind for frame in live]
    SWITCH.keeping = sum(1 for kind in kinds if kind not in (FORWARD, LINEARIZE))
    # A full recording alone is never swept; a linear program asks which of its steps depend on what is outside.
    SWITCH.sweeping = SWITCH.keeping if LINEARIZE in kinds else SWITCH.keeping - kinds.count(FULL)
    SWITCH.oldest = min((frame.start for frame in live), default=float("inf"))
    SWITCH.special = not live or any(
        frame.kind != REVERSE or frame.kinks is not None for frame in live
    )


def _rest() -> None:
    global _saved_thresholds
    if _saved_thresholds is None and gc.isenabled():
        _saved_thresholds = gc.get_threshold()
        gc.set_threshold(*_COLLECTOR)


def _wake() -> None:
    global _saved_thresholds
    if _saved_thresholds is not None and not SWITCH.live and not _resting:
        if gc.get_threshold() in (_COLLECTOR, _RESTING):
            gc.set_threshold(*_saved_thresholds)
        _saved_thresholds = None


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """A block at whose end a recording has been worked up: until then the collector would only find it alive."""
    global _resting
    with _lock:
        _resting += 1
        _rest()
        if _saved_thresholds is not None and gc.get_threshold() == _COLLECTOR:
            gc.set_threshold(*_RESTING)
    try:
        yield
    finally:
        with _lock:
            _resting = max(0, _resting - 1)
            _wake()


def enter(kind: str, kinks: Any = None) -> tuple[Frame, Token[Frame | None]]:
    """Start a trace of the given kind inside the current one."""
    frame = Frame(kind, tracing.get())
    if kinks is not None:
        frame.kinks = kinks
        if frame.met is not None:
            frame.met.kinks = True
    with _lock:
        # The default collector thresholds make recording quadratic-looking: 17x the time for 10x the steps.
        if not SWITCH.live:
            _rest()
            SWITCH.where = None  # threads that traced at once may have left each other's line behind
        if not SWITCH.live and kind == REVERSE and frame.kinks is None:
            SWITCH.live[frame] = SWITCH.oldest = frame.start
            SWITCH.keeping, SWITCH.sweeping, SWITCH.special = 1, 1, False
        else:
            SWITCH.live[frame] = frame.start
            _refresh()
    return frame, tracing.set(frame)


def reach_back(frame: Frame, seq: int) -> None:
    """Count the nodes from ``seq`` on as alive while this trace runs: a second run meets values of the first."""
    with _lock:
        frame.start = min(frame.start, seq)
        if frame in SWITCH.live:
            SWITCH.live[frame] = frame.start
            _refresh()


def leave(frame: Frame, token: Token[Frame | None]) -> None:
    """End a trace: its handles become stale, the collector's thresholds come back with the last one."""
    tracing.reset(token)
    retire(frame)


def retire(frame: Frame) -> None:
    """The second half of ``leave``, for a frame whose context was reset already (its sweep has run)."""
    frame.alive = False
    with _lock:
        SWITCH.live.pop(frame, None)
        if _saved_thresholds is not None:
            _wake()
        if SWITCH.live:
            _refresh()
        else:
            SWITCH.keeping, SWITCH.sweeping, SWITCH.special, SWITCH.oldest = 0, 0, True, float("inf")


def _after_fork() -> None:
    """Only the forking thread lives on in the child: keep its own frames, forget the others'."""
    global _lock, _resting
    _lock = threading.RLock()
    _resting = 0
    frame = tracing.get()
    mine = set(frame.chain()) if frame is not None else set()
    SWITCH.live = {f: s for f, s in SWITCH.live.items() if f in mine}
    _refresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
