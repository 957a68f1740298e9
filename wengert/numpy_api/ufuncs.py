"""NumPy's ufuncs and the operations they are.

Imports core, ops, ``table``. Invariant: every ufunc of ``numpy`` is here, as a differentiable
operation, a constant one, or a refusal that says why; and each computes with the ufunc itself, so
that its values are NumPy's bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, error_at
from wengert.numpy_api.table import UFUNCS
from wengert.ops import arithmetic, compare, complexes, contract, piecewise, transcendental
from wengert.ops.generate import evaluated_by

REFUSED: dict[Any, str] = {
    np.isnat: "it takes dates and times",
}
"""Ufunc -> why it cannot take a traced number."""


def enter(ufunc: Any, record: Callable[..., Any]) -> None:
    """Serve a ufunc by an operation, computed by the ufunc itself."""
    op = getattr(record, "op", None)
    if op is not None and op.evaluate is not ufunc and not op.params:
        record = evaluated_by(op, ufunc, f"np_{ufunc.__name__}")
    UFUNCS[ufunc] = record


def _refusal(ufunc: Any, reason: str) -> Callable[..., Any]:
    def refuse(*operands: Any, **options: Any) -> Any:
        raise error_at(
            NoRuleError,
            f"np.{ufunc.__name__} has no derivative: {reason}",
            fix="convert the values with astype(int), or keep them out with wengert.stop_gradient",
        )

    return refuse


for _family in (arithmetic, compare, transcendental, contract, piecewise):
    for _name, _record in vars(_family).items():
        if hasattr(_record, "op") and isinstance(getattr(np, _name, None), np.ufunc):
            enter(getattr(np, _name), _record)
for _ufunc, _record in {
    np.conjugate: complexes.conjugate,
    np.degrees: transcendental.rad2deg,
    np.radians: transcendental.deg2rad,
    np.sign: complexes.sign,
    np.heaviside: piecewise.heaviside,
    np.modf: piecewise.modf,
    np.frexp: piecewise.frexp,
    np.divmod: lambda a, b: (UFUNCS[np.floor_divide](a, b), UFUNCS[np.remainder](a, b)),
}.items():
    enter(_ufunc, _record)
for _ufunc, _reason in REFUSED.items():
    UFUNCS[_ufunc] = _refusal(_ufunc, _reason)
