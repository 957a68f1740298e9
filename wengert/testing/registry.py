"""The list of laws, filled by the files that state them.

Imports core. Invariant: one name, one law.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.op import Op

Values = tuple[Any, ...]
Rng = np.random.Generator
Law = Callable[[Op, Values, Values, Rng], None]
LAWS: dict[str, Law] = {}
"""Every law by name: a function of operation, operands, parameters and random generator."""


def law(check: Law) -> Law:
    """List a law."""
    if check.__name__ in LAWS:
        raise ValueError(f"there is a law called {check.__name__!r} already")
    LAWS[check.__name__] = check
    return check
