"""Factorisations: cholesky, qr, svd and singular values.

Sources: S. Walter and L. Lehmann (2012), Algorithmic differentiation of linear algebra functions; J. Townsend (2016) for the SVD; M. Seeger et
al. (2017) for Cholesky. Imports core, the makers, ``contract``, ``linalg_common``. Invariant: where the factors have no derivative and a
result depends on it, the sweep raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.types import shape_of
from wengert.ops.contract import rank
from wengert.ops.join import concatenate
from wengert.ops.kinds import general
from wengert.ops.linalg_common import (
    adjoint,
    definite,
    diagonal,
    eps_of,
    imaginary,
    is_complex,
    leading,
    mask,
    matrices,
    outputs,
    raw,
    real,
    real_output,
    reciprocal,
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
    # dL = L Phi(L^-1 dA L^-H), Phi the lower triangle with half the diagonal. Only one triangle of A is read, but A means a
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
        doc="`x = L L^H`. Derivative along symmetric (Hermitian) directions: `dL = L Phi(L^{-1} dX L^{-H})` (Seeger et al. 2017).",
        samples=matrices(definite, (3, 3), (2, 2, 2), params=((False,), (True,))),
    )
)

# ---------------------------------------------------------------- QR


def _qr_square_tangent(q: Any, r: Any, dx: Any) -> tuple[Any, Any]:
    # Walter and Lehmann (2012): with X = dA R^-1, dQ = Q (Omega - Q^H X) + X, dR = (Q^H X - Omega) R, Omega the skew matrix that has the
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
            "the leading columns of the matrix are linearly dependent: its QR factors have no derivative there",
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


def _least(shape: tuple[Any, ...]) -> Any:
    return min(shape[-2:])


qr = leading(
    general(
        "qr",
        lambda x: tuple(np.linalg.qr(x)),
        [_qr_tangent],
        outputs=("q", "r"),
        infer=outputs(
            lambda s: (*s[:-1], _least(s)), lambda s: (*s[:-2], _least(s), s[-1]), kinds="xx"
        ),
        doc="`x = Q R` with orthonormal columns of Q (reduced form).",
        samples=matrices(tall, (4, 3), (3, 3), (2, 2, 3)),
    )
)


def _qr_complete_tangent(y: Any, dx: Any) -> tuple[Any, Any]:
    q, r = y
    n = shape_of(raw(r))[-1]
    dq, dr = _qr_square_tangent(q[..., :n], r[..., :n, :], dx)
    dq = _completed(q, dq, n)
    rows = shape_of(raw(q))[-1]
    return dq, concatenate([dr, _no_change(dr, rows - n)], rank(dr) - 2)


def _completed(q: Any, dq: Any, n: int) -> Any:
    """The tangent of an orthonormal basis from that of its first n columns: the others turn as little as they can."""
    others = q[..., n:]
    return concatenate([dq, -(q[..., :n] @ (adjoint(dq) @ others))], rank(dq) - 1)


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
        doc="`x = Q R` with a square Q, for a matrix with more rows than columns. The added columns of Q are any basis.",
        samples=matrices(tall, (4, 2), (2, 3, 2)),
    )
)

# ---------------------------------------------------------------- singular values


def near_pairs(values: Any, size: int, eps: float) -> Any:
    """Which pairs of values differ by no more than rounding (the diagonal too)."""
    scale = np.max(np.abs(values), axis=-1, keepdims=True)[..., None] if values.shape[-1] else 0.0
    return np.abs(values[..., None, :] - values[..., :, None]) <= 8.0 * size * eps * scale


def _zero_values(s: Any, size: int) -> Any:
    return np.abs(s) <= 8.0 * size * eps_of(s) * np.max(
        np.abs(s), axis=-1, keepdims=True, initial=0.0
    )


def _svd_tangent(x: Any, y: Any, dx: Any) -> tuple[Any, Any, Any]:
    # Townsend (2016), written with the Hermitian part H and the skew part K of dP = U^H dX V:
    # U^H dU = H / (s_j - s_i) + K / (s_j + s_i), V^H dV = H / (s_j - s_i) - K / (s_j + s_i), so that what depends on the polar
    # factor U V^H only stays right where singular values are equal (there the first term is left out).
    u, s, vh = y
    v = adjoint(vh)
    rows, columns = shape_of(raw(x))[-2:]
    k = min(rows, columns)
    size = max(rows, columns)
    plain = raw(s)
    zero = _zero_values(plain, size)
    dp = adjoint(u) @ dx @ v
    skew = (
        0.5
        * (dp - adjoint(dp))
        * reciprocal(s[..., None, :] + s[..., :, None], zero[..., None, :] & zero[..., :, None])
    )
    turn = symmetric_part(dp) * reciprocal(
        s[..., None, :] - s[..., :, None], near_pairs(plain, size, eps_of(plain))
    )
    du, dv = u @ (turn + skew), v @ (turn - skew)
    over = reciprocal(s, zero)[..., None, :]
    if rows > k:
        du = du + (dx @ v - u @ dp) * over
    if columns > k:
        dv = dv + (adjoint(dx) @ u - v @ adjoint(dp)) * over
    if is_complex(u):
        row = _real_row(v, 0)
        if row is None and (other := _real_row(u, 0)) is not None:
            turn_back = phase(u, du, other)
        else:
            turn_back = phase(v, dv, row) if row is not None else None
        if turn_back is not None:
            du, dv = du + u * turn_back, dv + v * turn_back
    return du, real(diagonal(dp)), adjoint(dv)


def _real_row(v: Any, row: int) -> Any:
    """The row when LAPACK made it real (that fixes the phases of the columns), else None."""
    plain = raw(v)
    return row if plain.shape[-1] and not np.any(plain[..., row, :].imag) else None


def phase(v: Any, dv: Any, row: int) -> Any:
    """``i theta`` per column, such that a row that is real stays real under ``dv + i theta v``."""
    across = real(v[..., row, :])
    theta = -imaginary(dv[..., row, :]) * reciprocal(across, raw(across) == 0)
    return (1j * theta)[..., None, :]


def check_pairs(
    name: str, parts: Any, near: Any, tolerance: float, node: Any, *, with_values: bool
) -> None:
    """Raise when a result depends on what equal values leave open.

    ``parts``: the matrices C = U^H ct_U of the factors that turn together. Turning two columns of equal value must not matter (the
    skew part of the sum of the C's); and where the values were used too, a function of both cannot be told from its cotangents (the
    Hermitian parts).
    """
    parts = [p for p in parts if p is not None]
    n = near.shape[-1]
    pairs = near & ~np.eye(n, dtype=bool)
    if not parts or not pairs.any():
        return
    total = np.sum(parts, axis=0)
    found = [0.5 * (total - adjoint(total))]
    if with_values:
        found += parts
    if any(np.any(np.abs(f[np.broadcast_to(pairs, f.shape)]) > tolerance) for f in found):
        refuse(
            f"{name}: vectors that belong to equal values were used; they have no derivative there, nor can that of a function of values and "
            "vectors be found from them",
            f"use what depends on the values alone (np.linalg.{'eigvalsh' if name == 'eigh' else 'svdvals'}), "
            "or keep the values apart",
            node,
        )


def _check_svd(node: Any, ct: Any, full: bool) -> None:
    u, s, vh = (raw(part) for part in _saved_outputs(node))
    ct_u, ct_s, ct_vh = (None if c is None else raw(c) for c in ct)
    if ct_u is None and ct_vh is None:
        return
    k = s.shape[-1]
    v = adjoint(vh)
    ct_v = None if ct_vh is None else adjoint(ct_vh)
    scale = max(float(np.max(np.abs(c), initial=0.0)) for c in (ct_u, ct_v) if c is not None)
    size = max(u.shape[-2], v.shape[-2])
    tolerance = 100.0 * size * eps_of(s) * scale
    zero = _zero_values(s, size)
    near = near_pairs(s, size, eps_of(s)) & ~(zero[..., None, :] & zero[..., :, None])
    inner = [
        None if c is None else adjoint(b[..., :k]) @ c[..., :k] for b, c in ((u, ct_u), (v, ct_v))
    ]
    check_pairs("svd", inner, near, tolerance, node, with_values=ct_s is not None)
    for basis, c in ((u, ct_u), (v, ct_v)):
        if c is None:
            continue
        if full and basis.shape[-1] > k:
            added = adjoint(basis[..., k:]) @ c[..., k:]
            _check_basis("svd", added - adjoint(added), tolerance, node)
        if zero.any():
            # Columns of value 0 mix freely with one another and with what lies outside.
            inside = adjoint(basis) @ c
            outside = (
                c - basis[..., :k] @ inside[..., :k, : c.shape[-1]] if c.shape[-1] == k else c * 0.0
            )
            lost = np.abs(outside).max(-2, initial=0.0)[..., :k] * zero
            _check_basis("svd", lost, tolerance, node)
    if is_complex(u) and _real_row(v, 0) is None and _real_row(u, 0) is None:
        total = np.sum([diagonal(p) for p in inner if p is not None], axis=0)
        _check_basis("svd", np.imag(total), tolerance, node)


def _check_basis(name: str, part: Any, tolerance: float, node: Any) -> None:
    if np.any(np.abs(part) > tolerance):
        refuse(
            f"{name}: a result depends on vectors that are any basis of a subspace (or have any phase); they have no derivative",
            "use the columns that belong to nonzero values (full_matrices=False, mode='reduced')",
            node,
        )


def _saved_outputs(node: Any) -> Any:
    return next(part for part in node.saved if type(part) is tuple)


def guarded(record: Any, check: Callable[[Any, Any], None]) -> Any:
    """Let ``check(node, cotangents)`` look, and raise, before an operation is swept."""
    pull = record.op.pull

    def checked(node: Any, ct: Any, sweep: Any) -> None:
        check(node, ct)
        pull(node, ct, sweep)

    record.op.pull = checked
    return record


svd = guarded(
    leading(
        general(
            "svd",
            lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
            [_svd_tangent],
            outputs=("u", "s", "vh"),
            infer=outputs(
                lambda s: (*s[:-1], _least(s)),
                lambda s: (*s[:-2], _least(s)),
                lambda s: (*s[:-2], _least(s), s[-1]),
                kinds="xrx",
            ),
            doc="`x = U diag(s) V^H` in reduced form (Townsend 2016).",
            samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3)),
        )
    ),
    lambda node, ct: _check_svd(node, ct, full=False),
)


def _svd_full_tangent(x: Any, y: Any, dx: Any) -> tuple[Any, Any, Any]:
    u, s, vh = y
    k = shape_of(raw(s))[-1]
    du, ds, dvh = _svd_tangent(x, (u[..., :k], s, vh[..., :k, :]), dx)
    rows, columns = shape_of(raw(x))[-2:]
    if rows > k:
        du = _completed(u, du, k)
    if columns > k:
        dvh = adjoint(_completed(adjoint(vh), adjoint(dvh), k))
    return du, ds, dvh


svd_full = guarded(
    leading(
        general(
            "svd_full",
            lambda x: tuple(np.linalg.svd(x, full_matrices=True)),
            [_svd_full_tangent],
            outputs=("u", "s", "vh"),
            infer=outputs(
                lambda s: (*s[:-1], s[-2]),
                lambda s: (*s[:-2], _least(s)),
                lambda s: (*s[:-2], s[-1], s[-1]),
                kinds="xrx",
            ),
            doc="`x = U S V^H` with square U and V. The columns without a singular value are any basis.",
            domain=("basis",),
            samples=matrices(tall, (4, 2), (2, 3)),
        )
    ),
    lambda node, ct: _check_svd(node, ct, full=True),
)


def _singular_tangent(x: Any, dx: Any) -> Any:
    u, _, vh = svd(x)
    return real(diagonal(adjoint(u) @ dx @ adjoint(vh)))


svdvals = leading(
    general(
        "svdvals",
        lambda x: np.linalg.svd(x, compute_uv=False),
        [_singular_tangent],
        infer=real_output(lambda s: (*s[:-2], _least(s))),
        doc="The singular values: `ds = Re diag(U^H dX V)`.",
        samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3)),
    )
)


def _check_complete(node: Any, ct: Any) -> None:
    q, r = (raw(part) for part in _saved_outputs(node))
    if ct[0] is not None:
        n = r.shape[-1]
        c = raw(ct[0])
        added = adjoint(q[..., n:]) @ c[..., n:]
        tolerance = 100.0 * q.shape[-1] * eps_of(q) * float(np.max(np.abs(c), initial=0.0))
        _check_basis("qr", added - adjoint(added), tolerance, node)


guarded(qr_complete, _check_complete)
