"""The walk over what a function can read besides its arguments: globals, closures, defaults, attributes, and the same
for every Python function of the user's that it can reach by name.

Imports core and ``compiling/reads``. Invariant: nothing of the user's runs during the walk; installed packages and
the standard library count as constant."""

from __future__ import annotations

import dataclasses
import functools
import operator
import random
import sys
import threading
import weakref
from array import array
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import Any

import numpy as np

from wengert.api.compiling.names import CHANGING, ELSEWHERE, Named, is_users, module_file, names_in
from wengert.api.compiling.questions import asks_attribute, asks_identity, exact_type
from wengert.api.compiling.reads import (
    MISSING,
    SCALARS,
    Attribute,
    Content,
    Contents,
    Entry,
    Read,
    Stream,
    original,
)
from wengert.core.tree import STANDINS
from wengert.tensor import draws

_MOST = 20_000
"""Facts and values of one walk; a function that reads more is not compiled."""
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: all classes made by Python, few of those made by C
_KNOWN_COMPILED = sys.stdlib_module_names | {"builtins", "numpy"}
_HIDDEN = (bytearray, memoryview, array, ContextVar, threading.local, weakref.ref, weakref.WeakSet)
_HIDDEN_IN = frozenset({"queue", "_queue", "ctypes", "_ctypes", "weakref"})
"""Modules whose objects keep what they hold out of sight, or whose own code changes it."""
_VIEWS: tuple[type, ...] = (MappingProxyType, type({}.keys()), type({}.values()), type({}.items()))
_RAISING, _CATCHING = frozenset({"raise", "call"}), frozenset({"error", "record"})
_MAKING = frozenset({"__init__", "__new__", "__post_init__", "__repr__", "__str__"})
_DYNAMIC = frozenset({"vars", "getattr", "hasattr", "setattr", "delattr", "__dict__", "asdict", "astuple", "fields"})
"""Names of what reads or writes attributes that the code does not name."""
_WHICH = _DYNAMIC - {"asdict", "astuple", "fields"}
"""Names of what may ask, or change, which attributes there are."""
_CachedFunction = type(functools.lru_cache(lambda: None))
_CALLED = (
    *(FunctionType, MethodType, BuiltinFunctionType, MethodWrapperType, operator.attrgetter, operator.methodcaller),
    *(functools.partial, staticmethod, classmethod, property),
)
_NAMED_BY_MODULE = (BuiltinFunctionType, FunctionType, type(np.sum))
_CLOSED = (*SCALARS, np.ufunc, np.dtype, type(np.sum), slice, range)


class Walk:
    """One round; ``names`` grows while functions are met."""

    def __init__(self, names: set[str], stored: set[str], *, full: bool) -> None:
        self.names = names
        self.stored = stored  # the attributes that they write
        self.full = full
        self.obstacle = ""
        self.identity = False  # whether it asks if two objects are one
        self.reads: list[Read] = []
        self.arrays: dict[int, Any] = {}
        self.tensors: dict[int, Any] = {}
        self._seen: dict[Any, Any] = {}
        self._queue: deque[tuple[Any, str]] = deque()
        self._running = False

    def visit(self, value: Any, label: str) -> None:
        """Look at a value, and at all that it leads to."""
        self._queue.append((value, label))
        if self._running:
            return
        self._running = True
        while self._queue and not self.obstacle:
            self._look(*self._queue.popleft())
            if len(self._seen) + len(self.reads) > _MOST:
                self.obstacle = f"it reads more than {_MOST} values from outside"
        self._running = False

    def streams(self) -> None:
        """The random generators that every program can reach."""
        if "numpy.random" in sys.modules:
            self.reads.append(Stream("the random numbers of numpy.random", np.random.mtrand._rand))
        self.reads.extend(Stream("the random numbers of Tensors", own) for own in draws.known())
        self.reads.append(Stream("the random numbers of the module random", random._inst))

    def _first(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def _look(self, value: Any, label: str) -> None:
        value = original(value)
        kind = type(value)
        self._changing(value, kind, label)
        if issubclass(kind, _CLOSED) or not self._first(value):
            return
        if kind in STANDINS:
            self.tensors[id(value)] = value
        elif issubclass(kind, np.ndarray):
            self._array(value, label)
        elif issubclass(kind, _CALLED):
            self._called(value, kind, label)
        elif issubclass(kind, (list, dict, set, deque, tuple, frozenset, *_VIEWS)):
            self._container(value, label)
            self._object(value, kind, label)
        elif kind is ModuleType:
            self._module(value, label)
        elif issubclass(kind, type):
            self._class(value, label)
        elif Stream.serves(kind):
            self.reads.append(Stream(f"the random generator {label}", value))
        elif hasattr(kind, "__next__") or issubclass(kind, _HIDDEN) or _keeps_out_of_sight(kind):
            self.obstacle = f"it reads a {kind.__name__} from outside ({label}), whose state cannot be compared"
        else:
            self._object(value, kind, label)

    def _called(self, value: Any, kind: type, label: str) -> None:
        """A function, and what it is bound to or made from."""
        if kind is FunctionType:
            self._function(value, label)
        elif kind is MethodType:
            self.visit(value.__func__, label)
            self.visit(value.__self__, f"self of {label}")
        elif kind is BuiltinFunctionType or kind is MethodWrapperType:
            if not isinstance(value.__self__, (ModuleType, type)):
                self.visit(value.__self__, f"self of {label}")
        elif kind is operator.attrgetter or kind is operator.methodcaller:
            self.names.update(_texts(value.__reduce__()))
        elif issubclass(kind, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.visit(part, label)
        else:
            self.visit((value.fget, value.fset) if issubclass(kind, property) else value.__func__, label)

    def _changing(self, value: Any, kind: type, label: str) -> None:
        """A clock, the environment or what opens files, imported by its own name."""
        if kind in _NAMED_BY_MODULE:
            home, name = "os" if value.__module__ == "posix" else value.__module__, value.__name__
            if name in ELSEWHERE.get(home, ()):
                self.obstacle = f"it calls {label}, which a replay does not"
            if name.removesuffix("_ns") not in CHANGING.get(home, ()):
                return
        elif kind.__name__ != "_Environ" or kind.__module__ != "os":
            return
        self.obstacle = f"it reads {label}, which may give another answer at every call"

    def _clock(self, module: str, label: str) -> None:
        """What a module, or its classes, may be asked for that changes by itself."""
        if found := sorted(n for n in self.names if n.removesuffix("_ns") in CHANGING.get(module, ())):
            self.obstacle = f"it reads {label}.{found[0]}, which may give another answer at every call"

    def _array(self, value: Any, label: str) -> None:
        self.arrays[id(value)] = value
        if value.dtype == object:
            self.reads.append(Contents(label, value))
            for part in value.ravel().tolist():
                self.visit(part, label)
        else:
            self.reads.append(Content(label, value, full=self.full))

    def _function(self, fun: Any, label: str) -> None:
        code = fun.__code__
        users = is_users(code.co_filename)
        if users:
            asked = exact_type(code, fun.__globals__)
            if asked:
                self.obstacle = f"it asks whether a type is exactly {asked}: only isinstance tells of traced values"
                return
            if name := asks_attribute(code):
                self.obstacle = f"{fun.__name__} asks whether something has an attribute {name!r}, as traced values do"
                return
            self.identity = self.identity or asks_identity(code)
            found = names_in(code)
            self.names |= (names := found.names)
            self.stored |= found.set_attributes
            if "errstate" in names and not _RAISING.isdisjoint(names):
                self.obstacle = f"{fun.__name__} asks for floating point errors (np.errstate): a replay gives none"
            elif "catch_warnings" in names and not _CATCHING.isdisjoint(names):
                self.obstacle = f"{fun.__name__} acts on warnings (catch_warnings), which a replay does not give"
            self.reads.append(Attribute(f"the code of {fun.__name__}", fun, "__code__", code))  # IPython's autoreload
            module = (space := fun.__globals__).get("__name__", "?")
            self._files(found, space, fun.__name__)
            for name in found.loaded:
                if name in space:
                    self._entry(f"the global {name!r} of {module}", space, name)
                elif name in found.set_globals:
                    self.reads.append(Entry(f"the global {name!r} of {module}", space, name, MISSING))
            for imported, level in found.imported:
                self._imported(imported, level, space)
            for name in ("__defaults__", "__kwdefaults__"):
                held = getattr(fun, name)
                if held:
                    text = f"the defaults of {fun.__name__}"
                    self.reads.append(Attribute(text, fun, name, held))
                    self.visit(held, text)
        for name, cell in zip(code.co_freevars, fun.__closure__ or (), strict=False):
            self._cell(cell, name, fun, users=users)
        wrapped = fun.__dict__.get("__wrapped__")
        if wrapped is not None:
            self.visit(wrapped, label)
        if users and fun.__dict__:
            self._attributes(fun, fun.__dict__, f"attribute of {fun.__name__}")

    def _files(self, found: Named, space: Any, name: str) -> None:
        """What a replay would leave out: reading and writing files, other programs."""
        for first, attribute in found.reached:
            held = space.get(first, MISSING)
            if held is MISSING:
                if first in ("open", "input"):
                    self.obstacle = f"{name} calls {first}(), which a replay does not"
            elif type(held) is ModuleType and attribute in ELSEWHERE.get(held.__name__, ()):
                self.obstacle = f"{name} calls {held.__name__}.{attribute}, which a replay does not"

    def _imported(self, name: str, level: int, space: Any) -> None:
        """A module that the code itself imports, with the packages it is in."""
        if level:
            package = str(space.get("__package__") or "").rsplit(".", level - 1)[0]
            name = f"{package}.{name}".rstrip(".")
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            module = sys.modules.get(".".join(parts[:count]))
            if type(module) is ModuleType:
                self.visit(module, ".".join(parts[:count]))

    def _cell(self, cell: CellType, name: str, fun: Any, *, users: bool) -> None:
        try:
            held = original(cell.cell_contents)
        except ValueError:  # not assigned yet
            return
        label = f"{name!r} in the closure of {fun.__name__}"
        if users:
            self.reads.append(Attribute(label, cell, "cell_contents", held))
            self.visit(held, label)
        elif callable(held) and not _is_ours(type(held)):
            self.visit(held, label)

    def _entry(self, label: str, space: Any, name: str, owner: Any = None) -> None:
        key = (id(space), name)
        if key in self._seen:
            return
        self._seen[key] = space
        held = original(space[name])
        self.reads.append(Entry(label, space, name, held, owner))
        self.visit(held, label)

    def _container(self, value: Any, label: str) -> None:
        if not isinstance(value, (tuple, frozenset)):
            self.reads.append(Contents(label, value))
        for part in [*value.values()] if isinstance(value, (dict, MappingProxyType)) else [*value]:
            if not isinstance(part, SCALARS):
                self.visit(part, label)

    def _module(self, value: ModuleType, label: str) -> None:
        self._clock(value.__name__, value.__name__)
        if not is_users(module_file(value.__name__)):
            return
        space = vars(value)
        for name in self.names & space.keys():
            self._entry(f"{value.__name__}.{name}", space, name)

    def _class(self, value: type, label: str, *, made: bool = True) -> None:
        """What a class gives; ``made`` says that the program may make instances, so that what does that is read."""
        if value.__module__.partition(".")[0] in ("datetime", "pathlib"):
            self._clock(value.__module__.partition(".")[0], value.__name__)
        if (id(value), made) in self._seen:
            return
        self._seen[id(value), made] = value
        if type(value) is not type:
            self._class(type(value), label)
        before: list[type] = []  # the classes whose attributes come first
        for cls in value.__mro__:
            if not is_users(module_file(cls.__module__)) or cls.__module__ == "builtins":
                continue
            for name in self.names & cls.__dict__.keys():
                for first in before:
                    if name not in first.__dict__ and (id(first), name) not in self._seen:
                        self._seen[id(first), name] = first
                        self.reads.append(Entry(f"{first.__name__}.{name}", first.__dict__, name, MISSING))
            before.append(cls)
            for name, held in list(cls.__dict__.items()):
                if name in self.names:
                    if type(held) not in (MemberDescriptorType, GetSetDescriptorType):
                        self._entry(f"{cls.__name__}.{name}", cls.__dict__, name)
                elif name.startswith("__") and type(held) is FunctionType and (made or name not in _MAKING):
                    self.visit(held, f"{cls.__name__}.{name}")

    def _object(self, value: Any, kind: type, label: str) -> None:
        """The attributes of an instance; of a class of the user's those that the functions met name."""
        if kind is _CachedFunction:
            self.visit(value.__wrapped__, label)
        top = kind.__module__.partition(".")[0]
        standard = top in sys.stdlib_module_names or top == "numpy"
        if top == "pathlib":
            self._clock(top, kind.__name__)
        if not standard:
            self._class(kind, label, made=False)
            if not _is_ours(kind):
                self.reads.append(Attribute(f"the class of {label}", value, "__class__", kind))
            if _is_opaque(value, kind):
                self.obstacle = f"it reads a {kind.__name__} from outside ({label}), whose state cannot be compared"
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            every = dataclasses.is_dataclass(kind) or top == "wengert" or not self.names.isdisjoint(_DYNAMIC)
            every = every or (top != "logging" if standard else not is_users(module_file(kind.__module__)))
            self._attributes(value, attributes, f"attribute of {kind.__name__}", every=every)
        for cls in kind.__mro__:
            for name, member in cls.__dict__.items():
                if type(member) is MemberDescriptorType and name in self.names and hasattr(value, name):
                    held = getattr(value, name)
                    self.reads.append(Attribute(f"{kind.__name__}.{name}", value, name, held))
                    self.visit(held, f"{kind.__name__}.{name}")

    def _attributes(self, owner: Any, space: dict[str, Any], label: str, *, every: bool = False) -> None:
        ours = _is_ours(type(owner))
        for name in list(space):
            if ours and not isinstance(space[name], (FunctionType, MethodType)):
                continue
            if every or name in self.names:
                self._entry(f"{name!r}, {label}", space, name, owner)
        if every and not _WHICH.isdisjoint(self.names):
            self.reads.append(Contents(label, space))  # which attributes there are
        # What the program may set, or what the class gives as long as the instance has none.
        given = (self.names - space.keys()) & _class_data(type(owner))  # type: ignore[arg-type]
        for name in (self.stored - space.keys()) | given:
            if (id(space), name) not in self._seen:
                self._seen[id(space), name] = space
                self.reads.append(Entry(f"{name!r}, {label}", space, name, MISSING))


@functools.cache
def _class_data(kind: type) -> frozenset[str]:
    """The names of what a class holds that is neither function nor descriptor."""
    return frozenset(
        name
        for cls in kind.__mro__[:-1]
        for name, held in cls.__dict__.items()
        if not name.startswith("__") and not hasattr(type(held), "__get__")
    )


def _is_opaque(value: Any, kind: type) -> bool:
    """Whether an object keeps its state where Python cannot see it: compiled classes of installed packages."""
    if callable(value) or _is_ours(kind):
        return False
    compiled = [
        cls
        for cls in kind.__mro__
        if not cls.__flags__ & _HEAP_TYPE and cls.__module__.partition(".")[0] not in _KNOWN_COMPILED
    ]
    return bool(compiled) or not (
        hasattr(value, "__dict__") or any("__slots__" in cls.__dict__ for cls in kind.__mro__)
    )


def _keeps_out_of_sight(kind: type) -> bool:
    """Whether objects of a class that is no function of C hold what no attribute shows."""
    return not any("__call__" in vars(cls) for cls in kind.__mro__) and any(
        cls.__module__ in _HIDDEN_IN for cls in kind.__mro__
    )


def _texts(value: Any) -> Iterator[str]:
    """The names in what an ``attrgetter`` or ``methodcaller`` is made from."""
    if isinstance(value, str):
        yield from value.split(".")
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)


def _is_ours(kind: type) -> bool:
    module = getattr(kind, "__module__", "")
    return module.startswith("wengert.") and not module.startswith(("wengert.nn", "wengert.optim"))


__all__ = ["Walk"]
