"""First differences along a line, and the derivative along it by any of the real rules.

Imports NumPy only. Invariant: the quotient is formed with the step really travelled, and its
noise counts one rounding of each value of the function.
"""

from __future__ import annotations

import numpy as np

from wengert.numeric.limits import (
    Difference,
    Limit,
    Rule,
    Sample,
    rescaled,
    richardson,
    solve,
    two_step,
)
from wengert.numeric.lines import Line
from wengert.numeric.noise import Noise
from wengert.numeric.point import Array
from wengert.numeric.probe import Probe
from wengert.numeric.steps import relative_step

RULES: dict[str, Rule] = {
    "forward": two_step(1),
    "backward": two_step(1),
    "central": two_step(2),
    "richardson": richardson,
}


def first_difference(
    probe: Probe, line: Line, method: str, epsilon: float, level: Array
) -> Difference:
    """(f(x+h) - f(x))/h, (f(x) - f(x-h))/h, or (f(x+h) - f(x-h))/2h, as a function of h.

    level: the noise of one value.
    """

    def one_sided(step: float) -> Sample:
        h = line.exact(step)
        signed = h if method == "forward" else -h
        moved = probe(line.at(signed), line.words(signed))
        value = (moved - probe.value) / signed
        size = np.maximum(abs(moved), abs(probe.value))
        return Sample(value, rounding(2.0 * size, 2.0 * level, value, h), h)

    def central(step: float) -> Sample:
        h = line.exact(step)
        ahead = probe(line.at(h), line.words(h))
        behind = probe(line.at(-h), line.words(-h))
        value = (ahead - behind) / (2.0 * h)
        jump = ((ahead - probe.value) - (probe.value - behind)) / h
        size = np.maximum(abs(ahead), abs(behind))
        return Sample(value, rounding(size, level, value, h), h, jump)

    def rounding(size: Array, noise: Array, value: Array, h: float) -> Array:
        return np.maximum(epsilon * size, noise) / h + epsilon * abs(value) * (1.0 + line.blur / h)

    return one_sided if method in {"forward", "backward"} else central


def slope(
    probe: Probe,
    line: Line,
    method: str,
    epsilon: float,
    noise: Noise,
    step: float | None = None,
) -> Limit:
    """The derivative of the function along a line, by a real rule."""
    if step is not None:
        difference = first_difference(probe, line, method, epsilon, noise.level(False))
        return RULES[method](difference, step)
    scaled = []
    for number, size in enumerate(line.sizes(method)):
        difference = first_difference(probe, line, method, epsilon, noise.level(number > 0))
        scaled.append(rescaled(difference, size))
    return solve_from(scaled, method, epsilon, probe)


def solve_from(
    scaled: list[Difference], method: str, epsilon: float, probe: Probe, order: int = 1
) -> Limit:
    """The limit of differences on their own scales, from the default step of the rule."""

    def good(found: Limit) -> bool:
        size = np.maximum(abs(found.value), probe.largest)
        return bool((found.error <= 100.0 * epsilon**0.5 * size).all())

    first = relative_step(method, epsilon, order)
    if method != "richardson":
        return solve([(difference, first) for difference in scaled], RULES[method], good)
    near = relative_step("forward" if order == 1 else "central", epsilon, order)

    def rule(difference: Difference, step: float) -> Limit:
        return richardson(difference, step, min(near, step / 64.0))

    # A table that was fooled by too large steps begins again with smaller ones.
    parts = (first, first / 64.0, first / 4096.0)
    return solve([(difference, part) for part in parts for difference in scaled], rule, good)
