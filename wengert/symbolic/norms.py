"""Norms of vectors and matrices as NumPy orders them, made of sums, powers, largest and smallest entries.

Imports arrays, functions, matrices. Invariant: a norm that is not made here is None, and stays with its name.
"""

from __future__ import annotations

from typing import Any

from wengert.core.errors import WengertValueError
from wengert.symbolic import arrays, functions
from wengert.symbolic.build import Fraction, exact
from wengert.symbolic.matrices import matrix
from wengert.symbolic.terms import Term


def vector_norm(term: Term, order: Any = None, axis: Any = None, keepdims: bool = False) -> Term:
    """(sum |x|^p)^(1/p) over axes, for a number p or a scalar term; inf and -inf are the largest and smallest |x|."""
    size = functions.apply("abs", term)
    if order is None or order == 2:
        return functions.power(arrays.sum_over(functions.power(term, 2), axis, keepdims), Fraction(1, 2))
    if isinstance(order, Term):
        total = arrays.sum_over(arrays.power(size, order), axis, keepdims)
        return arrays.power(total, functions.power(order, -1))
    if order == 0 or isinstance(order, str):
        raise WengertValueError(f"norm of order {order!r}: it is no norm of a vector that has a derivative")
    if abs(order) == float("inf"):
        return arrays.reduction("max" if order > 0 else "min", size, axis, keepdims)
    total = arrays.sum_over(functions.power(size, order), axis, keepdims)
    return functions.power(total, 1 / exact(order))


def matrix_norm(term: Term, order: Any = None, axis: Any = None, keepdims: bool = False) -> Term | None:
    """Norms over two axes: Frobenius, the largest (1) or smallest (-1) sum of a column, of a row (inf, -inf), nuclear.

    None for those that have no closed form.
    """
    row, column = arrays.axes_of(term, (-2, -1) if axis is None else tuple(axis))
    if order in (None, "fro"):
        return functions.power(arrays.sum_over(functions.power(term, 2), (row, column), keepdims), Fraction(1, 2))
    if order == "nuc" and term.rank == 2 and not keepdims:
        return matrix("nuclear", term)
    if isinstance(order, (int, float)) and abs(order) in (1, float("inf")):
        first, second = (row, column) if abs(order) == 1 else (column, row)
        sums = arrays.sum_over(functions.apply("abs", term), first, True)
        found = arrays.reduction("max" if order > 0 else "min", sums, second, True)
        return found if keepdims else arrays.sum_over(found, (row, column))
    return None
