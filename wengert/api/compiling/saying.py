"""What compiled functions say: a CompileWarning.

Imports core. Invariant: a warning is given at the user's line."""

from __future__ import annotations

import sys
import warnings

from wengert.core.errors import CompileWarning
from wengert.core.node import user_frame


def warn(text: str) -> None:
    """Give a CompileWarning at the user's line."""
    frame = user_frame(sys._getframe(1)) or sys._getframe(1)
    names = frame.f_globals
    warnings.warn_explicit(
        text,
        CompileWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        names.get("__name__"),
        names.setdefault("__warningregistry__", {}),
    )


__all__ = ["warn"]
