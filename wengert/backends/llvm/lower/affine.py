"""Index expressions: their bounds, expressions in expressions, and substitutions in substitutions as one.

Imports NumPy and ``indexed``. Invariant: a composed substitution reads what the two read one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis, Read, Sub, Value

Dim = Axis | int
Guards = tuple[tuple[Affine, int, int], ...]


def normal(affine: Affine) -> Affine:
    """The same index over representatives, each once, without zero terms."""
    terms: dict[Axis, int] = {}
    for axis, c in affine.terms:
        root = axis.find()
        terms[root] = terms.get(root, 0) + c
    return Affine(tuple((a, c) for a, c in terms.items() if c), affine.offset)


def bounds(affine: Affine) -> tuple[int, int]:
    """The least and the largest value of an index."""
    low = high = affine.offset
    for axis, c in affine.terms:
        reach = c * (axis.extent - 1)
        low, high = low + min(0, reach), high + max(0, reach)
    return low, high


def along(axis: Axis, step: int = 1, offset: int = 0) -> Affine:
    """The index ``offset + step axis``."""
    return Affine(((axis, step),), offset)


def same_number(a: Any, b: Any) -> bool:
    """Whether two numbers are the same to the sign of a zero; NaN is NaN."""
    a, b = np.float64(a), np.float64(b)
    return bool((a == b and np.signbit(a) == np.signbit(b)) or (np.isnan(a) and np.isnan(b)))


def _replaced(affine: Affine, index: Mapping[Axis, Affine | Value]) -> Affine | Value | None:
    """An index expression with axes replaced in it; None where a value would have to be computed with."""
    terms: list[tuple[Axis, int]] = []
    offset = affine.offset
    for axis, c in affine.terms:
        place = index.get(axis.find())
        if place is None:
            terms.append((axis, c))
        elif isinstance(place, Affine):
            terms += [(a, c * k) for a, k in place.terms]
            offset += c * place.offset
        elif affine.offset == 0 and c == 1 and len(affine.terms) == 1:
            return place
        else:
            return None
    return normal(Affine(tuple(terms), offset))


def compose(value: Value, index: Mapping[Axis, Affine | Value], guards: Guards, fill: Any) -> Any:
    """A substitution in a substitution as one: the arguments of ``substitute``, or None."""
    if not isinstance(value, Sub):
        return None
    if value.guards and guards and not same_number(value.fill, fill):
        return None
    inner = {a.find() for a in value.arg.axes}
    places: dict[Axis, Affine | Value] = {a: p for a, p in index.items() if a in inner}
    for axis, place in value.index.items():
        if not isinstance(place, Affine):
            return None
        replaced = _replaced(place, index)
        if replaced is None:
            return None
        places[axis.find()] = replaced
    asked = list(guards)
    for affine, low, high in value.guards:
        replaced = _replaced(affine, index)
        if not isinstance(replaced, Affine):
            return None
        asked.append((replaced, low, high))
    return value.arg, places, tuple(asked), (value.fill if value.guards else fill)


def renaming(value: Read, index: Mapping[Axis, Affine | Value]) -> tuple[Dim, ...] | None:
    """The index of a Read whose axes are only renamed; None where more happens."""
    out: list[Dim] = []
    for d in value.index:
        if not isinstance(d, Axis):
            out.append(0)
            continue
        place = index.get(d.find())
        if place is None:
            out.append(d.find())
        elif (
            isinstance(place, Affine)
            and place.offset == 0
            and len(place.terms) == 1
            and place.terms[0][1] == 1
            and place.terms[0][0].extent == d.extent
        ):
            out.append(place.terms[0][0].find())
        else:
            return None
    return (
        tuple(out)
        if len({id(d) for d in out if isinstance(d, Axis)}) == len([d for d in out if isinstance(d, Axis)])
        else None
    )


__all__ = ["Dim", "Guards", "along", "bounds", "compose", "normal", "renaming", "same_number"]
