"""Keeps freed memory mapped, where the C library can be told to (glibc).

A sweep frees and allocates large arrays all the time, and filling a fresh 8 MB array costs several times the arithmetic
in it when its pages have to be mapped first. Imports the standard library only. Invariant: done at most once per
process, only when a large cotangent or result appears, and never with WENGERT_KEEP_FREED_MEMORY=0.
"""

from __future__ import annotations

import ctypes
import os

_TRIM, _MMAP = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of <malloc.h>
_KEPT = 1 << 28  # bytes of free memory at the top of the heap that are not given back
_OWN_MAPPING = 1 << 25  # from this size on, an array is mapped by itself (the most glibc accepts)

LARGE = 1 << 16
"""Bytes of an array that is worth asking for: memory at the end of the heap is given back from 128 kB on, and whether
some is depends on what lies behind it."""

asked = False


def keep() -> bool:
    """Ask for it; True when this process keeps freed memory from now on (or did already).

    >>> keep() in (True, False)
    True
    """
    global asked
    if asked:
        return True
    asked = True
    if os.environ.get("WENGERT_KEEP_FREED_MEMORY", "1") == "0":
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  present in glibc alone
        return bool(library.mallopt(_MMAP, _OWN_MAPPING) and library.mallopt(_TRIM, _KEPT))
    except (OSError, AttributeError, TypeError):
        return False
