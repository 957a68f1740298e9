"""Evaluating the user's function: counting calls, checking what comes back.

Imports NumPy only. Invariant: what `Probe` returns is a fresh finite array of one fixed shape, at
least in double precision, so that differences are formed without further rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.numeric.errors import NonFiniteError, innermost_line
from wengert.numeric.point import Array


class Probe:
    """The function, with a count of its calls and the shape and precision of its output.

    value: fun at the point. largest: the largest modulus seen so far, entry by entry.
    """

    def __init__(self, fun: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Evaluate once at the point itself; exceptions of the function pass through untouched."""
        if not callable(fun):
            raise TypeError(f"fun must be callable, got {type(fun).__name__}")
        self.fun = fun
        self.evaluations = 1
        output = _as_output(fun(*arguments))
        self.shape = output.shape
        self.dtype = output.dtype if output.dtype.kind in "fc" else np.dtype(float)
        self.value = self._finite(output, "the point itself", None)
        self.largest = abs(self.value)

    def __call__(self, arguments: tuple[Any, ...], where: str) -> Array:
        """Evaluate at a moved point; an exception about the domain counts as not finite there."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            try:
                output = _as_output(self.fun(*arguments))
            except (ValueError, ArithmeticError) as error:
                line = innermost_line(error.__traceback__)
                raise NonFiniteError(
                    f"fun raised {type(error).__name__}: {error}"
                    + (f" ({line})" if line else "")
                    + f" at {where}; the rule needs it there: pass a smaller step=, or a one-sided "
                    "method",
                    where=where,
                    output_index=None,
                    got=error,
                ) from error
        value = self._finite(output, where, self.value)
        self.largest = np.maximum(self.largest, abs(value))
        return value

    def _finite(self, output: Array, where: str, base: Array | None) -> Array:
        if output.shape != self.shape:
            raise ValueError(
                f"fun returned shape {self.shape} at the point and {output.shape} at {where}; "
                "the shape of the output must not depend on the values"
            )
        wide = np.result_type(output.dtype, np.float64)
        result = np.array(output, dtype=wide)
        finite = np.isfinite(result)
        if not finite.all():
            index = tuple(map(int, np.argwhere(~finite)[0]))
            entry = f"output component {index}" if index else "the output"
            advice = (
                "no derivative exists there"
                if base is None
                else "the rule needs it there: pass a smaller step=, or a one-sided method"
            )
            raise NonFiniteError(
                f"fun is not finite: {entry} is {result[index]} at {where}; {advice}",
                where=where,
                output_index=index,
                got=result[index],
            )
        return result


def _as_output(output: Any) -> Array:
    if output is None:
        raise TypeError("fun returned None; it must return a number or an array (missing return?)")
    try:
        array = np.asarray(output)
    except ValueError as error:
        raise TypeError(f"fun must return a number or an array of numbers: {error}") from error
    if array.dtype.kind not in "fciu":
        raise TypeError(
            f"fun must return a number or an array of numbers, got {type(output).__name__} "
            f"with dtype {array.dtype}"
        )
    return array
