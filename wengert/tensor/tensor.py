"""The class Tensor: a value, the node that made it, and for leaves the gradient; operations go to ``fast`` or, by way
of handles, to everything NumPy has.

Imports core, ops, ``mode``. Invariant: ``value`` and ``node`` are current unless ``mem`` is set; then that handle
knows.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, next_seq, tracing
from wengert.core.errors import CutError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import TracedArray, handle, is_handle
from wengert.core.node import Node, here
from wengert.core.types import dtype_of, shape_of
from wengert.ops.memory import sync
from wengert.tensor.history import LEAF, Extra, GradFn, describe_node
from wengert.tensor.mode import is_grad_enabled, is_traced, recording
from wengert.tensor.session import entering, is_ours, python_number, raw_of, session, snapshot, used_elsewhere


class Tensor:
    """An array that records what is done with it; made by ``wengert.tensor``.

    Methods and functions are those of NumPy arrays and of PyTorch tensors (``docs/pytorch.md`` has the differences).
    ``backward()`` computes the gradients of a Tensor with respect to the leaves it came from and accumulates them in
    their ``grad``.

    >>> import wengert as wg
    >>> x = wg.tensor([1.0, 2.0], requires_grad=True)
    >>> (x ** 2).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ("__weakref__", "_extra", "_grad", "mem", "node", "value")

    _extra: Extra
    _grad: Any
    __getitem__: Any

    __array_priority__ = 1e7

    def __init__(self, value: Any, node: Node | None = None) -> None:
        self.value = value
        self.node = node
        self.mem: Any = None

    # ------------------------------------------------------------ what it is

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return current(self).node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user rather than by a recorded operation."""
        node = current(self).node
        return node is None or node.op is LEAF

    @property
    def grad(self) -> Any:
        """The gradient accumulated so far: a Tensor, or None."""
        return getattr(self, "_grad", None)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise error_at(
                    WengertTypeError, f"grad is set to a {type(value).__name__}", fix="give a Tensor or None"
                )
            if value.shape != self.shape or value.dtype != self.dtype:
                raise error_at(
                    WengertValueError,
                    f"grad is set to a Tensor of {value.dtype} and shape {value.shape}, this one has {self.dtype} and "
                    f"{self.shape}",
                    fix="give a Tensor of equal shape and dtype",
                )
            if value is self or np.shares_memory(raw_of(value.value), raw_of(self.value)):
                raise error_at(
                    WengertValueError,
                    "grad is set to a Tensor that shares the memory of this one; accumulating would overwrite both",
                    fix="give a copy (value.clone())",
                )
        if SWITCH.live:
            current(self)  # known to a recording of this thread, an error where another one has it
        self._grad = value

    @property
    def grad_fn(self) -> Any:
        """The step that made it, readable: name, line, and the steps before; None for leaves."""
        node = current(self).node
        return None if node is None or node.op is LEAF else GradFn(node)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""
        return shape_of(current(self).value)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of its elements."""
        return dtype_of(current(self).value)

    @property
    def ndim(self) -> int:
        """The number of its axes."""
        return len(self.shape)

    @property
    def data(self) -> Tensor:
        """The same memory without history: writes go both ways and are no steps; assigning replaces the values."""
        from wengert.tensor.views import data_of

        return data_of(self)

    @data.setter
    def data(self, value: Any) -> None:
        from wengert.tensor.views import set_data

        set_data(self, value)

    # ------------------------------------------------------------ history

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Make it a leaf that gradients are accumulated in (or, with False, a constant); returns itself."""
        node = current(self).node
        if not wanted:
            if node is not None and node.op is not LEAF:
                raise error_at(
                    WengertValueError,
                    "requires_grad can be taken from leaves only, this Tensor is the result of " + describe_node(node),
                    fix="use t.detach()",
                )
            self.node = None
            if self.mem is not None:
                self.mem.node = _node_of(self)
            return self
        if node is None:
            kind = dtype_of(self.value)
            if kind.kind not in "fc":
                raise error_at(
                    WengertTypeError,
                    f"a Tensor of {kind} cannot require gradients: only floating point numbers have derivatives",
                    fix="make it of floats: wengert.tensor(data, dtype=float)",
                )
            self.node = Node(next_seq(), LEAF, (), (weakref.ref(self),), (), here(2))
            if self.mem is not None:
                self.mem.node = _node_of(self)
        return self

    def detach(self) -> Tensor:
        """The same values as a constant. (The values are shared, until one of the two is written to.)"""
        return Tensor(current(self).value)

    def detach_(self) -> Tensor:
        """Forget how it came about; returns itself."""
        if is_untracked(self):
            return self
        if self.mem is not None and self.mem.base is not None and self.mem.base is not self.mem:
            raise error_at(
                WengertValueError, "a view cannot be detached in place: its base has a history", fix="use t.detach()"
            )
        current(self)
        self.node = self.mem = None
        if (found := getattr(self, "_extra", None)) is not None:
            found.hooks, found.retains = {}, None  # they belong to the steps before
        return self

    def backward(
        self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
    ) -> None:
        """Accumulate the gradients of this Tensor in the leaves it depends on (or in ``inputs`` alone).

        ``gradient`` is the cotangent: needed, of equal shape, unless the Tensor has one element. ``retain_graph``
        allows another backward through the same steps; ``create_graph`` records the backward pass itself, for higher
        derivatives. Nothing is accumulated when an error is raised.
        """
        from wengert.tensor.backward import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Keep the gradient of this result of an operation in its ``grad``."""
        from wengert.tensor.hooks import retain

        retain(self)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Any:
        """Call ``hook(grad)`` when the gradient of this Tensor is known; what it returns (unless None) takes its place.
        ``.remove()`` undoes it.
        """
        from wengert.tensor.hooks import register

        return register(self, hook)

    # ------------------------------------------------------------ values

    def item(self) -> Any:
        """The only element, as a Python number."""
        value = current(self).value
        if np.size(value) != 1:
            raise error_at(
                WengertValueError,
                f"item() of a Tensor of shape {self.shape}",
                fix="index one element first, or use tolist()",
            )
        if is_handle(value):
            return python_number(value.item())
        return np.asarray(value).item()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as an array, without copying; it cannot be written to. Raises for a Tensor that requires
        gradients.
        """
        value = current(self).value
        if is_handle(value) and (self.node is None or not is_grad_enabled()):
            return entering(value, None)
        return self.__array__()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        value = current(self).value
        if self.node is not None and is_grad_enabled() and not is_traced():
            raise error_at(
                WengertTypeError,
                "a Tensor that requires gradients was asked for a plain array, which would cut the gradient",
                fix="use t.detach().numpy(), or np.asarray(t.detach())",
            )
        if is_handle(value):
            return value.__array__(dtype, copy=copy)
        if dtype is not None and np.dtype(dtype) != dtype_of(value):
            return np.array(value, dtype=dtype)
        if copy:
            return np.array(value)
        out = np.asarray(value).view()
        out.flags.writeable = False
        return out

    def __wengert_value__(self) -> Any:
        """What ``np.asarray`` gives while a compiled function is recorded."""
        return self.numpy() if is_handle(current(self).value) else self

    def __dlpack__(self, **options: Any) -> Any:
        """A copy, unless asked not to: a consumer may write to it, flagged read-only or not."""
        out = np.asarray(self)
        return (out if options.get("copy") is False else out.copy()).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return np.empty(0).__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(current(self).value)

    def __float__(self) -> float:
        if is_handle(current(self).value):
            raise error_at(
                CutError,
                "float() of a Tensor fixes its value in a compiled function (t.item() does not)",
                fix="use t.item()",
            )
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        value = current(self).value
        if dtype_of(value).kind not in "iu" or np.size(value) != 1:
            raise error_at(
                WengertTypeError, f"a Tensor of {self.dtype} and shape {self.shape} is no index", fix="use int(t)"
            )
        return int(value)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Any:
        if not self.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[k] for k in range(self.shape[0]))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        value = np.asarray(raw_of(self.value if is_handle(self.value) else current(self).value))
        text = np.array2string(value, separator=", ", prefix="tensor(")
        dtype = "" if value.dtype in (np.float64, np.int64, np.bool_) else f", dtype={value.dtype}"
        node = self.node
        history = "" if node is None else ", requires_grad=True" if node.op is LEAF else f", grad_fn=<{node.op.name}>"
        return f"tensor({text}{dtype}{history})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __deepcopy__(self, memo: Any) -> Tensor:
        if not self.is_leaf:
            raise error_at(
                WengertValueError, "only leaves can be deep-copied", fix="use t.clone() or t.detach().clone()"
            )
        made = Tensor(np.array(self.value) if type(self.value) is np.ndarray else self.value)
        if self.grad is not None:
            made._grad = self._grad.clone()
        return made.requires_grad_(self.requires_grad)

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise error_at(WengertValueError, "only leaves can be pickled", fix="pickle t.detach()")
        return _rebuilt, (np.asarray(current(self).value), self.requires_grad)


def _rebuilt(value: Any, requires_grad: bool) -> Tensor:
    return Tensor(value if value.shape else value[()]).requires_grad_(requires_grad)


# ---------------------------------------------------------------- Tensors and handles


def current(t: Tensor) -> Tensor:
    """The Tensor, its value and node brought up to date."""
    mem = t.mem
    if mem is not None:
        if mem.base is not None:
            if mem.base is not mem and mem.version != mem.base.version:
                with recording():
                    sync(mem)
            else:
                sync(mem)
        t.value = mem.value
        t.node = None if mem.node is not None and is_untracked(t) else mem.node
    if SWITCH.live:
        if (inside := session()) is not None:
            inside.meet(t)
            if mem is not None:
                t.value = mem.value if mem.node is None else handle(mem.value, mem.node)
                t.node = None if is_untracked(t) else inside.history_of(mem.node)
        elif is_handle(t.value) and not is_ours(tracing.get()):
            raise used_elsewhere()
    return t


def plain(value: Any) -> Any:
    """The raw value of a Tensor, or the value itself."""
    return current(value).value if isinstance(value, Tensor) else value


def memory_of(t: Tensor) -> Any:
    """The handle that knows the memory of a Tensor; made when views or writes come into play."""
    if t.mem is None and session() is not None:
        value = raw_of(current(t).value)
        t.mem = TracedArray(value if type(value) is np.ndarray else np.array(value), _node_of(t))
    elif t.mem is None:
        value = current(t).value
        value = value if type(value) is np.ndarray else np.array(value)
        t.mem = TracedArray(value, t.node)
        t.value = value
    return t.mem


def _node_of(t: Tensor) -> Node | None:
    """The node that the handle of a Tensor's memory has: that of its history, in a recording both in one."""
    if session() is None:
        return t.node
    joint = entering(snapshot(t.value), t.node)
    return joint.node if is_handle(joint) else None


def is_untracked(t: Tensor) -> bool:
    """Whether it shows the memory of a Tensor whose history it does not have."""
    found = getattr(t, "_extra", None)
    return found is not None and bool(found.untracked)


def extra(t: Tensor) -> Extra:
    """The hooks of a Tensor; made when first asked for."""
    found = getattr(t, "_extra", None)
    if found is None:
        found = t._extra = Extra()
    return found


__all__ = ["LEAF", "Extra", "Tensor", "current", "describe_node", "extra", "is_untracked", "memory_of", "plain"]
