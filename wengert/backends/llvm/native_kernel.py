"""One native segment: its machine code, made or found on disk, linked, and called.

Imports the entries and the NumPy interpreter; the stages of native code are loaded where they are needed. Invariant: a
call gives fresh outputs, or raises GuardFailed; what the kernel cannot take as it is (other layouts, byte orders) is
brought into form first, and where an index that was computed does not fit, NumPy says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.backends.guards import GuardFailed
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
from wengert.backends.llvm.kept_plans import Kept, KeptKernel
from wengert.backends.llvm.lapack import addresses
from wengert.backends.numpy.compiled import PythonPlan
from wengert.backends.numpy.interpreter import evaluate
from wengert.core.graph import Graph

if TYPE_CHECKING:
    from wengert.backends.llvm.fresh_kernel import Fresh
    from wengert.backends.llvm.kernel import Kernel
    from wengert.backends.llvm.threads.pool import Pool

LONG = 1 << 16
"""Operations from which on a kernel lets other threads of Python run: getting the interpreter's lock again costs."""
SCRATCHES = 1 << 28
"""The most bytes for the memory of all threads that share a loop: fewer take part where each needs much."""


class Facts(NamedTuple):
    """What is known of a kernel's making: milliseconds of its stages, whether the machine code came from disk, or the
    whole plan, the bytes that a call reads and writes, and about how many operations it does."""

    lowering: float
    emitting: float
    compiling: float
    linking: float
    cached: bool
    whole: bool
    read: int
    written: int
    operations: float


class NativeKernel:
    """Machine code for a graph all of whose steps have a native form; ``entry`` takes the leaves."""

    kernel: Kernel | KeptKernel

    def __init__(
        self, graph: Callable[[], Graph], made: Fresh | Kept, *, like: Graph, threads: int, begun: float = 0.0
    ) -> None:
        """``graph`` gives the graph, which has the inputs and outputs of ``like``; ``made`` is its code, for which
        was looked from ``begun`` on; long loops are split among ``threads``."""
        self._graph = graph
        self.name, self.single = like.name, len(like.outputs) == 1
        helpers = helpers_of(threads)
        begin = time.perf_counter()
        self.kernel = made.kernel
        self._check_slots(like)
        symbols = addresses(self.kernel.external)
        self.workspace = self.kernel.workspace
        if helpers is not None and self.kernel.scratch:
            from wengert.backends.llvm.threads.pool import MOST

            sharing = max(1, min(threads, MOST, SCRATCHES // self.kernel.scratch))
            symbols |= helpers.symbols(sharing)
            self.workspace += self.kernel.scratch * sharing
        external, name = self.kernel.external, self.kernel.name
        self.library = engine().link(made.code, (name,), external=external, symbols=symbols)
        self.address = self.library[name]
        slots = self.kernel.slots
        self.inputs = of_kind(slots, "input")
        long = made.operations >= LONG
        self.entry: Any = make_entry(self.address, slots, self.workspace, long=long, keep=self.library, name=name)
        self.road = road_of(slots)
        self.checks, self.guards = made.checks, made.guards
        times = (0.0, 1e3 * (begin - begun), 0.0) if isinstance(made, Kept) else made.times
        sizes = {kind: sum(prod(s.shape) * s.dtype.itemsize for s in of_kind(slots, kind)) for kind in _KINDS}
        self.facts = Facts(
            *times,
            linking=1e3 * (time.perf_counter() - begin),
            cached=isinstance(made, Kept) or made.cached,
            whole=isinstance(made, Kept),
            read=sizes["input"] + sizes["constant"],
            written=sizes["output"],
            operations=made.operations,
        )

    @property
    def graph(self) -> Graph:
        """The graph that the kernel computes."""
        return self._graph()

    def _check_slots(self, like: Graph) -> None:
        wanted = [(tuple(n.type.shape), np.dtype(n.type.dtype)) for n in like.inputs]
        found = [(tuple(s.shape), s.dtype) for s in of_kind(self.kernel.slots, "input")]
        if wanted != found or len(of_kind(self.kernel.slots, "output")) != len(like.outputs):
            raise RuntimeError(f"the kernel of {self.name} takes {found} where the graph has {wanted}")

    def call(self, *values: Any) -> Any:
        """The output for input values of the right shapes (a tuple of several).

        Raises GuardFailed with the number of the guard in this kernel's graph; ValueError or TypeError for values
        that do not fit."""
        found = self.entry(*values)
        if found is MISS:
            if len(values) != len(self.inputs):
                raise TypeError(f"{self.name} takes {len(self.inputs)} values, got {len(values)}")
            values = tuple(exact(v, slot) for v, slot in zip(values, self.inputs, strict=True))
            found = self.entry(*values)
            if found is MISS:
                raise RuntimeError(f"the kernel of {self.name} does not take its own inputs")
        if found is GUARD:
            return self._by_numpy(values)
        return found

    def _by_numpy(self, values: Sequence[Any]) -> Any:
        """Raise GuardFailed where a guard of the graph failed; else some computed index did not fit, and NumPy
        answers, or says what is wrong."""
        index = self.failing(values)
        if 0 <= index < self.guards:
            # A check that failed too may have led the guard astray; a graph that was rewritten in another process may
            # have had others.
            if self.checks or self.guards != len(self.graph.guards):
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


def helpers_of(threads: int) -> Pool | None:
    """The threads that share the loops of a kernel for so many; None where each loop is one thread's."""
    if threads <= 1:
        return None
    from wengert.backends.llvm.threads.pool import pool

    return pool()


__all__ = ["LONG", "Facts", "NativeKernel", "helpers_of"]
