"""One walk over forms that all printed notations share: precedence, order of factors, signs, indices.

A notation is a subclass that says how a number, a name, a power, a fraction look. Imports notation. Invariant:
parentheses stand wherever another reading would be possible, and nothing is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from wengert.symbolic.dims import Dim
from wengert.symbolic.form_kinds import entry_of
from wengert.symbolic.notation import Form, filling, scaled, turned, unscaled
from wengert.symbolic.writer_constants import ADD, ATOM, MUL, POWER, ConstantsWriter, Text


class Writer(ConstantsWriter):
    """Writes forms; ``named`` maps forms to the names they were given below (``h = tanh(Wx)``)."""

    def __init__(self, named: Mapping[Form, str] | None = None) -> None:
        self.named = dict(named or {})
        self.taken: set[str] = set(self.named.values())

    # -- what a notation says ------------------------------------------------------------------
    minus = " − "
    plus = " + "
    negative = "−"
    partial = "∂"
    separator = ", "

    def number(self, value: Any) -> Text:
        raise NotImplementedError

    def name(self, name: str) -> str:
        raise NotImplementedError

    def superscript(self, base: str, power: str) -> str:
        raise NotImplementedError

    def index(self, base: str, letters: str) -> str:
        raise NotImplementedError

    def fraction(self, top: Text, bottom: Text) -> Text:
        raise NotImplementedError

    def root(self, inner: str, simple: bool) -> str:
        raise NotImplementedError

    def paren(self, inner: str) -> str:
        raise NotImplementedError

    def call(self, name: str, inner: str) -> str:
        raise NotImplementedError

    def fence(self, kind: str, inner: str) -> str:
        raise NotImplementedError

    def note(self, text: str) -> str:
        """Words and signs that are no part of an expression, such as an axis."""
        return text

    def join(self, pieces: list[str]) -> str:
        raise NotImplementedError

    def operator(self, sign: str, parts: list[str]) -> str:
        raise NotImplementedError

    def dimension(self, value: Any) -> str:
        raise NotImplementedError

    def exponent(self, value: Any) -> str:
        raise NotImplementedError

    def cases(self, c: str, a: str, b: str) -> str:
        raise NotImplementedError

    def summation(self, letters: str, inner: str) -> str:
        raise NotImplementedError

    # -- the walk ------------------------------------------------------------------------------
    def write(self, form: Form) -> str:
        """A form as text."""
        return self.text(form)[0]

    def at(self, form: Form, level: int) -> str:
        """A form as text, in parentheses when it binds less than ``level``."""
        text, own = self.text(form)
        return text if own >= level else self.paren(text)

    def text(self, form: Form) -> Text:
        """Text and how tightly it binds."""
        if form in self.named:
            return self.name(self.named[form]), ATOM
        return getattr(self, "_" + form.kind)(form)

    def _num(self, form: Form) -> Text:
        return self.number(form.value)

    def _name(self, form: Form) -> Text:
        return self.name(form.value[0]), ATOM

    def _constant(self, form: Form) -> Text:
        return self.name(form.value), ATOM

    def _dim(self, form: Form) -> Text:
        simple = not isinstance(form.value, Dim) or form.value.simple
        return self.dimension(form.value), ATOM if simple else ADD

    def _filled(self, form: Form) -> Text:
        return self.text(form.args[0])

    def _scale(self, form: Form) -> Text:
        c, inner = form.value, form.args[0]
        if c < 0:
            text, level = self.text(scaled(-c, inner))
            return self.negative + (text if level >= MUL else self.paren(text)), ADD
        if isinstance(c, Fraction) and c.denominator != 1 and inner.kind != "num":
            top = self.text(inner if c.numerator == 1 else Form("scale", (inner,), Fraction(c.numerator), form.rank))
            return self.fraction(top, self.number(Fraction(c.denominator)))
        number, level = self.number(c)
        return self.coefficient(number if level >= MUL else self.paren(number), self.at(inner, MUL), inner), MUL

    def coefficient(self, number: str, rest: str, inner: Form) -> str:
        return self.join([number, rest])

    def _add(self, form: Form) -> Text:
        parts = []
        for k, arg in enumerate(form.args):
            arg = filling(arg) if len(form.args) > 1 else arg
            c, _ = unscaled(arg)
            negative = c < 0
            shown = (
                scaled(-c, arg.args[0])
                if negative and arg.kind == "scale"
                else (Form("num", value=-c) if negative else arg)
            )
            text, level = self.text(shown)
            text = text if level >= MUL else self.paren(text)
            sign = (self.negative if negative else "") if k == 0 else (self.minus if negative else self.plus)
            parts.append(sign + text)
        return "".join(parts), ADD

    def _mul(self, form: Form) -> Text:
        pieces = [self.at(a, MUL if a is form.args[-1] else POWER) for a in form.args]
        if form.args[-1].rank and form.args[-1].kind in ("had", "div"):
            pieces[-1] = self.at(form.args[-1], POWER)
        return self.join(pieces), MUL

    def _had(self, form: Form) -> Text:
        corner = self.corner(form)
        if corner is not None:
            return corner
        return self.operator("⊙", [self.at(a, MUL if a.kind == "mat" else POWER) for a in form.args]), MUL

    def _div(self, form: Form) -> Text:
        top, bottom = form.args
        if bottom.rank:
            return self.operator("⊘", [self.at(top, POWER), self.at(bottom, POWER)]), MUL
        return self.fraction(self.text(top), self.text(bottom))

    def factors(self, form: Form, flag: bool) -> list[str]:
        """The pieces of a factor of a chain."""
        if form.kind == "rowsum" and form not in self.named:
            return self.pieces(self.summed(form), flag)
        if form.kind in ("mat", "outer") and form not in self.named:
            return self.pieces(turned(form) if flag and form.rank == 2 else form, flag)
        text = self.at(form, POWER)
        if not flag:
            return [text]
        if form.kind == "inv" and form not in self.named:
            return [self.superscript(self.at(form.args[0], ATOM), "⁻ᵀ")]
        return [self.transposed(self.at(form, ATOM))]

    def transposed(self, text: str) -> str:
        return self.superscript(text, "ᵀ")

    def pieces(self, form: Form, row: bool = False) -> list[str]:
        """A chain or an outer product as the texts of its factors; ``row`` writes a vector as a row."""
        if form in self.named:
            return self.factors(form, row)
        if form.kind == "rowsum":
            return self.pieces(self.summed(form), row)
        if form.kind == "outer":
            return [*self.pieces(form.args[0]), *self.pieces(form.args[1], True)]
        if form.kind == "mat":
            parts = list(zip(form.args, form.value, strict=True))
            if row and form.rank == 1:
                parts = [
                    (f, (not t and f.kind not in ("diag", "eye")) if f.rank == 2 else k == 0)
                    for k, (f, t) in enumerate(reversed(parts))
                ]
            return self.runs(parts)
        return self.factors(form, row)

    def runs(self, parts: list[tuple[Form, bool]]) -> list[str]:
        """The factors of a chain, a matrix that repeats written as a power."""
        found: list[str] = []
        k = 0
        while k < len(parts):
            form, flag = parts[k]
            count = 1
            while form.rank == 2 and k + count < len(parts) and parts[k + count] == parts[k]:
                count += 1
            pieces = self.factors(form, flag)
            if count > 1 and len(pieces) == 1:
                power = self.exponent(Fraction(-count if form.kind == "inv" else count))
                inner = form.args[0] if form.kind == "inv" else form
                text = self.transposed(self.at(inner, ATOM)) if flag else self.at(inner, ATOM)
                found.append(self.superscript(self.paren(text) if flag else text, power))
            else:
                found.extend(pieces * count)
            k += count
        return found

    def _mat(self, form: Form) -> Text:
        if form.rank == 0 and len(form.args) == 2 and all(a.kind == "name" for a in form.args):
            return self.fence("dot", self.separator.strip().join(self.at(a, MUL) for a in form.args)), ATOM
        if (entry := entry_of(form)) is not None and entry[0].kind == "name":
            comma = "" if all(isinstance(k, int) and k < 10 for k in entry[1]) else self.separator.strip()
            return self.index(self.at(entry[0], ATOM), comma.join(map(self.place, entry[1]))), ATOM
        return self.join(self.pieces(form)), MUL

    def _outer(self, form: Form) -> Text:
        return self.join(self.pieces(form)), MUL

    def _row(self, form: Form) -> Text:
        """A vector written as a row."""
        inner = form.args[0]
        if inner in self.named:
            return self.transposed(self.name(self.named[inner])), POWER
        if inner.kind == "scale":
            c, rest = inner.value, inner.args[0]
            return self._scale(Form("scale", (Form("row", (rest,), rank=1),), c, 1))
        if inner.kind == "mul":
            return self.join(
                [*(self.at(a, MUL) for a in inner.args[:-1]), self.at(Form("row", inner.args[-1:], rank=1), MUL)]
            ), MUL
        if inner.kind == "rowsum":
            return self.text(Form("row", (self.summed(inner),), rank=1))
        if inner.kind == "add" and all(map(turns_well, inner.args)) and any(map(begins_turned, inner.args)):
            return self._add(Form("add", tuple(row_of(a) for a in inner.args), rank=1))
        if inner.kind == "div" and not inner.args[1].rank:
            return self.fraction(self.text(Form("row", inner.args[:1], rank=1)), self.text(inner.args[1]))
        return self.join(self.pieces(inner, True)), MUL

    def _column(self, form: Form) -> Text:
        return self.text(form.args[0])

    def _T(self, form: Form) -> Text:
        if form.args[0].kind == "inv" and form.args[0] not in self.named:
            return self.superscript(self.at(form.args[0].args[0], ATOM), "⁻ᵀ"), POWER
        return self.transposed(self.at(form.args[0], ATOM)), POWER

    def _inv(self, form: Form) -> Text:
        return self.superscript(self.at(form.args[0], ATOM), "⁻¹"), POWER

    def _pow(self, form: Form) -> Text:
        p = form.value
        if p == Fraction(1, 2):
            return self.root(self.write(form.args[0]), form.args[0].kind == "name"), POWER
        if form.rank == 2:  # A² would be the matrix power
            return self.entrywise(self.at(form.args[0], ATOM), self.exponent(p)), POWER
        return self.superscript(self.at(form.args[0], ATOM), self.exponent(p)), POWER

    def entrywise(self, base: str, power: str) -> str:
        """The power of every entry of a matrix."""
        return self.superscript(base, "∘" + power)

    def _power(self, form: Form) -> Text:
        base, exponent = map(filling, form.args)
        return self.superscript(self.at(base, ATOM), "^" + self.write(exponent)), POWER

    def _norm2sq(self, form: Form) -> Text:
        return self.superscript(self.norm(form.args[0], "2"), "²"), POWER

    def _norm(self, form: Form) -> Text:
        return self.norm(form.args[0], form.value), ATOM

    def norm(self, inner: Form, order: str) -> str:
        kind = "F" if inner.rank == 2 and order == "2" else order if order != "2" else ""
        return self.fence("norm" + kind, self.write(inner))

    def _tr(self, form: Form) -> Text:
        return self.call("tr", self.write(form.args[0])), ATOM

    def _sum(self, form: Form) -> Text:
        return self.call("sum", self.write(form.args[0])), ATOM

    def _mean(self, form: Form) -> Text:
        inner = self.write(form.args[0])
        return self.call("mean", inner if form.value is None else inner + self.note(f", axis={form.value}")), ATOM

    def _diag(self, form: Form) -> Text:
        return self.call("diag", self.write(form.args[0])), ATOM

    _diagonal = _diag

    def summed(self, form: Form) -> Form:
        one = Form("ones", value=(1,), rank=1)
        inner = form.args[0] if form.value[0] == 1 else turned(form.args[0])
        parts = list(zip(inner.args, inner.value, strict=True)) if inner.kind == "mat" else [(inner, False)]
        if inner.kind != "mat" and form.value[0] == 0:
            parts = [(form.args[0], True)]
        return Form("mat", (*(f for f, _ in parts), one), (*(t for _, t in parts), False), 1)

    def _rowsum(self, form: Form) -> Text:
        return self._mat(self.summed(form))

    def _matrix(self, form: Form) -> Text:
        word = {"logdet": "log det"}.get(form.value, form.value)
        if form.value == "nuclear":
            return self.fence("norm*", self.write(form.args[0])), ATOM
        return self.call(word, self.write(form.args[0])), ATOM

    def _reduce(self, form: Form) -> Text:
        name, axes, rank = form.value
        inner = self.write(form.args[0])
        if name in ("argmax", "argmin"):
            extreme = Form("reduce", form.args, (name[3:], axes, rank), 0)
            open_, equal, close = map(self.note, ("[", " = ", "]"))
            return f"{self.number(Fraction(1))[0]}{open_}{inner}{equal}{self.write(extreme)}{close}", ATOM
        if len(axes) < rank:
            inner += self.note(", axis=" + ",".join(map(str, axes)))
        return self.call(name, inner), ATOM

    def _call(self, form: Form) -> Text:
        if form.value == "abs":
            return self.fence("abs", self.write(form.args[0])), ATOM
        if form.value == "softplus":
            one = Form("num", value=Fraction(1))
            inner = Form("add", (one, Form("call", form.args, "exp", form.rank)), rank=form.rank)
            return self.call("log", self.write(inner)), ATOM
        if form.value == "where":
            return self.cases(*(self.write(filling(a)) for a in form.args)), ATOM
        if form.value in COMPARE:
            return self.operator(COMPARE[form.value], [self.at(filling(a), MUL) for a in form.args]), ADD
        if form.value in CONNECTED:
            return f" {self.note(form.value)} ".join(self.at(a, ADD) for a in form.args), ADD
        if form.value == "not":
            return f"{self.note('not')} {self.at(form.args[0], ATOM)}", ADD
        return self.call(form.value, self.separator.join(self.write(filling(a)) for a in form.args)), ATOM

    def _abstract(self, form: Form) -> Text:
        name, slots, _ = form.value
        inner = self.separator.join(map(self.write, form.args))
        if not slots:
            return self.call(name, inner), ATOM
        plain = [self.write(a) if a.kind == "name" else self.paren(self.write(a)) for a in form.args]
        below = "".join(self.partial + plain[k] for k in slots)
        top = self.partial
        if len(slots) > 1:
            top = self.superscript(top.strip(), self.exponent(Fraction(len(slots))))
        return self.fraction((top + self.name(name), ATOM), (below, ATOM))[0], POWER

    def _einsum(self, form: Form) -> Text:
        from wengert.symbolic.indexed import letters_for

        letters = letters_for(form.rank, form.rank)
        return self.indexed(form, letters), MUL

    def indexed(self, form: Form, letters: str) -> str:
        """One entry of a form, named by its indices."""
        from wengert.symbolic.indexed import entry

        return entry(self, form, letters)[0]


def row_of(form: Form) -> Form:
    """A term of a sum as a row, its number in front."""
    c, rest = unscaled(form)
    return scaled(c, Form("row", (rest,), rank=1))


def core_of(form: Form) -> Form:
    """A term of a sum without its numbers and divisors."""
    _, rest = unscaled(form)
    if rest.kind == "mul":
        return core_of(rest.args[-1])
    return core_of(rest.args[0]) if rest.kind == "div" and not rest.args[1].rank else rest


def begins_turned(form: Form) -> bool:
    """Whether a term is a chain whose row begins with fewer transposes: A'b as b'A."""
    core = core_of(form)
    return core.kind == "mat" and bool(core.value[0])


def turns_well(form: Form) -> bool:
    """Whether a term of a sum has a row that is written without brackets."""
    return core_of(form).kind in ("mat", "name", "ones", "call", "constant", "array")


COMPARE = {"greater": ">", "greater_equal": "≥", "equal": "=", "not_equal": "≠"}
CONNECTED = {"and", "or"}
