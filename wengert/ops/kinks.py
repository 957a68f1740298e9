"""Points without a unique derivative: which element of the generalised gradient is taken, and who
is told that one was met.

The default element is the one of least norm: 0 for ``abs`` and relu, the even split for a tie of
``maximum``. An operation says with its fact ``kink`` where it is not smooth; a ``Watcher`` on a
frame asks it. Imports core. Invariant: no operation reads the choice where it does not matter, and
while a derivative rule is evaluated nothing is reported.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wengert.core.errors import KinkError, KinkWarning, error_at
from wengert.core.handle import is_handle
from wengert.core.node import Where, here, line_of
from wengert.core.op import Op


class Choice(NamedTuple):
    """The element taken at a kink: the slopes of ``abs`` and relu at 0, the share of the first
    operand at a tie, and of the first of equal extremes of an array (None: all get the same)."""

    abs: float = 0.0
    relu: float = 0.0
    max: float = 0.5
    first: float | None = None


LEAST_NORM = Choice()
choice: ContextVar[Choice] = ContextVar("wengert_subgradient", default=LEAST_NORM)


def some(mask: Any) -> bool:
    """Whether a mask needs looking at: it has a true element, or it is itself recorded (then nobody
    knows)."""
    return True if is_handle(mask) else bool(np.any(mask))


@dataclass(frozen=True, slots=True)
class KinkReport:
    """One line of the user's program where an operation was evaluated at a kink.

    ``op`` the operation, ``file`` and ``line`` the user's line, ``count`` how many elements sat on
    a kink (all evaluations of that line together), ``where`` the index of the first such element in
    the operation's result (``()`` for a scalar).

    >>> print(KinkReport("absolute", "model.py", 12, 3, (4,)))
    absolute met a kink 3 times, first at index (4,)
      at model.py:12
    """

    op: str
    file: str
    line: int
    count: int
    where: tuple[int, ...]

    def __str__(self) -> str:
        at = f" at index {self.where}" if self.where else ""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{self.op} met a kink {times}, first{at}\n  at {self.file}:{self.line}"


MODES = ("warn", "raise", "record")


class Watcher:
    """Looks at every step of a trace and warns, raises or notes when its operands sit on a kink."""

    __slots__ = ("_found", "mode")

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self._found: dict[tuple[str, Where], list[Any]] = {}

    def look(self, op: Op, values: Sequence[Any], params: Sequence[Any], y: Any, node: Any) -> None:
        """Called for each step whose operation has a ``kink`` fact; ``node`` is None for an
        operation without derivative."""
        if node is not None and node.abstract:
            return
        with np.errstate(all="ignore"):
            mask = op.kink(values, params, y)
        if mask is None or mask is False or not np.any(mask) or _inside_rule():
            return
        where = node.where if node is not None else here(3)
        count = int(np.count_nonzero(mask))
        first = tuple(int(i) for i in np.argwhere(mask)[0]) if np.ndim(mask) else ()
        file, line, _ = line_of(where)
        point = _operands(op, values, np.shape(mask), first)
        if self.mode == "raise":
            at = f" (element {first})" if first else ""
            raise error_at(
                KinkError,
                f"{op.name} has no unique derivative at {point}{at}",
                fix="move the point, choose an element with wengert.subgradient, or allow it with "
                'nonsmooth="ignore"',
                where=where,
            )
        key = (op.name, where)
        known = self._found.get(key)
        if known is not None:
            known[0] += count
            return
        self._found[key] = [count, first, file, line]
        if self.mode == "warn":
            warnings.warn_explicit(
                f"{op.name} has no unique derivative at {point}: the element of least norm (or the "
                f"one chosen with wengert.subgradient) is used\n  at {file}:{line}",
                KinkWarning,
                file,
                line,
            )

    def reports(self) -> list[KinkReport]:
        """What was found so far, one report per operation and place in the program."""
        return [
            KinkReport(name, file, line, count, first)
            for (name, _), (count, first, file, line) in self._found.items()
        ]


def _operands(op: Op, values: Sequence[Any], shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    shown = []
    names = (
        op.inputs if len(op.inputs) == len(values) else [f"operand {k}" for k in range(len(values))]
    )
    for name, value in zip(names, values, strict=True):
        part = value
        if index:
            try:
                part = np.broadcast_to(value, shape)[index]
            except ValueError:
                continue
        if np.ndim(part) == 0:
            shown.append(f"{name} = {part}")
    return ", ".join(shown) or "this point"


_RULES = frozenset(
    {"partial_value", "push_general", "pull_general", "push_linear", "run_lifted", "push"}
)


def _inside_rule() -> bool:
    """Whether a derivative rule is being evaluated (its own comparisons are no kinks of the user's
    program)."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name in _RULES and code.co_filename.endswith(
            ("visit.py", "sweep.py", "record.py")
        ):
            return True
        if code.co_name == "call" and code.co_filename.endswith("engine.py"):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False
