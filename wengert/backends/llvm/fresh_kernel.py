"""A kernel made from a graph: lowered, and found on disk under its program, or scheduled, emitted and compiled.

Imports the stages of native code, which a plan that comes from disk does without. Invariant: what is kept is what was
made."""

from __future__ import annotations

import time
from math import prod
from typing import Any, NamedTuple

from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.emit.emit import emit
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.indexed import Map, Program, Reduce, Routine, Scan, ScanOutput
from wengert.backends.llvm.kept_kernels import digest, load, store
from wengert.backends.llvm.lower.lower import lower
from wengert.backends.llvm.routines import operations as work_of
from wengert.core.graph import Graph
from wengert.core.node import Node


class Fresh(NamedTuple):
    """A kernel, its object code, its program, what the constants of that hold (by ``id``), and the steps that it does;
    the key of its file (None: it has none); whether it came from there; about how many operations a call does; how many
    guards the graph has, and whether the kernel checks computed indices besides; and the milliseconds of lowering,
    emitting, compiling."""

    kernel: Any
    code: bytes
    program: Program
    told: dict[int, str]
    nodes: tuple[Node, ...]
    key: tuple[str, ...] | None
    cached: bool
    operations: float
    guards: int
    checks: bool
    times: tuple[float, float, float]


def fresh(graph: Graph, program: Program | None, *, lowering: float, split: bool) -> Fresh:
    """The kernel of a graph. ``program`` is the graph in index form, where the caller has it, and took so many seconds
    to make it; ``split``: its long loops are split among threads.

    Raises Refused and CannotEmit for what has no native form."""
    machine, kept = engine(), cache()
    begin = time.perf_counter() - lowering
    if program is None:
        program = lower(graph)
    lowered = time.perf_counter()
    width, fma = machine.host.width_bits, machine.host.fma
    told: dict[int, str] = {}
    name = digest(program, width, fma, split, told) if kept.place is not None else None
    key = ("kernel", machine.key(), name) if name is not None else None
    found = load(kept, key, program) if key is not None else None
    kernel: Any
    if found is not None:
        kernel, code = found
        emitted = time.perf_counter()
    else:
        kernel = emit(program, width_bits=width, fma=fma, split=split)
        emitted = time.perf_counter()
        code = machine.compile(kernel.text)
        if key is not None and not store(kept, key, program, kernel, code):
            key = None
    times = (1e3 * (lowered - begin), 1e3 * (emitted - lowered), 1e3 * (time.perf_counter() - emitted))
    guards, operations = len(graph.guards), count_operations(program)
    checks = len(program.guards) > guards
    return Fresh(kernel, code, program, told, graph.nodes, key, found is not None, operations, guards, checks, times)


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


__all__ = ["Fresh", "count_operations", "fresh"]
