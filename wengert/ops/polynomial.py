"""Products and roots of polynomials: convolve is the product of two coefficient vectors.

Imports core and the makers. Invariant: the transpose of a product is a correlation, which is the
product with the reversed conjugate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.ops.contract import conj
from wengert.ops.kinds import general, linear


def _part(ct: Any, other: Any, n: int) -> Any:
    m = other.shape[0]
    return convolve(ct, conj(other)[::-1])[m - 1 : m - 1 + n]


convolve = linear(
    "convolve",
    lambda a, b: np.convolve(a, b),
    [
        lambda ct, b, a_shape: _part(ct, b, a_shape[0]),
        lambda ct, a, b_shape: _part(ct, a, b_shape[0]),
    ],
    inputs="a b",
    shape=lambda a_shape, b_shape: (a_shape[0] + b_shape[0] - 1,),
    doc="`y_k = sum_i a_i b_{k-i}`, in full.",
    samples=lambda rng: (
        [((rng.normal(size=n), rng.normal(size=m)), ()) for n, m in ((4, 3), (2, 5), (1, 1))]
        + [((rng.normal(size=3) + 1j * rng.normal(size=3), rng.normal(size=4)), ())]
    ),
)


def _horner(p: Any, x: Any) -> Any:
    out = 0.0 * x
    for k in range(p.shape[0]):
        out = out * x + p[k]
    return out


def _roots_tangent(p: Any, dp: Any, y: Any) -> Any:
    # p(r) = 0, so dr = -dp(r) / p'(r).
    n = p.shape[0]
    slope = _horner(p[:-1] * np.arange(n - 1, 0, -1), y)
    return -((dp[..., None, :] @ (y[:, None] ** np.arange(n - 1, -1, -1)).T)[..., 0, :] / slope)


roots = general(
    "roots",
    lambda p: np.roots(p),
    [_roots_tangent],
    inputs="p",
    doc="The roots of the polynomial with coefficients `p`, highest first.",
    samples=lambda rng: [
        ((np.array([1.0, -3.5, 2.0, 0.4]),), ()),
        ((np.array([2.0, 1.0, 3.0]),), ()),
    ],
)
