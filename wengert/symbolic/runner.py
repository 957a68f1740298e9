"""Evaluating one form again and again: by its NumPy program, then by whichever of that and native code is faster.

Imports NumPy only. Invariant: compiling starts when NumPy has taken as long as it may cost, so that it at most doubles
the time spent; native code is taken only where its value is that of the NumPy program.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FLOAT = np.dtype(float)
COST = 0.2
"""Seconds of evaluation after which compiling is tried: about what it costs."""
LONG = 0.02
"""Seconds of one evaluation that is left to NumPy: what takes that long is one large product."""
ROUNDS = 7

Kinds = tuple[Any, ...]


def kinds_of(values: Mapping[str, Any]) -> Kinds:
    """Names and shapes of arrays of float64 and of plain floats; what else there is makes it no key of any runner."""
    return tuple(
        [(n, v.shape if type(v) is np.ndarray and v.dtype is FLOAT else v.__class__) for n, v in values.items()]
    )


def plain(kinds: Kinds) -> bool:
    """Whether all values are arrays of float64 and floats."""
    return all(type(k) is tuple or k is float for _, k in kinds)


class Runner:
    """A function for arrays of certain shapes; ``call`` is what evaluates it now."""

    __slots__ = ("call", "calls", "compiler", "function", "names", "spent")

    def __init__(
        self, function: Callable[..., Any], names: Sequence[str], compiler: Callable[[], Callable[..., Any] | None]
    ) -> None:
        self.function = function
        self.names = tuple(names)
        self.compiler = compiler
        self.spent = 0.0
        self.calls = 0
        self.call: Callable[..., Any] = self._counted

    def _counted(self, *arrays: Any) -> Any:
        begin = time.perf_counter()
        found = self.function(*arrays)
        self.spent += time.perf_counter() - begin
        self.calls += 1
        if self.spent > COST:
            self.call = self.function if self.spent > LONG * self.calls else self._chosen(arrays, found)
        return found

    def _chosen(self, arrays: Sequence[Any], wanted: Any) -> Callable[..., Any]:
        """The faster of NumPy and native code at these arrays."""
        self.call = self.function  # whatever happens below, and in other threads
        try:
            compiled = self.compiler()
            if compiled is None:
                return self.function
            for _ in range(3):
                found = compiled(*arrays)
        except Exception:  # noqa: BLE001  what cannot be compiled stays NumPy
            return self.function
        if not same(found, wanted):
            return self.function
        times: list[list[float]] = [[], []]
        repeats = max(1, round(5e-4 / max(_seconds(compiled, arrays, 1), 1e-7)))
        for _ in range(ROUNDS):
            for which, call in enumerate((self.function, compiled)):
                times[which].append(_seconds(call, arrays, repeats))
        return compiled if min(times[1]) < 0.95 * min(times[0]) else self.function


def same(found: Any, wanted: Any) -> bool:
    """Whether two values are of one type and shape and agree up to rounding."""
    if type(found) is not type(wanted) or np.shape(found) != np.shape(wanted):
        return False
    if np.asarray(found).dtype != np.asarray(wanted).dtype:
        return False
    finite = np.abs(np.asarray(wanted)[np.isfinite(wanted)])
    scale = float(np.max(finite, initial=0.0))
    return bool(np.allclose(found, wanted, rtol=1e-9, atol=1e-12 * scale, equal_nan=True))


def _seconds(call: Callable[..., Any], arrays: Sequence[Any], repeats: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        call(*arrays)
    return (time.perf_counter() - begin) / repeats


__all__ = ["Runner", "kinds_of", "plain", "same"]
