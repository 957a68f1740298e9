"""Gates spelled out in NumPy, recognised: the logistic function, softplus, softmax, log-sum-exp.

A gate found before differentiation is stable at every input and has a derivative made of its own value: the shift of a
softmax is kept from being differentiated (it cancels), so the reverse sweep has no second exponential and no ties of a
maximum. Imports core, ops, ``builder``, ``pattern``. Invariant: these rules change a finite value by roundings of the
spelled-out form at most; an infinity or NaN may become the right finite number."""

from __future__ import annotations

from typing import Any

from wengert.core.graph import Graph, Operand, copy_step
from wengert.core.node import Const, Node
from wengert.ops import (  # the operations that the patterns name
    arithmetic,
    control,
    gates,
    reduce,
    transcendental,
)
from wengert.ops.memory import GET
from wengert.rewrite.builder import Builder, Local, is_real, joined, needs, rebuild
from wengert.rewrite.elements import size, view
from wengert.rewrite.pattern import Bindings, Rule, Variable, call, kind_of
from wengert.rewrite.regions import in_order
from wengert.rewrite.sums import normal

_FAMILIES = (arithmetic, control, gates, reduce, transcendental)

x, y = Variable("x"), Variable("y")


def real(found: Bindings, node: Node) -> bool:
    """All is real floating point."""
    return node.type.dtype.kind == "f" and all(kind_of(v).dtype.kind == "f" for v in found.values())


def exp(argument: Any) -> Any:
    """A pattern."""
    return call("exp", argument)


def sigmoid(argument: Any) -> Any:
    """A pattern."""
    return call("logistic", argument)


def softplus(argument: Any) -> Any:
    """A pattern."""
    return call("softplus", argument)


_LOGISTIC = "the logistic function, without overflow"
_SMOOTH = "the smooth rectifier, without overflow"

LOGARITHMS: list[Rule] = [
    Rule(f"{text} {name}", pattern, replacement, "without overflow", real, False)
    for name, y_of_x in (("logistic", sigmoid(x)), ("sigmoid", call("sigmoid", x)))
    for text, pattern, replacement in (
        ("log of", call("log", y_of_x), -softplus(-x)),
        ("log of 1 -", call("log", 1 - y_of_x), -softplus(x)),
        ("log1p of -", call("log1p", -y_of_x), -softplus(x)),
    )
]
"""Logarithms of gates, which share their exponential."""

QUOTIENTS: list[Rule] = [
    Rule("sigmoid", 1 / (1 + exp(-x)), sigmoid(x), _LOGISTIC, real, False),
    Rule("sigmoid of minus x", 1 / (1 + exp(x)), sigmoid(-x), _LOGISTIC, real, False),
    Rule("sigmoid as a quotient", exp(x) / (1 + exp(x)), sigmoid(x), _LOGISTIC, real, False),
    Rule("quotient by 1 + exp(-x)", y / (1 + exp(-x)), y * sigmoid(x), _LOGISTIC, real, False),
    Rule("quotient by 1 + exp(x)", y / (1 + exp(x)), y * sigmoid(-x), _LOGISTIC, real, False),
]
"""In a derivative that was recorded from the spelled-out gate, the exponential goes too (``opposite``)."""

GATES: list[Rule] = [
    Rule("sigmoid as a reciprocal", call("reciprocal", 1 + exp(-x)), sigmoid(x), _LOGISTIC, real, False),
    Rule("sigmoid by tanh", 0.5 * (1 + call("tanh", 0.5 * x)), sigmoid(x), _LOGISTIC, real, False),
    Rule("sigmoid by tanh of a half", 0.5 * (1 + call("tanh", x / 2)), sigmoid(x), _LOGISTIC, real, False),
    Rule("half of tanh", 0.5 + 0.5 * call("tanh", 0.5 * x), sigmoid(x), _LOGISTIC, real, False),
    Rule("half of tanh of a half", 0.5 + 0.5 * call("tanh", x / 2), sigmoid(x), _LOGISTIC, real, False),
    Rule("softplus", call("log", 1 + exp(x)), softplus(x), _SMOOTH, real, False),
    Rule("softplus by log1p", call("log1p", exp(x)), softplus(x), _SMOOTH, real, False),
    Rule("softplus by logaddexp", call("logaddexp", 0, x), softplus(x), _SMOOTH, real, False),
    Rule("softplus by logaddexp, turned", call("logaddexp", x, 0), softplus(x), _SMOOTH, real, False),
    Rule("log of exp", call("log", exp(x)), x, "inverse functions, without overflow", real, False),
    Rule("log of a quotient of exp", call("log", exp(x) / y), x - call("log", y), "log softmax", real, False),
]
"""Gates that are one pattern."""

STABILITY: list[Rule] = [*LOGARITHMS, *QUOTIENTS, *GATES]
"""What may turn an infinity or NaN into the right finite number; never applied to what a guard depends on."""

SPARING: list[Rule] = [
    Rule("product with itself", x * x, call("square", x), "its derivative is one product", real),
    Rule("sparing sigmoid", call("sigmoid", x), sigmoid(x), "its derivative needs the output only", real),
]
"""For programs that are going to be differentiated."""


# ---------------------------------------------------------------- shifted exponentials


def _source(operand: Operand) -> Operand:
    """What a value is a region or another shape of, elements in order and all of them."""
    while not isinstance(operand, Const) and operand.op is GET and len(operand.args) == 1:
        inner = operand.args[0]
        if isinstance(inner, Const) or size(operand.type.shape) != size(kind_of(inner).shape):
            break
        if not all(in_order(kind, argument) for kind, argument in operand.params[0]):
            break
        operand = inner
    return operand


def _aligned(operand: Operand, shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether something reduced over axes stands where NumPy broadcasts it back over these."""
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    got = kind_of(operand).shape
    return got == kept[len(kept) - len(got) :] and size(got) == size(kept)


def _summed_exp(operand: Operand) -> tuple[Node, Node, tuple[int, ...]] | None:
    """(sum, exp, axes) where a value is, but for its shape, a sum of exponentials over axes."""
    found = _source(operand)
    if isinstance(found, Const) or found.op.name != "sum" or isinstance(found.args[0], Const):
        return None
    e = found.args[0]
    if e.op.name != "exp" or e.type.dtype.kind != "f" or not e.type.shape or 0 in e.type.shape:
        return None
    return found, e, normal(found.params[0], len(e.type.shape))


def _shift(u: Operand) -> tuple[Operand, Operand, Node] | None:
    """(x, m, max) where u = x - m and m is, but for its shape, a maximum; also one that is constant already."""
    if isinstance(u, Const) or u.op.name != "subtract":
        return None
    m = _source(u.args[1])
    if isinstance(m, Const) or m.op.name not in ("max", "shift", "stop_gradient", "where"):
        return None
    return u.args[0], u.args[1], m


def _constant_shift(b: Builder, u: Node, axes: tuple[int, ...], gate: tuple[str, Any]) -> Operand | None:
    """x - m with the maximum m kept from being differentiated; None where u is no such difference."""
    found = _shift(u)
    if found is None or b.final or found[2].op.name != "max" or not _aligned(found[1], u.type.shape, axes):
        return None
    return b.make("subtract", (found[0], _stopped(b, found[1], found[2], gate)), where=u.where)


def _stopped(b: Builder, m: Operand, maximum: Node, gate: tuple[str, Any]) -> Operand:
    """The same region of the maximum, kept from being differentiated; the gate has a name and a line."""
    if m is maximum:
        return b.make("shift", (m,), gate[:1], where=gate[1])
    assert isinstance(m, Node)
    return b.add(copy_step(m, (_stopped(b, m.args[0], maximum, gate),)))


def _fresh_shift(b: Builder, e: Node, axes: tuple[int, ...], gate: tuple[str, Any]) -> tuple[Operand, Operand]:
    """(e^(x - m), m) for the maximum m of x over axes, 0 where that is infinite or NaN; m keeps its axes as 1."""
    inner = e.args[0]
    axis: Any = None if len(axes) == len(e.type.shape) else axes[0] if len(axes) == 1 else axes
    largest = b.make("max", (inner,), (axis, True), e.where)
    finite = b.make("isfinite", (largest,), where=e.where)
    m = b.make("where", (finite, largest, Const(0.0)), where=e.where)
    if not b.final:
        m = b.make("shift", (m,), gate[:1], where=gate[1])
    return b.make("exp", (b.make("subtract", (inner, m), where=e.where),), where=e.where), m


def _again(b: Builder, operand: Operand, old: Node, new: Operand) -> Operand:
    """The same region of a new value."""
    if operand is old:
        return new
    assert isinstance(operand, Node)
    return b.add(copy_step(operand, (_again(b, operand.args[0], old, new),)))


@needs("exp")
def softmax(b: Builder, node: Node) -> Operand | None:
    """e^u / sum e^u: any shift cancels, so it is made the maximum, and is not differentiated."""
    top, below = node.args
    found = _summed_exp(below) if not isinstance(top, Const) else None
    if found is None or found[1] is not top or not is_real(node):
        return None
    total, e, axes = found
    if not _aligned(below, e.type.shape, axes):
        return None
    shift = _shift(e.args[0])
    if shift is None:
        if b.final and not b.inside(node, (e.args[0],)):
            return None
        fresh, _ = _fresh_shift(b, e, axes, ("softmax", node.where))
    else:
        u = _constant_shift(b, e.args[0], axes, ("softmax", node.where))
        if u is None:
            return None
        fresh = b.make("exp", (u,), where=e.where)
    summed = b.make("sum", (fresh,), total.params, total.where)
    return b.make("divide", (fresh, _again(b, below, total, summed)), where=node.where)


def log_sum_exp(b: Builder, node: Node) -> Operand | None:
    """log sum e^x = m + log sum e^(x - m)."""
    found = _summed_exp(node.args[0]) if is_real(node) else None
    if found is None:
        return None
    total, e, axes = found
    if _shift(e.args[0]) is not None or (b.final and not b.inside(node, (e.args[0],))):
        return None
    fresh, m = _fresh_shift(b, e, axes, ("log-sum-exp", node.where))
    summed = _again(b, node.args[0], total, b.make("sum", (fresh,), total.params, total.where))
    if kind_of(m).shape != node.type.shape:
        m = view(b, m, ("reshape", (node.type.shape, "C")), where=node.where)
    return b.make("add", (b.make("log", (summed,), where=node.where), m), where=node.where)


def log_sum_exp_reduce(b: Builder, node: Node) -> Operand | None:
    """np.logaddexp.reduce(x): the same with one pass for the maximum."""
    inner, (axis, keepdims) = node.args[0], node.params
    kind = kind_of(inner)
    if isinstance(inner, Const) or kind.dtype.kind != "f" or not kind.shape or 0 in kind.shape:
        return None
    e = b.make("exp", (inner,), where=node.where)
    return b.make("log", (b.make("sum", (e,), (axis, keepdims), node.where),), where=node.where)


def _same_maximum(m: Operand, other: Node) -> bool:
    """Whether two maxima are the same numbers; one may have kept its axes."""
    if isinstance(m, Const) or m.op.name != "max" or other.op.name != "max" or m.args[0] is not other.args[0]:
        return False
    ndim = len(kind_of(m.args[0]).shape)
    return normal(m.params[0], ndim) == normal(other.params[0], ndim)


@needs("log")
def shifted_log_sum_exp(b: Builder, node: Node) -> Operand | None:
    """m + log sum e^(x - m): the shift cancels, and is not differentiated."""
    for k in (0, 1):
        m, log = node.args[k], node.args[1 - k]
        if isinstance(log, Const) or isinstance(m, Const) or log.op.name != "log" or not is_real(node):
            continue
        found = _summed_exp(log.args[0])
        shift = None if found is None else _shift(found[1].args[0])
        if found is None or shift is None or not _same_maximum(_source(m), shift[2]):
            continue
        total, e, axes = found
        gate = ("log-sum-exp", node.where)
        u = _constant_shift(b, e.args[0], axes, gate)
        if u is None or kind_of(m).shape != node.type.shape or log.type.shape != node.type.shape:
            continue
        summed = b.make("sum", (b.make("exp", (u,), where=e.where),), total.params, total.where)
        inner = b.make("log", (_again(b, log.args[0], total, summed),), where=log.where)
        args = (_stopped(b, m, _source(m), gate), inner)  # type: ignore[arg-type]
        return b.make("add", args if k == 0 else args[::-1], where=node.where)
    return None


def log_softmax(b: Builder, node: Node) -> Operand | None:
    """u - log sum e^u with u = x - m: the shift cancels, and is not differentiated."""
    u, below = node.args
    log = _source(below)
    if isinstance(u, Const) or isinstance(log, Const) or log.op.name != "log" or not is_real(node):
        return None
    found = _summed_exp(log.args[0])
    if found is None or found[1].args[0] is not u or not _aligned(below, u.type.shape, found[2]):
        return None
    total, e, axes = found
    fresh = _constant_shift(b, u, axes, ("log-softmax", node.where))
    if fresh is None:
        return None
    summed = b.make("sum", (b.make("exp", (fresh,), where=e.where),), total.params, total.where)
    inner = b.make("log", (_again(b, log.args[0], total, summed),), where=log.where)
    return b.make("subtract", (fresh, _again(b, below, log, inner)), where=node.where)


SHIFTS: dict[str, list[tuple[str, bool, Local]]] = {
    "divide": [("softmax", False, softmax)],
    "log": [("log-sum-exp", False, log_sum_exp)],
    "logaddexp_reduce": [("log-sum-exp by reduce", False, log_sum_exp_reduce)],
    "add": [("shifted log-sum-exp", False, shifted_log_sum_exp)],
    "subtract": [("log-softmax", False, log_softmax)],
}
"""Gates that sum exponentials over axes."""


# ---------------------------------------------------------------- after differentiation


def complement(b: Builder, node: Node) -> Operand | None:
    """sigmoid(-x) = 1 - sigmoid(x) where that is there already: the derivative y (1 - y) without an exponential."""
    inner = node.args[0]
    if isinstance(inner, Const) or not is_real(node):
        return None
    other = inner.args[0] if inner.op.name == "negative" else None
    known = b.known("sigmoid", (other,)) if other is not None else None
    if known is None:
        opposite = b.known("negative", (inner,))
        known = None if opposite is None else b.known("sigmoid", (opposite,))
    if known is None:
        return None
    return b.make("subtract", (Const(1.0), known), where=node.where)


@needs("exp")
def opposite(b: Builder, node: Node) -> Operand | None:
    """sigmoid(x) e^-x = 1 - sigmoid(x) and (1 - sigmoid(x)) e^x = sigmoid(x), also where these are one of several
    factors."""
    for k in (0, 1):
        e, product = node.args[k], node.args[1 - k]
        if isinstance(e, Const) or e.op.name != "exp" or isinstance(product, Const) or not is_real(node):
            continue
        same = b.known("sigmoid", (e.args[0],))
        rest = None if same is None else b.known("subtract", (Const(1.0), same))
        inner, negative = _signed(e.args[0])
        other: Operand | None = inner if negative else b.known("negative", (inner,))
        turned = None if other is None else b.known("sigmoid", (other,))
        for factor, becomes in ((rest, same), (turned, None)):
            left = None if factor is None or factor.type != node.type else _without_factor(b, product, factor, 4)
            if left is None or factor is None:
                continue
            made = b.make("subtract", (Const(1.0), factor), where=node.where) if becomes is None else becomes
            return made if left is _NOTHING else b.make("multiply", (left, made), where=node.where)
    return None


_NOTHING = Const(1.0)


def _without_factor(b: Builder, product: Operand, y: Node, deep: int) -> Operand | None:
    """A product without one of its factors: ``_NOTHING`` where nothing is left, None where it is no factor."""
    if product is y:
        return _NOTHING
    if isinstance(product, Const) or product.op.name != "multiply" or not deep or not b.single(product):
        return None
    for k, part in enumerate(product.args):
        rest = _without_factor(b, part, y, deep - 1)
        if rest is not None:
            other = product.args[1 - k]
            return other if rest is _NOTHING else b.make("multiply", (rest, other), where=product.where)
    return None


def plain_sigmoid(b: Builder, node: Node) -> Operand | None:
    """After the derivative was taken the logistic function goes by one name."""
    return b.make("sigmoid", node.args, where=node.where)


PLAIN: dict[str, list[tuple[str, bool, Local]]] = {
    "sigmoid": [("complement", False, complement)],
    "logistic": [("sigmoid again", True, plain_sigmoid)],
    "multiply": [("opposite sigmoid", False, opposite)],
}


def shared_exponentials(graph: Graph) -> Graph:
    """The graph with one exponential e = e^-|x| where several of sigmoid(x), softplus(x), softplus(-x) are computed."""
    groups: dict[Operand, dict[tuple[str, Operand], int]] = {}
    for node in graph.nodes:
        if node.op.name in ("sigmoid", "softplus") and is_real(node):
            groups.setdefault(_signed(node.args[0])[0], {})[node.op.name, node.args[0]] = node.seq
    chosen = {seq for group in groups.values() if len(group) > 1 for seq in group.values()}
    if not chosen:
        return graph

    def expand(b: Builder, node: Node) -> Operand | None:
        return _by_small_exponential(b, node) if node.seq in chosen else None

    rule: list[tuple[str, bool, Local]] = [("shared exponential", False, expand)]
    return rebuild(graph, joined({"sigmoid": rule, "softplus": rule}), final=True)[0]


def _signed(operand: Operand) -> tuple[Operand, bool]:
    if isinstance(operand, Const) or operand.op.name != "negative":
        return operand, False
    return operand.args[0], True


def _by_small_exponential(b: Builder, node: Node) -> Operand:
    inner, negative = _signed(node.args[0])
    where = node.where
    magnitude = b.make("absolute", (inner,), where=where)
    e = b.make("exp", (b.make("negative", (magnitude,), where=where),), where=where)
    if node.op.name == "softplus":
        large = b.make("maximum", (node.args[0], Const(0.0)), where=where)
        return b.make("add", (large, b.make("log1p", (e,), where=where)), where=where)
    right = b.make("greater_equal", (inner, Const(0.0)), where=where)
    top = b.make("where", (right, e, Const(1.0)) if negative else (right, Const(1.0), e), where=where)
    return b.make("divide", (top, b.make("add", (Const(1.0), e), where=where)), where=where)


__all__ = ["GATES", "LOGARITHMS", "PLAIN", "QUOTIENTS", "SHIFTS", "SPARING", "STABILITY", "shared_exponentials"]
