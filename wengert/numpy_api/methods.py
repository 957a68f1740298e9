"""Methods of arrays that are views, casts and copies.

Imports core, ops, ``table``. Invariant: a method gives a view exactly where NumPy's does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.deferred import is_missing
from wengert.core.handle import TracedScalar, buffer, is_handle
from wengert.core.types import dtype_of
from wengert.numpy_api.conversions import asks_layout, current_value, guard, note
from wengert.numpy_api.table import method
from wengert.ops import arithmetic, complexes
from wengert.ops.memory import read


@method("reshape")
def reshape(t: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    target = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    if type(t) is TracedScalar:
        from wengert.ops.join import stack

        t = stack([t], 0)
    out = read(
        t,
        ("reshape", (tuple(map(int, target)) if not isinstance(target, (int, np.integer)) else (int(target),), order)),
    )
    return copied(out, "K") if copy else out


@method("ravel")
def ravel(t: Any, order: str = "C") -> Any:
    return reshape(t, (-1,), order=order)


@method("flatten")
def flatten(t: Any, order: str = "C") -> Any:
    return copied(reshape(t, (-1,), order=order))


@method("transpose")
def transpose(t: Any, *axes: Any) -> Any:
    if type(t) is TracedScalar:
        return t
    wanted: Any = (
        axes[0] if len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], (int, np.integer))) else axes
    )
    return read(t, ("transpose", tuple(wanted) if wanted else None))


@method("swapaxes")
def swapaxes(t: Any, axis1: int, axis2: int) -> Any:
    order = list(range(t.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return read(t, ("transpose", tuple(order)))


@method("conjugate", "conj")
def conjugate(t: Any) -> Any:
    kind = dtype_of(t.value).kind
    return complexes.conjugate(t) if kind == "c" else t if kind == "b" else arithmetic.positive(t)


@method("astype")
def astype(t: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
    dtype = np.dtype(dtype)
    have = dtype_of(t.value)
    if dtype == have:
        return copied(t, order) if copy else lying(t, order)
    if dtype.kind in "fc":
        made = complexes.astype(t, dtype)
        return copied(made, order) if order in ("C", "F") and np.ndim(made.value) > 1 else made
    if dtype.kind == "O":
        out = np.empty(t.shape, dtype=object)
        for index in np.ndindex(t.shape):
            out[index] = t[index]
        return out
    value = current_value(t)
    return guard(t, "cast", value.astype(dtype) if hasattr(value, "astype") else dtype.type(value))


@method("copy")
def copied(t: Any, order: str = "C") -> Any:
    """A copy with memory of its own."""
    if type(t) is TracedScalar:
        return t
    value = np.array(current_value(t), copy=True, order=order)  # type: ignore[call-overload]
    return buffer(value, t.node)


@method("__copy__")
def shallow(t: Any) -> Any:
    return copied(t, "K")


@method("__deepcopy__")
def deepcopied(t: Any, memo: Any = None) -> Any:
    return copied(t, "K")


def lying(t: Any, order: Any) -> Any:
    """The handle, or a copy where its memory lies in another order than the one asked for: which of both it is depends
    on how the arguments lie."""
    value = current_value(t)
    if order in ("C", "F") and type(value) is np.ndarray and value.ndim > 1:
        asks_layout()
    if type(value) is not np.ndarray or is_missing(value):
        return t
    wrong = (order == "C" and not value.flags.c_contiguous) or (order == "F" and not value.flags.f_contiguous)
    return copied(t, order) if wrong else t


def _python(t: Any) -> Any:
    """A number as Python has it: in double precision, and without a say in the type of results."""
    if not is_handle(t):
        return t.item() if isinstance(t, np.generic) else t
    kind = dtype_of(t.value).kind
    if not isinstance(t.value, np.generic) or isinstance(t.value, np.longdouble | np.clongdouble):
        return t
    if kind not in "fc":  # Python's integers know no bounds, and no type of NumPy's: their value decides
        return note(t, "int" if kind in "iu" else "bool", t.value.item())
    return complexes.astype(t, float if kind == "f" else complex)


@method("item")
def item(t: Any, *index: Any) -> Any:
    if type(t) is TracedScalar:
        return _python(t)
    if not index:
        if t.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return _python(read(reshape(t, (1,)), ("index", 0)))
    if len(index) == 1 and not isinstance(index[0], tuple):
        return _python(read(ravel(t), ("index", index[0])))
    return _python(read(t, ("index", tuple(index[0]) if len(index) == 1 else tuple(index))))


@method("tolist")
def tolist(t: Any) -> Any:
    if type(t) is TracedScalar:
        return _python(t)
    if dtype_of(t.value).kind in "biu":
        note(t, "values", None)
        return current_value(t).tolist()
    return [tolist(part) if is_handle(part) else part for part in t]
