"""Finding the slots: a walk over a module's globals, or over the function being traced.

Imports ``slots``, ``twins`` and ``admitted``. Invariant: only what belongs to admitted code is
ever offered for rewriting: a function whose globals are owned, a class defined there, a container
that no foreign module holds.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from wengert.numpy_api.bindings.admitted import is_module_dict, names_of
from wengert.numpy_api.bindings.exact_types import asks_type
from wengert.numpy_api.bindings.slots import (
    CellSlot,
    ClassSlot,
    DefaultsSlot,
    EntriesSlot,
    InstanceSlot,
    ItemSlot,
    PartialSlot,
    Slot,
)
from wengert.numpy_api.bindings.twins import TwinTable

Pair = tuple[Any, Any]
Globals = dict[str, Any]
# Values of these types are never served, nor is there anything to serve inside them ...
DATA = frozenset({str, int, float, complex, bool, bytes, type(None), np.ndarray, np.float64})
# ... and these may be served themselves, but are not looked into.
_CLOSED = DATA | {ModuleType, BuiltinFunctionType, CellType, np.ufunc}
_CachedFunction = type(functools.lru_cache(lambda: None))
_LARGEST = 64  # entries of a container that is looked into; bigger ones are data
_MOST_CONTAINERS = 1000  # in one walk: data can be nested without end
_DEEPEST = 60  # the walk recurses; a function or class inside another is one step
_CONTAINER_STEP = 20
# Not the user's names, though they stand among them.
_NOT_NAMES = frozenset(
    {"__builtins__", "__spec__", "__loader__", "__cached__", "__warningregistry__"}
)
_PLAIN_KEYS = frozenset({str, int, float, bool, bytes, type(None)})


def _is_plain_key(key: Any) -> bool:
    """Whether looking this key up runs no code of the user's."""
    kind = type(key)
    return kind in _PLAIN_KEYS or kind.__hash__ is object.__hash__


class Scan:
    """The slots met by one walk.

    ``owns(globals)`` says whose functions may be rewritten, ``is_foreign(container)`` which
    containers may not; ``previous`` slots tell which tuples and descriptors in place were made by
    an earlier walk, and from what. ``reached`` are the globals of the owned functions met (those of
    ``asking`` hold code that calls ``type``), ``orphans`` those that no module has (exec'd code),
    with the module name that the function gives.
    """

    def __init__(
        self,
        table: TwinTable,
        owns: Callable[[Globals], bool],
        is_foreign: Callable[[Any], bool],
        previous: Iterable[Slot] = (),
    ) -> None:
        self._twin_of = table.twin_of
        self._original_of = table.original_of
        self._untouched = table.untouched
        self._classes = table.classes
        self._owns = owns
        self._is_foreign = is_foreign
        self._made = {id(pair[1]): pair for slot in previous for pair in slot.pairs()}
        self._seen: dict[int, Any] = {}
        self._containers = 0
        self.slots: list[Slot] = []
        self.asking: dict[int, Globals] = {}
        self.reached: dict[int, Globals] = {}
        self.orphans: dict[int, tuple[Any, Globals]] = {}

    # -- one value: what it is swapped for -------------------------------------------------------

    def pair(self, value: Any) -> Pair | None:
        """``(original, twin)`` where the value is one of the two, or is made of such."""
        twin = self._twin_of.get(id(value))
        if twin is not None:
            return value, twin
        if id(value) in self._original_of:
            return self._original_of[id(value)], value
        kind = type(value)
        if kind is tuple and 0 < len(value) <= _LARGEST:
            return self._pair_of_parts(value, value, tuple)
        if kind is staticmethod:
            parts = (value.__func__,)
            return self._pair_of_parts(value, parts, lambda made: staticmethod(made[0]))
        if kind is property:
            accessors = (value.fget, value.fset, value.fdel)
            return self._pair_of_parts(
                value, accessors, lambda made: property(made[0], made[1], made[2], value.__doc__)
            )
        return None

    def _pair_of_parts(
        self, value: Any, parts: tuple[Any, ...], build: Callable[[list[Any]], Any]
    ) -> Pair | None:
        known = self._made.get(id(value))
        if known is not None and known[1] is value:
            return known
        pairs = [None if type(part) in DATA else self.pair(part) for part in parts]
        if not any(pairs):
            return None
        both = list(zip(pairs, parts, strict=True))
        if any(pair and pair[0] is part for pair, part in both):
            return value, build([pair[1] if pair else part for pair, part in both])
        return build([pair[0] if pair else part for pair, part in both]), value

    # -- walking ---------------------------------------------------------------------------------

    def visit(self, value: Any, depth: int = 0) -> None:
        """Look inside a value for places that hold originals.

        Asks for its exact type only: ``isinstance`` would run a proxy's ``__class__``.
        """
        kind = type(value)
        if kind in _CLOSED or depth > _DEEPEST or id(value) in self._seen:
            return
        if kind is FunctionType:
            self._seen[id(value)] = value
            self._function(value, depth)
        elif kind is dict or kind is list or kind is tuple:
            self._containers += 1
            if 0 < len(value) <= _LARGEST and self._containers <= _MOST_CONTAINERS:
                self._seen[id(value)] = value
                self._container(value, depth)
        elif issubclass(kind, functools.partial):
            self._seen[id(value)] = value
            self._partial(value, depth)
        elif kind is MethodType or kind is staticmethod or kind is classmethod:
            self.visit(value.__func__, depth + 1)
        elif kind is property:
            for accessor in (value.fget, value.fset, value.fdel):
                self.visit(accessor, depth + 1)
        elif kind is functools.cached_property:
            self.visit(value.func, depth + 1)
        elif kind is _CachedFunction:
            self.visit(value.__wrapped__, depth + 1)
        elif issubclass(kind, type):
            self._class(value, depth)
        elif kind in self._classes:
            self._seen[id(value)] = value
            self.slots.append(InstanceSlot(value, *self._classes[kind]))
            for part in list(vars(value).values()):
                self.visit(part, depth + 1)

    def _function(self, function: FunctionType, depth: int) -> None:
        """Defaults and cells of an owned function; through another's (a decorator) only onward."""
        if id(function) in self._untouched:
            return
        space = function.__globals__
        owned = self._owns(space)
        if owned:
            self.reached[id(space)] = space
            if asks_type(function.__code__):
                self.asking[id(space)] = space
            self._defaults(function, depth)
        elif id(space) not in self.orphans and not is_module_dict(space):
            self.orphans[id(space)] = (function.__module__, space)
        for cell in function.__closure__ or ():
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            kind = type(value)
            if kind in DATA:
                continue
            if not owned:
                if kind is FunctionType or kind is MethodType:
                    self.visit(value, depth + 1)
                continue
            found = self.pair(value)
            if found is not None:
                self.slots.append(CellSlot(cell, *found))
            self.visit(value, depth + 1)
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped, depth + 1)

    def _defaults(self, function: FunctionType, depth: int) -> None:
        defaults = function.__defaults__
        if defaults:
            found = self.pair(defaults)
            if found is not None:
                self.slots.append(DefaultsSlot(function, *found))
            for value in defaults:
                self.visit(value, depth + 1)
        by_keyword = function.__kwdefaults__
        if by_keyword:
            self._entries(by_keyword)
            for value in list(by_keyword.values()):
                self.visit(value, depth + 1)

    def _class(self, value: type, depth: int) -> None:
        """Attributes and methods of a class that owned code defines."""
        if not self._defines(value):
            return
        self._seen[id(value)] = value
        for name, attribute in list(value.__dict__.items()):
            if type(attribute) in DATA:
                continue
            found = self.pair(attribute)
            if found is not None:
                original, twin = found
                if type(twin) is FunctionType and not hasattr(type(original), "__get__"):
                    twin = staticmethod(twin)  # it must not bind self where the original does not
                self.slots.append(ClassSlot(value, original, twin, name))
            self.visit(attribute, depth + 1)

    def _defines(self, value: type) -> bool:
        """Whether a class was defined by code whose globals are owned."""
        module = value.__dict__.get("__module__")
        names = names_of(sys.modules.get(module)) if type(module) is str else None
        if names is not None and names.get(value.__name__) is value:
            return self._owns(names)
        functions = [f for f in value.__dict__.values() if type(f) is FunctionType]
        if functions:
            return any(self._owns(f.__globals__) for f in functions)
        return names is not None and self._owns(names)

    def _container(self, value: Any, depth: int) -> None:
        before = len(self.slots)
        inner = list(value.values()) if type(value) is dict else list(value)
        if type(value) is dict:
            self._entries(value)
        elif type(value) is list:
            for index, item in enumerate(inner):
                found = None if type(item) in DATA else self.pair(item)
                if found is not None:
                    self.slots.append(ItemSlot(value, *found, index))
        if len(self.slots) > before and self._is_foreign(value):
            del self.slots[before:]
            return
        for item in inner:
            self.visit(item, depth + _CONTAINER_STEP)

    def _partial(self, value: functools.partial[Any], depth: int) -> None:
        function, arguments, keywords = value.func, value.args, value.keywords
        known = self._made.get(id(keywords))
        by_name = {name: self.pair(item) for name, item in keywords.items()}
        if known is None and any(by_name.values()):
            known = keywords, {n: (by_name[n] or (v, v))[1] for n, v in keywords.items()}
        sides = self.pair(function), self.pair(arguments), known
        if any(sides) and not self._is_foreign(value):
            held = (function, arguments, keywords)
            both = [side or (part, part) for side, part in zip(sides, held, strict=True)]
            self.slots.append(PartialSlot(value, *map(tuple, zip(*both, strict=True))))
        for part in (function, arguments, *keywords.values()):
            self.visit(part, depth + 1)

    def _entries(self, holder: dict[Any, Any]) -> None:
        pairs: dict[Any, Pair] = {}
        for name, value in list(holder.items()):
            found = None if type(value) in DATA else self.pair(value)
            if found is not None and _is_plain_key(name):
                pairs[name] = found
        if pairs:
            self.slots.append(EntriesSlot(holder, pairs))

    # -- a whole module --------------------------------------------------------------------------

    def names(self, space: Globals) -> tuple[Globals, Globals]:
        """All slots of a module's globals, functions, classes and containers.

        Returns the globals as they were met, and the twins of those that have one.
        """
        snapshot = space.copy()
        pairs: dict[Any, Pair] = {}
        for name, value in snapshot.items():
            if type(value) in DATA or name in _NOT_NAMES or type(name) is not str:
                continue
            found = self.pair(value)
            if found is not None:
                pairs[name] = found
        if pairs:
            self.slots.append(EntriesSlot(space, pairs))
        self._seen[id(space)] = space
        for name, value in snapshot.items():
            if name not in _NOT_NAMES:
                self.visit(value)
        return snapshot, {name: twin for name, (_, twin) in pairs.items()}

    # -- whatever is handed in to be traced ------------------------------------------------------

    def callable(self, fun: Any, depth: int = 0) -> None:
        """Walk to the functions behind a function, method, partial, class or callable object."""
        kind = type(fun)
        self.visit(fun)
        if kind is FunctionType or depth > _DEEPEST:
            return
        if kind is MethodType:
            self.visit(type(fun.__self__))
        elif issubclass(kind, functools.partial):
            self.callable(fun.func, depth + 1)
        elif issubclass(kind, type):
            self.visit(fun.__init__)
            self.visit(fun.__new__)
        else:
            self.visit(kind)
            self.visit(getattr(kind, "__call__", None))  # noqa: B004
            self.visit(getattr(fun, "__wrapped__", None))
            attributes = getattr(fun, "__dict__", None)
            for value in list(attributes.values()) if type(attributes) is dict else ():
                if type(value) is FunctionType or type(value) is MethodType:
                    self.visit(value)


def has_twins(table: TwinTable, space: Globals) -> bool:
    """Whether some name holds a twin or a namespace right now."""
    return not table.original_of.keys().isdisjoint(map(id, space.copy().values()))
