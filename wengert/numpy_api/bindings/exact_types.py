"""Exact questions, ``type(t) is float`` and ``t.__class__ is np.ndarray``, in the code that a trace serves.

``isinstance`` asks a handle, ``type`` does not. So modules whose code says ``type(...)`` get the name (it is the
builtin between traces), and while a trace runs it means ``TYPE``. Imports core. Invariant: ``TYPE`` is
``type`` in everything but its answer for a handle, which is the type of the value.
"""

from __future__ import annotations

import dis
import functools
import operator
import sys
import weakref
from types import CodeType
from typing import Any

from wengert.core.handle import CLASS_READS, TracedArray, TracedScalar
from wengert.core.node import is_user_file

_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")
_GLOBAL, _NAME = (dis.opmap[name] for name in _LOADS)
_MATCH, _EXTENDED = dis.opmap["MATCH_CLASS"], dis.opmap["EXTENDED_ARG"]


class _Type:
    """What the name ``type`` means in served modules while a trace runs."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs:
            kind = type(args[0])
            if kind is TracedArray or kind is TracedScalar:
                return type(args[0].value)
            return self if kind is type or kind is _Type else kind
        if len(args) > 2 and type(args[1]) is tuple:
            args = (args[0], tuple([type if base is self else base for base in args[1]]), *args[2:])
        made = type(*args, **kwargs)
        if len(args) > 2 and "__module__" not in args[2]:  # CPython reads it off the calling frame, which was ours
            made.__module__ = sys._getframe(1).f_globals.get("__name__", made.__module__)
        return made

    def __getattribute__(self, name: str) -> Any:
        if name == "__mro_entries__":  # ``class Meta(type)``
            return lambda bases: (type,)
        if name == "__reduce_ex__":  # a pickle loads as the builtin
            return lambda protocol: (operator.getitem, ((type,), 0))
        return getattr(type, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(type, name, value)  # raises what the builtin raises

    def __instancecheck__(self, thing: Any) -> bool:
        return isinstance(thing, type)

    def __subclasscheck__(self, kind: Any) -> bool:
        return issubclass(type if kind is self else kind, type)

    def __getitem__(self, part: Any) -> Any:
        return type[part]

    def __or__(self, other: Any) -> Any:
        return operator.or_(type, other)

    def __ror__(self, other: Any) -> Any:
        return operator.or_(other, type)

    def __eq__(self, other: object) -> bool:
        return other is self or other is type

    def __hash__(self) -> int:
        return hash(type)

    def __repr__(self) -> str:
        return repr(type)


TYPE: Any = _Type()


def asks_type(code: CodeType) -> bool:
    """Whether the code, or what is defined inside it, calls ``type`` by name; notes where it reads ``__class__``.

    Never of wengert's own code (the generated functions stand in globals without a module), which means the builtin.
    """
    names = code.co_names
    if not is_user_file(code.co_filename):
        return False
    found = "type" in names and _loads_type(code)
    if "__class__" in names and id(code) not in CLASS_READS:
        key = id(code)
        forget = CLASS_READS.pop
        CLASS_READS[key] = weakref.ref(code, lambda _: forget(key, None)), _class_reads(code)
    for inner in code.co_consts:
        if type(inner) is CodeType and asks_type(inner):
            found = True
    return found


@functools.lru_cache(maxsize=4096)
def _loads_type(code: CodeType) -> bool:
    """Whether ``type`` is the global name, and not only an attribute; never where it is a pattern (``case type():``),
    for only a class can be one."""
    at_once = _seen(code.co_code, code.co_names.index("type"))
    if at_once is not None:
        return at_once
    found, previous = False, ["", ""]
    for step in dis.get_instructions(code):
        if step.opname in ("CACHE", "EXTENDED_ARG"):
            continue
        is_type = step.opname in _LOADS and step.argval == "type"
        if step.opname == "MATCH_CLASS" and "type" in previous:
            return False
        found = found or is_type
        previous = [previous[1], "type" if is_type else step.opname]
    return found


def _seen(instructions: bytes, number: int) -> bool | None:
    """Whether an instruction loads the name of this number, from the bytes alone; None where they must be decoded."""
    kinds = instructions[::2]
    if number > 127 or _MATCH in kinds or _EXTENDED in kinds:
        return None
    arguments = instructions[1::2]
    at = -1
    for kind, argument in ((_GLOBAL, 2 * number), (_GLOBAL, 2 * number + 1), (_NAME, number)):
        while (at := kinds.find(kind, at + 1)) >= 0:  # the lowest bit of a global's says whether it is called
            if arguments[at] == argument:
                return True
    return False


def _class_reads(code: CodeType) -> frozenset[int]:
    """The offsets of the instructions that read the attribute ``__class__``, with those of their inline caches: on
    Python 3.12 a frame that calls a property by a specialised instruction stands at the last of them."""
    steps = list(dis.get_instructions(code))
    ends = [*(s.offset for s in steps[1:]), len(code.co_code)]
    return frozenset(
        offset
        for step, end in zip(steps, ends, strict=True)
        if step.opname == "LOAD_ATTR" and step.argval == "__class__"
        for offset in range(step.offset, end, 2)
    )
