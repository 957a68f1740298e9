"""Independent numerical derivatives of ordinary functions, from function values alone.

First derivatives by central differences, second ones by the four-point mixed difference, both
extrapolated to step zero (Richardson's table, the entry with the smallest change kept, as Ridders
does). Imports NumPy and the standard library only, never the library under test. Invariant: every
answer comes with an estimate of its own error, and containers are taken apart here by code of our
own.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

RATIO = 1.6
LEVELS = 8


# ---------------------------------------------------------------- containers


def is_number(leaf: Any) -> bool:
    """Whether a leaf carries real or complex numbers (bool, int, str and None do not)."""
    if isinstance(leaf, (float, complex, np.floating, np.complexfloating)):
        return True
    return isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fc"


def leaves(tree: Any) -> list[Any]:
    """The number leaves of a container, in order; everything that is no number is left out."""
    if is_number(tree):
        return [tree]
    if isinstance(tree, np.ndarray) and tree.dtype == object:
        return [leaf for item in tree.ravel() for leaf in leaves(item)]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = [field.name for field in dataclasses.fields(tree)]
        return [leaf for name in names for leaf in leaves(getattr(tree, name))]
    return []


def flatten(tree: Any) -> np.ndarray:
    """All numbers of a container as one real vector; a complex number gives its two parts."""
    parts = []
    for leaf in leaves(tree):
        array = np.asarray(leaf)
        if array.dtype.kind == "c":
            array = np.stack([array.real, array.imag], axis=-1)
        parts.append(array.astype(float).ravel())
    return np.concatenate(parts) if parts else np.zeros(0)


def unflatten(tree: Any, vector: np.ndarray, blank: bool = False) -> Any:
    """A deep copy of `tree` whose numbers are those of `vector`.

    What is no number stays as it is, or becomes None if `blank`, as in gradients and tangents.
    """
    numbers = iter(np.asarray(vector, dtype=float).tolist())

    def build(item: Any) -> Any:
        if is_number(item):
            array = np.asarray(item)
            is_complex = array.dtype.kind == "c"
            entries = [
                complex(next(numbers), next(numbers)) if is_complex else next(numbers)
                for _ in range(array.size)
            ]
            if not isinstance(item, np.ndarray):
                return type(item)(entries[0])
            return np.array(entries, dtype=array.dtype).reshape(array.shape)
        if isinstance(item, np.ndarray) and item.dtype == object:
            result = np.empty(item.shape, dtype=object)
            for place in np.ndindex(item.shape):
                result[place] = build(item[place])
            return result
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*[build(entry) for entry in item])
        if isinstance(item, (list, tuple)):
            return type(item)([build(entry) for entry in item])
        if isinstance(item, dict):
            return {key: build(entry) for key, entry in item.items()}
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            result = copy.copy(item)
            for field in dataclasses.fields(item):
                object.__setattr__(result, field.name, build(getattr(item, field.name)))
            return result
        return None if blank else copy.deepcopy(item)

    return build(tree)


# ---------------------------------------------------------------- extrapolation


def extrapolate(difference: Callable[[float], np.ndarray], step: float) -> tuple[Any, Any]:
    """The limit of `difference(h)` for h to 0 when it is a series in h^2, and an error estimate.

    Returns the value and the estimate, each of the shape of `difference(h)`.
    """
    previous: list[np.ndarray] = []
    best: Any = None
    error: Any = None
    for level in range(LEVELS):
        row = [np.asarray(difference(step / RATIO**level), dtype=float)]
        factor = RATIO**2
        for column in range(level):
            row.append((factor * row[column] - previous[column]) / (factor - 1.0))
            factor *= RATIO**2
            change = np.maximum(
                np.abs(row[column + 1] - row[column]), np.abs(row[column + 1] - previous[column])
            )
            if best is None:
                best, error = row[column + 1], change
            else:
                better = change < error
                best = np.where(better, row[column + 1], best)
                error = np.where(better, change, error)
        previous = row
    return best, error


def first_step(point: np.ndarray, direction: np.ndarray, size: float) -> float:
    """The largest step: `size` relative to the point's components along the direction."""
    moved = direction != 0
    room = np.maximum(np.abs(point[moved]), 0.25) / np.abs(direction[moved])
    return float(size * room.min()) if moved.any() else size


def directional(
    fun: Callable[[np.ndarray], Any], point: np.ndarray, direction: np.ndarray, size: float = 0.02
) -> tuple[Any, Any]:
    """d/dt fun(point + t direction) at t = 0 with its error; `fun` gives a real array."""

    def difference(h: float) -> np.ndarray:
        ahead = np.asarray(fun(point + h * direction), dtype=float)
        behind = np.asarray(fun(point - h * direction), dtype=float)
        return (ahead - behind) / (2.0 * h)

    return extrapolate(difference, first_step(point, direction, size))


def gradient(fun: Callable[[np.ndarray], Any], point: np.ndarray) -> tuple[Any, Any]:
    """All partial derivatives: arrays of shape (inputs,) + output shape, and their errors."""
    columns = [directional(fun, point, unit) for unit in np.eye(point.size)]
    return np.array([value for value, _ in columns]), np.array([error for _, error in columns])


def one_sided_mean(fun: Callable[[np.ndarray], Any], point: np.ndarray) -> np.ndarray:
    """The mean of the left and right slopes along each axis: what an even split at a kink gives."""
    h = 1e-6
    return np.array(
        [(fun(point + h * e) - fun(point - h * e)) / (2 * h) for e in np.eye(point.size)]
    )


def mixed(
    fun: Callable[[np.ndarray], Any],
    point: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    size: float = 0.06,
) -> tuple[Any, Any]:
    """The second derivative along two directions: d2/dsdt fun(point + s first + t second)."""
    step = min(first_step(point, first, size), first_step(point, second, size))

    def difference(h: float) -> np.ndarray:
        plus, minus = h * (first + second), h * (first - second)
        total = fun(point + plus) - fun(point + minus) - fun(point - minus) + fun(point - plus)
        return np.asarray(total, dtype=float) / (4.0 * h * h)

    return extrapolate(difference, step)


def hessian_vector(
    fun: Callable[[np.ndarray], Any], point: np.ndarray, vector: np.ndarray
) -> tuple[Any, Any]:
    """The Hessian of a real function times a vector, and the error of each component."""
    columns = [mixed(fun, point, unit, vector) for unit in np.eye(point.size)]
    return np.array([value for value, _ in columns]), np.array([error for _, error in columns])


def complex_step(fun: Callable[[np.ndarray], Any], point: np.ndarray) -> np.ndarray:
    """Partial derivatives of an analytic program that carries complex numbers: Im f(x + ih e)/h."""
    h = 1e-30
    return np.array([np.imag(fun(point + 1j * h * unit)) / h for unit in np.eye(point.size)])
