"""Reductions by name: np.sum and the sum method.

Imports core, ops, ``table``. Invariant: options NumPy has and we do not know raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.numpy_api.protocols import listed
from wengert.numpy_api.table import implements, method
from wengert.ops import reduce, select


@method("sum")
@implements(np.sum)
def sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **more: Any) -> Any:
    a = listed(a)
    if isinstance(axis, list):
        axis = tuple(axis)
    return reduce.sum(a, axis, bool(keepdims))


@implements(np.where)
def where(condition: Any, *choices: Any) -> Any:
    if not choices:
        return np.nonzero(condition)
    return select.where(condition, listed(choices[0]), listed(choices[1]))
