"""Locks that the child of a fork finds free.

Imports the standard library only. Invariant: in the child, a lock that another thread held while the process forked,
and that nobody would ever release, is free; one that the forking thread holds stays held."""

from __future__ import annotations

import os
import threading
import weakref


class ForkLock:
    """A reentrant lock, to be used in ``with``; what it protects must be right at every step of its holder."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _all.add(self)

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for the lock; whether it came in time."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Give it back."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *problem: object) -> None:
        self._lock.release()

    def freed(self) -> None:
        """In the child of a fork: let go what a thread holds that is not here."""
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock = threading.RLock()


_all: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _in_child() -> None:
    for lock in list(_all):
        lock.freed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


__all__ = ["ForkLock"]
