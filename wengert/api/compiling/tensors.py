"""Tensors that go into a compiled function and come out of it: taken apart into arrays, and put together again.

Imports core and the Tensors. Invariant: after a replay every Tensor has the values, the gradient and the history that
a run of the function would have left it with, or the path is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.context import next_seq
from wengert.core.handle import is_handle
from wengert.core.node import Node, Where
from wengert.core.op import CONTROL, Op
from wengert.core.tree import STANDINS
from wengert.ops.kinks import Choice, choice
from wengert.tensor.backward import FREED
from wengert.tensor.inplace import overwrite
from wengert.tensor.mode import is_grad_enabled, makes_leaves
from wengert.tensor.session import Session
from wengert.tensor.tensor import LEAF, Tensor, current
from wengert.tensor.views import release

_PAST = Op(
    listed=False,
    name="compiled",
    kind=CONTROL,
    inputs=(),
    params={},
    rules=(),
    needs=(),
    saved_from=(),
    doc="The history of a result of a compiled function whose backward pass has run inside.",
)


class Unfit(Exception):
    """Tensors that cannot be inputs of a path; the message says why."""


@dataclass(frozen=True, slots=True)
class Given:
    """How the leaves of a call hold Tensors: for each leaf the number of its Tensor (or None), for each Tensor whether
    it requires gradients and the number of its gradient (or None). Plain leaves are the values of the Tensors, then
    the other leaves."""

    places: tuple[int | None, ...]
    tensors: tuple[tuple[bool, int | None], ...]

    def fill(self, plain: Sequence[Any], tensors: Sequence[Any]) -> list[Any]:
        """The leaves of the call around other values."""
        others = iter(plain[len(self.tensors) :])
        return [next(others) if k is None else tensors[k] for k in self.places]

    def of_leaves(self, plain: Sequence[Any]) -> list[Any]:
        """For each leaf of the call the number of its Tensor, or what ``plain`` says of the leaf."""
        others = iter(plain[len(self.tensors) :])
        return [next(others) if k is None else k for k in self.places]

    def names(self, names: Sequence[str]) -> list[str]:
        """What the plain leaves are called, given the names of the leaves."""
        found = {k: name for k, name in reversed(list(zip(self.places, names, strict=True))) if k is not None}
        for k, (_, grad) in enumerate(self.tensors):
            if grad is not None:
                found.setdefault(grad, f"{found[k]}.grad")
        others = [name for k, name in zip(self.places, names, strict=True) if k is None]
        return [found[k] for k in range(len(self.tensors))] + others


def mode() -> tuple[bool, bool, Choice]:
    """What the surroundings say about recording and about kinks: part of what a path is made for."""
    return is_grad_enabled(), makes_leaves(), choice.get()


def opened(leaves: Sequence[Any]) -> tuple[list[Any], Given | None, list[Tensor]]:
    """The plain leaves of a call, how they belong to its Tensors, and these. Raises Unfit."""
    if not STANDINS or not any(type(leaf) is Tensor for leaf in leaves):
        return list(leaves), None, []
    numbering = _Numbering([], ())
    places = tuple(numbering.number(leaf) if type(leaf) is Tensor else None for leaf in leaves)
    facts = numbering.facts()
    units = numbering.units
    plain = [t.value for t in units] + [leaf for leaf in leaves if type(leaf) is not Tensor]
    return plain, Given(places, facts), units


def widened(
    given: Given | None, units: Sequence[Tensor], outer: Sequence[Tensor], leaves: Sequence[Any]
) -> tuple[Given | None, list[Tensor], list[Any]]:
    """The same with Tensors from outside of the function after those of the call. Raises Unfit."""
    if not outer:
        return given, list(units), list(leaves)
    if not _outside.acquire(timeout=_PATIENCE):
        raise Unfit("another thread is recording a function that reads the same Tensors")
    try:
        return _widened(given, units, outer, leaves)
    finally:
        _outside.release()


_outside = threading.RLock()
"""Held while Tensors from outside hold values of a recording."""
_PATIENCE = 10.0


def _widened(
    given: Given | None, units: Sequence[Tensor], outer: Sequence[Tensor], leaves: Sequence[Any]
) -> tuple[Given, list[Tensor], list[Any]]:
    known = () if given is None else given.tensors
    numbering = _Numbering(list(units), known)
    for t in outer:
        if numbering.number(t) < len(known):
            raise Unfit("a Tensor is an argument and is read from outside too")
    facts = numbering.facts()
    more = numbering.units[len(known) :]
    if any(t.mem is not None for t in more):
        raise Unfit("a Tensor that it reads from outside has views, or is one")
    places = (None,) * len(leaves) if given is None else given.places
    plain = [*leaves[: len(known)], *(t.value for t in more), *leaves[len(known) :]]
    return Given(places, facts), numbering.units, plain


class _Numbering:
    """Tensors in the order in which they are met, their gradients last."""

    def __init__(self, units: list[Tensor], known: tuple[tuple[bool, int | None], ...]) -> None:
        self.units = units
        self._known = known
        self._numbers = {id(t): k for k, t in enumerate(units)}

    def number(self, t: Tensor) -> int:
        """The number of a Tensor."""
        if id(t) not in self._numbers:
            self._numbers[id(t)] = len(self.units)
            self.units.append(t)
        return self._numbers[id(t)]

    def facts(self) -> tuple[tuple[bool, int | None], ...]:
        """For each Tensor whether it requires gradients, and the number of its gradient."""
        facts = list(self._known)
        for t in self.units[len(facts) :]:
            _check(t)
            grad = t.grad
            facts.append((t.node is not None, None if grad is None else self.number(grad)))
        for t in self.units[len(facts) :]:  # gradients, and theirs
            _check(t)
            if t.grad is not None:
                raise Unfit("the gradient of one of its Tensors has a gradient")
            facts.append((t.node is not None, None))
        bases: dict[int, Tensor] = {}
        for t in self.units:
            if t.mem is not None and bases.setdefault(id(_base(t)), t) is not t:
                raise Unfit("two of its Tensors are views of the same memory")
        return tuple(facts)


def _check(t: Tensor) -> None:
    current(t)
    if t.mem is not None:
        release(t)
    if t.node is not None and t.node.op is not LEAF:
        raise Unfit("a Tensor with a history is given to it (t.detach() has none)")
    found = getattr(t, "_extra", None)
    if found is not None and (found.hooks or found.retains):
        raise Unfit("a Tensor with hooks is given to it")


def fits(t: Any, requires: bool) -> bool:
    """Whether a Tensor is of the ordinary kind that the generated check of a path knows."""
    if type(t) is not Tensor or t.mem is not None or getattr(t, "_extra", None) is not None:
        return False
    node = t.node
    return node.op is LEAF if requires and node is not None else node is None and not requires


class Entered:
    """The Tensors that the recorded run works on, around handles: new ones in the place of those of the call, and those
    from outside (from number ``first`` on) themselves, until ``leave``."""

    def __init__(
        self, given: Given, units: Sequence[Tensor], first: int, values: Sequence[Any], inside: Session
    ) -> None:
        self._alone = len(units) > first
        if self._alone:
            _outside.acquire()
        self._before = [(t, t.value, t.node, t.mem, getattr(t, "_grad", None)) for t in units[first:]]
        self.tensors = [t if k >= first else Tensor(None) for k, t in enumerate(units)]
        for t, value, (requires, grad) in zip(self.tensors, values[: len(units)], given.tensors, strict=True):
            t.value, t.node, t.mem = value, None, None
            inside.own(t)
            if requires:
                t.requires_grad_()
            t._grad = None if grad is None else self.tensors[grad]

    def leave(self) -> None:
        """Give the Tensors from outside back as they were."""
        for t, *state in self._before:
            t.value, t.node, t.mem, t._grad = state
        if self._alone:
            _outside.release()


# ---------------------------------------------------------------- what comes out


@dataclass(frozen=True, slots=True)
class Unit:
    """In the place of a Tensor: that of the call with this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Made:
    """In the place of a Tensor: a new one with the value at ``part``; ``history`` is "", "leaf" or "past"."""

    part: int
    history: str
    where: Where | None
    grad: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What a run does to a Tensor of the call: its new value's part, whether it requires gradients, its gradient
    (``...``: as it was)."""

    number: int
    part: int | None
    requires: bool
    grad: Any


@dataclass(frozen=True, slots=True)
class Taken:
    """How the results of a path are made of the plain outputs: for each leaf of the result a number of an output, a
    Unit or a Made; and the changes of the Tensors of the call."""

    leaves: tuple[Any, ...]
    changes: tuple[Change, ...]

    def assemble(self, parts: Sequence[Any], units: Sequence[Tensor]) -> list[Any]:
        """The leaves of the result, and the changes made."""
        made: dict[int, Any] = {}

        def build(spec: Any) -> Any:
            kind = type(spec)
            if kind is int:
                return parts[spec]
            if kind is Unit:
                return units[spec.number]
            if spec is None:
                return None
            if id(spec) not in made:
                t = made[id(spec)] = Tensor(parts[spec.part])
                if spec.history == "leaf":
                    t.requires_grad_()
                elif spec.history:
                    t.node = Node(next_seq(), _PAST, (), FREED, (), spec.where)
                if spec.grad is not None:
                    t._grad = build(spec.grad)
            return made[id(spec)]

        leaves = [build(spec) for spec in self.leaves]
        grads = [change.grad if change.grad is ... else build(change.grad) for change in self.changes]
        for change, grad in zip(self.changes, grads, strict=True):
            t = units[change.number]
            if change.part is not None:
                overwrite(t, np.asarray(parts[change.part]))
            if change.requires is not (t.node is not None):
                t.requires_grad_(change.requires)
            if grad is not ...:
                t._grad = grad
        return leaves


class Taking:
    """Takes the result of a recorded run apart. ``parts`` are the plain outputs, ``refusal`` says why it cannot be."""

    def __init__(self, inside: Session, given: Given | None, units: Sequence[Tensor], values: Sequence[Any]) -> None:
        self.inside = inside
        self.given = given
        self.units = list(units)
        self.values = values
        self.parts: list[Any] = []
        self.refusal = ""
        inside.expect(units)
        self.known: dict[int, Any] = {id(t): Unit(k) for k, t in enumerate(units)}
        self.alive: list[Tensor] = list(units)
        self._bases = {id(_base(t)) for t in units if t.mem is not None}

    def take(self, outputs: Sequence[Any]) -> Taken:
        """The plan of the result."""
        leaves = tuple(self._leaf(o) for o in outputs)
        changes = tuple(c for k in range(len(self.units)) if (c := self._change(k)) is not None)
        for t in self.alive:
            self._follow(t)
        return Taken(leaves, changes)

    def _part(self, value: Any) -> int:
        self.parts.append(value)
        return len(self.parts) - 1

    def _leaf(self, value: Any) -> Any:
        if type(value) is not Tensor:
            return self._part(value)
        known = self.known.get(id(value))
        if known is not None:
            return known
        current(value)
        if value.mem is not None:
            base = id(_base(value))
            if base in self._bases:
                self.refusal = "it returns a Tensor that is a view of another one that outlives the call"
            self._bases.add(base)
        found = getattr(value, "_extra", None)
        if found is not None and (found.hooks or found.retains):
            self.refusal = "it returns a Tensor with hooks"
        node = value.node
        history = "" if node is None else "leaf" if node.op is LEAF else "past"
        self.alive.append(value)
        self.inside.expect((value,))
        part = self._part(value.value)
        grad = value.grad
        made = Made(part, history, node.where if node is not None else None, None if grad is None else self._leaf(grad))
        self.known[id(value)] = made
        return made

    def _change(self, k: int) -> Change | None:
        assert self.given is not None
        t = current(self.units[k])
        requires, had = self.given.tensors[k]
        if t.node is not None and t.node.op is not LEAF:
            self.refusal = "it leaves a Tensor of its arguments with a history"
        same = t.value is self.values[k] or (
            is_handle(t.value) and is_handle(self.values[k]) and _source(t.value.node) is self.values[k].node
        )
        grad: Any = t.grad
        before = None if had is None else self.units[had]
        change = Change(
            k,
            None if same else self._part(t.value),
            t.node is not None,
            ... if grad is before else None if grad is None else self._leaf(grad),
        )
        return None if change.part is None and change.grad is ... and change.requires is requires else change

    def _follow(self, t: Tensor) -> None:
        """Refuse a result from which gradients would still flow to something that outlives the call."""
        if t.node is None or t.node.op is LEAF:
            return
        outlive = {id(a) for a in self.alive}
        stack, seen = [t.node], {t.node}
        while stack:
            node = stack.pop()
            if node.saved is FREED:
                continue
            if node.op is LEAF:
                leaf = node.saved[0]()
                if leaf is not None and id(leaf) in outlive:
                    self.refusal = (
                        "it returns a Tensor with a history, through which gradients would flow to "
                        + ("its arguments" if type(self.known.get(id(leaf))) is Unit else "another result")
                        + " (return t.detach())"
                    )
                    return
            for parent in node.inputs:
                if parent is not None and parent not in seen and self.inside.depends(parent):
                    seen.add(parent)
                    stack.append(parent)


def _base(t: Tensor) -> Any:
    return t.mem if t.mem.base is None else t.mem.base


def _source(node: Any) -> Any:
    """The step behind other names of its value."""
    while node is not None and node.op.name == "input" and node.args and isinstance(node.args[0], Node):
        node = node.args[0]
    return node


__all__ = ["Entered", "Given", "Taken", "Taking", "Unfit", "Unit", "fits", "mode", "opened", "widened"]
