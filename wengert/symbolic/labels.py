"""Canonical names of the indices of a product, so that equal products are found to be equal.

Colour refinement on the hypergraph of factors and indices, with branching on what stays tied. Imports terms only.
Invariant: renaming indices or reordering factors never changes the result; past a bounded search equal products may
stay two.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from wengert.symbolic.terms import Term

Factor = tuple[Term, tuple[Hashable, ...]]
MOST = 48
"""Leaves of the search tree: enough for four interchangeable loops."""


def canonical(factors: Sequence[Factor], out: Sequence[Hashable], sizes: Mapping[Any, Any]) -> dict[Hashable, int]:
    """Each index as a number: the result's first, in order, then the summed ones in canonical order."""
    order = {label: position for position, label in enumerate(out)}
    inner = {label for _, idx in factors for label in idx if label not in order}
    if not inner:
        return order
    symmetric = [is_symmetric(t) for t, _ in factors]
    colours = {**order, **dict.fromkeys(inner, len(order))}
    by_size = sorted({str(sizes[label]) for label in inner})
    for label in inner:
        colours[label] = len(order) + by_size.index(str(sizes[label]))
    best: list[Any] = [None, None, 0]
    _search(factors, symmetric, colours, inner, len(order), best)
    return best[1]


def _search(
    factors: Sequence[Factor],
    symmetric: Sequence[bool],
    colours: dict[Hashable, int],
    inner: set[Hashable],
    first: int,
    best: list[Any],
) -> None:
    colours = _refine(factors, symmetric, colours, inner, first)
    classes: dict[int, list[Hashable]] = {}
    for label in inner:
        classes.setdefault(colours[label], []).append(label)
    tied = [c for c in sorted(classes) if len(classes[c]) > 1]
    if not tied or best[2] >= MOST:
        ranked = {label: first + k for k, label in enumerate(sorted(inner, key=lambda x: colours[x]))}
        named = {**{x: c for x, c in colours.items() if x not in inner}, **ranked}
        key = key_of(factors, named)
        best[2] += 1
        if best[0] is None or key < best[0]:
            best[0], best[1] = key, named
        return
    for label in classes[tied[0]]:
        chosen = {x: 2 * c + (x in inner) for x, c in colours.items()}
        chosen[label] -= 1
        for x in colours:
            if x not in inner:
                chosen[x] = colours[x]
        _search(factors, symmetric, chosen, inner, first, best)
        if best[2] >= MOST:
            return


def _refine(
    factors: Sequence[Factor], symmetric: Sequence[bool], colours: dict[Hashable, int], inner: set[Hashable], first: int
) -> dict[Hashable, int]:
    """Split classes of indices by what they are attached to until nothing splits any more."""
    count = -1
    while True:
        marks: dict[Hashable, list[Any]] = {label: [] for label in inner}
        for (term, idx), free in zip(factors, symmetric, strict=True):
            around = [colours[x] for x in idx]
            for place, label in enumerate(idx):
                if label in marks:
                    seen = tuple(sorted(around)) if free else tuple(around)
                    marks[label].append((term.ident, -1 if free else place, seen))
        signs = {label: (colours[label], tuple(sorted(marks[label]))) for label in inner}
        ranks = {sign: k for k, sign in enumerate(sorted(set(signs.values())))}
        colours = {x: (first + ranks[signs[x]] if x in inner else c) for x, c in colours.items()}
        if len(ranks) == count:
            return colours
        count = len(ranks)


def key_of(factors: Sequence[Factor], named: Mapping[Hashable, int]) -> tuple[Any, ...]:
    """The factors as sorted numbers, for given numbers of the indices."""
    found = []
    for term, idx in factors:
        numbers = tuple(named[x] for x in idx)
        found.append((term.ident, tuple(sorted(numbers)) if is_symmetric(term) else numbers))
    return tuple(sorted(found))


def is_symmetric(term: Term) -> bool:
    """Whether a matrix is known to equal its transpose."""
    found = term.memory.get("symmetric")
    if found is None:
        found = term.rank == 2 and term.shape[0] == term.shape[1] and _symmetric(term)
        term.memory["symmetric"] = found
    return found


def _symmetric(term: Term) -> bool:
    from wengert.symbolic.build import transpose
    from wengert.symbolic.terms import Delta, Fn, Matrix, Prod, Sum, Var

    if isinstance(term, Var):
        return "symmetric" in term.facts
    if isinstance(term, Delta):
        return True
    if isinstance(term, Matrix):
        return is_symmetric(term.arg)
    if isinstance(term, Fn):
        return all(is_symmetric(a) for a in term.args)
    if isinstance(term, (Prod, Sum)):
        term.memory["symmetric"] = False  # while we look
        return transpose(term) is term
    return False
