"""Forms as LaTeX.

Imports writer, text. Invariant: the output is valid in math mode with amsmath and nothing else.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from wengert.symbolic.dims import text_of
from wengert.symbolic.functions import FUNCTIONS
from wengert.symbolic.notation import Form
from wengert.symbolic.text import GREEK
from wengert.symbolic.writer import ATOM, MUL, Text, Writer

GREEK_WORDS = {letter: ("lambda" if word in ("lam", "lambda_") else word) for word, letter in GREEK.items()}
GREEK_LETTERS = {letter: rf"{{\{word}}}" for letter, word in GREEK_WORDS.items()}
KNOWN = {"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "det", "max", "min"}


class LatexWriter(Writer):
    """LaTeX."""

    minus = " - "
    negative = "-"
    partial = r"\partial "

    def number(self, value: Any) -> Text:
        if isinstance(value, Fraction) and value.denominator != 1:
            sign = "-" if value < 0 else ""
            near = f"{float(value):.12g}"
            if value.denominator > 12 and Fraction(near) == value:
                return near, ATOM
            return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", ATOM
        return str(value) if isinstance(value, (int, Fraction)) else f"{value:.12g}", ATOM

    def name(self, name: str) -> str:
        letter = GREEK.get(name, name)
        if letter in GREEK_WORDS:
            return "\\" + GREEK_WORDS[letter]
        found = re.fullmatch(r"([A-Za-z])(_?)([A-Za-z]+|[0-9]+)", name)
        if found and (found[2] or found[3].isdigit()):
            return rf"{found[1]}_{{{found[3]}}}"
        if len(name) == 1 and name.isascii():
            return name
        words = "".join(GREEK_LETTERS.get(c, r"\_" if c == "_" else c) for c in name)
        return rf"\mathrm{{{words}}}"

    def superscript(self, base: str, power: str) -> str:
        words = {"ᵀ": r"^\top", "⁻¹": "^{-1}", "⁻ᵀ": r"^{-\top}", "²": "^2"}
        return base + (words[power] if power in words else f"^{{{power.removeprefix('^')}}}")

    def transposed(self, text: str) -> str:
        return f"{{{text}}}^\\top" if "^" in text[-6:] and not text.endswith(")") else text + r"^\top"

    def entrywise(self, base: str, power: str) -> str:
        """The Hadamard power."""
        return rf"{base}^{{\circ {power.removeprefix('^')}}}"

    def exponent(self, value: Any) -> str:
        return "^" + (
            f"{value.numerator}/{value.denominator}"
            if isinstance(value, Fraction) and value.denominator != 1
            else self.number(value)[0]
        )

    def index(self, base: str, letters: str) -> str:
        return f"{base}_{{{letters}}}"

    def fraction(self, top: Text, bottom: Text) -> Text:
        return rf"\frac{{{top[0]}}}{{{bottom[0]}}}", MUL

    def root(self, inner: str, simple: bool) -> str:
        return rf"\sqrt{{{inner}}}"

    def paren(self, inner: str) -> str:
        return rf"\left({inner}\right)"

    def call(self, name: str, inner: str) -> str:
        found = FUNCTIONS.get(name)
        word = (
            found.latex
            if found and found.latex
            else "\\" + name
            if name in KNOWN
            else (r"\log\det" if name == "log det" else rf"\operatorname{{{name}}}")
        )
        return rf"{word}\left({inner}\right)"

    def fence(self, kind: str, inner: str) -> str:
        if kind == "dot":
            return rf"\langle {inner} \rangle"
        if kind == "abs":
            return rf"\left|{inner}\right|"
        return rf"\left\|{inner}\right\|" + {"norm": "", "normF": "_F", "norm1": "_1", "norm*": "_*"}[kind]

    def cases(self, c: str, a: str, b: str) -> str:
        return rf"\begin{{cases}} {a} & {c} \\ {b} & \text{{otherwise}} \end{{cases}}"

    def summation(self, letters: str, inner: str) -> str:
        """A sum over named indices."""
        return rf"\sum_{{{letters}}} {inner}"

    def dimension(self, value: Any) -> str:
        return text_of(value, " ", "^")

    def note(self, text: str) -> str:
        """An axis in upright words, which may be broken off; signs as they are."""
        if text in ("and", "or", "not", "…"):
            return r"\dots" if text == "…" else rf"\;\text{{{text}}}\;"
        return text.replace(", axis=", r",\, \mathrm{axis}=")

    def join(self, pieces: list[str]) -> str:
        return r" \, ".join(pieces) if any(p.startswith("\\operatorname") for p in pieces) else " ".join(pieces)

    def coefficient(self, number: str, rest: str, inner: Form) -> str:
        return rf"{number} \cdot {rest}" if rest[0].isdigit() else f"{number} {rest}"

    def operator(self, sign: str, parts: list[str]) -> str:
        words = {"⊙": r"\odot", "⊘": r"\oslash", "≥": r"\ge", "≠": r"\ne", "⊗": r"\otimes"}
        return f" {words.get(sign, sign)} ".join(parts)
