"""Another variable in the place of one: terms and programs with and without what is known of a matrix.

A derivative by a symmetric matrix is taken as if its entries were free, and what is known is used afterwards; so its
entries are those of the unconstrained derivative at a symmetric point, for every order. Imports derive,
verify, build, terms. Invariant: the value at points that fit the facts stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from wengert.symbolic import functions
from wengert.symbolic.build import add, contract, var
from wengert.symbolic.derive import jacobian
from wengert.symbolic.matrices import matrix, reduce
from wengert.symbolic.terms import Abstract, Fn, Matrix, Prod, Reduce, Sum, Term, Var, exact, intern, ordered, variables
from wengert.symbolic.verify import Unchecked, check_derivative

STRUCTURE = {"symmetric", "positive definite", "triangular", "diagonal", "orthogonal"}


Again = Callable[[Term, Term], Term]


def unstructured(x: Var, term: Term) -> Var | None:
    """The variable without its structure; None where it has none, or where a factorisation in the term needs it."""
    if not x.facts & STRUCTURE or any(isinstance(t, Abstract) for t in ordered(term)):
        return None
    return var(x.name, x.shape, x.facts - STRUCTURE)


def by_free_entries(
    term: Term, x: Var, order: int, check: bool, free: Mapping[str, Var], again: Again
) -> tuple[Term, Term | None]:
    """The derivative of that order by a variable; and, where it was taken without the variable's structure, the form
    without it, which has the same value. With ``check`` each step has been compared with differences, but the last one
    where no structure was left out. ``again`` reads the term off its steps with another variable in place of one.
    """
    plain = unstructured(x, term)
    if plain is not None:
        try:
            found = _stepwise(again(x, plain), plain, order, check, {**free, x.name: plain}, True)
            return substituted(found, plain, x), found
        except Unchecked:
            pass  # defined for matrices of that structure only
    return _stepwise(term, x, order, check, free, False), None


def _stepwise(term: Term, x: Var, order: int, check: bool, free: Mapping[str, Var], last: bool) -> Term:
    for step in range(order):
        after = jacobian(term, x)
        if check and (last or step < order - 1):
            check_derivative(term, after, x, None, free)
        term = after
    return term


def substituted(term: Term, old: Var, new: Term) -> Term:
    """The term with another one for a variable, in normal form again."""
    found: dict[int, Term] = {}
    for node in ordered(term):
        found[node.ident] = _replaced(node, old, new, found)
    return found[term.ident]


def _replaced(node: Term, old: Var, new: Term, found: dict[int, Term]) -> Term:
    if node is old:
        return new
    if variables(node).get(old.name) is not old:
        return node
    if isinstance(node, Sum):
        return add([(c, found[t.ident]) for c, t in node.terms], node.shape)
    if isinstance(node, Prod):
        factors = [(found[t.ident], idx) for t, idx in node.factors]
        return contract(factors, tuple(range(node.rank)), dict(enumerate(node.sizes)))
    if isinstance(node, Fn):
        return functions.apply(node.name, *(found[a.ident] for a in node.args), params=node.params)
    if isinstance(node, Matrix):
        return matrix(node.name, found[node.arg.ident])
    if isinstance(node, Reduce):
        return _reduced(node, found[node.arg.ident])
    assert isinstance(node, Abstract)
    args = tuple(found[a.ident] for a in node.args)
    key = (node.name, exact(node.program), tuple(a.ident for a in args), node.slots)
    made: Term = intern(Abstract, key, node.shape, name=node.name, args=args, slots=node.slots, program=node.program)
    return made


def _reduced(node: Reduce, arg: Term) -> Term:
    if node.name in ("argmax", "argmin"):
        key = (node.name, arg.ident, node.axes)
        made: Term = intern(Reduce, key, arg.shape, name=node.name, arg=arg, axes=node.axes)
        return made
    return reduce(node.name, arg, node.axes)
