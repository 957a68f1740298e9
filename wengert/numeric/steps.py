"""How far to move: the step of each rule, scaled to the component and rounded to be exact.

Imports NumPy only. Invariant: a step h returned by `exact_step` is the distance really travelled:
(x + h) - x == h in floating point, so no rounding of the argument enters a difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.numeric.errors import StepError
from wengert.numeric.point import Array, Point

METHODS = ("forward", "backward", "central", "richardson", "complex")

# The first row of a Richardson table. Large, since the table walks down by itself; not a simple
# fraction, so that the steps do not fall on the period of a function such as sin(16 pi x).
FIRST_ROW = 0.10393


def check_method(method: str, allowed: tuple[str, ...] = METHODS) -> None:
    """Raise ValueError, listing the rules there are, for a name that is none of them."""
    if method not in allowed:
        raise ValueError(f"method {method!r} is unknown; choose one of {', '.join(allowed)}")


def epsilon_of(*dtypes: np.dtype[Any]) -> float:
    """Unit in the last place of 1.0 in the coarsest of the given types."""
    return max(float(np.finfo(dtype).eps) for dtype in dtypes)


def relative_step(method: str, epsilon: float, derivative_order: int = 1) -> float:
    """The step, for an argument and a function of size about one.

    A rule of order p for the m-th derivative errs by c h^p (truncation) + eps / h^m (rounding);
    the sum is least at h ~ eps^(1 / (p + m)) (Nocedal, Wright, Numerical Optimization, sec. 8.1).
    The complex step subtracts nothing, so any h with h^2 far below eps does (Squire, Trapp, 1998).
    """
    if method == "richardson":
        return FIRST_ROW
    if method == "complex":
        return epsilon**2
    order = 2 if method == "central" else 1
    return float(epsilon ** (1.0 / (order + derivative_order)))


def scales(x: float, method: str, tiny: float) -> tuple[float, ...]:
    """Sizes the step of a component may be relative to, the one to try first in front.

    Against max(|x|, 1) rounding is least; a component of size 1e-9 may live on its own scale, so
    |x| is the second choice, taken when the first one errs or leaves the domain. The complex step
    has no rounding to fear and takes |x| at once.
    """
    size = abs(x)
    if method == "complex":
        return (max(size, tiny**0.25) if size else 1.0,)
    return (1.0, size) if 0.0 < size < 0.125 else (max(size, 1.0),)


def exact_step(x: Any, step: float, where: str) -> float:
    """The step nearest to `step` by which `x` can really move; StepError if there is none.

    Measured away from zero, where the floating-point grid is coarser, so x - h is exact as well.
    """
    size = abs(x)
    moved = size + type(size)(step)
    taken = float(moved - size)
    if not taken > 0.0 or not np.isfinite(moved):
        raise StepError(f"step {step:.3g} does not move {where} in {np.asarray(x).dtype}")
    return taken


def given_steps(step: Any, point: Point) -> Array | None:
    """The user's steps, one per component; ValueError unless positive and of a fitting shape."""
    if step is None:
        return None
    try:
        steps = np.array(np.broadcast_to(np.asarray(step, dtype=float), point.array.shape))
    except ValueError as error:
        raise ValueError(
            f"step of shape {np.shape(step)} does not fit {point.name} "
            f"of shape {point.array.shape}; give one number or one per component"
        ) from error
    if not (np.isfinite(steps) & (steps > 0)).all():
        raise ValueError(f"step must be positive and finite, got {step!r}")
    return steps
