"""Sums over a shifted axis become sums over the axis that it is a part of: one pass over memory instead of two.

``sum_j f(x[j + 1], x[j])`` beside ``y[i]``, which is made of the same f at ``j = i`` and ``j = i - 1``, is a sum over i
whose ends are guarded. Imports the index form, nodes' costs, ``rebuild``. Invariant: outside the range of the old axis
nothing is evaluated and what is added is the neutral element, so the sum has the same terms."""

from __future__ import annotations

from wengert.backends.llvm.canonical import canonical
from wengert.backends.llvm.emit.arithmetic import neutral
from wengert.backends.llvm.indexed import (
    Affine,
    Axis,
    Constant,
    Index,
    Map,
    Program,
    Read,
    Reduce,
    Reshaped,
    ScanOutput,
    Scatter,
    Sub,
    Value,
    given,
)
from wengert.backends.llvm.rebuild import rebuilt
from wengert.backends.llvm.schedule_nodes import RECOMPUTE, cost_of

SHORTEST = 256
"""Axes of fewer places are left alone."""
LARGER = 1.1
"""The other axis is at most so many times as long."""
KINDS = frozenset({"sum", "max", "min"})


def rebased(program: Program) -> Program:
    """The program with every sum moved to a longer axis along which its terms are computed anyway."""
    values = program.values()
    if not any(isinstance(v, Reduce) and any(a.extent >= SHORTEST for a in v.over) for v in values):
        return program
    targets = _targets(program, values)
    if not targets:
        return program

    def change(v: Value) -> Value | None:
        if not isinstance(v, Reduce) or not any(a in targets for a in v.over):
            return None
        index: dict[Axis, Affine | Value] = {}
        guards = []
        for axis in v.over:
            if axis in targets:
                longer, shift = targets[axis]
                place = Affine(((longer, 1),), shift)
                index[axis] = place
                if longer.extent != axis.extent:
                    guards.append((place, 0, axis.extent))
        over = tuple(targets[a][0] if a in targets else a for a in v.over)
        axes = (*v.axes, *over)
        moved = Sub(axes, v.arg.dtype, v.arg, index, tuple(guards), neutral(v.kind, v.arg.dtype), where=v.where)
        return Reduce(v.axes, v.dtype, v.kind, moved, over, where=v.where)

    return canonical(rebuilt(program, change))


def _targets(program: Program, values: list[Value]) -> dict[Axis, tuple[Axis, int]]:
    """For each axis that may be given up, the longer one and the shift: ``j = i + shift``."""
    stored = {d for s in program.stores for d in s.dims if isinstance(d, Axis)}
    found: dict[Axis, list[tuple[Axis, int]]] = {}
    held: set[Axis] = set(stored)
    for v in values:
        if isinstance(v, Sub):
            for axis, i in v.index.items():
                if isinstance(i, Affine) and len(i.terms) == 1 and i.terms[0][1] == 1:
                    found.setdefault(axis, []).append((i.terms[0][0], i.offset))
        elif isinstance(v, Reshaped):
            held.update((*v.source, *v.target))
        elif isinstance(v, Scatter):
            held.update((*v.axes, *v.order))
        elif isinstance(v, ScanOutput):
            held.update(v.axes)
            held.update(d for _, dims in given(v.scan) for d in dims if isinstance(d, Axis))
    cones = _cones(values)
    summed: dict[Axis, list[Reduce]] = {}
    for v in values:
        if isinstance(v, Reduce):
            for a in v.over:
                summed.setdefault(a, []).append(v)
    targets: dict[Axis, tuple[Axis, int]] = {}
    for axis, sums in summed.items():
        if axis in held or axis.extent < SHORTEST:
            continue
        fits = [
            (longer, shift)
            for longer, shift in found.get(axis, ())
            if longer in stored
            and axis.extent <= longer.extent <= LARGER * axis.extent
            and shift <= 0
            and axis.extent - shift <= longer.extent
        ]
        if fits and all(_may(v, axis, fits, cones) for v in sums):
            targets[axis] = max(fits, key=lambda t: (t[1], -t[0].extent))
    return targets


def _may(v: Reduce, axis: Axis, fits: list[tuple[Axis, int]], cones: dict[int, float]) -> bool:
    """Whether an accumulation can be moved: its terms are cheap, and the other axis is free in it."""
    return (
        v.kind in KINDS
        and v.arg.dtype == v.dtype
        and cones[id(v.arg)] <= RECOMPUTE
        and not any(longer in v.arg.axes for longer, _ in fits)
        and sum(a.extent >= SHORTEST for a in v.over) == 1
    )


def _cones(values: list[Value]) -> dict[int, float]:
    """Operations to compute each value again from what is in memory."""
    cones: dict[int, float] = {}
    for v in values:
        if isinstance(v, Read | Constant | Index | Reduce | Scatter | ScanOutput):
            cones[id(v)] = 0.0
        else:
            own = cost_of(v.function) if isinstance(v, Map) else 0.0
            cones[id(v)] = min(own + sum(cones[id(a)] for a in v.arguments), 1e12)
    return cones


__all__ = ["rebased"]
