"""The index form of a program: every value as a formula over named axes.

``x[1:] * w`` is ``Map("multiply", Sub(Read(x; I), {I: J + 1}), Read(w; J))``: no shapes, no views, no broadcasting
are left, only which axes a value depends on. ``lower`` makes it from a graph, ``interpret`` evaluates it slowly,
``schedule`` finds its loops. Imports NumPy and ``slots``. Invariants: no value carries an axis twice; a program's
values form a DAG; every axis that an argument has and a value has not is bound by that value (``Reduce.over``,
``Sub.index``, ``Reshaped``, ...)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.llvm.slots import Slot


class Axis:
    """One index with its extent. Axes are unified while a program is built; ``find`` gives the one that stands for
    all that were made one."""

    __slots__ = ("_parent", "extent", "name")

    def __init__(self, extent: int, name: str = "") -> None:
        self.extent, self.name = extent, name
        self._parent: Axis | None = None

    def find(self) -> Axis:
        """The representative of this axis."""
        found = self
        while found._parent is not None:
            found = found._parent
        while self._parent is not None and self._parent is not found:
            self._parent, self = found, self._parent  # noqa: PLW0642 path compression
        return found

    def unify(self, other: Axis) -> Axis:
        """Make two axes of one extent the same axis."""
        a, b = self.find(), other.find()
        if a.extent != b.extent:
            raise ValueError(f"axes of extents {a.extent} and {b.extent} cannot be one")
        if a is not b:
            b._parent = a
        return a

    def __repr__(self) -> str:
        return f"{self.name or 'i'}:{self.extent}"


@dataclass(frozen=True, slots=True)
class Affine:
    """An index ``offset + sum(coefficient * axis)``."""

    terms: tuple[tuple[Axis, int], ...]
    offset: int = 0

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes it depends on."""
        return tuple(a for a, _ in self.terms)


@dataclass(slots=True, eq=False)
class Value:
    """One value of a program, as a function of its axes; ``where`` is the line of the user's that made it."""

    axes: tuple[Axis, ...]
    dtype: np.dtype[Any]
    where: Any = field(default=None, kw_only=True)

    @property
    def arguments(self) -> tuple[Value, ...]:
        """The values that it is computed from."""
        return ()


@dataclass(slots=True, eq=False)
class Read(Value):
    """The element of an array at its axes: ``index`` has one entry per dimension of the slot, an axis or 0 (extent
    1)."""

    slot: Slot
    index: tuple[Axis | int, ...]


@dataclass(slots=True, eq=False)
class Constant(Value):
    """A number (float, int or bool), of no axes."""

    value: Any


@dataclass(slots=True, eq=False)
class Index(Value):
    """The number of the place along its only axis, as int64."""


@dataclass(slots=True, eq=False)
class Map(Value):
    """A scalar function at every place; its axes are those of its arguments together.

    ``function`` is NumPy's name of it (``add``, ``exp``, ``less_equal``, ``logical_and``, ...), or ``select``
    (condition, then, else), or ``cast`` (to ``dtype``). Arguments have been cast to the type in which NumPy
    computes."""

    function: str
    args: tuple[Value, ...]

    @property
    def arguments(self) -> tuple[Value, ...]:
        """The operands."""
        return self.args


@dataclass(slots=True, eq=False)
class Reduce(Value):
    """``arg`` accumulated over the axes ``over``: kind is sum, prod, max, min (both let NaN through), any, all,
    argmax, argmin (first place; ``over`` is then one axis). A contraction is the sum of a product."""

    kind: str
    arg: Value
    over: tuple[Axis, ...]

    @property
    def arguments(self) -> tuple[Value, ...]:
        """The accumulated value."""
        return (self.arg,)


@dataclass(slots=True, eq=False)
class Sub(Value):
    """``arg`` with some of its axes replaced by index expressions: slices, shifts, pads, gathers, diagonals.

    ``index`` maps an axis of ``arg`` to an Affine of other axes, or to a Value of int64 that is known to lie in
    range. Where one of the ``guards`` (an Affine and its bounds, ``low <= it < high``) fails, the value is ``fill``
    and ``arg`` is not read."""

    arg: Value
    index: dict[Axis, Affine | Value]
    guards: tuple[tuple[Affine, int, int], ...] = ()
    fill: Any = 0

    @property
    def arguments(self) -> tuple[Value, ...]:
        """The value that is read, and the indices that are values."""
        return (self.arg, *(i for i in self.index.values() if isinstance(i, Value)))


@dataclass(slots=True, eq=False)
class Reshaped(Value):
    """The elements of ``arg``, laid out in C order of ``source``, read in C order of ``target`` (axes that merge or
    split). Other axes of ``arg`` stay as they are; along an axis of ``source`` that ``arg`` has not, it is a
    broadcast."""

    arg: Value
    source: tuple[Axis, ...]
    target: tuple[Axis, ...]

    @property
    def arguments(self) -> tuple[Value, ...]:
        """The value that is laid out otherwise."""
        return (self.arg,)


@dataclass(slots=True, eq=False)
class Scatter(Value):
    """``base`` (zeros where None) with ``source`` written (``mode`` set: the last in C order of ``order`` stays) or
    added (``mode`` add) at ``place``, one index in terms of the axes of ``source`` for each axis in ``axes``."""

    base: Value | None
    source: Value
    order: tuple[Axis, ...]
    place: tuple[Affine | Value, ...]
    mode: str = "add"

    @property
    def arguments(self) -> tuple[Value, ...]:
        """Base, source, and the indices that are values."""
        found = () if self.base is None else (self.base,)
        return (*found, self.source, *(i for i in self.place if isinstance(i, Value)))


@dataclass(slots=True, eq=False)
class Scan:
    """A loop over time with a body of its own. ``body`` is a Program whose inputs are, in order, the carried
    values, the row ``xs[t]`` of each sequence, and the invariants; whose outputs are the carried values and the
    rows ``ys[t]``.

    ``initial``, ``sequences`` and ``invariants`` are values of the outer program with the axes that give the order
    of their dimensions (of a sequence, the time axis first). ``reverse`` runs time backwards; row t of a sequence
    and of a result belongs to time t either way."""

    length: int
    reverse: bool
    body: Program
    initial: tuple[tuple[Value, tuple[Axis | int, ...]], ...]
    sequences: tuple[tuple[Value, tuple[Axis | int, ...]], ...]
    invariants: tuple[tuple[Value, tuple[Axis | int, ...]], ...]


@dataclass(slots=True, eq=False)
class Routine:
    """A step on whole arrays that is a function of its own, not a formula: rows are sorted, matrices factored.

    ``operands`` are values with the axes that give the order of their dimensions; how many outputs it has, and of
    which shapes and types, ``routines.results`` says. Rows and matrices are the last dimensions, a matrix column by
    column (its column axis before its row axis), as LAPACK has them."""

    name: str
    operands: tuple[tuple[Value, tuple[Axis | int, ...]], ...]


@dataclass(slots=True, eq=False)
class ScanOutput(Value):
    """Output ``number`` of a scan (the final carried values first, then the stacked rows, time axis first) or of a
    routine; ``dims`` are the axes of its dimensions, 0 where the extent is 1."""

    scan: Scan | Routine
    number: int
    dims: tuple[Axis | int, ...]

    @property
    def arguments(self) -> tuple[Value, ...]:
        """All that the loop, or the routine, reads."""
        return tuple(v for v, _ in given(self.scan))


def given(step: Scan | Routine) -> tuple[tuple[Value, tuple[Axis | int, ...]], ...]:
    """The values that a step of its own reads, with the axes of their dimensions."""
    return step.operands if isinstance(step, Routine) else (*step.initial, *step.sequences, *step.invariants)


@dataclass(slots=True, eq=False)
class Store:
    """An output: ``value`` goes to ``slot``, whose dimensions are ``dims`` (0 where the extent is 1). An axis of
    ``dims`` that the value does not depend on is broadcast."""

    slot: Slot
    value: Value
    dims: tuple[Axis | int, ...]


@dataclass(slots=True, eq=False)
class Program:
    """A program in index form. ``guards`` are Booleans without axes, all of which must be true, each with what it
    stands for; slots are passed to the native code in the order inputs, constants, outputs."""

    inputs: tuple[Slot, ...]
    constants: tuple[Slot, ...]
    stores: tuple[Store, ...]
    guards: tuple[tuple[Value, Any], ...] = ()
    _values: list[Value] | None = field(default=None, init=False, repr=False)

    def __str__(self) -> str:
        from wengert.backends.llvm.program_text import text

        return text(self)

    def values(self) -> list[Value]:
        """Every value once, arguments before users: a list to look at, which is kept."""
        if self._values is not None:
            return self._values
        order: list[Value] = []
        seen: set[int] = set()
        stack: list[tuple[Value, bool]] = [
            (v, False) for v in reversed([*(s.value for s in self.stores), *(g for g, _ in self.guards)])
        ]
        while stack:
            value, ready = stack.pop()
            if ready:
                order.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                stack.append((value, True))
                stack.extend([(a, False) for a in reversed(value.arguments) if id(a) not in seen])
        self._values = order
        return order

    def changed(self) -> None:
        """What values read was changed: they are to be found again."""
        self._values = None


__all__ = [
    "Affine",
    "Axis",
    "Constant",
    "Index",
    "Map",
    "Program",
    "Read",
    "Reduce",
    "Reshaped",
    "Routine",
    "Scan",
    "ScanOutput",
    "Scatter",
    "Slot",
    "Store",
    "Sub",
    "Value",
    "given",
]
