"""Fourier transforms along one axis: fft, ifft, rfft, irfft. All others are built of these, as
NumPy builds them.

A transform is F (n x n), after cutting or padding to n. Its transpose under Re<ct, t> is F^H: the
transform in the other direction
with the norm's factor moved ("backward" <-> "forward"). Half spectra count their inner terms twice.
Imports core and the makers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.contract import normal, rank
from wengert.ops.join import concatenate
from wengert.ops.kinds import linear
from wengert.ops.linalg.matrices import inexact, mask, raw, real_type

SWAPPED = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}
"""The norm under which the transform of the other direction is the adjoint."""


def resized(x: Any, n: int, axis: int) -> Any:
    """The first n elements along an axis (counted from the end), zeros added where there are
    fewer."""
    have = shape_of(raw(x))[axis]
    if have == n:
        return x
    if have > n:
        return x[(Ellipsis, slice(n), *(slice(None),) * (-axis - 1))]
    shape = list(shape_of(raw(x)))
    shape[axis] = n - have
    return concatenate([x, np.zeros(shape, raw(x).dtype)], rank(x) + axis)


def _weights(ct: Any, n: int, axis: int, inner: float) -> Any:
    """1 for the terms of a half spectrum that stand alone (0, and n/2 for even n), ``inner`` for
    those that stand for two."""
    w = np.full(n // 2 + 1, inner)
    w[0] = 1.0
    if n % 2 == 0:
        w[-1] = 1.0
    return mask(ct, w.reshape((-1, *(1,) * (-axis - 1))))


def _fft_transpose(ct: Any, x_shape: tuple[int, ...], n: int, axis: int, norm: Any) -> Any:
    return resized(ifft(ct, n, axis, SWAPPED[norm]), x_shape[axis], axis)


def _ifft_transpose(ct: Any, x_shape: tuple[int, ...], n: int, axis: int, norm: Any) -> Any:
    return resized(fft(ct, n, axis, SWAPPED[norm]), x_shape[axis], axis)


def _rfft_transpose(ct: Any, x_shape: tuple[int, ...], n: int, axis: int, norm: Any) -> Any:
    # Re sum_k conj(F[k, j]) ct[k] over half the k: irfft counts the inner ones twice, hence the
    # halves.
    return resized(
        irfft(ct * _weights(ct, n, axis, 0.5), n, axis, SWAPPED[norm]), x_shape[axis], axis
    )


def _irfft_transpose(ct: Any, x_shape: tuple[int, ...], n: int, axis: int, norm: Any) -> Any:
    out = rfft(ct, n, axis, SWAPPED[norm])
    return resized(out * _weights(ct, n, axis, 2.0), x_shape[axis], axis)


def _type(size: Callable[[int], int], kind: str) -> Callable[..., ArrayType]:
    def infer(types: Any, params: Any) -> ArrayType:
        n, axis, _ = params
        shape = list(types[0].shape)
        shape[axis] = size(n)
        dtype = inexact(types[0].dtype)
        return ArrayType(
            tuple(shape), np.result_type(dtype, np.complex64) if kind == "c" else real_type(dtype)
        )

    return infer


def _samples(dtypes: tuple[Any, ...]) -> Callable[[Any], Iterable[Any]]:
    def samples(rng: Any) -> Iterable[Any]:
        for dtype in dtypes:
            for n, axis, norm in (
                (4, -1, None),
                (5, -1, "ortho"),
                (3, -1, "forward"),
                (6, -2, None),
            ):
                yield (normal(rng, 3, 4, dtype=dtype),), (n, axis, norm)
            yield (normal(rng, 5, dtype=dtype),), (5, -1, None)

    return samples


def _transform(
    name: str, evaluate: Any, transpose: Any, infer: Any, dtypes: tuple[Any, ...], doc: str
) -> Any:
    record = linear(
        name,
        lambda x, n, axis, norm: evaluate(x, n, axis, norm),
        [transpose],
        params={"n": 1, "axis": -1, "norm": None},
        infer=infer,
        doc=doc,
        samples=_samples(dtypes),
    )
    # The axis is counted from the end, so that a batch axis in front changes nothing.
    record.op.batch = lambda values, batched, params: record(values[0], *params)
    return record


def _whole(n: int) -> int:
    return n


def _half(n: int) -> int:
    return n // 2 + 1


fft = _transform(
    "fft",
    np.fft.fft,
    _fft_transpose,
    _type(_whole, "c"),
    (float, complex, np.complex64),
    "The discrete Fourier transform: `y_k = sum_j x_j exp(-2 pi i j k / n)`.",
)
ifft = _transform(
    "ifft",
    np.fft.ifft,
    _ifft_transpose,
    _type(_whole, "c"),
    (float, complex, np.complex64),
    "The inverse of the discrete Fourier transform.",
)
rfft = _transform(
    "rfft",
    np.fft.rfft,
    _rfft_transpose,
    _type(_half, "c"),
    (float, np.float32),
    "Half the discrete Fourier transform of real numbers.",
)
_irfft = _transform(
    "irfft",
    np.fft.irfft,
    _irfft_transpose,
    _type(_whole, "r"),
    (complex, np.complex64),
    "Real numbers from half their discrete Fourier transform.",
)


def irfft(x: Any, n: int, axis: int = -1, norm: Any = None) -> Any:
    """``np.fft.irfft``; a real spectrum is made complex first, as its cotangent is."""
    dtype = dtype_of(raw(x))
    return _irfft(
        x if dtype.kind == "c" else x.astype(np.result_type(inexact(dtype), np.complex64)),
        n,
        axis,
        norm,
    )
