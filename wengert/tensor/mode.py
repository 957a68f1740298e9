"""Whether operations on Tensors record: ``no_grad``, ``enable_grad``, ``record``, ``pause``, for the current thread or
task.

Imports core. Invariant: ``MODE.off`` is not zero while any thread runs with recording off, so that fast code may look
no further while it is zero.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from wengert.core import context
from wengert.core.context import REVERSE, tracing
from wengert.tensor.session import EAGER, session_of


class Mode:
    """A count that generated code reads with one look-up."""

    __slots__ = ("off",)

    def __init__(self) -> None:
        self.off = 0


MODE = Mode()
_lock = threading.Lock()
_enabled: ContextVar[bool] = ContextVar("wengert_recording", default=True)
_makes: ContextVar[bool] = ContextVar("wengert_makes_leaves", default=False)


def is_grad_enabled() -> bool:
    """Whether operations on Tensors record now, in this thread.

    >>> is_grad_enabled()
    True
    """
    return not MODE.off or _enabled.get()


def makes_leaves() -> bool:
    """Whether Tensors made now require gradients unless told otherwise (inside ``record()``)."""
    return _makes.get()


class _Scope:
    """A context manager that also decorates functions; may be entered again and nested."""

    def __init__(self, enabled: bool, makes: bool | None) -> None:
        self._enabled = enabled
        self._makes = makes
        self._tokens: list[Any] = []

    def __enter__(self) -> None:
        made = _makes.set(self._makes) if self._makes is not None else None
        self._tokens.append((_enabled.set(self._enabled), made))
        if not self._enabled:
            with _lock:
                MODE.off += 1

    def __exit__(self, *problem: object) -> None:
        enabled, made = self._tokens.pop()
        _enabled.reset(enabled)
        if made is not None:
            _makes.reset(made)
        if not self._enabled:
            with _lock:
                MODE.off -= 1

    def __call__(self, fun: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fun)
        def scoped(*args: Any, **kwargs: Any) -> Any:
            with _Scope(self._enabled, self._makes):
                return fun(*args, **kwargs)

        return scoped


def no_grad() -> _Scope:
    """Operations on Tensors inside ``with no_grad():`` are not recorded, and leaves may be changed in place. Also a
    decorator: ``@no_grad()``.

    >>> import wengert as wg
    >>> w = wg.tensor([1.0, 2.0], requires_grad=True)
    >>> with wg.no_grad():
    ...     w -= 0.5
    >>> w
    tensor([0.5, 1.5], requires_grad=True)
    """
    return _Scope(False, None)


def enable_grad() -> _Scope:
    """Operations inside are recorded, also inside ``no_grad``.

    >>> import wengert as wg
    >>> x = wg.ones(2, requires_grad=True)
    >>> with wg.no_grad(), wg.enable_grad():
    ...     (x * 2).requires_grad
    True
    """
    return _Scope(True, None)


def record() -> _Scope:
    """Record what happens inside, as on a tape: Tensors made inside require gradients unless told otherwise.

    >>> import wengert as wg
    >>> with wg.record():
    ...     a = wg.ones((2, 1))
    ...     b = wg.ones((2, 1))
    ...     c = 2 * a + b
    >>> c.sum().backward()
    >>> a.grad.tolist(), b.grad.tolist()
    ([[2.0], [2.0]], [[1.0], [1.0]])
    """
    return _Scope(True, True)


def pause() -> _Scope:
    """Do not record what happens inside; Tensors made inside are constants.

    >>> import wengert as wg
    >>> with wg.record():
    ...     with wg.pause():
    ...         wg.ones(2).requires_grad
    False
    """
    return _Scope(False, False)


class recording:  # noqa: N801  used like a function; a class costs a third of a generator
    """Stand around operations on handles that belong to Tensors: nodes of any age count as alive, and new ones are
    recorded.
    """

    __slots__ = ("_frame", "_token")

    def __enter__(self) -> None:
        frame = tracing.get()
        if frame is not None and frame.note is EAGER:
            self._frame = None
            return
        self._frame, self._token = context.enter(REVERSE)
        self._frame.note = EAGER
        context.reach_back(self._frame, 0)

    def __exit__(self, *problem: object) -> None:
        if self._frame is not None:
            context.leave(self._frame, self._token)


def is_traced() -> bool:
    """Whether a function is being traced in this thread (a Tensor is a constant there).

    Not while a compiled function is recorded: there Tensors record, and are recorded (``session``).
    """
    frame = tracing.get()
    return frame is not None and frame.note is not EAGER and session_of(frame) is None


__all__ = [
    "EAGER",
    "MODE",
    "enable_grad",
    "is_grad_enabled",
    "is_traced",
    "makes_leaves",
    "no_grad",
    "pause",
    "record",
    "recording",
]
