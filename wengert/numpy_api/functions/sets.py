"""Arrays as sets: unique and its relatives, unions, intersections, differences.

Imports core, ops, ``table``. Invariant: the members are gathered from the arrays, so they carry
derivatives; places and counts are plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.numpy_api.exact import array, exactly, looked, values_of
from wengert.numpy_api.table import implements


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    found = np.unique(
        values_of(ar),
        return_index=True,
        return_inverse=True,
        return_counts=True,
        axis=axis,
        equal_nan=equal_nan,
    )
    looked(ar, "unique", found[1])
    a = array(ar)
    values = a.ravel()[found[1]] if axis is None else np.take(a, found[1], axis)
    wanted = (True, return_index, return_inverse, return_counts)
    out = tuple(v for v, asked in zip((values, *found[1:]), wanted, strict=True) if asked)
    return out[0] if len(out) == 1 else out


@implements(np.unique_values)
def unique_values(x: Any) -> Any:
    return unique(x, equal_nan=False)


@implements(np.unique_counts)
def unique_counts(x: Any) -> Any:
    plain = np.unique_counts(values_of(x))
    return type(plain)(*unique(x, return_counts=True, equal_nan=False))


@implements(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    plain = np.unique_inverse(values_of(x))
    return type(plain)(*unique(x, return_inverse=True, equal_nan=False))


@implements(np.unique_all)
def unique_all(x: Any) -> Any:
    plain = np.unique_all(values_of(x))
    return type(plain)(
        *unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)
    )


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    return unique(np.concatenate((array(ar1), array(ar2)), axis=None))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    plain, first, second = np.intersect1d(values_of(ar1), values_of(ar2), assume_unique, True)
    looked(ar1, "intersect1d", first)
    # An element of both: each has half of it.
    result = exactly(0.5 * (array(ar1).ravel()[first] + array(ar2).ravel()[second]), lambda: plain)
    return (result, first, second) if return_indices else result


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    a = array(ar1).ravel() if assume_unique else unique(ar1)
    return a[~np.isin(values_of(a), values_of(ar2))]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    parts = [array(x).ravel() if assume_unique else unique(x) for x in (ar1, ar2)]
    both = np.concatenate(parts)
    places = np.argsort(values_of(both), kind="stable")
    ordered = values_of(both)[places]
    alone = np.ones(len(ordered) + 1, dtype=bool)
    alone[1:-1] = ordered[1:] != ordered[:-1]
    return both[places[alone[1:] & alone[:-1]]]


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    outcome = np.isin(
        values_of(element), values_of(test_elements), assume_unique, invert, kind=kind
    )
    return looked(element if is_handle(element) else test_elements, "isin", outcome)
