"""The last step of lowering: every axis is its representative, equal values are one object, slots are in order.

Imports NumPy, ``indexed``. Invariant: the values of a canonical program satisfy the form's own laws (``check``)."""

from __future__ import annotations

from collections.abc import Callable
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
    Store,
    Sub,
    Value,
)

Dims = tuple[Axis | int, ...]


def canonical(program: Program) -> Program:
    """The same program with equal values made one, and with those constants only that are read."""
    interned = _Interned()
    for value in program.values():
        interned.enter(value)
    stores = tuple(Store(s.slot, interned.of(s.value), _dims(s.dims)) for s in program.stores)
    guards = tuple((interned.of(g), what) for g, what in program.guards)
    made = Program(program.inputs, (), stores, guards)
    constants = {id(v.slot): v.slot for v in made.values() if isinstance(v, Read) and v.slot.kind == "constant"}
    for k, slot in enumerate(constants.values()):
        slot.name = slot.name or f"c{k}"
    made = Program(program.inputs, tuple(constants.values()), stores, guards)
    check(made)
    return made


def _dims(dims: Dims) -> Dims:
    return tuple(d.find() if isinstance(d, Axis) else d for d in dims)


def _axes(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    return tuple(dict.fromkeys(a.find() for a in axes))


def _affine(affine: Affine) -> Affine:
    terms: dict[Axis, int] = {}
    for axis, c in affine.terms:
        terms[axis.find()] = terms.get(axis.find(), 0) + c
    return Affine(tuple(sorted(((a, c) for a, c in terms.items() if c), key=lambda t: id(t[0]))), affine.offset)


def _number(value: Any) -> Any:
    """A key that tells 0 from -0 and NaN from nothing."""
    return type(value), repr(value)


class _Interned:
    def __init__(self) -> None:
        self._made: dict[int, Value] = {}
        self._known: dict[Any, Value] = {}
        self._scans: dict[Any, Scan] = {}
        self._routines: dict[Any, Routine] = {}

    def of(self, value: Value) -> Value:
        return self._made[id(value)]

    def enter(self, value: Value) -> None:
        key, make = _FORMS[type(value)](self, value)
        whole = (type(value), value.dtype, *key)
        found = self._known.get(whole)
        if found is None:
            found = self._known[whole] = make()
        self._made[id(value)] = found

    def _place(self, place: Affine | Value) -> Affine | Value:
        return _affine(place) if isinstance(place, Affine) else self.of(place)

    def _read(self, v: Read) -> Any:
        index = _dims(v.index)
        return (id(v.slot), index), lambda: Read(_axes(v.axes), v.dtype, v.slot, index, where=v.where)

    def _constant(self, v: Constant) -> Any:
        return (_number(v.value),), lambda: Constant((), v.dtype, v.value, where=v.where)

    def _index(self, v: Index) -> Any:
        return _axes(v.axes), lambda: Index(_axes(v.axes), v.dtype, where=v.where)

    def _map(self, v: Map) -> Any:
        args = tuple(self.of(a) for a in v.args)
        axes = tuple(dict.fromkeys(a for x in args for a in x.axes))
        key = (v.function, *map(id, args))
        return key, lambda: Map(axes, v.dtype, v.function, args, where=v.where)

    def _reduce(self, v: Reduce) -> Any:
        arg, over = self.of(v.arg), _axes(v.over)
        axes = tuple(a for a in arg.axes if a not in over)
        return (v.kind, id(arg), frozenset(over)), lambda: Reduce(axes, v.dtype, v.kind, arg, over, where=v.where)

    def _sub(self, v: Sub) -> Any:
        arg = self.of(v.arg)
        index = {a.find(): self._place(p) for a, p in v.index.items()}
        index = {a: p for a, p in index.items() if p != Affine(((a, 1),))}
        guards = tuple((_affine(g), low, high) for g, low, high in v.guards)
        axes = [a for a in arg.axes if a not in index]
        for place in (*index.values(), *(g for g, _, _ in guards)):
            axes += place.axes
        unique = tuple(dict.fromkeys(axes))
        if not index and not guards:
            return ("same", id(arg)), lambda: arg
        if isinstance(arg, Read) and not guards:
            renamed = [index.get(d, Affine(((d, 1),))) if isinstance(d, Axis) else 0 for d in arg.index]
            single = [_one(r) for r in renamed]
            named = [s for s in single if isinstance(s, Axis)]
            if [_extent(s) for s in single] == [_extent(d) for d in arg.index] and len(set(named)) == len(named):
                dims = tuple(0 if s is None else s for s in single)
                read = Read(tuple(named), v.dtype, arg.slot, dims, where=v.where)
                key, make = self._read(read)
                known = self._known.setdefault((Read, v.dtype, *key), make())
                return ("same", id(known)), lambda: known
        places = frozenset((a, p if isinstance(p, Affine) else id(p)) for a, p in index.items())
        key = (id(arg), places, frozenset(guards), _number(v.fill) if guards else None)
        return key, lambda: Sub(unique, v.dtype, arg, index, guards, v.fill, where=v.where)

    def _reshaped(self, v: Reshaped) -> Any:
        arg = self.of(v.arg)
        source, target = _axes(v.source), _axes(v.target)
        axes = (*(a for a in arg.axes if a not in source), *target)
        key = (id(arg), source, target)
        return key, lambda: Reshaped(axes, v.dtype, arg, source, target, where=v.where)

    def _scatter(self, v: Scatter) -> Any:
        base = None if v.base is None else self.of(v.base)
        source, order = self.of(v.source), _axes(v.order)
        place = tuple(self._place(p) for p in v.place)
        axes = _axes(v.axes)
        places = tuple(p if isinstance(p, Affine) else id(p) for p in place)
        key = (id(base), id(source), order, places, v.mode, axes)
        return key, lambda: Scatter(axes, v.dtype, base, source, order, place, v.mode, where=v.where)

    def _scan_output(self, v: ScanOutput) -> Any:
        s = v.scan
        dims = _dims(v.dims)
        if isinstance(s, Routine):
            return self._routine_output(v, s, dims)
        groups = tuple(
            tuple((self.of(x), _dims(dims)) for x, dims in group) for group in (s.initial, s.sequences, s.invariants)
        )
        key = (id(s.body), s.length, s.reverse, *(tuple((id(x), dims) for x, dims in g) for g in groups))
        scan = self._scans.get(key)
        if scan is None:
            scan = self._scans[key] = Scan(s.length, s.reverse, s.body, *groups)
        axes = tuple(d for d in dims if isinstance(d, Axis))
        return (id(scan), v.number, dims), lambda: ScanOutput(axes, v.dtype, scan, v.number, dims, where=v.where)

    def _routine_output(self, v: ScanOutput, s: Routine, dims: Dims) -> Any:
        operands = tuple((self.of(x), _dims(d)) for x, d in s.operands)
        key = (s.name, *((id(x), d) for x, d in operands))
        routine = self._routines.setdefault(key, Routine(s.name, operands))
        axes = tuple(d for d in dims if isinstance(d, Axis))
        return (id(routine), v.number, dims), lambda: ScanOutput(axes, v.dtype, routine, v.number, dims, where=v.where)


def _extent(dim: Axis | int | None) -> int | None:
    return dim.extent if isinstance(dim, Axis) else dim


def _one(place: Any) -> Axis | int | None:
    if not isinstance(place, Affine):
        return 0 if place == 0 else None
    if place.offset == 0 and len(place.terms) == 1 and place.terms[0][1] == 1:
        return place.terms[0][0]
    return None


_FORMS: dict[type[Value], Callable[[_Interned, Any], Any]] = {
    Read: _Interned._read,
    Constant: _Interned._constant,
    Index: _Interned._index,
    Map: _Interned._map,
    Reduce: _Interned._reduce,
    Sub: _Interned._sub,
    Reshaped: _Interned._reshaped,
    Scatter: _Interned._scatter,
    ScanOutput: _Interned._scan_output,
}


# ---------------------------------------------------------------- laws of the form


def check(program: Program) -> None:
    """Assert what every stage may rely on: representatives only, no axis twice, free axes bound, types that fit."""
    for value in program.values():
        axes = value.axes
        assert len(set(axes)) == len(axes), f"an axis twice in {type(value).__name__}"
        assert all(a.find() is a and a.extent > 1 for a in axes)
        mine = set(axes)
        if isinstance(value, Map):
            assert mine == {a for x in value.args for a in x.axes}
        elif isinstance(value, Reduce):
            assert set(value.over) <= set(value.arg.axes) and mine == set(value.arg.axes) - set(value.over)
            assert value.over
        elif isinstance(value, Read):
            assert mine == {d for d in value.index if isinstance(d, Axis)}
            shape = tuple(d.extent if isinstance(d, Axis) else 1 for d in value.index)
            assert shape == value.slot.shape and value.dtype == value.slot.dtype
        elif isinstance(value, Sub):
            assert set(value.index) <= set(value.arg.axes) and set(value.arg.axes) - set(value.index) <= mine
        elif isinstance(value, Reshaped):
            assert not set(value.target) & (set(value.arg.axes) - set(value.source))
            assert set(value.target) <= mine
        elif isinstance(value, Scatter):
            assert len(value.place) == len(axes) and not set(value.order) & mine
            assert set(value.source.axes) <= set(value.order)
            assert value.base is None or set(value.base.axes) <= mine
    for store in program.stores:
        assert set(store.value.axes) <= {d for d in store.dims if isinstance(d, Axis)}
        assert store.value.dtype == store.slot.dtype
        shape = tuple(d.extent if isinstance(d, Axis) else 1 for d in store.dims)
        assert shape == store.slot.shape
    for guard, _ in program.guards:
        assert not guard.axes and guard.dtype == np.dtype(np.bool_)


__all__ = ["Slot", "canonical", "check"]
