"""Shapes by name: reshape, transpose, flip, roll, tile, broadcast, split.

Imports core, ops, ``table``. Invariant: views where NumPy gives views, through the methods of
handles.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.core.handle import is_handle
from wengert.numpy_api.exact import (
    array,
    decided,
    looked,
    owned,
    rank,
    shape,
    values_of,
    whole_axis,
)
from wengert.numpy_api.table import implements, method
from wengert.ops.memory import read
from wengert.ops.scan import along


@implements(np.reshape)
def reshape(a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None, **old: Any) -> Any:
    target = old.get("newshape", shape)
    if target is None:
        raise TypeError("reshape() missing 1 required positional argument: 'shape'")
    out = array(a).reshape(target, order=order)
    return owned(out) if copy else out


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    return array(a).ravel(order)


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    return a if is_handle(a) and isinstance(a, np.generic) else array(a).transpose(axes)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    x = array(x)
    if rank(x) < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {rank(x)}")
    return x.swapaxes(-1, -2)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    return array(x).astype(dtype, copy=copy)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return array(a).swapaxes(axis1, axis2)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    a = array(a)
    ndim = rank(a)
    sources = [whole_axis(k, ndim) for k in np.atleast_1d(source)]
    targets = [whole_axis(k, ndim) for k in np.atleast_1d(destination)]
    if len(sources) != len(targets):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [k for k in range(ndim) if k not in sources]
    for target, origin in sorted(zip(targets, sources, strict=True)):
        order.insert(target, origin)
    return a.transpose(tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    a = array(a)
    ndim = rank(a)
    axis, start = whole_axis(axis, ndim), start + ndim if start < 0 else start
    if not 0 <= start <= ndim:
        raise np.exceptions.AxisError(start, ndim + 1)
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    a = array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = rank(a) + len(axes)
    places = [whole_axis(k, ndim) for k in axes]
    if len(set(places)) < len(places):
        raise ValueError("repeated axis")
    sizes = iter(a.shape)
    return a.reshape(tuple(1 if k in places else next(sizes) for k in range(ndim)))


@method("squeeze")
@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    if is_handle(a) and isinstance(a, np.generic):
        return a
    a = array(a)
    have = a.shape
    if axis is None:
        gone = [k for k, n in enumerate(have) if n == 1]
    else:
        gone = [whole_axis(k, len(have)) for k in np.atleast_1d(axis)]
        if any(have[k] != 1 for k in gone):
            raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return a.reshape(tuple(n for k, n in enumerate(have) if k not in gone))


# ---------------------------------------------------------------- flips and rolls


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    m = array(m)
    ndim = rank(m)
    axes = range(ndim) if axis is None else [whole_axis(k, ndim) for k in np.atleast_1d(axis)]
    return m[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(ndim))]


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    if rank(m) < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    if rank(m) < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    m = array(m)
    first, second = (whole_axis(a, rank(m)) for a in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    k %= 4
    if k == 0:
        return m[:]
    if k == 2:
        return flip(flip(m, first), second)
    return (
        flip(m, second).swapaxes(first, second)
        if k == 1
        else flip(m.swapaxes(first, second), second)
    )


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    a = array(a)
    if axis is None:
        return roll(a.ravel(), shift, 0).reshape(a.shape)
    pairs = np.broadcast(np.asarray(decided(shift)), np.asarray(axis))
    for by, k in pairs:
        k = whole_axis(k, rank(a))
        by = int(by) % max(a.shape[k], 1)
        if by:
            a = np.concatenate([a[along(k, slice(-by, None))], a[along(k, slice(None, -by))]], k)
    return owned(a)


# ---------------------------------------------------------------- repetition


@method("repeat")
@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    a = array(a)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = whole_axis(axis, rank(a))
    return a[along(axis, np.repeat(np.arange(a.shape[axis]), decided(repeats)))]


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    a = array(A)
    counts = tuple(map(int, np.atleast_1d(reps)))
    ndim = max(rank(a), len(counts))
    counts = (1,) * (ndim - len(counts)) + counts
    sizes = (1,) * (ndim - rank(a)) + tuple(a.shape)
    apart = a.reshape(tuple(m for n in sizes for m in (1, n)))
    whole = np.broadcast_to(
        apart, tuple(m for c, n in zip(counts, sizes, strict=True) for m in (c, n))
    )
    return owned(whole.reshape(tuple(c * n for c, n in zip(counts, sizes, strict=True))))


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    a = array(a).ravel()
    target = tuple(map(int, np.atleast_1d(new_shape)))
    count = int(np.prod(target))
    if any(n < 0 for n in target):
        raise ValueError("all elements of `new_shape` must be non-negative")
    if not a.size or not count:
        return np.zeros_like(a, shape=target)
    return a[np.arange(count) % a.size].reshape(target)


# ---------------------------------------------------------------- broadcasting and splitting


@implements(np.broadcast_to)
def broadcast_to(array_: Any, shape: Any, subok: bool = False) -> Any:
    a = array(array_)
    target = tuple(shape) if np.iterable(shape) else (shape,)
    return (
        read(a, ("broadcast", tuple(map(int, target))))
        if is_handle(a)
        else np.broadcast_to(a, target)
    )


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = [array(a) for a in args]
    common = np.broadcast_shapes(*(a.shape for a in arrays))
    return tuple(a if a.shape == common else broadcast_to(a, common) for a in arrays)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in {"xy", "ij"}:
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    ndim = len(xi)
    flat = [array(x).ravel() for x in xi]
    place = list(range(ndim))
    if indexing == "xy" and ndim > 1:
        place[0], place[1] = 1, 0
    out = [
        x.reshape(tuple(-1 if k == place[n] else 1 for k in range(ndim)))
        for n, x in enumerate(flat)
    ]
    if not sparse:
        out = list(broadcast_arrays(*out))
    return tuple(owned(x) for x in out) if copy else tuple(out)


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    x = array(x)
    if writeable:
        raise error_at(
            NoRuleError,
            "writing into windows of a traced array writes several times to one place",
            fix="write to the array itself, and read windows of it",
        )
    windows = tuple(map(int, np.atleast_1d(window_shape)))
    axes = (
        tuple(range(rank(x)))
        if axis is None
        else tuple(whole_axis(k, rank(x)) for k in np.atleast_1d(axis))
    )
    if len(windows) != len(axes):
        raise ValueError("Must provide matching length window_shape and axis")
    for k, size in zip(axes, windows, strict=True):
        if not 0 <= size <= x.shape[k]:
            raise ValueError("window shape cannot be larger than input array shape")
        starts = np.arange(x.shape[k] - size + 1)
        x = np.moveaxis(x[along(k, starts[:, None] + np.arange(size))], k + 1, -1)
    return x


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    a = array(ary)
    axis = whole_axis(axis, rank(a))
    n = a.shape[axis]
    if np.iterable(indices_or_sections):
        cuts = [0, *map(int, decided(indices_or_sections)), n]
    else:
        sections = int(indices_or_sections)
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, extra = divmod(n, sections)
        cuts = [0, *np.cumsum([each + 1] * extra + [each] * (sections - extra)).tolist()]
    return [a[along(axis, slice(start, stop))] for start, stop in pairwise(cuts)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not np.iterable(indices_or_sections) and shape(array(ary))[axis] % int(indices_or_sections):
        raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    if rank(ary) == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if rank(ary) > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if rank(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    if rank(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> Any:
    x = array(x)
    if rank(x) == 0:
        raise ValueError("Input array must be at least 1-d.")
    return tuple(moveaxis(x, axis, 0))


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    a = array(filt)
    ndim = rank(a)
    axes = range(ndim) if axis is None else [whole_axis(k, ndim) for k in np.atleast_1d(axis)]
    places = np.argwhere(values_of(a))
    looked(a, "nonzero", places)
    cuts: list[Any] = [slice(None)] * ndim
    for k in axes:
        if not len(places):
            cuts[k] = slice(0, 0)
            continue
        start = int(places[:, k].min()) if "f" in trim.lower() else None
        cuts[k] = slice(start, int(places[:, k].max()) + 1 if "b" in trim.lower() else None)
    return a[tuple(cuts)]
