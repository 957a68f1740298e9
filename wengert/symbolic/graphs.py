"""Graphs whose sizes are names: steps of the core's operations, with dimensions where numbers would stand.

Imports core, terms, evaluate, dims. Invariant: what differs between the graph of an expression and the one that tracing
records at given sizes is only that sizes are written by name; ``bound`` puts the numbers in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np

from wengert.core.context import next_seq
from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.core.graph import Graph, Operand, Signature, input_node
from wengert.core.graph import step as core_step
from wengert.core.node import Const, RichNode, here
from wengert.core.op import CONTROL, Op
from wengert.core.structure import ROOT
from wengert.core.tree import LEAF, flatten
from wengert.core.types import ArrayType
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.evaluate import evaluate
from wengert.symbolic.terms import Abstract, Count, Term, Var, dimensions

_by_seq = attrgetter("seq")


class Held:
    """A constant that sizes decide (n, 1/n, a unit matrix of n rows): a term without variables."""

    __slots__ = ("dtype", "term")

    def __init__(self, term: Term, dtype: Any = None) -> None:
        self.term = term
        self.dtype = dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        """The dimensions."""
        return self.term.shape

    def at(self, sizes: Mapping[str, int]) -> Any:
        """The number or array for given sizes."""
        if isinstance(self.term, Count):
            return sized(self.term.dim, sizes)
        found = evaluate(self.term, {}, sizes)
        return found if self.dtype is None else np.asarray(found).astype(self.dtype)

    def __repr__(self) -> str:
        from wengert.symbolic.recover import form_of
        from wengert.symbolic.text import TextWriter

        form = form_of(self.term)
        text = TextWriter().write(form) if form.rank <= 2 else "constant"
        return f"{text}[{','.join(map(str, self.shape))}]" if self.shape else text


class Arange:
    """The ``size`` numbers ``start``, ``start + 1``, ..., each ``each`` times: all rows, or shifted ones; along axis
    ``place[0]`` of ``place[1]`` axes, the others of length one, where these are given.
    """

    __slots__ = ("each", "place", "size", "start")

    def __init__(self, size: Any, start: int = 0, each: int = 1, place: tuple[int, int] | None = None) -> None:
        self.size = size
        self.start = start
        self.each = each
        self.place = place

    @property
    def whole(self) -> tuple[Any, int, int]:
        """Count, first number, repeats."""
        return self.size, self.start, self.each

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arange) and (self.whole, self.place) == (other.whole, other.place)

    def __hash__(self) -> int:
        return hash(("arange", self.whole, self.place))

    def at(self, sizes: Mapping[str, int]) -> Any:
        """The numbers for given sizes."""
        found = np.repeat(self.start + np.arange(sized(self.size, sizes)), self.each)
        return found if self.place is None else found.reshape(self.laid(-1))

    def laid(self, size: Any) -> tuple[Any, ...]:
        """Its shape, where it is that along one of several axes."""
        assert self.place is not None
        at, rank = self.place
        return tuple(size if k == at else 1 for k in range(rank))

    def __repr__(self) -> str:
        end = self.size if not self.start else self.start + self.size
        return (
            f"{self.start}:{end}"
            + (f" each {self.each} times" if self.each > 1 else "")
            + (f" along {self.place}" if self.place else "")
        )


@dataclass(frozen=True, slots=True)
class Unsized:
    """The type of a result that nobody may ask for its size."""

    dtype: Any
    why: str

    @property
    def shape(self) -> tuple[Any, ...]:
        """Raises WengertValueError: the size is not recognised."""
        raise WengertValueError(self.why)


class SymbolicNode(RichNode):
    """A step with named sizes; ``term`` is what it is in the language of closed forms, once somebody asked."""

    __slots__ = ("term",)

    term: Any


class SymbolicGraph(Graph):
    """A graph with named sizes: a call binds them from the shapes of its arguments.

    What a rewriting makes of one is one again.
    """

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value for given variables, in order or by name.

        Raises WengertValueError when one is missing or does not fit.
        """
        from wengert.symbolic import graphs_run

        names = [n.term.name for n in self.inputs]  # type: ignore[attr-defined]
        if len(args) > len(names) or (unknown := [n for n in kwargs if n not in names[len(args) :]]):
            surplus = f"{len(args)} values" if len(args) > len(names) else f"{', '.join(unknown)} by name"
            raise WengertTypeError(f"{self.name} takes {', '.join(names) or 'nothing'}, got {surplus}")
        return graphs_run.evaluate(self, {**dict(zip(names, args, strict=False)), **kwargs})

    def evaluate(self, values: Sequence[Any]) -> list[Any]:
        """The flat outputs for flat input values, raw or handles, of any sizes that go together."""
        from wengert.symbolic import graphs_run

        return graphs_run.outputs(self, values)


def step(
    op: Op, args: Sequence[Operand], params: tuple[Any, ...], kind: Any, where: Any, evaluate: Any = None
) -> SymbolicNode:
    """A step of a graph with named sizes."""
    node = SymbolicNode(next_seq(), op, tuple([None if type(a) is Const else a for a in args]), (), params, where)
    node.args = tuple(args)
    node.type = kind
    node.evaluate = evaluate
    node.term = None
    return node


def input_of(variable: Var) -> SymbolicNode:
    """The input that a variable is: one and the same for every use of the variable."""
    node = variable.memory.get("input")
    if node is None:
        node = step(ROOT, (), (), ArrayType(variable.shape, facts=frozenset(variable.facts)), None)
        node.term = variable
        node = variable.memory.setdefault("input", node)
    return node


def variables_of(graph: Graph) -> list[Var]:
    """The variables of a graph of steps with named sizes, in the order of its inputs."""
    return [node.term for node in graph.inputs if isinstance(node, SymbolicNode) and isinstance(node.term, Var)]


def abstract_step(term: Abstract, args: Sequence[Operand]) -> SymbolicNode:
    """The step of a function of which only the name is known: it has no value."""
    known = term.memory.get("input")
    if known is not None:
        return known

    def evaluate(*values: Any) -> Any:
        raise NoRuleError(f"{term.name} is an abstract function: it has no value")

    op = Op(
        listed=False, name=term.name, kind=CONTROL, inputs=tuple(f"x{k}" for k in range(len(args))), params={},
        evaluate=evaluate, outputs=(), doc="A function of which only the name is known.",
    )  # fmt: skip
    node = step(op, args, (), ArrayType(term.shape), here(2))
    node.term = term
    made: SymbolicNode = term.memory.setdefault("input", node)
    return made


def shape_of(operand: Operand) -> tuple[Any, ...]:
    """The dimensions of a step or constant."""
    if type(operand) is Const:
        return getattr(operand.value, "shape", ())
    return operand.type.shape  # type: ignore[union-attr]


def steps_of(ends: Iterable[Operand], *, unread: bool = False) -> list[Any]:
    """All steps and inputs that lead to some operands, in the order in which they were made; with ``unread`` those
    whose term is not known, and what is behind them.
    """
    seen: set[Any] = set()
    stack: list[Any] = [e for e in ends if type(e) is not Const]
    while stack:
        node = stack.pop()
        if node not in seen and not (unread and node.term is not None):
            seen.add(node)
            stack.extend([a for a in node.args if type(a) is not Const and a not in seen])
    return sorted(seen, key=_by_seq)


def graph_of(end: Operand, name: str = "expression") -> Graph:
    """The graph of one result; its inputs are the variables, called by name, in the order in which they are met.

    Raises WengertValueError where two variables have one name.
    """
    every = steps_of([end])
    met = [a for n in every for a in n.args if type(a) is not Const and a.op is ROOT]
    inputs = list(dict.fromkeys(met)) or [n for n in every if n.op is ROOT]
    names = [n.term.name for n in inputs]
    for k, word in enumerate(names):
        if word in names[:k]:
            raise WengertValueError(f"two variables of different shapes or facts are called {word}: rename one")
    _, structure = flatten(((), dict.fromkeys(names, 0.0)))
    signature = Signature(structure, (True,) * len(names), (), tuple(names), LEAF)
    return SymbolicGraph(
        inputs=tuple(inputs),
        outputs=(end,),
        nodes=tuple(n for n in every if n.op is not ROOT),
        signature=signature,
        name=name,
    )


def bound(graph: Graph, sizes: Mapping[str, int]) -> Graph:
    """The graph with numbers for the names of sizes: what tracing records at these sizes."""
    known: dict[Any, Operand] = {}
    for node in graph.inputs:
        known[node] = input_node(_at(node.type, sizes), node.where, seq=node.seq)
    made = []
    for node in graph.nodes:
        args = [Const(_at(a.value, sizes)) if type(a) is Const else known[a] for a in node.args]
        new = core_step(
            node.op, args, _at(node.params, sizes), _at(node.type, sizes), node.where,
            seq=node.seq, evaluate=node.evaluate,
        )  # fmt: skip
        known[node] = new
        made.append(new)
    return Graph(
        inputs=tuple(known[n] for n in graph.inputs),  # type: ignore[misc]
        outputs=tuple(Const(_at(o.value, sizes)) if type(o) is Const else known[o] for o in graph.outputs),
        nodes=tuple(made),
        signature=graph.signature,
        name=graph.name,
    )


def sizes_of_graph(graph: Graph) -> frozenset[str]:
    """The names of all sizes in a graph."""
    found = graph.memory.get("names of sizes")
    if found is None:
        names: set[str] = set()
        stack: list[Any] = [n.type for n in graph.inputs]
        for node in graph.nodes:
            stack += [node.type, node.params, *(a.value for a in node.args if type(a) is Const)]
        stack += [o.value for o in graph.outputs if type(o) is Const]
        while stack:
            value = stack.pop()
            if isinstance(value, Dim):
                names |= value.names
            elif isinstance(value, Held):
                names |= dimensions(value.term)
            elif isinstance(value, Arange):
                stack.append(value.size)
            elif type(value) is ArrayType:
                stack.extend(value.shape)
            elif type(value) is tuple:
                stack.extend(value)
            elif isinstance(value, slice):
                stack += [value.start, value.stop, value.step]
        found = graph.memory["names of sizes"] = frozenset(names)
    return found


def _at(value: Any, sizes: Mapping[str, int]) -> Any:
    """A parameter, type or constant with the numbers put in."""
    if isinstance(value, Dim):
        return sized(value, sizes)
    if isinstance(value, (Held, Arange)):
        return value.at(sizes)
    if type(value) is ArrayType:
        return ArrayType(tuple(sized(d, sizes) for d in value.shape), value.dtype)
    if type(value) is tuple:
        return tuple([_at(v, sizes) for v in value])
    if type(value) is Unsized:  # nobody reads that result
        return ArrayType((0,), value.dtype)
    if isinstance(value, slice):
        return slice(*(_at(v, sizes) for v in (value.start, value.stop, value.step)))
    return value


__all__ = [
    "Arange",
    "Held",
    "SymbolicGraph",
    "SymbolicNode",
    "Unsized",
    "abstract_step",
    "bound",
    "graph_of",
    "input_of",
    "shape_of",
    "step",
    "steps_of",
    "variables_of",
]
