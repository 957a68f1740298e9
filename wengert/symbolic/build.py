"""The constructors of sums and generalised products, which keep every term in normal form.

Deltas are eliminated, nested sums and products are flattened, equal factors become powers, scalar components stand
alone. Imports terms, labels. Invariant: ``contract`` and ``add`` return the same object for equal mathematics
wherever their rules reach.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from wengert.core.errors import WengertValueError
from wengert.symbolic import signs
from wengert.symbolic.dims import Dim, Size
from wengert.symbolic.labels import canonical, is_symmetric, key_of
from wengert.symbolic.terms import (
    Count,
    Delta,
    Fn,
    Join,
    Number,
    Pattern,
    Prod,
    Select,
    Shape,
    Sum,
    Term,
    Var,
    intern,
    known,
)

Factors = Sequence[tuple[Term, Sequence[Hashable]]]
_fresh = itertools.count()

ONE: Term = intern(Prod, ((), ()), (), factors=(), sizes=())


def ones(shape: Shape) -> Term:
    """The tensor of ones."""
    return intern(Prod, ((), shape), shape, factors=(), sizes=shape) if shape else ONE


def zero(shape: Shape = ()) -> Term:
    """The tensor of zeros."""
    return intern(Sum, (), shape, terms=())


def number(value: Any) -> Term:
    """A constant number; ints and fractions stay exact."""
    return scale(exact(value), ONE)


def exact(value: Any) -> Number:
    """A number as a Fraction where it is one: integers, fractions and floats of few digits such as 0.5."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, int) or (hasattr(value, "__index__") and not isinstance(value, bool)):
        return Fraction(int(value))
    found = float(value)
    if math.isfinite(found) and abs(found) < 1e15:
        near = Fraction(repr(found)) if "e" not in repr(found) else Fraction(found)
        if near.denominator <= 10**6 and float(near) == found:
            return near
    return found


def split(term: Term) -> tuple[Number, Term]:
    """A term as number times the rest."""
    if isinstance(term, Sum) and len(term.terms) == 1:
        return term.terms[0]
    return Fraction(1), term


def is_zero(term: Term) -> bool:
    """Whether a term is the zero of its shape."""
    return isinstance(term, Sum) and not term.terms


def value_of(term: Term) -> Number | None:
    """The number that a scalar term is, or None."""
    if is_zero(term):
        return Fraction(0)
    coefficient, core = split(term)
    return coefficient if isinstance(core, Prod) and not core.factors and core.rank == 0 else None


def size_of(term: Term) -> Any:
    """The whole number or dimension that a scalar term is, or None."""
    total: Any = 0
    for c, t in term.terms if isinstance(term, Sum) else ((Fraction(1), term),):
        if term.rank or not isinstance(c, Fraction) or c.denominator != 1:
            return None
        product: Any = int(c)
        for f, _ in t.factors if isinstance(t, Prod) else ((t, ()),):
            p = f.params[0] if isinstance(f, Fn) and f.name == "pow" else 1
            base = f.args[0] if isinstance(f, Fn) and f.name == "pow" else f
            if not isinstance(base, Count) or p != int(p) or p < 1:
                return None
            for _ in range(int(p)):
                product = product * base.dim
        total = total + product
    return total


def uniform(term: Term) -> Number | None:
    """The number that all entries of a term are, or None."""
    if is_zero(term):
        return Fraction(0)
    coefficient, core = split(term)
    return coefficient if isinstance(core, Prod) and not core.factors else None


def scale(coefficient: Number, term: Term) -> Term:
    """A number times a term."""
    if coefficient == 1:
        return term
    return add([(coefficient, term)], term.shape)


def negative(term: Term) -> Term:
    """Minus a term."""
    return scale(Fraction(-1), term)


def add(parts: Iterable[tuple[Number, Term]], shape: Shape) -> Term:
    """A linear combination; sums inside are flattened and equal terms merged."""
    found: dict[int, list[Any]] = {}
    for coefficient, term in parts:
        if term.shape != shape:
            raise WengertValueError(f"terms of shapes {shape} and {term.shape} cannot be added")
        inner = term.terms if isinstance(term, Sum) else ((Fraction(1), term),)
        for c, core in inner:
            entry = found.setdefault(core.ident, [Fraction(0), core])
            entry[0] = entry[0] + coefficient * c
    kept = tuple((c, t) for c, t in found.values() if c != 0)
    if len(kept) == 1 and kept[0][0] == 1:
        return kept[0][1]
    made: Sum = intern(Sum, signs.sum_key(kept), shape, terms=kept)
    signs.note(made)
    return made


def plus(*terms: Term) -> Term:
    """A sum of terms of one shape."""
    return add([(Fraction(1), t) for t in terms], terms[0].shape)


def minus(left: Term, right: Term) -> Term:
    """A difference of terms of one shape."""
    return add([(Fraction(1), left), (Fraction(-1), right)], left.shape)


def times(*terms: Term) -> Term:
    """The element-wise product; scalars go with every shape."""
    rank = max(t.rank for t in terms)
    return contract([(t, tuple(range(t.rank))) for t in terms], tuple(range(rank)))


def transpose(term: Term) -> Term:
    """The transpose of a matrix."""
    return permute(term, (1, 0))


def permute(term: Term, axes: Sequence[int]) -> Term:
    """Axes in another order: axis k of the result is axis ``axes[k]``."""
    if tuple(axes) == tuple(range(term.rank)):
        return term
    return contract([(term, tuple(range(term.rank)))], tuple(axes))


def matmul(left: Term, right: Term) -> Term:
    """The product of matrices and vectors (1-D), as NumPy's ``@`` reads it."""
    first = tuple(range(left.rank - 1))
    rest = tuple(range(100, 100 + right.rank - 1))
    idx = (99, *rest) if right.rank == 1 else (rest[0], 99) if right.rank > 2 else (99, *rest)
    return contract([(left, (*first, 99)), (right, idx)], (*first, *rest))


def eye(dim: Size) -> Term:
    """The unit matrix."""
    if dim == 1:
        return ones((1, 1))
    return intern(Delta, (), (dim, dim))


def select(count: Size, dim: Size, start: Size, step: int = 1) -> Term:
    """The matrix S of shape (count, dim) with S[i, start + step*i] = 1."""
    if start == 0 and step == 1 and count == dim:
        return eye(dim)
    return intern(Select, (start, step), (count, dim), start=start, step=step)


def pattern(name: str, shape: Shape, *params: Any) -> Term:
    """A constant array that its sizes decide."""
    return intern(Pattern, (name, params), shape, name=name, params=params)


def join(first: Size, second: Size) -> Term:
    """The tensor that joins axes of sizes ``first`` and ``second`` into one."""
    return intern(Join, (), (first * second, first, second))


def count(dim: Size) -> Term:
    """A dimension as a number."""
    if isinstance(dim, Dim):
        return intern(Count, dim, (), dim=dim)
    return number(dim)


def fresh() -> str:
    """An index nobody else has."""
    return f"_{next(_fresh)}"


def contract(factors: Factors, out: Sequence[Hashable], sizes: Mapping[Any, Size] | None = None) -> Term:
    """The generalised product: sum over the indices that are not in ``out``; ``sizes`` gives those that no factor has.

    >>> from wengert.symbolic.dims import named
    >>> contract([(eye(named("n")), "ij"), (ones((named("n"),)), "j")], "i") is ones((named("n"),))
    True
    """
    known_sizes: dict[Any, Size] = dict(sizes or {})
    coefficient: Number = Fraction(1)
    flat: list[tuple[Term, tuple[Hashable, ...]]] = []
    stack = [(t, tuple(idx)) for t, idx in reversed(factors)]
    while stack:
        term, idx = stack.pop()
        c, core = split(term)
        coefficient = coefficient * c
        for label, dim in zip(idx, term.shape, strict=True):
            if known_sizes.setdefault(label, dim) != dim:
                raise WengertValueError(f"an index stands for dimensions {known_sizes[label]} and {dim} at once")
        if is_zero(term):
            coefficient = Fraction(0)
        elif isinstance(core, Prod) and (core.rank or not core.sizes):
            names: list[Hashable] = [*idx, *(fresh() for _ in core.sizes[core.rank :])]
            known_sizes.update(zip(names, core.sizes, strict=True))
            stack.extend((t, tuple(names[i] for i in inner)) for t, inner in reversed(core.factors))
        else:
            flat.append((core, idx))
    out = tuple(out)
    if len(set(out)) < len(out):
        out = _spread(out, flat, known_sizes)
    shape = tuple(known_sizes[x] for x in out)
    if coefficient == 0:
        return zero(shape)
    flat, extra = _eliminate(flat, out, known_sizes)
    if extra:
        return scale(coefficient, contract([*flat, *extra], out, known_sizes))
    from wengert.symbolic.products import combined

    changed = combined(flat, out, known_sizes)
    if changed is not None:
        return scale(coefficient, contract(changed, out, known_sizes))
    return scale(coefficient, _interned(flat, out, known_sizes, shape))


def _spread(out: tuple[Hashable, ...], flat: list[Any], sizes: dict[Any, Size]) -> tuple[Hashable, ...]:
    """A result index that stands twice: a diagonal, written with deltas."""
    seen: set[Hashable] = set()
    found = []
    for label in out:
        name = label
        if label in seen:
            name = fresh()
            sizes[name] = sizes[label]
            flat.append((eye(sizes[label]), (label, name)))
        seen.add(label)
        found.append(name)
    return tuple(found)


def _eliminate(flat: list[Any], out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> tuple[list[Any], list[Any]]:
    """Remove deltas where an index is summed; count loops that nothing else runs over."""
    deltas = [(t, idx) for t, idx in flat if isinstance(t, Delta)]
    others = [(t, idx) for t, idx in flat if not isinstance(t, Delta)]
    if deltas:
        flat, others, deltas = [], _renamed(deltas, others, out, sizes), []
    used = {x for _, idx in others for x in idx} | set(out)
    loops = [x for x in sizes if x not in used]
    return others, [(count(sizes.pop(x)), ()) for x in loops]


def _renamed(deltas: list[Any], others: list[Any], out: tuple[Hashable, ...], sizes: dict[Any, Size]) -> list[Any]:
    """Indices joined by deltas become one; between indices of the result a delta stays."""
    leader: dict[Hashable, Hashable] = {}

    def find(x: Hashable) -> Hashable:
        while x in leader:
            x = leader[x]
        return x

    rank = {label: k for k, label in enumerate(out)}
    for _, (left, right) in deltas:
        a, b = find(left), find(right)
        if a == b:
            continue
        if rank.get(b, len(rank)) < rank.get(a, len(rank)):
            a, b = b, a
        leader[b] = a
    for label in leader:
        if label not in rank:
            sizes.pop(label, None)
    found = [(t, tuple(map(find, idx))) for t, idx in others]
    found.extend((eye(sizes[x]), (find(x), x)) for x in out if find(x) != x)
    return found


def _interned(flat: list[Any], out: tuple[Hashable, ...], sizes: dict[Any, Size], shape: Shape) -> Term:
    if len(flat) == 1:
        term, idx = flat[0]
        if idx == out or (len(idx) == 2 and idx == out[::-1] and is_symmetric(term)):
            return term
        if isinstance(term, Sum) and len(idx) == len(out) and set(idx) == set(out):
            return add([(c, contract([(t, idx)], out)) for c, t in term.terms], shape)
        if isinstance(term, Sum) and len(out) < len(idx):
            parts = add([(c, contract([(t, idx)], out, dict(sizes))) for c, t in term.terms], shape)
            if len(parts.terms if isinstance(parts, Sum) else (parts,)) < len(term.terms):
                return parts
        if len(idx) == len(out) and set(idx) == set(out):
            moved = pushed(term, tuple(idx.index(x) for x in out))
            if moved is not None:
                return moved
    named = canonical(flat, out, sizes)
    all_sizes: list[Any] = [None] * (len(out) + len(set(named) - set(out)))
    for label, position in named.items():
        all_sizes[position] = sizes[label]
    for label, position in zip(out, range(len(out)), strict=True):
        all_sizes[position] = sizes[label]
    key = (key_of(flat, named), tuple(all_sizes))
    kept = tuple((t, tuple(named[x] for x in idx)) for t, idx in flat)
    return intern(Prod, key, shape, factors=kept, sizes=tuple(all_sizes))


def pushed(term: Term, axes: tuple[int, ...]) -> Term | None:
    """The transpose of an element-wise function or an inverse, as that function of the transpose."""
    from wengert.symbolic.functions import apply
    from wengert.symbolic.terms import Fn, Reduce

    if isinstance(term, Fn):
        return apply(term.name, *(permute(a, axes) for a in term.args), params=term.params)
    if isinstance(term, Reduce) and term.name == "softmax":
        from wengert.symbolic.matrices import reduce

        return reduce("softmax", permute(term.arg, axes), tuple(axes.index(a) for a in term.axes))
    return None


def preferred(term: Sum) -> tuple[Number, Term]:
    """A sum inside a product: without its common number, and with the sign somebody already used."""
    numbers = [c for c, _ in term.terms]
    content: Number = Fraction(1)
    if all(isinstance(c, Fraction) for c in numbers):
        top = math.gcd(*(c.numerator for c in numbers))  # type: ignore[union-attr]
        bottom = math.lcm(*(c.denominator for c in numbers))  # type: ignore[union-attr]
        content = Fraction(top, bottom)
    if content == 1:
        flipped = known(Sum, signs.sum_key((-c, t) for c, t in term.terms), term.shape)
        used = signs.used()
        if flipped is None or (flipped.ident > term.ident if used is None else flipped.ident not in used):
            return content, term
        return Fraction(-1), flipped
    lean = add([(c / content, t) for c, t in term.terms], term.shape)
    again, best = preferred(lean) if isinstance(lean, Sum) else (Fraction(1), lean)
    return content * again, best


def var(name: str, shape: Shape = (), facts: Iterable[str] = ()) -> Var:
    """A variable."""
    return intern(Var, (name, frozenset(facts)), shape, name=name, facts=frozenset(facts))
