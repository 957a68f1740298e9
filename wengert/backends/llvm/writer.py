"""A function in LLVM's text form while it is written: names, blocks, entry allocations, types and literals.

Imports NumPy only. Invariant: every name drawn from ``fresh`` is used for one value of the function."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

Type = np.dtype[Any]
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)


COMMON = {"d": "double", "f": "float", "?": "i1"}


def scalar_type(dtype: Type) -> str:
    """The type of one element in a register."""
    known = COMMON.get(dtype.char)
    if known is not None:
        return known
    if dtype.kind == "b":
        return "i1"
    if dtype.kind == "f":
        return {2: "half", 4: "float", 8: "double"}[dtype.itemsize]
    if dtype.kind in "iu":
        return f"i{8 * dtype.itemsize}"
    raise TypeError(f"no native form of dtype {dtype}")


def memory_type(dtype: Type) -> str:
    """The type of one element in memory: a bool is a byte."""
    return "i8" if dtype.kind == "b" else scalar_type(dtype)


def vector_of(element: str, width: int) -> str:
    """The type of ``width`` lanes."""
    return element if width == 1 else f"<{width} x {element}>"


def register_type(dtype: Type, width: int) -> str:
    """The type of a value of ``width`` lanes in registers."""
    return vector_of(scalar_type(dtype), width)


def literal(value: Any, dtype: Type) -> str:
    """A constant of one element, without its type."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind == "f":
        number = float(dtype.type(value))
        if dtype.itemsize == 2:
            return "0xH" + struct.pack(">e", number).hex().upper()
        return "0x" + struct.pack(">d", number).hex().upper()
    return str(int(dtype.type(value)))


def splat_literal(value: Any, dtype: Type, width: int) -> str:
    """A constant of ``width`` equal lanes, without its type."""
    one = literal(value, dtype)
    if width == 1:
        return one
    return f"splat ({scalar_type(dtype)} {one})"


class Writer:
    """Lines of one function; ``declared`` collects the declarations that they need."""

    def __init__(self, declared: dict[str, str], numbers: Iterator[int]) -> None:
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.declared = declared
        self.block = "start"
        self.numbers = numbers

    def fresh(self, what: str = "") -> str:
        """A new name with its percent sign."""
        return f"%{what or 't'}_{next(self.numbers)}"

    def label(self, what: str) -> str:
        """A new name of a block, without the percent sign."""
        return f"{what}{next(self.numbers)}"

    def line(self, text: str) -> None:
        """One instruction."""
        self.lines.append("  " + text)

    def let(self, text: str, what: str = "") -> str:
        """One instruction with a result; its name."""
        name = self.fresh(what)
        self.lines.append(f"  {name} = {text}")
        return name

    def begin(self, label: str) -> None:
        """Start a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def allocate(self, what: str, align: int) -> str:
        """Memory of the function's frame, made once at its entry."""
        name = self.fresh("m")
        self.entry.append(f"  {name} = alloca {what}, align {align}")
        return name

    def pointer(self, base: str, element: str, index: str) -> str:
        """``base`` moved by ``index`` elements."""
        return base if index == "0" else self.let(f"getelementptr inbounds {element}, ptr {base}, i64 {index}")

    def splat(self, name: str, element: str, width: int) -> str:
        """A scalar in every lane."""
        one = self.let(f"insertelement <{width} x {element}> poison, {element} {name}, i64 0")
        return self.let(
            f"shufflevector <{width} x {element}> {one}, <{width} x {element}> poison, <{width} x i32> zeroinitializer"
        )

    def call(self, result: str, name: str, arguments: list[tuple[str, str]], keep: str = "") -> str:
        """Call an intrinsic, declaring it."""
        types = ", ".join(t for t, _ in arguments)
        self.declared[name] = f"declare {result} @{name}({types})"
        inner = ", ".join(f"{t} {a}" for t, a in arguments)
        if result == "void":
            self.line(f"call void @{name}({inner}){keep}")
            return ""
        return self.let(f"call {result} @{name}({inner}){keep}")


__all__ = [
    "BOOL",
    "INT64",
    "Type",
    "Writer",
    "literal",
    "memory_type",
    "register_type",
    "scalar_type",
    "splat_literal",
    "vector_of",
]
