"""Python's own numbers raise where NumPy's give infinities: what a recording for other values has to ask.

Imports core, and ``compare`` when asked. Invariant: the questions are steps and guards of the recording; a replay
whose guards hold divides no Python number by zero."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import inf, isfinite
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
    from wengert.ops.compare import equal, not_equal

    base, other = operands
    if function in _DIVISIONS:
        if is_handle(other):
            bool(not_equal(other, 0))
    elif complex in (type(values[0]), type(values[1])):
        if is_handle(other):
            bool(equal(other, values[1]))
        if is_handle(base) and (values[1].real < 0 or values[1].imag):
            bool(not_equal(base, 0))
    else:
        _ask_power(base, other, *values)


def _ask_power(base: Any, exponent: Any, b: Any, w: Any) -> None:
    """Of ``base ** exponent`` for real numbers of values ``b`` and ``w``: 0 to a finite negative power raises, a finite
    negative base to a finite power that is no integer is complex, and all else is real."""
    from wengert.ops.compare import equal, floor, greater, less, not_equal

    fixed_base, fixed = not is_handle(base), not is_handle(exponent)
    if fixed and (not isfinite(w) or w == int(w)):
        if isfinite(w) and w < 0:
            bool(not_equal(base, 0))
        return
    if b > 0 if fixed_base else bool(greater(base, 0)):
        return
    if b < 0 if fixed_base else bool(less(base, 0)):
        if not fixed and not bool(equal(exponent, exponent)):
            return
        whole = not fixed and bool(equal(floor(exponent), exponent))
        if not whole and not fixed_base:
            bool(equal(base, -inf))
    elif not fixed or w < 0:
        zero = b == 0 if fixed_base else bool(equal(base, 0))
        if zero and not fixed and bool(less(exponent, 0)):
            bool(equal(exponent, -inf))


__all__ = ["RAISING", "ask"]
