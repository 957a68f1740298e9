"""Forms as NumPy source for speed: few calls, each the cheapest that does it.

Imports code. Invariant: the source names no variable but those of the form, and ``code_kernels.KERNELS``.
"""

from __future__ import annotations

from wengert.symbolic.code import ATOM, MUL, POWER, Code, Text
from wengert.symbolic.code_contractions import contraction
from wengert.symbolic.notation import Form


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
        if form.value in (3, 4) and base.rank and (base.kind == "name" or base in self.named):
            word = self.at(base, ATOM)
            return (f"{word} * {word} * {word}", MUL) if form.value == 3 else (f"np.square({word} * {word})", ATOM)
        if form.value == -1:
            return f"1.0 / {self.at(base, POWER)}", MUL
        return super()._pow(form)

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
        places, rank, sizes = form.value
        dims = [text if level >= MUL else f"({text})" for text, level in map(self.dim, sizes)]
        found = contraction([self.at(f, ATOM) for f in form.args], places, rank, dims)
        return super()._einsum(form) if found is None else found


__all__ = ["QuickCode"]
