"""An opaque call that stores its operands only: its pull runs the body again and sweeps that run.

Imports core and ``memory``. Invariant: the second run sees the values of the first (operands,
traced values closed over, constants); a run that
differs raises, and no cotangent of it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core import context
from wengert.core.constants import mark_of
from wengert.core.context import REVERSE, tracing
from wengert.core.errors import ChangedError, VerificationError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Node, here
from wengert.core.op import CONTROL, Op
from wengert.core.structure import item, root
from wengert.core.sweep import Sweep, dependence, reachable, run, run_lifted
from wengert.core.types import dtype_of
from wengert.ops.memory import sync

_SMALL = 8192
Body = Callable[[list[Any]], list[Any]]
End = Callable[[list[Node | None], list[Any], Sequence[Any], Sweep], None]
"""Sweeps what comes after a body: gets the nodes and the values of the body's results, and its own cotangents."""


class Call:
    """One checkpointed call: what its second run needs, and what it must agree with.

    ``body`` takes operands and gives output leaves; ``outside`` are the nodes of traced values the
    body closes over; ``marks`` are samples of the
    outputs (with ``verify`` their whole content); ``steps`` names the operations of the first run.
    """

    __slots__ = (
        "body",
        "count",
        "marks",
        "name",
        "outside",
        "steadfast",
        "steps",
        "verify",
        "where",
    )

    def __init__(self, name: str, body: Body, verify: bool) -> None:
        self.name = name
        self.body = body
        self.verify = verify
        self.steadfast = False
        self.where = here(3)
        self.outside: list[Node] = []
        self.marks: list[Any] = []
        self.steps: list[tuple[str, Any]] = []

    def mark(self, value: Any) -> Any:
        """What is remembered of an output to recognise it by."""
        if type(value) is not np.ndarray or value.dtype.kind not in "fciub":
            return value
        if self.verify:
            from hashlib import blake2b

            return value.shape, value.dtype, blake2b(np.ascontiguousarray(value).tobytes()).digest()
        return (
            value.shape,
            value.dtype,
            value.tobytes() if value.nbytes <= _SMALL else mark_of(value, whole=False),
        )

    def check(self, again: Sequence[Any], order: Sequence[Node], outside: Sequence[Node]) -> None:
        """Raise unless the second run did what the first one did."""
        known = set(self.outside)
        for node in outside:
            if node not in known:
                raise error_at(
                    ChangedError,
                    f"{self.name} is recomputed, but a traced value that it closes over was "
                    "rebound or written to since",
                    fix="pass that value as an argument of the checkpointed function",
                    where=self.where,
                )
        if self.steadfast:
            return
        if len(again) != len(self.marks):
            raise self.differs(f"it returned {len(self.marks)} values, now {len(again)}")
        for k, (value, mark) in enumerate(zip(again, self.marks, strict=True)):
            if not self.agrees(value, mark):
                raise self.differs(f"output {k} has other values than in the first run", order)

    def agrees(self, value: Any, mark: Any) -> bool:
        """Whether an output is the one remembered: bit for bit with ``verify``, else up to
        rounding in the sample.
        """
        now = self.mark(value)
        if type(now) is not tuple or type(mark) is not tuple:
            return bool(now == mark) or str(now) == str(mark)  # two NaNs are alike
        if now == mark:
            return True
        if self.verify or now[:2] != mark[:2]:
            return False
        a, b = (np.frombuffer(part[2], part[1]) for part in (now, mark))
        near = 1e-8 if a.dtype.itemsize >= 8 else 1e-4
        return bool(
            np.allclose(
                a,
                b,
                rtol=near,
                atol=near * float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)),
                equal_nan=True,
            )
        )

    def differs(self, how: str, order: Sequence[Node] = ()) -> Exception:
        """The error for a second run that differs: names the first step that is another one."""
        where = self.where
        now = [(n.op.name, n.where) for n in order]
        for k in range(max(len(now), len(self.steps))) if self.steps and now else ():
            mine, first = (steps[k] if k < len(steps) else ("nothing", None) for steps in (now, self.steps))
            if mine[0] != first[0]:
                how += f"; the first step that differs is {mine[0]}, it was {first[0]}"
                where = mine[1] or first[1] or where
                break
        return error_at(
            VerificationError,
            f"{self.name} does not repeat itself when it is recomputed: {how}",
            fix="a checkpointed function must depend on its arguments only: no counters, no clock, "
            "no arrays written to in the meantime; "
            "random numbers from numpy.random or from a Generator it can see are replayed",
            where=where,
        )


def plain(value: Any) -> Any:
    """The up-to-date raw value of an operand or an output."""
    if not is_handle(value):
        return value
    if value.base is not None:
        sync(value)
    return value.value


def recomputed(name: str, body: Body, operands: Sequence[Any], *, verify: bool = False) -> list[Any]:
    """``body(operands)`` recorded as one step that keeps the operands and nothing else.

    The first run is recorded like any other and let go, so that what it closes over is known and
    errors come early.
    """
    call = Call(name, body, verify)
    values = [plain(o) for o in operands]
    ends, zeroes, _ = first_run(call, values)
    return as_step(call, operands, values, ends, zeroes)


def first_run(call: Call, values: Sequence[Any]) -> tuple[list[Any], bool, list[Any]]:
    """The results of the body, whether a step of it has exact zeros for a derivative, and the results as handles, which
    hold the recorded steps as long as the caller wants; fills in what the call closes over and its marks.
    """
    frame, token = context.enter(REVERSE)
    try:
        roots = [root(v, call.where) for v in values]
        leaves = call.body([handle(r.value, r.node) for r in roots])
        ends = [plain(leaf) for leaf in leaves]
        nodes = [o.node for o in leaves if is_handle(o) and o.node is not None]
        order = reachable(nodes, [r.node for r in roots], frame.start, call.outside)
        zeroes = any(n.op.zeroes for n in order)
        if call.verify:
            call.steps = [(n.op.name, n.where) for n in order]
    finally:
        context.leave(frame, token)
    call.marks = [call.mark(e) for e in ends]
    call.outside = list(dict.fromkeys(call.outside))
    return ends, zeroes, leaves


def as_step(
    call: Call, operands: Sequence[Any], values: Sequence[Any], ends: list[Any], zeroes: bool, pull: Any = None
) -> list[Any]:
    """The results as handles of one step that keeps the operands; as they are where nothing moves."""
    parent = tracing.get()
    from wengert.core.record import keep_constant, live_node

    parents = [live_node(o.node) if is_handle(o) else None for o in operands]
    if not call.outside and not any(p is not None for p in parents):
        return ends
    op = _op(call, len(values), len(ends), zeroes, pull)
    kept = tuple(v if p is not None else keep_constant(v, parent) for v, p in zip(values, parents, strict=True))
    node = Node(
        context.next_seq(),
        op,
        (*parents, *call.outside),
        (*kept, *(None for _ in call.outside)),
        (),
        call.where,
    )
    return [handle(e, item(node, k)) if dtype_of(e).kind in "fc" else e for k, e in enumerate(ends)]


def _op(call: Call, arity: int, count: int, zeroes: bool, pull: Any) -> Op:
    def again(node: Node, ct: Any, sweep: Sweep) -> None:
        cotangents(call, node.inputs, node.saved[:arity], ct, sweep)

    return Op(
        listed=False,
        name="checkpoint",
        kind=CONTROL,
        inputs=("*operands",),
        params={},
        rules=(),
        needs=(),
        pull=again if pull is None else pull,
        evaluate=lambda *values: tuple(call.body(list(values))),
        outputs=tuple(f"out{k}" for k in range(count)),
        saved_from=lambda node: (*range(arity), *(None for _ in call.outside)),
        zeroes=zeroes,
        doc=f"A call of {call.name} that is run again when its derivative is taken.",
    )


def cotangents(
    call: Call,
    parents: Sequence[Node | None],
    values: Sequence[Any],
    cts: Sequence[Any],
    sweep: Sweep,
    end: End | None = None,
) -> None:
    """Run the body again, recorded, and sweep that: adds to the cotangents of ``parents``,
    operands first, then what the body closes over. With ``end``, ``cts`` are those of its results, and it
    adds to the cotangents of the body's.
    """
    frame, token = context.enter(REVERSE)
    begin = frame.start
    if call.outside:
        context.reach_back(frame, min(n.seq for n in call.outside))
    try:
        roots = [root(v, call.where) for v in values]
        leaves = call.body([handle(r.value, r.node) for r in roots])
        again = [plain(leaf) for leaf in leaves]
    except BaseException:
        context.leave(frame, token)
        raise
    tracing.reset(token)
    try:
        _swept(call, begin, parents, [r.node for r in roots], leaves, again, cts, sweep, end)
    finally:
        context.retire(frame)


def _swept(
    call: Call,
    begin: int,
    parents: Sequence[Node | None],
    roots: list[Node],
    leaves: list[Any],
    again: list[Any],
    cts: Sequence[Any],
    sweep: Sweep,
    end: End | None,
) -> None:
    ends = [*roots, *call.outside]
    older: list[Node] = []
    targets = [o.node if is_handle(o) else None for o in leaves]
    everything = [o.node for o in leaves if is_handle(o) and o.node is not None]
    order = reachable(everything, roots, begin, older)
    call.check(again, order, older)
    inner_sweep = Sweep(careful=sweep.careful, lifted=sweep.lifted)
    lend(sweep, inner_sweep, parents, ends)
    if end is not None:
        inner_sweep.final = sweep.final
        end(targets, list(again), cts, inner_sweep)
    else:
        for node, ct in zip(targets, cts, strict=False):  # an output that is an operand itself adds to what is there
            if ct is not None and node is not None:
                inner_sweep.add(node, ct)
        node = ct = None
    targets.clear()
    everything.clear()
    again.clear()
    leaves.clear()
    if sweep.lifted:
        inner, outer = dependence(order, ends, begin)
        run_lifted(order, inner_sweep, inner, outer, begin)
    else:
        run(order, inner_sweep, keep=False)
    take_back(sweep, inner_sweep, parents, ends)


def lend(sweep: Sweep, inner: Sweep, parents: Sequence[Node | None], ends: Sequence[Node]) -> None:
    """Let the inner sweep add to the cotangents the outer one has: the order of the additions is
    that of an ordinary sweep.
    """
    for parent, end in zip(parents, ends, strict=True):
        if parent is not None and parent in sweep.cts:
            inner.cts[end] = sweep.cts.pop(parent)
            if parent in sweep.owned:
                sweep.owned.discard(parent)
                inner.owned.add(end)


def take_back(sweep: Sweep, inner: Sweep, parents: Sequence[Node | None], ends: Sequence[Node]) -> None:
    """The cotangents of the inner sweep's ends, to the outer sweep's nodes."""
    for parent, end in zip(parents, ends, strict=True):
        found = inner.cts.pop(end, None)
        if parent is None or found is None:
            continue
        fresh = parent not in sweep.cts
        sweep.add(parent, found)
        if fresh and end in inner.owned:
            sweep.owned.add(parent)
    sweep.pulled += inner.pulled


__all__ = ["recomputed"]
