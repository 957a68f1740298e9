"""One recorded step run again: on raw values, or on handles, where it is recorded in the trace that
is watching.

Imports core, ``apply``, ``memory``. Invariant: the operands are left as they are unless the caller
says that the first one is his to write to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.core.op import Op
from wengert.core.record import live_node
from wengert.core.structure import ITEM
from wengert.ops.apply import special
from wengert.ops.memory import (
    ADD_AT,
    GET,
    UPDATE,
    overwrite,
    plain_copy,
    region,
    sync,
    write_path,
)
from wengert.ops.paths import fill


def run_step(
    op: Op,
    operands: Sequence[Any],
    params: tuple[Any, ...],
    evaluate: Callable[..., Any] | None = None,
    *,
    owned: bool = False,
) -> Any:
    """The result of a step; ``owned`` says that a write may hit the first operand's own memory."""
    if op is ITEM:
        return operands[0][params[0]]
    if not any(map(is_handle, operands)):
        if op is UPDATE or op is ADD_AT:
            return write_raw(op, operands, params, owned=owned)
        return (evaluate or op.evaluate)(*operands, *params)
    if op is GET and is_handle(operands[0]):
        return region(operands[0], params[0], *_split(operands[1:]))
    if op is UPDATE or op is ADD_AT:
        return _write_handle(op, operands, params, owned=owned)
    if op.aware:
        return op.record(*operands, *params)
    return special(op, operands, params, evaluate)


def write_raw(op: Op, operands: Sequence[Any], params: tuple[Any, ...], *, owned: bool) -> Any:
    """UPDATE and ADD_AT on raw values."""
    old, value, *dynamic = operands
    if not owned or type(old) is not np.ndarray:
        old = np.array(old, copy=True, order="K")
    overwrite(old, value, fill(params[0], tuple(dynamic)), add=op is ADD_AT)
    return old


def _write_handle(op: Op, operands: Sequence[Any], params: tuple[Any, ...], *, owned: bool) -> Any:
    old, value, *dynamic = operands
    if is_handle(old):
        # A handle that is a live base of its own may be written to; a value that others may hold, or
        # a number (which becomes an array without axes), is copied first.
        mine = owned and type(old) is TracedArray and old.base is old
        target = old if mine else plain_copy(old)
    else:
        target = buffer(
            old if owned and type(old) is np.ndarray else np.array(old, copy=True, order="K")
        )
    write_path(target, params[0], *_split(dynamic), value, add=op is ADD_AT)
    return target


def _split(dynamic: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The values of traced indices and their nodes."""
    for d in dynamic:
        if is_handle(d) and d.base is not None:
            sync(d)
    values = tuple(d.value if is_handle(d) else d for d in dynamic)
    return values, tuple(live_node(d.node) if is_handle(d) else None for d in dynamic)


__all__ = ["run_step", "write_raw"]
