"""Closed forms for users: variables with named dimensions, formulas, and their derivatives in textbook notation.

Imports symbolic. Invariant: with ``check=True`` (the default) no form is returned that was not compared with a numeric derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.core.errors import WengertTypeError, WengertValueError
from wengert.symbolic.derive import jacobian
from wengert.symbolic.dims import dims
from wengert.symbolic.expression import Expression, function, variable
from wengert.symbolic.expression import parse as parse_term
from wengert.symbolic.layouts import LAYOUTS
from wengert.symbolic.result import Derivative
from wengert.symbolic.terms import Term, Var, variables
from wengert.symbolic.verify import check_derivative

__all__ = ["D", "Derivative", "Expression", "dims", "function", "parse", "var"]


def var(name: str, shape: Any = (), **facts: bool) -> Expression:
    """A variable of a formula, with its shape of dimensions and what is known about it.

    >>> n, k = dims("n k")
    >>> A, x = var("A", (n, n), symmetric=True), var("x", n)
    >>> D(x @ A @ x, x)
    2Ax   shape (n,)

    Facts are symmetric, positive_definite, triangular, diagonal, orthogonal, positive, probability. Raises WengertTypeError for
    others, WengertValueError when a fact does not fit the shape.
    """
    return variable(name, shape, **facts)


def parse(text: str, syntax: str = "numpy", **shapes: Any) -> Expression:
    """The expression of a formula in NumPy syntax or hand notation; nothing is executed.

    ``shapes`` declares the names: ``X=("m", "n")``, ``w="n"``, ``lam=()``; without any, all names are numbers.

    >>> parse("norm2(X*w - y)^2", "hand", X=("m", "n"), w="n", y="m").shape
    ()

    Raises FormulaError (a WengertValueError), with the column, for what cannot be read.
    """
    return Expression(parse_term(text, syntax, shapes)[0])


def D(
    expression: Any,
    wrt: Any,
    order: int = 1,
    layout: str = "jacobian",
    *,
    syntax: str = "numpy",
    check: bool = True,
    shapes: dict[str, Any] | None = None,
    **more_shapes: Any,
) -> Derivative:
    """The derivative of a formula by a variable, in closed form.

    ``expression`` is an expression or a text (then ``syntax`` and shapes as in ``parse``); ``wrt`` a variable or its name; ``layout``
    one of jacobian (axes of the value, then of the variable), gradient, numerator, denominator.

    >>> D("4*x**3 + x**2 + 3", "x")
    12x² + 2x   shape ()
    >>> D("(X @ w - y) @ (X @ w - y)", "w", X=("m", "n"), w="n", y="m")
    2 Xᵀ(Xw − y)   shape (n,)

    Raises FormulaError for a formula that cannot be read, WengertValueError for a variable that does not occur, NoRuleError where no
    closed form is known, CheckError where the form found differs from the numeric derivative.
    """
    term, free = _read(expression, syntax, {**(shapes or {}), **more_shapes})
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 6:
        raise WengertValueError(f"order is a whole number from 1 to 6, got {order!r}")
    if layout not in LAYOUTS:
        raise WengertValueError(f"layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    x = _variable(wrt, free, term)
    before = term
    for _ in range(order - 1):
        after = jacobian(before, x)
        if check:
            check_derivative(before, after, x)
        before = after
    found = Derivative(term, x, jacobian(before, x), order, layout, free)
    if check:
        check_derivative(before, found.term, x, found.of_points, found.free)
    return found


def _read(expression: Any, syntax: str, shapes: dict[str, Any]) -> tuple[Term, dict[str, Var]]:
    if isinstance(expression, str):
        term, scope = parse_term(expression, syntax, shapes)
        free = {n: v for n, v in scope.variables.items() if isinstance(v, Var)}
        return term, free
    if isinstance(expression, Expression):
        return expression.term, dict(variables(expression.term))
    if callable(expression):
        raise WengertTypeError(
            "D takes a formula; for a Python function use wengert.closed_form(f, wrt=..., shapes=...)"
        )
    raise WengertTypeError(f"D takes an expression or a text, got {type(expression).__name__}")


def _variable(wrt: Any, free: dict[str, Var], term: Term) -> Var:
    if isinstance(wrt, Expression):
        if not isinstance(wrt.term, Var):
            raise WengertTypeError("a derivative is taken with respect to a variable, not to a composed expression")
        free.setdefault(wrt.term.name, wrt.term)
        return wrt.term
    if isinstance(wrt, Sequence) and not isinstance(wrt, str):
        raise WengertTypeError("wrt is one variable; call D once for each")
    if wrt not in free:
        names = ", ".join(free) or "none"
        raise WengertValueError(f"the variable {wrt} does not occur in the expression; it has {names}")
    return free[wrt]
