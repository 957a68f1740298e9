"""The native plan of a graph: native segments, and between them the steps of NumPy, as one callable.

Imports kernels, plans on disk, the Python plan that drives segments; the stages of native code are loaded where they
are needed. Invariants: outputs are fresh memory; a step that cannot be native is a step of NumPy, for a reason that
``explain`` tells; when a NumPy step raises, a guard that would have failed before it comes first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wengert.backends.guards import GUARD, GuardFailed
from wengert.backends.llvm import kept_plans
from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.roads import first_road, road_taken
from wengert.backends.llvm.native_kernel import NativeKernel, helpers_of
from wengert.backends.numpy.compiled import PythonPlan
from wengert.core.graph import Graph
from wengert.core.node import Node, line_of
from wengert.core.structure import ITEM

if TYPE_CHECKING:
    from wengert.backends.llvm.segments import Cut, Segment
    from wengert.backends.llvm.subplans import Inside

STRICT = "WENGERT_NATIVE_STRICT"
"""The environment variable that turns a fault of the native stages into an error, where else NumPy takes over."""


class NativePlan:
    """A graph as native code; ``entry`` is the C function of the leaves where all of the graph is one kernel, else
    None, and ``answer`` is then its counterpart for leaves that the caller has checked.

    ``run(values)`` gives fresh outputs or raises GuardFailed; ``native`` and ``fallen`` count steps; ``reasons`` tells
    for each step of NumPy why it is one. ``threads`` is the most threads that split a loop.

    Plans are looked for on disk first. With ``improved`` the graph that is compiled is what that gives, with the same
    inputs, outputs and meaning as ``graph``; a plan of one kernel is found by ``graph``, and does not ask for the other
    until it is needed."""

    def __init__(self, graph: Graph, *, threads: int = 1, improved: Callable[[], Graph] | None = None) -> None:
        engine(), first_road()  # what is wrong with the settings is an error, not a reason for NumPy
        self.threads = threads
        self.name, self._outputs = graph.name, len(graph.outputs)
        self._improved = improved if improved is not None else lambda: graph
        self._graph: Graph | None = None
        self._cut: Cut | None = None
        self._kernels: dict[Segment, NativeKernel] = {}
        self.fallen = 0
        self.entry: Any = None
        self._whole: NativeKernel | None = None
        self._python: PythonPlan | None = None
        self._insides: dict[Node, Inside] = {}
        self._original: PythonPlan | None = None
        name = self._name(graph)
        if name is None or not self._from_disk(name, graph):
            self._by_stages(name, graph)

    def _name(self, graph: Graph) -> kept_plans.Name | None:
        """What the plan is kept under, where plans are kept."""
        if cache().place is None:
            return None
        return kept_plans.name_of(graph, engine().key(), split=helpers_of(self.threads) is not None)

    def _from_disk(self, name: kept_plans.Name, graph: Graph) -> bool:
        """Whether the plan was there, and is made."""
        begun = time.perf_counter()
        try:
            found = kept_plans.load(cache(), name, graph)
            if isinstance(found, bool):
                return found and self._cut_from_disk(name, graph)
            self._whole = NativeKernel(self._given, found, like=graph, threads=self.threads, begun=begun)
        except Exception:  # whatever is wrong with it, the stages make another
            if os.environ.get(STRICT):
                raise
            return False
        self.native, self.entry = found.steps, self._whole.entry
        return True

    def _cut_from_disk(self, name: kept_plans.Name, graph: Graph) -> bool:
        begun = time.perf_counter()
        own = name if self.graph is graph else self._name(self.graph)
        found = kept_plans.load_cut(cache(), own, self.graph) if own is not None else None
        if found is None:
            return False
        kernels = {}
        for segment, piece in found[1].items():
            kernels[segment] = NativeKernel(
                segment.giving, piece, like=segment.graph, threads=self.threads, begun=begun
            )
            begun = time.perf_counter()
        self._drive(found[0], kernels)
        return True

    def _by_stages(self, name: kept_plans.Name | None, graph: Graph) -> None:
        """Make the plan, and keep it under the name of the graph that was asked for."""
        from wengert.backends.llvm import stages

        cut, kernels, made = stages.compiled(self.graph, self.threads)
        self._insides = stages.insides(cut.reasons, lambda inner: NativePlan(inner, threads=self.threads))
        self._drive(cut, kernels)
        if name is None:
            return
        if cut.whole:
            kept_plans.store(cache(), name, graph, made[cut.segments[0]])
        elif not self._insides:
            own = name if self.graph is graph else self._name(self.graph)
            if own is not None:
                kept_plans.store_cut(cache(), name, graph, own, cut, made)

    def _drive(self, cut: Cut, kernels: dict[Segment, NativeKernel]) -> None:
        """Put segments and steps of NumPy together."""
        self._cut, self._kernels = cut, kernels
        self.fallen = sum(n.op is not ITEM for n in cut.reasons)
        self.native = sum(n.op is not ITEM for s in cut.segments for n in s.nodes)
        if cut.whole:
            self._whole = kernels[cut.segments[0]]
            self.entry = self._whole.entry
        else:
            from wengert.backends.llvm.driving import driver

            self._mixed, self._numbers = driver(cut, kernels, self._insides)
            self._python = PythonPlan(self._mixed)

    def _given(self) -> Graph:
        return self.graph

    @property
    def graph(self) -> Graph:
        """The graph that is compiled."""
        if self._graph is None:
            self._graph = self._improved()
        return self._graph

    @property
    def cut(self) -> Cut:
        """The segments, and the steps of NumPy between them."""
        if self._cut is None:
            from wengert.backends.llvm.segments import whole

            assert self._whole is not None
            found = whole(self.graph)
            self._kernels[found.segments[0]] = self._whole
            self._cut = found
        return self._cut

    @property
    def kernels(self) -> dict[Segment, NativeKernel]:
        """The machine code of the segments."""
        return self._kernels if self.cut.segments else {}

    @property
    def reasons(self) -> dict[Node, str]:
        """Why steps are NumPy's."""
        return self.cut.reasons

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The outputs. Raises GuardFailed with the number of a guard that does not hold; what a step of NumPy
        raises; ValueError or TypeError for values of other shapes or dtypes."""
        if self._whole is not None:
            found = self._whole.call(*values)
        else:
            assert self._python is not None
            try:
                found = self._python.entry(*values)
            except GuardFailed:
                raise
            except Exception:
                index = self._failed_before(values)
                if index >= 0:
                    raise GuardFailed(index) from None
                raise
            if found is GUARD:
                failing = self._python.failing(values)
                raise GuardFailed(self._numbers[failing] if failing >= 0 else self._numbers[0])
        return [found] if self._outputs == 1 else list(found)

    def answer(self, *values: Any) -> Any:
        """The outputs (one object, or a tuple), or GUARD, without looking which of the guards failed; what a step of
        NumPy raises."""
        plan = self._python
        try:
            return plan.entry(*values) if plan is not None else self._whole.call(*values)  # type: ignore[union-attr]
        except GuardFailed:
            return GUARD
        except Exception:
            if plan is None or self._failed_before(values) < 0:
                raise
            return GUARD

    def _failed_before(self, values: Sequence[Any]) -> int:
        """The number of the guard that does not hold where a step raised (-1: all hold): steps run in another order
        than the program's, and a guard that stood before the step comes first."""
        if self._original is None:
            self._original = PythonPlan(self.graph)
        return self._original.failing(values)

    def explain(self) -> str:
        """What is native and what is not, bytes and operations, compile times."""
        host, pieces = engine().host, self.cut.segments
        fused = "fused multiply-add" if host.fma else "no fused multiply-add"
        called = _called(*road_taken())
        steps = f"{self.native} native steps in {_count(len(pieces), 'kernel')}, {_count(self.fallen, 'step')} of NumPy"
        processor = f"{host.cpu}, vectors of {host.width_bits} bits, {fused}"
        out = [f"native plan of {self.name}: {steps}; {processor}; {called}"]
        for part in self.cut.order:
            if not isinstance(part, Node):
                out.extend(self._explain_kernel(part))
            elif part.op is not ITEM:
                out.append(f"  NumPy: {part.op.name} (line {line_of(part.where)[1]}): {self.reasons[part]}")
                if part in self._insides:
                    out.extend(f"    {line}" for line in self._insides[part].lines)
        if self.threads > 1 and helpers_of(self.threads) is None:
            from wengert.backends.llvm.threads.pool import why_no_pool

            out.append(f"  threads: one ({why_no_pool()})")
        asked = sum(len(s.guards) for s in pieces)
        if self.graph.guards:
            out.append(f"  guards: {asked} in native code, {len(self.graph.guards) - asked} in NumPy")
        out.append(f"  object code on disk: {cache()}")
        return "\n".join(out)

    def _explain_kernel(self, part: Segment) -> list[str]:
        from wengert.backends.llvm.loops_text import groups

        made = self.kernels[part]
        f = made.facts
        memory = f"reads {_bytes(f.read)}, writes {_bytes(f.written)}, workspace {_bytes(made.workspace)}"
        made_in = f"scheduled in {f.emitting:.1f} ms, compiled in {f.compiling:.1f} ms"
        stages = f"lowered in {f.lowering:.1f} ms, {f'from disk in {f.emitting:.1f} ms' if f.cached else made_in}"
        if f.whole:
            stages = f"the whole plan from disk, in {f.emitting:.1f} ms"
        return [
            f"  {made.kernel.name}: {_count(len(part.nodes), 'step')}, {memory}, about {f.operations:.3g} operations",
            f"    {stages}, linked in {f.linking:.1f} ms",
            *(f"    group: {line}" for line in groups(made.kernel.loops)),
            *([f"    {_called(*made.road)}"] if made.road != road_taken() else []),
            *(f"    threads: {line}" for line in made.kernel.threads),
        ]

    def source(self, kind: str = "loops") -> str:
        """The text of the kernels: ``loops``, ``llvm`` (before the passes) or ``asm``.

        Raises ValueError for another kind."""
        if kind not in ("loops", "llvm", "asm"):
            raise ValueError(f"source({kind!r}): a native plan has 'loops', 'llvm' and 'asm'")
        texts = []
        for segment in self.cut.segments:
            kernel = self.kernels[segment].kernel
            text = kernel.loops if kind == "loops" else kernel.text
            texts.append(engine().assembler(text) if kind == "asm" else text)
        return "\n".join(texts)


def _called(road: str, why: str) -> str:
    how = {"fields": "from C", "buffers": "from C, arrays through the buffer protocol"}.get(road, "through ctypes")
    return f"called {how} ({why})" if why else f"called {how}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


__all__ = ["STRICT", "NativePlan"]
