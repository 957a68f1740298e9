"""What programs call that are written for speed with NumPy alone: reductions without their wrappers, kept constants.

Imports NumPy only. Invariant: kept constants cannot be written to, and each kernel has the value of the words that it
stands for.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

KEPT = 4096
"""Entries of the largest constant that is kept."""
SMALL = 4096
"""Entries of a matrix below which its weighted Gram matrix is computed as any product."""


@functools.lru_cache(64)
def _kept(kind: str, *sizes: int) -> Any:
    made = getattr(np, kind)(*sizes)
    made.flags.writeable = False
    return made


def ones(n: int) -> Any:
    """The vector of n ones."""
    return _kept("ones", n) if n <= KEPT else np.ones(n)


def zeros(n: int) -> Any:
    """The vector of n zeros."""
    return _kept("zeros", n) if n <= KEPT else np.zeros(n)


def unit(n: int) -> Any:
    """The unit matrix."""
    return _kept("eye", n) if n * n <= KEPT else np.eye(n)


def triangle(n: int) -> Any:
    """Ones on and below the diagonal."""
    return _kept("tri", n) if n * n <= KEPT else np.tri(n)


def mean(x: Any) -> Any:
    """The mean of a vector."""
    return np.add.reduce(x) / len(x)


def diagonal(square: Any) -> Any:
    """The diagonal of a matrix, to be written to."""
    flags = square.flags
    if not (flags.c_contiguous or flags.f_contiguous):
        return np.einsum("ii->i", square)
    return (square if flags.c_contiguous else square.T).reshape(-1)[:: len(square) + 1]


def gram(rows: Any) -> Any:
    """``rows.T @ rows``, which takes half the work of another product."""
    return rows.T @ rows


def weighted_gram(matrix: Any, weights: Any) -> Any:
    """``matrix.T @ diag(weights) @ matrix``: what has positive weights and what has others, each by its square roots.

    A product with its own transpose takes half the work of another.
    """
    if matrix.size < SMALL:
        return matrix.T @ (weights[:, None] * matrix)
    positive = weights > 0
    root = np.sqrt(np.abs(weights))[:, None] * matrix
    above = np.count_nonzero(positive)
    if above == len(positive):
        return root.T @ root
    below = root[~positive]
    filled = below.T @ below
    if not above:
        return np.negative(filled, out=filled)
    root = root[positive]
    return np.subtract(root.T @ root, filled, out=filled)


KERNELS = {
    "np": np,
    "total": np.add.reduce,
    "largest": np.maximum.reduce,
    "smallest": np.minimum.reduce,
    "ones": ones,
    "zeros": zeros,
    "unit": unit,
    "triangle": triangle,
    "mean": mean,
    "diagonal": diagonal,
    "gram": gram,
    "weighted_gram": weighted_gram,
}

__all__ = ["KERNELS"]
