"""A call that keeps chosen results of its first run and computes the others again, one by one, where the sweep needs them.

Imports core, ``recompute``, ``steps``. Invariant: a residual is computed by the operation, from the values, that it was computed with in the first
run; it is let go as soon as no earlier step of the sweep needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.context import FULL, Frame, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE, GENERAL, LINEAR, OPS, Op
from wengert.core.record import keep_constant, live_node
from wengert.core.structure import ITEM, item, root
from wengert.core.sweep import Sweep
from wengert.core.trace import graph_of
from wengert.core.types import ArrayType, dtype_of
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.ops.recompute import Body, Call, cotangents, lend, plain, take_back
from wengert.ops.steps import run_step
from wengert.ops.visit import stub

Policy = str | Iterable[str] | Callable[[Op], bool] | None

CONTRACTIONS = frozenset({
    "matmul", "tensordot", "dot", "inner", "outer", "vdot", "vecdot", "matvec", "vecmat", "einsum", "convolve", "sparse_product", "fft", "ifft",
    "rfft", "irfft",
})
"""Linear operations that cost more than one pass over their result."""

_QUICK = frozenset({"add", "subtract", "multiply", "negative", "positive", "square", "where", "get", "astype", "reciprocal"})
"""Operations so cheap that their results are not even kept from one step of the sweep to the next."""

_NEVER = (GET, UPDATE, ADD_AT)  # their results are looks at memory that others hold


def policy_of(policy: Policy) -> Callable[[Op], bool] | None:
    """A policy as a question about an operation: are its results kept? None: nothing is kept.

    Raises WengertValueError for names that no operation has.
    """
    if policy is None:
        return None
    if callable(policy):
        return policy
    if isinstance(policy, str):
        if policy == "cheap":
            return lambda op: op.name in CONTRACTIONS or (op.kind == GENERAL and op.name not in {"max", "min", "var", "std"})
        if policy in {ELEMENTWISE, LINEAR, GENERAL}:
            return lambda op: op.kind == policy
        names: frozenset[str] = frozenset({policy})
    else:
        try:
            names = frozenset(policy)
        except TypeError:
            raise error_at(
                WengertTypeError, f"a policy of checkpoint is a {type(policy).__name__}",
                fix='give "cheap", a kind, names of operations, or a function of the operation', depth=4,
            ) from None
    if unknown := sorted(str(n) for n in names if n not in OPS):
        raise error_at(
            WengertValueError, f"checkpoint: no operation is called {', '.join(map(repr, unknown))}",
            fix='give "cheap", a kind ("elementwise", "linear", "general") or names such as "matmul" and "exp"', depth=4,
        )
    return lambda op: op.name in names


class Keeper:
    """Attached to the frame of a first run: holds the results that the policy keeps, by the number of their node."""

    __slots__ = ("keep", "values")

    def __init__(self, keep: Callable[[Op], bool]) -> None:
        self.keep = keep
        self.values: dict[int, Any] = {}

    def look(self, node: Node, values: Sequence[Any], nodes: Sequence[Node | None], y: Any, frame: Frame) -> None:
        """Called for every new node: watches its constants, keeps its result if that is to be kept."""
        node.inputs = tuple(nodes)
        for value, parent in zip(values, nodes, strict=True):
            if parent is None:
                keep_constant(value, frame)
        if node.op.kind not in (CONSTANT, CONTROL) and node.op not in _NEVER and self.keep(node.op):
            self.values[node.seq] = y


def kept(name: str, body: Body, operands: Sequence[Any], keep: Callable[[Op], bool]) -> list[Any]:
    """``body(operands)`` recorded as one step that keeps its operands and what ``keep`` says of the operations within."""
    call = Call(name, body, verify=False)
    values = [plain(o) for o in operands]
    keeper = Keeper(keep)
    frame, token = context.enter(FULL)
    frame.keeper = keeper
    try:
        roots = [root(v, call.where, rich=True) for v in values]
        ends = body([handle(r.value, r.node) for r in roots])
        graph = graph_of(frame, roots, ends, name=name)
        ends = [plain(e) for e in ends]
    finally:
        context.leave(frame, token)
    parent = tracing.get()
    if parent is not None:
        parent.watched.update({k: v for k, v in frame.watched.items() if k not in parent.watched})
    free = {a.value.node: None for n in graph.nodes for a in n.args if isinstance(a, Const) and is_handle(a.value)}
    call.outside = [n for n in free if n is not None and live_node(n) is not None]
    parents = [live_node(o.node) if is_handle(o) else None for o in operands]
    if not call.outside and not any(p is not None for p in parents):
        return ends
    replay = Replay(call, graph, keeper.values)
    count = len(ends)
    op = Op(
        listed=False, name="checkpoint", kind=CONTROL, inputs=("*operands",), params={}, rules=(), needs=(), pull=replay.pull,
        evaluate=lambda *v: tuple(replay.again(list(v))), outputs=tuple(f"out{k}" for k in range(count)),
        saved_from=lambda node: (*range(len(values)), *(None for _ in call.outside)),
        zeroes=any(n.op.zeroes for n in graph.nodes), doc=f"A call of {name}, some results of which are computed again.",
    )
    saved = tuple(v if p is not None else keep_constant(v, parent) for v, p in zip(values, parents, strict=True))
    node = Node(context.next_seq(), op, (*parents, *call.outside), (*saved, *(None for _ in call.outside)), (), call.where)
    return [handle(e, item(node, k)) if dtype_of(e).kind in "fc" else e for k, e in enumerate(ends)]


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
        return [b for b in (node if k < 0 else node.args[k] for k in numbers) if not isinstance(b, Const)]

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
        for o, c in zip(self.graph.outputs, ct, strict=True):
            target = self._parent(o, reached)
            if c is not None and target is not None:
                inner.add(target, c)
        del c
        ends = [*self.graph.inputs, *self.call.outside]
        lend(sweep, inner, node.inputs, ends)
        known: dict[Any, Any] = dict(zip(self.graph.inputs, values, strict=True))
        for step in reversed(self.graph.nodes):
            c = inner.cts.pop(step, None)
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
        split = node.op.kind == ELEMENTWISE and len(active) > 1  # one operand at a time: fewer residuals at once
        for asked in ([[k] for k in active] if split else [active]):
            inputs = tuple(p if k in asked else None for k, p in enumerate(parents))
            made = Node(node.seq, node.op, inputs, self._saved(node, inputs, known), node.params, node.where)
            node.op.pull(made, ct, inner)
        inner.pulled += 1

    def _saved(self, node: Any, inputs: tuple[Any, ...], known: dict[Any, Any]) -> tuple[Any, ...]:
        op = node.op
        if op is ITEM or op.save is None:
            return ()
        numbers = _origins(node, inputs)
        every = range(len(node.args))
        values = [self._value(a, known) if numbers is None or k in numbers else _like(a) for k, a in zip(every, node.args, strict=True)]
        if (numbers is None and op not in _NEVER) or (numbers is not None and -1 in numbers):
            y = self._value(node, known)
        else:
            y = tuple(map(stub, node.type)) if type(node.type) is tuple else stub(node.type)
        return op.save(values, y, node.params, tuple(p is not None for p in inputs))  # type: ignore[no-any-return]

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
            return not isinstance(a, Const) and a not in known and a not in local and a.seq not in steps

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


def _origins(node: Any, parents: Sequence[Any]) -> set[int] | None:
    """The operands (-1: the result) that the residuals are made of; None when any of them may be."""
    op = node.op
    if op is ITEM:
        return set()
    if op.kind not in (ELEMENTWISE, LINEAR, GENERAL) or op in _NEVER or "*" in "".join(op.inputs):
        return None
    return {
        need.origin for need in op.needs if need.origin is not None and any(parents[k] is not None for k in need.users)
    }


def _like(arg: Any) -> Any:
    """Something of an operand's type, without its data."""
    kind = ArrayType.of(plain(arg.value)) if isinstance(arg, Const) else arg.type
    return tuple(map(stub, kind)) if type(kind) is tuple else stub(kind)


__all__ = ["Policy", "kept", "policy_of"]
