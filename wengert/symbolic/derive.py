"""Derivatives of terms by terms: one backward sweep with symbolic cotangents, whatever the ranks of output and input.

The cotangent of a node carries the output's axes first (Laue et al. 2018, 2020); because products are kept flat, the
order of contraction is free and chosen when the form is evaluated. Imports build, functions, matrices. Invariant:
shape(result) = shape(y) + shape(x).
"""

from __future__ import annotations

from collections.abc import Hashable

from wengert.core.errors import NoRuleError, WengertTypeError
from wengert.symbolic import functions
from wengert.symbolic.build import contract, eye, fresh, is_zero, minus, negative, plus, scale, zero
from wengert.symbolic.matrices import matrix, reduce
from wengert.symbolic.polar import polar_derivative
from wengert.symbolic.terms import (
    Abstract,
    Fn,
    Matrix,
    Prod,
    Reduce,
    Sum,
    Term,
    Var,
    exact,
    intern,
    ordered,
)

Pull = list[tuple[Term, Term]]


def jacobian(y: Term, x: Term) -> Term:
    """dy/dx with the axes of y, then those of x.

    Raises NoRuleError, naming the function, where a part of y that depends on x has no derivative here.
    """
    if not isinstance(x, (Var, Abstract)):
        raise WengertTypeError("a derivative is taken with respect to a variable")
    out = tuple(f"y{k}" for k in range(y.rank))
    own = tuple(f"z{k}" for k in range(y.rank))
    shape = (*y.shape, *x.shape)
    cotangents: dict[int, Term] = {
        y.ident: contract([(eye(d), (a, b)) for d, a, b in zip(y.shape, out, own, strict=True)], (*out, *own))
    }
    nodes = ordered(y)
    needed: dict[int, bool] = {}
    for node in nodes:
        needed[node.ident] = node is x or any(needed[c.ident] for c in node.children)
    if not needed[y.ident]:
        return zero(shape)
    for node in reversed(nodes):
        bar = cotangents.pop(node.ident, None)
        if node is x:
            return bar if bar is not None else zero(shape)
        if bar is None or is_zero(bar) or not needed[node.ident]:
            continue
        for child, part in pulled(node, bar, y.rank, needed):
            if needed[child.ident]:
                old = cotangents.get(child.ident)
                cotangents[child.ident] = part if old is None else plus(part, old)
    return zero(shape)


def pulled(node: Term, bar: Term, lead: int, needed: dict[int, bool]) -> Pull:
    """The cotangents that a node hands to its children."""
    s = tuple(f"s{k}" for k in range(lead))
    if isinstance(node, Sum):
        return [(t, scale(c, bar)) for c, t in node.terms]
    if isinstance(node, Prod):
        return _product(node, bar, s, needed)
    at = (*s, *(f"i{k}" for k in range(node.rank)))
    if isinstance(node, Fn):
        found = []
        for k, arg in enumerate(node.args):
            if needed[arg.ident]:
                partial = functions.derivative(node, k)
                if partial is None:
                    raise NoRuleError(f"no closed form: the derivative of {node.name} is not known by a name")
                found.append((arg, contract([(bar, at), (partial, at[lead:])], at)))
        return found
    if isinstance(node, Matrix):
        return [(node.arg, _matrix(node, bar, s))]
    if isinstance(node, Reduce):
        return [(node.arg, _reduction(node, bar, s))]
    if isinstance(node, Abstract):
        if node.program is not None and node.program.is_constant:
            return []
        return [(a, _abstract(node, k, bar, at, lead)) for k, a in enumerate(node.args) if needed[a.ident]]
    raise NoRuleError(f"no closed form: nothing is known about the derivative of {type(node).__name__}")


def _product(node: Prod, bar: Term, s: tuple[str, ...], needed: dict[int, bool]) -> Pull:
    out = tuple(range(node.rank))
    found: Pull = []
    sizes: dict[Hashable, object] = dict(enumerate(node.sizes))
    for k, (child, idx) in enumerate(node.factors):
        if not needed[child.ident]:
            continue
        others = [f for j, f in enumerate(node.factors) if j != k]
        seen: set[Hashable] = set()
        mine: list[Hashable] = []
        extra = []
        for label, dim in zip(idx, child.shape, strict=True):
            name: Hashable = label
            if label in seen:
                name = fresh()
                extra.append((eye(dim), (label, name)))
            seen.add(label)
            mine.append(name)
        found.append((child, contract([(bar, (*s, *out)), *others, *extra], (*s, *mine), sizes)))  # type: ignore[arg-type]
    return found


def _matrix(node: Matrix, bar: Term, s: tuple[str, ...]) -> Term:
    """d(A^-1) = -A^-1 dA A^-1;  d det A = det A tr(A^-1 dA).

    d logdet A = tr(A^-1 dA)  (Petersen & Pedersen 2012, 46, 43, 59).
    """
    if node.name == "inv":
        return negative(contract([(node, ("k", "i")), (bar, (*s, "k", "l")), (node, ("j", "l"))], (*s, "i", "j")))
    if node.name in ("det", "logdet"):
        inverse = (matrix("inv", node.arg), ("j", "i"))
        own = [(node, ())] if node.name == "det" else []
        return contract([(bar, s), *own, inverse], (*s, "i", "j"))
    if node.name == "nuclear":  # d ||X||_* = <U V', dX> for X = U S V' of full rank
        return contract([(bar, s), (matrix("polar", node.arg), ("i", "j"))], (*s, "i", "j"))
    if node.name == "polar":
        return contract([(bar, (*s, "k", "l")), (polar_derivative(node.arg), ("k", "l", "i", "j"))], (*s, "i", "j"))
    raise NoRuleError(f"no closed form: the derivative of {node.name} is not known here")


def _reduction(node: Reduce, bar: Term, s: tuple[str, ...]) -> Term:
    full = tuple(f"i{k}" for k in range(node.arg.rank))
    kept = tuple(f"i{k}" for k in range(node.arg.rank) if k not in node.axes)
    if node.name == "logsumexp":
        return contract([(bar, (*s, *kept)), (reduce("softmax", node.arg, node.axes), full)], (*s, *full))
    if node.name == "softmax":
        inner = tuple(f"c{k}" if k in node.axes else f"i{k}" for k in range(node.rank))
        first = contract([(bar, (*s, *full)), (node, full)], (*s, *full))
        second = contract([(bar, (*s, *inner)), (node, inner), (node, full)], (*s, *full))
        return minus(first, second)
    if node.name in ("max", "min"):
        marked = intern(
            Reduce,
            ("arg" + node.name, node.arg.ident, node.axes),
            node.arg.shape,
            name="arg" + node.name,
            arg=node.arg,
            axes=node.axes,
        )
        return contract([(bar, (*s, *kept)), (marked, full)], (*s, *full))
    if node.name == "prod":  # d prod(x) / dx_i = prod(x) / x_i where x_i is not zero
        return contract([(bar, (*s, *kept)), (node, kept), (functions.inverse(node.arg), full)], (*s, *full))
    if node.name in ("argmax", "argmin"):
        return zero((*bar.shape[: len(s)], *node.arg.shape))
    raise NoRuleError(f"no closed form: the derivative of {node.name} is not known here")


def _abstract(node: Abstract, k: int, bar: Term, at: tuple[str, ...], lead: int) -> Term:
    """u(x): the derivative is the named tensor ∂u/∂x, of shape u + x."""
    slots = (*node.slots, k)
    shape = (*node.shape, *node.args[k].shape)
    if node.program is not None and node.program.is_flat(slots):
        return zero((*bar.shape[:lead], *node.args[k].shape))
    made = intern(
        Abstract,
        (node.name, exact(node.program), tuple(a.ident for a in node.args), slots),
        shape,
        name=node.name,
        args=node.args,
        slots=slots,
        program=node.program,
    )
    x = tuple(f"x{j}" for j in range(node.args[k].rank))
    return contract([(bar, at), (made, (*at[lead:], *x))], (*at[:lead], *x))


def derivative(y: Term, x: Term, order: int = 1) -> Term:
    """The derivative of any order: axes of y, then those of x once per order."""
    found = y
    for _ in range(order):
        found = jacobian(found, x)
    return found
