"""Where a value is evaluated: affine positions over loop variables, with the interval of what they may be.

Imports NumPy's index form only. Invariant: a variable's interval holds every value that any of its lanes takes while
its code runs, so a guard or a bound that is decided from intervals is decided for all iterations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

_numbers = count()


class Variable:
    """A loop counter (lane k stands at ``name`` + k when ``width`` > 1), or an index that is itself a value
    (``free``; a vector of any indices when ``width`` > 1)."""

    __slots__ = ("free", "high", "low", "name", "number", "width")

    def __init__(self, name: str, low: int, high: int, width: int = 1, *, free: bool = False) -> None:
        self.name, self.low, self.high, self.width, self.free = name, low, high, width, free
        self.number = next(_numbers)


@dataclass(frozen=True, slots=True)
class Position:
    """``offset`` + the sum of coefficient * variable; ``terms`` are sorted by the variables' numbers."""

    terms: tuple[tuple[Variable, int], ...] = ()
    offset: int = 0

    def __add__(self, other: Position | int) -> Position:
        if isinstance(other, int):
            return Position(self.terms, self.offset + other)
        if not self.terms:
            return Position(other.terms, self.offset + other.offset)
        if not other.terms:
            return Position(self.terms, self.offset + other.offset)
        found = dict(self.terms)
        for variable, factor in other.terms:
            found[variable] = found.get(variable, 0) + factor
        terms = sorted(((v, c) for v, c in found.items() if c), key=lambda t: t[0].number)
        return Position(tuple(terms), self.offset + other.offset)

    def __mul__(self, factor: int) -> Position:
        if factor == 1:
            return self
        if factor == 0:
            return ZERO
        return Position(tuple((v, c * factor) for v, c in self.terms), self.offset * factor)

    def __sub__(self, other: Position) -> Position:
        return self + other * -1

    @property
    def low(self) -> int:
        """The least value."""
        return self.offset + sum(c * (v.low if c > 0 else v.high) for v, c in self.terms)

    @property
    def high(self) -> int:
        """The greatest value."""
        return self.offset + sum(c * (v.high if c > 0 else v.low) for v, c in self.terms)

    @property
    def width(self) -> int:
        """How many lanes it differs over."""
        return max((v.width for v, _ in self.terms), default=1)

    @property
    def gathers(self) -> bool:
        """Whether its lanes are not at equal distances."""
        return any(v.free and v.width > 1 for v, _ in self.terms)

    @property
    def step(self) -> int:
        """The distance between neighbouring lanes (where it does not gather)."""
        return sum(c for v, c in self.terms if v.width > 1)


ZERO = Position()


def at(variable: Variable) -> Position:
    """The place of one variable."""
    return Position(((variable, 1),))


def fixed(offset: int) -> Position:
    """A constant place."""
    return Position((), offset)


__all__ = ["ZERO", "Position", "Variable", "at", "fixed"]
