"""A peer in a process of its own, measured in turn with ours: neither sees the other's settings of the C library.

May import the standard library only. Invariant: the process is forked before the first measurement, so both run on the
same processor with the same data, one at a time.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any


def _serve(connection: Any, calls: Sequence[Callable[[], Any]]) -> None:
    while True:
        order = connection.recv()
        if order is None:
            return
        number, repeats = order
        started = time.process_time()
        for _ in range(max(repeats, 1)):
            result = calls[number]()
        seconds = time.process_time() - started
        connection.send(result if repeats == 0 else seconds / repeats)


class Elsewhere:
    """Calls that live in a forked process."""

    def __init__(self, calls: Sequence[Callable[[], Any]]) -> None:
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, calls), daemon=True)
        self._process.start()

    def call(self, number: int) -> Call:
        """One of the calls, to be measured."""
        return Call(self._connection, number)

    def close(self) -> None:
        """End the process."""
        self._connection.send(None)
        self._process.join()


class Call:
    """Handle of one call over there: called, it gives the result; ``sample`` gives seconds per call."""

    def __init__(self, connection: Any, number: int) -> None:
        self._connection = connection
        self._number = number

    def __call__(self) -> Any:
        self._connection.send((self._number, 0))
        return self._connection.recv()

    def sample(self, repeats: int) -> float:
        self._connection.send((self._number, repeats))
        return float(self._connection.recv())
