"""Twin namespaces: what ``np`` and ``math`` mean in a user's module while a trace runs.

Imports ``twins`` and ``admitted``. Invariant: a namespace is an exact module object (attribute
look-ups cost what they cost on the real one) with the real module's entries, but for twins in
place of originals and namespaces of modules.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from wengert.numpy_api.bindings.admitted import names_of
from wengert.numpy_api.bindings.twins import TwinTable

_OWN = frozenset({"__getattr__", "__reduce_ex__"})


class Namespaces:
    """The namespaces of all served modules that are loaded by now."""

    def __init__(self, table: TwinTable, arrive: Callable[[str], None]) -> None:
        self._table = table
        self._arrive = arrive  # called with the name of a served module met before it was built
        self._built: dict[str, tuple[dict[str, Any], dict[str, Any], list[int]]] = {}
        self.awaited: set[str] = set()

    def build(self, name: str) -> None:
        """Make the (still empty) namespace of a loaded module; ``fill`` follows once all twins are
        known.
        """
        real = sys.modules[name]
        names = names_of(real)
        if names is None:
            raise TypeError(f"sys.modules[{name!r}] is {type(real).__name__}, not a module")
        served = ModuleType(name)
        self._table.add(real, served)
        self._built[name] = (names, served.__dict__, [0])
        entries = served.__dict__
        entries["__getattr__"] = self._late_attribute(real, names, entries)
        entries["__reduce_ex__"] = lambda protocol: (importlib.import_module, (name,))
        self.awaited.discard(name)

    def fill(self) -> None:
        """Copy every real module into its namespace, twins for originals."""
        twin_of = self._table.twin_of
        for names, entries, size in self._built.values():
            current = names.copy()  # one step for other threads: a loop over the real one is not
            for gone in entries.keys() - current.keys() - _OWN:
                entries.pop(gone, None)
            for name, value in current.items():
                if name not in _OWN:
                    entries[name] = twin_of.get(id(value), value)
            size[0] = len(entries)

    def carry_back(self) -> None:
        """Hand attributes that user code added to a namespace (``np.mine = 1``) on to the real
        module.
        """
        original_of = self._table.original_of
        for names, entries, size in self._built.values():
            if len(entries) != size[0]:
                for name in entries.keys() - names.keys() - _OWN:
                    value = entries[name]
                    names[name] = original_of.get(id(value), value)
                size[0] = len(entries)

    def _late_attribute(
        self, real: ModuleType, names: dict[str, Any], entries: dict[str, Any]
    ) -> Callable[[str], Any]:
        twin_of = self._table.twin_of

        def attribute(name: str) -> Any:
            """What the copy lacks: lazily imported parts, and names the real module got later."""
            value = getattr(real, name)
            if type(value) is ModuleType and value.__name__ in self.awaited:
                self._arrive(value.__name__)
            served = twin_of.get(id(value), value)
            if names.get(name) is value:
                # A computed attribute is computed (and warns) each time, as on the real module.
                entries.setdefault(name, served)
            return served

        return attribute
