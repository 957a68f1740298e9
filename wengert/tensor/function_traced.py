"""A Function of the user's applied to traced arrays: one operation with the Function's rule.

Imports ops, ``tensor``. Invariant: on plain numbers ``forward`` and ``backward`` see Tensors, as everywhere; where an
outer derivative or a recording looks on they see traced arrays, which know NumPy's functions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.types import dtype_of
from wengert.ops.control import stop_gradient, with_jvp, with_vjp
from wengert.tensor.bridge import constants
from wengert.tensor.mode import no_grad
from wengert.tensor.tensor import Tensor, plain


def apply_traced(cls: Any, args: tuple[Any, ...], context: Callable[[], Any]) -> Any:
    """``cls.apply(*args)`` where some of the arguments are traced; ``context()`` makes what ``forward`` gets."""
    call = _Call(cls, args, context)
    trial = call.body(*(_value(args[k]) for k in call.moving))
    memo = [trial]

    def body(*values: Any) -> Sequence[Any]:
        return memo.pop() if memo else call.body(*values)

    make: Any = with_jvp if cls.backward is None else with_vjp
    rules = (call.tangents,) if cls.backward is None else (call.forwards, call.backwards)
    op = make(cls.__name__, body, *rules, len(trial))
    found = op.record([args[k] for k in call.moving])
    found = found if type(found) is tuple else (found,)
    found = tuple(stop_gradient(v) if k in call.fixed else v for k, v in enumerate(found))
    return found if call.many else found[0]


def _value(handle: Any) -> Any:
    from wengert.ops.memory import sync

    if handle.base is not None:
        sync(handle)
    return handle.value


class _Call:
    """One call: where its traced arguments stand, and its last run on plain numbers."""

    def __init__(self, cls: Any, args: tuple[Any, ...], context: Callable[[], Any]) -> None:
        self.cls, self.args, self.context = cls, args, context
        self.moving = [k for k, a in enumerate(args) if is_handle(a) and dtype_of(a.value).kind in "fc"]
        self.many = False
        self.fixed: set[int] = set()  # the outputs that are not differentiable
        self._last: tuple[tuple[Any, ...], list[Any], Any] | None = None

    # ------------------------------------------------------------ running the user's functions

    def _forward(self, values: Sequence[Any]) -> tuple[list[Any], Any]:
        """The outputs, and what ``forward`` left for ``backward``: on plain numbers as Tensors, on others as arrays."""
        traced = any(map(is_handle, values))
        if not traced and self._last is not None and _equal(self._last[0], values):
            return self._last[1], self._last[2]
        full = [plain(a) if traced or is_handle(a) else a for a in self.args]
        for k, v in zip(self.moving, values, strict=True):
            full[k] = v if traced else Tensor(np.array(v)[()])
        ctx = self.context()
        ctx.needs_input_grad = tuple(k in self.moving for k in range(len(full)))
        run = self.cls.forward if self.cls.setup_context is not None else _with(self.cls.forward, ctx)
        out = self._run(run, full, traced=traced)
        if self.cls.setup_context is not None:
            self._run(self.cls.setup_context, (ctx, tuple(full), out), traced=traced)
        self.many = isinstance(out, tuple)
        outs = out if self.many else (out,)
        self.fixed = {k for k, o in enumerate(outs) if any(o is c for c in ctx.constants)}
        found = []
        for k, o in enumerate(outs):
            if not isinstance(o, (Tensor, np.ndarray, np.generic, float)):
                raise error_at(
                    WengertTypeError,
                    f"{self.cls.__name__}.forward returned a {type(o).__name__} as output {k}",
                    fix="return Tensors",
                    depth=4,
                )
            found.append(constants(o) if isinstance(o, Tensor) else o)
        if not traced:
            self._last = (tuple(values), found, ctx)
        return found, ctx

    def _run(self, function: Callable[..., Any], args: Sequence[Any], *, traced: bool) -> Any:
        if not traced:
            token = tracing.set(None)
            try:
                with no_grad():
                    return function(*args)
            finally:
                tracing.reset(token)
        try:
            return function(*args)
        except AttributeError as problem:
            if not is_handle(getattr(problem, "obj", None)):
                raise
            raise error_at(
                WengertTypeError,
                f"{self.cls.__name__} uses a method that traced arrays do not have ({problem.name}); they stand in for "
                "its Tensors where a derivative of higher order, forward mode or a recording looks on",
                fix=f"use NumPy's functions in {self.cls.__name__} (np.exp(x) for x.exp())",
                depth=4,
            ) from problem

    # ------------------------------------------------------------ the rule

    def body(self, *values: Any) -> list[Any]:
        """The outputs on plain numbers."""
        return self._forward(values)[0]

    def forwards(self, *values: Any) -> tuple[list[Any], Any]:
        """The outputs and the context."""
        return self._forward(values)

    def backwards(self, ctx: Any, cts: Sequence[Any]) -> list[Any]:
        """The cotangents of the traced arguments."""
        traced = any(map(is_handle, cts)) or _is_traced(ctx)
        given = [None if k in self.fixed and not ctx.materializes else c for k, c in enumerate(cts)]
        if not traced:
            given = [None if c is None else Tensor(np.asarray(c)[()]) for c in given]
        found = self._run(self.cls.backward, (_arrays(ctx) if traced else ctx, *given), traced=traced)
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(self.args):
            raise error_at(
                WengertValueError,
                f"{self.cls.__name__}.backward returned {len(found)} gradients for {len(self.args)} arguments",
                fix="return one for each argument of forward, None where there is none",
                depth=4,
            )
        return [plain(found[k]) for k in self.moving]

    def tangents(self, values: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        """The tangents of the outputs, by ``jvp``."""
        _, ctx = self._forward(values)
        traced = any(map(is_handle, tangents)) or _is_traced(ctx)
        full: list[Any] = [None] * len(self.args)
        for k, t in zip(self.moving, tangents, strict=True):
            full[k] = t if traced else Tensor(np.asarray(t)[()])
        out = self._run(self.cls.jvp, (_arrays(ctx) if traced else ctx, *full), traced=traced)
        return [plain(o) for o in (out if isinstance(out, tuple) else (out,))]


def _with(function: Callable[..., Any], ctx: Any) -> Callable[..., Any]:
    return lambda *args: function(ctx, *args)


def _equal(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(x is y or np.array_equal(x, y, equal_nan=True) for x, y in zip(a, b, strict=True))


def _is_traced(ctx: Any) -> bool:
    parts = [v for value in vars(ctx).values() for v in (value if isinstance(value, (tuple, list)) else (value,))]
    return any(map(is_handle, parts))


def _arrays(ctx: Any) -> Any:
    """The context with arrays in the place of Tensors."""
    made = copy.copy(ctx)
    for name, value in vars(ctx).items():
        setattr(made, name, constants(value))
    return made


__all__ = ["apply_traced"]
