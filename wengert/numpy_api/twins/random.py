"""Random numbers with traced parameters: drawn from a standard distribution and moved there (``loc
+ scale * z``).

Imports core, ops, ``table``; loaded when ``numpy.random`` is. Invariant: a draw has the value it
has without a trace, from the same stream, and leaves the generator in the same state; what has no
such formula raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.context import tracing
from wengert.core.errors import NoRuleError, error_at
from wengert.core.handle import TracedArray, is_handle
from wengert.core.types import dtype_of, shape_of
from wengert.numpy_api.conversions import current_value
from wengert.numpy_api.table import Standin
from wengert.numpy_api.twins.lists import stacked
from wengert.ops.join import holds_handle
from wengert.ops.memory import write

Base = type[Any]
Formula = Callable[..., Any]

# name -> (parameters with defaults, the standard draw, the formula on the draw and the parameters)
_FORMULAS: dict[str, tuple[dict[str, Any], str, Formula]] = {
    "normal": (
        {"loc": 0.0, "scale": 1.0},
        "standard_normal",
        lambda z, loc, scale: loc + scale * z,
    ),
    "uniform": ({"low": 0.0, "high": 1.0}, "random", lambda z, low, high: low + (high - low) * z),
    "exponential": ({"scale": 1.0}, "standard_exponential", lambda z, scale: scale * z),
    "laplace": ({"loc": 0.0, "scale": 1.0}, "laplace", lambda z, loc, scale: loc + scale * z),
    "logistic": ({"loc": 0.0, "scale": 1.0}, "logistic", lambda z, loc, scale: loc + scale * z),
    "gumbel": ({"loc": 0.0, "scale": 1.0}, "gumbel", lambda z, loc, scale: loc + scale * z),
    "lognormal": (
        {"mean": 0.0, "sigma": 1.0},
        "standard_normal",
        lambda z, mean, sigma: np.exp(mean + sigma * z),
    ),
    "rayleigh": ({"scale": 1.0}, "rayleigh", lambda z, scale: scale * z),
    "weibull": ({"a": None}, "standard_exponential", lambda z, a: z ** (1.0 / a)),
    "pareto": ({"a": None}, "standard_exponential", lambda z, a: np.expm1(z / a)),
    "power": ({"a": None}, "standard_exponential", lambda z, a: (-np.expm1(-z)) ** (1.0 / a)),
}


def _state(generator: Any) -> Any:
    return (
        generator.get_state(legacy=False)
        if hasattr(generator, "get_state")
        else generator.bit_generator.state
    )


def _set_state(generator: Any, state: Any) -> None:
    if hasattr(generator, "set_state"):
        generator.set_state(state)
    else:
        generator.bit_generator.state = state


def _plain(value: Any) -> Any:
    return current_value(value) if is_handle(value) else value


def draw(
    base: Base, name: str, generator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``generator.name(*args, **kwargs)`` with the method of ``base``, traced parameters
    reparametrised.
    """
    original = getattr(base, name)
    if not any(map(holds_handle, args)) and not any(map(holds_handle, kwargs.values())):
        return original(generator, *args, **kwargs)
    if name == "shuffle" and isinstance(args[0], list) and not is_handle(args[0]):
        return original(generator, *args, **kwargs)  # swaps the objects
    out = kwargs.get("out")
    if out is not None and is_handle(out):  # drawn beside it, then written as any other array is
        rest = {key: value for key, value in kwargs.items() if key != "out"}
        drawn = np.empty(shape_of(out.value), dtype_of(out.value))
        draw(base, name, generator, args, {**rest, "out": drawn})
        write(out, ("index", Ellipsis), drawn)
        return out
    args = tuple(map(stacked, args))
    kwargs = {key: stacked(value) for key, value in kwargs.items()}
    if name == "gamma":
        return _gamma(base, generator, *args, **kwargs)
    if name in _SPECIAL:
        return _SPECIAL[name](base, generator, *args, **kwargs)
    if name not in _FORMULAS:
        raise _no_formula(name)
    defaults, standard, formula = _FORMULAS[name]
    names = list(defaults)
    given = {**defaults, **dict(zip([*names, "size"], args, strict=False)), **kwargs}
    size = given.pop("size", None)
    return _moved(base, name, generator, given, size, standard, formula)


def _moved(
    base: Base,
    name: str,
    generator: Any,
    given: dict[str, Any],
    size: Any,
    standard: str,
    formula: Formula,
    *fixed: Any,
) -> Any:
    before = _state(generator)
    wanted = getattr(base, name)(generator, *(_plain(v) for v in given.values()), size=size)
    after = _state(generator)
    _set_state(generator, before)
    shape = wanted.shape if isinstance(wanted, np.ndarray) else None
    z = getattr(
        base,
        "random_sample" if standard == "random" and hasattr(base, "random_sample") else standard,
    )(generator, *fixed, size=shape)
    _set_state(generator, after)
    result = formula(z, **given)
    if not np.allclose(_plain(result), wanted, rtol=1e-12, atol=1e-300, equal_nan=True):
        raise _no_formula(name)
    return result


def _no_formula(name: str) -> Exception:
    return error_at(
        NoRuleError,
        f"random draws by {name}() have no derivative with respect to a traced parameter",
        fix="draw from a standard distribution and transform it (mu + sigma * "
        "rng.normal(size=n)), or use wengert.stop_gradient(t)",
    )


def _gamma(base: Base, generator: Any, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
    if is_handle(shape) and shape.node is not None:
        raise _no_formula("gamma")
    shape = _plain(shape)
    given = {"shape": shape, "scale": scale}
    return _moved(
        base,
        "gamma",
        generator,
        given,
        size,
        "standard_gamma",
        lambda z, shape, scale: scale * z,
        shape,
    )


def _multivariate_normal(
    base: Base, generator: Any, mean: Any, cov: Any, *args: Any, **kwargs: Any
) -> Any:
    if is_handle(cov) and cov.node is not None:
        raise _no_formula(
            "multivariate_normal (by its covariance: use mean + L @ z with L = "
            "np.linalg.cholesky(cov))"
        )
    centre = np.zeros_like(_plain(mean))
    return mean + base.multivariate_normal(generator, centre, _plain(cov), *args, **kwargs)


def _choice(base: Base, generator: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
    if not is_handle(a) or any(map(is_handle, (*args, *kwargs.values()))):
        raise _no_formula("choice")
    axis = kwargs.get("axis", 0)
    return np.take(
        a,
        base.choice(
            generator, a.shape[axis], *args, **{k: v for k, v in kwargs.items() if k != "axis"}
        ),
        axis=axis,
    )


def _permutation(base: Base, generator: Any, x: Any, axis: int = 0) -> Any:
    return np.take(x, base.permutation(generator, x.shape[axis]), axis=axis)


def _shuffle(base: Base, generator: Any, x: Any, axis: int = 0) -> None:
    kind: Any = type(x)
    if kind is not TracedArray:
        raise _no_formula("shuffle")
    order = np.arange(x.shape[axis])
    base.shuffle(generator, order)
    write(x, ("index", Ellipsis), np.take(x, order, axis=axis))


_SPECIAL: dict[str, Callable[..., Any]] = {
    "multivariate_normal": _multivariate_normal,
    "choice": _choice,
    "permutation": _permutation,
    "shuffle": _shuffle,
}
_NO_PARAMETERS = frozenset(
    {
        "bytes",
        "get_state",
        "set_state",
        "seed",
        "rand",
        "randn",
        "random",
        "random_sample",
        "ranf",
        "sample",
        "tomaxint",
        "spawn",
        "standard_normal",
        "standard_exponential",
        "standard_cauchy",
        "random_raw",
    }
)


_FILLS = frozenset({"random", "standard_normal", "standard_exponential"})
"""Draws without parameters that take ``out=``."""


def _names(base: Base) -> list[str]:
    return [
        name
        for name in dir(base)
        if not name.startswith("_")
        and (name not in _NO_PARAMETERS or (name in _FILLS and base is np.random.Generator))
        and callable(getattr(base, name))
    ]


class _SameAs(type):
    """The class of stand-in classes: an instance of the original counts as one of theirs."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.__mro__[1])

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.__mro__[1])


def _method(base: Base, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return draw(base, name, self, args, kwargs)

    method.__name__ = name
    method.__doc__ = getattr(base, name).__doc__
    return method


def _subclass(base: Base) -> Base:
    return _SameAs(base.__name__, (base,), {name: _method(base, name) for name in _names(base)})


def provide() -> list[tuple[Any, Any]]:
    """The stand-ins for ``numpy.random``: its classes, ``default_rng`` and the functions of the
    module.
    """
    generator_class = _subclass(np.random.Generator)
    found: list[tuple[Any, Any]] = [
        (np.random.Generator, Standin(generator_class)),
        (np.random.RandomState, Standin(_subclass(np.random.RandomState))),
    ]

    def default_rng(seed: Any = None) -> Any:
        frame = tracing.get()
        if seed is None and frame is not None and frame.met is not None:
            frame.met.unseeded = True
        made = np.random.default_rng(seed)
        return made if type(made) is generator_class else generator_class(made.bit_generator)

    found.append((np.random.default_rng, default_rng))
    for name in _names(np.random.RandomState):
        original = getattr(np.random, name, None)
        owner = getattr(original, "__self__", None)
        if isinstance(owner, np.random.RandomState):
            found.append((original, _function(owner, name)))
    return found


def _function(owner: Any, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return draw(np.random.RandomState, name, owner, args, kwargs)

    return call
