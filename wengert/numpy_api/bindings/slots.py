"""Slots: the single places (a global, a default, a cell, a class attribute) that hold an original.

Imports nothing of wengert. Invariant: ``put`` writes the twin only over the original it was found
with, ``restore`` writes the original only over that twin; whatever else a user has put there
meanwhile stays.
"""

from __future__ import annotations

import functools
from operator import is_
from typing import Any


class EntriesSlot:
    """Entries of one dictionary: a module's globals, keyword defaults, a table of functions."""

    __slots__ = ("_get", "_holder", "_originals", "_twins", "key")

    def __init__(self, holder: dict[Any, Any], pairs: dict[Any, tuple[Any, Any]]) -> None:
        self.key = ("entries", id(holder))
        self._holder = holder
        self._get = holder.get
        self._originals = {name: original for name, (original, _) in pairs.items()}
        self._twins = {name: twin for name, (_, twin) in pairs.items()}

    def sides(self) -> tuple[Any, Any]:
        """What ``exchange`` takes to put the twins, and the other way round to restore."""
        return self._originals, self._twins

    def exchange(self, old: dict[Any, Any], new: dict[Any, Any]) -> None:
        """Write ``new`` into those entries that hold ``old``."""
        get, holder = self._get, self._holder
        # Many are checked and written in C, in a third of the time of the loop below.
        if len(old) > 4 and all(map(is_, map(get, old), old.values())):
            holder.update(new)
            return
        for name, value in old.items():
            if get(name) is value:
                holder[name] = new[name]

    def put(self) -> None:
        """Write the twins over the originals."""
        self.exchange(self._originals, self._twins)

    def restore(self) -> None:
        """Write the originals over the twins."""
        self.exchange(self._twins, self._originals)

    def pairs(self) -> list[tuple[Any, Any]]:
        """What to recognise later: twins with their originals."""
        return list(zip(self._originals.values(), self._twins.values(), strict=True))

    def drop(self, names: Any) -> None:
        """Restore the names that another slot does not answer for."""
        for name, twin in self._twins.items():
            if name not in names and self._get(name) is twin:
                self._holder[name] = self._originals[name]

    def names(self) -> Any:
        """The keys of the entries."""
        return self._originals.keys()

    def entries(self) -> list[tuple[dict[Any, Any], Any, Any, Any]]:
        """Of each entry: the dictionary, the key, the original and its twin."""
        return [(self._holder, name, value, self._twins[name]) for name, value in self._originals.items()]

    def resting(self) -> EntriesSlot | None:
        """The entries that hold their originals now, if any."""
        pairs = {
            name: (original, self._twins[name])
            for name, original in self._originals.items()
            if self._get(name) is original
        }
        return EntriesSlot(self._holder, pairs) if pairs else None


class NameSlot(EntriesSlot):
    """A name that was put into the globals of a module, beside those that it has of its own."""

    __slots__ = ()

    def __init__(self, holder: dict[Any, Any], name: str, original: Any, twin: Any) -> None:
        super().__init__(holder, {name: (original, twin)})
        self.key = (name, id(holder))


class _SingleSlot:
    """One place holding one object."""

    __slots__ = ("_holder", "_original", "_twin", "key")

    def __init__(self, holder: Any, original: Any, twin: Any, part: Any = None) -> None:
        self.key = (type(self).__name__, id(holder), part)
        self._holder = holder
        self._original = original
        self._twin = twin

    def exchange(self, old: Any, new: Any) -> None:
        """Write ``new`` if the place holds ``old``."""
        raise NotImplementedError

    def _holds(self, value: Any) -> bool:
        raise NotImplementedError

    def sides(self) -> tuple[Any, Any]:
        """What ``exchange`` takes to put the twin, and the other way round to restore."""
        return self._original, self._twin

    def put(self) -> None:
        """Write the twin over the original."""
        self.exchange(self._original, self._twin)

    def restore(self) -> None:
        """Write the original over the twin."""
        self.exchange(self._twin, self._original)

    def resting(self) -> _SingleSlot | None:
        """This slot if it holds its original now."""
        return self if self._holds(self._original) else None

    def pairs(self) -> list[tuple[Any, Any]]:
        """What to recognise later: twins with their originals."""
        return [(self._original, self._twin)]


class CellSlot(_SingleSlot):
    """A closure cell; it may be empty by now (``del`` of the variable)."""

    __slots__ = ()

    def _holds(self, value: Any) -> bool:
        try:
            return self._holder.cell_contents is value
        except ValueError:
            return False

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        if self._holds(old):
            self._holder.cell_contents = new


class InstanceSlot(_SingleSlot):
    """The class of an object: while traces run, it has the methods of the twin of its class."""

    __slots__ = ()

    def _holds(self, value: Any) -> bool:
        return type(self._holder) is value

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        if type(self._holder) is old:
            object.__setattr__(self._holder, "__class__", new)


class DefaultsSlot(_SingleSlot):
    """The tuple of a function's positional defaults."""

    __slots__ = ()

    def _holds(self, value: Any) -> bool:
        return self._holder.__defaults__ is value

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        if self._holder.__defaults__ is old:
            self._holder.__defaults__ = new


class ClassSlot(_SingleSlot):
    """An attribute of a class. ``type.__setattr__`` goes past the metaclass (an Enum's refuses)."""

    __slots__ = ("_name",)

    def __init__(self, holder: type, original: Any, twin: Any, name: str) -> None:
        super().__init__(holder, original, twin, name)
        self._name = name

    def _holds(self, value: Any) -> bool:
        return self._holder.__dict__.get(self._name) is value

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        if self._holder.__dict__.get(self._name) is old:
            type.__setattr__(self._holder, self._name, new)


class ItemSlot(_SingleSlot):
    """An item of a list; looked for again if the user has moved it."""

    __slots__ = ("_index",)

    def __init__(self, holder: list[Any], original: Any, twin: Any, index: int) -> None:
        super().__init__(holder, original, twin, index)
        self._index = index

    def _holds(self, value: Any) -> bool:
        return self._index < len(self._holder) and self._holder[self._index] is value

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        items = self._holder
        if self._holds(old):
            items[self._index] = new
        elif new is self._original:
            for place, value in enumerate(items):
                if value is old:
                    items[place] = new


class PartialSlot(_SingleSlot):
    """The function, arguments and keywords of a ``functools.partial``, changed in place for all
    who hold it.

    ``original`` and ``twin`` are ``(function, arguments, keywords)``. A call running in another
    thread reads those it began with: the slot keeps both alive.
    """

    __slots__ = ()

    def _holds(self, value: Any) -> bool:
        held = self._holder
        parts = (held.func, held.args, held.keywords)
        return all(map(is_, parts, value))

    def exchange(self, old: Any, new: Any) -> None:  # noqa: D102
        if self._holds(old):
            held = self._holder
            functools.partial.__setstate__(held, (*new, held.__dict__ or None))  # type: ignore[attr-defined]

    def pairs(self) -> list[tuple[Any, Any]]:
        """What to recognise later, part by part."""
        return list(zip(self._original, self._twin, strict=True))


Slot = EntriesSlot | _SingleSlot
