"""NumPy's ufuncs and the operations they are.

Imports core, ops, ``table``. Invariant: every ufunc of ``numpy`` is here, or refused by name in ``coverage``.
"""

from __future__ import annotations

import numpy as np

from wengert.numpy_api.table import UFUNCS
from wengert.ops import arithmetic, compare, contract, transcendental

for _family in (arithmetic, compare, transcendental, contract):
    for _name, _record in vars(_family).items():
        if hasattr(_record, "op") and isinstance(getattr(np, _name, None), np.ufunc):
            UFUNCS[getattr(np, _name)] = _record
UFUNCS[np.float_power] = arithmetic.power
