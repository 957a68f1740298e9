"""memory_report: what a recording keeps for its derivative, step by step, with bytes and lines.

Imports core, ops, ``engine``. Invariant: memory that several steps share is counted once, with the
step that came first.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of
from wengert.api.gradients import here
from wengert.core import context
from wengert.core.handle import is_handle
from wengert.core.node import Node, line_of
from wengert.core.sweep import reachable
from wengert.core.tree import flatten, is_static
from wengert.core.types import dtype_of
from wengert.ops.keeping import kept_results
from wengert.tensor.tensor import LEAF, Tensor, current


@dataclass(frozen=True, slots=True)
class Kept:
    """One array that a recording keeps: the operation that needs it, shape, dtype, bytes, and the
    user's line.
    """

    op: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    file: str
    line: int


class MemoryReport:
    """What is kept: a sequence of ``Kept`` in order of recording; ``total`` is their sum in bytes,
    ``steps`` counts all steps, also those that keep nothing.
    """

    def __init__(self, name: str, rows: list[Kept], steps: int) -> None:
        self.name = name
        self.rows = rows
        self.steps = steps
        self.total = sum(row.bytes for row in rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Kept]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<MemoryReport {self.name}: {_size(self.total)} in {len(self.rows)} arrays, {self.steps} steps>"

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.steps} steps keep {_size(self.total)} in {len(self.rows)} arrays"]
        cells = [
            (
                r.op,
                f"{r.dtype}[{','.join(map(str, r.shape))}]",
                _size(r.bytes),
                f"{r.file.rsplit('/', 1)[-1]}:{r.line}",
            )
            for r in self.rows
        ]
        widths = [max(len(c[k]) for c in cells) for k in range(4)] if cells else []
        lines += [f"  {o:<{widths[0]}}  {t:<{widths[1]}}  {b:>{widths[2]}}  {w}" for o, t, b, w in cells]
        return "\n".join(lines)


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def memory_report(fun: Any) -> Any:
    """Return a function that runs ``fun`` once and lists what its reverse derivative, by all
    floating point arguments, would keep.

    Of a Tensor the report of its own graph comes back at once. The report prints as a table;
    its rows have ``op``, ``shape``, ``dtype``, ``bytes``, ``file``
    and ``line``. Arguments and constants that a
    derivative refers to are listed too, once each; small numbers are not.

    >>> import numpy as np
    >>> import wengert
    >>> report = wengert.memory_report(lambda x: np.sum(np.tanh(2.0 * x) + 1.0))(np.zeros(1000))
    >>> [(row.op, row.shape, row.bytes) for row in report], report.steps
    ([('tanh', (1000,), 8000)], 4)
    """

    if isinstance(fun, Tensor):
        node = current(fun).node
        steps = [n for n in reachable([node] if node is not None else [], (), 0) if n.op is not LEAF]
        return report_of(steps, "Tensor")

    @functools.wraps(fun)
    def reporting(*args: Any, **kwargs: Any) -> MemoryReport:
        leaves, structure = flatten((args, kwargs))
        moving = [k for k, leaf in enumerate(leaves) if not is_static(leaf) and dtype_of(leaf).kind in "fc"]
        inputs = [engine.settled(leaves[k]) for k in moving]

        def rebuild(handles: list[Any]) -> Any:
            full = list(leaves)
            for k, value in zip(moving, handles, strict=True):
                full[k] = value
            return structure.unflatten(full)

        frame, roots, out = engine.reverse_trace(fun, inputs, rebuild, here())
        try:
            outputs, _ = engine.flat_output(out)
            ends = [o.node for o in outputs if is_handle(o) and o.node is not None]
            return report_of(reachable(ends, [r.node for r in roots], frame.start), name_of(fun))
        finally:
            context.retire(frame)

    return reporting


def report_of(nodes: Iterable[Node], name: str) -> MemoryReport:
    """The report of recorded nodes."""
    rows: list[Kept] = []
    seen: set[int] = set()
    count = 0
    for node in nodes:
        count += 1
        held = [(node, value) for value in node.saved] + kept_results(node)
        for source, value in held:
            for part in value if type(value) is tuple else (value,):
                if type(part) is not np.ndarray or part.nbytes == 0:
                    continue
                owner = part
                while isinstance(owner.base, np.ndarray):
                    owner = owner.base
                if id(owner) in seen:
                    continue
                seen.add(id(owner))
                file, line, _ = line_of(source.where)
                label = node.op.name if source is node else f"{node.op.name}: {source.op.name}"
                rows.append(Kept(label, part.shape, str(part.dtype), owner.nbytes, file, line))
    return MemoryReport(name, rows, count)


__all__ = ["Kept", "MemoryReport", "memory_report", "report_of"]
