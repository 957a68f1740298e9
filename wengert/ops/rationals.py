"""Operators between a traced value and an exact ``fractions.Fraction``, which Python makes floats of.

Imports core, ``compare``, ``complexes``. Invariant: numbers are those of ``float(t) op float(f)``, in double
precision as Python has them; comparisons are exact, as those of a float with a Fraction.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from wengert.core.errors import WengertTypeError, error_at
from wengert.core.handle import is_handle
from wengert.core.op import Op
from wengert.core.types import dtype_of, shape_of
from wengert.ops import compare
from wengert.ops.complexes import astype

_MIRRORED = {
    "less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
    "equal": "equal", "not_equal": "not_equal",
}  # fmt: skip
_ROUNDED_DOWN = {"less": compare.less_equal, "greater_equal": compare.greater}
_ROUNDED_UP = {"less_equal": compare.less, "greater": compare.greater_equal}
_LARGEST = Fraction(sys.float_info.max)


def with_fraction(op: Op, operands: Sequence[Any]) -> Any:
    """The operator where one operand is a Fraction; NotImplemented where that is no number of the other's."""
    if len(operands) != 2 or not any(map(is_handle, operands)):
        return NotImplemented
    a, b = operands
    if op.name in _MIRRORED:
        return _compared(op.name, a, b) if isinstance(b, Fraction) else _compared(_MIRRORED[op.name], b, a)
    t = a if is_handle(a) else b
    kind = dtype_of(t.value).kind
    if kind not in "fc":
        return NotImplemented
    if shape_of(t.value):
        raise error_at(
            WengertTypeError,
            f"a traced array meets a Fraction in {op.name}, of which NumPy makes an array of objects",
            fix="make it a float: float(fraction)",
        )
    number = float if kind == "f" else complex
    return op.record(*(astype(v, number) if is_handle(v) else number(v) for v in operands))


def _compared(name: str, t: Any, fraction: Fraction) -> Any:
    """``t`` compared with a fraction: with the double next to it, from which no other number parts it."""
    dtype = dtype_of(t.value)
    if abs(fraction) > _LARGEST or dtype.kind not in "fiub" or dtype.itemsize > 8:
        return NotImplemented
    near = float(fraction)
    t = astype(t, float) if dtype.kind == "f" else t
    if near == fraction:
        return getattr(compare, name)(t, near)
    if name in ("equal", "not_equal"):
        never = compare.not_equal if name == "not_equal" else compare.equal
        return never(t, float("nan"))
    rounded = _ROUNDED_DOWN if near < fraction else _ROUNDED_UP
    return rounded.get(name, getattr(compare, name))(t, near)


__all__ = ["with_fraction"]
