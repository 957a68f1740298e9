"""What Python and C code may ask of a handle: its number, its memory, its text. Plain data only
where nothing is cut.

Imports core. Invariant: while a trace is running, a traced value gives away neither number nor
memory; text, hash and truth value are fine because no derivative passes through them.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from wengert.core.context import FULL, SWITCH, tracing
from wengert.core.errors import CutError, WengertTypeError, error_at
from wengert.core.graph import QUESTIONS, Guard
from wengert.core.handle import TracedArray, TracedScalar, is_handle
from wengert.core.node import Const, here
from wengert.core.op import CONSTANT
from wengert.core.record import is_known
from wengert.core.structure import ROOT
from wengert.core.types import dtype_of
from wengert.ops.memory import sync
from wengert.ops.paths import apply


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
    """Whether giving the plain value away would cut a derivative: the handle is traced and its
    trace still runs.
    """
    return is_handle(t) and t.node is not None and t.node.seq >= SWITCH.oldest


class _Holder:
    """Owner of memory lent to code that cannot be seen; its life tells whether somebody still looks
    at it.
    """

    __slots__ = ("__array_interface__", "__weakref__", "keep")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.keep = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], True)
        self.__array_interface__ = interface


def as_objects(t: Any) -> Any:
    """An object array of the scalar handles in a handle: Python's own numbers, as NumPy makes
    them.
    """
    if dtype_of(t.value).kind in "fc" and dtype_of(t.value).itemsize not in (8, 16):
        t = t.astype(np.result_type(dtype_of(t.value), np.float64))
    out = np.empty(t.shape, dtype=object)
    for index in np.ndindex(out.shape):
        part = t[index] if index else t
        if type(part) is TracedScalar:
            out[index] = TracedScalar(part.value.item() if hasattr(part.value, "item") else part.value, part.node)
        else:
            out[index] = part
    return out


def array(t: Any, dtype: Any = None, copy: Any = None) -> Any:
    """``__array__``: raises for a traced value; lends a buffer's memory, read-only."""
    value = peek(t)
    if is_cut(t):
        if dtype is not None and np.dtype(dtype) == object:
            return as_objects(t)
        if _sparse_product():
            out = np.empty((), dtype=object)
            out[()] = t
            return out
        raise error_at(
            CutError,
            "a traced array was asked for its plain memory, which would cut the derivative"
            if type(t) is TracedArray
            else "a traced scalar was asked for a plain array, which would cut the derivative",
            fix="keep to NumPy functions and operators on it: G @ t for G.dot(t), np.array([...]) "
            "made inside the function, "
            "wengert.stop_gradient(t) where a constant is meant",
        )
    if type(value) is not np.ndarray:
        return np.array(value, dtype=dtype)
    if copy or (dtype is not None and np.dtype(dtype) != value.dtype):
        return np.array(value, dtype=dtype)
    base = t.base
    if base is None or not SWITCH.live:
        return value
    if base.base is base and t is not base:
        value = apply(t.path, base.value)  # the memory itself: a live view holds a copy
    holder = _Holder(value)
    if base.base is base:
        if base.export is None:
            base.export = _Lent()
        base.export.holders.append(weakref.ref(holder))
    return np.asarray(holder)


class _Lent:
    """Everybody a live array's memory was lent to; called, it gives one who still looks at it, or
    None.
    """

    __slots__ = ("holders",)

    def __init__(self) -> None:
        self.holders: list[Any] = []

    def __call__(self) -> Any:
        self.holders = [h for h in self.holders if h() is not None]
        return self.holders[0]() if self.holders else None


def _sparse_product() -> bool:
    """SciPy's sparse matrices ask for a 0-d object array before they hand ``A @ t`` over to us."""
    import sys

    frame = sys._getframe(2)
    for _ in range(4):
        if frame is None:
            return False
        if frame.f_code.co_name in {
            "_matmul_dispatch",
            "_rmatmul_dispatch",
            "_mul_dispatch",
            "_rmul_dispatch",
        } and (frame.f_globals.get("__name__", "").startswith("scipy.sparse")):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _number(name: str, convert: Any) -> Any:
    def conversion(t: Any) -> Any:
        value = peek(t)
        if is_cut(t):
            if name == "float" and _formatting():
                told(t)
                return convert(value)
            if name == "float" and SWITCH.special and is_flat(t):
                return guard(t, "float", convert(value))
            raise error_at(
                CutError,
                f"{name}() of a traced value would cut the derivative",
                fix=("write a + 1j * b for complex(a, b), or " if name == "complex" else "")
                + "leave the conversion away; to store the value, make the array inside the "
                "function (y = np.zeros(n); y[i] = t); "
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


_TEXTS = frozenset({"array2string", "array_repr", "array_str"})
_HARMLESS = frozenset(
    {
        *_TEXTS,  # no derivative goes through them
        "result_type",
        "can_cast",
        "min_scalar_type",
        "common_type",
        "tril_indices_from",
        "triu_indices_from",
        "diag_indices_from",
    }
)
"""Questions about text, shape and dtype alone."""


def guard(t: Any, kind: str, outcome: Any) -> Any:
    """Note an answer in the innermost full recording that the value belongs to.

    What a recording outside of that one must know, the inner one asks when its steps are run there.
    """
    if t.node is not None and kind != "bool":
        SWITCH.cut = (kind, *here(3))
    if kind in _TEXTS:
        told(t)
    return note(t, kind, outcome)


def note(t: Any, kind: str, outcome: Any) -> Any:
    """``guard`` for an answer through which no derivative is lost."""
    if SWITCH.special and t.node is not None and kind not in _HARMLESS:
        frame = tracing.get()
        if t.node.seq >= SWITCH.oldest and (frame is None or t.node.seq < frame.start):
            is_known(t.node, frame)
        value = None if kind in QUESTIONS else np.array(peek(t))
        for running in frame.chain() if frame is not None else ():
            if running.kind == FULL and t.node.seq >= running.start:
                running.guards.append(Guard(kind, t.node, outcome, here(3), value))
                break
    return outcome


def is_flat(t: Any) -> bool:
    """Whether a value of a full recording depends on the inputs only through steps without
    derivative (rounding, counting).
    """
    seen = set()
    stack = [t.node]
    while stack:
        node = stack.pop()
        if node in seen or node.op.kind == CONSTANT:
            continue
        seen.add(node)
        if node.op is ROOT or not node.args:
            return False
        for a in node.args:
            if not isinstance(a, Const):
                stack.append(a)
            elif is_cut(a.value):
                return False
    return True


def to_bool(t: Any) -> bool:
    """``bool(t)``: the truth of the value, and a guard."""
    return guard(t, "bool", bool(peek(t)))


def to_int(t: Any) -> int:
    """``int(t)``: the whole part of the value, and a guard."""
    return guard(t, "int", int(peek(t)))


def to_index(t: Any) -> int:
    """``t`` as an index or a count: whole numbers only, as NumPy's scalars, and Python's truth values."""
    value = peek(t)
    if type(value) is bool:
        return guard(t, "int", int(value))
    if type(value) in (float, np.float64) or getattr(value, "dtype", np.dtype(float)).kind not in "iu":
        raise error_at(
            WengertTypeError,
            f"a traced value of type {dtype_of(value)} cannot be interpreted as an integer",
            fix="use int(t) where a count or an index is meant: it is constant from there on",
        )
    return guard(t, "int", int(value))


def refuse_pickle(t: Any, *_: Any) -> Any:
    """``pickle``: a traced value raises, a plain one is its value."""
    if not is_cut(t):
        return peek(t).__reduce_ex__(2)
    raise error_at(
        CutError,
        "a traced value cannot be pickled: its derivative would stay behind",
        fix="pickle the result after the derivative is taken, or wengert.stop_gradient(t)",
    )


def told(t: Any) -> bool:
    """Whether a recording that is going to be replayed was told that text is made of a value: it cannot know what the
    text decides, or who reads it.
    """
    frame = tracing.get() if SWITCH.special and t.node is not None else None
    if frame is None or frame.met is None:
        return False
    frame.met.text = here(3)
    return True


def asks_layout() -> None:
    """Tell a recording that is going to be replayed that it was asked how an array lies in memory, or with which
    others: other arguments may lie otherwise.
    """
    frame = tracing.get() if SWITCH.special else None
    if frame is not None and frame.met is not None:
        frame.met.layout = True


def text(t: Any) -> str:
    """``str(t)``: that of the value."""
    told(t)
    return str(peek(t))


def representation(t: Any) -> str:
    """``repr(t)``: the value, and that it is traced."""
    value = peek(t)
    if told(t):
        return repr(value)
    kind = "TracedArray" if type(t) is TracedArray else "TracedScalar"
    inner = np.array2string(value, separator=", ") if type(value) is np.ndarray else repr(value)
    return f"{kind}({inner})"


def formatted(t: Any, spec: str) -> str:
    """``format(t, spec)``: that of the value."""
    told(t)
    return format(peek(t), spec)
