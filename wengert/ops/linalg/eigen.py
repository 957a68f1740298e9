"""Eigenvalues and eigenvectors: eigh, eigvalsh, eig, eigvals.

Source: M. Giles (2008), section 3.1. Vectors are differentiated in the normalisation LAPACK gives them. Imports core,
the makers, ``solve``, the other files ``linalg/*``. Invariant: what depends on vectors of equal eigenvalues is exact
along one direction (``linalg/ties``), or raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.node import here
from wengert.ops.kinds import general
from wengert.ops.linalg.adapted import (
    adapted_eigh,
    fixed_row,
    open_phases,
    same_space,
    shaken,
    skew,
    symmetric,
    unsure,
)
from wengert.ops.linalg.checks import (
    check_both,
    check_pairs,
    check_position,
    equal_pairs,
    guarded,
    near_pairs,
    phase,
    recorded_again,
    seen,
)
from wengert.ops.linalg.matrices import (
    adjoint,
    along_types,
    diagonal,
    eps_of,
    hermitian,
    imaginary,
    is_complex,
    mask,
    matrices,
    outputs,
    paired,
    raw,
    real,
    real_output,
    reciprocal,
    refuse,
    same,
    symmetric_part,
    without_rows,
    wrapped,
)
from wengert.ops.linalg.ties import (
    along_one,
    concrete,
    direction,
    lose,
    mark,
    parallel,
    refuse_direction,
    undetermined,
    without_turn,
)
from wengert.ops.select import where

# ---------------------------------------------------------------- Hermitian matrices


def gaps(w: Any) -> tuple[Any, Any]:
    """``1 / (w_j - w_i)``, 0 for pairs that are equal up to rounding; and which those are."""
    near = equal_pairs(w, raw(w).shape[-1])
    return reciprocal(w[..., None, :] - w[..., :, None], near), near


def _eigh_tangent(y: Any, dx: Any) -> tuple[Any, Any]:
    # S = V^H dX V: dw = diag S, dV = V (S / (w_j - w_i)) (Giles 3.1, on the symmetric part: LAPACK
    # reads one triangle only, but a
    # symmetric matrix is meant). zheevd leaves a row of V real, which fixes the phases.
    w, v = y
    s = adjoint(v) @ symmetric_part(dx) @ v
    over, _ = gaps(w)
    dv = v @ (over * s)
    if is_complex(v) and (row := fixed_row(v)) is not None:
        dv = dv + v * phase(v, dv, row)
    return real(diagonal(s)), dv


def _check_eigh(node: Any, ct: Any) -> None:
    if ct[1] is None:
        return
    w, v = node.saved[0]
    near = equal_pairs(w, raw(w).shape[-1])
    c, v = seen(ct[1]), seen(v)
    tolerance = 100.0 * raw(v).shape[-1] * eps_of(w) * np.max(np.abs(c), initial=0.0)
    inner = adjoint(v) @ c
    check_pairs("eigh", [inner], near, tolerance, node)
    shared = (near & ~np.eye(near.shape[-1], dtype=bool)).any(-1)
    check_position("eigh", [c], [v], shared, tolerance, node)
    check_both("eigh", ct[0], [v], shared, node, inner=node.params[1])
    free = open_phases(v, fixed_row(v)) if is_complex(v) else False
    if free is not False and bool(np.any(np.abs(imaginary(diagonal(inner))) * free > tolerance)):
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
        if pairs.any() and not concrete(tangents[0]):
            dv = undetermined(dv, here(3))
        elif pairs.any() and recorded_again():  # what the tangent couples differs from run to run
            dv = where(np.broadcast_to(pairs.any(-2, keepdims=True), v.shape), mask(w, np.nan), dv)
        elif pairs.any():
            coupling = np.abs(inner(v, dx)) * pairs
            lost = coupling.max(-2, keepdims=True) > 100.0 * w.shape[-1] * eps_of(w) * np.max(np.abs(dx), initial=0.0)
            if lost.any():
                dv = where(np.broadcast_to(lost, v.shape), mask(w, np.nan), dv)
        return dw, dv

    record.op.push = checked
    return record


_eigh = poisoned(
    guarded(
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
        ),
        _check_eigh,
    ),
    lambda v, dx: adjoint(v) @ symmetric_part(dx) @ v,
)


def _direction_moves(y: Any, dalong: Any) -> tuple[Any, Any]:
    w, v = y
    if tied(w):
        refuse_direction("eigh")
    return real(diagonal(dalong)) * np.zeros_like(raw(w)), dalong * np.zeros_like(raw(v))


_eigh_along = guarded(
    along_one(
        general(
            "eigh_along",
            adapted_eigh,
            [_eigh_tangent, _direction_moves],
            inputs="x along",
            params={"uplo": "L", "inner": False},
            outputs=("eigenvalues", "eigenvectors"),
            infer=along_types(outputs(without_rows, same, kinds="rx")),
            domain=("symmetric",),
            doc="`eigh` in the basis that a step along a direction continues (Kato, Perturbation Theory, II.6).",
            samples=lambda rng: [((hermitian(rng, *s), hermitian(rng, *s)), ("L", False)) for s in ((3, 3), (2, 2, 2))],
        ),
        lambda x, w, v: tied(w),
    ),
    _check_eigh,
)


def eigh_along(x: Any, along: Any, uplo: str = "L", inner: bool = False) -> Any:
    """Eigenvalues and vectors, those of equal values in the basis that a step along a direction continues; where a
    forward trace moves ``x`` in that direction, with tangents that tell whether a result depends on the basis."""
    y = _eigh_along(x, along, uplo, inner)
    found = direction(x)
    if found is not None and tied(y[0]):
        if found[1] is not None and parallel(found[1], along):
            mark(y, found[0], _turn_of_vectors, _doubt_of_vectors)
        else:
            lose(found[0])
    return y


paired(wrapped(eigh_along, _eigh_along))


def eigh(x: Any, uplo: str = "L", inner: bool = False) -> Any:
    """Eigenvalues and vectors; at equal values, where a forward trace is running, the vectors that its direction asks
    for, with tangents that tell whether a result depends on that."""
    y = _eigh(x, uplo, inner)
    found = direction(x)
    if found is None:
        return y
    forward, along = found
    if not tied(y[0]):
        if along is not None and is_complex(y[1]) and open_phases(raw(y[1]), fixed_row(raw(y[1]))).any():
            mark(y, forward, _turn_of_vectors, _doubt_of_vectors)
        return y
    if along is None:
        lose(forward)
        return y
    with without_turn(x, forward):
        return eigh_along(x, along, uplo, inner)


wrapped(eigh, _eigh)


def tied(w: Any) -> bool:
    """Whether values are equal up to rounding; a recording asks for the same pattern."""
    n = raw(w).shape[-1]
    return bool((equal_pairs(w, n) & ~np.eye(n, dtype=bool)).any())


def _turn_of_vectors(w: Any, v: Any) -> tuple[Any, Any]:
    n = raw(w).shape[-1]
    same = same_space(raw(w), n)
    if is_complex(v):  # the phase of a single vector is fixed by a row that is real, unless it has a zero there
        alone = ~(same & ~np.eye(n, dtype=bool)).any(-1) & ~open_phases(raw(v), fixed_row(raw(v)))
        same = same & ~(np.eye(n, dtype=bool) & alone[..., None])
    turn = same * skew(n, 1, is_complex=is_complex(v))
    return None, v @ turn.astype(raw(v).dtype)


def _doubt_of_vectors(w: Any, v: Any) -> tuple[Any, Any]:
    n = raw(w).shape[-1]
    return shaken(w), v @ mask(v, unsure(w) * same_space(raw(w), n) * symmetric(n, 3))


def _eigvalsh_tangent(x: Any, dx: Any, uplo: Any) -> Any:
    w, v = eigh(x, uplo, True)
    if concrete(dx) and tied(w):
        found = direction(x)
        if found is None:
            _, v = eigh_along(x, dx, uplo, True)
        elif found[1] is None or not parallel(found[1], dx):
            lose(found[0])
            v = v * np.nan
    return real(diagonal(adjoint(v) @ symmetric_part(dx) @ v))


_eigvalsh = general(
    "eigvalsh",
    np.linalg.eigvalsh,
    [_eigvalsh_tangent],
    params={"uplo": "L"},
    infer=real_output(without_rows),
    domain=("symmetric",),
    doc="The eigenvalues of a symmetric (Hermitian) matrix: `dw = Re diag(V^H dX V)`.",
    samples=matrices(hermitian, (3, 3), (2, 2, 2), params=(("L",), ("U",))),
)


def eigvalsh(x: Any, uplo: str = "L") -> Any:
    """Eigenvalues; equal ones, where a forward trace is running, with a tangent that tells what rounding does."""
    w = _eigvalsh(x, uplo)
    found = direction(x)
    if found is not None and found[1] is not None and tied(w):
        mark(w, found[0], lambda w: (None,), lambda w: (shaken(w),))
    return w


wrapped(eigvalsh, _eigvalsh)


__all__ = ["eigh", "eigh_along", "eigvalsh"]
