"""Small matrices in index form, element by element: factors with exchanges of rows, solutions.

Elimination with partial pivoting (Golub and Van Loan, Matrix Computations, 3.4), in which every exchange is a choice
of values: so a stack of matrices is one loop over the stack. Imports the index form and ``lower/builder``. Invariant:
elements are values over the axes of the stack alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.backends.llvm.indexed import Affine, Axis, Constant, Value
from wengert.backends.llvm.lower.builder import BOOL, Builder, Dim

Matrix = list[list[Value]]
Column = list[Value]


def elements(b: Builder, value: Value, row: Dim, column: Dim, n: int) -> Matrix:
    """The elements of n x n matrices."""

    def at(i: int, j: int) -> Value:
        index: dict[Axis, Affine | Value] = {}
        for dim, k in ((row, i), (column, j)):
            if isinstance(dim, Axis):
                index[dim] = Affine((), k)
        return b.substitute(value, index)

    return [[at(i, j) for j in range(n)] for i in range(n)]


class Scalars:
    """Arithmetic of values of one type that leaves out what adds or multiplies nothing."""

    def __init__(self, b: Builder, example: Value) -> None:
        self.b, self.dtype = b, example.dtype

    def number(self, x: float) -> Value:
        """A constant."""
        return self.b.number(x, self.dtype)

    def apply(self, function: str, *args: Value) -> Value:
        """A function of values of the type."""
        return self.b.map(function, self.dtype, *args)

    def less_product(self, x: Value, left: Value, right: Value) -> Value:
        """``x - left * right``."""
        if is_number(left, 0) or is_number(right, 0):
            return x
        product = self.times(left, right)
        return self.apply("negative", product) if is_number(x, 0) else self.apply("subtract", x, product)

    def times(self, x: Value, y: Value) -> Value:
        """``x * y``."""
        if is_number(x, 0) or is_number(y, 0):
            return self.number(0.0)
        return y if is_number(x, 1) else x if is_number(y, 1) else self.apply("multiply", x, y)

    def chosen(self, condition: Value, then: Value, other: Value) -> Value:
        """One of two values."""
        if isinstance(then, Constant) and isinstance(other, Constant) and repr(then.value) == repr(other.value):
            return then
        return self.apply("select", condition, then, other)


def is_number(x: Value, number: float) -> bool:
    """Whether a value is that constant."""
    return isinstance(x, Constant) and x.value == number


@dataclass(eq=False)
class Factors:
    """``P A = L U`` of small matrices: L below the diagonal of ``rows``, U from it on; ``exchanges`` says which rows
    were exchanged under which condition, in their order."""

    scalars: Scalars
    rows: Matrix
    exchanges: list[tuple[int, int, Value]]
    reciprocals: Column
    columns: Column
    """The largest size of an element of each column of A."""

    @property
    def pivots(self) -> Column:
        """The diagonal of U."""
        return [row[k] for k, row in enumerate(self.rows)]

    def exchanged(self, column: Column, *, back: bool = False) -> Column:
        """A column with its rows exchanged as those of A, or back."""
        found = list(column)
        for k, i, condition in reversed(self.exchanges) if back else self.exchanges:
            upper, lower = found[k], found[i]
            found[k] = self.scalars.chosen(condition, lower, upper)
            found[i] = self.scalars.chosen(condition, upper, lower)
        return found

    def solve(self, side: Column, *, transposed: bool) -> Column:
        """x with ``A x = side``, or ``A^T x = side``."""
        s, n, rows = self.scalars, len(self.rows), self.rows
        if not transposed:
            x = self.exchanged(side)
            for i in range(n):
                for j in range(i):
                    x[i] = s.less_product(x[i], rows[i][j], x[j])
            for i in reversed(range(n)):
                for j in range(i + 1, n):
                    x[i] = s.less_product(x[i], rows[i][j], x[j])
                x[i] = s.times(x[i], self.reciprocals[i])
            return x
        x = list(side)
        for i in range(n):
            for j in range(i):
                x[i] = s.less_product(x[i], rows[j][i], x[j])
            x[i] = s.times(x[i], self.reciprocals[i])
        for i in reversed(range(n)):
            for j in range(i + 1, n):
                x[i] = s.less_product(x[i], rows[j][i], x[j])
        return self.exchanged(x, back=True)

    def sign(self) -> Value:
        """The sign of the exchanges."""
        s = self.scalars
        total = s.number(1.0)
        for _, _, condition in self.exchanges:
            total = s.apply("select", condition, s.apply("negative", total), total)
        return total


def factored(b: Builder, matrix: Matrix) -> Factors:
    """The factors of small matrices."""
    n, s = len(matrix), Scalars(b, matrix[0][0])
    rows = [list(row) for row in matrix]
    sizes = [[s.apply("absolute", x) for x in row] for row in matrix]
    columns = []
    for j in range(n):
        largest = sizes[0][j]
        for i in range(1, n):
            largest = s.apply("maximum", largest, sizes[i][j])
        columns.append(largest)
    exchanges: list[tuple[int, int, Value]] = []
    reciprocals: Column = []
    for k in range(n):
        for i in range(k + 1, n):
            condition = b.map("greater", BOOL, s.apply("absolute", rows[i][k]), s.apply("absolute", rows[k][k]))
            exchanges.append((k, i, condition))
            for j in range(n):
                upper, lower = rows[k][j], rows[i][j]
                rows[k][j], rows[i][j] = s.chosen(condition, lower, upper), s.chosen(condition, upper, lower)
        reciprocals.append(s.apply("divide", s.number(1.0), rows[k][k]))
        for i in range(k + 1, n):
            factor = rows[i][k] = s.times(rows[i][k], reciprocals[k])
            for j in range(k + 1, n):
                rows[i][j] = s.less_product(rows[i][j], factor, rows[k][j])
    return Factors(s, rows, exchanges, reciprocals, columns)


def cholesky(b: Builder, matrix: Sequence[Sequence[Value]]) -> Matrix:
    """The lower triangle L with ``A = L L^T``, of the lower triangle of A; zeros above it."""
    n, s = len(matrix), Scalars(b, matrix[0][0])
    rows = [[s.number(0.0)] * n for _ in range(n)]
    for j in range(n):
        pivot = matrix[j][j]
        for k in range(j):
            pivot = s.less_product(pivot, rows[j][k], rows[j][k])
        rows[j][j] = s.apply("sqrt", pivot)
        for i in range(j + 1, n):
            x = matrix[i][j]
            for k in range(j):
                x = s.less_product(x, rows[i][k], rows[j][k])
            rows[i][j] = s.apply("divide", x, rows[j][j])
    return rows


__all__ = ["Column", "Factors", "Matrix", "Scalars", "cholesky", "elements", "factored"]
