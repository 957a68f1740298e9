"""Local rules of sums and contractions: reduce before multiplying.

``sum_n L dq_n = L sum_n dq_n``: a sum moves through signs, factors, views, products with what does not depend on the
summed axes, matrix products and einsum. Imports core, ops, ``builder``, ``elements``. Invariant: terms are added in
another order at most; nothing is distributed over a difference unless each part gets cheaper."""

from __future__ import annotations

from typing import Any

from wengert.core.graph import Operand
from wengert.core.node import Const, Node
from wengert.ops.memory import GET
from wengert.rewrite.builder import Builder, Local
from wengert.rewrite.elements import before_broadcast, size, spread, view
from wengert.rewrite.factors import parted, scaled
from wengert.rewrite.pattern import kind_of

Axes = tuple[int, ...]


def normal(axis: Any, ndim: int) -> Axes:
    """Axes as a sorted tuple of numbers from 0."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if type(axis) is tuple else (axis,))))


def total(b: Builder, x: Operand, axes: Axes, where: Any) -> Operand:
    """The sum over axes, which then are gone."""
    kind = kind_of(x)
    if not axes:
        return x
    axis: Any = None if len(axes) == len(kind.shape) else axes[0] if len(axes) == 1 else axes
    return b.make("sum", (x,), (axis, False), where)


def _without(shape: tuple[int, ...], axes: Axes) -> tuple[int, ...]:
    return tuple(n for k, n in enumerate(shape) if k not in axes)


def reshaped(b: Builder, x: Operand, shape: tuple[int, ...], where: Any) -> Operand:
    """The value in another shape of as many elements."""
    return x if kind_of(x).shape == shape else view(b, x, ("reshape", (shape, "C")), where=where)


def sum_rule(b: Builder, node: Node) -> Operand | None:
    """A sum, moved inwards where that makes less work."""
    x, (axis, keepdims) = node.args[0], node.params
    kind = kind_of(x)
    if isinstance(x, Const) or kind.dtype.kind != "f" or kind.dtype != node.type.dtype or not kind.shape:
        return None
    axes = normal(axis, len(kind.shape))
    if not axes or 0 in kind.shape:
        return None
    made = moved(b, x, axes, node.where)
    if made is None:
        plain: Any = None if len(axes) == len(kind.shape) else axes[0] if len(axes) == 1 else axes
        if keepdims or plain == axis:
            return None
        return total(b, x, axes, node.where)
    if keepdims:
        made = reshaped(b, made, node.type.shape, node.where)
    return made


def moved(b: Builder, x: Operand, axes: Axes, where: Any) -> Operand | None:
    """The sum of x over axes as cheaper steps; None when there are none."""
    if isinstance(x, Const) or not b.single(x):
        return None
    found = parted(b, x)
    if found is not None:
        return scaled(b, found[0], total(b, found[1](), axes, where), where)
    rule = _MOVES.get(x.op.name)
    return None if rule is None else rule(b, x, axes, where)


def _of_view(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    path = x.params[0]
    source = x.args[0]
    shape = x.type.shape
    if len(x.args) > 1 or isinstance(source, Const):
        return None
    if path[-1][0] == "broadcast":
        inner = before_broadcast(b, x)
        assert inner is not None
        small = kind_of(inner).shape
        lead = len(shape) - len(small)
        repeated = [k for k in axes if k < lead or (small[k - lead] == 1 and shape[k] != 1)]
        if not repeated:
            return None
        gone = tuple(k - lead for k in axes if k >= lead)
        rest = total(b, inner, tuple(k for k in gone if small[k] != 1), where)
        rest = reshaped(b, rest, _without(small, gone), where)
        times = float(size(tuple(shape[k] for k in repeated)))
        return spread(b, scaled(b, times, rest, where), _without(shape, axes), where)
    if len(path) != 1:
        return None
    kind, argument = path[0]
    before = kind_of(source).shape
    if kind == "transpose" and argument is not None:
        order = tuple(k % len(shape) for k in argument)
        inner_axes = tuple(sorted(order[k] for k in axes))
        if moved(b, source, inner_axes, where) is None and len(axes) < len(shape):
            kept = [k for k in order if k not in inner_axes]
            if kept != sorted(kept):
                return None
        made = total(b, source, inner_axes, where)
        kept = [k for k in order if k not in inner_axes]
        ranks = tuple(sorted(kept).index(k) for k in kept)
        return made if ranks == tuple(range(len(ranks))) else view(b, made, ("transpose", ranks), where=where)
    if kind == "reshape" and argument[1] == "C" and [n for n in shape if n != 1] == [n for n in before if n != 1]:
        mine = [k for k, n in enumerate(shape) if n != 1]
        theirs = [k for k, n in enumerate(before) if n != 1]
        to = dict(zip(mine, theirs, strict=True))
        made = total(b, source, tuple(to[k] for k in axes if k in to), where)
        return reshaped(b, made, _without(shape, axes), where)
    return None


def _independent(a: Operand, axes: Axes, ndim: int) -> bool:
    """Whether an operand that is broadcast to ``ndim`` axes is the same along some."""
    shape = kind_of(a).shape
    lead = ndim - len(shape)
    return all(k < lead or shape[k - lead] == 1 for k in axes)


def _of_product(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    shape = x.type.shape
    axes = tuple(k for k in axes if shape[k] != 1)
    for k in (0, 1) if x.op.name == "multiply" else (1,):
        a, c = x.args[k], x.args[1 - k]
        free = tuple(j for j in axes if _independent(a, (j,), len(shape)))
        if not free or kind_of(c).shape != shape or kind_of(c).dtype != x.type.dtype:
            continue
        small = kind_of(a).shape
        lead = len(shape) - len(small)
        a = reshaped(b, a, _without(small, tuple(j - lead for j in free if j >= lead)), where)
        inner = total(b, c, free, where)
        args = (inner, a) if k else (a, inner)
        made = b.make(x.op.name, args, where=where)
        left = [j for j in range(len(shape)) if j not in free]
        return total(b, made, tuple(left.index(j) for j in axes if j not in free), where)
    return _of_nested(b, x, axes, where)


def _of_nested(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    """sum(c (y / r)) = sum(c y) / r for r that is the same along the summed axes."""
    shape = x.type.shape
    if x.op.name != "multiply" or not axes:
        return None
    for k in (0, 1):
        part, c = x.args[k], x.args[1 - k]
        if isinstance(part, Const) or part.op.name not in ("divide", "multiply") or not b.single(part):
            continue
        y, r = part.args
        if part.op.name == "multiply" and not _independent(r, axes, len(shape)):
            y, r = r, y
        if not _independent(r, axes, len(shape)) or any(kind_of(v) != x.type for v in (c, y)):
            continue
        product = b.make("multiply", (c, y), where=where)
        kept = tuple(1 if j in axes else n for j, n in enumerate(shape))
        small = reshaped(b, total(b, product, axes, where), kept, where)
        made = b.make(part.op.name, (small, r), where=where)
        if kind_of(made).shape == kept:
            return reshaped(b, made, _without(shape, axes), where)
    return None


def _product(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    if any(x.type.shape[k] == 1 for k in axes):
        return None
    return _of_product(b, x, axes, where)


def _of_terms(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    """sum(a + c) = sum(a) + sum(c) where one of them is a contraction or gets cheaper."""
    a, c = x.args
    if any(kind_of(t).shape != x.type.shape or kind_of(t).dtype != x.type.dtype for t in (a, c)):
        return None
    parts = [_lighter(b, t, axes) for t in (a, c)]
    if not any(parts):
        return None
    left, right = (total(b, t, axes, where) for t in (a, c))
    return b.make(x.op.name, (left, right), where=where)


def _lighter(b: Builder, t: Operand, axes: Axes) -> bool:
    """Whether the sum of a term over axes moves into a contraction or a product."""
    for _ in range(4):
        if isinstance(t, Const) or not b.single(t):
            return False
        shape = t.type.shape
        name = t.op.name
        if name == "matmul":
            return _through_matmul(t, axes) != ()
        if name == "einsum":
            return "..." not in t.params[0]
        if name in ("add", "subtract"):
            return any(_lighter(b, u, axes) for u in t.args if kind_of(u).shape == shape)
        if name == "negative":
            t = t.args[0]
            continue
        if t.op is GET and len(t.args) == 1 and len(t.params[0]) == 1 and t.params[0][0][0] == "transpose":
            order = t.params[0][0][1]
            if order is None:
                return False
            axes = tuple(sorted(order[k] % len(shape) for k in axes))
            t = t.args[0]
            continue
        return False
    return False


def _through_matmul(x: Node, axes: Axes) -> Axes:
    """Those of the axes whose sum can be taken in one operand of a matrix product."""
    a, c = x.args
    p, q = kind_of(a).shape, kind_of(c).shape
    ndim = len(x.type.shape)
    if len(p) < 2 or len(q) < 2:
        return ()
    found = [k for k in axes if k in (ndim - 2, ndim - 1)]
    found += [k for k in axes if k < ndim - 2 and (_independent(a, (k,), ndim) or _independent(c, (k,), ndim))]
    return tuple(sorted(found))


def _of_matmul(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    ndim, shape = len(x.type.shape), x.type.shape
    inner = _through_matmul(x, axes)
    if not inner or any(shape[k] == 1 for k in inner):
        return None
    args = list(x.args)
    for k in inner:
        if k == ndim - 1:
            which = 1
        elif k == ndim - 2:
            which = 0
        else:
            which = 1 if _independent(args[0], (k,), ndim) else 0
        kind = kind_of(args[which])
        at = k - (ndim - len(kind.shape))
        kept = tuple(1 if j == at else n for j, n in enumerate(kind.shape))
        args[which] = reshaped(b, total(b, args[which], (at,), where), kept, where)
    made = b.make("matmul", args, where=where)
    made = reshaped(b, made, _without(shape, inner), where)
    left = [j for j in range(ndim) if j not in inner]
    return total(b, made, tuple(left.index(j) for j in axes if j not in inner), where)


def _of_einsum(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    subscripts, optimize = x.params
    if "..." in subscripts:
        return None
    left, right = subscripts.split("->")
    kept = "".join(letter for k, letter in enumerate(right) if k not in axes)
    return b.make("einsum", x.args, (f"{left}->{kept}", optimize), where)


def _of_sum(b: Builder, x: Node, axes: Axes, where: Any) -> Operand | None:
    if x.params[1]:
        return None
    source = x.args[0]
    ndim = len(kind_of(source).shape)
    first = normal(x.params[0], ndim)
    left = [k for k in range(ndim) if k not in first]
    return total(b, source, tuple(sorted((*first, *(left[k] for k in axes)))), where)


_MOVES = {
    "get": _of_view,
    "multiply": _product,
    "divide": _product,
    "add": _of_terms,
    "subtract": _of_terms,
    "matmul": _of_matmul,
    "einsum": _of_einsum,
    "sum": _of_sum,
}


SUMS: dict[str, list[tuple[str, bool, Local]]] = {"sum": [("sum moved inwards", False, sum_rule)]}

__all__ = ["SUMS", "moved", "normal", "reshaped", "total"]
