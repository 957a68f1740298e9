"""What code generation hands to the engine: the text of a module and what its function expects.

Imports nothing but ``Slot``. Invariant: the text holds no address of a running process, so that
its object code may be kept on disk."""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.llvm.slots import Slot


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled program's text. The module defines ``i64 @name(ptr args, ptr workspace)``, which returns 0, or 1 + k
    when guard k is false (then the outputs may hold anything).

    ``args`` points to one pointer per slot; inputs are C-contiguous, aligned and never aliased with outputs; the
    workspace has ``workspace`` bytes and is aligned to 64. The function is pure and re-entrant."""

    name: str
    """Unique: it contains a hash of the text."""
    text: str
    slots: tuple[Slot, ...]
    """Inputs, constants, outputs, in the order of ``args``."""
    workspace: int
    loops: str
    """The loop nest as text."""
    external: tuple[str, ...]
    """Symbols that must come from outside."""
    scratch: int = 0
    """Bytes behind the workspace for each thread that takes part (0: no loop is split)."""
    threads: tuple[str, ...] = ()
    """What becomes of each loop among threads, where that was asked."""


__all__ = ["Kernel"]
