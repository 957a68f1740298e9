"""How far one value of the function may be from the exact one: measured, not assumed.

Imports NumPy only. Invariant: a level of noise is absolute, one entry per output entry, and at
least one rounding of the value itself.

What no cubic can follow over a few points very near to each other is rounding; the idea is that of
More and Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011).
"""

from __future__ import annotations

import numpy as np

from wengert.numeric.errors import NonFiniteError, StepError
from wengert.numeric.lines import TangentLine
from wengert.numeric.point import Array, Point
from wengert.numeric.probe import Probe

# Not equidistant, lest the rounding of the points follow a line itself. The rows of _RESIDUAL are
# an orthonormal basis of all that is orthogonal to the cubics on these points.
_OFFSETS = np.array([-3.05, -2.13, -0.86, 0.0, 1.17, 1.94, 2.89])
_RESIDUAL = np.linalg.qr(np.vander(_OFFSETS, 4), mode="complete")[0][:, 4:].T
_DEVIATIONS = 3.0


class Noise:
    """The noise near the point, on the two scales a step may have; measured when first needed."""

    def __init__(self, probe: Probe, points: tuple[Point, ...], epsilon: float) -> None:
        self.probe, self.points, self.epsilon = probe, points, epsilon
        self.levels: dict[bool, Array] = {}

    def level(self, own_scale: bool) -> Array:
        """Three standard deviations of one value; own_scale: of points as near as |x_i| asks."""
        if own_scale not in self.levels:
            level = self._measure(own_scale)
            # Points too near to each other miss a coarse rounding that farther ones have shown.
            self.levels[own_scale] = np.maximum(level, self.level(False)) if own_scale else level
        return self.levels[own_scale]

    def _measure(self, own_scale: bool) -> Array:
        floor: Array = self.epsilon * abs(self.probe.value)
        tangents = tuple(mixing_tangent(point, own_scale) for point in self.points)
        if not any(tangent.size for tangent in tangents) or not self.probe.value.size:
            return floor
        line, spacing = TangentLine(self.points, tangents), self.epsilon**0.5
        try:
            level = self._residual(line, spacing)
            if (level <= 10.0 * floor).all():
                return np.maximum(floor, level)
            fine = self._residual(line, spacing / 256.0)
        except (NonFiniteError, StepError):  # at the edge of the domain nothing can be measured
            return floor
        # Rounding does not care how near the points are; a kink or a root at x fades with them.
        # What vanishes altogether is a staircase, flat between the points: rounding after all.
        fades = (level > 5.0 * fine) & (fine > floor)
        return np.where(fades, floor, np.maximum(floor, level))

    def _residual(self, line: TangentLine, spacing: float) -> Array:
        values = []
        for offset in _OFFSETS.tolist():
            step = offset * spacing
            moved = self.probe(line.at(step), line.words(step)) if offset else self.probe.value
            values.append(moved)
        residual = np.tensordot(_RESIDUAL, np.stack(values), 1)
        deviation: Array = np.sqrt(np.mean(abs(residual) ** 2, axis=0))
        return _DEVIATIONS * deviation


def mixing_tangent(point: Point, own_scale: bool) -> Array:
    """A direction in which every component moves, each by about its own size or one.

    Golden-ratio weights: no two components can cancel by symmetry.
    """
    weights = 0.5 + np.modf(0.6180339887498949 * np.arange(1, point.array.size + 1))[0]
    size = abs(point.array).astype(float)
    size = np.where(size > 0, size, 1.0) if own_scale else np.maximum(size, 1.0)
    dtype = np.result_type(point.array.dtype, np.float64)
    tangent: Array = (weights.reshape(size.shape) * size).astype(dtype)
    return tangent
