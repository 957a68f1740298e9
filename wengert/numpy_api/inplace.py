"""``y += t`` and ``out=y`` where ``y`` is a plain array made outside the trace's sight.

Imports core. Invariant: a traced value never enters plain memory; where Python would go on holding the plain array, this raises.
"""

from __future__ import annotations

from typing import Any

from wengert.core.errors import CutError, error_at


def bind(result: Any, out: Any) -> Any:
    """Refuse to lose a traced result in a plain array."""
    shape = getattr(out, "shape", None)
    raise error_at(
        CutError, f"a traced value is written into a plain array of shape {shape} made outside the trace",
        fix="make it inside the function with np.zeros, or copy it there: y = np.array(y)",
    )
