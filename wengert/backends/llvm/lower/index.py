"""Indexing in index form: for every dimension of an array the place that is read or written, as an index expression.

Imports NumPy, ops.paths, ``lower/builder``. Invariant: every place lies in range; what is not known before the program
runs is checked then and kept in range meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Constant, Index, Map, Read, Reduce, Sub, Value
from wengert.backends.llvm.lower.builder import BOOL, INT64, NOTHING, Builder, Dim, Laid, Refused, along
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.ops.paths import Slot as Traced


@dataclass(slots=True, eq=False)
class Places:
    """Where the elements of a region lie: one place per dimension of the array, in terms of the axes of ``region``."""

    array: Laid
    place: tuple[Affine | Value, ...]
    region: tuple[Dim, ...]
    basic: bool


def taken(b: Builder, x: Laid, index: Any, dynamic: Sequence[Laid]) -> Laid:
    """``x[index]``; ``dynamic`` are the operands that traced indices stand for."""
    found = places(b, x, index, dynamic)
    chosen: dict[Axis, Affine | Value] = {
        d: p for d, p in zip(found.array.dims, found.place, strict=True) if isinstance(d, Axis)
    }
    return b.laid(b.substitute(found.array.value, chosen), found.region)


# ---------------------------------------------------------------- reading an index expression


def parts_of(index: Any, ndim: int, dynamic: Sequence[Laid]) -> list[Any]:
    """The index as one part per dimension (an int, a slice, an integer array as a Laid or an ndarray) and None for
    new axes."""
    given = list(index) if type(index) is tuple else [index]
    out: list[Any] = []
    for part in given:
        if type(part) is Traced:
            operand = dynamic[part.number]
            if operand.dtype == BOOL:
                raise Refused("an index whose mask is known only when the program runs")
            if operand.dtype.kind != "i":
                raise Refused(f"an index of {operand.dtype}")
            out.append(operand)
            continue
        if type(part) is list:
            part = np.asarray(part or np.zeros(0, np.intp))
        if isinstance(part, (bool, np.bool_)):
            raise Refused("an index by True or False")
        if isinstance(part, np.ndarray) and part.dtype == BOOL:
            if part.ndim == 0:
                raise Refused("an index by True or False")
            out += part.nonzero()
        elif isinstance(part, np.ndarray) and part.dtype.kind not in "iu":
            raise Refused(f"an index of {part.dtype}")
        elif isinstance(part, np.ndarray) and part.ndim == 0:
            out.append(int(part))
        elif isinstance(part, (slice, np.ndarray, int, np.integer)) or part is None or part is Ellipsis:
            out.append(part)
        else:
            raise Refused(f"an index of type {type(part).__name__}")
    used = sum(p is not None and p is not Ellipsis for p in out)
    dots = [k for k, p in enumerate(out) if p is Ellipsis]
    k = dots[0] if dots else len(out)
    return [*out[:k], *[slice(None)] * (ndim - used), *out[k + 1 :]]


def places(b: Builder, x: Laid, index: Any, dynamic: Sequence[Laid]) -> Places:
    """Where ``x[index]`` is read."""
    parts = parts_of(index, len(x.dims), dynamic)
    arrays = [p for p in parts if isinstance(p, np.ndarray) or (isinstance(p, Laid) and p.dims)]
    if not arrays and not any(isinstance(p, Laid) for p in parts):
        return _basic(b, x, parts)
    # Numbers stand among the arrays for where the new axes go, as in NumPy; alone they make no axis.
    dimension = 0
    advanced: list[tuple[int, int, Laid]] = []
    for k, part in enumerate(parts):
        if part is None:
            continue
        if isinstance(part, Laid):
            advanced.append((k, dimension, _in_range(b, part, x.shape[dimension])))
        elif not isinstance(part, slice):
            advanced.append((k, dimension, _static(b, part, x.shape[dimension])))
        dimension += 1
    values, shared = aligned(b, [index for _, _, index in advanced])
    if {d.find() for d in shared if isinstance(d, Axis)} & set(x.axes):
        x = b.fresh(x)
    place: list[Affine | Value] = [Affine(())] * len(x.dims)
    for (_, dimension, _), value in zip(advanced, values, strict=True):
        place[dimension] = _as_affine(value)
    region: list[Dim] = []
    where = [k for k, _, _ in advanced]
    together = where == list(range(where[0], where[0] + len(where)))
    if not together and arrays:
        region += shared
    dimension = 0
    for k, part in enumerate(parts):
        if part is None:
            region.append(0)
            continue
        if isinstance(part, slice):
            axis, place[dimension] = _sliced(x, dimension, part)
            region.append(axis)
        elif k == where[0] and together and arrays:
            region += shared
        dimension += 1
    _join_ranges(b, x, place, region)
    return Places(x, tuple(place), tuple(region), False)


def _basic(b: Builder, x: Laid, parts: Sequence[Any]) -> Places:
    place: list[Affine | Value] = []
    region: list[Dim] = []
    dimension = 0
    for part in parts:
        if part is None:
            region.append(0)
            continue
        if isinstance(part, slice):
            axis, found = _sliced(x, dimension, part)
            region.append(axis)
            place.append(found)
        else:
            place.append(Affine((), _number(int(part), x.shape[dimension])))
        dimension += 1
    return Places(x, tuple(place), tuple(region), True)


def _number(k: int, extent: int) -> int:
    if not -extent <= k < extent:
        raise Refused(f"an index {k} outside an axis of {extent}")
    return k % extent


def _sliced(x: Laid, dimension: int, part: slice) -> tuple[Dim, Affine]:
    if any(type(p) is Traced for p in (part.start, part.stop, part.step)):
        raise Refused("a slice whose bounds are known only when the program runs")
    start, stop, step = part.indices(x.shape[dimension])
    count = len(range(start, stop, step))
    if count == 0:
        raise Refused("an array without elements")
    if count == 1:
        return 0, Affine((), start)
    axis = x.dims[dimension]
    assert isinstance(axis, Axis)
    if count == axis.extent and step == 1:
        return axis, along(axis)
    fresh = Axis(count)
    return fresh, along(fresh, step, start)


# ---------------------------------------------------------------- indices that are arrays


def _static(b: Builder, part: Any, extent: int) -> Laid:
    """An index array that is known, checked against the extent; an arithmetic progression is an index expression."""
    array = np.asarray(part)
    if array.size == 0:
        raise Refused("an array without elements")
    if array.min() < -extent or array.max() >= extent:
        raise Refused(f"an index outside an axis of {extent}")
    array = np.where(array < 0, array + extent, array).astype(np.int64)
    moving = [k for k, n in enumerate(array.shape) if n > 1]
    if not moving or (array == array.flat[0]).all():
        found = b.constant(np.full(array.shape, array.flat[0], np.int64))
        return Laid(found.value, found.dims)
    if len(moving) == 1:
        flat = array.reshape(-1)
        step = int(flat[1] - flat[0])
        if (np.diff(flat) == step).all():
            dims = b.axes(array.shape)
            axis = dims[moving[0]]
            assert isinstance(axis, Axis)
            value: Value = b.place(axis)
            if step != 1:
                value = b.map("multiply", INT64, value, b.number(step, INT64))
            if flat[0]:
                value = b.map("add", INT64, value, b.number(int(flat[0]), INT64))
            return b.laid(value, dims)
    return b.array(array)


def _as_affine(value: Value) -> Affine | Value:
    """An index computed from one place by a factor and a summand, as an index expression."""
    if isinstance(value, Constant):
        return Affine((), int(value.value))
    if isinstance(value, Index):
        return along(value.axes[0].find())
    if isinstance(value, Map) and value.function in ("add", "multiply"):
        first, second = value.args
        inner = _as_affine(first)
        if isinstance(inner, Affine) and isinstance(second, Constant):
            k = int(second.value)
            if value.function == "add":
                return Affine(inner.terms, inner.offset + k)
            return Affine(tuple((a, c * k) for a, c in inner.terms), inner.offset * k)
    return value


def _join_ranges(b: Builder, x: Laid, place: list[Affine | Value], region: Sequence[Dim]) -> None:
    """An index that runs along a whole axis is that axis, where the two can be made one."""
    taken = {d.find() for d in region if isinstance(d, Axis)}
    for d, p in zip(x.dims, place, strict=True):
        if isinstance(d, Axis) and isinstance(p, Affine) and p.offset == 0 and len(p.terms) == 1:
            axis, step = p.terms[0][0].find(), p.terms[0][1]
            if step == 1 and axis.extent == d.extent and d.find() not in taken and b.may_unify(axis, d):
                b.unify(axis, d)
                b.keep_apart(r for r in region if isinstance(r, Axis))


def _in_range(b: Builder, operand: Laid, extent: int) -> Laid:
    """An index that is computed: negative ones count from the end; one outside the axis is an error of the program,
    which a check finds, and meanwhile it is held in range."""
    if operand.const is not NOTHING:
        return _static(b, operand.const, extent)
    value = b.cast(operand.value, INT64)
    low, high = _reach(value)
    if low < -extent or high >= extent:
        least, beyond = b.number(-extent, INT64), b.number(extent, INT64)
        fits = b.map(
            "logical_and", BOOL, b.map("greater_equal", BOOL, value, least), b.map("less", BOOL, value, beyond)
        )
        b.check(fits, f"an index within an axis of {extent}")
    if low < 0:
        negative = b.map("less", BOOL, value, b.number(0, INT64))
        wrapped = b.map("add", INT64, value, b.number(extent, INT64))
        value = b.map("select", INT64, negative, wrapped, value)
    if low < -extent or high >= extent:
        value = b.map("maximum", INT64, b.map("minimum", INT64, value, b.number(extent - 1, INT64)), b.number(0, INT64))
    return b.laid(value, operand.dims)


def _reach(value: Value) -> tuple[float, float]:
    """Bounds of an integer value that follow from how it is computed."""
    if isinstance(value, Constant):
        return value.value, value.value
    if isinstance(value, Index):
        return 0, value.axes[0].extent - 1
    if isinstance(value, Reduce) and value.kind in ("argmax", "argmin"):
        return 0, value.over[0].extent - 1
    if isinstance(value, Sub):
        low, high = _reach(value.arg)
        return (min(low, value.fill), max(high, value.fill)) if value.guards else (low, high)
    if isinstance(value, Read) and value.slot.data is not None:
        return value.slot.data.min(), value.slot.data.max()
    if isinstance(value, Map) and value.function == "cast" and value.args[0].dtype == BOOL:
        return 0, 1
    return -np.inf, np.inf


__all__ = ["Places", "places", "taken"]
