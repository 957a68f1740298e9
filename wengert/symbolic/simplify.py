"""Choosing the smallest of a few equal forms: as it stands, multiplied out, over a common denominator.

Imports build, functions, recover. Invariant: every candidate is an identity of the constructors, so the choice is
only about size.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wengert.symbolic import functions
from wengert.symbolic.build import add, contract, eye
from wengert.symbolic.matrices import matrix
from wengert.symbolic.notation import Form, size
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Fn, Matrix, Prod, Sum, Term, Var, variables

MOST = 40
SUMMED = 3
"""What an index under a sign of a sum weighs, in nodes."""


def simplified(term: Term) -> Term:
    """The candidate with the smallest printed form."""
    found = term.memory.get("simplified")
    if found is None:
        found = term.memory["simplified"] = _smallest(term)
    return found


def _smallest(term: Term) -> Term:
    inner = rebuilt(chosen(term))
    best, least = inner, weight(form_of(inner))
    if least > 600:
        return best
    seen = {inner.ident}
    for candidate in (
        expanded(inner),
        together(inner),
        together(expanded(inner)),
        expanded(together(inner)),
        common(inner),
        together(common(inner)),
    ):
        if candidate.ident in seen:
            continue
        seen.add(candidate.ident)
        cost = weight(form_of(candidate))
        if cost < least:
            best, least = candidate, cost
    return best


def weight(form: Form) -> int:
    """The size of a form, and what a reader pays for sums over named indices."""
    return size(form) + SUMMED * _summed(form)


def _summed(form: Form) -> int:
    """Indices that are summed under a sign of a sum."""
    own = 0
    if form.kind == "einsum":
        places, rank, _ = form.value
        own = len({i for idx in places for i in idx if i >= rank})
    return own + sum(map(_summed, form.args))


def chosen(term: Term) -> Term:
    """Terms that hold where one condition does, as one choice: where(c, 1, 0) a + where(c, 0, 1) b = where(c, a, b)."""
    parts = term.terms if isinstance(term, Sum) else ((Fraction(1), term),)
    axes = tuple(range(term.rank))
    sizes = dict(enumerate(term.shape))
    cases: dict[int, list[Any]] = {}
    rest: list[tuple[Any, Term]] = []
    for c, t in parts:
        factors = t.factors if isinstance(t, Prod) else ((t, axes),)
        at = next(
            (k for k, (f, idx) in enumerate(factors) if isinstance(f, Fn) and f.name == "where" and idx == axes), None
        )
        if at is None:
            rest.append((c, t))
            continue
        choice = factors[at][0]
        assert isinstance(choice, Fn)
        condition, a, b = choice.args
        others = [f for k, f in enumerate(factors) if k != at]
        made = cases.setdefault(condition.ident, [condition, [], []])
        for place, value in ((1, a), (2, b)):
            made[place].append((c, contract([*others, (value, axes)], axes, sizes)))
    if not cases:
        return term
    for condition, first, second in cases.values():
        a, b = add(first, term.shape), add(second, term.shape)
        rest.append((Fraction(1), a if a is b else functions.apply("where", condition, a, b)))
    return add(rest, term.shape)


def oriented(term: Term, x: Term) -> Term:
    """V'V = I for orthogonal matrices V, except for ``x``, by which is still differentiated."""
    if not any("orthogonal" in v.facts and v is not x for v in variables(term).values()):
        return term
    if isinstance(term, Sum):
        return add([(c, oriented(t, x)) for c, t in term.terms], term.shape)
    if isinstance(term, Fn):
        return functions.apply(term.name, *(oriented(a, x) for a in term.args), params=term.params)
    if isinstance(term, Matrix):
        return matrix(term.name, oriented(term.arg, x))
    if not isinstance(term, Prod):
        return term
    factors = [(oriented(t, x), idx) for t, idx in term.factors]
    sizes = dict(enumerate(term.sizes))
    for k, (t, idx) in enumerate(factors):
        if not isinstance(t, Var) or "orthogonal" not in t.facts or t is x:
            continue
        for mine in (0, 1):
            others = [(j, f, at) for j, (f, at) in enumerate(factors) if j != k and idx[mine] in at]
            if idx[mine] >= term.rank and len(others) == 1 and others[0][1] is t and others[0][2][mine] == idx[mine]:
                j, _, at = others[0]
                rest = [f for i, f in enumerate(factors) if i not in (j, k)]
                sizes.pop(idx[mine])
                unit = (eye(t.shape[0]), (idx[1 - mine], at[1 - mine]))
                return oriented(contract([*rest, unit], tuple(range(term.rank)), sizes), x)
    return contract(factors, tuple(range(term.rank)), sizes)


def rebuilt(term: Term) -> Term:
    """The term with each part that is a sum inside a product simplified by itself."""
    if isinstance(term, Sum):
        return add([(c, rebuilt(t)) for c, t in term.terms], term.shape)
    if isinstance(term, Prod):
        made = []
        changed = False
        for t, idx in term.factors:
            base, p = (t.args[0], t.params[0]) if isinstance(t, Fn) and t.name == "pow" else (t, Fraction(1))
            if isinstance(base, (Sum, Fn)):
                new = functions.power(simplified(base) if isinstance(base, Sum) else base, p)
                changed = changed or new is not t
                made.append((new, idx))
            else:
                made.append((t, idx))
        if changed:
            return contract(made, tuple(range(term.rank)), dict(enumerate(term.sizes)))
    return term


def expanded(term: Term) -> Term:
    """Products of sums multiplied out, up to a limit."""
    if isinstance(term, Sum):
        return add([(c, expanded(t)) for c, t in term.terms], term.shape)
    if isinstance(term, Fn) and term.name == "pow" and isinstance(term.args[0], Sum):
        p = term.params[0]
        if p in (2, 3) and len(term.args[0].terms) ** int(p) <= MOST:
            axes = tuple(range(term.rank))
            return expanded(_distributed([(term.args[0], axes)] * int(p), axes, {}))
    if isinstance(term, Prod):
        factors: list[Any] = []
        count = 1
        for t, idx in term.factors:
            if isinstance(t, Fn) and t.name == "pow" and isinstance(t.args[0], Sum) and t.params[0] in (2, 3):
                factors.extend([(t.args[0], idx)] * int(t.params[0]))
                count *= len(t.args[0].terms) ** int(t.params[0])
            else:
                factors.append((t, idx))
                count *= len(t.terms) if isinstance(t, Sum) else 1
        if 1 < count <= MOST:
            return _distributed(factors, tuple(range(term.rank)), dict(enumerate(term.sizes)))
    return term


def _distributed(factors: list[Any], out: tuple[int, ...], sizes: dict[Any, Any]) -> Term:
    """sum of all products of one term from each factor."""
    rows: list[tuple[Any, list[Any]]] = [(Fraction(1), [])]
    for t, idx in factors:
        parts = t.terms if isinstance(t, Sum) else ((Fraction(1), t),)
        rows = [(c * d, [*row, (u, idx)]) for c, row in rows for d, u in parts]
    made = [(c, contract(row, out, sizes)) for c, row in rows]
    return add(made, made[0][1].shape)


def together(term: Term) -> Term:
    """A sum over its common denominator, numerator multiplied out."""
    if not isinstance(term, Sum) or len(term.terms) > MOST:
        return term
    powers: dict[int, list[Any]] = {}
    for _, t in term.terms:
        for base, p in _denominators(t):
            entry = powers.setdefault(base.ident, [base, Fraction(0)])
            entry[1] = max(entry[1], p)
    if not powers:
        return term
    axes = tuple(range(term.rank))
    sizes = dict(enumerate(term.shape))

    def place(base: Term) -> tuple[int, ...]:
        return axes if base.rank else ()

    up = [(functions.power(b, p), place(b)) for b, p in powers.values()]
    down = [(functions.power(b, -p), place(b)) for b, p in powers.values()]
    top = add([(c, expanded(contract([(t, axes), *up], axes, sizes))) for c, t in term.terms], term.shape)
    return contract([(top, axes), *down], axes, sizes)


def common(term: Term) -> Term:
    """The factor that all terms of a sum share taken out, and what is left multiplied out."""
    if not isinstance(term, Sum) or len(term.terms) > MOST:
        return term
    axes = tuple(range(term.rank))
    sizes = dict(enumerate(term.shape))
    shared: dict[int, list[Any]] | None = None
    for _, t in term.terms:
        mine: dict[int, list[Any]] = {}
        for f, idx in t.factors if isinstance(t, Prod) else ((t, axes),):
            base, p = (f.args[0], f.params[0]) if isinstance(f, Fn) and f.name == "pow" else (f, Fraction(1))
            if idx in ((), axes) and p > 0:
                mine[base.ident] = [base, p]
        shared = mine if shared is None else {k: [b, min(p, mine[k][1])] for k, (b, p) in shared.items() if k in mine}
    if not shared:
        return term

    def place(base: Term) -> tuple[int, ...]:
        return axes if base.rank else ()

    down = [(functions.power(b, -p), place(b)) for b, p in shared.values()]
    up = [(functions.power(b, p), place(b)) for b, p in shared.values()]
    rest = add([(c, expanded(contract([(t, axes), *down], axes, sizes))) for c, t in term.terms], term.shape)
    return contract([(rest, axes), *up], axes, sizes)


def _denominators(term: Term) -> list[tuple[Term, Any]]:
    """The divisors of a term that are scalars or have all its axes, with their powers."""
    axes = tuple(range(term.rank))
    factors = term.factors if isinstance(term, Prod) else ((term, axes),)
    found = []
    for t, idx in factors:
        if isinstance(t, Fn) and t.name == "pow" and t.params[0] < 0 and idx in ((), axes):
            found.append((t.args[0], -t.params[0]))
    return found
