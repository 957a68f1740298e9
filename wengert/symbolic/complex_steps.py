"""Steps whose values are complex numbers, between real ones: such a part of a program is one function by its own name.

Imports graphs, step_text, ops.steps. Invariant: terms are of real numbers; a complex step has none, and what reads it
and is real is a function of the real steps behind it, evaluated step by step as the program is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertValueError
from wengert.core.node import Const
from wengert.core.op import LINEAR
from wengert.ops.steps import run_step
from wengert.symbolic.graphs import SymbolicNode
from wengert.symbolic.named import differentiator, sized_parameter
from wengert.symbolic.step_text import StepText
from wengert.symbolic.terms import Abstract, Term, exact, intern


@dataclass(frozen=True, slots=True)
class Complex:
    """What stands for the term of a complex step, or of a complex number."""

    node: SymbolicNode | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Composite:
    """What ``named.Named`` is for one operation, for several: ``nodes`` in order, ``ends`` the real steps behind."""

    name: str
    nodes: tuple[SymbolicNode, ...]
    ends: tuple[Any, ...]
    where: Any = None
    is_constant: bool = False
    kinds: str = ""
    params: tuple[Any, ...] = ()

    def __repr__(self) -> str:
        numbers: dict[Any, Any] = {end: k for k, end in enumerate(self.ends)}
        parts = []
        for node in self.nodes:
            args = [repr(a.value) if type(a) is Const else f"[{numbers[a]}]" for a in node.args]
            numbers[node] = len(numbers)
            parts.append(f"{node.op.name}({', '.join(args)}; {node.params!r})")
        return " ".join(parts)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its arguments."""
        return tuple(f"x{k}" for k in range(len(self.ends)))

    def words(self, count: int) -> list[str]:
        """The same for that many."""
        return list(self.inputs[:count])

    def dtypes(self, count: int) -> list[np.dtype[Any]]:
        """Its arguments are arrays of floats."""
        return [np.dtype(float)] * count

    @property
    def options(self) -> dict[str, Any]:
        """It has no parameters."""
        return {}

    def is_flat(self, slots: tuple[int, ...]) -> bool:
        """Whether the derivative is zero: the second one where all steps are linear in one argument."""
        alone = len(self.ends) == 1 and all(
            n.op.kind == LINEAR and sum(type(a) is not Const for a in n.args) == 1 for n in self.nodes
        )
        return alone and len(slots) > 1

    def function(self, sizes: Mapping[str, int]) -> Callable[..., Any]:
        """The steps as a function of the arguments."""

        def function(*given: Any) -> Any:
            known = dict(zip(self.ends, given, strict=True))
            for node in self.nodes:
                values = [_constant(a.value, sizes) if type(a) is Const else known[a] for a in node.args]
                params = tuple(sized_parameter(p, sizes) for p in node.params)
                known[node] = run_step(node.op, values, params, node.evaluate)
            return known[self.nodes[-1]]

        return function

    steps = function

    def value(self, values: Sequence[Any], slots: tuple[int, ...], sizes: Mapping[str, int]) -> Any:
        """The value, or with ``slots`` the derivative by those arguments, at arrays."""
        function = self.function(sizes)
        if not slots:
            return function(*values)
        derivative = differentiator()
        if derivative is None:
            raise NoRuleError(f"nothing is installed that differentiates {self.name}")
        return derivative(function, slots, values)

    def text(self, words: Sequence[str], dim: Callable[[Any], str], term: Callable[[Any], str]) -> str:
        """The value as one expression of NumPy."""
        names: dict[Any, str] = dict(zip(self.ends, words, strict=True))
        writer = StepText(names, dim, term)
        for node in self.nodes:
            names[node] = writer.expression(node)
        return names[self.nodes[-1]]


def _constant(value: Any, sizes: Mapping[str, int]) -> Any:
    return value.at(sizes) if callable(getattr(value, "at", None)) else sized_parameter(value, sizes)


def composite(node: SymbolicNode) -> Term:
    """The function that a real step of complex ones is."""
    found: dict[Any, None] = {}
    ends: dict[Any, None] = {}

    def visit(step: Any) -> None:
        for a in step.args:
            if type(a) is Const or a in found:
                continue
            if isinstance(a.term, Complex):
                visit(a)
            elif isinstance(a.term, Term):
                ends[a] = None
            else:
                raise WengertValueError(f"a complex result of {a.op.name}, which has several, has no closed form")
        found[step] = None

    visit(node)
    nodes = tuple(sorted(found, key=lambda n: n.seq))
    given = tuple(sorted(ends, key=lambda n: n.seq))
    words = list(dict.fromkeys(_word(n) for n in reversed(nodes)))
    program = Composite("_".join(words), nodes, given, node.where)
    args = tuple(e.term for e in given)
    made: Abstract = intern(
        Abstract, (program.name, exact(program), tuple(a.ident for a in args), ()), node.type.shape,
        name=program.name, args=args, slots=(), program=program,
    )  # fmt: skip
    return made


def _word(node: SymbolicNode) -> str:
    """The name of a step in that of the function."""
    if node.op.name == "get":
        return next((kind for kind, _ in reversed(node.params[0]) if kind in ("real", "imag")), "part")
    return {"absolute": "abs", "conjugate": "conj"}.get(node.op.name, node.op.name)


__all__ = ["Complex", "Composite", "composite"]
