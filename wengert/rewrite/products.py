"""Local rules of matrix products: by a unit matrix, of rows in a batch, and of a matrix with itself.

Imports core, ops, ``builder``, ``elements``, ``sums``. Invariant: terms of a product are rounded and added in another
order at most; a product by zeros that made NaN of an infinity may be gone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.graph import Operand
from wengert.core.node import Const, Node
from wengert.ops.memory import GET
from wengert.rewrite.builder import CONSTANT, Builder, Local, needs
from wengert.rewrite.elements import size, view
from wengert.rewrite.factors import number
from wengert.rewrite.pattern import kind_of
from wengert.rewrite.sums import reshaped

LARGE = 64
"""Extents from which on a library computes a product, and one of a matrix with itself in half the time."""

_DEEPEST = 12
"""How many products within products are looked into."""


# ---------------------------------------------------------------- unit matrices


def is_unit(operand: Operand) -> bool:
    """Whether an operand is a constant unit matrix."""
    if not isinstance(operand, Const) or type(operand.value) is not np.ndarray:
        return False
    value = operand.value
    if value.ndim != 2 or value.shape[0] != value.shape[1] or not value.size or value.dtype.kind not in "fc":
        return False
    n = value.shape[0]
    if value[0, 0] != 1 or (n > 1 and value[0, 1] != 0):
        return False
    return int(np.count_nonzero(value)) == n and bool((value.diagonal() == 1).all())


@needs(CONSTANT)
def times_unit(b: Builder, node: Node) -> Operand | None:
    """x I = I x = x, in each of the forms that a product of two has."""
    name = node.op.name
    for k in (0, 1):
        if not is_unit(node.args[k]):
            continue
        x = node.args[1 - k]
        ndim = len(kind_of(x).shape)
        if name in ("matmul", "dot"):
            # dot takes the last axis of the left operand and the last but one of the right one.
            if ndim == 0 or (name == "dot" and k == 0 and ndim > 2):
                return None
            return x
        left, right = node.params[0]
        if len(left) != 1:
            return None
        taken = int((left, right)[1 - k][0]) % ndim
        others = [axis for axis in range(ndim) if axis != taken]
        order = (*others, taken) if k == 1 else (taken, *others)
        return x if order == tuple(range(ndim)) else view(b, x, ("transpose", order), where=node.where)
    return None


@needs(CONSTANT)
def unit_in_einsum(b: Builder, node: Node) -> Operand | None:
    """A unit matrix that renames a summed letter: sum_p x_ap I_pq = x_aq."""
    subscripts, optimize = node.params
    if "..." in subscripts or "->" not in subscripts:
        return None
    left, right = subscripts.split("->")
    terms = left.split(",")
    if len(terms) != len(node.args) or len(terms) < 2:
        return None
    for k, term in enumerate(terms):
        if len(set(term)) != 2 or not is_unit(node.args[k]):
            continue
        rest = [t for j, t in enumerate(terms) if j != k]
        for gone, kept in ((term[0], term[1]), (term[1], term[0])):
            if gone in right or not any(gone in t for t in rest) or any(kept in t for t in rest):
                continue
            named = [t.replace(gone, kept) for t in rest]
            args = [a for j, a in enumerate(node.args) if j != k]
            return b.make("einsum", args, (f"{','.join(named)}->{right}", optimize), node.where)
    return None


# ---------------------------------------------------------------- rows in a batch


def rows_of_batch(b: Builder, node: Node) -> Operand | None:
    """A batch of single rows times one matrix is one product of two matrices."""
    left, right = node.args
    shape, other = kind_of(left).shape, kind_of(right).shape
    if len(shape) < 3 or shape[-2] != 1 or len(other) != 2 or 0 in shape:
        return None
    flat = reshaped(b, left, (size(shape[:-2]), shape[-1]), node.where)
    return reshaped(b, b.make("matmul", (flat, right), where=node.where), node.type.shape, node.where)


# ---------------------------------------------------------------- a matrix with itself


def symmetric_product(b: Builder, node: Node) -> Operand | None:
    """X^T diag(s) X = (sqrt(s) X)^T (sqrt(s) X) where s is known not to be negative.

    Each term has the roundings of two square roots more, and underflows later than what was written."""
    left, right = node.args
    kind = kind_of(right)
    shape = kind.shape
    if len(shape) != 2 or min(shape) < LARGE or node.type.shape != (shape[1], shape[1]) or kind.dtype.kind != "f":
        return None
    if kind_of(left).shape != shape[::-1] or kind_of(left).dtype != kind.dtype or kind.dtype != node.type.dtype:
        return None
    if isinstance(left, Node) and left.args[0] is right and _one_view(left) is not None:
        return None  # it is written like that already
    mine, weights = _weighted(left, shape, turned=True)
    base, others = _weighted(right, shape, turned=False)
    weights += others
    if mine is None or base is None or not weights or not _same(mine, base):
        return None
    roots: list[Operand] = []
    while weights:
        weight = weights.pop()
        factor = number(weight)
        if factor is None and kind_of(weight).dtype != kind.dtype:
            return None
        twice = next((k for k, w in enumerate(weights) if w is weight), None)
        if twice is not None:
            root = weights.pop(twice)
        elif not not_negative(weight):
            return None
        elif factor is not None:
            root = Const(math.sqrt(factor))
        else:
            root = b.make("sqrt", (weight,), where=node.where)
        roots.append(reshaped(b, root, (shape[0],), node.where) if kind_of(root).shape else root)
    scale = roots[0]
    for root in roots[1:]:
        scale = b.make("multiply", (scale, root), where=node.where)
    if kind_of(scale).shape:
        scale = reshaped(b, scale, (shape[0], 1), node.where)
    scaled = b.make("multiply", (scale, base), where=node.where)
    if kind_of(scaled) != kind:
        return None
    turned = view(b, scaled, ("transpose", (1, 0)), where=node.where)
    return b.make("matmul", (turned, scaled), where=node.where)


def _weighted(x: Operand, shape: tuple[int, ...], *, turned: bool) -> tuple[Operand | None, list[Operand]]:
    """A matrix (the transpose of it where ``turned``) as one of ``shape`` times weights of its rows; None where it has
    other factors."""
    bases: list[Operand] = []
    weights: list[Operand] = []
    stack: list[tuple[Operand, bool, int]] = [(x, turned, 0)]
    while stack:
        y, across, depth = stack.pop()
        own = kind_of(y).shape
        full = own == (shape[::-1] if across else shape)
        if not full and not _is_weight(own, shape[0], across=across):
            return None, []
        if isinstance(y, Node) and depth < _DEEPEST:
            path = _one_view(y)
            if y.op.name == "multiply":
                stack.extend((a, across, depth + 1) for a in y.args)
                continue
            if path is not None and path[0] == "transpose" and tuple(path[1]) == (1, 0):
                stack.append((y.args[0], not across, depth + 1))
                continue
            if not full and path is not None and (path[0] == "reshape" or _adds_axis(y)):
                inner = kind_of(y.args[0]).shape
                if inner == (shape[0],):
                    stack.append((y.args[0], True, depth + 1))  # one axis stands for the rows from here on
                    continue
        if not full:
            weights.append(y)
        elif across and isinstance(y, Const):
            bases.append(Const(y.value.T))
        elif across:
            return None, []  # the transpose of something else
        else:
            bases.append(y)
    return (bases[0], weights) if len(bases) == 1 else (None, [])


def _same(x: Operand, y: Operand) -> bool:
    if isinstance(x, Const) and isinstance(y, Const):
        return x.value is y.value or bool(np.array_equal(x.value, y.value))
    return x is y


def _is_weight(own: tuple[int, ...], rows: int, *, across: bool) -> bool:
    """Whether a factor is the same along each row: a number, or one number for each."""
    return own in ((), (rows,), (1, rows)) if across else own in ((), (rows, 1))


def _one_view(node: Node) -> Any:
    if node.op is not GET or len(node.args) != 1 or len(node.params[0]) != 1 or isinstance(node.args[0], Const):
        return None
    return node.params[0][0]


def _adds_axis(node: Node) -> bool:
    index = node.params[0][0][1]
    return type(index) is tuple and all(p is None or (type(p) is slice and p.step in (None, 1)) for p in index)


_NOT_NEGATIVE = frozenset({"exp", "exp2", "sigmoid", "logistic", "softplus", "absolute", "sqrt", "square"})
_KEEPS_SIGN = frozenset({"sum", "mean", "max", "min", "get"})
_OF_BOTH = frozenset({"add", "multiply", "minimum"})


def not_negative(x: Operand, depth: int = 0) -> bool:
    """Whether a real value is known to be at least zero (or NaN), for every value of the inputs."""
    if isinstance(x, Const):
        return _constant(x, lambda v: v >= 0)
    if depth > _DEEPEST or not x.args:
        return False
    name = x.op.name
    first = x.args[0]
    if name in _NOT_NEGATIVE:
        return True
    if name in _KEEPS_SIGN:
        return not_negative(first, depth + 1)
    if name == "multiply" and first is x.args[1]:
        return True
    if name in _OF_BOTH:
        return all(not_negative(a, depth + 1) for a in x.args)
    if name == "divide":  # by no negative zero, which would make a negative infinity
        below = x.args[1]
        above_zero = _constant(below, lambda v: v > 0) or _no_negative_zero(below)
        return above_zero and not_negative(first, depth + 1)
    if name == "maximum":
        return any(not_negative(a, depth + 1) for a in x.args)
    if name == "subtract":  # 1 - sigmoid(x), of which rounding makes no negative number
        return _constant(first, lambda v: v >= 1) and _at_most_one(x.args[1])
    return False


def _no_negative_zero(x: Operand) -> bool:
    """Whether a value is at least zero, and a zero among them positive."""
    if isinstance(x, Const) or not x.args:
        return False
    name = x.op.name
    if name in _KEEPS_SIGN:
        return _no_negative_zero(x.args[0])
    return (name in _NOT_NEGATIVE and name != "sqrt") or (name == "multiply" and x.args[0] is x.args[1])


def _at_most_one(x: Operand) -> bool:
    return isinstance(x, Node) and x.op.name in ("sigmoid", "logistic")


def _constant(x: Operand, holds: Any) -> bool:
    if not isinstance(x, Const) or not isinstance(x.value, (float, int, np.floating, np.ndarray)):
        return False
    return np.asarray(x.value).dtype.kind in "fi" and bool(np.all(holds(np.asarray(x.value))))


PRODUCTS: dict[str, list[tuple[str, bool, Local]]] = {
    "matmul": [
        ("times a unit matrix", False, times_unit),
        ("rows of a batch", False, rows_of_batch),
        ("matrix with itself", False, symmetric_product),
    ],
    "dot": [("times a unit matrix", False, times_unit), ("matrix with itself", False, symmetric_product)],
    "tensordot": [("times a unit matrix", False, times_unit)],
    "einsum": [("times a unit matrix", False, unit_in_einsum)],
}

__all__ = ["LARGE", "PRODUCTS", "is_unit", "not_negative"]
