"""What the routines of the index form give, and about how much work they are.

Imports the index form. Invariant: results depend on the shapes and types of the operands alone."""

from __future__ import annotations

from math import log2, prod
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Axis, Routine

Kind = tuple[tuple[int, ...], np.dtype[Any]]
"""A shape and a type of elements."""

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)

SORT = "sort"
"""Rows in increasing order, NaN last, and the order that sorts them, equal elements as they stand."""
LU = "lu"
"""Factors of square matrices, L below the diagonal and U from it on, and the row (from 1) that each row was exchanged
with."""
LU_SOLVE = "lu_solve"
"""The solutions of systems with matrices that ``LU`` has factored: their factors and pivots, the right sides."""
LU_SOLVE_TRANSPOSED = "lu_solve_transposed"
"""The same for the transposed matrices."""
CHOLESKY = "cholesky"
"""The lower triangle L of ``A = L L^T`` (what is above the diagonal is left as it was), and 0 where there is one."""


def operand_kinds(routine: Routine) -> tuple[Kind, ...]:
    """The shapes and types of what a routine is given."""
    return tuple(
        (tuple(d.extent if isinstance(d, Axis) else 1 for d in dims), value.dtype) for value, dims in routine.operands
    )


def results(routine: Routine) -> tuple[Kind, ...]:
    """The shapes and types of what a routine gives."""
    kinds = operand_kinds(routine)
    shape, dtype = kinds[-1]
    if routine.name == SORT:
        return (shape, dtype), (shape, INT64)
    if routine.name == LU:
        return (shape, dtype), (shape[:-1], INT32)
    if routine.name == CHOLESKY:
        return (shape, dtype), (shape[:-2], INT32)
    return ((shape, dtype),)


def operations(routine: Routine) -> float:
    """About how many scalar operations a routine does."""
    kinds = operand_kinds(routine)
    shape, last = kinds[0][0], kinds[-1][0]
    size, n = prod(shape), shape[-1]
    if routine.name == SORT:
        return 4.0 * size * (1.0 + log2(n))
    if routine.name in (LU_SOLVE, LU_SOLVE_TRANSPOSED):
        return 2.0 * n * prod(last)
    return (2.0 if routine.name == LU else 1.0) * size * n / 3.0


__all__ = [
    "CHOLESKY",
    "INT32",
    "INT64",
    "LU",
    "LU_SOLVE",
    "LU_SOLVE_TRANSPOSED",
    "SORT",
    "Kind",
    "operand_kinds",
    "operations",
    "results",
]
