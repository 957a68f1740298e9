"""The answer every function of this room returns: a value that knows how wrong it may be.

Imports NumPy only. Invariant: `error` has the shape of `value` and is never smaller than the
rounding of one evaluation of the function would make it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A derivative measured from values of the function.

    value: the derivative (shape as the calling function says).
    error: estimate of |value - true derivative|, entry by entry: truncation, measured by a second
        step or the Richardson table, plus rounding. At a kink central rules add half the jump of
        the slope. It is an estimate, not a proof.
    step: the step used, one per component of the argument (`directional`: one float).
    method: the rule.
    evaluations: how often the function was called.

    >>> import math
    >>> from wengert.numeric import derivative
    >>> found = derivative(math.exp, 0.0)
    >>> bool(abs(found.value - 1.0) <= found.error < 1e-12)
    True
    """

    value: Any
    error: Any
    step: Any
    method: str
    evaluations: int
