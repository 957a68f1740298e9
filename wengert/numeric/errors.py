"""What can go wrong when a derivative is measured by moving the argument.

Imports nothing of the project. Invariant: every error carries, besides its sentence, the facts as
attributes, so that a checker can report them without parsing text.
"""

from __future__ import annotations

import traceback
from types import TracebackType


class NumericDifferentiationError(Exception):
    """Base of the errors raised by `wengert.numeric` about the function being differentiated."""


class NonFiniteError(NumericDifferentiationError, ValueError):
    """The function is NaN or infinite (or raises) at a point the rule has to visit.

    Attributes: `where` (the point in words), `output_index` (index of the first bad entry, or None
    when the function raised instead of returning), `got` (the bad value or the exception).

    >>> import numpy as np
    >>> from wengert.numeric import derivative
    >>> try:
    ...     derivative(lambda x: 1.0 / x if x else float("inf"), 0.0)
    ... except NonFiniteError as error:
    ...     error.output_index
    ()
    """

    def __init__(
        self, message: str, *, where: str, output_index: tuple[int, ...] | None, got: object
    ) -> None:
        super().__init__(message)
        self.where = where
        self.output_index = output_index
        self.got = got


class StepError(NumericDifferentiationError, ValueError):
    """The step is too small to move the argument in its precision.

    >>> from wengert.numeric import derivative
    >>> try:
    ...     derivative(lambda x: x, 1e6, step=1e-12)
    ... except StepError:
    ...     print("the argument cannot move by so little")
    the argument cannot move by so little
    """


class ComplexStepError(NumericDifferentiationError, TypeError):
    """The function does not carry complex numbers through, so the complex step would be wrong.

    >>> from wengert.numeric import derivative
    >>> try:
    ...     derivative(lambda x: abs(x) * x, 1.5, method="complex")
    ... except ComplexStepError:
    ...     print("lost the imaginary part")
    lost the imaginary part
    """


def innermost_line(trace: TracebackType | None, skip: int = 1) -> str:
    """`file:line` of the last Python frame of a traceback, after the `skip` frames of the caller.

    An empty string when the exception was raised before any frame of the user's was entered.
    """
    frames = traceback.extract_tb(trace)[skip:]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
