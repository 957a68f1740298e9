"""Printed forms.

The tree of matrix notation that all printers share, its size, and the constructors that keep it tidy. Imports terms
only. Invariant: a form is a value (equal forms compare equal) and knows its rank; vectors are columns unless a chain
or an outer product turns them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Form:
    """One node of matrix notation: its kind, its parts, and what else the kind needs."""

    kind: str
    args: tuple[Form, ...] = ()
    value: Any = None
    rank: int = 0
    code: int = field(default=0, compare=False)
    nodes: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "code", hash((self.kind, tuple(a.code for a in self.args), str(self.value), self.rank))
        )

    def __hash__(self) -> int:
        return self.code

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Form)
            and self.code == other.code
            and self.kind == other.kind
            and self.rank == other.rank
            and self.value == other.value
            and self.args == other.args
        )


def num(value: Any) -> Form:
    """A number."""
    return Form("num", value=value)


def is_number(form: Form, value: Any) -> bool:
    """Whether a form is that number."""
    return form.kind == "num" and form.value == value


def scaled(c: Any, form: Form) -> Form:
    """A number times a form."""
    if c == 1:
        return form
    if form.kind == "num":
        return num(c * form.value)
    if form.kind == "scale":
        return scaled(c * form.value, form.args[0])
    if form.kind == "div" and form.args[0].kind == "num" and c > 0 and isinstance(c, Fraction) and c.denominator == 1:
        return Form("div", (num(form.args[0].value * c), form.args[1]), rank=form.rank)
    if form.kind == "div" and isinstance(c, Fraction) and c.denominator != 1:
        top, bottom = form.args
        below = scaled(Fraction(c.denominator), bottom)
        if top.kind == "num":
            return (
                Form("div", (num(top.value * abs(c.numerator)), below), rank=form.rank)
                if c > 0
                else scaled(Fraction(-1), scaled(-c, form))
            )
        return scaled(Fraction(c.numerator), Form("div", (top, below), rank=form.rank))
    return Form("scale", (form,), c, form.rank)


def unscaled(form: Form) -> tuple[Any, Form]:
    """A form as number and rest."""
    if form.kind == "scale":
        return form.value, form.args[0]
    if form.kind == "num":
        return form.value, num(Fraction(1))
    return Fraction(1), form


def mul(scalars: Sequence[Form], tensor: Form | None) -> Form:
    """Scalar factors times at most one tensor; reciprocals become one fraction."""
    number: Any = Fraction(1)
    top: list[Form] = []
    bottom: list[Form] = []
    for s in scalars:
        c, rest = unscaled(s)
        number = number * c
        for f in rest.args if rest.kind == "mul" else (rest,):
            if is_number(f, 1):
                continue
            if f.kind == "div":
                top.extend(x for x in (f.args[0],) if not is_number(x, 1))
                bottom.append(f.args[1])
            elif f.kind == "pow" and isinstance(f.value, (Fraction, float)) and f.value < 0:
                bottom.append(power(f.args[0], -f.value))
            else:
                top.append(f)
    if tensor is not None:
        c, tensor = unscaled(tensor)
        number = number * c
        if tensor.kind == "mul":
            top.extend(tensor.args)
        elif tensor.kind == "div" and tensor.args[1].rank == 0:
            bottom.append(tensor.args[1])
            top.append(tensor.args[0])
        elif not is_number(tensor, 1):
            top.append(tensor)
    top, bottom = _means(top, bottom)
    shared: Any = 1
    if bottom and isinstance(number, Fraction) and number.denominator != 1:
        shared, number = number.denominator, Fraction(number.numerator)
    numerator = _flat(top)
    if bottom:
        below = scaled(Fraction(shared), _flat(bottom))
        return (
            scaled(number, Form("div", (numerator, below), rank=numerator.rank))
            if not is_number(numerator, 1)
            else Form("div", (num(number), below))
        )
    return scaled(number, numerator)


def _means(top: list[Form], bottom: list[Form]) -> tuple[list[Form], list[Form]]:
    """A sum over its number of terms is a mean."""
    for k, f in enumerate(top):
        if f.kind == "outer":
            for j, a in enumerate(f.args):
                made, less = _means([a], bottom)
                if less != bottom:
                    pair = tuple(made[0] if i == j else b for i, b in enumerate(f.args))
                    return [*top[:k], Form("outer", pair, rank=2), *top[k + 1 :]], less
        if f.kind not in ("sum", "rowsum"):
            continue
        counts = [Form("dim", value=d) for d in (f.value if f.kind == "sum" else f.value[1:])]
        left = list(bottom)
        for c in counts:
            if c in left:
                left.remove(c)
        if len(left) == len(bottom) - len(counts):
            mean = Form("mean", f.args, f.value[0] if f.kind == "rowsum" else None, f.rank)
            return [*top[:k], mean, *top[k + 1 :]], left
    return top, bottom


def _flat(factors: list[Form]) -> Form:
    flat = [x for f in factors for x in (f.args if f.kind == "mul" else (f,))]
    if not flat:
        return num(Fraction(1))
    if len(flat) == 1:
        return flat[0]
    flat.sort(key=lambda f: f.rank > 0)
    return Form("mul", tuple(flat), rank=max(f.rank for f in flat))


def power(base: Form, p: Any) -> Form:
    """A power, element by element; reciprocals of tensors stay powers."""
    if p == 1:
        return base
    if base.kind == "pow" and base.value == Fraction(1, 2) and isinstance(p, Fraction) and p == 2:
        return base.args[0]
    if base.kind == "norm2sq" and isinstance(p, Fraction) and p > 0:
        return power(Form("norm", base.args, "2"), 2 * p)
    if base.kind == "norm" and base.value == "2" and p == 2:
        return Form("norm2sq", base.args)
    if isinstance(p, Fraction) and p > 0 and p.denominator == 2 and base.kind == "mat":
        from wengert.symbolic.form_kinds import gram

        if (half := gram(base)) is not None:
            return power(Form("norm2sq", (half,)), p)
    if isinstance(p, (Fraction, float)) and p < 0:
        return Form("div", (num(Fraction(1)), power(base, -p)), rank=base.rank)
    return Form("pow", (base,), p, base.rank)


def hadamard(factors: Sequence[Form]) -> Form:
    """The element-wise product of tensors of one shape: equal factors become powers, reciprocals a division."""
    number: Any = Fraction(1)
    scalars: list[Form] = []
    flat: list[Form] = []
    for f in factors:
        c, rest = unscaled(f)
        number = number * c
        if rest.kind == "mul":
            scalars.extend(x for x in rest.args if not x.rank)
            rest = next((x for x in rest.args if x.rank), num(Fraction(1)))
        flat.extend(rest.args if rest.kind == "had" else (rest,))
    top: list[Form] = []
    bottom: list[Form] = []
    for f in flat:
        if f.kind == "div" and f.args[1].rank:
            top.append(f.args[0])
            bottom.append(f.args[1])
        elif f.kind == "pow" and isinstance(f.value, Fraction) and f.value < 0:
            bottom.append(power(f.args[0], -f.value))
        else:
            top.append(f)
    rank = flat[0].rank
    made = _had([t for t in top if not is_number(t, 1)], rank)
    if bottom:
        made = Form("div", (made or num(Fraction(1)), _had(bottom, rank)), rank=rank)  # type: ignore[arg-type]
    assert made is not None
    corners = [_is_corner(a) for a in made.args] if made.kind == "had" else []
    others = [a for a, corner in zip(made.args, corners, strict=False) if not corner]
    if any(corners) and others and all(a.kind == "T" for a in others):  # tril(A') is the transpose of triu(A)
        flipped = tuple(a.args[0] if a.kind == "T" else Form("T", (a,), rank=2) for a in made.args)
        made = Form("T", (Form("had", flipped, rank=2),), rank=2)
    return mul([num(number), *scalars], made)


def _is_corner(form: Form) -> bool:
    """Whether a form is a triangle of ones."""
    return form.kind == "tri" or (form.kind == "T" and form.args[0].kind == "tri")


def _had(factors: list[Form], rank: int) -> Form | None:
    merged: list[Form] = []
    for f in sorted(factors, key=lambda f: f.kind != "name"):
        base, p = (f.args[0], f.value) if f.kind == "pow" else (f, Fraction(1))
        for k, g in enumerate(merged):
            other, q = (g.args[0], g.value) if g.kind == "pow" else (g, Fraction(1))
            if other == base:
                merged[k] = power(base, p + q)
                break
        else:
            merged.append(f)
    if not merged:
        return None
    return merged[0] if len(merged) == 1 else Form("had", tuple(merged), rank=rank)


def chain(parts: Sequence[tuple[Form, bool]]) -> Form:
    """A matrix product; each part with whether it is transposed. A vector first is a row, a vector last a column."""
    number: Any = Fraction(1)
    scalars: list[Form] = []
    flat: list[tuple[Form, bool]] = []
    for form, flag in parts:
        c, rest = unscaled(form)
        number = number * c
        if rest.kind == "mul":
            scalars.extend(x for x in rest.args if not x.rank)
            rest = next((x for x in rest.args if x.rank), num(Fraction(1)))
        if rest.kind == "div" and rest.args[1].rank == 0 and rest.args[0].rank:
            scalars.append(Form("div", (num(Fraction(1)), rest.args[1])))
            rest = rest.args[0]
        if rest.kind == "mat":
            inner = list(zip(rest.args, rest.value, strict=True))
            flat.extend(reversed([(f, not t) for f, t in inner]) if flag else inner)
        elif rest.kind == "T":
            flat.append((rest.args[0], not flag))
        elif rest.kind == "outer" and rest.args[1].rank == 1:
            u, v = rest.args[::-1] if flag else rest.args
            flat.extend([(u, False), (v, True)])
        else:
            flat.append((rest, flag))
    tidy = _tidy(flat)
    made = assembled(tidy)
    return mul([num(number), *scalars], made)


SYMMETRIC = {"diag", "eye"}


def _tidy(parts: list[tuple[Form, bool]]) -> list[tuple[Form, bool]]:
    found: list[tuple[Form, bool]] = []
    for form, flag in parts:
        found.append((form, flag and not (form.rank == 2 and symmetric(form))))
    return found


def symmetric(form: Form) -> bool:
    """Whether a form is marked as a symmetric matrix."""
    if form.kind == "name":
        return isinstance(form.value, tuple) and "symmetric" in form.value[1]
    if form.kind in ("inv", "scale"):
        return symmetric(form.args[0])
    if form.kind == "add":
        return all(symmetric(a) for a in form.args)
    if form.kind == "mul":
        return symmetric(form.args[-1])
    if form.kind == "outer":
        return form.args[0] == form.args[1]
    if form.kind == "mat":
        return form.rank == 2 and turned(form) == form
    return form.kind in SYMMETRIC


def assembled(parts: list[tuple[Form, bool]]) -> Form:
    """A chain from parts; vectors in its middle split it into an outer product or scalars."""
    if len(parts) == 1:
        form, flag = parts[0]
        return Form("T", (form,), rank=form.rank) if flag and form.rank == 2 else form
    for k in range(len(parts) - 1):
        if (
            parts[k][0].rank == 1
            and not (k == 0 and parts[0][1])
            and parts[k + 1][0].rank == 1
            and parts[k + 1][1]
            and not parts[k][1]
        ):
            left, right = parts[: k + 1], parts[k + 1 :]
            return Form("outer", (assembled(left), assembled(_turned(right))), rank=2)
    first, last = parts[0], parts[-1]
    rank = 2 - (first[0].rank == 1) - (last[0].rank == 1)
    if rank == 0 and len(parts) == 2 and first[0] == last[0]:
        return Form("norm2sq", (first[0],))
    if rank == 1 and first[0].rank == 1:
        return assembled(_turned(parts))
    return Form("mat", tuple(f for f, _ in parts), tuple(t for _, t in parts), rank)


def _turned(parts: list[tuple[Form, bool]]) -> list[tuple[Form, bool]]:
    """A chain read backwards: matrices transposed, the vector that comes first a row."""
    back = list(reversed(parts))
    return _tidy([(f, not t if f.rank == 2 else j == 0 and len(back) > 1) for j, (f, t) in enumerate(back)])


def turned(form: Form) -> Form:
    """The transpose of a form."""
    if form.rank == 2:
        return (
            chain([(form, True)])
            if form.kind in ("mat", "T", "name", "scale", "mul", "outer", "diag", "eye", "inv")
            else (_turn_inside(form))
        )
    return form


def _turn_inside(form: Form) -> Form:
    if symmetric(form):
        return form
    if form.kind in ("add", "had"):
        return Form(form.kind, tuple(turned(a) for a in form.args), form.value, 2)
    return Form("T", (form,), rank=2)


def _term_size(form: Form, place: int) -> int:
    """The nodes of a term of a sum: its sign belongs to the sum, and a vector added to all rows is written once."""
    if form.kind == "outer" and any(a.kind == "ones" for a in form.args):
        return size(next((a for a in form.args if a.kind != "ones"), form.args[0]))
    return size(form) - (place > 0 and form.kind == "scale" and form.value == -1)


def size(form: Form) -> int:
    """Nodes of a form: leaves, operations and transposes."""
    if not form.nodes:
        object.__setattr__(form, "nodes", _size(form))  # counted once: forms never change
    return form.nodes


def _size(form: Form) -> int:
    inner = sum(size(a) for a in form.args)
    if form.kind == "add":
        return sum(_term_size(a, k) for k, a in enumerate(form.args)) + len(form.args) - 1
    if form.kind in ("mul", "had"):
        return inner + len(form.args) - 1
    if form.kind == "mat":
        return inner + len(form.args) - 1 + sum(bool(t) for t in form.value)
    if form.kind == "scale":
        if form.value == -1:
            return inner + 1
        whole = not isinstance(form.value, Fraction) or form.value.denominator == 1 or abs(form.value.numerator) == 1
        return inner + (2 if whole else 4) + (whole and form.value < 0 and form.value != int(form.value))
    if form.kind == "num":
        return 1 if not isinstance(form.value, Fraction) or form.value.denominator == 1 else 3
    if form.kind == "pow":
        return inner + 2 + (form.args[0].kind == "norm")
    if form.kind == "outer":
        return inner + 1
    if form.kind == "norm2sq":
        return inner + 3
    if form.kind == "einsum":
        return inner + max(0, len(form.args) - 1)
    return inner + 1


def filling(form: Form) -> Form:
    """A term of a sum that is the same in every entry, as that scalar."""
    c, rest = unscaled(form)
    if rest.kind == "ones":
        return num(c)
    if rest.kind == "mul" and rest.args[-1].kind == "ones":
        return scaled(c, mul(rest.args[:-1], None))
    if rest.kind == "div" and rest.args[0].rank and not rest.args[1].rank:
        top = filling(rest.args[0])
        return scaled(c, mul([top, Form("div", (num(Fraction(1)), rest.args[1]))], None)) if not top.rank else form
    return form
