"""How constants are written that sizes alone decide: units, ones, rows of a unit matrix, triangles, Kronecker products.

Imports notation, dims. Invariant: what is written here has no variable of its own; the walk is that of ``writer``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from wengert.symbolic.notation import Form, hadamard

ADD, MUL, POWER, ATOM = 1, 2, 3, 4
Text = tuple[str, int]


class ConstantsWriter:
    """The part of a writer that writes them; the rest of it is ``writer.Writer``, a notation says how it looks."""

    negative: str
    separator: str
    number: Callable[[Any], Text]
    name: Callable[[str], str]
    note: Callable[[str], str]
    join: Callable[[list[str]], str]
    transposed: Callable[[str], str]
    index: Callable[[str, str], str]
    dimension: Callable[[Any], str]
    call: Callable[[str, str], str]
    paren: Callable[[str], str]
    operator: Callable[[str, list[str]], str]
    write: Callable[[Form], str]
    at: Callable[[Form, int], str]

    def _eye(self, form: Form) -> Text:
        return self.name("I"), ATOM

    def _ones(self, form: Form) -> Text:
        return (self.number(Fraction(1))[0] if form.rank < 2 else self.paired_ones()), ATOM if form.rank < 2 else MUL

    def paired_ones(self) -> str:
        """A matrix of ones."""
        return self.join([self.number(Fraction(1))[0], self.transposed(self.number(Fraction(1))[0])])

    def _zeros(self, form: Form) -> Text:
        return self.number(Fraction(0))[0], ATOM

    def _select(self, form: Form) -> Text:
        (count, dim), start, step = form.value
        return self.selection(start, start + step * count, step, dim), ATOM

    def place(self, value: Any) -> str:
        """The index of a row."""
        return self.dimension(value) if isinstance(value, int) else f"({self.dimension(value)})"

    def selection(self, start: Any, stop: Any, step: int, dim: Any) -> str:
        """Rows of the unit matrix."""
        first = "" if start == 0 else self.dimension(start)
        last = "" if stop == dim or step < 0 else self.dimension(stop)
        open_, colon, close = map(self.note, ("[", ":", "]" if step == 1 else f":{step}]"))
        return f"{self.name('I')}{open_}{first}{colon}{last}{close}"

    def _kron(self, form: Form) -> Text:
        return self.operator("⊗", [self.at(a, POWER) for a in form.args]), MUL

    def _vec(self, form: Form) -> Text:
        return self.call("vec", self.write(form.args[0])), ATOM

    def _unvec(self, form: Form) -> Text:
        return self.call("mat", self.write(form.args[0])), ATOM

    def _array(self, form: Form) -> Text:
        shape, entries = form.value
        return self.rows(shape, entries), ATOM

    def rows(self, shape: tuple[int, ...], entries: tuple[float, ...]) -> str:
        """The entries of an array of numbers, row by row; of long rows the first two and the last."""
        if not shape:
            number, level = self.number(Fraction(entries[0]) if entries[0] - entries[0] == 0 else entries[0])
            return number if level >= MUL or entries[0] < 0 else self.paren(number)
        count = shape[0]
        each = len(entries) // count if count else 0
        shown = range(count) if count <= 6 else (0, 1, count - 1)
        words = [self.rows(shape[1:], entries[k * each : (k + 1) * each]) for k in shown]
        if count > 6:
            words.insert(2, self.note("…"))
        return self.paren(self.separator.join(words))

    def _join(self, form: Form) -> Text:
        return self.name("J"), ATOM

    def _unit(self, form: Form) -> Text:
        return self.index(self.name("e"), self.place(form.value[1])), ATOM

    def _arange(self, form: Form) -> Text:
        (size,) = form.value
        last = self.dimension(size - 1)
        dots = [self.number(Fraction(0))[0], self.number(Fraction(1))[0], self.note("…"), last]
        return self.paren(self.separator.join(dots)), ATOM

    def _tri(self, form: Form) -> Text:
        rows, columns, k = form.value
        words = [self.dimension(rows), *([self.dimension(columns)] if columns != rows or k else [])]
        return self.call("tri", self.separator.join([*words, *([self.offset(k)] if k else [])])), ATOM

    def corner(self, form: Form) -> Text | None:
        """A product of entries with a triangle of ones: the lower or upper part of the rest."""
        for k, factor in enumerate(form.args):
            inner = factor.args[0] if factor.kind == "T" else factor
            if inner.kind == "tri":
                rest = [f for j, f in enumerate(form.args) if j != k]
                inside = self.write(hadamard(rest) if len(rest) > 1 else rest[0])
                offset = -inner.value[2] if factor.kind == "T" else inner.value[2]
                words = [inside, *([self.offset(offset)] if offset else [])]
                return self.call("triu" if factor.kind == "T" else "tril", self.separator.join(words)), ATOM
        return None

    def offset(self, k: int) -> str:
        """The number of a diagonal."""
        return (self.negative if k < 0 else "") + self.number(Fraction(abs(k)))[0]
