"""Programs of derivatives: what is written where, line by line.

Deltas and slices write onto strips of zeros, their cores computed once: the core and pattern are what Laue,
Mitterreiter and Giesen (2020) call the compressed form. Imports assembly, code. Invariant: the lines compute the term;
every program is compared with the plain meaning before it is returned.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from wengert.symbolic.assembly import Place, layers, places, summed
from wengert.symbolic.build import add
from wengert.symbolic.code import ATOM, MUL, Code
from wengert.symbolic.grams import Gram, is_weighted_gram, pairs, peeled, weighted_gram
from wengert.symbolic.names import shared, worth_a_line
from wengert.symbolic.notation import Form, filling, scaled, size, unscaled
from wengert.symbolic.recover import form_of
from wengert.symbolic.slices import has_selections
from wengert.symbolic.terms import Abstract, Term, ordered

LETTERS = "ijklmnabcdefghopqrstuvwxyz"
RESERVED = ("np", "special", "filled", "rows", "flat", "size", "part")
IMPORTS = {"np": "import numpy as np", "special": "from scipy import special"}


@dataclass(slots=True)
class Piece:
    """What is written at one place of the result: a weighted Gram matrix, outer products, and the rest."""

    place: Place
    rest: list[Form]
    grams: list[Form] = field(default_factory=list)
    outer: list[tuple[Form, Form]] = field(default_factory=list)
    merged: bool = False

    @property
    def forms(self) -> list[Form]:
        """All its forms."""
        return [*self.grams, *(f for pair in self.outer for f in pair), *self.rest]


def pieces(term: Term, style: Style) -> list[Piece]:
    """A term by the places of the result that it fills."""
    found = []
    for place in places(term):
        parts = place.parts
        if len(place.axes) > 2:
            found.append(Piece(place, [scaled(c, form_of(t)) for c, t in parts]))
            continue
        if parts[0][1].rank < 2:
            found.append(Piece(place, [form_of(summed(parts))]))
            continue
        made = layers(parts)
        grams = [t for t in made.rest if place.full and style.is_gram(peeled(form_of(t))[1])][: style.grams]
        others = [(Fraction(1), t) for t in made.rest if t not in grams]
        found.append(
            Piece(
                place,
                [form_of(add(others, others[0][1].shape))] if others else [],
                [form_of(t) for t in grams],
                [(form_of(u), form_of(v)) for u, v in made.outer],
                made.merged,
            )
        )
    return found


STANDS = {"row": "[None, :]", "column": "[:, None]"}


def body(
    term: Term, printed: Form, sizes: Mapping[str, str], taken: Iterable[str], style: Style | None = None
) -> list[str]:
    """The lines of a function that computes a term; ``printed`` is its form, taken where nothing is gained."""
    style = style or PRINTED
    planned = (term.rank > 1 or has_selections(term)) and not any(isinstance(t, Abstract) for t in ordered(term))
    found = pieces(term, style) if planned else []
    plain = not planned or (len(found) == 1 and not has_selections(term) and _no_better(found[0], printed))
    forms = [printed] if plain else [f for piece in found for f in piece.forms]
    whole = Form("all", tuple(forms))
    others = other_words(taken)
    words = {**others, **{dim: _reworded(text, others) for dim, text in sizes.items()}}
    code = style.code(words, {f: others[f.value[0]] for f in names(whole) if f.value[0] in others})
    avoided = [*taken, *others.values(), *RESERVED]
    named = [(new, [f"{new} = {old}"]) for old, new in others.items()]
    named += [(name, [line]) for name, line in IMPORTS.items() if name in others]
    for word, form in shared(whole, avoided, style.worth, style.most, _in_steps):
        named.append((word, (style.softmax or softmax_lines)(word, form, code) or [f"{word} = {code.write(form)}"]))
        code = style.code(words, {**code.named, form: word})
    if plain:
        return used(named, [f"return {code.write(printed)}"])
    result = style.filling(term, code)
    for piece in found:
        result.add(piece)
    return used(named, result.finished(STANDS.get(printed.kind, "") if printed.rank == term.rank == 1 else ""))


def other_words(taken: Iterable[str]) -> dict[str, str]:
    """What variables are called in a program that has their names for something of its own."""
    given = list(taken)
    return {name: next(w for w in _longer(name) if w not in given) for name in given if name in RESERVED}


def _longer(name: str) -> Iterator[str]:
    while True:
        name += "_"
        yield name


def _reworded(text: str, others: Mapping[str, str]) -> str:
    """The size of a variable by its other name."""
    name, dot, rest = text.partition(".")
    return others.get(name, name) + dot + rest


def names(form: Form) -> set[Form]:
    """The variables in a form."""
    return {form} if form.kind == "name" else set().union(*map(names, form.args))


def used(named: list[tuple[str, list[str]]], last: list[str]) -> list[str]:
    """Lines with the definitions before them that they use."""
    for word, lines in reversed(named):
        if any(re.search(rf"\b{word}\b", line) for line in last):
            last = [*lines, *last]
    return last


def _no_better(piece: Piece, printed: Form) -> bool:
    """Whether one full piece is but the printed form in other words."""
    if not piece.place.full or piece.grams or piece.merged or len(piece.outer) + bool(piece.rest) > 1:
        return False
    return printed.kind == "outer" if piece.outer else size(printed) <= sum(map(size, piece.rest)) + len(piece.rest) - 1


def _in_steps(form: Form) -> bool:
    return form.kind == "reduce" and form.value[0] == "softmax" and form.args[0].rank > 0


@dataclass(frozen=True, slots=True)
class Style:
    """How a program is written: for people, or for what runs it."""

    code: type[Code]
    filling: type[Filling]
    worth: Callable[[Form], bool] = worth_a_line
    """Whether a repeated part is computed once."""
    most: int = 12
    is_gram: Callable[[Form], bool] = is_weighted_gram
    """Whether a matrix product is written as one with its own transpose."""
    grams: int = 1
    """How many of those."""
    softmax: Callable[[str, Form, Code], list[str] | None] | None = None


class Filling:
    """The lines that fill a result, piece by piece."""

    floats = False
    """Whether all arrays are known to be of floats."""

    def __init__(self, term: Term, code: Code) -> None:
        self.term = term
        self.code = code
        self.lines: list[str] = []
        self.started = False
        self.blank = False
        self.zeros = False
        self.places: list[Place] = []
        self.rows_in_order = False
        self.flat = False
        self.joint: Gram | None = None

    def write(self, word: str, target: str = "filled") -> None:
        """Put a word into the whole, or add it to what is there."""
        if not self.started and target == "filled":
            self.lines.append(f"filled = {word}")
        elif self.blank:
            self.lines.append(f"{target} = {word}")
        elif word.startswith("-") and "+" not in word and " - " not in word:
            self.lines.append(f"{target} -= {word[1:]}")
        else:
            self.lines.append(f"{target} += {word}")
        self.started, self.blank = True, False

    def add(self, piece: Piece) -> None:
        """One piece."""
        code, place = self.code, piece.place
        if not place.full and not self.started:
            self.lines.append(f"filled = np.zeros({self.code.shape(self.term.shape)})")
            self.started = self.zeros = self.rows_in_order = True
        elif not self.started:  # products are, transposes are not
            self.rows_in_order = len(place.axes) == 2 and (bool(piece.grams) or not piece.rest)
        self.blank = self.zeros and all(place.apart(other) for other in self.places)
        self.places.append(place)
        target = "filled" if place.full else self.strip(place) or self.target(place)
        for form in piece.grams:
            self.write(self._gram(form))
        rest = list(piece.rest)
        if len(place.axes) > 2:
            rest = self._joined(rest, place, target)
        if rest:
            whole = rest[0] if len(rest) == 1 else Form("add", tuple(rest), rank=rest[0].rank)
            if self.started or not place.full:
                whole = filling(whole)
            word = _spread(code.write(whole), whole, place)
            if not self.started and place.full and self._whole(whole):
                word = f"1.0 * ({word})"  # floats, whatever comes in: others are added
            self.write(word, target)
        if piece.outer:
            self.write(self._outer(piece.outer), target)

    def _gram(self, form: Form) -> str:
        lines, word = weighted_gram(form, self.code)
        self.lines += lines
        return word

    def _outer(self, pairs: list[tuple[Form, Form]]) -> str:
        """Outer products in one pass over the result."""
        code = self.code
        (u, v), *others = pairs
        if not others and self.started and u.kind == "ones":
            return code.write(filling(v))
        if not others and self.started and v.kind == "ones":
            return f"({code.write(u)})[:, None]" if filling(u).rank else code.write(filling(u))
        whole = [self._whole(u) for u, _ in pairs]
        if not others:  # twice as fast as np.outer, which multiplies without the BLAS
            row = f"(1.0 * {code.at(u, MUL)})" if whole[0] else code.at(u, ATOM)
            return f"np.dot({row}[:, None], {code.at(v, ATOM)}[None, :])"
        rows = [f"1.0 * {code.at(u, MUL)}" if w else code.write(u) for w, (u, _) in zip(whole, pairs, strict=True)]
        columns = [code.write(v) for _, v in pairs]
        return f"np.array(({', '.join(rows)})).T @ np.array(({', '.join(columns)}))"

    def _whole(self, form: Form) -> bool:
        return not self.floats and _whole(form)

    def _joined(self, rest: list[Form], place: Place, target: str) -> list[Form]:
        """The forms that are left when those that a joint Gram matrix gives are written."""
        left = []
        for form in rest:
            if place.full and self.joint is None and not self.started and (joint := pairs(form, self.code)) is not None:
                self.joint = joint
                self.lines += joint.lines
                self.started = True
                continue
            word = None if self.joint is None or place.full else self.joint.core(form, self.code)
            if word is None:
                left.append(form)
            else:
                self.write(_spread(word, form, place), target)
        return left

    def target(self, place: Place) -> str:
        """The view of the result that a core belongs into."""
        cut = "filled"
        if not all(c.all for _, c in place.axes):
            cut = f"filled[{self.code.cuts([c for _, c in place.axes])}]"
        letters = "".join(LETTERS[k] for k, _ in place.axes)
        view = "".join(dict.fromkeys(letters))
        if letters == view:
            return cut if cut != "filled" else "filled[...]"
        return self.view(letters, view, cut)

    def view(self, letters: str, axes: str, cut: str) -> str:
        """A diagonal of a part of the result."""
        return f"np.einsum('{letters}->{axes}', {cut})[...]"

    def strip(self, place: Place) -> str | None:
        """A diagonal of the result as every so many-th entry of its rows one after another; None where it is none."""
        cuts = [c for _, c in place.axes]
        if not self.rows_in_order or [k for k, _ in place.axes] != [0, 0]:
            return None
        if any(c.step != 1 or not isinstance(c.start, int) for c in cuts):
            return None
        down, along = (int(c.start) for c in cuts if isinstance(c.start, int))
        stop, back = cuts[0].stop, cuts[0].stop - cuts[0].whole
        if not isinstance(back, int) and not isinstance(stop, int):
            return None
        if not self.flat:
            self.lines.append("flat, size = filled.reshape(-1), filled.shape[1]")
            self.flat = True
        first = " + ".join([_times(down), str(along)][not down : 2 if along else 1]) if down or along else ""
        last = "" if back == 0 else _times(stop) if isinstance(stop, int) else f"-{_times(-back)}"
        return f"flat[{first}:{last}:size + 1]"

    def finished(self, stands: str = "") -> list[str]:
        """All lines; ``stands`` makes a row or a column of the result."""
        if not self.lines:
            self.write(f"np.zeros({self.code.shape(self.term.shape)})")
        if self.lines[-1].startswith("filled = ") and not stands:
            return [*self.lines[:-1], f"return {self.lines[-1].removeprefix('filled = ')}"]
        return [*self.lines, f"return filled{stands}"]


def _times(count: int) -> str:
    return "size" if count == 1 else f"{count} * size"


def _spread(word: str, form: Form, place: Place) -> str:
    """A core with axes where it is the same along axes of its place."""
    numbers = list(dict.fromkeys(k for k, _ in place.axes))
    if not form.rank or place.used == tuple(numbers[len(numbers) - len(place.used) :]):
        return word
    return f"({word})[{', '.join(':' if k in place.used else 'None' for k in numbers)}]"


def _whole(form: Form) -> bool:
    """Whether a form may be an array of integers where the variables are: others are added to it in place."""
    if form.kind in ("num", "scale", "pow"):
        value = form.value
        return isinstance(value, Fraction) and value.denominator == 1 and all(map(_whole, form.args))
    return form.kind in (
        "name",
        "part",
        "add",
        "mul",
        "had",
        "mat",
        "T",
        "outer",
        "norm2sq",
        "sum",
        "tr",
        "rowsum",
    ) and all(map(_whole, form.args))


def mirrored(form: Form) -> tuple[str, float] | None:
    """The name A and the factor c of a form c (A + A'), when the product with c rounds as what is printed does."""
    c, inner = unscaled(form)
    if inner.kind != "add" or len(inner.args) != 2 or not isinstance(c, Fraction):
        return None
    a, b = inner.args
    if a.kind == "T":
        a, b = b, a
    exact = c.numerator == 1 and c.denominator & (c.denominator - 1) == 0  # 1, 1/2, 1/4: shifts of the exponent
    if not exact or a.kind != "name" or a.rank != 2 or b.kind != "T" or b.args[0] != a:
        return None
    return a.value[0], float(c)


def softmax_lines(name: str, form: Form, code: Code) -> list[str] | None:
    """A softmax in steps: the argument is computed once, and its maximum keeps the exponentials finite."""
    if form.kind != "reduce" or form.value[0] != "softmax" or not form.args[0].rank:
        return None
    _, axes, rank = form.value
    axis = "" if len(axes) == rank else f", axis={axes[0] if len(axes) == 1 else axes}"
    keep = f"{axis}, keepdims=True" if axis else ""
    return [
        f"{name} = {code.write(form.args[0])}",
        f"{name} = np.exp({name} - np.max({name}{keep}))",
        f"{name} = {name} / np.sum({name}{keep})",
    ]


PRINTED = Style(Code, Filling)
