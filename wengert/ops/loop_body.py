"""The body of a loop as one Python function, written out once and run at every step on raw values.

Imports core, ``memory``. Invariant: a carried array is written to in place only where nothing reads its old content
afterwards; the loop then owns it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

from wengert.core.graph import Graph
from wengert.core.node import Const, Node
from wengert.core.op import ELEMENTWISE
from wengert.core.structure import ITEM
from wengert.ops.memory import ADD_AT, GET, UPDATE
from wengert.ops.paths import apply, fill
from wengert.ops.steps import write_raw

_SIGNS: dict[Any, str] = {
    operator.add: "{} + {}",
    operator.sub: "{} - {}",
    operator.mul: "{} * {}",
    operator.truediv: "{} / {}",
    operator.neg: "-{}",
    operator.pow: "{} ** {}",
}


def runner(body: Graph, carries: int) -> tuple[Callable[..., tuple[Any, ...]], tuple[int, ...]]:
    """The function of a body, and which carried arrays it writes to."""
    found = body.memory.get("runner")
    if found is None:
        found = body.memory["runner"] = _compiled(body, carries)
    return found


def _compiled(body: Graph, carries: int) -> tuple[Callable[..., tuple[Any, ...]], tuple[int, ...]]:
    names: dict[Node, str] = {n: f"a{k}" for k, n in enumerate(body.inputs)}
    space: dict[str, Any] = {}
    lines: list[str] = []
    owned, overwritten = _in_place(body, carries)
    ends = {o for o in body.outputs if not isinstance(o, Const)}
    last: dict[Node, int] = {}
    for at, node in enumerate(body.nodes):
        last.update((a, at) for a in node.args if not isinstance(a, Const))
    dying: dict[int, list[Node]] = {}
    for node, at in last.items():
        if node not in ends and _is_large(node):
            dying.setdefault(at, []).append(node)

    def name_of(arg: Any) -> str:
        if not isinstance(arg, Const):
            return names[arg]
        key = f"c{len(space)}"
        space[key] = arg.value
        return key

    for k, node in enumerate(body.nodes):
        names[node] = f"v{k}"
        args = [name_of(a) for a in node.args]
        evaluate = node.evaluate or node.op.evaluate
        if node.op is ITEM:
            text = f"{args[0]}[{node.params[0]}]"
        elif evaluate in _SIGNS and not node.params:
            text = _SIGNS[evaluate].format(*args)
        else:
            key = f"f{k}"
            space[key] = _function(node, evaluate, owned=node in owned)
            text = f"{key}({', '.join(args)})"
        gone = [names[n] for n in dying.get(k, ())]
        lines.append(f"    v{k} = {text}" + (f"; {' = '.join(gone)} = None" if gone else ""))
    results = ", ".join(name_of(o) for o in body.outputs)
    inputs = ", ".join(f"a{k}" for k in range(len(body.inputs)))
    source = f"def body({inputs}):\n" + "\n".join(lines) + f"\n    return ({results}{',' if body.outputs else ''})\n"
    exec(compile(source, "<wengert loop body>", "exec"), space)  # the text is ours, the values are in `space`
    return space["body"], overwritten


def _is_large(node: Node) -> bool:
    kind = getattr(node, "type", None)
    return kind is not None and type(kind) is not tuple and len(kind.shape) > 0


def _function(node: Node, evaluate: Any, *, owned: bool) -> Callable[..., Any]:
    if node.op is GET:
        path = node.params[0]
        if len(node.args) > 1:
            return lambda x, *dynamic: apply(fill(path, dynamic), x)
        if len(path) == 1 and path[0][0] == "index":
            return operator.itemgetter(path[0][1])
        return partial(apply, path)
    if owned:
        return lambda *operands: write_raw(node.op, operands, node.params, owned=True)
    if not node.params:
        return evaluate
    params = node.params
    return lambda *values: evaluate(*values, *params)


def _in_place(body: Graph, carries: int) -> tuple[set[Node], tuple[int, ...]]:
    """The writes that may hit their array's own memory, and the carries that the loop must own for it."""
    last: dict[Node, int] = {}
    looks: dict[Node, list[Node]] = {}  # results that may share an array's memory
    for at, node in enumerate(body.nodes):
        copies = node.op is UPDATE or node.op is ADD_AT or node.op.kind == ELEMENTWISE
        for a in node.args:
            if not isinstance(a, Const):
                last[a] = at
                if not copies:
                    looks.setdefault(a, []).append(node)
    last.update((o, len(body.nodes)) for o in body.outputs if not isinstance(o, Const))
    number = {n: k for k, n in enumerate(body.inputs[:carries])}
    fresh: set[Node] = set()
    taken: dict[Node, set[int]] = {}
    owned: set[Node] = set()
    for at, node in enumerate(body.nodes):
        if node.op is not UPDATE and node.op is not ADD_AT:
            continue
        base = node.args[0]
        fresh.add(node)
        if isinstance(base, Const) or (base not in fresh and base not in number):
            continue
        if last[base] > at or node.type.shape == () or base in node.args[1:] or _seen_later(base, at, last, looks):
            continue
        owned.add(node)
        taken[node] = taken.get(base, set()) | ({number[base]} if base in number else set())
    # A carry's memory comes back as the same carry, so that no two carries ever share it.
    kept = set()
    for k, o in enumerate(body.outputs[:carries]):
        if isinstance(o, Const) or taken.get(o) != {k} or body.outputs.count(o) != 1:
            continue
        if not any(_looks_into(other, o, looks) for other in body.outputs[:carries]):
            kept.add(k)
    for node in list(owned):
        if not taken[node] <= kept:
            owned.discard(node)
    return owned, tuple(sorted(kept))


def _views(base: Node, looks: dict[Node, list[Node]]) -> set[Node]:
    """All results that may share an array's memory."""
    found: set[Node] = set()
    stack = [base]
    while stack:
        for v in looks.get(stack.pop(), ()):
            if v not in found:
                found.add(v)
                stack.append(v)
    return found


def _looks_into(view: Any, base: Node, looks: dict[Node, list[Node]]) -> bool:
    """Whether a value may be a view of ``base``, which the next iteration writes to."""
    return view in _views(base, looks)


def _seen_later(base: Node, at: int, last: dict[Node, int], looks: dict[Node, list[Node]]) -> bool:
    """Whether a view of ``base`` is read after a step."""
    return any(last.get(v, 0) > at for v in _views(base, looks))


__all__ = ["runner"]
