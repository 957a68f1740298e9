"""A path made ready to run: its graph improved and planned, and the generated function that checks a call and runs it.

Imports the plans, the rewriting passes and ``compiling/record``. Invariant: a path answers MISS, or what the
function itself would return, in fresh memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.api.compiling.hot import DEFAULT_FLOATS, Writer, all_ordered, fitted
from wengert.api.compiling.least import least_seconds
from wengert.api.compiling.passes import improved, native_plan
from wengert.api.compiling.record import Recording, shares
from wengert.api.compiling.tensors import Given, Unfit, mode, widened
from wengert.backends.guards import GUARD, MISS
from wengert.backends.numpy.compiled import FLOATS, PythonPlan
from wengert.core.floats import flags_raised, ignored
from wengert.core.graph import Graph
from wengert.core.locks import ForkLock
from wengert.core.node import Node
from wengert.core.trace import release
from wengert.core.tree import Structure
from wengert.core.types import dtype_of, shape_of
from wengert.plan.liveness import nbytes

_TRYING = 1e-3
"""Seconds spent on timing a plan; what takes longer is timed once."""
_MUCH = 1 << 19
"""Bytes of results whose memory may have to be mapped first."""
_COLD = 0.1
"""Seconds of a call from which on it is not repeated only to be timed better."""
LONG = 2000
"""Steps of a recording that is not kept once its loops are folded."""


def asks_for_errors() -> bool:
    """Whether the caller wants floating point errors raised or reported, which a replay does not do."""
    if FLOATS is not None and FLOATS[0].get() is DEFAULT_FLOATS:
        return False
    return any(how in ("raise", "call", "log", "print") for how in np.geterr().values())


class Path:
    """One way through the function. ``failed`` is what a replay raised last, ``uses`` counts the slow calls."""

    def __init__(
        self,
        recording: Recording,
        structure: Structure,
        given: Given | None,
        *,
        backend: str,
        threads: int,
    ) -> None:
        self.recording = recording
        self.recorded = len(recording.graph)
        self.arguments = structure
        self.given = recording.given
        self.of_call = given  # without the Tensors from outside
        self.mode = mode()
        self.taken = recording.inputs
        self.leaves = tuple(None if t else v for v, t in zip(recording.types, self.taken, strict=True))
        self.types = tuple(v if t else None for v, t in zip(recording.types, self.taken, strict=True))
        self.backend = backend
        self.threads = threads
        self.uses = 0
        self.seconds: dict[str, float] = {}
        self.native: Any = None
        self.native_problem: str = ""
        self.wanted = False  # native code is made when the path is met again
        self.chosen: Any = None
        self.failed: BaseException | None = None
        self.left_out: list[str] = []  # passes that failed on this graph
        self._graph: Graph | None = None
        self._numpy: PythonPlan | None = None
        self._hot: Callable[[tuple[Any, ...]], Any] | None = None
        self._making = ForkLock()

    # ------------------------------------------------------------ plans

    @property
    def graph(self) -> Graph:
        """The improved graph."""
        with self._making:
            if self._graph is None:
                start = time.perf_counter()
                self._graph = improved(self.recording.graph, self.left_out)
                self._forget(self.recording.graph)
                self.seconds["rewriting"] = time.perf_counter() - start
            return self._graph

    def _forget(self, recorded: Graph) -> None:
        """Let the steps of a long recording go whose loops were folded: only its guards are looked at again."""
        assert self._graph is not None
        if len(recorded) > LONG and not {*recorded.nodes} & {*self._graph.nodes}:
            release(recorded)
            self.recording = replace(self.recording, graph=recorded.with_steps((), recorded.outputs, recorded.guards))

    @property
    def numpy(self) -> PythonPlan:
        """The NumPy plan."""
        with self._making:
            if self._numpy is None:
                graph = self.graph
                start = time.perf_counter()
                self._numpy = PythonPlan(graph)
                self.seconds["numpy plan"] = time.perf_counter() - start
            return self._numpy

    def make_native(self) -> None:
        """Compile natively; what stands against it is noted in ``native_problem``."""
        self.wanted = False
        plan = native_plan()
        if plan is None:
            self.native_problem = "llvmlite is not installed"
            return
        start = time.perf_counter()
        try:
            # A plan on disk is found by the recording, where that is short: then it is not even rewritten.
            known = self.recording.graph if self._graph is None and self.recorded <= LONG else self.graph
            self.native = plan(known, threads=self.threads, improved=lambda: self.graph)
        except Exception as problem:  # noqa: BLE001 whatever the compiler does not like, NumPy runs
            self.native_problem = f"{type(problem).__name__}: {problem}".partition("\n")[0]
        self.seconds["native code"] = time.perf_counter() - start

    def entry_of(self, plan: Any) -> Callable[..., Any]:
        """What runs a plan on the input leaves: the outputs (one object or a tuple), MISS or GUARD."""
        entry = getattr(plan, "entry", None) or getattr(plan, "answer", None)
        return entry if entry is not None else _entry_by_run(plan)

    def choose(self, inputs: Sequence[Any]) -> bool:
        """Settle on a plan, by timing both where both are there and the backend is free to choose, unless the native
        plan takes less than NumPy can; False where these inputs take another path, which tells nothing."""
        native = self.native
        if native is None or self.backend == "numpy":
            self.chosen = self.numpy
        elif self.backend == "native":
            self.chosen = native
        else:
            by_native = self._timed(native, inputs)
            if by_native is None:
                return False
            least = least_seconds(self.graph)
            # Of long calls the first was all that was timed; it also maps the memory of large results.
            if max(least, _TRYING) <= by_native < _COLD and self._gives_much():
                by_native = self._again(native, inputs, by_native)
            if by_native < least:
                self.chosen = native
            else:
                by_numpy = self._timed(self.numpy, inputs)
                if by_numpy is None:
                    return False
                if max(by_numpy, _TRYING) < by_native < _COLD:
                    by_native = self._again(native, inputs, by_native)
                self.chosen = native if by_native <= by_numpy else self.numpy
        self._hot = None
        return native is self.native or self.choose(inputs)  # it may have been made meanwhile

    def _gives_much(self) -> bool:
        """Whether the results take much memory."""
        return sum(nbytes(o.type) for o in self.recording.graph.outputs if isinstance(o, Node)) >= _MUCH

    def _again(self, plan: Any, inputs: Sequence[Any], before: float) -> float:
        """The seconds of a call, timed once more."""
        again = self._timed(plan, inputs)
        return before if again is None else min(before, again)

    def choose_again(self) -> None:
        """The next call chooses between the plans."""
        self.chosen = self._hot = None

    def _timed(self, plan: Any, inputs: Sequence[Any]) -> float | None:
        """The seconds of a call, the best of some where they are short; None where a guard does not hold."""
        entry = self.entry_of(plan)
        best, spent = float("inf"), 0.0
        while spent < _TRYING:
            found = None  # its memory is the next result's: a second one's would have to be mapped
            before, worked, start = _interruptions(), time.thread_time(), time.perf_counter()
            found = entry(*inputs)
            taken = time.perf_counter() - start
            if taken >= _TRYING and _interruptions() != before:  # somebody else was given the processor meanwhile
                taken = min(taken, time.thread_time() - worked)
            if found is MISS and spent == 0.0:  # another layout in memory
                entry = _entry_by_run(plan)
                continue
            if found is MISS or found is GUARD:
                return None
            best, spent = min(best, taken), spent + max(taken, _TRYING / 8)
        self.seconds["a call, " + ("native" if plan is self.native else "numpy")] = best
        return best

    # ------------------------------------------------------------ running

    def attempt(self, leaves: Sequence[Any], units: Sequence[Any] = (), *, by_numpy: bool = False) -> Any:
        """The result for a call's plain leaves (of the right structure and types) and its Tensors, or MISS.

        ``by_numpy`` asks the NumPy plan: native code also says GUARD where an index does not fit."""
        if by_numpy and self.chosen is self.numpy:
            return MISS
        if self.recording.outside.differs() is not None:
            return MISS
        if self.recording.outer:
            first = len(units)
            try:
                given, units, leaves = widened(self.of_call, units, self.recording.outer, leaves)
            except Unfit:
                return MISS
            if given != self.given or not all(map(self._fits, range(first, len(units)), leaves[first:])):
                return MISS
        inputs = [v for v, t in zip(leaves, self.taken, strict=True) if t]
        written = self.recording.written
        if written and shares(leaves, self.recording.outside, written):
            return MISS
        if self.chosen is None:
            if self.wanted:
                self.make_native()
            if not self.choose(inputs):
                return MISS
        plan = self.numpy if by_numpy else self.chosen
        out = self.entry_of(plan)(*inputs)
        if out is MISS:  # another layout in memory
            out = _entry_by_run(plan)(*inputs)
        if out is GUARD:
            return MISS
        if len(self.recording.graph.outputs) == 1:
            out = (out,)
        recording = self.recording
        moving = iter(out)
        values = [
            fitted(next(moving), kind) if moves else v.copy("K") if type(v) is np.ndarray else v
            for v, moves, kind in zip(recording.leaves, recording.dynamic, recording.kinds, strict=True)
        ]
        values = all_ordered(plan, values, recording.orders, inputs)
        for k, content in zip(written, moving, strict=True):
            leaves[k][...] = content
        if recording.taken is not None:
            values = recording.taken.assemble(values, units)
        return recording.structure.unflatten(values)

    def answer(self, leaves: Sequence[Any]) -> tuple[list[Any] | None, bool]:
        """The outputs of the graph for the plain leaves of the call that was recorded, by native code, and whether it
        met what NumPy may have warned of; None where there is none, and where a guard does not hold."""
        self.make_native()
        if self.native is None:
            return None, False
        inputs = [v for v, t in zip(leaves, self.taken, strict=True) if t]

        def run() -> Any:
            found = self.entry_of(self.native)(*inputs)
            return _entry_by_run(self.native)(*inputs) if found is MISS else found

        try:
            out, told = flags_raised(run)
        except Exception:  # noqa: BLE001 the steps themselves will raise it
            return None, False
        if out is GUARD or out is MISS:
            return None, False
        ends = [out] if len(self.recording.graph.outputs) == 1 else list(out)
        with ignored():
            told = told or not all(np.isfinite(np.add.reduce(v, axis=None)) for v in ends if dtype_of(v).kind in "fc")
        return ends, told

    def _fits(self, number: int, value: Any) -> bool:
        """Whether the value of a Tensor from outside is of the type that was recorded."""
        if not self.taken[number]:
            return value is self.leaves[number]
        return (type(value), shape_of(value), dtype_of(value)) == self.types[number]

    def hot(self) -> Callable[[tuple[Any, ...]], Any] | None:
        """A function of the tuple of positional arguments that does all of ``attempt`` and what comes before it;
        None for calls that only the general way knows."""
        if self._hot is None and self.chosen is not None:
            self._hot = Writer(self).function()
        return self._hot


def _interruptions() -> int:
    """How often the system has taken the processor from this thread; 0 where it does not say."""
    try:
        from resource import RUSAGE_THREAD, getrusage
    except ImportError:
        return 0
    return getrusage(RUSAGE_THREAD).ru_nivcsw


def _entry_by_run(plan: Any) -> Callable[..., Any]:
    from wengert.backends.guards import GuardFailed

    def entry(*leaves: Any) -> Any:
        try:
            found = plan.run(list(leaves))
        except GuardFailed:
            return GUARD
        return found[0] if len(found) == 1 else tuple(found)

    return entry


def same_way(path: Path, other: Path) -> bool:
    """Whether two recordings took the same decisions, and both hold now."""
    return _way(path) == _way(other) and path.given == other.given and other.recording.outside.differs() is None


def _way(path: Path) -> list[Any]:
    # Not the lines: while a sweep of another thread is recorded, they are those of its steps.
    return [
        (g.kind, g.node.op, repr(g.outcome), None if g.value is None else g.value.tobytes())
        for g in path.recording.graph.guards
    ]


__all__ = ["LONG", "Path", "asks_for_errors", "same_way"]
