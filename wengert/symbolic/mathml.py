"""Forms as presentation MathML.

Imports writer, text. Invariant: every text is one well-formed element or a sequence of them.
"""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import Any

from wengert.symbolic.dims import text_of
from wengert.symbolic.functions import FUNCTIONS
from wengert.symbolic.text import GREEK
from wengert.symbolic.writer import ATOM, MUL, Text, Writer


def op(sign: str) -> str:
    """An operator element."""
    return f"<mo>{escape(sign)}</mo>"


def _letters(letters: str) -> str:
    """Indices by letter; what is an element already stays one."""
    return letters if letters.startswith("<") else "".join(f"<mi>{c}</mi>" for c in letters)


class MathWriter(Writer):
    """Presentation MathML."""

    minus = op("−")
    plus = op("+")
    negative = op("−")
    partial = op("∂")
    separator = op(",")

    def number(self, value: Any) -> Text:
        if isinstance(value, Fraction) and value.denominator != 1:
            sign = op("−") if value < 0 else ""
            return f"{sign}<mfrac><mn>{abs(value.numerator)}</mn><mn>{value.denominator}</mn></mfrac>", ATOM
        text = str(value) if isinstance(value, (int, Fraction)) else f"{value:.12g}"
        return (op("−") if text.startswith("-") else "") + f"<mn>{text.removeprefix('-')}</mn>", ATOM

    def name(self, name: str) -> str:
        return f"<mi>{escape(GREEK.get(name, name))}</mi>"

    def superscript(self, base: str, power: str) -> str:
        words = {
            "ᵀ": "<mi>⊤</mi>",
            "⁻¹": f"<mrow>{op('−')}<mn>1</mn></mrow>",
            "⁻ᵀ": f"<mrow>{op('−')}<mi>⊤</mi></mrow>",
            "²": "<mn>2</mn>",
        }
        inner = words.get(power, power.removeprefix("^"))
        return f"<msup><mrow>{base}</mrow><mrow>{inner}</mrow></msup>"

    def entrywise(self, base: str, power: str) -> str:
        """The Hadamard power."""
        return f"<msup><mrow>{base}</mrow><mrow>{op('∘')}{power.removeprefix('^')}</mrow></msup>"

    def exponent(self, value: Any) -> str:
        return "^" + self.number(value)[0]

    def index(self, base: str, letters: str) -> str:
        return f"<msub><mrow>{base}</mrow><mrow>{_letters(letters)}</mrow></msub>"

    def place(self, value: Any) -> str:
        return self.dimension(value)

    def fraction(self, top: Text, bottom: Text) -> Text:
        return f"<mfrac><mrow>{top[0]}</mrow><mrow>{bottom[0]}</mrow></mfrac>", MUL

    def root(self, inner: str, simple: bool) -> str:
        return f"<msqrt>{inner}</msqrt>"

    def paren(self, inner: str) -> str:
        return f"<mrow>{op('(')}{inner}{op(')')}</mrow>"

    def call(self, name: str, inner: str) -> str:
        found = FUNCTIONS.get(name)
        word = found.text if found and found.text else name
        return f"<mi>{escape(word)}</mi>{self.paren(inner)}"

    def fence(self, kind: str, inner: str) -> str:
        left, right = {"dot": ("⟨", "⟩"), "abs": ("|", "|")}.get(kind, ("‖", "‖"))
        body = f"<mrow>{op(left)}{inner}{op(right)}</mrow>"
        below = {"normF": "<mi>F</mi>", "norm1": "<mn>1</mn>", "norm*": op("*")}.get(kind)
        return f"<msub>{body}<mrow>{below}</mrow></msub>" if below else body

    def cases(self, c: str, a: str, b: str) -> str:
        rows = f"<mtr><mtd>{a}</mtd><mtd>{c}</mtd></mtr><mtr><mtd>{b}</mtd><mtd><mtext>otherwise</mtext></mtd></mtr>"
        return f"<mrow>{op('{')}<mtable>{rows}</mtable></mrow>"

    def summation(self, letters: str, inner: str) -> str:
        """A sum over named indices."""
        return f"<munder>{op('∑')}<mrow>{_letters(letters)}</mrow></munder>{inner}"

    def dimension(self, value: Any) -> str:
        return f"<mi>{escape(text_of(value, '', '^'))}</mi>"

    def note(self, text: str) -> str:
        return f"<mtext>{escape(text)}</mtext>"

    def join(self, pieces: list[str]) -> str:
        return op("\u2062").join(pieces)

    def operator(self, sign: str, parts: list[str]) -> str:
        return op(sign).join(parts)
