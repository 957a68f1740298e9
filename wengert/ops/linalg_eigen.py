"""Eigenvalues and eigenvectors: eigh, eigvalsh, eig, eigvals.

Source: M. Giles (2008), section 3.1. Vectors are differentiated in the normalisation LAPACK gives
them. Imports core, the makers, ``linalg``,
``linalg_common``. Invariant: sums over equal eigenvalues are right; where single vectors of equal
eigenvalues are used, reverse
mode raises and forward mode gives NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import ArrayType
from wengert.ops import reduce
from wengert.ops.contract import conj
from wengert.ops.kinds import general
from wengert.ops.linalg_checks import check_pairs, equal_pairs, guarded, near_pairs, phase, recorded_again
from wengert.ops.linalg_common import (
    adjoint,
    diagonal,
    eps_of,
    hermitian,
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
    well,
    without_rows,
)
from wengert.ops.select import where
from wengert.ops.solve import inv

# ---------------------------------------------------------------- Hermitian matrices


def _gaps(w: Any) -> tuple[Any, Any]:
    """``1 / (w_j - w_i)``, 0 for pairs that are equal up to rounding; and which those are."""
    near = equal_pairs(w, raw(w).shape[-1])
    return reciprocal(w[..., None, :] - w[..., :, None], near), near


def _eigh_tangent(y: Any, dx: Any) -> tuple[Any, Any]:
    # S = V^H dX V: dw = diag S, dV = V (S / (w_j - w_i)) (Giles 3.1, on the symmetric part: LAPACK
    # reads one triangle only, but a
    # symmetric matrix is meant). zheevd leaves a row of V real, which fixes the phases.
    w, v = y
    s = adjoint(v) @ symmetric_part(dx) @ v
    over, _ = _gaps(w)
    dv = v @ (over * s)
    if is_complex(v) and (row := _fixed_row(raw(v))) is not None:
        dv = dv + v * phase(v, dv, row)
    return real(diagonal(s)), dv


def _fixed_row(v: Any) -> int | None:
    """The row of complex vectors that is real: the first (lower triangle read) or the last
    (upper)."""
    for row in (0, -1):
        if v.shape[-1] and not np.any(v[..., row, :].imag):
            return row
    return None


def _check_eigh(node: Any, ct: Any) -> None:
    w, v = (raw(part) for part in node.saved[0])
    if ct[1] is None:
        return
    c = raw(ct[1])
    tolerance = 100.0 * w.shape[-1] * eps_of(w) * float(np.max(np.abs(c), initial=0.0))
    inner = adjoint(v) @ c
    check_pairs(
        "eigh",
        [inner],
        near_pairs(w, w.shape[-1], eps_of(w)),
        tolerance,
        node,
        with_values=ct[0] is not None or node.params[1],
    )
    if is_complex(v) and _fixed_row(v) is None and np.any(np.abs(np.imag(diagonal(inner))) > tolerance):
        refuse(
            "eigh: a result depends on the phase of complex eigenvectors, which is arbitrary",
            "use |v|, or v v^H",
            node,
        )


def poisoned(record: Any, inner: Any) -> Any:
    """In forward mode, make NaN the vectors whose tangent does not exist (equal values that the
    tangent couples)."""
    push = record.op.push

    def checked(values: Any, y: Any, params: Any, tangents: Any, moving: Any) -> Any:
        dw, dv = push(values, y, params, tangents, moving)
        w, v, dx = raw(y[0]), raw(y[1]), raw(tangents[0])
        pairs = near_pairs(w, w.shape[-1], eps_of(w)) & ~np.eye(w.shape[-1], dtype=bool)
        if pairs.any() and recorded_again():  # what the tangent couples differs from run to run
            dv = where(np.broadcast_to(pairs.any(-2, keepdims=True), v.shape), mask(w, np.nan), dv)
        elif pairs.any():
            coupling = np.abs(inner(v, dx)) * pairs
            lost = coupling.max(-2, keepdims=True) > 100.0 * w.shape[-1] * eps_of(w) * np.max(np.abs(dx), initial=0.0)
            if lost.any():
                dv = where(np.broadcast_to(lost, v.shape), mask(w, np.nan), dv)
        return dw, dv

    record.op.push = checked
    return record


eigh = poisoned(
    guarded(
        leading(
            general(
                "eigh",
                lambda x, uplo, inner: tuple(np.linalg.eigh(x, uplo)),
                [_eigh_tangent],
                # inner: the vectors serve the derivative of values, which therefore count as used too
                params={"uplo": "L", "inner": False},
                outputs=("eigenvalues", "eigenvectors"),
                infer=outputs(without_rows, same, kinds="rx"),
                domain=("symmetric",),
                doc="`x = V diag(w) V^H`. Derivative along symmetric (Hermitian) directions (Giles 2008, 3.1).",
                samples=matrices(hermitian, (3, 3), (2, 2, 2), params=(("L", False), ("U", False))),
            )
        ),
        _check_eigh,
    ),
    lambda v, dx: adjoint(v) @ symmetric_part(dx) @ v,
)


def _eigvalsh_tangent(x: Any, dx: Any, uplo: Any) -> Any:
    _, v = eigh(x, uplo, True)
    return real(diagonal(adjoint(v) @ symmetric_part(dx) @ v))


eigvalsh = leading(
    general(
        "eigvalsh",
        np.linalg.eigvalsh,
        [_eigvalsh_tangent],
        params={"uplo": "L"},
        infer=real_output(without_rows),
        domain=("symmetric",),
        doc="The eigenvalues of a symmetric (Hermitian) matrix: `dw = Re diag(V^H dX V)`.",
        samples=matrices(hermitian, (3, 3), (2, 2, 2), params=(("L",), ("U",))),
    )
)

# ---------------------------------------------------------------- general matrices

_DEFECTIVE = 1e13
"""Condition number of the eigenvectors from which on the matrix counts as defective."""


def _coupling(v: Any, dx: Any) -> Any:
    plain = raw(v)
    if plain.size and not np.all(np.linalg.cond(plain) < _DEFECTIVE):
        refuse(
            "eig: the matrix is defective (too few eigenvectors); its eigenvalues have no derivative there",
            "perturb the matrix",
        )
    return inv(v) @ dx @ v


def _eig_tangent(y: Any, dx: Any) -> tuple[Any, Any]:
    # V^-1 dX V = S: dw = diag S, dV = V (S / (w_j - w_i) + c), the diagonal c by LAPACK's
    # normalisation: columns of norm 1 whose
    # largest component is real.
    w, v = y
    s = _coupling(v, dx)
    over, _ = _gaps(w)
    dv = v @ (over * s)
    dv = dv - v * reduce.sum(real(conj(v) * dv), -2, True)
    if is_complex(v):
        plain = raw(v)
        largest = np.argmax(np.abs(plain), axis=-2)[..., None, :] == np.arange(plain.shape[-2])[:, None]
        moved = imaginary(dv) * mask(v, largest)
        across = reduce.sum(real(v) * mask(v, largest), -2, True)
        dv = dv - v * (1j * (reduce.sum(moved, -2, True) / across))
    return diagonal(s), dv


def _complex_type(dtype: Any) -> Any:
    return np.result_type(dtype if dtype.kind in "fc" else np.float64, np.complex64)


eig = general(
    "eig",
    lambda x, inner: tuple(np.linalg.eig(x)),
    [_eig_tangent],
    params={"inner": False},
    outputs=("eigenvalues", "eigenvectors"),
    infer=lambda types, params: (
        ArrayType(types[0].shape[:-1], _complex_type(types[0].dtype)),
        ArrayType(types[0].shape, _complex_type(types[0].dtype)),
    ),
    doc="`x V = V diag(w)` with columns of norm 1 (Giles 2008, 3.1).",
    samples=matrices(well, (3, 3), (2, 2, 2), params=((False,),)),
)


def _check_eig(node: Any, ct: Any) -> None:
    w, v = (raw(part) for part in node.saved[0])
    if ct[1] is not None:
        c = raw(ct[1])
        pairs = near_pairs(w, w.shape[-1], eps_of(w)) & ~np.eye(w.shape[-1], dtype=bool)
        inner = np.abs(adjoint(v) @ c)
        # What the values' own derivative asks of v and of its inverse cancels where values are equal: it shows nothing.
        tolerance = 100.0 * w.shape[-1] * eps_of(w) * np.max(np.abs(c), initial=0.0)
        if (node.params[0] and pairs.any()) or np.any(inner[pairs] > tolerance):
            refuse(
                "eig: vectors that belong to equal eigenvalues were used (or a second derivative of the "
                "values was taken); they have no derivative there",
                "keep the eigenvalues apart",
                node,
            )


poisoned(guarded(leading(eig), _check_eig), lambda v, dx: inv(v) @ dx @ v)


def _eigvals_tangent(x: Any, y: Any, dx: Any) -> Any:
    w, v = eig(x, True)
    dw = diagonal(_coupling(v, dx))
    order = _matching(raw(w), raw(y))
    if order is not None:
        dw = (mask(w, order) @ dw[..., None])[..., 0]
    return dw


def _matching(have: Any, wanted: Any) -> Any:
    """The permutation matrices that bring eigenvalues into another order (None where it is the
    same)."""
    if np.allclose(have, wanted, rtol=1e-6, atol=0.0):
        return None
    n = have.shape[-1]
    out = np.zeros((*have.shape, n))
    for index in np.ndindex(have.shape[:-1]):
        distance = np.abs(have[index][None, :] - wanted[index][:, None])
        for _ in range(n):
            row, column = np.unravel_index(np.argmin(distance), distance.shape)
            out[(*index, row, column)] = 1.0
            distance[row, :] = np.inf
            distance[:, column] = np.inf
    return out


eigvals = leading(
    general(
        "eigvals",
        np.linalg.eigvals,
        [_eigvals_tangent],
        infer=lambda types, params: ArrayType(types[0].shape[:-1], _complex_type(types[0].dtype)),
        doc="The eigenvalues of a general matrix: `dw = diag(V^{-1} dX V)`.",
        samples=matrices(well, (3, 3), (2, 2, 2)),
    )
)
__all__ = ["eig", "eigh", "eigvals", "eigvalsh"]
