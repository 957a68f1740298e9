"""What can go wrong on the command line, as one line each, and the exit code that goes with it.

Imports the standard library and wengert's public API. Invariant: 0 is fine, 1 a failed check, 2 a
usage mistake or unfit input, 3 an exception out of the user's own code; nothing else is returned.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import wengert as wg

FINE, CHECK_FAILED, BAD_INPUT, FUNCTION_RAISED = 0, 1, 2, 3


class Problem(Exception):
    """A message for the user and the exit code; raised anywhere, printed once by `main`."""

    def __init__(self, text: str, code: int = BAD_INPUT) -> None:
        super().__init__(text)
        self.code = code


def note(text: str) -> None:
    """Print to standard error, which scripts do not read."""
    print(text, file=sys.stderr)


def one_line(text: str) -> str:
    """The text with its line breaks turned into `; ` or spaces, so that scripts can grep it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    joined = ""
    for line in lines:
        separator = "" if not joined else " " if joined[-1] in ".:;," else "; "
        joined += separator + line
    return joined


def described(error: BaseException, file: Path) -> Problem:
    """The problem an exception stands for: code 3 when it came through the user's file, else 2."""
    where = None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == file:
            where = frame
    text = str(error)
    if isinstance(error, wg.WengertError):
        # Said once, in front; and the caller of this command is nobody's line.
        text = text.replace(f"\n  at {error.file}:{error.line}", "")
    else:
        text = f"{type(error).__name__}: {text}"
    if where is not None:
        text = f"{file.name}:{where.lineno} in {where.name}: {text}"
    ours = isinstance(error, wg.WengertError) and where is None
    return Problem(one_line(text), BAD_INPUT if ours else FUNCTION_RAISED)
