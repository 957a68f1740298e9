"""More vocabulary of random programs: order, searches, linear systems and determinants.

Imports the drawing of operands and NumPy. Invariant: matrices are made such that right answers are near each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.backends.llvm.fuzz_programs import WORDS, axis_of, flag, float_array, full, of_one, of_two

# ---------------------------------------------------------------- order


def level(rng: np.random.Generator, x: Any) -> Any:
    """A share of a row, or some."""
    return round(float(rng.random()), 3) if rng.random() < 0.6 else rng.random(int(rng.integers(1, 4))).round(2)


def _whole(x: Any) -> bool:
    return full(x) and np.asarray(x).dtype.kind != "c" and bool(np.all(np.abs(np.asarray(x, float)) < 1e9))


WORDS["stable_order"] = (lambda x, axis: np.argsort(x, axis=axis, kind="stable"), of_one(full, axis_of))
WORDS["order"] = (lambda x, axis: np.argsort(x, axis=axis), of_one(float_array, axis_of))
WORDS["ranks"] = (
    lambda x, axis: np.argsort(np.argsort(x, axis=axis, kind="stable"), axis=axis), of_one(float_array, axis_of)
)  # fmt: skip
WORDS["sorted_whole_numbers"] = (
    lambda x, axis, small: np.sort((x * 7).astype(np.int32 if small else np.int64), axis=axis) * 0.5,
    of_one(_whole, axis_of, flag),
)
WORDS["median"] = (lambda x, axis: np.median(x, axis=axis), of_one(float_array, axis_of))
WORDS["quantile"] = (lambda x, q, axis: np.quantile(x, q, axis=axis), of_one(float_array, level, axis_of))
WORDS["largest_first"] = (
    lambda x, n: -np.sort(-x, axis=-1)[..., :n],
    of_one(float_array, lambda r, x: 1 + int(r.integers(4))),
)
WORDS["by_another"] = (
    lambda x, y: np.take_along_axis(x, np.argsort(y, axis=-1, kind="stable"), axis=-1),
    of_two(lambda x: full(x), lambda x, y: np.shape(x) == np.shape(y)),
)  # fmt: skip
WORDS["rounded_ties"] = (
    lambda x, axis: np.sort(np.round(x * 2.0) / 2.0 + 0.0 * x, axis=axis),
    of_one(float_array, axis_of),
)
WORDS["found_among"] = (
    lambda x, y, right: np.searchsorted(np.sort(x, axis=None), y, side="right" if right else "left"),
    of_two(full, lambda x, y: True, lambda r, x, y: flag(r)),
)

# ---------------------------------------------------------------- linear algebra


def regular(x: Any) -> Any:
    """Square matrices far from singular, of the last axis of an array."""
    n = x.shape[-1]
    outer = np.tanh(x)[..., :, None] * np.cos(x)[..., None, :]
    return outer * 0.5 + np.eye(n, dtype=x.dtype) * 2.0 + np.tri(n, dtype=x.dtype) * 0.25


def definite(x: Any) -> Any:
    """Symmetric positive definite ones."""
    a = np.tanh(x)
    return a[..., :, None] * a[..., None, :] + np.eye(x.shape[-1], dtype=x.dtype) * 1.5


def _rows(x: Any) -> bool:
    return float_array(x) and np.shape(x)[-1] <= 9 and np.size(x) <= 2000


WORDS["inverses"] = (lambda x: np.linalg.inv(regular(x)), of_one(_rows))
WORDS["determinants"] = (lambda x: np.linalg.det(regular(x)), of_one(_rows))
WORDS["log_determinants"] = (lambda x: np.linalg.slogdet(regular(x))[1], of_one(_rows))
WORDS["signs"] = (lambda x: np.linalg.slogdet(-regular(x))[0] * x[..., 0], of_one(_rows))
WORDS["cholesky"] = (lambda x, upper: np.linalg.cholesky(definite(x), upper=upper), of_one(_rows, flag))
WORDS["solutions"] = (
    lambda x, y: np.linalg.solve(regular(x), y[..., None])[..., 0],
    of_two(
        _rows,
        lambda x, y: np.shape(x)[-1] == np.shape(y)[-1] and np.ndim(x) == np.ndim(y) and np.shape(x) == np.shape(y),
    ),
)
WORDS["solutions_of_one"] = (
    lambda x, y: np.linalg.solve(regular(x.reshape(-1, x.shape[-1])[0]).T, y.T),
    of_two(_rows, lambda x, y: np.ndim(y) == 2 and np.shape(x)[-1] == np.shape(y)[-1]),
)

WORDS["triangular"] = (lambda x: np.linalg.qr(regular(x))[1], of_one(_rows))
WORDS["bases"] = (lambda x: np.linalg.qr(regular(x))[0], of_one(_rows))
WORDS["eigenvalues"] = (
    lambda x: np.linalg.eigvalsh(definite(x) + np.diag(np.arange(x.shape[-1])).astype(x.dtype)),
    of_one(_rows),
)
WORDS["singular_values"] = (
    lambda x: np.linalg.svd(regular(x) + np.diag(np.arange(x.shape[-1])).astype(x.dtype), compute_uv=False),
    of_one(_rows),
)

__all__ = ["definite", "regular"]
