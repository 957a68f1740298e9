"""Singular values: svd in both forms, and svdvals.

Source: J. Townsend (2016), Differentiating the singular value decomposition. Imports core, the makers, the other files
``linalg/*`` but norm and polar. Invariant: what depends on vectors of equal singular values is exact along one
direction (``linalg/ties``), or raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.node import here
from wengert.core.types import shape_of
from wengert.ops.kinds import general
from wengert.ops.linalg.adapted import (
    adapted_svd,
    open_phases,
    phases_by,
    shaken,
    skew,
    symmetric,
    turned_bases,
    unsure,
    zero_values,
)
from wengert.ops.linalg.checks import (
    check_basis,
    check_both,
    check_pairs,
    check_position,
    completed,
    equal_pairs,
    guarded,
    least,
    near_pairs,
    phase,
    recorded_again,
    saved_outputs,
    seen,
)
from wengert.ops.linalg.matrices import (
    adjoint,
    along_types,
    diagonal,
    eps_of,
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
    symmetric_part,
    tall,
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

# ---------------------------------------------------------------- singular values


def _svd_tangent(x: Any, y: Any, dx: Any) -> tuple[Any, Any, Any]:
    # Townsend (2016), written with the Hermitian part H and the skew part K of dP = U^H dX V:
    # U^H dU = H / (s_j - s_i) + K / (s_j + s_i), V^H dV = H / (s_j - s_i) - K / (s_j + s_i), so that what depends on
    # the polar factor U V^H only stays right where singular values are equal (there the first term is left out).
    u, s, vh = y
    v = adjoint(vh)
    rows, columns = shape_of(raw(x))[-2:]
    k = min(rows, columns)
    size = max(rows, columns)
    zero, near = _pattern(s, size)
    dp = adjoint(u) @ dx @ v
    skew = (
        0.5
        * (dp - adjoint(dp))
        * reciprocal(s[..., None, :] + s[..., :, None], zero[..., None, :] & zero[..., :, None])
    )
    turn = symmetric_part(dp) * reciprocal(s[..., None, :] - s[..., :, None], near)
    du, dv = u @ (turn + skew), v @ (turn - skew)
    over = reciprocal(s, zero)[..., None, :]
    if rows > k:
        du = du + (dx @ v - u @ dp) * over
    if columns > k:
        dv = dv + (adjoint(dx) @ u - v @ adjoint(dp)) * over
    if is_complex(u):
        basis, row = phases_by(u, v)
        if row is not None:
            turn_back = phase(basis, du if basis is u else dv, row)
            du, dv = du + u * turn_back, dv + v * turn_back
    return du, real(diagonal(dp)), adjoint(dv)


def _check_svd(node: Any, ct: Any, full: bool) -> None:
    u, s, vh = saved_outputs(node)
    ct_u, ct_s, ct_vh = ct
    if ct_u is None and ct_vh is None:
        return
    k = raw(s).shape[-1]
    zero, near = _pattern(s, max(shape_of(raw(u))[-2], shape_of(raw(vh))[-1]))
    u, v, ct_u, ct_v = seen(u), adjoint(seen(vh)), seen(ct_u), None if ct_vh is None else adjoint(seen(ct_vh))
    size = max(shape_of(raw(u))[-2], shape_of(raw(v))[-2])
    scales = [np.max(np.abs(c), initial=0.0) for c in (ct_u, ct_v) if c is not None]
    tolerance = 100.0 * size * eps_of(s) * (scales[0] if len(scales) == 1 else np.maximum(*scales))
    inner = [None if c is None else adjoint(b[..., :k]) @ c[..., :k] for b, c in ((u, ct_u), (v, ct_v))]
    pairs = near & ~(zero[..., None, :] & zero[..., :, None])
    check_pairs("svd", inner, pairs, tolerance, node)
    # Several values 0 (or one whose vectors may turn to the outside) have a whole block of slopes too.
    many = zero.sum(-1, keepdims=True) > (1 if shape_of(raw(u))[-2] == shape_of(raw(v))[-2] else 0)
    tied = (pairs & ~np.eye(k, dtype=bool)).any(-1) | (zero & many)
    bases, cts = [u[..., :k], v[..., :k]], [None if c is None else c[..., :k] for c in (ct_u, ct_v)]
    check_position("svd", cts, bases, tied, tolerance, node)
    check_both("svd", ct_s, bases, tied, node, inner=node.params[:1] == (True,))
    for basis, c in ((u, ct_u), (v, ct_v)):
        if c is None:
            continue
        if full and shape_of(raw(basis))[-1] > k:
            added = adjoint(basis[..., k:]) @ c[..., k:]
            check_basis("svd", added - adjoint(added), tolerance, node)
        if zero.any():
            # Columns of value 0 mix freely with one another and with what lies outside.
            inside = adjoint(basis) @ c
            turned = (inside - adjoint(inside))[..., :k, :k] if shape_of(raw(c))[-1] >= k else 0.0
            check_basis("svd", np.abs(turned) * (zero[..., None, :] & zero[..., :, None]), tolerance, node)
            if shape_of(raw(c))[-1] == k:
                outside = c - basis[..., :k] @ inside[..., :k, :]
                check_basis("svd", np.abs(outside).max(-2, initial=0.0) * zero, tolerance, node)
    if is_complex(u):
        free = open_phases(*phases_by(u, v))
        total = sum(diagonal(p) for p in inner if p is not None)
        check_basis("svd", imaginary(total) * free[..., :k], tolerance, node)


def _pattern(s: Any, size: int) -> tuple[Any, Any]:
    """Which singular values are zero, and which pairs are equal; a recording asks for the same pattern."""
    plain = raw(s)
    zero = zero_values(plain, size)
    if s is not plain and recorded_again():
        bool((zero_values(s, size) == zero).all())
    return zero, equal_pairs(s, size)


def _lost_columns(x: Any, dx: Any) -> Any:
    """Which singular vectors have no tangent: equal values that the tangent couples."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    v = adjoint(vh)
    dp = adjoint(u) @ dx @ v
    zero = zero_values(s, max(x.shape[-2:]))
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
        if not concrete(tangents[0]):
            if _tied(values[0], y[1]):
                du, dvh = undetermined(du, here(3)), undetermined(dvh, here(3))
            return du, ds, dvh
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


_svd = guarded(
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


_svd_full = guarded(
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
    ),
    lambda node, ct: _check_svd(node, ct, full=True),
)


# ---------------------------------------------------------------- equal values, in forward mode


def _direction_moves(x: Any, y: Any, dalong: Any) -> tuple[Any, Any, Any]:
    u, s, vh = y
    if _tied(x, s):
        refuse_direction("svd")
    # Zeros of the right shapes, in terms of the tangent.
    rows, columns = shape_of(raw(x))[-2:]
    *lead, k = shape_of(raw(s))
    right, left = np.zeros((*lead, columns, shape_of(raw(u))[-1])), np.zeros((*lead, shape_of(raw(vh))[-2], rows))
    return dalong @ mask(s, right), real(diagonal(dalong[..., :k, :k])) * np.zeros_like(raw(s)), mask(s, left) @ dalong


def _along_tangent(x: Any, y: Any, dx: Any, full: bool) -> tuple[Any, Any, Any]:
    return (_svd_full_tangent if full else _svd_tangent)(x, y, dx)


_svd_along = guarded(
    along_one(
        general(
            "svd_along",
            adapted_svd,
            [_along_tangent, _direction_moves],
            inputs="x along",
            params={"inner": False, "full": False},
            outputs=("u", "s", "vh"),
            infer=along_types(
                outputs(
                    lambda s, _, full: (*s[:-1], s[-2] if full else least(s)),
                    lambda s, *_: (*s[:-2], least(s)),
                    lambda s, _, full: (*s[:-2], s[-1] if full else least(s), s[-1]),
                    kinds="xrx",
                )
            ),
            doc="`svd` in the bases that a step along a direction continues.",
            samples=lambda rng: [((tall(rng, *s), tall(rng, *s)), (False, False)) for s in ((3, 3), (4, 2), (2, 2, 3))],
        ),
        lambda x, u, s, vh: _tied(x, s),
    ),
    lambda node, ct: _check_svd(node, ct, full=node.params[1]),
)


def svd_along(x: Any, along: Any, inner: bool = False, full: bool = False) -> Any:
    """Singular values and vectors, those of equal values in the bases that a step along a direction continues; where a
    forward trace moves ``x`` in that direction, with tangents that tell whether a result depends on the bases."""
    y = _svd_along(x, along, inner, full)
    found = direction(x)
    if found is not None and _tied(x, y[1]):
        if found[1] is not None and parallel(found[1], along):
            mark(y, found[0], _turn_of_vectors, _doubt_of_vectors)
        else:
            lose(found[0])
    return y


paired(wrapped(svd_along, _svd_along))


def svd(x: Any, inner: bool = False) -> Any:
    """The reduced form; at equal or zero values, where a forward trace is running, with the vectors that its direction
    asks for, and with tangents that tell whether a result depends on that."""
    return _noted(x, _svd(x, inner), inner, full=False)


def svd_full(x: Any) -> Any:
    """The same with square factors."""
    return _noted(x, _svd_full(x), False, full=True)


wrapped(svd, _svd)
wrapped(svd_full, _svd_full)


def _noted(x: Any, y: Any, inner: bool, *, full: bool) -> Any:
    found = direction(x)
    if found is None or not _tied(x, y[1]):
        return y
    forward, along = found
    if along is None:
        lose(forward)
        return y
    with without_turn(x, forward):
        return svd_along(x, along, inner, full)


def _tied(x: Any, s: Any) -> bool:
    """Whether singular values are equal up to rounding, or vectors of the value 0 mix with what lies outside."""
    rows, columns = shape_of(raw(x))[-2:]
    zero, near = _pattern(s, max(rows, columns))
    return bool((near & ~np.eye(near.shape[-1], dtype=bool)).any()) or (rows != columns and bool(zero.any()))


def _turn_of_vectors(u: Any, s: Any, vh: Any) -> tuple[Any, Any, Any]:
    rows, columns = shape_of(raw(u))[-2], shape_of(raw(vh))[-1]
    zero, near = _pattern(s, max(rows, columns))
    apart = near & ~(zero[..., None, :] | zero[..., :, None])
    both = apart * skew(zero.shape[-1], 1, is_complex=is_complex(u))
    return turned_bases(u, zero, both, 11), None, adjoint(turned_bases(adjoint(vh), zero, both, 12))


def _doubt_of_vectors(u: Any, s: Any, vh: Any) -> tuple[Any, Any, Any]:
    sizes = shape_of(raw(u))[-1], shape_of(raw(vh))[-2]
    left, right = (mask(s, unsure(s) * symmetric(n, 3 + k)) for k, n in enumerate(sizes))
    return u @ left, shaken(s), right @ vh


def _singular_tangent(x: Any, dx: Any) -> Any:
    u, s, vh = svd(x, True)
    if concrete(dx) and _tied(x, s):
        found = direction(x)
        if found is None:
            u, _, vh = svd_along(x, dx, True, False)
        elif found[1] is None or not parallel(found[1], dx):
            lose(found[0])
            u = u * np.nan
    return real(diagonal(adjoint(u) @ dx @ adjoint(vh)))


_svdvals = general(
    "svdvals",
    lambda x: np.linalg.svd(x, compute_uv=False),
    [_singular_tangent],
    infer=real_output(lambda s: (*s[:-2], least(s))),
    doc="The singular values: `ds = Re diag(U^H dX V)`.",
    samples=matrices(tall, (3, 3), (4, 2), (2, 2, 3)),
)


def svdvals(x: Any) -> Any:
    """The singular values; equal ones, where a forward trace is running, with a tangent that tells what rounding does
    to them."""
    s = _svdvals(x)
    found = direction(x)
    if found is not None and found[1] is not None and _tied(x, s):
        mark(s, found[0], lambda s: (None,), lambda s: (shaken(s),))
    return s


wrapped(svdvals, _svdvals)


_poisoned(_svd)
_poisoned(_svd_full)
