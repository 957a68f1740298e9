"""Python's operators on formulas: each makes the step of the operation that it is.

Imports NumPy only. Invariant: an operator does nothing but hand its operands, in their order, to ``combined``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np


class Operators:
    """What ``+``, ``@``, ``<`` and the like are; ``combined`` makes the step."""

    __slots__ = ()

    def combined(self, function: Callable[..., Any], *values: Any) -> Any:
        """An operator of this and other values."""
        raise NotImplementedError

    __hash__ = object.__hash__

    def __add__(self, other: Any) -> Any:
        return self.combined(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return self.combined(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return self.combined(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return self.combined(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return self.combined(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return self.combined(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return self.combined(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.combined(operator.truediv, other, self)

    def __matmul__(self, other: Any) -> Any:
        return self.combined(operator.matmul, self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self.combined(operator.matmul, other, self)

    def __pow__(self, other: Any) -> Any:
        return self.combined(operator.pow, self, other)

    def __rpow__(self, other: Any) -> Any:
        return self.combined(operator.pow, other, self)

    def __neg__(self) -> Any:
        return self.combined(operator.neg, self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self.combined(operator.abs, self)

    def __gt__(self, other: Any) -> Any:
        return self.combined(operator.gt, self, other)

    def __lt__(self, other: Any) -> Any:
        return self.combined(operator.lt, self, other)

    def __ge__(self, other: Any) -> Any:
        return self.combined(operator.ge, self, other)

    def __le__(self, other: Any) -> Any:
        return self.combined(operator.le, self, other)

    def __eq__(self, other: object) -> Any:
        return self.combined(operator.eq, self, other)

    def __ne__(self, other: object) -> Any:
        return self.combined(operator.ne, self, other)

    def __mod__(self, other: Any) -> Any:
        return self.combined(np.remainder, self, other)

    def __rmod__(self, other: Any) -> Any:
        return self.combined(np.remainder, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self.combined(np.floor_divide, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self.combined(np.floor_divide, other, self)

    def __and__(self, other: Any) -> Any:
        return self.combined(operator.and_, self, other)

    def __or__(self, other: Any) -> Any:
        return self.combined(operator.or_, self, other)

    def __invert__(self) -> Any:
        return self.combined(operator.invert, self)
