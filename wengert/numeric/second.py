"""Second derivatives by mixed differences of the function, or of its complex step.

Imports NumPy only. Invariant: the Hessian is symmetric by construction; every pair of components
is measured once. Shape out.shape + in.shape + in.shape.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 25.3.21 to 25.3.27.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.numeric.complex_step import check_gradient, complex_slope, imaginary_part
from wengert.numeric.differences import RULES, solve_from
from wengert.numeric.estimate import Estimate
from wengert.numeric.limits import Difference, Limit, Sample, rescaled, richardson
from wengert.numeric.lines import ComponentLine, moved_point
from wengert.numeric.noise import Noise
from wengert.numeric.point import Array, Point, as_point
from wengert.numeric.probe import Probe
from wengert.numeric.steps import check_method, epsilon_of, exact_step, given_steps

# Weights of f at (a h_i, b h_j); the sum is divided by the product of the steps.
_ONE_SIDED = (((1, 1), 1.0), ((1, 0), -1.0), ((0, 1), -1.0), ((0, 0), 1.0))
_STENCILS: dict[str, tuple[tuple[tuple[int, int], float], ...]] = {
    "forward": _ONE_SIDED,
    "backward": tuple(((-a, -b), weight) for (a, b), weight in _ONE_SIDED),
    "central": (((1, 1), 0.25), ((1, -1), -0.25), ((-1, 1), -0.25), ((-1, -1), 0.25)),
}
_STENCILS["richardson"] = _STENCILS["central"]


def hessian(
    fun: Callable[[Any], Any], x: Any, *, method: str = "richardson", step: Any = None
) -> Estimate:
    """Second derivatives of fun; value has shape fun(x).shape + x.shape + x.shape.

    fun: x -> number or array. method: "forward", "backward" (error O(h)), "central" (O(h^2)),
    "richardson" (central, extrapolated), "complex" (Richardson differences of the complex step,
    the most exact; fun must take complex numbers). step: one float or one per component.
    `step` of the result is the smallest that was used for the row of each component.

    Raises as `derivative` does.

    >>> import numpy as np
    >>> found = hessian(lambda x: x[0] ** 2 * x[1], np.array([3.0, 5.0]))
    >>> print(np.round(found.value, 6) + 0.0)
    [[10.  6.]
     [ 6.  0.]]
    """
    check_method(method)
    point = as_point(x, "x")
    steps = given_steps(step, point)
    probe = Probe(fun, (point.rebuild(point.array.copy()),))
    epsilon = epsilon_of(point.array.dtype, probe.dtype)
    shape, count = point.array.shape, point.array.size
    indices = list(np.ndindex(shape))
    noise = Noise(probe, (point,), epsilon)
    partials: list[Limit] = []
    if method == "complex" and indices:
        partials = [complex_slope(probe, ComponentLine(point, i), epsilon) for i in indices]
        partials = check_gradient(probe, point, partials, epsilon, noise)
    real = np.dtype(float)
    value = np.zeros((*probe.shape, count, count), probe.value.dtype)
    error = np.zeros((*probe.shape, count, count), real)
    taken = np.full(count, np.inf)
    for row in range(count):
        for column in range(row + 1):
            i, j = indices[row], indices[column]
            pair = _Pair(probe, point, i, j, noise)
            given = None if steps is None else (float(steps[i]), float(steps[j]))
            if method == "complex":
                limit = pair.solve_complex(partials[row], given)
            else:
                limit = pair.solve(method, given)
            value[..., row, column] = value[..., column, row] = limit.value
            error[..., row, column] = error[..., column, row] = limit.error
            taken[row] = min(taken[row], limit.step)
            taken[column] = min(taken[column], limit.step)
    dtype = np.result_type(probe.dtype, point.array.dtype)
    full = probe.shape + shape + shape
    return Estimate(
        value.reshape(full).astype(dtype)[()],
        error.reshape(full).astype(np.zeros(0, dtype).real.dtype)[()],
        taken.reshape(shape)[()],
        method,
        probe.evaluations,
    )


class _Pair:
    """The mixed derivative of two components, which may be the same one."""

    def __init__(
        self, probe: Probe, point: Point, i: tuple[int, ...], j: tuple[int, ...], noise: Noise
    ) -> None:
        self.probe, self.point, self.i, self.j = probe, point, i, j
        self.noise, self.epsilon = noise, noise.epsilon

    def solve(self, method: str, given: tuple[float, float] | None) -> Limit:
        """By second differences of the function; the two steps keep the ratio of their sizes."""
        if given is not None:
            return RULES[method](self._mixed(method, given, False), 1.0)
        mine, other = self._sizes(self.i), self._sizes(self.j)
        pairs = dict.fromkeys([(mine[0], other[0]), (mine[-1], other[-1])])
        scaled = [self._mixed(method, pair, number > 0) for number, pair in enumerate(pairs)]
        return solve_from(scaled, method, self.epsilon, self.probe, order=2)

    def solve_complex(self, first: Limit, given: tuple[float, float] | None) -> Limit:
        """By real central differences, along j, of Im f(x + i h e_i)/h."""

        step = first.step
        # The error of the first derivative is the noise of its difference.
        level = np.maximum(first.error, self.epsilon * abs(first.value))

        def partial(move: float) -> Array:
            moves: dict[tuple[int, ...], complex] = {self.i: 1j * step}
            moves[self.j] = moves.get(self.j, 0.0) + move
            argument = moved_point(self.point, moves)
            return imaginary_part(self.probe, (argument,), self._words(moves)) / step

        def difference(asked: float) -> Sample:
            h = self._exact(self.j, asked)
            ahead, behind = partial(h), partial(-h)
            value = (ahead - behind) / (2.0 * h)
            size = np.maximum(self.epsilon * np.maximum(abs(ahead), abs(behind)), level)
            noise = size / h + self.epsilon * abs(value)
            return Sample(value, noise, h)

        if given is not None:
            return richardson(difference, given[1])
        scaled = [rescaled(difference, size) for size in self._sizes(self.j)]
        return solve_from(scaled, "richardson", self.epsilon, self.probe)

    def _mixed(self, method: str, sizes: tuple[float, float], own_scale: bool) -> Difference:
        """The mixed second difference as a function of the factor on both sizes."""
        weights: dict[tuple[int, int], float] = {}
        for (a, b), weight in _STENCILS[method]:
            key = (a + b, 0) if self.i == self.j else (a, b)
            weights[key] = weights.get(key, 0.0) + weight

        level = self.noise.level(own_scale)

        def difference(factor: float) -> Sample:
            hi = self._exact(self.i, factor * sizes[0])
            hj = self._exact(self.j, factor * sizes[1])
            values = [
                (weight, self._evaluate(a * hi, b * hj)) for (a, b), weight in weights.items()
            ]
            second: Array = np.asarray(sum(weight * value for weight, value in values)) / (hi * hj)
            size = np.asarray(
                sum(
                    abs(weight) * np.maximum(self.epsilon * abs(value), level)
                    for weight, value in values
                )
            )
            return Sample(second, size / (hi * hj) + self.epsilon * abs(second), min(hi, hj))

        return difference

    def _sizes(self, index: tuple[int, ...]) -> tuple[float, ...]:
        return ComponentLine(self.point, index).sizes("richardson")

    def _exact(self, index: tuple[int, ...], step: float) -> float:
        return exact_step(self.point.array[index], step, self.point.component(index))

    def _evaluate(self, move_i: float, move_j: float) -> Array:
        if not move_i and not move_j:
            return self.probe.value
        moves: dict[tuple[int, ...], complex] = {self.j: move_j} if self.j != self.i else {}
        moves[self.i] = move_i
        return self.probe((moved_point(self.point, moves),), self._words(moves))

    def _words(self, moves: dict[tuple[int, ...], complex]) -> str:
        return " and ".join(
            f"{self.point.component(index)} moved by {move:.3g}" for index, move in moves.items()
        )
