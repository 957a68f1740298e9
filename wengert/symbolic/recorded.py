"""From recorded NumPy programs to graphs with named sizes: the same steps at several sizes, walked side by side.

A number that is equal in all recordings is a constant; one that changes is found again as a polynomial (or the
inverse, or the root) of the named sizes. Imports core, graphs. Invariant: what is not recognised raises with the step
and its line, and never becomes a constant.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import WengertError, WengertValueError, error_at
from wengert.core.graph import Graph, Operand
from wengert.core.node import Const, Node, describe
from wengert.core.op import Op
from wengert.core.structure import ITEM
from wengert.core.types import ArrayType
from wengert.symbolic import functions
from wengert.symbolic.build import count, scale, var
from wengert.symbolic.dims import Dim, named, sized, smaller
from wengert.symbolic.graphs import Arange, Held, SymbolicNode, Unsized, input_of
from wengert.symbolic.graphs import step as symbolic_step
from wengert.symbolic.graphs_terms import constant_term, real, refusal, term_of, term_where
from wengert.symbolic.patterns import pattern_of
from wengert.symbolic.terms import Term, Var

SIZES = (
    (5, 7, 11, 13, 17, 19, 10, 9, 14, 12),
    (8, 9, 13, 11, 23, 29, 12, 5, 10, 15),
    (17, 14, 11, 9, 8, 7, 6, 5, 13, 4),
)
"""Sizes of the first, second, ... name in each recording: pairwise different, no small constants of programs, and
neither of two names always the smaller one."""


def sizes_for(variables: Mapping[str, Var], order: int = 0) -> list[dict[str, int]]:
    """The sizes of the named dimensions in each recording; ``order`` 1 makes them grow with the names, -1 shrink, for
    programs that run for one of them only (X'X is singular where X has fewer rows than columns).
    """
    names = sorted({n for v in variables.values() for d in v.shape if isinstance(d, Dim) for n in d.names})
    if len(names) > len(SIZES[0]):
        raise WengertValueError(f"more than {len(SIZES[0])} named dimensions: {', '.join(names)}")
    rows = [row[: len(names)] for row in SIZES]
    if order:
        rows = [tuple(sorted(row, reverse=order < 0)) for row in rows]
    return [dict(zip(names, row, strict=False)) for row in rows]


FACTORS = (1, 2, 3, 4, Fraction(1, 2), Fraction(1, 4), Fraction(8, 2**52))
"""Factors of sizes in numbers that depend on them; the last is that of a tolerance, eight roundings."""


class Recordings:
    """Several recordings of one function, the graph with named sizes they stand for, and its term."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        inputs: Sequence[Var],
        sizes: Sequence[Mapping[str, int]],
        names: Mapping[str, Any] | None = None,
        sums: Sequence[Dim] = (),
    ) -> None:
        self.graphs = graphs
        self.sizes = sizes
        self.captured: dict[str, Any] = {}
        """Arrays that the program reads from outside, by the names of the variables that stand for them."""
        self._names = {v.name for v in inputs}
        self._called = names or {}
        self._sums = tuple(dict.fromkeys(sums))
        """Sizes of operands that are no bare names: others are found as products of these too."""
        self.known: dict[Any, Any] = {}
        for k, variable in enumerate(inputs):
            self.known[graphs[0].inputs[k]] = input_of(variable)
        first = graphs[0]
        for graph in graphs:
            for guard in graph.guards:
                raise error_at(
                    WengertValueError,
                    f"no closed form: the function decides by a value ({guard.kind}(...) gave {guard.outcome})",
                    fix="write np.where for a choice by values, or use wengert.grad, which follows if and while",
                    where=guard.where,
                )
        for graph in graphs[1:]:
            if [n.op.name for n in graph] != [n.op.name for n in first]:
                raise WengertValueError(
                    "no closed form: the function runs other steps at other sizes, such as a loop over a dimension"
                    "\n  fix: write the loop as an array expression, or use wengert.grad"
                )

    def outputs(self) -> list[Operand]:
        """The results as steps with named sizes (or constants)."""
        for steps in zip(*self.graphs, strict=True):
            self.known[steps[0]] = self.step(steps)
        return [self.operand(alike) for alike in zip(*(g.outputs for g in self.graphs), strict=True)]

    def term(self) -> Term:
        """The term of the one output."""
        if len(self.graphs[0].outputs) != 1:
            raise WengertValueError(
                f"a closed form is of one value; the function returns {len(self.graphs[0].outputs)}"
            )
        (self.end,) = self.outputs()
        found: Term = real(term_of(self.end, self.capture))
        return found

    def term_where(self, old: Term, new: Term) -> Term:
        """The term with another variable in the place of one."""
        found: Term = term_where(self.end, old, new, self.capture)
        return found

    def step(self, steps: Sequence[Node]) -> SymbolicNode:
        """One step of all recordings."""
        node = steps[0]
        try:
            args = [self.operand([s.args[k] for s in steps]) for k in range(len(node.args))]
            params = tuple(self.parameter([s.params[k] for s in steps]) for k in range(len(node.params)))
            kinds = [s.type for s in steps]
            try:
                kind = self.kind_if_known(kinds) if node.op is ITEM else self.kind(kinds)
            except WengertValueError:
                kind = self.inferred(node.op, args, params, kinds)
                if kind is None:
                    raise
            return symbolic_step(node.op, args, params, kind, node.where, node.evaluate)
        except WengertError as error:
            if getattr(error, "line", 0):
                raise
            raise refusal(node, str(error).split("\n")[0]) from None

    def kind(self, kinds: Sequence[Any]) -> Any:
        """The type of a result in all recordings, its shape named."""
        if type(kinds[0]) is tuple:  # what is not recognised is refused where it is used
            return tuple(self.kind_if_known([t[k] for t in kinds]) for k in range(len(kinds[0])))
        shape = tuple(self.size([t.shape[k] for t in kinds]) for k in range(len(kinds[0].shape)))
        return ArrayType(shape, kinds[0].dtype)

    def kind_if_known(self, kinds: Sequence[Any]) -> Any:
        """The type of one of several results; where its size is not recognised, it is refused when it is asked for."""
        try:
            return self.kind(kinds)
        except WengertValueError as problem:
            return Unsized(kinds[0].dtype, str(problem))

    def inferred(self, op: Op, args: Sequence[Any], params: tuple[Any, ...], kinds: Sequence[Any]) -> Any:
        """What the operation's own type rule says of named sizes, if that is what all recordings have."""
        types = [ArrayType(np.shape(a.value)) if type(a) is Const else a.type for a in args]
        if op.infer is None or type(kinds[0]) is tuple:
            return None
        try:
            found = op.infer(types, params)
            here = [tuple(sized(d, s) for d in found.shape) for s in self.sizes]
        except (TypeError, ValueError, AttributeError, LookupError):
            return None
        return ArrayType(found.shape, kinds[0].dtype) if here == [k.shape for k in kinds] else None

    def operand(self, alike: Sequence[Any]) -> Operand:
        """An operand of a step."""
        first = alike[0]
        if isinstance(first, Const):
            return Const(self.constant([a.value for a in alike]))
        if first not in self.known:
            raise WengertValueError(f"no closed form: the step at {describe(first.where)} is not part of the recording")
        found: Operand = self.known[first]
        return found

    def constant(self, values: Sequence[Any]) -> Any:
        """A number or array that the program holds; what differs between the recordings is decided by sizes."""
        found = [np.asarray(v) for v in values]
        if found[0].dtype.kind == "c" and all(v.ndim == 0 and v == found[0] for v in found):
            return values[0]
        if found[0].dtype.kind not in "fiub":
            raise WengertValueError(f"a constant of dtype {found[0].dtype} has no closed form")
        if found[0].ndim == 0:
            return self.scalar([v.item() for v in found], values[0])
        if all(v.shape == found[0].shape and np.array_equal(v, found[0]) for v in found):
            return values[0]
        shape = tuple(self.size([v.shape[k] for v in found]) for k in range(found[0].ndim))
        made = pattern_of(found, shape, lambda same: constant_term(self.scalar(same), self.capture))
        if made is not None:
            return Held(made, found[0].dtype if found[0].dtype != float else None)
        raise WengertValueError(
            "an array made inside the function is neither uniform nor a unit matrix, a triangle of ones or "
            "evenly spaced: pass it as an argument"
        )

    def capture(self, value: Any) -> Term:
        """A variable that stands for an array from outside, the same one for every use of it."""
        name = next((n for n, known in self.captured.items() if same_array(known, value)), None)
        if name is None:
            wanted = [n for n, known in self._called.items() if same_array(known, value)]
            free = itertools.chain(wanted, (f"C{k}" for k in itertools.count(1)))
            name = next(n for n in free if n not in self.captured and n not in self._names)
            self.captured[name] = value
        return var(name, np.shape(value))

    def scalar(self, values: Sequence[Any], given: Any = None) -> Any:
        """A number (``given``, where it is the same at all sizes), or a simple function of the sizes."""
        if all(v == values[0] for v in values) or all(map(np.isnan, values)):
            return values[0] if given is None else given
        if all(v < 0 for v in values):
            found = self.scalar([-v for v in values])
            return Held(scale(Fraction(-1), constant_term(found, self.capture)))
        for power in (Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-1, 2)):
            if not all(v > 0 for v in values):
                break  # a root has lost the sign
            raised = [float(v) ** float(1 / power) for v in values]
            for factor in FACTORS:
                whole = [r / float(factor) for r in raised]
                near = [round(w) for w in whole]
                if all(abs(w - n) < 1e-9 * abs(w) for w, n in zip(whole, near, strict=True)) and min(near) > 0:
                    found = self.polynomial(near)
                    if found is not None:
                        return Held(functions.power(scale(Fraction(factor), count(found)), power))
        raise WengertValueError(
            f"a number depends on the sizes in a way that is not recognised: {', '.join(map(str, values))}"
        )

    def size(self, values: Sequence[int]) -> Any:
        """A size as a polynomial in the names."""
        if all(v == values[0] for v in values):
            return values[0]
        found = self.polynomial(values)
        if found is None:
            raise WengertValueError(
                f"a size depends on those of the arguments in a way not recognised: {', '.join(map(str, values))} "
                "(with numbers for sizes it is known)"
            )
        return found

    def polynomial(self, values: Sequence[int]) -> Any:
        """c * product of names + d, with small c and d, or a sum of two names."""
        names = list(self.sizes[0])
        basis: list[tuple[Any, list[int]]] = [
            *((named(n), [s[n] for s in self.sizes]) for n in names),
            *((d, [sized(d, s) for s in self.sizes]) for d in self._sums),
        ]
        pairs = [
            (a * b, [x * y for x, y in zip(r, s, strict=True)])
            for (a, r), (b, s) in itertools.combinations_with_replacement(basis, 2)
        ]
        triples = [(a * b, [x * y for x, y in zip(r, s, strict=True)]) for (a, r) in basis for (b, s) in pairs]
        for dim, row in [*basis, *pairs, *triples]:
            for c in (1, 2, 3, -1):
                rest = {v - c * r for v, r in zip(values, row, strict=True)}
                if len(rest) == 1:
                    (d,) = rest
                    if abs(d) <= 8:
                        return c * dim + d
        for dim, row in [*basis, *pairs]:  # any whole multiple, such as that of repeated rows
            c, left = divmod(values[1] - values[0], row[1] - row[0]) if row[1] != row[0] else (0, 1)
            rest = {v - c * r for v, r in zip(values, row, strict=True)}
            if not left and c > 0 and len(rest) == 1 and abs(min(rest)) <= 8:
                return c * dim + min(rest)
        return _of_two(values, basis, basis[: len(names)])

    def parameter(self, values: Sequence[Any]) -> Any:
        """A parameter of a step: structure kept, sizes named."""
        first = values[0]
        if isinstance(first, bool) or first is None or isinstance(first, (str, np.dtype, type)):
            return first
        if isinstance(first, (int, np.integer)):
            return self.size([int(v) for v in values])
        if isinstance(first, float):
            return first
        if isinstance(first, slice):
            return slice(*(self.parameter([getattr(v, part) for v in values]) for part in ("start", "stop", "step")))
        if isinstance(first, (tuple, list)):
            return tuple(self.parameter([v[k] for v in values]) for k in range(len(first)))
        if isinstance(first, np.ndarray):
            return self.indices(values)
        return first

    def indices(self, values: Sequence[Any]) -> Any:
        """An array among the parameters: one of numbers, or that of all rows."""
        if all(np.array_equal(v, values[0]) for v in values):
            return values[0]
        if all(v.ndim == 1 and v.dtype.kind in "iu" and v.size for v in values):
            each = int(np.count_nonzero(values[0] == values[0][0]))
            start = int(values[0][0])
            counts = [len(v) // each for v in values]
            if all(
                np.array_equal(v, np.repeat(start + np.arange(c), each)) for v, c in zip(values, counts, strict=True)
            ):
                return Arange(self.size(counts), start, each)
        rank = values[0].ndim
        for at in range(rank) if rank > 1 and all(v.dtype.kind in "iu" and v.size for v in values) else ():
            if all(v.shape[at] == v.size and np.array_equal(v.ravel(), np.arange(v.size)) for v in values):
                return Arange(self.size([v.size for v in values]), place=(at, rank))
        raise WengertValueError("an index that depends on the sizes is not recognised")


def _of_two(values: Sequence[int], basis: Sequence[Any], names: Sequence[Any]) -> Any:
    """The sum of two sizes, the difference or the smaller one of two bare names, with a small number added."""
    pairs: list[Any] = [
        *((a + b, r, s, int.__add__) for (a, r), (b, s) in itertools.combinations(basis, 2)),
        *((a - b, r, s, int.__sub__) for (a, r), (b, s) in itertools.permutations(names, 2)),
        *((smaller(a, b), r, s, min) for (a, r), (b, s) in itertools.combinations(names, 2)),
    ]
    for found, r, s, together in pairs:
        rest = {v - together(x, y) for v, x, y in zip(values, r, s, strict=True)}
        if len(rest) == 1 and abs(min(rest)) <= 8:
            return found + min(rest)
    return None


def same_array(a: Any, b: Any) -> bool:
    """Whether two constants of a recording are one array: recordings hold copies of small ones."""
    if a is b:
        return True
    small = type(a) is type(b) is np.ndarray and a.shape == b.shape and a.dtype == b.dtype and a.nbytes <= 1 << 16
    return small and a.tobytes() == b.tobytes()
