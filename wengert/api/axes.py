"""Which axis of every array in a container counts the rows: ``in_axes`` and ``out_axes`` of ``vmap``.

Imports core. Invariant: a number or None stands for everything inside; a container has the form of what it is for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.tree import Structure, flatten


def spread(axes: Any, structure: Structure, what: str) -> list[int | None]:
    """The axis of every leaf of a container; ``what`` names the container in messages."""
    if axes is None or type(axes) is int:
        return [axes] * structure.size
    found: list[int | None] = [None] * structure.size
    _walk(axes, structure.unflatten(list(range(structure.size))), found, what)
    return found


def _walk(axes: Any, places: Any, found: list[int | None], what: str) -> None:
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        for place in flatten(places)[0]:
            found[place] = None if axes is None else int(axes)
        return
    if isinstance(axes, dict):
        fits = isinstance(places, dict) and axes.keys() == places.keys()
        pairs = [(axes[k], places[k], f"{what}[{k!r}]") for k in axes] if fits else []
    elif isinstance(axes, (tuple, list)):
        fits = isinstance(places, (tuple, list)) and len(axes) == len(places)
        pairs = [(a, p, f"{what}[{k}]") for k, (a, p) in enumerate(zip(axes, places, strict=True))] if fits else []
    else:
        raise error_at(
            WengertTypeError,
            f"vmap: {axes!r} is no axis of {what}",
            fix="give a number, None, or a container of them of the same form",
            depth=5,
        )
    if not fits:
        raise error_at(
            WengertValueError,
            f"vmap: the axes {axes!r} have not the form of {what}",
            fix="give a container of the same form, or one number for everything in it",
            depth=5,
        )
    for part, place, name in pairs:
        _walk(part, place, found, name)


__all__ = ["spread"]
