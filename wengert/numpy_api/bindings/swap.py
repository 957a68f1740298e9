"""Putting the twins in place while traces run, and everything back after: one counted lock.

Imports the files beside it and ``core``. Invariant: twins stand in admitted modules (and
``builtins.__import__`` is ours) exactly while the count of running traces is above zero; no other
module is ever written to.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from wengert.core.context import tracing
from wengert.core.errors import WengertError
from wengert.numpy_api.bindings.admitted import Admission, is_loading, is_module_dict, names_of
from wengert.numpy_api.bindings.imports import ImportHook
from wengert.numpy_api.bindings.modules import Modules
from wengert.numpy_api.bindings.namespace import Namespaces
from wengert.numpy_api.bindings.record import Record
from wengert.numpy_api.bindings.scan import DATA, Scan, has_twins
from wengert.numpy_api.bindings.slots import Slot
from wengert.numpy_api.bindings.twins import TwinTable

Twins = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
_FREE_THREADED = "free-threading" in sys.version  # sysconfig takes 5 ms to say so
_MOST_GUESTS = 32  # records of exec'd code and the like that are kept between traces
_instances: weakref.WeakSet[Bindings] = weakref.WeakSet()
_forking: list[Bindings] = []  # those whose lock the forking thread holds


class Token:
    """What ``enter`` gives and ``exit`` takes, once."""

    __slots__ = ("epoch", "held", "is_open")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.is_open = True
        self.held: list[Slot | Record] = []


class Bindings:
    """Points the names of admitted modules to twins while traces run.

    ``twins`` maps originals to twins, ``namespaces`` names the modules to serve (those not loaded
    yet are served from the moment they are), and ``providers`` maps such a module's name to a
    function giving its twins then.
    """

    def __init__(
        self,
        twins: Twins,
        namespaces: Iterable[str] = (),
        providers: Mapping[str, Callable[[], Twins]] | None = None,
    ) -> None:
        self._lock = threading.RLock()  # re-entered when the collector runs a finaliser that traces
        self._epoch = 0
        self._count = 0
        self._table = TwinTable()
        self._table.extend(twins)
        self._providers = dict(providers or {})
        self._namespaces = Namespaces(self._table, self._arrive)
        self._namespaces.awaited = {*namespaces, *self._providers}
        self._admission = Admission()
        self._modules = Modules(self._admission)
        self._records: dict[int, Record] = {}
        self._guests: list[Record] = []
        self._live: list[Record] = []  # take part in every trace, and have slots
        self._entered: dict[int, Record] = {}  # traced since the count was zero
        self._asking: dict[int, dict[str, Any]] = {}  # globals without a record yet, whose code calls ``type``
        self._importers: dict[int, Record] = {}  # records that were given namespaces since then
        self._held: dict[Any, tuple[Slot | Record, int]] = {}  # of single traces, with their number
        self._hook = ImportHook(self._table, self._is_served, self._imported)
        _instances.add(self)

    # -- the hot path ----------------------------------------------------------------------------

    def enter(self, fun: Any) -> Token:
        """Put the twins in place for a trace of ``fun``; the token must go to ``exit`` in a
        ``finally``.

        Raises WengertError on a free-threaded Python.
        """
        if _FREE_THREADED:
            raise WengertError(
                "wengert does not run on a free-threaded Python yet: it rebinds names under the "
                "interpreter's lock\n  fix: use the ordinary build of this Python version"
            )
        if self._modules.changed():
            self.refresh()
        with self._lock:
            token = Token(self._epoch)
            self._count += 1
            try:
                if self._count == 1:
                    for record in self._live:
                        if len(record.space) != record.size:
                            record.scan(self._table, self._modules.hold)
                        record.put()
                    self._hook.put()
                self._admit_traced(fun, token)
            except BaseException:
                self.exit(token)
                raise
            return token

    def exit(self, token: Token) -> None:
        """End what ``enter`` began; the last one out restores every slot that still holds our
        twin.
        """
        with self._lock:
            if not token.is_open:
                raise WengertError("this token has been given back already: a trace ends once")
            token.is_open = False
            if token.epoch != self._epoch:  # forked meanwhile: the child has nothing to restore
                return
            for held in token.held:
                self._release(held)
            if self._count == 1:
                for record in self._live:
                    record.restore()
                self._hook.restore()
            self._count -= 1
            if not self._count:
                self._clean()

    def call(self, trace: Any, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run ``fun(*args, **kwargs)`` as the trace ``trace``, twins in place."""
        token = self.enter(fun)
        try:
            reset = tracing.set(trace)
            try:
                return fun(*args, **kwargs)
            finally:
                tracing.reset(reset)
        finally:
            self.exit(token)

    @property
    def count(self) -> int:
        """How many traces are running in the process."""
        return self._count

    def admit(self, package: str | ModuleType) -> None:
        """Let every trace rebind names in a module, or in a package and all its modules.

        For packages with compiled parts; modules of plain Python code are admitted without asking.
        ``wengert.trace_into`` is this. Raises WengertTypeError for something that is no module or
        name of one, WengertValueError for a name no module has, and for wengert, NumPy and SciPy
        as a whole.
        """
        with self._lock:
            self._admission.ask(package)
            self._modules.forget()

    # -- the function being traced ---------------------------------------------------------------

    def _admit_traced(self, fun: Any, token: Token) -> None:
        if type(fun) is FunctionType and _is_simple(fun):
            self._admit_globals(fun.__globals__, token)
            return
        found = Scan(self._table, self._admission.admits_globals, self._modules.held)
        found.callable(fun)
        for space in found.asking.values():
            self.serve_type(space)
        for space in found.reached.values():
            self._admit_globals(space, token)
        for slot in found.slots:
            if slot.key in self._held:
                self._hold(slot, token)
            else:
                resting = slot.resting()  # the others are in place by a module's record
                if resting is not None:
                    self._hold(resting, token)

    def serve_type(self, space: dict[str, Any]) -> None:
        """Serve the name ``type`` as well in globals whose code calls it (``exact_types``)."""
        with self._lock:
            record = self._records.get(id(space))
            if record is None:
                self._asking[id(space)] = space
            elif not record.asks:
                record.asks = True
                self._scan(record)

    def _admit_globals(self, space: dict[str, Any], token: Token) -> None:
        record = self._records.get(id(space))
        if record is None:
            if not self._admission.admits_globals(space):
                return
            name = space["__name__"] if is_module_dict(space) else None
            record = Record(name, space)
            record.guest = name is None or not self._admission.admits(name)
            self._add(record)
        if record.guest:
            self._hold(record, token)
        elif id(space) not in self._entered:
            self._entered[id(space)] = record
        if not record.matches():
            self._scan(record)

    def _hold(self, slot: Slot | Record, token: Token) -> None:
        """Slots of the traced function's own closure belong to its traces, not to all."""
        held, users = self._held.get(slot.key, (slot, 0))
        held.put()
        self._held[slot.key] = held, users + 1
        token.held.append(held)

    def _release(self, slot: Slot | Record) -> None:
        held, users = self._held[slot.key]
        if users > 1:
            self._held[slot.key] = held, users - 1
            return
        del self._held[slot.key]
        if not isinstance(held, Record) or held.guest:
            held.restore()

    # -- records ---------------------------------------------------------------------------------

    def _add(self, record: Record) -> None:
        record.asks = self._asking.pop(id(record.space), None) is not None
        self._records[id(record.space)] = record
        if record.guest:
            self._guests.append(record)
        self._scan(record)

    def _scan(self, record: Record) -> None:
        """Look at a record's globals (again); what is found is put in the state it has to be in
        now.
        """
        record.scan(self._table, self._modules.hold)
        if self._count and (not record.guest or record.key in self._held):
            record.put()
        else:
            record.restore()  # a name that was copied in a trace may hold a twin
        if record.guest:
            return
        if record.slots and not any(record is other for other in self._live):
            self._live.append(record)
        for module, space in record.orphans:
            known = self._records.get(id(space))
            if known is not None and known.guest:
                known.guest = False
                self._guests.remove(known)
                self._scan(known)
            elif known is None and type(module) is str and self._admission.admits(module):
                self._add(Record(None, space))

    def _clean(self) -> None:
        """After the last trace: names that user code itself gave twins to get the originals."""
        for record in self._entered.values():
            if len(record.space) != record.size:
                self._scan(record)
        self._entered.clear()
        if self._importers:  # ``global np; import numpy as np`` in a function
            for record in list(self._importers.values()):
                if has_twins(self._table, record.space):
                    self._scan(record)
            self._importers.clear()
        self._namespaces.carry_back()
        while len(self._guests) > _MOST_GUESTS:
            self._forget(self._guests[0])

    def _forget(self, record: Record) -> None:
        del self._records[id(record.space)]
        self._live = [other for other in self._live if other is not record]
        self._guests = [other for other in self._guests if other is not record]

    # -- modules come and go ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Look at modules imported (or dropped) since the last trace, and serve those that were awaited."""
        for name in [name for name in self._namespaces.awaited if name in sys.modules]:
            self._arrive(name)
        with self._lock:
            admitted, others_changed = self._modules.news()
            if others_changed:
                self._drop_refused()
            for name, names in admitted.items():
                known = self._records.get(id(names))
                if known is None:
                    self._add(Record(name, names))
                elif known.guest:
                    known.guest, known.name = False, name
                    self._guests.remove(known)
                    self._scan(known)

    def _drop_refused(self) -> None:
        """Forget modules that left ``sys.modules``, or whose package has loaded a compiled part."""
        for record in list(self._records.values()):
            name = record.name
            if name is None or record.guest:
                continue
            is_there = names_of(sys.modules.get(name)) is record.space
            if not is_there or not self._admission.admits(name):
                record.restore()
                self._forget(record)

    def _arrive(self, name: str) -> None:
        """Serve a module of the list that is loaded by now."""
        names = names_of(sys.modules.get(name))
        if names is None or is_loading(names):
            return
        provider = self._providers.get(name)
        reset = tracing.set(None)  # what it imports and calls is not the traced program
        try:
            twins = provider() if provider is not None else ()  # it imports: never under our lock
        finally:
            tracing.reset(reset)
        with self._lock:
            if name not in self._namespaces.awaited:
                return
            self._table.extend(twins)
            self._namespaces.carry_back()
            self._namespaces.build(name)
            self._namespaces.fill()
            for record in list(self._records.values()):
                self._scan(record)

    def _is_served(self, space: dict[str, Any]) -> bool:
        """Whether an import statement in a function with these globals gets namespaces."""
        record = self._records.get(id(space))
        if record is None and space and not is_module_dict(space):
            # Code made and run inside the trace; its names are given back with the last trace.
            record = self._importers.get(id(space)) or Record(None, space)
            record.guest = True
        elif record is None or (record.guest and record.key not in self._held):
            return False
        self._importers[id(space)] = record
        return True

    def _imported(self) -> None:
        """After an import made inside a trace: new modules are served from now on."""
        if self._modules.changed():
            self.refresh()

    # -- fork ------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """No other thread may be half-way through when the child is copied off."""
        self._lock.acquire()
        _forking.append(self)

    def after_fork_in_parent(self) -> None:
        """The others go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Only the forking thread is left; its names are plain again and its open tokens mean nothing."""
        self._lock = threading.RLock()
        self._epoch += 1
        if not self._count:
            return
        for held, _ in self._held.values():
            held.restore()
        for record in self._live:
            record.restore()
        self._hook.restore()
        self._held.clear()
        self._count = 0
        self._clean()


def _is_simple(fun: FunctionType) -> bool:
    """Whether a function can reach originals through its globals only."""
    if fun.__kwdefaults__ or getattr(fun, "__wrapped__", None) is not None:
        return False
    if fun.__defaults__ and not DATA.issuperset(map(type, fun.__defaults__)):
        return False
    try:
        return not fun.__closure__ or all(type(c.cell_contents) in DATA for c in fun.__closure__)
    except ValueError:  # an empty cell
        return False


def _before_fork() -> None:
    for bindings in list(_instances):
        bindings.before_fork()


def _after_fork(step: Callable[[Bindings], None]) -> Callable[[], None]:
    def act() -> None:
        while _forking:
            step(_forking.pop())

    return act


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork(Bindings.after_fork_in_parent),
        after_in_child=_after_fork(Bindings.after_fork_in_child),
    )
