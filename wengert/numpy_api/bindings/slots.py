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

    __slots__ = (
        "_get", "_holder", "_names", "_originals", "_to_originals", "_to_twins", "_twins", "key",
    )

    def __init__(self, holder: dict[Any, Any], pairs: dict[Any, tuple[Any, Any]]) -> None:
        self.key = ("entries", id(holder))
        self._holder = holder
        self._get = holder.get
        self._names = tuple(pairs)
        self._originals = tuple(original for original, _ in pairs.values())
        self._twins = tuple(twin for _, twin in pairs.values())
        self._to_twins = dict(zip(self._names, self._twins, strict=True))
        self._to_originals = dict(zip(self._names, self._originals, strict=True))

    def put(self) -> None:
        """Write the twins over the originals."""
        # Checked and written in C: a third of the time of a Python loop over the names.
        if all(map(is_, map(self._get, self._names), self._originals)):
            self._holder.update(self._to_twins)
            return
        holder, get = self._holder, self._get
        for name, original, twin in zip(self._names, self._originals, self._twins, strict=True):
            if get(name) is original:
                holder[name] = twin

    def restore(self) -> None:
        """Write the originals over the twins."""
        if all(map(is_, map(self._get, self._names), self._twins)):
            self._holder.update(self._to_originals)
            return
        holder, get = self._holder, self._get
        for name, original, twin in zip(self._names, self._originals, self._twins, strict=True):
            if get(name) is twin:
                holder[name] = original

    def pairs(self) -> list[tuple[Any, Any]]:
        """What to recognise later: twins with their originals."""
        return list(zip(self._originals, self._twins, strict=True))

    def drop(self, names: Any) -> None:
        """Restore the names that another slot does not answer for."""
        for name, twin in self._to_twins.items():
            if name not in names and self._get(name) is twin:
                self._holder[name] = self._to_originals[name]

    def names(self) -> tuple[Any, ...]:
        """The keys of the entries."""
        return self._names

    def resting(self) -> EntriesSlot | None:
        """The entries that hold their originals now, if any."""
        pairs = {
            name: (original, self._to_twins[name])
            for name, original in self._to_originals.items()
            if self._get(name) is original
        }
        return EntriesSlot(self._holder, pairs) if pairs else None


class _SingleSlot:
    """One place holding one object."""

    __slots__ = ("_holder", "_original", "_twin", "key")

    def __init__(self, holder: Any, original: Any, twin: Any, part: Any = None) -> None:
        self.key = (type(self).__name__, id(holder), part)
        self._holder = holder
        self._original = original
        self._twin = twin

    def _exchange(self, old: Any, new: Any) -> None:
        """Write ``new`` if the place holds ``old``."""
        raise NotImplementedError

    def _holds(self, value: Any) -> bool:
        raise NotImplementedError

    def put(self) -> None:
        """Write the twin over the original."""
        self._exchange(self._original, self._twin)

    def restore(self) -> None:
        """Write the original over the twin."""
        self._exchange(self._twin, self._original)

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

    def _exchange(self, old: Any, new: Any) -> None:
        if self._holds(old):
            self._holder.cell_contents = new


class DefaultsSlot(_SingleSlot):
    """The tuple of a function's positional defaults."""

    __slots__ = ()

    def _holds(self, value: Any) -> bool:
        return self._holder.__defaults__ is value

    def _exchange(self, old: Any, new: Any) -> None:
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

    def _exchange(self, old: Any, new: Any) -> None:
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

    def _exchange(self, old: Any, new: Any) -> None:
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

    def _exchange(self, old: Any, new: Any) -> None:
        if self._holds(old):
            held = self._holder
            functools.partial.__setstate__(held, (*new, held.__dict__ or None))  # type: ignore[attr-defined]

    def pairs(self) -> list[tuple[Any, Any]]:
        """What to recognise later, part by part."""
        return list(zip(self._original, self._twin, strict=True))


Slot = EntriesSlot | _SingleSlot
