"""From graphs to terms: each step by the line that its operation has in ``recorded_rules``.

Explicit expressions and recorded functions come through here alike. Imports graphs, recorded_rules, named. Invariant:
the term of a step has the shape of the step; what has no rule is kept by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertError, WengertValueError, error_at
from wengert.core.graph import Operand
from wengert.core.node import Const
from wengert.core.op import CONSTANT, CONTROL, ELEMENTWISE
from wengert.core.structure import ITEM, ROOT
from wengert.core.types import ArrayType
from wengert.symbolic import arrays
from wengert.symbolic.build import count, eye, number, scale
from wengert.symbolic.complex_steps import Complex, composite
from wengert.symbolic.dims import Dim
from wengert.symbolic.graphs import Held, SymbolicNode, steps_of
from wengert.symbolic.named import Named, named_term
from wengert.symbolic.recorded_rules import RULES
from wengert.symbolic.terms import Constant, Term, intern

FINAL = {"vector_norm", "length"}
"""Operations that are refused where their rule refuses them; others are then kept by name."""
PRODUCTS = {"matmul", "dot", "inner", "vdot", "vecdot", "tensordot", "einsum", "matvec", "vecmat"}
Stand = Callable[[Any], Term]
"""What an array of numbers is in a term."""


def term_of(operand: Operand, stand: Stand | None = None) -> Any:
    """The term of a step or constant (a tuple of them for several outputs); ``stand`` makes those of arrays.

    Raises NoRuleError, naming the step and its line, for a spelling that has no closed form.
    """
    array = stand or constant
    if isinstance(operand, Const):
        return constant_term(operand.value, array)
    found: Any = operand
    if found.term is None:
        for node in steps_of([operand], unread=True):
            given = [_constant(a.value, array) if type(a) is Const else a.term for a in node.args]
            node.term = _lowered(node, given)
    return found.term


def real(term: Any) -> Any:
    """A term that is no complex step; raises NoRuleError, naming the step."""
    if isinstance(term, Complex) and term.node is not None:
        raise refusal(term.node, f"a result of dtype {term.node.type.dtype} has no closed form (its real part has)")
    return term


def term_where(operand: Operand, old: Term, new: Term, stand: Stand | None = None) -> Any:
    """The term with another variable in the place of one: read off the steps anew, so that nothing is left of what
    was known of the first.
    """
    array = stand or constant
    if isinstance(operand, Const):
        return constant_term(operand.value, array)
    known: dict[Any, Any] = {}
    for node in steps_of([operand]):
        if node.op is ROOT:
            known[node] = new if node.term is old else node.term
        else:
            given = [_constant(a.value, array) if type(a) is Const else known[a] for a in node.args]
            known[node] = _lowered(node, given)
    return known[operand]


def _lowered(node: SymbolicNode, operands: list[Any]) -> Any:
    if node.op is ITEM:
        found = operands[0][node.params[0]]
        if isinstance(found, Missing):
            raise refusal(node, found.why)
        return found
    if type(node.type) is ArrayType and node.type.dtype.kind == "c":
        if node.args and node.op.kind in (CONTROL, CONSTANT):
            raise refusal(node, f"a result of dtype {node.type.dtype} has no closed form")
        return Complex(node)
    if any(isinstance(o, Complex) for o in operands):
        try:
            return composite(node)
        except WengertError as error:
            raise refusal(node, str(error).split("\n")[0]) from None
    rule = _of_truth_values(node.op.name) if _is_truth(node.type) else RULES.get(node.op.name)
    why: Any = None
    try:
        made = NotImplemented if rule is None else rule(*operands, *node.params)
    except WengertError as error:
        if getattr(error, "line", 0):
            raise
        if node.op.kind == ELEMENTWISE or node.op.name in FINAL:
            raise refusal(node, str(error).split("\n")[0]) from None
        made, why = NotImplemented, str(error).split("\n")[0]
    except (TypeError, AttributeError) as error:
        made, why = NotImplemented, f"{node.op.name} in this spelling has no closed form ({error})"
    if isinstance(made, Term) and made.shape != node.type.shape:
        made, why = NotImplemented, f"{node.op.name} in this spelling has no closed form (shape {node.type.shape})"
    if made is NotImplemented:
        try:
            made = _by_name(node, operands)
        except WengertError as error:
            raise refusal(node, why or str(error).split("\n")[0]) from None
    return made


def _is_truth(kind: Any) -> bool:
    return type(kind) is ArrayType and kind.dtype.kind == "b"


def _of_truth_values(name: str) -> Any:
    """The rule of an operation whose result is a truth value: NumPy's sum of two is "or", its product of matrices is
    kept by name.
    """
    if name == "add":
        return RULES["logical_or"]
    return None if name in PRODUCTS else RULES.get(name)


@dataclass(frozen=True, slots=True)
class Missing:
    """An output of an operation with several that has no closed form."""

    why: str


def _by_name(node: SymbolicNode, operands: list[Any]) -> Any:
    """The named function of a step that has no closed form; one for each output."""
    kinds = "".join(map(_kind, node.args))
    kinds = "" if set(kinds) <= {"f"} else kinds
    if type(node.type) is tuple:
        return tuple(_output(node, k, kinds, operands) for k in range(len(node.type)))
    return named_term(Named(node.op, node.params, None, kinds, node.where), operands, _real(node.type))


def _output(node: SymbolicNode, k: int, kinds: str, operands: list[Any]) -> Any:
    """One of several outputs by name; what may not be asked for says why."""
    try:
        return named_term(Named(node.op, node.params, k, kinds, node.where), operands, _real(node.type[k]))
    except WengertError as error:
        return Missing(str(error).split("\n")[0])


def _kind(operand: Operand) -> str:
    """The kind of an operand's dtype; numbers that are no array count as floats."""
    if isinstance(operand, Const):
        given = operand.value
        if isinstance(given, (int, float)) and not isinstance(given, bool):
            return "f"
        return np.dtype(getattr(given, "dtype", None) or (bool if isinstance(given, bool) else float)).kind
    return str(operand.type.dtype.kind)


def _real(kind: Any) -> tuple[Any, ...]:
    if kind.dtype.kind not in "fiub":
        raise WengertValueError(f"a result of dtype {kind.dtype} has no closed form")
    return kind.shape


def refusal(node: Any, why: str) -> WengertError:
    """The error that names a step."""
    return error_at(
        NoRuleError,
        f"no closed form: {why}",
        fix="use wengert.grad, jacobian or hessian for this function",
        where=node.where,
    )


def constant_term(value: Any, array: Stand) -> Term:
    """The term of a constant: a number, a size, or an array of numbers."""
    if isinstance(value, Held):
        return value.term
    if isinstance(value, Dim):
        return size_term(value)
    if isinstance(value, (int, float, Fraction)):
        return number(value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise WengertValueError(f"a constant of dtype {found.dtype} has no closed form")
    if found.ndim == 0:
        return number(found.item())
    if found.size and np.all(found == found.flat[0]):
        return arrays.broadcast(number(found.flat[0].item()), found.shape)
    if found.ndim == 2 and found.shape[0] == found.shape[1]:
        first = found[0, 0].item()
        if np.array_equal(found, np.eye(len(found)) * first):
            return arrays.times(number(first), eye(len(found)))
    return array(value)


def _constant(value: Any, array: Stand) -> Any:
    """The same for an operand, which may be a complex number beside complex steps."""
    if not isinstance(value, Held) and np.ndim(value) == 0 and isinstance(value, (complex, np.complexfloating)):
        return Complex(None)
    return constant_term(value, array)


def size_term(dim: Dim) -> Term:
    """A dimension as a number: 2n is twice n."""
    common = math.gcd(*(c for _, c in dim.terms)) * (-1 if all(c < 0 for _, c in dim.terms) else 1)
    rest = Dim(tuple((m, c // common) for m, c in dim.terms))
    return scale(Fraction(common), count(rest))


def constant(value: Any) -> Term:
    """An array of numbers as a term of its own."""
    found = np.asarray(value)
    key = ("array", found.tobytes(), found.shape, str(found.dtype))
    kept = np.array(found, dtype=float)
    made: Constant = intern(Constant, key, found.shape, name=f"constant{found.shape}", value=kept)
    return made


__all__ = ["constant", "constant_term", "real", "refusal", "size_term", "term_of", "term_where"]
