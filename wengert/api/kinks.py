"""Kinks for users: choosing a subgradient, and ``nonsmooth=`` of the transforms with what it found.

Imports core and ops. Invariant: a choice holds for its thread or task only, and a value that is no
subgradient is refused.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from wengert.api import engine
from wengert.api.arguments import Selection
from wengert.api.verify import copies
from wengert.core import context
from wengert.core.errors import WengertValueError, error_at
from wengert.ops.kinks import MODES, Choice, KinkReport, Watcher, choice

_last: ContextVar[tuple[KinkReport, ...]] = ContextVar("wengert_kinks", default=())
_INTERVALS = {"abs": (-1.0, 1.0), "relu": (0.0, 1.0), "max": (0.0, 1.0)}


@contextlib.contextmanager
def subgradient(
    *, abs: float | None = None, relu: float | None = None, max: float | None = None
) -> Iterator[None]:
    """Choose the element of the generalised gradient that is used at a kink, as a context manager
    or a decorator.

    ``abs`` is the slope of the absolute value at 0, in [-1, 1] (default 0); ``relu`` the slope of
    relu at 0, in [0, 1] (default 0); ``max`` the share that the first operand of a maximum or
    minimum gets at a tie, in [0, 1] (default 1/2). In reductions such as ``np.max`` the first of the
    equal extremes gets that share and the others split the rest evenly (by default all get the
    same). The choice counts while derivatives are computed, so it goes around the call of the
    gradient.

    Raises WengertValueError for a number outside the interval: it would be no subgradient.

    >>> import numpy as np
    >>> from wengert import grad
    >>> with subgradient(abs=1.0):
    ...     float(grad(np.abs)(0.0))
    1.0
    """
    changes = {
        name: float(v)
        for name, v in {"abs": abs, "relu": relu, "max": max}.items()
        if v is not None
    }
    for name, chosen in changes.items():
        low, high = _INTERVALS[name]
        if not low <= chosen <= high or math.isnan(chosen):
            raise error_at(
                WengertValueError,
                f"subgradient({name}={chosen:g}) is outside the generalised gradient "
                f"[{low:g}, {high:g}]",
                fix=f"choose {name} between {low:g} and {high:g}",
                depth=4,
            )
    if max is not None:
        changes["first"] = changes["max"]
    token = choice.set(choice.get()._replace(**changes))
    try:
        yield
    finally:
        choice.reset(token)


def kinks() -> list[KinkReport]:
    """What the last derivative with ``nonsmooth="record"`` of this thread or task met: one report
    per operation and line.

    Each has ``op``, ``file``, ``line``, ``count`` (elements on a kink) and ``where`` (the index of
    the first).

    >>> import numpy as np
    >>> from wengert import grad
    >>> gradient = grad(lambda x: np.sum(np.abs(x)), nonsmooth="record")(np.array([1.0, 0.0]))
    >>> [(report.op, report.count, report.where) for report in kinks()]
    [('absolute', 1, (1,))]
    """
    return list(_last.get())


def watcher(nonsmooth: str) -> Watcher | None:
    """The watcher for an option ``nonsmooth=``, None for "ignore"; give it to ``context.enter(kind,
    kinks=...)``.

    Raises WengertValueError for an unknown option.
    """
    if nonsmooth == "ignore":
        return None
    if nonsmooth not in MODES:
        raise error_at(
            WengertValueError,
            f"nonsmooth={nonsmooth!r} is unknown",
            fix='use "ignore", "warn", "raise" or "record"',
            depth=3,
        )
    return Watcher(nonsmooth)


def publish(watching: Watcher | None) -> None:
    """Make what a recording watcher found the answer of ``kinks()``."""
    if watching is not None and watching.mode == "record":
        _last.set(tuple(watching.reports()))


def look(
    fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], argnums: Any, argnames: Any, nonsmooth: str
) -> None:
    """Run ``fun`` once on copies of its arguments, only to see whether the point is on a kink."""
    watching = watcher(nonsmooth)
    if watching is None:
        return
    args, kwargs = copies((tuple(args), kwargs))
    picked = Selection(fun, args, kwargs, argnums, argnames)
    leaves = [engine.settled(leaf) for leaf in picked.leaves]
    frame, _, _ = engine.reverse_trace(fun, leaves, picked.rebuild, None, watching)
    context.retire(frame)
    publish(watching)


def looking(
    made: Callable[..., Any], fun: Callable[..., Any], argnums: Any, argnames: Any, nonsmooth: str
) -> Callable[..., Any]:
    """The derivative function ``made`` of ``fun``, which looks for kinks before each call."""
    if watcher(nonsmooth) is None:
        return made

    @functools.wraps(made)
    def looked_at(*args: Any, **kwargs: Any) -> Any:
        look(fun, args, kwargs, argnums, argnames, nonsmooth)
        return made(*args, **kwargs)

    return looked_at


__all__ = ["Choice", "KinkReport", "kinks", "look", "looking", "publish", "subgradient", "watcher"]
