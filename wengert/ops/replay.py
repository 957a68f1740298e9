"""The steps of a call run again, one by one, where a sweep over them needs their values.

Imports core, ``recompute``, ``steps``. Invariant: a residual is computed by the operation, from the
values, that it was computed with in the first run; it is let go as soon as no earlier step of the
sweep needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, ELEMENTWISE, GENERAL, LINEAR
from wengert.core.structure import ITEM
from wengert.core.sweep import Sweep
from wengert.core.types import ArrayType
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.ops.recompute import Call, cotangents, lend, plain, take_back
from wengert.ops.residuals import Rule
from wengert.ops.steps import run_step
from wengert.ops.visit import is_identity, stub

_QUICK = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "negative",
        "positive",
        "square",
        "where",
        "get",
        "astype",
        "reciprocal",
    }
)
"""Operations so cheap that their results are not even kept from one step of the sweep to the
next.
"""

MEMORY = (GET, UPDATE, ADD_AT)  # their results are looks at memory that others hold


class Replay:
    """The recorded steps of a call, the results kept, and the sweep over them."""

    def __init__(self, call: Call, graph: Graph, values: dict[int, Any]) -> None:
        self.call = call
        self.graph = graph
        self.steps: dict[int, Any] = values
        moving = set(graph.inputs)
        self.parents: dict[Node, tuple[Node | None, ...]] = {}
        for node in graph.nodes:
            found = tuple(self._parent(a, moving) for a in node.args)
            if node.op.kind != CONSTANT and any(p is not None for p in found):
                moving.add(node)
                self.parents[node] = found
        self.wanted = {a for node in self.parents for a in self._residuals(node)}
        used = {n.seq for n in self.wanted} | self._ancestors()
        for seq in set(values) - used:
            del values[seq]  # kept, and never asked for

    def _parent(self, arg: Any, moving: set[Any]) -> Node | None:
        if isinstance(arg, Const):
            node = arg.value.node if is_handle(arg.value) else None
            return node if node is not None and node in self.call.outside else None
        return arg if arg in moving else None

    def _residuals(self, node: Any) -> list[Any]:
        """The nodes whose values the pull of this one reads."""
        numbers = _origins(node, self.parents[node])
        if numbers is None:
            return [a for a in (*node.args, node) if not isinstance(a, Const)]
        return [
            b
            for b in (node if k < 0 else node.args[k] for k in numbers)
            if not isinstance(b, Const)
        ]

    def _ancestors(self) -> set[int]:
        """What the wanted values are computed from, back to what is kept."""
        seen: set[Any] = set()
        stack = [n for n in self.wanted if n.seq not in self.steps]
        found: set[int] = set()
        while stack:
            node = stack.pop()
            for a in node.args or ():
                if isinstance(a, Const) or a in seen:
                    continue
                seen.add(a)
                found.add(a.seq)
                if a.seq not in self.steps:
                    stack.append(a)
        return found

    def again(self, values: list[Any]) -> list[Any]:
        """The whole call once more, on raw values or on handles."""
        env: dict[Any, Any] = dict(zip(self.graph.inputs, values, strict=True))
        for node in self.graph.nodes:
            operands = [a.value if isinstance(a, Const) else env[a] for a in node.args]
            env[node] = run_step(node.op, operands, node.params, node.evaluate)
        return [o.value if isinstance(o, Const) else env[o] for o in self.graph.outputs]

    def pull(self, node: Node, ct: Any, sweep: Sweep) -> None:
        """Cotangents of the operands and of what the call closes over."""
        values = node.saved[: len(self.graph.inputs)]
        if sweep.lifted:
            once = Call(self.call.name, self.again, verify=False)
            once.outside = self.call.outside
            once.steadfast = True  # the recorded steps themselves: there is nothing to compare
            cotangents(once, node.inputs, values, ct, sweep)
            return
        inner = Sweep(careful=sweep.careful)
        final = inner.final = sweep.final
        reached = {*self.parents, *self.graph.inputs}
        ends = [*self.graph.inputs, *self.call.outside]
        lend(sweep, inner, node.inputs, ends)  # first: an output that is an operand itself adds to what is there
        for o, c in zip(self.graph.outputs, ct, strict=True):
            target = self._parent(o, reached)
            if c is not None and target is not None:
                inner.add(target, c)
        del c
        known: dict[Any, Any] = dict(zip(self.graph.inputs, values, strict=True))
        for step in reversed(self.graph.nodes):
            c = inner.cts.pop(step, None)
            if (
                final
                and step in self.parents
                and -1 not in (_origins(step, self.parents[step]) or {-1})
            ):
                known.pop(step, None)  # only earlier steps are left, which do not need it
                self.steps.pop(step.seq, None)
            if c is not None:
                self._pull_step(step, c, inner, known)
                inner.owned.discard(step)
            known.pop(step, None)
            if final:
                self.steps.pop(step.seq, None)
        take_back(sweep, inner, node.inputs, ends)

    def _pull_step(self, node: Any, ct: Any, inner: Sweep, known: dict[Any, Any]) -> None:
        parents = self.parents[node]
        active = [k for k, p in enumerate(parents) if p is not None]
        inner.pulled += 1
        if node.op.kind != ELEMENTWISE or len(active) == 1:
            node.op.pull(
                Node(
                    node.seq,
                    node.op,
                    parents,
                    self._saved(node, parents, known),
                    node.params,
                    node.where,
                ),
                ct,
                inner,
            )
            return
        # One operand at a time needs fewer residuals at once; those that have to be computed go
        # first, while little else is held.
        if len({parents[k] for k in active}) == len(active):
            active.sort(key=lambda k: not self._is_missing(node, k, known))
        for k in active:
            direct = None if inner.careful else self._multiplied(node, k, ct, known)
            if direct is not None:
                _accumulate(inner, parents[k], direct, ct)
                direct = None
                continue
            alone = tuple(p if i == k else None for i, p in enumerate(parents))
            part = Sweep(careful=inner.careful)
            node.op.pull(
                Node(
                    node.seq,
                    node.op,
                    alone,
                    self._saved(node, alone, known),
                    node.params,
                    node.where,
                ),
                ct,
                part,
            )
            for parent, c in part.cts.items():
                _accumulate(inner, parent, c, ct)
            part.cts.clear()

    def _multiplied(self, node: Any, k: int, ct: Any, known: dict[Any, Any]) -> Any:
        """``ct`` times a partial that is a value computed for this purpose alone, in that value's
        memory; None where it is not that simple.
        """
        rule = node.op.rules[k]
        if not (
            isinstance(rule, Rule)
            and len(rule.wants) == 1
            and is_identity(rule.function)
            and self._is_missing(node, k, known)
        ):
            return None
        (origin,) = _origins(
            node, tuple(p if i == k else None for i, p in enumerate(self.parents[node]))
        ) or (None,)
        source = node if origin == -1 else node.args[origin]
        if source.op.kind != ELEMENTWISE:
            return None
        value = self._value(source, known)
        if (
            source in known
            or type(value) is not np.ndarray
            or value.base is not None
            or type(ct) is not np.ndarray
            or not ct.dtype == value.dtype == np.float64
            or not ct.shape == value.shape == node.args[k].type.shape
            or node.args[k].type.dtype != np.float64
        ):
            return None
        return np.multiply(ct, value, out=value)

    def _is_missing(self, node: Any, k: int, known: dict[Any, Any]) -> bool:
        alone = tuple(p if i == k else None for i, p in enumerate(self.parents[node]))
        needs = (node if i < 0 else node.args[i] for i in _origins(node, alone) or ())
        return any(
            not isinstance(a, Const) and a not in known and a.seq not in self.steps for a in needs
        )

    def _saved(self, node: Any, inputs: tuple[Any, ...], known: dict[Any, Any]) -> tuple[Any, ...]:
        op = node.op
        if op is ITEM or op.save is None:
            return ()
        numbers = _origins(node, inputs)
        every = range(len(node.args))
        values = [
            self._value(a, known) if numbers is None or k in numbers else _like(a)
            for k, a in zip(every, node.args, strict=True)
        ]
        if (numbers is None and op not in MEMORY) or (numbers is not None and -1 in numbers):
            y = self._value(node, known)
        else:
            y = tuple(map(stub, node.type)) if type(node.type) is tuple else stub(node.type)
        return op.save(values, y, node.params, tuple(p is not None for p in inputs))

    def _value(self, wanted: Any, known: dict[Any, Any]) -> Any:
        """The value of an operand: kept, known, or computed now from what is."""
        if isinstance(wanted, Const):
            return plain(wanted.value)
        local: dict[Any, Any] = {}
        steps = self.steps
        stack = [wanted]
        left: dict[Any, int] = {}

        def find(a: Any) -> Any:
            return known[a] if a in known else local[a] if a in local else steps[a.seq]

        def missing(a: Any) -> bool:
            return (
                not isinstance(a, Const)
                and a not in known
                and a not in local
                and a.seq not in steps
            )

        planned: list[Any] = []
        seen: set[Any] = set()
        while stack:  # what has to be computed, in order of recording
            node = stack.pop()
            if node in seen or not missing(node):
                continue
            seen.add(node)
            planned.append(node)
            stack.extend(a for a in node.args if not isinstance(a, Const))
        planned.sort(key=lambda n: n.seq)
        for node in planned:
            for a in node.args:
                if not isinstance(a, Const):
                    left[a] = left.get(a, 0) + 1
        with np.errstate(all="ignore"):
            for node in planned:
                operands = [plain(a.value) if isinstance(a, Const) else find(a) for a in node.args]
                y = run_step(node.op, operands, node.params, node.evaluate)
                del operands
                keeps = node in self.wanted and node.op.name not in _QUICK
                (known if keeps else local)[node] = y
                for a in node.args:
                    if not isinstance(a, Const):
                        left[a] -= 1
                        if left[a] == 0 and a is not wanted:
                            local.pop(a, None)
        return find(wanted)


def _accumulate(sweep: Sweep, parent: Any, ct: Any, source: Any) -> None:
    """Add a cotangent that an element-wise pull made of ``source``: in its own memory where that
    is fresh.
    """
    have = sweep.cts.get(parent)
    if (
        type(have) is np.ndarray
        and type(ct) is np.ndarray
        and parent not in sweep.owned
        and ct is not source
        and ct.base is None
        and ct.flags.writeable
        and ct.dtype is have.dtype
        and ct.shape == have.shape
    ):
        sweep.cts[parent] = np.add(have, ct, out=ct)
        sweep.owned.add(parent)
        return
    sweep.add(parent, ct)


def _origins(node: Any, parents: Sequence[Any]) -> set[int] | None:
    """The operands (-1: the result) that the residuals are made of; None when any of them may
    be.
    """
    op = node.op
    if op is ITEM:
        return set()
    if op.kind not in (ELEMENTWISE, LINEAR, GENERAL) or op in MEMORY or "*" in "".join(op.inputs):
        return None
    return {
        need.origin
        for need in op.needs
        if need.origin is not None and any(parents[k] is not None for k in need.users)
    }


def _like(arg: Any) -> Any:
    """Something of an operand's type, without its data."""
    kind = ArrayType.of(plain(arg.value)) if isinstance(arg, Const) else arg.type
    return tuple(map(stub, kind)) if type(kind) is tuple else stub(kind)


__all__ = ["MEMORY", "Replay"]
