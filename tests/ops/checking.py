"""One question to a function of one array: are its value and its derivatives right?

The value is compared bit for bit with the untraced run, first derivatives with Richardson's
differences of the function, second ones with Richardson's differences of the gradient; imports the
public API and `wengert.numeric`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert import numeric


def leaves(output: Any) -> list[Any]:
    """The arrays and numbers in what a function returned."""
    if isinstance(output, (list, tuple)):
        return [leaf for part in output for leaf in leaves(part)]
    return [output]


def weighted(output: Any) -> Any:
    """A smooth real function of all numbers of an output, with irregular weights."""
    total = 0.0
    for leaf in leaves(output):
        w = np.sin(np.arange(np.size(leaf)) + 1.0).reshape(np.shape(leaf)) + 0.3
        if np.iscomplexobj(leaf):
            total = total + np.sum(w * leaf.real * leaf.imag) + np.sum(leaf.real)
        else:
            total = total + np.sum(w * leaf) + 0.25 * np.sum(leaf * leaf)
    return total


def same(traced: Any, plain: Any) -> bool:
    """Equal structure, types of numbers, shapes and bits."""
    if isinstance(plain, (list, tuple)):
        return len(traced) == len(plain) and all(map(same, traced, plain))
    return (
        np.shape(traced) == np.shape(plain)
        and np.asarray(traced).dtype == np.asarray(plain).dtype
        and np.asarray(traced).tobytes() == np.asarray(plain).tobytes()
    )


def check(
    function: Callable[[Any], Any], x: Any, *, order: int = 2, tolerance: float = 1e-8
) -> None:
    """Assert that value, gradient, tangent and (order 2) both second derivatives are right at
    ``x``.
    """
    x = np.asarray(x)
    plain = function(x.copy(order="K"))
    traced, _ = wg.vjp(function, x.copy(order="K"))
    assert same(traced, plain), f"traced {traced!r}, untraced {plain!r}"

    def scalar(at: Any) -> Any:
        return weighted(function(at))

    single = x.astype(np.complex64 if x.dtype.kind == "c" else np.float32)
    assert same(wg.vjp(function, single)[0], function(single)), "in single precision"
    assert wg.grad(scalar)(single).dtype == single.dtype

    direction = np.cos(np.arange(x.size) * 1.7 + 0.4).reshape(x.shape)
    if x.dtype.kind == "c":
        direction = direction + 1j * np.sin(np.arange(x.size) * 0.9).reshape(x.shape)

    def laid_out(at: Any) -> Any:
        # Whether a reshape is a view depends on the layout: keep that of x.
        out = np.empty_like(x)
        out[...] = at
        return out

    def along(h: float) -> Any:
        return scalar(laid_out(x + h * direction))

    slope = float(numeric.derivative(along, 0.0).value)
    gradient = wg.grad(scalar)(x.copy(order="K"))
    scale = max(1.0, abs(slope))
    product = float(np.sum(np.real(np.conj(gradient) * direction)))
    assert abs(product - slope) <= tolerance * scale, (product, slope)
    _, tangent = wg.jvp(scalar, (x.copy(order="K"),), (direction,))
    assert abs(float(tangent) - slope) <= tolerance * scale, (tangent, slope)
    if x.dtype.kind != "c":
        wanted = numeric.gradient(lambda at: float(scalar(laid_out(at))), x)
        np.testing.assert_allclose(gradient, wanted.value, rtol=0, atol=tolerance * scale)
    if order < 2:
        return

    def moved(h: float) -> Any:
        return np.sum(np.real(np.conj(wg.grad(scalar)(laid_out(x + h * direction))) * direction))

    second = float(numeric.derivative(moved, 0.0).value)
    scale = max(scale, abs(second))
    _, bent = wg.jvp(wg.grad(scalar), (x.copy(order="K"),), (direction,))
    assert abs(float(np.sum(np.real(np.conj(bent) * direction))) - second) <= 10 * tolerance * scale
    if x.dtype.kind != "c":
        twice = wg.grad(lambda at: np.sum(wg.grad(scalar)(at) * direction))(x.copy(order="K"))
        assert abs(float(np.sum(twice * direction)) - second) <= 10 * tolerance * scale
