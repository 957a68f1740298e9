"""From Tensors to handles and back: how a Tensor reaches everything that NumPy's functions can do.

Imports core, ``tensor``. Invariant: inside a function that is being traced a Tensor is a constant; elsewhere what is
done with it is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import SWITCH
from wengert.core.errors import CutError, WengertTypeError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.tree import STANDINS, flatten
from wengert.tensor.mode import is_grad_enabled, is_traced, recording
from wengert.tensor.session import entering, in_operation, session
from wengert.tensor.tensor import Tensor, current, plain

QUICK: dict[Any, Callable[..., Any]] = {}
"""NumPy ufunc -> recording function on Tensors; filled by ``methods``."""


def inward(value: Any) -> Any:
    """A Tensor as a handle that records (as a constant where nothing records); containers are searched."""
    if isinstance(value, Tensor):
        mem = value.mem
        current(value)
        flows = value.node is not None and is_grad_enabled()
        if flows and mem is not None:
            return mem
        if session() is not None:
            return entering(value.value, value.node if flows else None)
        return handle(value.value, value.node) if flows else value.value
    kind = type(value)
    if is_handle(value):
        return entering(value, None) if value.base is None and session() is not None else value
    if kind is tuple or kind is list:
        return kind(inward(v) for v in value)
    if kind is dict:
        return {k: inward(v) for k, v in value.items()}
    if kind is slice:
        return slice(*(plain(part) for part in (value.start, value.stop, value.step)))
    if kind is np.ndarray and value.nbytes > _SMALL and value.flags.writeable:
        return value.copy()  # its owner may write to it before the backward pass
    return value


_SMALL = 16384  # smaller constants are copied where they are recorded


def outward(value: Any) -> Any:
    """Results as Tensors; containers are rebuilt, texts and Python's own numbers stay what they are."""
    if is_handle(value):
        base = value.base
        if (inside := session()) is not None:
            node = inside.history_of(value.node) if in_operation() else None
            made = inside.own(Tensor(handle(value.value, value.node), node))
            if base is not None and not (base is value and value.node is None):
                made.mem = value
            return made
        if base is None or (base is value and value.node is None):
            return Tensor(value.value, value.node)
        made = Tensor(value.value, value.node)
        made.mem = value
        return made
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(value)
    kind = type(value)
    if kind is list:
        return [outward(v) for v in value]
    if isinstance(value, tuple):
        parts = [outward(v) for v in value]
        return tuple(parts) if kind is tuple else kind(*parts)
    return value


def through(function: Callable[..., Any], args: Any, kwargs: Any = None) -> Any:
    """Call a function of arrays on Tensors: recorded in their graph, or with their values as constants where a function
    is being traced.
    """
    kwargs = kwargs or {}
    if not SWITCH.live and not _flows(args) and not _flows(kwargs):
        return outward(function(*constants(args), **constants(kwargs)))  # nothing is traced, nothing to record
    if is_traced():
        return function(*constants(args), **constants(kwargs))
    with recording():
        return outward(function(*inward(tuple(args)), **inward(dict(kwargs))))


def joined(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function that has a history of its own, whatever the arguments are: recorded in the graph of Tensors."""
    with recording():
        return outward(function(*inward(args)))


def _flows(value: Any) -> bool:
    """Whether there is a Tensor with a history, or one whose memory has to be looked at first, or a traced value."""
    if isinstance(value, Tensor):
        return value.mem is not None or value.node is not None
    kind = type(value)
    if kind is tuple or kind is list:
        return any(map(_flows, value))
    if kind is dict:
        return any(map(_flows, value.values()))
    return is_handle(value)


def constants(value: Any) -> Any:
    """Tensors as their raw values; containers are searched."""
    if isinstance(value, Tensor):
        return plain(value)
    kind = type(value)
    if kind is tuple or kind is list:
        return kind(constants(v) for v in value)
    if kind is dict:
        return {k: constants(v) for k, v in value.items()}
    return value


def is_watched(value: Any) -> bool:
    """Whether a container holds Tensors whose history would be lost if only their values were taken."""
    if not STANDINS or is_traced() or not is_grad_enabled():
        return False
    return any(type(leaf) is Tensor and current(leaf).node is not None for leaf in flatten(value)[0])


def value_alone(t: Tensor) -> Any:
    """The raw value of a Tensor for a transformation that knows arrays only. Raises where a gradient would be lost."""
    if current(t).node is not None and is_grad_enabled() and not is_traced():
        raise error_at(
            CutError,
            "a Tensor that requires gradients was given to a transformation that returns arrays, which would cut the "
            "gradient",
            fix="pass t.detach() (or do it under wengert.no_grad()); wengert.grad, jacobian, jvp, vjp and vmap keep it",
            depth=4,
        )
    return t.value


def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``__array_ufunc__``."""
    if method == "__call__" and not kwargs:
        known = QUICK.get(ufunc)
        if known is not None:
            return known(*inputs)
    if kwargs.get("out") is not None:
        raise error_at(
            WengertTypeError,
            f"np.{ufunc.__name__} with out= and a Tensor",
            fix="use t.copy_(result), or an in-place operation",
        )
    return through(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)


def array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``__array_function__``."""
    return through(func, args, kwargs)


__all__ = [
    "QUICK",
    "array_function",
    "array_ufunc",
    "constants",
    "inward",
    "is_watched",
    "joined",
    "outward",
    "through",
    "value_alone",
]
