"""The Wengert list: a graph as text, one line per step with its number, operation, type and value.

Imports core. Invariant: printing evaluates the graph at its recorded inputs, never the user's
function; it changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import WengertError
from wengert.core.graph import Graph, Operand
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node, line_of
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType, shape_of


def names_of(graph: Graph) -> dict[Node, str]:
    """A name for every input and step: the argument's own where it is known, else v1, v2, ..."""
    given = graph.signature.names if graph.signature is not None else ()
    names = {n: given[k] if k < len(given) else f"x{k}" for k, n in enumerate(graph.inputs)}
    names.update((n, f"v{k}") for k, n in enumerate(graph.nodes, start=1))
    return names


def listing(
    graph: Graph,
    *,
    lines: bool = False,
    guards: bool = True,
    values: bool = True,
    longest: int = 60,
) -> str:
    """The whole graph as text; see ``Graph.text``."""
    names = names_of(graph)

    def row(node: Node, text: str) -> tuple[str, str]:
        right = _type(node.type)
        if node in found:
            right += f" = {short(found[node])}"
        if lines:
            file, line, _ = line_of(node.where)
            right += f"   {file}:{line}"
        return text, right

    asked: dict[Node, list[str]] = {}
    if guards:
        for g in graph.guards:
            place = ":".join(map(str, line_of(g.where)[:2])) if lines else ""
            asked.setdefault(g.node, []).append(
                f"    asked: {g.kind}({names[g.node]}) was {short(g.outcome)}   {place}".rstrip()
            )
    cut = len(graph) > longest
    kept = (
        [*graph.nodes[: longest // 2], *graph.nodes[len(graph) - (longest - longest // 2) :]]
        if cut
        else list(graph.nodes)
    )
    found = _values(graph, kept) if values else {}
    rows = [row(n, names[n]) for n in graph.inputs]
    shown = [(row(n, f"{names[n]} = {operation(n, names)}"), [*_inside(n, longest), *asked.get(n, ())]) for n in kept]
    width = min(48, max((len(text) for text, _ in [*rows, *(r for r, _ in shown)]), default=0))
    counts = {"input": len(graph.inputs), "step": len(graph), "output": len(graph.outputs)}
    out = [f"{graph.name}: " + ", ".join(_count(n, what) for what, n in counts.items())]
    out.extend(f"  {text:<{width}}  {right}" for text, right in rows)
    for k, ((text, right), questions) in enumerate(shown):
        if cut and k == longest // 2:
            out.append(f"  ... {len(graph) - longest} more steps ...")
        out.append(f"  {text:<{width}}  {right}")
        out.extend(questions)
    out.append("  return " + ", ".join(operand_text(o, names) for o in graph.outputs))
    return "\n".join(out)


def _inside(node: Node, longest: int) -> list[str]:
    """The programs that a step has as parameters (a loop's body, the branches of a choice), below it."""
    out = []
    for what, graph in zip(node.op.params, node.params, strict=False):
        if type(graph) is Graph:
            head, *rest = listing(graph, guards=False, values=False, longest=longest).splitlines()
            out.append(f"    {what}: {head}")
            out.extend(f"    {line}" for line in rest)
    return out


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _type(kind: Any) -> str:
    return "(" + ", ".join(map(repr, kind)) + ")" if type(kind) is tuple else repr(kind)


def _values(graph: Graph, kept: Sequence[Node]) -> dict[Node, Any]:
    """The values of some steps at the recorded inputs; empty when there are none (a linear program
    has no example)."""
    if len(graph.values) != len(graph.inputs) or graph.free:
        return {}
    plain = [v.value if is_handle(v) else v for v in graph.values]
    every = graph.with_steps(graph.nodes, kept)
    try:
        found = every.evaluate(plain)
    except (WengertError, ArithmeticError):
        return {}
    return {**dict(zip(graph.inputs, plain, strict=True)), **dict(zip(kept, found, strict=True))}


def short(value: Any, longest: int = 44) -> str:
    """A value in a few characters."""
    if type(value) is tuple:
        return "(" + ", ".join(short(v, 20) for v in value) + ")"
    if isinstance(value, np.ndarray):
        text = np.array2string(value, precision=4, threshold=6, edgeitems=2, separator=" ")
        text = " ".join(text.split())
        return text if len(text) <= longest else text[: longest - 3] + "..."
    if isinstance(value, (float, np.floating)):
        return f"{value:.8g}"
    return f"{value}"[:longest]


def operand_text(arg: Operand, names: dict[Node, str]) -> str:
    """How an operand is written: its name, or a constant's value."""
    if not isinstance(arg, Const):
        return names[arg]
    if is_handle(arg.value):
        return f"<outer {ArrayType.of(arg.value.value)!r}>"
    if isinstance(arg.value, np.ndarray) and arg.value.size > 4:
        return f"<{ArrayType.of(arg.value)!r}>"
    return (
        short(arg.value, 24)
        if isinstance(arg.value, (np.ndarray, np.generic, float, int, complex))
        else repr(arg.value)[:24]
    )


def operation(node: Node, names: dict[Node, str]) -> str:
    """A step as Python would nearly write it."""
    args = [operand_text(a, names) for a in node.args]
    special = _SPECIAL.get(node.op.name)
    if special is not None:
        return special(node, args)
    if node.op is ITEM:
        return f"{args[0]}[{node.params[0]}]"
    if node.op.text and len(node.op.inputs) == len(args):
        text = str(node.op.text).format(**dict(zip(node.op.inputs, args, strict=True)))
        return text[1:-1] if text.startswith("(") and text.endswith(")") else text
    if node.op.expression and len(node.op.inputs) == 2:
        sign = node.op.expression.replace(node.op.inputs[0], "").replace(node.op.inputs[1], "").strip()
        return f"{args[0]} {sign} {args[1]}"
    options = [
        f"{name}={value!r}"
        for (name, usual), value in zip(node.op.params.items(), node.params, strict=False)
        if _differs(value, usual) and not _is_program(value)
    ]
    return f"{node.op.name}({', '.join([*args, *options])})"


def _differs(value: Any, usual: Any) -> bool:
    try:
        return not bool(np.all(value == usual)) or shape_of(value) != shape_of(usual)
    except (TypeError, ValueError):
        return True


def _is_program(value: Any) -> bool:
    return type(value) is Graph or (isinstance(value, tuple) and any(map(_is_program, value)))


def path_text(path: Any, dynamic: Sequence[str]) -> str:
    """View steps as Python writes them: ``[1:3]``, ``.reshape(2, 3)``, ``.T``."""
    out = ""
    for kind, argument in path:
        if kind == "index":
            out += f"[{_index_text(argument, dynamic)}]"
        elif kind == "transpose":
            out += ".T" if argument is None else f".transpose{argument}"
        elif kind in ("real", "imag"):
            out += f".{kind}"
        else:
            inner = argument[0] if kind == "reshape" else argument
            if type(inner) is tuple:
                inner = ", ".join(map(str, inner))
            out += f".{kind}({'' if inner is None else inner})"
    return out


def _index_text(index: Any, dynamic: Sequence[str]) -> str:
    if type(index) is tuple:
        return ", ".join(_index_text(part, dynamic) for part in index)
    if type(index) is slice:
        parts = ["" if p is None else str(p) for p in (index.start, index.stop, index.step)]
        return ":".join(parts if parts[2] else parts[:2])
    if index is Ellipsis:
        return "..."
    if type(index) is np.ndarray:
        return short(index, 24)
    number = getattr(index, "number", None)
    return dynamic[number] if type(number) is int and number < len(dynamic) else str(index)


_SPECIAL: dict[str, Callable[[Node, list[str]], str]] = {
    "get": lambda node, args: args[0] + path_text(node.params[0], args[1:]),
    "update": lambda node, args: f"{args[0]} with {path_text(node.params[0], args[2:])} = {args[1]}",
    "add_at": lambda node, args: f"{args[0]} with {path_text(node.params[0], args[2:])} += {args[1]}",
}
"""Steps of memory, by name: this room knows no operation."""

__all__ = ["listing", "names_of", "operand_text", "operation", "path_text", "short"]
