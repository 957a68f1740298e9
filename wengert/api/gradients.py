"""grad, value_and_grad, vjp, jvp: the first-order derivatives, by the eager walk.

Imports core, numpy_api, ``engine``, ``arguments``. Invariant: one forward run of the function per call, one sweep per
cotangent.
"""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import Selection, checked, match, name_of, require_function, scalar_output
from wengert.api.kinks import look, publish, watcher
from wengert.api.verify import verified, verified_call
from wengert.core import context
from wengert.core.context import SWITCH, tracing
from wengert.core.deferred import by_type
from wengert.core.errors import NoDependenceWarning, TieError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import describe, line_of, user_frame
from wengert.core.structure import root
from wengert.core.tree import arrays, flatten
from wengert.core.types import dtype_of, shape_of
from wengert.ops.fitting import exact_tangent
from wengert.ops.linalg.ties import Ties
from wengert.tensor.bridge import is_watched, joined, through


def here() -> Any:
    """The user's line, as a node's ``where``."""
    frame = user_frame(sys._getframe(2))
    return None if frame is None else (frame.f_code, frame.f_lasti)


def warn_independent(fun: Any, path: str) -> None:
    """Tell the user that the derivative is zero because no path leads from input to output."""
    cut = SWITCH.cut
    ended = ""
    if cut is not None:
        ended = f"\n  the last traced value met {cut[0]} at {describe((cut[1], cut[2]))}, which has no derivative"
    code = getattr(inspect.unwrap(fun), "__code__", None)
    place = f" ({line_of((code, 0))[0]}:{code.co_firstlineno})" if code is not None else ""
    warnings.warn(
        f"the output of {name_of(fun)}{place} does not depend on {path}: the derivative is zero{ended}",
        NoDependenceWarning,
        stacklevel=4,
    )


def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> Callable[..., Any]:
    """Return a function that gives the value of ``fun`` and its gradient, from one run.

    ``fun`` returns one real number (with ``has_aux`` a pair of that and anything). The gradient has the shape and dtype
    of the argument ``argnums``; a tuple of numbers gives a tuple, ``argnames`` a dict. For complex arguments it is
    df/dx + i df/dy; ``holomorphic`` gives f'(z). ``nonsmooth`` says what happens where an operation is evaluated at a
    kink (docs/kinks.md): "ignore", "warn", "raise" (KinkError), or "record" (``wengert.kinks()`` then lists the
    places). With ``verify`` the function runs once more, untraced, on copies of its arguments, and VerificationError is
    raised unless it returns the same values bit for bit. Where equal eigenvalues or singular values leave open what a
    sweep has to know, the gradient is computed by forward mode, which costs a tangent per element of the arguments.

    Raises WengertTypeError for arguments or outputs that have no derivative, CutError where a derivative would be lost.

    >>> import numpy as np
    >>> value_and_grad(lambda x: np.sum(x ** 2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    require_function(fun, "value_and_grad")
    watcher(nonsmooth)
    if verify:
        return verified(
            lambda f: value_and_grad(
                f, argnums, argnames=argnames, has_aux=has_aux, holomorphic=holomorphic, nonsmooth=nonsmooth
            ),
            fun,
        )

    options = {"argnums": argnums, "argnames": argnames, "has_aux": has_aux, "holomorphic": holomorphic}

    @functools.wraps(fun)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        if is_watched((args, kwargs)):
            return through(value_and_gradient, args, kwargs)
        watching = watcher(nonsmooth) if nonsmooth != "ignore" else None
        picked = Selection(fun, args, kwargs, argnums, argnames)
        where = here()
        SWITCH.cut = None
        leaves = [engine.settled(leaf) for leaf in picked.leaves]
        frame, roots, out = engine.reverse_trace(fun, leaves, picked.rebuild, where, watching)
        try:
            aux = None
            if has_aux:
                out, aux = _with_aux(out, fun)
            out = engine.settled(scalar_output(out, fun, holomorphic))
            if holomorphic:
                _complex_only(leaves, fun)
            seed = _one(out) if not holomorphic else np.complex128(1.0)
            open_ends: Any = None
            if is_handle(out) and out.node is not None and out.node.seq >= frame.start:
                ends = [out]
                try:
                    if tracing.get() is None and not has_aux:
                        out = out.value
                        found = engine.sweep_scalar(frame, ends, seed, roots)
                    else:
                        found = engine.sweep_back(frame, ends, [seed], roots)
                except TieError as error:
                    open_ends = error
                    found = [0.0] * len(roots)
            else:
                found = [None] * len(roots)
            if found[0] is None and all(ct is None for ct in found):
                warn_independent(fun, picked.paths[0] if len(picked.paths) == 1 else "the chosen arguments")
            taken: set[int] = set()
            grads = [engine.as_gradient(ct, leaf, taken) for ct, leaf in zip(found, leaves, strict=True)]
            if holomorphic:
                grads = [g.conjugate() for g in grads]
            value = engine.outward(out)
            if has_aux:
                aux = outward_tree(aux)
        finally:
            context.retire(frame)
            publish(watching)
        if open_ends is None and frame.kinked is None:
            gradient = picked.arrange(grads)
        else:
            gradient = _once_more(open_ends, fun, options, args, kwargs, picked, leaves)
        return ((value, aux), gradient) if has_aux else (value, gradient)

    return value_and_gradient


def _once_more(
    open_ends: TieError | None, fun: Any, options: dict[str, Any], args: Any, kwargs: Any, picked: Any, leaves: Any
) -> Any:
    """The gradient where a derivative inside met a kink, on one side of it; where no sweep knows it, by directions."""
    if open_ends is None:
        try:
            return _on_one_side(lambda *a, **k: value_and_grad(fun, **options)(*a, **k)[1], picked, leaves)
        except TieError as error:
            open_ends = error
    if options["holomorphic"]:
        raise open_ends
    from wengert.api.jacobian_blocks import finite, gradient_by_directions

    grads = gradient_by_directions(fun, args, kwargs, options["argnums"], options["argnames"], options["has_aux"])
    if not finite(grads):
        raise open_ends
    return picked.arrange(grads)


def _on_one_side(again: Callable[..., Any], picked: Selection, leaves: Sequence[Any]) -> Any:
    """The derivative ``again(*args, **kwargs)`` of one that met a kink, on one side of it."""
    from wengert.api.sides import on_one_side

    def run(roots: list[Any]) -> Any:
        args, kwargs = picked.rebuild(roots)
        return again(*args, **kwargs)

    return on_one_side(run, leaves)


@by_type
def _one(out: Any) -> Any:
    """The cotangent that a sweep begins with: a float64 would make all of the sweep of a float32 function one of
    float64."""
    dtype = dtype_of(out.value if is_handle(out) else out)
    return np.float32(1.0) if dtype == np.float32 else np.float64(1.0)


def _complex_only(leaves: Sequence[Any], fun: Any) -> None:
    for leaf in leaves:
        dtype = dtype_of(leaf.value if is_handle(leaf) else leaf)
        if dtype.kind != "c":
            raise error_at(
                WengertTypeError,
                f"holomorphic=True differentiates by complex numbers; {name_of(fun)} was given {dtype}",
                fix="pass a complex argument (x + 0j), or leave holomorphic away",
            )


def _with_aux(out: Any, fun: Any) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise error_at(
            WengertTypeError,
            f"with has_aux=True {name_of(fun)} must return a pair (value, aux); it returned a {type(out).__name__}",
            fix="return value, aux",
        )
    return out


def outward_tree(value: Any) -> Any:
    """A container with plain values (or outer handles) in place of handles."""
    leaves, structure = flatten(value)
    return structure.unflatten([engine.outward(leaf) for leaf in leaves])


def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> Callable[..., Any]:
    """Return the gradient function of a function with one real output; options as for ``value_and_grad``.

    >>> import numpy as np
    >>> grad(lambda x: np.sin(x) * x)(0.0)
    np.float64(0.0)
    """
    require_function(fun, "grad")
    both = value_and_grad(
        fun, argnums, argnames=argnames, has_aux=has_aux, holomorphic=holomorphic, nonsmooth=nonsmooth, verify=verify
    )

    @functools.wraps(fun)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, found = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def vjp(
    fun: Callable[..., Any], *primals: Any, has_aux: bool = False, nonsmooth: str = "ignore", verify: bool = False
) -> Any:
    """Return ``fun(*primals)`` and its pullback: cotangents of the output to a tuple of cotangents of the primals.

    The pairing is Re<ct, t>. With ``has_aux`` the function returns (out, aux) and ``(out, pullback, aux)`` comes back.
    The pullback may be called any number of times. ``nonsmooth`` (the function then runs once more) and ``verify`` as
    for ``value_and_grad``.

    >>> out, pullback = vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> float(out), [float(c) for c in pullback(1.0)]
    (12.0, [4.0, 3.0])
    """
    require_function(fun, "vjp")
    look(fun, primals, {}, tuple(range(len(primals))), None, nonsmooth)
    if verify:
        return verified_call(lambda f: vjp(f, *primals, has_aux=has_aux), fun)
    if is_watched(primals):
        value, pull, *aux = through(lambda *p: vjp(fun, *p, has_aux=has_aux), primals)
        return (value, lambda cotangent: joined(pull, cotangent), *aux)
    picked = Selection(fun, primals, {}, tuple(range(len(primals))), None)
    leaves = [engine.settled(_own(leaf)) for leaf in picked.leaves]
    frame, roots, out = engine.reverse_trace(fun, leaves, picked.rebuild, here())
    aux = None
    try:
        if has_aux:
            out, aux = _with_aux(out, fun)
        # The trace must still live: a view whose base was written to is brought up to date.
        outputs, structure = engine.flat_output(out)
    finally:
        context.retire(frame)
    where = frame.start

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        cts = match(structure, outputs, cotangent, "cotangent")
        if frame.kinked is not None:
            again = lambda *args: vjp(fun, *args, has_aux=has_aux)[1](cotangent)  # noqa: E731
            return _on_one_side(again, picked, leaves)  # type: ignore[no-any-return]
        live = [o if is_handle(o) and o.node is not None and o.node.seq >= where else 0.0 for o in outputs]
        found = engine.sweep_back(frame, live, cts, roots, keep=True)
        taken = {id(ct) for ct in cts}
        return tuple(
            picked.arrange([engine.as_gradient(ct, leaf, taken) for ct, leaf in zip(found, leaves, strict=True)])
        )

    value = structure.unflatten([engine.outward(o) for o in outputs])
    return (value, pullback, outward_tree(aux)) if has_aux else (value, pullback)


def _own(leaf: Any) -> Any:
    return leaf.copy(order="K") if type(leaf) is np.ndarray else leaf


def jvp(
    fun: Callable[..., Any],
    primals: Sequence[Any],
    tangents: Sequence[Any],
    has_aux: bool = False,
    *,
    nonsmooth: str = "ignore",
    verify: bool = False,
) -> Any:
    """Return ``fun(*primals)`` and its derivative along ``tangents``, by one forward run.

    Its memory does not grow with the program.

    With ``has_aux``: (out, tangent_out, aux). ``nonsmooth`` (the function then runs once more) and ``verify`` as for
    ``value_and_grad``.

    >>> import math
    >>> jvp(math.sin, (0.0,), (2.0,))
    (0.0, np.float64(2.0))
    """
    require_function(fun, "jvp")
    if is_watched((primals, tangents)):
        return through(jvp, (fun, primals, tangents, has_aux), {"nonsmooth": nonsmooth, "verify": verify})
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise error_at(
            WengertTypeError, "jvp takes tuples: jvp(fun, (x, y), (dx, dy))", fix="write (x,) for one argument"
        )
    look(fun, primals, {}, tuple(range(len(primals))), None, nonsmooth)
    if verify:
        return verified_call(lambda f: jvp(f, primals, tangents, has_aux), fun)
    if len(primals) != len(tangents):
        raise error_at(
            WengertValueError,
            f"{len(primals)} primals but {len(tangents)} tangents",
            fix="give one tangent per primal, None for zero",
        )
    picked = Selection(fun, primals, {}, tuple(range(len(primals))), None)
    leaves = [engine.settled(leaf) for leaf in picked.leaves]
    tangents = arrays(tuple(tangents))
    _, structure = flatten(tuple(primals))
    given = structure.flatten_like(tuple(tangents), "tangent")
    moves = [k >= 0 for span in picked._spans for k in span]
    parts = [t for t, moving in zip(given, moves, strict=True) if moving]
    flat = match(flatten(list(leaves))[1], leaves, parts, "tangent")
    where = here()
    frame, token = context.enter(context.FORWARD)
    frame.ties = Ties()
    try:
        roots = [root(leaf, where, frame=frame, tangent=t) for leaf, t in zip(leaves, flat, strict=True)]
        args, kwargs = picked.rebuild(roots)
        out = engine.call(fun, args, kwargs)
        aux = None
        if has_aux:
            out, aux = _with_aux(out, fun)
        outputs, shape = engine.flat_output(out)
    finally:
        context.leave(frame, token)
    frame.ties.check(outputs, frame)
    value = shape.unflatten([engine.outward(o) for o in outputs])
    derivative = shape.unflatten([_tangent_of(o, frame) for o in outputs])
    if frame.kinked is not None:
        derivative = _on_one_side(lambda *p: jvp(fun, p, tangents, has_aux)[1], picked, leaves)
    return (value, derivative, outward_tree(aux)) if has_aux else (value, derivative)


def _tangent_of(out: Any, frame: Any) -> Any:
    plain = out.value if is_handle(out) else out
    if not isinstance(plain, (float, complex, np.ndarray, np.generic)) or dtype_of(plain).kind not in "fc":
        return None  # a count, a text: no number that moves
    node = out.node if is_handle(out) else None
    t = node.tangents.get(frame) if node is not None and node.tangents else None
    dtype = dtype_of(plain)
    shape = shape_of(plain)
    if t is None:
        return np.zeros(shape, dtype) if type(plain) is np.ndarray else dtype.type(0)
    if is_handle(t):
        t = exact_tangent(engine.settled(t), plain)
        return t if tracing.get() is not None else t.value
    if type(plain) is np.ndarray:
        if type(t) is np.ndarray and t.dtype == dtype and t.base is None and t.flags.writeable:
            return t
        out_t = np.empty(shape, dtype)
        out_t[...] = t
        return out_t
    return dtype.type(t)


__all__ = ["checked", "grad", "jvp", "match", "value_and_grad", "vjp"]
