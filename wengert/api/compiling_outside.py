"""The walk over what a function can read besides its arguments: globals, closures, defaults, attributes, and the same
for every Python function of the user's that it can reach by name.

Imports core and ``compiling_reads``. Invariant: nothing of the user's runs during the walk; installed packages and
the standard library count as constant."""

from __future__ import annotations

import dis
import functools
import random
import sys
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from wengert.api.compiling_reads import (
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
from wengert.core.node import is_library, is_user_file
from wengert.core.tree import STANDINS

_MOST = 20_000
"""Facts and values of one walk; a function that reads more is not compiled."""
_ROUNDS = 12
_CachedFunction = type(functools.lru_cache(lambda: None))
_CLOSED = (*SCALARS, BuiltinFunctionType, np.ufunc, np.dtype, type(np.sum), slice, range)


class Outside:
    """What a function read from outside when it was recorded.

    ``obstacle`` says why it cannot be known (then the function is not compiled), ``reads`` are the facts."""

    def __init__(self, fun: Any, given: Sequence[Any], check: str) -> None:
        self.check = check
        self.obstacle = ""
        self.names: set[str] = set()
        self.stored: set[str] = set()
        self.reads: list[Read] = []
        self.met = Met()
        for _ in range(_ROUNDS):
            known = len(self.names)
            walk = _Walk(self.names, self.stored, full=check == "full")
            walk.visit(fun, "the function")
            for value in given:
                walk.visit(value, "an argument")
            walk.streams()
            self.reads, self.obstacle = walk.reads, walk.obstacle
            self._arrays = walk.arrays
            if len(self.names) == known or self.obstacle:
                break
        for read in self.reads:
            if isinstance(read, Content):
                read.keep()

    def changed(self) -> Read | None:
        """What the run of the program itself has changed, if anything."""
        for read in self.reads:
            if not (read.kept() if isinstance(read, Content) else read.holds()):
                return read
        return None

    def restore(self) -> bool:
        """Undo what the run has changed; whether that was possible for all of it (if not, all stays)."""
        if not all(read.restorable() for read in self.reads):
            return False
        for read in self.reads:
            read.restore()
        return True

    def settle(self) -> None:
        """After the run: add the arrays met, let go what served for comparing before and after."""
        for array in self.met.alive():
            if id(array) not in self._arrays and array.dtype != object:
                self._arrays[id(array)] = array
                self.reads.append(Content(_array_label(array), array, full=self.check == "full"))
        for read in self.reads:
            if isinstance(read, Content):
                read.whole = None
        self.reads = [] if self.check == "none" else [r for r in self.reads if not isinstance(r, Stream)]
        self._arrays = {}

    def differs(self) -> Read | None:
        """The first fact that does not hold any more."""
        for read in self.reads:
            if not read.holds():
                return read
        return None


class Met:
    """The constant arrays that steps of a recording met, and which of them outlive it."""

    def __init__(self) -> None:
        self.unseeded = False  # a random generator without a seed was made
        self._found: dict[int, weakref.ref[np.ndarray[Any, Any]]] = {}

    def __call__(self, values: Sequence[Any], nodes: Sequence[Any]) -> None:
        """Note the constants among the operands of a step."""
        for value, node in zip(values, nodes, strict=True):
            if node is None and type(value) is np.ndarray:
                while type(value.base) is np.ndarray:
                    value = value.base
                if value.flags.writeable or not value.flags.owndata:
                    self._found[id(value)] = weakref.ref(value)

    def alive(self) -> list[np.ndarray[Any, Any]]:
        """Those that something besides the recording holds (small ones were copied into the graph)."""
        found = [ref() for ref in self._found.values()]
        return [array for array in found if array is not None]


def _array_label(array: np.ndarray[Any, Any]) -> str:
    return f"an array of shape {array.shape}"


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Of a code object and those inside it: all names and short texts, the globals and the attributes it writes."""
    names = set(code.co_names)
    written: dict[int, set[str]] = {_STORE_GLOBAL: set(), _STORE_ATTR: set()}
    argument = 0
    for position in range(0, len(code.co_code), 2):
        step, low = code.co_code[position], code.co_code[position + 1]
        argument = argument << 8 | low
        if step == dis.EXTENDED_ARG:
            continue
        if step in written:
            written[step].add(code.co_names[argument])
        argument = 0
    for constant in code.co_consts:
        if type(constant) is CodeType:
            inner, *stored = names_in(constant)
            names |= inner
            written[_STORE_GLOBAL] |= stored[0]
            written[_STORE_ATTR] |= stored[1]
        elif type(constant) is str and constant.isidentifier():
            names.add(constant)
    return frozenset(names), frozenset(written[_STORE_GLOBAL]), frozenset(written[_STORE_ATTR])


_STORE_GLOBAL, _STORE_ATTR = dis.opmap["STORE_GLOBAL"], dis.opmap["STORE_ATTR"]


def is_users(file: str | None) -> bool:
    """Whether code of a file is the user's own: not wengert's, NumPy's, an installed package's."""
    return file is None or (is_user_file(file) and not is_library(file))


def _module_file(name: Any) -> str | None:
    module = sys.modules.get(name) if type(name) is str else None
    return getattr(module, "__file__", None) or (None if name not in sys.builtin_module_names else "<frozen>")


class _Walk:
    """One round; ``names`` grows while functions are met."""

    def __init__(self, names: set[str], stored: set[str], *, full: bool) -> None:
        self.names = names
        self.stored = stored  # the attributes that they write
        self.full = full
        self.obstacle = ""
        self.reads: list[Read] = []
        self.arrays: dict[int, Any] = {}
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
        self.reads.append(Stream("the random numbers of the module random", random._inst))

    def _first(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        return True

    def _look(self, value: Any, label: str) -> None:
        value = original(value)
        kind = type(value)
        if issubclass(kind, _CLOSED) or not self._first(value):
            return
        if kind in STANDINS:
            self.obstacle = f"it reads a Tensor from outside ({label})"
        elif issubclass(kind, np.ndarray):
            self._array(value, label)
        elif kind is FunctionType:
            self._function(value, label)
        elif kind is MethodType:
            self.visit(value.__func__, label)
            self.visit(value.__self__, f"self of {label}")
        elif issubclass(kind, (list, dict, set, deque, tuple, frozenset)):
            self._container(value, label)
            self._object(value, kind, label)
        elif issubclass(kind, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.visit(part, label)
        elif kind is ModuleType:
            self._module(value, label)
        elif issubclass(kind, type):
            self._class(value, label)
        elif issubclass(kind, (np.random.Generator, np.random.RandomState, random.Random)):
            self.reads.append(Stream(f"the random generator {label}", value))
        elif issubclass(kind, (staticmethod, classmethod)):
            self.visit(value.__func__, label)
        elif kind is property:
            for accessor in (value.fget, value.fset):
                self.visit(accessor, label)
        else:
            self._object(value, kind, label)

    def _array(self, value: Any, label: str) -> None:
        self.arrays[id(value)] = value
        if value.dtype == object:
            for part in value.ravel().tolist():
                self.visit(part, label)
        else:
            self.reads.append(Content(label, value, full=self.full))

    def _function(self, fun: Any, label: str) -> None:
        code = fun.__code__
        users = is_users(code.co_filename)
        if users:
            names, written, stored = names_in(code)
            self.names |= names
            self.stored |= stored
            space = fun.__globals__
            module = space.get("__name__", "?")
            for name in names:
                if name in space:
                    self._entry(f"the global {name!r} of {module}", space, name)
                elif name in written:
                    self.reads.append(Entry(f"the global {name!r} of {module}", space, name, MISSING))
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
        for part in [*value.values()] if isinstance(value, dict) else [*value]:
            if not isinstance(part, SCALARS):
                self.visit(part, label)

    def _module(self, value: ModuleType, label: str) -> None:
        if not is_users(_module_file(value.__name__)):
            return
        space = vars(value)
        for name in self.names & space.keys():
            self._entry(f"{value.__name__}.{name}", space, name)

    def _class(self, value: type, label: str) -> None:
        for cls in value.__mro__:
            if not is_users(_module_file(cls.__module__)) or cls.__module__ == "builtins":
                continue
            for name, held in list(cls.__dict__.items()):
                if name in self.names:
                    if type(held) not in (MemberDescriptorType, GetSetDescriptorType):
                        self._entry(f"{cls.__name__}.{name}", cls.__dict__, name)
                elif name.startswith("__") and type(held) is FunctionType:
                    self.visit(held, f"{cls.__name__}.{name}")

    def _object(self, value: Any, kind: type, label: str) -> None:
        """The attributes of an instance; of a class of the user's those that the functions met name."""
        if kind is _CachedFunction:
            self.visit(value.__wrapped__, label)
        top = kind.__module__.partition(".")[0]
        if top == "numpy":
            return
        standard = top in sys.stdlib_module_names
        if not standard:
            self.visit(kind, label)
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            self._attributes(
                value,
                attributes,
                f"attribute of {kind.__name__}",
                every=not (standard or is_users(_module_file(kind.__module__))),
            )
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
        if every:
            return
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


def _is_ours(kind: type) -> bool:
    module = getattr(kind, "__module__", "")
    return module.startswith("wengert.") and not module.startswith("wengert.nn")


def check_text(reads: Iterable[Read], bind: Callable[[Any], str]) -> list[str]:
    """The facts as expressions of a generated check, each once."""
    return [text for text in dict.fromkeys(read.expression(bind) for read in reads) if text != "True"]


__all__ = ["Met", "Outside", "check_text", "is_users", "names_in"]
