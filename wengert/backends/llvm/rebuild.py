"""A program with some of its values replaced.

Imports the index form only. Invariant: a replaced value has the axes and the dtype of the one it stands for."""

from __future__ import annotations

from collections.abc import Callable

from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Map,
    Program,
    Reduce,
    Reshaped,
    Routine,
    Scan,
    ScanOutput,
    Scatter,
    Store,
    Sub,
    Value,
)

Given = tuple[tuple[Value, tuple[Axis | int, ...]], ...]


class Rebuilder:
    """Values over replaced arguments; what has none is the same object."""

    def __init__(self) -> None:
        self.made: dict[int, Value] = {}
        self.scans: dict[int, Scan | Routine] = {}
        self.kept: list[Value] = []
        """What ``made`` knows by identity."""

    def of(self, v: Value) -> Value:
        """What stands for a value that was entered."""
        return self.made[id(v)]

    def enter(self, v: Value, new: Value) -> None:
        """Let ``new`` stand for ``v``."""
        self.made[id(v)] = new
        self.kept.append(v)

    def again(self, v: Value) -> Value:
        """A value over what stands for its arguments."""
        if all(self.of(a) is a for a in v.arguments):
            return v
        if isinstance(v, Map):
            return Map(v.axes, v.dtype, v.function, tuple(self.of(a) for a in v.args), where=v.where)
        if isinstance(v, Reduce):
            return Reduce(v.axes, v.dtype, v.kind, self.of(v.arg), v.over, where=v.where)
        if isinstance(v, Sub):
            index = {a: self.place(i) for a, i in v.index.items()}
            return Sub(v.axes, v.dtype, self.of(v.arg), index, v.guards, v.fill, where=v.where)
        if isinstance(v, Reshaped):
            return Reshaped(v.axes, v.dtype, self.of(v.arg), v.source, v.target, where=v.where)
        if isinstance(v, Scatter):
            base = None if v.base is None else self.of(v.base)
            place = tuple(self.place(i) for i in v.place)
            return Scatter(v.axes, v.dtype, base, self.of(v.source), v.order, place, v.mode, where=v.where)
        assert isinstance(v, ScanOutput)
        s = v.scan
        if id(s) not in self.scans and isinstance(s, Routine):
            self.scans[id(s)] = Routine(s.name, self.given(s.operands))
        elif id(s) not in self.scans and isinstance(s, Scan):
            given = (self.given(s.initial), self.given(s.sequences), self.given(s.invariants))
            self.scans[id(s)] = Scan(s.length, s.reverse, s.body, *given)
        return ScanOutput(v.axes, v.dtype, self.scans[id(s)], v.number, v.dims, where=v.where)

    def place(self, i: Affine | Value) -> Affine | Value:
        """An index expression over what stands for its value."""
        return i if isinstance(i, Affine) else self.of(i)

    def given(self, group: Given) -> Given:
        """What a scan reads."""
        return tuple((self.of(v), dims) for v, dims in group)


def rebuilt(program: Program, change: Callable[[Value], Value | None]) -> Program:
    """The program in which ``change(v)`` stands for every value ``v`` (None: as it is), arguments before users.

    What ``change`` gives is written over what stands for the arguments of ``v`` already."""
    builder = Rebuilder()
    for v in program.values():
        again = builder.again(v)
        new = change(again)
        builder.enter(v, again if new is None else new)
    stores = tuple(Store(s.slot, builder.of(s.value), s.dims) for s in program.stores)
    return Program(program.inputs, program.constants, stores, tuple((builder.of(g), w) for g, w in program.guards))


__all__ = ["Rebuilder", "rebuilt"]
