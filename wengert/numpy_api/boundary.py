"""What is said about errors of code that cannot be seen: compiled functions that met a handle and
did not know it.

Imports core. Invariant: an exception is never replaced here, only explained by a note; one that the
user's own ``raise`` made stays as it is.
"""

from __future__ import annotations

import dis
import sys
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.node import is_library, is_user_file

_RAISES = frozenset({dis.opmap["RAISE_VARARGS"], dis.opmap["RERAISE"]})
_LARGEST = 64
_COMPILED = (".pyx", ".pxd", ".pxi", "<stringsource>")  # Cython adds frames without variables


def explain(problem: Exception) -> None:
    """Add a note when the innermost Python frame held a traced value that compiled code then
    refused.
    """
    steps: list[tuple[FrameType, int, int]] = []
    tb: TracebackType | None = problem.__traceback__
    while tb is not None:
        steps.append((tb.tb_frame, tb.tb_lasti, tb.tb_lineno))
        tb = tb.tb_next
    while steps and steps[-1][0].f_code.co_filename.endswith(_COMPILED):
        steps.pop()
    if not steps:
        return
    frame, lasti, _ = steps[-1]
    file = frame.f_code.co_filename
    if not is_user_file(file) or not _holds(frame) or not isinstance(problem, _kinds()):
        return
    if _is_users(file) and lasti >= 0 and frame.f_code.co_code[lasti] in _RAISES:
        return
    users = next(
        (step for step in reversed(steps) if _is_users(step[0].f_code.co_filename)), steps[-1]
    )
    problem.add_note(
        f"compiled code received a traced value, at {users[0].f_code.co_filename}:{users[2]}\n"
        "  fix: use a NumPy function or an operator for this step, wengert.custom_jvp to give its "
        "derivative, or "
        "wengert.stop_gradient(t) where a constant is meant"
    )


def _kinds() -> tuple[type[BaseException], ...]:
    kinds: list[type[BaseException]] = [
        TypeError,
        ValueError,
        AttributeError,
        BufferError,
        SystemError,
        NotImplementedError,
    ]
    struct = sys.modules.get("struct")
    if struct is not None:
        kinds.append(struct.error)
    return tuple(kinds)


def _is_users(file: str) -> bool:
    """Whether a file is neither wengert's nor of an installed library."""
    return is_user_file(file) and not is_library(file)


def _holds(frame: FrameType) -> bool:
    names = frame.f_locals
    # A method may have kept what it was given.
    kept = (
        list(getattr(names.get("self"), "__dict__", {}).values())
        if not is_handle(names.get("self"))
        else []
    )
    return any(map(_is_or_holds, [*names.values(), *kept]))


def _is_or_holds(value: Any) -> bool:
    if is_handle(value):
        return True
    kind = type(value)
    if kind is dict:
        value = list(value.values())
    elif kind is np.ndarray and value.dtype == object:
        value = value.ravel().tolist()
    elif kind not in (list, tuple):
        return False
    return any(map(is_handle, value[:_LARGEST]))


__all__ = ["explain"]
