"""The names a running trace serves: one set of bindings for the process, made from the table of
twins on first use.

Imports the other files of this room. Invariant: entering and leaving are paired by the caller in a
``finally``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from wengert.core.locks import ForkLock
from wengert.numpy_api.bindings import Bindings, Token, make_twin
from wengert.numpy_api.bindings.exact_types import asks_type
from wengert.numpy_api.table import TWINS, Standin
from wengert.numpy_api.twins.lists import list_twins

Pairs = list[tuple[Any, Any]]
_NAMESPACES = ("numpy", "numpy.linalg", "math", "cmath")
_bindings: Bindings | None = None
_making = ForkLock()
_looked: dict[int, CodeType] = {}  # code that never calls ``type``
_MOST_LOOKED = 4096


def _random() -> Pairs:
    from wengert.numpy_api.twins import random as twins_random

    return twins_random.provide()


def _statistics() -> Pairs:
    from wengert.numpy_api.twins import statistics as twins_statistics

    return twins_statistics.provide()


def _fft() -> Pairs:
    known = set(TWINS)
    return [pair for pair in list_twins(sys.modules["numpy.fft"]).items() if pair[0] not in known]


_PROVIDERS: dict[str, Callable[[], Pairs]] = {
    "numpy.random": _random,
    "numpy.fft": _fft,
    "statistics": _statistics,
}
"""Modules that are loaded only by those who use them, and what they get then."""


def bindings() -> Bindings:
    """The process's bindings."""
    global _bindings  # noqa: PLW0603
    if _bindings is not None:
        return _bindings
    with _making:
        if _bindings is None:
            twins = {
                **list_twins(sys.modules["numpy"]),
                **list_twins(sys.modules["numpy.linalg"]),
                **TWINS,
            }
            _bindings = Bindings(
                _made(list(twins.items())),
                _NAMESPACES,
                {n: _later(p) for n, p in _PROVIDERS.items()},
            )
    return _bindings


def trace_into(package: str) -> None:
    """Count a package among the user's own code: its ``np.zeros``, ``math.sin`` and so on are
    served while a trace runs.

    Needed for pure-Python code inside packages that also have compiled parts, which are left alone
    otherwise.

    >>> trace_into("email")
    """
    bindings().admit(package)


def _later(provide: Callable[[], Pairs]) -> Callable[[], Pairs]:
    return lambda: _made(provide())


def _made(pairs: Pairs) -> Pairs:
    return [(original, _served(original, entry)) for original, entry in pairs]


def _served(original: Any, entry: Any) -> Any:
    return entry.thing if type(entry) is Standin else make_twin(original, entry)


def served(fun: Any) -> Any:
    """The twin of a function that has one (``grad(math.sin)``), else the function itself."""
    return (_bindings or bindings())._table.twin_of.get(id(fun), fun)


def look(fun: Any) -> None:
    """Look at a function that is going to be traced, once, so that its calls need not: a walk over its module does not
    meet what no name holds."""
    code = getattr(fun, "__code__", None)
    if code is None or type(code) is not CodeType or _looked.get(id(code)) is code:
        return
    if asks_type(code):
        (_bindings or bindings()).serve_type(fun.__globals__)
        return
    if len(_looked) > _MOST_LOOKED:
        _looked.clear()
    _looked[id(code)] = code


def enter(fun: Any) -> Token:
    """Serve the twins to the module of ``fun`` and to all user modules."""
    return (_bindings or bindings()).enter(fun)


def leave(token: Token) -> None:
    """Give the names back."""
    (_bindings or bindings()).exit(token)
