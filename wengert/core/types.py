"""Types of values: shape, dtype and known facts, and the questions asked of raw values on hot paths.

Imports NumPy only. Invariant: an ArrayType describes a value completely enough for a type rule; a dimension is
an int or a named dimension object that can be compared and multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOAT64 = np.dtype(np.float64)
FLOATS = frozenset({float, np.float64})
_NUMPY_SCALARS = frozenset(
    t
    for t in np.sctypeDict.values()
    if issubclass(t, (np.number, np.bool_)) and not issubclass(t, np.timedelta64)
)
SCALARS = frozenset({float, int, bool, complex}) | _NUMPY_SCALARS
CONSTANTS = SCALARS | {np.ndarray}
"""Types an operation accepts without a second look; everything else goes the slow way."""


@dataclass(frozen=True, slots=True)
class ArrayType:
    """Shape, dtype and facts (``"symmetric"``, ``"positive"``, ...) of a value.

    >>> ArrayType((3, 4))
    float64[3,4]
    >>> ArrayType.of(2.0)
    float64[]
    """

    shape: tuple[Any, ...]
    dtype: np.dtype[Any] = FLOAT64
    facts: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, value: Any) -> ArrayType:
        """The type of a raw value."""
        if type(value) in FLOATS:
            return _SCALAR
        key = (value.shape, value.dtype) if type(value) is np.ndarray else (shape_of(value), dtype_of(value))
        found = MET.get(key)
        if found is None:
            found = cls(*key)
            if len(MET) < _MOST:
                MET[key] = found
        return found

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def inexact(self) -> bool:
        """Whether a derivative with respect to such a value means anything."""
        return self.dtype.kind in "fc"

    def __repr__(self) -> str:
        facts = "".join(f" {fact}" for fact in sorted(self.facts))
        return f"{self.dtype}[{','.join(map(str, self.shape))}]{facts}"


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of a raw value (Python scalars have none)."""
    kind = type(value)
    if kind is np.ndarray:
        return value.shape  # type: ignore[no-any-return]
    if kind in SCALARS:
        return ()
    return np.shape(value)


_SCALAR = ArrayType(())
MET: dict[tuple[tuple[int, ...], np.dtype[Any]], ArrayType] = {}
_MOST = 4096
"""Types that are made once: a recording asks for the same few at every step."""

_PYTHON_DTYPES = {
    float: FLOAT64, int: np.dtype(np.int64), bool: np.dtype(np.bool_), complex: np.dtype(np.complex128),
}


def dtype_of(value: Any) -> np.dtype[Any]:
    """The dtype a raw value has or, for a Python scalar, would have alone."""
    known = _PYTHON_DTYPES.get(type(value))
    if known is not None:
        return known
    found = getattr(value, "dtype", None)
    return found if isinstance(found, np.dtype) else np.asarray(value).dtype


def is_inexact(value: Any) -> bool:
    """Whether a raw value is real or complex floating point."""
    kind = type(value)
    return kind in FLOATS or kind is complex or (kind not in (int, bool) and dtype_of(value).kind in "fc")


def broadcast_shapes(*shapes: Sequence[Any]) -> tuple[Any, ...]:
    """NumPy's broadcasting of shapes, for named dimensions too.

    >>> broadcast_shapes((3, 1), (4,))
    (3, 4)

    Raises ValueError when the shapes do not go together.
    """
    rank = max((len(s) for s in shapes), default=0)
    out: list[Any] = []
    for axis in range(-rank, 0):
        size: Any = 1
        for shape in shapes:
            if len(shape) >= -axis and not _is_one(shape[axis]):
                if _is_one(size):
                    size = shape[axis]
                elif shape[axis] != size:
                    text = ", ".join(str(tuple(s)) for s in shapes)
                    raise ValueError(f"shapes do not broadcast: {text}")
        out.append(size)
    return tuple(out)


def _is_one(size: Any) -> bool:
    return type(size) is int and size == 1


