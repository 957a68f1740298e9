"""The backward pass of Tensors: one sweep over the graph, gradients accumulated when all of it has succeeded.

Imports core, ops, ``tensor``. Invariant: no Tensor is changed before the whole sweep, hooks included, has run without
an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Node
from wengert.core.op import CONTROL, ELEMENTWISE, GENERAL, LINEAR
from wengert.core.structure import ROOT
from wengert.core.sweep import Sweep, lift, reachable
from wengert.core.types import dtype_of, shape_of
from wengert.ops.calm import ask_finite, is_calm
from wengert.tensor.hooks import ATTENDING, Attended, as_gradient, follow_writes, hooked
from wengert.tensor.inplace import overwrite
from wengert.tensor.mode import enable_grad, no_grad, recording
from wengert.tensor.session import Session, entering, session, snapshot
from wengert.tensor.tensor import LEAF, Tensor, current, describe_node


class _Freed(tuple):
    """Stands for residuals that a backward pass has let go."""

    __slots__ = ()


FREED = _Freed()


def backward(t: Tensor, gradient: Any, retain_graph: bool | None, create_graph: bool, inputs: Any) -> None:
    """``Tensor.backward``."""
    chosen = None
    if inputs is not None:
        chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        _check_inputs(chosen)
        if not chosen:
            raise error_at(
                WengertValueError,
                "backward: inputs is empty",
                fix="leave inputs away, or name the Tensors to differentiate by",
                depth=4,
            )
    found, kept = sweep([t], [gradient], chosen, retain_graph, create_graph, "backward()")
    if kept:
        keeping = {id(tensor) for tensor, _ in kept}
        found = [pair for pair in found if id(pair[0]) not in keeping]
    accumulate(found + kept, create_graph)


def accumulate(found: Sequence[tuple[Tensor, Tensor]], create_graph: bool) -> None:
    """Add gradients to the ``grad`` of their Tensors."""
    for tensor, grad in found:
        tensor._grad = grad if getattr(tensor, "_grad", None) is None else _sum(tensor._grad, grad, create_graph)


def _sum(have: Tensor, new: Tensor, create_graph: bool) -> Tensor:
    if create_graph:
        with enable_grad():
            return have + new  # type: ignore[operator]
    total = current(have).value + new.value  # the same Tensor object: who holds it sees the sum, and its views do
    if have.mem is None:
        have.value = total
    else:
        with no_grad():
            overwrite(have, total)
    return have


def sweep(
    outputs: Sequence[Tensor],
    gradients: Sequence[Any],
    inputs: Sequence[Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
    name: str,
) -> tuple[list[tuple[Tensor, Tensor]], list[tuple[Tensor, Tensor]]]:
    """Pairs of Tensor and gradient: of the leaves reached, or of ``inputs``; and of the results that keep theirs."""
    if ATTENDING:
        follow_writes()
    retain = create_graph if retain_graph is None else retain_graph
    frame = tracing.get()
    if frame is not None and any(f.keeper is not None for f in frame.chain()):
        raise error_at(
            WengertValueError,
            f"{name} inside of a function that is checkpointed with a policy: its steps keep nothing to go back by",
            fix="checkpoint that function without policy",
            depth=4,
        )
    seeds = [_seed(t, g, name, create_graph) for t, g in zip(outputs, gradients, strict=True)]
    ends = [t.node for t in outputs]
    order = reachable([n for n in ends if n is not None], (), 0)
    zeroes = False
    for node in order:
        if node.saved is FREED:
            raise error_at(
                WengertValueError,
                f"{name} a second time through {describe_node(node)}: what it needs was freed by the first time",
                fix="pass retain_graph=True to the first backward",
                depth=4,
            )
        if node.op.zeroes:
            zeroes = True
    wanted = {current(t).node for t in inputs} if inputs is not None else None
    free = not retain
    inside = session()
    calm = zeroes and inside is not None and is_calm(_steps(order, inside), [t.value for t in outputs])
    if calm:
        ask_finite([t.value for t in outputs])
    # Hooks are called once, so a sweep that might have to be repeated is made with care at once.
    careful = zeroes and bool(ATTENDING) and any(type(node.op.pull) is Attended for node in order)
    state = _run(order, ends, seeds, wanted, create_graph, careful=careful, free=free and not zeroes)
    if zeroes:
        if inside is not None and not calm and all(_finite(ct) for _, ct in state.found):
            ask_finite([ct for _, ct in state.found])
        if not careful and not all(_finite(ct) for _, ct in state.found):
            state = _run(order, ends, seeds, wanted, create_graph, careful=True)
        if free:
            for node in order:
                _let_go(node)
    if inside is not None and create_graph:
        with enable_grad(), recording():
            return _collected(state, inputs), state.kept
    return _collected(state, inputs), state.kept


def _steps(order: list[Node], inside: Session) -> list[Node]:
    """The steps that a sweep pulls."""
    return [node for node in order if node.op is not LEAF and node.op is not ROOT and inside.depends(node)]


def _let_go(node: Node) -> None:
    """Free what a step keeps for its derivative (shapes and types alone may be used again)."""
    op = node.op
    kind = op.kind
    holds = op.needs or kind == GENERAL or (kind == CONTROL and op is not LEAF)
    if holds or (kind == LINEAR and any(type(s) is np.ndarray for s in node.saved)):
        node.saved = FREED


class _Pass(Sweep):
    """A sweep that collects: cotangents of leaves (or of the wanted nodes), gradients of Tensors that keep theirs."""

    __slots__ = ("found", "kept")

    def __init__(self, *, careful: bool, lifted: bool) -> None:
        super().__init__(careful=careful, lifted=lifted)
        self.found: list[tuple[Node, Any]] = []
        self.kept: list[tuple[Tensor, Tensor]] = []


_ONE = np.float64(1)


def _seed(t: Tensor, gradient: Any, name: str, create_graph: bool) -> Any:
    if gradient is None and type(t.value) is np.float64 and t.node is not None and t.mem is None and not SWITCH.live:
        return _ONE  # the loss of everyday
    current(t)
    shape, dtype = shape_of(t.value), dtype_of(t.value)
    if t.node is None:
        raise error_at(
            WengertValueError,
            f"{name} of a Tensor that neither requires gradients nor comes from one that does",
            fix="make a leaf with wengert.tensor(data, requires_grad=True), and do not detach on the way",
            depth=5,
        )
    if gradient is None:
        if np.size(t.value) != 1:
            raise error_at(
                WengertValueError,
                f"{name} of a Tensor of shape {shape} needs to know what to differentiate",
                fix="make one number of it first (.sum(), .mean()), or give gradient= of that shape "
                "for the vector-Jacobian product",
                depth=5,
            )
        return np.ones(shape, dtype) if shape else dtype.type(1)
    plain = current(gradient).value if isinstance(gradient, Tensor) else gradient
    plain = plain if is_handle(plain) else np.asarray(plain)
    if shape_of(plain) != shape:
        raise error_at(
            WengertValueError,
            f"{name}: gradient has shape {shape_of(plain)}, the Tensor {shape}",
            fix="give a gradient of the Tensor's shape",
            depth=5,
        )
    if dtype_of(plain).kind not in "fciub" or (dtype_of(plain).kind == "c" and dtype.kind != "c"):
        raise error_at(
            WengertTypeError,
            f"{name}: gradient has dtype {dtype_of(plain)}, the Tensor {dtype}",
            fix="give a gradient of the Tensor's dtype",
            depth=5,
        )
    if is_handle(plain):
        history = gradient.node if create_graph and isinstance(gradient, Tensor) else None
        plain = entering(snapshot(plain), history)
        return plain if dtype_of(plain) == dtype else plain.astype(dtype)
    if isinstance(gradient, Tensor) and create_graph and gradient.node is not None:
        return handle(plain, gradient.node)
    return np.array(plain, dtype) if shape else dtype.type(plain)


def _run(
    order: list[Node],
    ends: Sequence[Any],
    seeds: Sequence[Any],
    wanted: set[Any] | None,
    create_graph: bool,
    *,
    careful: bool = False,
    free: bool = False,
) -> _Pass:
    inside = session()
    state = _Pass(careful=careful, lifted=create_graph or inside is not None)
    state.final = free
    for node, seed in zip(ends, seeds, strict=True):
        state.add(node, seed)
    if inside is not None:
        # What leads to no leaf is a value like any other; the sweep is recorded, with create_graph in both graphs.
        every = {node for node in order if inside.depends(node)}
        with ExitStack() as scopes:
            if create_graph:
                scopes.enter_context(enable_grad())
                scopes.enter_context(recording())
            _loop([node for node in order if node in every], state, wanted, every, free, outer=set(order))
    elif create_graph:
        with enable_grad(), recording():
            _loop(order, state, wanted, set(order), free)
    else:
        _loop(order, state, wanted, None, free)
    return state


def _loop(
    order: list[Node],
    state: _Pass,
    wanted: set[Any] | None,
    every: set[Node] | None,
    free: bool,
    outer: set[Node] | None = None,
) -> None:
    take = state.cts.pop
    found = state.found
    owned = state.owned
    with np.errstate(all="ignore"):
        for node in reversed(order):
            ct = take(node, None)
            if ct is None:
                continue
            op = node.op
            if op is LEAF:
                if wanted is None or node in wanted:
                    found.append((node, ct))
                continue
            if wanted is not None and node in wanted:
                found.append((node, _copied(ct, node in owned)))
            op.pull(node if every is None else lift(node, every, outer or every, 0), ct, state)
            if owned:
                owned.discard(node)
            if free:
                if op.needs:
                    node.saved = FREED
                elif op.kind != ELEMENTWISE:
                    _let_go(node)


def _copied(ct: Any, owned: bool) -> Any:
    return ct.copy() if owned and type(ct) is np.ndarray else ct


def _finite(ct: Any) -> bool:
    value = ct.value if is_handle(ct) else ct
    return (
        bool(np.isfinite(np.add.reduce(value, axis=None)))
        if type(value) is np.ndarray
        else bool(np.all(np.isfinite(value)))
    )


def _collected(state: _Pass, inputs: Sequence[Tensor] | None) -> list[tuple[Tensor, Tensor]]:
    taken: set[int] = set()
    if inputs is not None:
        by_node = dict(state.found)
        return [(t, _hooked(t, as_gradient(by_node[t.node], t, taken))) for t in inputs if t.node in by_node]
    out: list[tuple[Tensor, Tensor]] = []
    for node, ct in state.found:
        tensor = node.saved[0]()
        if tensor is not None:
            if tensor.mem is not None or SWITCH.live:
                current(tensor)
            out.append((tensor, _hooked(tensor, as_gradient(ct, tensor, taken))))
    return out


def _hooked(t: Tensor, grad: Tensor) -> Tensor:
    """The gradient after the hooks of a leaf; those of other Tensors were called by their steps."""
    found = getattr(t, "_extra", None)
    return grad if found is None or not found.hooks or t.node.op is not LEAF else hooked(found.hooks, grad)  # type: ignore[union-attr]


# ---------------------------------------------------------------- autograd.grad


def _check_inputs(inputs: Sequence[Any]) -> None:
    for k, t in enumerate(inputs):
        if not isinstance(t, Tensor):
            raise error_at(
                WengertTypeError,
                f"input {k} is a {type(t).__name__}, not a Tensor",
                fix="give Tensors that require gradients",
                depth=4,
            )
        if current(t).node is None:
            raise error_at(
                WengertValueError,
                f"input {k} does not require gradients",
                fix="make it with requires_grad=True",
                depth=4,
            )


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """The gradients of ``outputs`` with respect to ``inputs``, as a tuple of Tensors; no ``grad`` is touched.

    ``grad_outputs`` are the cotangents, one for each output (None for an output of one element). An input that the
    outputs do not depend on is an error, or None with ``allow_unused``. ``create_graph`` records the pass itself, so
    that the results can be differentiated.

    >>> import wengert as wg
    >>> x = wg.tensor(3.0, requires_grad=True)
    >>> (first,) = wg.autograd.grad(x ** 3, x, create_graph=True)
    >>> wg.autograd.grad(first, x)
    (tensor(18.),)
    """
    outs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    ins = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for k, t in enumerate(outs):
        if not isinstance(t, Tensor):
            raise error_at(
                WengertTypeError, f"output {k} is a {type(t).__name__}, not a Tensor", fix="give Tensors", depth=3
            )
    _check_inputs(ins)
    seeds = (
        [None] * len(outs)
        if grad_outputs is None
        else [grad_outputs]
        if isinstance(grad_outputs, Tensor)
        else list(grad_outputs)
    )
    if len(seeds) != len(outs):
        raise error_at(
            WengertValueError,
            f"{len(seeds)} grad_outputs for {len(outs)} outputs",
            fix="give one for each output",
            depth=3,
        )
    pairs, kept = sweep(outs, seeds, ins, retain_graph, create_graph, "autograd.grad")
    accumulate(kept, create_graph)
    found = {id(t): g for t, g in pairs}
    missing = [k for k, t in enumerate(ins) if id(t) not in found]
    if missing and not allow_unused:
        raise error_at(
            WengertValueError,
            f"the outputs do not depend on input {missing[0]}",
            fix="leave it away, or pass allow_unused=True to get None",
            depth=3,
        )
    return tuple(found.get(id(t)) for t in ins)


__all__ = ["backward", "grad"]
