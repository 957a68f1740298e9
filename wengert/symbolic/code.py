"""Forms as NumPy source: one expression of ``np`` alone, in the order of multiplication that costs least.

Imports notation. Invariant: the expression has the shape of the form (vectors are 1-D) and calls nothing but NumPy,
and SciPy's special functions where NumPy has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from wengert.symbolic import named_source
from wengert.symbolic.code_conditions import ConditionCode
from wengert.symbolic.code_contractions import path_of
from wengert.symbolic.code_patterns import PatternCode
from wengert.symbolic.cuts import Cut, index_of
from wengert.symbolic.dims import Dim, parts_of
from wengert.symbolic.form_kinds import COMPARE, CONNECTED, entry_of, fills, is_truth
from wengert.symbolic.functions import FUNCTIONS
from wengert.symbolic.notation import Form, filling, turned, unscaled
from wengert.symbolic.writer import ADD, ATOM, MUL, POWER

Text = tuple[str, int]
SPECIAL = {**{n: n for n in ("erf", "erfc", "gamma", "gammaln", "polygamma")}, "digamma": "psi"}


class Code(PatternCode, ConditionCode):
    """Writes NumPy; ``sizes`` gives the text of each named dimension, ``named`` the parts that have a name already;
    ``inline`` writes the functions that derivative operators are in their places.
    """

    def __init__(self, sizes: Mapping[str, str], named: Mapping[Form, str] | None = None, inline: bool = False) -> None:
        self.inline = inline
        self.sizes = sizes
        self.named = dict(named or {})

    def write(self, form: Form) -> str:
        """A form as one NumPy expression."""
        return self.text(form)[0]

    def at(self, form: Form, level: int) -> str:
        """The expression, in parentheses when it binds less than ``level``."""
        text, own = self.text(form)
        return text if own >= level else f"({text})"

    def text(self, form: Form) -> Text:
        """The expression and how tightly it binds."""
        if form in self.named:
            return self.named[form], ATOM
        return getattr(self, "_" + form.kind)(form)

    def number(self, value: Any) -> Text:
        """A number, exact where a decimal is."""
        if isinstance(value, Fraction):
            if value.denominator == 1:
                return str(value.numerator), ATOM if value >= 0 else ADD
            if Fraction(repr(float(value))) == value:
                return repr(float(value)), ATOM if value >= 0 else ADD
            return f"{value.numerator} / {value.denominator}", MUL if value >= 0 else ADD
        return repr(float(value)), ATOM if value >= 0 else ADD

    def dim(self, value: Any) -> Text:
        """A dimension from the shapes of the arrays."""
        if not isinstance(value, Dim):
            return str(value), ATOM
        if value.simple:
            (name,) = value.names
            return self.sizes.get(name, name), ATOM
        parts = []
        for monomial, c in value.terms:
            words = [self.atom(n) for n, p in monomial for _ in range(p)]
            parts.append(" * ".join([str(c)] * (c != 1 or not words) + words))
        return " + ".join(parts).replace("+ -", "- "), ADD

    def atom(self, name: str) -> str:
        """A named size, or the smaller one of several."""
        words = [self.sizes.get(n, n) for n in parts_of(name)]
        return words[0] if len(words) == 1 else f"min({', '.join(words)})"

    def shape(self, dims: tuple[Any, ...]) -> str:
        """The shape of an array maker."""
        words = [self.dim(d)[0] for d in dims]
        return words[0] if len(words) == 1 else "(" + ", ".join(words) + ")"

    def _num(self, form: Form) -> Text:
        return self.number(form.value)

    def _name(self, form: Form) -> Text:
        return form.value[0], ATOM

    def _constant(self, form: Form) -> Text:
        return f"np.{form.value}", ATOM

    def _dim(self, form: Form) -> Text:
        return self.dim(form.value)

    def _eye(self, form: Form) -> Text:
        return f"np.eye({self.dim(form.value)[0]})", ATOM

    def _ones(self, form: Form) -> Text:
        return f"np.ones({self.shape(form.value)})", ATOM

    def _zeros(self, form: Form) -> Text:
        return f"np.zeros({self.shape(form.value)})", ATOM

    def _filled(self, form: Form) -> Text:
        return self.text(form.args[0])

    def _select(self, form: Form) -> Text:
        (count, dim), start, step = form.value
        return f"np.eye({self.dim(dim)[0]})[{self.cuts([Cut(start, count, step, dim)])}]", ATOM

    def _part(self, form: Form) -> Text:
        return f"{self.at(form.args[0], ATOM)}[{self.cuts(form.value)}]", ATOM

    def cuts(self, cuts: Sequence[Cut]) -> str:
        """Stretches of axes as an index."""
        return index_of(cuts, lambda value: self.dim(value)[0])

    def _kron(self, form: Form) -> Text:
        return f"np.kron({self.write(form.args[0])}, {self.write(form.args[1])})", ATOM

    def _vec(self, form: Form) -> Text:
        return f"np.ravel({self.write(form.args[0])})", ATOM

    def _unvec(self, form: Form) -> Text:
        return f"np.reshape({self.write(form.args[0])}, {self.shape(form.value)})", ATOM

    def _join(self, form: Form) -> Text:
        whole = self.dim(form.value[0])[0]
        return f"np.eye({whole}).reshape({self.shape(form.value)[1:-1]})", ATOM

    def _unit(self, form: Form) -> Text:
        return f"np.eye({self.dim(form.value[0])[0]})[{self.dim(form.value[1])[0]}]", ATOM

    def _scale(self, form: Form) -> Text:
        inner = form.args[0]
        if form.value == -1:
            return "-" + self.at(inner, POWER if inner.kind == "mat" else MUL), ADD
        number, level = self.number(form.value)
        if form.value < 0:
            return f"{number} * {self.at(inner, POWER)}", MUL
        return f"{number if level >= MUL else f'({number})'} * {self.factor(inner)}", MUL

    def factor(self, form: Form) -> str:
        """A factor on the right of ``*``."""
        return self.at(form, MUL if form.kind in ("had", "mul", "div") and form not in self.named else POWER)

    def _add(self, form: Form) -> Text:
        text = ""
        for k, given in enumerate(form.args):
            whole = form.rank and k == 0 and not fills(form.args)  # somebody must have the full shape
            arg = given if whole or len(form.args) == 1 else filling(given)
            arg = self.spread(arg) if form.rank == 2 and fills(form.args) else arg
            c, rest = unscaled(arg)
            shown = arg
            if c < 0:
                shown = (
                    Form("num", value=-c)
                    if arg.kind == "num"
                    else rest
                    if c == -1
                    else Form("scale", (rest,), -c, arg.rank)
                )
            word = self.at(shown, MUL)
            text += (("-" if c < 0 else "") if k == 0 else " - " if c < 0 else " + ") + word
        return text, ADD

    def spread(self, form: Form) -> Form:
        """An outer product with ones, as the vector that NumPy broadcasts."""
        c, rest = unscaled(form)
        if rest.kind == "outer" and rest.args[0].kind == "ones":
            return Form("scale", (rest.args[1],), c, 2) if c != 1 else rest.args[1]
        if rest.kind == "outer" and rest.args[1].kind == "ones":
            column = Form("column", (rest.args[0],), rank=2)
            return Form("scale", (column,), c, 2) if c != 1 else column
        return form

    def _column(self, form: Form) -> Text:
        return self.at(form.args[0], ATOM) + "[:, None]", ATOM

    def _row(self, form: Form) -> Text:
        return self.at(form.args[0], ATOM) + "[None, :]", ATOM

    def _mul(self, form: Form) -> Text:
        return " * ".join(
            self.at(a, MUL) if k == 0 and a.kind != "mat" else self.at(a, POWER) for k, a in enumerate(form.args)
        ), MUL

    def _had(self, form: Form) -> Text:
        return " * ".join(self.at(a, POWER) for a in form.args), MUL

    def _div(self, form: Form) -> Text:
        return f"{self.at(form.args[0], MUL)} / {self.at(form.args[1], POWER)}", MUL

    def _mat(self, form: Form) -> Text:
        if (entry := entry_of(form)) is not None:
            return f"{self.at(entry[0], ATOM)}[{', '.join(self.dim(k)[0] for k in entry[1])}]", ATOM
        return self.product(list(zip(form.args, form.value, strict=True)))

    def product(self, parts: list[tuple[Form, bool]]) -> Text:
        """A chain: inverses solve, diagonals scale, a vector at the end is met first."""
        if len(parts) == 1:
            return self.part(*parts[0])
        form, flag = parts[0]
        rest = parts[1:]
        if form.kind == "inv" and form not in self.named:
            return f"np.linalg.solve({self.turned(form.args[0], flag)}, {self.product(rest)[0]})", ATOM
        if form.kind == "tri" and form.value[0] == form.value[1] and form.value[2] == 0:  # sums that run along
            return self.running(self.product(rest)[0], flag)
        if form.kind == "diag" and form not in self.named:
            tail, level = self.product(rest)
            tail = tail if level >= POWER else f"({tail})"
            rank = 1 if rest[-1][0].rank == 1 else 2
            return f"{self.at(form.args[0], ATOM)}{'[:, None]' if rank == 2 else ''} * {tail}", MUL
        last, _turned_last = parts[-1]
        if last.kind == "diag" and last not in self.named:
            return f"{self.grouped(parts[:-1])} * {self.at(last.args[0], POWER)}", MUL
        if any(f.kind in ("diag", "inv") and f not in self.named for f, _ in rest) or (
            last.rank == 1 and form.rank == 2
        ):
            return f"{self.grouped(parts[:1])} @ {self.grouped(rest)}", MUL
        if form.rank == 1 and last.rank == 1 and len(parts) > 2:
            return " @ ".join(self.grouped([p]) for p in parts), MUL
        return " @ ".join(self.grouped([p]) for p in parts), MUL

    def grouped(self, parts: list[tuple[Form, bool]]) -> str:
        """A part of a chain, in parentheses where it must be."""
        text, level = self.product(parts)
        return text if level >= POWER else f"({text})"

    def part(self, form: Form, flag: bool) -> Text:
        """One factor of a chain."""
        return self.text(form) if form.rank == 1 else (self.turned(form, flag), POWER) if flag else self.text(form)

    def turned(self, form: Form, flag: bool) -> str:
        """A factor, transposed when flagged."""
        return self.at(form, ATOM) + ".T" if flag else self.write(form)

    def _T(self, form: Form) -> Text:
        return self.at(form.args[0], ATOM) + ".T", ATOM

    def _outer(self, form: Form) -> Text:
        u, v = form.args
        return f"np.outer({self.write(u)}, {self.write(v)})", ATOM

    def _inv(self, form: Form) -> Text:
        return f"np.linalg.inv({self.write(form.args[0])})", ATOM

    def _matrix(self, form: Form) -> Text:
        inner = self.write(form.args[0])
        if form.value == "polar":
            return f"(lambda s: s[0] @ s[2])(np.linalg.svd({inner}, full_matrices=False))", ATOM
        if form.value == "det":
            return f"np.linalg.det({inner})", ATOM
        if form.value == "nuclear":
            return f"np.linalg.norm({inner}, 'nuc')", ATOM
        return f"np.linalg.slogdet({inner})[1]", ATOM

    def _pow(self, form: Form) -> Text:
        if form.value == Fraction(1, 2):
            return f"np.sqrt({self.write(form.args[0])})", ATOM
        if form.args[0].kind == "norm" and form.value % 2 == 0:
            inner = self.at(Form("norm2sq", form.args[0].args), ATOM)
            return f"{inner}**{self.number(form.value / 2)[0]}", POWER
        number, level = self.number(form.value)
        return f"{self.at(form.args[0], ATOM)}**{number if level >= ATOM else f'({number})'}", POWER

    def _power(self, form: Form) -> Text:
        return f"{self.at(form.args[0], ATOM)}**{self.at(form.args[1], ATOM)}", POWER

    def _norm2sq(self, form: Form) -> Text:
        inner = form.args[0]
        if inner.rank == 1 and (inner.kind == "name" or inner in self.named):
            word = self.at(inner, ATOM)
            return f"{word} @ {word}", MUL
        return f"np.sum({self.at(inner, ATOM)}**2)", ATOM

    def _norm(self, form: Form) -> Text:
        if form.value == "1":
            return f"np.sum(np.abs({self.write(form.args[0])}))", ATOM
        return f"np.linalg.norm({self.write(form.args[0])})", ATOM

    def _tr(self, form: Form) -> Text:
        inner = form.args[0]
        if inner.kind == "mat" and len(inner.args) == 2 and inner.value[0]:
            right = turned(inner.args[1]) if inner.value[1] else inner.args[1]
            return f"np.sum({self.at(inner.args[0], POWER)} * {self.at(right, POWER)})", ATOM
        return f"np.trace({self.write(inner)})", ATOM

    def _sum(self, form: Form) -> Text:
        if form.args[0].kind == "part" and form.args[0].rank == 1 and form.value == (1,):  # one entry
            inner = form.args[0]
            return f"{self.at(inner.args[0], ATOM)}[{self.dim(inner.value[0].start)[0]}]", ATOM
        return f"np.sum({self.write(form.args[0])})", ATOM

    def _rowsum(self, form: Form) -> Text:
        return f"np.sum({self.write(form.args[0])}, axis={form.value[0]})", ATOM

    def _mean(self, form: Form) -> Text:
        return f"np.mean({self.write(form.args[0])}{'' if form.value is None else f', axis={form.value}'})", ATOM

    def _diag(self, form: Form) -> Text:
        return f"np.diag({self.write(form.args[0])})", ATOM

    _diagonal = _diag

    def _reduce(self, form: Form) -> Text:
        name, axes, rank = form.value
        inner = self.write(form.args[0])
        axis = "" if len(axes) == rank else f", axis={axes[0] if len(axes) == 1 else axes}"
        keep = f"{axis or ', axis=None'}, keepdims=True" if axis else ""
        if name in ("logsumexp", "softmax") and len(axes) == rank > 1:
            total = f"np.logaddexp.reduce({self.at(form.args[0], ATOM)}.ravel())"
            return (total, ATOM) if name == "logsumexp" else (f"np.exp({inner} - {total})", ATOM)
        if name == "logsumexp":
            return f"np.logaddexp.reduce({inner}{axis})", ATOM
        if name == "softmax":
            return f"np.exp({inner} - np.logaddexp.reduce({inner}{keep}))", ATOM
        if name in ("max", "min", "prod"):
            return f"np.{name}({inner}{axis})", ATOM
        hit = f"({self.at(form.args[0], MUL)} == np.{name[3:]}({inner}{keep}))"
        return f"{hit} / np.sum({hit}{keep})", ADD

    def _call(self, form: Form) -> Text:
        name, args = form.value, form.args
        if name in SIMPLE:
            return SIMPLE[name](self, args[0])
        if name in CONNECTED or name in COMPARE:
            return f"{self.asked(form)} * 1.0", MUL
        inner = ", ".join(self.write(filling(a)) for a in args)
        if name in SPECIAL:
            return f"special.{SPECIAL[name]}({inner})", ATOM
        if name == "trigamma":
            return f"special.polygamma(1, {inner})", ATOM
        if name == "where":
            return self.choice(form), ATOM
        return f"{FUNCTIONS[name].numpy}({inner})", ATOM

    def _abstract(self, form: Form) -> Text:
        text = named_source.call(form, self.write, lambda d: self.dim(d)[0], self.inline)
        return (f"{text} * 1.0", MUL) if is_truth(form) else (text, ATOM)

    def _einsum(self, form: Form) -> Text:
        places, rank, _sizes = form.value
        letters = "ijklmnabcdefghopqrstuvwxyz"
        spec = ",".join("".join(letters[i] for i in idx) for idx in places) + "->" + letters[:rank]
        words = ", ".join(self.write(f) for f in form.args)
        best = f", optimize={path_of(spec)}" if len(form.args) > 2 and rank > 2 else ""
        return f"np.einsum('{spec}', {words}{best})", ATOM


def _sigmoid(code: Code, x: Form) -> Text:
    return f"1 / (1 + np.exp({code.write(_negated(x))}))", MUL


def _negated(x: Form) -> Form:
    c, rest = unscaled(x)
    if rest.kind == "num":
        return Form("num", value=-c)
    if rest.kind == "add" and c == 1:
        return Form("scale", (x,), Fraction(-1), x.rank)
    return rest if c == -1 else Form("scale", (rest,), -c, x.rank)


SIMPLE: dict[str, Callable[[Code, Form], Text]] = {
    "sigmoid": _sigmoid,
    "softplus": lambda code, x: (f"np.logaddexp(0, {code.write(x)})", ATOM),
    "relu": lambda code, x: (f"np.maximum({code.write(x)}, 0)", ATOM),
    "step": lambda code, x: (f"({code.at(x, MUL)} > 0) * 1.0", MUL),
    "half": lambda code, x: (f"np.heaviside({code.write(x)}, 0.5)", ATOM),
}
