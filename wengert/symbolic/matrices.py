"""Functions of whole matrices and reductions that are no sums: inverse, determinants, log-sum-exp, softmax, extrema.

Imports build, functions. Invariant: the constructors fold what is known (units, diagonals, orthogonal factors, shifts
of a softmax).
"""

from __future__ import annotations

from wengert.core.errors import WengertValueError
from wengert.symbolic.build import (
    Fraction,
    add,
    contract,
    count,
    is_zero,
    number,
    plus,
    scale,
    split,
    times,
    transpose,
)
from wengert.symbolic.terms import Delta, Matrix, Prod, Reduce, Sum, Term, Var, intern

MATRIX = {"inv", "det", "logdet", "nuclear", "polar"}


def matrix(name: str, arg: Term) -> Term:
    """A function of a square matrix in normal form; raises WengertValueError when it is not square."""
    if arg.rank != 2 or (arg.shape[0] != arg.shape[1] and name not in ("nuclear", "polar")):
        raise WengertValueError(f"{name} needs a square matrix, got shape {arg.shape}")
    shape = arg.shape if name in ("inv", "polar") else ()
    found = _known(name, arg)
    if found is not None:
        return found
    return intern(Matrix, (name, arg.ident), shape, name=name, arg=arg)


def _known(name: str, arg: Term) -> Term | None:
    from wengert.symbolic.functions import apply, power

    coefficient, core = split(arg)
    if name == "inv":
        if coefficient != 1:
            return scale(1 / coefficient, matrix("inv", core))
        if isinstance(arg, Delta):
            return arg
        if isinstance(arg, Matrix) and arg.name == "inv":
            return arg.arg
        if isinstance(arg, Var) and "orthogonal" in arg.facts:
            return transpose(arg)
        swapped = _transposed_of(arg)
        if swapped is not None:
            return transpose(matrix("inv", swapped))
        links = square_chain(arg)
        if links is not None:
            return contract(
                [(matrix("inv", link), (k, k + 1)) for k, link in enumerate(reversed(links))], (0, len(links))
            )
    if name in ("det", "logdet"):
        if isinstance(arg, Delta):
            return number(1 if name == "det" else 0)
        swapped = _transposed_of(arg)
        if swapped is not None:
            return matrix(name, swapped)
        if isinstance(arg, Matrix) and arg.name == "inv":
            inner = matrix(name, arg.arg)
            return power(inner, -1) if name == "det" else scale(Fraction(-1), inner)
    if name == "logdet" and coefficient != 1 and coefficient > 0:
        return plus(times(count(arg.shape[0]), apply("log", number(coefficient))), matrix("logdet", core))
    return None


def square_chain(arg: Term) -> list[Term] | None:
    """The matrices of a product of square ones, in order."""
    if (
        not isinstance(arg, Prod)
        or len(arg.factors) < 2
        or len(arg.sizes) != len(arg.factors) + 1
        or len(set(arg.sizes)) > 1
    ):
        return None
    left = [(t, i) for t, i in arg.factors if len(i) == 2]
    found = []
    at = 0
    while left:
        step = next((f for f in left if at in f[1]), None)
        if step is None or step[1][0] == step[1][1]:
            return None
        left.remove(step)
        t, (i, j) = step
        found.append(t if i == at else transpose(t))
        at = j if i == at else i
    return found if at == 1 and len(found) == len(arg.factors) else None


def _transposed_of(arg: Term) -> Term | None:
    """B when the matrix is written B'."""
    if isinstance(arg, Sum) and arg.shape[0] == arg.shape[1]:
        turned = sum(_transposed_of(t) is not None for _, t in arg.terms)
        if (turned and 2 * turned > len(arg.terms)) or (
            2 * turned == len(arg.terms) and _transposed_of(arg.terms[0][1]) is not None
        ):
            other = transpose(arg)
            return other if other is not arg else None
    if isinstance(arg, Prod) and len(arg.factors) == 1 and arg.factors[0][1] == (1, 0):
        return arg.factors[0][0]
    return None


def reduce(name: str, arg: Term, axes: tuple[int, ...]) -> Term:
    """A reduction over axes in normal form; ``softmax`` keeps its shape."""
    axes = tuple(sorted(axes))
    shape = arg.shape if name == "softmax" else tuple(d for k, d in enumerate(arg.shape) if k not in axes)
    kept = tuple(k for k in range(arg.rank) if k not in axes)
    if name in ("softmax", "logsumexp"):
        shift = _shift(arg, axes)
        if shift is not None:
            moved, rest = shift
            if name == "softmax":
                return reduce(name, rest, axes)
            return plus(moved, reduce(name, rest, axes))
    if name == "softmax" and is_zero(arg):
        inverse = [(_reciprocal(arg.shape[a]), ()) for a in axes]
        return contract(inverse, tuple(range(arg.rank)), dict(enumerate(arg.shape)))
    if name == "logsumexp" and is_zero(arg):
        from wengert.symbolic.functions import apply

        sizes = times(*(count(arg.shape[a]) for a in axes))
        return contract([(apply("log", sizes), ())], kept, dict(enumerate(arg.shape)))
    return intern(Reduce, (name, arg.ident, axes), shape, name=name, arg=arg, axes=axes)


def _reciprocal(dim: object) -> Term:
    from wengert.symbolic.functions import power

    return power(count(dim), -1)  # type: ignore[arg-type]


def _shift(arg: Term, axes: tuple[int, ...]) -> tuple[Term, Term] | None:
    """The part of a sum that is constant along the axes (without them), and the rest."""
    from wengert.symbolic.functions import constant_axes, dropped

    parts = arg.terms if isinstance(arg, Sum) else ((Fraction(1), arg),)
    still = [(c, t) for c, t in parts if set(axes) <= set(constant_axes((t,)))]
    if not still:
        return None
    moved = add([(c, dropped(t, axes)) for c, t in still], tuple(d for k, d in enumerate(arg.shape) if k not in axes))
    chosen = {id(t) for _, t in still}
    return moved, add([(c, t) for c, t in parts if id(t) not in chosen], arg.shape)
