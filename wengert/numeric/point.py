"""The arguments: what is accepted, and how the function gets back the kind of object it was given.

Imports NumPy only. Invariant: the array held by a `Point` is a private copy, and every evaluation
gets a fresh one, so a function that writes into its argument changes neither it nor the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One argument: its values and the way back to the user's kind of object."""

    array: Array
    rebuild: Callable[[Array], Any]
    name: str

    def component(self, index: tuple[int, ...]) -> str:
        """A component in words: its name and its value."""
        label = self.name + (f"[{', '.join(map(str, index))}]" if index else "")
        return f"{label} = {self.array[index]:.6g}"


def _as_python(array: Array) -> Any:
    return array.item()


def _as_scalar(array: Array) -> Any:
    return array[()]


def _as_array(array: Array) -> Any:
    return array


def as_point(x: Any, name: str, *, allow_complex: bool = False) -> Point:
    """Check one argument: TypeError for its type, ValueError where it is not finite."""
    rebuild: Callable[[Array], Any] = _as_array
    if isinstance(x, np.generic):
        rebuild = _as_scalar
    elif isinstance(x, (int, float, complex)) and not isinstance(x, bool):
        # A Python int is a number the user was too lazy to write with a point; int arrays are not.
        x = x if isinstance(x, complex) else float(x)
        rebuild = _as_python
    try:
        array = np.array(x)
    except ValueError as error:
        raise TypeError(f"{name} must be a float or an array of floats: {error}") from error
    if array.dtype.kind in "iub":
        raise TypeError(
            f"{name} has dtype {array.dtype}: a derivative needs an argument that can move by less "
            f"than one; pass {name}.astype(float)"
        )
    if array.dtype.kind == "c" and not allow_complex:
        raise TypeError(
            f"{name} is complex ({array.dtype}); the derivative along one direction of the complex "
            "plane is directional(fun, (x,), (tangent,)), with tangent 1 or 1j"
        )
    if array.dtype.kind not in "fc":
        raise TypeError(
            f"{name} must be a float or an array of floats, got {type(x).__name__} "
            f"with dtype {array.dtype}"
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        point = Point(array, rebuild, name)
        raise ValueError(
            f"{point.component(tuple(map(int, bad[0])))}: the argument must be finite; "
            f"{len(bad)} of {array.size} components are not"
        )
    return Point(array, rebuild, name)
