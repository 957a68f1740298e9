"""checkpoint and checkpoint_sequential: store the arguments of a call, and run it again when its
derivative is taken.

Imports core, numpy_api, ops, ``engine``. Invariant: the second run starts from the random state of
the first and leaves the state it found.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of
from wengert.api.checkpoint_random import generators, restore, state
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
from wengert.ops.stretch import stretched
from wengert.rewrite.recompute import Region
from wengert.tensor.bridge import inward, outward
from wengert.tensor.mode import EAGER, enable_grad, is_grad_enabled, is_traced, recording
from wengert.tensor.session import Session
from wengert.tensor.tensor import Tensor, current


def checkpoint(fun: Callable[..., Any], *, policy: Policy = None, verify: bool = False) -> Callable[..., Any]:
    """Return ``fun`` as a function of which a derivative stores the arguments alone: the rest is
    computed again when it is needed.

    Values and derivatives of any order are those of ``fun``, bit for bit; checkpointed functions
    may call one another. Arguments and results may be
    containers, and traced values that ``fun`` closes over count as arguments; writing to an
    argument raises. Draws from ``numpy.random``, from the module ``random``, and from generators
    that are arguments, closed over, global, or held by objects and containers are repeated.

    ``policy`` keeps some results of the first run: ``"cheap"`` keeps contractions (matmul, einsum,
    convolutions) and solves and computes element-wise
    operations, reductions and views again; a kind (``"elementwise"``, ``"linear"``, ``"general"``)
    or the names of operations keeps those;
    a function of the operation returns True for what is to be kept.

    A function that does not repeat itself raises VerificationError; ``verify`` compares all bits
    of its results and names the line (a compiled function that has such a call runs uncompiled). Traces that keep
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
    return _checkpointed(fun, policy_of(policy), verify=verify)


def _checkpointed(fun: Callable[..., Any], keep: Any, *, verify: bool) -> Callable[..., Any]:
    @functools.wraps(fun)
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        full = frame.full if (frame := tracing.get()) is not None else None
        if full is not None and full.note is FOLDING:
            raise Unfolded
        if full is not None and type(full.note) is Session:
            return _in_recording(fun, args, kwargs, full.note, keep, verify=verify)
        if any(type(leaf) is Tensor for leaf in leaves) and not is_traced():
            if tracing.get() is not None and not _is_reverse():
                return fun(*args, **kwargs)  # inside of a call under a policy, which records every step
            return _on_tensors(fun, leaves, structure, keep, verify=verify)
        if not _is_reverse():
            return fun(*args, **kwargs)
        leaves = [engine.settled(leaf) for leaf in leaves]
        moving = [k for k, leaf in enumerate(leaves) if _is_number(leaf)]
        # What is no number stays as it is now, whatever the caller does to it afterwards.
        fixed = [None if k in set(moving) else keep_constant(leaf) for k, leaf in enumerate(leaves)]
        outputs: list[Any] = []
        operands = [leaves[k] for k in moving]
        if type(fun) is _Stretch and keep is None and not verify:
            body = _body(fun.first, structure, fixed, moving, outputs, private=fun.private)
            results: list[Any] = []
            found = stretched(name_of(fun), body, _end(fun.last, outputs, results), operands)
            return results[0].unflatten(found)
        body = _body(fun, structure, fixed, moving, outputs, private=type(fun) is _Stretch and fun.private)
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
    marks: list[bool] = [k in set(moving) for k in range(len(leaves))]
    with recording():
        operands = [engine.settled(inward(leaves[k])) for k in moving]
        if type(fun) is _Stretch and keep is None and not verify:
            results: list[Any] = []
            between: list[bool] = []
            call = _eagerly(fun.first, marks, between, private=fun.private)
            body = _body(fun.first, structure, fixed, moving, outputs, call, private=fun.private)
            end = _end(fun.last, outputs, results, _eagerly(fun.last, between, marks, private=True))
            found, outputs = stretched(name_of(fun), body, end, operands), results
        else:
            private = type(fun) is _Stretch and fun.private
            call = _eagerly(fun, marks, marks, private=private)
            body = _body(fun, structure, fixed, moving, outputs, call, private=private)
            if keep is not None:
                found = kept(name_of(fun), body, operands, keep)
            else:
                found = recomputed(name_of(fun), body, operands, verify=verify)
        return outputs[0].unflatten([outward(v) if mark else v for v, mark in zip(found, marks, strict=True)])


def _eagerly(
    fun: Callable[..., Any], given: list[bool], found: list[bool], *, private: bool
) -> Callable[[Any, Any], Any]:
    """``fun`` on Tensors, called with handles: ``given`` says which leaves of its arguments are Tensors, ``found`` will
    say which of its results are.
    """
    tensors: list[bool] = []  # of the first call: ``found`` may be the same list

    def call(args: Any, kwargs: Any) -> Any:
        frame = tracing.get()
        assert frame is not None
        frame.note = EAGER  # this is no traced function: Tensors record here
        leaves, shape = flatten((args, kwargs))
        first = not tensors
        if first:
            tensors.extend(given)
        with enable_grad():
            made = [outward(v) if mark else v for v, mark in zip(leaves, tensors, strict=True)]
            args, kwargs = shape.unflatten(made)
            parts, shape = flatten(fun(*args, **kwargs))
            if (
                first
                and not private
                and any(
                    type(t) is Tensor and (_is_written(t.mem) if t.mem is not None else t.value is not v.value)
                    for t, v in zip(made, leaves, strict=True)
                    if is_handle(v)
                )
            ):
                raise _writes(fun)
        found[:] = [type(p) is Tensor for p in parts]
        return shape.unflatten([inward(p) for p in parts])

    return call


def _in_recording(fun: Callable[..., Any], args: Any, kwargs: Any, inside: Session, keep: Any, *, verify: bool) -> Any:
    """A checkpointed call while a compiled function is recorded: its steps are noted, and what a derivative needs of
    them is computed again in the compiled program (``rewrite/recompute``).
    """
    if verify:
        inside.refusal = "checkpoint(verify=True) compares two runs of a function, of which a program has only one"
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
    *,
    private: bool = False,
) -> Callable[[list[Any]], list[Any]]:
    """``fun`` on the list of its moving leaves, giving a list of output leaves; the first run
    tells the structure of the output. Unless the arguments are ``private``, writing to them is an error.
    """
    states: list[Any] = []
    sources: list[Any] = []

    def run(values: list[Any]) -> list[Any]:
        full = list(fixed)
        for k, value in zip(moving, values, strict=True):
            full[k] = value
        args, kwargs = structure.unflatten(full)
        first = not outputs
        if first and not states:
            sources.extend(generators(fun, fixed))
            states.extend(map(state, sources))
        elif first:  # the first attempt did not come to its end
            restore(sources, states)
        else:
            now = list(map(state, sources))
            restore(sources, states)
        try:
            out = engine.call(fun, args, kwargs) if call is None else call(args, kwargs)
        finally:
            if not first:
                restore(sources, now)
        if first and not private and any(is_handle(v) and _is_written(v) for v in values):
            raise _writes(fun)
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


def _is_written(v: Any) -> bool:
    """Whether a handle made for this purpose was written to."""
    return v.base is v and v.version > 1  # the first is that of memory that may be written


def _writes(fun: Callable[..., Any]) -> Exception:
    return error_at(
        WengertValueError,
        f"{name_of(fun)} is checkpointed and writes to its argument: run again, it would find what it wrote",
        fix="write to a copy: x = x.copy() (x.clone() for a Tensor)",
        depth=4,
    )


def _end(
    fun: Callable[..., Any], middle: list[Any], outputs: list[Any], call: Callable[[Any, Any], Any] | None = None
) -> Callable[[list[Any]], list[Any]]:
    """``fun`` on the list of leaves of its only argument, of the structure that ``middle`` will hold."""
    made: list[Callable[[list[Any]], list[Any]]] = []

    def run(values: list[Any]) -> list[Any]:
        if not made:
            leaves, structure = flatten(((middle[0].unflatten(values),), {}))
            made.append(
                _body(fun, structure, [None] * len(leaves), list(range(len(leaves))), outputs, call, private=True)
            )
        return made[0](values)

    return run


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
    elif isinstance(segments, (int, np.integer)) and not isinstance(segments, bool) and segments >= 1:
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
        stretch = _Stretch(steps[bounds[k] : bounds[k + 1]], private=k > 0)
        last = k == wanted - 1
        x = stretch(x) if last else checkpoint(stretch, policy=policy, verify=verify)(x)
    return x


class _Stretch:
    """Some layers applied one after the other; ``private`` says that nobody else has what they start from."""

    __name__ = "checkpoint_sequential"

    def __init__(self, layers: Sequence[Callable[..., Any]], *, private: bool) -> None:
        self.layers = layers
        self.private = private

    @property
    def first(self) -> _Stretch:
        """All layers but the last."""
        return _Stretch(self.layers[:-1], private=self.private)

    @property
    def last(self) -> _Stretch:
        """The last layer."""
        return _Stretch(self.layers[-1:], private=True)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x


__all__ = ["checkpoint", "checkpoint_sequential"]
