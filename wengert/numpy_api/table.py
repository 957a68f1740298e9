"""The tables that connect names with operations: ufuncs, functions, methods and twins.

Filled by the files of this room.

Imports nothing. Invariant: a name is entered once; a second entry is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

UFUNCS: dict[Any, Callable[..., Any]] = {}
"""NumPy ufunc -> recording function."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
"""Function that dispatches through ``__array_function__`` -> implementation on handles."""

METHODS: dict[str, Callable[..., Any]] = {}
"""Array method name -> implementation taking the handle first."""

TWINS: dict[Any, Any] = {}
"""Original callable that no protocol reaches (``np.zeros``, ``math.sin``) -> its stand-in while a trace runs."""


def implements(*originals: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the implementation of NumPy functions."""
    return _register(FUNCTIONS, originals)


def method(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as array methods of handles."""
    return _register(METHODS, names)


def twin(*originals: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the stand-in of callables that no protocol reaches."""
    return _register(TWINS, originals)


class Standin:
    """An entry of ``TWINS`` that is no function: an object that takes the original's place as it is (``np.r_``)."""

    __slots__ = ("thing",)

    def __init__(self, thing: Any) -> None:
        self.thing = thing


def _register(table: dict[Any, Any], keys: tuple[Any, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for key in dict.fromkeys(keys):  # np.concat is np.concatenate
            if key in table:
                raise ValueError(f"{key!r} has an implementation already")
            table[key] = function
        return function

    return register
