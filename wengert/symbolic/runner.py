"""Evaluating one form again and again: by its NumPy program, then by what is fastest of it and its rivals.

Rivals are the same program in other words, as native code, and the accumulated derivative of the formula's own value,
compiled. Imports NumPy only. Invariant: making a rival starts when evaluation has taken as long as that may cost, so
that it at most doubles the time spent; a rival is taken only where its value is that of the program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FLOAT = np.dtype(float)
COST = 0.1
"""Seconds of evaluation after which a rival is compiled: about what it costs. The next one comes after twice that."""
WORDS = 0.1
"""What a rival costs that is written in other words only, as a share of ``COST``."""
LONG = 0.02
"""Seconds of one evaluation that is left to NumPy: what takes that long is one large product."""
ROUNDS = 7
TIMED = 8
"""Of so many evaluations one is timed, once so many have been."""

Kinds = tuple[Any, ...]


def kinds_of(values: Mapping[str, Any]) -> Kinds:
    """Names and shapes of arrays of float64 and of plain floats; what else there is makes it no key of any runner."""
    return tuple(
        [(n, v.shape if type(v) is np.ndarray and v.dtype is FLOAT else v.__class__) for n, v in values.items()]
    )


def plain(kinds: Kinds) -> bool:
    """Whether all values are arrays of float64 and floats."""
    return all(type(k) is tuple or k is float for _, k in kinds)


def checked(kinds: Kinds, bound: Mapping[str, Any], runner: Runner) -> Callable[[Mapping[str, Any]], Any]:
    """A function that gives what ``runner`` evaluates for named values of these kinds, and None for others."""
    given = {name: f"v{k}" for k, (name, _) in enumerate(kinds)}
    space: dict[str, Any] = {"ndarray": np.ndarray, "FLOAT": FLOAT, "bound": bound, "runner": runner}
    tests = []
    for k, (_, kind) in enumerate(kinds):
        space[f"shape{k}"] = kind
        array = f"type(v{k}) is ndarray and v{k}.dtype is FLOAT and v{k}.shape == shape{k}"
        tests.append(array if type(kind) is tuple else f"type(v{k}) is float")
    lines = [
        "def check(values):",
        f"    if len(values) != {len(kinds)}:",
        "        return None",
        "    try:",
        *[f"        {word} = values[{name!r}]" for name, word in given.items()],
        "    except KeyError:",
        "        return None",
        f"    if {' and '.join(tests) or True}:",
        f"        return runner.call({', '.join(given.get(n, f'bound[{n!r}]') for n in runner.names)})",
    ]
    exec("\n".join(lines), space)
    found: Callable[[Mapping[str, Any]], Any] = space["check"]
    return found


class Runner:
    """A function for arrays of certain shapes; ``call`` is what evaluates it now, ``rivals`` make others in turn.

    The first ``early`` of them are not compiled. Evaluations that take ``LONG`` are left to the function, unless it is
    ``patient``.
    """

    __slots__ = ("call", "calls", "check", "due", "early", "function", "long", "names", "rivals", "spent")

    def __init__(
        self,
        function: Callable[..., Any],
        names: Sequence[str],
        rivals: Sequence[Callable[[], Callable[..., Any]]],
        patient: bool = False,
        early: int = 0,
    ) -> None:
        self.function = function
        self.names = tuple(names)
        self.rivals = list(rivals)
        self.early = early
        self.spent = 0.0
        self.due = COST
        self.calls = 0
        self.long = math.inf if patient else LONG
        self.call: Callable[..., Any] = self._counted if rivals else function
        self.check: Callable[[Mapping[str, Any]], Any] | None = None

    def _counted(self, *arrays: Any) -> Any:
        calls = self.calls = self.calls + 1
        if calls > TIMED and calls % TIMED:
            return self.function(*arrays)
        begin = time.perf_counter()
        found = self.function(*arrays)
        self.spent += (time.perf_counter() - begin) * (TIMED if calls > TIMED else 1)
        if self.spent > (self.due * WORDS if self.early else self.due):
            self._compare(arrays, found)
        return found

    def _compare(self, arrays: Sequence[Any], wanted: Any) -> None:
        """Take the faster of the function and its next rival at these arrays."""
        self.call = self.function  # whatever happens below, and in other threads
        early, self.early = self.early, max(0, self.early - 1)
        if not early and self.spent > self.long * self.calls:
            return
        made = _ready(self.rivals.pop(0), arrays, wanted)
        if made is not None and _faster(made, self.function, arrays):
            self.function = self.call = made
        if self.rivals:
            self.due *= 1 if early else 2
            self.spent, self.calls = 0.0, 0
            self.call = self._counted


def _ready(rival: Callable[[], Callable[..., Any]], arrays: Sequence[Any], wanted: Any) -> Callable[..., Any] | None:
    """A rival that has run three times; None where it cannot be made or has another value."""
    try:
        made = rival()
        for _ in range(3):
            found = made(*arrays)
    except Exception:  # noqa: BLE001  what cannot be compiled stays as it is
        return None
    return made if same(found, wanted) else None


def _faster(rival: Callable[..., Any], function: Callable[..., Any], arrays: Sequence[Any]) -> bool:
    times: list[list[float]] = [[], []]
    repeats = max(1, round(5e-4 / max(_seconds(rival, arrays, 1), 1e-7)))
    for _ in range(ROUNDS):
        for which, call in enumerate((function, rival)):
            times[which].append(_seconds(call, arrays, repeats))
    return min(times[1]) < 0.95 * min(times[0])


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are of one type and shape and agree up to rounding."""
    if type(found) is not type(wanted) or np.shape(found) != np.shape(wanted):
        return False
    given, other = np.asarray(found), np.asarray(wanted)
    if given.dtype != other.dtype or given.flags.writeable != other.flags.writeable:
        return False
    finite = np.abs(np.asarray(wanted)[np.isfinite(wanted)])
    scale = float(np.max(finite, initial=0.0))
    return bool(np.allclose(found, wanted, rtol=1e-9, atol=1e-12 * scale, equal_nan=True))


def _seconds(call: Callable[..., Any], arrays: Sequence[Any], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        call(*arrays)
    return (time.perf_counter() - begin) / repeats


__all__ = ["Runner", "checked", "kinds_of", "plain", "same"]
