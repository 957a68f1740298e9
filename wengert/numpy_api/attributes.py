"""Attributes of handles beyond shape and dtype: real, imag, mT, flat, at, strides, flags; and those
that would cut a derivative.

Imports core, ops, ``table``. Invariant: what gives memory or bytes away raises while the handle is
traced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wengert.core.errors import CutError, error_at
from wengert.core.handle import TracedScalar
from wengert.core.types import dtype_of
from wengert.numpy_api.conversions import asks_layout, is_cut, peek
from wengert.numpy_api.exact import array
from wengert.numpy_api.table import method
from wengert.ops.memory import read, write


def attribute(
    name: str, set_to: Callable[[Any, Any], None] | None = None
) -> Callable[[Callable[[Any], Any]], Any]:
    """Register the decorated function as an attribute of handles."""

    def register(function: Callable[[Any], Any]) -> Any:
        method(name)(property(function, set_to))  # type: ignore[arg-type]
        return function

    return register


def _set_imag(t: Any, value: Any) -> None:
    if dtype_of(peek(t)).kind != "c":
        raise TypeError("array does not have imaginary part to set")
    write(imag(t), ("index", Ellipsis), value)


def _set_real(t: Any, value: Any) -> None:
    write(real(t), ("index", Ellipsis), value)


@attribute("real", _set_real)
def real(t: Any) -> Any:
    if type(t) is TracedScalar and dtype_of(t.value).kind != "c":
        return t
    return read(t, ("real", None))


@attribute("imag", _set_imag)
def imag(t: Any) -> Any:
    if dtype_of(t.value).kind == "c":
        return read(t, ("imag", None))
    return peek(t).imag


@attribute("mT")
def matrix_transposed(t: Any) -> Any:
    if len(t.shape) < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return t.swapaxes(-1, -2)


@attribute("strides")
def strides(t: Any) -> tuple[int, ...]:
    return np.asarray(peek(t)).strides


class Flags:
    """The flags of the array behind a handle; ``writeable`` may be set to False."""

    __slots__ = ("_flags", "_writeable")

    def __init__(self, t: Any) -> None:
        asks_layout()
        self._flags = np.asarray(peek(t)).flags
        self._writeable = not any(
            kind in {"diagonal", "broadcast"} for kind, _ in (t.path if t.base is not None else ())
        )

    @property
    def writeable(self) -> bool:
        """Whether writing is allowed."""
        return bool(self._writeable)

    @writeable.setter
    def writeable(self, value: bool) -> None:
        if value and not self._writeable:
            raise ValueError("cannot set WRITEABLE flag to True of this array")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)

    def __getitem__(self, name: Any) -> Any:
        return self.writeable if name in {"WRITEABLE", "W"} else self._flags[name]


@attribute("flags")
def flags(t: Any) -> Flags:
    return Flags(t)


# ---------------------------------------------------------------- flat


class Flat:
    """``t.flat``: the elements in C order; reading copies, writing goes to the array itself."""

    __slots__ = ("_array", "_next")

    def __init__(self, t: Any) -> None:
        self._array = t
        self._next = 0

    base = property(lambda self: self._array)
    index = property(lambda self: self._next)

    def __len__(self) -> int:
        return int(self._array.size)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._array.ravel())

    def __next__(self) -> Any:
        if self._next >= len(self):
            raise StopIteration
        self._next += 1
        return self[self._next - 1]

    def __getitem__(self, index: Any) -> Any:
        return self._array.flatten()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        t = self._array
        where = np.arange(t.size)[index]
        if (
            np.ndim(where)
            and np.shape(peek(value) if hasattr(value, "node") else value) != where.shape
        ):
            value = np.resize(array(value), where.shape)
        place = np.unravel_index(where, t.shape)
        write(t, ("index", tuple(map(int, place)) if np.ndim(where) == 0 else place), value)

    def copy(self) -> Any:
        """The elements as a new array."""
        return self._array.flatten()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.asarray(self._array.flatten(), dtype=dtype)


def _set_flat(t: Any, value: Any) -> None:
    Flat(t)[:] = value


@attribute("flat", _set_flat)
def flat(t: Any) -> Flat:
    return Flat(t)


# ---------------------------------------------------------------- at


class At:
    """``x.at[index].set(value)`` and its relatives: a changed copy."""

    __slots__ = ("_array", "_index")

    def __init__(self, t: Any, index: Any = None) -> None:
        self._array = t
        self._index = index

    def __getitem__(self, index: Any) -> At:
        return At(self._array, index)

    def get(self, **options: Any) -> Any:
        """The region itself."""
        _only(options)
        return self._array[self._index]

    def set(self, value: Any, **options: Any) -> Any:
        """A copy with the region replaced."""
        _only(options)
        out = self._array.copy()
        out[self._index] = value
        return out

    def add(self, value: Any, **options: Any) -> Any:
        """A copy with values added, repeated places counted."""
        return self._apply(np.add, value, options)

    def subtract(self, value: Any, **options: Any) -> Any:
        """A copy with values subtracted, repeated places counted."""
        return self._apply(np.subtract, value, options)

    def multiply(self, value: Any, **options: Any) -> Any:
        """A copy with the region multiplied."""
        return self._apply(np.multiply, value, options)

    mul = multiply

    def divide(self, value: Any, **options: Any) -> Any:
        """A copy with the region divided."""
        return self._apply(np.divide, value, options)

    def power(self, value: Any, **options: Any) -> Any:
        """A copy with the region raised to a power."""
        return self._apply(np.power, value, options)

    def min(self, value: Any, **options: Any) -> Any:
        """A copy with the smaller of region and value."""
        return self._apply(np.minimum, value, options)

    def max(self, value: Any, **options: Any) -> Any:
        """A copy with the larger of region and value."""
        return self._apply(np.maximum, value, options)

    def apply(self, function: Callable[[Any], Any], **options: Any) -> Any:
        """A copy with a function of the region in its place."""
        return self.set(function(self._array[self._index]), **options)

    def _apply(self, ufunc: Any, value: Any, options: Any) -> Any:
        _only(options)
        out = self._array.copy()
        ufunc.at(out, self._index, value)
        return out


def _only(options: dict[str, Any]) -> None:
    if unknown := set(options) - {"indices_are_sorted", "unique_indices"}:
        raise TypeError(f"unknown options {sorted(unknown)} for x.at[...]")


@attribute("at")
def at(t: Any) -> At:
    return At(t)


# ---------------------------------------------------------------- what would cut


def _cutting(name: str, fix: str) -> None:
    def refuse(t: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_cut(t):
            return getattr(np.asarray(peek(t)), name)(*args, **kwargs)
        raise error_at(CutError, f"{name}() of a traced array would cut the derivative", fix=fix)

    method(name)(refuse)


def _cutting_attribute(name: str, fix: str) -> None:
    def refuse(t: Any) -> Any:
        if not is_cut(t):
            return getattr(np.asarray(peek(t)), name)
        raise error_at(CutError, f".{name} of a traced array would cut the derivative", fix=fix)

    method(name)(property(refuse))  # type: ignore[arg-type]


_STOP = "use wengert.stop_gradient(t) where a constant is meant"
for _name in (
    "tobytes",
    "dump",
    "dumps",
    "tofile",
    "getfield",
    "setfield",
    "byteswap",
    "newbyteorder",
    "__dlpack__",
    "hex",
    "as_integer_ratio",
):
    _cutting(_name, _STOP)
for _name in ("data", "ctypes"):
    _cutting_attribute(_name, _STOP)


@method("is_integer")
def is_integer(t: Any) -> bool:
    if not hasattr(peek(t), "is_integer"):
        raise AttributeError(f"{type(peek(t)).__name__!r} object has no attribute 'is_integer'")
    return bool(np.floor(t) == t) and bool(np.isfinite(t))  # comparisons, so that a replay asks them again


@method("view")
def view(t: Any, dtype: Any = None, **options: Any) -> Any:
    if isinstance(dtype, type) and issubclass(dtype, np.ndarray) and dtype is not np.ndarray:
        raise error_at(
            CutError,
            f"a traced array was looked at as a {dtype.__name__}, a subclass that carries no derivative",
            fix="stay with plain arrays: hold the array in an attribute of a class of your own",
        )
    if dtype is None or dtype is np.ndarray or np.dtype(dtype) == t.dtype:
        return read(t, ("index", Ellipsis))
    raise error_at(
        CutError,
        f"a traced array of {t.dtype} was looked at as {np.dtype(dtype)}: "
        "its bits carry no derivative",
        fix="stay with the numbers: t.astype(...), np.signbit, np.frexp, or t.real and t.imag",
    )


@method("setflags")
def setflags(t: Any, write: Any = None, align: Any = None, uic: Any = None) -> None:
    if write is False:
        return
    if write and not Flags(t).writeable:
        raise ValueError("cannot set WRITEABLE flag to True of this array")


@method("to_device")
def to_device(t: Any, device: Any, /, *, stream: Any = None) -> Any:
    if device != "cpu":
        raise ValueError(f"unsupported device {device!r}: NumPy arrays live on 'cpu'")
    return t
