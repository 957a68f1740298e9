"""What has no derivative in a factorisation, and how that is noticed: equal values, free bases,
free phases.

Imports core, ``linalg_common``. Invariant: nothing here changes a derivative that exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.ops.contract import rank
from wengert.ops.join import concatenate
from wengert.ops.linalg_common import (
    adjoint,
    eps_of,
    imaginary,
    raw,
    real,
    reciprocal,
    refuse,
)


def near_pairs(values: Any, size: int, eps: float) -> Any:
    """Which pairs of values differ by no more than rounding (the diagonal too)."""
    scale = np.max(np.abs(values), axis=-1, keepdims=True)[..., None] if values.shape[-1] else 0.0
    return np.abs(values[..., None, :] - values[..., :, None]) <= 8.0 * size * eps * scale


def recorded_again() -> bool:
    """Whether what runs now is recorded to run at other values too: a decision on these values is not one on all."""
    frame = tracing.get()
    return frame is not None and frame.full is not None


def equal_pairs(values: Any, size: int) -> Any:
    """``near_pairs`` of a value that may be traced, as plain truth values; a recording asks for the same pattern."""
    plain = raw(values)
    near = near_pairs(plain, size, eps_of(plain))
    if values is not plain and recorded_again():
        bool((near_pairs(values, size, eps_of(plain)) == near).all())  # a guard, for each row of a vmap its own
    return near


def real_row(v: Any, row: int) -> Any:
    """The row when LAPACK made it real (that fixes the phases of the columns), else None."""
    plain = raw(v)
    return row if plain.shape[-1] and not np.any(plain[..., row, :].imag) else None


def phase(v: Any, dv: Any, row: int) -> Any:
    """``i theta`` per column, such that a row that is real stays real under ``dv + i theta v``."""
    across = real(v[..., row, :])
    theta = -imaginary(dv[..., row, :]) * reciprocal(across, raw(across) == 0)
    return (1j * theta)[..., None, :]


def check_pairs(name: str, parts: Any, near: Any, tolerance: float, node: Any, *, with_values: bool) -> None:
    """Raise when a result depends on what equal values leave open.

    ``parts``: the matrices C = U^H ct_U of the factors that turn together. Turning two columns of
    equal value must not matter (the skew part of the sum of the C's); and where the values were
    used too, a function of both cannot be told from its cotangents (the Hermitian parts). The values
    count as used where the vectors come from their own derivative.
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
            f"{name}: vectors that belong to equal values were used; they have no derivative "
            "there, nor can that of a function of values and "
            "vectors (or a second derivative of the values) be found from them",
            "use what depends on the values alone "
            f"(np.linalg.{'eigvalsh' if name == 'eigh' else 'svdvals'}) and take first derivatives, "
            "a function of the matrix itself (solve, slogdet, matrix_power), or keep the values apart",
            node,
        )


def check_basis(name: str, part: Any, tolerance: float, node: Any) -> None:
    """Raise where a tangent depends on the basis that was chosen: ``part`` would have to be zero."""
    if np.any(np.abs(part) > tolerance):
        refuse(
            f"{name}: a result depends on vectors that are any basis of a subspace (or have any "
            "phase); they have no derivative",
            "use the columns that belong to nonzero values (full_matrices=False, mode='reduced')",
            node,
        )


def saved_outputs(node: Any) -> Any:
    """The results of a decomposition among its residuals: the only one that is a tuple."""
    return next(part for part in node.saved if type(part) is tuple)


def guarded(record: Any, check: Callable[[Any, Any], None]) -> Any:
    """Let ``check(node, cotangents)`` look, and raise, before an operation is swept."""
    pull = record.op.pull

    def checked(node: Any, ct: Any, sweep: Any) -> None:
        check(node, ct)
        pull(node, ct, sweep)

    record.op.pull = checked
    return record


def least(shape: tuple[Any, ...]) -> Any:
    """The smaller side of a stack of matrices: how many singular values each has."""
    return min(shape[-2:])


def completed(q: Any, dq: Any, n: int) -> Any:
    """The tangent of an orthonormal basis from that of its first n columns: the others turn as
    little as they can."""
    others = q[..., n:]
    return concatenate([dq, -(q[..., :n] @ (adjoint(dq) @ others))], rank(dq) - 1)
