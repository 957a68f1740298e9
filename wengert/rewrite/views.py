"""Views of views: two view steps in a row become one, and steps that change nothing disappear.

Imports core, ops. Invariant: the merged path leads to the same elements in the same order, for
every array."""

from __future__ import annotations

from typing import Any

from wengert.core.graph import Graph, Operand, copy_step, step
from wengert.core.node import Const, Node
from wengert.ops.memory import GET
from wengert.ops.paths import Path, is_basic


def merge_views(graph: Graph) -> Graph:
    """The graph with ``x[p][q]`` as one step, transposes composed, and steps that change nothing
    removed."""
    known: dict[Node, Operand] = {n: n for n in graph.inputs}
    steps: list[Node] = []
    for node in graph.nodes:
        args = tuple(a if isinstance(a, Const) else known[a] for a in node.args)
        made: Operand = (
            node
            if all(p is q for p, q in zip(args, node.args, strict=True))
            else copy_step(node, args)
        )
        if node.op is GET:
            made = _merged(made)
        if not isinstance(made, Const) and made not in known:
            steps.append(made)
            known[made] = made
        known[node] = made
    return graph.with_steps(
        steps,
        [o if isinstance(o, Const) else known[o] for o in graph.outputs],
        [g.of(known[g.node]) for g in graph.guards],
    )


def _merged(node: Any) -> Operand:
    source = node.args[0]
    path: Path = node.params[0]
    shape, dtype = node.params[1], node.params[2]
    if (
        not isinstance(source, Const)
        and source.op is GET
        and len(source.args) == 1
        and len(node.args) == 1
        and _is_view(source.params[0])
    ):
        path = (*source.params[0], *path)
        shape, dtype = source.params[1], source.params[2]
        source = source.args[0]
    short = simplified(path, shape)
    if (
        not short
        and not isinstance(source, Const)
        and source.type.shape == node.type.shape
        and source.type.dtype == node.type.dtype
    ):
        return source
    if not short or (
        len(short) == len(node.params[0])
        and all(s[1] is t[1] for s, t in zip(short, node.params[0], strict=True))
    ):
        return node
    return step(
        GET, (source, *node.args[1:]), (short, shape, dtype), node.type, node.where, seq=node.seq
    )


def _is_view(path: Path) -> bool:
    return all(kind != "index" or is_basic(argument) for kind, argument in path)


def simplified(path: Path, shape: tuple[Any, ...]) -> Path:
    """A path with transposes composed, reshapes in C order collapsed, and identities left out."""
    out: list[Any] = []
    ndim: int | None = len(shape)
    here: tuple[Any, ...] | None = tuple(shape)
    for kind, argument in path:
        if kind == "transpose" and ndim is not None:
            axes = (
                tuple(range(ndim))[::-1]
                if argument is None
                else tuple(int(k) % ndim for k in argument)
            )
            if out and out[-1][0] == "transpose":
                before = out.pop()[1]
                axes = tuple(before[k] for k in axes)
            here = None
            if axes != tuple(range(ndim)):
                out.append(("transpose", axes))
            continue
        if kind == "reshape" and argument[1] == "C":
            if out and out[-1][0] == "reshape" and out[-1][1][1] == "C":
                out.pop()
                here = None
            target = argument[0]
            if here is not None and tuple(target) == here:
                continue
            out.append((kind, argument))
            known = -1 not in target
            here = tuple(target) if known else None
            ndim = len(target)
            continue
        out.append((kind, argument))
        here = ndim = None
    return tuple(out)


__all__ = ["merge_views", "simplified"]
