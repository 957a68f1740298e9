"""numpy.fft by name: every transform as NumPy builds it from those along one axis, and the shifts.

Imports core, ops, ``table``. Invariant: several axes are transformed one after the other in NumPy's
order, so that values agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.numpy_api.functions.contract import operand, rank, stored
from wengert.numpy_api.table import implements
from wengert.ops import fft
from wengert.ops.contract import conj
from wengert.ops.join import concatenate


def _size(a: Any, n: Any, axis: Any) -> tuple[int, int]:
    """The length and the axis, counted from the end; raises as NumPy does."""
    ndim = rank(a)
    if not -ndim <= axis < ndim:
        raise np.exceptions.AxisError(axis, ndim)
    axis = axis % ndim - ndim
    n = a.shape[axis] if n is None else int(n)
    return n, axis


def _checked(n: int, norm: Any) -> None:
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    if norm not in fft.SWAPPED:
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')


def _along(record: Callable[..., Any]) -> Callable[..., Any]:
    def transform(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        a = operand(a)
        n, axis = _size(a, n, axis)
        _checked(n, norm)
        return stored(record(a, n, axis, norm), out)

    return transform


forward = implements(np.fft.fft)(_along(fft.fft))
backward = implements(np.fft.ifft)(_along(fft.ifft))
real_forward = implements(np.fft.rfft)(_along(fft.rfft))


@implements(np.fft.irfft)
def real_backward(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    a = operand(a)
    have, axis = _size(a, None, axis)
    n = 2 * (have - 1) if n is None else int(n)
    _checked(n, norm)
    return stored(fft.irfft(a, n, axis, norm), out)


@implements(np.fft.hfft)
def hermitian_forward(
    a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None
) -> Any:
    a = operand(a)
    if n is None:
        n = 2 * (_size(a, None, axis)[0] - 1)
    return real_backward(np.conjugate(a), n, axis, fft.SWAPPED[norm], out)


@implements(np.fft.ihfft)
def hermitian_backward(
    a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None
) -> Any:
    return stored(conj(real_forward(a, n, axis, fft.SWAPPED[norm])), out)


# ---------------------------------------------------------------- several axes


def _axes(
    a: Any, s: Any, axes: Any, *, inverse_real: bool = False
) -> tuple[list[int | None], list[int]]:
    """Sizes and axes as NumPy completes them (a size of -1 means the axis's own)."""
    if axes is None:
        axes = list(range(-len(s), 0)) if s is not None else list(range(-rank(a), 0))
    axes = [int(k) for k in axes]
    sizes: list[int | None]
    if s is None:
        sizes = [a.shape[k] for k in axes]
        if inverse_real and axes:
            sizes[-1] = (a.shape[axes[-1]] - 1) * 2
    else:
        sizes = [a.shape[axis] if n == -1 else n for n, axis in zip(s, axes, strict=True)]
    return sizes, axes


def _many(record: Callable[..., Any]) -> Callable[..., Any]:
    def transform(
        a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
    ) -> Any:
        a = operand(a)
        sizes, chosen = _axes(a, s, axes)
        for n, axis in reversed(list(zip(sizes, chosen, strict=True))):
            a = record(a, n, axis, norm)
        return stored(a, out)

    return transform


def _in_plane(transform: Callable[..., Any]) -> Callable[..., Any]:
    def two(
        a: Any, s: Any = None, axes: Sequence[int] = (-2, -1), norm: Any = None, out: Any = None
    ) -> Any:
        return transform(a, s, axes, norm, out)

    return two


forward_many = implements(np.fft.fftn)(_many(forward))
backward_many = implements(np.fft.ifftn)(_many(backward))
implements(np.fft.fft2)(_in_plane(forward_many))
implements(np.fft.ifft2)(_in_plane(backward_many))


@implements(np.fft.rfftn)
def real_forward_many(
    a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
) -> Any:
    a = operand(a)
    sizes, chosen = _axes(a, s, axes)
    a = real_forward(a, sizes[-1], chosen[-1], norm)
    for n, axis in reversed(list(zip(sizes[:-1], chosen[:-1], strict=True))):
        a = forward(a, n, axis, norm)
    return stored(a, out)


@implements(np.fft.irfftn)
def real_backward_many(
    a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None
) -> Any:
    a = operand(a)
    sizes, chosen = _axes(a, s, axes, inverse_real=True)
    for n, axis in zip(sizes[:-1], chosen[:-1], strict=True):
        a = backward(a, n, axis, norm)
    return real_backward(a, sizes[-1], chosen[-1], norm, out)


implements(np.fft.rfft2)(_in_plane(real_forward_many))
implements(np.fft.irfft2)(_in_plane(real_backward_many))

# ---------------------------------------------------------------- shifts


def _rolled(x: Any, axes: Any, shift: Callable[[int], int]) -> Any:
    x = operand(x)
    ndim = rank(x)
    chosen = (
        range(ndim) if axes is None else [axes] if isinstance(axes, (int, np.integer)) else axes
    )
    for axis in chosen:
        if not -ndim <= axis < ndim:
            raise np.exceptions.AxisError(int(axis), ndim)
        axis = int(axis) % ndim
        n = x.shape[axis]
        k = shift(n) % n if n else 0
        if k:
            lead = (slice(None),) * axis
            x = concatenate([x[(*lead, slice(n - k, None))], x[(*lead, slice(n - k))]], axis)
    return x


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    return _rolled(x, axes, lambda n: n // 2)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    return _rolled(x, axes, lambda n: -(n // 2))
