"""Slices inside products: which stretch of every factor is read, which stretch of the result is written.

A delta and a selection S[i, j] = [j = start + step i] tie indices to one another: all indices that are tied are affine
in one counter. Imports build and what constructs terms. Invariant: the product of the cut factors, written at the cut
places of zeros, is the product.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.core.errors import WengertValueError
from wengert.symbolic import functions
from wengert.symbolic.build import add, contract, var
from wengert.symbolic.cuts import Cut
from wengert.symbolic.dims import Dim, Size, sized
from wengert.symbolic.matrices import matrix, reduce
from wengert.symbolic.notation import Form
from wengert.symbolic.recover import form_of
from wengert.symbolic.terms import Delta, Fn, Matrix, Prod, Reduce, Select, Sum, Term, Var, ordered

Factors = Sequence[tuple[Any, Sequence[Hashable]]]


@dataclass(frozen=True, slots=True)
class Placed:
    """Factors with their counters and cuts; for each axis of the result its counter and cut; the counters' lengths.

    ``empty`` says that some counter has no values: the product is zero.
    """

    factors: list[tuple[Any, tuple[Hashable, ...], tuple[Cut, ...]]]
    out: tuple[tuple[Hashable, Cut], ...]
    sizes: dict[Hashable, Size]
    empty: bool = False


class Ties:
    """Indices as ``offset + step * counter``: ``place[i]`` is (counter, offset, step)."""

    def __init__(self, sizes: Mapping[Hashable, Size]) -> None:
        self.sizes = sizes
        self.place: dict[Hashable, tuple[Hashable, Any, int]] = {i: (i, 0, 1) for i in sizes}
        self.implied: set[Hashable] = set()

    def tie(self, i: Hashable, j: Hashable, start: Any, step: int) -> bool:
        """Ask for j = start + step * i; False where that is not affine in one counter."""
        gi, oi, si = self.place[i]
        gj, oj, sj = self.place[j]
        c, s = start + step * oi - oj, step * si  # c + s t = sj u
        if gi == gj:
            return bool(c == 0 and s == sj)
        if abs(sj) == 1:
            self._move(gj, gi, sj * c, sj * s)
        elif abs(s) == 1:
            self._move(gi, gj, -s * c, s * sj)
        else:
            return False
        self.implied.add(j)
        return True

    def _move(self, old: Hashable, new: Hashable, offset: Any, step: int) -> None:
        """The counter ``old`` is ``offset + step`` times the counter ``new``."""
        for label, (group, o, s) in self.place.items():
            if group == old:
                self.place[label] = (new, o + s * offset, s * step)

    def ranges(self) -> dict[Hashable, tuple[Any, Any]] | None:
        """First value and number of values of every counter; None where it depends on the sizes which bound holds."""
        lows: dict[Hashable, list[Any]] = {}
        highs: dict[Hashable, list[Any]] = {}
        for label, (group, o, s) in self.place.items():
            lows.setdefault(group, [])
            highs.setdefault(group, [])
            if label in self.implied:
                continue
            d = self.sizes[label]
            if abs(s) == 1:
                lows[group].append(-o if s == 1 else o - d + 1)
                highs[group].append(d - o if s == 1 else o + 1)
            elif isinstance(o, int) and isinstance(d, int):
                first, last = sorted((-o / s, (d - 1 - o) / s))
                lows[group].append(int(-(-first // 1)))
                highs[group].append(int(last // 1) + 1)
            else:
                return None
        found = {}
        for group, bounds in lows.items():
            low, high = _outermost(bounds, 1), _outermost(highs[group], -1)
            if low is None or high is None:
                return None
            found[group] = (low, high - low)
        return found


def _outermost(values: list[Any], sign: int) -> Any:
    """The largest (smallest for sign -1) of sizes; None where that cannot be told."""
    best: Any = None
    for v in values:
        if best is None:
            best = v
            continue
        gap = v - best
        if isinstance(gap, Dim):
            return None
        best = v if sign * gap > 0 else best
    return best


def placed(
    factors: Factors, out: Sequence[Hashable], sizes: Mapping[Any, Size], number: Callable[[Any], Any] = lambda d: d
) -> Placed | None:
    """A product with its deltas and selections taken out; None where these are not affine in one counter each.

    ``number`` makes sizes of dimensions where they are known.
    """
    ties = Ties({i: number(d) for i, d in sizes.items()})
    kept = []
    for item, idx in factors:
        term = item[0] if isinstance(item, tuple) else item
        if isinstance(term, Delta):
            if not ties.tie(idx[0], idx[1], 0, 1):
                return None
        elif isinstance(term, Select):
            if not ties.tie(idx[0], idx[1], number(term.start), term.step):
                return None
        else:
            kept.append((item, idx))
    ranges = ties.ranges()
    if ranges is None:
        return None

    def cut(label: Hashable) -> tuple[Hashable, Cut]:
        group, o, s = ties.place[label]
        low, count = ranges[group]
        return group, Cut(o + s * low, count, s, ties.sizes[label])

    found = []
    for item, idx in kept:
        cuts = [cut(i) for i in idx]
        found.append((item, tuple(g for g, _ in cuts), tuple(c for _, c in cuts)))
    out_cuts = tuple(cut(i) for i in out)
    if not all(c.writable for row in (*(cuts for _, _, cuts in found), [c for _, c in out_cuts]) for c in row):
        return None
    lengths = {g: count for g, (_, count) in ranges.items()}
    empty = any(isinstance(n, int) and n <= 0 for n in lengths.values())
    return Placed(found, out_cuts, lengths, empty)


def part(term: Term, cuts: Sequence[Cut]) -> Term:
    """A stretch of a term: itself where the cuts take everything, else a variable that stands for it.

    Its form is the slice, which programs write and nobody prints.
    """
    if all(c.all for c in cuts):
        return term
    facts = term.facts & {"positive", "probability"} if isinstance(term, Var) else frozenset()
    facts = frozenset({"positive"}) if facts else facts
    made = var(f"[{term.ident}:{tuple(cuts)}]", tuple(c.count for c in cuts), facts)
    made.memory["form"] = Form("part", (form_of(term),), tuple(cuts), term.rank)
    made.memory["of"] = term  # equal parts are one variable as long as the term is alive
    return made


def opaque(term: Term) -> Term:
    """A variable that stands for a term, so that products do not take it apart."""
    if isinstance(term, Var):
        return term
    made = var(f"[{term.ident}]", term.shape)
    made.memory["form"] = form_of(term)
    made.memory["of"] = term
    return made


def check_slices(term: Term, sizes: Mapping[str, int]) -> None:
    """Raise WengertValueError where a slice of a named axis reaches beyond it: the form has another shape there."""
    for t in ordered(term):
        if not isinstance(t, Select) or not all(
            d.names <= set(sizes) for d in (*t.shape, t.start) if isinstance(d, Dim)
        ):
            continue
        count, whole, start = (sized(d, sizes) for d in (*t.shape, t.start))
        last = start + t.step * (count - 1)
        if count < 0 or (count and not (0 <= start < whole and 0 <= last < whole)):
            raise WengertValueError(
                f"the slice {start}:{last + 1} of an axis of length {whole} does not fit: the form is for longer axes"
            )


def has_selections(term: Term) -> bool:
    """Whether a selection occurs anywhere in a term."""
    return any(isinstance(t, Select) for t in ordered(term))


def sliced(term: Term) -> Term:
    """A term with the selections inside it read as slices, wherever nothing has to be padded."""
    found = term.memory.get("sliced")
    if found is None:
        found = term.memory["sliced"] = _sliced(term) if has_selections(term) else term
    return found


def _sliced(term: Term) -> Term:
    if isinstance(term, Sum):
        return add([(c, sliced(t)) for c, t in term.terms], term.shape)
    if isinstance(term, Fn):
        return functions.apply(term.name, *map(sliced, term.args), params=term.params)
    if isinstance(term, Matrix):
        return matrix(term.name, sliced(term.arg))
    if isinstance(term, Reduce) and term.name in ("logsumexp", "softmax", "max", "min"):
        return reduce(term.name, sliced(term.arg), term.axes)
    if not isinstance(term, Prod):
        return term
    out = tuple(range(term.rank))
    read = placed(term.factors, out, dict(enumerate(term.sizes)))
    inner = [(t if isinstance(t, (Delta, Select)) else sliced(t), idx) for t, idx in term.factors]
    if read is None or read.empty or len({g for g, _ in read.out}) < len(out) or any(not c.all for _, c in read.out):
        return contract(inner, out, dict(enumerate(term.sizes)))
    return contract(
        [(part(sliced(t), cuts), idx) for t, idx, cuts in read.factors], [g for g, _ in read.out], read.sizes
    )


__all__ = ["Placed", "check_slices", "has_selections", "opaque", "part", "placed", "sliced"]
