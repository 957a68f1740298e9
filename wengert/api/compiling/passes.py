"""What happens to a recorded graph before it is planned, and where native plans come from.

Imports rewrite; llvmlite only when native code is asked for. Invariant: a pass that fails is left out, and said."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from wengert.core.graph import Graph
from wengert.rewrite.clean import clean, simplify
from wengert.rewrite.loops.fold import fold
from wengert.rewrite.passes import improve
from wengert.rewrite.recompute import AGAIN

_SIMPLIFIED = 50_000
"""Steps above which a graph is only cleaned."""


def improved(graph: Graph, left_out: list[str]) -> Graph:
    """A recorded graph with its loops folded, cleaned and rewritten. (What a checkpoint has computed again stays as it
    stands: a loop would stack the values of all its iterations.)"""
    again = any(node.op is AGAIN for node in graph.nodes)
    for step in (simplify, improve) if again else (fold, simplify, improve):
        if len(graph) > _SIMPLIFIED and step is not fold:
            step = clean
        try:
            graph = step(graph)
        except Exception as problem:  # noqa: BLE001 the graph as it was is right as well
            left_out.append(f"{step.__module__}.{step.__name__} ({type(problem).__name__}: {problem})")
    return graph


def has_llvmlite() -> bool:
    """Whether native code can be made here."""
    try:
        return importlib.util.find_spec("llvmlite") is not None
    except (ImportError, ValueError):  # somebody keeps it from being imported, or put something else in its place
        return False


def quietly() -> dict[str, Any]:
    """The options of compiling what nobody asked to be compiled: nobody is told there what native code needs."""
    return {} if has_llvmlite() else {"backend": "numpy"}


def why_no_native() -> str | None:
    """Why there is no native code for anything here; None where there is."""
    if not has_llvmlite():
        return "native code needs llvmlite (pip install wengert[native])"
    from wengert.backends.llvm.engine import why_not

    return why_not()


def native_plan() -> Any:
    """What makes native plans, or None without llvmlite."""
    if not has_llvmlite():
        return None
    from wengert.backends.llvm.engine import making
    from wengert.backends.llvm.program import NativePlan

    def plan(graph: Graph, *, threads: int = 1, improved: Callable[[], Graph] | None = None) -> NativePlan:
        with making:  # a process does not fork meanwhile
            return NativePlan(graph, threads=threads, improved=improved)

    return plan


__all__ = ["has_llvmlite", "improved", "native_plan", "quietly", "why_no_native"]
