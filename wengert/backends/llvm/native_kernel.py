"""One native segment: lowered, emitted, compiled or found on disk, linked, and called.

Imports the stages of native code and the NumPy interpreter. Invariant: a call gives fresh outputs, or raises
GuardFailed; what the kernel cannot take as it is (other layouts, byte orders) is brought into form first, and where an
index that was computed does not fit, NumPy says so."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.backends.guards import GuardFailed
from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.call import (
    GUARD,
    MISS,
    constant_memory,
    exact,
    make_entry,
    of_kind,
    road_of,
    run_kernel,
)
from wengert.backends.llvm.indexed import Map, Program, Reduce, Routine, Scan, ScanOutput
from wengert.backends.llvm.kept_kernels import digest, load, store
from wengert.backends.llvm.kernel import Kernel
from wengert.backends.llvm.lapack import addresses
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.routines import operations as work_of
from wengert.backends.llvm.threads.pool import MOST, pool
from wengert.backends.numpy.compiled import PythonPlan
from wengert.backends.numpy.interpreter import evaluate
from wengert.core.graph import Graph

LONG = 1 << 16
"""Operations from which on a kernel lets other threads of Python run: getting the interpreter's lock again costs."""
SCRATCHES = 1 << 28
"""The most bytes for the memory of all threads that share a loop: fewer take part where each needs much."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a kernel's making: milliseconds of its stages, whether the machine code came from disk, the
    bytes that a call reads and writes, and about how many operations it does."""

    lowering: float
    emitting: float
    compiling: float
    linking: float
    cached: bool
    read: int
    written: int
    operations: float


class NativeKernel:
    """Machine code for a graph all of whose steps have a native form; ``entry`` takes the leaves."""

    kernel: Kernel

    def __init__(
        self, graph: Graph, program: Program | None = None, *, lowering: float = 0.0, threads: int = 1
    ) -> None:
        """``program`` is the graph in index form, where the caller has it, and took so many seconds to make it;
        long loops are split among ``threads``."""
        self.graph = graph
        helpers = pool() if threads > 1 else None
        machine, kept = engine(), cache()
        begin = time.perf_counter() - lowering
        if program is None:
            program = lower(graph)
        lowered = time.perf_counter()
        width, fma = machine.host.width_bits, machine.host.fma
        name = digest(program, width, fma, helpers is not None) if kept.place is not None else None
        key = ("kernel", machine.key(), name or "")
        found = load(kept, key, program) if name is not None else None
        if found is not None:
            self.kernel, code = found
            emitted = time.perf_counter()
        else:
            self.kernel = emit(program, width_bits=width, fma=fma, split=helpers is not None)
            emitted = time.perf_counter()
            code = machine.compile(self.kernel.text)
            if name is not None:
                store(kept, key, program, self.kernel, code)
        self._check_slots()
        compiled = time.perf_counter()
        symbols = addresses(self.kernel.external)
        self.workspace = self.kernel.workspace
        if helpers is not None and self.kernel.scratch:
            sharing = max(1, min(threads, MOST, SCRATCHES // self.kernel.scratch))
            symbols |= helpers.symbols(sharing)
            self.workspace += self.kernel.scratch * sharing
        self.library = machine.link(code, (self.kernel.name,), external=self.kernel.external, symbols=symbols)
        self.address = self.library[self.kernel.name]
        slots = self.kernel.slots
        self.inputs = of_kind(slots, "input")
        operations = count_operations(program)
        self.entry: Any = make_entry(
            self.address,
            slots,
            self.workspace,
            long=operations >= LONG,
            keep=self.library,
            name=self.kernel.name,
        )
        self.road = road_of(slots)
        self.single = len(graph.outputs) == 1
        self.checks = len(program.guards) > len(graph.guards)
        linked = time.perf_counter()
        sizes = {kind: sum(prod(s.shape) * s.dtype.itemsize for s in of_kind(slots, kind)) for kind in _KINDS}
        self.facts = Facts(
            lowering=1e3 * (lowered - begin),
            emitting=1e3 * (emitted - lowered),
            compiling=1e3 * (compiled - emitted),
            linking=1e3 * (linked - compiled),
            cached=found is not None,
            read=sizes["input"] + sizes["constant"],
            written=sizes["output"],
            operations=operations,
        )

    def _check_slots(self) -> None:
        wanted = [(tuple(n.type.shape), np.dtype(n.type.dtype)) for n in self.graph.inputs]
        found = [(tuple(s.shape), s.dtype) for s in of_kind(self.kernel.slots, "input")]
        if wanted != found or len(of_kind(self.kernel.slots, "output")) != len(self.graph.outputs):
            raise RuntimeError(f"the kernel of {self.graph.name} takes {found} where the graph has {wanted}")

    def call(self, *values: Any) -> Any:
        """The output for input values of the right shapes (a tuple of several).

        Raises GuardFailed with the number of the guard in this kernel's graph; ValueError or TypeError for values
        that do not fit."""
        found = self.entry(*values)
        if found is MISS:
            if len(values) != len(self.inputs):
                raise TypeError(f"{self.graph.name} takes {len(self.inputs)} values, got {len(values)}")
            values = tuple(exact(v, slot) for v, slot in zip(values, self.inputs, strict=True))
            found = self.entry(*values)
            if found is MISS:
                raise RuntimeError(f"the kernel of {self.graph.name} does not take its own inputs")
        if found is GUARD:
            return self._by_numpy(values)
        return found

    def _by_numpy(self, values: Sequence[Any]) -> Any:
        """Raise GuardFailed where a guard of the graph failed; else some computed index did not fit, and NumPy
        answers, or says what is wrong."""
        index = self.failing(values)
        if 0 <= index < len(self.graph.guards):
            if self.checks:  # one that failed too may have led the guard astray
                index = PythonPlan(self.graph).failing(values)
            if index >= 0:
                raise GuardFailed(index)
        found = evaluate(self.graph, [v if np.ndim(v) else np.asarray(v)[()] for v in values])
        return found[0] if self.single else tuple(found)

    def failing(self, values: Sequence[Any]) -> int:
        """The number of the first guard or check that fails (-1: none)."""
        slots = self.kernel.slots
        arrays = [exact(v, slot) for v, slot in zip(values, self.inputs, strict=True)]
        arrays += [constant_memory(s) for s in of_kind(slots, "constant")]
        arrays += [np.empty(s.shape, s.dtype) for s in of_kind(slots, "output")]
        return run_kernel(self.address, arrays, self.workspace) - 1


_KINDS = ("input", "constant", "output")


def count_operations(program: Program) -> float:
    """About how many scalar operations a run of a program does, as if every value were computed once."""
    total = 0.0
    alone: dict[int, Scan | Routine] = {}
    for value in program.values():
        if isinstance(value, Map):
            total += prod(a.find().extent for a in value.axes)
        elif isinstance(value, Reduce):
            total += prod(a.find().extent for a in {x.find() for x in (*value.arg.axes, *value.over)})
        elif isinstance(value, ScanOutput):
            alone[id(value.scan)] = value.scan
    for one in alone.values():
        total += work_of(one) if isinstance(one, Routine) else one.length * count_operations(one.body)
    return total


__all__ = ["LONG", "Facts", "NativeKernel", "count_operations"]
