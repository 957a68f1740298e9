"""Writing into Tensors: ``t[i] = v``, ``t += v``, ``t.add_(v)``, ``copy_``, ``fill_``, ``zero_``.

Imports core, ops, ``tensor``. Invariant: values that a residual refers to are never overwritten; views and their base
see each other's writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import SWITCH
from wengert.core.errors import CutError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.types import dtype_of, shape_of
from wengert.ops.join import nested
from wengert.ops.memory import make_live, write
from wengert.ops.regions import reach, settle
from wengert.tensor.bridge import constants, inward, outward
from wengert.tensor.mode import MODE, is_grad_enabled, is_traced, recording
from wengert.tensor.session import entering, joined, session, snapshot
from wengert.tensor.tensor import LEAF, Tensor, current, is_untracked, memory_of, plain
from wengert.tensor.views import view_of


def check_writable(t: Tensor, name: str) -> None:
    """Raise where PyTorch does: a leaf that requires gradients (or a view of one) while recording."""
    if not is_grad_enabled():
        return
    mem = t.mem
    if mem is None or SWITCH.live:
        current(t)  # else not: it would count as reading the memory as a whole, which the next write then copies
    if is_untracked(t):
        if t._extra.untracked == "data":
            return
        raise error_at(
            WengertValueError,
            f"{name}: a view that was made under no_grad is written to while recording",
            fix="have both inside of no_grad, or both outside; or write to t.data",
            depth=3,
        )
    node = t.node if mem is None or SWITCH.live else mem.node
    if node is not None and node.op is LEAF:
        raise error_at(
            WengertValueError,
            f"{name}: a leaf Tensor that requires gradients is written to in place",
            fix="write y = x.clone() and change y, or do it under wengert.no_grad()",
            depth=3,
        )
    base = mem.base if mem is not None else None
    if base is not None and base is not mem and base.node is not None and base.node.op is LEAF:
        raise error_at(
            WengertValueError,
            f"{name}: a view of a leaf Tensor that requires gradients is written to in place",
            fix="take the view of x.clone(), or do it under wengert.no_grad()",
            depth=3,
        )


def assign(t: Tensor, result: Any, name: str) -> Tensor:
    """Give a Tensor a new content of its own shape and dtype, seen by all views; returns it."""
    check_writable(t, name)
    if is_handle(result) and session() is None:
        raise error_at(
            CutError,
            f"{name}: a traced value is written into a Tensor made outside of the traced function",
            fix="make the Tensor's copy inside the function",
        )
    new = result if isinstance(result, Tensor) else outward(result if is_handle(result) else np.asarray(result))
    current(new)
    kind = dtype_of(t.value)
    if not np.can_cast(dtype_of(new.value), kind, "same_kind"):
        raise error_at(
            WengertTypeError,
            f"{name}: a result of {dtype_of(new.value)} does not fit into a Tensor of {kind}",
            fix="convert the Tensor first: t.to(float)",
            depth=3,
        )
    shape = shape_of(t.value)
    try:
        broadcast = np.broadcast_shapes(shape_of(new.value), shape)
    except ValueError:
        broadcast = ()
    if broadcast != shape:
        raise error_at(
            WengertValueError,
            f"{name}: a result of shape {shape_of(new.value)} does not fit into a Tensor of shape {shape}",
            fix="in-place operations keep the shape",
            depth=3,
        )
    if not is_grad_enabled() or is_untracked(t):
        _check_constant(new.node, name)
        if is_handle(new.value):
            value = new.value if shape_of(new.value) == shape else np.broadcast_to(new.value, shape)
            overwrite(t, value if dtype_of(value) == kind else value.astype(kind))
        elif t.mem is not None and session() is None:
            overwrite(t, new.value)  # copied into the memory that views share
        else:
            overwrite(t, np.array(np.broadcast_to(new.value, shape), kind))
    elif t.mem is None and shape_of(new.value) == shape and dtype_of(new.value) == kind:
        t.value, t.node = new.value, new.node  # nobody else sees its memory: the new value takes its place
    else:
        with recording():
            write(memory_of(t), ("index", Ellipsis), inward(new))
        current(t)
    return t


def _check_constant(node: Any, name: str) -> None:
    """Raise where the history of what is written into ``t.data`` would be lost."""
    if node is not None and is_grad_enabled():
        raise error_at(
            CutError,
            f"{name}: a Tensor that requires gradients is written into the data of another one, which keeps no history",
            fix="write value.detach(), or do it under wengert.no_grad()",
            depth=4,
        )


def overwrite(t: Tensor, value: Any) -> None:
    """New values without a step: the history stays what it was, views and base follow."""
    mem = t.mem
    if mem is None:
        t.value = snapshot(value) if is_handle(value) else value if value.shape else value[()]
        return
    if session() is not None:
        _write_recorded(t, ("index", Ellipsis), value)
        return
    base = make_live(mem)
    if base is mem:
        base.value[...] = value
    else:
        target, copies = reach(base.value, mem.path)
        target[...] = value
        settle(copies)
    base.version += 1
    current(t)


def _write_plainly(t: Tensor, place: Any, value: Any) -> None:
    """A write into a region, without a step."""
    if t.mem is None and t.node is not None:  # a leaf, most likely: it stays without a handle of its memory
        new = np.array(current(t).value)
        new[place] = value
        overwrite(t, new)
        return
    mem = memory_of(t)
    base = make_live(mem)
    target, copies = reach(base.value, () if base is mem else mem.path)
    target[place] = value
    settle(copies)
    base.version += 1


def _write_recorded(t: Tensor, step: Any, value: Any) -> None:
    """A write into shared memory that is a step of the recording but not of the history."""
    inside = session()
    assert inside is not None
    mem = memory_of(t)
    base = mem if mem.base is None else mem.base
    history = inside.history_of(base.node)
    write(mem, step, entering(value, None))
    if base.node is not None:
        base.node = joined(base.value, history, base.node).node
    current(t)


def set_item(t: Tensor, index: Any, value: Any) -> None:
    """``t[index] = value``."""
    if is_traced() and (is_handle(value) or is_handle(index)):
        raise error_at(
            CutError,
            "a traced value is written into a Tensor made outside of the traced function",
            fix="make the Tensor's copy inside the function",
        )
    check_writable(t, "t[...] = value")
    if isinstance(value, (list, tuple)):
        value = nested(constants(value)) if session() is not None else np.asarray(constants(value))
    place = indices(index)
    if not is_grad_enabled() or is_untracked(t):
        if isinstance(value, Tensor):
            _check_constant(current(value).node, "t[...] = value")
        if session() is not None:
            _write_recorded(t, ("index", place), plain(value))
        else:
            _write_plainly(t, place, plain(value))
        return
    with recording():
        memory = memory_of(t)
        write(memory, ("index", place), inward(value))


def get_item(t: Tensor, index: Any) -> Any:
    """``t[index]``: a view where NumPy has one."""

    if is_traced():
        return plain(t)[constants(index)] if not is_handle(index) else plain(t)[index]
    return view_of(t, ("index", indices(index)))


def indices(index: Any) -> Any:
    """An index expression with Tensors as plain integers, slices and masks."""
    if isinstance(index, Tensor):
        value = plain(index)
        if is_handle(value) and value.shape:
            return entering(value, None)
        if dtype_of(value).kind == "f":
            raise error_at(WengertTypeError, f"a Tensor of {dtype_of(value)} is no index", fix="use t.to(int)", depth=4)
        return value if type(value) is np.ndarray else int(value) if dtype_of(value).kind != "b" else bool(value)
    if type(index) is tuple:
        return tuple(indices(part) for part in index)
    if type(index) is list:
        return [indices(part) for part in index]
    if type(index) is slice:
        return slice(*(None if p is None else int(p) for p in (index.start, index.stop, index.step)))
    return index


def _takes_over(t: Tensor, result: Any, args: tuple[Any, ...]) -> bool:
    """Whether the memory of a result is nobody else's and of the Tensor's type, so that it need not be copied."""
    if type(result) is not Tensor or result.mem is not None:
        return False
    new, old = result.value, t.value
    if type(new) is not np.ndarray or type(old) is not np.ndarray:
        return False
    fresh = new.base is None and not any(type(a) is Tensor and a.value is new for a in (t, *args))
    return fresh and new.shape == old.shape and new.dtype is old.dtype


def in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``t.name_(...)`` and ``t op= ...`` from the function that gives the new content."""

    def operate(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if MODE.off and self.mem is None and not SWITCH.live and not is_grad_enabled():
            result = function(self, *args, **kwargs)
            if _takes_over(self, result, args):
                self.value = result.value
                return self
        else:
            check_writable(self, name)
            result = function(self, *args, **kwargs)
        if result is NotImplemented:
            return result
        if is_handle(result) and session() is None:
            return result  # a traced operand: the name is bound to the traced result
        return assign(self, result, name)

    operate.__name__ = operate.__qualname__ = name
    operate.__doc__ = f"{name.strip('_')} in place; returns the Tensor itself."
    return operate


__all__ = ["assign", "check_writable", "get_item", "in_place", "indices", "overwrite", "set_item"]
