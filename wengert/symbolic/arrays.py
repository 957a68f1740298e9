"""NumPy's vocabulary on terms: broadcasting, ``@``, reductions over axes, transposes, stacks, norms.

Both parsers, the operators of expressions and traced programs come through here. Imports build, functions, matrices.
Invariant: shapes follow NumPy's rules, and a mismatch raises WengertValueError with both shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.core.errors import WengertValueError
from wengert.symbolic import functions
from wengert.symbolic.build import (
    Fraction,
    add,
    contract,
    count,
    eye,
    join,
    number,
    ones,
    permute,
    select,
    uniform,
)
from wengert.symbolic.evaluate import text_shape
from wengert.symbolic.matrices import matrix, reduce
from wengert.symbolic.terms import Shape, Term


def common_shape(terms: Sequence[Term]) -> Shape:
    """The broadcast shape; raises WengertValueError when there is none."""
    rank = max(t.rank for t in terms)
    out: list[Any] = []
    for axis in range(-rank, 0):
        found: Any = 1
        for t in terms:
            if t.rank >= -axis and t.shape[axis] != 1:
                if found == 1:
                    found = t.shape[axis]
                elif found != t.shape[axis]:
                    raise WengertValueError(
                        "shapes do not go together: " + " and ".join(text_shape(t.shape) for t in terms)
                    )
        out.append(found)
    return tuple(out)


def broadcast(term: Term, shape: Shape) -> Term:
    """A term stretched to a shape."""
    if term.shape == shape:
        return term
    first = len(shape) - term.rank
    idx: list[Any] = []
    for k, dim in enumerate(term.shape):
        idx.append(first + k if dim == shape[first + k] else f"one{k}")
    return contract([(term, idx)], tuple(range(len(shape))), dict(enumerate(shape)))


def together(*terms: Term) -> list[Term]:
    """Terms broadcast against each other."""
    shape = common_shape(terms)
    return [broadcast(t, shape) for t in terms]


def plus(a: Term, b: Term, sign: int = 1) -> Term:
    """a + b or a - b with broadcasting."""
    a, b = together(a, b)
    return add([(Fraction(1), a), (Fraction(sign), b)], a.shape)


def times(a: Term, b: Term) -> Term:
    """The element-wise product with broadcasting."""
    shape = common_shape((a, b))
    full = tuple(range(len(shape)))
    factors = []
    for t in (a, b):
        first = len(shape) - t.rank
        idx = tuple(first + k if t.shape[k] == shape[first + k] else f"one{id(t)}{k}" for k in range(t.rank))
        factors.append((t, idx))
    return contract(factors, full, dict(enumerate(shape)))


def divide(a: Term, b: Term) -> Term:
    """a / b with broadcasting."""
    return times(a, functions.power(b, -1))


def power(a: Term, b: Term) -> Term:
    """a ** b with broadcasting."""
    value = uniform(b)
    if value is not None and b.rank <= a.rank:
        return functions.power(a, value)
    return functions.power_term(*together(a, b))


def apply(name: str, *args: Term) -> Term:
    """An element-wise function with broadcasting."""
    return functions.apply(name, *together(*args))


def matmul(a: Term, b: Term) -> Term:
    """``a @ b`` of vectors, matrices and stacks of matrices; raises WengertValueError when they do not conform."""
    if not a.rank or not b.rank:
        raise WengertValueError("@ needs vectors or matrices; a scalar is multiplied with *")
    inner_b = b.shape[0] if b.rank == 1 else b.shape[-2]
    if a.shape[-1] != inner_b:
        raise WengertValueError(
            f"@ of shapes {text_shape(a.shape)} and {text_shape(b.shape)}: {a.shape[-1]} is not {inner_b}"
        )
    lead_a, lead_b = a.shape[:-2] if a.rank > 1 else (), b.shape[:-2] if b.rank > 1 else ()
    stack = common_shape([ones(lead_a), ones(lead_b)]) if lead_a or lead_b else ()
    names = [f"b{k}" for k in range(len(stack))]

    def lead(dims: Shape) -> list[str]:
        own = names[len(names) - len(dims) :] if dims else []
        return [
            x if d == s else f"one{id(dims)}{x}"
            for x, d, s in zip(own, dims, stack[len(stack) - len(dims) :], strict=True)
        ]

    left = [*lead(lead_a), *(["i"] if a.rank > 1 else []), "k"]
    right = [*lead(lead_b), "k", *(["j"] if b.rank > 1 else [])]
    out = [*names, *(["i"] if a.rank > 1 else []), *(["j"] if b.rank > 1 else [])]
    return contract([(a, left), (b, right)], out, dict(zip(names, stack, strict=True)))


def dot(a: Term, b: Term) -> Term:
    """NumPy's ``dot``: scalars scale, else the last axis of a meets the last but one of b."""
    if not a.rank or not b.rank:
        return times(a, b)
    if b.rank <= 2:
        return (
            matmul(a, b)
            if a.rank <= 2
            else contract(
                [(a, [*(f"a{k}" for k in range(a.rank - 1)), "k"]), (b, ["k", "j"][: b.rank])],
                [*(f"a{k}" for k in range(a.rank - 1)), *(["j"] if b.rank > 1 else [])],
            )
        )
    raise WengertValueError("dot of arrays of more than two axes: write einsum")


def axes_of(term: Term, axis: Any) -> tuple[int, ...]:
    """Axes as non-negative numbers; None is all of them."""
    if axis is None:
        return tuple(range(term.rank))
    wanted = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = []
    for a in wanted:
        if not isinstance(a, int) or not -term.rank <= a < term.rank:
            raise WengertValueError(f"axis {a} of an array of shape {text_shape(term.shape)}")
        found.append(a % term.rank)
    return tuple(found)


def sum_over(term: Term, axis: Any = None, keepdims: bool = False) -> Term:
    """The sum over axes."""
    axes = axes_of(term, axis)
    kept = tuple(k for k in range(term.rank) if k not in axes)
    found = contract([(term, range(term.rank))], kept)
    return _kept(found, term, axes) if keepdims else found


def _kept(found: Term, term: Term, axes: Sequence[int]) -> Term:
    shape = tuple(1 if k in axes else d for k, d in enumerate(term.shape))
    kept = [k for k in range(term.rank) if k not in axes]
    return contract([(found, kept)], tuple(range(term.rank)), dict(enumerate(shape)))


def mean(term: Term, axis: Any = None, keepdims: bool = False) -> Term:
    """The mean over axes."""
    total = sum_over(term, axis, keepdims)
    for a in axes_of(term, axis):
        total = times(functions.power(count(term.shape[a]), -1), total)
    return total


def variance(term: Term, axis: Any = None, keepdims: bool = False, ddof: int = 0) -> Term:
    """The variance over axes."""
    centred = plus(term, mean(term, axis, True), -1)
    total = sum_over(functions.power(centred, 2), axis, keepdims)
    size: Term = number(1)
    for a in axes_of(term, axis):
        size = times(size, count(term.shape[a]))
    return times(functions.power(plus(size, number(ddof), -1), -1), total)


def reduction(name: str, term: Term, axis: Any = None, keepdims: bool = False) -> Term:
    """``logsumexp``, ``max``, ``min`` over axes, ``softmax`` along them."""
    axes = axes_of(term, axis)
    if not axes:
        return term
    found = reduce(name, term, axes)
    return _kept(found, term, axes) if keepdims and name != "softmax" else found


def transpose(term: Term, axes: Sequence[int] | None = None) -> Term:
    """The transpose (of a vector: itself)."""
    order = tuple(range(term.rank))[::-1] if axes is None else axes_of(term, tuple(axes))
    if sorted(order) != list(range(term.rank)):
        raise WengertValueError(f"the axes {axes} are no order of the {term.rank} axes")
    return permute(term, order)


def trace(term: Term) -> Term:
    """The trace of a square matrix."""
    square(term, "trace")
    return contract([(term, "ii")], "")


def square(term: Term, what: str) -> None:
    """Raise WengertValueError unless a term is a square matrix."""
    if term.rank != 2 or term.shape[0] != term.shape[1]:
        raise WengertValueError(f"{what} needs a square matrix, got shape {text_shape(term.shape)}")


def diag(term: Term) -> Term:
    """The diagonal matrix of a vector, the diagonal of a matrix."""
    if term.rank == 1:
        return contract([(term, "i"), (eye(term.shape[0]), "ij")], "ij")
    square(term, "diag")
    return contract([(term, "ii")], "i")


def logaddexp(a: Term, b: Term) -> Term:
    """log(exp(a) + exp(b))."""
    for one, other in ((a, b), (b, a)):
        if uniform(one) == 0:
            return apply("softplus", broadcast(other, common_shape((a, b))))
    return apply("logaddexp", a, b)


def outer(a: Term, b: Term) -> Term:
    """The outer product of two vectors."""
    if a.rank != 1 or b.rank != 1:
        raise WengertValueError(f"outer needs two vectors, got shapes {text_shape(a.shape)} and {text_shape(b.shape)}")
    return contract([(a, "i"), (b, "j")], "ij")


def solve(a: Term, b: Term) -> Term:
    """A^-1 b."""
    square(a, "solve")
    return matmul(matrix("inv", a), b)


def kron(a: Term, b: Term) -> Term:
    """The Kronecker product of two matrices, as the sum over blocks."""
    if a.rank != 2 or b.rank != 2:
        raise WengertValueError("kron needs two matrices")
    rows, columns = join(a.shape[0], b.shape[0]), join(a.shape[1], b.shape[1])
    return contract([(rows, "rik"), (a, "ij"), (b, "kl"), (columns, "cjl")], "rc")


def vec(term: Term) -> Term:
    """The entries of a matrix as one vector, row by row (NumPy's ``ravel``)."""
    if term.rank < 2:
        return term
    if term.rank > 2:
        raise WengertValueError("ravel of more than two axes has no closed form here")
    return contract([(join(*term.shape), "rik"), (term, "ik")], "r")


def unvec(term: Term, shape: Shape) -> Term:
    """A vector as a matrix, row by row (NumPy's ``reshape``)."""
    if term.rank != 1 or len(shape) != 2 or shape[0] * shape[1] != term.shape[0]:
        raise WengertValueError(f"a reshape from {text_shape(term.shape)} to {text_shape(shape)} is not known here")
    return contract([(join(*shape), "rik"), (term, "r")], "ik")


def index(term: Term, key: Any) -> Term:
    """Basic indexing: ints, slices with step, None, Ellipsis."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if any(k is Ellipsis for k in keys):
        at = next(j for j, k in enumerate(keys) if k is Ellipsis)
        missing = term.rank - sum(k is not None and k is not Ellipsis for k in keys)
        keys[at : at + 1] = [slice(None)] * missing
    factors: list[Any] = []
    out: list[Any] = []
    idx: list[Any] = []
    sizes: dict[Any, Any] = {}
    for k in keys:
        axis = len(idx)
        if k is None:
            name = f"new{len(out)}"
            sizes[name] = 1
            out.append(name)
            continue
        if axis >= term.rank:
            raise WengertValueError(f"too many indices for shape {text_shape(term.shape)}")
        dim = term.shape[axis]
        idx.append(f"i{axis}")
        if isinstance(k, slice) and k == slice(None):
            out.append(f"i{axis}")
        elif isinstance(k, slice):
            start, length, step = _range(k, dim)
            factors.append((select(length, dim, start, step), (f"o{axis}", f"i{axis}")))
            out.append(f"o{axis}")
        elif isinstance(k, int) and not isinstance(k, bool):
            start = k if k >= 0 else dim + k
            if isinstance(dim, int) and not 0 <= start < dim:
                raise WengertValueError(f"index {k} of an axis of length {dim}")
            factors.append((select(1, dim, start), (f"o{axis}", f"i{axis}")))
            factors.append((ones((1,)), (f"o{axis}",)))
        else:
            raise WengertValueError(f"an index is an int or a slice, got {k!r}")
    while len(idx) < term.rank:
        idx.append(f"i{len(idx)}")
        out.append(idx[-1])
    return contract([(term, idx), *factors], out, sizes)


def _range(k: slice, dim: Any) -> tuple[Any, Any, int]:
    step = 1 if k.step is None else k.step
    if isinstance(dim, int):
        start, stop, step = k.indices(dim)
        return start, len(range(start, stop, step)), step
    if step == -1 and k.start is None and k.stop is None:
        return dim - 1, dim, -1
    if step != 1:
        raise WengertValueError("a slice of a named dimension may only have step 1 or be [::-1]")

    def end(value: Any, default: Any) -> Any:
        if value is None:
            return default
        below = value < 0 if isinstance(value, int) else all(c < 0 for m, c in value.terms if m)
        return dim + value if below else value

    start = end(k.start, 0)
    return start, end(k.stop, dim) - start, 1


def stack(parts: Sequence[Term], axis: int = 0) -> Term:
    """Arrays of one shape along a new axis."""
    parts = together(*parts)
    rank = parts[0].rank + 1
    if not -rank <= axis < rank:
        raise WengertValueError(f"axis {axis} of a stack of {rank} axes")
    axis %= rank
    names = [f"i{k}" for k in range(rank - 1)]
    total = []
    for k, part in enumerate(parts):
        unit = contract([(select(1, len(parts), k), ("u", "v")), (ones((1,)), ("u",))], "v")
        total.append((Fraction(1), contract([(part, names), (unit, ["new"])], [*names[:axis], "new", *names[axis:]])))
    return add(total, total[0][1].shape)


def concatenate(parts: Sequence[Term], axis: int = 0) -> Term:
    """Arrays along an axis they have."""
    (axis,) = axes_of(parts[0], axis)
    whole: Any = sum((p.shape[axis] for p in parts[1:]), parts[0].shape[axis])
    start: Any = 0
    total = []
    for part in parts:
        if part.rank != parts[0].rank:
            raise WengertValueError("concatenate needs arrays of as many axes")
        own = [f"i{k}" for k in range(part.rank)]
        out = list(own)
        out[axis] = "o"
        total.append(
            (Fraction(1), contract([(part, own), (select(part.shape[axis], whole, start), (own[axis], "o"))], out))
        )
        start = start + part.shape[axis]
    return add(total, total[0][1].shape)


def einsum(spec: str, *terms: Term) -> Term:
    """``np.einsum``."""
    text = spec.replace(" ", "")
    left, arrow, right = text.partition("->")
    groups = left.split(",")
    if "..." in text and len(groups) == len(terms):
        free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
        counts = [t.rank - len(g) + 3 if "..." in g else 0 for g, t in zip(groups, terms, strict=True)]
        most = max(counts)
        if min(counts) < 0 or most > len(free):
            raise WengertValueError(f"einsum {spec!r} does not describe {len(terms)} operands")
        dots = "".join(free[:most])
        groups = [g.replace("...", dots[most - c :]) for g, c in zip(groups, counts, strict=True)]
        if not arrow:
            letters = "".join(groups)
            right = dots + "".join(sorted(c for c in set(letters) if letters.count(c) == 1 and c not in dots))
        right = right.replace("...", dots)
        return einsum(f"{','.join(groups)}->{right}", *terms)
    if len(groups) != len(terms) or not all(g.isalpha() or g == "" for g in groups):
        raise WengertValueError(f"einsum {spec!r} does not describe {len(terms)} operands")
    if not arrow:
        right = "".join(sorted(c for c in set(left) if c.isalpha() and left.count(c) == 1))
    for g, t in zip(groups, terms, strict=True):
        if len(g) != t.rank:
            raise WengertValueError(f"einsum {spec!r}: {g!r} does not fit shape {text_shape(t.shape)}")
    return contract(list(zip(terms, groups, strict=True)), right)
