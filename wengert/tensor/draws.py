"""The source of random numbers that Tensors draw from where no Generator is given: ``normal_``, ``dropout`` of compat.

Imports ``session``, and ``numpy.random`` when the first number is asked for. Invariant: there is one Generator, for
good, so that who compares or restores its state (compiled functions, checkpoints) has the right one.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wengert.tensor.session import session

if TYPE_CHECKING:
    import numpy as np

_made: list[np.random.Generator] = []


def source() -> np.random.Generator:
    """The Generator; made when first asked for."""
    if not _made:
        from numpy.random import default_rng

        if (inside := session()) is not None:
            inside.refusal = "it draws random numbers"
        _made.append(default_rng())
    return _made[0]


def known() -> list[np.random.Generator]:
    """The Generator, where anybody could have drawn from it."""
    return [source()] if "numpy.random" in sys.modules else []


def seed(number: int) -> None:
    """Start it anew."""
    from numpy.random import default_rng

    source().bit_generator.state = default_rng(number).bit_generator.state


__all__ = ["known", "seed", "source"]
