"""What a compiled function read from outside: the facts found by the walk, and the arrays that its steps met.

Imports core, ``compiling/reads`` and ``compiling/walk``. Invariant: after ``settle`` the facts are those that held
before the recording run and after it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.api.compiling.reads import Content, Read, Stream
from wengert.api.compiling.walk import Walk
from wengert.core.deferred import Late

_ROUNDS = 12


class Outside:
    """What a function read from outside when it was recorded.

    ``obstacle`` says why it cannot be known (then the function is not compiled), ``reads`` are the facts,
    ``identity`` says whether it may ask if two objects are one."""

    def __init__(self, fun: Any, given: Sequence[Any], check: str) -> None:
        self.check = check
        self.obstacle = ""
        self.identity = False
        self.names: set[str] = set()
        self.stored: set[str] = set()
        self.reads: list[Read] = []
        self.met = Met()
        self.tensors: list[Any] = []
        for _ in range(_ROUNDS):
            known = len(self.names)
            walk = Walk(self.names, self.stored, full=check == "full")
            walk.visit(fun, "the function")
            for value in given:
                walk.visit(value, "an argument")
            walk.streams()
            self.reads, self.obstacle, self.identity = walk.reads, walk.obstacle, walk.identity
            self._arrays = walk.arrays
            self.tensors = list(walk.tensors.values())
            if len(self.names) == known or self.obstacle:
                break
        for read in self.reads:
            if isinstance(read, Content):
                read.keep()

    def changed(self) -> Read | None:
        """What the run of the program itself has changed, if anything."""
        for read in self.reads:
            if not (read.kept() if isinstance(read, Content) else read.holds()):
                return read
        return None

    def restore(self) -> bool:
        """Undo what the run has changed; whether that was possible for all of it (if not, all stays)."""
        if not all(read.restorable() for read in self.reads):
            return False
        for read in self.reads:
            read.restore()
        return True

    def settle(self) -> None:
        """After the run: add the arrays met, let go what served for comparing before and after."""
        for held in self.met.alive():
            if id(held) not in self._arrays and held.dtype != object:
                self._arrays[id(held)] = held
                self.reads.append(Content(f"an array of shape {held.shape}", held, full=self.check == "full"))
        for read in self.reads:
            if isinstance(read, Content):
                read.whole = None
        self.reads = [] if self.check == "none" else [r for r in self.reads if not isinstance(r, Stream)]
        self._arrays = {}

    def differs(self) -> Read | None:
        """The first fact that does not hold any more."""
        for read in self.reads:
            if not read.holds():
                return read
        return None


class Met:
    """The constant arrays that steps of a recording met, and which of them outlive it."""

    def __init__(self) -> None:
        self.unseeded = False  # a random generator without a seed was made
        self.raised: Any = None  # where a step raised
        self.kinks = False  # a gradient inside watches for kinks
        self.text: Any = None  # where text was made of a value
        self.layout = False  # whether it was asked how arrays lie in memory
        self.late: Late | None = None  # the steps that the recording run puts off
        self.hopes: bool | None = None  # what ``begin`` calls so, where steps may be put off later on
        self.patient = False  # whether long loops may be put off once the user's code has run
        self._found: dict[int, weakref.ref[np.ndarray[Any, Any]]] = {}

    def __call__(self, values: Sequence[Any], nodes: Sequence[Any]) -> None:
        """Note the constants among the operands of a step."""
        for value, node in zip(values, nodes, strict=True):
            if node is None and type(value) is np.ndarray:
                while type(value.base) is np.ndarray:
                    value = value.base
                if value.flags.writeable or not value.flags.owndata:
                    self._found[id(value)] = weakref.ref(value)

    def alive(self) -> list[np.ndarray[Any, Any]]:
        """Those that something besides the recording holds (small ones were copied into the graph)."""
        found = [ref() for ref in self._found.values()]
        return [held for held in found if held is not None]


def check_text(reads: Iterable[Read], bind: Callable[[Any], str]) -> list[str]:
    """The facts as expressions of a generated check, each once."""
    return [text for text in dict.fromkeys(read.expression(bind) for read in reads) if text != "True"]


__all__ = ["Met", "Outside", "check_text"]
