"""Complex numbers: conjugate, and casts between real and complex and between precisions.

Imports core and the makers. Invariant: these are linear over the reals; the pairing is Re<ct, t>.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ops.contract import conj
from wengert.ops.kinds import linear

conjugate = linear(
    "conjugate", np.conjugate, [lambda ct: conj(ct)], shape=lambda x_shape: x_shape, doc="The complex conjugate.",
    latex="\\overline{{{x}}}",
)


def _cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x)


astype = linear(
    "astype", _cast, [lambda ct: ct], params={"dtype": float}, shape=lambda x_shape: x_shape,
    doc="The same numbers in another floating dtype.",
)
