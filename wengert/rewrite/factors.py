"""Local rules of products: signs and factors brought outwards, quotients by one divisor joined.

Imports core, ops, ``builder``. Invariant: a rule marked exact keeps every bit; the others move a factor past a product
only where no number that was finite can overflow on the way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from wengert.core.graph import Operand, copy_step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.ops.memory import GET
from wengert.rewrite.builder import Builder, Local, is_real, needs
from wengert.rewrite.pattern import kind_of


def number(operand: Operand) -> float | None:
    """A constant real number as a factor; None for everything else."""
    if isinstance(operand, Const) and type(operand.value) in (float, int, np.float64, np.float32):
        return float(operand.value)
    return None


def repeated(b: Builder, node: Node) -> Operand | None:
    """The number that a product with an array of ones repeats; None for every other step."""
    if node.op.name != "multiply" or not node.type.shape:
        return None
    for k in (0, 1):
        ones, other = node.args[k], node.args[1 - k]
        if isinstance(ones, Const) and type(ones.value) is np.ndarray and b.uniform(ones) == 1:
            kind = kind_of(other)
            if kind.shape == () and kind.dtype == node.type.dtype:
                return other
    return None


def parted(
    b: Builder, operand: Operand, *, views: bool = True, deep: int = 2
) -> tuple[float, Callable[[], Operand]] | None:
    """A value as factor times rest, where nothing else reads the product; the rest is made when asked for."""
    if not b.single(operand) or isinstance(operand, Const) or operand.type.dtype.kind != "f":
        return None
    name = operand.op.name
    if name == "negative":
        return -1.0, lambda: operand.args[0]
    if name == "multiply":
        for k in (0, 1):
            factor, rest = number(operand.args[k]), operand.args[1 - k]
            if factor is not None and kind_of(rest) == operand.type and _moderate(factor):
                return factor, partial(_itself, rest)
        for k in (0, 1) if deep else ():
            part, other = operand.args[k], operand.args[1 - k]
            inner = parted(b, part, views=views, deep=deep - 1)
            if inner is not None:
                return inner[0], partial(_times, b, inner[1], other, operand.where)
    if name == "divide":
        top, below = operand.args
        factor = number(top)
        if factor is not None and abs(factor) in (0.5, 2.0):
            return factor, lambda: b.make("divide", (Const(1.0), below), where=operand.where)
    if views and operand.op is GET and len(operand.args) == 1:
        inner = parted(b, operand.args[0])
        if inner is not None and all(kind != "broadcast" for kind, _ in operand.params[0]):
            return inner[0], lambda: b.add(copy_step(operand, (inner[1](),)))
    return None


def _itself(x: Operand) -> Operand:
    return x


def _times(b: Builder, made: Callable[[], Operand], other: Operand, where: Any) -> Operand:
    return b.make("multiply", (made(), other), where=where)


def _moderate(factor: float) -> bool:
    return 2.0**-20 <= abs(factor) <= 2.0**20


def scaled(b: Builder, factor: float, x: Operand, where: Any) -> Operand:
    """Factor times x."""
    if factor == 1.0:
        return x
    if factor == -1.0:
        return b.make("negative", (x,), where=where)
    return b.make("multiply", (Const(float(factor)), x), where=where)


def signs_of_product(b: Builder, node: Node) -> Operand | None:
    """(-x) y = -(x y), and likewise for quotients."""
    if not is_real(node) or repeated(b, node) is not None:
        return None
    sign, args = 1.0, list(node.args)
    for k, a in enumerate(args):
        found = parted(b, a)
        if found is not None and found[0] == -1.0:
            sign, args[k] = -sign, found[1]()
    if args == list(node.args):
        return None
    if sign < 0:
        for k, a in enumerate(args):
            c = a.value if isinstance(a, Const) and not is_handle(a.value) else None
            if type(c) in (float, np.float64, np.float32) or (type(c) is np.ndarray and c.dtype.kind == "f"):
                args[k] = Const(-c)  # type: ignore[operator]
                return b.add(copy_step(node, args))
    inner = b.add(copy_step(node, args))
    return inner if sign > 0 else b.make("negative", (inner,), where=node.where)


def factors_of_product(b: Builder, node: Node) -> Operand | None:
    """(p x) (q y) = (p q) (x y) where that cannot overflow earlier; p (q x) = (p q) x."""
    if not is_real(node):
        return None
    for k in (0, 1):
        outer, inner = number(node.args[k]), parted(b, node.args[1 - k])
        if outer is not None and inner is not None:
            both = outer * inner[0]
            if _moderate(outer) and _same_side(outer, inner[0]):
                return scaled(b, both, inner[1](), node.where)
            return None
    if repeated(b, node) is not None:
        return None
    parts = [parted(b, a) for a in node.args]
    p, q = (1.0 if f is None else f[0] for f in parts)
    if abs(p * q) != 1.0 or p == q == 1.0:  # then only what costs no more on the larger result
        parts = [f if kind_of(a).shape == node.type.shape else None for a, f in zip(node.args, parts, strict=True)]
        p, q = (1.0 if f is None else f[0] for f in parts)
    if abs(p * q) < 1.0 or parts == [None, None]:
        return None
    rest = [a if f is None else f[1]() for a, f in zip(node.args, parts, strict=True)]
    return scaled(b, p * q, b.make("multiply", rest, where=node.where), node.where)


def _same_side(p: float, q: float) -> bool:
    return (abs(p) >= 1) == (abs(q) >= 1) or abs(p) == 1 or abs(q) == 1 or abs(p * q) == 1


@needs("divide")
def reciprocal_factor(b: Builder, node: Node) -> Operand | None:
    """x (c / y) = (c x) / y for c = 1, -1: one rounding less."""
    if not is_real(node):
        return None
    for k in (0, 1):
        a, x = node.args[k], node.args[1 - k]
        if not isinstance(a, Const) and a.op.name == "divide" and b.single(a) and a.type.shape == node.type.shape:
            c, y = number(a.args[0]), a.args[1]
            if c is not None and abs(c) == 1.0 and kind_of(y).shape == node.type.shape and kind_of(x).shape != ():
                made = b.make("divide", (x, y), where=node.where)
                return scaled(b, c, made, node.where)
    return None


def common_divisor(b: Builder, node: Node) -> Operand | None:
    """x (1 / s) - y / s = (x - y) / s."""
    tops: list[Operand] = []
    below: list[Operand] = []
    for a in node.args:
        if not b.single(a) or isinstance(a, Const):
            return None
        if a.op.name == "divide":
            tops.append(a.args[0])
            below.append(a.args[1])
            continue
        if a.op.name != "multiply":
            return None
        for k in (0, 1):
            part = a.args[k]
            if b.single(part) and part.op.name == "divide" and number(part.args[0]) == 1.0:
                tops.append(a.args[1 - k])
                below.append(part.args[1])
                break
        else:
            return None
    if below[0] is not below[1] or isinstance(below[0], Const) or not is_real(node):
        return None
    return b.make("divide", (b.make(node.op.name, tops, where=node.where), below[0]), where=node.where)


@needs("divide")
def known_quotient(b: Builder, node: Node) -> Operand | None:
    """(u / s) e = u (e / s) where e / s is there already."""
    for k in (0, 1):
        part, e = node.args[k], node.args[1 - k]
        if isinstance(e, Const) or isinstance(part, Const) or part.op.name != "divide" or not b.single(part):
            continue
        known = b.known("divide", (e, part.args[1]))
        if known is not None and b.earlier(known, part) and is_real(node):
            return b.make("multiply", (part.args[0], known), where=node.where)
    return None


def negative_of(b: Builder, node: Node) -> Operand | None:
    """-(-x) = x, -(c x) = (-c) x."""
    x = node.args[0]
    if isinstance(x, Const) or not is_real(node):
        return None
    if x.op.name == "negative":
        return x.args[0]
    if x.op.name == "multiply" and b.single(x):
        for k in (0, 1):
            c = x.args[k]
            if number(c) is not None and type(c.value) is not int:
                args = list(x.args)
                args[k] = Const(-c.value)
                return b.add(copy_step(x, args))
    if x.op is GET and len(x.args) == 1 and b.single(x):
        inner = parted(b, x)
        if inner is not None and inner[0] == -1.0:
            return inner[1]()
    return None


def negative_term(b: Builder, node: Node) -> Operand | None:
    """(-x) + y = y - x, x + (-y) = x - y, x - (-y) = x + y, through views too."""
    if not is_real(node):
        return None
    x, y = node.args
    add = node.op.name == "add"
    right = parted(b, y) if not isinstance(y, Const) else None
    if right is not None and right[0] == -1.0:
        return b.make("subtract" if add else "add", (x, right[1]()), where=node.where)
    left = parted(b, x) if add and not isinstance(x, Const) else None
    if left is not None and left[0] == -1.0:
        return b.make("subtract", (y, left[1]()), where=node.where)
    return None


FACTORS: dict[str, list[tuple[str, bool, Local]]] = {
    "multiply": [
        ("signs of a product", True, signs_of_product),
        ("factors of a product", False, factors_of_product),
        ("times a reciprocal", False, reciprocal_factor),
        ("known quotient", False, known_quotient),
    ],
    "divide": [("signs of a quotient", True, signs_of_product)],
    "negative": [("negative of negative", True, negative_of)],
    "add": [("negative term", True, negative_term), ("common divisor", False, common_divisor)],
    "subtract": [("negative term", True, negative_term), ("common divisor", False, common_divisor)],
}

__all__ = ["FACTORS", "number", "parted", "repeated", "scaled"]
