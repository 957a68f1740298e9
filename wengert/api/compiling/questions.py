"""Questions that a recorded run answers otherwise than the function itself, found in the code before it runs.

``type(x) is float`` is false of a traced value (``isinstance`` is answered truly), and two arguments that are one array
are two values of a recording. Imports NumPy and the handles. Invariant: nothing of the user's runs; what is not sure
is no question."""

from __future__ import annotations

import builtins
import dis
import functools
from collections.abc import Mapping
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from wengert.core.handle import Traced

_COMPARING = frozenset({"IS_OP", "CONTAINS_OP", "COMPARE_OP"})
_BETWEEN = ("LOAD", "PUSH_NULL", "CALL", "PRECALL", "BUILD_TUPLE", "BINARY_SUBSCR", "CACHE", "COPY", "SWAP", "EXTENDED")
"""How the steps are called that only bring the operands of a comparison."""
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
_ASKING = frozenset({"hasattr", "getattr"})
_OWN = frozenset(name for name in Traced.__slots__ if not name.startswith("_")) - {"base"} | {"__iter__"}
"""What handles have for themselves; of scalars ``__iter__`` is there, as what says that they cannot be iterated."""
_CODES = bytes(dis.opmap[name] for name in _COMPARING if name in dis.opmap)
_IS = dis.opmap["IS_OP"]


def exact_type(code: CodeType, space: Mapping[str, Any]) -> str:
    """Where the code (with what is defined inside it) asks whether a type is exactly that of arrays or numbers, and
    which; empty where it does not."""
    for line, names in _type_questions(code):
        for dotted in names:
            found = _value(dotted, space)
            if isinstance(found, type) and (
                found is float or found is complex or found is np.ndarray or issubclass(found, np.inexact)
            ):
                return f"{'.'.join(dotted)} (line {line})"
    return ""


@functools.lru_cache(maxsize=4096)
def asks_identity(code: CodeType) -> bool:
    """Whether the code may ask if two of its local names are one object."""
    if _IS in code.co_code[::2] or "id" in code.co_names:
        steps = [s for s in dis.get_instructions(code) if s.opname not in ("CACHE", "EXTENDED_ARG")]
        for k, s in enumerate(steps):
            if s.opname == "IS_OP" and _locals_before(steps, k) >= 2:
                return True
            if s.opname in _LOADS and s.argval == "id":
                return True
    return any(asks_identity(c) for c in code.co_consts if type(c) is CodeType)


@functools.lru_cache(maxsize=4096)
def asks_attribute(code: CodeType) -> str:
    """An attribute of which the code asks, of a local name, whether it is there (``hasattr(x, "value")``), and that
    traced values have for themselves; empty where it asks for none."""
    if not _ASKING.isdisjoint(code.co_names) and not _OWN.isdisjoint(c for c in code.co_consts if type(c) is str):
        steps = [s for s in dis.get_instructions(code) if s.opname not in ("CACHE", "EXTENDED_ARG")]
        for asking, held, name in zip(steps, steps[1:], steps[2:], strict=False):
            if (
                (asking.opname in _LOADS and asking.argval in _ASKING)
                and (held.opname.startswith(("LOAD_FAST", "LOAD_DEREF")) and held.argval != "self")
                and (name.opname == "LOAD_CONST" and name.argval in _OWN)
            ):
                return str(name.argval)
    return next(filter(None, (asks_attribute(c) for c in code.co_consts if type(c) is CodeType)), "")


def _locals_before(steps: list[dis.Instruction], k: int) -> int:
    """How many local names the steps right before step k load."""
    count = 0
    while k and count < 2:
        k -= 1
        name = steps[k].opname
        if not name.startswith(("LOAD_FAST", "LOAD_DEREF")):
            break
        count += name.count("LOAD_FAST") + name.count("LOAD_DEREF")  # newer Pythons load two at once
    return count


@functools.lru_cache(maxsize=4096)
def _type_questions(code: CodeType) -> tuple[tuple[int, tuple[tuple[str, ...], ...]], ...]:
    """The comparisons of types: the line and the global names that are compared with."""
    found: list[tuple[int, tuple[tuple[str, ...], ...]]] = []
    if ("type" in code.co_names or "__class__" in code.co_names) and any(c in code.co_code[::2] for c in _CODES):
        line, asked, names = code.co_firstlineno, False, list[tuple[str, ...]]()
        for s in dis.get_instructions(code):
            line = getattr(getattr(s, "positions", None), "lineno", None) or line
            if s.opname in _COMPARING:
                if asked and names:
                    found.append((line, tuple(names)))
            elif s.opname.startswith(_BETWEEN):
                if s.opname in _LOADS and s.argval == "type":
                    asked = True
                elif s.opname in _LOADS:
                    names.append((s.argval,))
                elif s.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                    asked = asked or s.argval == "__class__"
                    if names:
                        names[-1] = (*names[-1], s.argval)
                continue
            asked, names = False, []
    for inner in code.co_consts:
        if type(inner) is CodeType:
            found.extend(_type_questions(inner))
    return tuple(found)


def _value(dotted: tuple[str, ...], space: Mapping[str, Any]) -> Any:
    """What a global name with attributes of modules means."""
    first, *rest = dotted
    found = space.get(first, getattr(builtins, first, None))
    for name in rest:
        if not isinstance(found, ModuleType):
            return None
        found = vars(found).get(name)
    return found


__all__ = ["asks_attribute", "asks_identity", "exact_type"]
