"""Functions that take lists: ``np.sum([t, t])`` reaches no protocol, because a list is not a
handle.

Imports ops and ``table``. Invariant: a list that holds a handle is stacked before NumPy sees it;
every other call goes on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from wengert.core.handle import HANDLES
from wengert.numpy_api.table import FUNCTIONS, TWINS
from wengert.ops.join import holds_handle, nested

# These look into their lists themselves: an argument is a list of arrays, not an array.
_LISTS_MEANT = frozenset(
    {
        "concatenate",
        "concat",
        "stack",
        "hstack",
        "vstack",
        "dstack",
        "column_stack",
        "block",
        "einsum",
        "einsum_path",
        "meshgrid",
        "broadcast_arrays",
        "select",
        "piecewise",
        "ix_",
        "multi_dot",
        "histogramdd",
        "save",
        "savez",
        "savez_compressed",
        "atleast_1d",
        "atleast_2d",
        "atleast_3d",
        "choose",
        "lexsort",
        "result_type",
        "shape",
        "ndim",
        "size",
    }
)


def list_twins(module: ModuleType) -> dict[Any, Callable[..., Any]]:
    """A twin for every dispatching function of a NumPy module that has none of its own."""
    dispatcher = type(np.sum)
    return {
        original: _stacking(original)
        for original in vars(module).values()
        if type(original) is dispatcher
        and original not in TWINS
        and original.__name__ not in _LISTS_MEANT
    }


def _stacking(original: Any) -> Callable[..., Any]:
    implementation = FUNCTIONS.get(original, original)

    def call(*args: Any, **kwargs: Any) -> Any:
        for a in args:
            kind = type(a)
            if kind in HANDLES:
                if len(args) == 1:
                    return implementation(a, **kwargs)
                return implementation(*map(stacked, args), **kwargs)
            if kind is list or kind is tuple:
                args = tuple(map(stacked, args))
                break
        for key, a in kwargs.items():
            if type(a) is list or type(a) is tuple:
                kwargs[key] = stacked(a)
        return original(*args, **kwargs)

    return call


def stacked(value: Any) -> Any:
    """A list or tuple that holds handles as one handle; anything else as it is."""
    kind = type(value)
    if kind is not list and kind is not tuple:
        return value
    return nested(value) if holds_handle(value) else value


__all__ = ["list_twins", "stacked"]
