"""The sources of random numbers that a function can see, and their states: what is run again draws the same numbers.

Imports core and NumPy. Invariant: looking runs nothing of the user's, and ends after a bounded number of objects.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from wengert.core.node import is_library, is_user_file
from wengert.tensor import draws

_DEEPEST, _MOST, _LONGEST = 6, 2000, 256
_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, np.ndarray, CodeType})


@functools.cache
def _kinds() -> tuple[Any, ...]:
    """The classes of sources, and the module ``random``; loaded when first asked for."""
    import random

    return np.random.Generator, np.random.RandomState, random.Random, random


def generators(fun: Any, fixed: Sequence[Any]) -> list[Any]:
    """The sources of random numbers the function can see: NumPy's global one, that of Tensors, that of the module
    ``random`` where it is named, and generators in arguments, closures, globals, objects and containers.
    """
    glob: Any = np.random.get_state.__self__  # type: ignore[attr-defined]
    found: dict[int, Any] = {id(glob): glob, **{id(own): own for own in draws.known()}}
    *sources, module = _kinds()
    kinds = tuple(sources)
    seen: dict[int, Any] = {}  # the objects too, so that no number is given to another one meanwhile
    stack = [(fun, 0), *((value, 1) for value in fixed)]
    while stack and len(seen) < _MOST:
        value, depth = stack.pop()
        if type(value) in _PLAIN or id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, kinds):
            found.setdefault(id(value), value)
        elif value is module:
            source: Any = module.random.__self__
            found.setdefault(id(source), source)
        elif depth < _DEEPEST and not isinstance(value, (ModuleType, np.generic)):
            stack.extend((part, depth + 1) for part in _parts(value))
    return list(found.values())


def _parts(value: Any) -> Iterator[Any]:
    """What an object holds, and what a function closes over, has as defaults, or reads from its module."""
    if isinstance(value, FunctionType):
        code = value.__code__
        if not is_user_file(code.co_filename) or is_library(code.co_filename):
            return
        for cell in value.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield from value.__defaults__ or ()
        yield from (value.__kwdefaults__ or {}).values()
        names = value.__globals__
        yield from (names[name] for name in _names(code) if name in names)
    elif isinstance(value, MethodType):
        yield from (value.__self__, value.__func__)
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, Mapping) and type(value).__module__ in {"builtins", "collections"}:
        yield from value.values() if len(value) <= _LONGEST else ()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value if len(value) <= _LONGEST else ()
    elif not isinstance(value, type):
        owner = getattr(value, "__self__", None) if type(value).__module__ == "builtins" else None
        if owner is not None:  # a method of a generator
            yield owner
        call = type(value).__dict__.get("__call__")
        if isinstance(call, FunctionType):
            yield call
        try:
            yield from object.__getattribute__(value, "__dict__").values()
        except AttributeError:
            return


def _names(code: CodeType) -> Iterator[str]:
    """The names that a function and the functions within it read."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def state(source: Any) -> Any:
    """The state of a source of random numbers."""
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    if isinstance(source, _kinds()[2]):
        return source.getstate()
    return source.get_state(legacy=False)


def restore(sources: Sequence[Any], states: Sequence[Any]) -> None:
    """Give every source the state it had."""
    for source, content in zip(sources, states, strict=True):
        if isinstance(source, np.random.Generator):
            source.bit_generator.state = content
        elif isinstance(source, _kinds()[2]):
            source.setstate(content)
        else:
            source.set_state(content)


__all__ = ["generators", "restore", "state"]
