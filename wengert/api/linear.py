"""Linear maps: the derivative of a function at a point, to be applied any number of times,
transposed, or handed to SciPy.

Imports core, ops, diff, plan, backends. Invariant: applying a map never runs the user's function
again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wengert.api.gradients import match
from wengert.core.context import tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.sweep import check_watched
from wengert.core.tree import Structure
from wengert.core.types import ArrayType
from wengert.diff.transpose import transpose
from wengert.ops.memory import sync
from wengert.ops.visit import stub


@dataclass(frozen=True, slots=True)
class Space:
    """One side of a linear map: the containers of its vectors, and the type of each leaf (None: no
    number, and no tangent).

    ``many`` says that the vector is given as several arguments, or returned as a tuple.
    """

    structure: Structure
    kinds: tuple[ArrayType | None, ...]
    many: bool

    @property
    def size(self) -> int:
        """The number of components."""
        return sum(_size(k) for k in self.kinds if k is not None)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype of the components."""
        return (
            np.result_type(*(k.dtype for k in self.kinds if k is not None))
            if any(self.kinds)
            else np.dtype(float)
        )

    def split(self, vector: Any) -> list[Any]:
        """A flat vector as leaves."""
        out: list[Any] = []
        start = 0
        for kind in self.kinds:
            if kind is None:
                out.append(None)
                continue
            end = start + _size(kind)
            part = vector[start:end].reshape(kind.shape) if kind.shape else vector[start]
            if kind.dtype.kind != "c":
                part = part.real
            out.append(part.astype(kind.dtype))
            start = end
        return out

    def join(self, leaves: Sequence[Any]) -> Any:
        """Leaves as a flat vector."""
        parts = [np.ravel(v) for v, k in zip(leaves, self.kinds, strict=True) if k is not None]
        return np.concatenate(parts).astype(self.dtype) if parts else np.zeros(0)


def _size(kind: ArrayType) -> int:
    size = 1
    for n in kind.shape:
        size *= int(n)
    return size


class LinearMap:
    """The derivative of a function at a point, as a linear map that is applied without running the
    function again.

    ``map(*tangents)`` applies it, ``map.T(cotangent)`` its transpose (for complex values the
    adjoint: the pairing is Re<ct, t>). ``shape``, ``dtype``, ``matvec``, ``rmatvec`` work on flat
    vectors, as SciPy's iterative solvers want them; ``as_linear_operator()`` makes a real
    ``scipy.sparse.linalg.LinearOperator``. ``graph`` is the linear program."""

    def __init__(
        self, graph: Graph, source: Space, target: Space, watched: dict[int, Any] | None = None
    ) -> None:
        self.graph = graph
        self.source = source
        self.target = target
        self._watched = watched or {}

    @property
    def shape(self) -> tuple[int, int]:
        """Components of a result, components of a vector."""
        return self.target.size, self.source.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The common dtype of vectors and results."""
        return np.result_type(self.source.dtype, self.target.dtype)

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"<LinearMap of shape {rows} x {columns}, {self.dtype}, {len(self.graph)} steps>"

    def __call__(self, *vectors: Any) -> Any:
        """Apply the map to tangents built like what it was linearized at; None stands for zero.

        Raises WengertTypeError or WengertValueError for tangents of another structure, shape or
        kind of number."""
        if not self.source.many and len(vectors) != 1:
            raise error_at(
                WengertTypeError,
                f"this map takes one argument, got {len(vectors)}",
                fix="pass one value",
            )
        if self.source.many and len(vectors) != len(self.source.structure.children):
            raise error_at(
                WengertValueError,
                f"{len(vectors)} tangents for {len(self.source.structure.children)} arguments",
                fix="give one tangent per argument, None for zero",
            )
        model = [None if k is None else stub(k) for k in self.source.kinds]
        given = match(
            self.source.structure, model, vectors if self.source.many else vectors[0], "tangent"
        )
        return self.target.structure.unflatten(self.apply(given))

    def apply(self, leaves: Sequence[Any]) -> list[Any]:
        """Apply to flat leaves; None for those that are no numbers."""
        from wengert.backends.numpy.interpreter import plan_of, run

        if self._watched:
            check_watched(self._watched)
        values = [
            stub(k) if v is None else v
            for v, k in zip(leaves, self.source.kinds, strict=True)
            if k is not None
        ]
        plan = plan_of(self.graph)
        with np.errstate(all="ignore"):
            found = run(plan, values)
            # A zero that a where or an index made absorbs infinities; only then is the slow way
            # needed.
            if not all(map(_finite, found)) and all(map(_finite, values)):
                found = run(plan, values, careful=True)
        moving = iter(found)
        return [None if k is None else _outward(next(moving), k) for k in self.target.kinds]

    @cached_property
    def T(self) -> LinearMap:
        """The transposed map: takes a cotangent of the output, gives the cotangents of the
        arguments."""
        made = LinearMap(transpose(self.graph), self.target, self.source, self._watched)
        made.__dict__["T"] = self
        return made

    @property
    def H(self) -> LinearMap:
        """The adjoint, which is what ``T`` is: the pairing conjugates."""
        return self.T

    def matvec(self, vector: Any) -> Any:
        """The map applied to a flat vector of length ``shape[1]``; a flat vector of length
        ``shape[0]``."""
        flat = np.asarray(vector).ravel()
        if flat.shape != (self.shape[1],):
            raise error_at(
                WengertValueError,
                f"matvec needs a vector of length {self.shape[1]}, got shape {np.shape(vector)}",
                fix="flatten the tangents in the order of the arguments",
            )
        return self.target.join(self.apply(self.source.split(flat)))

    def rmatvec(self, vector: Any) -> Any:
        """The adjoint applied to a flat vector of length ``shape[0]``."""
        return self.T.matvec(vector)

    def __matmul__(self, vector: Any) -> Any:
        return self.matvec(vector)

    def as_linear_operator(self) -> Any:
        """A ``scipy.sparse.linalg.LinearOperator`` of the same map."""
        from scipy.sparse.linalg import LinearOperator

        return LinearOperator(
            self.shape, matvec=self.matvec, rmatvec=self.rmatvec, dtype=self.dtype
        )

    def matrix(self) -> Any:
        """The matrix of the map, shape ``shape``: one application per column, or per row when those
        are fewer."""
        rows, columns = self.shape
        if columns <= rows or self.dtype.kind == "c":
            eye = np.eye(columns, dtype=self.source.dtype)
            made = [self.matvec(e) for e in eye]
            return np.array(made).T if made else np.zeros((rows, 0))
        made = [self.rmatvec(e) for e in np.eye(rows, dtype=self.target.dtype)]
        return np.array(made).reshape(rows, columns)


def _finite(value: Any) -> bool:
    value = value.value if is_handle(value) else value
    return value is None or bool(np.isfinite(value).all())


def _outward(value: Any, kind: ArrayType) -> Any:
    """A result as the caller may see it, in the type of its space."""
    if is_handle(value):
        if value.base is not None:
            sync(value)
        if tracing.get() is not None and value.node is not None:
            return value
        value = value.value
    if kind.shape and type(value) is np.ndarray:
        out = (
            value
            if value.dtype == kind.dtype and value.flags.writeable and value.flags.owndata
            else np.array(value, dtype=kind.dtype)
        )
        return out if out.shape == kind.shape else np.array(np.broadcast_to(out, kind.shape))
    return np.full(kind.shape, value, kind.dtype) if kind.shape else kind.dtype.type(value)


__all__ = ["LinearMap", "Space"]
