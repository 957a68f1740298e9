"""Functions that carry their own derivative: custom_jvp, custom_vjp, stop_gradient.

Imports core and ops. Invariant: a rule's results are checked for structure and shape against what the function gives.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.api.arguments import name_of
from wengert.core.errors import NoRuleError, WengertTypeError, error_at
from wengert.core.handle import is_handle
from wengert.core.op import Op
from wengert.core.tree import Structure, flatten, is_static
from wengert.core.types import dtype_of
from wengert.ops.control import stop_gradient as stop
from wengert.ops.control import with_jvp, with_vjp
from wengert.tensor.bridge import is_watched, through
from wengert.tensor.tensor import Tensor


def _is_number(leaf: Any) -> bool:
    if is_handle(leaf):
        return True
    if is_static(leaf) or type(leaf) is bool:
        return False
    if isinstance(leaf, np.ndarray):
        return leaf.dtype.kind in "fc"
    return isinstance(leaf, (float, complex, np.floating, np.complexfloating))


class _Custom:
    """A function together with its rule; called like the function."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        if not callable(fun):
            raise error_at(
                WengertTypeError,
                f"a derivative rule is for a function, got a {type(fun).__name__}",
                fix="decorate a function",
            )
        self._fun = fun
        functools.update_wrapper(self, fun)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_watched((args, kwargs)):
            return through(self, args, kwargs)
        if kwargs:
            import inspect

            bound = inspect.signature(self._fun).bind(*args, **kwargs)
            bound.apply_defaults()
            if bound.kwargs:
                raise error_at(
                    WengertTypeError,
                    f"{name_of(self._fun)} has keyword-only arguments, which its derivative rule cannot see",
                    fix="make them positional",
                )
            args = bound.args
        leaves, structure = flatten(args)
        if not any(map(is_handle, leaves)):
            if any(hasattr(type(leaf), "held_constant") for leaf in leaves):
                raise error_at(
                    NoRuleError,
                    f"{name_of(self._fun)} has a derivative rule of its own, which no formula has",
                    fix="call the function that it was made of, or use wengert.grad on a function",
                )
            return self._fun(*args)
        moving = [k for k, leaf in enumerate(leaves) if _is_number(leaf)]
        fixed = {k: leaf for k, leaf in enumerate(leaves) if k not in set(moving)}
        return self._traced(leaves, structure, moving, fixed)

    def _traced(self, leaves: list[Any], structure: Structure, moving: list[int], fixed: dict[int, Any]) -> Any:
        def arguments(values: Any) -> tuple[Any, ...]:
            full = dict(fixed)
            full.update(zip(moving, values, strict=True))
            return structure.unflatten([full[k] for k in range(structure.size)])  # type: ignore[no-any-return]

        shape: list[Structure] = []
        constants: dict[int, Any] = {}

        def body(*values: Any) -> list[Any]:
            out, out_structure = flatten(self._fun(*arguments(values)))
            shape[:] = [out_structure]
            constants.clear()
            constants.update({k: o for k, o in enumerate(out) if not _is_number(o)})
            return [o for o in out if _is_number(o)]

        trial = body(*(_plain(leaves[k]) for k in moving))
        memo = [trial]  # the first evaluation has been made already: the body runs once per call

        def body_once(*values: Any) -> list[Any]:
            return memo.pop() if memo else body(*values)

        op = self._op(body_once, arguments, moving, structure, len(trial), lambda: shape[0], constants)
        given = op.record([leaves[k] for k in moving])
        results = iter(given if type(given) is tuple else (given,))
        out = [constants[k] if k in constants else next(results) for k in range(shape[0].size)]
        return shape[0].unflatten(out)

    def _op(self, body: Any, arguments: Any, moving: Any, structure: Any, count: int, shape: Any, constants: Any) -> Op:
        raise NotImplementedError


def _plain(value: Any) -> Any:
    if is_handle(value):
        from wengert.ops.memory import sync

        if value.base is not None:
            sync(value)
        return value.value
    return value


def _numbers_of(name: str, what: str, value: Any, shape: Structure, constants: dict[int, Any]) -> list[Any]:
    parts = shape.flatten_like(value, f"{what} of {name}'s rule")
    return [p for k, p in enumerate(parts) if k not in constants]


class custom_jvp(_Custom):  # noqa: N801  used as a decorator, named as the field names it
    """Give a function its own forward rule, which reverse mode transposes.

    ``defjvp(rule)``: ``rule(primals, tangents) -> (out, tangent_out)``, both tuples as the function's arguments; linear
    in the tangents.

    >>> import numpy as np
    >>> @custom_jvp
    ... def softplus(x):
    ...     return np.log1p(np.exp(x))
    >>> @softplus.defjvp
    ... def rule(primals, tangents):
    ...     (x,), (t,) = primals, tangents
    ...     return softplus(x), t / (1.0 + np.exp(-x))
    >>> import wengert
    >>> float(wengert.grad(softplus)(0.0))
    0.5
    """

    _rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Set the rule; returns it, so that it works as a decorator."""
        self._rule = rule
        return rule

    def _op(self, body: Any, arguments: Any, moving: Any, structure: Any, count: int, shape: Any, constants: Any) -> Op:
        name, rule = name_of(self._fun), self._rule
        if rule is None:
            raise error_at(
                WengertTypeError, f"{name} was decorated with custom_jvp but has no rule", fix=f"{name}.defjvp(rule)"
            )

        def tangents_of(values: Any, tangents: Any) -> list[Any]:
            full: list[Any] = [None] * structure.size
            for k, t in zip(moving, tangents, strict=True):
                full[k] = t
            pair = rule(arguments(values), structure.unflatten(full))
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise error_at(
                    WengertTypeError,
                    f"the forward rule of {name} must return (out, tangent_out), got a {type(pair).__name__}",
                    fix="return both",
                )
            return _numbers_of(name, "the output tangent", pair[1], shape(), constants)

        return with_jvp(name, body, tangents_of, count)


class custom_vjp(_Custom):  # noqa: N801  used as a decorator, named as the field names it
    """Give a function its own reverse rule; forward mode transposes it.

    ``defvjp(fwd, bwd)``: ``fwd(*args) -> (out, residuals)``, ``bwd(residuals, cotangent) -> tuple`` with one cotangent
    per argument (None for arguments without derivative), linear in the cotangent.

    >>> import numpy as np
    >>> @custom_vjp
    ... def cube(x):
    ...     return x ** 3
    >>> cube.defvjp(lambda x: (x ** 3, x), lambda x, ct: (3.0 * x ** 2 * ct,))
    >>> import wengert
    >>> float(wengert.grad(cube)(2.0))
    12.0
    """

    _rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the two halves of the rule."""
        self._rules = (fwd, bwd)

    def _op(self, body: Any, arguments: Any, moving: Any, structure: Any, count: int, shape: Any, constants: Any) -> Op:
        name = name_of(self._fun)
        if self._rules is None:
            raise error_at(
                WengertTypeError,
                f"{name} was decorated with custom_vjp but has no rule",
                fix=f"{name}.defvjp(fwd, bwd)",
            )
        fwd, bwd = self._rules

        def forwards(*values: Any) -> tuple[list[Any], Any]:
            pair = fwd(*arguments(values))
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise error_at(
                    WengertTypeError,
                    f"the first half of {name}'s reverse rule must return (out, residuals)",
                    fix="return both",
                )
            return _numbers_of(name, "the output", pair[0], shape(), constants), pair[1]

        def backwards(residuals: Any, cts: Any) -> list[Any]:
            rest = iter(cts)
            full = [None if k in constants else next(rest) for k in range(shape().size)]
            found = bwd(residuals, shape().unflatten(full))
            if not isinstance(found, (tuple, list)):
                found = (found,)
            parts = structure.flatten_like(tuple(found), f"the cotangents of {name}'s rule")
            return [parts[k] for k in moving]

        return with_vjp(name, body, forwards, backwards, count)


def stop_gradient(value: Any) -> Any:
    """The same value as a constant: no derivative passes. Containers are taken leaf by leaf.

    >>> import wengert
    >>> float(wengert.grad(lambda t: t * stop_gradient(t))(3.0))
    3.0
    """
    leaves, structure = flatten(value)
    leaves = [leaf.detach() if type(leaf) is Tensor else leaf for leaf in leaves]
    leaves = [leaf.held_constant() if hasattr(type(leaf), "held_constant") else leaf for leaf in leaves]
    return structure.unflatten([stop(v) if is_handle(v) and dtype_of(v.value).kind in "fc" else v for v in leaves])
