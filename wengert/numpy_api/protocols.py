"""NumPy's two protocols on handles: ``__array_ufunc__`` and ``__array_function__``.

Imports core, ops, ``table``. Invariant: an unknown function is never evaluated on the values of a handle; its NumPy
source is tried on the handles themselves, and what that cannot do raises.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import numpy as np

from wengert.core.errors import CutError, NoRuleError, WengertError, error_at
from wengert.core.handle import TracedArray, is_handle
from wengert.numpy_api import inplace
from wengert.numpy_api.gufuncs import with_axes
from wengert.numpy_api.table import FUNCTIONS, UFUNCS
from wengert.numpy_api.ufunc_methods import METHODS_OF_UFUNCS
from wengert.numpy_api.untraced import by_objects, call_plain, is_untraced
from wengert.ops.join import holds_handle, nested
from wengert.ops.memory import write
from wengert.ops.select import where as choose


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``__array_ufunc__``: called by every ufunc, and by operators with a plain array on the left."""
    record = UFUNCS.get(ufunc)
    if record is None:
        if method == "__call__" and not kwargs and all(set(types) <= {"O", "-", ">"} for types in ufunc.types):
            return by_objects(ufunc, inputs)
        if is_untraced(*inputs, kwargs):
            return call_plain(getattr(ufunc, method), inputs, kwargs)
        raise error_at(
            NoRuleError, f"numpy ufunc {ufunc.__name__!r} has no derivative rule",
            fix="write it with other functions, or give it a rule with wengert.custom_jvp",
        )
    if method != "__call__":
        return METHODS_OF_UFUNCS[method](ufunc, record, *inputs, **kwargs)
    if kwargs:
        return _call_with_options(ufunc, record, inputs, **kwargs)
    return record(*inputs)


def _call_with_options(ufunc: Any, record: Any, inputs: tuple[Any, ...], **kwargs: Any) -> Any:
    out = kwargs.pop("out", None)
    mask = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    casting = kwargs.pop("casting", "same_kind")
    kwargs.pop("order", None)
    kwargs.pop("subok", None)
    if ufunc.signature is not None and kwargs:
        record = functools.partial(
            _along, ufunc, record, {k: kwargs.pop(k) for k in ("axis", "axes", "keepdims") if k in kwargs}
        )
    if kwargs:
        raise error_at(
            NoRuleError,
            f"np.{ufunc.__name__} with {sorted(kwargs)} has no derivative rule",
            fix="call it without these options",
        )
    if type(out) is tuple and len(out) == 1:
        out = out[0]
    held = inplace.references(out) if type(out) is np.ndarray else 0
    with np.errstate(all="ignore") if mask is not True else contextlib.nullcontext():
        result = record(*inputs)  # elements that the mask leaves out raise no warnings
    if dtype is not None:
        result = result.astype(dtype)
    if mask is not True:
        result = _masked(result, mask, out)
    if out is None:
        return result
    for r, o in zip(result, out, strict=True) if type(out) is tuple else ((result, out),):
        if type(o) is TracedArray or (o is not None and not is_handle(r)):
            inplace.check_cast(f"np.{ufunc.__name__}", r, o, casting)
    if type(out) is tuple:
        return tuple(r if o is None else _store(r, o) for r, o in zip(result, out, strict=True))
    return _store(result, out, held)


def _along(ufunc: Any, record: Any, options: dict[str, Any], *inputs: Any) -> Any:
    return with_axes(ufunc, record, inputs, **options)


def _masked(result: Any, mask: Any, out: Any) -> Any:
    if out is None:
        raise error_at(
            CutError,
            "where= without out= leaves elements undefined",
            fix="give out=, or use np.where(mask, f(x), other)",
        )
    return choose(mask, result, out)


def _store(result: Any, out: Any, held: int = 0) -> Any:
    if type(out) is TracedArray:
        write(out, ("index", Ellipsis), result)
        return out
    if type(out) is np.ndarray and not is_handle(result):
        out[...] = result
        return out
    return inplace.bind(result, out, held)


def array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``__array_function__``: called by NumPy's functions when an argument is a handle."""
    implementation = FUNCTIONS.get(func)
    if implementation is not None:
        return implementation(*args, **kwargs)
    source = getattr(func, "_implementation", None)
    name = f"{func.__module__}.{func.__name__}"
    if is_untraced(*args, kwargs):
        return call_plain(func, args, kwargs)
    if source is None or not hasattr(source, "__code__"):
        raise error_at(NoRuleError, f"{name} has no derivative rule", fix=_ADVICE)
    if kwargs.get("out") is not None and not is_handle(kwargs["out"]):
        raise error_at(CutError, f"{name} writes a traced value into a plain array", fix="leave out= away")
    try:
        return source(*args, **kwargs)
    except WengertError:
        raise
    except (TypeError, ValueError, AttributeError) as problem:
        raise error_at(NoRuleError, f"{name} has no derivative rule ({problem})", fix=_ADVICE) from problem


_ADVICE = "write it with other NumPy functions, or give it a rule with wengert.custom_jvp"


def listed(value: Any) -> Any:
    """An argument as an array: nested lists that hold handles are stacked."""
    if isinstance(value, (list, tuple)) and not is_handle(value) and holds_handle(value):
        return nested(value)
    return value
