"""What ``hasattr`` is told about a traced number of Python's: it has the attributes of its type, not those of arrays.

Imports core. Invariant: ``hasattr``, ``getattr`` and an access inside ``try`` in code of the user's get the answer of
the plain number; wengert, libraries and all other accesses find what the handle classes have."""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType, FrameType
from typing import Any

from wengert.core.node import is_library, is_user_file

_ACCESS = frozenset(dis.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in dis.opmap)


class NumPysOwn:
    """An attribute of scalar handles that only NumPy's numbers have."""

    def __init__(self, name: str, held: Any) -> None:
        self.name, self.held = name, held
        self.bind = getattr(type(held), "__get__", None)
        self.absent = tuple(kind for kind in (float, complex) if not hasattr(kind, name))

    def __get__(self, t: Any, owner: Any = None) -> Any:
        if t is not None:
            kind = type(t.value)
            if kind in self.absent and _asks(sys._getframe(1)):
                raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}")
        return self.held if self.bind is None else self.bind(self.held, t, owner)


def _asks(frame: FrameType) -> bool:
    """Whether this access only asks what there is: by ``hasattr`` or ``getattr``, or where an error is caught."""
    code = frame.f_code
    if not _is_users(code.co_filename):
        return False
    return code.co_code[frame.f_lasti] not in _ACCESS or _is_guarded(code, frame.f_lasti)


@functools.lru_cache(maxsize=1024)
def _is_users(file: str) -> bool:
    return is_user_file(file) and not is_library(file)


@functools.lru_cache(maxsize=1024)
def _is_guarded(code: CodeType, at: int) -> bool:
    if not code.co_exceptiontable:
        return False
    return any(entry.start <= at < entry.end for entry in dis.Bytecode(code).exception_entries)  # type: ignore[attr-defined]


__all__ = ["NumPysOwn"]
