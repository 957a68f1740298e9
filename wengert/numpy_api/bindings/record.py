"""What is known of one admitted module: its slots, and its globals with the twins in place.

Imports ``scan`` and ``slots``. Invariant: a record's slots were found in its globals as they are,
or will be found again before they are next relied on (``matches`` compares by identity).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import compress
from operator import ne
from types import FunctionType
from typing import Any

from wengert.numpy_api.bindings.exact_types import TYPE
from wengert.numpy_api.bindings.scan import DATA, Scan
from wengert.numpy_api.bindings.slots import EntriesSlot, NameSlot, Slot
from wengert.numpy_api.bindings.twins import TwinTable

_REPLACEABLE = frozenset({FunctionType, type, functools.partial})


class Record:
    """An admitted dictionary of globals.

    ``name`` is its key in ``sys.modules``, or None for exec'd code. A ``guest`` takes part only in
    traces of its own functions; the others in all.
    """

    __slots__ = (
        "_alive", "_identities", "_moves", "_singles", "asks", "guest", "key", "name", "orphans", "size", "slots",
        "space",
    )

    def __init__(self, name: str | None, space: dict[str, Any]) -> None:
        self.key = ("globals", id(space))
        self.name = name
        self.guest = False
        self.asks = False  # whether its code calls ``type``: then the name is served too
        self.space = space
        self.slots: list[Slot] = []
        self._singles: list[tuple[dict[Any, Any], Any, Any, Any]] = []  # entries, where there are few
        self._moves: list[tuple[Any, Any, Any]] = []  # of all other slots: exchange and its two sides
        self.orphans: list[tuple[Any, dict[str, Any]]] = []
        self.size = -1
        self._identities: list[int] = []  # of the globals' values, twins in place
        self._alive: list[Any] = []  # functions and classes: their ids must stay theirs

    def scan(self, table: TwinTable, is_foreign: Callable[[Any], bool]) -> None:
        """Find the slots anew; works while twins are in place too. Slots that are gone are
        restored.
        """
        space = self.space
        found = Scan(table, lambda names: names is space, is_foreign, self.slots)
        entries, twins = found.names(space)
        self.asks = self.asks or bool(found.asking)
        if self.asks and ((held := space.setdefault("type", type)) is type or held is TYPE):
            entries["type"], twins["type"] = type, TYPE
            found.slots.append(NameSlot(space, "type", type, TYPE))
        self.size = len(entries)
        self._identities = [id(twins.get(name, value)) for name, value in entries.items()]
        self._alive = [value for value in entries.values() if type(value) in _REPLACEABLE]
        replaced, self.slots = self.slots, found.slots
        few = [slot for slot in found.slots if isinstance(slot, EntriesSlot) and len(slot.names()) <= 4]
        self._singles = [entry for slot in few for entry in slot.entries()]
        self._moves = [(slot.exchange, *slot.sides()) for slot in found.slots if slot not in few]
        self.orphans = list(found.orphans.values())
        kept = {slot.key: slot for slot in found.slots}
        for slot in replaced:
            again = kept.get(slot.key)
            if again is None:
                slot.restore()
            elif isinstance(slot, EntriesSlot) and isinstance(again, EntriesSlot):
                slot.drop(again.names())

    def put(self) -> None:
        """Point the slots to the twins."""
        for names, name, original, twin in self._singles:
            if names.get(name) is original:
                names[name] = twin
        for exchange, originals, twins in self._moves:
            exchange(originals, twins)

    def restore(self) -> None:
        """Point the slots back, where they still hold our twins."""
        for names, name, original, twin in self._singles:
            if names.get(name) is twin:
                names[name] = original
        for exchange, originals, twins in self._moves:
            exchange(twins, originals)

    def matches(self) -> bool:
        """Whether, with the twins in place, every name still holds what the last scan saw.

        Names that got plain data since then do not count (a counter, an array): there is nothing to
        serve in it, and a slot is passed over until it holds its original again.
        """
        now = list(map(id, self.space.values()))
        if now == self._identities:
            return True
        values = list(self.space.copy().values())
        if len(values) != self.size:
            return False
        now = list(map(id, values))
        changed = map(ne, now, self._identities)
        if not DATA.issuperset(map(type, compress(values, changed))):
            return False
        self._identities = now
        return True
