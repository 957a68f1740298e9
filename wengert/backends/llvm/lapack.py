"""LAPACK as SciPy has it: addresses of its functions, for native code that calls them by name.

Imports nothing but the standard library until asked; SciPy is imported when the first name is. Invariant: an address
is used in this process alone; texts and object code hold names."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterable
from typing import Any

PREFIX = "wengert_lapack_"
"""What the names of LAPACK's functions begin with in native code."""

NEEDED = ("getrf", "getrs", "potrf", "syevd", "geqrf", "orgqr", "gesdd")
"""The functions that native code calls, without the letter of the type."""


def addresses(names: Iterable[str]) -> dict[str, int]:
    """The addresses of those of the names that are LAPACK's.

    Raises RuntimeError where SciPy does not have them."""
    wanted = [n for n in names if n.startswith(PREFIX)]
    if not wanted:
        return {}
    reason, table = _table()
    if reason is not None:
        raise RuntimeError(reason)
    return {n: table[n.removeprefix(PREFIX)] for n in wanted}


def why_no_lapack() -> str | None:
    """Why native code cannot call LAPACK, as a short phrase; None where it can."""
    return _table()[0]


@functools.cache
def _table() -> tuple[str | None, dict[str, int]]:
    try:
        from scipy.linalg import cython_lapack
    except ImportError:
        return "LAPACK is called through SciPy, which is not installed", {}
    except Exception as fault:  # noqa: BLE001 an installation that does not load must not be the user's fault
        return f"LAPACK is called through SciPy, which does not load ({type(fault).__name__})", {}
    capsules: dict[str, Any] = getattr(cython_lapack, "__pyx_capi__", {})
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: dict[str, int] = {}
    for letter in "ds":
        for name in NEEDED:
            capsule = capsules.get(letter + name)
            signature = b"" if capsule is None else name_of(capsule)
            # Integers of 32 bits, as the texts pass them.
            if not signature or b"int *" not in signature or b"long" in signature:
                return f"this SciPy has no {letter}{name} of the usual form", {}
            found[letter + name] = int(pointer_of(capsule, signature))
    return None, found


__all__ = ["NEEDED", "PREFIX", "addresses", "why_no_lapack"]
