"""Local rules of element-wise steps: broadcasts left to NumPy, neutral elements, small powers, choices merged.

Imports core, ops, ``builder``, ``factors``. Invariant: a rule marked exact keeps every bit; what is the same along an
axis is computed once, never more often than before."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.core.graph import Operand, copy_step, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import ELEMENTWISE, OPS
from wengert.core.types import broadcast_shapes
from wengert.ops.memory import GET
from wengert.rewrite.builder import CONSTANT, Builder, Local, is_real, needs
from wengert.rewrite.factors import number, repeated
from wengert.rewrite.pattern import kind_of, kinds_of

_QUESTIONS = (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
)
"""Operations without a derivative that work element by element."""


def size(shape: tuple[int, ...]) -> int:
    """The number of elements."""
    return math.prod(shape)


def view(b: Builder, x: Operand, *path: tuple[str, Any], where: Any = None) -> Operand:
    """A region of a value."""
    kind = kind_of(x)
    return b.make("get", (x,), (tuple(path), kind.shape, kind.dtype), where)


# ---------------------------------------------------------------- broadcasts


def before_broadcast(b: Builder, operand: Operand) -> Operand | None:
    """What a broadcast value was before; None when the operand is none."""
    if isinstance(operand, Const):
        return None
    if operand.op is GET:
        path, shape, dtype = operand.params
        if not path or path[-1][0] != "broadcast" or len(operand.args) > 1:
            return None
        source = operand.args[0]
        if len(path) == 1:
            return source
        return b.make("get", (source,), (path[:-1], shape, dtype), operand.where)
    return repeated(b, operand)


def spread(b: Builder, small: Operand, shape: tuple[int, ...], where: Any) -> Operand:
    """A value repeated to a shape, as ``before_broadcast`` recognises it."""
    kind = kind_of(small)
    if kind.shape == shape:
        return small
    if kind.shape == ():
        return b.make("multiply", (Const(np.ones(shape, kind.dtype)), small), where=where)
    return view(b, small, ("broadcast", shape), where=where)


def _smaller(b: Builder, a: Operand) -> Operand | None:
    """An operand as it was before it was repeated along axes; None when it was not."""
    if isinstance(a, Const):
        number = b.uniform(a) if type(a.value) is np.ndarray and a.value.ndim else None
        return None if number is None else Const(number)
    if a.op is GET or (a.op.name == "multiply" and any(type(f) is Const for f in a.args)):
        return before_broadcast(b, a)
    return None


def unspread(b: Builder, node: Node) -> Operand | None:
    """Operands repeated to the shape that NumPy gives them anyway are read unrepeated; what is the same along an axis
    is computed once."""
    shape = node.type.shape
    if shape == ():
        return None
    if not any(
        a.op is GET or a.op.name == "multiply" if type(a) is not Const else type(a.value) is np.ndarray
        for a in node.args
    ):
        return None
    args = list(node.args)
    small = [_smaller(b, a) for a in args]
    if not any(s is not None for s in small):
        return None
    changed = False
    shapes = [kind_of(a).shape for a in args]
    for k, s in enumerate(small):
        if s is None:
            continue
        trial = [*shapes[:k], kind_of(s).shape, *shapes[k + 1 :]]
        if broadcast_shapes(*trial) == shape:
            args[k], shapes, changed = s, trial, True
    if changed:
        return b.add(copy_step(node, args))
    if all(s is not None or not h for s, h in zip(small, shapes, strict=True)) and before_broadcast(b, node) is None:
        least = [a if s is None else s for a, s in zip(args, small, strict=True)]
        if size(broadcast_shapes(*(kind_of(a).shape for a in least))) < size(shape):
            kind = node.op.infer(kinds_of(least), node.params)
            if kind.dtype == node.type.dtype and kind.dtype.kind in "fc":
                inner = b.add(step(node.op, least, node.params, kind, node.where, evaluate=node.evaluate))
                return spread(b, inner, shape, node.where)
    return None


# ---------------------------------------------------------------- neutral elements, powers


@needs(CONSTANT)
def neutral_factor(b: Builder, node: Node) -> Operand | None:
    """1 x = x, x / 1 = x, (-1) x = -x, for arrays of ones too where the shape stays."""
    for k in (0, 1) if node.op.name == "multiply" else (1,):
        a, x = node.args[k], node.args[1 - k]
        if isinstance(a, Const) and node.type.dtype.kind == "f" and kind_of(x) == node.type:
            factor = b.uniform(a)
            if factor == 1:
                return x
            if factor == -1:
                return b.make("negative", (x,), where=node.where)
    return None


@needs(CONSTANT)
def small_power(b: Builder, node: Node) -> Operand | None:
    """x^2 = x x as NumPy computes it for arrays; x^3 and x^4 by products, x^-1 as a quotient, each within roundings."""
    x, n = node.args
    c = number(n)
    if c is None or not is_real(node) or kind_of(x) != node.type or c not in (1, 2, 3, 4, -1):
        return None
    if c == 1:
        return x
    if c == -1:
        return b.make("divide", (Const(1.0), x), where=node.where)
    square = b.make("multiply", (x, x), where=node.where)
    if c == 2:
        return square
    return b.make("multiply", (square, x if c == 3 else square), where=node.where)


def square_of(b: Builder, node: Node) -> Operand | None:
    """square(x) = x x, the same product."""
    x = node.args[0]
    return b.make("multiply", (x, x), where=node.where) if is_real(node) else None


def released(b: Builder, node: Node) -> Operand | None:
    """A value kept from being differentiated: after the derivative was taken, simply the value."""
    return node.args[0]


# ---------------------------------------------------------------- choices


def choice(b: Builder, node: Node) -> Operand | None:
    """A choice under the same condition inside a choice, and choices that are none."""
    c, x, y = node.args
    if isinstance(c, Const) and not is_handle(c.value):
        truth = np.asarray(c.value)
        if truth.size and truth.dtype == bool and (truth.all() or not truth.any()):
            chosen = x if truth.flat[0] else y
            return chosen if kind_of(chosen) == node.type else None
        return None
    if isinstance(c, Const):
        return None
    if c.op.name == "logical_not":
        return b.make("where", (c.args[0], y, x), where=node.where)
    args = [c, x, y]
    for k in (1, 2):
        inner = args[k]
        if not isinstance(inner, Const) and inner.op.name == "where" and inner.args[0] is c:
            args[k] = inner.args[k]
    if args != [c, x, y] and b_shape(args) == node.type.shape:
        return b.make("where", args, where=node.where)
    return None


def b_shape(args: list[Operand]) -> tuple[int, ...]:
    """The shape that operands have together."""
    return broadcast_shapes(*(kind_of(a).shape for a in args))


def same_both_ways(b: Builder, node: Node) -> Operand | None:
    """where(c, x, x) = x."""
    _, x, y = node.args
    return x if x is y and kind_of(x) == node.type else None


# ---------------------------------------------------------------- the tables


def cleaning() -> dict[str, list[tuple[str, bool, Local]]]:
    """The rules of this file, by operation."""
    table: dict[str, list[tuple[str, bool, Local]]] = {}

    def enter(names: Any, *rules: tuple[str, bool, Local]) -> None:
        for name in names.split() if type(names) is str else names:
            table.setdefault(name, []).extend(rules)

    enter("multiply divide", ("neutral factor", True, neutral_factor))
    enter("power", ("small power", False, small_power))
    enter("square", ("square as a product", True, square_of))
    elementwise = [n for n, op in OPS.items() if op.kind == ELEMENTWISE and n not in ("power", "float_power")]
    enter([*elementwise, *_QUESTIONS, "where"], ("without repetition", True, unspread))
    enter("where", ("choice in a choice", True, choice), ("no choice", True, same_both_ways))
    return table


RELEASE: dict[str, list[tuple[str, bool, Local]]] = {
    "stop_gradient": [("released", True, released)],
    "shift": [("released", True, released)],
}
"""For programs that are not going to be differentiated any more."""

__all__ = ["RELEASE", "before_broadcast", "cleaning", "size", "spread", "view"]
