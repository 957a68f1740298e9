"""Equal eigenvalues and singular values: which they are, the vectors that go with a direction, and changes of these.

Imports core, ``linalg/checks``, ``linalg/matrices``. Invariant: an adapted factorisation is one of the same matrix;
only the basis of each space of equal values differs from LAPACK's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.types import shape_of
from wengert.ops.linalg.checks import real_row
from wengert.ops.linalg.matrices import adjoint, eps_of, is_complex, mask, raw, symmetric_part


def same_space(values: Any, size: int) -> Any:
    """Which pairs of sorted values share a space: a chain of neighbours that differ by no more than rounding."""
    scale = np.max(np.abs(values), axis=-1, keepdims=True, initial=0.0)
    apart = np.abs(np.diff(values, axis=-1)) > 8.0 * size * eps_of(values) * scale
    group = np.concatenate([np.zeros((*values.shape[:-1], 1), int), np.cumsum(apart, axis=-1)], axis=-1)
    return group[..., None, :] == group[..., :, None]


def spaces(values: Any, count: int, size: int) -> list[tuple[int, int]]:
    """Where the spaces of several equal values start and stop, among the first ``count`` of a row of sorted values of a
    matrix whose larger side is ``size``."""
    if not count:
        return []
    same = same_space(values, size)
    starts = [k for k in range(count) if k == 0 or not same[k, k - 1]]
    return [(a, b) for a, b in zip(starts, [*starts[1:], count], strict=True) if b - a > 1]


def zero_values(s: Any, size: int) -> Any:
    """Which singular values are zero up to rounding, of a matrix whose larger side is ``size``."""
    return np.abs(s) <= 8.0 * size * eps_of(s) * np.max(np.abs(s), axis=-1, keepdims=True, initial=0.0)


# ---------------------------------------------------------------- vectors that go with a direction


def adapted_eigh(x: Any, along: Any, uplo: str, inner: bool) -> tuple[Any, Any]:
    """eigh with the vectors of equal values turned such that ``V^H along V`` has no entries between them.

    The derivatives of equal values come out in ascending order, as the values do a step further on.
    """
    w, v = np.linalg.eigh(x, uplo)  # type: ignore[call-overload]
    d = symmetric_part(along)
    lead = np.broadcast_shapes(w.shape[:-1], d.shape[:-2])
    row = fixed_row(v) if is_complex(v) else None
    n = w.shape[-1]
    if w.ndim > 1:  # one matrix at a time; of a single one, all directions together
        w, v, d = (np.broadcast_to(a, (*lead, *a.shape[-k:])) for a, k in ((w, 1), (v, 2), (d, 2)))
    out = np.array(np.broadcast_to(v, (*lead, n, n)))
    for index in np.ndindex(w.shape[:-1]):
        for start, stop in spaces(w[index], n, n):
            basis = v[index][:, start:stop]
            turned = basis @ _vectors(symmetric_part(adjoint(basis) @ d[index] @ basis))
            out[index][..., start:stop] = turned if row is None else with_real_row(turned, row)
    return np.array(np.broadcast_to(w, (*lead, n))), out


def _vectors(inside: Any) -> Any:
    """The eigenvectors; NaN where a direction is not finite, as for any other step (LAPACK would raise)."""
    finite = np.isfinite(inside).all((-2, -1))[..., None, None]
    return np.where(finite, np.linalg.eigh(np.where(finite, inside, 0.0))[1], np.nan)


def _both_vectors(inside: Any) -> tuple[Any, Any]:
    """The singular vectors of both sides as columns; NaN where a direction is not finite."""
    finite = np.isfinite(inside).all((-2, -1))[..., None, None]
    p, _, qh = np.linalg.svd(np.where(finite, inside, 0.0))
    return np.where(finite, p, np.nan), np.where(finite, adjoint(qh), np.nan)


def fixed_row(v: Any) -> int | None:
    """The row of complex vectors that is real: the first (lower triangle read) or the last (upper)."""
    return next((row for row in (0, -1) if real_row(v, row) is not None), None)


def open_phases(v: Any, row: int | None) -> Any:
    """Which complex columns have a phase that nothing fixes: all without a row that is real, else those that are zero
    there."""
    return np.ones(shape_of(raw(v))[:-1], bool) if row is None else v[..., row, :] == 0


def phases_by(u: Any, v: Any) -> tuple[Any, int | None]:
    """The basis whose first row LAPACK made real, which fixes the phases of both, and that row; None where neither."""
    return next(((b, 0) for b in (v, u) if real_row(b, 0) is not None), (v, None))


def with_real_row(v: Any, row: int) -> Any:
    """Columns with their phases chosen such that a row is real, as LAPACK has it."""
    across = v[..., row : row + 1 or None, :]
    size = np.abs(across)
    return v * np.where(size == 0, 1.0, across.conj() / np.where(size == 0, 1.0, size))


def adapted_svd(x: Any, along: Any, inner: bool, full: bool) -> tuple[Any, Any, Any]:
    """svd with the vectors of equal values turned such that ``U^H along V`` is diagonal between them.

    The derivatives of equal values come out in descending order, as the values do a step further on. The spaces of the
    value 0 turn by themselves on either side, with what lies outside: there ``U^H along V`` is made diagonal by its own
    singular vectors (their values are the slopes).
    """
    rows, columns = x.shape[-2:]
    k, size = min(rows, columns), max(rows, columns)
    u, s, vh = np.linalg.svd(x, full_matrices=True)
    v = adjoint(vh)
    lead = np.broadcast_shapes(s.shape[:-1], along.shape[:-2])
    basis, fixed = phases_by(u, v)
    row = None if fixed is None or not is_complex(u) else int(basis is u)
    d = along
    if s.ndim > 1:  # one matrix at a time; of a single one, all directions together
        u, s, v, d = (np.broadcast_to(a, (*lead, *a.shape[-n:])) for a, n in ((u, 2), (s, 1), (v, 2), (d, 2)))
    zero = zero_values(s, size)
    new_u, new_v = (np.array(np.broadcast_to(b, (*lead, *b.shape[-2:]))) for b in (u, v))
    for index in np.ndindex(s.shape[:-1]):
        rank = k - int(np.count_nonzero(zero[index]))
        a, b = new_u[index], new_v[index]
        for start, stop in spaces(s[index], rank, size):
            left, right = u[index][:, start:stop], v[index][:, start:stop]
            turn = _vectors(symmetric_part(adjoint(left) @ d[index] @ right))[..., ::-1]
            a[..., start:stop], b[..., start:stop] = _rephased(left @ turn, right @ turn, row)
        if rank < k:
            left, right = u[index][:, rank:], v[index][:, rank:]
            p, q = _both_vectors(adjoint(left) @ d[index] @ right)
            a[..., rank:], b[..., rank:] = left @ p, right @ q
            a[..., rank:k], b[..., rank:k] = _rephased(a[..., rank:k], b[..., rank:k], row)
    if not full:
        new_u, new_v = new_u[..., :k], new_v[..., :k]
    return new_u, np.array(np.broadcast_to(s, (*lead, k))), adjoint(new_v)


def _rephased(left: Any, right: Any, row: int | None) -> tuple[Any, Any]:
    """Pairs of columns turned such that the first row is real again: of the right ones (0), or of the left (1)."""
    if row is None:
        return left, right
    across = (right, left)[row][..., :1, :]
    size = np.abs(across)
    phase_of = np.where(size == 0, 1.0, across.conj() / np.where(size == 0, 1.0, size))
    return left * phase_of, right * phase_of


# ---------------------------------------------------------------- generic tangents


def generic(rows: int, columns: int, seed: int) -> Any:
    """Numbers in general position, the same at every call."""
    return np.random.default_rng([rows, columns, seed]).uniform(0.5, 1.0, (rows, columns))


def skew(n: int, seed: int, *, is_complex: bool) -> Any:
    """A skew-Hermitian matrix in general position."""
    a = np.tril(generic(n, n, seed), -1)
    out = a - a.T
    if is_complex:
        b = generic(n, n, seed + 1)
        out = out + 0.5j * (b + b.T)
    return out


def symmetric(n: int, seed: int) -> Any:
    """A symmetric matrix in general position, near the identity."""
    a = generic(n, n, seed)
    return np.eye(n) + 0.25 * (a + a.T) / max(n, 1)


def unsure(values: Any) -> float:
    """How much of a change of the vectors counts as rounding: far above it, since a change that comes out as one number
    may cancel, and far below what a result that depends on the basis would show."""
    return float(raw(values).shape[-1] * eps_of(values) ** (2.0 / 3.0))


def shaken(values: Any) -> Any:
    """What rounding may do to sorted values: generic changes of the size that counts as equal."""
    n = raw(values).shape[-1]
    signs = np.where(np.arange(n) % 2, -1.0, 1.0) * generic(1, n, 5)[0]
    steps = np.asarray(1024.0 * n * eps_of(values) * signs, raw(values).dtype)
    return np.max(np.abs(values), -1, keepdims=True) * steps


def turned_bases(b: Any, zero: Any, both: Any, seed: int) -> Any:
    """The tangent of a basis: equal values as on the other side, the value 0 and what lies outside by themselves."""
    rows, columns = shape_of(raw(b))[-2:]
    k = zero.shape[-1]
    null = np.concatenate([zero, np.broadcast_to(zero.any(-1, keepdims=True), (*zero.shape[:-1], columns - k))], -1)
    own = (null[..., None, :] & null[..., :, None]) * skew(columns, seed, is_complex=is_complex(b))
    own[..., :k, :k] += both
    out = b @ own.astype(raw(b).dtype)
    if columns == k < rows and zero.any():
        other = generic(rows, k, seed + 2).astype(raw(b).dtype)
        out = out + (other - b @ (adjoint(b) @ other)) * mask(b, zero[..., None, :])
    return out


__all__ = [
    "adapted_eigh", "adapted_svd", "fixed_row", "open_phases", "phases_by", "same_space", "shaken", "skew", "symmetric",
    "turned_bases", "unsure", "zero_values",
]  # fmt: skip
