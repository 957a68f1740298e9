"""The loop tree as text that a person can read.

Imports the index form, the plan and storage. Invariant: every node, loop and buffer of the plan is named."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Read,
    Reduce,
    Reshaped,
    Routine,
    Scan,
    ScanOutput,
    Scatter,
    Store,
    Sub,
    Value,
)
from wengert.backends.llvm.loop_tree import Body, Loop
from wengert.backends.llvm.schedule import Plan
from wengert.backends.llvm.storage import Storage

DEEP = 6


class Names:
    """Names of axes and nodes."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.axes: dict[Axis, str] = {}
        self.values: dict[int, str] = {}

    def axis(self, a: Axis) -> str:
        """i, j, k, ..."""
        if a not in self.axes:
            number = len(self.axes)
            self.axes[a] = "ijklmnopqrs"[number] if number < 11 else f"i{number}"
        return self.axes[a]

    def value(self, v: Value | Scan | Routine) -> str:
        """t0, t1, ..."""
        return self.values.setdefault(id(v), f"t{len(self.values)}")

    def indexed(self, v: Value) -> str:
        """A node with its axes."""
        if isinstance(v, ScanOutput):
            return f"{self.value(v.scan)}.{v.number}"
        axes = ",".join(self.axis(a) for a in v.axes)
        return self.value(v) + (f"[{axes}]" if axes else "")

    def affine(self, a: Affine) -> str:
        """An index."""
        parts = [self.axis(x) if c == 1 else f"{c}*{self.axis(x)}" for x, c in a.terms]
        if a.offset or not parts:
            parts.append(str(a.offset))
        return " + ".join(parts).replace("+ -", "- ")

    def formula(self, v: Value, top: bool = False, depth: int = 0) -> str:
        """A value in terms of nodes."""
        if not top and id(v) in self.plan.nodes.of:
            return self.indexed(v)
        if depth > DEEP:
            return "..."
        match v:
            case Constant():
                return repr(v.value.item() if hasattr(v.value, "item") else v.value)
            case Index():
                return self.axis(v.axes[0])
            case Read():
                dims = ",".join(self.axis(d) if isinstance(d, Axis) else "0" for d in v.index)
                return f"{v.slot.name}[{dims}]" if dims else v.slot.name
            case Map():
                return f"{v.function}({', '.join(self.formula(a, depth=depth + 1) for a in v.args)})"
            case Reduce():
                over = ",".join(self.axis(a) for a in v.over)
                return f"{v.kind}[{over}] {self.formula(v.arg, depth=depth + 1)}"
            case Sub():
                moves = ", ".join(
                    f"{self.axis(a)} := {self.affine(i) if isinstance(i, Affine) else self.formula(i, depth=depth + 1)}"
                    for a, i in v.index.items()
                )
                where = "".join(f" if {low} <= {self.affine(a)} < {high}" for a, low, high in v.guards)
                return f"{self.formula(v.arg, depth=depth + 1)}{{{moves}{where}}}"
            case Reshaped():
                return f"reshape({self.formula(v.arg, depth=depth + 1)})"
            case Scatter():
                base = "0" if v.base is None else self.formula(v.base, depth=depth + 1)
                return f"scatter_{v.mode}({base}, {self.formula(v.source, depth=depth + 1)})"
        return type(v).__name__


def describe(
    plan: Plan, storage: Storage | None = None, indent: str = "", blocks: Mapping[Loop, int] | None = None
) -> str:
    """The nests of a plan, and of the bodies of its scans; ``blocks`` tells into how many blocks a loop is split."""
    names, lines = Names(plan), []

    def show(item: Loop | Body, indent: str) -> None:
        if isinstance(item, Loop):
            step = "" if item.width == 1 else f" tiles of {item.width}" if item.tile else f" by {item.width} lanes"
            split = f", {blocks[item]} blocks among threads" if blocks and item in blocks else ""
            if item.band is not None:
                split += (
                    f", of which {item.band.counts / len(item.band.first):.1f} count, by {names.axis(item.band.outer)}"
                )
            if item.ahead >= 0:
                split += f", {item.ahead} first"
            lines.append(f"{indent}for {names.axis(item.axis)} < {item.axis.extent}{step}{split}:")
            for child in item.children:
                show(child, indent + "    ")
            return
        for node in item.nodes:
            v = node.value
            if isinstance(v, Store):
                if storage is not None and node in storage.skipped:
                    continue
                dims = ",".join(names.axis(d) if isinstance(d, Axis) else "0" for d in v.dims)
                lines.append(f"{indent}{v.slot.name}[{dims}] = {names.formula(v.value)}")
            elif isinstance(v, Scan):
                direction = " backwards" if v.reverse else ""
                lines.append(f"{indent}{names.value(v)} = scan of {v.length} steps{direction}:")
                lines.append(describe(plan.bodies[id(v)], None, indent + "    "))
            elif isinstance(v, Routine):
                lines.append(
                    f"{indent}{names.value(v)} = {v.name}({', '.join(names.formula(x) for x, _ in v.operands)})"
                )
            else:
                sign = "+=" if node.over else "="
                buffer = storage.buffers.get(node) if storage is not None else None
                kept = ""
                if buffer is not None:
                    where = "output" if buffer.slot >= 0 else "memory" if buffer.offset >= 0 else "registers"
                    kept = f"    ({where}: {buffer.size * buffer.lanes} {v.dtype})"
                lines.append(f"{indent}{names.indexed(v)} {sign} {names.formula(v, top=True)}{kept}")

    for item in plan.tree:
        show(item, indent)
    small = ", ".join(f"{names.axis(a)} < {a.extent}" for a in names.axes if a in plan.nodes.unrolled)
    if small:
        lines.append(f"{indent}written out: {small}")
    return "\n".join(lines)


def groups(loops: str) -> list[str]:
    """The nests of a description, a line for each: what it runs over, how much it computes, and which arrays it keeps.

    >>> for line in groups("for i < 9 by 8 lanes:\\n    t0[i] = exp(x0[i])    (memory: 9 float64)\\n    y0[i] = t0[i]"):
    ...     print(line)
    i < 9 by 8 lanes: 2 values; keeps t0: 9 float64 in memory
    """
    found: list[tuple[str, list[str]]] = []
    alone = False
    for line in loops.splitlines():
        text = line.strip()
        if text.startswith("written out: "):
            continue
        if not line.startswith(" "):
            scan = text.partition(" = scan of ")[2]
            if alone and not scan and not text.startswith("for "):  # what stands between the loops is one group
                found[-1][1].append(text)
                continue
            alone = not scan and not text.startswith("for ")
            head = f"scan of {scan[:-1]}" if scan else "no loop" if alone else text[4:-1]
            found.append((head, [text] if alone else []))
        elif text.startswith("for "):
            found[-1] = (f"{found[-1][0]}, {text[4:-1]}" if len(found[-1][0]) < _WIDE else found[-1][0], found[-1][1])
        else:
            found[-1][1].append(text)
    return [f"{head}: {_amount(values)}" for head, values in found]


_WIDE = 60
_KEPT = re.compile(r"^(\S+?)(?:\[.*?\])? (?:\+=|=) .*\((memory|registers): (\d+ \w+)\)$")


def _amount(values: list[str]) -> str:
    kept = [f"{m[1]}: {m[3]} in {m[2]}" for m in map(_KEPT.match, values) if m]
    more = [f"... and {len(kept) - DEEP} more"] if len(kept) > DEEP else []
    count = f"{len(values)} value{'' if len(values) == 1 else 's'}"
    return count + (f"; keeps {', '.join(kept[:DEEP] + more)}" if kept else "")


__all__ = ["describe", "groups"]
