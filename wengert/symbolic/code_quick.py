"""Forms as NumPy source for speed: few calls, each the cheapest that does it.

Imports code. Invariant: the source names no variable but those of the form, and ``code_kernels.KERNELS``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from wengert.symbolic.code import ATOM, MUL, POWER, Code, Text
from wengert.symbolic.code_contractions import contraction
from wengert.symbolic.notation import Form, num


class QuickCode(Code):
    """NumPy's ufuncs and their reductions; its functions in Python check and dispatch for longer than they compute."""

    def _ones(self, form: Form) -> Text:
        return (f"ones({self.shape(form.value)})", ATOM) if form.rank == 1 else super()._ones(form)

    def _zeros(self, form: Form) -> Text:
        return (f"zeros({self.shape(form.value)})", ATOM) if form.rank == 1 else super()._zeros(form)

    def _eye(self, form: Form) -> Text:
        return f"unit({self.dim(form.value)[0]})", ATOM

    def _tri(self, form: Form) -> Text:
        rows, columns, k = form.value
        return (f"triangle({self.dim(rows)[0]})", ATOM) if columns == rows and not k else super()._tri(form)

    def _sum(self, form: Form) -> Text:
        text, level = super()._sum(form)
        if not text.startswith("np.sum("):
            return text, level
        inner = form.args[0]
        return f"total({self.write(inner)}{', None' if inner.rank != 1 else ''})", ATOM

    def _rowsum(self, form: Form) -> Text:
        inner = form.args[0]
        if inner.kind == "pow" and inner.value == 2 and inner.rank == 2 and inner not in self.named:
            word = self.at(inner.args[0], ATOM)
            if inner.args[0].kind == "name" or inner.args[0] in self.named:
                return f"np.einsum('ij,ij->{'ji'[form.value[0]]}', {word}, {word})", ATOM
        return f"total({self.write(form.args[0])}, {form.value[0]})", ATOM

    def _mean(self, form: Form) -> Text:
        if form.value is None and form.args[0].rank == 1:
            return f"mean({self.write(form.args[0])})", ATOM
        return super()._mean(form)

    def _norm2sq(self, form: Form) -> Text:
        inner = form.args[0]
        if inner.kind == "name" or inner in self.named:
            return super()._norm2sq(form) if inner.rank == 1 else (f"total({self.square(inner)}, None)", ATOM)
        return f"total({self.square(inner)}{'' if inner.rank == 1 else ', None'})", ATOM

    def square(self, form: Form) -> str:
        """The squares of the entries."""
        return f"np.square({self.write(form)})"

    def _norm(self, form: Form) -> Text:
        inner = form.args[0]
        if form.value != "1" and inner.rank == 1 and (inner.kind == "name" or inner in self.named):
            return f"np.sqrt({self._norm2sq(Form('norm2sq', form.args))[0]})", ATOM
        return super()._norm(form)

    def _pow(self, form: Form) -> Text:
        base = form.args[0]
        if base.kind == "norm" and base.value != "1" and base not in self.named:
            squared = self.at(Form("norm2sq", base.args), ATOM)
            return f"{squared}**{float(form.value / 2)!r}", POWER
        if form.value in (3, 4) and base.rank and (base.kind == "name" or base in self.named):
            word = self.at(base, ATOM)
            return (f"{word} * {word} * {word}", MUL) if form.value == 3 else (f"np.square({word} * {word})", ATOM)
        if isinstance(form.value, Fraction) and form.value.denominator == 1:
            return f"{self.at(base, ATOM)}**{form.value.numerator}", POWER
        return super()._pow(form)

    def number(self, value: Any) -> Text:
        """A number, of the type that it meets."""
        text, level = super().number(value)
        return (text + ".0" if text.lstrip("-").isdigit() else text), level

    def _scale(self, form: Form) -> Text:
        found = self._by_number(form)
        if found is None and form.value != -1 and form.args[0].kind == "einsum" and form.args[0] not in self.named:
            found = self._contracted(form.args[0], self.at(num(form.value), MUL))
        return found or super()._scale(form)

    def _mul(self, form: Form) -> Text:
        return self._by_number(form) or super()._mul(form)

    def _div(self, form: Form) -> Text:
        return self._by_number(form) or super()._div(form)

    def _by_number(self, form: Form) -> Text | None:
        """An array times one number, which is computed first: arithmetic of numbers takes no time beside a call."""
        scalars, tensor = self._apart(form)
        top = [f for f in scalars if f.kind != "div"]
        below = sorted((f.args[1] for f in scalars if f.kind == "div"), key=lambda f: not _reduced(f))
        if len(scalars) < 2 or (below and not any(map(_reduced, [*top, below[0]]))):
            return None
        number = " / ".join([" * ".join(self.at(f, POWER) for f in top) or "1.0", *(self.at(f, POWER) for f in below)])
        found = self._contracted(tensor, number) if tensor.kind == "einsum" and tensor not in self.named else None
        return found or (f"{number} * {self.at(tensor, POWER)}", MUL)

    def _apart(self, form: Form) -> tuple[list[Form], Form]:
        """The scalar factors of an array that has no name yet, fractions with a top of one, and the array."""
        if form in self.named or not form.rank:
            return [], form
        if form.kind == "scale":
            scalars, tensor = self._apart(form.args[0])
            return [num(form.value), *scalars], tensor
        if form.kind == "div" and not form.args[1].rank:
            scalars, tensor = self._apart(form.args[0])
            return [*scalars, Form("div", (num(Fraction(1)), form.args[1]))], tensor
        if form.kind == "mul" and sum(a.rank > 0 for a in form.args) == 1:
            whole = next(a for a in form.args if a.rank)
            scalars, tensor = self._apart(whole)
            return [*(a for a in form.args if not a.rank), *scalars], tensor
        return [], form

    def _reduce(self, form: Form) -> Text:
        name, _, rank = form.value
        inner = form.args[0]
        if rank != 1 or name not in ("max", "min", "argmax", "argmin"):
            return super()._reduce(form)
        word = self.write(inner)
        best = f"{'largest' if name.endswith('max') else 'smallest'}({word})"
        if name in ("max", "min"):
            return best, ATOM
        hit = f"({self.at(inner, MUL)} == {best})"
        return f"(lambda hit: hit / total(hit))({hit})", MUL

    def _einsum(self, form: Form) -> Text:
        return self._contracted(form, "") or super()._einsum(form)

    def _contracted(self, form: Form, number: str) -> Text | None:
        """A sum over indices of products, its smallest factor multiplied by a number."""
        places, rank, sizes = form.value
        dims = [text if level >= MUL else f"({text})" for text, level in map(self.dim, sizes)]
        words = [self.at(f, ATOM) for f in form.args]
        if number:
            least = min(range(len(words)), key=lambda k: form.args[k].rank)
            words[least] = f"({number} * {self.at(form.args[least], POWER)})"
        found: Text | None = contraction(words, places, rank, dims)
        return found


def _reduced(form: Form) -> bool:
    """Whether a number is surely NumPy's, and divides by zero as arrays do: numbers of Python raise."""
    return form.rank > 0 or any(map(_reduced, form.args))


__all__ = ["QuickCode"]
