"""Every error and warning of wengert, and the texts they carry.

A message says what happened, where (operation, file and line of the user's code), what was got and what to do; the same
facts are attributes. Imports ``node`` only. Invariant: every class is a WengertError and also the builtin a caller
would expect.
"""

from __future__ import annotations

import sys
from typing import Any

from wengert.core.node import Where, blamed_frame, line_of


class WengertError(Exception):
    """Base of all errors raised by wengert; ``file``, ``line`` and ``fix`` are attributes."""

    file: str = ""
    line: int = 0
    fix: str = ""


class WengertTypeError(WengertError, TypeError):
    """A value of a kind that has no derivative, or of the wrong kind for the call."""


class WengertValueError(WengertError, ValueError):
    """A value, shape or option that does not fit."""


class WengertIndexError(WengertError, IndexError):
    """An argument number that the function does not have."""


class CutError(WengertTypeError):
    """The derivative would be cut here without a word: a traced value was asked for its plain number or memory."""


class NoRuleError(WengertTypeError, NotImplementedError):
    """A function that wengert has no derivative for."""


class ChangedError(WengertValueError):
    """An array that the derivative needs was overwritten after it was used."""


class VerificationError(WengertValueError):
    """``verify=True`` found that a traced result and an untraced one differ."""


class CheckError(WengertError, AssertionError):
    """``check_grads`` found a derivative that differs from its independent reference."""


class KinkError(WengertValueError):
    """``nonsmooth="raise"`` met a point where an operation has no unique derivative."""


class WengertWarning(UserWarning):
    """Base of all warnings raised by wengert."""


class NoDependenceWarning(WengertWarning):
    """The output does not depend on the input, so the derivative is zero; says where the path ended."""


class KinkWarning(WengertWarning):
    """``nonsmooth="warn"`` met a kink."""


class LeakWarning(WengertWarning):
    """A traced value was used after its trace had ended; it stands for its plain value."""


def raise_at(
    kind: type[WengertError], what: str, *, fix: str = "", where: Where | None = None, depth: int = 2
) -> Any:
    """Raise ``kind`` with the user's line (from ``where``, or the calling user frame) and the fix."""
    raise error_at(kind, what, fix=fix, where=where, depth=depth + 1)


def error_at(
    kind: type[WengertError], what: str, *, fix: str = "", where: Where | None = None, depth: int = 2
) -> WengertError:
    """Build such an error without raising it."""
    if where is None:
        frame = blamed_frame(sys._getframe(depth - 1))
        file, line = (frame.f_code.co_filename, frame.f_lineno) if frame else ("<unknown>", 0)
    else:
        file, line, _ = line_of(where)
    text = f"{what}\n  at {file}:{line}"
    if fix:
        text += f"\n  fix: {fix}"
    error = kind(text)
    error.file, error.line, error.fix = file, line, fix
    return error
