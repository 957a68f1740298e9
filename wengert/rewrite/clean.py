"""The cleaning that always runs: constants folded, equal steps merged, dead steps removed.

Imports core, ops. Invariant: outputs and guards are the roots, no step moves to an earlier place
than one that computes the same, and opaque steps (rules and bodies of their own, random numbers)
are neither merged nor folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.core.graph import Graph, Operand, copy_step, is_opaque
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.ops.steps import run_step
from wengert.rewrite.algebra import ALGEBRA
from wengert.rewrite.engine import rewrite
from wengert.rewrite.views import merge_views

_FOLD_UP_TO = 1 << 20
"""Bytes of a folded constant that may be larger than what it is made from."""


def clean(graph: Graph) -> Graph:
    """Fold, merge and remove: the same bits from fewer steps."""
    return without_dead(merged(folded(graph)))


def simplify(graph: Graph) -> Graph:
    """``clean``, views of views, and the rules of ``algebra``, until nothing changes."""
    for _ in range(8):
        before = len(graph)
        graph = clean(merge_views(rewrite(graph, ALGEBRA)))
        if len(graph) == before:
            break
    return graph


def without_dead(graph: Graph) -> Graph:
    """The graph without steps that neither an output nor a guard needs."""
    needed: set[Node] = {
        n for n in (*graph.outputs, *(g.node for g in graph.guards)) if not isinstance(n, Const)
    }
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(a for a in node.args if not isinstance(a, Const))
    return graph.with_steps([n for n in graph.nodes if n in needed], graph.outputs)


def folded(graph: Graph) -> Graph:
    """The graph with steps on constants alone evaluated; guards on them are asked now."""

    def fold(node: Node) -> Operand:
        if (
            is_opaque(node)
            or not node.args
            or not all(isinstance(a, Const) and not is_handle(a.value) for a in node.args)
        ):
            return node
        values = [a.value for a in node.args]
        try:
            with np.errstate(all="ignore"):
                result = run_step(node.op, values, node.params, node.evaluate)
        except (ArithmeticError, ValueError, np.linalg.LinAlgError):
            return node  # it will raise where the program raises
        if type(result) is tuple or getattr(result, "nbytes", 0) > max(
            _FOLD_UP_TO, *(getattr(v, "nbytes", 0) for v in values)
        ):
            return node
        return Const(
            result.copy() if type(result) is np.ndarray and result.base is not None else result
        )

    return _mapped(graph, fold)


def merged(graph: Graph) -> Graph:
    """The graph with steps that compute the same replaced by the first of them."""
    first: dict[Any, Node] = {}

    def merge(node: Node) -> Operand:
        if is_opaque(node):
            return node
        key = step_key(node)
        return node if key is None else first.setdefault(key, node)

    return _mapped(graph, merge)


def _mapped(graph: Graph, change: Any) -> Graph:
    """The graph with every step, its operands already changed, replaced by ``change(step)``."""
    known: dict[Node, Operand] = {n: n for n in graph.inputs}
    steps: list[Node] = []
    for node in graph.nodes:
        args = tuple(a if isinstance(a, Const) else known[a] for a in node.args)
        current = (
            node
            if all(p is q for p, q in zip(args, node.args, strict=True))
            else copy_step(node, args)
        )
        made: Operand = change(current)
        if made is current:
            steps.append(current)
        known[node] = made
    guards = []
    asked: set[Any] = set()
    for g in graph.guards:
        target = known[g.node]
        if isinstance(target, Const):
            g.check(target.value)
        elif (target, g.kind) not in asked or g.value is not None:
            asked.add((target, g.kind))
            guards.append(g.of(target))
    return graph.with_steps(
        steps, [o if isinstance(o, Const) else known[o] for o in graph.outputs], guards
    )


def step_key(node: Node) -> Any:
    """What two steps must share to compute the same value; None when that cannot be told."""
    try:
        params = tuple(map(_key, node.params))
    except TypeError:
        return None
    return node.op, node.evaluate, tuple(map(_operand_key, node.args)), params


def _operand_key(arg: Operand) -> Any:
    if not isinstance(arg, Const):
        return arg
    if is_handle(arg.value):
        return "handle", arg.value.node, id(arg.value)
    try:
        return _key(arg.value)
    except TypeError:
        return "object", id(arg.value)


def _key(value: Any) -> Any:
    """A hashable stand-in for a parameter or constant; the bits count, so that -0.0 is not 0.0."""
    kind = type(value)
    if kind in (float, complex) or issubclass(kind, np.generic):
        return kind, np.asarray(value).tobytes()
    if kind in (int, bool, str, bytes, type(None), type(Ellipsis), type) or isinstance(
        value, np.dtype
    ):
        return kind, value
    if kind is tuple or kind is list:
        return kind, tuple(map(_key, value))
    if kind is slice:
        return slice, _key(value.start), _key(value.stop), _key(value.step)
    if kind is np.ndarray:
        if value.dtype == object or value.nbytes > 4096:
            return "array", id(value)
        return "array", value.shape, value.dtype.str, value.tobytes()
    number = getattr(value, "number", None)
    if type(number) is int and kind.__name__ == "Slot":
        return "slot", number
    raise TypeError(f"no key for {kind}")


def optimised(graph: Graph, passes: Sequence[Any] = (simplify,)) -> Graph:
    """The graph after some passes."""
    for run in passes:
        graph = run(graph)
    return graph


__all__ = ["clean", "folded", "merged", "optimised", "simplify", "step_key", "without_dead"]
