"""The tokens and words of hand notation.

Imports words. Invariant: a token is a number, a name, raised signs, or one operator; nothing else can
stand in a formula.
"""

from __future__ import annotations

import re

from wengert.symbolic.words import FUNCTIONS

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[^\W\d_ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹][^\Wᵀ⁰¹²³⁴⁵⁶⁷⁸⁹₁]*)|(?P<raised>∘?[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ₁]+)"
    r"|(?P<op>\.\*|\./|\.\^|\*\*|[-−+*/^'()\[\],⊙⊘⟨⟩‖|·√=]))"
)
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
    "ln",
}
