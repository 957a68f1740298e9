"""A NumPy function of integers and truth values, called as it is.

No derivative goes through integers, so a recording needs no steps of what NumPy does with them: the call is one step.
Imports core and ``apply``. Invariant: the step gives what NumPy gives for any integers of these types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.op import CONSTANT, Op
from wengert.core.types import ArrayType
from wengert.ops.apply import many, special


class Call:
    """A function and what it is called with; ``Place`` numbers stand where the operands go."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs

    def __call__(self, operands: Any) -> Any:
        return self.function(*_with(self.args, operands), **_with(self.kwargs, operands))

    def __repr__(self) -> str:
        words = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{getattr(self.function, '__name__', 'function')}({', '.join(words)})"


class Place:
    """Where operand ``number`` of a call goes."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"[{self.number}]"


def _with(thing: Any, operands: Any) -> Any:
    if type(thing) is Place:
        return operands[thing.number]
    if type(thing) in (list, tuple):
        return type(thing)(_with(part, operands) for part in thing)
    if type(thing) is dict:
        return {key: _with(part, operands) for key, part in thing.items()}
    return thing


def _parted(thing: Any, operands: list[Any]) -> Any:
    """The argument with places for its handles, which join the operands; arrays are copied as they are now."""
    if is_handle(thing):
        operands.append(thing)
        return Place(len(operands) - 1)
    if type(thing) in (list, tuple):
        return type(thing)(_parted(part, operands) for part in thing)
    if type(thing) is dict:
        return {key: _parted(part, operands) for key, part in thing.items()}
    return thing.copy() if type(thing) is np.ndarray else thing


def _evaluate(*values: Any) -> Any:
    *operands, call = values
    return call(operands)


CALLED = Op(
    listed=False,  # loaded where it is needed; there is no rule for a law to look at
    name="called",
    kind=CONSTANT,
    inputs=("*operands",),
    params={"call": None},
    evaluate=_evaluate,
    rules=(),
    needs=(),
    saved_from=(),
    outputs=(),
    infer=lambda types, params: ArrayType.of(
        params[0]([np.ones(t.shape, t.dtype) if t.shape else t.dtype.type(1) for t in types])
    ),
    pull=lambda node, ct, sweep: None,
    save=lambda values, y, params, mask: (),
    doc="A NumPy function of integers.",
)
CALLED.record = many(CALLED)


def called(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The result of a NumPy function whose traced arguments hold integers or truth values only, as one step."""
    operands: list[Any] = []
    call = Call(function, _parted(args, operands), _parted(kwargs, operands))
    return special(CALLED, operands, (call,))


__all__ = ["CALLED", "called"]
