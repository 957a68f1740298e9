"""A program in index form as text: one line per value, ``v3[i, j] = x0[i, j] * v2[i]``.

Imports ``indexed``. Invariant: the text names every axis, every guard and every index, so that it can be read without
the graph."""

from __future__ import annotations

from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Program,
    Read,
    Reduce,
    Reshaped,
    Routine,
    Scan,
    ScanOutput,
    Scatter,
    Slot,
    Sub,
    Value,
)

_SIGNS = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "less": "<", "less_equal": "<=",
    "greater": ">", "greater_equal": ">=", "equal": "==", "not_equal": "!=", "logical_and": "and", "logical_or": "or",
}  # fmt: skip
_LETTERS = "ijklmnpqrstuvw"


def text(program: Program, indent: str = "") -> str:
    """The whole program, one line per value that is neither read nor a number.

    >>> from wengert.backends.llvm.indexed import Axis, Map, Read, Slot, Store
    >>> import numpy as np
    >>> i, real = Axis(3), np.dtype(float)
    >>> x, y = Slot("x", (3,), real, "input"), Slot("y", (3,), real, "output")
    >>> double = Map((i,), real, "add", (Read((i,), real, x, (i,)),) * 2)
    >>> print(text(Program((x,), (), (Store(y, double, (i,)),))))
    in   x float64[3]
    v1[i] = x[i] + x[i]
    out  y[i] = v1[i]
    axes i:3
    """
    return _Text(indent).program(program)


class _Text:
    def __init__(self, indent: str) -> None:
        self.indent = indent
        self.names: dict[int, str] = {}
        self.axes: dict[Axis, str] = {}
        self.scans: dict[int, str] = {}
        self.lines: list[str] = []

    def axis(self, axis: Axis | int) -> str:
        if not isinstance(axis, Axis):
            return str(axis)
        axis = axis.find()
        if axis not in self.axes:
            n = len(self.axes)
            self.axes[axis] = _LETTERS[n % len(_LETTERS)] + (str(n // len(_LETTERS)) if n >= len(_LETTERS) else "")
        return self.axes[axis]

    def at(self, name: str, axes: tuple[Axis | int, ...]) -> str:
        return f"{name}[{', '.join(map(self.axis, axes))}]" if axes else name

    def slot(self, slot: Slot) -> str:
        return f"{slot.name} {slot.dtype}[{','.join(map(str, slot.shape))}]"

    def of(self, value: Value) -> str:
        if isinstance(value, Constant):
            return (
                repr(value.value)
                if value.dtype.name in ("float64", "int64", "bool")
                else (f"{value.dtype}({value.value!r})")
            )
        if isinstance(value, Read):
            return self.at(value.slot.name, value.index)
        return self.at(self.names[id(value)], value.axes)

    def affine(self, affine: Affine) -> str:
        parts = []
        for axis, c in affine.terms:
            sign = "-" if c < 0 else "+"
            parts.append(f"{sign} {self.axis(axis)}" if abs(c) == 1 else f"{sign} {abs(c)}*{self.axis(axis)}")
        if affine.offset or not parts:
            parts.append(f"{'-' if affine.offset < 0 else '+'} {abs(affine.offset)}")
        joined = " ".join(parts)
        return joined[2:] if joined.startswith("+ ") else "-" + joined[2:]

    def place(self, place: Affine | Value) -> str:
        return self.affine(place) if isinstance(place, Affine) else self.of(place)

    def program(self, program: Program) -> str:
        for slot in program.inputs:
            self.lines.append(f"in   {self.slot(slot)}")
        for slot in program.constants:
            self.lines.append(f"data {self.slot(slot)}")
        for value in program.values():
            if isinstance(value, (Constant, Read)):
                continue
            self.names[id(value)] = f"v{len(self.names) + 1}"
            kind = "" if value.dtype.name == "float64" else f"  ({value.dtype})"
            self.lines.append(f"{self.of(value)} = {self.formula(value)}{kind}")
        for store in program.stores:
            self.lines.append(f"out  {self.at(store.slot.name, store.dims)} = {self.of(store.value)}")
        for k, (guard, _) in enumerate(program.guards):
            self.lines.append(f"guard {k}: {self.of(guard)}")
        if self.axes:
            self.lines.append("axes " + " ".join(f"{name}:{axis.extent}" for axis, name in self.axes.items()))
        return "\n".join(self.indent + line for line in self.lines)

    def formula(self, value: Value) -> str:
        if isinstance(value, Map):
            args = [self.of(a) for a in value.args]
            if value.function in _SIGNS and len(args) == 2:
                return f"{args[0]} {_SIGNS[value.function]} {args[1]}"
            return f"{value.function}({', '.join(args)})"
        if isinstance(value, Reduce):
            return f"{value.kind}[{', '.join(map(self.axis, value.over))}] {self.of(value.arg)}"
        if isinstance(value, Sub):
            return self._sub(value)
        if isinstance(value, Index):
            return self.axis(value.axes[0])
        if isinstance(value, Reshaped):
            source, target = (", ".join(map(self.axis, axes)) for axes in (value.source, value.target))
            return f"{self.of(value.arg)} laid out ({source}), read ({target})"
        if isinstance(value, Scatter):
            base = "0" if value.base is None else self.of(value.base)
            places = ", ".join(map(self.place, value.place))
            order = ", ".join(map(self.axis, value.order))
            sign = "+=" if value.mode == "add" else "="
            return f"{base} with [{places}] {sign} {self.of(value.source)} for ({order})"
        assert isinstance(value, ScanOutput)
        return f"output {value.number} of {self._scan(value.scan)} over ({', '.join(map(self.axis, value.dims))})"

    def _sub(self, value: Sub) -> str:
        index = ", ".join(f"{self.axis(a)} := {self.place(p)}" for a, p in value.index.items())
        shown = self.of(value.arg) + (f" with {index}" if index else "")
        if not value.guards:
            return shown
        asked = " and ".join(f"{low} <= {self.affine(g)} < {high}" for g, low, high in value.guards)
        return f"{shown} if {asked} else {value.fill!r}"

    def _scan(self, scan: Scan | Routine) -> str:
        name = self.scans.get(id(scan))
        if name is None and isinstance(scan, Routine):
            name = self.scans[id(scan)] = f"{scan.name}{len(self.scans) + 1}"
            self.lines.append(f"{name}: {scan.name} of {self._given(scan.operands)}")
        elif name is None and isinstance(scan, Scan):
            name = self.scans[id(scan)] = f"loop{len(self.scans) + 1}"
            groups = zip(("carried", "rows of", "with"), (scan.initial, scan.sequences, scan.invariants), strict=True)
            given = "; ".join(f"{word} {self._given(group)}" for word, group in groups if group)
            time = f"{scan.length} times" + (", backwards" if scan.reverse else "")
            self.lines.append(f"{name}: {time}; {given}")
            self.lines.append(text(scan.body, "    "))
        assert name is not None
        return name

    def _given(self, group: tuple[tuple[Value, tuple[Axis | int, ...]], ...]) -> str:
        return ", ".join(f"{self.of(v)} over ({', '.join(map(self.axis, dims))})" for v, dims in group)


__all__ = ["text"]
