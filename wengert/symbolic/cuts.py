"""Stretches of axes, and how an index names them.

Imports dims only. Invariant: an index counts from the end where only the distance to the end is known, so that NumPy
cuts it off at the ends of short axes as it does for the slice that was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.symbolic.dims import Dim, Size


@dataclass(frozen=True, slots=True)
class Cut:
    """The entries ``start, start + step, ...`` of an axis of length ``whole``, ``count`` of them."""

    start: Size
    count: Size
    step: int
    whole: Size

    @property
    def all(self) -> bool:
        """Whether it is the axis itself."""
        return self.start == 0 and self.step == 1 and self.count == self.whole

    @property
    def stop(self) -> Any:
        """The place behind the last entry, in the direction of the step."""
        return self.start + self.step * (self.count - 1) + (1 if self.step > 0 else -1)

    @property
    def writable(self) -> bool:
        """Whether an index can name it whatever the sizes: a place before the first entry has no number."""
        return self.step > 0 or isinstance(self.stop, int)


def index_of(cuts: Sequence[Cut], dimension: Callable[[Any], str]) -> str:
    """An index without its brackets; whole axes at the end are left out.

    >>> index_of([Cut(1, 4, 1, 5), Cut(0, 3, 1, 5)], str)
    '1:, :3'
    """
    words = [_slice(c, dimension) for c in cuts]
    while len(words) > 1 and words[-1] == ":":
        words.pop()
    return ", ".join(words)


def _slice(cut: Cut, dimension: Callable[[Any], str]) -> str:
    forwards = cut.step > 0
    first = "" if cut.start == (0 if forwards else cut.whole - 1) else _place(cut.start, cut.whole, dimension)
    end = cut.stop == cut.whole if forwards else cut.stop == -1
    last = "" if end else _place(cut.stop, cut.whole, dimension)
    return f"{first}:{last}{'' if cut.step == 1 else f':{cut.step}'}"


def _place(value: Any, whole: Any, dimension: Callable[[Any], str]) -> str:
    back = value - whole
    return str(back) if isinstance(value, Dim) and isinstance(back, int) and back < 0 else dimension(value)


__all__ = ["Cut", "index_of"]
