"""Values of large steps that are computed when first asked for, in the recording of a compiled function.

A deferred step gives memory of the right shape that is filled in place (a number: a placeholder). Reading ``value`` of
any handle computes what it holds; what asks for type and shape only is marked ``by_type`` or reads ``held``. Imports
context, errors, floats, handle and NumPy. Invariant: outside of this file and of what is marked nobody sees a value
that was not computed, and after ``finish`` there is none left.
"""

from __future__ import annotations

import gc
import math
import operator
import sys
import threading
import warnings
from collections.abc import Callable
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from wengert.core.context import Frame
from wengert.core.errors import WengertError
from wengert.core.floats import FLOATS
from wengert.core.handle import Traced, is_handle

LARGE = 1 << 17
"""Bytes of an operand from which on a step is deferred: below it the step costs about what deferring it does."""

MUCH = 1 << 20
"""Bytes of the arguments of a recording from which on steps may be deferred."""

ENORMOUS = 1 << 22
"""Bytes of a result from which on the steps after it are deferred, whatever the arguments were."""

PLACEHOLDERS = frozenset({np.float64, np.float32, np.complex128, np.complex64})
"""Types of numbers that are put off."""

_SWAPS = 200 if sys.version_info >= (3, 12) else sys.maxsize
"""Recordings in a process that defer: newer Pythons stop caching the attributes of a class that changed more often."""

_SLOT: Any = Traced.__dict__["value"]
held: Callable[[Any], Any] = _SLOT.__get__
"""What a handle holds, for its type and shape: its content may be missing."""

_hold: Callable[[Any, Any], None] = _SLOT.__set__
_TYPE_ONLY: set[CodeType] = set()
_TYPE_ONLY.add(Traced.__dict__["__class__"].fget.__code__)
_Function = TypeVar("_Function", bound=Callable[..., Any])


def by_type(function: _Function) -> _Function:
    """Mark a function that reads ``value`` of handles for its type, shape, dtype or identity alone."""
    waiting: list[CodeType] = [function.__code__]
    while waiting:
        code = waiting.pop()
        _TYPE_ONLY.add(code)
        waiting.extend(c for c in code.co_consts if type(c) is CodeType)
    return function


class Deferred(WengertError):
    """A step that was put off cannot be computed as foreseen: the function runs again, step by step."""


class _Step:
    """A step to compute: ``y`` is filled, or stands for a number; ``floats`` is NumPy's state when it was put off."""

    __slots__ = ("floats", "function", "late", "operands", "telling", "y")

    def __init__(self, y: Any, function: Any, operands: tuple[Any, ...], late: Any, floats: Any) -> None:
        self.y, self.function, self.operands, self.late, self.floats = y, function, operands, late, floats
        # Whether NumPy warns of what it meets in this step.
        self.telling = floats is _DEFAULT or (floats is not FLOATS[1] and set(np.geterr().values()) != {"ignore"})


_steps: dict[int, _Step] = {}
_numbers: dict[int, tuple[Any, Any, Any]] = {}
"""Numbers that were computed: the placeholder (kept, so that its id stays its own), the number, whose it is."""

_lock = threading.RLock()


class _Count:
    """``running`` recordings that put off steps now, ``begun`` since the process started."""

    running = begun = 0


def _key(value: Any) -> int:
    """By what a value is known: an array by the memory it shows."""
    while type(value) is np.ndarray and type(value.base) is np.ndarray:
        value = value.base
    return id(value)


def _read(h: Any) -> Any:
    value = held(h)
    if type(value) is np.ndarray:
        if _steps and (key := _key(value)) in _steps and sys._getframe(1).f_code not in _TYPE_ONLY:
            _compute(key)
    elif (id(value) in _steps or id(value) in _numbers) and sys._getframe(1).f_code not in _TYPE_ONLY:
        value = real(value)
        _hold(h, value)
    return value


_watched = property(_read, _hold)


def is_missing(value: Any) -> bool:
    """Whether a raw value was not computed yet."""
    return bool(_steps) and _key(value) in _steps


def real(value: Any) -> Any:
    """A raw value, computed."""
    if not _steps and not _numbers:
        return value
    if type(value) is tuple:
        return tuple(map(real, value))
    if _steps and (key := _key(value)) in _steps:
        _compute(key)
    if _numbers:
        known = _numbers.get(id(value))
        if known is not None:
            return known[1]
    return value


def _compute(key: int) -> None:
    """Compute a step, and before it those that it needs. Each is missing until it is filled, so that another thread of
    the function waits for it."""
    wanted = _steps.get(key)
    if wanted is None:
        return
    late = wanted.late
    with late.filling:
        if late.assumed:
            late.check()
        waiting = [key]
        while waiting:
            step = _steps.get(waiting[-1])
            if step is None:
                waiting.pop()
                continue
            more = [k for k in map(_key, step.operands) if k in _steps]
            if more:
                waiting.extend(more)
                continue
            try:
                _fill(step)
            except BaseException as problem:
                late.failed = problem
                raise
            del _steps[waiting.pop()]


_INTO: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.true_divide,
    operator.neg: np.negative,
}
"""Operators that are these functions on arrays, which can write into memory that is there."""


def _fill(step: _Step) -> None:
    operands = [known[1] if (known := _numbers.get(id(v))) is not None else v for v in step.operands]
    y = step.y
    token = None if FLOATS is None else FLOATS[0].set(step.floats)
    try:
        if type(y) is np.ndarray:
            function = _INTO.get(step.function, step.function)
            if isinstance(function, np.ufunc) and function.signature is None and len(operands) == function.nin:
                function(*operands, out=y)
                return
            found = function(*operands)
            if type(found) is not np.ndarray or found.shape != y.shape or found.dtype != y.dtype:
                raise Deferred(f"a step gave {type(found).__name__} where an array {y.dtype}{y.shape} was foreseen")
            y[...] = found
            return
        found = step.function(*operands)
    finally:
        if token is not None:
            FLOATS[0].reset(token)
    if type(found) is not type(y):
        raise Deferred(f"a step gave {type(found).__name__} where {type(y).__name__} was foreseen")
    _numbers[id(y)] = y, found, step.late


class Late:
    """The deferred steps of one recording. ``count`` of them, ``failed`` what computing one of them raised."""

    def __init__(self, start: int, step: Any, *, hopes: bool) -> None:
        self.start = start
        self.step = step  # ``put_off.deferred``
        self.hopes = hopes  # whether it may go on as if something held that is looked at later
        self.assumed: list[Any] = []
        self.count = 0
        self.failed: BaseException | None = None
        self.filling = threading.RLock()
        self._filters: Any = warnings.filters
        self._made: list[int] = []
        self.bytes = 0  # of what was put off
        self.loops = 0  # long ones among it
        self._copies: dict[int, tuple[Any, Any]] = {}  # of constants

    def may(self) -> bool:
        """Whether steps may be deferred where the program stands: not where an error or a warning of NumPy is looked
        for."""
        if warnings.filters is not self._filters:
            return False
        if FLOATS is None:
            return False
        state = FLOATS[0].get()
        return state is _DEFAULT or state is FLOATS[1] or not _RAISED & set(np.geterr().values())

    def put_off(self, like: Any, function: Any, operands: tuple[Any, ...]) -> Any:
        """A step as a value to come, an array or number like ``like``: that itself, where nobody else holds it."""
        if type(like) is np.ndarray and type(like.base) is np.ndarray:
            like = reserved(like.shape, like.dtype) if like.flags.c_contiguous else np.empty_like(like)
        step = _Step(like, function, operands, self, FLOATS[0].get())
        _steps[id(like)] = step
        self.count += 1
        self.bytes += like.nbytes
        self._made.append(id(like))
        return like

    def assume_finite(self, number: Any) -> None:
        """Go on as if a number to come were finite."""
        self.assumed.append(number)

    def check(self) -> None:
        """Compute what was assumed to be finite: nothing that was put off is handed out before."""
        while self.assumed:
            numbers, self.assumed = self.assumed, []
            for number in numbers:
                if not np.isfinite(real(number)):
                    self.failed = Deferred("a sweep ends non-finite, which was not foreseen")
                    raise self.failed

    def private(self, constant: Any) -> Any:
        """A copy of an array that others may write to: one for as long as its content stays."""
        known = self._copies.get(id(constant))
        if known is not None and _alike(known[1], constant):
            return known[1]
        copy = constant.copy(order="K")
        self._copies[id(constant)] = constant, copy
        return copy

    def settled(self, *, told: bool) -> None:
        """The results were computed elsewhere, and what was assumed holds. ``told``: there something was met that NumPy
        warns of, so that the steps are taken of which it would have warned."""
        self.assumed.clear()
        for key in self._made if told else ():
            step = _steps.get(key)
            if step is not None and step.telling:
                _compute(key)

    def finish(self) -> None:
        """Compute what somebody still holds, and forget the rest."""
        looked = False
        try:
            while self._made:
                key = self._made[-1]
                step = _steps.get(key)
                if step is not None:
                    if _holders(step) != ALONE and not looked:
                        gc.collect(1)  # arrays that were written to refer to themselves
                        looked = True
                    if _holders(step) != ALONE:
                        self._keep(key)
                    del step
                    _steps.pop(key, None)
                if key in _numbers:
                    self._hand_out(key)
                self._made.pop()
        finally:
            for key in self._made:
                _steps.pop(key, None)
                _numbers.pop(key, None)
            self._made.clear()

    def _keep(self, key: int) -> None:
        failed = self.failed
        try:
            _compute(key)
        except Exception:
            if failed is None:  # else it is known, and the function runs again
                raise

    def _hand_out(self, key: int) -> None:
        """Put a number in its place wherever a handle that is still there holds the placeholder."""
        known = _numbers.pop(key)
        if _number_holders(known) != ALONE_NUMBER:
            placeholder, number, _ = known
            for holder in gc.get_referrers(placeholder):
                if is_handle(holder) and held(holder) is placeholder:
                    _hold(holder, number)


def _alike(copy: Any, array: Any) -> bool:
    """Whether an array still has the bits of its copy, or other kinds of numbers the same values."""
    if copy.dtype != array.dtype or copy.shape != array.shape:
        return False
    if copy.dtype.kind == "f" and copy.itemsize <= 8:
        copy, array = (v.view(f"i{v.itemsize}") for v in (copy, array))
    return np.array_equal(copy, array)


def _holders(step: _Step) -> int:
    """How many hold what a step fills, counted always in the same way."""
    return sys.getrefcount(step.y)


def _number_holders(known: tuple[Any, Any, Any]) -> int:
    """How many hold a placeholder, counted always in the same way."""
    return sys.getrefcount(known[0])


def reserved(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array, in C order, whose memory costs nothing until it is filled. (That of ``np.empty`` may: malloc writes
    down what it knows of the memory behind it, for which a page of up to 2 MB is mapped.)"""
    size = math.prod(shape) * dtype.itemsize
    flags = private_memory() if size >= LARGE else None
    if flags is None:
        return np.empty(shape, dtype)
    from mmap import mmap

    try:
        return np.ndarray(shape, dtype, mmap(-1, size, flags=flags))
    except OSError:  # too many pieces of memory, or none left
        return np.empty(shape, dtype)


def private_memory() -> int | None:
    """The flags of memory that nobody else sees; None where the system has others."""
    import mmap

    return mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE if hasattr(mmap, "MAP_ANONYMOUS") else None


_RAISED = {"raise", "call", "log", "print"}
_DEFAULT = FLOATS[0].get() if FLOATS is not None else None

# What these find where nobody else holds it: it depends on the interpreter's version.
ALONE = _holders(_Step(np.empty(1), None, (), None, None))
ALONE_NUMBER = _number_holders((np.float64(0.5), None, None))
EXACT = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether references are counted exactly: not without the interpreter's lock."""


_SEEN = not getattr(sys.flags, "context_aware_warnings", 0)
"""Whether ``warnings.catch_warnings`` shows: with that option of Python 3.14 it changes a context of its own."""


def begin(frame: Frame, step: Any, *, hopes: bool) -> None:
    """Let the steps of a recording be deferred by ``step``, where that may be. Ends with ``end(frame.met.late)``.
    ``hopes``: it may go on as if something held that is looked at later (if it does not, the function runs again)."""
    if FLOATS is None or frame.parent is not None or not EXACT or not _SEEN:
        return
    with _lock:
        if not _Count.running:
            if _Count.begun >= _SWAPS:
                return
            _Count.begun += 1
            type.__setattr__(Traced, "value", _watched)
        _Count.running += 1
    frame.met.late = Late(frame.start, step, hopes=hopes)


def end(late: Late) -> None:
    """The recording is over, and nothing of it is held but what was handed out."""
    try:
        late.finish()
    finally:
        with _lock:
            _Count.running -= 1
            if not _Count.running:
                type.__setattr__(Traced, "value", _SLOT)


__all__ = [
    "ENORMOUS",
    "LARGE",
    "MUCH",
    "PLACEHOLDERS",
    "Deferred",
    "Late",
    "begin",
    "by_type",
    "end",
    "held",
    "is_missing",
    "real",
    "reserved",
]
