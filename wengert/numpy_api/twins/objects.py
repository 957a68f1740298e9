"""Objects that are asked like functions: ``np.vectorize``, ``np.r_`` and ``np.c_``, ``np.mgrid``
and ``np.ogrid``.

Imports core, ops, ``table`` and the makers. Invariant: a function given to ``np.vectorize`` sees
scalar handles where NumPy would show it numbers, and its results are stacked, never converted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.handle import HANDLES, TracedScalar, is_handle
from wengert.core.types import SCALARS, dtype_of
from wengert.numpy_api.conversions import as_objects
from wengert.numpy_api.methods import astype
from wengert.numpy_api.table import TWINS, Standin
from wengert.numpy_api.twins.converters import array, asarray
from wengert.numpy_api.twins.makers import arange, linspace, owned
from wengert.ops.join import holds_handle, nested
from wengert.ops.memory import read


def spread(a: Any, shape: tuple[int, ...]) -> Any:
    """An array seen in a larger shape."""
    if a.shape == shape:
        return a
    return read(a, ("broadcast", shape)) if is_handle(a) else np.broadcast_to(a, shape)


_PYTHONS_OWN = "dDlq?OUSV"
"""The dtypes whose elements are the same numbers to Python and to NumPy."""


class _SameAs(type):
    """The class of ``Vectorize``: what NumPy's own class made counts as its instance too."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, np.vectorize)


class Vectorize(np.vectorize, metaclass=_SameAs):
    """``np.vectorize`` whose loop runs on scalar handles while a trace is running."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function element by element."""
        if tracing.get() is None or self.pyfunc is np._NoValue:
            return super().__call__(*args, **kwargs)
        function, arrays = self._positional(args, kwargs)
        if self.signature is not None:
            return self._by_signature(function, arrays)
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        if 0 in shape:
            if any(map(is_handle, arrays)):
                raise ValueError("cannot call `vectorize` on size 0 inputs that are traced")
            return super().__call__(*args, **kwargs)
        columns = [_elements(spread(a, shape), shape) for a in arrays]
        results = [function(*row) for row in zip(*columns, strict=True)]
        if self.otypes or all(dtype_of(a).char in _PYTHONS_OWN for a in arrays):
            return self._gather(results, shape)
        # NumPy asks for the type of the result with the first elements as they are, then shows Python's numbers.
        kinds = function(*(a[(0,) * a.ndim] for a in arrays))
        return self._gather(results, shape, kinds if isinstance(kinds, tuple) else (kinds,))

    def _positional(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Callable[..., Any], list[Any]]:
        """The function of the looped arguments alone, and these arguments as arrays."""
        function, excluded = self.pyfunc, self.excluded
        if not kwargs and not excluded:
            return function, [asarray(a) for a in args]
        names = [name for name in kwargs if name not in excluded]
        places = [k for k in range(len(args)) if k not in excluded]
        given = list(args)

        def call(*looped: Any) -> Any:
            for k, place in enumerate(places):
                given[place] = looped[k]
            kwargs.update(zip(names, looped[len(places) :], strict=True))
            return function(*given, **kwargs)

        return call, [asarray(args[k]) for k in places] + [asarray(kwargs[name]) for name in names]

    def _gather(self, results: list[Any], shape: tuple[int, ...], kinds: Any = None) -> Any:
        if isinstance(results[0], tuple):
            if len({len(r) for r in results}) > 1:
                raise ValueError("the vectorized function returned tuples of different lengths")
            parts = list(zip(*results, strict=True))
            firsts = [part[0] for part in parts] if kinds is None else kinds
            return tuple(
                self._column(list(part), shape, k, first)
                for k, (part, first) in enumerate(zip(parts, firsts, strict=True))
            )
        return self._column(results, shape, 0, results[0] if kinds is None else kinds[0])

    def _column(self, results: list[Any], shape: tuple[int, ...], k: int, first: Any) -> Any:
        declared = self.otypes
        # NumPy takes the type of the first result for all, and so truncates the others when that is
        # an integer.
        dtype = (
            np.dtype(declared[k])
            if declared
            else dtype_of(first.value)
            if is_handle(first)
            else np.asarray(first).dtype
        )
        if dtype.kind == "O":
            out = np.empty(len(results), dtype=object)
            out[:] = results
            return out.reshape(shape)
        if not holds_handle(results):
            made = np.array(results, dtype)
            return owned(made.reshape((*shape, *made.shape[1:])))
        stack = nested(results)
        stack = stack.reshape((*shape, *stack.shape[1:]))
        return stack if stack.dtype == dtype else astype(stack, dtype)

    def _by_signature(self, function: Callable[..., Any], arrays: list[Any]) -> Any:
        inputs = str(self.signature).replace(" ", "").split("->")[0]
        ranks = [
            len([d for d in part.split(",") if d]) for part in re.findall(r"\(([^)]*)\)", inputs)
        ]
        if len(ranks) != len(arrays):
            raise TypeError(
                f"wrong number of positional arguments: expected {len(ranks)}, got {len(arrays)}"
            )
        loops = [a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True)]
        shape = np.broadcast_shapes(*loops)
        wide = [
            spread(a, (*shape, *a.shape[a.ndim - rank :]))
            for a, rank in zip(arrays, ranks, strict=True)
        ]
        results = [function(*(a[index] for a in wide)) for index in np.ndindex(shape)]
        if not results:
            raise ValueError(
                "cannot call `vectorize` with a signature including new output dimensions on size "
                "0 inputs"
            )
        return self._gather(results, shape)


def _elements(a: Any, shape: tuple[int, ...]) -> list[Any]:
    """The elements one by one, as NumPy shows them to Python: scalar handles, or Python's own
    numbers.
    """
    if is_handle(a):
        return as_objects(a).ravel().tolist()
    return a.astype(object).ravel().tolist()


# ---------------------------------------------------------------- np.r_, np.c_


def _traced_item(item: Any) -> bool:
    if isinstance(item, slice):
        return any(type(p) in HANDLES for p in (item.start, item.stop, item.step))
    return holds_handle(item)


def _laid_out(item: Any, ndmin: int, trans1d: int) -> Any:
    """One item of ``np.r_[...]`` with its rank raised; ``trans1d`` says where the given axes go."""
    made = _range(item) if isinstance(item, slice) else array(item, copy=None)
    rank = made.ndim
    if rank >= ndmin:
        return made
    made = made[(None,) * (ndmin - rank) + (...,)]
    missing = ndmin - rank
    start = trans1d + missing + 1 if trans1d < 0 else trans1d
    axes = list(range(ndmin))
    return (
        made.transpose(axes[:start] + axes[missing:] + axes[start:missing])
        if trans1d != -1
        else made
    )


def _range(item: slice) -> Any:
    start = 0 if item.start is None else item.start
    step = 1 if item.step is None else item.step
    if isinstance(step, complex) and not is_handle(step):
        return (
            np.linspace(start, item.stop, int(abs(step)))
            if not _traced_item(item)
            else linspace(start, item.stop, int(abs(step)))
        )
    return arange(start, item.stop, step)


class _Concatenation:
    """``np.r_`` or ``np.c_`` while a trace is running."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getitem__(self, key: Any) -> Any:
        original = self._original
        items = key if isinstance(key, tuple) else (key,)
        if tracing.get() is None or not any(map(_traced_item, items)):
            made = original[key]
            return owned(made) if tracing.get() is not None else made
        axis, ndmin, trans1d = original.axis, original.ndmin, original.trans1d
        if isinstance(items[0], str):
            given = [int(part) for part in items[0].split(",")]
            kept: list[Any] = [axis, ndmin, trans1d]
            axis, ndmin, trans1d = given + kept[len(given) :]
            items = items[1:]
        parts = [_laid_out(item, max(ndmin, 1), trans1d) for item in items]
        # A Python number takes the type of the others.
        numbers = (item.value if type(item) is TracedScalar else item for item in items)
        weak = [n if type(n) in SCALARS else p.dtype for n, p in zip(numbers, parts, strict=True)]
        dtype = np.result_type(*weak)
        parts = [
            p if p.dtype == dtype else astype(p, dtype) if is_handle(p) else p.astype(dtype)
            for p in parts
        ]
        return np.concatenate(parts, axis=axis)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __len__(self) -> int:
        return 0

    def __reduce__(self) -> Any:
        return getattr, (np, "r_" if self._original is np.r_ else "c_")


# ---------------------------------------------------------------- np.mgrid, np.ogrid


class _Grid:
    """``np.mgrid`` or ``np.ogrid`` while a trace is running: the bounds may be traced."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getitem__(self, key: Any) -> Any:
        if tracing.get() is None:
            return self._original[key]
        slices = key if isinstance(key, tuple) else (key,)
        if not any(map(_traced_item, slices)):
            made = self._original[key]
            return tuple(map(owned, made)) if isinstance(made, tuple) else owned(made)
        axes = [_grid_axis(s) for s in slices]
        if not isinstance(key, tuple):
            return axes[0]
        rank = len(axes)
        open_axes = [
            a[(None,) * k + (slice(None),) + (None,) * (rank - k - 1)] for k, a in enumerate(axes)
        ]
        if self._original.sparse:
            return tuple(open_axes)
        shape = tuple(len(a) for a in axes)
        return nested([spread(a, shape) for a in open_axes])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __reduce__(self) -> Any:
        return getattr, (np, "ogrid" if self._original.sparse else "mgrid")


def _grid_axis(s: slice) -> Any:
    start = 0 if s.start is None else s.start
    step = 1 if s.step is None else s.step
    if isinstance(step, complex) and not is_handle(step):
        count = int(abs(step))
        step = (s.stop - start) / float(count - 1) if count != 1 else 1
    else:
        count = math.ceil(int(np.ceil((s.stop - start) / step)))
    return np.arange(max(count, 0)) * step + start


TWINS[np.vectorize] = Standin(Vectorize)
TWINS[np.r_] = Standin(_Concatenation(np.r_))
TWINS[np.c_] = Standin(_Concatenation(np.c_))
TWINS[np.mgrid] = Standin(_Grid(np.mgrid))
TWINS[np.ogrid] = Standin(_Grid(np.ogrid))

__all__ = ["Vectorize", "spread"]
