"""Hessians as a core and a delta pattern: applied to vectors and solved with, without the dense tensor.

The Hessian of ||T - U V'||^2 by U is 2 δ_ik (V'V)_jl: a core of k x k where the dense tensor has n k x n k entries
(Laue, Mitterreiter, Giesen 2020, section 4). Imports build, evaluate, terms. Invariant: ``matvec`` and ``solve`` agree
with the dense Hessian.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wengert.core.errors import WengertValueError
from wengert.symbolic.build import contract, plus, scale, var
from wengert.symbolic.code import Code
from wengert.symbolic.dims import sized
from wengert.symbolic.programs import computed
from wengert.symbolic.recover import form_of
from wengert.symbolic.simplify import expanded, simplified
from wengert.symbolic.terms import Delta, Prod, Sum, Term, Var, variables


def parts(term: Term) -> list[tuple[Any, Term]]:
    """A term as a sum of products."""
    return list(term.terms) if isinstance(term, Sum) else [(1, term)]


def deltas(term: Term, rank: int) -> set[int]:
    """The axes k of the first half that a delta ties to axis k of the second half, in one product."""
    if isinstance(term, Delta) and rank == 1:
        return {0}
    if not isinstance(term, Prod):
        return set()
    return {
        min(idx)
        for factor, idx in term.factors
        if isinstance(factor, Delta) and max(idx) - min(idx) == rank and max(idx) < 2 * rank
    }


def pattern(hessian: Term, rank: int) -> tuple[int, ...]:
    """The axes along which a Hessian is block diagonal: those with a delta in every product."""
    found = [deltas(t, rank) for _, t in parts(hessian)]
    return tuple(sorted(set.intersection(*found))) if found else ()


def core(hessian: Term, rank: int, tied: tuple[int, ...]) -> Term:
    """The Hessian without its deltas: the tied axes first, then the others, then the others again."""
    free = [k for k in range(rank) if k not in tied]
    out = (*tied, *free, *(rank + k for k in free))
    total = None
    for c, t in parts(hessian):
        factors: list[tuple[Term, tuple[int, ...]]]
        sizes: dict[Any, Any] = {k: hessian.shape[k] for k in out}
        if isinstance(t, Delta):
            factors = []
        elif isinstance(t, Prod):
            factors = [
                (f, tuple(i - rank if rank <= i < 2 * rank and i - rank in tied else i for i in idx))
                for f, idx in t.factors
                if not (isinstance(f, Delta) and max(idx) - min(idx) == rank and min(idx) in tied)
            ]
        else:
            factors = [(t, tuple(range(t.rank)))]
        part = scale(c, contract(factors, out, sizes))
        total = part if total is None else plus(total, part)
    assert total is not None
    return simplified(total)


class CompressedHessian:
    """A Hessian at given values, as an operator: ``matvec``, ``@``, ``solve``, ``dense``.

    ``pattern`` has the axes along which it is block diagonal, ``core`` the blocks: their axes first. What SciPy's
    solvers take as a LinearOperator (``shape``, ``dtype``, ``matvec``).
    """

    def __init__(self, hessian: Term, x: Var, values: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        self._term = hessian
        self._x = x
        self._values = dict(values)
        self._sizes = dict(sizes)
        self.point_shape: tuple[int, ...] = np.shape(values[x.name])
        n = int(np.prod(self.point_shape))
        self.shape = (n, n)
        self.dtype = np.dtype(float)
        self.pattern = pattern(hessian, x.rank)
        name = f"d_{x.name}"
        while name in values:
            name += "_"
        self._direction = var(name, x.shape)
        key = ("operator", x.ident, name)
        known: Any = hessian.memory.get(key)  # a Newton iteration makes an operator at every step
        if known is None:
            r = x.rank
            along = contract([(hessian, range(2 * r)), (self._direction, range(r, 2 * r))], range(r))
            tied = core(hessian, r, self.pattern) if self.pattern else None
            known = hessian.memory[key] = (tied, simplified(expanded(along)), self._direction, {})
        self._core: Term | None = known[0]
        self._product: Term = known[1]
        self._programs: dict[int, Callable[..., Any]] = known[3]
        self._blocks: Any = None

    def _value(self, term: Term, **more: Any) -> Any:
        """A term at the values, by its program."""
        program = self._programs.get(term.ident)
        if program is None:
            program = self._programs[term.ident] = computed(term, variables(term))
        return program({**self._values, **more}, self._sizes)

    @property
    def core(self) -> Any:
        """The blocks, tied axes first; the dense Hessian where no axis is tied."""
        if self._blocks is None:
            term = self._core if self._core is not None else self._term
            whole = tuple(sized(d, self._sizes) for d in term.shape)
            self._blocks = np.array(np.broadcast_to(self._value(term), whole), dtype=float)
        return self._blocks

    def matvec(self, vector: Any) -> Any:
        """The Hessian times a vector, flat or in the shape of the point; the result is alike."""
        given = np.asarray(vector, dtype=float)
        if given.size != self.shape[0]:
            raise WengertValueError(
                f"a vector of shape {given.shape} for a Hessian at a point of shape {self.point_shape}"
            )
        if self.pattern:
            return self._blockwise(given, lambda block, rows: np.einsum("...ij,...j->...i", block, rows))
        along = self._value(self._product, **{self._direction.name: given.reshape(self.point_shape)})
        found = np.broadcast_to(along, self.point_shape)
        return np.array(found).reshape(given.shape)

    def rmatvec(self, vector: Any) -> Any:
        """The same: Hessians are symmetric."""
        return self.matvec(vector)

    def __matmul__(self, vector: Any) -> Any:
        return self.matvec(vector)

    def solve(self, right: Any) -> Any:
        """The solution of H s = right, block by block: a Newton step is ``-hessian.solve(gradient)``.

        Raises numpy.linalg.LinAlgError where a block is singular.
        """
        given = np.asarray(right, dtype=float)
        if given.size != self.shape[0]:
            raise WengertValueError(
                f"a right-hand side of shape {given.shape} for a Hessian at a point of shape {self.point_shape}"
            )
        if not self.pattern:
            n = self.shape[0]
            return np.linalg.solve(self.core.reshape(n, n), given.reshape(n)).reshape(given.shape)

        def solved(block: Any, rows: Any) -> Any:
            if block.shape[-1] == 1:
                if np.any(block == 0.0):
                    raise np.linalg.LinAlgError("Singular matrix")
                return rows / block[..., 0]
            return np.linalg.solve(block, rows[..., None])[..., 0]

        return self._blockwise(given, solved)

    def _blockwise(self, given: Any, apply: Any) -> Any:
        free = [k for k in range(len(self.point_shape)) if k not in self.pattern]
        order = (*self.pattern, *free)
        tied = [self.point_shape[k] for k in self.pattern]
        width = int(np.prod([self.point_shape[k] for k in free]))
        block = self.core.reshape(*tied, width, width)
        rows = np.transpose(given.reshape(self.point_shape), order).reshape(*tied, width)
        found = apply(block, rows).reshape([self.point_shape[k] for k in order])
        return np.transpose(found, np.argsort(order)).reshape(given.shape)

    def dense(self) -> Any:
        """The whole Hessian, of the point's shape twice."""
        found = np.broadcast_to(self._value(self._term), self.point_shape * 2)
        return np.array(found, dtype=float)

    def __repr__(self) -> str:
        if not self.pattern:
            return f"<Hessian {self.shape[0]} x {self.shape[1]}: dense>"
        letters = "ijklmn"[: len(self.point_shape)]
        tied = " ".join(f"δ_{letters[k]}{letters[k]}'" for k in self.pattern)
        stored = form_of(self._core) if self._core is not None else None
        text = Code({}).write(stored) if stored is not None and stored.rank <= 2 and not self._has_names() else "core"
        return f"<Hessian {self.shape[0]} x {self.shape[1]}: {tied} with blocks {text}>"

    def _has_names(self) -> bool:
        from wengert.symbolic.terms import Abstract, ordered

        return any(isinstance(t, Abstract) for t in ordered(self._term))


__all__ = ["CompressedHessian", "core", "deltas", "pattern"]
