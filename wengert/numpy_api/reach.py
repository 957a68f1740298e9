"""The names a running trace serves: one set of bindings for the process, made from the table of twins on first use.

Imports the other files of this room. Invariant: entering and leaving are paired by the caller in a ``finally``.
"""

from __future__ import annotations

from typing import Any

from wengert.numpy_api.bindings import Bindings, Token, make_twin
from wengert.numpy_api.table import TWINS, Standin
from wengert.numpy_api.twins_lists import list_twins

_NAMESPACES = ("numpy", "numpy.linalg", "numpy.fft", "numpy.random", "math", "cmath", "statistics")
_bindings: Bindings | None = None


def bindings() -> Bindings:
    """The process's bindings."""
    global _bindings
    if _bindings is None:
        _bindings = Bindings([(original, _served(original, t)) for original, t in {**list_twins(), **TWINS}.items()], _NAMESPACES)
    return _bindings


def _served(original: Any, entry: Any) -> Any:
    return entry.thing if type(entry) is Standin else make_twin(original, entry)


def enter(fun: Any) -> Token:
    """Serve the twins to the module of ``fun`` and to all user modules."""
    return (_bindings or bindings()).enter(fun)


def leave(token: Token) -> None:
    """Give the names back."""
    bindings().exit(token)
