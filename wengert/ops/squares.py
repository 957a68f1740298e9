"""The reverse step of a large square in the memory of what was squared, where that memory is nobody else's.

Filling a fresh array costs more than the product that goes into it. Imports core. Invariant: an array is written to
only while the step of the square holds its one reference, in a sweep that passes once.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import numpy as np

from wengert.core.node import Node
from wengert.core.types import FLOAT64

NAMES = ("power", "square")
LARGE = 1 << 17
"""Elements (1 MB) from which on it pays."""


def in_place(node: Any, ct: Any, sweep: Any) -> bool:
    """Pass a large cotangent on through a square, and say so; False where that needs memory of its own."""
    parent, saved = node.inputs[0], node.saved
    if parent is None or parent in sweep.cts or sweep.careful or sweep.lifted:
        return False
    if node.op.name == "power" and (type(saved[1]) not in (int, float) or saved[1] != 2):
        return False
    del saved
    if not _fits(node, ct) or _references(node) != ALONE:
        return False
    sweep.cts[parent] = _doubled(node, ct)
    sweep.owned.add(parent)
    return True


def _fits(node: Any, ct: Any) -> bool:
    """Whether the first residual is an array of its own memory, of the cotangent's kind."""
    x = node.saved[0]
    return (
        type(x) is np.ndarray
        and x.dtype is FLOAT64
        and ct.dtype is FLOAT64
        and x.shape == ct.shape
        and x.base is None
        and x.flags.writeable
        and node.saved[-1] is None
        and not weakref.getweakrefcount(x)
    )


def _references(node: Any) -> int:
    """How many hold the first residual, counted always in the same way."""
    return sys.getrefcount(node.saved[0])


def _doubled(node: Any, ct: Any) -> Any:
    x = node.saved[0]
    node.saved = ()
    np.multiply(x, 2.0, out=x)
    if any(ct.strides) or ct.item(0) != 1.0:
        np.multiply(ct, x, out=x)
    return x


def _count_of_one() -> int:
    """What ``_references`` finds where the node alone holds the array; it depends on the interpreter's version."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return -1  # without the interpreter's lock counts are not exact
    return _references(Node(0, None, (), (np.empty(1), None), (), None))


ALONE = _count_of_one()
