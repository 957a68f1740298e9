"""Putting values together: stack, concatenate, and nested lists as arrays.

Imports core and the makers. Invariant: each operand gets back exactly the region of the cotangent
that it became.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, next_seq
from wengert.core.errors import CutError, error_at
from wengert.core.handle import HANDLES, TracedArray, TracedScalar, is_handle
from wengert.core.node import Node, here
from wengert.core.types import CONSTANTS, FLOAT64, FLOATS, SCALARS, shape_of
from wengert.ops.kinds import variadic
from wengert.ops.memory import fit, read, sync


def _stack_shape(shapes: Sequence[tuple[Any, ...]], axis: int) -> tuple[Any, ...]:
    first = list(shapes[0])
    first.insert(axis % (len(first) + 1), len(shapes))
    return tuple(first)


def _take(ct: Any, axis: int, index: Any) -> Any:
    ndim = len(ct.shape)
    return ct[(slice(None),) * (axis % ndim) + (index,)]


def _stack_values(*operands: Any) -> Any:
    *values, axis = operands
    # np.array is eight times as fast as np.stack where both say the same.
    return (
        np.array(values)
        if axis == 0 and SCALARS.issuperset(map(type, values))
        else np.stack(values, axis=axis)
    )


_stack_any = variadic(
    "stack",
    _stack_values,
    lambda k, ct, values, shapes, axis: _take(ct, axis, k),
    params={"axis": 0},
    shape=_stack_shape,
    doc="Arrays of one shape along a new axis.",
)
_STACK = _stack_any.op


def stack(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape along a new axis."""
    if SWITCH.special or axis != 0:
        return _stack_any(operands, axis)
    values: list[Any] = []
    nodes: list[Any] = []
    for a in operands:
        kind = type(a)
        if kind is TracedScalar and type(a.value) in FLOATS:
            values.append(a.value)
            nodes.append(a.node)
        elif kind in FLOATS or kind is int:
            values.append(a)
            nodes.append(None)
        else:
            return _stack_any(operands, axis)
    y = np.array(values)
    count = len(values)
    if not any(nodes) or y.dtype is not FLOAT64:
        return _stack_any(operands, axis)
    saved = (*(None,) * count, ((),) * count, None)
    return TracedArray(y, Node(next_seq(), _STACK, tuple(nodes), saved, (0,), here(2)))


stack.op = _STACK  # type: ignore[attr-defined]
_STACK.record = stack


def _concatenate_shape(shapes: Sequence[tuple[Any, ...]], axis: int) -> tuple[Any, ...]:
    out = list(shapes[0])
    for s in shapes[1:]:
        out[axis] = out[axis] + s[axis]
    return tuple(out)


def _part(k: int, ct: Any, values: Any, shapes: Sequence[tuple[int, ...]], axis: int) -> Any:
    start = sum(s[axis] for s in shapes[:k])
    return _take(ct, axis, slice(start, start + shapes[k][axis]))


_concatenate_any = variadic(
    "concatenate",
    lambda *a: np.concatenate(a[:-1], axis=a[-1]),
    _part,
    params={"axis": 0},
    shape=_concatenate_shape,
    doc="Arrays one after the other along an axis.",
    samples=lambda rng: [
        ((rng.normal(size=(2, 3)), rng.normal(size=(2, 1)), rng.normal(size=(2, 4))), (1,)),
        ((rng.normal(size=3), rng.normal(size=2)), (0,)),
    ],
)
_CONCATENATE = _concatenate_any.op


def _pull_concatenate(node: Any, ct: Any, sweep: Any) -> None:
    # ``_part`` for every operand in turn, with a running start: linear in the number of operands.
    *_, shapes, info = node.saved
    axis, start = node.params[0], 0
    for k, parent in enumerate(node.inputs):
        stop = start + shapes[k][axis]
        if parent is not None:
            part = _take(ct, axis, slice(start, stop))
            sweep.add(parent, part if info is None else fit(part, *info.types[k]))
        start = stop


_CONCATENATE.pull = _pull_concatenate


def concatenate(operands: Sequence[Any], axis: int = 0) -> Any:
    """Arrays one after the other along an axis."""
    if SWITCH.special:
        return _concatenate_any(operands, axis)
    values: list[Any] = []
    nodes: list[Any] = []
    for a in operands:
        kind = type(a)
        if kind is TracedArray:
            if a.base is not None:
                sync(a)
            values.append(a.value)
            nodes.append(a.node)
        elif kind is np.ndarray:
            values.append(a)
            nodes.append(None)
        else:
            return _concatenate_any(operands, axis)
        if values[-1].dtype is not FLOAT64:
            return _concatenate_any(operands, axis)
    if not any(nodes):
        return _concatenate_any(operands, axis)
    y = np.concatenate(values, axis=axis)
    saved = (*(None,) * len(values), tuple([v.shape for v in values]), None)
    return TracedArray(y, Node(next_seq(), _CONCATENATE, tuple(nodes), saved, (axis,), here(2)))


concatenate.op = _CONCATENATE  # type: ignore[attr-defined]
_CONCATENATE.record = concatenate


def holds_handle(value: Any) -> bool:
    """Whether a nested list or tuple (or object array) holds a handle."""
    if is_handle(value):
        return True
    if type(value) is np.ndarray:
        return value.dtype == object and holds_handle(value.ravel().tolist())
    if not isinstance(value, (list, tuple)):
        return False
    kinds = set(map(type, value))
    if not kinds.isdisjoint(HANDLES):
        return True
    return not kinds <= SCALARS and any(map(holds_handle, value))


_LISTS = frozenset({list, tuple})
_LEAVES = SCALARS | {TracedScalar}


def nested(value: Any) -> Any:
    """``np.array`` of nested lists that may hold handles anywhere: plain when none does, else
    stacked.

    What NumPy would make an object array of (a None, a Fraction among the numbers) becomes one;
    text among traced values raises.
    """
    if is_handle(value):
        return value
    if not holds_handle(value):
        return np.asarray(value)
    if type(value) is np.ndarray:
        value = value.tolist()
        if is_handle(value):
            return zero_dimensional(value)
    whole = _regular(value)
    if whole is not None:
        return whole
    for v in value:
        if type(v) not in _LEAVES and isinstance(v, (str, bytes)):
            raise error_at(
                CutError,
                f"an array of traced values and text ({v!r:.40}) would turn the numbers into text",
                fix="keep numbers and text in separate lists, or use dtype=object",
            )
    if not all(
        type(v) in CONSTANTS
        or is_handle(v)
        or isinstance(v, (list, tuple, np.ndarray, float, int, complex))
        for v in value
    ):
        return objects(value)
    parts = [nested(v) for v in value]
    if any(type(p) is np.ndarray and p.dtype == object for p in parts):
        return objects(value)
    shapes = {shape_of(p.value if is_handle(p) else p) for p in parts}
    if len(shapes) > 1:
        raise ValueError(
            "setting an array element with a sequence. The requested array has an inhomogeneous "
            "shape: "
            f"parts of shapes {sorted(shapes)}"
        )
    return stack(parts, 0)


def _regular(value: Any) -> Any:
    """Lists of equal lengths down to single numbers: one stack and a view of it; None for anything
    else.
    """
    flat, shape = value, [len(value)]
    kinds = set(map(type, flat))
    while kinds <= _LISTS:
        lengths = set(map(len, flat))
        if len(lengths) > 1:
            return None
        shape.append(lengths.pop())
        flat = [v for part in flat for v in part]
        kinds = set(map(type, flat))
    if not kinds <= _LEAVES:
        return None
    row = stack(flat, 0)
    return row if len(shape) == 1 else read(row, ("reshape", (tuple(shape), "C")))


def zero_dimensional(t: Any) -> Any:
    """A scalar handle as an array without axes."""
    return read(stack([t], 0), ("reshape", ((), "C")))


def objects(value: Any) -> Any:
    """``np.array(value, dtype=object)`` with the handles themselves as elements."""
    parts = [objects(v) if isinstance(v, (list, tuple)) and not is_handle(v) else v for v in value]
    shapes = {shape_of(p.value) if is_handle(p) else np.shape(p) for p in parts}
    shape = shapes.pop() if len(shapes) == 1 else ()
    out = np.empty((len(parts), *shape), dtype=object)
    for place in np.ndindex(out.shape):
        part = parts[place[0]]
        out[place] = part[place[1:]] if len(place) > 1 else part
    return out
