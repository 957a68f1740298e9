"""What the files of linear algebra share: adjoints, diagonals, masks, samples, and the check for
what has no derivative.

Imports core, the makers and ``contract``. Invariant: every helper that a tangent passes through is
linear, on raw values and on handles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from wengert.core.errors import WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops import reduce
from wengert.ops.contract import conj, normal, rank
from wengert.ops.memory import read, real_part
from wengert.ops.select import where


def raw(x: Any) -> Any:
    """The plain value."""
    return x.value if is_handle(x) else x


def eps_of(x: Any) -> float:
    """The rounding unit of a value's dtype."""
    return float(np.finfo(dtype_of(raw(x))).eps)


def real_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The real dtype of the same precision."""
    return np.empty(0, dtype).real.dtype


def is_complex(x: Any) -> bool:
    """Whether a raw value or handle is complex."""
    return dtype_of(raw(x)).kind == "c"


def flip(x: Any) -> Any:
    """The last two axes exchanged."""
    n = rank(x)
    return x.transpose((*range(n - 2), n - 1, n - 2))


def adjoint(x: Any) -> Any:
    """The conjugate transpose of the last two axes."""
    return conj(flip(x))


def symmetric_part(x: Any) -> Any:
    """``(x + x^H) / 2``."""
    return 0.5 * (x + adjoint(x))


def real(x: Any) -> Any:
    """The real part, linear over the reals."""
    if not is_handle(x):
        return real_part(x)
    return read(x, ("real", None)) if is_complex(x) else x


def imaginary(x: Any) -> Any:
    """The imaginary part of a complex value."""
    return read(x, ("imag", None)) if is_handle(x) else x.imag


def diagonal(x: Any) -> Any:
    """The diagonal of the last two axes."""
    return read(x, ("einsum_diagonal", None)) if is_handle(x) else np.einsum("...ii->...i", x)


def trace(x: Any) -> Any:
    """The sum of the diagonal of the last two axes."""
    return reduce.sum(diagonal(x), -1)


def eye_like(x: Any, n: int) -> Any:
    """An identity matrix in the real precision of ``x``."""
    return np.eye(n, dtype=real_type(dtype_of(raw(x))))


def as_diagonal(x: Any) -> Any:
    """Matrices with the last axis of ``x`` on their diagonals."""
    return x[..., None] * eye_like(x, shape_of(raw(x))[-1])


def mask(x: Any, array: Any) -> Any:
    """A constant array in the real precision of ``x``."""
    return np.asarray(array, dtype=real_type(dtype_of(raw(x))))


def reciprocal(x: Any, forbidden: Any) -> Any:
    """``1 / x``, and 0 where ``forbidden`` (a plain array of truth values) holds."""
    return where(forbidden, mask(x, 0.0), 1.0 / where(forbidden, mask(x, 1.0), x))


# ---------------------------------------------------------------- operations


def leading(record: Any) -> Any:
    """State that an operation takes a batch axis in front as it is: its evaluation acts on trailing
    axes."""
    record.op.batch = lambda values, batched, params: record(*values, *params)
    return record


def wrapped(record: Any, inner: Any) -> Any:
    """State that ``record``, which calls the recording function ``inner``, is the one that users and rules reach; it
    takes a batch axis in front as it is."""
    record.op = inner.op
    inner.op.record, inner.op.aware = record, True
    return leading(record)


def paired(record: Any) -> Any:
    """State how an operation on a matrix and a direction takes a batch: the axes in front of either are lined up."""

    def batch(values: Any, batched: Any, params: Any) -> Any:
        ranks = [rank(v) - b for v, b in zip(values, batched, strict=True)]
        lined = []
        for value, is_batched, own in zip(values, batched, ranks, strict=True):
            if is_batched and own < max(ranks):
                size, *rest = shape_of(raw(value))
                value = value.reshape((size, *(1,) * (max(ranks) - own), *rest))
            lined.append(value)
        return record(*lined, *params)

    record.op.batch = batch
    return record


def along_types(infer: Callable[..., Any]) -> Callable[..., Any]:
    """The type rule of an operation that has a direction as its second operand, from that without it."""

    def infer_both(types: Any, params: Any) -> Any:
        x, along = types
        lead = np.broadcast_shapes(x.shape[:-2], along.shape[:-2])
        return infer([ArrayType((*lead, *x.shape[-2:]), x.dtype)], params)

    return infer_both


def inexact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype LAPACK computes in for this input."""
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def outputs(*shapes_of: Callable[..., tuple[Any, ...]], kinds: str) -> Callable[..., Any]:
    """A type rule for one operand: a shape per output, and per output whether it is of the input's
    dtype ("x") or real ("r")."""

    def infer(types: Any, params: Any) -> Any:
        shape, dtype = types[0].shape, inexact(types[0].dtype)
        return tuple(
            ArrayType(of(shape, *params), real_type(dtype) if kind == "r" else dtype)
            for of, kind in zip(shapes_of, kinds, strict=True)
        )

    return infer


def real_output(shape_rule: Callable[..., tuple[Any, ...]]) -> Callable[..., ArrayType]:
    """A type rule for one operand and one real output."""
    return lambda types, params: ArrayType(shape_rule(types[0].shape, *params), real_type(inexact(types[0].dtype)))


def same(shape: tuple[Any, ...], *_: Any) -> tuple[Any, ...]:
    """The shape of the input."""
    return shape


def without_rows(shape: tuple[Any, ...], *_: Any) -> tuple[Any, ...]:
    """The shape of one number per column (or per eigenvalue)."""
    return shape[:-1]


def without_matrix(shape: tuple[Any, ...], *_: Any) -> tuple[Any, ...]:
    """The shape of one number per matrix."""
    return shape[:-2]


def refuse(what: str, fix: str, node: Any = None, kind: type[WengertValueError] = WengertValueError) -> Any:
    """Raise: at this point the derivative that was asked for does not exist."""
    raise error_at(kind, what, fix=fix, where=node.where if node is not None else None)


# ---------------------------------------------------------------- samples


def well(rng: Any, *shape: int, dtype: Any = float) -> Any:
    """Square matrices that are far from singular, nonsymmetric."""
    x = normal(rng, *shape, dtype=dtype)
    return (x + 3.0 * np.eye(shape[-1])).astype(dtype)


def definite(rng: Any, *shape: int, dtype: Any = float) -> Any:
    """Hermitian positive definite matrices with distinct eigenvalues."""
    x = normal(rng, *shape, dtype=dtype)
    return (x @ np.conj(np.swapaxes(x, -1, -2)) / shape[-1] + np.diag(1.0 + np.arange(shape[-1]))).astype(dtype)


def hermitian(rng: Any, *shape: int, dtype: Any = float) -> Any:
    """Hermitian matrices with distinct eigenvalues of both signs."""
    x = normal(rng, *shape, dtype=dtype)
    spread = np.diag(2.0 * np.arange(shape[-1]) - shape[-1] + 0.5)
    return (0.3 * (x + np.conj(np.swapaxes(x, -1, -2))) + spread).astype(dtype)


def tall(rng: Any, *shape: int, dtype: Any = float) -> Any:
    """Matrices of full rank with distinct singular values."""
    x = 0.3 * normal(rng, *shape, dtype=dtype)
    spread = np.zeros(shape[-2:])
    for k in range(min(shape[-2:])):
        spread[k, k] = 1.5 + k
    return (x + spread).astype(dtype)


def matrices(
    make: Callable[..., Any], *shapes: tuple[int, ...], params: tuple[tuple[Any, ...], ...] = ((),)
) -> Callable[[Any], Any]:
    """Samples of one matrix operand: all shapes and parameters in double, the first shape complex
    and single too."""

    def samples(rng: Any) -> Iterable[Any]:
        for given in params:
            for shape in shapes:
                yield (make(rng, *shape),), given
            for dtype in (complex, np.float32):
                yield (make(rng, *shapes[0], dtype=dtype),), given

    return samples
