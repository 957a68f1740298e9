"""The graph: a recorded program as a value. Inputs, the steps that outputs and guards need, in
order, and how it is called.

Imports core only; what evaluates a graph is installed by the room that composes
(``install_evaluator``). Invariant: a graph is never changed; ``args`` of its nodes are nodes that
come earlier or inputs, or constants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from wengert.core.context import next_seq
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node, RichNode, describe
from wengert.core.op import CONTROL, Op
from wengert.core.structure import ITEM, ROOT
from wengert.core.sweep import check_watched
from wengert.core.tree import Structure, arrays, flatten
from wengert.core.types import ArrayType, dtype_of, shape_of

Operand = Node | Const


class Guard:
    """What Python learned from a value: kind of question (bool, int, float, cast, ...), node asked,
    answer, line.

    ``value`` is the value itself where the question is none of the four: then only the same value
    is sure to get the same answer."""

    __slots__ = ("kind", "node", "outcome", "value", "where")

    def __init__(self, kind: str, node: Any, outcome: Any, where: Any, value: Any = None) -> None:
        self.kind, self.node, self.outcome, self.where, self.value = (
            kind,
            node,
            outcome,
            where,
            value,
        )

    def of(self, node: Any) -> Guard:
        """The same question put to another node."""
        return Guard(self.kind, node, self.outcome, self.where, self.value)

    def __repr__(self) -> str:
        return f"Guard({self.kind} of {self.node} is {self.outcome})"

    def check(self, value: Any) -> None:
        """Raise WengertValueError when ``value``, asked the same question, answers otherwise than
        at recording."""
        if self.value is not None:
            if not np.array_equal(
                value, self.value, equal_nan=np.asarray(value).dtype.kind in "fc"
            ):
                raise error_at(
                    WengertValueError,
                    f"this graph was recorded when {self.kind} was asked of {_short(self.value)}, "
                    f"and the program went on with the answer at {describe(self.where)}; now the "
                    f"value is {_short(value)}",
                    fix="record the function again at these values (wengert.trace)",
                    where=self.where,
                )
            return
        got = _ASK[self.kind](value, self.outcome)
        same = np.array_equal(got, self.outcome) if type(got) is np.ndarray else got == self.outcome
        if not same:
            raise error_at(
                WengertValueError,
                f"this graph was recorded with {self.kind}(...) giving {_short(self.outcome)} at "
                f"{describe(self.where)}; for these values it gives {_short(got)}, and the program "
                "goes another way",
                fix="record the function again at these values (wengert.trace)",
                where=self.where,
            )


QUESTIONS = frozenset({"bool", "int", "float", "cast"})
"""The kinds of questions that a guard can ask again."""

_ASK: dict[str, Callable[[Any, Any], Any]] = {
    "bool": lambda value, outcome: bool(value),
    "int": lambda value, outcome: int(value),
    "float": lambda value, outcome: float(value),
    "cast": lambda value, outcome: (
        np.asarray(value).astype(dtype_of(outcome))
        if shape_of(outcome)
        else (dtype_of(outcome).type(value))
    ),
}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Signature:
    """How a graph is called: the containers of its arguments, which of their leaves are inputs, and
    the fixed others.

    ``taken[i]`` is True where leaf ``i`` of ``(args, kwargs)`` is an input; ``fixed`` has the
    values of the rest, in order."""

    structure: Structure
    taken: tuple[bool, ...]
    fixed: tuple[Any, ...]
    names: tuple[str, ...]
    result: Structure


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Graph:
    """A recorded program: inputs, outputs, guards, and the steps between, in the order in which
    they ran.

    ``len(graph)`` counts steps, iterating gives them, ``graph(*args)`` evaluates the program at
    other values (never re-running the function), ``str(graph)`` is its Wengert list. ``values`` are
    the input values it was recorded at.

    >>> import wengert
    >>> graph = wengert.trace(lambda x, y: x * y + x)(2.0, 3.0)
    >>> len(graph), [node.op.name for node in graph]
    (2, ['multiply', 'add'])
    >>> float(graph(5.0, 1.0))
    10.0
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Operand, ...]
    guards: tuple[Guard, ...] = ()
    nodes: tuple[Node, ...] = ()
    values: tuple[Any, ...] = ()
    signature: Signature | None = None
    name: str = "graph"
    memory: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __repr__(self) -> str:
        kinds = ", ".join(repr(n.type) for n in self.inputs)
        return (
            f"<Graph {self.name}({kinds}): {len(self)} steps, {len(self.outputs)} outputs, "
            f"{len(self.guards)} guards>"
        )

    def __str__(self) -> str:
        from wengert.core.printing import listing

        return listing(self)

    def text(
        self, *, lines: bool = False, guards: bool = True, values: bool = True, longest: int = 60
    ) -> str:
        """The Wengert list; ``lines`` adds the user's lines, and more than ``longest`` steps are
        cut in the middle."""
        from wengert.core.printing import listing

        return listing(self, lines=lines, guards=guards, values=values, longest=longest)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate the program at other values of the same structure, shapes and dtypes.

        Raises WengertTypeError or WengertValueError for arguments that do not fit, and
        WengertValueError, naming the line, where a decision of the recorded program would now fall
        otherwise."""
        if self.signature is None:
            leaves: Sequence[Any] = args
            if len(args) != len(self.inputs) or kwargs:
                raise error_at(
                    WengertTypeError,
                    f"{self.name} takes {len(self.inputs)} values, got {len(args) + len(kwargs)}",
                    fix="pass one value per input",
                )
        else:
            leaves = bind(self.signature, args, kwargs, self.name)
        names = (
            self.signature.names
            if self.signature is not None
            else tuple(f"input {k}" for k in range(len(leaves)))
        )
        checked = [
            fitting(v, n, name) for v, n, name in zip(leaves, self.inputs, names, strict=True)
        ]
        found = self.evaluate(checked)
        return found if self.signature is None else self.signature.result.unflatten(list(found))

    def evaluate(self, values: Sequence[Any]) -> list[Any]:
        """The flat outputs for flat input values, raw or handles.

        Checked are the guards, and that no large array among the constants was overwritten.
        """
        if watched := self.memory.get("watched"):
            check_watched(watched)
        return list(_evaluators[0](self, values))

    def with_steps(
        self,
        nodes: Iterable[Node],
        outputs: Sequence[Operand],
        guards: Sequence[Guard] | None = None,
    ) -> Graph:
        """The same program with other steps (the work of a rewriting)."""
        return replace(
            self,
            nodes=tuple(nodes),
            outputs=tuple(outputs),
            guards=self.guards if guards is None else tuple(guards),
            memory={"watched": self.memory.get("watched")},
        )

    def uses(self) -> dict[Node, int]:
        """How often each node's value is used by steps, outputs and guards."""
        count: dict[Node, int] = dict.fromkeys((*self.inputs, *self.nodes), 0)
        for node in self.nodes:
            for a in node.args:
                if not isinstance(a, Const):
                    count[a] += 1
        for a in (*self.outputs, *(g.node for g in self.guards)):
            if not isinstance(a, Const):
                count[a] += 1
        return count

    @property
    def free(self) -> tuple[Any, ...]:
        """The handles of outer traces that the program reads: its free leaves."""
        found = {
            id(a.value): a.value
            for holder in (*(n.args for n in self.nodes), self.outputs)
            for a in holder
            if isinstance(a, Const) and is_handle(a.value)
        }
        return tuple(found.values())


_evaluators: list[Callable[[Graph, Sequence[Any]], Sequence[Any]]] = []


def install_evaluator(evaluate: Callable[[Graph, Sequence[Any]], Sequence[Any]]) -> None:
    """Say what evaluates graphs: ``evaluate(graph, values) -> outputs``."""
    _evaluators[:] = [evaluate]


def bind(signature: Signature, args: Sequence[Any], kwargs: dict[str, Any], name: str) -> list[Any]:
    """The input leaves of a call, after checking that everything else is as it was recorded."""
    leaves = signature.structure.flatten_like(
        (tuple(args), dict(kwargs)), f"the arguments of {name}"
    )
    fixed = iter(signature.fixed)
    found = []
    for leaf, taken, path in zip(leaves, signature.taken, signature.structure.paths(), strict=True):
        if taken:
            found.append(leaf)
            continue
        known = next(fixed)
        if leaf is known:
            continue
        try:
            same = (
                type(leaf) is type(known)
                and bool(np.all(leaf == known))
                and shape_of(leaf) == shape_of(known)
            )
        except (TypeError, ValueError):
            same = False
        if not same:
            raise error_at(
                WengertValueError,
                f"{name} was recorded with {_short(known)} at {path}, and now gets {_short(leaf)}",
                fix="record the function again (wengert.trace): only floating point leaves are "
                "inputs of a graph",
            )
    return found


def fitting(value: Any, node: Node, name: str) -> Any:
    """A value for an input: of its shape, and of its dtype without losing anything."""
    plain = value.value if is_handle(value) else value
    if not isinstance(plain, (np.ndarray, np.generic, float, int, complex)):
        plain = value = np.asarray(plain)
    kind: ArrayType = node.type
    if shape_of(plain) != kind.shape:
        raise error_at(
            WengertValueError,
            f"{name} has shape {shape_of(plain)}; the graph was recorded for shape {kind.shape}",
            fix="record the function again for this shape (wengert.trace)",
        )
    dtype = dtype_of(plain)
    if dtype == kind.dtype:
        return value
    if dtype.kind not in "iub" and not np.can_cast(dtype, kind.dtype):
        raise error_at(
            WengertTypeError,
            f"{name} has dtype {dtype}; the graph was recorded for {kind.dtype}",
            fix=f"pass it as {kind.dtype}, or record the function again",
        )
    if is_handle(value):
        return value.astype(kind.dtype)
    return plain.astype(kind.dtype) if type(plain) is np.ndarray else kind.dtype.type(plain)


# ---------------------------------------------------------------- building


def step(
    op: Op,
    args: Sequence[Operand],
    params: tuple[Any, ...],
    kind: Any,
    where: Any,
    *,
    seq: int | None = None,
    evaluate: Any = None,
) -> RichNode:
    """A node of a graph, without the residuals and tangents that a running trace keeps."""
    node = RichNode(
        next_seq() if seq is None else seq,
        op,
        tuple([None if type(a) is Const else a for a in args]),
        (),
        params,
        where,
    )
    node.args = tuple(args)
    node.type = kind
    node.evaluate = evaluate
    return node


def copy_step(node: Node, args: Sequence[Operand]) -> RichNode:
    """The same step on other operands."""
    return step(
        node.op, args, node.params, node.type, node.where, seq=node.seq, evaluate=node.evaluate
    )


def input_node(kind: ArrayType, where: Any = None, *, seq: int | None = None) -> RichNode:
    """An input of a graph."""
    return step(ROOT, (), (), kind, where, seq=seq)


def is_opaque(node: Node) -> bool:
    """Whether a step must be left as it is: rules and bodies of its own, or a result that differs
    from run to run."""
    return node.op.kind == CONTROL and node.op is not ITEM


def flat_signature(
    args: Sequence[Any], kwargs: dict[str, Any], result: Structure, is_input: Callable[[Any], bool]
) -> tuple[list[Any], Signature]:
    """The input leaves of a call and the signature that describes it."""
    leaves, structure = flatten(arrays((tuple(args), dict(kwargs))))
    taken = tuple(map(is_input, leaves))
    names = tuple(p for p, t in zip(structure.paths(), taken, strict=True) if t)
    fixed = tuple(v for v, t in zip(leaves, taken, strict=True) if not t)
    inputs = [v for v, t in zip(leaves, taken, strict=True) if t]
    return inputs, Signature(structure, taken, fixed, names, result)


__all__ = [
    "QUESTIONS",
    "Graph",
    "Guard",
    "Operand",
    "Signature",
    "bind",
    "copy_step",
    "fitting",
    "flat_signature",
    "input_node",
    "install_evaluator",
    "is_opaque",
    "step",
]
