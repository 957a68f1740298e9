"""What a derivative fact asks for: the residuals of a step, read off the parameter names of its rules.

Imports core. Invariant: nothing is kept that no rule of an active input asks for, and types only where they are
unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.op import ELEMENTWISE, GENERAL, Op
from wengert.core.types import FLOAT64, FLOATS, dtype_of, shape_of


class Rule(NamedTuple):
    """A derivative fact and the names it asks for."""

    function: Callable[..., Any]
    wants: tuple[str, ...]


class Need(NamedTuple):
    """One residual: what it is called, where it comes from, and the inputs whose derivative asks for it."""

    name: str
    origin: int | None
    shape_of: int | None
    users: tuple[int, ...]


def needs_of(op: Op) -> tuple[Need, ...]:
    """The residuals an operation saves, read off the parameter names of its rules."""
    found: dict[str, list[int]] = {}
    for k, rule in enumerate(op.rules):
        if isinstance(rule, Rule):
            for want in rule.wants:
                is_tangent = op.kind == GENERAL and want[0] == "d" and want[1:] in op.inputs and want not in op.inputs
                if want != "ct" and want not in op.params and not is_tangent:
                    found.setdefault(want, []).append(k)
    needs = []
    for name, users in found.items():
        if name == "y":
            needs.append(Need(name, -1, None, tuple(users)))
        elif name in op.inputs:
            needs.append(Need(name, op.inputs.index(name), None, tuple(users)))
        else:
            needs.append(Need(name, None, op.inputs.index(name.removesuffix("_shape")), tuple(users)))
    return tuple(needs)


BY_SIGN = frozenset({"relu"})
"""Operations whose slope only compares an operand with zero: eager steps keep its sign, a byte each."""


def sign_of(x: Any) -> Any:
    """What a step of ``BY_SIGN`` keeps of an array: 1 where it is positive, 0 where it is zero, else -1 (NaN too)."""
    if type(x) is not np.ndarray:
        return x
    sign = np.greater(x, 0).view(np.int8)
    sign += np.greater_equal(x, 0).view(np.int8)
    sign -= 1
    return sign


def save(op: Op, values: Sequence[Any], y: Any, mask: Sequence[bool]) -> tuple[Any, ...]:
    """The residuals of one step, the types last (None when all is float64 and nothing was broadcast)."""
    out: list[Any] = []
    for need in op.needs:
        if not any(mask[k] for k in need.users):
            out.append(None)
        elif need.origin is None:
            out.append(shape_of(values[need.shape_of or 0]))
        else:
            value = y if need.origin < 0 else values[need.origin]
            out.append(sign_of(value) if op.name in BY_SIGN else value)
    out.append(meta(op, values, y, mask))
    return tuple(out)


class Meta(NamedTuple):
    """Shapes and dtypes of the active inputs (None where an element-wise step has nothing to fit), and whether complex
    numbers took part."""

    types: tuple[Any, ...]
    is_complex: bool


def meta(op: Op, values: Sequence[Any], y: Any, mask: Sequence[bool]) -> Meta | None:
    """What a pull must know beyond the residuals; None in the ordinary case (float64, nothing broadcast)."""
    plain = op.kind != GENERAL or bool(op.lean)
    y_shape = None if op.outputs else shape_of(y)
    fitting = op.kind != ELEMENTWISE or bool(op.outputs) or dtype_of(y) is not FLOAT64
    is_complex = any(dtype_of(part).kind == "c" for part in (y if op.outputs else (y,)))
    types: list[Any] = []
    for value, active in zip(values, mask, strict=True):
        if not active:
            types.append(None)
            is_complex = is_complex or (type(value) not in (str, tuple) and dtype_of(value).kind == "c")
            continue
        shape, dtype = shape_of(value), dtype_of(value)
        types.append((shape, dtype) if fitting or dtype is not FLOAT64 or shape != y_shape else None)
        is_complex = is_complex or dtype.kind == "c"
        if dtype is not FLOAT64 or (op.kind == ELEMENTWISE and shape != y_shape):
            plain = False
    if plain and not is_complex and not op.outputs and dtype_of(y) is FLOAT64:
        return None
    return Meta(tuple(types), is_complex)


def meta_fast(op: Op, values: tuple[Any, ...], nodes: tuple[Any, ...], y: Any) -> Meta | None:
    """``meta`` for generated code."""
    if op.kind == ELEMENTWISE and type(y) is np.ndarray and y.dtype is FLOAT64:  # the ordinary case: broadcasting
        kinds: list[Any] = []
        spread = False
        for value, node in zip(values, nodes, strict=True):
            if type(value) is np.ndarray and value.dtype is FLOAT64:
                shape = value.shape
            elif type(value) in FLOATS:
                shape = ()
            else:
                break
            if node is None or shape == y.shape:
                kinds.append(None)
            else:
                kinds.append((shape, FLOAT64))
                spread = True
        else:
            return Meta(tuple(kinds), False) if spread else None
    return meta(op, values, y, tuple(n is not None for n in nodes))
