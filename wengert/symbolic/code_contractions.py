"""Sums over indices of products as NumPy source: products of broadcast arrays and of matrices, pair by pair.

``np.einsum`` finds its order and its loops at every call; here both are found when the source is written. May import
NumPy. Invariant: the text has the value of the sum, its axes in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.symbolic.writer import ATOM, MUL, POWER

LETTERS = "ijklmnabcdefghopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Operand:
    """An array in source, the numbers of its axes, and how tightly its text binds."""

    text: str
    axes: tuple[int, ...]
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses when it binds less than ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def contraction(words: Sequence[str], places: Sequence[tuple[int, ...]], rank: int, dims: Sequence[str]) -> Any:
    """The source of a sum over all indices from ``rank`` on, and how tightly it binds; None where it is no such
    product: an array along one index twice, or an axis of the result that no array has.

    >>> contraction(["X", "v", "X"], [(2, 0), (2,), (2, 1)], 2, ["n", "n", "m"])
    ('(X * v[:, None]).T @ X', 2)
    """
    axes = {i for idx in places for i in idx}
    if any(len(set(idx)) < len(idx) for idx in places) or not axes >= set(range(rank)):
        return None
    out = tuple(range(rank))
    left = [
        _alone(Operand(w, tuple(idx)), _others(places, k, out))
        for k, (w, idx) in enumerate(zip(words, places, strict=True))
    ]
    for i, j in _steps(left, rank):
        a, b = left[i], left[j]
        rest = [x for k, x in enumerate(left) if k not in (i, j)]
        needed = {*out, *(axis for x in rest for axis in x.axes)}
        left = [*rest, _pair(a, b, needed, out, dims, last=not rest)]
    made = _ordered(left[0], out)
    return made.text, made.level


def _others(places: Sequence[tuple[int, ...]], k: int, out: tuple[int, ...]) -> set[int]:
    return {*out, *(i for j, idx in enumerate(places) if j != k for i in idx)}


def _alone(x: Operand, needed: set[int]) -> Operand:
    """An array summed over the axes that it alone has."""
    gone = tuple(k for k, i in enumerate(x.axes) if i not in needed)
    if not gone:
        return x
    return Operand(
        f"np.add.reduce({x.text}, {gone[0] if len(gone) == 1 else gone})", tuple(i for i in x.axes if i in needed)
    )


def _steps(operands: Sequence[Operand], rank: int) -> list[tuple[int, int]]:
    """Which two are multiplied next, by their places: products are appended."""
    return _halves(operands, rank) or _cheapest(operands, rank)


def _halves(operands: Sequence[Operand], rank: int) -> list[tuple[int, int]] | None:
    """Those of the first axes of the result, those of the last ones, and a product of two matrices; None where all
    arrays do not have the summed axes and axes of their own."""
    own = [[i for i in x.axes if i < rank] for x in operands]
    summed = {frozenset(i for i in x.axes if i >= rank) for x in operands}
    if len(operands) < 3 or len(summed) > 1 or not next(iter(summed)) or sum(map(len, own)) != rank or not all(own):
        return None
    for split in sorted(range(1, rank), key=lambda s: abs(2 * s - rank)):
        first = [k for k, axes in enumerate(own) if max(axes) < split]
        last = [k for k, axes in enumerate(own) if min(axes) >= split]
        if len(first) + len(last) == len(operands):
            return _in_groups(len(operands), [first, last])
    return None


def _in_groups(count: int, groups: list[list[int]]) -> list[tuple[int, int]]:
    """Steps that multiply the members of each group, then the groups."""
    at = list(range(count))
    steps = []
    fresh = count

    def multiply(a: int, b: int) -> int:
        nonlocal fresh
        steps.append((at.index(a), at.index(b)))
        at.remove(a)
        at.remove(b)
        at.append(fresh)
        fresh += 1
        return fresh - 1

    ends = []
    for group in groups:
        whole = group[0]
        for k in group[1:]:
            whole = multiply(whole, k)
        ends.append(whole)
    multiply(*ends)
    return steps


def _cheapest(operands: Sequence[Operand], rank: int) -> list[tuple[int, int]]:
    spec = ",".join("".join(LETTERS[i] for i in x.axes) for x in operands) + "->" + LETTERS[:rank]
    return [(min(s), max(s)) for s in path_of(spec)[1:] if len(s) == 2]


def path_of(spec: str) -> list[Any]:
    """An order of pairwise contractions that is good where summed dimensions are the long ones, found once.

    When the source is written.
    """
    left, out = spec.split("->")
    shapes = [tuple(24 if c in out else 96 for c in word) for word in left.split(",")]
    found = np.einsum_path(
        spec, *(np.broadcast_to(0.0, s) for s in shapes), optimize="optimal" if len(shapes) < 6 else "greedy"
    )
    steps: list[tuple[int, ...]] = []
    for step in found[0][1:]:
        steps.extend(
            [tuple(int(k) for k in step)] if len(step) < 3 else [(0, 1)] * (len(step) - 1)
        )  # pairs reach the BLAS
    return [found[0][0], *steps]


def _pair(a: Operand, b: Operand, needed: set[int], out: tuple[int, ...], dims: Sequence[str], last: bool) -> Operand:
    """The product of two arrays, summed over what nobody else has."""
    both = [i for i in a.axes if i in b.axes]
    summed = [i for i in both if i not in needed]
    batch = sorted(i for i in both if i in needed)
    own, its = (sorted(i for i in x.axes if i not in both) for x in (a, b))
    if not summed:
        axes = tuple(sorted({*a.axes, *b.axes}, key=lambda i: (last or i < len(out), i)))
        return Operand(f"{placed(a, axes)} * {placed(b, axes)}", axes, MUL)
    if batch and not (own and its):
        spec = ",".join("".join(LETTERS[i] for i in x.axes) for x in (a, b))
        axes = (*batch, *own, *its)
        return Operand(f"np.einsum('{spec}->{''.join(LETTERS[i] for i in axes)}', {a.text}, {b.text})", axes)
    if its and own and min(its) < min(own):
        a, b, own, its = b, a, its, own
    first = _matrix(a, batch, own, summed, dims)
    second = _matrix(b, batch, summed, its, dims)
    text, level = f"{first.at(POWER)} @ {second.at(ATOM)}", MUL
    axes = (*batch, *own, *its)
    if max(len(own), len(its)) > 1:
        text, level = f"({text}).reshape({', '.join(dims[i] for i in axes)})", ATOM
    return Operand(text, axes, level)


def _matrix(x: Operand, batch: list[int], rows: list[int], columns: list[int], dims: Sequence[str]) -> Operand:
    """An array as a matrix, or a stack of them; a vector where it has no rows or no columns."""
    many = [g for g in (rows, columns) if len(g) > 1]
    if len(many) == 1 and x.axes == (*columns, *rows) and rows and columns:  # no copy in another order
        shape = ["-1" if len(g) > 1 else dims[g[0]] for g in (columns, rows)]
        return Operand(f"{x.at(ATOM)}.reshape({', '.join(shape)}).T", (*rows, *columns))
    turned = _ordered(x, (*batch, *rows, *columns))
    if not many:
        return turned
    shape = [dims[i] for i in batch]
    for group in (rows, columns):
        if group in many:
            shape.append("-1" if len(many) == 1 else " * ".join(dims[i] for i in group))
        elif group:
            shape.append(dims[group[0]])
    return Operand(f"{turned.at(ATOM)}.reshape({', '.join(shape)})", turned.axes)


def _ordered(x: Operand, axes: Iterable[int]) -> Operand:
    """An array with its axes in another order."""
    wanted = tuple(axes)
    order = [x.axes.index(i) for i in wanted]
    if order == sorted(order):
        return x
    turn = ".T" if order == [1, 0] else f".transpose({', '.join(map(str, order))})"
    return Operand(x.at(ATOM) + turn, wanted)


def placed(x: Operand, axes: Sequence[int]) -> str:
    """An array along given axes of a larger one, to be multiplied with others."""
    turned = _ordered(x, [i for i in axes if i in x.axes])
    first = next((k for k, i in enumerate(axes) if i in x.axes), len(axes))
    index = [":" if i in x.axes else "None" for i in axes[first:]]
    return f"{turned.at(ATOM)}[{', '.join(index)}]" if "None" in index else turned.at(POWER)


__all__ = ["Operand", "contraction", "path_of", "placed"]
