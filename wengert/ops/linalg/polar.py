"""The orthonormal factor of the polar decomposition, by singular values.

Imports core, the makers, ``linalg/matrices``, ``linalg/svd``. Invariant: where singular values are equal nothing is
open, for the factor does not depend on their vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import shape_of
from wengert.ops.kinds import general
from wengert.ops.linalg.matrices import adjoint, leading, matrices, raw, tall
from wengert.ops.linalg.svd import svd


def _polar_tangent(x: Any, dx: Any) -> Any:
    # The skew parts only: where singular values are equal nothing is open.
    u, s, vh = svd(x)
    v = adjoint(vh)
    rows, columns = shape_of(raw(x))[-2:]
    k = min(rows, columns)
    dp = adjoint(u) @ dx @ v
    out = u @ ((dp - adjoint(dp)) / (s[..., None, :] + s[..., :, None]))
    over = (1.0 / s)[..., None, :]
    if rows > k:
        out = out + (dx @ v - u @ dp) * over
    out = out @ vh
    if columns > k:
        out = out + u @ adjoint((adjoint(dx) @ u - v @ adjoint(dp)) * over)
    return out


def _polar(x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return u @ vh


polar = leading(
    general(
        "polar",
        _polar,
        [_polar_tangent],
        shape=lambda x_shape: x_shape,
        doc="The orthonormal factor `U V^H` of the polar decomposition, for matrices of full rank.",
        samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3)),
    )
)


__all__ = ["polar"]
