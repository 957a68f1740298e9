"""The meaning of a program in index form: every value as an array over its axes, computed by NumPy one after the other.

Imports NumPy, core.op, ``indexed``. Slow and independent of any schedule: what every later stage is compared with.
Invariant: the array of a value has one dimension per axis, in the order of ``value.axes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    Routine,
    Scan,
    ScanOutput,
    Scatter,
    Slot,
    Sub,
    Value,
)
from wengert.backends.llvm.interpret_routines import meaning
from wengert.core.op import OPS

Array = np.ndarray[Any, Any]
Dims = tuple[Axis | int, ...]


def interpret(program: Program, arrays: Sequence[Any]) -> tuple[list[Array], list[bool]]:
    """The outputs of a program for its inputs, and which of its guards hold."""
    memory = {id(slot): np.asarray(a, slot.dtype) for slot, a in zip(program.inputs, arrays, strict=True)}
    for slot in program.constants:
        assert slot.data is not None
        memory[id(slot)] = slot.data
    run = _Run(memory)
    with np.errstate(all="ignore"):
        for value in program.values():
            run.known[id(value)] = run.evaluate(value)
    outputs = []
    for store in program.stores:
        made = np.empty(store.slot.shape, store.slot.dtype)
        made[...] = _spread(run.of(store.value), store.value.axes, store.dims)
        outputs.append(made)
    return outputs, [bool(run.of(guard)) for guard, _ in program.guards]


def _spread(array: Array, axes: Sequence[Axis], dims: Sequence[Axis | int]) -> Array:
    """An array over ``axes`` as one that broadcasts over ``dims`` (1 where it does not depend on a dimension)."""
    wanted = [d.find() if isinstance(d, Axis) else d for d in dims]
    have = [a.find() for a in axes]
    order = [have.index(d) for d in wanted if isinstance(d, Axis) and d in have]
    shape = [d.extent if isinstance(d, Axis) and d in have else 1 for d in wanted]
    return array.transpose(order).reshape(shape)


def _own(function: str, args: Sequence[Array], dtype: np.dtype[Any]) -> Any:
    """A function of wengert's own; NaN where it raises for one of the numbers (at a pole of ``math.lgamma``)."""
    evaluate = OPS[function].evaluate

    def total(*numbers: float) -> Any:
        try:
            return evaluate(*numbers)
        except (ValueError, OverflowError):
            return np.nan

    try:
        return evaluate(*args)
    except (ValueError, OverflowError):
        return np.vectorize(total, otypes=[dtype])(*args)


class _Run:
    def __init__(self, memory: dict[int, Array]) -> None:
        self.memory = memory
        self.known: dict[int, Array] = {}
        self.scans: dict[int, list[Array]] = {}

    def of(self, value: Value) -> Array:
        return self.known[id(value)]

    def over(self, value: Value, dims: Sequence[Axis | int]) -> Array:
        """A value seen over dimensions, broadcast in full."""
        shape = [d.extent if isinstance(d, Axis) else 1 for d in dims]
        return np.broadcast_to(_spread(self.of(value), value.axes, dims), shape)

    def place(self, place: Affine | Value, axes: Sequence[Axis]) -> Array:
        """An index expression at every point of ``axes``."""
        if isinstance(place, Value):
            return self.over(place, axes)
        found = np.full([a.extent for a in axes], place.offset)
        for axis, c in place.terms:
            found = found + c * _spread(np.arange(axis.extent), (axis,), axes)
        return found

    def evaluate(self, value: Value) -> Array:
        found = np.asarray(getattr(self, type(value).__name__.lower())(value))
        assert found.shape == tuple(a.extent for a in value.axes), (type(value), found.shape, value.axes)
        assert found.dtype == value.dtype, (value, found.dtype)
        return found

    def read(self, value: Read) -> Array:
        array = self.memory[id(value.slot)]
        dims = [d for d in value.index if isinstance(d, Axis)]
        return _spread(array.reshape([d.extent for d in dims]), dims, value.axes)

    def constant(self, value: Constant) -> Array:
        return np.array(value.value, value.dtype)

    def index(self, value: Index) -> Array:
        return np.arange(value.axes[0].extent)

    def map(self, value: Map) -> Array:
        args = [_spread(self.of(a), a.axes, value.axes) for a in value.args]
        if value.function == "select":
            found = np.where(*args)
        elif value.function == "cast":
            found = args[0].astype(value.dtype)
        elif isinstance(ufunc := getattr(np, value.function, None), np.ufunc):
            found = ufunc(*args)
        else:
            found = _own(value.function, args, value.dtype)
        return np.broadcast_to(found, [a.extent for a in value.axes])

    def reduce(self, value: Reduce) -> Array:
        array = self.over(value.arg, (*value.axes, *value.over))
        last = tuple(range(len(value.axes), array.ndim))
        if value.kind in ("argmax", "argmin"):
            (axis,) = last
            return np.asarray(getattr(np, value.kind)(array, axis=axis))
        if value.kind in ("any", "all"):
            return np.asarray(getattr(np, value.kind)(array, axis=last))
        ufunc = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}[value.kind]
        return np.asarray(ufunc.reduce(array, axis=last, dtype=value.dtype))

    def sub(self, value: Sub) -> Array:
        inside = np.ones([a.extent for a in value.axes], bool)
        for affine, low, high in value.guards:
            at = self.place(affine, value.axes)
            inside &= (low <= at) & (at < high)
        index = []
        for axis in value.arg.axes:
            at = self.place(value.index.get(axis, Affine(((axis, 1),))), value.axes)
            assert ((at >= 0) & (at < axis.extent))[inside].all(), "an index out of range"
            index.append(np.where(inside, at, 0))
        return np.where(inside, self.of(value.arg)[tuple(index)], value.dtype.type(value.fill))

    def reshaped(self, value: Reshaped) -> Array:
        rest = tuple(a for a in value.axes if a not in value.target)
        array = self.over(value.arg, (*rest, *value.source))
        array = array.reshape([a.extent for a in (*rest, *value.target)])
        return _spread(array, (*rest, *value.target), value.axes)

    def scatter(self, value: Scatter) -> Array:
        shape = [a.extent for a in value.axes]
        out = np.zeros(shape, value.dtype)
        if value.base is not None:
            out[...] = self.over(value.base, value.axes)
        source = self.over(value.source, value.order).reshape(-1)
        index = [self.place(p, value.order).reshape(-1) for p in value.place]
        assert all(((i >= 0) & (i < n)).all() for i, n in zip(index, shape, strict=True)), "an index out of range"
        for *at, element in zip(*index, source, strict=True):
            if value.mode == "add":
                out[tuple(at)] += element
            else:
                out[tuple(at)] = element
        return out

    def scanoutput(self, value: ScanOutput) -> Array:
        if id(value.scan) not in self.scans:
            self.scans[id(value.scan)] = self._scan(value.scan)
        array = self.scans[id(value.scan)][value.number]
        dims = [d for d in value.dims if isinstance(d, Axis)]
        return _spread(array.reshape([d.extent for d in dims]), dims, value.axes)

    def _scan(self, scan: Scan | Routine) -> list[Array]:
        if isinstance(scan, Routine):
            return meaning(scan.name, [self.over(v, dims) for v, dims in scan.operands])
        carried = [self.over(v, dims) for v, dims in scan.initial]
        sequences = [self.over(v, dims) for v, dims in scan.sequences]
        invariants = [self.over(v, dims) for v, dims in scan.invariants]
        rows: list[list[Array]] = [[] for _ in range(len(scan.body.stores) - len(carried))]
        times = range(scan.length)
        for t in reversed(times) if scan.reverse else times:
            outputs, _ = interpret(scan.body, [*carried, *(s[t] for s in sequences), *invariants])
            carried = outputs[: len(carried)]
            for row, made in zip(rows, outputs[len(carried) :], strict=True):
                row.append(made)
        return [*carried, *(np.stack(r[::-1] if scan.reverse else r) for r in rows)]


__all__ = ["Slot", "interpret"]
