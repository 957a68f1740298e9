"""np.pad, mode by mode.

Imports core, ops, ``table``. Invariant: modes that repeat elements gather them; modes that make
numbers join them on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.numpy_api.exact import array, exactly, looks_traced, rank, values_of
from wengert.numpy_api.table import implements, twin
from wengert.ops.scan import along

_REPEATING = frozenset({"edge", "wrap", "reflect", "symmetric"})
_STATISTICS: dict[Any, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}


@twin(np.pad)  # NumPy's protocol does not look at the values to pad with
@implements(np.pad)
def pad(array_: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if not looks_traced(array_, pad_width, *kwargs.values()):
        return np.pad(array_, pad_width, mode, **kwargs)
    a = array(array_)
    widths = _widths(values_of(pad_width), rank(a))
    if callable(mode):
        raise error_at(
            NoRuleError,
            "np.pad with a function as mode writes into memory that carries no derivative",
            fix="pad with a named mode, or join the parts with np.concatenate",
        )
    original = dict(kwargs)
    if mode in _REPEATING and kwargs.pop("reflect_type", "even") == "even":
        for axis, (before, after) in enumerate(widths):
            if before or after:
                a = a[along(axis, np.pad(np.arange(a.shape[axis]), (before, after), mode=mode))]
        return a if a is not array_ else a.copy()
    if mode in {"reflect", "symmetric"}:
        for axis, width in enumerate(widths):
            a = _odd(a, axis, width, mode)
    elif mode in {"constant", "empty", "linear_ramp"}:
        option = {"constant": "constant_values", "linear_ramp": "end_values"}.get(mode, "")
        ends = _pairs(kwargs.pop(option, 0), rank(a))
        for axis, (before, after) in enumerate(widths):
            low, high = ends[axis]
            a = np.concatenate(
                [_ramp(a, axis, before, low, mode, 0), a, _ramp(a, axis, after, high, mode, -1)],
                axis,
            )
    elif mode in _STATISTICS:
        lengths = _pairs(kwargs.pop("stat_length", None), rank(a))
        for axis, (before, after) in enumerate(widths):
            n = a.shape[axis]
            parts = []
            for count, length, first in (
                (before, lengths[axis][0], True),
                (after, lengths[axis][1], False),
            ):
                size = n if length is None else min(int(length), n)
                region = a[along(axis, slice(0, size) if first else slice(n - size, n))]
                value = _STATISTICS[mode](region, axis=axis, keepdims=True)
                parts.append(
                    np.broadcast_to(
                        value, tuple(count if k == axis else m for k, m in enumerate(a.shape))
                    )
                )
            a = np.concatenate([parts[0], a, parts[1]], axis)
    else:
        raise ValueError(f"mode {mode!r} is not supported")
    if kwargs:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {set(kwargs)}")
    return exactly(a, np.pad, array_, pad_width, mode=mode, **original)


def _pairs(given: Any, ndim: int) -> list[tuple[Any, Any]]:
    """One (before, after) per axis from what NumPy takes: a number, a pair, or a pair per axis."""
    if given is None:
        return [(None, None)] * ndim
    if np.ndim(values_of(given)) == 0:
        return [(given, given)] * ndim
    rows = list(given)
    if np.ndim(values_of(rows[0])) == 0:
        return [(rows[0], rows[-1])] * ndim
    if len(rows) == 1:
        rows = rows * ndim
    return [(row[0], row[-1]) for row in rows]


def _widths(given: Any, ndim: int) -> list[tuple[int, int]]:
    if isinstance(given, dict):
        table = {k % ndim: v for k, v in given.items()}
        rows = [table.get(k, (0, 0)) for k in range(ndim)]
        return [(int(w), int(w)) if np.ndim(w) == 0 else (int(w[0]), int(w[1])) for w in rows]
    whole = np.broadcast_to(np.asarray(given), (ndim, 2))
    if (whole < 0).any():
        raise ValueError("index can't contain negative values")
    return [(int(before), int(after)) for before, after in whole]


def _ramp(a: Any, axis: int, count: int, end: Any, mode: str, edge: int) -> Any:
    """``count`` new places beside an edge: all ``end``, or in even steps from there to the edge."""
    shape = tuple(count if k == axis else n for k, n in enumerate(a.shape))
    if mode == "empty":
        return np.zeros(shape, dtype=a.dtype)
    if mode == "constant":
        return np.broadcast_to(_as_stored(array(end), a), shape)
    n = a.shape[axis]
    border = a[along(axis, slice(0, 1) if edge == 0 else slice(n - 1, n))]
    steps = np.arange(count) / max(count, 1)
    share = (steps if edge == 0 else steps[::-1]).reshape(
        tuple(-1 if k == axis else 1 for k in range(rank(a)))
    )
    ramp = end + (border - end) * share
    return _as_stored(np.floor(ramp) if a.dtype.kind in "iu" else ramp, a)


def _as_stored(new: Any, a: Any) -> Any:
    """New numbers in the type of the array that they stand beside."""
    return new.astype(a.dtype) if new.dtype != a.dtype else new


def _odd(a: Any, axis: int, width: tuple[int, int], mode: str) -> Any:
    """Reflection through the edge itself: twice the edge minus the mirror image, again and again
    for wide borders.
    """
    before, after = width
    skip = 1 if mode == "reflect" else 0
    if a.shape[axis] == 1 and skip and (before or after):
        return np.concatenate([np.repeat(a, before, axis), a, np.repeat(a, after, axis)], axis)
    while before or after:
        n = a.shape[axis]
        room = n - skip
        low, high = min(before, room), min(after, room)
        first, last = a[along(axis, slice(0, 1))], a[along(axis, slice(n - 1, n))]
        left = (
            2 * first - a[along(axis, slice(skip, skip + low))][along(axis, slice(None, None, -1))]
        )
        right = (
            2 * last
            - a[along(axis, slice(n - skip - high, n - skip))][along(axis, slice(None, None, -1))]
        )
        a = np.concatenate([left, a, right], axis)
        before, after = before - low, after - high
    return a
