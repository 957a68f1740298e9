"""Forms as Unicode text: ``2 Xᵀ(Xw − y)``, and the Greek names.

Imports writer. Invariant: single letters stand side by side, words are kept apart by blanks.
"""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from typing import Any

from wengert.symbolic.dims import text_of
from wengert.symbolic.functions import FUNCTIONS
from wengert.symbolic.notation import Form
from wengert.symbolic.writer import ATOM, MUL, POWER, Text, Writer

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "lam": "λ",
    "lambda_": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}
RAISED = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")
WORDS = {"log det": "log det", "softplus": "softplus"}


class TextWriter(Writer):
    """Unicode text."""

    def number(self, value: Any) -> Text:
        if isinstance(value, Fraction) and value.denominator != 1:
            near = f"{float(value):.12g}"
            if value.denominator > 12 and Fraction(near) == value:
                return (near.replace("-", "−"), ATOM)
            return f"{value.numerator}/{value.denominator}".replace("-", "−"), MUL
        text = str(value) if isinstance(value, (int, Fraction)) else f"{value:.12g}"
        return text.replace("-", "−"), ATOM

    def name(self, name: str) -> str:
        return GREEK.get(name, name)

    def superscript(self, base: str, power: str) -> str:
        if power.startswith("^"):
            inner = power[1:]
            return f"{base}^{inner}" if re.fullmatch(r"\w+", inner) else f"{base}^({inner})"
        return base + power

    def exponent(self, value: Any) -> str:
        if isinstance(value, Fraction) and value.denominator == 1:
            return str(value.numerator).translate(RAISED)
        return "^" + self.number(value)[0]

    def index(self, base: str, letters: str) -> str:
        return f"{base}_{letters}"

    def fraction(self, top: Text, bottom: Text) -> Text:
        above = top[0] if top[1] >= MUL else self.paren(top[0])
        below = bottom[0] if bottom[1] >= POWER else self.paren(bottom[0])
        return f"{above}/{below}" if re.fullmatch(r"[^ ]+", above) or top[1] != MUL else f"{above} / {below}", MUL

    def root(self, inner: str, simple: bool) -> str:
        return f"√{inner}" if simple else f"√({inner})"

    def paren(self, inner: str) -> str:
        return f"({inner})"

    def call(self, name: str, inner: str) -> str:
        found = FUNCTIONS.get(name)
        return f"{found.text if found and found.text else WORDS.get(name, self.name(name))}({inner})"

    def fence(self, kind: str, inner: str) -> str:
        if kind == "dot":
            return f"⟨{inner}⟩"
        if kind == "abs":
            return f"|{inner}|"
        return "‖" + inner + "‖" + {"norm": "", "normF": "_F", "norm1": "₁", "norm*": "_*"}[kind]

    def cases(self, c: str, a: str, b: str) -> str:
        return f"{{{a} if {c}; {b} otherwise}}"

    def summation(self, letters: str, inner: str) -> str:
        """A sum over named indices."""
        return f"Σ_{letters} {inner}"

    def dimension(self, value: Any) -> str:
        return text_of(value, "", "^") if not isinstance(value, int) else str(value)

    def join(self, pieces: list[str]) -> str:
        text = pieces[0]
        for left, right in itertools.pairwise(pieces):
            text += (" " if _apart(left, right) else "") + right
        return text

    def coefficient(self, number: str, rest: str, inner: Form) -> str:
        if rest[0].isdigit():
            return f"{number} · {rest}"
        bare = inner.args[0] if inner.kind == "row" else inner
        if bare.kind == "mul":
            bare = bare.args[0]
        first = self.pieces(bare)[0] if bare.kind in ("mat", "outer") and bare not in self.named else rest
        word = re.match(WORD, first)
        if rest[0] == "(" or (rest[0] in "⟨‖|√" and " " not in rest):
            return number + rest
        return number + ("" if word and len(word[0]) == 1 and not re.search(r"[(_/]", rest) else " ") + rest

    def operator(self, sign: str, parts: list[str]) -> str:
        return f" {sign} ".join(parts)


WORD = r"[A-Za-zα-ωΑ-Ω∂][A-Za-zα-ωΑ-Ω0-9_]*"


def _apart(left: str, right: str) -> bool:
    """Whether two factors would be misread side by side."""
    last = re.search(WORD + "$", left)
    word = re.match(WORD, right)
    if any(re.search(r"_\w*$", t) for t in (left,)) or (word and "_" in word[0]) or "/" in left + right:
        return True
    if (last and len(last[0]) > 1) or (word and len(word[0]) > 1):
        return True
    call = re.match(WORD + r"\(", right) or (left[-1] == ")" and re.match(WORD + r"\(", left))
    if call or (left[-1] in ")ᵀ" and re.match(WORD + r"\(", left) is not None and right[0] != "("):
        return True
    if right[0].isdigit():
        return right not in ("1", "1ᵀ") or (left[-1].isdigit() and right != "1ᵀ")
    return right[0] in "⟨‖|√" and not left[-1].isdigit()


def write(form: Form, named: dict[Form, str] | None = None) -> str:
    """A form as Unicode text."""
    return TextWriter(named).write(form)
