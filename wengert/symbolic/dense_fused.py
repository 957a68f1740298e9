"""Programs of derivatives as a compiler likes them: the result is written once, entry by entry.

Outer products and products without a summed index are products of broadcast arrays, which a compiler computes in the
pass that writes the result; diagonals are views of it, written in place. Imports dense, code. Invariant: the lines
compute what the printed program computes.
"""

from __future__ import annotations

from wengert.symbolic.assembly import Place
from wengert.symbolic.code import ATOM, MUL, POWER, Code, Text
from wengert.symbolic.code_contractions import contraction
from wengert.symbolic.dense import Filling, Style
from wengert.symbolic.notation import Form


class FusedCode(Code):
    """NumPy of which a compiler makes one loop where it can."""

    def _outer(self, form: Form) -> Text:
        u, v = form.args
        return f"{self.at(u, ATOM)}[:, None] * {self.at(v, POWER)}", MUL

    def _einsum(self, form: Form) -> Text:
        places, rank, sizes = form.value
        dims = [text if level >= MUL else f"({text})" for text, level in map(self.dim, sizes)]
        found = contraction([self.at(f, ATOM) for f in form.args], places, rank, dims)
        return super()._einsum(form) if found is None else found


class FusedFilling(Filling):
    """The lines that fill a result for a compiler."""

    def strip(self, place: Place) -> str | None:
        return None

    def _outer(self, pairs: list[tuple[Form, Form]]) -> str:
        if len(pairs) == 1 and "ones" in (pairs[0][0].kind, pairs[0][1].kind):
            return super()._outer(pairs)
        code = self.code
        words = []
        for u, v in pairs:
            column = f"(1.0 * {code.at(u, MUL)})" if self._whole(u) else f"({code.write(u)})"
            words.append(f"{column}[:, None] * {code.at(v, POWER)}")
        return " + ".join(words)


FUSED = Style(FusedCode, FusedFilling)

__all__ = ["FUSED"]
