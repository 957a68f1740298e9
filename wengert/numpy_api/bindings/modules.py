"""Keeping up with ``sys.modules``: which modules are new, still loading, gone, or replaced.

Imports ``admitted``. Invariant: a module counts as new until it was handed out by ``news`` with
its body run to the end, and every other module of its package too (one of them may turn out to be
compiled).
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from wengert.numpy_api.bindings.admitted import Admission, is_loading, names_of

_MOST_VERDICTS = 256


class Modules:
    """The modules seen so far."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._known: dict[str, int] = {}  # the identity of the globals of each
        self._pending: set[str] = set()
        self._loading: list[dict[str, Any]] = []
        self._size = -1
        self._last: Any = None
        self._foreign: set[int] = set()  # containers in modules that are not admitted
        self._surveyed = False
        self._verdicts: dict[int, tuple[Any, bool]] = {}

    def changed(self) -> bool:
        """Whether ``news`` may have something to tell; 0.2 us."""
        modules = sys.modules
        try:
            if len(modules) != self._size or modules[next(reversed(modules))] is not self._last:
                return True
        except (KeyError, RuntimeError):  # another thread is importing
            return True
        return bool(self._loading) and not all(map(is_loading, self._loading))

    def forget(self) -> None:
        """See every module as new again: another set of them is admitted."""
        self._known.clear()
        self._verdicts.clear()
        self._surveyed = False
        self._size = -1

    def news(self) -> tuple[dict[str, dict[str, Any]], bool]:
        """The admitted modules not handed out before, and whether earlier ones may be gone or
        refused.
        """
        modules = sys.modules.copy()
        self._size, self._last = len(modules), modules[next(reversed(modules))]
        self._surveyed = False
        new: dict[str, dict[str, Any]] = {}
        for name, module in modules.items():
            names = names_of(module)
            if names is not None and (
                self._known.get(name) != id(names) or name in self._pending
            ):
                new[name] = names
        self._loading = [names for names in new.values() if is_loading(names)]
        packages = {n.partition(".")[0] for n, names in new.items() if is_loading(names)}
        self._pending = {name for name in new if name.partition(".")[0] in packages}
        replaced = any(self._known.get(name, id(names)) != id(names) for name, names in new.items())
        self._known.update((name, id(names)) for name, names in new.items())
        gone = [name for name in self._known if name not in modules]
        for name in gone:
            del self._known[name]
        compiled = [self._admission.note(name, names) for name, names in new.items()]
        admitted = {
            name: names
            for name, names in new.items()
            if name not in self._pending and self._admission.admits(name)
        }
        return admitted, replaced or bool(gone) or any(compiled)

    def hold(self, container: Any) -> bool:
        """Whether a module that is not admitted holds this container: it is not ours to change.

        Asked once per container: an answer takes a walk over all of ``sys.modules``.
        """
        known = self._verdicts.get(id(container))
        if known is not None:
            return known[1]
        self._survey()
        if len(self._verdicts) > _MOST_VERDICTS:
            self._verdicts.clear()
        verdict = id(container) in self._foreign
        self._verdicts[id(container)] = container, verdict
        return verdict

    def held(self, container: Any) -> bool:
        """The same as of the last survey, for what a traced closure makes anew each time."""
        known = self._verdicts.get(id(container))
        if known is not None:
            return known[1]
        if not self._surveyed:
            self._survey()
        return id(container) in self._foreign

    def _survey(self) -> None:
        held: set[int] = set()
        for name, module in sys.modules.copy().items():
            names = names_of(module)
            if names is not None and not self._admission.admits(name):
                for value in names.copy().values():
                    _note_containers(held, value, 2)
        self._foreign, self._surveyed = held, True


def _note_containers(held: set[int], value: Any, depth: int) -> None:
    kind = type(value)
    if kind is dict or kind is list:
        held.add(id(value))
        if depth and len(value) <= 256:
            for part in list(value.values()) if kind is dict else value:
                _note_containers(held, part, depth - 1)
    elif issubclass(kind, functools.partial):
        held.add(id(value))


