"""Straight lines through the arguments: along one component, or along a tangent of all of them.

Imports NumPy only. Invariant: `at(h)` returns fresh arguments displaced by exactly the step that
`exact` returned, where a single component moves; along a tangent `blur` bounds what is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wengert.numeric.errors import StepError
from wengert.numeric.point import Array, Point
from wengert.numeric.steps import exact_step, scales


class Line(Protocol):
    """What a rule needs to know of the direction it differentiates along."""

    @property
    def blur(self) -> float:
        """Largest |x_i| over largest |tangent_i|: how far rounding x + h t may shift the step."""

    def sizes(self, method: str) -> tuple[float, ...]:
        """Sizes the relative step may be multiplied by, the first choice in front."""

    def exact(self, step: float) -> float:
        """The step really taken when `step` is asked for."""

    def grain(self) -> float:
        """The smallest step that moves the arguments."""

    def at(self, step: complex) -> tuple[Any, ...]:
        """The arguments displaced by `step`, as the user's kinds of objects."""

    def words(self, step: complex) -> str:
        """The displaced point in words."""


def moved_point(point: Point, moves: dict[tuple[int, ...], complex]) -> Any:
    """The argument with some components displaced, as the user's kind of object."""
    array = point.array.copy()
    if any(isinstance(move, complex) for move in moves.values()):
        array = array.astype(np.result_type(array.dtype, np.complex64))
    for index, move in moves.items():
        array[index] += move
    return point.rebuild(array)


@dataclass(frozen=True, slots=True, eq=False)
class ComponentLine:
    """x + h e_i: one component of one argument moves."""

    point: Point
    index: tuple[int, ...]

    @property
    def blur(self) -> float:
        """Zero: the step is rounded so that it is travelled exactly."""
        return 0.0

    def sizes(self, method: str) -> tuple[float, ...]:
        """One or |x_i|: see `steps.scales`."""
        x = self.point.array[self.index]
        return scales(float(x), method, float(np.finfo(x.dtype).tiny))

    def exact(self, step: float) -> float:
        """The nearest step that x_i can take."""
        return exact_step(self.point.array[self.index], step, self.point.component(self.index))

    def grain(self) -> float:
        """The distance to the next number."""
        return float(np.spacing(abs(self.point.array[self.index])))

    def at(self, step: complex) -> tuple[Any, ...]:
        """The one argument, its component displaced."""
        return (moved_point(self.point, {self.index: step}),)

    def words(self, step: complex) -> str:
        """For instance `x[2] = 0.5 moved by -1e-05`."""
        return f"{self.point.component(self.index)} moved by {step:.3g}"


@dataclass(frozen=True, slots=True, eq=False)
class TangentLine:
    """x + h t: every argument moves along its tangent."""

    points: tuple[Point, ...]
    tangents: tuple[Array, ...]

    @property
    def blur(self) -> float:
        """Largest |x_i| over largest |t_i|."""
        return _largest(p.array for p in self.points) / _largest(self.tangents)

    def sizes(self, method: str) -> tuple[float, ...]:
        """The step at which no component moves by more than its own size, or by more than one."""
        choices = []
        for floor in (1.0, 0.0):
            ratios = [0.0]
            for point, tangent in zip(self.points, self.tangents, strict=True):
                moving = tangent != 0
                size = np.abs(point.array)[moving].astype(float)
                size = np.maximum(size, floor) if floor else np.where(size == 0, 1.0, size)
                ratios.append(float((np.abs(tangent[moving]) / size).max(initial=0.0)))
            choices.append(1.0 / max(ratios))
        first, second = choices
        if method == "complex":
            return (second,)
        return (first, second) if second < 0.125 * first else (first,)

    def exact(self, step: float) -> float:
        """The step itself: dense displacements cannot all be made exact at once."""
        for point, tangent in zip(self.points, self.tangents, strict=True):
            moved = point.array + np.asarray(tangent * step).astype(point.array.dtype)
            if (moved != point.array).any():
                return step
        raise StepError(f"step {step:.3g} does not move any component along the tangent")

    def grain(self) -> float:
        """The relative precision, at the size that the tangent asks for."""
        epsilon = max(float(np.finfo(point.array.dtype).eps) for point in self.points)
        return epsilon * self.sizes("complex")[0]

    def at(self, step: complex) -> tuple[Any, ...]:
        """Every argument displaced; in its own precision when the step is real."""
        moved = []
        for point, tangent in zip(self.points, self.tangents, strict=True):
            dtype = point.array.dtype
            if isinstance(step, complex):
                dtype = np.result_type(dtype, np.complex64)
            displaced = point.array + np.asarray(tangent * step).astype(dtype)
            moved.append(point.rebuild(np.asarray(displaced)))
        return tuple(moved)

    def words(self, step: complex) -> str:
        """For instance `the point moved by 1e-05 along the tangents`."""
        return f"the point moved by {step:.3g} along the tangents"


def _largest(arrays: Any) -> float:
    return max(float(np.abs(array).max(initial=0.0)) for array in arrays)
