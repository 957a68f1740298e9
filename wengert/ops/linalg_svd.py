"""Singular values: svd in both forms, svdvals, and the polar factor.

Source: J. Townsend (2016), Differentiating the singular value decomposition. Imports core, the
makers,
``linalg_checks``, ``linalg_common``. Invariant: what depends on vectors of equal singular values
raises
in reverse mode and is NaN in forward mode.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import shape_of
from wengert.ops.kinds import general
from wengert.ops.linalg_checks import (
    check_basis,
    check_pairs,
    completed,
    equal_pairs,
    guarded,
    least,
    near_pairs,
    phase,
    real_row,
    recorded_again,
    saved_outputs,
)
from wengert.ops.linalg_common import (
    adjoint,
    diagonal,
    eps_of,
    is_complex,
    leading,
    mask,
    matrices,
    outputs,
    raw,
    real,
    real_output,
    reciprocal,
    symmetric_part,
    tall,
)

# ---------------------------------------------------------------- singular values


def _zero_values(s: Any, size: int) -> Any:
    return np.abs(s) <= 8.0 * size * eps_of(s) * np.max(np.abs(s), axis=-1, keepdims=True, initial=0.0)


def _svd_tangent(x: Any, y: Any, dx: Any) -> tuple[Any, Any, Any]:
    # Townsend (2016), written with the Hermitian part H and the skew part K of dP = U^H dX V:
    # U^H dU = H / (s_j - s_i) + K / (s_j + s_i), V^H dV = H / (s_j - s_i) - K / (s_j + s_i), so
    # that what depends on the polar
    # factor U V^H only stays right where singular values are equal (there the first term is left
    # out).
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
    turn = symmetric_part(dp) * reciprocal(s[..., None, :] - s[..., :, None], equal_pairs(s, size))
    du, dv = u @ (turn + skew), v @ (turn - skew)
    over = reciprocal(s, zero)[..., None, :]
    if rows > k:
        du = du + (dx @ v - u @ dp) * over
    if columns > k:
        dv = dv + (adjoint(dx) @ u - v @ adjoint(dp)) * over
    if is_complex(u):
        row = real_row(v, 0)
        if row is None and (other := real_row(u, 0)) is not None:
            turn_back = phase(u, du, other)
        else:
            turn_back = phase(v, dv, row) if row is not None else None
        if turn_back is not None:
            du, dv = du + u * turn_back, dv + v * turn_back
    return du, real(diagonal(dp)), adjoint(dv)


def _check_svd(node: Any, ct: Any, full: bool) -> None:
    u, s, vh = (raw(part) for part in saved_outputs(node))
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
    inner = [None if c is None else adjoint(b[..., :k]) @ c[..., :k] for b, c in ((u, ct_u), (v, ct_v))]
    check_pairs("svd", inner, near, tolerance, node, with_values=ct_s is not None or node.params == (True,))
    for basis, c in ((u, ct_u), (v, ct_v)):
        if c is None:
            continue
        if full and basis.shape[-1] > k:
            added = adjoint(basis[..., k:]) @ c[..., k:]
            check_basis("svd", added - adjoint(added), tolerance, node)
        if zero.any():
            # Columns of value 0 mix freely with one another and with what lies outside.
            inside = adjoint(basis) @ c
            outside = c - basis[..., :k] @ inside[..., :k, : c.shape[-1]] if c.shape[-1] == k else c * 0.0
            lost = np.abs(outside).max(-2, initial=0.0)[..., :k] * zero
            check_basis("svd", lost, tolerance, node)
    if is_complex(u) and real_row(v, 0) is None and real_row(u, 0) is None:
        total = np.sum([diagonal(p) for p in inner if p is not None], axis=0)
        check_basis("svd", np.imag(total), tolerance, node)


def _lost_columns(x: Any, dx: Any) -> Any:
    """Which singular vectors have no tangent: equal values that the tangent couples."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    v = adjoint(vh)
    dp = adjoint(u) @ dx @ v
    zero = _zero_values(s, max(x.shape[-2:]))
    pairs = near_pairs(s, max(x.shape[-2:]), eps_of(s)) & ~np.eye(s.shape[-1], dtype=bool)
    if recorded_again():  # what the tangent couples differs from run to run
        return pairs.any(-2) | zero
    coupling = np.abs(symmetric_part(dp)) * pairs + np.abs(dp) * (zero[..., None, :] & pairs)
    lost = coupling.max(-2, initial=0.0)
    for outside in (dx @ v - u @ dp, adjoint(dx) @ u - v @ adjoint(dp)):
        lost = np.maximum(lost, np.abs(outside).max(-2, initial=0.0) * zero)
    return lost > 100.0 * max(x.shape[-2:]) * eps_of(s) * np.max(np.abs(dx), initial=0.0)


def _poisoned(record: Any) -> Any:
    """In forward mode, make NaN the singular vectors whose tangent does not exist."""
    push = record.op.push

    def checked(values: Any, y: Any, params: Any, tangents: Any, moving: Any) -> Any:
        du, ds, dvh = push(values, y, params, tangents, moving)
        lost = _lost_columns(raw(values[0]), raw(tangents[0]))
        if lost.any():
            nan = mask(y[1], np.where(lost, np.nan, 0.0))
            du = _spoiled(du, nan)
            dvh = adjoint(_spoiled(adjoint(dvh), nan))
        return du, ds, dvh

    record.op.push = checked
    return record


def _spoiled(du: Any, nan: Any) -> Any:
    extra = shape_of(raw(du))[-1] - nan.shape[-1]
    return du + np.pad(nan, [(0, 0)] * (nan.ndim - 1) + [(0, extra)])[..., None, :]


svd = guarded(
    leading(
        general(
            "svd",
            lambda x, inner: tuple(np.linalg.svd(x, full_matrices=False)),
            [_svd_tangent],
            # inner: the vectors serve the derivative of values, which therefore count as used too
            params={"inner": False},
            outputs=("u", "s", "vh"),
            infer=outputs(
                lambda s, _: (*s[:-1], least(s)),
                lambda s, _: (*s[:-2], least(s)),
                lambda s, _: (*s[:-2], least(s), s[-1]),
                kinds="xrx",
            ),
            doc="`x = U diag(s) V^H` in reduced form (Townsend 2016).",
            samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3), params=((False,),)),
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
        du = completed(u, du, k)
    if columns > k:
        dvh = adjoint(completed(adjoint(vh), adjoint(dvh), k))
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
                lambda s: (*s[:-2], least(s)),
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
    u, _, vh = svd(x, True)
    return real(diagonal(adjoint(u) @ dx @ adjoint(vh)))


svdvals = leading(
    general(
        "svdvals",
        lambda x: np.linalg.svd(x, compute_uv=False),
        [_singular_tangent],
        infer=real_output(lambda s: (*s[:-2], least(s))),
        doc="The singular values: `ds = Re diag(U^H dX V)`.",
        samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3)),
    )
)


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


_poisoned(svd)
_poisoned(svd_full)
