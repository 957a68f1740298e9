"""Kernels on disk under the program they were made of, so that a second process neither schedules nor compiles.

Imports the index form, the cache and ``kept_plans``, which has the form of the files. Invariants: two programs with one
digest differ in nothing that the stages after lowering look at; a digest covers the sources of those stages, so that a
changed compiler finds nothing old."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np

from wengert.backends.llvm.cache import Cache
from wengert.backends.llvm.graph_digest import content
from wengert.backends.llvm.indexed import Axis, Program, Routine, Scan, Slot, Value
from wengert.backends.llvm.kept_plans import TABLES, KeptKernel, packed, unpacked
from wengert.backends.llvm.kernel import Kernel


def sources(folder: Path) -> str | None:
    """The hash of all Python files below a folder; None where they cannot be read."""
    found = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*.py")):
            found.update(path.read_bytes())
    except OSError:
        return None
    return found.hexdigest()


SOURCES = sources(Path(__file__).parent)
"""The hash of the compiler's own files, taken when they are loaded; None where they cannot be read."""


class Unkept(Exception):
    """A program that holds something a digest cannot tell."""


def digest(
    program: Program, width_bits: int, fma: bool, split: bool = False, told: dict[int, str] | None = None
) -> str | None:
    """The digest of a program, for a machine with such vectors, its loops split or not; None where there is none."""
    if SOURCES is None:
        return None
    writer = _Writer(told if told is not None else {})
    try:
        writer.program(program)
    except Unkept:
        return None
    writer.line(f"{width_bits} {fma} {split} {SOURCES}")
    return writer.hash.hexdigest()


def load(kept: Cache, key: tuple[str, ...], program: Program) -> tuple[KeptKernel, bytes] | None:
    """The kernel of a program and its object code, if they were kept under the key."""
    found = kept.get(*key)
    return None if found is None else unpacked(found, _slots(program))


def store(kept: Cache, key: tuple[str, ...], program: Program, kernel: Kernel, code: bytes) -> bool:
    """Keep a kernel; whether that was possible."""
    places = {id(s): k for k, s in enumerate(_slots(program))}
    tables: list[np.ndarray[Any, Any]] = []  # constants of loops, and those that were laid out otherwise
    for s in kernel.slots:
        if id(s) not in places:
            if s.data is None or sum(t.nbytes for t in tables) + s.data.nbytes > TABLES:
                return False
            places[id(s)] = len(places)
            tables.append(np.ascontiguousarray(s.data, s.dtype))
    return kept.put(packed(kernel, [places[id(s)] for s in kernel.slots], tables, code), *key)


def _slots(program: Program) -> list[Slot]:
    return [*program.inputs, *program.constants, *(s.slot for s in program.stores)]


class _Writer:
    """Writes a program into a hash: values, axes and slots by number, everything else by what it is."""

    def __init__(self, told: dict[int, str]) -> None:
        self.told = told
        self.hash = hashlib.sha256()
        self.numbers: dict[int, int] = {}
        self.held: list[Any] = []

    def line(self, text: str) -> None:
        self.hash.update(text.encode() + b"\n")

    def program(self, program: Program) -> None:
        self.line(f"inputs {self.text(program.inputs)} constants {self.text(program.constants)}")
        for value in program.values():
            self.number(value, self.fields(value))
        for s in program.stores:
            self.line(f"store {self.text(s.slot)} {self.text(s.value)} {self.text(s.dims)}")
        self.line(f"guards {self.text(tuple(g for g, _ in program.guards))}")

    def number(self, thing: Any, text: str) -> str:
        """A new thing's number; what it is goes into the hash."""
        self.held.append(thing)  # so that no other gets its id
        made = self.numbers[id(thing)] = len(self.numbers)
        self.line(f"{made} = {type(thing).__name__} {text}")
        return f"#{made}"

    def fields(self, thing: Any) -> str:
        names = [f.name for f in dataclasses.fields(thing) if f.name != "where"]
        return " ".join(f"{name}={self.text(getattr(thing, name))}" for name in names)

    def text(self, x: Any) -> str:
        if isinstance(x, Axis):
            x = x.find()
            known = self.numbers.get(id(x))
            return f"#{known}" if known is not None else self.number(x, str(x.extent))
        if isinstance(x, (Value, Slot, Scan, Routine)):
            known = self.numbers.get(id(x))
            return f"#{known}" if known is not None else self.number(x, self.fields(x))
        kind = type(x)
        if kind is tuple or kind is list:
            return f"({' '.join(map(self.text, x))})"
        if kind is dict:
            return f"{{{' '.join(f'{self.text(k)}:{self.text(v)}' for k, v in x.items())}}}"
        if kind is float:
            return struct.pack("<d", x).hex()  # which tells -0.0 and one NaN from another
        if kind in (int, bool, str) or x is None:
            return repr(x)
        if isinstance(x, np.dtype):
            return str(x.str)
        if isinstance(x, np.generic):
            return f"{x.dtype.str}:{x.tobytes().hex()}"
        if kind is np.ndarray and x.dtype.kind in "biufc":
            made = content(x)
            if x.flags.c_contiguous:
                self.told[id(x)] = made
            return f"{x.dtype.str}{x.shape}:{made}"
        if isinstance(x, Program):
            self.program(x)
            return "body"
        if dataclasses.is_dataclass(x):
            return f"{kind.__name__}[{self.fields(x)}]"
        raise Unkept(f"{kind.__name__} in a program")


__all__ = ["Unkept", "digest", "load", "sources", "store"]
