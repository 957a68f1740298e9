"""Factorisations: cholesky and qr.

Sources: S. Walter and L. Lehmann (2012), Algorithmic differentiation of linear algebra functions;
M.
Seeger et al. (2017) for Cholesky. Imports core, the makers, ``linalg/checks``, ``linalg/matrices``.
Invariant: where the factors have no derivative and a result depends on it, the sweep raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import shape_of
from wengert.ops.contract import rank
from wengert.ops.join import concatenate
from wengert.ops.kinds import general
from wengert.ops.linalg.checks import check_basis, completed, guarded, least, saved_outputs
from wengert.ops.linalg.matrices import (
    adjoint,
    definite,
    eps_of,
    imaginary,
    is_complex,
    leading,
    mask,
    matrices,
    outputs,
    raw,
    refuse,
    same,
    symmetric_part,
    tall,
)
from wengert.ops.solve import inv

# ---------------------------------------------------------------- Cholesky


def _cholesky(x: Any, upper: Any) -> Any:
    return np.linalg.cholesky(x, upper=True) if upper else np.linalg.cholesky(x)


def _cholesky_tangent(y: Any, dx: Any, upper: Any) -> Any:
    # dL = L Phi(L^-1 dA L^-H), Phi the lower triangle with half the diagonal. Only one triangle of
    # A is read, but A means a
    # symmetric matrix: the derivative is along symmetric directions, the cotangent is symmetric.
    factor = adjoint(y) if upper else y
    back = inv(factor)
    inner = back @ symmetric_part(dx) @ adjoint(back)
    n = shape_of(raw(y))[-1]
    out = factor @ (inner * mask(y, np.tril(np.ones((n, n))) - 0.5 * np.eye(n)))
    return adjoint(out) if upper else out


cholesky = leading(
    general(
        "cholesky",
        _cholesky,
        [_cholesky_tangent],
        params={"upper": False},
        shape=lambda x_shape: x_shape,
        domain=("symmetric",),
        doc="`x = L L^H`. Derivative along symmetric (Hermitian) directions: `dL = L "
        "Phi(L^{-1} dX L^{-H})` (Seeger et al. 2017).",
        samples=matrices(definite, (3, 3), (2, 2, 2), params=((False,), (True,))),
    )
)

# ---------------------------------------------------------------- QR


def _qr_square_tangent(q: Any, r: Any, dx: Any) -> tuple[Any, Any]:
    # Walter and Lehmann (2012): with X = dA R^-1, dQ = Q (Omega - Q^H X) + X, dR = (Q^H X - Omega)
    # R, Omega the skew matrix that has the
    # strictly lower triangle of Q^H X; R's diagonal stays real, as LAPACK makes it.
    with_r = dx @ _inverse(r)
    inner = adjoint(q) @ with_r
    n = shape_of(raw(r))[-1]
    lower = inner * mask(r, np.tril(np.ones((n, n)), -1))
    omega = lower - adjoint(lower)
    if is_complex(inner):
        omega = omega + 1j * imaginary(inner) * mask(r, np.eye(n))
    return q @ (omega - inner) + with_r, (inner - omega) @ r


def _inverse(r: Any) -> Any:
    plain = raw(r)
    pivots = np.abs(np.einsum("...ii->...i", plain))
    if pivots.size and np.any(pivots.min(-1) <= eps_of(r) * plain.shape[-1] * pivots.max(-1)):
        refuse(
            "the leading columns of the matrix are linearly dependent: its QR factors have no"
            " derivative there",
            "keep them independent, or use np.linalg.pinv or lstsq",
        )
    return inv(r)


def _qr_tangent(x: Any, y: Any, dx: Any) -> tuple[Any, Any]:
    q, r = y
    rows, columns = shape_of(raw(x))[-2:]
    if rows >= columns:
        return _qr_square_tangent(q, r, dx)
    # A wide matrix: its first columns have the Q, the others follow: R2 = Q^H A2.
    dq, dr = _qr_square_tangent(q, r[..., :rows], dx[..., :rows])
    rest = adjoint(dq) @ x[..., rows:] + adjoint(q) @ dx[..., rows:]
    return dq, concatenate([dr, rest], rank(dr) - 1)


qr = leading(
    general(
        "qr",
        lambda x: tuple(np.linalg.qr(x)),
        [_qr_tangent],
        outputs=("q", "r"),
        infer=outputs(
            lambda s: (*s[:-1], least(s)), lambda s: (*s[:-2], least(s), s[-1]), kinds="xx"
        ),
        doc="`x = Q R` with orthonormal columns of Q (reduced form).",
        samples=matrices(tall, (4, 3), (3, 3), (2, 2, 3)),
    )
)


def _qr_complete_tangent(y: Any, dx: Any) -> tuple[Any, Any]:
    q, r = y
    n = shape_of(raw(r))[-1]
    dq, dr = _qr_square_tangent(q[..., :n], r[..., :n, :], dx)
    dq = completed(q, dq, n)
    rows = shape_of(raw(q))[-1]
    return dq, concatenate([dr, _no_change(dr, rows - n)], rank(dr) - 2)


def _no_change(dr: Any, rows: int) -> Any:
    shape = shape_of(raw(dr))
    return np.zeros((*shape[:-2], rows, shape[-1]), raw(dr).dtype)


qr_complete = leading(
    general(
        "qr_complete",
        lambda x: tuple(np.linalg.qr(x, mode="complete")),
        [_qr_complete_tangent],
        outputs=("q", "r"),
        infer=outputs(lambda s: (*s[:-1], s[-2]), same, kinds="xx"),
        domain=("basis",),
        doc="`x = Q R` with a square Q, for a matrix with more rows than columns. The added "
        "columns of Q are any basis.",
        samples=matrices(tall, (4, 2), (2, 3, 2)),
    )
)


def _check_complete(node: Any, ct: Any) -> None:
    q, r = (raw(part) for part in saved_outputs(node))
    if ct[0] is not None:
        n = r.shape[-1]
        c = raw(ct[0])
        added = adjoint(q[..., n:]) @ c[..., n:]
        tolerance = 100.0 * q.shape[-1] * eps_of(q) * float(np.max(np.abs(c), initial=0.0))
        check_basis("qr", added - adjoint(added), tolerance, node)


guarded(qr_complete, _check_complete)
