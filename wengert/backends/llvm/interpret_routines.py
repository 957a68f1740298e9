"""The meaning of the routines of the index form: NumPy, and factorisations written out.

Imports NumPy and the routines' names. Invariant: nothing here is shared with what native code calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.routines import (
    CHOLESKY,
    DECOMPOSITIONS,
    EIGH_UPPER,
    EIGVALSH_UPPER,
    INT32,
    LU,
    LU_SOLVE_TRANSPOSED,
    QR,
    SORT,
    SVD,
    SVDVALS,
    SYMMETRIC,
)

Array = np.ndarray[Any, Any]


def meaning(name: str, operands: Sequence[Array]) -> list[Array]:
    """The outputs of a routine."""
    if name == SORT:
        (x,) = operands
        return [np.sort(x, axis=-1), np.argsort(x, axis=-1, kind="stable")]
    if name == CHOLESKY:
        a = operands[0].swapaxes(-1, -2).copy()
        answers = np.zeros(a.shape[:-2], INT32)
        for index in np.ndindex(a.shape[:-2]):
            _cholesky(a[index])
            answers[index] = not np.all(np.isfinite(np.diagonal(a[index])))
        return [a.swapaxes(-1, -2), answers]
    if name == LU:
        a = operands[0].swapaxes(-1, -2).copy()
        pivots = np.zeros(a.shape[:-1], INT32)
        for index in np.ndindex(a.shape[:-2]):
            _lu(a[index], pivots[index])
        return [a.swapaxes(-1, -2), pivots]
    if name in DECOMPOSITIONS:
        return _decomposition(name, operands)
    factors, pivots, sides = operands
    x = sides.swapaxes(-1, -2).copy()
    for index in np.ndindex(x.shape[:-2]):
        _solve(factors[index].T, pivots[index], x[index], transposed=name == LU_SOLVE_TRANSPOSED)
    return [x.swapaxes(-1, -2)]


def _decomposition(name: str, operands: Sequence[Array]) -> list[Array]:
    a = operands[-1].swapaxes(-1, -2)
    none = np.zeros(a.shape[:-2], INT32)
    if name in SYMMETRIC:
        upper = name in (EIGH_UPPER, EIGVALSH_UPPER)
        values, vectors = np.linalg.eigh(a, "U" if upper else "L")
        return [vectors.swapaxes(-1, -2), values, none]
    if name in (SVD, SVDVALS):
        left, values, right = np.linalg.svd(a, full_matrices=False)
        found = [operands[-1], values]
        return [*found, none] if name == SVDVALS else [*found, left.swapaxes(-1, -2), right.swapaxes(-1, -2), none]
    if name == QR:
        packed = np.empty(operands[-1].shape, a.dtype)
        factors = np.empty((*a.shape[:-2], min(a.shape[-2:])), a.dtype)
        for index in np.ndindex(a.shape[:-2]):
            packed[index], factors[index] = np.linalg.qr(a[index], mode="raw")
        return [packed, factors]
    basis = np.empty(operands[-1].shape, a.dtype)
    for index in np.ndindex(a.shape[:-2]):
        basis[index] = _reflected(a[index], operands[0][index]).T
    return [basis]


def _reflected(packed: Array, factors: Array) -> Array:
    """The first columns of the product of ``I - t v v^T``, v below the diagonal with 1 on it."""
    rows, columns = packed.shape
    q = np.eye(rows, columns, dtype=packed.dtype)
    for k in reversed(range(columns)):
        v = np.concatenate([np.zeros(k), [1.0], packed[k + 1 :, k]]).astype(packed.dtype)
        q -= factors[k] * np.outer(v, v @ q)
    return q


def _cholesky(a: Array) -> None:
    for k in range(len(a)):
        a[k, k] = np.sqrt(a[k, k] - a[k, :k] @ a[k, :k])
        a[k + 1 :, k] = (a[k + 1 :, k] - a[k + 1 :, :k] @ a[k, :k]) / a[k, k]


def _lu(a: Array, pivots: Array) -> None:
    for k in range(len(a)):
        row = k + int(np.argmax(np.abs(a[k:, k])))
        pivots[k] = row + 1
        a[[k, row]] = a[[row, k]]
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])


def _solve(factors: Array, pivots: Array, x: Array, *, transposed: bool) -> None:
    n = len(factors)
    exchanges = list(enumerate(pivots - 1))
    lower, upper = np.tril(factors, -1) + np.eye(n, dtype=factors.dtype), np.triu(factors)
    if not transposed:
        for k, row in exchanges:
            x[[k, row]] = x[[row, k]]
        x[...] = np.linalg.solve(upper, np.linalg.solve(lower, x))
        return
    x[...] = np.linalg.solve(lower.T, np.linalg.solve(upper.T, x))
    for k, row in reversed(exchanges):
        x[[k, row]] = x[[row, k]]


__all__ = ["meaning"]
