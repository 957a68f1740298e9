"""Handles: what user code holds while a trace runs. Two plain classes, one for arrays and one for scalars.

A handle is the current value, the current node (None: constant so far), and for views and written arrays the memory it
shares. Operators are attached in ``numpy_api/install``. Imports ``context``, ``node``, ``types``. Invariant: a handle
without ``base`` holds a value that nobody will ever write to.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.core.context import BODY, WritesOutside, next_seq, tracing
from wengert.core.node import Node

CLASS_READS: dict[int, tuple[Any, frozenset[int]]] = {}
"""By the identity of code that a trace serves: a weak reference to it (which takes it out), and the offsets at which it
reads an attribute ``__class__`` (``t.__class__ is float``). There a handle gives the type of its value; ``isinstance``,
in C, and SciPy's fast paths get a subclass."""


class _LooksArray(np.ndarray[Any, Any]):
    """What ``isinstance`` is told about an array handle: a subclass, so C fast paths for exact arrays stay away."""


class _LooksFloat(np.float64):
    """What ``isinstance`` is told about a real scalar handle."""


class _LooksComplex(np.complex128):
    """What ``isinstance`` is told about a complex scalar handle."""


class _LooksPythonFloat(float):
    """What ``isinstance`` is told about the handle of a float of Python's, which is no number of NumPy's."""


class _LooksPythonComplex(complex):
    """What ``isinstance`` is told about the handle of a complex number of Python's."""


_LOOKS = {
    float: _LooksPythonFloat,
    complex: _LooksPythonComplex,
    np.float64: _LooksFloat,
    np.complex128: _LooksComplex,
}


class Traced:
    """Common part of the two handles; never instantiated itself.

    ``value``    the raw value (for a live array: the private memory that writes hit)
    ``node``     the step that made it, None for a buffer that holds no traced value yet
    ``base``     None; or itself (a live array); or the array this one is a view of
    ``path``     the view steps that lead from the base to this view
    ``version``  of a base: counts writes; of a view: the version of the base it last saw
    ``shared``   of a live array: its memory was read as a whole, so the next write copies first
    ``export``   of a live array: weak reference to the holder of memory lent to code that cannot be seen
    ``wrote``    of a live array: the node of its last write, whose tangent nobody else holds (careful recorder only)
    ``traced``   of a view that a traced number leads to: the path with slots for such numbers, their values and nodes
    ``born``     of a buffer: when it was made, on the clock of nodes
    """

    value: Any
    node: Node | None
    base: Any
    path: tuple[Any, ...]
    version: int
    shared: bool
    export: Any
    wrote: Any
    traced: Any
    born: int

    __slots__ = (
        "__weakref__", "base", "born", "export", "node", "path", "shared", "traced", "value", "version", "wrote",
    )  # fmt: skip

    def __init__(self, value: Any, node: Node | None) -> None:
        self.value = value
        self.node = node
        self.base = None

    @property  # type: ignore[misc]  # answered per value, so there is nothing to set
    def __class__(self) -> Any:
        if CLASS_READS:
            frame = sys._getframe(1)
            read = CLASS_READS.get(id(frame.f_code))
            if read is not None and frame.f_lasti in read[1]:
                return type(self.value)
        if type(self) is TracedArray:
            return _LooksArray
        kind = type(self.value)
        return _LOOKS.get(kind, kind)


class TracedArray(Traced):
    """Handle of an array. ``isinstance(t, np.ndarray)`` holds, although it is not one."""

    __slots__ = ()


class TracedScalar(Traced):
    """Handle of a scalar. ``isinstance(t, float)`` holds, although it is not one."""

    __slots__ = ()


HANDLES = frozenset({TracedArray, TracedScalar})


def handle(value: Any, node: Node | None) -> Any:
    """The right handle for a raw value."""
    if type(value) is np.ndarray:
        return TracedArray(value, node)
    return TracedScalar(value, node)


def is_handle(value: Any) -> bool:
    """Whether a value is a handle (``isinstance`` cannot be used: handles answer for NumPy's classes)."""
    kind = type(value)
    return kind is TracedArray or kind is TracedScalar


def buffer(value: np.ndarray[Any, Any], node: Node | None = None) -> TracedArray:
    """A live handle on memory that is ours: written in place until somebody reads it as a whole."""
    made = TracedArray(value, node)
    made.base = made
    made.path = ()
    made.version = 1
    made.shared = False
    made.export = None
    made.born = next_seq()
    return made


def check_inside(base: Any) -> None:
    """Raise where a body that is being recorded writes into an array that it did not make."""
    frame = tracing.get()
    full = None if frame is None else frame.full
    while full is not None:
        if full.note is BODY:
            made = getattr(base, "born", None)
            if made is None:
                made = base.node.seq if base.node is not None else 0
            if made < full.start:
                raise WritesOutside
        full = None if full.parent is None else full.parent.full
