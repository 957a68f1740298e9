"""The threads of this process that share the loops of kernels: made when a loop first asks for them, anew after a fork.

Imports the engine, the cache and the pool's text. Invariants: helpers run native code only, never hold the
interpreter's lock, and sleep when there is nothing to do; whatever keeps them from being started leaves the work to
the thread that calls."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from typing import Any

from wengert.backends.llvm.cache import cache
from wengert.backends.llvm.engine import NativeCodeError, engine
from wengert.backends.llvm.threads.text import (
    CEILING,
    FINISHED,
    FORGET,
    MOST,
    RECORD,
    RECORDS,
    SPLIT,
    THREADS,
    WORK,
    WORKERS,
    pool_text,
)

_LOCKS = ("PyThread_acquire_lock", "PyThread_release_lock")
_MODES = ("fegetenv", "fesetenv")


class Pool:
    """The helpers of this process; ``symbols(threads)`` is what a kernel is linked with."""

    def __init__(self) -> None:
        python = ctypes.pythonapi
        self._allocate, self._start, self._acquire = (
            python.PyThread_allocate_lock,
            python.PyThread_start_new_thread,
            python.PyThread_acquire_lock,
        )
        self._allocate.restype, self._start.restype = ctypes.c_void_p, ctypes.c_ulong
        self._start.argtypes, self._acquire.argtypes = (ctypes.c_void_p,) * 2, (ctypes.c_void_p, ctypes.c_int)
        self._more = ctypes.CFUNCTYPE(None, ctypes.c_int64)(self.start)
        machine = engine()
        lost = machine.missing(_MODES)
        if lost:
            raise NativeCodeError(f"this system has no {lost[0]}, which makes threads round alike")
        text = pool_text(machine.host.triple)
        code = cache().get("threads", machine.key(), text)
        if code is None:
            code = machine.compile(text)
            cache().put(code, "threads", machine.key(), text)
        symbols = {name: _address(getattr(python, name)) for name in _LOCKS} | {"wengert_more": _address(self._more)}
        exports = (SPLIT, WORK, FORGET, WORKERS, CEILING, RECORDS, FINISHED)
        self.library = machine.link(code, exports, external=_MODES, symbols=symbols)
        self._workers, self._ceiling = self._word(WORKERS), self._word(CEILING)
        self._finished = self._word(FINISHED)
        self._forget = ctypes.PYFUNCTYPE(None)(self.library[FORGET])
        self._numbers: dict[int, ctypes.c_int64] = {}

    def _word(self, name: str) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self.library[name])

    def symbols(self, threads: int) -> dict[str, int]:
        """The addresses that a kernel for so many threads asks for."""
        number = self._numbers.setdefault(threads, ctypes.c_int64(threads))
        return {SPLIT: self.library[SPLIT], THREADS: ctypes.addressof(number)}

    @property
    def helpers(self) -> int:
        """How many threads were started."""
        return self._workers.value

    def start(self, wanted: int) -> None:
        """Start helpers until there are so many, or the system gives no more. Called by native code, by one thread at
        a time."""
        try:
            if not self._workers.value:
                self._finished.value = self._lock()
            while self._workers.value < wanted:
                number = self._workers.value
                record = self.library[RECORDS] + number * RECORD
                words = (ctypes.c_int64 * 3).from_address(record)
                words[1], words[2] = self._lock(), number + 1
                # Counted first: should an interrupt come here, the record has no thread, and a call to it is taken
                # back; never has a record two threads.
                self._workers.value = number + 1
                if self._start(self.library[WORK], record) == ctypes.c_ulong(-1).value:
                    self._workers.value = self._ceiling.value = number
                    return
        except MemoryError:
            self._ceiling.value = self._workers.value

    def _lock(self) -> int:
        """A lock that is held."""
        made = self._allocate()
        if not made:
            raise MemoryError
        self._acquire(made, 0)
        return int(made)

    def forget(self) -> None:
        """In the child of a fork the helpers are gone."""
        self._forget()


def _address(function: Any) -> int:
    found = ctypes.cast(function, ctypes.c_void_p).value
    assert found is not None
    return found


_state: dict[str, Any] = {"making": threading.Lock()}


def pool() -> Pool | None:
    """The pool of this process, made when first asked for; None where there can be none."""
    if "pool" not in _state:
        with _state["making"]:
            if "pool" not in _state:
                try:
                    _state["pool"] = Pool()
                except (NativeCodeError, AttributeError) as error:
                    _state["pool"], _state["reason"] = None, str(error)
    return _state["pool"]  # type: ignore[no-any-return]


def why_no_pool() -> str:
    """Why loops are not split in this process."""
    return str(_state.get("reason", ""))


def _in_child() -> None:
    _state["making"] = threading.Lock()  # a thread that is not here may have held it
    found = _state.get("pool")
    if found is not None:
        found.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def processors() -> int:
    """How many processors this process may use."""
    with contextlib.suppress(AttributeError, OSError):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


__all__ = ["MOST", "Pool", "pool", "processors", "why_no_pool"]
