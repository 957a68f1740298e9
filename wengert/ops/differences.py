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
                    made = np.empty(shape)
                    only_region(made, index, ct, -1)
                    sweep.cts[base] = made
                    sweep.owned.add(base)
                    return None
                if base in sweep.owned and type(have) is np.ndarray:
                    have[index] -= ct
                    return None
    return -ct
