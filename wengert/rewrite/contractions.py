"""Local rules of contractions: factors outside, letters summed where they stand alone, a diagonal added to the matrix.

Imports core, ops, ``builder``, ``sums``. Invariant: products are added in another order at most."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.graph import Operand
from wengert.core.node import Const, Node
from wengert.ops.einsum import parse
from wengert.rewrite.builder import Builder, Local, needs
from wengert.rewrite.elements import size, view
from wengert.rewrite.factors import parted, scaled
from wengert.rewrite.pattern import kind_of
from wengert.rewrite.sums import reshaped, total


def factors_of_contraction(b: Builder, node: Node) -> Operand | None:
    """A sign or factor of an operand is one of the result."""
    if node.type.dtype.kind != "f":
        return None
    for k, a in enumerate(node.args):
        if isinstance(a, Const):
            continue
        found = parted(b, a)
        if found is not None and abs(found[0]) >= 1.0:
            args = list(node.args)
            args[k] = found[1]()
            made = b.make(node.op.name, args, node.params, node.where)
            return scaled(b, found[0], made, node.where)
    return None


def lonely_letters(b: Builder, node: Node) -> Operand | None:
    """A letter that is summed and occurs in one operand only is summed there first."""
    subscripts, optimize = node.params
    if "..." in subscripts or node.type.dtype.kind != "f":
        return None
    left, right = subscripts.split("->")
    terms = left.split(",")
    if len(terms) != len(node.args):
        return None
    args, changed = list(node.args), False
    for k, term in enumerate(terms):
        others = set(right).union(*(t for j, t in enumerate(terms) if j != k))
        lonely = tuple(at for at, letter in enumerate(term) if letter not in others and term.count(letter) == 1)
        if lonely and kind_of(args[k]).dtype == node.type.dtype:
            args[k] = total(b, args[k], lonely, node.where)
            terms[k] = "".join(letter for at, letter in enumerate(term) if at not in lonely)
            changed = True
    if len(terms) == 1 and len(set(terms[0])) == len(terms[0]) == len(right):
        order = tuple(terms[0].index(letter) for letter in right)
        if order == tuple(range(len(order))):
            return args[0] if changed else None
        return view(b, args[0], ("transpose", order), where=node.where) if changed else None
    if not changed:
        return None
    return b.make("einsum", args, (f"{','.join(terms)}->{right}", optimize), node.where)


@needs("multiply", "einsum")
def diagonal_added(b: Builder, node: Node) -> Operand | None:
    """a_j x_j + sum_i L_ji x_i = sum_i (L + diag a)_ji x_i, where L is smaller than the result."""
    for k in (0, 1):
        found = _with_diagonal(b, node, node.args[k], node.args[1 - k])
        if found is not None:
            return found
    return None


def _with_diagonal(b: Builder, node: Node, scaling: Operand, product: Operand) -> Operand | None:
    if isinstance(scaling, Const) or isinstance(product, Const) or node.type.dtype.kind != "f":
        return None
    if scaling.op.name != "multiply" or product.op.name != "einsum" or len(product.args) != 2:
        return None
    subscripts = product.params[0]
    if "..." in subscripts or scaling.type.shape != node.type.shape or not (b.single(scaling) and b.single(product)):
        return None
    spec = parse(subscripts, [len(kind_of(a).shape) for a in product.args])
    for k in (0, 1):
        x, matrix = product.args[k], product.args[1 - k]
        inner, rows = spec.operands[k], spec.operands[1 - k]
        if x not in scaling.args or scaling.args[0] is scaling.args[1] or len(inner) != len(spec.output):
            continue
        a = scaling.args[1 - scaling.args.index(x)]
        differ = [at for at, (p, q) in enumerate(zip(inner, spec.output, strict=True)) if p != q]
        if len(differ) != 1 or kind_of(x).shape != node.type.shape:
            continue
        p, q = inner[differ[0]], spec.output[differ[0]]
        if rows.count(p) != 1 or rows.count(q) != 1 or len(set(rows)) != len(rows) or len(set(inner)) != len(inner):
            continue
        if not set(rows) <= {*inner, q} or size(kind_of(matrix).shape) > size(node.type.shape):
            continue
        diagonal = _along(b, a, spec.output, rows, node.where)
        if diagonal is None:
            continue
        n = node.type.shape[differ[0]]
        eye = np.eye(n, dtype=bool).reshape([n if letter in (p, q) else 1 for letter in rows])
        both = b.make("where", (Const(eye), diagonal, Const(0.0)), where=node.where)
        if kind_of(both).dtype != kind_of(matrix).dtype:
            continue
        matrix = b.make("add", (matrix, both), where=node.where)
        args = [matrix, matrix]
        args[k] = x
        return b.make("einsum", args, product.params, node.where)
    return None


def _along(b: Builder, a: Operand, output: Any, rows: Any, where: Any) -> Operand | None:
    """A factor that is broadcast against ``output`` in the order of the letters ``rows``, 1 where it has none."""
    shape = kind_of(a).shape
    letters = output[len(output) - len(shape) :]
    real = [(letter, k) for k, letter in enumerate(letters) if shape[k] != 1]
    if any(letter not in rows for letter, _ in real):
        return None
    a = reshaped(b, a, tuple(shape[k] for _, k in real), where)
    wanted = [letter for letter in rows if any(letter == r for r, _ in real)]
    order = tuple(next(j for j, (r, _) in enumerate(real) if r == letter) for letter in wanted)
    if order != tuple(range(len(order))):
        a = view(b, a, ("transpose", order), where=where)
    extents = dict(zip(wanted, kind_of(a).shape, strict=True))
    return reshaped(b, a, tuple(extents.get(letter, 1) for letter in rows), where)


CONTRACTIONS: dict[str, list[tuple[str, bool, Local]]] = {
    "matmul": [("factor of a contraction", False, factors_of_contraction)],
    "einsum": [
        ("factor of a contraction", False, factors_of_contraction),
        ("letter summed first", False, lonely_letters),
    ],
}
DIAGONALS: dict[str, list[tuple[str, bool, Local]]] = {"add": [("diagonal added", False, diagonal_added)]}

__all__ = ["CONTRACTIONS", "DIAGONALS"]
