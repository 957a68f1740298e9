"""What a compiled function says of itself: its paths, guards, facts, plans and their sources.

Imports ``compiling/calls`` and ``compiling/path``. Invariant: asking changes no path."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from wengert.api.compiling.calls import Calls, Kind, mark
from wengert.api.compiling.path import Path
from wengert.api.compiling.tensors import mode, opened
from wengert.core.errors import WengertValueError, error_at
from wengert.core.graph import Graph
from wengert.core.node import Const, line_of
from wengert.core.tree import flatten
from wengert.core.types import ArrayType
from wengert.plan.liveness import looks_into, nbytes
from wengert.rewrite.passes import REVERSE, report

SOURCES = ("python", "loops", "llvm", "asm")
_SHOWN = 12


def explain(calls: Calls, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The report; with arguments only that of their types."""
    kinds = list(calls.kinds.values())
    if args or kwargs:
        leaves, structure = flatten((args, kwargs))
        leaves, given, _ = opened(leaves)
        found = calls.kinds.get(((structure, given, mode()), tuple(map(mark, leaves))))
        kinds = [found] if found is not None else []
    count = sum(len(k.paths) for k in kinds)
    lines = [f"{calls.name}, compiled for {calls.backend}: {_many(count, 'path')}"]
    lines += [f"runs uncompiled: {calls.reason}"] if calls.reason else []
    for kind in kinds:
        lines += _kind(kind)
    if not kinds:
        lines.append("  not called yet" if not (args or kwargs) else "  not called with such arguments yet")
    return "\n".join(lines)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _kind(kind: Kind) -> list[str]:
    names = kind.structure.children[0].paths("argument") + kind.structure.children[1].paths("keyword")
    if kind.given is not None:
        names = kind.given.names(names)
    held = ", ".join(f"{name}: {'input' if taken else 'fixed'}" for name, taken in zip(names, kind.taken, strict=True))
    lines = [f"for ({held})"]
    if kind.reason:
        lines.append(f"  runs uncompiled: {kind.reason}")
    for number, path in enumerate(kind.paths):
        lines += [f"  path {number}: {line}" if k == 0 else f"    {line}" for k, line in enumerate(_path(path))]
    return lines


def _path(path: Path) -> list[str]:
    graph, plan = path.graph, path.numpy.plan
    types = ", ".join(repr(n.type) for n in graph.inputs)
    sizes = f"{_many(path.recorded, 'step')} recorded, {len(graph)} after rewriting"
    lines = [f"({types}), {sizes}, {_many(len(graph.guards), 'guard')}"]
    counts = Counter(node.op.name for node in graph.nodes)
    lines.append("steps: " + ", ".join(f"{name} {n}" for name, n in counts.most_common(_SHOWN)))
    lines += _rewritten(graph)
    for guard in graph.guards[:_SHOWN]:
        file, line, _ = line_of(guard.where)
        asked = guard.outcome if guard.value is None else "as recorded"
        lines.append(f"guard: {guard.kind} is {asked!s:.40} at {file}:{line}")
    if len(graph.guards) > _SHOWN:
        lines.append(f"... and {len(graph.guards) - _SHOWN} more guards")
    reads = path.recording.outside.reads
    lines += [f"reads {read.label}" for read in reads[:_SHOWN]]
    if len(reads) > _SHOWN:
        lines.append(f"... and {len(reads) - _SHOWN} more from outside")
    if path.recording.careful:
        lines.append(f"asks {path.recording.careful}: others than ordinary arguments run uncompiled")
    lines.append(
        f"memory: at most {plan.peak} bytes of values at once (all together {plan.total}), "
        f"{_moved(graph)} bytes read and written; about {_flops(graph)} floating point operations"
    )
    runs = {None: "not chosen yet", path.numpy: "NumPy"}.get(path.chosen, "native")
    lines.append(f"runs: {runs}" + (f" (no native code: {path.native_problem})" if path.native_problem else ""))
    lines += [f"left out: {what}" for what in path.left_out]
    if path.native is not None:
        lines += path.native.explain().splitlines()
    lines.append("seconds: " + ", ".join(f"{what} {spent:.3g}" for what, spent in path.seconds.items()))
    return lines


def _rewritten(graph: Graph) -> list[str]:
    """What rewriting did: the rules it used, and the gates, whose derivatives are made of their own values."""
    done = report(graph)
    used = ", ".join(f"{name} {n}" for name, n in done.rules.most_common(_SHOWN))
    lines = [f"rewritten by: {used}"] if used else []
    for gate, (file, line, function) in done.gates:
        now, spelled = REVERSE[gate]
        lines.append(
            f"gate: {gate} at {file}:{line} in {function}: its reverse is {_many(now, 'operation')} "
            f"besides the factor from above, spelled out {spelled}"
        )
    return lines


def _size(kind: Any) -> int:
    if type(kind) is tuple:
        return sum(map(_size, kind))
    count = 1
    for n in kind.shape if isinstance(kind, ArrayType) else ():
        count *= int(n)
    return count


def _moved(graph: Graph) -> int:
    """The bytes that the steps read and write, one by one."""
    total = 0
    for node in graph.nodes:
        if looks_into(node) is None:
            total += nbytes(node.type)
            total += sum(getattr(a.value, "nbytes", 0) if isinstance(a, Const) else nbytes(a.type) for a in node.args)
    return total


def _flops(graph: Graph) -> int:
    """One per element of each result; sums count what they read, products of matrices two per pair multiplied."""
    total = 0
    for node in graph.nodes:
        if looks_into(node) is not None:
            continue
        sizes = [_size(ArrayType.of(a.value)) if isinstance(a, Const) else _size(a.type) for a in node.args[:2]]
        if node.op.name in ("matmul", "dot", "tensordot") and len(sizes) == 2:
            result = max(1, _size(node.type))
            total += 2 * result * max(1, round((sizes[0] * sizes[1] / result) ** 0.5))
        else:
            total += max([_size(node.type), *sizes])
    return total


def source(calls: Calls, kind: str) -> str:
    """The text of the plan of the path used last: Python, loops, LLVM or assembler."""
    paths = calls.paths
    if not paths:
        raise error_at(
            WengertValueError,
            f"{calls.name} has no recorded path yet" + (f": {calls.reason}" if calls.reason else ""),
            fix="call it first",
            depth=4,
        )
    path = paths[0]
    kind = kind or ("python" if path.native is None else "loops")
    if kind not in SOURCES:
        raise error_at(
            WengertValueError,
            f"source({kind!r}) is not known",
            fix=f"one of {', '.join(map(repr, SOURCES))}",
            depth=4,
        )
    if kind == "python":
        return path.numpy.source("python")
    if path.wanted:
        path.make_native()
    if path.native is None:
        have = path.native_problem or ("" if "llvmlite" in sys.modules else "llvmlite is not loaded")
        raise error_at(
            WengertValueError,
            f"{calls.name} has no native code" + (f" ({have})" if have else ""),
            fix='source("python"), or compile it with backend="native"',
            depth=4,
        )
    text: str = path.native.source(kind)
    return text


__all__ = ["explain", "source"]
