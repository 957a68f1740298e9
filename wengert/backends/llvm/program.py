"""The native plan of a graph: native segments, and between them the steps of NumPy, as one callable.

Imports the segments, their kernels, the Python plan that drives them. Invariants: outputs are fresh memory; a step
that cannot be native is a step of NumPy, for a reason that ``explain`` tells; when a NumPy step raises, a guard that
would have failed before it comes first."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from wengert.backends.guards import GUARD, GuardFailed
from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.emit.emit import CannotEmit
from wengert.backends.llvm.engine import engine
from wengert.backends.llvm.entry.roads import first_road, road_taken
from wengert.backends.llvm.indexed import Program
from wengert.backends.llvm.lower.lower import Refused, can_ask, can_lower, lower
from wengert.backends.llvm.native_kernel import NativeKernel
from wengert.backends.llvm.segments import LONGEST, Cut, Segment, cut, left_to_libraries, whole
from wengert.backends.llvm.subplans import STRICT, Inside, inside
from wengert.backends.llvm.threads.pool import pool, why_no_pool
from wengert.backends.numpy.compiled import PythonPlan
from wengert.core.graph import Graph, Guard, Operand, copy_step, step
from wengert.core.node import Const, Node, line_of
from wengert.core.op import CONTROL, Op
from wengert.core.structure import ITEM


class NativePlan:
    """A graph as native code; ``entry`` is the C function of the leaves where all of the graph is one kernel, else
    None, and ``answer`` is then its counterpart for leaves that the caller has checked.

    ``run(values)`` gives fresh outputs or raises GuardFailed; ``native`` and ``fallen`` count steps; ``reasons`` tells
    for each step of NumPy why it is one. ``threads`` is the most threads that split a loop."""

    def __init__(self, graph: Graph, *, threads: int = 1) -> None:
        engine(), first_road()  # what is wrong with the settings is an error, not a reason for NumPy
        self.graph, self.threads = graph, threads
        self.kernels: dict[Segment, NativeKernel] = {}
        self.cut = self._compiled(graph)
        self.reasons = self.cut.reasons
        self.fallen = sum(n.op is not ITEM for n in self.reasons)
        self.native = sum(n.op is not ITEM for s in self.cut.segments for n in s.nodes)
        self.entry: Any = None
        self._whole: NativeKernel | None = None
        self._python: PythonPlan | None = None
        self._insides: dict[Node, Inside] = {}
        self._original: PythonPlan | None = None
        if self.cut.whole:
            self._whole = self.kernels[self.cut.segments[0]]
            self.entry = self._whole.entry
        else:
            self._insides = self._native_insides()
            self._mixed, self._numbers = driver(self.cut, self.kernels, self._insides)
            self._python = PythonPlan(self._mixed)

    def _compiled(self, graph: Graph) -> Cut:
        """The cut all of whose segments could be compiled."""
        banned: dict[Node, str] = {}
        begin = time.perf_counter()
        program = _at_once(graph)  # most graphs: then no step is asked for alone
        lowering = time.perf_counter() - begin if program is not None else 0.0
        while True:
            if program is not None:
                found = whole(graph)
            else:
                found = cut(graph, lambda node: banned.get(node) or can_lower(node), can_ask)
            for segment in found.segments:
                try:
                    self.kernels[segment] = NativeKernel(
                        segment.graph, program, lowering=lowering, threads=self.threads
                    )
                except (Refused, CannotEmit) as refused:
                    reason = str(refused)
                except Exception as fault:  # a fault of ours must not become the user's
                    if os.environ.get(STRICT):
                        raise
                    reason = f"the compiler's fault ({type(fault).__name__}: {fault})"
                else:
                    continue
                banned.update(dict.fromkeys(segment.nodes, reason))
                self.kernels.clear()
                program, lowering = None, 0.0
                break
            else:
                return found

    def _native_insides(self) -> dict[Node, Inside]:
        """The steps of NumPy that lead to native code themselves."""
        found = {}
        for node in self.reasons:
            how = inside(node, lambda graph: NativePlan(graph, threads=self.threads))
            if how is not None:
                found[node] = how
        return found

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
        return [found] if len(self.graph.outputs) == 1 else list(found)

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
        out = [f"native plan of {self.graph.name}: {steps}; {processor}; {called}"]
        for part in self.cut.order:
            if isinstance(part, Segment):
                out.extend(self._explain_kernel(part))
            elif part.op is not ITEM:
                out.append(f"  NumPy: {part.op.name} (line {line_of(part.where)[1]}): {self.reasons[part]}")
                if part in self._insides:
                    out.extend(f"    {line}" for line in self._insides[part].lines)
        if self.threads > 1 and pool() is None:
            out.append(f"  threads: one ({why_no_pool()})")
        asked = sum(len(s.guards) for s in pieces)
        if self.graph.guards:
            out.append(f"  guards: {asked} in native code, {len(self.graph.guards) - asked} in NumPy")
        kept = cache()
        out.append(f"  object code on disk: {kept.place if kept.place is not None else 'none kept'}")
        return "\n".join(out)

    def _explain_kernel(self, part: Segment) -> list[str]:
        made = self.kernels[part]
        f = made.facts
        memory = f"reads {_bytes(f.read)}, writes {_bytes(f.written)}, workspace {_bytes(made.workspace)}"
        made_in = f"scheduled in {f.emitting:.1f} ms, compiled in {f.compiling:.1f} ms"
        stages = f"lowered in {f.lowering:.1f} ms, {f'from disk in {f.emitting:.1f} ms' if f.cached else made_in}"
        return [
            f"  {made.kernel.name}: {_count(len(part.nodes), 'step')}, {memory}, about {f.operations:.3g} operations",
            f"    {stages}, linked in {f.linking:.1f} ms",
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


def _at_once(graph: Graph) -> Program | None:
    """A graph in index form, where all of it can be one kernel and nothing is better left to a library."""
    if not 0 < len(graph.nodes) <= LONGEST or any(isinstance(o, Const) for o in graph.outputs):
        return None
    if left_to_libraries(graph):
        return None
    try:
        return lower(graph)
    except Refused:
        return None


def driver(
    found: Cut, kernels: dict[Segment, NativeKernel], insides: Mapping[Node, Inside]
) -> tuple[Graph, tuple[int, ...]]:
    """The graph whose steps are whole segments and the steps of NumPy (``insides``: what runs in the place of some);
    and for each of its guards, the number that it has in the original."""
    graph = found.graph
    known: dict[Node, Node] = {n: n for n in graph.inputs}
    nodes: list[Node] = []

    def now(o: Operand) -> Operand:
        return o if isinstance(o, Const) else known[o]

    for part in found.order:
        if isinstance(part, Segment):
            nodes.extend(_as_steps(part, kernels[part], known))
        else:
            made = copy_step(part, [now(a) for a in part.args])
            if part in insides:
                made.evaluate = insides[part].evaluate
            known[part] = made
            nodes.append(made)
    taken = {k for part in found.segments for k in part.guards}
    numbers = tuple(k for k in range(len(graph.guards)) if k not in taken)
    guards: list[Guard] = [graph.guards[k].of(known[graph.guards[k].node]) for k in numbers]
    return graph.with_steps(nodes, [now(o) for o in graph.outputs], guards), numbers


def _as_steps(part: Segment, kernel: NativeKernel, known: dict[Node, Node]) -> list[Node]:
    """A segment as a step, and its results as steps."""

    def native(*operands: Any) -> Any:
        try:
            return kernel.call(*operands)
        except GuardFailed as failed:
            raise GuardFailed(part.guards[failed.index]) from None

    args = [known[n] for n in part.inputs]
    outputs = [o for o in part.outputs if isinstance(o, Node)]
    names = tuple(f"y{k}" for k in range(len(outputs)))
    several = len(outputs) != 1
    op = Op(
        name="native", kind=CONTROL, inputs=tuple(f"x{k}" for k in range(len(args))), params={}, evaluate=native,
        outputs=names if several else None, listed=False,
    )  # fmt: skip
    kind = tuple(o.type for o in outputs) if several else outputs[0].type
    made = step(op, args, (), kind, part.nodes[0].where)
    if not several:
        known[outputs[0]] = made
        return [made]
    items: list[Node] = []
    for k, o in enumerate(outputs):
        known[o] = step(ITEM, [made], (k,), o.type, o.where)
        items.append(known[o])
    return [made, *items]


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


__all__ = ["STRICT", "NativePlan", "driver"]
