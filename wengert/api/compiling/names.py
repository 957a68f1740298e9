"""What the code of a function names, before it runs, and whose code it is.

Imports core. Invariant: every name, attribute and short text that the code, or code inside it, mentions is found."""

from __future__ import annotations

import dis
import functools
import sys
from types import CodeType
from typing import Any, NamedTuple

from wengert.core.node import is_library, is_user_file

CHANGING = {
    "numpy": frozenset({"geterr", "geterrcall", "get_printoptions"}),
    "time": frozenset({"clock_gettime", "localtime", "monotonic", "perf_counter", "process_time", "strftime", "time"}),
    "datetime": frozenset({"now", "today", "utcnow"}),
    "os": frozenset({"environ", "environb", "getenv", "getpid", "urandom"}),
    "uuid": frozenset({"uuid1", "uuid4"}),
    "pathlib": frozenset({"open", "read_bytes", "read_text", "touch", "unlink", "write_bytes", "write_text"}),
    "secrets": frozenset({"choice", "randbelow", "randbits", "token_bytes", "token_hex"}),
}
"""What gives another answer at every call, by module: clocks, files, the environment, the system's random numbers."""
ELSEWHERE = {
    "numpy": frozenset({"fromfile", "genfromtxt", "load", "loadtxt", "memmap", "save", "savetxt", "savez"}),
    "os": frozenset({"listdir", "makedirs", "mkdir", "open", "popen", "remove", "rename", "system", "unlink"}),
    "subprocess": frozenset({"Popen", "call", "check_call", "check_output", "run"}),
    "io": frozenset({"open"}),
}
"""What reads or writes files and runs other programs, by module."""


class Named(NamedTuple):
    """What a code object, and those inside it, mention."""

    names: frozenset[str]  # all names and short texts
    set_globals: frozenset[str]
    set_attributes: frozenset[str]
    loaded: frozenset[str]  # what may be read as a global: names that only attributes have are none
    imported: frozenset[tuple[str, int]]  # modules, each with its level (the dots of a relative import)
    reached: frozenset[tuple[str, str]]  # globals, each with an attribute read of it, or none ("")


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> Named:
    """All that a code object and those inside it mention."""
    texts, loaded = set[str](), set[str]()
    imported, reached = set[tuple[str, int]](), set[tuple[str, str]]()
    written: dict[int, set[str]] = {_STORE_GLOBAL: set(), _STORE_ATTR: set()}
    names, constants, text = code.co_names, code.co_consts, code.co_code
    argument, latest, level, before = 0, 0, 0, ""
    for position in range(0, len(text), 2):
        step = text[position]
        argument = argument << 8 | text[position + 1]
        if step == dis.EXTENDED_ARG:
            continue
        if step in written:
            written[step].add(names[argument])
        elif step == _LOAD_GLOBAL:
            before = names[argument >> 1]  # the last bit says whether it is called
            loaded.add(before)
            reached.add((before, ""))
        elif step in _LOAD_NAMES:
            loaded.add(names[argument])
            reached.add((names[argument], ""))
        elif step in _LOAD_ATTRIBUTE and before:
            reached.add((before, names[argument >> _SHIFT]))
        elif step == _LOAD_CONST:
            level, latest = latest, argument
        elif step == _IMPORT_NAME:
            dots = constants[level]
            imported.add((names[argument], dots if type(dots) is int else 0))
        if step not in (_LOAD_GLOBAL, _CACHE):
            before = ""
        argument = 0
    made = [_code_of(c) for c in constants if type(c) is str] if {"eval", "exec"} & {*names} else []
    for constant in (*constants, *made):
        if type(constant) is CodeType:
            inner = names_in(constant)
            texts |= inner.names
            written[_STORE_GLOBAL] |= inner.set_globals
            written[_STORE_ATTR] |= inner.set_attributes
            loaded |= inner.loaded
            imported |= inner.imported
            reached |= inner.reached
        elif type(constant) is str and constant.isidentifier():
            texts.add(constant)
            loaded.add(constant)
        elif type(constant) is tuple:  # the names of keyword arguments
            found = [part for part in constant if type(part) is str and part.isidentifier()]
            texts.update(found)
            loaded.update(found)
    return Named(
        frozenset(texts.union(names)),
        frozenset(written[_STORE_GLOBAL]),
        frozenset(written[_STORE_ATTR]),
        frozenset(loaded | written[_STORE_GLOBAL]),
        frozenset(imported),
        frozenset(reached),
    )


def _code_of(text: str) -> CodeType | None:
    """The code of a text, which ``eval`` and ``exec`` run; None where it is none."""
    try:
        return compile(text, "<text>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None


_CACHE, _STORE_GLOBAL, _STORE_ATTR, _LOAD_GLOBAL, _LOAD_CONST, _IMPORT_NAME = (
    dis.opmap[name] for name in ("CACHE", "STORE_GLOBAL", "STORE_ATTR", "LOAD_GLOBAL", "LOAD_CONST", "IMPORT_NAME")
)
_LOAD_NAMES = {dis.opmap[name] for name in ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") if name in dis.opmap}
_LOAD_ATTRIBUTE = {dis.opmap[name] for name in ("LOAD_ATTR", "LOAD_METHOD") if name in dis.opmap}
_SHIFT = 1 if sys.version_info >= (3, 12) else 0  # since then the last bit says whether it is called


def is_users(file: str | None) -> bool:
    """Whether code of a file is the user's own: not wengert's, NumPy's, an installed package's."""
    return file is None or (is_user_file(file) and not is_library(file))


def module_file(name: Any) -> str | None:
    """The file of a module, by its name; None where it is not known."""
    module = sys.modules.get(name) if type(name) is str else None
    return getattr(module, "__file__", None) or (None if name not in sys.builtin_module_names else "<frozen>")


__all__ = ["CHANGING", "ELSEWHERE", "Named", "is_users", "module_file", "names_in"]
