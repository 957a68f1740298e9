"""Functions we have no rule for, called with buffers only: nothing is traced there, so NumPy's own
answer is the answer.

Imports core, ops. Invariant: no traced value is among the arguments; the values lent are read-only,
and what comes back shares no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.numpy_api.conversions import as_objects, current_value, is_cut
from wengert.ops.join import holds_handle, nested, objects
from wengert.ops.memory import write


def is_untraced(*things: Any) -> bool:
    """Whether no argument, nor anything in a list, dictionary or object array among them, carries a
    derivative.
    """
    for thing in things:
        if is_handle(thing):
            if is_cut(thing):
                return False
        elif isinstance(thing, (list, tuple)):
            if not is_untraced(*thing):
                return False
        elif isinstance(thing, dict):
            if not is_untraced(*thing.values()):
                return False
        elif (
            type(thing) is np.ndarray
            and thing.dtype == object
            and not is_untraced(*thing.ravel().tolist())
        ):
            return False
    return True


def _lent(thing: Any) -> Any:
    if is_handle(thing):
        value = current_value(thing)
        if type(value) is np.ndarray:
            value = value.view()
            value.flags.writeable = False
        return value
    if type(thing) is list or type(thing) is tuple:
        return type(thing)(map(_lent, thing))
    return thing


def _owned(made: Any) -> Any:
    if type(made) is np.ndarray and made.dtype.kind in "fc":
        return buffer(made if made.base is None and made.flags.writeable else made.copy())
    if type(made) is tuple or type(made) is list:
        return type(made)(map(_owned, made))
    return made


def call_plain(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function on the values of buffers; ``out=`` may be a buffer."""
    options = {key: _lent(value) for key, value in kwargs.items() if key != "out"}
    out = kwargs.get("out")
    out = out[0] if type(out) is tuple and len(out) == 1 else out
    if out is not None and type(out) is not TracedArray:
        options["out"] = out
    made = _owned(function(*map(_lent, args), **options))
    if type(out) is TracedArray:
        write(out, ("index", Ellipsis), made)
        return out
    return made


def by_objects(ufunc: Any, inputs: tuple[Any, ...]) -> Any:
    """A ufunc made of a Python function (``np.frompyfunc``) runs on the scalar handles; its numbers
    come back stacked.
    """
    made = ufunc(*map(_objects, inputs))
    return tuple(map(_numbers, made)) if isinstance(made, tuple) else _numbers(made)


def _objects(x: Any) -> Any:
    if is_handle(x):
        return as_objects(x)
    return objects(x) if isinstance(x, (list, tuple)) and holds_handle(x) else x


def _numbers(made: Any) -> Any:
    """An object array as a handle, when it holds handles and otherwise numbers only."""
    return (
        nested(made)
        if type(made) is np.ndarray and made.dtype == object and holds_handle(made)
        else made
    )
