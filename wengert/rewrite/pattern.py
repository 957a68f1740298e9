"""Patterns: expressions in variables, written with Python's operators, matched against steps and
built again as steps.

Imports core, ops. Invariant: a variable that stands twice matches only one and the same value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.core.constants import without_repeats
from wengert.core.graph import Operand, step
from wengert.core.handle import is_handle
from wengert.core.node import Const, Node
from wengert.core.op import OPS
from wengert.core.types import ArrayType

Bindings = dict[str, Operand]


class Pattern:
    """An expression to match: a variable, a number, or an operation on patterns. Operators build
    larger ones."""

    def __add__(self, other: Any) -> Pattern:
        return call("add", self, other)

    def __radd__(self, other: Any) -> Pattern:
        return call("add", other, self)

    def __sub__(self, other: Any) -> Pattern:
        return call("subtract", self, other)

    def __rsub__(self, other: Any) -> Pattern:
        return call("subtract", other, self)

    def __mul__(self, other: Any) -> Pattern:
        return call("multiply", self, other)

    def __rmul__(self, other: Any) -> Pattern:
        return call("multiply", other, self)

    def __truediv__(self, other: Any) -> Pattern:
        return call("divide", self, other)

    def __rtruediv__(self, other: Any) -> Pattern:
        return call("divide", other, self)

    def __pow__(self, other: Any) -> Pattern:
        return call("power", self, other)

    def __neg__(self) -> Pattern:
        return call("negative", self)

    def __pos__(self) -> Pattern:
        return call("positive", self)


class Variable(Pattern):
    """Matches any operand; with ``constant`` only a known number or array."""

    def __init__(self, name: str, *, constant: bool = False) -> None:
        self.name = name
        self.constant = constant

    def __repr__(self) -> str:
        return self.name


class Number(Pattern):
    """Matches a constant all of whose elements are this number, sign of zero included."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


class Call(Pattern):
    """Matches a step of one operation."""

    def __init__(self, name: str, args: tuple[Pattern, ...], params: Any = None) -> None:
        self.name = name
        self.args = args
        self.params = params

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))})"


class Computed(Pattern):
    """In a replacement: a constant computed from constants that were matched."""

    def __init__(self, function: Callable[[dict[str, Any]], Any], text: str) -> None:
        self.function = function
        self.text = text

    def __repr__(self) -> str:
        return self.text


def call(name: str, *args: Any, params: Any = None) -> Call:
    """A pattern of one operation; numbers among the arguments stand for themselves."""
    return Call(name, tuple(a if isinstance(a, Pattern) else Number(a) for a in args), params)


class Rule(NamedTuple):
    """One rewriting: ``pattern`` becomes ``replacement`` where ``when(bindings, node)`` holds,
    because ``why``.

    ``exact``: the same bits (NaN counts as NaN). Otherwise the same up to rounding wherever the
    result is finite."""

    name: str
    pattern: Pattern
    replacement: Pattern
    why: str
    when: Callable[[Bindings, Node], bool] | None = None
    exact: bool = True

    @property
    def operation(self) -> str:
        """The operation whose steps the rule rewrites."""
        assert isinstance(self.pattern, Call)
        return self.pattern.name


_COMMUTES = frozenset({"add", "multiply", "maximum", "minimum"})


def match(pattern: Pattern, operand: Operand, found: Bindings) -> bool:
    """Whether an operand has the form of a pattern; ``found`` gets the variables (garbage when it
    does not match)."""
    if isinstance(pattern, Variable):
        if pattern.constant and not (isinstance(operand, Const) and not is_handle(operand.value)):
            return False
        known = found.setdefault(pattern.name, operand)
        return known is operand or (
            isinstance(known, Const)
            and isinstance(operand, Const)
            and same_constant(known, operand)
        )
    if isinstance(pattern, Number):
        return isinstance(operand, Const) and is_number(operand.value, pattern.value)
    if (
        not isinstance(pattern, Call)
        or isinstance(operand, Const)
        or operand.op.name != pattern.name
    ):
        return False
    if pattern.params is not None and operand.params != pattern.params:
        return False
    orders = [operand.args]
    if pattern.name in _COMMUTES:
        orders.append(operand.args[::-1])
    for args in orders:
        trial = dict(found)
        if len(args) == len(pattern.args) and all(
            match(p, a, trial) for p, a in zip(pattern.args, args, strict=True)
        ):
            found.clear()
            found.update(trial)
            return True
    return False


def is_number(value: Any, wanted: float) -> bool:
    """Whether a constant is a number, or an array filled with it, with the same sign of zero."""
    if type(value) is float or type(value) is np.float64:
        return bool(value == wanted) and (wanted != 0 or np.signbit(value) == np.signbit(wanted))
    if is_handle(value) or not isinstance(value, (int, float, complex, np.generic, np.ndarray)):
        return False
    if isinstance(value, np.ndarray) and (value.dtype.kind not in "fciu" or value.size == 0):
        return False
    if isinstance(value, np.ndarray) and value.item(0) != wanted:
        return False  # before looking at all of a large array
    if isinstance(value, np.ndarray):
        value = without_repeats(value)
    same = bool(np.all(value == wanted))
    return same and (
        wanted != 0
        or np.iscomplexobj(value)
        or bool(np.all(np.signbit(value) == np.signbit(wanted)))
    )


def same_constant(left: Const, right: Const) -> bool:
    """Whether two constants are one number, to the bit."""
    a, b = left.value, right.value
    if a is b:
        return True
    if (
        is_handle(a)
        or is_handle(b)
        or type(a) is not type(b)
        or not isinstance(a, (int, float, complex, np.generic))
    ):
        return False
    return bool(np.asarray(a).tobytes() == np.asarray(b).tobytes())


def build(pattern: Pattern, found: Bindings, where: Any, made: list[Node]) -> Operand:
    """The operand that a replacement stands for; new steps are appended to ``made`` in order."""
    if isinstance(pattern, Variable):
        return found[pattern.name]
    if isinstance(pattern, Number):
        return Const(pattern.value)
    if isinstance(pattern, Computed):
        return Const(
            pattern.function({k: v.value for k, v in found.items() if isinstance(v, Const)})
        )
    assert isinstance(pattern, Call)
    op: Any = OPS[pattern.name]
    args = [build(p, found, where, made) for p in pattern.args]
    params = tuple(op.params.values()) if pattern.params is None else pattern.params
    node = step(op, args, params, op.infer(kinds_of(args), params), where)
    made.append(node)
    return node


def kind_of(operand: Operand) -> ArrayType:
    """The type of an operand."""
    if not isinstance(operand, Const):
        return operand.type
    return ArrayType.of(operand.value.value if is_handle(operand.value) else operand.value)


def kinds_of(operands: Sequence[Operand]) -> list[ArrayType]:
    """The types of the operands of one step; a Python number takes the precision of the others, as
    in NumPy."""
    kinds = [kind_of(o) for o in operands]
    weak = [isinstance(o, Const) and type(o.value) in (float, int, complex) for o in operands]
    strong = [k.dtype for k, w in zip(kinds, weak, strict=True) if not w]
    if not strong or not any(weak):
        return kinds
    common = np.result_type(*strong)
    return [
        ArrayType((), np.result_type(common, o.value)) if w and isinstance(o, Const) else k
        for o, k, w in zip(operands, kinds, weak, strict=True)
    ]


__all__ = [
    "Bindings",
    "Call",
    "Computed",
    "Number",
    "Pattern",
    "Rule",
    "Variable",
    "build",
    "call",
    "is_number",
    "kind_of",
    "kinds_of",
    "match",
    "same_constant",
]
