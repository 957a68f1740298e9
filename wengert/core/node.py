"""Nodes: one elementary step each, and the line it was written on.

A node knows its operation, the nodes it came from and the residuals its derivative needs; meaning is by identity.
Imports ``context`` only. Invariant: a node is never changed after its recording function returned (its line may be
filled in).
"""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, next_seq

Where = tuple[CodeType, int]


class Node:
    """A recorded step. ``inputs`` holds one parent per operand, None where an operand is constant."""

    __slots__ = ("inputs", "op", "params", "saved", "seq", "where")

    tangents: Any = None
    args: Any = None
    type: Any = None
    abstract: bool = False
    evaluate: Any = None

    def __init__(
        self, seq: int, op: Any, inputs: tuple[Any, ...], saved: tuple[Any, ...], params: Any, where: Any
    ) -> None:
        self.seq = seq
        self.op = op
        self.inputs = inputs
        self.saved = saved
        self.params = params
        self.where = where

    def __repr__(self) -> str:
        return f"<Node {self.seq} {self.op.name}>"


class RichNode(Node):
    """A node that also carries forward tangents, or (full recording) all its operands and its type.

    ``tangents`` maps a forward frame to the tangent; ``args`` has a Node or a Const for every operand; ``evaluate`` is
    what computed the step where that was not the operation's own function (``np.power`` for Python's ``**``).
    """

    __slots__ = ("abstract", "args", "evaluate", "tangents", "type")

    def __init__(
        self, seq: int, op: Any, inputs: tuple[Any, ...], saved: tuple[Any, ...], params: Any, where: Any
    ) -> None:
        self.seq = seq
        self.op = op
        self.inputs = inputs
        self.saved = saved
        self.params = params
        self.where = where
        self.tangents = None
        self.args = None
        self.type = None
        self.abstract = False
        self.evaluate = None


class ListedNode(RichNode):
    """The same, filled in by who makes it: ``ListedNode()`` takes a third of the time of a constructor's call."""

    __slots__ = ()

    __init__ = object.__init__


class Const:
    """An operand that does not depend on the inputs: a raw value, or a handle of an outer trace (a free leaf)."""

    __slots__ = ("value",)

    seq = -1  # it is no step

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Const({self.value!r})"


def _folder(file: str, up: int = 1) -> str:
    """The folder of a file, or one above it, by text (loading pathlib takes longer than most of this package's parts).
    Never resolved: a code object names its file as it was found, through links."""
    found = os.path.abspath(file)  # noqa: PTH100
    for _ in range(up):
        found = os.path.dirname(found)  # noqa: PTH120
    return found + os.sep


_PACKAGE = _folder(__file__, 2)
_NUMPY = _folder(np.__file__)

USER_FILES: dict[str, bool] = {}
"""File name -> whether it is the user's (not wengert's or NumPy's own, or generated); filled as names are met."""


def is_user_file(name: str) -> bool:
    """Whether a code object's file name belongs to the user rather than to wengert."""
    known = USER_FILES.get(name)
    if known is None:
        internal = name.startswith(("<wengert", "<__array_function__", _PACKAGE, _NUMPY))
        known = USER_FILES[name] = not internal
    return known


def user_frame(frame: FrameType | None) -> FrameType | None:
    """The nearest frame, from this one outwards, that is not wengert's or NumPy's own."""
    found = frame
    known = USER_FILES.get
    while found is not None:
        name = found.f_code.co_filename
        users = known(name)
        if users or (users is None and is_user_file(name)):
            return found
        found = found.f_back
    return frame


_LIBRARIES = (
    os.sep + "site-packages" + os.sep,
    os.sep + "dist-packages" + os.sep,
    _folder(os.__file__),
)


def is_library(name: str) -> bool:
    """Whether a file belongs to an installed package or to the standard library."""
    return any(part in name for part in _LIBRARIES) or name.startswith("<frozen")


def blamed_frame(frame: FrameType | None) -> FrameType | None:
    """The frame an error names: the nearest of the traced program that is in no library, else simply the nearest."""
    nearest = found = user_frame(frame)
    while found is not None:
        name = found.f_code.co_filename
        if not is_user_file(name):
            if found.f_code.co_name == "call" and name.endswith("engine.py"):  # where the trace begins
                break
        elif not is_library(name):
            return found
        found = found.f_back
    return nearest


def here(depth: int = 1) -> Where:
    """Where the user's code stands now: code object and instruction, resolved to a line only when printed."""
    if SWITCH.where is not None:
        return SWITCH.where  # type: ignore[no-any-return]
    frame = user_frame(sys._getframe(depth)) or sys._getframe(depth)
    return frame.f_code, frame.f_lasti


def outside(frame: FrameType) -> Where:
    """The instruction of the first user frame at or outside ``frame`` (for generated code)."""
    if SWITCH.where is not None:
        return SWITCH.where  # type: ignore[no-any-return]
    found = user_frame(frame) or frame
    return found.f_code, found.f_lasti


def line_of(where: Where | None) -> tuple[str, int, str]:
    """File, line number and function name of a recorded instruction."""
    if where is None:
        return "<unknown>", 0, "<unknown>"
    code, lasti = where
    line = code.co_firstlineno
    for index, position in enumerate(code.co_positions()):
        if index * 2 >= lasti:
            line = position[0] or line
            break
    return code.co_filename, line, code.co_name


def describe(where: Where | None) -> str:
    """``file:line in function`` for messages."""
    file, line, name = line_of(where)
    return f"{file}:{line} in {name}"


__all__ = [
    "USER_FILES",
    "Const",
    "ListedNode",
    "Node",
    "RichNode",
    "Where",
    "blamed_frame",
    "describe",
    "here",
    "is_library",
    "is_user_file",
    "line_of",
    "next_seq",
    "outside",
    "user_frame",
]
