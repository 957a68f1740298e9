"""Applies rules to a graph: one pass in the order of the steps, each step rewritten until no rule
fits.

Imports core, ops, ``pattern``. Invariant: a replacement has the type of what it replaces, and
opaque steps are never looked into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wengert.core.graph import Graph, Operand, copy_step, is_opaque
from wengert.core.node import Const, Node
from wengert.rewrite.pattern import Bindings, Rule, build, kind_of, match

_ENOUGH = 16
"""How often one step may be rewritten in a row: no table leads in circles, this is for tables of
others."""


def rewrite(graph: Graph, rules: Sequence[Rule], counts: Counter[str] | None = None) -> Graph:
    """The graph with rules applied wherever they fit; ``counts`` is told how often each rule was.

    Steps that become unused stay: ``clean.without_dead`` removes them.
    """
    by_op: dict[str, list[Rule]] = {}
    for rule in rules:
        by_op.setdefault(rule.operation, []).append(rule)
    known: dict[Node, Operand] = {n: n for n in graph.inputs}
    steps: list[Node] = []
    for node in graph.nodes:
        args = tuple(a if isinstance(a, Const) else known[a] for a in node.args)
        start = (
            node
            if all(a is b for a, b in zip(args, node.args, strict=True))
            else copy_step(node, args)
        )
        current: Operand = start
        for _ in range(_ENOUGH):
            if isinstance(current, Const) or is_opaque(current):
                break
            found = _apply(current, by_op.get(current.op.name, ()), steps, counts)
            if found is None:
                break
            current = found
        if current is start:
            steps.append(start)
        known[node] = current
    outputs = [o if isinstance(o, Const) else known[o] for o in graph.outputs]
    guards = []
    for g in graph.guards:
        target = known[g.node]
        if not isinstance(target, Const):
            guards.append(g.of(target))
        else:
            g.check(target.value)
    return graph.with_steps(steps, outputs, guards)


def _apply(
    node: Node, rules: Sequence[Rule], made: list[Node], counts: Counter[str] | None
) -> Operand | None:
    for rule in rules:
        found: Bindings = {}
        if not match(rule.pattern, node, found) or (
            rule.when is not None and not rule.when(found, node)
        ):
            continue
        fresh: list[Node] = []
        result = build(rule.replacement, found, node.where, fresh)
        kind = kind_of(result)
        if kind.shape != node.type.shape or kind.dtype != node.type.dtype:
            continue
        made.extend(fresh)
        if counts is not None:
            counts[rule.name] += 1
        return result
    return None


__all__ = ["rewrite"]
