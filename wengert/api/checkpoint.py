"""checkpoint and checkpoint_sequential: store the arguments of a call, and run it again when its
derivative is taken.

Imports core, numpy_api, ops, ``engine``. Invariant: the second run starts from the random state of
the first and leaves the state it found.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of
from wengert.api.folding import FOLDING, Unfolded
from wengert.core.context import REVERSE, next_seq, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.record import keep_constant
from wengert.core.structure import ROOT
from wengert.core.tree import Structure, flatten, is_static
from wengert.ops.keeping import Policy, kept, policy_of
from wengert.ops.recompute import recomputed
from wengert.rewrite.recompute import Region
from wengert.tensor.bridge import inward, outward
from wengert.tensor.mode import EAGER, enable_grad, is_grad_enabled, is_traced, recording
from wengert.tensor.session import Session
from wengert.tensor.tensor import Tensor, current


def checkpoint(
    fun: Callable[..., Any], *, policy: Policy = None, verify: bool = False
) -> Callable[..., Any]:
    """Return ``fun`` as a function of which a derivative stores the arguments alone: the rest is
    computed again when it is needed.

    Values and derivatives of any order are those of ``fun``, bit for bit; checkpointed functions
    may call one another. Arguments and results may be
    containers, and traced values that ``fun`` closes over count as arguments. Draws from
    ``numpy.random`` and from Generators that are arguments,
    closed over or global are repeated.

    ``policy`` keeps some results of the first run: ``"cheap"`` keeps contractions (matmul, einsum,
    convolutions) and solves and computes element-wise
    operations, reductions and views again; a kind (``"elementwise"``, ``"linear"``, ``"general"``)
    or the names of operations keeps those;
    a function of the operation returns True for what is to be kept.

    A function that does not repeat itself raises VerificationError; ``verify`` compares all bits
    of its results and names the line. Traces that keep
    nothing (forward mode) or that record for other uses (vmap, trace) see ``fun`` itself; a compiled
    function computes again, in its program, what a derivative needs of the inside.

    >>> import numpy as np
    >>> import wengert
    >>> layer = wengert.checkpoint(lambda x: np.tanh(3.0 * np.sin(x)))
    >>> float(wengert.grad(layer)(0.0))
    3.0
    """
    if not callable(fun):
        raise error_at(
            WengertTypeError,
            f"checkpoint takes a function, got a {type(fun).__name__}",
            fix="checkpoint(fun)(x), not checkpoint(fun(x))",
        )
    keep = policy_of(policy)

    @functools.wraps(fun)
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        full = frame.full if (frame := tracing.get()) is not None else None
        if full is not None and full.note is FOLDING:
            raise Unfolded
        if full is not None and type(full.note) is Session:
            return _in_recording(fun, args, kwargs, full.note, keep)
        if any(type(leaf) is Tensor for leaf in leaves) and not is_traced():
            return _on_tensors(fun, leaves, structure, keep, verify=verify)
        if not _is_reverse():
            return fun(*args, **kwargs)
        leaves = [engine.settled(leaf) for leaf in leaves]
        moving = [k for k, leaf in enumerate(leaves) if _is_number(leaf)]
        # What is no number stays as it is now, whatever the caller does to it afterwards.
        fixed = [None if k in set(moving) else keep_constant(leaf) for k, leaf in enumerate(leaves)]
        outputs: list[Any] = []
        body = _body(fun, structure, fixed, moving, outputs)
        operands = [leaves[k] for k in moving]
        if keep is not None:
            found = kept(name_of(fun), body, operands, keep)
        else:
            found = recomputed(name_of(fun), body, operands, verify=verify)
        return outputs[0].unflatten(found)

    return recomputing


def _on_tensors(fun: Callable[..., Any], leaves: list[Any], structure: Structure, keep: Any, *, verify: bool) -> Any:
    """A checkpointed function called with Tensors: one step of their graph. Tensors it closes over (parameters) are
    part of it.
    """
    if not is_grad_enabled():
        args, kwargs = structure.unflatten(leaves)
        return fun(*args, **kwargs)
    moving = [k for k, leaf in enumerate(leaves) if type(leaf) is Tensor and leaf.dtype.kind in "fc"]
    fixed = [None if k in set(moving) else leaf for k, leaf in enumerate(leaves)]
    outputs: list[Any] = []
    marks: list[bool] = []

    def call(args: Any, kwargs: Any) -> Any:
        frame = tracing.get()
        assert frame is not None
        frame.note = EAGER  # this is no traced function: Tensors record here
        with enable_grad():
            args, kwargs = structure.unflatten([
                outward(v) if k in set(moving) else v for k, v in enumerate(structure.flatten_like((args, kwargs)))
            ])
            parts, shape = flatten(fun(*args, **kwargs))
        marks[:] = [type(p) is Tensor for p in parts]
        return shape.unflatten([inward(p) for p in parts])

    body = _body(fun, structure, fixed, moving, outputs, call)
    with recording():
        operands = [engine.settled(inward(leaves[k])) for k in moving]
        if keep is not None:
            found = kept(name_of(fun), body, operands, keep)
        else:
            found = recomputed(name_of(fun), body, operands, verify=verify)
        return outputs[0].unflatten([outward(v) if mark else v for v, mark in zip(found, marks, strict=True)])


def _in_recording(fun: Callable[..., Any], args: Any, kwargs: Any, inside: Session, keep: Any) -> Any:
    """A checkpointed call while a compiled function is recorded: its steps are noted, and what a derivative needs of
    them is computed again in the compiled program (``rewrite/recompute``).
    """
    start = next_seq()
    out = fun(*args, **kwargs)
    results = set()
    for leaf in flatten(out)[0]:
        value = current(leaf).value if type(leaf) is Tensor else engine.settled(leaf)
        node = value.node if is_handle(value) else None
        while node is not None:
            results.add(node.seq)
            named = node.op is ROOT and node.args and not isinstance(node.args[0], Const)
            node = node.args[0] if named else None
    keeps = None if keep is None else lambda node: bool(keep(node.op))
    inside.regions.append(Region(start, next_seq(), frozenset(results), keeps))
    return out


def _is_reverse() -> bool:
    """Whether something is watching, and only ordinary reverse traces are."""
    frame = tracing.get()
    return frame is not None and all(f.kind == REVERSE and f.kinks is None for f in frame.chain())


def _is_number(leaf: Any) -> bool:
    if is_handle(leaf):
        return True
    if is_static(leaf):
        return False
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "fc"
    return isinstance(leaf, (float, complex, np.floating, np.complexfloating))


def _body(
    fun: Callable[..., Any],
    structure: Structure,
    fixed: list[Any],
    moving: list[int],
    outputs: list[Any],
    call: Callable[[Any, Any], Any] | None = None,
) -> Callable[[list[Any]], list[Any]]:
    """``fun`` on the list of its moving leaves, giving a list of output leaves; the first run
    tells the structure of the output.
    """
    states: list[Any] = []
    sources: list[Any] = []

    def run(values: list[Any]) -> list[Any]:
        full = list(fixed)
        for k, value in zip(moving, values, strict=True):
            full[k] = value
        args, kwargs = structure.unflatten(full)
        first = not outputs
        if first:
            sources.extend(_generators(fun, fixed))
            states.extend(map(_state, sources))
        else:
            now = list(map(_state, sources))
            _restore(sources, states)
        try:
            out = engine.call(fun, args, kwargs) if call is None else call(args, kwargs)
        finally:
            if not first:
                _restore(sources, now)
        leaves, shape = flatten(out)
        leaves = [engine.settled(leaf) for leaf in leaves]
        if first:
            outputs.append(shape)
        elif shape != outputs[0]:
            raise error_at(
                WengertValueError,
                f"{name_of(fun)} returned {outputs[0].describe()} and, recomputed, {shape.describe()}",
                fix="a checkpointed function must depend on its arguments only",
            )
        return leaves

    return run


# ---------------------------------------------------------------- random state


def _generators(fun: Any, fixed: Sequence[Any]) -> list[Any]:
    """The sources of random numbers the function can see: NumPy's global one, and Generators in
    arguments, closures and globals.
    """
    seen: dict[int, Any] = {}
    for value in (*fixed, *_visible(fun, 3)):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            seen.setdefault(id(value), value)
    glob: Any = np.random.get_state.__self__  # type: ignore[attr-defined]
    seen.setdefault(id(glob), glob)
    return list(seen.values())


def _visible(fun: Any, depth: int) -> Iterator[Any]:
    """What a function closes over, has as defaults, reads from its module, or holds as the object
    it belongs to.
    """
    if depth == 0:
        return
    fun = getattr(fun, "func", fun)
    owner = getattr(fun, "__self__", None)
    inner = getattr(fun, "__func__", fun)
    code = getattr(inner, "__code__", None)
    if code is None:
        owner = fun if owner is None else owner
        inner = type(fun).__call__ if callable(fun) else None
        code = getattr(inner, "__code__", None)
    found: list[Any] = []
    for cell in getattr(inner, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not filled yet
            continue
    found.extend(getattr(inner, "__defaults__", None) or ())
    if code is not None:
        space = getattr(inner, "__globals__", {})
        found.extend(space[n] for n in code.co_names if n in space)
    found.extend(
        getattr(owner, "__dict__", {}).values()
        if owner is not None and not isinstance(owner, type)
        else ()
    )
    for value in found:
        if isinstance(value, (list, tuple)) and len(value) <= 256:
            yield from value
            for part in value:
                if callable(part):
                    yield from _visible(part, depth - 1)
        yield value
        if callable(value) and not isinstance(value, type):
            yield from _visible(value, depth - 1)


def _state(source: Any) -> Any:
    if isinstance(source, np.random.Generator):
        return source.bit_generator.state
    return source.get_state(legacy=False)


def _restore(sources: Sequence[Any], states: Sequence[Any]) -> None:
    for source, state in zip(sources, states, strict=True):
        if isinstance(source, np.random.Generator):
            source.bit_generator.state = state
        else:
            source.set_state(state)


# ---------------------------------------------------------------- chains


def checkpoint_sequential(
    layers: Sequence[Callable[..., Any]],
    x: Any,
    segments: int | str = "sqrt",
    *,
    policy: Policy = None,
    verify: bool = False,
) -> Any:
    """Apply ``layers`` one after the other to ``x``, storing only the values between ``segments``
    stretches of about equal length.

    ``segments="sqrt"`` takes the square root of the number of layers: the memory of a derivative
    grows like that root, for at most one more run of
    the layers. The last stretch is not run twice: its derivative is taken first.

    >>> import numpy as np
    >>> import wengert
    >>> layers = [lambda v: 2.0 * v] * 4
    >>> float(wengert.grad(lambda x: wengert.checkpoint_sequential(layers, x))(0.0))
    16.0
    """
    steps = list(layers)
    count = len(steps)
    if segments == "sqrt":
        wanted = max(1, math.isqrt(count))
    elif (
        isinstance(segments, (int, np.integer)) and not isinstance(segments, bool) and segments >= 1
    ):
        wanted = min(int(segments), max(1, count))
    else:
        raise error_at(
            WengertValueError,
            f"checkpoint_sequential: segments is {segments!r}",
            fix='give a positive int, or "sqrt"',
        )
    for k, layer in enumerate(steps):
        if not callable(layer):
            raise error_at(
                WengertTypeError,
                f"checkpoint_sequential: layer {k} is a {type(layer).__name__}",
                fix="give functions of one argument",
            )
    bounds = [round(count * k / wanted) for k in range(wanted + 1)]
    for k in range(wanted):
        stretch = _Stretch(steps[bounds[k] : bounds[k + 1]])
        last = k == wanted - 1
        x = stretch(x) if last else checkpoint(stretch, policy=policy, verify=verify)(x)
    return x


class _Stretch:
    """Some layers applied one after the other."""

    __name__ = "checkpoint_sequential"

    def __init__(self, layers: Sequence[Callable[..., Any]]) -> None:
        self.layers = layers

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


__all__ = ["checkpoint", "checkpoint_sequential"]
