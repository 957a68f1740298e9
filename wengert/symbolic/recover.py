"""From terms back to matrix notation.

Products of indexed factors become chains, outer products, diagonals, traces and norms. Imports notation, terms.
Invariant: the form has the value of the term; what fits no matrix notation becomes an explicit sum over named indices
(kind ``einsum``), so every term has a form.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wengert.symbolic.dims import Size
from wengert.symbolic.notation import Form, chain, hadamard, mul, num, power, turned
from wengert.symbolic.terms import (
    Abstract,
    Constant,
    Count,
    Delta,
    Fn,
    Join,
    Matrix,
    Pattern,
    Prod,
    Reduce,
    Select,
    Sum,
    Term,
    Var,
)

Item = tuple[Form, tuple[int, ...]]


def form_of(term: Term) -> Form:
    """The matrix notation of a term."""
    found = term.memory.get("form")
    if found is None:
        found = term.memory["form"] = _form(term)
    return found


def _form(term: Term) -> Form:
    if isinstance(term, Sum):
        from wengert.symbolic.sums import sum_form

        return sum_form(term)
    if isinstance(term, Prod):
        return _product(term)
    if isinstance(term, Var):
        return Form("name", value=(term.name, tuple(sorted(term.facts))), rank=term.rank)
    if isinstance(term, Constant):
        if term.rank:
            return Form("array", value=(term.shape, tuple(term.value.ravel().tolist())), rank=term.rank)
        return Form("constant", value=term.name)
    if isinstance(term, Count):
        return Form("dim", value=term.dim)
    if isinstance(term, (Delta, Select, Pattern, Join)):
        return _constant(term)
    if isinstance(term, Fn):
        args = tuple(form_of(a) for a in term.args)
        if term.name == "pow":
            return power(args[0], term.params[0])
        if term.name == "power":
            return Form("power", args, rank=term.rank)
        return Form("call", args, term.name, term.rank)
    if isinstance(term, Matrix):
        return Form("inv" if term.name == "inv" else "matrix", (form_of(term.arg),), term.name, term.rank)
    if isinstance(term, Reduce):
        return Form("reduce", (form_of(term.arg),), (term.name, term.axes, term.arg.rank), term.rank)
    if isinstance(term, Abstract):
        return Form("abstract", tuple(form_of(a) for a in term.args), (term.name, term.slots, term), term.rank)
    raise TypeError(type(term).__name__)


def _constant(term: Delta | Select | Pattern | Join) -> Form:
    """An array that the sizes decide."""
    if isinstance(term, Delta):
        return Form("eye", value=term.shape[0], rank=2)
    if isinstance(term, Select):
        return Form("select", value=(term.shape, term.start, term.step), rank=2)
    if isinstance(term, Pattern):
        return Form(term.name, value=(*term.shape, *term.params), rank=term.rank)
    return Form("join", value=term.shape, rank=3)


def _product(term: Prod) -> Form:
    if not term.factors:
        return Form("ones", value=term.shape, rank=term.rank) if term.rank else num(Fraction(1))
    scalars = [form_of(t) for t, idx in term.factors if not idx]
    items: list[Item] = [(form_of(t), idx) for t, idx in term.factors if idx]
    out = tuple(range(term.rank))
    if any(isinstance(t, Join) for t, _ in term.factors):
        items = joined(items, out)
    items = merged(items, out, dict(enumerate(term.sizes)))
    loose = [f for f, idx in items if not idx]
    rest = [(f, idx) for f, idx in items if idx]
    scalars.extend(loose)
    return mul(_gathered(scalars), finished(rest, out, term.sizes))


def joined(items: list[Item], out: tuple[int, ...]) -> list[Item]:
    """Joined axes as Kronecker products, vec and its inverse.

    Where both parts of a join belong to one or two matrices.
    """
    while True:
        uses: dict[int, int] = {}
        for _, idx in items:
            for i in idx:
                uses[i] = uses.get(i, 0) + 1
        found = _kronecker(items, out, uses) or _vectorised(items, out, uses)
        if found is None:
            return items
        items = found


def _inside(idx: tuple[int, ...], out: tuple[int, ...], uses: dict[int, int]) -> bool:
    return all(uses[i] == 2 and i not in out for i in idx)


def _kronecker(items: list[Item], out: tuple[int, ...], uses: dict[int, int]) -> list[Item] | None:
    places = [k for k, (f, _) in enumerate(items) if f.kind == "join"]
    for r in places:
        for c in places:
            (_, (row, i, k)), (_, (column, j, m)) = items[r], items[c]
            if r == c or not _inside((i, k, j, m), out, uses):
                continue
            left = next((x for x, (f, idx) in enumerate(items) if set(idx) == {i, j} and f.rank == 2), None)
            right = next((x for x, (f, idx) in enumerate(items) if set(idx) == {k, m} and f.rank == 2), None)
            if left is None or right is None:
                continue
            a, b = (
                turned(items[x][0]) if items[x][1][0] == second else items[x][0]
                for x, second in ((left, j), (right, m))
            )
            return _replace(items, (r, c, left, right), (Form("kron", (a, b), rank=2), (row, column)))
    return None


def _vectorised(items: list[Item], out: tuple[int, ...], uses: dict[int, int]) -> list[Item] | None:
    for r, (f, idx) in enumerate(items):
        if f.kind != "join":
            continue
        row, i, k = idx
        for x, (g, at) in enumerate(items):
            if len(at) == 2 and set(at) == {i, k} and _inside((i, k), out, uses):
                return _replace(items, (r, x), (Form("vec", (g if at == (i, k) else turned(g),), rank=1), (row,)))
            if at == (row,) and _inside((row,), out, uses):
                return _replace(items, (r, x), (Form("unvec", (g,), f.value[1:], 2), (i, k)))
    return None


def _gathered(scalars: list[Form]) -> list[Form]:
    """Equal scalar factors as powers."""
    found: list[list[Any]] = []
    for s in scalars:
        for entry in found:
            if entry[0] == s:
                entry[1] += 1
                break
        else:
            found.append([s, Fraction(1)])
    return [power(s, p) if p != 1 else s for s, p in found]


class Uses(dict[int, int]):
    """How many factors have an index; ``sizes`` are the dimensions."""

    sizes: dict[int, Size]


def merged(items: list[Item], out: tuple[int, ...], sizes: dict[int, Size]) -> list[Item]:
    """Contract, scale and collect until no rule of matrix notation applies any more."""
    while True:
        uses = Uses()
        uses.sizes = sizes
        for _, idx in items:
            for i in idx:
                uses[i] = uses.get(i, 0) + 1
        for i in out:
            uses[i] = uses.get(i, 0) + (len(out) > 2)
        for rule in (_diagonals, _vectors, _dangling, _contracted, _same, _scaled):
            found = rule(items, out, uses)
            if found is not None:
                items = found
                break
        else:
            return items


def _replace(items: list[Item], gone: tuple[int, ...], made: Item) -> list[Item]:
    kept = [x for k, x in enumerate(items) if k not in gone]
    kept.insert(min(gone), made)
    return kept


def _diagonals(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """A_ii: a trace when i is summed and nowhere else, else the diagonal as a vector."""
    for k, (f, idx) in enumerate(items):
        if len(idx) == 2 and idx[0] == idx[1]:
            if idx[0] not in out and uses[idx[0]] == 2:
                return _replace(items, (k,), (traced(f), ()))
            return _replace(items, (k,), (Form("diagonal", (f,), rank=1), idx[:1]))
    return None


def traced(form: Form) -> Form:
    """The trace of a form."""
    number, scalars, rest = Fraction(1), [], form
    if rest.kind == "scale":
        number, rest = rest.value, rest.args[0]
    if rest.kind == "mul":
        scalars = [x for x in rest.args if not x.rank]
        rest = next(x for x in rest.args if x.rank)
    if rest.kind == "T":
        rest = rest.args[0]
    return mul([num(number), *scalars], Form("tr", (rest,)))


def _vectors(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """Vectors with the same index: a product of entries, or a scalar product when only they have it."""
    for k, (f, idx) in enumerate(items):
        if len(idx) != 1:
            continue
        for j in range(k + 1, len(items)):
            g, at = items[j]
            if at == idx:
                if uses[idx[0]] == 2 and idx[0] not in out:
                    return _replace(items, (k, j), (chain([(f, True), (g, False)]), ()))
                return _replace(items, (k, j), (hadamard([f, g]), idx))
    return None


def _dangling(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """An index that one factor has and the result has not: a sum over that axis."""
    for k, (f, idx) in enumerate(items):
        lone = [i for i in idx if uses[i] == 1 and i not in out]
        if not lone or len(idx) > 2:
            continue
        if len(lone) == len(idx):
            return _replace(items, (k,), (total(f, tuple(uses.sizes[i] for i in idx)), ()))
        axis = idx.index(lone[0])
        if f.kind == "select" and f.value[0][0] == 1 and axis == 0:
            return _replace(items, (k,), (Form("unit", value=(f.value[0][1], f.value[1]), rank=1), (idx[1],)))
        return _replace(items, (k,), (Form("rowsum", (f,), (axis, uses.sizes[lone[0]]), 1), (idx[1 - axis],)))
    return None


def total(form: Form, dims: tuple[Size, ...]) -> Form:
    """The sum of all entries of a form."""
    if form.kind == "pow" and form.value == 2:
        return Form("norm2sq", form.args, None, 0)
    if form.kind == "call" and form.value == "abs" and form.rank == 1:
        return Form("norm", form.args, "1", 0)
    if form.kind == "T":
        form = form.args[0]
    return Form("sum", (form,), dims)


def _contracted(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """An index between exactly two factors: a matrix product; vectors first.

    So that intermediate results stay small.
    """
    best: tuple[int, int, int] | None = None
    score = 99
    for k, (_, idx) in enumerate(items):
        for j in range(k + 1, len(items)):
            _, at = items[j]
            shared = [i for i in idx if i in at and uses[i] == 2 and i not in out]
            if not shared or len(idx) > 2 or len(at) > 2:
                continue
            rank = len(idx) + len(at) - 2
            if len(set(idx) & set(at)) == 2 and len(shared) == 1:
                continue
            if rank < score:
                best, score = (k, j, shared[0]), rank
    if best is None:
        return None
    k, j, i = best
    (f, idx), (g, at) = items[k], items[j]
    if set(idx) == set(at) and len(idx) == 2:
        return _replace(items, (k, j), (_inner(f, g, idx == at), ()))
    left = (f, len(idx) == 2 and idx[0] == i)
    right = (g, len(at) == 2 and at[1] == i)
    outer = tuple(x for x in idx if x != i) + tuple(x for x in at if x != i)
    if len(idx) == 1 and len(at) == 2:
        return _replace(items, (k, j), (chain([(g, at[0] == i), (f, False)]), outer))
    if len(idx) == 1:
        left = (f, True)
    return _replace(items, (k, j), (chain([left, right]), outer))


def _inner(f: Form, g: Form, aligned: bool) -> Form:
    """sum_ij A_ij B_ij = tr(A'B)."""
    if aligned and f == g:
        return Form("norm2sq", (f,))
    return traced(chain([(f, aligned), (g, False)]))


def _same(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """Matrices with the same two indices: a product of entries."""
    for k, (f, idx) in enumerate(items):
        if len(idx) != 2:
            continue
        for j in range(k + 1, len(items)):
            g, at = items[j]
            if set(at) == set(idx) and len(at) == 2:
                if g.kind == "eye" or f.kind == "eye":
                    continue
                if out == (idx[1], idx[0]):
                    f, g, idx, at = turned(f), turned(g), idx[::-1], at[::-1]
                return _replace(items, (k, j), (hadamard([f, g if at == idx else turned(g)]), idx))
    return None


def _scaled(items: list[Item], out: tuple[int, ...], uses: Uses) -> list[Item] | None:
    """A vector on an index of a matrix: its rows (or columns) are scaled, diag(v) A."""
    if len(out) > 2:
        return _scaled_inside(items, out)
    places = [(k, f, idx[0]) for k, (f, idx) in enumerate(items) if len(idx) == 1]
    for k, v, i in places:
        hosts = [j for j, (_, idx) in enumerate(items) if len(idx) == 2 and i in idx]
        if not hosts:
            continue
        j = hosts[0]
        g, at = items[j]
        return _replace(items, (k, j), (diagonal_times(v, g, at.index(i)), at))
    return None


def _scaled_inside(items: list[Item], out: tuple[int, ...]) -> list[Item] | None:
    """The same for summed indices of a product that has more than two free ones."""
    for k, (v, idx) in enumerate(items):
        if len(idx) == 1 and idx[0] not in out:
            for j, (g, at) in enumerate(items):
                if len(at) == 2 and idx[0] in at:
                    return _replace(items, (k, j), (diagonal_times(v, g, at.index(idx[0])), at))
    return None


def diagonal_times(v: Form, g: Form, axis: int) -> Form:
    """diag(v) G, or G diag(v) for axis 1."""
    if g.kind == "eye":
        return Form("diag", (v,), rank=2)
    d = (Form("diag", (v,), rank=2), False)
    return chain([d, (g, False)] if axis == 0 else [(g, False), d])


def finished(items: list[Item], out: tuple[int, ...], sizes: tuple[Size, ...]) -> Form | None:
    """What is left as one form: a single factor, an outer product, or an explicit sum over indices."""
    used = {i for _, idx in items for i in idx}
    missing = [i for i in out if i not in used]
    if not items and not out:
        return None
    if len(items) == 1 and not missing:
        f, idx = items[0]
        if idx == out:
            return f
        if len(idx) == 2 and idx == out[::-1]:
            return turned(f)
    if len(out) == 2 and all(len(idx) == 1 for _, idx in items):
        at = {idx[0]: f for f, idx in items}
        parts = [at.get(i, Form("ones", value=(sizes[i],), rank=1)) for i in out]
        if len(items) + len(missing) == 2:
            return _outer(parts[0], parts[1])
    if len(out) == 1 and not items:
        return Form("ones", value=(sizes[0],), rank=1)
    spread = [Form("ones", value=(sizes[i],), rank=1) for i in missing]
    forms = tuple(f for f, _ in items) + tuple(spread)
    places = tuple(idx for _, idx in items) + tuple((i,) for i in missing)
    return Form("einsum", forms, (places, len(out), sizes), len(out))


def _outer(u: Form, v: Form) -> Form:
    """u v', with numbers pulled out."""
    number: Any = Fraction(1)
    scalars: list[Form] = []
    bare = []
    for f in (u, v):
        rest = f
        if rest.kind == "scale":
            number, rest = number * rest.value, rest.args[0]
        if rest.kind == "mul":
            scalars.extend(x for x in rest.args if not x.rank)
            rest = next(x for x in rest.args if x.rank)
        bare.append(rest)
    return mul([num(number), *scalars], Form("outer", tuple(bare), rank=2))
