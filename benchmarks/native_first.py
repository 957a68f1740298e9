"""Where the first calls of compiled functions go: recording, rewriting, lowering, scheduling, LLVM.

May import `measure`. Invariant: the parts are those that `explain()` states, of the functions that were timed.
"""

from __future__ import annotations

import re
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


__all__ = ["described", "parts"]
