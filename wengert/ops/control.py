"""Operations whose body is a function of the user's: custom JVPs, custom VJPs, and the constant that stops gradients.

Imports core, ``apply``, ``visit``. Invariant: the body sees plain values when it is evaluated; its rules see handles
exactly when an outer trace is watching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.errors import CutError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.op import CONTROL, Op
from wengert.core.sweep import Sweep
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.apply import special
from wengert.ops.kinds import constant
from wengert.ops.memory import fit
from wengert.ops.visit import transpose_many

stop_gradient = constant("stop_gradient", lambda x: x, doc="The value, as a constant.", expression="x")

Values = Sequence[Any]


def _types(values: Values) -> list[ArrayType]:
    return [ArrayType(shape_of(v), dtype_of(v)) for v in (p.value if is_handle(p) else p for p in values)]


def _zero(value: Any) -> Any:
    plain = value.value if is_handle(value) else value
    dtype = dtype_of(plain) if dtype_of(plain).kind in "fc" else np.dtype(float)
    return np.zeros(shape_of(plain), dtype) if type(plain) is np.ndarray else dtype.type(0)


def _untraced(name: str, body: Callable[..., Sequence[Any]], values: Values) -> tuple[Any, ...]:
    token = tracing.set(None)
    try:
        out = tuple(body(*values))
    finally:
        tracing.reset(token)
    if any(map(is_handle, out)):
        raise error_at(
            CutError,
            f"{name} uses a traced value that is not one of its arguments, so its rule cannot differentiate by it",
            fix="pass that value as an argument",
        )
    return out


def with_jvp(
    name: str, body: Callable[..., Sequence[Any]], rule: Callable[[Values, Values], Sequence[Any]], count: int
) -> Op:
    """An operation evaluated by ``body(*values)``, with ``rule(values, tangents) -> tangents`` of the outputs.

    ``count`` is the number of outputs. Reverse mode transposes the rule.
    """

    def push(values: Values, y: Any, params: Any, tangents: Values, mask: Any) -> Any:
        full = [_zero(v) if t is None else t for v, t in zip(values, tangents, strict=True)]
        return tuple(rule(values, full))

    def pull(node: Any, ct: Any, sweep: Sweep) -> None:
        values = node.saved
        active = [k for k, parent in enumerate(node.inputs) if parent is not None]

        def tangents_to_outputs(moving: Values) -> tuple[Any, ...]:
            full = [_zero(v) for v in values]
            for k, t in zip(active, moving, strict=True):
                full[k] = t
            return tuple(rule(values, full))

        kinds = _types([values[k] for k in active])
        for k, found in zip(active, transpose_many(tangents_to_outputs, kinds, ct, sweep), strict=True):
            if found is not None:
                sweep.add(node.inputs[k], fit(found, kinds[active.index(k)].shape, kinds[active.index(k)].dtype))

    return _call(name, body, push, pull, lambda values, y, params, mask: tuple(values), count)


def with_vjp(
    name: str, body: Callable[..., Sequence[Any]], forwards: Callable[..., tuple[Sequence[Any], Any]],
    backwards: Callable[[Any, Values], Values], count: int,
) -> Op:
    """An operation whose cotangents are ``backwards(residuals, output cotangents)``; forward mode transposes that.

    ``forwards(*values) -> (outputs, residuals)`` runs when the residuals are needed: on handles when an outer trace is
    watching.
    """

    def outputs_of(values: Values) -> tuple[tuple[Any, ...], Any]:
        out, residuals = forwards(*values)
        return tuple(out), residuals

    def pull(node: Any, ct: Any, sweep: Sweep) -> None:
        values = node.saved
        out, residuals = outputs_of(values)
        full = [_zero(o) if c is None else c for o, c in zip(out, ct, strict=True)]
        found = backwards(residuals, full)
        for parent, value, c in zip(node.inputs, values, found, strict=True):
            if parent is None or c is None:
                continue
            (kind,) = _types([value])
            have = shape_of(c.value if is_handle(c) else c)
            if have != kind.shape:
                raise error_at(
                    WengertValueError,
                    f"the reverse rule of {name} gave a cotangent of shape {have} for an argument "
                    f"of shape {kind.shape}",
                    fix="return one cotangent per argument, each of its argument's shape",
                )
            sweep.add(parent, fit(_own(c), kind.shape, kind.dtype))

    def push(values: Values, y: Any, params: Any, tangents: Values, mask: Any) -> Any:
        out, residuals = outputs_of(values)
        kinds = _types(out)
        seeds = [t if t is not None else _zero(v) for v, t in zip(values, tangents, strict=True)]
        watching = tracing.get() is not None

        def cotangents_to_inputs(cts: Values) -> tuple[Any, ...]:
            return tuple(backwards(residuals, cts))

        found = transpose_many(cotangents_to_inputs, kinds, seeds, Sweep(lifted=watching))
        return tuple(_zero(o) if f is None else f for o, f in zip(out, found, strict=True))

    return _call(name, body, push, pull, lambda values, y, params, mask: tuple(values), count)


def _own(ct: Any) -> Any:
    if is_handle(ct):
        return ct
    return (
        np.array(ct) if isinstance(ct, (np.ndarray, list)) else np.float64(ct) if isinstance(ct, (int, float)) else ct
    )


def _call(name: str, body: Any, push: Any, pull: Any, save: Any, count: int) -> Op:
    op = Op(
        listed=False, name=name, kind=CONTROL, inputs=("*operands",), params={}, rules=(), needs=(),
        evaluate=lambda *values: _untraced(name, body, values), push=push, pull=pull, save=save,
        outputs=tuple(f"out{k}" for k in range(count)), saved_from=lambda node: tuple(range(len(node.inputs))),
        doc=f"A call of {name}, with the derivative rule given for it.",
    )
    op.record = lambda operands, *params: special(op, operands, params)
    return op
