"""Functions of containers as functions between real vectors, to compare derivatives by entry.

A complex number counts as two coordinates, so one rule serves holomorphic and other functions
alike. Imports core. Invariant: packing and unpacking keep types, shapes and dtypes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api.arguments import name_of
from wengert.core.errors import WengertTypeError, error_at
from wengert.core.tree import flatten, is_static
from wengert.core.types import dtype_of, shape_of

Vector = np.ndarray[Any, Any]


class Program:
    """A function as one of its floating-point leaves, returning its floating-point outputs."""

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fun = fun
        self.__name__ = name_of(fun)
        self._all, self._structure = flatten(args)
        self._moving = [k for k, leaf in enumerate(self._all) if is_float(leaf)]
        paths = self._structure.paths("argument ")
        self.input_names = [_argument(paths[k]) for k in self._moving]
        self.leaves = tuple(own(self._all[k]) for k in self._moving)
        if not self.leaves:
            raise error_at(
                WengertTypeError,
                f"none of the arguments of {self.__name__} is a floating point number or array",
                fix="pass floats: x.astype(float)",
            )
        self.output_names: list[str] = []

    def __call__(self, *leaves: Any) -> list[Any]:
        """The outputs for these leaves; everything else is as it was given."""
        full = list(self._all)
        for k, leaf in zip(self._moving, leaves, strict=True):
            full[k] = leaf
        out, structure = flatten(self.fun(*self._structure.unflatten(full)))
        kept = [k for k, o in enumerate(out) if is_float(o)]
        paths = structure.paths("output")
        self.output_names = [paths[k] for k in kept]
        if not kept:
            raise error_at(
                WengertTypeError,
                f"{self.__name__} returned no floating point number",
                fix="let it return the value to check",
            )
        return [out[k] for k in kept]


def is_float(leaf: Any) -> bool:
    """Whether a leaf is a real or complex floating point number or array."""
    if is_static(leaf) and not isinstance(leaf, np.generic):
        return False
    return (
        isinstance(leaf, (float, complex, np.ndarray, np.generic)) and dtype_of(leaf).kind in "fc"
    )


def own(leaf: Any) -> Any:
    """The leaf, an array as a copy that may be written to."""
    return leaf.copy(order="K") if isinstance(leaf, np.ndarray) else leaf


def _argument(path: str) -> str:
    """``argument [0]['w']`` as ``argument 0['w']``."""
    head, _, rest = path.removeprefix("argument [").partition("]")
    return f"argument {head}{rest}"


def random_of(shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Any:
    """A random value of a shape and dtype."""
    drawn: Any = rng.normal(size=shape)
    if dtype.kind == "c":
        drawn = drawn + 1j * rng.normal(size=shape)
    return np.asarray(drawn).astype(dtype)[()]


class Space:
    """The real coordinates of a list of values; of a complex value first all its real parts."""

    def __init__(self, values: Sequence[Any], names: Sequence[str]) -> None:
        self.names = list(names)
        self.shapes = [shape_of(v) for v in values]
        self.dtypes = [dtype_of(v) for v in values]
        self.kinds = [type(v) for v in values]
        self.sizes = [
            int(np.prod(s)) * (2 if d.kind == "c" else 1)
            for s, d in zip(self.shapes, self.dtypes, strict=True)
        ]
        self.size = sum(self.sizes)

    def pack(self, values: Sequence[Any]) -> Vector:
        """One vector; of values that a complex step made complex it stays complex."""
        rows: list[Any] = []
        for v, dtype in zip(values, self.dtypes, strict=True):
            flat = np.ravel(v)
            rows += [flat.real, flat.imag] if dtype.kind == "c" else [flat]
        return np.concatenate(rows) if rows else np.zeros(0)

    def unpack(self, vector: Vector) -> list[Any]:
        """The values again, of the types they had (complex for the vector of a complex step)."""
        found: list[Any] = []
        start = 0
        for shape, dtype, kind, size in zip(
            self.shapes, self.dtypes, self.kinds, self.sizes, strict=True
        ):
            part = vector[start : start + size]
            start += size
            if dtype.kind == "c":
                part = part[: size // 2] + 1j * part[size // 2 :]
            stepped = part.dtype.kind == "c" and dtype.kind != "c"
            value = part.reshape(shape).astype(
                np.result_type(dtype, np.complex64) if stepped else dtype
            )
            if kind is np.ndarray:
                found.append(value)
            else:
                found.append(
                    complex(value[()])
                    if kind is float and stepped
                    else value[()]
                    if kind not in (float, complex)
                    else kind(value[()])
                )
        return found

    def label(self, coordinate: int) -> str:
        """What a person would write for one coordinate."""
        for name, shape, dtype, size in zip(
            self.names, self.shapes, self.dtypes, self.sizes, strict=True
        ):
            if coordinate < size:
                half = size // 2 if dtype.kind == "c" else size
                index = np.unravel_index(coordinate % half, shape) if shape else ()
                text = name + (f"[{', '.join(map(str, map(int, index)))}]" if shape else "")
                return (
                    text
                    if dtype.kind != "c"
                    else f"Re {text}"
                    if coordinate < half
                    else f"Im {text}"
                )
            coordinate -= size
        raise IndexError(coordinate)


__all__ = ["Program", "Space", "Vector", "is_float", "own", "random_of"]
