"""Sums in matrix notation: their order, common numbers, and common factors of chains and products.

Imports notation, recover. Invariant: grouping never makes a form larger, and terms keep the order in which they were
written unless they are a polynomial, which is sorted by degree.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from wengert.symbolic.notation import Form, chain, filling, hadamard, mul, num, power, scaled, size, unscaled
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Fn, Prod, Sum, Term, Var


def sum_form(term: Sum) -> Form:
    """The matrix notation of a sum."""
    if not term.terms:
        return Form("zeros", value=term.shape, rank=term.rank) if term.rank else num(Fraction(0))
    parts = list(term.terms)
    degrees = [degree(t) for _, t in parts]
    plain = [d == 0 and c == 1 for d, (c, _) in zip(degrees, parts, strict=True)]
    if (
        term.rank == 0
        and all(d is not None for d in degrees)
        and not (len(parts) == 2 and plain[0] and parts[1][0] == 1)
    ):
        order = sorted(range(len(parts)), key=lambda k: -degrees[k])
        parts = [parts[k] for k in order]
    return combined([scaled(c, form_of(t)) for c, t in parts], term.rank)


def degree(term: Term) -> Any:
    """The total degree of a monomial in scalar variables, None for anything else."""
    if isinstance(term, Var) and term.rank == 0:
        return 1
    if isinstance(term, Fn) and term.name == "pow" and isinstance(term.args[0], Var):
        return term.params[0]
    if isinstance(term, Prod) and all(not idx for _, idx in term.factors) and not term.rank:
        found = [degree(t) for t, _ in term.factors]
        return None if any(d is None for d in found) else sum(found)
    return None


DEEPEST = 3
"""How often a factor is taken out of what is left after another was."""


def combined(parts: Sequence[Form], rank: int, depth: int = 0) -> Form:
    """The sum of forms, factored where that makes it smaller."""
    return _combined(tuple(parts), rank, depth)


@functools.lru_cache(1 << 14)  # taking factors out in another order often leaves the same sum
def _combined(given: tuple[Form, ...], rank: int, depth: int) -> Form:
    parts = _merged(given)
    if not parts:
        return num(Fraction(0)) if not rank else Form("zeros", rank=rank)
    if len(parts) == 1:
        return parts[0]
    if rank:
        flat = [filling(p) for p in parts]
        if all(f.rank == 0 for f in flat):  # every entry is the same number
            return mul([combined(flat, 0, depth)], next(_ones_in(p) for p in parts))
    plain = plain_sum(parts, rank)
    best, least = plain, size(plain)
    if depth >= (DEEPEST if len(parts) <= 4 else 2 if len(parts) <= 7 else 1) or len(parts) > 16:
        return plain
    for other in _factored(parts, rank, depth + 1):
        cost = size(other)
        if cost < least:
            best, least = other, cost
    return best


def _ones_in(form: Form) -> Form:
    """The ones in a term that is the same in every entry."""
    return form if form.kind == "ones" else next(found for a in form.args if a.rank for found in [_ones_in(a)])


def _merged(parts: Sequence[Form]) -> list[Form]:
    """Equal forms of different terms, added."""
    found: list[tuple[Any, Form]] = []
    for p in parts:
        c, rest = unscaled(p)
        for k, (d, other) in enumerate(found):
            if other == rest:
                found[k] = (c + d, other)
                break
        else:
            found.append((c, rest))
    return [scaled(c, f) for c, f in found if c != 0]


def plain_sum(parts: Sequence[Form], rank: int) -> Form:
    """a + b - c with the common number outside and a positive term first."""
    numbers = [unscaled(p)[0] for p in parts]
    content: Any = Fraction(1)
    if all(isinstance(c, Fraction) for c in numbers):
        content = Fraction(math.gcd(*(c.numerator for c in numbers)), math.lcm(*(c.denominator for c in numbers)))
        if content.denominator != 1 and sum(c.denominator != 1 for c in numbers) < 2:
            content = Fraction(1)
        if content.numerator != 1 and any(p.kind == "num" for p in parts):
            content = Fraction(1)
        if (
            rank == 0
            and content.denominator == 1
            and all(c.numerator % content.numerator == 0 for c in numbers)
            and _polynomial(parts)
        ):
            content = Fraction(1)
    if all(c < 0 for c in numbers):
        content = -content
    inner = [scaled(1 / content, p) for p in parts] if content != 1 else list(parts)
    first = next((k for k, p in enumerate(inner) if unscaled(p)[0] > 0), 0)
    inner.insert(0, inner.pop(first))
    if inner[0].kind == "T":
        turned_last = sorted(inner, key=lambda f: f.kind == "T")
        inner = turned_last if unscaled(turned_last[0])[0] > 0 else inner
    return scaled(content, Form("add", tuple(inner), rank=rank))


def _polynomial(parts: Sequence[Form]) -> bool:
    return all(leaf(unscaled(p)[1]) for p in parts)


def leaf(form: Form) -> bool:
    """A number, a name, or a power of a name."""
    return (
        form.kind in ("num", "name")
        or (form.kind == "pow" and form.args[0].kind == "name")
        or (form.kind == "mul" and all(leaf(a) for a in form.args))
    )


def _factored(parts: list[Form], rank: int, depth: int) -> list[Form]:
    found: list[Form] = []
    groups: dict[Any, list[int]] = {}
    lowest: dict[Form, Any] = {}
    for k, p in enumerate(parts):
        c, rest = unscaled(p)
        if abs(c) != 1 and rest.kind != "num":
            groups.setdefault(("number", abs(c)), []).append(k)
        for key in _handles(rest):
            if key[0] == "under":
                lowest[key[1]] = min(key[2], lowest.get(key[1], key[2]))
                key = key[:2]
            groups.setdefault(key, []).append(k)
    for key, places in groups.items():
        if key[0] == "under":
            key = (*key, lowest[key[1]])
        places = sorted(set(places))
        if len(places) < 2:
            continue
        chosen = [parts[k] for k in places]
        others = [p for k, p in enumerate(parts) if k not in places]
        made = _pulled(key, chosen, rank, depth)
        if made is None:
            continue
        others.insert(min(places[0], len(others)), made)
        found.append(combined(others, rank, depth) if len(others) > 1 else made)
    return found


def linked(form: Form) -> list[tuple[Form, bool]]:
    """A chain or an outer product as the parts of one chain."""
    if form.kind == "mat":
        return list(zip(form.args, form.value, strict=True))
    u, v = form.args
    return [*_row_or_column(u, False), *_row_or_column(v, True)]


def _row_or_column(form: Form, row: bool) -> list[tuple[Form, bool]]:
    if form.kind != "mat":
        return [(form, row)]
    parts = list(zip(form.args, form.value, strict=True))
    return [(f, not t if f.rank == 2 else True) for f, t in reversed(parts)] if row else parts


def base_and_power(form: Form) -> tuple[Form, Any]:
    """A factor of a denominator as base and exponent."""
    if form.kind == "norm2sq":
        return Form("norm", form.args, "2"), Fraction(2)
    if form.kind == "pow":
        return form.args[0], form.value
    return form, Fraction(1)


def under(form: Form) -> list[tuple[Form, Any]]:
    """The factors of a denominator."""
    _, rest = unscaled(form)
    return [base_and_power(f) for f in (rest.args if rest.kind == "mul" else (rest,)) if f.kind != "num"]


def _handles(form: Form) -> list[Any]:
    """What could be taken out of a form on the left, on the right, or as a factor."""
    if form.kind in ("mat", "outer"):
        parts = linked(form)
        return [("first", *parts[0]), ("last", *parts[-1])]
    if form.kind in ("mul", "had"):
        found = [("factor", a) for a in form.args]
        return [*found, *(h for h in _handles(form.args[-1]) if h[0] != "factor")] if form.kind == "mul" else found
    if form.kind == "div":
        top = form.args[0]
        inner = [a for a in (top.args if top.kind in ("mul", "had") else (top,)) if a.kind != "num"]
        below = (
            [("under", b, p) for b, p in under(form.args[1])]
            if not form.args[1].rank
            else [("under", form.args[1], Fraction(1))]
        )
        return [*below, *(("factor", a) for a in inner)]
    if form.kind in ("num", "ones"):
        return []
    return [("factor", form)]


def _pulled(key: Any, parts: list[Form], rank: int, depth: int) -> Form | None:
    kind = key[0]
    if kind == "number":
        return scaled(Fraction(key[1]), combined([scaled(1 / key[1], p) for p in parts], rank, depth))
    inner = []
    for p in parts:
        c, f = unscaled(p)
        rest = _without(key, f)
        if rest is None:
            return None
        inner.append(scaled(c, rest))
    common = max(r.rank for r in inner)
    if kind == "factor" and any(r.rank != common for r in inner):
        inner = [r if r.rank == common else _filled(r, common) for r in inner]
    total = combined(inner, common, depth)
    shared: Form = key[1]
    if kind == "first":
        column = shared.rank == 1 and not key[2]
        return chain([(shared, key[2]), (total, column and total.rank == 1)])
    if kind == "last":
        return (
            chain([(total, shared.rank == 1 and total.rank == 1), (shared, key[2])])
            if total.rank == 2 or not key[2]
            else (chain([(total, False), (shared, True)]))
        )
    if kind == "under":
        return mul([Form("div", (num(Fraction(1)), power(shared, key[2])))], total) if shared.rank == 0 else None
    if shared.rank and total.rank:
        return hadamard([shared, total])
    return mul([shared], total) if shared.rank == 0 else mul([total], shared)


def _filled(form: Form, rank: int) -> Form:
    """A scalar where a tensor is expected, printed as the number it is."""
    c, rest = unscaled(form)
    return scaled(c, Form("filled", (rest,), rank=rank))


@functools.lru_cache(1 << 14)
def _without(key: Any, form: Form) -> Form | None:
    kind, shared = key[0], key[1]
    if kind in ("first", "last"):
        if form.kind == "mul" and form.args[-1].kind in ("mat", "outer"):
            rest = _without(key, form.args[-1])
            return None if rest is None else mul(form.args[:-1], rest)
        if form.kind not in ("mat", "outer") or form.rank == 0:
            return None
        parts = linked(form)
        if parts[0 if kind == "first" else -1] != (shared, key[2]):
            return None
        parts = parts[1:] if kind == "first" else parts[:-1]
        if kind == "last" and len(parts) == 1 and parts[0][0].rank == 1 and parts[0][1]:
            return None
        if kind == "first" and parts[0][0].rank == 1 and parts[0][1]:
            if len(parts) > 1:
                return None
            return Form("row", (parts[0][0],), rank=1) if shared.rank == 2 else parts[0][0]
        if shared.rank == 2 or form.rank == 2:
            return chain(parts)
        return None if kind == "first" else chain(parts)
    if kind == "under":
        return _less_under(form, shared, key[2])
    if form == shared:
        return num(Fraction(1))
    if form.kind == "div":
        top = _without(key, form.args[0])
        if top is None or (form.args[1].rank and not top.rank):
            return None
        return mul([Form("div", (num(Fraction(1)), form.args[1]))], top) if not form.args[1].rank else None
    if form.kind in ("mul", "had") and shared in form.args:
        rest_args = list(form.args)
        rest_args.remove(shared)
        if form.kind == "mul":
            return mul([r for r in rest_args if not r.rank], next((r for r in rest_args if r.rank), None))
        return hadamard(rest_args)
    return None


def _less_under(form: Form, base: Form, p: Any) -> Form | None:
    """A fraction times base^p, where its denominator has at least that power."""
    if form.kind != "div" or form.args[1].rank:
        return None
    number, _ = unscaled(form.args[1])
    left = []
    seen = False
    for b, q in under(form.args[1]):
        if b == base and q >= p and not seen:
            seen = True
            if q > p:
                left.append(power(b, q - p))
        else:
            left.append(power(b, q))
    if not seen:
        return None
    below = [Form("div", (num(Fraction(1)), f)) for f in left]
    return scaled(1 / number if number != 1 else Fraction(1), mul(below, form.args[0]))
