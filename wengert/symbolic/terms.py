"""The term language: variables, sums, generalised products, element-wise functions and a few matrix functions.

Imports dims only. A product is an einsum over named indices (Laue, Mitterreiter, Giesen 2020). Invariant: terms are
interned, so equal terms are the same object, and ``ident`` orders them; only ``build`` makes them.
"""

from __future__ import annotations

import itertools
import sys
import threading
import weakref
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.symbolic.dims import Dim, Size

Number = Fraction | float
Shape = tuple[Size, ...]

_count = itertools.count()
_lock = threading.Lock()
_known: weakref.WeakValueDictionary[Any, Term] = weakref.WeakValueDictionary()


class Term:
    """A tensor-valued expression; ``shape`` is a tuple of dimensions, ``memory`` holds what was found out about it."""

    __slots__ = ("__weakref__", "ident", "memory", "shape")

    ident: int
    shape: Shape
    memory: dict[Any, Any]

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return ()


class Var(Term):
    """A free variable with declared facts."""

    __slots__ = ("facts", "name")

    name: str
    facts: frozenset[str]


class Constant(Term):
    """A named number such as pi, or an array of numbers that the program held."""

    __slots__ = ("name", "value")

    name: str
    value: Any


class Count(Term):
    """A dimension used as a number (the n of a mean)."""

    __slots__ = ("dim",)

    dim: Size


class Delta(Term):
    """The unit matrix of a dimension."""

    __slots__ = ()


class Select(Term):
    """The 0/1 matrix that takes entries ``start, start + step, ...`` of an axis.

    Slices and stacks are products with it.
    """

    __slots__ = ("start", "step")

    start: Size
    step: int


class Join(Term):
    """The 0/1 tensor J[r, i, k] that is one where r = i * p + k: it makes one axis of two (Kronecker products, vec)."""

    __slots__ = ()


class Pattern(Term):
    """An array that its sizes decide: ``tri`` (ones up to diagonal ``params[0]``), ``arange`` (0, 1, 2, ...)."""

    __slots__ = ("name", "params")

    name: str
    params: tuple[Any, ...]


class Sum(Term):
    """A linear combination of terms of one shape; no terms at all is zero."""

    __slots__ = ("terms",)

    terms: tuple[tuple[Number, Term], ...]

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return tuple(t for _, t in self.terms)


class Prod(Term):
    """A generalised product: each factor with its indices, the first ``rank`` indices are those of the result.

    ``sizes[i]`` is the dimension of index i; an index of the result that no factor has is a broadcast.
    """

    __slots__ = ("factors", "sizes")

    factors: tuple[tuple[Term, tuple[int, ...]], ...]
    sizes: Shape

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return tuple(t for t, _ in self.factors)


class Fn(Term):
    """An element-wise function of terms of one shape; ``params`` are its constants (the exponent of ``pow``)."""

    __slots__ = ("args", "name", "params")

    name: str
    args: tuple[Term, ...]
    params: tuple[Any, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return self.args


class Matrix(Term):
    """A function of a whole square matrix: ``inv``, ``det``, ``logdet``, ..."""

    __slots__ = ("arg", "name")

    name: str
    arg: Term

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return (self.arg,)


class Reduce(Term):
    """A reduction over axes that is no sum (``logsumexp``, ``max``), or a normalisation along them (``softmax``)."""

    __slots__ = ("arg", "axes", "name")

    name: str
    arg: Term
    axes: tuple[int, ...]

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return (self.arg,)


class Abstract(Term):
    """A function known by name: ``u`` of ``args``, and its derivative ∂u/∂(argument), once for each of ``slots``.

    ``program`` is the operation it stands for (``named.Named``), None for a function nobody wrote down.
    """

    __slots__ = ("args", "name", "program", "slots")

    name: str
    args: tuple[Term, ...]
    slots: tuple[int, ...]
    program: Any

    @property
    def children(self) -> tuple[Term, ...]:
        """The terms it is made of."""
        return self.args


def intern(kind: type[Any], key: Any, shape: Shape, **fields: Any) -> Any:
    """The term of that class and key: the known one, or a new one."""
    with _lock:
        full = (kind, key, shape)
        found = _known.get(full)
        if found is None:
            found = kind.__new__(kind)  # type: ignore[call-overload]
            found.ident = next(_count)
            found.shape = shape
            found.memory = {}
            for name, value in fields.items():
                setattr(found, name, value)
            _known[full] = found
        return found


def exact(value: Any) -> str:
    """``repr`` with every element and digit of arrays: what tells parameters apart, as ``repr`` does not."""
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return repr(value)


def known(kind: type[Any], key: Any, shape: Shape) -> Any:
    """The term of that class and key if somebody made it, else None."""
    return _known.get((kind, key, shape))


def ordered(root: Term) -> list[Term]:
    """All subterms, each once, children first."""
    seen: set[int] = set()
    out: list[Term] = []
    stack: list[tuple[Term, Iterator[Term]]] = [(root, iter(root.children))]
    seen.add(root.ident)
    while stack:
        term, children = stack[-1]
        for child in children:
            if child.ident not in seen:
                seen.add(child.ident)
                stack.append((child, iter(child.children)))
                break
        else:
            out.append(term)
            stack.pop()
    return out


def variables(root: Term) -> dict[str, Var]:
    """The free variables by name, in order of first appearance."""
    found = root.memory.get("variables")
    if found is None:
        found = {t.name: t for t in ordered(root) if isinstance(t, Var)}
        root.memory["variables"] = found
    return found


def dimensions(root: Term) -> set[str]:
    """The names of sizes in a term: of its axes, of numbers that are sizes, of places in slices."""
    found: set[str] = set()
    for t in ordered(root):
        start = t.start if isinstance(t, Select) else 0
        for d in (*t.shape, *([t.dim] if isinstance(t, Count) else [start])):
            if isinstance(d, Dim):
                found |= d.names
    return found


def depends(root: Term, variable: Term) -> bool:
    """Whether a variable occurs in a term."""
    if isinstance(variable, Var):
        return variables(root).get(variable.name) is variable
    return any(t is variable for t in ordered(root))
