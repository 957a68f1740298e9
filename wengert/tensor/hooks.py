"""Hooks on gradients, and gradients kept for results that are no leaves.

Imports core, ``tensor``. Invariant: what a hook returns is checked before it takes the gradient's place.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Node
from wengert.core.op import Op
from wengert.core.types import dtype_of, shape_of
from wengert.tensor.bridge import outward
from wengert.tensor.session import entering, in_operation, session
from wengert.tensor.tensor import LEAF, Tensor, current, extra


def as_gradient(ct: Any, t: Tensor, taken: set[int]) -> Tensor:
    """A cotangent as a Tensor of the shape and dtype of ``t``, in memory of its own."""
    value = t.value
    if (
        type(ct) is np.ndarray
        and type(value) is np.ndarray
        and ct.dtype is value.dtype
        and ct.shape == value.shape
        and ct.base is None
        and id(ct) not in taken
        and ct.flags.writeable
    ):
        taken.add(id(ct))
        return Tensor(ct)
    shape, dtype = shape_of(t.value), dtype_of(t.value)
    if is_handle(ct):
        if dtype_of(ct.value) != dtype:
            ct = ct.astype(dtype)
        if shape_of(ct.value) != shape:
            ct = np.broadcast_to(ct, shape)
        return outward(ct)
    if not shape:
        return Tensor(dtype.type(ct.item() if type(ct) is np.ndarray else ct))
    made = np.empty(shape, dtype)
    made[...] = ct
    return Tensor(made)


def cotangent(t: Tensor, *, lifted: bool) -> Any:
    """A Tensor as a cotangent: with its history where the sweep is recorded."""
    value = current(t).value
    if session() is not None:
        return entering(value, t.node if in_operation() else None)
    return handle(value, t.node) if lifted and t.node is not None else value


def hooked(t: Tensor, grad: Tensor) -> Tensor:
    """The gradient after the hooks of ``t``."""
    found = getattr(t, "_extra", None)
    if found is None:
        return grad
    for hook in list(found.hooks.values()):
        result = hook(grad)
        if result is None:
            continue
        if not isinstance(result, Tensor):
            raise error_at(
                WengertTypeError,
                f"a hook returned a {type(result).__name__}",
                fix="return a Tensor in place of the gradient, or None",
                depth=4,
            )
        if result.shape != grad.shape:
            raise error_at(
                WengertValueError,
                f"a hook returned a gradient of shape {result.shape} for a Tensor of shape {grad.shape}",
                fix="return a gradient of equal shape",
                depth=4,
            )
        if result.dtype != grad.dtype:
            if not np.can_cast(result.dtype, grad.dtype, "same_kind") or result.dtype.kind in "iub":
                raise error_at(
                    WengertTypeError,
                    f"a hook returned a gradient of {result.dtype} for a Tensor of {grad.dtype}",
                    fix="return a gradient of equal dtype",
                    depth=4,
                )
            result = result.to(grad.dtype)  # type: ignore[attr-defined]
        grad = result
    return grad


class Removable:
    """A registered hook; ``remove()`` takes it away."""

    __slots__ = ("_hooks", "_number")

    def __init__(self, hooks: dict[int, Any], number: int) -> None:
        self._hooks = hooks
        self._number = number

    def remove(self) -> None:
        """Call the hook no more."""
        self._hooks.pop(self._number, None)


_numbers = iter(range(1 << 62))


def register(t: Tensor, hook: Callable[[Tensor], Any]) -> Removable:
    """``Tensor.register_hook``."""
    if current(t).node is None:
        raise error_at(
            WengertValueError,
            "a hook on a Tensor that does not require gradients would never be called",
            fix="requires_grad_() first",
            depth=3,
        )
    if not callable(hook):
        raise error_at(
            WengertTypeError,
            f"a hook is a function of the gradient, got a {type(hook).__name__}",
            fix="give a function",
            depth=3,
        )
    number = next(_numbers)
    extra(t).hooks[number] = hook
    if t.node.op is not LEAF:  # type: ignore[union-attr]
        _attend(t)
    return Removable(extra(t).hooks, number)


def retain(t: Tensor) -> None:
    """``Tensor.retain_grad``."""
    if current(t).node is None:
        raise error_at(
            WengertValueError,
            "retain_grad of a Tensor that does not require gradients",
            fix="requires_grad_() first",
            depth=3,
        )
    if t.node.op is not LEAF:  # type: ignore[union-attr]
        extra(t).retains = True
        _attend(t)


class _Attended:
    """The pull of a step whose result has hooks or keeps its gradient."""

    __slots__ = ("op", "tensor")

    def __init__(self, op: Op, tensor: weakref.ref[Tensor]) -> None:
        self.op = op
        self.tensor = tensor

    def __call__(self, node: Node, ct: Any, state: Any) -> None:
        t = self.tensor()
        if t is not None:
            grad = (
                outward(ct) if is_handle(ct) else as_gradient(np.array(ct) if type(ct) is np.ndarray else ct, t, set())
            )
            found = extra(t)
            new = hooked(t, grad)
            if new is not grad:
                grad = new
                ct = cotangent(new, lifted=state.lifted)
                state.owned.discard(node)
            if found.retains:
                state.kept.append((t, grad))
        self.op.pull(node, ct, state)


def _attend(t: Tensor) -> None:
    """Give the node of a Tensor a pull that looks at its hooks."""
    node = t.node
    assert node is not None
    if isinstance(node.op.pull, _Attended) and node.op.pull.tensor() is t:
        return
    op: Op = copy.copy(node.op)
    op.pull = _Attended(node.op, weakref.ref(t))
    node.op = op


__all__ = ["as_gradient", "cotangent", "hooked", "register", "retain"]
