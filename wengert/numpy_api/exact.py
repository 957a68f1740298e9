"""What composed functions share: arguments as arrays, NumPy's own bits beside a composed
derivative, and where a result goes.

Imports core, ops and the twins' helpers of this room. Invariant: what a function returns under a
trace has the bits NumPy gives without one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, TracedScalar, buffer, handle, is_handle
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api import inplace
from wengert.numpy_api.conversions import guard, note, peek
from wengert.ops.join import holds_handle, nested, stack
from wengert.ops.memory import read, write

MISSING = np._NoValue


def given(value: Any, default: Any = None) -> Any:
    """An option, with NumPy's own mark for "not given" replaced."""
    return default if value is MISSING else value


def values_of(thing: Any) -> Any:
    """The plain values of handles anywhere in arguments, for looking at and for NumPy's own
    arithmetic.
    """
    if is_handle(thing):
        return peek(thing)
    if type(thing) in (list, tuple):
        return type(thing)(values_of(part) for part in thing)
    if type(thing) is dict:
        return {key: values_of(part) for key, part in thing.items()}
    return thing


def decided(thing: Any) -> Any:
    """The plain values of handles where they decide what is recorded: noted, so that no recording is run
    again at values that decide otherwise. Pass the mask or index that decides, not all it was made of.
    """
    if is_handle(thing):
        note(thing, "values", None)
        return peek(thing)
    if type(thing) in (list, tuple):
        return type(thing)(decided(part) for part in thing)
    return thing


def looks_traced(*things: Any) -> bool:
    """Whether a handle is anywhere in the arguments."""
    return any(is_handle(t) or (isinstance(t, (list, tuple)) and holds_handle(t)) for t in things)


def exactly(result: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A composed result whose value is NumPy's own: the derivative comes from the composition, the
    bits from ``function``.
    """
    if is_handle(result) and only_integers(args, kwargs):
        return of_integers(function, *args, **kwargs)
    y = function(*values_of(args), **values_of(kwargs))
    if not is_handle(result):
        return y
    if result.node is None:
        return buffer(y) if type(y) is np.ndarray and y.dtype.kind in "fc" else y
    if getattr(result.node, "abstract", False):
        return result
    dtype = dtype_of(y)
    if dtype.kind in "fc" and dtype_of(result.value) != dtype:
        result = result.astype(dtype)  # so that a replay has NumPy's precision too
    return handle(y, result.node)


def of_integers(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A NumPy function of traced integers: one step, which needs no derivative and has NumPy's types and bits."""
    from wengert.ops.called import called

    return called(function, args, kwargs)


def only_integers(*things: Any) -> bool:
    """Whether there are handles in the arguments, and all of them hold integers or truth values."""
    kinds = _kinds(things)
    return bool(kinds) and kinds <= {"b", "i", "u"}


def _kinds(thing: Any) -> set[str]:
    if is_handle(thing):
        return {dtype_of(peek(thing)).kind}
    if type(thing) is dict:
        thing = tuple(thing.values())
    return set().union(*map(_kinds, thing)) if type(thing) in (list, tuple) else set()


def array(x: Any) -> Any:
    """An argument as an array (0-d for a scalar): handles stay handles, nested lists that hold some
    are stacked.
    """
    if type(x) is TracedArray:
        return x
    if type(x) is TracedScalar:
        return read(stack([x], 0), ("reshape", ((), "C")))
    if isinstance(x, (list, tuple)) and holds_handle(x):
        return nested(x)
    return np.asarray(x)


def listed(x: Any) -> Any:
    """An argument as it is, or as an array when it is a list."""
    if is_handle(x) or type(x) is np.ndarray:
        return x
    if isinstance(x, (list, tuple)):
        return nested(x) if holds_handle(x) else np.asarray(x)
    return x


def shape(x: Any) -> tuple[int, ...]:
    """The shape of anything array-like."""
    return shape_of(peek(x) if is_handle(x) else x)


def rank(x: Any) -> int:
    """The number of axes of anything array-like."""
    return len(shape(x))


def whole_axis(axis: Any, ndim: int) -> int:
    """One axis, non-negative; NumPy's error when there is none such."""
    axis = int(axis)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    return axis % ndim


def axes_of(axis: Any) -> Any:
    """An axis argument as None, an int or a tuple of ints."""
    if axis is None or type(axis) is int:
        return axis
    return tuple(map(int, axis)) if isinstance(axis, (tuple, list)) else int(axis)


def deliver(result: Any, out: Any) -> Any:
    """Put a result where ``out`` says, as ufuncs do."""
    if out is None or out is MISSING:
        return result
    if type(out) is tuple and len(out) == 1:
        return deliver(result, out[0])
    if type(out) is TracedArray:
        write(out, ("index", Ellipsis), result)
        return out
    if not is_handle(result):
        out[...] = result
        return out
    return inplace.bind(result, out)


def looked(t: Any, kind: str, outcome: Any) -> Any:
    """Note what was learned from the values of a handle in a full recording; returns it."""
    return guard(t, kind, outcome) if is_handle(t) else outcome


def owned(y: Any) -> Any:
    """A result with memory of its own where the composition left a view."""
    if is_handle(y):
        return y if y.base is None or y.base is y else y.copy()
    return y.copy() if type(y) is np.ndarray and y.base is not None else y
