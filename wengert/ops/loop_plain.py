"""Loops over a few numbers as loops of Python's own floats: the same bits in a fraction of the time.

Imports core. Invariant: what Python's floats compute otherwise, or raise on, is left to the body as it stands.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.graph import Graph
from wengert.core.node import Const, Node
from wengert.core.types import FLOAT64, FLOATS, ArrayType

_WIDEST = 8
"""The longest array that is taken apart into numbers."""
_FEW = 16
"""Iterations up to which no loop is written; a line of text costs what it saves in about so many."""

_PLAIN: dict[Any, str] = {
    operator.add: "{} + {}",
    np.add: "{} + {}",
    operator.sub: "{} - {}",
    np.subtract: "{} - {}",
    operator.mul: "{} * {}",
    np.multiply: "{} * {}",
    operator.truediv: "{} / {}",
    np.divide: "{} / {}",
    operator.neg: "-{}",
    np.negative: "-{}",
    np.square: "{0} * {0}",
    np.sqrt: "sqrt({})",
}
"""What Python's floats compute to the same bits as NumPy's, unless they raise (1 / 0, the root of -1)."""


def by_floats(
    body: Graph, state: list[Any], sequences: Sequence[Any], invariants: Sequence[Any], order: range, stacks: list[Any]
) -> list[Any] | None:
    """The final carries, and the rows put into ``stacks``, of the iterations ``order``; None where the body or the
    values are others than float64 numbers (and very short arrays of them), or where Python's floats raise."""
    if len(order) < _FEW or not all(map(_is_plain, (*state, *invariants))):
        return None
    if not all(type(x) is np.ndarray and x.ndim in (1, 2) and x.dtype == FLOAT64 for x in sequences):
        return None
    loop = plain_loop(body, len(state), len(sequences))
    if loop is None:
        return None
    places = slice(order.start, order.stop if order.stop >= 0 else None, order.step)
    columns = [c for x in sequences for c in (x[places].T.tolist() if x.ndim == 2 else [x[places].tolist()])]
    try:
        ends, rows = loop(len(order), *_numbers(state), *columns, *_numbers(invariants))
    except (ZeroDivisionError, ValueError):
        return None
    more = iter(rows)
    for stack in stacks:
        stack[places] = np.array([next(more) for _ in range(stack.shape[1])]).T if stack.ndim > 1 else next(more)
    numbers = iter(ends)
    return [np.array([next(numbers) for _ in v]) if type(v) is np.ndarray else type(v)(next(numbers)) for v in state]


def _is_plain(value: Any) -> bool:
    kind = type(value)
    return kind in FLOATS or (kind is np.ndarray and value.ndim == 1 and value.dtype == FLOAT64)


def _numbers(values: Sequence[Any]) -> list[float]:
    return [n for v in values for n in (v.tolist() if type(v) is np.ndarray else (float(v),))]


def plain_loop(body: Graph, carries: int, sequences: int) -> Callable[..., Any] | None:
    """A body of arithmetic on float64 numbers and very short arrays alone as one function of the count and the numbers
    that carries, rows (an iterable per number, in the order of the iterations) and invariants consist of. It gives the
    numbers of the final carries, and a list per number of a row that is put out. None for other bodies."""
    if "plain" not in body.memory:
        body.memory["plain"] = _plain(body, carries, sequences)
    return body.memory["plain"]


def _width(kind: Any) -> int | None:
    """How many numbers an array has, 0 for a number by itself; None for what is not taken apart."""
    if type(kind) is not ArrayType or kind.dtype != FLOAT64 or len(kind.shape) > 1:
        return None
    if not kind.shape:
        return 0
    return kind.shape[0] if 0 < kind.shape[0] <= _WIDEST else None


def _plain(body: Graph, carries: int, sequences: int) -> Callable[..., Any] | None:
    widths = {n: _width(n.type) for n in (*body.inputs, *body.nodes)}
    if None in widths.values() or len({w for w in widths.values() if w}) > 1:
        return None
    widest = max((w or 0 for w in widths.values()), default=0)
    parts: dict[Node, list[str]] = {n: [f"a{k}_{i}" for i in range(widths[n] or 1)] for k, n in enumerate(body.inputs)}
    space: dict[str, Any] = {"sqrt": math.sqrt}
    lines: list[str] = []

    def parts_of(arg: Any) -> list[str] | None:
        if not isinstance(arg, Const):
            return parts[arg]
        value = arg.value
        if type(value) is not int and not _is_plain(value):
            return None
        numbers = _numbers([value])
        exact = type(value) is not int or numbers[0] == value  # a large int is rounded where it meets a float
        if not exact or any(map(math.isnan, numbers)) or len(numbers) not in {1, widest}:  # (NaNs have many forms)
            return None
        keys = [f"c{len(space) + i}" for i in range(len(numbers))]
        space.update(zip(keys, numbers, strict=True))
        return keys

    for k, node in enumerate(body.nodes):
        text = _PLAIN.get(node.evaluate or node.op.evaluate)
        operands = [parts_of(a) for a in node.args]
        if text is None or node.params or None in operands:
            return None
        parts[node] = [f"v{k}_{i}" for i in range(widths[node] or 1)]
        for i, name in enumerate(parts[node]):
            lines.append(f"        {name} = {text.format(*(o[i % len(o)] for o in operands if o))}")
    ends = [parts_of(o) for o in body.outputs]
    if None in ends:
        return None
    flat = [[name for part in some for name in part or ()] for some in (ends[:carries], ends[carries:])]
    carried = [name for n in body.inputs[:carries] for name in parts[n]]
    if len(flat[0]) != len(carried):
        return None
    moving = [name for n in body.inputs[carries : carries + sequences] for name in parts[n]]
    fixed = [name for n in body.inputs[carries + sequences :] for name in parts[n]]
    lines += [f"        n{k}({name})" for k, name in enumerate(flat[1])]  # first: a row may be what was carried in
    if carried:
        lines.append(f"        {', '.join(carried)}, = {', '.join(flat[0])},")
    along = ", ".join(["range(count)", *(f"s{name}" for name in moving)])
    results = "".join(f"o{k}, " for k in range(len(flat[1])))
    source = "\n".join(
        [
            f"def loop({', '.join(['count', *carried, *(f's{name}' for name in moving), *fixed])}):",
            *(f"    o{k} = []; n{k} = o{k}.append" for k in range(len(flat[1]))),
            f"    for {', '.join(['_', *moving])}, in zip({along}):",
            *(lines or ["        pass"]),
            f"    return ({''.join(f'{name}, ' for name in carried)}), ({results})",
            "",
        ]
    )
    exec(compile(source, "<wengert loop>", "exec"), space)  # the text is ours, the values are in `space`
    return space["loop"]


__all__ = ["by_floats", "plain_loop"]
