"""Complex numbers: conjugate, angle, sign, polar form, and casts between real and complex and
between precisions.

Imports core and the makers. Invariant: the pairing is Re<ct, t>; a real function of complex numbers
moves by Re(p t), p its partial.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

from wengert.core.types import ArrayType, broadcast_shapes
from wengert.ops.compare import sign as real_sign
from wengert.ops.contract import conj
from wengert.ops.kinds import constant, elementwise, linear
from wengert.ops.kinks import some
from wengert.ops.piecewise import absolute, is_complex

conjugate = linear(
    "conjugate",
    np.conjugate,
    [lambda ct: conj(ct)],
    shape=lambda x_shape: x_shape,
    doc="The complex conjugate.",
    latex="\\overline{{{x}}}",
)


def _cast(x: Any, dtype: Any) -> Any:
    if (dtype is float or dtype is complex) and not (type(x) is np.ndarray and x.ndim):
        return dtype(x)  # a number of Python's, without a say in the type of results
    return x.astype(dtype) if hasattr(x, "astype") else np.dtype(dtype).type(x)


astype = linear(
    "astype",
    _cast,
    [lambda ct: ct],
    params={"dtype": float},
    infer=lambda types, params: ArrayType(types[0].shape, np.dtype(params[0])),
    doc="The same numbers in another floating dtype; a scalar as `float` or `complex` is a number of Python's.",
)


def _real_type(types: Any, params: Any) -> ArrayType:
    dtype = types[0].dtype
    return ArrayType(types[0].shape, np.empty(0, dtype).real.dtype)


def _turn(x: Any) -> Any:
    # d arg(z) = Im(dz / z) = Re(-i dz / z); 0 at the origin, where there is no angle.
    zero = np.equal(x, 0)
    if some(zero):
        return np.where(zero, 0.0, -1j / np.where(zero, 1.0, x))
    return -1j / x


def _angle(x: Any) -> Any:
    return np.arctan2(x.imag, x.real)


angle = elementwise(
    "angle",
    _angle,
    [_turn],
    infer=_real_type,
    kink=lambda v, p, y: np.logical_and(v[0].imag == 0, v[0].real <= 0),
    samples=lambda rng: (((rng.normal(size=3) + 1j * rng.normal(size=3),), ()),),
    latex="\\arg {x}",
    doc="The argument of a complex number; at 0 its partial is 0.",
)
angle_of_real = constant(
    "angle_of_real",
    np.angle,
    kink=lambda v, p, y: np.equal(v[0], 0),
    doc="The argument of a real number: 0 or pi.",
)


def sign(x: Any) -> Any:
    """``np.sign``: constant for real numbers, `x / |x|` for complex ones."""
    if not is_complex(x):
        return real_sign(x)
    zero = np.equal(x, 0)
    y = np.where(zero, 0.0, x / np.where(zero, 1.0, absolute(x)))
    return y if np.ndim(y) else y[()]  # a ufunc gives numbers of numbers


def _point(r: Any, phi: Any) -> Any:
    if type(r) is np.ndarray or type(phi) is np.ndarray:
        return r * np.exp(np.complex128(1j) * phi)  # double precision, as cmath has it
    return cmath.rect(r, phi)


point = elementwise(
    "point",
    _point,
    [lambda phi: np.exp(1j * phi), lambda y: y * 1j],
    inputs="r phi",
    infer=lambda types, p: ArrayType(
        broadcast_shapes(types[0].shape, types[1].shape), np.dtype(complex)
    ),
    latex="{r} e^{{i {phi}}}",
    doc="The complex number with polar coordinates r and phi.",
)
