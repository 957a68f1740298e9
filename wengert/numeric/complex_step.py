"""The complex step, f'(x) = Im f(x + ih) / h + O(h^2), and the proof that it may be used.

Imports NumPy only. Invariant: no value is returned before a real difference along a line through
all components has confirmed it: a function that loses part of the imaginary part is an error.

Sources: Lyness and Moler, SIAM J. Numer. Anal. 4 (1967); Squire and Trapp, SIAM Review 40 (1998).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wengert.numeric.differences import slope
from wengert.numeric.errors import ComplexStepError, NonFiniteError, innermost_line
from wengert.numeric.limits import Limit
from wengert.numeric.lines import ComponentLine, Line, TangentLine
from wengert.numeric.noise import Noise, mixing_tangent
from wengert.numeric.point import Array, Point
from wengert.numeric.probe import Probe
from wengert.numeric.steps import relative_step

_CAUSES = (
    "abs, np.linalg.norm, .real, np.conj, math.*, comparisons and writes into real arrays do this; "
    "use method='richardson', or write abs(x) as np.sqrt(x * x)"
)


def imaginary_part(probe: Probe, arguments: tuple[Any, ...], where: str) -> Array:
    """Im f at complex arguments. Raises ComplexStepError where f does not take complex numbers."""
    try:
        probe.evaluations += 1
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.filterwarnings("error", category=np.exceptions.ComplexWarning)
            output = np.asarray(probe.fun(*arguments))
    except (TypeError, ValueError, ArithmeticError, np.exceptions.ComplexWarning) as error:
        line = innermost_line(error.__traceback__)
        raise ComplexStepError(
            f"complex step: fun takes real but not complex arguments: {type(error).__name__}: "
            f"{error}" + (f" ({line})" if line else "") + f"; {_CAUSES}"
        ) from error
    if output.dtype.kind not in "fciu" or output.shape != probe.shape:
        raise ComplexStepError(
            f"complex step: fun returned shape {output.shape}, dtype {output.dtype} for a complex "
            f"argument, and shape {probe.shape}, dtype {probe.dtype} for the real one; {_CAUSES}"
        )
    finite = np.isfinite(output)
    if not finite.all():
        index = tuple(map(int, np.argwhere(~finite)[0]))
        raise NonFiniteError(
            f"fun is not finite: output component {index} is {output[index]} at {where}",
            where=where,
            output_index=index,
            got=output[index],
        )
    return np.array(output.imag, dtype=np.result_type(output.real.dtype, np.float64))


def complex_slope(probe: Probe, line: Line, epsilon: float, step: float | None = None) -> Limit:
    """Im f(x + ih) / h along a line; its error from a second step, 3h, at the next number to x.

    With another power of two and the same x every rounding would be the same, and stay hidden.
    """
    if probe.dtype.kind == "c":
        raise ComplexStepError(
            f"complex step: fun returns {probe.dtype} for real arguments, so its imaginary part is "
            "not free to carry the derivative; use method='richardson'"
        )
    if step is None:
        step = relative_step("complex", epsilon) * line.sizes("complex")[0]
    near = imaginary_part(probe, line.at(1j * step), line.words(1j * step)) / step
    shifted = complex(line.grain(), 3.0 * step)
    far = imaginary_part(probe, line.at(shifted), line.words(shifted)) / (3.0 * step)
    return Limit(near, 2.0 * abs(far - near) + 4.0 * epsilon * abs(near), step)


def check_gradient(
    probe: Probe, point: Point, limits: list[Limit], epsilon: float, noise: Noise
) -> list[Limit]:
    """Compare the columns of a Jacobian with one real difference along a line through them all.

    Where that difference is too rough to tell, each column is compared on its own.
    """
    tangent = mixing_tangent(point, own_scale=False)
    weights = tangent.ravel().tolist()
    pairs = list(zip(limits, weights, strict=True))
    total = Limit(
        np.sum([limit.value * weight for limit, weight in pairs], axis=0),
        np.sum([limit.error * weight for limit, weight in pairs], axis=0),
        0.0,
    )
    size = np.sum([abs(limit.value) * weight for limit, weight in pairs], axis=0)
    real = _slope_or_none(probe, TangentLine((point,), (tangent,)), epsilon, noise)
    if real is not None and _confirmed(probe, total, size, real, epsilon, point.name):
        return limits
    return [
        check_slope(probe, ComponentLine(point, index), limit, epsilon, noise)
        for index, limit in zip(np.ndindex(point.array.shape), limits, strict=True)
    ]


def check_slope(probe: Probe, line: Line, limit: Limit, epsilon: float, noise: Noise) -> Limit:
    """Compare one complex step with the real difference along the same line.

    A disagreement too small to be a lost part, but more than both errors, becomes the error.
    """
    real = _slope_or_none(probe, line, epsilon, noise)
    if real is None:
        raise ComplexStepError(
            "complex step: the value cannot be confirmed, since fun is not finite on both sides of "
            f"{line.words(0.0)}; use method='forward' or 'backward'"
        )
    if _confirmed(probe, limit, abs(limit.value), real, epsilon, line.words(0.0)):
        return limit
    apart = abs(limit.value - real.value)
    error = np.where(apart > real.error + limit.error, apart, limit.error)
    return Limit(limit.value, error, limit.step)


def _slope_or_none(probe: Probe, line: Line, epsilon: float, noise: Noise) -> Limit | None:
    try:
        return slope(probe, line, "richardson", epsilon, noise)
    except NonFiniteError:
        return None


def _confirmed(
    probe: Probe, found: Limit, size: Array, real: Limit, epsilon: float, where: str
) -> bool:
    """Whether two measurements agree and the real one is sharp; an error if they contradict."""
    apart = abs(found.value - real.value)
    scale = np.maximum(size, abs(probe.value))
    wrong = apart > 10.0 * (real.error + found.error) + epsilon**0.5 * scale
    if wrong.any():
        index = tuple(map(int, np.argwhere(wrong)[0]))
        raise ComplexStepError(
            f"complex step: fun loses the imaginary part on its way: at {where}, output component "
            f"{index}, the complex step gives {found.value[index]:.9g} but real differences "
            f"{real.value[index]:.9g} +- {real.error[index]:.1g}; {_CAUSES}"
        )
    agrees = apart <= 10.0 * (real.error + found.error)
    return bool((agrees & (real.error <= 1e-3 * scale)).all())
