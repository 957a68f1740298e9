"""Reductions to plain answers: all, any, the places of extremes, how many.

Imports core, ``reduce`` and the makers. Invariant: in an ordinary gradient these return NumPy's
plain booleans and integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from wengert.core.types import ArrayType
from wengert.ops.kinds import constant
from wengert.ops.reduce import reduced_shape, shifted


def _question(name: str, evaluate: Callable[..., Any], dtype: Any, doc: str) -> Any:
    def infer(types: Any, params: Any) -> ArrayType:
        return ArrayType(reduced_shape(types[0].shape, params[0], params[1]), np.dtype(dtype))

    def batch(values: Any, _: Any, params: Any) -> Any:
        x = values[0]
        axis, keepdims = params
        axes = shifted(axis, x.ndim - 1)
        if len(axes) == 1:
            return evaluate(x, axes[0], keepdims)
        if np.dtype(dtype) == bool or name == "count_nonzero":
            return evaluate(x, axes, keepdims)
        places = evaluate(x.reshape(x.shape[0], -1), 1, False)  # of a row as if it were flat
        return places.reshape(x.shape[0], *(1,) * len(axes)) if keepdims else places

    return constant(
        name,
        evaluate,
        params={"axis": None, "keepdims": False},
        infer=infer,
        batch=batch,
        doc=doc,
        samples=_index_samples,
    )


def _index_samples(rng: Any) -> Iterable[Any]:
    for axis, keepdims in ((None, False), (0, False), (-1, True)):
        yield (rng.normal(size=(3, 4)),), (axis, keepdims)


all = _question(
    "all",
    lambda x, axis, keepdims: np.all(x, axis=axis, keepdims=keepdims),
    bool,
    "Are all elements true?",
)
any = _question(
    "any",
    lambda x, axis, keepdims: np.any(x, axis=axis, keepdims=keepdims),
    bool,
    "Is any element true?",
)
argmax = _question(
    "argmax",
    lambda x, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims),
    np.intp,
    "Where the largest element is.",
)
argmin = _question(
    "argmin",
    lambda x, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims),
    np.intp,
    "Where the smallest element is.",
)
nanargmax = _question(
    "nanargmax",
    lambda x, axis, keepdims: np.nanargmax(x, axis=axis, keepdims=keepdims),
    np.intp,
    "Where the largest number is.",
)
nanargmin = _question(
    "nanargmin",
    lambda x, axis, keepdims: np.nanargmin(x, axis=axis, keepdims=keepdims),
    np.intp,
    "Where the smallest number is.",
)
count_nonzero = _question(
    "count_nonzero",
    lambda x, axis, keepdims: np.count_nonzero(x, axis=axis, keepdims=keepdims),
    np.intp,
    "How many elements are not zero.",
)
