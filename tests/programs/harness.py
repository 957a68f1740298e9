"""The one table type of these tests, and what is asked of a row.

A `Program` is an ordinary function with arguments; every float in the arguments is
differentiated. `table(rows)` gives the decorator by which a theme file enters its functions,
unchanged, in its list. Imports the oracle only, so that the tables can be checked without the
library under test. Invariant: arguments are copied before every run, because a program may write
into them.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import oracle

FIRST_TOLERANCE = 1e-7
SECOND_TOLERANCE = 2e-5


@dataclass(frozen=True)
class Program:
    """One ordinary function, the point to differentiate it at, and how far the oracle can follow.

    `smooth=False`: the point sits on a kink, where only the even split along each axis is compared.
    `order=1`: no second derivative is compared (it does not exist or the program is too slow).
    """

    name: str
    fun: Callable[..., Any]
    args: tuple[Any, ...]
    smooth: bool = True
    order: int = 2
    note: str = field(default="", compare=False)

    def arguments(self) -> tuple[Any, ...]:
        """Fresh copies of the arguments."""
        return copy.deepcopy(self.args)

    def value(self) -> Any:
        """What the program returns without any trace."""
        with quiet():
            return self.fun(*self.arguments())

    def point(self) -> np.ndarray:
        """Every number of the arguments as one real vector."""
        return oracle.flatten(self.args)

    def direction(self) -> np.ndarray:
        """A fixed direction in argument space without zeros or symmetry."""
        return irregular(self.point().size, 0.37)

    def tangents(self) -> tuple[Any, ...]:
        """The direction in the containers of the arguments, None for what is no number."""
        return oracle.unflatten(self.args, self.direction(), blank=True)

    def scalar(self, fun: Callable[..., Any] | None = None) -> Callable[..., Any]:
        """The program and then a fixed weighted sum of its outputs: itself an ordinary program."""
        weights = self.weights()
        inner = self.fun if fun is None else fun

        def weighted(*args: Any) -> Any:
            return pair(weights, inner(*args))

        return weighted

    def weights(self) -> Any:
        """Fixed cotangents in the shape of the output; 1 for a single real number."""
        output = self.value()
        count = oracle.flatten(output).size
        if count == 1:
            return oracle.unflatten(output, np.ones(1), blank=True)
        return oracle.unflatten(output, irregular(count, 1.1), blank=True)

    def outputs_at(self, vector: np.ndarray) -> np.ndarray:
        """The flattened output at another point, run without any trace."""
        with quiet():
            return oracle.flatten(self.fun(*oracle.unflatten(self.args, vector)))

    def scalar_at(self, vector: np.ndarray) -> float:
        """The weighted sum of the outputs at another point, run without any trace."""
        return float(oracle.flatten(self.weights_cached()) @ self.outputs_at(vector))

    def weights_cached(self) -> Any:
        """The weights, computed once per program."""
        if self.name not in _WEIGHTS:
            _WEIGHTS[self.name] = self.weights()
        return _WEIGHTS[self.name]


_WEIGHTS: dict[str, Any] = {}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what programs print."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def irregular(count: int, phase: float) -> np.ndarray:
    """`count` fixed numbers between 0.3 and 1.3 in size, of both signs, without symmetry."""
    places = np.arange(1, count + 1)
    return (0.8 + 0.5 * np.sin(2.3 * places + phase)) * np.where(places % 3 == 0, -1.0, 1.0)


def pair(weights: Any, output: Any) -> Any:
    """Re<weights, output> summed over all number leaves of two containers of one structure."""
    total = 0.0
    for weight, leaf in zip(oracle.leaves(weights), oracle.leaves(output), strict=True):
        if np.iscomplexobj(weight):
            total = total + np.sum(weight.real * np.real(leaf) + weight.imag * np.imag(leaf))
        else:
            total = total + np.sum(weight * leaf)
    return total


def same_bits(left: Any, right: Any) -> bool:
    """Whether two outputs have equal structure, shapes, dtypes and bytes in every leaf."""
    if isinstance(left, np.ndarray) and left.dtype == object:
        return (
            isinstance(right, np.ndarray)
            and left.shape == right.shape
            and all(same_bits(a, b) for a, b in zip(left.ravel(), right.ravel(), strict=True))
        )
    if isinstance(left, (list, tuple)):
        return (
            type(left) is type(right)
            and len(left) == len(right)
            and all(same_bits(a, b) for a, b in zip(left, right, strict=True))
        )
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and list(left) == list(right)
            and all(same_bits(left[key], right[key]) for key in left)
        )
    if hasattr(left, "__dataclass_fields__"):
        return type(left) is type(right) and same_bits(vars(left), vars(right))
    if oracle.is_number(left):
        first, second = np.asarray(left), np.asarray(right)
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and first.tobytes() == second.tobytes()
        )
    return bool(np.all(left == right))


def table(rows: list[Program]) -> Callable[..., Callable[[Callable[..., Any]], Any]]:
    """The decorator that enters a function in `rows` by its own name, unchanged."""

    def program(
        *args: Any, smooth: bool = True, order: int = 2, note: str = ""
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def enter(fun: Callable[..., Any]) -> Callable[..., Any]:
            rows.append(Program(fun.__name__, fun, args, smooth, order, note))
            return fun

        return enter

    return program
