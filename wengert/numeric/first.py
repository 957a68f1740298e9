"""First derivatives: of a number, a gradient, a Jacobian, and along a tangent.

Imports NumPy only. Invariant: all four are the derivative along lines, one line per component or
one tangent; shapes are out.shape + in.shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.numeric.complex_step import check_gradient, check_slope, complex_slope
from wengert.numeric.differences import slope
from wengert.numeric.estimate import Estimate
from wengert.numeric.limits import Limit
from wengert.numeric.lines import ComponentLine, TangentLine
from wengert.numeric.noise import Noise
from wengert.numeric.point import Array, Point, as_point
from wengert.numeric.probe import Probe
from wengert.numeric.steps import check_method, epsilon_of, given_steps


def derivative(
    fun: Callable[[Any], Any], x: Any, *, method: str = "richardson", step: float | None = None
) -> Estimate:
    """Derivative of a function of one number.

    fun: x -> number or array. x: a float, or a 0-d array; fun gets the kind of object given here.
    method: "forward", "backward" (error O(h)), "central" (O(h^2)), "richardson" (central at
    halved steps, extrapolated), "complex" (Im f(x + ih)/h; fun must take complex numbers).
    step: h; of a Richardson table the first one. By default chosen from |x| and the precision.

    Returns an `Estimate`; value and error have the shape of fun(x).
    Raises TypeError for integers or arrays, NonFiniteError where fun is NaN or infinite,
    ComplexStepError where the complex step would be wrong.

    >>> import math
    >>> found = derivative(math.sin, 1.0)
    >>> bool(abs(found.value - math.cos(1.0)) <= found.error < 1e-12)
    True
    """
    point = as_point(x, "x")
    if point.array.shape != ():
        raise ValueError(
            f"derivative is for one number, got shape {point.array.shape}; use gradient or jacobian"
        )
    return _by_components(fun, point, method, step, None)


def gradient(
    fun: Callable[[Any], Any], x: Any, *, method: str = "richardson", step: Any = None
) -> Estimate:
    """Gradient of a function that returns one number; value has the shape of x.

    step: one float or one per component. Otherwise as `derivative`; raises ValueError when fun
    returns an array.

    >>> import numpy as np
    >>> found = gradient(lambda x: np.sum(x ** 3), np.array([1.0, 2.0]))
    >>> print(np.round(found.value, 9))
    [ 3. 12.]
    """

    def scalar(shape: tuple[int, ...]) -> None:
        if shape != ():
            raise ValueError(
                f"gradient needs a function that returns one number, got shape {shape}; "
                "sum the output, or use jacobian"
            )

    return _by_components(fun, as_point(x, "x"), method, step, scalar)


def jacobian(
    fun: Callable[[Any], Any], x: Any, *, method: str = "richardson", step: Any = None
) -> Estimate:
    """Jacobian of a function of an array; value has shape fun(x).shape + x.shape.

    step: one float or one per component. Otherwise as `derivative`.

    >>> import numpy as np
    >>> found = jacobian(lambda x: np.array([x[0] * x[1], x[0] ** 2]), np.array([2.0, 3.0]))
    >>> print(np.round(found.value, 9))
    [[3. 2.]
     [4. 0.]]
    """
    return _by_components(fun, as_point(x, "x"), method, step, None)


def directional(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    method: str = "richardson",
    step: float | None = None,
) -> Estimate:
    """Derivative of fun(*primals) along tangents: d/dt fun(*(x + t v)) at t = 0.

    primals, tangents: tuples of floats or arrays, pairwise of one shape. Complex primals are
    allowed except by the complex step; t is real, so tangent v and 1j * v are two directions.
    step: the step in t.

    Returns an `Estimate` whose value has the shape of the output, with one step.
    Raises TypeError or ValueError for a mismatch, otherwise as `derivative`.

    >>> import numpy as np
    >>> found = directional(np.dot, (np.array([1.0, 2.0]), np.array([3.0, 4.0])),
    ...                     (np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    >>> print(round(float(found.value), 9))
    5.0
    """
    check_method(method)
    points, directions = _tangents(primals, tangents)
    if step is not None and not (np.ndim(step) == 0 and np.isfinite(step) and step > 0):
        raise ValueError(f"step must be one positive finite number, got {step!r}")
    probe = Probe(fun, tuple(point.rebuild(point.array.copy()) for point in points))
    epsilon = epsilon_of(probe.dtype, *(point.array.dtype for point in points))
    if not any(tangent.any() for tangent in directions):
        zero = np.zeros(probe.shape, probe.value.dtype)
        return Estimate(zero[()], abs(zero)[()], 0.0, method, probe.evaluations)
    line = TangentLine(points, directions)
    noise = Noise(probe, points, epsilon)
    if method == "complex":
        if any(point.array.dtype.kind == "c" for point in points):
            raise TypeError("the complex step needs real primals; use method='richardson'")
        limit = check_slope(probe, line, complex_slope(probe, line, epsilon, step), epsilon, noise)
    else:
        limit = slope(probe, line, method, epsilon, noise, step)
    dtype = np.result_type(probe.dtype, *(point.array.dtype for point in points))
    return _estimate(probe, limit.value, limit.error, limit.step, dtype, method)


def _by_components(
    fun: Callable[[Any], Any],
    point: Point,
    method: str,
    step: Any,
    accept: Callable[[tuple[int, ...]], None] | None,
) -> Estimate:
    check_method(method)
    steps = given_steps(step, point)
    shape = point.array.shape
    probe = Probe(fun, (point.rebuild(point.array.copy()),))
    if accept is not None:
        accept(probe.shape)
    epsilon = epsilon_of(point.array.dtype, probe.dtype)
    noise = Noise(probe, (point,), epsilon)
    limits: list[Limit] = []
    for index in np.ndindex(shape):
        line = ComponentLine(point, index)
        given = None if steps is None else float(steps[index])
        if method == "complex":
            limits.append(complex_slope(probe, line, epsilon, given))
        else:
            limits.append(slope(probe, line, method, epsilon, noise, given))
    if method == "complex" and limits:
        limits = check_gradient(probe, point, limits, epsilon, noise)
    value = _columns([limit.value for limit in limits], probe.shape + shape, probe.value.dtype)
    error = _columns([limit.error for limit in limits], probe.shape + shape, np.dtype(float))
    taken = np.array([limit.step for limit in limits], dtype=float).reshape(shape)
    dtype = np.result_type(probe.dtype, point.array.dtype)
    return _estimate(probe, value, error, taken[()], dtype, method)


def _columns(columns: list[Array], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    if not columns:
        return np.zeros(shape, dtype)
    return np.stack(columns, axis=-1).reshape(shape)


def _estimate(
    probe: Probe, value: Array, error: Array, step: Any, dtype: np.dtype[Any], method: str
) -> Estimate:
    """In the user's precision; rounding to it is half a unit, which the noise has counted."""
    if dtype.kind != "c" and value.dtype.kind == "c":
        dtype = value.dtype
    real = np.zeros(0, dtype).real.dtype
    return Estimate(
        value.astype(dtype)[()], error.astype(real)[()], step, method, probe.evaluations
    )


def _tangents(
    primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[tuple[Point, ...], tuple[Array, ...]]:
    for name, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            raise TypeError(
                f"{name} must be a tuple with one entry per argument of fun, "
                f"got {type(given).__name__}; for one argument write ({name[:-1]},)"
            )
    if len(primals) != len(tangents) or not primals:
        raise ValueError(
            f"one tangent per primal is needed, got {len(primals)} primals "
            f"and {len(tangents)} tangents"
        )
    points = tuple(
        as_point(primal, f"primals[{number}]", allow_complex=True)
        for number, primal in enumerate(primals)
    )
    directions = []
    for number, (point, tangent) in enumerate(zip(points, tangents, strict=True)):
        array = np.asarray(tangent)
        if array.shape != point.array.shape:
            raise ValueError(
                f"tangents[{number}] has shape {array.shape}, its primal {point.array.shape}"
            )
        if array.dtype.kind not in "fciu" or (
            array.dtype.kind == "c" and point.array.dtype.kind != "c"
        ):
            raise TypeError(
                f"tangents[{number}] has dtype {array.dtype}, its primal {point.array.dtype}; "
                "a tangent must be a number of the kind of its primal"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"tangents[{number}] is not finite")
        directions.append(array.astype(np.result_type(point.array.dtype, np.float64)))
    return points, tuple(directions)
