"""The tokens and words of hand notation.

Imports words. Invariant: a token is a number, a name, raised or lowered signs, or one operator; nothing else can
stand in a formula.
"""

from __future__ import annotations

import math
import re
from collections.abc import Container

import numpy as np

from wengert.symbolic.words import FUNCTIONS

TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)|(?P<name>𝟙|[^\W\d_ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹₁][^\Wᵀ⁰¹²³⁴⁵⁶⁷⁸⁹₁]*)|(?P<raised>∘?[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ₁]+)"
    r"|(?P<lowered>_\{?(?:[12F*∞]|inf|nuc|[^\W\d_])\}?)|(?P<op>\|\||\.\*|\./|\.\^|\*\*|[-−+*/^'()\[\],⊙⊘⊗⟨⟩‖|·√=]))"
)
ORDERS = {"1": 1, "2": 2, "F": "fro", "*": "nuc", "nuc": "nuc", "∞": math.inf, "inf": math.inf}
"""The orders of norms that are written below: ‖x‖_1, ‖A‖_F."""
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
EXTRA = {
    "norm2": FUNCTIONS["norm"],
    "norm1": lambda x: FUNCTIONS["norm"](x, 1),
    "normF": FUNCTIONS["norm"],
    "fro": FUNCTIONS["norm"],
    "tr": FUNCTIONS["trace"],
    "nuclear": lambda x: FUNCTIONS["norm"](x, "nuc"),
    "lse": FUNCTIONS["logsumexp"],
    "σ": FUNCTIONS["sigmoid"],
    "𝟙": lambda x: np.where(x > 0, 1.0, 0.0),
}
ELEMENTWISE = {
    "exp",
    "log",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sinh",
    "cosh",
    "sqrt",
    "abs",
    "sign",
    "sigmoid",
    "relu",
    "softplus",
    "erf",
    "softmax",
    "arcsin",
    "arccos",
    "arctan",
    "σ",
    "𝟙",
    "ln",
}


def letters(word: str, names: Container[str]) -> list[str] | None:
    """Xw as X and w, when every letter is a declared name."""
    return list(word) if 2 <= len(word) <= 12 and all(c in names for c in word) else None
