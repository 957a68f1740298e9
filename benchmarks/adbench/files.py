"""Where the ADBench inputs lie, and the numbers in a file of them.

May import the standard library and NumPy. Invariant: a missing file is None here and a sentence in the caller's notes,
never an error and never a silent replacement.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = Path("shared", "data", "adbench")


def found(*parts: str) -> Path | None:
    """The file beside the repository or inside it, or None."""
    for base in (ROOT, ROOT.parent):
        path = base.joinpath(FOLDER, *parts)
        if path.is_file():
            return path
    return None


def numbers(path: Path) -> Any:
    """All numbers of a file as one vector."""
    return np.array(path.read_text().split(), dtype=float)


def cut(vector: Any, *shapes: tuple[int, ...]) -> list[Any]:
    """Consecutive pieces of a vector, each in its shape; what is left over comes last."""
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    pieces = [vector[a:b].reshape(shape).copy() for (a, b), shape in zip(pairwise(ends), shapes, strict=True)]
    return [*pieces, vector[ends[-1] :].copy()]
