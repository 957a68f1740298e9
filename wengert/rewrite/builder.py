"""Makes graphs step by step, each step in its best form at once: constants folded, local rules tried, equal steps one.

``rebuild(graph, table)`` runs over the steps in order, once. A local rule is a function ``(builder, step) -> operand or
None`` that asks the builder for the steps it wants. Imports core, ops, ``clean``, ``pattern``. Invariant: a replacement
has the type of what it replaces, and what a guard depends on is touched by exact rules only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from wengert.core.constants import without_repeats
from wengert.core.graph import Graph, Guard, Operand, copy_step, is_opaque, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import OPS
from wengert.core.types import ArrayType
from wengert.ops.steps import run_step
from wengert.rewrite.clean import step_key, without_dead
from wengert.rewrite.pattern import Call, Number, Pattern, Rule, Variable, build, kind_of, kinds_of, match

Local = Callable[["Builder", Node], Operand | None]
Table = Mapping[str, Sequence[tuple[str, bool, Local, frozenset[str]]]]
"""For each operation the local rules that may apply: name, whether it keeps every bit, function, and what must stand
among the operands: names of operations, or ``CONSTANT``."""

CONSTANT = "a constant"


def needs(*heads: str) -> Callable[[Local], Local]:
    """Say which operations (or ``CONSTANT``) a local rule wants among the operands; it is not asked otherwise."""

    def mark(rule: Local) -> Local:
        rule.needs = frozenset(heads)  # type: ignore[attr-defined]
        return rule

    return mark


_FOLD_UP_TO = 1 << 20
_LARGEST = 16
"""The most steps that a spelled-out gate has."""
_DEEPEST = 200
"""How deep rules may ask for steps that rules rewrite; beyond that a step is taken as it is."""


class Builder:
    """The graph being made: the steps so far, which of them compute what, and how often each is read."""

    def __init__(
        self, graph: Graph, table: Table, ends: AbstractSet[int] = frozenset(), *, final: bool = False
    ) -> None:
        self.table = table
        self.steps: list[Node] = []
        self.counts: Counter[str] = Counter()
        self.written: dict[Node, Any] = {}
        """For the latest array of a chain of writes: what its elements are (``rewrite/regions``)."""
        self.ends = ends
        """The numbers of the steps at which chains of writes end."""
        self.final = final
        """Whether the program is going to be run as it is, rather than differentiated."""
        self.exact = False
        self.signed = False
        """Whether the step under consideration may pass a zero's sign on to what shows it."""
        self._first: dict[Any, Node] = {}
        self._uniform: dict[int, tuple[Any, Any]] = {}
        self._uses: dict[Node, int] = {}
        self._dead: set[Node] = set()
        self._place: dict[Node, int] = {}
        self._depth = 0
        self._graph = without_dead(graph)

    # ------------------------------------------------------------ questions

    def single(self, operand: Operand) -> bool:
        """Whether a step is read by the step under consideration and by nothing else."""
        return not isinstance(operand, Const) and operand.args != () and self._uses.get(operand, 0) <= 1

    def inside(self, node: Node, leaves: Sequence[Operand]) -> bool:
        """Whether the steps between some operands and a step are read by no other steps."""
        reads: Counter[Node] = Counter()
        stack, seen = [node], {node, *(a for a in leaves if isinstance(a, Node))}
        while stack:
            for a in stack.pop().args:
                if isinstance(a, Const) or (a in seen and a not in reads):
                    continue
                reads[a] += 1
                if a not in seen:
                    seen.add(a)
                    stack.append(a)
                if len(reads) > _LARGEST:
                    return False
        return all(self._uses.get(a, 0) <= count for a, count in reads.items())

    def earlier(self, node: Node, other: Node) -> bool:
        """Whether one step stands before another one."""
        return self._place.get(node, -1) < self._place.get(other, -1)

    def known(self, name: str, args: Sequence[Operand]) -> Node | None:
        """The step that computes this already, if there is one."""
        op = OPS[name]
        node = step(op, args, tuple(op.params.values()), None, None, seq=0)
        return self._first.get(step_key(node))

    def uniform(self, operand: Operand) -> Any:
        """The number that all elements of a real constant are, as a scalar of its dtype; None when there is none."""
        if not isinstance(operand, Const):
            return None
        value = operand.value
        if type(value) is not np.ndarray:
            return value if type(value) in _NUMBERS else None
        if value.dtype.kind != "f" or not value.size:
            return None
        found = self._uniform.get(id(value))
        if found is None:
            found = self._uniform[id(value)] = (value, _uniform(value))
        return found[1]

    # ------------------------------------------------------------ making

    def make(
        self,
        name: str,
        args: Sequence[Operand],
        params: tuple[Any, ...] | None = None,
        where: Any = None,
        kind: ArrayType | None = None,
    ) -> Operand:
        """The value of an operation: a step already there, a constant, or a new step."""
        op: Any = OPS[name]
        if params is None:
            params = tuple(op.params.values())
        if kind is None:
            kind = op.infer(kinds_of(args), params)
        return self.add(step(op, args, params, kind, where))

    def add(self, node: Node) -> Operand:
        """The value of a step whose operands are already of this graph."""
        if is_opaque(node):
            self._keep(node)
            return node
        args = node.args
        if args and all(isinstance(a, Const) for a in args):
            folded = _folded(node)
            if folded is not None:
                return folded
        rules = self.table.get(node.op.name)
        if rules and self._depth < _DEEPEST:
            self._depth += 1
            try:
                heads = {CONSTANT if isinstance(a, Const) else a.op.name for a in args}
                for name, exact, rule, needs in rules:
                    if (self.exact and not exact) or not needs <= heads:
                        continue
                    found = rule(self, node)
                    if found is node:
                        return node
                    if found is not None and _same_kind(found, node):
                        self.counts[name] += 1
                        return found
            finally:
                self._depth -= 1
        key = step_key(node)
        if key is None:
            self._keep(node)
            return node
        first = self._first.setdefault(key, node)
        if first is node:
            self._keep(node)
        elif first in self._dead:
            self._dead.discard(first)
            self._count(first)
        return first

    def remember(self, node: Node, rows: Any) -> Node:
        """Keep a write as it is, knowing what the rows of its array are."""
        self._keep(node)
        self.written[node] = rows
        return node

    def _keep(self, node: Node) -> None:
        self._place[node] = len(self.steps)
        self.steps.append(node)
        self._count(node)

    def _count(self, node: Node) -> None:
        uses = self._uses
        for a in node.args:
            if not isinstance(a, Const):
                uses[a] = uses.get(a, 0) + 1

    def _release(self, node: Node) -> None:
        """One reader less; a step without any is dead, and reads nothing itself."""
        stack = [node]
        while stack:
            top = stack.pop()
            left = self._uses[top] = self._uses[top] - 1
            if left <= 0 and top.args and top not in self._dead:
                self._dead.add(top)
                stack.extend(a for a in top.args if not isinstance(a, Const))

    # ------------------------------------------------------------ the whole graph

    def run(self) -> Graph:
        """Rebuild every step of the graph."""
        graph = self._graph
        guarded, signed = _asked(graph), _signed(graph)
        planned = graph.uses()
        known: dict[Node, Operand] = {n: n for n in graph.inputs}
        uses = self._uses
        for n in graph.inputs:
            uses[n] = planned[n]
        for node in graph.nodes:
            args = tuple([a if isinstance(a, Const) else known[a] for a in node.args])
            self.exact, self.signed = node in guarded, node in signed
            # A step whose operands are what they were is itself; tuples compare by identity first.
            made = known[node] = self.add(node if args == node.args else copy_step(node, args))
            if not isinstance(made, Const):
                uses[made] = uses.get(made, 0) + planned[node]
            for a in args:
                if not isinstance(a, Const):
                    self._release(a)
        return self._finished(known)

    def _finished(self, known: dict[Node, Operand]) -> Graph:
        graph = self._graph
        guards = []
        asked: set[Any] = set()
        for g in graph.guards:
            target = known[g.node]
            if isinstance(target, Const):
                g.check(target.value)
            elif (target, g.kind) not in asked or g.value is not None:
                asked.add((target, g.kind))
                guards.append(g.of(target))
        outputs = [o if isinstance(o, Const) else known[o] for o in graph.outputs]
        return without_dead(graph.with_steps(self.steps, outputs, guards))


_NUMBERS = frozenset({float, int, np.float64, np.float32})


def _uniform(value: np.ndarray[Any, Any]) -> Any:
    value = without_repeats(value)
    flat = value.reshape(-1) if value.flags.c_contiguous else value.ravel()
    first = flat[0]
    if flat[-1] != first:
        return None
    if not bool((flat == first).all()) or (first == 0 and np.signbit(flat).any() != np.signbit(flat).all()):
        return None
    return value.dtype.type(first)


_SHOWING = {
    "divide": (1,), "reciprocal": (0,), "arctan2": (0, 1), "copysign": (1,), "signbit": (0,), "power": (0,),
    "float_power": (0,),
}  # fmt: skip
"""Operations whose results tell the signs of zeros apart, and the operands that they look at."""


def _signed(graph: Graph) -> set[Node]:
    """Everything on which an operand depends whose zeros show their sign: 1 / (0 - x) at zero."""
    shown = [n.args[k] for n in graph.nodes for k in _SHOWING.get(n.op.name, ()) if k < len(n.args)]
    stack = [a for a in shown if not isinstance(a, Const)]
    found: set[Node] = set()
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(a for a in node.args if not isinstance(a, Const))
    return found


def _asked(graph: Graph) -> set[Node]:
    """Everything that the guards depend on, but for the question whether a value is finite, answered yes: it holds for
    every value that a rule may give in place of a finite one (and a derivative asks it at its end)."""
    found: set[Node] = {g.node for g in graph.guards if not _is_finite(g)}
    if found:
        for node in reversed(graph.nodes):
            if node in found:
                found.update(a for a in node.args if not isinstance(a, Const))
    return found


def _is_finite(guard: Guard) -> bool:
    node = guard.node
    if guard.kind != "bool" or guard.outcome is not True or guard.value is not None:
        return False
    if node.op.name == "all" and not isinstance(node.args[0], Const):
        node = node.args[0]
    return bool(node.op.name == "isfinite")


def _same_kind(found: Operand, node: Node) -> bool:
    kind = kind_of(found)
    return kind.shape == node.type.shape and (
        kind.dtype == node.type.dtype or (isinstance(found, Const) and type(found.value) in (float, int))
    )


def _folded(node: Node) -> Const | None:
    """The value of a step on constants alone; None when it is too large, several, or raises."""
    if any(is_handle(a.value) for a in node.args):
        return None
    values = [a.value for a in node.args]
    try:
        with np.errstate(all="ignore"):
            result = run_step(node.op, values, node.params, node.evaluate)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return None  # it will raise where the program raises
    if type(result) is tuple or getattr(result, "nbytes", 0) > max(
        _FOLD_UP_TO, *(getattr(v, "nbytes", 0) for v in values)
    ):
        return None
    return Const(result.copy() if type(result) is np.ndarray and result.base is not None else result)


def rebuild(
    graph: Graph, table: Table, ends: AbstractSet[int] = frozenset(), *, final: bool = False
) -> tuple[Graph, Builder]:
    """The graph in its best form under a table, and the builder, which knows what was done."""
    builder = Builder(graph, table, ends, final=final)
    return builder.run(), builder


# ---------------------------------------------------------------- Rule lines as local rules


def locals_of(rules: Sequence[Rule], *, alone: bool = True) -> dict[str, list[tuple[str, bool, Local]]]:
    """Rules written as patterns, by the operation they rewrite.

    ``alone``: in a program that is only run, one that may change bits applies where nothing else reads what it matched,
    so that nothing is computed twice."""
    found: dict[str, list[tuple[str, bool, Local]]] = {}
    for rule in rules:
        found.setdefault(rule.operation, []).append((rule.name, rule.exact, _local(rule, alone)))
    return found


def _local(rule: Rule, alone: bool) -> Local:
    pattern = rule.pattern
    assert isinstance(pattern, Call)
    heads = [h for h in map(_head, pattern.args) if h is not None]

    @needs(*heads)
    def apply(b: Builder, node: Node) -> Operand | None:
        found: dict[str, Operand] = {}
        if not match(pattern, node, found) or (rule.when is not None and not rule.when(found, node)):
            return None
        fresh: list[Node] = []
        if alone and b.final and not rule.exact and not b.inside(node, list(found.values())):
            return None
        result = build(rule.replacement, found, node.where, fresh)
        kind = kind_of(result)
        if kind.shape != node.type.shape or kind.dtype != node.type.dtype:
            return None
        known: dict[Node, Operand] = {}
        for made in fresh:
            known[made] = b.add(copy_step(made, [known.get(a, a) if isinstance(a, Node) else a for a in made.args]))
        return known.get(result, result) if isinstance(result, Node) else result

    return apply


def _head(pattern: Pattern) -> str | None:
    if isinstance(pattern, Call):
        return pattern.name
    if isinstance(pattern, Number) or (isinstance(pattern, Variable) and pattern.constant):
        return CONSTANT
    return None


def is_real(node: Node) -> bool:
    """Whether a step of arithmetic gives real floating point numbers, which it does from real numbers only."""
    return bool(node.type.dtype.kind == "f")


def joined(*tables: Mapping[str, Sequence[tuple[str, bool, Local]]]) -> Table:
    """Several tables as one, ready for a builder; the rules of an earlier one are tried first."""
    found: dict[str, list[tuple[str, bool, Local, frozenset[str]]]] = {}
    for table in tables:
        for operation, rules in table.items():
            found.setdefault(operation, []).extend(
                (name, exact, rule, getattr(rule, "needs", frozenset())) for name, exact, rule in rules
            )
    return found


__all__ = ["CONSTANT", "Builder", "Local", "Table", "is_real", "joined", "locals_of", "needs", "rebuild"]
