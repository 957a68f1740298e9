"""What Python and C code may ask of a handle: its number, its memory, its text. Plain data only where nothing is cut.

Imports core. Invariant: while a trace is running, a traced value gives away neither number nor memory; text, hash and truth value
are fine because no derivative passes through them.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, tracing
from wengert.core.errors import CutError, error_at
from wengert.core.handle import TracedArray, TracedScalar
from wengert.core.node import here
from wengert.ops.memory import sync


def current_value(t: Any) -> Any:
    """The up-to-date raw value."""
    if t.base is not None:
        sync(t)
    return t.value


def peek(t: Any) -> Any:
    """The value for looking at only (no copy-on-write mark)."""
    base = t.base
    if base is not None and base is not t and t.version != base.version:
        sync(t)
    return t.value


def is_cut(t: Any) -> bool:
    """Whether giving the plain value away would cut a derivative: the handle is traced and its trace still runs."""
    return t.node is not None and t.node.seq >= SWITCH.oldest


class _Holder:
    """Owner of memory lent to code that cannot be seen; its life tells whether somebody still looks at it."""

    __slots__ = ("__array_interface__", "__weakref__", "keep")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.keep = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], True)
        self.__array_interface__ = interface


def array(t: Any, dtype: Any = None, copy: Any = None) -> Any:
    """``__array__``: raises for a traced value; lends a buffer's memory, read-only."""
    value = peek(t)
    if is_cut(t):
        if _sparse_product():
            out = np.empty((), dtype=object)
            out[()] = t
            return out
        raise error_at(
            CutError, "a traced array was asked for its plain memory, which would cut the derivative"
            if type(t) is TracedArray else "a traced scalar was asked for a plain array, which would cut the derivative",
            fix="keep to NumPy functions and operators on it: G @ t for G.dot(t), np.array([...]) made inside the function, "
            "wengert.stop_gradient(t) where a constant is meant",
        )
    if type(value) is not np.ndarray:
        return np.array(value, dtype=dtype)
    if copy or (dtype is not None and np.dtype(dtype) != value.dtype):
        return np.array(value, dtype=dtype)
    if t.base is None:
        return value
    base = t.base
    holder = _Holder(value)
    if base.base is base:
        base.export = weakref.ref(holder)
    return np.asarray(holder)


def _sparse_product() -> bool:
    """SciPy's sparse matrices ask for a 0-d object array before they hand ``A @ t`` over to us."""
    import sys

    frame = sys._getframe(2)
    for _ in range(4):
        if frame is None:
            return False
        if frame.f_code.co_name in {"_matmul_dispatch", "_rmatmul_dispatch", "_mul_dispatch", "_rmul_dispatch"} and (
            frame.f_globals.get("__name__", "").startswith("scipy.sparse")
        ):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _number(name: str, convert: Any) -> Any:
    def conversion(t: Any) -> Any:
        value = peek(t)
        if is_cut(t):
            if name == "float" and _formatting():
                return convert(value)
            raise error_at(
                CutError, f"{name}() of a traced value would cut the derivative",
                fix="leave the conversion away, or write np.asarray-free NumPy: y = np.zeros(n); y[i] = t; use "
                "wengert.stop_gradient(t) where a constant is meant",
            )
        return convert(value)

    return conversion


def _formatting() -> bool:
    """Whether the caller's instruction is ``"..." % t``: then only text is made of the number."""
    import dis
    import sys

    from wengert.core.node import user_frame

    frame = user_frame(sys._getframe(2))
    if frame is None or frame.f_lasti < 0:
        return False
    code = frame.f_code.co_code
    return dis.opname[code[frame.f_lasti]] == "BINARY_OP" and code[frame.f_lasti + 1] in (6, 19)


to_float = _number("float", float)
to_complex = _number("complex", complex)


class Guard:
    """What Python learned from a value: kind of question, node asked, answer, line."""

    __slots__ = ("kind", "node", "outcome", "where")

    def __init__(self, kind: str, node: Any, outcome: Any, where: Any) -> None:
        self.kind, self.node, self.outcome, self.where = kind, node, outcome, where

    def __repr__(self) -> str:
        return f"Guard({self.kind} of {self.node} is {self.outcome})"


def guard(t: Any, kind: str, outcome: Any) -> Any:
    """Note an answer in the running full recording."""
    if SWITCH.special and t.node is not None:
        frame = tracing.get()
        if frame is not None and frame.full is not None and t.node.seq >= frame.full.start:
            frame.full.guards.append(Guard(kind, t.node, outcome, here(3)))
    return outcome


def to_bool(t: Any) -> bool:
    return guard(t, "bool", bool(peek(t)))  # type: ignore[no-any-return]


def to_int(t: Any) -> int:
    return guard(t, "int", int(peek(t)))  # type: ignore[no-any-return]


def to_index(t: Any) -> int:
    value = peek(t)
    if type(value) in (float, np.float64) or getattr(value, "dtype", np.dtype(float)).kind not in "iu":
        raise TypeError(f"'{type(value).__name__}' object cannot be interpreted as an integer")
    return guard(t, "int", int(value))  # type: ignore[no-any-return]


def refuse_pickle(t: Any, *_: Any) -> Any:
    if not is_cut(t):
        return peek(t).__reduce_ex__(2)
    raise error_at(
        CutError, "a traced value cannot be pickled: its derivative would stay behind",
        fix="pickle the result after the derivative is taken, or wengert.stop_gradient(t)",
    )


def text(t: Any) -> str:
    return str(peek(t))


def representation(t: Any) -> str:
    value = peek(t)
    kind = "TracedArray" if type(t) is TracedArray else "TracedScalar"
    inner = np.array2string(value, separator=", ") if type(value) is np.ndarray else repr(value)
    return f"{kind}({inner})"


def formatted(t: Any, spec: str) -> str:
    return format(peek(t), spec)


def hashed(t: Any) -> int:
    if type(t) is TracedScalar:
        return hash(t.value)
    raise TypeError("unhashable type: 'numpy.ndarray'")
