"""What makes a recorded program small and cheap, ``improve``; and what it did, ``report``.

``gates`` is for programs that are going to be differentiated, ``improve`` for those that are going to be run. Imports
core, ops and the tables of this room. Invariant: the value of a program is the same up to rounding, a stability rule
may turn an infinity or NaN into a finite number, and what a guard depends on keeps every bit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wengert.core.graph import Graph, copy_step, is_opaque
from wengert.core.node import Const, Node, line_of
from wengert.core.op import ELEMENTWISE
from wengert.rewrite.algebra import ALGEBRA
from wengert.rewrite.builder import joined, locals_of, rebuild
from wengert.rewrite.contractions import CONTRACTIONS, DIAGONALS
from wengert.rewrite.elements import RELEASE, cleaning
from wengert.rewrite.factors import FACTORS
from wengert.rewrite.gates import GATES, LOGARITHMS, PLAIN, QUOTIENTS, SHIFTS, SPARING, STABILITY, shared_exponentials
from wengert.rewrite.pattern import kind_of
from wengert.rewrite.products import PRODUCTS
from wengert.rewrite.regions import WRITES, chains
from wengert.rewrite.sums import SUMS

_BEFORE = joined(locals_of(STABILITY), SHIFTS, DIAGONALS, locals_of(SPARING))
_COVERED = frozenset(
    {  # by rules in the other tables that see more
        "times one",
        "over one",
        "times minus one",
        "over minus one",
        "factor of factor",
        "negative of negative",
        "add a negative",
        "subtract a negative",
        "product of negatives",
        "quotient of negatives",
        "square of a negative",
        "power one",
        "power two",
        "power two of a number",
    }
)
_AFTER = joined(
    RELEASE,
    cleaning(),
    FACTORS,
    WRITES,
    SUMS,
    PRODUCTS,
    CONTRACTIONS,
    DIAGONALS,
    PLAIN,
    locals_of([*LOGARITHMS, *QUOTIENTS], alone=False),
    locals_of(GATES),
    SHIFTS,
    locals_of([rule for rule in ALGEBRA if rule.name not in _COVERED]),
)
_ROUNDS = 3

REVERSE: dict[str, tuple[int, int]] = {
    "sigmoid": (2, 4),
    "softplus": (1, 2),  # where the value is wanted too, both share one exponential
    "softmax": (3, 14),
    "log-sum-exp": (1, 14),
    "log-softmax": (3, 19),
}
"""Steps of a gate in the reverse sweep besides the product with what comes from above (views compute nothing and do not
count): now, and spelled out."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a program is: steps, operations on numbers, bytes that the steps read and write one by one."""

    steps: int
    flops: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What ``improve`` did: the sizes before and after, the gates with the user's lines, how often each rule was used.

    ``gates`` has a name and ``(file, line, function)`` for every gate."""

    before: Size
    after: Size
    gates: tuple[tuple[str, tuple[str, int, str]], ...] = ()
    rules: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        a, z = self.before, self.after
        out = [f"{a.steps} steps -> {z.steps}, {a.flops} operations -> {z.flops}, {a.bytes} bytes moved -> {z.bytes}"]
        for gate, (file, line, _) in self.gates:
            now, then = REVERSE[gate]
            count = f"{now} operation{'' if now == 1 else 's'}"
            out.append(f"{gate} at {Path(file).name}:{line}: reverse {count} instead of {then}")
        return "\n".join(out)


def gates(graph: Graph) -> Graph:
    """A program with its gates recognised: stable, and with derivatives made of their own values.

    For a program that is going to be differentiated: its value is the same up to rounding, and the derivative is that
    of the same function.

    >>> import numpy as np, wengert
    >>> graph = wengert.trace(lambda x: 1 / (1 + np.exp(-x)))(0.5)
    >>> [node.op.name for node in gates(graph)]
    ['logistic']
    """
    return _inside(rebuild(graph, _BEFORE)[0], gates)


def improve(graph: Graph) -> Graph:
    """A program made small and cheap, to be run and no longer to be differentiated.

    Its values are those of ``graph`` up to rounding; what a guard depends on keeps every bit. ``report`` says what was
    done.

    >>> import numpy as np, wengert
    >>> graph = wengert.trace(wengert.grad(lambda x: np.sum(x * x * 3.0)))(np.ones(2))
    >>> len(graph), len(improve(graph))
    (3, 1)
    """
    before, counts = graph, Counter[str]()
    for _ in range(_ROUNDS):
        graph, builder = rebuild(graph, _AFTER, chains(graph), final=True)
        if not builder.counts:
            break
        counts += builder.counts
    found = tuple(dict.fromkeys((*gates_of(before), *gates_of(graph))))
    graph = _inside(shared_exponentials(graph), improve)
    graph.memory["improved"] = before, found, counts
    return graph


def report(graph: Graph) -> Report:
    """What ``improve`` did to make this graph; for any other graph simply its size and the gates in it."""
    before, found, counts = graph.memory.get("improved", (graph, gates_of(graph), Counter()))
    return Report(size_of(before), size_of(graph), found, counts)


def gates_of(graph: Graph) -> tuple[tuple[str, tuple[str, int, str]], ...]:
    """The gates in a graph and their lines, each once."""
    found: dict[tuple[str, Any], None] = {}
    for node in graph.nodes:
        name = node.op.name
        if name == "shift":
            found[node.params[0], node.where] = None
        elif name in _NAMES:
            found[_NAMES[name], node.where] = None
    here = [(name, line_of(where)) for name, where in found]
    within = [gate for node in graph.nodes for body in _bodies(node) for gate in gates_of(body)]
    return tuple(dict.fromkeys((*here, *within)))


_NAMES = {"sigmoid": "sigmoid", "logistic": "sigmoid", "softplus": "softplus"}


def _bodies(node: Node) -> list[Graph]:
    """The programs that a step has as parameters."""
    return [p for p in node.params if type(p) is Graph] if is_opaque(node) else []


def _inside(graph: Graph, change: Any) -> Graph:
    """The graph with the programs that its steps have as parameters (bodies of loops, branches) changed too."""
    if not any(map(_bodies, graph.nodes)):
        return graph
    known: dict[Node, Node] = {}
    steps = []
    for node in graph.nodes:
        made = copy_step(node, [a if isinstance(a, Const) else known.get(a, a) for a in node.args])
        if is_opaque(node):
            made.params = tuple(change(p) if type(p) is Graph else p for p in node.params)
        known[node] = made
        steps.append(made)
    outputs = [o if isinstance(o, Const) else known.get(o, o) for o in graph.outputs]
    return graph.with_steps(steps, outputs, [g.of(known.get(g.node, g.node)) for g in graph.guards])


# ---------------------------------------------------------------- sizes


def size_of(graph: Graph) -> Size:
    """The size of a program; a function such as exp counts as ten operations."""
    flops = moved = 0
    for node in graph.nodes:
        kinds = node.type if type(node.type) is tuple else (node.type,)
        out = sum(math.prod(k.shape) for k in kinds)
        moved += sum(math.prod(k.shape) * k.dtype.itemsize for k in _kinds(node.args))
        moved += sum(math.prod(k.shape) * k.dtype.itemsize for k in kinds)
        flops += _flops(node, out)
        times = node.params[1] if len(node.params) > 1 and type(node.params[1]) is int else 1
        for body in map(size_of, _bodies(node)):
            flops, moved = flops + times * body.flops, moved + times * body.bytes
    return Size(len(graph.nodes), flops, moved)


def _kinds(args: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for a in args:
        kind = kind_of(a)
        found.extend(kind if type(kind) is tuple else (kind,))
    return found


_SIMPLE = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "divide",
        "negative",
        "positive",
        "square",
        "absolute",
        "maximum",
        "minimum",
        "sqrt",
        "reciprocal",
        "where",
    }
)
_FREE = frozenset({"get", "item", "shift", "stop_gradient"})


def _flops(node: Node, out: int) -> int:
    name = node.op.name
    if name in _FREE or is_opaque(node):
        return 0
    if name in _SIMPLE:
        return out
    if node.op.kind == ELEMENTWISE:
        return 10 * out
    shapes = [k.shape for k in _kinds(node.args)]
    if name == "matmul":
        return 2 * out * int(shapes[0][-1])
    if name == "einsum" and "..." not in node.params[0]:
        letters = dict(zip("".join(node.params[0].split("->")[0].split(",")), sum(shapes, ()), strict=True))
        return 2 * math.prod(letters.values())
    return max([out, *(math.prod(s) for s in shapes)])


__all__ = ["REVERSE", "Report", "Size", "gates", "gates_of", "improve", "report", "size_of"]
