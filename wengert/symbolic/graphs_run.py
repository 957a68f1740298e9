"""Running graphs with named sizes: the values bind the sizes, and the core runs and sweeps the graph.

Imports core, graphs; the two modes are installed by the room that composes (``install_modes``). Invariant: a value or
derivative is that of the graph itself, not of its closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.symbolic.evaluate import sizes_among
from wengert.symbolic.graphs import bound, sizes_of_graph, variables_of

Mode = Callable[..., Any]
_modes: list[Mode] = []


def install_modes(vjp: Mode, jvp: Mode) -> None:
    """Say what differentiates: ``vjp(function, x) -> value, pullback`` and ``jvp(function, primals, tangents)``."""
    _modes[:] = [vjp, jvp]


def evaluate(graph: Graph, values: Mapping[str, Any]) -> Any:
    """The value of a graph for given variables.

    Raises WengertValueError when one is missing or does not fit.
    """
    given = _given(values)
    return _at(graph, given)({})


def outputs(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """All outputs for values of the inputs, in order."""
    given = dict(zip((v.name for v in variables_of(graph)), values, strict=True))
    return _bound(graph, given).evaluate(list(values))


def vjp(graph: Graph, cotangent: Any, wrt: str | None, values: Mapping[str, Any]) -> Any:
    """The cotangent of one variable (of the only one, for None), for a cotangent of the result."""
    given = _given(values)
    name = _name(graph, wrt)
    function = _at(graph, given)
    value, pullback = _mode(0)(lambda x: function({name: x}), given[name])
    weights = cotangent if is_handle(cotangent) else np.asarray(_real(cotangent, "the cotangent"))
    if weights.shape != np.shape(value):
        raise WengertValueError(f"the cotangent has shape {weights.shape}, the value {np.shape(value)}")
    return pullback(weights[()])[0]


def jvp(graph: Graph, tangents: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    """The derivative of the result along tangents of variables."""
    given = _given(values)
    names = [_name(graph, n) for n in tangents]
    function = _at(graph, given)
    if not names:
        return np.zeros_like(function({}))
    moved = []
    for name, tangent in tangents.items():
        along = tangent if is_handle(tangent) else np.asarray(_real(tangent, f"the tangent of {name}"))
        if along.shape != np.shape(given[name]):
            raise WengertValueError(f"the tangent of {name} has shape {along.shape}, {name} {np.shape(given[name])}")
        moved.append(along[()])
    _, found = _mode(1)(
        lambda *parts: function(dict(zip(names, parts, strict=True))), tuple(given[n] for n in names), tuple(moved)
    )
    return found


def forward_mode() -> Mode:
    """``jvp(function, primals, tangents)``, as installed."""
    return _mode(1)


def _mode(which: int) -> Mode:
    if not _modes:
        raise NoRuleError("nothing is installed that differentiates graphs: import wengert")
    return _modes[which]


def _at(graph: Graph, given: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """The program at the sizes of the values; it takes what replaces some of them."""
    program = _bound(graph, given)
    names = [v.name for v in variables_of(graph)]
    return lambda instead: program.evaluate([instead.get(n, given[n]) for n in names])[0]


def _bound(graph: Graph, given: Mapping[str, Any]) -> Graph:
    """The graph at the sizes of the values; the last few are remembered."""
    free = {v.name: v for v in variables_of(graph)}
    sizes = sizes_among(free, given)
    for name in sizes_of_graph(graph) - set(sizes):  # a size that no variable has
        if name not in given or np.ndim(given[name]) or int(given[name]) != given[name]:
            raise WengertValueError(f"no variable has the dimension {name}: pass its size, {name}=...")
        sizes[name] = int(given[name])
    known = graph.memory.setdefault("bound", {})
    key = tuple(sorted(sizes.items()))
    if key not in known:
        if len(known) >= 8:
            known.clear()
        known[key] = bound(graph, sizes)
    found: Graph = known[key]
    return found


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values in double precision; traced ones stay traced, so that a formula is a step of a program too."""
    return {n: v if is_handle(v) else _real(v, n) for n, v in values.items()}


def _real(value: Any, name: str) -> Any:
    if type(value) in (int, float):
        return float(value)
    found = np.asarray(value)
    if found.dtype.kind not in "fiub":
        raise WengertTypeError(f"the value of {name} is of dtype {found.dtype}: formulas are of real numbers")
    return found.astype(float)[()]


def _name(graph: Graph, name: str | None) -> str:
    free = [v.name for v in variables_of(graph)]
    if name is None and len(free) == 1:
        return free[0]
    if name not in free:
        raise WengertValueError(f"the expression has no variable {name}; it has {', '.join(free)}")
    return name


__all__ = ["evaluate", "forward_mode", "install_modes", "jvp", "outputs", "vjp"]
