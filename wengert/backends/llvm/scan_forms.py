"""Programs before they are scheduled: scans without what nobody asks for; states and constants laid out for lanes.

Imports the index form, its canonical step, and what seeds are. Invariants: values that are left out reach no output of
the program; the order of a state's dimensions is the same for its initial value, in the body, and for its final
value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wengert.backends.llvm.canonical import canonical
from wengert.backends.llvm.emit.arithmetic import selects
from wengert.backends.llvm.indexed import Map, Program, Read, Reduce, Scan, ScanOutput, Slot, Store, Value

SHORT = 4
"""A dimension of at most so many places, which is written out, goes before those that have loops."""


def settled(program: Program) -> Program:
    """The canonical form of a program, with its scans settled."""
    found = canonical(program)
    return canonical(found) if settle(found) else found


def settle(program: Program) -> bool:
    """Settle the scans of a program that nobody else holds; whether there are any."""
    scans: dict[int, list[ScanOutput]] = {}
    for v in program.values():
        if isinstance(v, ScanOutput) and isinstance(v.scan, Scan):
            scans.setdefault(id(v.scan), []).append(v)
    for outputs in scans.values():
        scan = outputs[0].scan
        assert isinstance(scan, Scan)
        shrink(scan, outputs)
        arrange(scan, outputs)
    program.changed()
    return arrange_constants(program) or bool(scans)


def shrink(scan: Scan, outputs: list[ScanOutput]) -> None:
    """Leave out the states and rows that no asked output depends on, and the inputs that nothing reads then."""
    whole = scan.body
    carries, sequences = len(scan.initial), len(scan.sequences)
    live = {v.number for v in outputs}
    while True:
        body = canonical(Program(whole.inputs, (), tuple(whole.stores[k] for k in sorted(live))))
        settle(body)
        read = slots_read(body)
        more = {k for k in range(carries) if id(whole.inputs[k]) in read}
        if more <= live:
            break
        live |= more
    numbers = {old: new for new, old in enumerate(sorted(live))}
    groups = (scan.initial, scan.sequences, scan.invariants)
    keep = [k for k in range(len(whole.inputs)) if (k in live if k < carries else id(whole.inputs[k]) in read)]
    given = [part for group in groups for part in group]
    scan.initial = tuple(given[k] for k in keep if k < carries)
    scan.sequences = tuple(given[k] for k in keep if carries <= k < carries + sequences)
    scan.invariants = tuple(given[k] for k in keep if k >= carries + sequences)
    scan.body = Program(tuple(whole.inputs[k] for k in keep), body.constants, body.stores)
    for v in outputs:
        v.number = numbers[v.number]


def slots_read(program: Program) -> set[int]:
    """The slots that something reads, by identity."""
    return {id(v.slot) for v in program.values() if isinstance(v, Read)}


def arrange(scan: Scan, outputs: list[ScanOutput]) -> None:
    """Lay states out with their short dimensions first, so that neighbours on the lanes are neighbours in memory."""
    body = scan.body
    inputs, stores, initial = list(body.inputs), list(body.stores), list(scan.initial)
    reads: dict[int, list[Read]] = {}
    for v in body.values():
        if isinstance(v, Read):
            reads.setdefault(id(v.slot), []).append(v)
    for k, slot in enumerate(inputs[: len(initial)]):
        order = sorted(range(len(slot.shape)), key=lambda d: slot.shape[d] > SHORT)
        if order == list(range(len(slot.shape))):
            continue
        inputs[k] = turned(slot, order)
        for v in reads.get(id(slot), ()):
            v.slot, v.index = inputs[k], tuple(v.index[d] for d in order)
        stores[k] = Store(turned(stores[k].slot, order), stores[k].value, tuple(stores[k].dims[d] for d in order))
        value, dims = initial[k]
        initial[k] = value, tuple(dims[d] for d in order)
        for v in outputs:
            if v.number == k:
                v.dims = tuple(v.dims[d] for d in order)
    scan.initial = tuple(initial)
    scan.body = Program(tuple(inputs), body.constants, tuple(stores))


def arrange_constants(program: Program) -> bool:
    """Lay constants out likewise, where they are read at affine places; whether there was one."""
    reads: dict[int, list[Read]] = {}
    fixed: set[int] = set()
    for v in program.values():
        if isinstance(v, Read) and v.slot.data is not None and len(v.slot.shape) > 1:
            reads.setdefault(id(v.slot), []).append(v)
        if not isinstance(v, Map | Reduce):
            fixed |= {id(a.slot) for a in v.arguments if isinstance(a, Read)}
    changed = False
    for found in reads.values():
        slot = found[0].slot
        order = sorted(range(len(slot.shape)), key=lambda d: slot.shape[d] > SHORT)
        if id(slot) in fixed or order == list(range(len(order))) or slot.data is None or selects(slot.data):
            continue
        made, changed = turned(slot, order), True
        for v in found:
            v.slot, v.index = made, tuple(v.index[d] for d in order)
    return changed


def turned(slot: Slot, order: Sequence[int]) -> Slot:
    """A slot with its dimensions in another order."""
    data = None if slot.data is None else np.ascontiguousarray(slot.data.transpose(order))
    return Slot(slot.name, tuple(slot.shape[d] for d in order), slot.dtype, slot.kind, data)


def updated_in_place(body: Program, number: int) -> bool:
    """Whether a state's new value may be written over the old one: each element of the old one is read for the same
    element of the new one only, by maps on the way to its store and for nothing else."""
    slot, store = body.inputs[number], body.stores[number]
    values = body.values()
    users: dict[int, list[Value]] = {}
    for v in values:
        for a in v.arguments:
            users.setdefault(id(a), []).append(v)
    kept = {id(s.value) for s in body.stores if s is not store}
    kept |= {id(g) for g, _ in body.guards}
    reads = [v for v in values if isinstance(v, Read) and v.slot is slot]
    if any(v.index != store.dims for v in reads):
        return False
    waiting: list[Value] = list(reads)
    seen = set(map(id, waiting))
    while waiting:
        v = waiting.pop()
        if id(v) in kept:
            return False
        for user in users.get(id(v), ()):
            if not isinstance(user, Map):
                return False
            if id(user) not in seen:
                seen.add(id(user))
                waiting.append(user)
    return True


__all__ = ["settle", "settled", "updated_in_place"]
