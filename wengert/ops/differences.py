"""The negative of a large cotangent, passed on without an array for it: what makes differences of slices cheap.

Imports ``regions``. Invariant: a cotangent is passed on early only through a linear map whose source is swept later.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.node import Node
from wengert.core.types import FLOAT64
from wengert.ops.regions import GET, only_region


def minus(sweep: Any, parent: Node, ct: Any) -> Any:
    """``-ct`` for ``parent``; None where it was passed on at once to what ``parent`` is a plain slice of.

    Large cotangents then need no array for the negative: linear maps may be swept as soon as a part of their
    cotangent is known, since what they read from is swept later.
    """
    if parent.op is GET and sweep.final and not sweep.lifted and parent not in sweep.cts:
        base = parent.inputs[0]
        path, shape, dtype = parent.params
        if base is not None and len(path) == 1 and dtype is FLOAT64 and ct.dtype is dtype:
            kind, index = path[0]
            if kind == "index" and type(index) is slice:
                have = sweep.cts.get(base)
                if have is None:
                    made = _of_both(sweep, base, index, shape, ct)
                    if made is None:
                        made = np.empty(shape)
                        only_region(made, index, ct, -1)
                    sweep.cts[base] = made
                    sweep.owned.add(base)
                    return None
                if base in sweep.owned and type(have) is np.ndarray:
                    have[index] -= ct
                    return None
    return -ct


def _of_both(sweep: Any, base: Node, index: slice, shape: tuple[int, ...], ct: Any) -> Any:
    """What ``x[a:b] - x[c:d]`` passes on to ``x``, in one pass over fresh memory; None where the other slice is no
    neighbour. The cotangent of the first slice was put down just before, so it is the last of the sweep's."""
    other = next(reversed(sweep.cts), None)
    if other is None or sweep.cts[other] is not ct or other.op is not GET or other.inputs[0] is not base:
        return None
    path = other.params[0]
    if len(path) != 1 or path[0][0] != "index" or type(path[0][1]) is not slice:
        return None
    plus, end, step = path[0][1].indices(shape[0])
    minus_, _, other_step = index.indices(shape[0])
    count = end - plus
    if step != 1 or other_step != 1 or abs(plus - minus_) >= count:
        return None
    del sweep.cts[other]
    made = np.empty(shape)
    low, high = min(plus, minus_), max(plus, minus_)
    ahead, stop = high - low, low + count
    made[:low] = 0.0
    made[stop + ahead :] = 0.0
    first, second = (made[low:high], made[stop : stop + ahead])
    if plus < minus_:
        first[...] = ct[:ahead]
        np.subtract(ct[ahead:], ct[: count - ahead], out=made[high:stop])
        np.negative(ct[count - ahead :], out=second)
    else:
        np.negative(ct[:ahead], out=first)
        np.subtract(ct[: count - ahead], ct[ahead:], out=made[high:stop])
        second[...] = ct[count - ahead :]
    return made
