"""Linear systems, determinants and Cholesky factors in index form: small matrices in registers, others by LAPACK.

Every operation on a matrix or its transpose asks for the same factors, so that a gradient factors once. Imports
``lower/builder``, ``lower/routine``, ``small_matrices``. Invariant: what is singular to working precision, not finite
or out of range is asked for when the program runs; then NumPy answers, or raises its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.llvm import small_matrices
from wengert.backends.llvm.indexed import Affine, Axis, Value
from wengert.backends.llvm.lapack import why_no_lapack
from wengert.backends.llvm.lower.builder import BOOL, INT64, Builder, Dim, Laid, Refused
from wengert.backends.llvm.lower.elementwise import aligned
from wengert.backends.llvm.lower.routine import routine
from wengert.backends.llvm.lower.shape import diagonal, joined
from wengert.backends.llvm.routines import CHOLESKY, INT32, LU, LU_SOLVE, LU_SOLVE_TRANSPOSED
from wengert.backends.llvm.small_matrices import Factors, Matrix
from wengert.core.node import Node

Rule = Callable[[Builder, Node, Sequence[Laid]], Laid]
RULES: dict[str, Rule] = {}

SMALL = 4
"""Matrices of at most so many rows are written out."""
CLOSE = 8.0
"""A pivot of at most so many roundings per row of the largest element of its column is as good as 0."""
WELL = 1e6
"""Condition number up to which the adjugate is the determinant times the inverse (as the operation has it)."""


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def enter(rule: Rule) -> Rule:
        for name in names:
            RULES[name] = rule
        return rule

    return enter


@dataclass(eq=False)
class System:
    """The factors of square matrices, of ``n`` rows, or (``turned``) of their transposes; ``stack`` are the dimensions
    before the last two."""

    n: int
    turned: bool
    stack: tuple[Dim, ...]
    small: Factors | None
    factors: Laid | None = None
    pivots: Laid | None = None


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type, if it is one that LAPACK computes in."""
    if dtype.kind != "f":
        raise Refused(f"linear algebra of {dtype}")
    return dtype


def by_lapack() -> None:
    """Refuse where LAPACK cannot be called."""
    reason = why_no_lapack()
    if reason is not None:
        raise Refused(reason)


def _system(b: Builder, x: Laid, dtype: np.dtype[Any]) -> System:
    """The factors of a stack of matrices, which are asked to be regular."""
    x = b.laid(b.cast(x.value, dtype), x.dims)
    *stack, row, column = x.dims
    n = x.shape[-1]
    order = [a.find() for a in x.value.axes]
    # Of a matrix and its transpose, the one that lies column by column.
    turned = isinstance(row, Axis) and isinstance(column, Axis) and _before(order, row, column)
    first, second = (column, row) if turned else (row, column)
    if n <= SMALL:
        made = small_matrices.factored(b, small_matrices.elements(b, x.value, first, second, n))
        for pivot, largest in zip(made.pivots, made.columns, strict=True):
            b.check(_apart(b, b.map("absolute", dtype, pivot), largest, n), "a matrix that is not singular")
        return System(n, turned, tuple(stack), made)
    by_lapack()
    factors, pivots = routine(b, LU, (Laid(x.value, (*stack, second, first)),))
    assert isinstance(first, Axis)
    sizes = b.reduced("max", b.map("absolute", dtype, x.value), (first,))
    (size, bound), _ = aligned(b, (b.laid(*_diagonal(b, factors)), b.laid(sizes, (*stack, second))))
    b.check(_apart(b, b.map("absolute", dtype, size), bound, n), "a matrix that is not singular")
    return System(n, turned, factors.dims[:-2], None, factors, pivots)


def _before(order: list[Axis], a: Axis, c: Axis) -> bool:
    first, second = a.find(), c.find()
    return first in order and second in order and order.index(first) < order.index(second)


def _diagonal(b: Builder, x: Laid) -> tuple[Value, tuple[Dim, ...]]:
    found = diagonal(b, x, (0, -2, -1))
    return found.value, found.dims


def _apart(b: Builder, size: Value, bound: Value, n: int) -> Value:
    """Whether a size is more than the rounding of what it is left of; NaN is not."""
    least = b.number(CLOSE * n * float(np.finfo(size.dtype).eps), size.dtype)
    return b.map("greater", BOOL, size, b.map("multiply", size.dtype, least, bound))


def check_finite(b: Builder, x: Value) -> None:
    """Ask that a value is finite."""
    b.check(b.map("isfinite", BOOL, x), "a finite result")


def _assembled(b: Builder, rows: Matrix, stack: Sequence[Dim], dtype: np.dtype[Any]) -> Laid:
    """Matrices of their elements."""
    lines = [_joined(b, [b.laid(x, (*stack, 0)) for x in row], dtype) for row in rows]
    return _joined(b, [Laid(line.value, (*line.dims[:-1], 0, line.dims[-1])) for line in lines], dtype, -2)


def _joined(b: Builder, parts: list[Laid], dtype: np.dtype[Any], axis: int = -1) -> Laid:
    return joined(b, parts, axis, dtype)


# ---------------------------------------------------------------- systems


@_rule("solve")
def _solve(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    matrix, side = operands
    dtype = floating(node.type.dtype)
    vector = len(side.dims) == 1
    side = b.laid(b.cast(side.value, dtype), (*side.dims, 0) if vector else side.dims)
    if matrix.shape[-1] <= SMALL:
        found = _solved_small(b, matrix, side, dtype)
    else:
        found = _solved_by_lapack(b, _system(b, matrix, dtype), side)
    check_finite(b, found.value)
    return b.laid(found.value, found.dims[:-1]) if vector else found


def _stacks(operands: Sequence[Laid], core: int) -> list[tuple[Any, ...]]:
    """Labels by which the dimensions before the last ones broadcast."""
    return [
        (*range(core - len(o.dims), 0), *((number, k) for k in range(core)))[: len(o.dims)]
        for number, o in enumerate(operands)
    ]


def _solved_small(b: Builder, matrix: Laid, side: Laid, dtype: np.dtype[Any]) -> Laid:
    (matrix, side), env = b.align((matrix, side), _stacks((matrix, side), 2))
    depth = max(len(matrix.dims), len(side.dims)) - 2
    stack = tuple(env.get(k, 0) for k in range(-depth, 0))
    system = _system(b, matrix, dtype)
    assert system.small is not None
    row, column = side.dims[-2:]
    parts = [b.substitute(side.value, {row: Affine((), k)} if isinstance(row, Axis) else {}) for k in range(system.n)]
    made = system.small.solve(parts, transposed=system.turned)
    return joined(b, [b.laid(x, (*stack, 0, column)) for x in made], -2, dtype)


def _solved_by_lapack(b: Builder, system: System, side: Laid) -> Laid:
    """The solutions for right sides, column by column, of factored matrices."""
    factors, pivots = system.factors, system.pivots
    assert factors is not None and pivots is not None
    row, column = side.dims[-2:]
    pivots = Laid(pivots.value, (*pivots.dims[:-1], 0, pivots.dims[-1]))
    side = Laid(side.value, (*side.dims[:-2], column, row))
    operands = [factors, pivots, side]
    (factors, pivots, side), env = b.align(operands, _stacks(operands, 2))
    depth = max(len(o.dims) for o in operands) - 2
    stack = tuple(env.get(k, 0) for k in range(-depth, 0))
    name = LU_SOLVE_TRANSPOSED if system.turned else LU_SOLVE
    given = (
        Laid(factors.value, (*stack, *factors.dims[-2:])),
        Laid(pivots.value, (*stack, pivots.dims[-1])),
        Laid(side.value, (*stack, *side.dims[-2:])),
    )
    (x,) = routine(b, name, given)
    return b.laid(x.value, (*x.dims[:-2], x.dims[-1], x.dims[-2]))


@_rule("inv")
def _inv(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    found = _inverse(b, _system(b, matrix, floating(node.type.dtype)), node.type.dtype)
    check_finite(b, found.value)
    return found


def _inverse(b: Builder, system: System, dtype: np.dtype[Any]) -> Laid:
    n = system.n
    if system.small is None:
        row, column = b.axes((n, n))
        assert isinstance(row, Axis) and isinstance(column, Axis)
        same = b.map("equal", BOOL, b.place(row), b.place(column))
        one = b.map("select", dtype, same, b.number(1, dtype), b.number(0, dtype))
        return _solved_by_lapack(b, system, b.laid(one, (row, column)))
    columns = [
        system.small.solve([b.number(float(i == j), dtype) for i in range(n)], transposed=system.turned)
        for j in range(n)
    ]
    return _assembled(b, [[columns[j][i] for j in range(n)] for i in range(n)], system.stack, dtype)


# ---------------------------------------------------------------- determinants


def _sign_and_log(b: Builder, matrix: Laid, dtype: np.dtype[Any]) -> list[Laid]:
    system = _system(b, matrix, dtype)
    one, minus = b.number(1, dtype), b.number(-1, dtype)
    log: Value

    def sign_of(x: Value) -> Value:
        return b.map("select", dtype, b.map("less", BOOL, x, b.number(0, dtype)), minus, one)

    if system.small is not None:
        sign, log = system.small.sign(), b.number(0, dtype)
        for k, pivot in enumerate(system.small.pivots):
            part = b.map("log", dtype, b.map("absolute", dtype, pivot))
            log = b.map("add", dtype, log, part) if k else part
            sign = b.map("multiply", dtype, sign, sign_of(pivot))
    else:
        assert system.factors is not None and system.pivots is not None
        pivot, dims = _diagonal(b, system.factors)
        axis = dims[-1]
        assert isinstance(axis, Axis)
        log = b.total(b.map("log", dtype, b.map("absolute", dtype, pivot)), (axis,))
        exchange = system.pivots.dims[-1]
        assert isinstance(exchange, Axis)
        own = b.cast(b.map("add", INT64, b.place(exchange), b.number(1, INT64)), INT32)
        stays = b.map("equal", BOOL, system.pivots.value, own)
        parity = b.reduced("prod", b.map("select", dtype, stays, one, minus), (exchange,))
        signs = b.laid(b.reduced("prod", sign_of(pivot), (axis,)), dims[:-1])
        (first, second), found = aligned(b, (signs, b.laid(parity, system.pivots.dims[:-1])))
        return [b.laid(b.map("multiply", dtype, first, second), found), b.laid(log, dims[:-1])]
    return [b.laid(sign, system.stack), b.laid(log, system.stack)]


def _slogdet(b: Builder, node: Node, operands: Sequence[Laid]) -> list[Laid]:
    (matrix,) = operands
    found = _sign_and_log(b, matrix, floating(node.type[1].dtype))
    check_finite(b, found[1].value)
    return found


@_rule("det")
def _det(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    dtype = floating(node.type.dtype)
    if matrix.shape[-1] <= SMALL:
        system = _system(b, matrix, dtype)
        return b.laid(_product_of_pivots(b, system, dtype), system.stack)
    sign, log = _sign_and_log(b, matrix, dtype)
    (s, x), dims = aligned(b, (sign, log))
    found = b.map("multiply", dtype, s, b.map("exp", dtype, x))
    check_finite(b, found)
    return b.laid(found, dims)


def _product_of_pivots(b: Builder, system: System, dtype: np.dtype[Any]) -> Value:
    """The determinant; no product on the way may leave the range of usual numbers."""
    assert system.small is not None
    info = np.finfo(dtype)
    low, high = (b.number(float(x), dtype) for x in (info.smallest_normal * 4, info.max / 4))
    total = system.small.sign()
    for pivot in system.small.pivots:
        total = b.map("multiply", dtype, total, pivot)
        size = b.map("absolute", dtype, total)
        usual = b.map("logical_and", BOOL, b.map("greater", BOOL, size, low), b.map("less", BOOL, size, high))
        b.check(usual, "a determinant in the range of usual numbers")
    return total


@_rule("adjugate")
def _adjugate(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    dtype = floating(node.type.dtype)
    system = _system(b, matrix, dtype)
    inverse = _inverse(b, system, dtype)
    if system.small is not None:
        determinant = b.laid(_product_of_pivots(b, system, dtype), system.stack)
    else:
        sign, log = _sign_and_log(b, matrix, dtype)
        (s, x), dims = aligned(b, (sign, log))
        determinant = b.laid(b.map("multiply", dtype, s, b.map("exp", dtype, x)), dims)
    (first, second), _ = aligned(b, [_one_norm(b, x, dtype) for x in (matrix, inverse)])
    condition = b.map("multiply", dtype, first, second)
    b.check(b.map("less", BOOL, condition, b.number(WELL, dtype)), "a matrix far from singular")
    (d, x), dims = aligned(b, (Laid(determinant.value, (*determinant.dims, 0, 0)), inverse))
    found = b.map("multiply", dtype, d, x)
    check_finite(b, found)
    return b.laid(found, dims)


def _one_norm(b: Builder, x: Laid, dtype: np.dtype[Any]) -> Laid:
    size = b.map("absolute", dtype, b.cast(x.value, dtype))
    row, column = x.dims[-2:]
    total = b.total(size, (row,)) if isinstance(row, Axis) else size
    largest = b.reduced("max", total, (column,)) if isinstance(column, Axis) else total
    return b.laid(largest, x.dims[:-2])


# ---------------------------------------------------------------- Cholesky


@_rule("cholesky")
def _cholesky(b: Builder, node: Node, operands: Sequence[Laid]) -> Laid:
    (matrix,) = operands
    dtype, upper = floating(node.type.dtype), bool(node.params[0])
    *stack, row, column = matrix.dims
    if upper:
        row, column = column, row
    n = matrix.shape[-1]
    value = b.cast(matrix.value, dtype)
    if n <= SMALL:
        given = small_matrices.elements(b, value, row, column, n)
        rows = small_matrices.cholesky(b, given)
        for k in range(n):
            _check_pivot(b, rows[k][k], given[k][k], n)
        if upper:
            rows = [list(line) for line in zip(*rows, strict=True)]
        return _assembled(b, rows, stack, dtype)
    by_lapack()
    lower, answers = routine(b, CHOLESKY, (Laid(value, (*stack, column, row)),))
    b.check(b.map("equal", BOOL, answers.value, b.number(0, INT32)), "a matrix that is positive definite")
    own, dims = _diagonal(b, lower)
    given_diagonal = diagonal(b, b.laid(value, (*stack, row, column)), (0, -2, -1))
    (pivot, start), _ = aligned(b, (b.laid(own, dims), given_diagonal))
    _check_pivot(b, pivot, start, n)
    *stack, j, i = lower.dims
    assert isinstance(i, Axis) and isinstance(j, Axis)
    below = ((Affine(((i, 1), (j, -1))), 0, n),)
    found = b.substitute(lower.value, {}, below, 0.0)
    return b.laid(found, (*stack, j, i) if upper else (*stack, i, j))


def _check_pivot(b: Builder, pivot: Value, start: Value, n: int) -> None:
    """Ask that a pivot's square is more than the rounding of the element that it is left of, and finite."""
    b.check(_apart(b, b.map("multiply", pivot.dtype, pivot, pivot), start, n), "a matrix that is positive definite")
    check_finite(b, pivot)


SEVERAL: dict[str, Callable[[Builder, Node, Sequence[Laid]], list[Laid]]] = {"slogdet": _slogdet}
"""Operations with several results."""

__all__ = ["CLOSE", "RULES", "SEVERAL", "by_lapack", "check_finite", "floating"]
