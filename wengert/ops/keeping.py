"""A call that keeps chosen results of its first run: what a policy says, and the recording of the
call.

Imports core, ``recompute``, ``replay``. Invariant: results are kept by the number of their step; what
the policy does not keep is held by nobody once the first run is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wengert.core import context
from wengert.core.context import FULL, Frame, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const, Node
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE, GENERAL, LINEAR, OPS, Op
from wengert.core.record import keep_constant, live_node
from wengert.core.structure import item, root
from wengert.core.trace import graph_of
from wengert.core.types import dtype_of
from wengert.ops.recompute import Body, Call, plain
from wengert.ops.replay import MEMORY, Replay

Policy = str | Iterable[str] | Callable[[Op], bool] | None

CONTRACTIONS = frozenset(
    {
        "matmul",
        "tensordot",
        "dot",
        "inner",
        "outer",
        "vdot",
        "vecdot",
        "matvec",
        "vecmat",
        "einsum",
        "convolve",
        "sparse_product",
        "fft",
        "ifft",
        "rfft",
        "irfft",
    }
)
"""Linear operations that cost more than one pass over their result."""

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
            return lambda op: (
                op.name in CONTRACTIONS
                or (op.kind == GENERAL and op.name not in {"max", "min", "var", "std"})
            )
        if policy in {ELEMENTWISE, LINEAR, GENERAL}:
            return lambda op: op.kind == policy
        names: frozenset[str] = frozenset({policy})
    else:
        try:
            names = frozenset(policy)
        except TypeError:
            raise error_at(
                WengertTypeError,
                f"a policy of checkpoint is a {type(policy).__name__}",
                fix='give "cheap", a kind, names of operations, or a function of the operation',
                depth=4,
            ) from None
    if unknown := sorted(str(n) for n in names if n not in OPS):
        raise error_at(
            WengertValueError,
            f"checkpoint: no operation is called {', '.join(map(repr, unknown))}",
            fix='give "cheap", a kind ("elementwise", "linear", "general") or names of operations',
            depth=4,
        )
    return lambda op: op.name in names


class Keeper:
    """Attached to the frame of a first run: holds the results that the policy keeps, by the number
    of their node.
    """

    __slots__ = ("keep", "values")

    def __init__(self, keep: Callable[[Op], bool]) -> None:
        self.keep = keep
        self.values: dict[int, Any] = {}

    def look(
        self, node: Node, values: Sequence[Any], nodes: Sequence[Node | None], y: Any, frame: Frame
    ) -> None:
        """Called for every new node: watches its constants, keeps its result if that is to be
        kept.
        """
        node.inputs = tuple(nodes)
        for value, parent in zip(values, nodes, strict=True):
            if parent is None:
                keep_constant(value, frame)
        if node.op.kind not in (CONSTANT, CONTROL) and node.op not in MEMORY and self.keep(node.op):
            self.values[node.seq] = y


def kept(name: str, body: Body, operands: Sequence[Any], keep: Callable[[Op], bool]) -> list[Any]:
    """``body(operands)`` recorded as one step that keeps its operands and what ``keep`` says of
    the operations within.
    """
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
    free = {
        a.value.node: None
        for n in graph.nodes
        for a in n.args
        if isinstance(a, Const) and is_handle(a.value)
    }
    call.outside = [n for n in free if n is not None and live_node(n) is not None]
    parents = [live_node(o.node) if is_handle(o) else None for o in operands]
    if not call.outside and not any(p is not None for p in parents):
        return ends
    replay = Replay(call, graph, keeper.values)
    count = len(ends)
    op = Op(
        listed=False,
        name="checkpoint",
        kind=CONTROL,
        inputs=("*operands",),
        params={},
        rules=(),
        needs=(),
        pull=replay.pull,
        evaluate=lambda *v: tuple(replay.again(list(v))),
        outputs=tuple(f"out{k}" for k in range(count)),
        saved_from=lambda node: (*range(len(values)), *(None for _ in call.outside)),
        zeroes=any(n.op.zeroes for n in graph.nodes),
        doc=f"A call of {name}, some results of which are computed again.",
    )
    saved = tuple(
        v if p is not None else keep_constant(v, parent)
        for v, p in zip(values, parents, strict=True)
    )
    node = Node(
        context.next_seq(),
        op,
        (*parents, *call.outside),
        (*saved, *(None for _ in call.outside)),
        (),
        call.where,
    )
    return [handle(e, item(node, k)) if dtype_of(e).kind in "fc" else e for k, e in enumerate(ends)]


def kept_results(node: Node) -> list[tuple[Any, Any]]:
    """What a call under a policy keeps besides its operands: pairs of step and value."""
    replay = getattr(node.op.pull, "__self__", None)
    replay = getattr(replay, "replay", replay)
    if not isinstance(replay, Replay):
        return []
    steps = {n.seq: n for n in replay.graph.nodes}
    return [(steps[seq], value) for seq, value in replay.steps.items()]


__all__ = ["Policy", "kept", "kept_results", "policy_of"]
