"""Hooks on gradients, and gradients kept for results that are no leaves.

Imports core, ``tensor``. Invariant: what a hook returns is checked before it takes the gradient's place.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import SWITCH
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
    return fitted(ct, shape_of(value), dtype_of(value))


def fitted(ct: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    """A cotangent as a Tensor of this type, in memory of its own."""
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


def hooked(hooks: dict[int, Callable[[Tensor], Any]], grad: Tensor) -> Tensor:
    """The gradient after hooks."""
    for hook in list(hooks.values()):
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
    hooks = extra(t).hooks if t.node.op is LEAF else _attended(t).hooks  # type: ignore[union-attr]
    number = next(_numbers)
    hooks[number] = hook
    return Removable(hooks, number)


_retaining: list[weakref.ref[Tensor]] = []
"""The Tensors that keep their gradients."""


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
        if not is_retaining(t):
            _retaining[:] = [*(r for r in _retaining if r() is not None), weakref.ref(t)]
        extra(t).retains = _attended(t)


def is_retaining(t: Tensor) -> bool:
    """Whether a Tensor keeps its gradient."""
    found = getattr(t, "_extra", None)
    return found is not None and found.retains is not None


def follow_writes() -> None:
    """Before a sweep: a Tensor that was written to keeps the gradient of what it is now, as in PyTorch."""
    for reference in tuple(_retaining):
        t = reference()
        if t is None or not is_retaining(t):
            continue
        if t.mem is not None and not SWITCH.live:
            current(t)
        if t.node is not None and t.node.op is not LEAF and t.node.op.pull is not t._extra.retains:
            t._extra.retains = _attended(t)


class Attended:
    """The pull of a step whose result has hooks or keeps its gradient. Hooks are the step's: the Tensor may be gone."""

    __slots__ = ("hooks", "kind", "op", "tensor")

    def __init__(self, t: Tensor, op: Op) -> None:
        self.op = op
        self.tensor = weakref.ref(t)
        self.hooks: dict[int, Callable[[Tensor], Any]] = {}
        self.kind = shape_of(t.value), dtype_of(t.value)

    def __call__(self, node: Node, ct: Any, state: Any) -> None:
        """Call the hooks, keep the gradient, and go on with the step's own pull."""
        t = self.tensor()
        keeps = t is not None and is_retaining(t) and t._extra.retains is self
        if self.hooks or keeps:
            grad = outward(ct) if is_handle(ct) else fitted(ct, *self.kind)
            if self.hooks:  # what they return, or the gradient itself, which they may have written to
                grad = hooked(self.hooks, grad)
                ct = cotangent(grad, lifted=state.lifted)
                state.owned.discard(node)
            if keeps:
                state.kept.append((t, grad.clone() if self.hooks and not state.lifted else grad))  # type: ignore[union-attr]
        self.op.pull(node, ct, state)


ATTENDING: list[bool] = []
"""Not empty as soon as there was a hook on a step: until then a sweep need not look for them."""


def _attended(t: Tensor) -> Attended:
    """What looks at the hooks of the step that made a Tensor; made when first asked for."""
    node = t.node
    assert node is not None
    if not isinstance(node.op.pull, Attended):
        if not ATTENDING:
            ATTENDING.append(True)
        op: Op = copy.copy(node.op)
        op.pull = Attended(t, node.op)
        node.op = op
    found: Attended = node.op.pull
    extra(t).hooks = found.hooks
    return found


__all__ = [
    "ATTENDING",
    "Attended",
    "as_gradient",
    "cotangent",
    "follow_writes",
    "hooked",
    "is_retaining",
    "register",
    "retain",
]
