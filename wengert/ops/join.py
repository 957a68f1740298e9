"""Putting values together: stack, concatenate, and nested lists as arrays.

Imports core and the makers. Invariant: each operand gets back exactly the region of the cotangent that it became.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import shape_of
from wengert.ops.kinds import variadic


def _stack_shape(shapes: Sequence[tuple[Any, ...]], axis: int) -> tuple[Any, ...]:
    first = list(shapes[0])
    first.insert(axis % (len(first) + 1), len(shapes))
    return tuple(first)


def _take(ct: Any, axis: int, index: Any) -> Any:
    ndim = len(ct.shape)
    return ct[(slice(None),) * (axis % ndim) + (index,)]


stack = variadic(
    "stack", lambda *a: np.stack(a[:-1], axis=a[-1]), lambda k, ct, values, shapes, axis: _take(ct, axis, k),
    params={"axis": 0}, shape=_stack_shape, doc="Arrays of one shape along a new axis.",
)


def _concatenate_shape(shapes: Sequence[tuple[Any, ...]], axis: int) -> tuple[Any, ...]:
    out = list(shapes[0])
    for s in shapes[1:]:
        out[axis] = out[axis] + s[axis]
    return tuple(out)


def _part(k: int, ct: Any, values: Any, shapes: Sequence[tuple[int, ...]], axis: int) -> Any:
    start = sum(s[axis] for s in shapes[:k])
    return _take(ct, axis, slice(start, start + shapes[k][axis]))


concatenate = variadic(
    "concatenate", lambda *a: np.concatenate(a[:-1], axis=a[-1]), _part, params={"axis": 0}, shape=_concatenate_shape,
    doc="Arrays one after the other along an axis.",
)


def holds_handle(value: Any) -> bool:
    """Whether a nested list or tuple (or object array) holds a handle."""
    if is_handle(value):
        return True
    if type(value) is np.ndarray:
        return value.dtype == object and any(holds_handle(v) for v in value.flat)
    return isinstance(value, (list, tuple)) and any(map(holds_handle, value))


def nested(value: Any) -> Any:
    """``np.array`` of nested lists that may hold handles anywhere: plain when none does, else stacked."""
    if is_handle(value):
        return value
    if not holds_handle(value):
        return np.asarray(value)
    parts = [nested(v) for v in value]
    shapes = {shape_of(p.value if is_handle(p) else p) for p in parts}
    if len(shapes) > 1:
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous shape: "
            f"parts of shapes {sorted(shapes)}"
        )
    return stack(parts, 0)
