"""Where the first calls of compiled functions go: recording, rewriting, lowering, scheduling, LLVM.

May import `measure`. Invariant: the parts are those that `explain()` states, of the functions that were timed.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from typing import Any

_KERNEL = re.compile(r"lowered in ([\d.]+) ms, scheduled in ([\d.]+) ms, compiled in ([\d.]+) ms")


def parts(compiled: Any) -> dict[str, float]:
    """Milliseconds (wall clock) of each stage of the first path of a compiled function; empty for anything else."""
    paths = getattr(compiled, "paths", None)
    if not paths:
        return {}
    path = paths[0]
    found = {name: 1e3 * path.seconds.get(name, 0.0) for name in ("recording", "rewriting")}
    kernels = [tuple(map(float, times)) for times in _KERNEL.findall(compiled.explain())]
    for name, times in zip(("lowering", "scheduling", "LLVM"), zip(*kernels, strict=True), strict=False):
        found[name] = sum(times)
    return found


def described(title: str, first: dict[str, float], stages: dict[str, float]) -> str:
    """One line: the first calls of a row, and their stages."""
    jax = f", of JAX {1e3 * first['JAX']:.0f}" if "JAX" in first else ""
    each = ", ".join(f"{name} {value:.0f}" for name, value in stages.items())
    return f"- {title}, first call, ms: {1e3 * first['auto']:.0f}{jax}; {each}."


_REASONS = {
    "recording": "the function runs in Python, step by step, and what a branch, a guard or the first result asks for "
    "is computed on the way, large arrays in memory that is mapped for the first time; JAX looks at shapes only",
    "rewriting": "rules are tried on every step",
    "lowering": "steps become programs over indices",
    "scheduling": "loop nests are found in Python",
    "LLVM": "machine code is made, the functions of mathematics included",
}


def distances(rows: Sequence[Any], goal: float) -> str:
    """Where first calls miss their goals: which stage takes the time, and why it must be gone through."""
    told = [row for row in rows if "JAX" in row.first and row.stages]
    ratios = [row.first["auto"] / row.first["JAX"] for row in told]
    mean = math.exp(statistics.mean(map(math.log, ratios))) if ratios else 0.0
    lines = []
    for row, ratio in zip(told, ratios, strict=True):
        if ratio > 1.0:
            stage = max(row.stages, key=row.stages.__getitem__)
            lines.append(
                f"- {row.title}: the first call takes {ratio:.2f} of JAX's. Its longest stage is {stage}, "
                f"{row.stages[stage]:.0f} of {1e3 * row.first['auto']:.0f} ms: {_REASONS[stage]}."
            )
    if mean > goal:
        whole = sum(row.first["auto"] for row in told) * 1e3
        shares = {name: sum(row.stages[name] for row in told) / whole for name in ("recording", "scheduling", "LLVM")}
        each = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        below = sum(ratio <= goal for ratio in ratios)
        lines.append(
            f"- First calls miss {goal:.3g} of JAX's as the geometric mean ({mean:.3g}); {below} of {len(ratios)} rows "
            f"are below it. Of the time of all rows together: {each}. Recording: {_REASONS['recording']}. LLVM: "
            f"{_REASONS['LLVM']}."
        )
    return "\n".join(lines)


__all__ = ["described", "distances", "parts"]
