"""What has no derivative in a factorisation, and how that is noticed: equal values, free bases,
free phases.

Imports core, ``linalg/matrices``. Invariant: nothing here changes a derivative that exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.errors import TieError
from wengert.core.types import shape_of
from wengert.ops.contract import rank
from wengert.ops.join import concatenate
from wengert.ops.linalg.matrices import (
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
    if not shape_of(raw(v))[-1]:
        return None
    return None if bool(np.any(imaginary(seen(v)[..., row, :]) != 0)) else row


def phase(v: Any, dv: Any, row: int) -> Any:
    """``i theta`` per column, such that a row that is real stays real under ``dv + i theta v``."""
    across = real(v[..., row, :])
    theta = -imaginary(dv[..., row, :]) * reciprocal(across, across == 0)
    return (1j * theta)[..., None, :]


def seen(value: Any) -> Any:
    """A value as a check may look at it: plain, unless what it finds has to hold wherever a recording runs again."""
    return value if recorded_again() else raw(value)


def check_pairs(name: str, parts: Any, near: Any, tolerance: Any, node: Any) -> None:
    """Raise when turning two columns of equal value matters: the skew part of the sum of ``parts``, the matrices
    C = U^H ct_U of the factors that turn together."""
    parts = [p for p in parts if p is not None]
    pairs = near & ~np.eye(near.shape[-1], dtype=bool)
    if not parts or not pairs.any():
        return
    total = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    if bool(np.any(np.abs(0.5 * (total - adjoint(total))) * pairs > tolerance)):
        refuse_pairs(name, node)


def check_position(name: str, cts: Any, bases: Any, tied: Any, tolerance: Any, node: Any) -> None:
    """Raise when vectors of equal values (the columns ``tied``) were used and have zeros, as the axes have: then the
    cotangents may vanish by the place of these vectors alone, such as that of v[0, 0] at its largest value 1."""
    if not tied.any() or not is_sparse(bases, tied):
        return
    if any(c is not None and bool(np.any(np.abs(c) * tied[..., None, :] > tolerance)) for c in cts):
        refuse_pairs(name, node)


def is_sparse(bases: Any, tied: Any) -> bool:
    """Whether columns of equal values have exact zeros, so that they are in no general position."""
    return any(bool(np.any((b == 0) & tied[..., None, :])) for b in bases)


def check_both(name: str, ct: Any, bases: Any, tied: Any, node: Any, *, inner: bool) -> None:
    """Raise when vectors of equal values (the columns ``tied``) were used together with the values: a function of both,
    such as V f(w) V^H, has between them slopes f'(w) that its cotangents do not show.

    Only a cotangent ``ct`` of the values that is exactly 0 there says that no such function is behind it: it has the
    slopes on its diagonal, and vectors in general position leave none of these out. ``inner``: the vectors serve the
    derivative of the values.
    """
    if not tied.any() or (ct is None and not inner):
        return
    if inner or is_sparse(bases, tied) or bool(np.any(np.abs(seen(ct)) * tied > 0)):
        refuse_pairs(name, node)


def refuse_pairs(name: str, node: Any) -> None:
    """Raise: equal values leave open what reverse mode would have to know."""
    refuse(
        f"{name}: vectors that belong to equal values were used; they have no derivative "
        "there, nor can that of a function of values and "
        "vectors (or a second derivative of the values) be found from them in reverse mode",
        "forward mode can: jvp or jacfwd for functions of the matrix such as V f(w) V^H, hessian or "
        "jvp(grad(f), ...) for second derivatives of functions of the values; or use a function of the matrix "
        "itself (solve, slogdet, matrix_power), or keep the values apart",
        node,
        TieError,
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
