"""One rule at many steps: what a picture of error against step size plots.

Imports NumPy only. Invariant: each value is the plain rule at its one step, without any choice of
step, extrapolation to a limit or fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.numeric.complex_step import imaginary_part
from wengert.numeric.differences import first_difference
from wengert.numeric.errors import ComplexStepError
from wengert.numeric.first import derivative
from wengert.numeric.lines import ComponentLine
from wengert.numeric.point import Array, as_point
from wengert.numeric.probe import Probe
from wengert.numeric.steps import check_method, epsilon_of


@dataclass(frozen=True, slots=True, eq=False)
class StepCurve:
    """Values of one rule at several steps, and their distance from `exact`.

    steps, values, errors: arrays of one length; the steps are those really travelled.

    >>> import math
    >>> curve = step_curve(math.exp, 0.0, "central", [0.1, 0.01], exact=1.0)
    >>> print(round(float(curve.errors[0] / curve.errors[1])))
    100
    """

    method: str
    exact: float
    steps: Array
    values: Array
    errors: Array


def step_curve(
    fun: Callable[[Any], Any],
    x: Any,
    method: str,
    steps: Sequence[float],
    *,
    exact: float | None = None,
) -> StepCurve:
    """Value and error of a rule for each of the given steps; fun: number -> number.

    "richardson" is one extrapolation of the central rule, (4 D(h) - D(2h))/3, error O(h^4).
    exact: the derivative; by default the full Richardson estimate, good to about 12 digits.
    Raises ValueError unless x and fun(x) are single numbers, and for a step that does not move x.

    >>> import math
    >>> curve = step_curve(math.exp, 0.0, "richardson", [0.1, 0.05], exact=1.0)
    >>> print(round(float(curve.errors[0] / curve.errors[1])))
    16
    """
    check_method(method)
    point = as_point(x, "x")
    probe = Probe(fun, (point.rebuild(point.array.copy()),))
    if point.array.shape != () or probe.shape != ():
        raise ValueError(
            f"step_curve is for a number to a number, got {point.array.shape} to {probe.shape}"
        )
    asked = np.asarray(steps, dtype=float).ravel()
    if not (np.isfinite(asked) & (asked > 0)).all():
        raise ValueError("steps must be positive and finite")
    if exact is None:
        exact = float(derivative(fun, x).value)
    line = ComponentLine(point, ())
    rule = "central" if method == "richardson" else method
    epsilon = epsilon_of(point.array.dtype, probe.dtype)
    difference = first_difference(probe, line, rule, epsilon, epsilon * abs(probe.value))
    taken, values = [], []
    for step in asked.tolist():
        if method == "complex":
            if probe.dtype.kind == "c":
                raise ComplexStepError("complex step: fun is complex for real arguments")
            near, h = imaginary_part(probe, line.at(1j * step), line.words(1j * step)) / step, step
        else:
            sample = difference(step)
            near, h = sample.value, sample.step
        if method == "richardson":
            near = (4.0 * near - difference(2.0 * step).value) / 3.0
        taken.append(h)
        values.append(near[()])
    found = np.array(values)
    return StepCurve(method, exact, np.array(taken), found, abs(found - exact))
