"""Long loops over arrays that a recording puts off: what they give is told by a few of their iterations.

Imports core, ``loops``. Invariant: a loop that is put off gives arrays and numbers of the very types, shapes and
layouts that running it at once would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from wengert.core.context import Frame
from wengert.core.deferred import PLACEHOLDERS, Late, is_missing, reserved
from wengert.core.floats import ignored
from wengert.core.graph import Graph
from wengert.core.op import Op
from wengert.core.record import record
from wengert.core.types import ArrayType
from wengert.ops.loops import is_scan

LONG = 30_000
"""Steps of NumPy in all iterations of a loop from which on it is put off: they take about as long as native code for
the loop takes to be made."""
_TRIED = 3


def is_long(params: Sequence[Any]) -> bool:
    """Whether a loop takes long, step by step."""
    body, length = params[:2]
    return _steps(body) * int(length) >= LONG


def _steps(body: Graph) -> int:
    """The steps of a body that give arrays. (Those of numbers take a tenth of the time.)"""
    count = 0
    for node in body.nodes:
        if is_scan(node):
            count += _steps(node.params[0]) * int(node.params[1])
        else:
            count += not (type(node.type) is ArrayType and node.type.shape == ())
    return count


def deferred_loop(
    op: Op,
    values: list[Any],
    nodes: list[Any],
    params: tuple[Any, ...],
    frame: Frame,
    late: Late,
    operands: Sequence[Any],
) -> Any:
    """The outputs of a loop that is put off; None where it is to be run."""
    if not is_long(params) and not any(map(is_missing, values)):
        return None
    ends = _outcome(op, values, params)
    if ends is None:
        return None
    for k, (value, node) in enumerate(zip(values, nodes, strict=True)):
        if node is None and type(value) is np.ndarray:
            values[k] = late.private(value)
    loop = _Loop(op, params)
    given = tuple(values)
    found = tuple([late.put_off(y, partial(loop.output, k), given) for k, y in enumerate(ends)])
    late.loops += is_long(params)
    return record(op, values, nodes, params, found, frame, operands)


class _Loop:
    """A loop that runs once, when one of its outputs is asked for."""

    def __init__(self, op: Op, params: tuple[Any, ...]) -> None:
        self.op, self.params = op, params
        self.found: Any = None

    def output(self, k: int, *operands: Any) -> Any:
        """Output ``k``."""
        if self.found is None:
            self.found = self.op.evaluate(*operands, *self.params)
        return self.found[k]


def _outcome(op: Op, values: Sequence[Any], params: tuple[Any, ...]) -> list[Any] | None:
    """Empty memory for each output, or a number of its type; None where that cannot be told."""
    body, length, carries, reverse, sequences, origin = params
    if length <= _TRIED:
        return None
    try:
        operands = [
            _sample(v, _TRIED) if carries <= k < carries + sequences else _sample(v, None) for k, v in enumerate(values)
        ]
        with ignored():
            before, found = (op.evaluate(*operands, body, n, carries, reverse, sequences, origin) for n in (2, _TRIED))
    except Exception:  # noqa: BLE001 whatever it is, the loop itself will raise it
        return None
    ends: list[Any] = []
    for k, (y, earlier) in enumerate(zip(found, before, strict=True)):
        if type(y) is not type(earlier):
            return None
        if type(y) is not np.ndarray:
            if type(y) not in PLACEHOLDERS:
                return None
            ends.append(y.dtype.type(0.5))  # a new object, which nothing else can be
            continue
        if y.dtype != earlier.dtype or y.shape[k >= carries :] != earlier.shape[k >= carries :]:
            return None
        if y.dtype.kind not in "fcb":
            return None
        if k < carries and y.strides != earlier.strides:
            return None
        ends.append(np.empty_like(y) if k < carries else reserved((length, *y.shape[1:]), y.dtype))
    return ends


def _sample(value: Any, rows: int | None) -> Any:
    """An operand, its first rows only where that is asked for; ones in the place of what is missing."""
    if type(value) is not np.ndarray:
        return type(value)(1) if is_missing(value) else value
    if rows is not None:
        value = value[:rows]
    return np.ones_like(value) if is_missing(value) else value


__all__ = ["deferred_loop", "is_long"]
