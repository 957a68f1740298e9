"""Python's own numbers raise where NumPy's give infinities: what a recording for other values has to ask.

Imports core, and ``compare`` when asked. Invariant: the questions are steps and guards of the recording; a replay
whose guards hold divides no Python number by zero."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from wengert.core.handle import is_handle

_DIVISIONS = frozenset({operator.truediv, operator.floordiv, operator.mod})
RAISING = _DIVISIONS | {operator.pow}
"""What raises ZeroDivisionError on Python's numbers, or goes over to complex ones."""

_PYTHON = frozenset({float, int, bool, complex})


def ask(function: Any, operands: Sequence[Any], values: Sequence[Any]) -> None:
    """Ask, before a step is recorded, what decides whether Python's numbers can take it."""
    if len(values) != 2 or not (type(values[0]) in _PYTHON and type(values[1]) in _PYTHON):
        return
    from wengert.ops.compare import equal, greater, not_equal

    base, other = operands
    if function in _DIVISIONS:
        if is_handle(other):
            bool(not_equal(other, 0))
        return
    if is_handle(other):  # 2.0 ** t is real for every t; of other bases it depends on the exponent
        if is_handle(base) or values[0] <= 0:
            bool(greater(base, 0) if is_handle(base) and values[0] > 0 else equal(other, values[1]))
        return
    if values[1] == int(values[1].real) and not isinstance(values[1], complex):
        if values[1] < 0:
            bool(not_equal(base, 0))
    elif not isinstance(values[0], complex):
        bool(greater(base, 0))


__all__ = ["RAISING", "ask"]
