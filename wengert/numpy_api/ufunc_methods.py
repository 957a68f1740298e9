"""The methods of ufuncs on handles: reduce, accumulate, reduceat, outer, at.

Imports core, ops. Invariant: each is the function it stands for (``np.add.reduce`` is ``np.sum``), never an evaluation on values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

METHODS_OF_UFUNCS: dict[str, Callable[..., Any]] = {}
