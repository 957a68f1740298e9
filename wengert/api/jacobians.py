"""jacobian, jacfwd, jacrev, hessian, hvp, derivative, elementwise_grad: all derivatives at once, by batched products.

Imports core, ``gradients``, ``jacobian_blocks``. Invariant: a Jacobian has shape ``out.shape + in.shape``; containers
give the tree of outputs of trees of inputs.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from wengert.api import engine
from wengert.api.arguments import Selection, name_of, require_function
from wengert.api.closed_derivatives import WORTHWHILE, Forms
from wengert.api.gradients import grad, jvp, match, vjp
from wengert.api.jacobian_blocks import Flat, chunks_of, finite, forward, pull_all, raw, reverse, size_of
from wengert.api.kinks import look, looking, watcher
from wengert.api.verify import verified, verified_call
from wengert.core.errors import TieError, WengertTypeError, WengertValueError, error_at
from wengert.core.tree import flatten
from wengert.core.types import dtype_of, shape_of
from wengert.tensor.bridge import is_watched, through

Argnums = int | Sequence[int]
Argnames = str | Sequence[str] | None


_MODES = ("auto", "fwd", "rev", "closed")


def jacobian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    argnames: Argnames = None,
    mode: str = "auto",
    has_aux: bool = False,
    chunk_size: int | None = None,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian function: shape ``out.shape + in.shape``, for containers a tree of trees.

    ``mode``: "fwd" (one batched tangent per input element), "rev" (one cotangent per output element), "closed" (the
    textbook form, found once for each program and evaluated; an error where there is none) or "auto" (the fewer; when
    that takes long, the closed form if it is cheaper, and the function's ``explain()`` says so). ``chunk_size`` bounds
    how many go in one batch, and so the memory. ``nonsmooth`` (the function then runs once more) and ``verify`` as for
    ``value_and_grad``.
    Raises WengertTypeError for outputs that are no numbers.

    >>> import numpy as np
    >>> jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    require_function(fun, "jacobian")
    if mode not in _MODES:
        raise error_at(
            WengertValueError,
            f"mode={mode!r} is not a way to make a Jacobian",
            fix=f"one of {', '.join(map(repr, _MODES))}",
        )
    chunks_of(1, chunk_size)
    if watcher(nonsmooth) is not None:
        made = jacobian(
            fun, argnums, argnames=argnames, mode=mode, has_aux=has_aux, chunk_size=chunk_size, verify=verify
        )
        return looking(made, fun, argnums, argnames, nonsmooth)
    if verify:
        return verified(
            lambda f: jacobian(f, argnums, argnames=argnames, mode=mode, has_aux=has_aux, chunk_size=chunk_size), fun
        )

    def accumulated(*args: Any, **kwargs: Any) -> Any:
        flat = Flat(fun, args, kwargs, argnums, argnames, has_aux)
        if mode == "fwd":
            return forward(flat, chunk_size)
        if mode == "rev":
            return reverse(flat, chunk_size)
        flat.holomorphic([])
        result = vjp(flat, *flat.leaves, has_aux=has_aux)
        outputs = flatten(result[0])[0]
        flat.check(outputs, flatten(result[0])[1])
        if sum(map(size_of, outputs)) <= flat.total and not any(dtype_of(raw(o)).kind == "c" for o in outputs):
            try:
                return pull_all(flat, result[0], result[1], result[2] if has_aux else None, chunk_size)
            except TieError:  # what equal eigenvalues leave open for a cotangent, a direction may decide
                pass
        return forward(flat, chunk_size)

    if mode == "closed" and has_aux:
        raise error_at(WengertValueError, 'mode="closed" has no place for aux', fix="another mode, or no has_aux")
    return _with_forms(fun, accumulated, mode if chunk_size is None and not has_aux else "", 1, argnums, argnames)


def _with_forms(
    fun: Callable[..., Any],
    accumulated: Callable[..., Any],
    mode: str,
    order: int,
    argnums: Argnums,
    argnames: Argnames,
) -> Callable[..., Any]:
    """The derivative function that takes closed forms where asked to, or where they are cheaper."""
    forms: list[Forms] = []
    spent = math.inf if mode == "closed" else 0.0

    @functools.wraps(fun)
    def jacobian_at(*args: Any, **kwargs: Any) -> Any:
        nonlocal spent
        if is_watched((args, kwargs)):
            return through(jacobian_at, args, kwargs)
        if spent > WORTHWHILE:
            if not forms:
                forms.append(Forms(fun, order))
            picked = Selection(fun, args, kwargs, argnums, argnames)
            if mode == "closed":
                return picked.arrange([forms[0].value(picked)])
            return forms[0].choose(picked, lambda: accumulated(*args, **kwargs))
        begin = time.perf_counter()
        found = accumulated(*args, **kwargs)
        if mode == "auto":
            spent += time.perf_counter() - begin
        return found

    def explain() -> str:
        """Which way the derivative is computed, and why."""
        return forms[0].explain() if forms else "accumulated"

    jacobian_at.explain = explain  # type: ignore[attr-defined]
    return jacobian_at


def jacfwd(fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, has_aux: bool = False,
           chunk_size: int | None = None, nonsmooth: str = "ignore", verify: bool = False) -> Callable[..., Any]:
    """``jacobian`` by forward mode.

    >>> import numpy as np
    >>> jacfwd(np.sin)(np.zeros(1))
    array([[1.]])
    """
    return jacobian(fun, argnums, argnames=argnames, mode="fwd", has_aux=has_aux, chunk_size=chunk_size,
                    nonsmooth=nonsmooth, verify=verify)


def jacrev(fun: Callable[..., Any], argnums: Argnums = 0, *, argnames: Argnames = None, has_aux: bool = False,
           chunk_size: int | None = None, nonsmooth: str = "ignore", verify: bool = False) -> Callable[..., Any]:
    """``jacobian`` by reverse mode.

    >>> import numpy as np
    >>> jacrev(np.sin)(np.zeros(1))
    array([[1.]])
    """
    return jacobian(fun, argnums, argnames=argnames, mode="rev", has_aux=has_aux, chunk_size=chunk_size,
                    nonsmooth=nonsmooth, verify=verify)


def hessian(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    argnames: Argnames = None,
    mode: str = "auto",
    chunk_size: int | None = None,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> Callable[..., Any]:
    """Return the Hessian function of a function with one real output: ``in.shape + in.shape``, forward over reverse.

    ``mode="closed"`` finds the textbook form of each program and evaluates that (an error where there is none);
    "auto" takes it where accumulating takes long and the form is cheaper, and the function's ``explain()`` says so.
    ``nonsmooth`` (the function then runs once more) and ``verify`` as for ``value_and_grad``.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    require_function(fun, "hessian")
    if mode not in ("auto", "fwd-rev", "closed"):
        raise error_at(
            WengertValueError, f"mode={mode!r} is not a way to make a Hessian", fix="'auto', 'fwd-rev' or 'closed'"
        )
    if watcher(nonsmooth) is not None:
        made = hessian(fun, argnums, argnames=argnames, mode=mode, chunk_size=chunk_size, verify=verify)
        return looking(made, fun, argnums, argnames, nonsmooth)
    if verify:
        return verified(lambda f: hessian(f, argnums, argnames=argnames, mode=mode, chunk_size=chunk_size), fun)
    accumulated = jacobian(
        grad(fun, argnums, argnames=argnames), argnums, argnames=argnames, mode="fwd", chunk_size=chunk_size
    )
    return _with_forms(fun, accumulated, mode if chunk_size is None else "", 2, argnums, argnames)


def hvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> tuple[Any, Any]:
    """The gradient at ``primals`` and the product of the Hessian with ``tangents``, by reverse over reverse (at equal
    eigenvalues, where that leaves the derivative open, by forward over reverse: the function then runs once more).

    For one primal both come back as it is; for several as tuples. The Hessian is symmetric, so its product is the
    pullback of the gradient; where memory matters more than time, ``jvp(grad(fun), primals, tangents)`` gives the same
    by forward over reverse.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 3., 12.]), array([ 6., 12.]))
    """
    require_function(fun, "hvp")
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise error_at(
            WengertTypeError, "hvp takes tuples: hvp(fun, (x, y), (dx, dy))", fix="write (x,) for one argument"
        )
    look(fun, primals, {}, tuple(range(len(primals))), None, nonsmooth)
    if verify:
        return verified_call(lambda f: hvp(f, primals, tangents), fun)  # type: ignore[no-any-return]
    if is_watched((primals, tangents)):
        return through(lambda p, t: hvp(fun, p, t), (tuple(primals), tuple(tangents)))  # type: ignore[no-any-return]
    argnums: Argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    if len(primals) != len(tangents):
        raise error_at(
            WengertValueError,
            f"{len(primals)} primals but {len(tangents)} tangents",
            fix="give one tangent per primal, None for zero",
        )
    leaves, structure = flatten(tuple(primals))
    match(structure, leaves, tuple(tangents), "tangent")
    slope = grad(fun, argnums)
    try:
        gradient, pullback = vjp(slope, *primals)
        found = pullback(tangents[0] if len(primals) == 1 else tuple(tangents))
    except TieError as open_ends:
        gradient, found = jvp(slope, primals, tangents)
        if not finite(flatten(found)[0]):
            raise open_ends from None
        return gradient, found
    return gradient, found[0] if len(primals) == 1 else found


def derivative(
    fun: Callable[..., Any], argnum: int = 0, *, nonsmooth: str = "ignore", verify: bool = False
) -> Callable[..., Any]:
    """Return the derivative of a function of one real number; the output may have any shape.

    >>> float(derivative(lambda t: t ** 3)(2.0))
    12.0
    """
    require_function(fun, "derivative")
    if watcher(nonsmooth) is not None:
        return looking(derivative(fun, argnum, verify=verify), fun, argnum, None, nonsmooth)
    if verify:
        return verified(lambda f: derivative(f, argnum), fun)

    @functools.wraps(fun)
    def derivative_at(*args: Any, **kwargs: Any) -> Any:
        if is_watched((args, kwargs)):
            return through(derivative_at, args, kwargs)
        picked = Selection(fun, args, kwargs, argnum, None)
        if len(picked.leaves) != 1 or shape_of(raw(picked.leaves[0])) != ():
            raise error_at(
                WengertTypeError,
                f"derivative is for a function of one number; argument {argnum} of {name_of(fun)} has shape "
                f"{shape_of(raw(picked.leaves[0]))}",
                fix="use jacobian or grad",
            )

        def of_one(t: Any) -> Any:
            inner_args, inner_kwargs = picked.rebuild([t])
            return engine.call(fun, inner_args, inner_kwargs)

        leaf = picked.leaves[0]
        one = dtype_of(raw(leaf)).type(1)
        out, found = jvp(of_one, (leaf,), (one,))
        if out is None:
            raise error_at(
                WengertTypeError,
                f"{name_of(fun)} returned None",
                fix="let it return the value: is there a `return` missing?",
            )
        return found

    return derivative_at


def elementwise_grad(
    fun: Callable[..., Any], argnums: Argnums = 0, *, nonsmooth: str = "ignore", verify: bool = False
) -> Callable[..., Any]:
    """Return the derivative of a function that acts on every element by itself: the gradient of the sum of its output.

    >>> import numpy as np
    >>> elementwise_grad(np.square)(np.array([1.0, 2.0]))
    array([2., 4.])
    """
    require_function(fun, "elementwise_grad")
    if verify:
        return verified(lambda f: elementwise_grad(f, argnums, nonsmooth=nonsmooth), fun)

    @functools.wraps(fun)
    def summed(*args: Any, **kwargs: Any) -> Any:
        out = fun(*args, **kwargs)
        if out is None:
            raise error_at(
                WengertTypeError,
                f"{name_of(fun)} returned None",
                fix="let it return the value: is there a `return` missing?",
            )
        return out.sum() if hasattr(out, "sum") else out

    return grad(summed, argnums, nonsmooth=nonsmooth)


__all__ = ["derivative", "elementwise_grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"]
