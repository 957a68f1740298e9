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

EIGH, EIGH_UPPER = "eigh", "eigh_upper"
"""Eigenvectors of symmetric matrices, of which one triangle is read, as columns; eigenvalues; 0 where there are
some."""
EIGVALSH, EIGVALSH_UPPER = "eigvalsh", "eigvalsh_upper"
"""Memory that means nothing, eigenvalues, 0 where there are some."""
QR = "qr"
"""R on and above the diagonal, reflections below it; the reflections' factors."""
QR_BASIS = "qr_basis"
"""The columns of Q, from the reflections and their factors."""
SVD = "svd"
"""Memory that means nothing, singular values, left vectors as columns, right ones as rows, 0 where there are some."""
SVDVALS = "svdvals"
"""The same without vectors."""

SYMMETRIC = frozenset({EIGH, EIGH_UPPER, EIGVALSH, EIGVALSH_UPPER})
DECOMPOSITIONS = SYMMETRIC | {QR, QR_BASIS, SVD, SVDVALS}


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
    stack, least = shape[:-2], min(shape[-2:])
    if routine.name in SYMMETRIC:
        return (shape, dtype), (shape[:-1], dtype), (stack, INT32)
    if routine.name == QR:
        return (shape, dtype), ((*stack, least), dtype)
    if routine.name in (SVD, SVDVALS):
        values = (shape, dtype), ((*stack, least), dtype)
        if routine.name == SVDVALS:
            return (*values, (stack, INT32))
        left, right = (*stack, least, shape[-1]), (*stack, shape[-2], least)
        return (*values, (left, dtype), (right, dtype), (stack, INT32))
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
    if routine.name not in (LU, CHOLESKY):
        return 10.0 * size * min(shape[-2:])
    return (2.0 if routine.name == LU else 1.0) * size * n / 3.0


__all__ = [
    "CHOLESKY",
    "DECOMPOSITIONS",
    "EIGH",
    "EIGH_UPPER",
    "EIGVALSH",
    "EIGVALSH_UPPER",
    "INT32",
    "INT64",
    "LU",
    "LU_SOLVE",
    "LU_SOLVE_TRANSPOSED",
    "QR",
    "QR_BASIS",
    "SORT",
    "SVD",
    "SVDVALS",
    "SYMMETRIC",
    "Kind",
    "operand_kinds",
    "operations",
    "results",
]
