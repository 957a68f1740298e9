"""Which steps of a recording may wait: nobody must notice when the function runs again, and it should be about to end.

Imports core and ``put_off``. Invariant: runs nothing of the user's; a no that is wrong costs time only.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from wengert.core.context import Frame
from wengert.core.deferred import begin
from wengert.core.node import is_user_file

_EFFECTS = frozenset(
    {"print", "open", "input", "exec", "eval", "write", "writelines", "flush", "stdout", "stderr", "logging", "info"}
    | {"debug", "warning", "warn", "error", "critical", "exception", "send", "sendall", "put", "post", "emit"}
    | {"publish", "system", "popen", "Popen", "run", "sleep"}
)
"""What functions and methods are called that somebody outside may notice: what holds such names never runs twice."""


def let_wait(fun: Any, large: bool, names: AbstractSet[str], frame: Frame) -> None:
    """Let steps of the recording of ``fun``, whose code has these names, be put off: large ones, if its arguments are
    large or once a large one was taken, and long loops, once the user's code has run."""
    hopes = _EFFECTS.isdisjoint(names)
    if large:
        from wengert.ops.put_off import deferred  # what few programs need

        begin(frame, deferred, hopes=hopes)
        frame.steps = None if frame.met.late is not None else frame.steps
    else:
        frame.met.hopes = hopes
        frame.met.patient = frame.folds is True and _only_differentiates(fun)


def _only_differentiates(fun: Any) -> bool:
    """Whether a function is a transformation of wengert's: once it has swept back, nothing of the user's runs."""
    code = getattr(fun, "__code__", None)
    return code is not None and not is_user_file(code.co_filename)


__all__ = ["let_wait"]
