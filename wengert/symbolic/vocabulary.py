"""The variables of a formula with their declared shapes, what they may be called, and the errors of both parsers.

Imports terms, dims. Invariant: a name means what was declared, and nothing else is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from wengert.core.errors import WengertValueError
from wengert.symbolic import functions
from wengert.symbolic.build import count, var
from wengert.symbolic.dims import Dim, size
from wengert.symbolic.terms import Abstract, Term, Var

if TYPE_CHECKING:
    from wengert.symbolic.expression import Expression

FACTS = ("symmetric", "positive definite", "triangular", "diagonal", "orthogonal", "positive", "probability")
LONGEST = 20_000
DEEPEST = 80
REFUSED = {
    "integrate": "an integral",
    "integral": "an integral",
    "quad": "an integral",
    "solve_equation": "solving an equation",
    "fsolve": "solving an equation",
    "dsolve": "solving an equation",
    "Integral": "an integral",
    "nsolve": "solving an equation",
    "solveset": "solving an equation",
    "roots": "solving an equation",
    "limit": "a limit",
}


class FormulaError(WengertValueError):
    """A formula that cannot be read; ``column`` (from 1) says where, and the message shows the place."""

    column: int = 0


def refused_at_once(text: str) -> FormulaError | None:
    """The error for signs that say what this tool does not do: ∫ and =."""
    for sign, what in (("∫", "an integral"), ("=", "solving an equation")):
        at = re.search(r"∫" if sign == "∫" else r"(?<![<>=!])=(?!=)", text)
        inside = at is not None and text.count("(", 0, at.start()) > text.count(")", 0, at.start())
        if at is not None and not (sign == "=" and inside):  # inside a call it names an option
            return refuse(text, at.start(), f"{what} is not what this tool does: it differentiates")
    return None


def refuse(text: str, column: int, what: str, fix: str = "") -> FormulaError:
    """The error for a place in a formula."""
    lines = text.splitlines() or [""]
    left = column
    for row in lines:
        if left <= len(row):
            break
        left -= len(row) + 1
    start = max(0, left - 30)
    shown = row[start : start + 60]
    pointer = " " * (left - start) + "^"
    error = FormulaError(
        f"{what}\n  column {column + 1}: {shown}\n            {' ' * len(str(column + 1))}{pointer}"
        + (f"\n  fix: {fix}" if fix else "")
    )
    error.column = column + 1
    error.fix = fix
    return error


def shape_of(spec: Any) -> tuple[Any, ...]:
    """A declared shape from a name, an int, or a sequence of them; ``"m,n"`` is a matrix.

    ``()`` and ``""`` a scalar.
    """
    if isinstance(spec, str):
        return tuple(size(word) for word in spec.replace(",", " ").split())
    if isinstance(spec, (tuple, list)):
        return tuple(size(d) for d in spec)
    return (size(spec),)


def declared(shapes: Mapping[str, Any]) -> dict[str, Term]:
    """Variables from ``name -> shape`` (or name -> variable)."""
    found: dict[str, Term] = {}
    for name, spec in shapes.items():
        term = getattr(spec, "term", spec)
        if isinstance(term, Var):
            found[name] = term if term.name == name else var(name, term.shape, term.facts)
        elif isinstance(term, (Abstract,)):
            found[name] = term
        else:
            found[name] = var(name, shape_of(spec))
    return found


class Scope:
    """What names mean in a formula. With no declared shape at all, every name is a scalar."""

    def __init__(self, shapes: Mapping[str, Any]) -> None:
        self.variables = declared(shapes)
        self.open = not shapes
        self.dims = {
            n: d for t in self.variables.values() for d in t.shape if isinstance(d, Dim) and d.simple for n in d.names
        }

    def lookup(self, name: str) -> Expression | None:
        """The expression of a name, or None."""
        from wengert.symbolic.expression import Expression

        found = self.variables.get(name)
        if found is None and name in self.dims:
            return Expression(count(self.dims[name]))
        if found is None and name in ("pi", "π"):
            return Expression(functions.PI)
        if found is None and self.open:
            found = self.variables[name] = var(name)
        return None if found is None else Expression(found)
