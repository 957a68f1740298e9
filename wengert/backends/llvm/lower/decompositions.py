"""QR, eigenvalues of symmetric matrices and singular values in index form, by LAPACK.

Imports ``lower/builder``, ``lower/routine``, ``lower/linalg``. Invariants: eigenvectors and singular vectors, whose
signs differ from one LAPACK to the next, are native only where nothing depends on signs, in derivatives of values;
where values are so close that vectors are any basis, or something is not finite, NumPy answers, which is asked when
the program runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.backends.llvm.indexed import Affine, Axis
from wengert.backends.llvm.lower import reduce as lower_reduce
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim, Laid, Refused
from wengert.backends.llvm.lower.contract import contract
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.backends.llvm.lower.linalg import CLOSE, by_lapack, check_finite, floating
from wengert.backends.llvm.lower.routine import routine
from wengert.backends.llvm.lower.sort import neighbours
from wengert.backends.llvm.routines import (
    EIGH,
    EIGH_UPPER,
    EIGVALSH,
    EIGVALSH_UPPER,
    INT32,
    QR,
    QR_BASIS,
    SVD,
    SVDVALS,
)
from wengert.core.node import Node

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]


def _columns_first(b: Builder, x: Laid, dtype: np.dtype[Any]) -> Laid:
    """Matrices column by column, of finite elements."""
    by_lapack()
    check_finite(b, x.value)
    *stack, row, column = x.dims
    return Laid(b.cast(x.value, dtype), (*stack, column, row))


def _turned(b: Builder, x: Laid) -> Laid:
    """The matrices of memory column by column."""
    *stack, column, row = x.dims
    return b.laid(x.value, (*stack, row, column))


def _found(b: Builder, answer: Laid) -> None:
    b.check(b.map("equal", BOOL, answer.value, b.number(0, INT32)), "values that LAPACK finds")


def _signs_are_free(inner: Any) -> None:
    """Refuse vectors that the user sees; ``inner`` marks those that serve the derivative of values alone."""
    if not inner:
        raise Refused("vectors whose signs LAPACK leaves open")


def _check_apart(b: Builder, values: Laid, n: int, *, to_zero: bool) -> None:
    """Ask that no two of a row of ordered values are equal to working precision, and none 0 where vectors of 0 are any
    basis."""
    axis, dtype = values.dims[-1], values.dtype
    size = b.map("absolute", dtype, values.value)
    largest = b.laid(b.reduced("max", size, (axis,)) if isinstance(axis, Axis) else size, (*values.dims[:-1], 0))
    least = b.number(CLOSE * n * float(np.finfo(dtype).eps), dtype)
    gaps = []
    if isinstance(axis, Axis):
        lower, upper, dims = neighbours(b, values)
        gaps.append(b.laid(b.map("absolute", dtype, b.map("subtract", dtype, upper, lower)), dims))
    if to_zero:
        gaps.append(b.laid(size, values.dims))
    for gap in gaps:
        (x, bound), _ = aligned(b, (gap, largest))
        b.check(b.map("greater", BOOL, x, b.map("multiply", dtype, least, bound)), "values that are apart")


# ---------------------------------------------------------------- symmetric matrices


def _eigh(b: Builder, node: Node, operands: Sequence[Laid]) -> list[Laid]:
    (matrix,) = operands
    _signs_are_free(node.params[1])
    dtype = floating(node.type[0].dtype)
    name = EIGH if str(node.params[0]).upper() == "L" else EIGH_UPPER
    vectors, values, answer = routine(b, name, (_columns_first(b, matrix, dtype),))
    _found(b, answer)
    _check_apart(b, values, matrix.shape[-1], to_zero=False)
    return [values, _turned(b, vectors)]


def _eigvalsh(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    name = EIGVALSH if str(node.params[0]).upper() == "L" else EIGVALSH_UPPER
    _, values, answer = routine(b, name, (_columns_first(b, matrix, floating(node.type.dtype)),))
    _found(b, answer)
    return values


# ---------------------------------------------------------------- singular values


def _svd(b: Builder, node: Node, operands: Sequence[Laid]) -> list[Laid]:
    (matrix,) = operands
    _signs_are_free(node.params[0])
    dtype = floating(node.type[0].dtype)
    _, values, left, right, answer = routine(b, SVD, (_columns_first(b, matrix, dtype),))
    _found(b, answer)
    _check_apart(b, values, max(matrix.shape[-2:]), to_zero=True)
    return [_turned(b, left), values, _turned(b, right)]


def _of_full_rank(b: Builder, matrix: Laid, dtype: np.dtype[Any], cutoff: Any) -> tuple[Laid, Laid, Laid]:
    """Left vectors, reciprocal singular values, right vectors; every value is asked to be above the cutoff, as a share
    of the largest, and above rounding."""
    if not isinstance(cutoff, (int, float)):
        raise Refused("a cutoff that is not a number")
    _, values, left, right, answer = routine(b, SVD, (_columns_first(b, matrix, dtype),))
    _found(b, answer)
    axis = values.dims[-1]
    largest = b.reduced("max", values.value, (axis,)) if isinstance(axis, Axis) else values.value
    least = max(float(cutoff), CLOSE * max(matrix.shape[-2:]) * float(np.finfo(dtype).eps))
    (x, top), _ = aligned(b, (values, b.laid(largest, (*values.dims[:-1], 0))))
    b.check(b.map("greater", BOOL, x, b.map("multiply", dtype, b.number(least, dtype), top)), "a matrix of full rank")
    over = b.laid(b.map("divide", dtype, b.number(1, dtype), values.value), values.dims)
    return _turned(b, left), over, _turned(b, right)


def _pinv(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    # V diag(1 / s) U^T: the signs of the vectors cancel.
    (matrix,) = operands
    rcond, hermitian = node.params
    if hermitian:
        raise Refused("a pseudo-inverse of a symmetric matrix")
    left, over, right = _of_full_rank(b, matrix, floating(node.type.dtype), 1e-15 if rcond is None else rcond)
    scaled = _scaled(b, right, over)
    depth = len(left.dims) - 2
    stack = tuple(range(depth))
    return contract(b, node, (scaled, left), ((*stack, "k", "i"), (*stack, "j", "k")), (*stack, "i", "j"))


def _scaled(b: Builder, right: Laid, over: Laid) -> Laid:
    (x, factor), dims = aligned(b, (right, b.laid(over.value, (*over.dims, 0))))
    return b.laid(b.map("multiply", right.dtype, x, factor), dims)


def _matrix_norm(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (x,) = operands
    order, axis, keepdims = node.params
    if order not in (2, -2, "nuc"):
        return lower_reduce.RULES["matrix_norm"](b, node, operands)
    row, column = (int(k) % len(x.dims) for k in axis)
    rest = [k for k in range(len(x.dims)) if k not in (row, column)]
    matrix = Laid(x.value, tuple(x.dims[k] for k in (*rest, row, column)))
    _, values, answer = routine(b, SVDVALS, (_columns_first(b, matrix, floating(node.type.dtype)),))
    _found(b, answer)
    over = values.dims[-1]
    kind = {2: "max", -2: "min", "nuc": "sum"}[order]
    value = b.reduced(kind, values.value, (over,)) if isinstance(over, Axis) else values.value
    kept = iter(values.dims[:-1])
    dims = [0 if k in (row, column) else next(kept) for k in range(len(x.dims)) if keepdims or k in rest]
    return b.laid(value, dims)


def _svdvals(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    _, values, answer = routine(b, SVDVALS, (_columns_first(b, matrix, floating(node.type.dtype)),))
    _found(b, answer)
    return values


# ---------------------------------------------------------------- QR


def _qr(b: Builder, node: Node, operands: Sequence[Laid]) -> list[Laid]:
    (matrix,) = operands
    dtype = floating(node.type[0].dtype)
    packed, factors = routine(b, QR, (_columns_first(b, matrix, dtype),))
    rows, columns = matrix.shape[-2:]
    least = min(rows, columns)
    first = packed if columns == least else _part(b, packed, len(packed.dims) - 2, least)
    (basis,) = routine(b, QR_BASIS, (factors, first))
    upper = packed if rows == least else _part(b, packed, len(packed.dims) - 1, least)
    *stack, column, row = upper.dims
    terms = tuple((a, c) for a, c in ((column, 1), (row, -1)) if isinstance(a, Axis))
    above = b.substitute(upper.value, {}, ((Affine(terms), 0, columns),), 0.0)
    return [_turned(b, basis), b.laid(above, (*stack, row, column))]


def _part(b: Builder, x: Laid, k: int, count: int) -> Laid:
    """The first elements along a dimension."""
    axis = x.dims[k]
    assert isinstance(axis, Axis)
    shorter: Dim = Axis(count) if count > 1 else 0
    place = Affine(((shorter, 1),)) if isinstance(shorter, Axis) else Affine((), 0)
    return b.laid(b.substitute(x.value, {axis: place}), (*x.dims[:k], shorter, *x.dims[k + 1 :]))


RULES: dict[str, Rule] = {"eigvalsh": _eigvalsh, "svdvals": _svdvals, "pinv": _pinv, "matrix_norm": _matrix_norm}
SEVERAL: dict[str, Callable[[Builder, Node, Sequence[Laid]], list[Laid]]] = {"eigh": _eigh, "svd": _svd, "qr": _qr}
"""Operations with several results."""

__all__ = ["RULES", "SEVERAL"]
