"""From differences at a few steps to a derivative and its error: the limit h -> 0.

Imports NumPy only. Invariant: an error is at least the rounding of the difference it belongs to,
and entries of an array are judged one by one, each by its own error.

Sources: Ridders, Accurate computation of F'(x) and F'(x)F''(x), Adv. Eng. Software 4 (1982);
Richardson and Gaunt, The deferred approach to the limit (1927).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wengert.numeric.errors import NonFiniteError, StepError
from wengert.numeric.point import Array

# 18 halvings take the first step of 0.1 to 8e-7, below which rounding has long taken over.
_ROWS, _COLUMNS, _LEAST_ROWS = 18, 7, 4
_RETREATS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A difference quotient at one step.

    noise: its rounding error. jump: right slope minus left slope (central first differences).
    """

    value: Array
    noise: Array
    step: float
    jump: Array | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """The derivative, its error, and the finest step any entry rests on."""

    value: Array
    error: Array
    step: float

    def better_of(self, other: Limit) -> Limit:
        """Entry by entry the one with the smaller error.

        A zero of `other`, which has the smaller steps, is not taken: where the function did not
        change at all, rounding swallowed the change and no error can be told from it.
        """
        take = (other.error < self.error) & (other.value != 0)
        error = np.where(take, other.error, self.error)
        # Two that exclude each other: one of the errors is wrong, and which one cannot be told.
        apart = abs(other.value - self.value)
        excluded = take & (apart > 10.0 * (self.error + other.error))
        error = np.where(excluded, apart + error, error)
        step = min(self.step, other.step) if take.any() else self.step
        return Limit(np.where(take, other.value, self.value), error, step)


Difference = Callable[[float], Sample]
Rule = Callable[[Difference, float], Limit]


class _Table:
    """Neville's scheme for an error that is a series in h^power, steps halving from row to row."""

    def __init__(self, power: int) -> None:
        self.power = power
        self.last: list[Array] = []
        self.value: Array = np.zeros(0)
        self.error: Array = np.zeros(0)
        self.step: Array = np.zeros(0)

    def add(self, value: Array, noise: Array, step: float) -> None:
        if not self.last:
            self.value, self.error = value, np.full(value.shape, np.inf)
            self.step = np.full(value.shape, step)
        row = [value]
        for column in range(1, min(len(self.last), _COLUMNS) + 1):
            # A[k, j] = A[k, j-1] + (A[k, j-1] - A[k-1, j-1]) / (2^(power j) - 1)
            coarse, fine = self.last[column - 1], row[column - 1]
            entry = fine + (fine - coarse) / (2.0 ** (self.power * column) - 1.0)
            error = np.maximum(abs(entry - fine), abs(entry - coarse)) + 2.0 * noise
            better = error < self.error
            self.value = np.where(better, entry, self.value)
            self.error = np.where(better, error, self.error)
            self.step = np.where(better, step, self.step)
            row.append(entry)
        self.last = row


def richardson(difference: Difference, step: float, near: float | None = None) -> Limit:
    """Halve the step and extrapolate until the error estimate meets the rounding of the next row.

    Even series in h (central rules), so each column of the table gains two orders. near: a small
    step at which the plain difference must agree: steps 2^-k can all fall on one period of the
    function, or leap over a narrow peak, and the table then converges to something else.
    """
    slopes, jumps = _Table(2), _Table(1)
    for row in range(_ROWS):
        sample = difference(step / 2.0**row)
        slopes.add(sample.value, sample.noise, sample.step)
        if sample.jump is not None:
            jumps.add(sample.jump, 4.0 * sample.noise, sample.step)
        # Halving the step doubles the rounding, which enters twice: no later entry can be better.
        if row + 1 >= _LEAST_ROWS and bool((slopes.error <= 4.0 * sample.noise).all()):
            break
    error = slopes.error
    if jumps.last:
        error = error + _half_jump(jumps.value, jumps.error)
    if near is not None:
        sample = difference(near)
        apart = abs(sample.value - slopes.value)
        error = np.where(apart > 10.0 * (error + sample.noise), apart, error)
    finest = float(slopes.step.min()) if slopes.step.size else sample.step
    return Limit(slopes.value, error, finest)


def two_step(order: int) -> Rule:
    """The rule itself at h; its truncation, c h^order, from a second evaluation at 2h."""

    def rule(difference: Difference, step: float) -> Limit:
        near, far = difference(step), difference(2.0 * step)
        error = 2.0 * (abs(far.value - near.value) / (2.0**order - 1.0) + near.noise)
        if near.jump is not None and far.jump is not None:
            error = error + _half_jump(2.0 * near.jump - far.jump, 12.0 * near.noise)
        return Limit(near.value, error, near.step)

    return rule


def _half_jump(jump: Array, error: Array) -> Array:
    """Half the jump of the slope at a kink, where it stands out from its own error.

    A central rule returns the mean of the two slopes with no sign of trouble: |x| at 0 gives 0 at
    every step. Either slope is as right, so the mean is uncertain by half their difference.
    """
    return np.where(abs(jump) > 4.0 * error, 0.5 * abs(jump), 0.0)


def solve(
    attempts: Sequence[tuple[Difference, float]], rule: Rule, good: Callable[[Limit], bool]
) -> Limit:
    """Apply the rule to the first attempt; go on to the next where it errs or leaves the domain.

    An attempt is a difference on some scale and the step to begin with; all are of the same
    derivative. With the last one the step shrinks until the function is finite; the error of the
    smallest step is raised when it never is.
    """
    best: Limit | None = None
    for number, (difference, step) in enumerate(attempts):
        final = number + 1 == len(attempts)
        try:
            found = _retreating(difference, rule, step, _RETREATS if final else 0)
        except (NonFiniteError, StepError):
            if final and best is None:
                raise
            continue
        best = found if best is None else best.better_of(found)
        if good(best):
            break
    assert best is not None
    return best


def rescaled(difference: Difference, size: float) -> Difference:
    """The same difference with its step measured in units of `size`."""
    return lambda step: difference(size * step)


def _retreating(difference: Difference, rule: Rule, step: float, retreats: int) -> Limit:
    try:
        return rule(difference, step)
    except NonFiniteError as error:
        failure = error
    for retreat in range(1, retreats + 1):
        try:
            return rule(difference, step / 4.0**retreat)
        except NonFiniteError as error:
            failure = error
        except StepError:  # the step no longer moves the argument: the last failure says why
            break
    raise failure
