"""Linear systems: solve, inv, pinv, lstsq, and the determinants.

Sources: M. Giles (2008), Collected matrix derivative results for forward and reverse mode; Golub
and Pereyra (1973) for the
pseudo-inverse. Imports core, the makers, ``contract``, ``linalg/matrices``. Invariant: a singular
matrix raises NumPy's LinAlgError, as untraced.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import ArrayType, broadcast_shapes, shape_of
from wengert.ops import reduce
from wengert.ops.contract import conj, lead_aligned, normal, rank
from wengert.ops.kinds import general
from wengert.ops.linalg.checks import recorded_again
from wengert.ops.linalg.matrices import (
    adjoint,
    as_diagonal,
    diagonal,
    eye_like,
    flip,
    imaginary,
    inexact,
    is_complex,
    leading,
    matrices,
    outputs,
    raw,
    real,
    real_type,
    refuse,
    tall,
    trace,
    well,
    without_matrix,
)
from wengert.ops.memory import fit

# ---------------------------------------------------------------- inverse and solve

inv = leading(
    general(
        "inv",
        np.linalg.inv,
        [lambda y, dx: -(y @ dx @ y)],
        shape=lambda x_shape: x_shape,
        latex="{x}^{{-1}}",
        doc="The inverse: `dY = -Y dX Y` (Giles 2.2.3).",
        samples=matrices(well, (3, 3), (2, 3, 3), (1, 1)),
    )
)


def _solve_shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(b_shape) == 1:
        return (*a_shape[:-2], *b_shape)
    return (*broadcast_shapes(a_shape[:-2], b_shape[:-2]), *b_shape[-2:])


def _solve_matrix(a: Any, y: Any, da: Any) -> Any:
    if rank(y) == rank(a) - 1:  # b was a vector
        return -solve(a, da @ y[..., None])[..., 0]
    return -solve(a, da @ y)


solve: Any = general(
    "solve",
    np.linalg.solve,
    [_solve_matrix, lambda a, db: solve(a, db)],
    inputs="a b",
    shape=_solve_shape,
    latex="{a}^{{-1}} {b}",
    doc="`a y = b`: `dy = a^{-1} (db - da y)` (Giles 2.3.1). A one-dimensional b is a vector,"
    " all else a stack of matrices.",
    samples=lambda rng: _solve_samples(rng),
)


def _pull_solve(node: Any, ct: Any, sweep: Any) -> None:
    # b's cotangent solves the adjoint system, a^H ct_b = ct; a's is -ct_b y^H. (The JVP's solve is
    # linear in b alone, so that it
    # cannot be transposed by recording it: this is where such recordings end.)
    a, y, info = node.saved
    vector = rank(ct) == rank(a) - 1
    parents = node.inputs
    wide = ct[..., None] if vector else ct
    ct_b = solve(adjoint(a), wide)
    if parents[0] is not None:
        y = y[..., None] if vector else y
        sweep.add(parents[0], fit(-(ct_b @ adjoint(y)), *info.types[0]))
    if parents[1] is not None:
        sweep.add(parents[1], fit(ct_b[..., 0] if vector else ct_b, *info.types[1]))


def _solve_batch(values: Any, batched: Any, params: Any) -> Any:
    a, b = values
    vector = rank(b) - bool(batched[1]) == 1
    b = b[..., None] if vector else b
    y = solve(*lead_aligned((a, b), batched, (2, 2)))
    return y[..., 0] if vector else y


def _solve_samples(rng: Any) -> Iterable[Any]:
    for a, b in (
        ((3, 3), (3,)),
        ((3, 3), (3, 2)),
        ((2, 3, 3), (3,)),
        ((2, 3, 3), (3, 2)),
        ((2, 3, 3), (2, 3, 2)),
        ((3, 3), (2, 3, 2)),
    ):
        yield (well(rng, *a), normal(rng, *b)), ()
    for left, right in ((complex, complex), (float, complex), (np.float32, np.float32)):
        yield (well(rng, 3, 3, dtype=left), normal(rng, 3, dtype=right)), ()


solve.op.pull = _pull_solve
solve.op.batch = _solve_batch

# ---------------------------------------------------------------- pseudo-inverse and least squares


def _pinv(x: Any, rcond: Any, hermitian: Any) -> Any:
    return (
        np.linalg.pinv(x, hermitian=hermitian)
        if rcond is None
        else np.linalg.pinv(x, rcond, hermitian=hermitian)
    )


def _pinv_tangent(x: Any, y: Any, dx: Any) -> Any:
    # Golub and Pereyra (1973), eq. 4.12, with P the pseudo-inverse: -P dX P + P P^H dX^H (I - X P)
    # + (I - P X) dX^H P^H P.
    p, dh = adjoint(y), adjoint(dx)
    left = y @ (p @ dh)
    right = (dh @ p) @ y
    return -(y @ dx @ y) + (left - (left @ x) @ y) + (right - y @ (x @ right))


pinv = leading(
    general(
        "pinv",
        _pinv,
        [_pinv_tangent],
        params={"rcond": None, "hermitian": False},
        shape=lambda x_shape: (*x_shape[:-2], x_shape[-1], x_shape[-2]),
        latex="{x}^{{+}}",
        doc="The pseudo-inverse. Its derivative supposes that the rank stays as it is (it "
        "jumps where the rank changes).",
        samples=matrices(tall, (4, 2), (3, 3), (2, 2, 3), params=((None, False),)),
    )
)


def _lstsq(a: Any, b: Any, rcond: Any) -> Any:
    x, residuals, _, s = np.linalg.lstsq(a, b, rcond=rcond)
    return x, residuals, s


def _lstsq_tangent(da: Any, db: Any, a: Any, b: Any, y: Any) -> Any:
    x = y[0]
    a, b = _as_precise(a, x), _as_precise(b, x)  # NumPy solves in the type of both
    p = pinv(a)
    r = b - a @ x
    if da is None:
        dx, change = p @ db, db
    else:
        # The pseudo-inverse's derivative applied to b: p b = x, (I - a p) b = r.
        dh = adjoint(da)
        back = dh @ (adjoint(p) @ x)
        change = -(da @ x)
        dx = p @ change + p @ (adjoint(p) @ (dh @ r)) + back - p @ (a @ back)
    ds = None
    if da is not None:
        ds = _singular_tangent(a, da)
    if raw(y[1]).size == 0:
        return dx, None, ds
    return dx, 2.0 * reduce.sum(real(conj(r) * change), 0, rank(r) == 1), ds


def _as_precise(x: Any, like: Any) -> Any:
    own = raw(x).dtype
    dtype = np.result_type(own, real_type(raw(like).dtype))
    return x if own == dtype else x.astype(dtype)


def _singular_tangent(a: Any, da: Any) -> Any:
    from wengert.ops.linalg.svd import svd

    u, _, vh = svd(a)
    return real(diagonal(adjoint(u) @ da @ adjoint(vh)))


def _lstsq_types(types: Any, params: Any) -> Any:
    a, b = types
    dtype = np.result_type(inexact(a.dtype), inexact(b.dtype))
    tall_system = a.shape[0] > a.shape[1]
    return (
        ArrayType((a.shape[1], *b.shape[1:]), dtype),
        ArrayType(
            (b.shape[1] if len(b.shape) > 1 else 1,) if tall_system else (0,), real_type(dtype)
        ),
        ArrayType((min(a.shape),), real_type(dtype)),
    )


lstsq = general(
    "lstsq",
    _lstsq,
    [
        lambda a, b, y, da: _lstsq_tangent(da, None, a, b, y),
        lambda a, b, y, db: _lstsq_tangent(None, db, a, b, y),
    ],
    inputs="a b",
    params={"rcond": None},
    outputs=("x", "residuals", "singular values"),
    infer=_lstsq_types,
    doc="Least squares: the x of smallest norm that minimises |a x - b|, its residuals, and "
    "the singular values of a.",
    samples=lambda rng: [
        ((tall(rng, m, n, dtype=dtype), normal(rng, *b, dtype=dtype)), (None,))
        for m, n, b, dtype in (
            (5, 3, (5,), float),
            (5, 3, (5, 2), float),
            (2, 4, (2,), float),
            (5, 3, (5,), complex),
        )
    ],
)

# ---------------------------------------------------------------- determinants

_SAFE = 1e6
"""Condition number up to which the adjugate is computed as det times inverse."""


def _adjugate(x: Any) -> Any:
    """det(x) x^{-1}, and where x is (nearly) singular kappa V adj(S) U^H, kappa = det(U)
    det(V^H)."""
    with np.errstate(all="ignore"):
        regular = np.atleast_1d(np.linalg.cond(x, 1) < _SAFE) if x.shape[-1] else np.ones(1, bool)
    if regular.all():
        return np.linalg.det(x)[..., None, None] * np.linalg.inv(x)
    u, s, vh = np.linalg.svd(x)
    kappa = np.linalg.det(u) * np.linalg.det(vh)
    return ((adjoint(vh) * _others(s)[..., None, :]) @ adjoint(u)) * kappa[..., None, None]


def _others(s: Any) -> Any:
    """For each i the product of all s[j], j != i: without division, so that zeros do no harm."""
    n = s.shape[-1]
    parts = [np.prod(np.delete(np.arange(n) * 0.0 + s, i, axis=-1), axis=-1) for i in range(n)]
    return np.stack(parts, axis=-1) if parts else s


def _other_pairs(s: Any) -> Any:
    """The products over all but i and j; 0 where i = j."""
    n = s.shape[-1]
    out = np.zeros((*s.shape, n), s.dtype)
    for i, j in itertools.permutations(range(n), 2):
        out[..., i, j] = np.prod(np.delete(s, [i, j], axis=-1), axis=-1)
    return out


def _adjugate_tangent(x: Any, y: Any, dx: Any) -> Any:
    # Regular: adj = det inv. Else, with x = U S V^H and E = U^H dx V (the minors of a diagonal
    # matrix):
    # dadj = kappa V (diag(P diag E) - P o E) U^H, P[i, j] the product of the s[k], k != i, j.
    if _is_regular(x):
        back = inv(x)
        return trace(y @ dx)[..., None, None] * back - y @ dx @ back
    if is_handle(x):
        return _adjugate_polynomial(x, dx)
    u, s, vh = np.linalg.svd(x)
    kappa = (np.linalg.det(u) * np.linalg.det(vh))[..., None, None]
    inner = adjoint(u) @ dx @ adjoint(vh)
    pairs = _other_pairs(s)
    middle = as_diagonal((pairs @ diagonal(inner)[..., None])[..., 0]) - pairs * inner
    return (adjoint(vh) * kappa) @ middle @ adjoint(u)


def _is_regular(x: Any) -> bool:
    """Whether a matrix is far from singular; a recording asks again for other values."""
    plain = raw(x)
    if not plain.shape[-1]:
        return True
    if is_handle(x) and recorded_again():
        from wengert.ops.linalg.svd import svdvals

        s = svdvals(x)
        return bool(np.all(s[..., 0] < s[..., -1] * _SAFE))
    with np.errstate(all="ignore"):
        return bool(np.all(np.linalg.cond(plain, 1) < _SAFE))


_LARGEST = 8
"""Size up to which the recursion for the adjugate keeps its accuracy."""


def _adjugate_polynomial(x: Any, dx: Any) -> Any:
    """The tangent by the Faddeev-LeVerrier recursion: polynomials only, so that it may be
    differentiated on at any matrix.

    M_1 = I, c_k = -tr(x M_k) / k, M_(k+1) = x M_k + c_k I, adj(x) = (-1)^(n-1) M_n.
    """
    n = shape_of(raw(x))[-1]
    if n > _LARGEST:
        refuse(
            f"higher derivatives of a determinant at a singular {n} x {n} matrix have no "
            "accurate rule",
            f"move away from the singular matrix (up to {_LARGEST} x {_LARGEST} there is a rule)",
        )
    eye = eye_like(x, n)
    m, dm = x * 0.0 + eye, dx * 0.0
    for k in range(1, n):
        step, dstep = x @ m, dx @ m + x @ dm
        m = step - (trace(step) / k)[..., None, None] * eye
        dm = dstep - (trace(dstep) / k)[..., None, None] * eye
    return dm * (-1.0) ** (n - 1)


adjugate = leading(
    general(
        "adjugate",
        _adjugate,
        [_adjugate_tangent],
        shape=lambda x_shape: x_shape,
        doc="The adjugate: the transposed matrix of cofactors, `det(x) x^{-1}`, which exists "
        "at singular matrices too.",
        samples=matrices(well, (3, 3), (2, 2, 2)),
    )
)
det = leading(
    general(
        "det",
        np.linalg.det,
        [lambda x, dx: trace(adjugate(x) @ dx)],
        shape=lambda x_shape: x_shape[:-2],
        latex="\\det {x}",
        doc="The determinant: `dy = tr(adj(x) dx)` (Jacobi), right at singular matrices too.",
        samples=matrices(well, (3, 3), (2, 2, 2)),
    )
)


def _slogdet_tangent(x: Any, y: Any, dx: Any) -> Any:
    if not np.all(np.isfinite(raw(y[1]))):
        refuse(
            "log|det| of a singular matrix has no derivative (its value is -inf)",
            "keep the matrix away from singular ones",
        )
    change = reduce.sum(flip(inv(x)) * dx, (-2, -1))
    if is_complex(change):
        return y[0] * (1j * imaginary(change)), real(change)
    return None, change


slogdet = general(
    "slogdet",
    lambda x: tuple(np.linalg.slogdet(x)),
    [_slogdet_tangent],
    outputs=("sign", "logabsdet"),
    infer=outputs(without_matrix, without_matrix, kinds="xr"),
    doc="Sign and logarithm of the determinant: `dlog = Re tr(x^{-1} dx)`.",
    samples=matrices(well, (3, 3), (2, 2, 2)),
)
leading(slogdet)
__all__ = ["adjugate", "det", "inv", "lstsq", "pinv", "slogdet", "solve"]
