"""Closed forms for users: variables with named dimensions, formulas, and their derivatives in textbook notation.

Imports symbolic, inside the functions, so that importing wengert stays cheap. Invariant: with ``check=True`` (the
default) no form is returned that was not compared with a numeric derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wengert.core.errors import WengertTypeError, WengertValueError

if TYPE_CHECKING:
    from wengert.symbolic.expression import Expression
    from wengert.symbolic.result import Derivative
    from wengert.symbolic.substitute import Again
    from wengert.symbolic.terms import Term, Var

__all__ = ["D", "closed_form", "dims", "from_sympy", "function", "parse", "to_sympy", "var"]


def dims(names: str) -> Any:
    """Dimensions by name, separated by blanks or commas: one alone, several as a tuple.

    Dimensions are added, subtracted and multiplied with each other and with ints; shapes of variables are made of them.

    >>> import wengert as wg
    >>> n, k = wg.dims("n k")
    >>> n, k, 2 * n + 1
    (n, k, 2*n + 1)

    Raises WengertValueError for what is no identifier.
    """
    from wengert.symbolic.dims import dims as made

    return made(names)


def var(name: str, shape: Any = (), **facts: bool) -> Expression:
    """A variable of a formula, with its shape of dimensions and what is known about it.

    Facts are symmetric, positive_definite, triangular, diagonal, orthogonal, positive, probability.

    >>> import wengert as wg
    >>> n = wg.dims("n")
    >>> A, x = wg.var("A", (n, n), symmetric=True), wg.var("x", n)
    >>> wg.D(x @ A @ x, x)
    2Ax   shape (n,)

    Raises WengertTypeError for an unknown fact, WengertValueError when a fact does not fit the shape.
    """
    from wengert.symbolic.expression import variable

    differentiate_named_functions()
    return variable(name, shape, **facts)


def function(name: str, shape: Any = (), of: Any = ()) -> Expression:
    """An abstract function of one or several variables, of which only the name and the shape are known.

    >>> import wengert as wg
    >>> x = wg.var("x", "n")
    >>> u = wg.function("u", (), of=x)
    >>> print(wg.D(u**2, x))
    2 u(x) ∂u/∂x

    Raises WengertValueError for a shape that is none.
    """
    from wengert.symbolic.expression import function as made

    differentiate_named_functions()
    return made(name, shape, of)


def parse(text: str, syntax: str = "numpy", **shapes: Any) -> Expression:
    """The expression of a formula in NumPy syntax or hand notation; nothing is executed.

    ``shapes`` declares the names: ``X=("m", "n")``, ``w="n"``, ``lam=()``; without any, all names are numbers.

    >>> import wengert as wg
    >>> loss = wg.parse("norm2(X*w - y)^2", "hand", X=("m", "n"), w="n", y="m")
    >>> float(loss.evaluate(X=[[1.0, 2.0]], w=[1.0, 1.0], y=[1.0]))
    4.0

    Raises FormulaError (a WengertValueError), with the column, for what cannot be read.
    """
    from wengert.symbolic.expression import parse as read

    differentiate_named_functions()
    return read(text, syntax, shapes)[0]


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

    ``expression`` is an expression or a text (then ``syntax`` and shapes as in ``parse``); ``wrt`` a variable or its
    name; ``layout`` one of jacobian (axes of the value, then of the variable), gradient, numerator, denominator.

    >>> import wengert as wg
    >>> wg.D("4*x**3 + x**2 + 3", "x")
    12x² + 2x   shape ()
    >>> wg.D("(X @ w - y) @ (X @ w - y)", "w", X=("m", "n"), w="n", y="m")
    2 Xᵀ(Xw − y)   shape (n,)

    Raises FormulaError for a formula that cannot be read, WengertValueError for a variable that does not occur,
    NoRuleError where no closed form is known, CheckError where the form found differs from the numeric derivative.
    """
    from wengert.symbolic.signs import of_formula

    with of_formula():
        term, free, again = _read(expression, syntax, {**(shapes or {}), **more_shapes}, check)
        return _derived(term, free, wrt, order, layout, check, again)


def closed_form(
    fun: Callable[..., Any],
    wrt: str,
    order: int = 1,
    layout: str = "jacobian",
    *,
    shapes: dict[str, Any],
    check: bool = True,
) -> Derivative:
    """The derivative, in closed form, of a NumPy function by one of its arguments.

    ``shapes`` names the dimensions of every argument. The function is recorded at three sets of pairwise different
    sizes; what depends on them is found again as a polynomial in the names. Arrays that the function reads from
    outside become variables C1, C2, ... of the form, to which they are bound.

    >>> import numpy as np
    >>> import wengert as wg
    >>> def loss(w, X, y):
    ...     return np.mean((X @ w - y) ** 2)
    >>> wg.closed_form(loss, "w", shapes={"w": "n", "X": ("m", "n"), "y": "m"})
    2 Xᵀ(Xw − y) / m   shape (n,)

    Raises WengertValueError where the function decides by values (``if``, ``while``) or runs a loop of varying length,
    NoRuleError, naming the step and its line, where an operation has no closed form.
    """
    from wengert.api.closed_recording import recorded
    from wengert.symbolic.signs import of_formula
    from wengert.symbolic.vocabulary import declared

    if not callable(fun):
        raise WengertTypeError("closed_form takes a function; for a formula use wengert.D")
    free: Any = declared(shapes)
    with of_formula():
        term, captured, again = recorded(fun, free, check)
        found = _derived(term, free, wrt, order, layout, check, again)
    found.bound.update(captured)
    return found


def to_sympy(formula: Any) -> Any:
    """A formula or a derivative as a SymPy expression; vectors become matrices of one column.

    >>> import wengert as wg
    >>> wg.to_sympy(wg.D("x**2 * sin(x)", "x"))
    x*(x*cos(x) + 2*sin(x))

    Raises NoRuleError for what SymPy has no word for (ranks above two, softmax), and where SymPy is not installed.
    """
    from wengert.symbolic.to_sympy import to_sympy as written

    return written(formula)


def from_sympy(expression: Any) -> Expression:
    """The formula of a SymPy expression of symbols and MatrixSymbols; matrices of one column become vectors.

    >>> import sympy
    >>> import wengert as wg
    >>> n = sympy.Symbol("n", integer=True, positive=True)
    >>> A, x = sympy.MatrixSymbol("A", n, n), sympy.MatrixSymbol("x", n, 1)
    >>> wg.D(wg.from_sympy(sympy.Trace(x.T * A * x)), "x")
    (A + Aᵀ)x   shape (n,)

    Raises WengertTypeError for what is no SymPy expression, NoRuleError, naming it, for a function without a formula.
    """
    from wengert.symbolic.from_sympy import from_sympy as read

    differentiate_named_functions()
    return read(expression)


def differentiate_named_functions() -> None:
    """Let operations without a closed form be differentiated by forward mode, wherever a form is evaluated or written
    as source; expressions by the two modes of the core.
    """
    from wengert.api.gradients import jvp, vjp
    from wengert.api.jacobians import jacobian
    from wengert.symbolic.graphs_run import install_modes
    from wengert.symbolic.named import install_jacobian

    def by_slots(function: Callable[..., Any], slots: tuple[int, ...], values: Any) -> Any:
        for k in slots:
            function = jacobian(function, k, mode="fwd")
        return function(*values)

    install_jacobian(by_slots)
    install_modes(vjp, jvp)


def _accumulated(function: Callable[..., Any], argument: int, order: int) -> Callable[..., Any]:
    """The derivative of a NumPy function by accumulation, compiled."""
    from wengert.api.compiling.compile import compile as compiled
    from wengert.api.compiling.passes import quietly
    from wengert.api.jacobians import hessian, jacobian

    derivative = hessian if order == 2 else jacobian
    made: Callable[..., Any] = compiled(derivative(function, argnums=argument), **quietly())
    return made


def _symmetric_sum(matrix: Any, factor: float) -> Any:
    """``factor * (matrix + matrix.T)`` by native code; None where there is none."""
    from wengert.backends.llvm.symmetric_sum import symmetric_sum

    return symmetric_sum(matrix, factor)


def _derived(
    term: Term, free: dict[str, Var], wrt: Any, order: int, layout: str, check: bool, again: Again
) -> Derivative:
    from wengert.api.compiling.compile import compile as compiled
    from wengert.api.compiling.passes import quietly
    from wengert.symbolic.derive import jacobian
    from wengert.symbolic.layouts import LAYOUTS
    from wengert.symbolic.programs import install_accumulator, install_compiler, install_symmetric_sum
    from wengert.symbolic.result import Derivative
    from wengert.symbolic.signs import written
    from wengert.symbolic.simplify import oriented
    from wengert.symbolic.substitute import by_free_entries
    from wengert.symbolic.terms import ordered
    from wengert.symbolic.verify import check_alike, check_derivative

    install_compiler(compiled, **quietly())
    install_accumulator(_accumulated)
    install_symmetric_sum(_symmetric_sum)
    differentiate_named_functions()
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 6:
        raise WengertValueError(f"order is a whole number from 1 to 6, got {order!r}")
    if layout not in LAYOUTS:
        raise WengertValueError(f"layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    x = _variable(wrt, free)
    written(ordered(term))
    last, same = by_free_entries(term, x, order, check, free, again)
    found = Derivative(term, x, oriented(last, x), order, layout, free)
    if check and same is not None:
        check_alike(same, found.of_points, found.free)
    elif check:
        before = term
        for _ in range(order - 1):
            before = jacobian(before, x)
        check_derivative(before, found.term, x, found.of_points, found.free)
    return found


def _read(expression: Any, syntax: str, shapes: dict[str, Any], check: bool) -> tuple[Term, dict[str, Var], Again]:
    """The term and variables of a formula; with ``check`` its value has been compared with that of its program."""
    from wengert.symbolic.expression import Expression
    from wengert.symbolic.expression import parse as read
    from wengert.symbolic.graphs import variables_of
    from wengert.symbolic.graphs_terms import term_where
    from wengert.symbolic.terms import Var
    from wengert.symbolic.verify import check_read

    if isinstance(expression, str):
        found, scope = read(expression, syntax, shapes)
        if check:
            check_read(found.term, found.graph)
        free = {n: v for n, v in scope.variables.items() if isinstance(v, Var)}
        return found.term, free, lambda old, new: term_where(found.source, old, new)
    if isinstance(expression, Expression):
        if check:
            check_read(expression.term, expression.graph)
        free = {v.name: v for v in variables_of(expression.graph)}
        return expression.term, free, lambda old, new: term_where(expression.source, old, new)
    if callable(expression):
        raise WengertTypeError(
            "D takes a formula; for a Python function use wengert.closed_form(f, wrt=..., shapes=...)"
        )
    raise WengertTypeError(f"D takes an expression or a text, got {type(expression).__name__}")


def _variable(wrt: Any, free: dict[str, Var]) -> Var:
    from wengert.symbolic.expression import Expression
    from wengert.symbolic.terms import Var

    if isinstance(wrt, Expression):
        if not isinstance(wrt.term, Var):
            raise WengertTypeError("a derivative is taken with respect to a variable, not to a composed expression")
        return free.setdefault(wrt.term.name, wrt.term)
    if not isinstance(wrt, str):
        raise WengertTypeError("wrt is one variable or its name; call D once for each")
    if wrt not in free:
        names = ", ".join(free) or "none"
        raise WengertValueError(f"the variable {wrt} does not occur in the expression; it has {names}")
    return free[wrt]
