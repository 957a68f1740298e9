"""Rules for the factors of one product.

Equal factors become powers, inverses cancel, sigmoid and softmax are recognised. Each rule is local and shrinks the
product; ``combined`` returns the new factors, or None when no rule applies. Imports build, terms. Invariant: a rule
holds for all real values for which both sides are defined (conditions come with the functions that have them).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from wengert.symbolic import functions
from wengert.symbolic.build import (
    Fraction,
    contract,
    eye,
    is_zero,
    negative,
    number,
    ones,
    plus,
    preferred,
)
from wengert.symbolic.dims import Size
from wengert.symbolic.labels import is_symmetric
from wengert.symbolic.terms import Delta, Fn, Join, Matrix, Prod, Reduce, Select, Sum, Term

Factors = list[tuple[Term, tuple[Hashable, ...]]]


def combined(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """The factors after the first rule that applies, or None."""
    if not flat or (len(flat) == 1 and not isinstance(flat[0][0], (Sum, Reduce))):
        return None
    for rule in (
        _content,
        _powers,
        _signs,
        _ratios,
        _exponentials,
        _shares,
        _inverses,
        _selections,
        _joins,
        _components,
    ):
        found = rule(flat, out, sizes)
        if found is not None:
            return found
    return None


def _content(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """2x - 2y inside a product is 2 (x - y)."""
    if len(flat) == 1 and len(out) == len(flat[0][1]):
        return None
    for k, (term, idx) in enumerate(flat):
        if isinstance(term, Sum):
            content, best = preferred(term)
            if content != 1:
                return [*flat[:k], (number(content), ()), (best, idx), *flat[k + 1 :]]
    return None


def base_of(term: Term) -> tuple[Term, Any]:
    """A factor as base and exponent (a number, or a term)."""
    if isinstance(term, Fn) and term.name == "pow":
        return term.args[0], term.params[0]
    if isinstance(term, Fn) and term.name == "power":
        return term.args[0], term.args[1]
    return term, Fraction(1)


def _powers(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """Factors with the same base at the same indices: exponents add."""
    groups: dict[Any, list[int]] = {}
    for k, (term, idx) in enumerate(flat):
        base, _ = base_of(term)
        place = tuple(sorted(idx, key=str)) if is_symmetric(base) else idx
        groups.setdefault((base.ident, place), []).append(k)
    for places in groups.values():
        if len(places) < 2:
            continue
        base = base_of(flat[places[0]][0])[0]
        if isinstance(base, Delta):
            merged: Term = base
        else:
            merged = functions.power_sum(base, [base_of(flat[k][0])[1] for k in places])
        rest = [f for k, f in enumerate(flat) if k not in places]
        rest.insert(places[0], (merged, flat[places[0]][1]))
        return rest
    return None


def _signs(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """sign(u) u = |u|, sign(u) |u|^p = u^p for odd p, sign(u)^2 = 1 beside a power that needs u not to be zero, and
    relu(u) times the step where it begins is relu(u).
    """
    for k, (term, idx) in enumerate(flat):
        base, count = base_of(term)
        begins = _begins(base)
        if begins is not None:
            places = [j for j, (t, at) in enumerate(flat) if t is begins and at == idx]
            if places:
                return [f for i, f in enumerate(flat) if i != places[0]]
        if not (isinstance(base, Fn) and base.name == "sign") or not isinstance(count, Fraction):
            continue
        u = base.args[0]
        size = functions.apply("abs", u)
        for j, (other, at) in enumerate(flat):
            inner, p = base_of(other)
            if j == k or at != idx or (inner is not u and inner is not size) or not isinstance(p, Fraction):
                continue
            made: list[Term] = []
            if count == 2 and p < 0:
                made = [other]
            elif count == 1 and inner is u and p == 1:
                made = [size]
            elif count == 1 and inner is size and p.denominator == 1 and p % 2:
                made = [functions.power(u, p)]
            if made:
                return [f for i, f in enumerate(flat) if i not in (j, k)] + [(made[0], idx)]
    return None


def _begins(base: Term) -> Term | None:
    """The 0/1 function that is one where relu(u), or max(u, 0), is not zero."""
    if isinstance(base, Fn) and base.name == "relu":
        return functions.apply("step", base.args[0])
    if isinstance(base, Fn) and base.name == "maximum":
        for one, other in (base.args, base.args[::-1]):
            if is_zero(other):
                return functions.apply("half", one)
    return None


RATIOS = {"sinh": ("cosh", "tanh"), "sin": ("cos", "tan")}


def _ratios(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """sinh(u) / cosh(u) = tanh(u), and for the functions of the circle."""
    for k, (term, idx) in enumerate(flat):
        base, p = base_of(term)
        if not (isinstance(base, Fn) and base.name in RATIOS):
            continue
        below, made = RATIOS[base.name]
        for j, (other, at) in enumerate(flat):
            inner, q = base_of(other)
            if j == k or at != idx or not (isinstance(inner, Fn) and inner.name == below):
                continue
            if inner.args[0] is base.args[0] and isinstance(p, Fraction) and isinstance(q, Fraction) and p == -q > 0:
                ratio = functions.power(functions.apply(made, base.args[0]), p)
                return [f for i, f in enumerate(flat) if i not in (j, k)] + [(ratio, idx)]
    return None


def _shares(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """The entries of a softmax sum to one."""
    for k, (term, idx) in enumerate(flat):
        if isinstance(term, Reduce) and term.name == "softmax":
            uses = _uses(flat)
            summed = [idx[a] for a in term.axes]
            if all(uses[i] == 1 and i not in out for i in summed):
                for i in summed:
                    sizes.pop(i, None)
                kept = [a for a in range(term.rank) if a not in term.axes]
                one = (ones(tuple(term.shape[a] for a in kept)), tuple(idx[a] for a in kept))
                return [*flat[:k], one, *flat[k + 1 :]]
    return None


def _exponentials(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """exp(a) exp(b) = exp(a + b); exp(u) sigma(-u) = sigma(u); exp(u) / sum(exp(u)) = softmax(u)."""
    places = [k for k, (t, _) in enumerate(flat) if isinstance(t, Fn) and t.name == "exp"]
    for k in places:
        term, idx = flat[k]
        assert isinstance(term, Fn)
        argument = term.args[0]
        for j, (other, at) in enumerate(flat):
            if j == k:
                continue
            base, exponent = base_of(other)
            made: list[Any] | None = None
            if isinstance(base, Fn) and at == idx:
                if base.name == "exp" and base is other:
                    made = [(functions.apply("exp", plus(argument, base.args[0])), idx)]
                elif (
                    base.name == "sigmoid"
                    and base.args[0] is negative(argument)
                    and isinstance(exponent, Fraction)
                    and exponent >= 1
                ):
                    made = [(functions.apply("sigmoid", argument), idx), (functions.power(base, exponent - 1), idx)]
            elif isinstance(exponent, Fraction) and exponent == -1:
                made = _softmax(term, idx, base, at)
            if made is not None:
                return [f for i, f in enumerate(flat) if i not in (j, k)] + made
    return None


def _softmax(term: Fn, idx: tuple[Hashable, ...], total: Term, at: tuple[Hashable, ...]) -> list[Any] | None:
    from wengert.symbolic.matrices import reduce

    found = summed_exp(total)
    if found is None or found[0] is not term.args[0]:
        return None
    _, axes, kept = found
    if tuple(idx[a] for a in kept) != at:
        return None
    return [(reduce("softmax", term.args[0], axes), idx)]


def summed_exp(total: Term) -> tuple[Term, tuple[int, ...], tuple[int, ...]] | None:
    """(u, axes, kept) when a term is the sum of exp(u) over axes, with the other axes in the given order."""
    if not isinstance(total, Prod) or len(total.factors) != 1:
        return None
    term, idx = total.factors[0]
    if not (isinstance(term, Fn) and term.name == "exp") or len(set(idx)) < len(idx):
        return None
    axes = tuple(a for a, i in enumerate(idx) if i >= total.rank)
    if len(idx) - len(axes) != total.rank or not axes:
        return None
    return term.args[0], axes, tuple(idx.index(i) for i in range(total.rank))


def _inverses(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """A^-1 A = I, where the index between them occurs nowhere else."""
    uses = _uses(flat)
    for k, (term, idx) in enumerate(flat):
        if not (isinstance(term, Matrix) and term.name == "inv"):
            continue
        for j, (other, at) in enumerate(flat):
            if other is not term.arg or j == k:
                continue
            both = is_symmetric(other)
            for mine in (0, 1):
                for theirs in (0, 1) if both else (1 - mine,):
                    shared = idx[mine]
                    if shared == at[theirs] and uses[shared] == 2 and shared not in out:
                        rest = [f for i, f in enumerate(flat) if i not in (j, k)]
                        sizes.pop(shared, None)
                        return [*rest, (eye(term.shape[0]), (idx[1 - mine], at[1 - theirs]))]
    return None


def _uses(flat: Iterable[tuple[Term, tuple[Hashable, ...]]]) -> dict[Hashable, int]:
    found: dict[Hashable, int] = {}
    for _, idx in flat:
        for label in idx:
            found[label] = found.get(label, 0) + 1
    return found


def _selections(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """S S' = I for one selection S; two selections of different single entries are orthogonal."""
    uses = _uses(flat)
    chosen = [(k, t, idx) for k, (t, idx) in enumerate(flat) if isinstance(t, Select)]
    for k, term, idx in chosen:
        if idx[1] in out:
            continue
        if uses[idx[1]] == 1:  # the sum of a row of S is one
            sizes.pop(idx[1], None)
            return [f for i, f in enumerate(flat) if i != k] + [(ones((term.shape[0],)), (idx[0],))]
        for j, other, at in chosen:
            if j <= k or at[1] != idx[1]:
                continue
            if other is term:
                rest = [f for i, f in enumerate(flat) if i != j]
                return [*rest, (eye(term.shape[0]), (idx[0], at[0]))]
            if _disjoint(term, other):
                return [*flat, (number(0), ())]
    return None


def _joins(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """Joining two axes and taking the same ones apart again does nothing.

    So does summing over all of the joined axis.
    """
    uses = _uses(flat)
    places = [(k, t, idx) for k, (t, idx) in enumerate(flat) if isinstance(t, Join)]
    for k, term, idx in places:
        for j, other, at in places:
            if j <= k or other is not term:
                continue
            rest = [f for i, f in enumerate(flat) if i not in (j, k)]
            if idx[0] == at[0] and uses[idx[0]] == 2 and idx[0] not in out:
                sizes.pop(idx[0], None)
                return [*rest, (eye(term.shape[1]), (idx[1], at[1])), (eye(term.shape[2]), (idx[2], at[2]))]
            if idx[1:] == at[1:] and not set(idx[1:]) & set(out) and all(uses[i] == 2 for i in idx[1:]):
                for i in idx[1:]:
                    sizes.pop(i, None)
                return [*rest, (eye(term.shape[0]), (idx[0], at[0]))]
        if uses[idx[0]] == 1 and idx[0] not in out:
            sizes.pop(idx[0], None)
            return [f for i, f in enumerate(flat) if i != k] + [(ones(term.shape[1:]), idx[1:])]
    return None


def _disjoint(left: Select, right: Select) -> bool:
    """Whether two selections surely take different entries."""
    numbers = (left.start, right.start, left.shape[0], right.shape[0])
    if all(isinstance(v, int) for v in numbers):
        mine = {left.start + left.step * i for i in range(left.shape[0])}  # type: ignore[arg-type]
        return mine.isdisjoint(right.start + right.step * i for i in range(right.shape[0]))  # type: ignore[arg-type]
    if left.step == right.step == 1:
        return left.start + left.shape[0] == right.start or right.start + right.shape[0] == left.start
    return False


def _components(flat: Factors, out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> Factors | None:
    """Factors connected with nothing of the result are a scalar of their own."""
    if not any(idx for _, idx in flat):
        return None
    group: dict[int, int] = {k: k for k in range(len(flat))}
    first: dict[Hashable, int] = {}

    def find(k: int) -> int:
        while group[k] != k:
            k = group[k]
        return k

    for k, (_, idx) in enumerate(flat):
        for label in idx:
            if label in first:
                group[find(k)] = find(first[label])
            else:
                first[label] = k
    reached = {find(first[x]) for x in out if x in first}
    parts: dict[int, list[int]] = {}
    for k in range(len(flat)):
        parts.setdefault(find(k), []).append(k)
    loose = [v for root, v in parts.items() if root not in reached and flat[v[0]][1]]
    if not loose or (len(parts) == 1 and not out):
        return None
    taken = {k for v in loose for k in v}
    made = []
    for v in loose:
        mine = [flat[k] for k in v]
        labels = {x for _, idx in mine for x in idx}
        made.append((contract(mine, (), {x: sizes.pop(x) for x in labels}), ()))
    return [f for k, f in enumerate(flat) if k not in taken] + made
