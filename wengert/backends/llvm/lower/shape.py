"""Views and joins in index form: reshape, transpose, diagonals, broadcasts, stack, concatenate.

Imports NumPy, ``lower/builder``. Invariant: no element is computed with here, a step only says where it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Constant, Value
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim, Laid, Refused, along
from wengert.core.node import Node

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {}


# ---------------------------------------------------------------- reshape


def reshaped(b: Builder, x: Laid, shape: Sequence[int], order: str = "C") -> Laid:
    """The elements of an array under another shape (one extent may be -1)."""
    if order == "F":
        backwards = Laid(x.value, tuple(reversed(x.dims)))
        made = reshaped(b, backwards, tuple(reversed(_complete(x.shape, shape))))
        return b.laid(made.value, tuple(reversed(made.dims)))
    if order != "C":
        raise Refused(f"a reshape in order {order!r}")
    wanted = _complete(x.shape, shape)
    source, target = list(x.axes), [n for n in wanted if n != 1]
    value, made_axes = x.value, []
    while source:
        rows, columns = [source.pop(0)], [target.pop(0)]
        while (have := math.prod(a.extent for a in rows)) != (want := math.prod(columns)):
            if have < want:
                rows.append(source.pop(0))
            else:
                columns.append(target.pop(0))
        if len(rows) == len(columns) == 1:
            made_axes.append(rows[0])
            continue
        fresh = [Axis(n) for n in columns]
        value = b.reshape(value, rows, fresh)
        made_axes += fresh
    remaining = iter(made_axes)
    return b.laid(value, [next(remaining) if n != 1 else 0 for n in wanted])


def _complete(have: Sequence[int], shape: Any) -> tuple[int, ...]:
    wanted = [int(n) for n in (shape if isinstance(shape, (tuple, list)) else (shape,))]
    if 0 in wanted:
        raise Refused("an array without elements")
    if -1 in wanted:
        k = wanted.index(-1)
        wanted[k] = 1
        wanted[k] = math.prod(have) // math.prod(wanted)
    return tuple(wanted)


# ---------------------------------------------------------------- transpose, diagonal


def axis_order(axes: Any, ndim: int) -> tuple[int, ...]:
    """The order of axes that a transpose asks for."""
    return tuple(reversed(range(ndim))) if axes is None else tuple(int(k) % ndim for k in axes)


def diagonal_places(shape: Sequence[int], argument: Any) -> tuple[int, int, int, int, int]:
    """The pair of axes, the first row and column, and the length of a diagonal."""
    offset, first, second = (int(n) for n in argument)
    first, second = first % len(shape), second % len(shape)
    row, column = max(0, -offset), max(0, offset)
    length = min(shape[first] - row, shape[second] - column)
    if length < 1:
        raise Refused("an array without elements")
    return first, second, row, column, length


def diagonal(b: Builder, x: Laid, argument: Any) -> Laid:
    """The diagonal along two axes, as the last axis."""
    first, second, row, column, length = diagonal_places(x.shape, argument)
    fresh: Dim = Axis(length) if length > 1 else 0
    index: dict[Axis, Affine | Value] = {}
    for k, start in ((first, row), (second, column)):
        axis = x.dims[k]
        if isinstance(axis, Axis):
            index[axis.find()] = along(fresh, 1, start) if isinstance(fresh, Axis) else Affine((), start)
    kept = [d for k, d in enumerate(x.dims) if k not in (first, second)]
    return b.laid(b.substitute(x.value, index), [*kept, fresh])


def on_diagonal(b: Builder, old: Laid, argument: Any, part: Laid) -> Laid:
    """The array with its diagonal replaced by ``part``, whose last axis runs along it."""
    first, second, row, _, _ = diagonal_places(old.shape, argument)
    others = [k for k in range(len(old.dims)) if k not in (first, second)]
    (old, part), _ = b.align((old, part), (range(len(old.dims)), (*others, "diagonal")))
    i, j = old.dims[first], old.dims[second]
    terms = tuple((a, c) for a, c in ((j, 1), (i, -1)) if isinstance(a, Axis))
    offset = int(argument[0])
    guards = ((Affine(terms), offset, offset + 1),)
    index: dict[Axis, Affine | Value] = {}
    if isinstance(part.dims[-1], Axis):
        assert isinstance(i, Axis)
        index[part.dims[-1]] = along(i, 1, -row)
    return placed(b, old, part.value, index, guards)


def placed(b: Builder, old: Laid, value: Value, index: dict[Axis, Affine | Value], guards: Any) -> Laid:
    """The array with ``value`` where the guards hold."""
    if isinstance(old.value, Constant):
        return b.laid(b.substitute(value, index, guards, old.value.value), old.dims)
    inside = b.substitute(b.number(True, BOOL), {}, guards, False)
    chosen = b.substitute(value, index, guards, 0)
    return b.laid(b.map("select", old.dtype, inside, chosen, old.value), old.dims)


# ---------------------------------------------------------------- joins


def joined(b: Builder, parts: Sequence[Laid], axis: int, dtype: np.dtype[Any]) -> Laid:
    """Arrays one after the other along an axis: the sum of all, each shifted to its place with -0 beside it.

    (x + -0 is x for every x, its sign included.) Where all but one are the same number, that is what is beside it."""
    ndim = len(parts[0].dims)
    axis %= ndim
    parts = [b.laid(b.cast(p.value, dtype), p.dims) for p in parts]
    if len(parts) == 1:
        return parts[0]
    labels = [[("part", n) if k == axis else k for k in range(ndim)] for n in range(len(parts))]
    extents = [p.shape[axis] for p in parts]
    parts, env = b.align(parts, labels)
    whole = Axis(sum(extents))
    fill = False if dtype == BOOL else (-0.0 if dtype.kind == "f" else 0)
    numbers = [p.value.value for p in parts if isinstance(p.value, Constant)]
    padded = len(numbers) == len(parts) - 1 and len({repr(v) for v in numbers}) == 1
    total: Value | None = None
    start = 0
    for n, (part, extent) in enumerate(zip(parts, extents, strict=True)):
        mine = env.get(("part", n))
        index: dict[Axis, Affine | Value] = {} if mine is None else {mine: along(whole, 1, -start)}
        guards = ((along(whole), start, start + extent),)
        start += extent
        if padded and isinstance(part.value, Constant):
            continue
        shifted = b.substitute(part.value, index, guards, numbers[0] if padded else fill)
        function = "logical_or" if dtype == BOOL else "add"
        total = shifted if total is None else b.map(function, dtype, total, shifted)
    assert total is not None
    return b.laid(total, [whole if k == axis else env.get(k, 0) for k in range(ndim)])


def _stack(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    axis = int(node.params[0]) % (len(operands[0].dims) + 1)
    parts = [Laid(o.value, (*o.dims[:axis], 0, *o.dims[axis:])) for o in operands]
    return joined(b, parts, axis, node.type.dtype)


def _concatenate(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    if node.params[0] is None:
        raise Refused("a concatenation of flattened arrays")
    return joined(b, operands, int(node.params[0]), node.type.dtype)


RULES.update(stack=_stack, concatenate=_concatenate)

__all__ = ["RULES", "axis_order", "diagonal", "diagonal_places", "joined", "on_diagonal", "placed", "reshaped"]
