"""The sources of random numbers that a function can see, and their states: what is run again draws the same numbers.

Imports NumPy only. Invariant: looking runs nothing of the user's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def generators(fun: Any, fixed: Sequence[Any]) -> list[Any]:
    """The sources of random numbers the function can see: NumPy's global one, and Generators in
    arguments, closures and globals.
    """
    seen: dict[int, Any] = {}
    for value in (*fixed, *_visible(fun, 3)):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            seen.setdefault(id(value), value)
    glob: Any = np.random.get_state.__self__  # type: ignore[attr-defined]
    seen.setdefault(id(glob), glob)
    return list(seen.values())


def _visible(fun: Any, depth: int) -> Iterator[Any]:
    """What a function closes over, has as defaults, reads from its module, or holds as the object
    it belongs to.
    """
    if depth == 0:
        return
    fun = getattr(fun, "func", fun)
    owner = getattr(fun, "__self__", None)
    inner = getattr(fun, "__func__", fun)
    code = getattr(inner, "__code__", None)
    if code is None:
        owner = fun if owner is None else owner
        inner = type(fun).__call__ if callable(fun) else None
        code = getattr(inner, "__code__", None)
    found: list[Any] = []
    for cell in getattr(inner, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    found.extend(getattr(inner, "__defaults__", None) or ())
    if code is not None:
        space = getattr(inner, "__globals__", {})
        found.extend(space[n] for n in code.co_names if n in space)
    found.extend(getattr(owner, "__dict__", {}).values() if owner is not None and not isinstance(owner, type) else ())
    for value in found:
        if isinstance(value, (list, tuple)) and len(value) <= 256:
            yield from value
            for part in value:
                if callable(part):
                    yield from _visible(part, depth - 1)
        yield value
        if callable(value) and not isinstance(value, type):
            yield from _visible(value, depth - 1)


def state(source: Any) -> Any:
    """The state of a Generator or of NumPy's global source."""
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    return source.get_state(legacy=False)


def restore(sources: Sequence[Any], states: Sequence[Any]) -> None:
    """Give every source the state it had."""
    for source, content in zip(sources, states, strict=True):
        if isinstance(source, np.random.Generator):
            source.bit_generator.state = content
        else:
            source.set_state(content)


__all__ = ["generators", "restore", "state"]
