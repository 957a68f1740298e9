"""Order: sort, partition, and the searches for an index.

A sorted array is its elements gathered in another order; where elements are equal each place gets
the mean of their tangents. Imports core, ``select`` and the makers. Invariant: the values are
NumPy's own; only the tangents are gathered here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.types import ArrayType
from wengert.ops.kinds import constant, general, linear
from wengert.ops.select import gather
from wengert.ops.sides import Side, rounded, side_at, unasked


def _integers(types: Any, params: Any) -> ArrayType:
    return ArrayType(types[0].shape, np.dtype(np.intp))


argsort = constant(
    "argsort",
    lambda x, axis, kind: np.argsort(x, axis=axis, kind=kind),
    params={"axis": -1, "kind": None},
    infer=_integers,
    doc="The indices that sort.",
    samples=lambda rng: [((rng.normal(size=(3, 4)),), (axis, "stable")) for axis in (0, -1)],
)
argpartition = constant(
    "argpartition",
    lambda x, kth, axis: np.argpartition(x, kth, axis=axis),
    params={"kth": 0, "axis": -1},
    infer=_integers,
    doc="The indices that partition.",
    samples=lambda rng: [((rng.normal(size=(3, 4)),), (1, -1))],
)
searchsorted = constant(
    "searchsorted",
    lambda a, v, side, sorter: np.searchsorted(a, v, side, sorter),
    inputs="a v",
    params={"side": "left", "sorter": None},
    infer=lambda types, params: ArrayType(types[1].shape, np.dtype(np.intp)),
    doc="Where `v` would go into the sorted `a`.",
    samples=lambda rng: [
        ((np.sort(rng.normal(size=5)), rng.normal(size=(2, 3))), (side, None)) for side in ("left", "right")
    ],
)
tie_groups = constant(
    "tie_groups",
    lambda y, axis: _tie_groups(y, axis),
    inputs="y",
    params={"axis": -1},
    infer=_integers,
    doc="For a sorted array: equal neighbours share a number.",
)
has_ties = constant(
    "has_ties",
    lambda y, axis: bool(np.any(np.diff(y, axis=axis) == 0)),
    inputs="y",
    params={"axis": -1},
    infer=lambda types, params: ArrayType((), np.dtype(bool)),
    doc="Are there equal elements in a sorted array?",
)


def _tie_groups(y: Any, axis: int) -> Any:
    rows = np.moveaxis(y, axis, -1)
    first = np.ones(rows.shape, dtype=bool)
    first[..., 1:] = rows[..., 1:] != rows[..., :-1]
    return np.moveaxis(np.cumsum(first.ravel()).reshape(rows.shape) - 1, -1, axis)


def _tie_mean(x: Any, groups: Any) -> Any:
    flat = groups.ravel()
    sums = np.zeros(int(flat.max(initial=-1)) + 1, dtype=x.dtype)
    np.add.at(sums, flat, x.ravel())
    return (sums / np.bincount(flat))[groups].astype(x.dtype, copy=False)


tie_mean: Any = linear(
    "tie_mean",
    _tie_mean,
    [lambda ct, groups: tie_mean(ct, groups), None],
    inputs="x groups",
    shape=lambda x_shape, groups_shape: x_shape,
    doc="Every element becomes the mean of its group.",
    samples=lambda rng: [((rng.normal(size=(2, 3)), np.array([[0, 0, 1], [2, 3, 3]])), ())],
)


def _side_order(side: Side, x: Any, axis: int) -> Any:
    """The indices that sort; equal elements in the order that they have a step further."""
    tangent = rounded(side.tangent(x), x.shape)
    if side.first:  # where they stay equal, an earlier element counts as the larger one
        x, tangent = np.flip(x, axis), np.flip(tangent, axis)
    first = argsort(tangent, axis, "stable")
    second = argsort(gather(x, first, axis), axis, "stable")
    order = gather(first, second, axis)
    steps = (np.diff(gather(v, order, axis), axis=axis) for v in (x, tangent))
    side.note(np.logical_and(*(np.equal(step, 0) for step in steps)))
    return x.shape[axis] - 1 - order if side.first else order


def _in_order(x: Any, dx: Any, y: Any, axis: int) -> Any:
    """The tangents of the sorted elements ``y``."""
    side = None if unasked(x) else side_at(lambda y, _: has_ties(y, axis), y, x)
    if side is not None:
        return gather(dx, _side_order(side, x, axis), axis)
    out = gather(dx, argsort(x, axis, "stable"), axis)
    return tie_mean(out, tie_groups(y, axis)) if has_ties(y, axis) else out


def _ordered_tangent(x: Any, dx: Any, y: Any, axis: int) -> Any:
    out = _in_order(x, dx, gather(y, argsort(y, axis, "stable"), axis), axis)
    return gather(out, argsort(argsort(y, axis, "stable"), axis, "stable"), axis)


def _sort_samples(rng: Any) -> Iterable[Any]:
    for axis in (0, -1):
        yield (rng.normal(size=(3, 4)),), (axis,)


def _equal_elements(values: Any, params: Any, y: Any) -> Any:
    x, axis = np.asarray(values[0]), params[-1]
    order = np.argsort(x, axis=axis, kind="stable")
    in_order = np.take_along_axis(x, order, axis)
    near = np.diff(in_order, axis=axis) == 0
    edge = np.zeros_like(np.take(in_order, [0], axis=axis), dtype=bool) if x.shape[axis] else near
    found = np.zeros(x.shape, bool)
    np.put_along_axis(found, order, np.append(near, edge, axis) | np.append(edge, near, axis), axis)
    return found


sort = general(
    "sort",
    lambda x, axis: np.sort(x, axis=axis),
    [lambda x, dx, y, axis: _in_order(x, dx, y, axis)],
    params={"axis": -1},
    shape=lambda x_shape: x_shape,
    kink=_equal_elements,
    doc="The elements in increasing order.",
    samples=_sort_samples,
    zeroes=True,
)


partition = general(
    "partition",
    lambda x, kth, axis: np.partition(x, kth, axis=axis),
    [lambda x, dx, y, axis: _ordered_tangent(x, dx, y, axis)],
    kink=_equal_elements,
    params={"kth": 0, "axis": -1},
    shape=lambda x_shape: x_shape,
    zeroes=True,
    doc="The elements so that the k-th is in its sorted place.",
    samples=lambda rng: [((rng.normal(size=(3, 6)),), (kth, -1)) for kth in (0, 2, (1, 3))],
)
