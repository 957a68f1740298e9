"""Reads and writes of regions in index form: GET, UPDATE and ADD_AT along the steps of a path.

Imports NumPy, ops.paths, ``lower/builder``, ``lower/index``, ``lower/shape``. Invariant: a write makes a new array;
what lies outside its region keeps every bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Constant, Scatter, Value
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim, Laid, Refused, along
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.backends.llvm.lower.index import Places, places, taken
from wengert.backends.llvm.lower.shape import axis_order, diagonal, on_diagonal, placed, reshaped
from wengert.core.node import Node
from wengert.ops.paths import Slot as Traced
from wengert.ops.paths import Step, is_basic

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]


def view(b: Builder, x: Laid, step: Step, dynamic: Sequence[Laid]) -> Laid:
    """An array seen through one step of a path."""
    kind, argument = step
    if kind == "index":
        return taken(b, x, argument, dynamic)
    if kind == "reshape":
        return reshaped(b, x, argument[0], argument[1])
    if kind == "transpose":
        return b.laid(x.value, [x.dims[k] for k in axis_order(argument, len(x.dims))])
    if kind == "diagonal":
        return diagonal(b, x, argument)
    if kind == "einsum_diagonal":
        return diagonal(b, x, (0, -2, -1))
    if kind == "broadcast":
        return b.broadcast(x, argument if isinstance(argument, tuple) else (argument,))
    if kind == "real":
        return x
    if kind == "imag":
        return b.laid(b.number(0, x.dtype), x.dims)
    raise Refused(f"a view by {kind}")


def _get(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    x, *dynamic = operands
    for step in node.params[0]:
        x = view(b, x, step, dynamic)
    return x


# ---------------------------------------------------------------- writing


def _write(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    old, value, *dynamic = operands
    return written(b, old, node.params[0], value, dynamic, add=node.op.name == "add_at")


def written(b: Builder, old: Laid, path: Sequence[Step], value: Laid, dynamic: Sequence[Laid], *, add: bool) -> Laid:
    """``old`` with ``value`` put (or added) into the region that a path leads to."""
    (kind, argument), *rest = path
    if not rest:
        if kind != "index":
            raise Refused(f"a write through {kind}")
        return _write_index(b, old, argument, value, dynamic, add=add)
    if kind == "index" and not _is_plain(argument):
        raise Refused("a write through a copy")
    if kind == "broadcast":
        raise Refused("a write through a broadcast")
    inner = written(b, view(b, old, path[0], dynamic), rest, value, dynamic, add=add)
    if kind == "index":
        return _write_index(b, old, argument, inner, dynamic, add=False)
    if kind == "transpose":
        order = axis_order(argument, len(old.dims))
        return b.laid(inner.value, [inner.dims[order.index(k)] for k in range(len(order))])
    if kind == "reshape":
        return reshaped(b, inner, old.shape, argument[1])
    if kind == "real":
        return inner
    if kind in ("diagonal", "einsum_diagonal"):
        return on_diagonal(b, old, (0, -2, -1) if kind == "einsum_diagonal" else argument, inner)
    raise Refused(f"a write through {kind}")


def _is_plain(index: Any) -> bool:
    parts = index if type(index) is tuple else (index,)
    return is_basic(tuple(p for p in parts if type(p) is not Traced))


def _write_index(b: Builder, old: Laid, index: Any, value: Laid, dynamic: Sequence[Laid], *, add: bool) -> Laid:
    masked = _masked(b, old, index, value, dynamic, add=add)
    if masked is not None:
        return masked
    found = places(b, old, index, dynamic)
    shape = tuple(d.extent if isinstance(d, Axis) else 1 for d in found.region)
    part = b.broadcast(value, shape)
    if found.basic:
        simple = _write_region(b, found, part, add=add)
        if simple is not None:
            return simple
    return _scatter(b, found, part, add=add)


def _sum_type(old: Laid, part: Laid) -> np.dtype[Any]:
    """np.add.at adds in the type that holds both, and casts the sum."""
    return old.dtype if isinstance(part.value, Constant) else np.result_type(old.dtype, part.dtype)


def _write_region(b: Builder, found: Places, part: Laid, *, add: bool) -> Laid | None:
    """A write to a region of which every dimension is a number or a run of neighbours; else None."""
    old = found.array
    for place in found.place:
        assert isinstance(place, Affine)
        if any(abs(step) != 1 for _, step in place.terms):
            return None
    (_, part), _ = b.align(
        (Laid(b.number(0, old.dtype), found.region), part), (range(len(found.region)), range(len(part.dims)))
    )
    index: dict[Axis, Affine | Value] = {}
    guards: list[tuple[Affine, int, int]] = []
    for axis, place in zip(old.dims, found.place, strict=True):
        assert isinstance(place, Affine)
        if not isinstance(axis, Axis):
            continue
        if not place.terms:
            guards.append((along(axis), place.offset, place.offset + 1))
            continue
        ((run, step),) = place.terms
        back = along(axis, step, -step * place.offset)
        index[run] = back
        guards.append((back, 0, run.extent))
    if not add:
        return placed(b, old, b.cast(part.value, old.dtype), index, tuple(guards))
    common = _sum_type(old, part)
    if old.dtype == BOOL:
        raise Refused("an addition to Booleans")
    value = b.cast(part.value, common)
    before = b.cast(old.value, common)
    if isinstance(before, Constant):
        # Inside the region the sum (0 + -0 is 0), outside the number itself.
        total = b.substitute(b.map("add", common, before, value), index, tuple(guards), before.value)
    else:
        fill = -0.0 if common.kind == "f" else 0
        total = b.map("add", common, before, b.substitute(value, index, tuple(guards), fill))
    return b.laid(b.cast(total, old.dtype), old.dims)


def _scatter(b: Builder, found: Places, part: Laid, *, add: bool) -> Laid:
    """A write to places that are computed, repeat, or are not neighbours."""
    old = found.array
    if add and (old.dtype == BOOL or _sum_type(old, part) != old.dtype):
        raise Refused("an addition to places in mixed precision")
    # Axes of the region of their own: those of the result are the array's.
    fresh = b.axes(d.extent if isinstance(d, Axis) else 1 for d in found.region)
    renamed: dict[Axis, Affine | Value] = {
        a.find(): along(c)
        for a, c in zip(found.region, fresh, strict=True)
        if isinstance(a, Axis) and isinstance(c, Axis)
    }
    order = tuple(d for d in fresh if isinstance(d, Axis))
    # The places are said in the fresh axes before these become those of the written values.
    place: list[Affine | Value] = []
    for axis, where in zip(old.dims, found.place, strict=True):
        if isinstance(axis, Axis) and isinstance(where, Affine):
            terms = tuple((_single(renamed.get(a.find(), along(a))), c) for a, c in where.terms)
            place.append(Affine(terms, where.offset))
        elif isinstance(axis, Axis):
            assert isinstance(where, Value)
            place.append(b.substitute(where, renamed))
    (_, part), _ = b.align((Laid(b.number(0, old.dtype), fresh), part), (range(len(fresh)), range(len(part.dims))))
    source = b.cast(part.value, old.dtype)
    if not old.axes:
        # An array of one element, written to as often as the region is long: the last stays, or all are added.
        if add:
            return b.laid(b.map("add", old.dtype, old.value, b.total(source, order)), old.dims)
        return b.laid(b.substitute(source, {a: Affine((), a.extent - 1) for a in order}), old.dims)
    if {a.find() for a in order} & set(old.axes):
        old = b.fresh(old)
    axes = old.axes
    base = None if _is_zero(old.value) else old.value
    b.keep_apart((*axes, *order))
    made = Scatter(axes, old.dtype, base, source, order, tuple(place), "add" if add else "set", where=b.where)
    return b.laid(made, old.dims)


def _single(place: Affine | Value) -> Axis:
    assert isinstance(place, Affine)
    return place.terms[0][0]


def _is_zero(value: Value) -> bool:
    return isinstance(value, Constant) and value.value == 0 and not np.signbit(np.float64(value.value))


def _masked(b: Builder, old: Laid, index: Any, value: Laid, dynamic: Sequence[Laid], *, add: bool) -> Laid | None:
    """A write under a mask of one value for all its places: a choice, without places."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if type(index) is Traced:
        mask = dynamic[index.number]
        if mask.dtype != BOOL:
            return None
    elif isinstance(index, np.ndarray) and index.dtype == BOOL and index.ndim:
        mask = b.constant(index)
    else:
        return None
    count = len(mask.dims)
    dims: list[Dim] = list(value.dims)
    while dims and dims[0] == 0 and len(dims) > len(old.dims) - count:
        del dims[0]
    if not count or mask.shape != old.shape[:count] or len(dims) > len(old.dims) - count:
        return None
    chosen = Laid(mask.value, (*mask.dims, *(0,) * (len(old.dims) - count)))
    (before, inside, new), found = aligned(b, (old, chosen, Laid(value.value, tuple(dims))))
    if add:
        if old.dtype == BOOL or _sum_type(old, value) != old.dtype:
            return None
        new = b.map("add", old.dtype, before, b.cast(new, old.dtype))
    return b.laid(b.map("select", old.dtype, inside, b.cast(new, old.dtype), before), found)


RULES: dict[str, Rule] = {"get": _get, "update": _write, "add_at": _write}

__all__ = ["RULES", "view", "written"]
