"""Eigenvalues and eigenvectors of general matrices: eig, eigvals.

Source: M. Giles (2008), section 3.1. Vectors are differentiated in the normalisation LAPACK gives them. Imports core,
the makers, ``solve``, the other files ``linalg/*``. Invariant: sums over equal eigenvalues are right; where single
vectors of equal eigenvalues, or second derivatives, are used, both modes raise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import ArrayType
from wengert.ops import reduce
from wengert.ops.contract import conj
from wengert.ops.kinds import general
from wengert.ops.linalg.checks import guarded, near_pairs
from wengert.ops.linalg.eigen import gaps, poisoned, tied
from wengert.ops.linalg.matrices import (
    adjoint,
    diagonal,
    eps_of,
    imaginary,
    is_complex,
    leading,
    mask,
    matrices,
    raw,
    real,
    refuse,
    well,
    wrapped,
)
from wengert.ops.linalg.ties import direction, lose
from wengert.ops.select import where
from wengert.ops.solve import inv

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
    over, _ = gaps(w)
    dv = v @ (over * s)
    dv = dv - v * reduce.sum(real(conj(v) * dv), -2, True)
    if is_complex(v):
        # (Steps, so that a recording finds the largest again for other values.)
        found = np.argmax(np.abs(v), axis=-2)[..., None, :] == np.arange(raw(v).shape[-2])[:, None]
        largest = where(found, mask(v, 1.0), mask(v, 0.0))
        moved = imaginary(dv) * largest
        across = reduce.sum(real(v) * largest, -2, True)
        dv = dv - v * (1j * (reduce.sum(moved, -2, True) / across))
    return diagonal(s), dv


def _complex_type(dtype: Any) -> Any:
    return np.result_type(dtype if dtype.kind in "fc" else np.float64, np.complex64)


_eig = general(
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


poisoned(guarded(_eig, _check_eig), lambda v, dx: inv(v) @ dx @ v)


def eig(x: Any, inner: bool = False) -> Any:
    """Eigenvalues and vectors of a general matrix; a forward trace is told of equal values."""
    y = _eig(x, inner)
    found = direction(x)
    if found is not None and tied(y[0]):
        lose(found[0])
    return y


wrapped(eig, _eig)


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


__all__ = ["eig", "eigvals"]
