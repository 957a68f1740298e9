"""The arrays that a kernel reads and writes, as far as whoever calls it has to know them.

Imports NumPy's types only: a plan that comes from disk needs nothing else of the index form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(slots=True, eq=False)
class Slot:
    """An array in memory, C-contiguous, aligned, of native byte order: ``kind`` is input, constant or output."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: str
    data: np.ndarray[Any, Any] | None = None
    """The content of a constant."""


__all__ = ["Slot"]
