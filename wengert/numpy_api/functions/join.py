"""Putting arrays together and taking them apart: stack, concatenate, block, append, insert, delete,
apply_along_axis.

Imports core, ops, ``table``. Invariant: operands may be handles, arrays, scalars and nested lists,
as NumPy takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, is_handle
from wengert.numpy_api.exact import (
    array,
    decided,
    deliver,
    looks_traced,
    rank,
    values_of,
    whole_axis,
)
from wengert.numpy_api.table import implements, twin
from wengert.ops import join
from wengert.ops.scan import along


def _parts(arrays: Any) -> list[Any]:
    return [
        part if type(part) is TracedArray or type(part) is np.ndarray else array(part)
        for part in arrays
    ]


def _as(parts: Sequence[Any], dtype: Any) -> list[Any]:
    return [p.astype(dtype) for p in parts] if dtype is not None else list(parts)


def _joined(parts: Sequence[Any], axis: Any, dtype: Any = None, out: Any = None) -> Any:
    if not parts:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        parts, axis = [p.ravel() for p in parts], 0
    if rank(parts[0]) == 0:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    if not looks_traced(*parts):
        return deliver(np.concatenate(values_of(list(parts)), axis=axis), out)
    return deliver(join.concatenate(_as(parts, dtype), whole_axis(axis, rank(parts[0]))), out)


@implements(np.concatenate, np.concat)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    return _joined(_parts(arrays), axis, dtype, out)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    parts = _parts(arrays)
    if not parts:
        raise ValueError("need at least one array to stack")
    if len({p.shape for p in parts}) > 1:
        raise ValueError("all input arrays must have the same shape")
    return deliver(join.stack(_as(parts, dtype), whole_axis(axis, rank(parts[0]) + 1)), out)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    parts = [np.atleast_1d(p) for p in _parts(tup)]
    return _joined(parts, 0 if parts and rank(parts[0]) == 1 else 1, dtype)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    return _joined([np.atleast_2d(p) for p in _parts(tup)], 0, dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return _joined([np.atleast_3d(p) for p in _parts(tup)], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    return _joined([p if rank(p) > 1 else np.atleast_2d(p).T for p in _parts(tup)], 1)


@implements(np.block)
def block(arrays: Any) -> Any:
    depth = _depth(arrays)
    parts: list[Any] = []
    _leaves(arrays, parts)
    ndim = max(depth, *(rank(p) for p in parts)) if len(parts) > 1 else max(depth, rank(parts[0]))
    return _blocked(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    if type(arrays) is tuple:
        raise TypeError(
            "arrays is a tuple. Only lists can be used to arrange blocks, and np.block does not "
            "allow implicit conversion from tuple to ndarray."
        )
    if not isinstance(arrays, list) or is_handle(arrays):
        return 0
    if not arrays:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth(part) for part in arrays}
    if len(depths) > 1:
        raise ValueError("List depths are mismatched.")
    return depths.pop() + 1


def _leaves(arrays: Any, into: list[Any]) -> None:
    if isinstance(arrays, list) and not is_handle(arrays):
        for part in arrays:
            _leaves(part, into)
    else:
        into.append(array(arrays))


def _blocked(arrays: Any, depth: int, ndim: int) -> Any:
    if depth == 0:
        part = array(arrays)
        return part.reshape((1,) * (ndim - rank(part)) + tuple(part.shape))
    return _joined([_blocked(part, depth - 1, ndim) for part in arrays], -depth)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return _joined([array(arr), array(values)], axis)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    a = array(arr)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = whole_axis(axis, rank(a))
    return a[along(axis, np.delete(np.arange(a.shape[axis]), decided(obj)))]


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    a, new = array(arr), array(values)
    if new.dtype != a.dtype:
        new = new.astype(a.dtype)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = whole_axis(axis, rank(a))
    obj = decided(obj)
    new = new.reshape((1,) * (rank(a) - rank(new)) + tuple(new.shape))
    single = rank(obj) == 0 and not isinstance(obj, slice)
    if single:
        new = np.moveaxis(new, 0, axis)
    n = a.shape[axis]
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    count = new.shape[axis] if single or places.size == 1 else places.size
    target = tuple(count if k == axis else m for k, m in enumerate(a.shape))
    new = np.broadcast_to(new, target)
    # Old elements keep their number, new ones are numbered from n on; NumPy itself says where they
    # go.
    order = np.insert(np.arange(n), obj, np.arange(n, n + count))
    return _joined([a, new], axis)[along(axis, order)]


@twin(np.apply_along_axis)  # the function may hold traced values
@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    a = array(arr)
    axis = whole_axis(axis, rank(a))
    lead = tuple(n for k, n in enumerate(a.shape) if k != axis)
    if 0 in lead:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    rows = np.moveaxis(a, axis, -1)
    parts = [array(func1d(rows[place], *args, **kwargs)) for place in np.ndindex(lead)]
    whole = join.stack(parts, 0) if looks_traced(*parts) else np.stack(parts)
    inner = whole.shape[1:]
    whole = whole.reshape((*lead, *inner))
    front, extra = len(lead), len(inner)
    order = (*range(axis), *range(front, front + extra), *range(axis, front))
    return whole.transpose(order)
