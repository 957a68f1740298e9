"""The tokens and words of hand notation.

Imports vocabulary, arrays. Invariant: a token is a number, a name, raised signs, or one operator; nothing else can
stand in a formula.
"""

from __future__ import annotations

import re

from wengert.symbolic import arrays
from wengert.symbolic.vocabulary import FUNCTIONS

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[^\W\d_ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹][^\Wᵀ⁰¹²³⁴⁵⁶⁷⁸⁹₁]*)|(?P<raised>∘?[⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ₁]+)"
    r"|(?P<op>\.\*|\./|\.\^|\*\*|[-−+*/^'()\[\],⊙⊘⟨⟩‖|·√=]))"
)
DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
EXTRA = {
    "norm2": lambda x: arrays.norm(x, 2 if x.rank == 1 else "fro"),
    "norm1": lambda x: arrays.norm(x, 1),
    "normF": lambda x: arrays.norm(x, "fro"),
    "fro": lambda x: arrays.norm(x, "fro"),
    "tr": arrays.trace,
    "lse": arrays.reduction,
    "nuclear": lambda x: arrays.norm(x, "nuc"),
    "σ": FUNCTIONS["sigmoid"],
}
EXTRA["lse"] = FUNCTIONS["logsumexp"]
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
