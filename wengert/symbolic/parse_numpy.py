"""Formulas in NumPy syntax, read through Python's ``ast`` and never executed.

Imports vocabulary, words, expression. Invariant: only the node kinds handled here are accepted; everything else
is refused with its column.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
from typing import Any

import numpy as np

from wengert.core.errors import WengertError
from wengert.symbolic.build import size_of, value_of
from wengert.symbolic.dims import Dim
from wengert.symbolic.expression import Expression, operand_of
from wengert.symbolic.parse_arguments import Arguments
from wengert.symbolic.vocabulary import DEEPEST, LONGEST, REFUSED, FormulaError, Scope, refuse, refused_at_once
from wengert.symbolic.words import FUNCTIONS, METHODS, method_of, reduced_by

MODULES = {"np", "numpy", "linalg", "special", "scipy", "math"}
OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.Mod: np.remainder,
    ast.FloorDiv: np.floor_divide,
}
COMPARISONS: dict[type, Any] = {
    ast.Gt: np.greater,
    ast.Lt: np.less,
    ast.GtE: np.greater_equal,
    ast.LtE: np.less_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


def parse_numpy(text: str, scope: Scope) -> Expression:
    """The expression of a formula in NumPy syntax; raises FormulaError with the column of what cannot be read."""
    if len(text) > LONGEST:
        raise refuse(text[:60], 0, f"a formula of {len(text)} characters; the limit is {LONGEST}")
    depth = deepest = 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        raise refuse(text, 0, f"{deepest} nested brackets; the limit is {DEEPEST}")
    if (refusal := refused_at_once(text)) is not None:
        raise refusal
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError as error:
        place = max(0, (error.offset or 1) - 1)
        raise refuse(text, place, f"this is no formula: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError):
        raise refuse(text[:60], 0, "this formula is nested too deeply to be read") from None
    reader = _Reader(text.strip(), scope)
    try:
        return reader.formula(tree.body)
    except RecursionError:
        raise refuse(text[:60], 0, "this formula is nested too deeply to be read") from None


class _Reader(Arguments):
    def __init__(self, text: str, scope: Scope) -> None:
        self.text = text
        self.scope = scope
        self.bound: dict[str, Expression] = {}
        """What the arguments of functions inside the formula stand for."""

    def column(self, node: ast.AST) -> int:
        line = getattr(node, "lineno", 1)
        before = sum(len(row) + 1 for row in self.text.splitlines()[: line - 1])
        row = self.text.splitlines()[line - 1].encode()
        return before + len(row[: getattr(node, "col_offset", 0)].decode(errors="ignore"))

    def error(self, node: ast.AST, what: str, fix: str = "") -> FormulaError:
        return refuse(self.text, self.column(node), what, fix)

    def formula(self, node: ast.AST) -> Expression:
        found = self.value(node)
        if isinstance(found, (int, float, Dim)) and not isinstance(found, bool):
            return self.lifted(found)
        if not isinstance(found, Expression):
            raise self.error(node, "an array or a number is needed here")
        return found

    def value(self, node: ast.AST) -> Any:
        method = getattr(self, "_" + type(node).__name__, None)
        if method is None:
            raise self.error(node, f"{_words(node)} cannot stand in a formula")
        try:
            found = method(node)
            if isinstance(found, Expression):
                found.known  # noqa: B018  # what has no closed form is refused here, with its column
            return found
        except FormulaError:
            raise
        except WengertError as error:
            raise self.error(node, str(error).split("\n")[0]) from None
        except (TypeError, ValueError) as error:
            raise self.error(node, f"this call does not fit: {error}") from None

    def _Constant(self, node: ast.Constant) -> Any:
        if node.value is None or isinstance(node.value, (bool, int, str)):
            if isinstance(node.value, int) and abs(node.value) > 10**30:
                raise self.error(node, "a number of more than 30 digits")
            return node.value
        if isinstance(node.value, float) and math.isfinite(node.value):
            return node.value
        if isinstance(node.value, complex) and math.isfinite(abs(node.value)):
            return node.value
        raise self.error(node, f"{node.value!r} is no finite real number")

    def _Name(self, node: ast.Name) -> Any:
        if node.id == "inf" and "inf" not in self.scope.variables:
            return math.inf
        found = self.bound[node.id] if node.id in self.bound else self.scope.lookup(node.id)
        if found is None:
            if node.id in FUNCTIONS or node.id in MODULES:
                raise self.error(node, f"{node.id} is a function: call it with arguments")
            names = ", ".join(self.scope.variables) or "none"
            raise self.error(
                node,
                f"unknown name {node.id}; declared are {names}",
                f'declare its shape: {node.id}=("n",), or {node.id}=() for a number',
            )
        return found

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        inner = self.value(node.operand)
        if isinstance(node.op, ast.USub):
            return -inner
        if isinstance(node.op, ast.UAdd):
            return inner
        if isinstance(node.op, ast.Invert) and isinstance(inner, Expression):
            return ~inner
        raise self.error(node, f"the operator {type(node.op).__name__} cannot stand in a formula")

    def _BinOp(self, node: ast.BinOp) -> Any:
        chain: list[ast.BinOp] = []
        left: ast.AST = node
        while isinstance(left, ast.BinOp):
            chain.append(left)
            left = left.left
        found = self.value(left)
        for link in reversed(chain):
            found = self.binary(link, found, self.value(link.right))
        return found

    def binary(self, node: ast.BinOp, a: Any, b: Any) -> Any:
        plain = not isinstance(a, Expression) and not isinstance(b, Expression)
        if plain and isinstance(node.op, ast.Pow) and (abs(b) > 64 or abs(a) > 10**6):
            raise self.error(node, "a power of numbers this large")
        if isinstance(a, (str, bool, tuple)) or isinstance(b, (str, bool, tuple)) or a is None or b is None:
            raise self.error(node, "arithmetic needs numbers and arrays")
        try:
            if plain and not isinstance(node.op, (ast.MatMult, ast.Div)):
                on_sizes: dict[type[ast.operator], Any] = {
                    ast.Add: lambda: a + b,
                    ast.Sub: lambda: a - b,
                    ast.Mult: lambda: a * b,
                    ast.Pow: lambda: a**b,
                }
                if type(node.op) in on_sizes:
                    return on_sizes[type(node.op)]()
            operate = OPERATORS.get(type(node.op))
            if operate is not None:
                found = operate(self.lifted(a) if plain else a, b)
                found.known  # noqa: B018  # as in ``value``
                return found
        except FormulaError:
            raise
        except (WengertError, ArithmeticError) as error:
            raise refuse(self.text, self.operator(node), str(error).split("\n")[0]) from None
        if isinstance(node.op, ast.BitXor):
            raise refuse(
                self.text, self.operator(node), "^ is no power in NumPy syntax", "write **, or pass syntax='hand'"
            )
        raise refuse(self.text, self.operator(node), f"the operator {type(node.op).__name__} cannot stand in a formula")

    def operator(self, node: ast.BinOp) -> int:
        """The column of an operator: between its operands."""
        start = self.column(node.left)
        ends = self.text.encode()
        end = getattr(node.left, "end_col_offset", 0) if getattr(node.left, "end_lineno", 1) == 1 else 0
        place = len(ends[:end].decode(errors="ignore")) if end else start
        while place < len(self.text) and self.text[place] in " )":
            place += 1
        return place

    @staticmethod
    def lifted(value: Any) -> Expression:
        return value if isinstance(value, Expression) else Expression(operand_of(value))

    def _Attribute(self, node: ast.Attribute) -> Any:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in MODULES
            and self.scope.variables.get(node.value.id) is None
        ):
            if node.attr in ("pi", "newaxis"):
                return None if node.attr == "newaxis" else self.scope.lookup("pi")
            if node.attr in ("inf", "e"):
                return getattr(math, node.attr)
            raise self.error(node, f"{node.attr} is a function: call it with arguments")
        if node.attr.startswith("_"):
            raise self.error(node, f"{node.attr} cannot stand in a formula")
        inner = self.value(node.value)
        if isinstance(inner, tuple) and node.attr in getattr(inner, "_fields", ()):
            return getattr(inner, node.attr)
        if not isinstance(inner, Expression):
            inner = self.formula(node.value)
        if node.attr == "T":
            return inner.T
        if node.attr in ("real", "imag"):
            return getattr(inner, node.attr)
        if node.attr == "shape":
            return inner.shape
        if node.attr in ("size", "ndim"):
            return getattr(inner, node.attr)
        raise self.error(node, f"unknown attribute {node.attr}")

    def _Subscript(self, node: ast.Subscript) -> Any:
        inner = self.value(node.value)
        if isinstance(inner, (tuple, list)):
            return inner[self.key(node.slice)]
        key = self.places(node.slice)
        if not isinstance(inner, Expression):
            raise self.error(node, "only arrays have entries")
        return inner[key]

    def places(self, node: ast.AST) -> Any:
        """The index of an array: as ``key``, a list or a computed array of whole numbers among it."""
        if isinstance(node, ast.Tuple):
            return tuple(self.places(e) for e in node.elts)
        if isinstance(node, ast.List):
            return np.array([self.key(e) for e in node.elts])
        if isinstance(node, (ast.Call, ast.Subscript, ast.Name)):
            found = self.value(node)
            if isinstance(found, Expression) and found.ndim:
                return found
        return self.key(node)

    def key(self, node: ast.AST) -> Any:
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(self.key(e) for e in node.elts)
        if isinstance(node, ast.Slice):
            ends = [None if e is None else self.plain(e) for e in (node.lower, node.upper, node.step)]
            return slice(*ends)
        return self.plain(node)

    def plain(self, node: ast.AST) -> Any:
        """A number or dimension rather than an expression."""
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return Ellipsis
        found = self.value(node)
        if isinstance(found, Expression):
            fixed = size_of(found.term)
            if fixed is None:
                fixed = value_of(found.term)
                if fixed is None:
                    raise self.error(node, "a number or a size is needed here, not a value that is computed")
                fixed = float(fixed)
            return fixed
        return found

    def _Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.plain(e) if isinstance(e, ast.Constant) else self.value(e) for e in node.elts)

    _List = _Tuple

    def _Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1:
            raise self.error(node, "one comparison at a time")
        compare = COMPARISONS.get(type(node.ops[0]))
        if compare is None:
            raise self.error(node, "this comparison cannot stand in a formula")
        return compare(self.formula(node.left), self.formula(node.comparators[0]))

    def _IfExp(self, node: ast.IfExp) -> Any:
        raise self.error(
            node,
            "a choice by a value has no closed form",
            "write where(condition, a, b), or use wengert.grad on a function",
        )

    def _Call(self, node: ast.Call) -> Any:
        name, make, owner = self.called(node.func)
        if len(node.args) > 64:
            raise self.error(node, "more than 64 arguments")
        args: list[Any] = []
        for k, a in enumerate(node.args):
            if isinstance(a, ast.Starred):
                raise self.error(a, "a star cannot stand in a formula")
            args.append(self.argument(name, k + owner, a))
        return make(*args, **{str(kw.arg): self.option(name, kw) for kw in node.keywords})

    def called(self, node: ast.AST) -> tuple[str, Any, int]:
        """The name of a called function, the function, and how many of its arguments stand before the bracket."""
        if isinstance(node, ast.Name):
            return node.id, self.function(node, node.id), 0
        if not isinstance(node, ast.Attribute):
            raise self.error(node, "only named functions can be called")
        path: list[str] = []
        root: ast.AST = node
        while isinstance(root, ast.Attribute):
            path.insert(0, root.attr)
            root = root.value
        if not isinstance(root, ast.Name) or root.id not in MODULES or root.id in self.scope.variables:
            if node.attr not in METHODS:
                raise self.error(node, f"unknown function {node.attr}", self.instead(node.attr))
            return node.attr, method_of(self.formula(node.value), node.attr), 1
        while len(path) > 1 and path[0] in MODULES and path[0] != "fft":
            del path[0]
        if len(path) == 1:
            return path[0], self.function(node, path[0]), 0
        if ".".join(path) in FUNCTIONS:
            return ".".join(path), FUNCTIONS[".".join(path)], 0
        made = reduced_by(*path) if len(path) == 2 else None
        if made is None:
            raise self.error(node, f"unknown function {'.'.join(path)}")
        return ".".join(path), made, 0

    def function(self, node: ast.AST, name: str) -> Any:
        if name in REFUSED:
            raise self.error(node, f"{REFUSED[name]} is not what this tool does: it differentiates")
        if name not in FUNCTIONS:
            raise self.error(node, f"unknown function {name}", self.instead(name))
        return FUNCTIONS[name]

    @staticmethod
    def instead(name: str) -> str:
        """The word that was meant, where one is alike."""
        found = difflib.get_close_matches(name, FUNCTIONS, 1, 0.75)
        return f"is {found[0]} meant?" if found else ""


def _words(node: ast.AST) -> str:
    return {
        "Lambda": "a lambda",
        "ListComp": "a comprehension",
        "Await": "await",
        "JoinedStr": "an f-string",
        "NamedExpr": ":=",
        "BoolOp": "and/or",
        "Dict": "a dictionary",
        "Set": "a set",
        "Starred": "a star",
    }.get(type(node).__name__, type(node).__name__)
