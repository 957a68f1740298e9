"""Whether a printed form is the hand-written one, up to the order of what commutes.

May import wengert and NumPy. Invariant: only the order of sums and products, the flattening of chains, x·x = ‖x‖² and
the spelling of powers and quotients are levelled; nothing is multiplied out, factored or simplified.
"""

from __future__ import annotations

import ast
from typing import Any

from wengert.symbolic.code import Code, Text
from wengert.symbolic.dims import Dim
from wengert.symbolic.notation import Form
from wengert.symbolic.writer import ADD, ATOM, MUL, POWER

Tree = tuple[Any, ...]


class Words(Code):
    """A form in the words of the hand-written cases: ``sigmoid``, ``softmax``, ``inv``, ``diag``, sizes by name."""

    def __init__(self) -> None:
        super().__init__({})

    def product(self, parts: list[tuple[Form, bool]]) -> Text:
        """The chain as it stands."""
        words = [f"{self.at(f, ATOM)}.T" if turned and f.rank == 2 else self.at(f, POWER) for f, turned in parts]
        return " @ ".join(words), MUL if len(words) > 1 else POWER

    def _norm2sq(self, form: Form) -> Text:
        return f"norm({self.write(form.args[0])})**2", POWER

    def _tr(self, form: Form) -> Text:
        return f"trace({self.write(form.args[0])})", ATOM

    def _diag(self, form: Form) -> Text:
        return f"diag({self.write(form.args[0])})", ATOM

    def _pow(self, form: Form) -> Text:
        if form.args[0].kind == "norm":
            return f"norm({self.write(form.args[0].args[0])})**{self.number(form.value)[0]}", POWER
        return super()._pow(form)

    def _reduce(self, form: Form) -> Text:
        name, axes, rank = form.value
        axis = "" if len(axes) == rank else f", axis={axes[0]}"
        return f"{name}({self.write(form.args[0])}{axis})", ATOM

    def _call(self, form: Form) -> Text:
        if form.value in ("sigmoid", "softplus", "relu"):
            return f"{form.value}({self.write(form.args[0])})", ATOM
        return super()._call(form)

    def dim(self, value: Any) -> Text:
        """A dimension by its name."""
        return (str(value), ADD if isinstance(value, Dim) and not value.simple else ATOM)


def same(form: Form, expected: str) -> bool:
    """Whether a form is the expected one."""
    return key(Words().write(form)) == key(expected)


def key(text: str) -> Tree:
    """The levelled tree of an expression."""
    return canonical(ast.parse(text.strip(), mode="eval").body)


def canonical(node: ast.AST) -> Tree:
    """A tree where sums, products and matrix chains are flat and what commutes is sorted."""
    if isinstance(node, ast.Constant):
        return ("number", float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return ("name", node.id)
    if isinstance(node, ast.UnaryOp):
        inner = canonical(node.operand)
        return product([("number", -1.0), inner]) if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](canonical(node.left), canonical(node.right))
    if isinstance(node, ast.Attribute):
        return transposed(canonical(node.value)) if node.attr == "T" else ("name", node.attr)
    if isinstance(node, ast.Call):
        word = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        arguments = [canonical(a) for a in node.args]
        arguments += [("keyword", k.arg, canonical(k.value)) for k in node.keywords]
        if word == "sqrt":
            return power(arguments[0], 0.5)
        if word == "outer" and len(arguments) == 2:
            return scaled_apart("outer", arguments)
        return ("call", word, *arguments)
    if isinstance(node, ast.Tuple):
        return ("tuple", *map(canonical, node.elts))
    return ("other", ast.unparse(node))


def scaled_apart(word: str, arguments: list[Tree]) -> Tree:
    """A bilinear call with the numbers taken out of its arguments."""
    number, bare = 1.0, []
    for a in arguments:
        if a[0] == "product":
            number *= next((q[1] for q in a[1:] if q[0] == "number"), 1.0)
            a = product([q for q in a[1:] if q[0] != "number"])
        bare.append(a)
    return product([("number", number), ("call", word, *bare)])


def transposed(a: Tree) -> Tree:
    """The transpose of a matrix or of a chain."""
    if a[0] == "transpose":
        return a[1]  # type: ignore[no-any-return]
    if a[0] == "chain":
        return chain([transposed(x) for x in reversed(a[1:])])
    return ("transpose", a)


def power(a: Tree, p: float) -> Tree:
    """A power with a number as exponent."""
    if a[0] == "number":
        return ("number", a[1] ** p)
    if a[0] == "power":
        return power(a[1], a[2] * p)
    if a[0] == "product":
        return product([power(x, p) for x in a[1:]])
    return a if p == 1 else ("power", a, p)


def total(parts: list[Tree]) -> Tree:
    """A flat sum."""
    flat: list[Tree] = []
    for p in parts:
        flat.extend(p[1:] if p[0] == "sum" else [p])
    return ("sum", *sorted(flat, key=repr))


def product(parts: list[Tree]) -> Tree:
    """A flat product: one number, and each factor with its power."""
    number = 1.0
    powers: dict[Tree, float] = {}
    for p in parts:
        for q in p[1:] if p[0] == "product" else [p]:
            if q[0] == "number":
                number *= q[1]
            else:
                base, exponent = (q[1], q[2]) if q[0] == "power" else (q, 1.0)
                powers[base] = powers.get(base, 0.0) + exponent
    flat = [power(base, e) for base, e in powers.items() if e]
    if number != 1 or not flat:
        flat.append(("number", number))
    return flat[0] if len(flat) == 1 else ("product", *sorted(flat, key=repr))


def chain(parts: list[Tree]) -> Tree:
    """A flat matrix product; numbers leave it, and x @ x is the square of a norm."""
    flat: list[Tree] = []
    numbers: list[Tree] = []
    for p in parts:
        if p[0] == "product":
            numbers += [q for q in p[1:] if q[0] == "number"]
            p = product([q for q in p[1:] if q[0] != "number"])
        flat.extend(p[1:] if p[0] == "chain" else [p])
    if len(flat) == 2 and flat[0] == flat[1] and flat[0][0] == "name" and flat[0][1].islower():
        found = power(("call", "norm", flat[0]), 2.0)
    else:
        found = ("chain", *flat)
    return product([*numbers, found]) if numbers else found


def raised(a: Tree, b: Tree) -> Tree:
    """A power."""
    return power(a, b[1]) if b[0] == "number" else ("raised", a, b)


OPERATORS: dict[type[ast.operator], Any] = {
    ast.Add: lambda a, b: total([a, b]),
    ast.Sub: lambda a, b: total([a, product([("number", -1.0), b])]),
    ast.Mult: lambda a, b: product([a, b]),
    ast.Div: lambda a, b: product([a, power(b, -1.0)]),
    ast.MatMult: lambda a, b: chain([a, b]),
    ast.Pow: raised,
}
