"""The eager walk: run the function on handles, sweep the nodes backwards (or push tangents), give plain values back.

Imports core, numpy_api and ops. Invariant: bindings, frames and collector thresholds are restored on every way out, and
no handle of a finished trace is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from operator import attrgetter
from typing import Any

import numpy as np

from wengert.core import context, sweep
from wengert.core.context import FORWARD, REVERSE, SWITCH, Frame, next_seq, tracing
from wengert.core.deferred import by_type, held, is_missing, real
from wengert.core.errors import WengertError
from wengert.core.floats import ignored
from wengert.core.handle import TracedArray, handle, is_handle
from wengert.core.node import Node
from wengert.core.record import is_known, leaked
from wengert.core.structure import ROOT, root
from wengert.core.tree import Structure, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api import reach
from wengert.numpy_api.boundary import explain
from wengert.ops.calm import ask_finite, assumed_finite, is_calm
from wengert.ops.memory import sync
from wengert.tensor.session import Session

_masks = attrgetter("op.zeroes")


def settled(value: Any) -> Any:
    """A leaf as a raw value or an up-to-date handle that later writes cannot change."""
    if is_handle(value):
        if value.base is not None:
            sync(value)
        return value
    return value


def call(fun: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run the user's function with the names of its modules served; errors point at the user's code first."""
    frame = tracing.get()
    if frame is not None:
        frame.given = fun, args, kwargs
    token = reach.enter(fun)
    try:
        out = reach.served(fun)(*args, **kwargs)
        if frame is not None and frame.strayed is not None:
            raise frame.strayed
        return out
    except WengertError:
        raise
    except Exception as problem:
        if frame is not None and frame.strayed is not None:
            raise frame.strayed from problem
        hidden = find_ours(problem)
        if hidden is not None:
            raise hidden from None
        explain(problem)
        raise
    finally:
        reach.leave(token)
        if frame is not None:
            frame.given = None


def find_ours(problem: BaseException) -> WengertError | None:
    """A wengert error that compiled code wrapped in one of its own."""
    seen: set[int] = set()
    current: BaseException | None = problem
    while current is not None and id(current) not in seen:
        if isinstance(current, WengertError):
            return current
        seen.add(id(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return None


def outer_watching() -> bool:
    """Whether another trace of this thread is running."""
    return tracing.get() is not None


def reverse_trace(
    fun: Callable[..., Any],
    leaves: Sequence[Any],
    rebuild: Callable[[list[Any]], tuple[Sequence[Any], dict[str, Any]]],
    where: Any,
    kinks: Any = None,
) -> tuple[Frame, list[Any], Any]:
    """Run ``fun`` on fresh roots for ``leaves``; returns the still live frame, the roots and the output tree.

    The caller must ``finish`` the frame. ``kinks`` is a watcher (``api/kinks``) or None.
    """
    around = tracing.get()
    if around is not None and around.folds and kinks is None:
        from wengert.api.folding import folded_trace

        return folded_trace(fun, leaves, rebuild, where)
    frame, token = context.enter(REVERSE, kinks)
    try:
        if around is None:
            roots = [
                TracedArray(v, Node(next_seq(), ROOT, (), (), (), where)) if type(v) is np.ndarray else root(v, where)
                for v in leaves
            ]
        else:
            roots = [root(leaf, where) for leaf in leaves]
        args, kwargs = rebuild([handle(r.value, r.node) for r in roots])  # the program may write into its arguments
        out = call(fun, args, kwargs)
    except BaseException:
        context.leave(frame, token)
        raise
    tracing.reset(token)
    return frame, roots, out


def sweep_back(
    frame: Frame,
    outputs: list[Any],
    cotangents: Sequence[Any],
    roots: Sequence[Any],
    *,
    keep: bool = False,
    release: bool = False,
) -> list[Any]:
    """The cotangents of the roots, given those of the outputs (handles or raw values); None where nothing arrives.

    With ``release`` the list of outputs is emptied, so that nothing holds the nodes that the sweep lets go.
    Raises ChangedError when an array that a residual refers to was overwritten.
    """
    root_nodes = [r.node for r in roots]
    nodes = [o.node for o in outputs if is_handle(o) and o.node is not None]
    older: list[Node] = []
    order = sweep.reachable(nodes, root_nodes, frame.start, older)
    if older and min(SWITCH.oldest, frame.start) >= frame.start:
        leaked(older[0])
    elif older and len(SWITCH.live) > 1:
        for node in older:
            is_known(node, frame)
    if frame.watched:
        sweep.check_watched(frame.watched)
    inner: set[Node] = set()
    outer: set[Node] = set()
    lifted = False
    if outer_watching():
        inner, outer = sweep.dependence(order, root_nodes, frame.start)
        lifted = bool(outer) or any(map(is_handle, cotangents))
    # (No loop here: its variable would hold the last node.)
    masked = any(map(_masks, order))
    asks = masked and lifted and (full := _full()) is not None and full.asks
    large = masked and any(type(v := held(r)) is np.ndarray and v.size >= 65536 for r in roots)
    calm = masked and (large or asks) and is_calm(order, outputs)
    again = masked and not (calm and large)
    keep = keep or again
    assumed = asks and calm and any(is_handle(o) and is_missing(held(o)) for o in outputs)  # and asked
    if asks and calm and not assumed:
        ask_finite(outputs)
    release = release and not keep and not lifted
    if release:
        nodes.clear()
    found = _run(
        order,
        outputs,
        cotangents,
        root_nodes,
        inner,
        outer,
        frame,
        lifted=lifted,
        keep=keep,
        careful=False,
        release=release,
    )
    if assumed or (again and asks and not calm and assumed_finite(found)):
        pass
    elif again and not all(map(_finite, found)):
        found = _run(
            order, outputs, cotangents, root_nodes, inner, outer, frame, lifted=lifted, keep=True, careful=True
        )
    elif asks and not calm:
        ask_finite(found)
    return found


def sweep_scalar(frame: Frame, outputs: list[Any], seed: Any, roots: Sequence[Any]) -> list[Any]:
    """``sweep_back`` of one output where no outer trace is watching, by the shortest way."""
    root_nodes = [r.node for r in roots]
    older: list[Node] = []
    order = sweep.reachable((outputs[0].node,), root_nodes, frame.start, older)
    masked = any(map(_masks, order))
    if not order or older or (masked and any(type(r.value) is np.ndarray and r.value.size >= 65536 for r in roots)):
        return sweep_back(frame, outputs, [seed], roots, release=True)
    if frame.watched:
        sweep.check_watched(frame.watched)
    state = sweep.Sweep()
    state.cts[order[-1]] = seed
    if not masked:
        outputs.clear()
    with ignored():
        sweep.run(order, state, keep=masked)
    found = [state.cts.get(r) for r in root_nodes]
    if masked and not all(map(_finite, found)):
        return sweep_back(frame, outputs, [seed], roots)
    return found


def _full() -> Frame | None:
    """The innermost full recording that is watching."""
    frame = tracing.get()
    return frame.full if frame is not None else None


def _swept_once() -> bool:
    """Whether the traces outside only record: then what was swept is not swept again."""
    frame = tracing.get()
    if frame is None or frame.swept or frame.forwards:
        return False
    return not any(type(f.note) is Session and f.note.used() for f in frame.chain())


def _finite(ct: Any) -> bool:
    if ct is None:
        return True
    value = ct.value if is_handle(ct) else ct
    if type(value) is np.ndarray and value.dtype.kind == "f":
        # The sum of squares is finite only if every element is (its overflow merely costs a second sweep).
        return isfinite(np.vdot(value, value))
    return bool(np.all(np.isfinite(value)))


def _run(
    order: list[Node],
    outputs: list[Any],
    cotangents: Sequence[Any],
    roots: Sequence[Node],
    inner: set[Node],
    outer: set[Node],
    frame: Frame,
    *,
    lifted: bool,
    keep: bool,
    careful: bool,
    release: bool = False,
) -> list[Any]:
    state = sweep.Sweep(careful=careful, lifted=lifted)
    for o, ct in zip(outputs, cotangents, strict=True):
        if ct is not None and is_handle(o) and o.node is not None:
            if lifted and o.node not in inner:
                continue
            state.add(o.node, ct)
    if release:
        o = None
        outputs.clear()
    with ignored():
        if lifted:
            sweep.run_lifted(order, state, inner, outer, frame.start, final=not keep and _swept_once())
        else:
            if frame.met is not None and frame.met.late is not None:
                for node in order:
                    node.saved = real(node.saved)
            sweep.run(order, state, keep=keep)
    return [state.cts.get(r) for r in roots]


@by_type
def as_gradient(ct: Any, leaf: Any, taken: set[int]) -> Any:
    """A cotangent in the shape and dtype of its leaf, in memory of its own."""
    if (
        type(ct) is np.ndarray
        and type(leaf) is np.ndarray
        and ct.dtype is leaf.dtype
        and ct.shape == leaf.shape
        and ct.base is None
        and ct.flags.writeable
        and id(ct) not in taken
    ):
        taken.add(id(ct))
        return ct
    plain = leaf.value if is_handle(leaf) else leaf
    shape, dtype = shape_of(plain), dtype_of(plain)
    if ct is None:
        return np.zeros(shape, dtype) if type(plain) is np.ndarray else dtype.type(0)
    if is_handle(ct):
        return ct if dtype_of(ct.value) == dtype else ct.astype(dtype)
    if type(plain) is not np.ndarray:
        return dtype.type(ct.item() if type(ct) is np.ndarray else ct)
    fits = type(ct) is np.ndarray and ct.dtype == dtype and ct.shape == shape
    if fits and ct.base is None and ct.flags.writeable and id(ct) not in taken:
        taken.add(id(ct))
        return ct
    out = np.empty(shape, dtype)
    out[...] = ct
    return out


def outward(value: Any) -> Any:
    """An output as the caller may see it: the handle when an outer trace is watching, else the plain value."""
    if not is_handle(value):
        return value
    if value.base is not None:
        sync(value)
    if tracing.get() is not None and value.node is not None:
        return value
    return value.value


def flat_output(out: Any) -> tuple[list[Any], Structure]:
    """The leaves of an output and its structure."""
    leaves, structure = flatten(out)
    return [settled(leaf) for leaf in leaves], structure


__all__ = [
    "FORWARD",
    "SWITCH",
    "as_gradient",
    "call",
    "flat_output",
    "outward",
    "reverse_trace",
    "sweep_back",
    "sweep_scalar",
]
