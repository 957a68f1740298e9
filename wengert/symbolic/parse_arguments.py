"""The arguments of calls in formulas: which are arrays, which are axes and sizes, which stand by name.

Imports words, expression. Invariant: an argument is read as what its place says; an option that is not listed is
refused with its column.
"""

from __future__ import annotations

import ast
from typing import Any

from wengert.symbolic.build import value_of
from wengert.symbolic.expression import Expression
from wengert.symbolic.vocabulary import FormulaError
from wengert.symbolic.words import ARRAYS, SEQUENCES

OPTIONS = {
    "axis", "keepdims", "ord", "ddof", "axes", "n", "k", "offset", "shift", "weights", "a_min", "a_max", "min", "max",
    "dim", "compute_uv", "full_matrices", "mode", "repeats", "reps", "newshape", "shape", "source", "destination",
    "axis1", "axis2", "kth", "q", "indices", "decimals", "correction", "rowvar", "bias", "prepend", "append",
    "pad_width", "dx", "increasing", "UPLO", "upper", "rcond", "hermitian", "default", "initial", "where", "to_end",
    "to_begin", "include_initial", "left", "right", "x", "side", "method", "norm", "period", "discont", "s",
}  # fmt: skip
ARRAY_OPTIONS = {"weights", "a_min", "a_max", "default", "initial", "where", "to_end", "to_begin", "prepend", "append",
                 "x"}  # fmt: skip


class Arguments:
    """The part of the reader that reads them."""

    bound: dict[str, Expression]

    def error(self, node: ast.AST, what: str, fix: str = "") -> FormulaError:
        """The error at the column of a node."""
        raise NotImplementedError

    def formula(self, node: ast.AST) -> Expression:
        """An expression."""
        raise NotImplementedError

    def value(self, node: ast.AST) -> Any:
        """An expression, a number or a size."""
        raise NotImplementedError

    def key(self, node: ast.AST) -> Any:
        """What is no array."""
        raise NotImplementedError

    def option(self, name: str, given: ast.keyword) -> Any:
        """The value of an argument that is given by name."""
        if given.arg not in OPTIONS:
            raise self.error(given.value, f"the option {given.arg} is not known here")
        if given.arg == "ord":
            return self.order(given.value)
        if given.arg in ARRAY_OPTIONS or (name == "clip" and given.arg in ("min", "max")):
            return given.value.value if isinstance(given.value, ast.Constant) else self.array(given.value)
        return self.key(given.value)

    def argument(self, name: str, place: int, node: ast.AST) -> Any:
        """An argument by its place: an array, or behind those what is no array (an axis, a size)."""
        if name in ("ones", "zeros", "full") and place == 0:
            found = self.key(node)
            return found if isinstance(found, tuple) else (found,)
        if name == "piecewise" and place == 2 and isinstance(node, (ast.List, ast.Tuple)):
            return [self.piece(e) for e in node.elts]
        if name in SEQUENCES and isinstance(node, (ast.List, ast.Tuple)):
            return self.sequence(node)
        if name == "einsum" and place == 0:
            return self.value(node)
        if name == "norm" and place == 1:
            return self.order(node)
        if name == "full" or place < ARRAYS.get(name, 9):
            return self.array(node)
        if name in ("max", "min") and not isinstance(node, (ast.Constant, ast.Tuple, ast.UnaryOp)):
            raise self.error(node, f"{name} takes an axis here", f"write {name}imum(x, y) for entries of two arrays")
        return self.key(node)

    def array(self, node: ast.AST) -> Any:
        """An argument that is an array; None stands for one that is left out."""
        absent = isinstance(node, ast.Constant) and node.value is None
        return None if absent else self.formula(node)

    def piece(self, node: ast.AST) -> Any:
        """A function of one argument, or a number, among those of piecewise."""
        if not isinstance(node, ast.Lambda):
            return self.formula(node)
        names = [a.arg for a in node.args.args]
        if len(names) != 1 or node.args.defaults or node.args.vararg or node.args.kwarg or node.args.kwonlyargs:
            raise self.error(node, "a function of piecewise takes one argument")

        def function(x: Expression) -> Expression:
            before = self.bound
            self.bound = {**before, names[0]: x}
            try:
                return self.formula(node.body)
            finally:
                self.bound = before

        return function

    def sequence(self, node: ast.List | ast.Tuple) -> list[Any]:
        """A list of arrays, or of rows of blocks."""
        return [self.sequence(e) if isinstance(e, (ast.List, ast.Tuple)) else self.formula(e) for e in node.elts]

    def order(self, node: ast.AST) -> Any:
        """The order of a norm: a number, a name such as 'fro', or a variable."""
        found = self.value(node)
        fixed = value_of(found.term) if isinstance(found, Expression) else None
        return found if fixed is None else float(fixed)
