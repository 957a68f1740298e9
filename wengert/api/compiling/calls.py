"""The calls of one compiled function: which path fits, when a new one is recorded, when the function itself runs.

Imports ``compiling/path`` and ``compiling/record``. Invariant: every call is answered by a path whose guards and
facts hold, by the run that records a new path, or by the function itself."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import numpy as np

from wengert.api.arguments import name_of
from wengert.api.compiling.passes import has_llvmlite, native_plan, why_no_native
from wengert.api.compiling.path import LONG, Path, asks_for_errors, same_way
from wengert.api.compiling.reads import content
from wengert.api.compiling.record import (
    LYING,
    Raised,
    Recording,
    Refused,
    Unforeseen,
    ordinary,
    record,
    why_untraceable,
)
from wengert.api.compiling.saying import warn
from wengert.api.compiling.tensors import Given, Unfit, mode, opened
from wengert.api.tracing import is_input
from wengert.backends.guards import MISS
from wengert.core import freed
from wengert.core.context import collector_at_rest, tracing
from wengert.core.deferred import Late
from wengert.core.errors import WengertError
from wengert.core.handle import HANDLES
from wengert.core.locks import ForkLock
from wengert.core.node import describe
from wengert.core.tree import STANDINS, Structure, flatten

PATHS = 12
"""Paths kept for one set of types; a function that needs more runs uncompiled for these types."""
KINDS = 64
"""Sets of types and fixed values kept."""
_IN_VAIN = 16
"""So many recordings in a row without a single replay: the function runs uncompiled from then on."""

_LARGE = 1 << 20
"""Bytes of an input from which on memory is worth a thought."""

_MUCH = 1 << 25
"""Bytes of results of a recording, left to be computed, from which on native code is made for them at once."""

_HASHED = (int, bool, str, bytes, Enum, frozenset, np.dtype)
_UNTRACEABLE = (TypeError, AttributeError, NotImplementedError, BufferError, SystemError)


class Kind:
    """The paths for one set of types and fixed values; ``reason`` says why there are none any more."""

    def __init__(self, leaves: Sequence[Any], shape: tuple[Structure, Given | None, Any], rough: Any = None) -> None:
        self.rough = rough  # of a kind for any contents of its integer arrays: those are inputs
        self.structure, self.given, _ = shape
        self.taken = tuple(is_input(v) or (rough is not None and _has_contents(v)) for v in leaves)
        # Which keeps what the key names by its id.
        self.leaves = [None if t else v for v, t in zip(leaves, self.taken, strict=True)]
        self.paths: list[Path] = []
        self.recorded = 0
        self.reason = ""
        self.careful = ""  # what a path asks its arguments besides their values

    def asks(self, what: str) -> None:
        """Note what a path asks (how arrays lie in memory tells also which are one)."""
        self.careful = what if what == LYING else self.careful or what


def mark(leaf: Any) -> Any:
    """What of a leaf a path is made for; None when no path is made for such a leaf."""
    kind = type(leaf)
    if kind is np.ndarray:
        code = leaf.dtype.kind
        if code in "fc":
            return leaf.dtype, leaf.shape
        if leaf.dtype.hasobject:
            return None
        return leaf.dtype, leaf.shape, leaf.tobytes() if leaf.nbytes <= 64 else content(leaf)
    if kind is float or kind is complex:
        return kind
    if issubclass(kind, np.generic):
        return kind if issubclass(kind, np.inexact) else (kind, leaf.dtype, leaf.tobytes())
    if kind in HANDLES or kind in STANDINS or issubclass(kind, (np.ndarray, float, complex)):
        return None
    if hasattr(kind, "__next__"):
        return None  # a recording would use it up
    if issubclass(kind, _HASHED):
        try:
            hash(leaf)
        except TypeError:
            return kind, id(leaf)
        return kind, leaf
    if kind is slice or kind is range:
        return kind, repr(leaf)
    return kind, id(leaf)


def _has_contents(leaf: Any) -> bool:
    return type(leaf) is np.ndarray and leaf.dtype.kind in "iub"


def _without_contents(marks: tuple[Any, ...]) -> tuple[Any, ...]:
    """The marks of a call without what its integer arrays hold."""
    return tuple(
        m[:2] if type(m) is tuple and len(m) == 3 and isinstance(m[0], np.dtype) and m[0].kind in "iub" else m
        for m in marks
    )


_SEEN, _FIXED = "seen", "fixed"


class Calls:
    """All that one compiled function remembers."""

    def __init__(self, fun: Callable[..., Any], *, backend: str, threads: int, wait: bool, check: str) -> None:
        self.fun = fun
        self.backend, self.threads, self.wait, self.check = backend, threads, wait, check
        self.name = name_of(fun)
        self.hot: Callable[[tuple[Any, ...]], Any] = no_path
        self.kinds: dict[Any, Kind] = {}
        # For types without the contents of integer arrays: whether other contents make them inputs.
        self._contents: dict[Any, str] = {}
        self.reason = ""
        self.notes: list[str] = []
        self._in_vain = 0
        self._lock = ForkLock()

    def clear(self) -> None:
        """Forget all paths and reasons."""
        with self._lock:
            self.hot = no_path
            self.kinds.clear()
            self._contents.clear()
            self.reason = ""
            self.notes.clear()
            self._in_vain = 0

    @property
    def paths(self) -> list[Path]:
        """All paths."""
        return [path for kind in list(self.kinds.values()) for path in list(kind.paths)]

    # ------------------------------------------------------------ one call

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call that the hot path does not."""
        if self.reason or tracing.get() is not None:
            return self.fun(*args, **kwargs)
        try:
            leaves, structure = flatten((args, kwargs))
        except WengertError:  # containers that contain themselves
            return self.fun(*args, **kwargs)
        try:
            leaves, given, units = opened(leaves)
        except Unfit as problem:
            self.note(str(problem))
            return self.fun(*args, **kwargs)
        marks = tuple(map(mark, leaves))
        if None in marks or asks_for_errors():
            return self.fun(*args, **kwargs)
        key = (structure, given, mode()), marks
        kind = self.kinds.get(key)
        if kind is None:
            kind = self._new_kind(key, leaves)
        if kind.reason or (kind.careful and not ordinary(leaves, kind.careful)):
            return self.fun(*args, **kwargs)
        paths = tuple(kind.paths)
        for path, by_numpy in (*((p, False) for p in paths), *((p, True) for p in paths)):
            try:
                out = path.attempt(leaves, units, by_numpy=by_numpy)
            except Exception as problem:  # noqa: BLE001 the function itself says what is wrong, at the user's line
                return self._after_failure(kind, path, problem, args, kwargs)
            if out is not MISS:
                if not by_numpy:
                    self._succeeded(kind, path)
                return out
        return self._record(kind, args, kwargs, leaves, units)

    def _new_kind(self, key: Any, leaves: Sequence[Any]) -> Kind:
        rough = key[0], _without_contents(key[1])
        with self._lock:
            known = self.kinds.get(rough) if rough != key else None
            if known is not None:
                return known
            loose = None
            if rough != key:
                # Integer arrays are fixed until others come: then they are inputs, if the program can do with that.
                state = self._contents.setdefault(rough, "")
                if not state:
                    self._contents[rough] = _SEEN
                elif state == _SEEN:
                    loose = key = rough
            while len(self.kinds) >= KINDS:
                del self.kinds[next(iter(self.kinds))]
            return self.kinds.setdefault(key, Kind(leaves, key[0], loose))

    def _fix(self, kind: Kind, args: Any, kwargs: Any) -> Any:
        """The program needs to know its integer arrays: each content has paths of its own."""
        with self._lock:
            self._contents[kind.rough] = _FIXED
            self.kinds.pop(kind.rough, None)
        return self(args, kwargs)

    def _succeeded(self, kind: Kind, path: Path) -> None:
        with self._lock:
            self._in_vain = 0
            path.uses += 1
            if kind.paths and kind.paths[0] is not path and path in kind.paths:
                kind.paths.remove(path)
                kind.paths.insert(0, path)
            self.hot = path.hot() or no_path
        self._say_if_not_native(path)

    def _after_failure(self, kind: Kind, path: Path, problem: Exception, args: Any, kwargs: Any) -> Any:
        """A replay raised: the function itself raises the same where the user wrote it; if it does not, say so."""
        out = self.fun(*args, **kwargs)
        path.failed = problem
        with self._lock:
            kind.reason = f"a replay raised {type(problem).__name__}"
            self.hot = no_path
        self.note(f"a replay raised {type(problem).__name__} ({problem}) where the function does not")
        return out

    # ------------------------------------------------------------ new paths

    def _record(self, kind: Kind, args: Any, kwargs: Any, leaves: list[Any], units: list[Any]) -> Any:
        with collector_at_rest():
            return self._recorded(kind, args, kwargs, leaves, units)

    def _recorded(self, kind: Kind, args: Any, kwargs: Any, leaves: list[Any], units: list[Any]) -> Any:
        reason = self._too_many(kind)
        if reason:
            kind.reason = reason
            self.note(reason)
            return self.fun(*args, **kwargs)
        start = time.perf_counter()
        large = any(type(v) is np.ndarray and v.nbytes >= _LARGE for v in leaves)
        if large:
            freed.keep()  # recording allocates and frees every value of the program once
        made: list[Path] = []

        def answer(recording: Recording, late: Late) -> list[Any] | None:
            little = late.bytes < _MUCH and not late.loops
            if little or self.backend == "numpy" or not self.wait or native_plan() is None:
                return None
            made.append(self._path(recording, kind))
            ends, told = made[0].answer(leaves)
            if ends is not None:
                late.settled(told=told)
            return ends

        known = self.fun, leaves, kind.structure, kind.taken, self.check, kind.given, units, self._folds()
        try:
            try:
                recording, out = record(*known, answer)
            except Unforeseen:
                made.clear()
                recording, out = record(*known)
        except Refused as refused:
            if kind.rough is not None and refused.rerun:
                return self._fix(kind, args, kwargs)
            if refused.asked:
                kind.asks(refused.asked)
            else:
                kind.reason = refused.reason
            self.note(refused.reason)
            return self.fun(*args, **kwargs) if refused.rerun else refused.result
        except (Raised, WengertError, *_UNTRACEABLE) as problem:
            if kind.rough is not None:
                return self._fix(kind, args, kwargs)
            # Code that cannot be recorded may well run; what it raises by itself passes through.
            out = self.fun(*args, **kwargs)
            kind.reason = why_untraceable(problem.args[0] if isinstance(problem, Raised) else problem)
            self.note(kind.reason)
            return out
        path = made[0] if made else self._path(recording, kind)
        if large:
            gc.collect(0)  # handles that refer to themselves hold the values: let the plan have their memory
        path.seconds["recording"] = time.perf_counter() - start - sum(path.seconds.values())
        with self._lock:
            if any(same_way(path, other) for other in kind.paths):
                return out  # another thread has recorded it meanwhile
            kind.recorded += 1
            kind.asks(recording.careful)
            self._in_vain += 1
            kind.paths.insert(0, path)
            if len(kind.paths) > PATHS:
                kind.paths.pop()
        self._prepare(path)
        return out

    def _path(self, recording: Recording, kind: Kind) -> Path:
        return Path(recording, kind.structure, kind.given, backend=self.backend, threads=self.threads)

    def _folds(self) -> bool | str:
        """Few tangents of scalars fit a vector register; as small arrays of NumPy they cost more than a sweep."""
        return "reverse" if self.backend == "numpy" or not has_llvmlite() else True

    def _too_many(self, kind: Kind) -> str:
        """Why no further path is recorded; empty when one may be."""
        with self._lock:
            if self._in_vain >= _IN_VAIN:
                changed = kind.paths[0].recording.outside.differs() if kind.paths else None
                why = f"{changed.label} changes from call to call" if changed else "no recorded path was met again"
                self.reason = f"{_IN_VAIN} calls in a row had to be recorded anew: {why}"
                return self.reason
            if len(kind.paths) < PATHS or kind.recorded * 4 < sum(p.uses for p in kind.paths):
                return ""
            stale = [p for p in kind.paths if p.recording.outside.differs() is not None]
            if stale and kind.recorded < 4 * PATHS:
                return ""
            guards = kind.paths[0].graph.guards
            where = f", decided at {describe(guards[0].where)} and elsewhere" if guards else ""
            return f"it takes more than {PATHS} different paths{where}"

    def _prepare(self, path: Path) -> None:
        """Compile a new path natively, now or beside the running program."""
        if path.recorded > LONG:
            _ = path.graph  # its loops are folded now, so that the recording can go
        if self.backend == "numpy":
            return
        if self.backend == "auto" and native_plan() is None:
            say_how_to_get_native()
            return
        if self.wait:
            if self.backend == "native":
                if path.native is None:
                    path.make_native()
                self._say_if_not_native(path)
            else:
                path.wanted = path.native is None and not path.native_problem  # many paths are never met again
            return

        def make() -> None:
            if not threading.main_thread().is_alive():
                return
            path.make_native()
            self._say_if_not_native(path)
            with self._lock:
                path.choose_again()
                self.hot = no_path

        native_plan()  # imported by this thread: a child of ``fork`` could not go on with half an import
        # Not a daemon: the interpreter waits for the compiler, which could not be stopped half-way.
        threading.Thread(target=make, name=f"wengert compiles {self.name}").start()

    def _say_if_not_native(self, path: Path) -> None:
        """Say once that native code was asked for and is not there: of a function that nothing but native code was to
        run, and of the process where it has no native code for any function."""
        if not path.native_problem:
            return
        if self.backend != "native" and self.wait:
            if why_no_native() is not None:
                say_how_to_get_native()
            return
        text = f"native code could not be made ({path.native_problem})"
        if text not in self.notes:
            self.notes.append(text)
            warn(f"compile({self.name}): {text}; generated NumPy code runs instead")

    def note(self, reason: str) -> None:
        """Say once why calls run uncompiled."""
        if reason in self.notes:
            return
        self.notes.append(reason)
        warn(f"compile({self.name}): {reason}; such calls run uncompiled")


def no_path(args: tuple[Any, ...]) -> Any:
    """The hot path when there is none."""
    return MISS


_said: list[bool] = []


def say_how_to_get_native() -> None:
    """Say once that there is no native code here, and how to get it."""
    if not _said:
        _said.append(True)
        warn(f'wengert.compile uses NumPy only: {why_no_native()}, or say backend="numpy"')


__all__ = ["KINDS", "PATHS", "Calls", "no_path"]
