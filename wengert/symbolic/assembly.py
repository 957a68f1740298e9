"""How a derivative is put together in memory: its terms as diagonals, outer products, blocks and matrix products.

Sums over deltas and slices are multiplied out, terms that fill the same places are added before they are written, and
equal matrix products with different weights become one. Imports slices, simplify. Invariant: the pieces, each written
at its place of zeros, add up to the term.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from wengert.symbolic.build import add, contract, ones, var
from wengert.symbolic.cuts import Cut
from wengert.symbolic.recover import form_of
from wengert.symbolic.simplify import common, simplified, together, weight
from wengert.symbolic.slices import opaque, part, placed, sliced
from wengert.symbolic.terms import Delta, Prod, Select, Sum, Term

MOST = 60
"""Terms of a sum that is multiplied out."""

LONG = 40
"""The weight of a printed sum that is not simplified in every way before it is written: nobody reads it."""

Parts = list[tuple[Any, Term]]
Factors = list[tuple[Term, tuple[Hashable, ...]]]
Pair = tuple[Any, Factors, tuple[Term, Term]]
"""A number, scalars, a column and a row: their product is a matrix."""


@dataclass(slots=True)
class Place:
    """Where a core belongs: for each axis of the result the number of its counter and the stretch it runs over.

    ``used`` are the counters that are axes of the core; it is the same along the others.
    """

    axes: tuple[tuple[int, Cut], ...]
    used: tuple[int, ...]
    parts: Parts = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether the core is as large as the result."""
        return len(self.used) == len(self.axes) and all(c.all for _, c in self.axes)

    def apart(self, other: Place) -> bool:
        """Whether two places surely have no entry in common: strips along different diagonals."""
        for i, j in itertools.combinations(range(len(self.axes)), 2):
            offsets = [place.offset(i, j) for place in (self, other)]
            if None not in offsets:
                between = offsets[0] - offsets[1]
                if isinstance(between, int) and between != 0:
                    return True
        return False

    def offset(self, i: int, j: int) -> Any:
        """How far axis i is ahead of axis j where both are counted together in steps of one; else None."""
        (k, first), (m, second) = self.axes[i], self.axes[j]
        return first.start - second.start if k == m and first.step == second.step == 1 else None


@dataclass(slots=True)
class Layers:
    """A matrix as outer products of vectors, and matrix products."""

    outer: list[tuple[Term, Term]]
    rest: list[Term]
    merged: bool = False


def structural(term: Term) -> bool:
    """Whether a term is a sum with deltas or selections in it, so that it is mostly zeros."""
    found = term.memory.get("structural")
    if found is None:
        if isinstance(term, (Delta, Select)):
            found = True
        elif isinstance(term, Sum):
            found = any(structural(t) for _, t in term.terms)
        else:
            found = isinstance(term, Prod) and any(structural(t) for t, _ in term.factors)
        term.memory["structural"] = found
    return found


def spread(term: Term) -> Parts:
    """A term multiplied out as far as deltas, selections and the axes of the result ask for it."""
    done: dict[int, tuple[Any, Term]] = {}
    work: Parts = [(Fraction(1), term)]
    while work:
        c, t = work.pop()
        if isinstance(t, Sum):
            work.extend((c * d, u) for d, u in reversed(t.terms))
            continue
        at = _divisible(t) if isinstance(t, Prod) and len(done) + len(work) < MOST else None
        if at is not None:
            assert isinstance(t, Prod)
            inner, idx = t.factors[at]
            others = [f for k, f in enumerate(t.factors) if k != at]
            axes, sizes = tuple(range(t.rank)), dict(enumerate(t.sizes))
            assert isinstance(inner, Sum)
            work.extend((c * d, contract([*others, (u, idx)], axes, sizes)) for d, u in reversed(inner.terms))
            continue
        old = done.get(t.ident, (Fraction(0), t))[0]
        done[t.ident] = (old + c, t)
    return [(c, t) for c, t in done.values() if c != 0]


def _divisible(term: Prod) -> int | None:
    """The factor of a product that is a sum to be multiplied out."""
    for k, (t, idx) in enumerate(term.factors):
        if isinstance(t, Sum) and t.rank > 1:
            others = [at for j, (_, at) in enumerate(term.factors) if j != k]
            if (
                structural(t)
                or any(_weighted(u) for _, u in t.terms)
                or (set(idx) >= set(range(term.rank)) and all(len(at) < 2 for at in others))
            ):
                return k
        elif isinstance(t, Sum) and structural(t):
            return k
    return None


def _weighted(term: Term) -> bool:
    """Whether a term is a matrix with weights on its rows or columns: others may differ in the weights alone."""
    if not isinstance(term, Prod):
        return False
    light = {idx[0] for _, idx in term.factors if len(idx) == 1}
    return any(len(idx) > 1 and light & set(idx) for _, idx in term.factors)


def places(term: Term) -> list[Place]:
    """The cores of a term by the places they fill, the largest first."""
    found: dict[Any, Place] = {}
    axes = tuple(range(term.rank))
    for c, t in spread(sliced(term)):
        factors = t.factors if isinstance(t, Prod) else ((t, axes),)
        sizes: dict[Any, Any] = dict(enumerate(t.sizes if isinstance(t, Prod) else t.shape))
        read = placed(factors, axes, sizes)
        if read is None:
            where: tuple[Any, ...] = tuple((k, Cut(0, d, 1, d)) for k, d in enumerate(term.shape))
            found.setdefault((where, axes), Place(where, axes)).parts.append((c, t))
            continue
        if read.empty:
            continue
        number: dict[Hashable, int] = {}
        for g, _ in read.out:
            number.setdefault(g, len(number))
        where = tuple((number[g], cut) for g, cut in read.out)
        inside = {g for _, groups, _ in read.factors for g in groups}
        if (
            len(number) <= 2 and term.rank <= 2
        ):  # vectors and matrices have all their axes, ones where they are the same
            inside |= set(number)
        out = [g for g in number if g in inside]
        core = contract(
            [(part(sliced(f), cuts), groups) for f, groups, cuts in read.factors],
            out,
            {g: n for g, n in read.sizes.items() if g in inside or g not in number},
        )
        used = tuple(number[g] for g in out)
        found.setdefault((where, used), Place(where, used)).parts.append((c, core))
    return sorted(found.values(), key=lambda p: (not p.full, -len(p.used)))


def summed(parts: Parts) -> Term:
    """Parts of one place as one term, the smallest that is found; of many parts, with what all share outside."""
    whole = add(parts, parts[0][1].shape)
    if weight(form_of(whole)) <= LONG:
        return simplified(whole)
    shared = common(whole)
    return min(whole, shared, together(shared), key=lambda term: weight(form_of(term)))


def layers(parts: Parts) -> Layers:
    """The terms of a matrix: outer products by their right vectors, and products that differ in one weight merged."""
    pairs: list[Pair] = []
    weighted: dict[Any, list[Any]] = {}
    for c, t in parts:
        heavy, light, scalars = _sorted(t)
        if not heavy and set(light) <= {0, 1}:
            u, v = (
                contract(light.get(k, []), (k,), {k: t.shape[k]}) if k in light else ones((t.shape[k],)) for k in (0, 1)
            )
            pairs.append((c, scalars, (u, v)))
            continue
        labels = tuple(light)
        if len(labels) > 1:
            weighted[t.ident, "alone"] = [[(c, t)], None, None, None]
            continue
        marks: Factors = [(var("[weight]", (_size(heavy, light, i),)), (i,)) for i in labels]
        skeleton = contract([*heavy, *marks], (0, 1), {0: t.shape[0], 1: t.shape[1]})
        weight = contract([*scalars, *(f for i in labels for f in light[i])], labels)
        # Equal skeletons may name their summed index differently: the factors of the first one stand for all of them.
        weighted.setdefault((skeleton.ident, len(labels)), [[], heavy, labels, t.shape])[0].append((c, weight))
    rest = []
    for weights, heavy, labels, shape in weighted.values():
        if heavy is None:
            rest.append(add(weights, weights[0][1].shape))
            continue
        weight = summed(weights)
        rest.append(contract([*heavy, (weight, labels)], (0, 1), {0: shape[0], 1: shape[1]}))
    return Layers(_grouped(pairs), rest, any(len(row[0]) > 1 for row in weighted.values()))


def _size(heavy: Factors, light: dict[Hashable, Factors], label: Hashable) -> Any:
    return light[label][0][0].shape[0]


def _sorted(term: Term) -> tuple[Factors, dict[Hashable, Factors], Factors]:
    """The factors of a matrix: those of two axes and more, vectors by their index, scalars.

    A vector at a summed index of a matrix is multiplied with it first.
    """
    factors: Factors = list(term.factors) if isinstance(term, Prod) else [(term, (0, 1))]
    while (met := _meeting(factors)) is not None:
        k, users, label = met
        made = contract([factors[k], *(factors[j] for j in users)], (label,))
        factors = [f for j, f in enumerate(factors) if j != k and j not in users] + [(opaque(made), (label,))]
    light: dict[Hashable, Factors] = {}
    for f in factors:
        if len(f[1]) == 1:
            light.setdefault(f[1][0], []).append(f)
    return [f for f in factors if len(f[1]) > 1], light, [f for f in factors if not f[1]]


def _meeting(factors: Factors) -> tuple[int, list[int], Hashable] | None:
    """A matrix with a summed index at which only vectors stand, those vectors, and its other index."""
    for k, (_, idx) in enumerate(factors):
        if len(idx) != 2 or idx[0] == idx[1]:
            continue
        for gone, kept in (idx, idx[::-1]):
            users = [j for j, (_, at) in enumerate(factors) if j != k and gone in at]
            if gone not in (0, 1) and all(len(factors[j][1]) == 1 for j in users):
                return k, users, kept
    return None


def _grouped(pairs: list[Pair]) -> list[tuple[Term, Term]]:
    """Outer products that share a vector as one: the vector that most of them share first."""
    made: list[tuple[Term, Term]] = []
    left = list(pairs)
    while left:
        counts: dict[tuple[int, int], int] = {}
        for _, _, vectors in left:
            for side in (1, 0):
                at = (side, vectors[side].ident)
                counts[at] = counts.get(at, 0) + 1
        side, ident = max(counts, key=lambda at: (counts[at], at[0]))
        group = [row for row in left if row[2][side].ident == ident]
        left = [row for row in left if row[2][side].ident != ident]
        shared = group[0][2][side]
        other = summed([(c, contract([*s, (vectors[1 - side], (0,))], (0,))) for c, s, vectors in group])
        made.append((other, shared) if side else (shared, other))
    return made


__all__ = ["Layers", "Place", "layers", "places", "summed"]
