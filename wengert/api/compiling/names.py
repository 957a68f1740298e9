"""What the code of a function names, before it runs, and whose code it is.

Imports core. Invariant: every name, attribute and short text that the code, or code inside it, mentions is found."""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType
from typing import Any

from wengert.core.node import is_library, is_user_file


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Of a code object and those inside it: all names and short texts, the globals and the attributes it writes, and
    what it may read as a global (names that only attributes have are none)."""
    names, texts, loaded = set(code.co_names), set[str](), set[str]()
    written: dict[int, set[str]] = {_STORE_GLOBAL: set(), _STORE_ATTR: set()}
    argument = 0
    for position in range(0, len(code.co_code), 2):
        step, low = code.co_code[position], code.co_code[position + 1]
        argument = argument << 8 | low
        if step == dis.EXTENDED_ARG:
            continue
        if step in written:
            written[step].add(code.co_names[argument])
        elif step == _LOAD_GLOBAL:
            loaded.add(code.co_names[argument >> 1])  # the last bit says whether it is called
        elif step in _LOAD_NAMES:
            loaded.add(code.co_names[argument])
        argument = 0
    for constant in code.co_consts:
        if type(constant) is CodeType:
            inner, *stored = names_in(constant)
            names |= inner
            written[_STORE_GLOBAL] |= stored[0]
            written[_STORE_ATTR] |= stored[1]
            loaded |= stored[2]
        elif type(constant) is str and constant.isidentifier():
            texts.add(constant)
        elif type(constant) is tuple:  # the names of keyword arguments
            texts.update(part for part in constant if type(part) is str and part.isidentifier())
    kept = written[_STORE_GLOBAL], written[_STORE_ATTR], loaded | texts | written[_STORE_GLOBAL]
    return frozenset(names | texts), *map(frozenset, kept)  # type: ignore[return-value]


@functools.lru_cache(maxsize=4096)
def imports_in(code: CodeType) -> frozenset[tuple[str, int]]:
    """The modules that a code object and those inside it import, each with its level (dots of a relative import)."""
    found = set[tuple[str, int]]()
    level: Any = 0
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_CONST" and type(step.argval) is int:
            level = step.argval
        elif step.opname == "IMPORT_NAME":
            found.add((str(step.argval), level))
    for constant in code.co_consts:
        if type(constant) is CodeType:
            found |= imports_in(constant)
    return frozenset(found)


_STORE_GLOBAL, _STORE_ATTR, _LOAD_GLOBAL = (dis.opmap[name] for name in ("STORE_GLOBAL", "STORE_ATTR", "LOAD_GLOBAL"))
_LOAD_NAMES = {dis.opmap[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in dis.opmap}


def is_users(file: str | None) -> bool:
    """Whether code of a file is the user's own: not wengert's, NumPy's, an installed package's."""
    return file is None or (is_user_file(file) and not is_library(file))


def module_file(name: Any) -> str | None:
    """The file of a module, by its name; None where it is not known."""
    module = sys.modules.get(name) if type(name) is str else None
    return getattr(module, "__file__", None) or (None if name not in sys.builtin_module_names else "<frozen>")


__all__ = ["imports_in", "is_users", "module_file", "names_in"]
