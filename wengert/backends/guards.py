"""What a plan answers when a call does not fit it: the exception and the two sentinels.

Imports nothing of wengert. Invariant: a plan that answers with one of these has changed nothing that the caller
can see."""

from __future__ import annotations


class GuardFailed(Exception):
    """A decision of the recorded program falls otherwise for these values; ``index`` is the guard's number."""

    def __init__(self, index: int) -> None:
        super().__init__(f"guard {index} does not hold")
        self.index = index


class Sentinel:
    """An answer that is no value."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


MISS = Sentinel("MISS")
"""The leaves are not of the types that the entry was made for."""

GUARD = Sentinel("GUARD")
"""A guard does not hold."""

__all__ = ["GUARD", "MISS", "GuardFailed", "Sentinel"]
