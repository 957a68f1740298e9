"""``verify=True``: the function runs once more without a trace and must give the same values.

Values are compared bit for bit. Imports core, numpy_api. Invariant: the second run gets copies of
what the traced run got, made before that run could write to them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.api.arguments import name_of
from wengert.core.context import tracing
from wengert.core.errors import VerificationError, WengertError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import Structure, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api import reach
from wengert.ops.memory import sync


class _Call(NamedTuple):
    """One traced call: copies of its arguments, and the values that it returned."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    values: list[Any]
    structure: Structure


class Watch:
    """Notes a function's calls, to compare with untraced ones; ``function`` stands in for it."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun
        self.calls: list[_Call] = []

        @functools.wraps(fun)
        def watched(*args: Any, **kwargs: Any) -> Any:
            before, before_named = copies((args, kwargs))
            out = reach.served(fun)(*args, **kwargs)
            leaves, structure = flatten(out)
            self.calls.append(_Call(before, before_named, [_copy(v) for v in leaves], structure))
            return out

        self.function = watched

    def check(self) -> None:
        """Run the function on the copies, untraced. Raises VerificationError where it differs."""
        for call in self.calls:
            out = untraced(self.fun, call.args, call.kwargs)
            leaves, structure = flatten(out)
            if structure != call.structure:
                raise _differs(self.fun, "returns other containers", call.structure, structure)
            for traced, plain, path in zip(
                call.values, leaves, structure.paths("the output"), strict=True
            ):
                if not same(traced, _copy(plain)):
                    raise _differs(
                        self.fun,
                        f"gives another value: {path}{_entry(traced, _copy(plain))}",
                        traced,
                        plain,
                    )


def untraced(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The function on plain values, seen by no trace."""
    token = tracing.set(None)
    try:
        return fun(*args, **kwargs)
    except WengertError:
        raise
    except Exception as problem:
        raise error_at(
            VerificationError,
            f"{name_of(fun)} runs under a trace, but without one it raises "
            f"{type(problem).__name__}: {problem}",
            fix="let it behave the same for arrays and traced arrays",
            depth=4,
        ) from problem
    finally:
        tracing.reset(token)


def verified(
    transform: Callable[[Callable[..., Any]], Callable[..., Any]], fun: Callable[..., Any]
) -> Callable[..., Any]:
    """``transform(fun)``, where every traced run of ``fun`` is compared with an untraced one."""

    @functools.wraps(fun)
    def transformed(*args: Any, **kwargs: Any) -> Any:
        return verified_call(lambda f: transform(f)(*args, **kwargs), fun)

    return transformed


def verified_call(run: Callable[[Callable[..., Any]], Any], fun: Callable[..., Any]) -> Any:
    """``run(fun)``, comparing the traced runs of ``fun`` with untraced ones."""
    watch = Watch(fun)
    result = run(watch.function)
    watch.check()
    return result


def check_rows(
    fun: Callable[..., Any], rows: Sequence[tuple[Any, ...]], results: Sequence[Any]
) -> None:
    """Compare what a batched run gave for each row with an untraced run on that row alone.

    Products of a batch may be summed in another order than those of one row, so here values may
    differ by rounding. Raises VerificationError at the first row that differs by more.
    """
    for number, (args, result) in enumerate(zip(rows, results, strict=True)):
        leaves, structure = flatten(untraced(fun, args, {}))
        found, shape = flatten(result)
        if structure != shape:
            raise _differs(fun, f"returns other containers for row {number}", shape, structure)
        for batched, plain, path in zip(found, leaves, structure.paths("the output"), strict=True):
            if not same(batched, plain, rounding=True):
                raise _differs(
                    fun,
                    f"gives another value for row {number}: {path}{_entry(batched, plain)}",
                    batched,
                    plain,
                )


def copies(value: Any) -> Any:
    leaves, structure = flatten(value)
    return structure.unflatten([_copy(v) for v in leaves])


def _copy(value: Any) -> Any:
    if is_handle(value):
        if value.base is not None:
            sync(value)
        value = value.value
    return value.copy(order="K") if isinstance(value, np.ndarray) else value


_NUMBERS = (np.ndarray, np.generic, float, int, complex)


def same(a: Any, b: Any, *, rounding: bool = False) -> bool:
    """Whether two plain leaves are equal bit for bit, all NaNs alike.

    With ``rounding``: up to 1e-10 of the largest element (1e-4 in single precision). Objects
    that are no numbers count as equal when they are of one type.
    """
    if not isinstance(a, _NUMBERS) or not isinstance(b, _NUMBERS):
        if isinstance(a, (str, bytes)) or a is None or b is None:
            return type(a) is type(b) and bool(a == b)
        return type(a) is type(b)
    if shape_of(a) != shape_of(b) or dtype_of(a) != dtype_of(b):
        return False
    x, y = np.asarray(a), np.asarray(b)
    if x.dtype.kind not in "fc":
        return bool(np.array_equal(x, y))
    if rounding:
        scale = np.max(np.abs(y[np.isfinite(y)]), initial=0.0)
        near = 1e-10 if x.dtype.itemsize >= 8 and x.dtype != np.complex64 else 1e-4
        return bool(np.allclose(x, y, rtol=near, atol=near * scale, equal_nan=True))
    return bool((_differing(x, y) == 0).all())


def _differing(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where two arrays of one dtype differ in value or in the sign of a zero."""
    found: np.ndarray[Any, Any]
    if x.dtype.kind == "c":
        found = _differing(x.real, y.real) | _differing(x.imag, y.imag)
    else:
        both_nan = np.isnan(x) & np.isnan(y)
        found = np.logical_not(both_nan | ((x == y) & (np.signbit(x) == np.signbit(y))))
    return found


def _entry(a: Any, b: Any) -> str:
    """The index of the first element that differs, for arrays of one type."""
    if (
        not isinstance(a, np.ndarray)
        or np.shape(a) != np.shape(b)
        or a.dtype != np.asarray(b).dtype
        or a.ndim == 0
    ):
        return ""
    b = np.asarray(b)
    where = np.argwhere(_differing(a, b) if a.dtype.kind in "fc" else a != b)
    return f"[{', '.join(map(str, where[0]))}]" if len(where) else ""


def _short(value: Any) -> str:
    text = (
        np.array2string(value, threshold=8, edgeitems=3)
        if isinstance(value, np.ndarray)
        else repr(value)
    )
    if isinstance(value, (np.ndarray, np.generic)):
        text += f" ({dtype_of(value)}{list(shape_of(value))})"
    return text


def _differs(fun: Callable[..., Any], what: str, traced: Any, plain: Any) -> WengertError:
    return error_at(
        VerificationError,
        f"without a trace {name_of(fun)} {what}\n"
        f"  traced:   {_short(traced)}\n  untraced: {_short(plain)}",
        fix="the function must be the same for arrays and traced arrays, and not depend on "
        "state or random numbers: no counters, seeds fixed inside",
        depth=4,
    )


__all__ = ["Watch", "check_rows", "same", "untraced", "verified", "verified_call"]
