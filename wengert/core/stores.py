"""Whether a function could write into an array, as far as its code and that of the functions it names tell.

Imports ``node``. Invariant: runs nothing of the user's; a yes that is wrong costs time, so doubtful words count as yes.
"""

from __future__ import annotations

import dis
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType
from typing import Any

from wengert.core.node import is_library, is_user_file

_MOST = 200
_STORE = {dis.opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in dis.opmap}
_READ = {dis.opmap[name] for name in ("BINARY_SUBSCR", "BINARY_SLICE") if name in dis.opmap}
_BINARY = dis.opmap["BINARY_OP"]
_INPLACE = 13  # from here on the arguments of BINARY_OP are those of +=, &=, ...
_WORDS = frozenset(
    {
        "at",
        "copyto",
        "fill",
        "fill_diagonal",
        "itemset",
        "out",
        "partition",
        "place",
        "put",
        "put_along_axis",
        "putmask",
        "setfield",
        "shuffle",
        "sort",
    }
)
"""Methods, functions and keywords that write."""


@lru_cache(maxsize=4096)
def _facts(code: CodeType) -> tuple[bool, bool, tuple[str, ...]]:
    """Whether a code object, or one inside it, writes into parts of arrays, whether it may write into arrays at all,
    and the names it reads."""
    words = set(code.co_names)
    inside = []
    for constant in code.co_consts:
        if type(constant) is CodeType:
            inside.append(_facts(constant))
        elif type(constant) is tuple:  # the names of keyword arguments
            words.update(part for part in constant if type(part) is str)
    steps, arguments = code.co_code[::2], code.co_code[1::2]
    changes = any(s == _BINARY and a >= _INPLACE for s, a in zip(steps, arguments, strict=True))
    writes = (
        not _STORE.isdisjoint(steps)
        or (changes and not _READ.isdisjoint(steps))  # v = w[2:4]; v += 1
        or not _WORDS.isdisjoint(words)
        or any(found for found, _, _ in inside)
    )
    changes = changes or any(found for _, found, _ in inside)
    return writes, writes or changes, (*words, *(name for _, _, names in inside for name in names))


def may_write_parts(fun: Any) -> bool:
    """Whether a function, or one that it names, could write into a part of an array."""
    return _may_write(fun, 0)


def may_write(fun: Any) -> bool:
    """Whether a function, or one that it names, could write into an array: ``v += 1`` writes into all of it."""
    return _may_write(fun, 1)


def _may_write(fun: Any, which: int) -> bool:
    """``which`` of the two facts about code is asked for."""
    seen: set[CodeType] = set()
    stack, owners = [fun], []
    while stack:
        value = stack.pop()
        if isinstance(value, partial):
            stack.extend((value.func, *value.args, *value.keywords.values()))
            continue
        if type(value) is MethodType:
            owners.append(type(value.__self__))
            value = value.__func__
        if type(value) is not FunctionType:
            call = type(value).__dict__.get("__call__")
            if type(call) is not FunctionType:
                continue
            owners.append(type(value))
            value = call
        code = value.__code__
        if code in seen:
            continue
        seen.add(code)
        for cell in value.__closure__ or ():
            try:
                stack.append(cell.cell_contents)
            except ValueError:  # empty by now
                continue
        if not is_user_file(code.co_filename) or is_library(code.co_filename):
            continue  # what it was made around may be the user's
        if len(seen) > _MOST:
            return True
        *writes, names = _facts(code)
        if writes[which]:
            return True
        known = value.__globals__
        stack.extend(known[name] for name in names if name in known)
        stack.extend(
            vars(kind)[name] for owner in owners for kind in owner.__mro__ for name in names if name in vars(kind)
        )
    return False


__all__ = ["may_write", "may_write_parts"]
