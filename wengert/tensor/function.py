"""Function: an operation on Tensors with a backward (and a jvp) of the user's own.

Imports core, ops, ``tensor``. Invariant: what ``backward`` returns is checked for number and shape before it is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.context import next_seq, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import Node, here
from wengert.core.op import CONTROL, Op
from wengert.core.structure import item
from wengert.core.sweep import Sweep
from wengert.core.types import dtype_of, shape_of
from wengert.tensor.bridge import outward
from wengert.tensor.hooks import cotangent
from wengert.tensor.inplace import assign
from wengert.tensor.mode import enable_grad, is_grad_enabled, is_traced, no_grad
from wengert.tensor.session import in_operation, session
from wengert.tensor.tensor import LEAF, Tensor, current


class Context:
    """What ``forward`` leaves for ``backward``: saved Tensors, and any attributes."""

    def __init__(self) -> None:
        self.saved_tensors: tuple[Any, ...] = ()
        self.needs_input_grad: tuple[bool, ...] = ()
        self.constants: tuple[Any, ...] = ()
        self.written: tuple[Any, ...] = ()
        self.materializes = True

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep Tensors for ``backward``, which finds them in ``saved_tensors``."""
        self.saved_tensors = tensors

    save_for_forward = save_for_backward

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say which outputs have no gradient: indices, masks, counts."""
        self.constants = outputs

    def mark_dirty(self, *inputs: Any) -> None:
        """Say which arguments ``forward`` has written to; it returns them."""
        self.written = inputs

    def set_materialize_grads(self, value: bool) -> None:
        """With False ``backward`` gets None for an output without gradient, else zeros."""
        self.materializes = value


class Function:
    """Base of operations with rules of their own: define static methods and call ``apply``.

    ``forward(ctx, *args)`` computes (or ``forward(*args)`` together with ``setup_context(ctx, inputs, output)``);
    ``backward(ctx, *grads)`` returns one gradient for each argument, None for those without. ``jvp(ctx, *tangents)``
    gives the tangent of the output: it serves when there is no ``backward``, linear in the tangents as it is.

    >>> import wengert as wg
    >>> class Cube(wg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x ** 2 * grad
    >>> x = wg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    setup_context: Any = None
    forward: Any = None
    backward: Any = None
    jvp: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the operation; it is recorded as one step."""
        if cls.forward is None or (cls.backward is None and cls.jvp is None):
            raise error_at(
                WengertTypeError,
                f"{cls.__name__} needs forward, and backward or jvp",
                fix="define them as static methods",
                depth=3,
            )
        if any(map(is_handle, args)) and session() is None:
            from wengert.tensor.function_traced import apply_traced

            return apply_traced(cls, args, Context)
        frame = tracing.get()
        if frame is not None and any(f.keeper is not None for f in frame.chain()):
            raise error_at(
                WengertTypeError,
                f"{cls.__name__}.apply inside of a function that is checkpointed with a policy, which runs single "
                "operations again",
                fix="checkpoint that function without policy",
                depth=3,
            )
        ctx = Context()
        traced = is_traced()  # then Tensors are constants
        active = [not traced and isinstance(a, Tensor) and current(a).node is not None for a in args]
        ctx.needs_input_grad = tuple(active)
        with no_grad():
            if cls.setup_context is not None:
                out = cls.forward(*args)
                cls.setup_context(ctx, args, out)
            else:
                out = cls.forward(ctx, *args)
        if not any(active) or not is_grad_enabled():
            return out
        many = isinstance(out, tuple)
        outs = out if many else (out,)
        for k, o in enumerate(outs):
            if not isinstance(o, Tensor):
                raise error_at(
                    WengertTypeError,
                    f"{cls.__name__}.forward returned a {type(o).__name__} as output {k}",
                    fix="return Tensors",
                    depth=3,
                )
        _check_written(cls, ctx)
        values = [current(o).value for o in outs]
        inputs = tuple(a.node if on else None for a, on in zip(args, active, strict=True))
        node = Node(next_seq(), _operation(cls, ctx, args, outs), inputs, (), (), here(2))
        made = tuple(
            Tensor(v, None if any(o is c for c in ctx.constants) else item(node, k))
            for k, (o, v) in enumerate(zip(outs, values, strict=True))
        )
        # What backward saved of the outputs is the recorded Tensor, so that it can be differentiated again.
        same = {id(o): m for o, m in zip(outs, made, strict=True)}
        ctx.saved_tensors = tuple(same.get(id(t), t) for t in ctx.saved_tensors)
        made = tuple(
            assign(o, m, f"{cls.__name__}.apply") if any(o is w for w in ctx.written) else m
            for o, m in zip(outs, made, strict=True)
        )
        return made if many else made[0]


def _check_written(cls: type[Function], ctx: Context) -> None:
    for t in ctx.written:
        if current(t).node is not None and t.node.op is LEAF:
            raise error_at(
                WengertValueError,
                f"{cls.__name__}.forward writes to a leaf Tensor that requires gradients",
                fix="give it t.clone()",
                depth=4,
            )


def _operation(cls: type[Function], ctx: Context, args: tuple[Any, ...], outs: tuple[Tensor, ...]) -> Op:
    kinds = [(shape_of(o.value), dtype_of(o.value)) for o in outs]
    needs = [(a.shape, a.dtype) if isinstance(a, Tensor) else None for a in args]

    def pull(node: Node, ct: Any, sweep: Sweep) -> None:
        grads = [
            (Tensor(np.zeros(shape, dtype)[()]) if ctx.materializes else None)
            if c is None
            else outward(c)
            if is_handle(c)
            else Tensor(c)
            for c, (shape, dtype) in zip(ct, kinds, strict=True)
        ]
        again = sweep.lifted and (session() is None or in_operation())
        with enable_grad() if again else no_grad():
            found = cls.backward(ctx, *grads) if cls.backward is not None else _transposed(cls, ctx, args, grads, again)
        found = found if isinstance(found, tuple) else (found,)
        if len(found) != len(args):
            raise error_at(
                WengertValueError,
                f"{cls.__name__}.backward returned {len(found)} gradients for {len(args)} arguments",
                fix="return one for each argument of forward, None where there is none",
                where=node.where,
            )
        for k, (parent, g) in enumerate(zip(node.inputs, found, strict=True)):
            if parent is None or g is None:
                continue
            g = g if isinstance(g, Tensor) else Tensor(np.asarray(g)[()])
            current(g)
            if g.shape != needs[k][0]:  # type: ignore[index]
                raise error_at(
                    WengertValueError,
                    f"{cls.__name__}.backward gave a gradient of shape {g.shape} for argument {k} "
                    f"of shape {needs[k][0]}",  # type: ignore[index]
                    fix="return gradients of the arguments' shapes",
                    where=node.where,
                )
            sweep.add(parent, cotangent(g, lifted=sweep.lifted))

    return Op(
        listed=False,
        name=cls.__name__,
        kind=CONTROL,
        inputs=("*operands",),
        params={},
        rules=(),
        needs=(),
        pull=pull,
        outputs=tuple(f"out{k}" for k in range(len(outs))),
        saved_from=(),
        doc=f"The Function {cls.__name__}.",
    )


def _transposed(
    cls: type[Function], ctx: Context, args: tuple[Any, ...], grads: list[Any], again: bool
) -> tuple[Any, ...]:
    """Gradients from ``jvp``, which is linear in the tangents: its value at zero is recorded and swept. ``again``: the
    gradients are going to be differentiated.
    """
    from wengert.tensor.backward import grad

    with enable_grad():
        tangents = [
            Tensor(np.zeros(a.shape, a.dtype)[()]).requires_grad_()
            if isinstance(a, Tensor) and a.dtype.kind in "fc"
            else None
            for a in args
        ]
        out = cls.jvp(ctx, *tangents)
        outs = out if isinstance(out, tuple) else (out,)
        moving = [t for t in tangents if t is not None]
        pairs = [(o, g) for o, g in zip(outs, grads, strict=True) if isinstance(o, Tensor) and o.requires_grad]
        if not pairs:
            return (None,) * len(args)
        found = iter(
            grad(
                [o for o, _ in pairs],
                moving,
                [g for _, g in pairs],
                create_graph=again,
                allow_unused=True,
            )
        )
    return tuple(next(found) if t is not None else None for t in tangents)


__all__ = ["Context", "Function"]
