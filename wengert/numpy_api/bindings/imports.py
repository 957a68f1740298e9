"""``import numpy as np`` inside a function: while a trace runs, it gets the namespace.

Imports ``twins`` and ``core.context``. Invariant: only a statement in the body of a function of an
admitted module, run by a tracing thread while no module is being loaded, gets a namespace; all
others get what they always got.
"""

from __future__ import annotations

import builtins
import dis
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from wengert.core.context import tracing
from wengert.numpy_api.bindings.twins import TwinTable

_IMPORT_NAME = dis.opmap["IMPORT_NAME"]


def _is_statement(frame: FrameType, space: Any) -> bool:
    """Whether this frame, running in these globals, stands at an import statement."""
    code = frame.f_code.co_code
    return frame.f_globals is space and frame.f_lasti >= 0 and code[frame.f_lasti] == _IMPORT_NAME


class ImportHook:
    """``builtins.__import__`` while traces run."""

    def __init__(
        self,
        table: TwinTable,
        is_served: Callable[[dict[str, Any]], bool],
        imported: Callable[[], None],
    ) -> None:
        self._real: Any = builtins.__import__
        self._ours = self._make(table, is_served, imported)

    def put(self) -> None:
        """Take the place of the present ``__import__``."""
        if builtins.__import__ is not self._ours:
            self._real = builtins.__import__
            builtins.__import__ = self._ours

    def restore(self) -> None:
        """Give the place back, if it is still ours."""
        if builtins.__import__ is self._ours:
            builtins.__import__ = self._real

    def _make(
        self,
        table: TwinTable,
        is_served: Callable[[dict[str, Any]], bool],
        imported: Callable[[], None],
    ) -> Callable[..., Any]:
        read, twin_of = tracing.get, table.twin_of
        nesting = threading.local()

        def importing(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> Any:
            if read() is None:
                return self._real(name, globals, locals, fromlist, level)
            # A module loaded inside the trace may register what it imports for good (numba does,
            # by identity).
            depth = getattr(nesting, "depth", 0)
            nesting.depth = depth + 1
            try:
                module = self._real(name, globals, locals, fromlist, level)
            finally:
                nesting.depth = depth
            if depth:
                return module
            imported()
            # An import statement hands over its locals, None in a function. C code that imports on
            # its own account passes the globals of whoever called it, as locals too; so does a
            # statement in the body of exec'd code, which shows in the caller's instruction.
            if (
                id(module) in twin_of
                and (
                    locals is None
                    or (locals is globals and _is_statement(sys._getframe(1), globals))
                )
                and is_served(globals or {})
            ):
                return twin_of[id(module)]
            return module

        return importing
