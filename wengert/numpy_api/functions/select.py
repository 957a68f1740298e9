"""Choosing elements: take, choose, select, compress, where they are, triangles and diagonals, and
the functions that write into an array.

Imports core, ops, ``table``. Invariant: views where NumPy gives views; every writer goes through
``memory.write``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import CutError, error_at
from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.numpy_api import inplace
from wengert.numpy_api.exact import (
    array,
    decided,
    deliver,
    looked,
    looks_traced,
    owned,
    rank,
    values_of,
    whole_axis,
)
from wengert.numpy_api.methods import copied
from wengert.numpy_api.table import implements, method, twin
from wengert.ops import select as ops
from wengert.ops.memory import read, write


def _bounded(indices: Any, n: int, mode: str) -> Any:
    if mode == "wrap":
        return indices % n
    return np.clip(indices, 0, n - 1) if mode == "clip" else indices


@method("take")
@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    a = array(a)
    if axis is None:
        a, axis = a.ravel(), 0
    axis = whole_axis(axis, rank(a))
    if not is_handle(indices):
        indices = np.asarray(indices)[()]
    indices = _bounded(indices, a.shape[axis], mode)
    found = owned(a[(slice(None),) * axis + (indices,)])
    return deliver(copied(found) if is_handle(found) and not values_of(found).flags.c_contiguous else found, out)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    a = array(arr)
    if axis is None:
        if rank(indices) != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        return a.ravel()[indices]
    axis = whole_axis(axis, rank(a))
    if rank(indices) != rank(a):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    # The other axes may broadcast: their ranges do.
    return a[ops.along_axis(indices, axis, a.shape)]


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    if axis is None:
        arr.flat[decided(indices)] = values
        return
    _write(arr, ops.along_axis(decided(indices), whole_axis(axis, rank(arr)), arr.shape), values)


@method("choose")
@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    which = np.asarray(decided(a))
    parts = [array(c) for c in (choices if isinstance(choices, (list, tuple)) else array(choices))]
    common = np.result_type(*values_of(list(choices)))  # a Python number does not decide
    parts = [p if p.dtype == common else p.astype(common) for p in parts]
    which = _bounded(which, len(parts), mode)
    if which.size and (which.min() < 0 or which.max() >= len(parts)):
        raise ValueError("invalid entry in choice array")
    shape = np.broadcast_shapes(which.shape, *(p.shape for p in parts))
    which = np.broadcast_to(which, shape)
    stacked = np.stack([np.broadcast_to(p, shape) for p in parts])
    return deliver(stacked[(which, *np.indices(shape, sparse=True))], out)


@method("compress")
def compress_method(t: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return compress(condition, t, axis, out)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    return take(a, np.flatnonzero(np.asarray(decided(condition))), axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return array(arr).ravel()[np.flatnonzero(np.ravel(decided(condition)))]


@twin(np.select)  # NumPy's protocol does not look at the default
@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if not looks_traced(condlist, choicelist, default):
        return np.select(condlist, choicelist, default)
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not condlist:
        raise ValueError("select with an empty condition list is not possible")
    for condition in condlist:
        if values_of(array(condition)).dtype != bool:
            raise TypeError("invalid entry in condlist: should be boolean ndarray")
    result = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = np.where(condition, array(choice), result)
    return result


@twin(np.piecewise)  # constant places, functions with traced parameters: a line with a bend is fitted so
@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    x = array(x)
    conditions = np.asarray(decided(condlist), dtype=bool)
    if conditions.ndim == 0 or (
        conditions.ndim == 1 and rank(x) != 0 and not isinstance(condlist[0], (list, np.ndarray))
    ):
        conditions = conditions[None]
    if conditions.ndim == 1 and rank(x) == 0:
        conditions = conditions.reshape(-1)
    count = len(funclist)
    if count == len(conditions) + 1:
        conditions = np.concatenate(
            [conditions, ~np.any(conditions, axis=0, keepdims=True)], axis=0
        )
    elif count != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or "
            f"{len(conditions) + 1} functions are expected"
        )
    out = np.zeros_like(x)
    if type(out) is np.ndarray and out.dtype.kind in "fc":
        out = buffer(out)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            out[condition] = function
        else:
            part = x[condition]
            if part.size > 0:
                out[condition] = function(part, *args, **kw)
    return out


# ---------------------------------------------------------------- where they are


@method("nonzero")
@implements(np.nonzero)
def nonzero(a: Any) -> Any:
    return looked(
        a, "nonzero", np.nonzero(np.atleast_1d(values_of(a)) if rank(a) == 0 else values_of(a))
    )


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    return looked(a, "nonzero", np.flatnonzero(values_of(a)))


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    return looked(a, "nonzero", np.argwhere(values_of(a)))


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    made = np.ix_(*decided(args))
    if any(part.dtype.kind in "fc" for part in made) and looks_traced(args):
        raise error_at(
            CutError,
            "np.ix_ was given traced values, which are no indices",
            fix="give it integers or booleans",
        )
    return made


# ---------------------------------------------------------------- triangles and diagonals


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    m = array(m)
    sizes: tuple[Any, ...] = m.shape[-2:]
    mask = np.tri(sizes[0], sizes[-1] if len(sizes) > 1 else None, k, bool)
    return np.where(mask, m, np.zeros(1, m.dtype))


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    m = array(m)
    sizes: tuple[Any, ...] = m.shape[-2:]
    mask = np.tri(sizes[0], sizes[-1] if len(sizes) > 1 else None, k - 1, bool)
    return np.where(mask, np.zeros(1, m.dtype), m)


@method("diagonal")
@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    a = array(a)
    return (
        read(a, ("diagonal", (offset, axis1, axis2)))
        if is_handle(a)
        else np.diagonal(a, offset, axis1, axis2)
    )


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    v = array(v)
    if rank(v) == 2:
        return diagonal(v, k)
    if rank(v) != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = v.shape[0] + abs(k)
    out = np.zeros_like(v, shape=(n, n))
    rows = np.arange(v.shape[0]) + max(-k, 0)
    out[rows, rows + k] = v
    return out


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(array(v).ravel(), k)


# ---------------------------------------------------------------- writing


def _write(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value`` for a handle; a plain array cannot take traced values."""
    if type(target) is TracedArray:
        write(target, ("index", index), value)
    elif looks_traced(value):
        inplace.bind(value, target)
    else:
        target[index] = value


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim == 2:
        step, end = a.shape[1] + 1, None if wrap else a.shape[1] * a.shape[1]
    else:
        if not np.all(np.diff(a.shape) == 0):
            raise ValueError("All dimensions of input must be of equal length")
        step, end = 1 + int(np.cumprod(a.shape[:-1]).sum()), None
    flat = np.arange(a.size)[:end:step]
    values = array(val)
    if rank(values):
        values = values.ravel()[np.arange(len(flat)) % values.size]
    _write(a, np.unravel_index(flat, a.shape), values)


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    allowed = decided(where)
    if allowed is True:
        _write(dst, Ellipsis, array(src))
    else:
        mask = np.broadcast_to(np.asarray(allowed, dtype=bool), dst.shape)
        _write(dst, mask, np.broadcast_to(array(src), dst.shape)[mask])


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    places = np.flatnonzero(np.asarray(decided(mask)))
    values = array(values).ravel()
    _write(a, np.unravel_index(places, a.shape), values[places % values.shape[0]])


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    places = np.flatnonzero(np.asarray(decided(mask)))
    vals = array(vals).ravel()
    if not len(places):
        return
    if not vals.shape[0]:
        raise ValueError("Cannot insert from an empty array!")
    _write(arr, np.unravel_index(places, arr.shape), vals[np.arange(len(places)) % vals.shape[0]])


@method("put")
@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    places = _bounded(np.asarray(decided(ind)).ravel(), a.size, mode)
    values = array(v).ravel()
    if len(places) and values.shape[0]:
        if places.min() < -a.size or places.max() >= a.size:
            raise IndexError(f"index is out of bounds for size {a.size}")
        _write(
            a,
            np.unravel_index(places % a.size, a.shape),
            values[np.arange(len(places)) % values.shape[0]],
        )


@method("fill")
def fill(t: Any, value: Any) -> None:
    write(t, ("index", Ellipsis), value)


@method("resize")
def resize_in_place(t: Any, *shape: Any, refcheck: bool = True) -> None:
    target = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    if tuple(np.atleast_1d(target)) == t.shape:
        return
    raise error_at(
        CutError,
        f"resize() in place would change the size of a traced array, from {t.shape} to {target}",
        fix="np.resize(a, shape), or a[:n].copy() for its beginning, gives an array of another size",
    )
