"""The files of the package as they lie on disk, and whether they are those that this process has loaded.

Imports the standard library only. Invariant: two processes with one stamp run the same sources; where that is not sure,
there is no stamp."""

from __future__ import annotations

import os
import sys

from wengert.core import BEGUN

_MARGIN = 2.0
"""Seconds by which the clock of a file system may differ from ours."""


def stamp(folder: str = "", before: float = BEGUN) -> str | None:
    """The names, sizes and times of all sources below ``folder`` (the package), as a text. None where there are none,
    where they cannot be looked at, and where one was changed after ``before``, so that it may not be what was loaded.

    The time of the last change of what a file system knows of a file cannot be set, unlike that of its content."""
    begin = folder or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    found: list[str] = []
    waiting = [begin]
    newest = 0
    try:
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    name = entry.name
                    if name.endswith(".py"):
                        facts = entry.stat()
                        changed, known = facts.st_mtime_ns, facts.st_ctime_ns
                        newest = max(newest, changed, known)
                        found.append(f"{entry.path} {facts.st_size} {changed} {known}")
                    elif "." not in name and name != "__pycache__" and entry.is_dir():
                        waiting.append(entry.path)
    except OSError:
        return None
    if not found or newest * 1e-9 > before - _MARGIN:
        return None
    return "\n".join(sorted(found))


_first: list[str | None] = []


def first() -> str | None:
    """The stamp of the package as it was when this process first asked: what it has loaded, whatever is changed now."""
    if not _first:
        _first.append(stamp())
    return _first[0]


_modules: list[tuple[int, str]] = [(0, "")]


def unchanged() -> bool:
    """Whether all that this process has loaded until now is what its first stamp tells: the files are looked at again
    where anything was loaded since that was asked."""
    loaded = (len(sys.modules), next(reversed(sys.modules)))
    if loaded != _modules[0]:
        if first() is None or stamp() != first():
            return False
        _modules[0] = loaded
    return True


__all__ = ["first", "stamp", "unchanged"]
