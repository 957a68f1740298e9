"""What a plan takes in all, and how much of it may be spent on writing seldom run code shorter.

Imports nothing. Invariant: no answer depends on it: the same elements are read and written, one instruction
per vector where the code is seldom run (half as fast), one per lane where time counts."""

from __future__ import annotations

from dataclasses import dataclass

PER_CYCLE = 16.0
"""Operations of a cycle at most."""
IN_ALL, EACH = 0.015, 0.0015
"""The parts of all cycles that short code may cost, in all and at one place of the text."""


@dataclass
class Spare:
    """Cycles that may be spent."""

    left: float
    each: float

    def spend(self, cycles: float) -> bool:
        """Spend some, if they are few enough."""
        fits = cycles <= min(self.left, self.each)
        if fits:
            self.left -= cycles
        return fits


def spare(operations: float) -> Spare:
    """What short code may cost in a plan of so many operations."""
    cycles = operations / PER_CYCLE
    return Spare(IN_ALL * cycles, EACH * cycles)


__all__ = ["Spare", "spare"]
