"""trace and linearize: a run of a function as a graph, and its derivative at a point as a linear
map.

Imports all rooms below. Invariant: the function runs once; its frames and bindings are restored on
every way out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import Selection, name_of, require_function
from wengert.api.gradients import here
from wengert.api.linear import LinearMap, Space
from wengert.core import context
from wengert.core.context import FULL
from wengert.core.graph import Graph, Signature, flat_signature, install_evaluator
from wengert.core.handle import handle, is_handle
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.tree import LEAF, flatten
from wengert.core.types import ArrayType
from wengert.diff.linearize import linearize as linearize_flat
from wengert.diff.linearize import tangent_kind


def _evaluate(graph: Graph, values: Sequence[Any]) -> Sequence[Any]:
    from wengert.backends.numpy.interpreter import evaluate

    return evaluate(graph, values)


install_evaluator(_evaluate)


def is_input(leaf: Any) -> bool:
    """Whether a leaf of an argument is an input of a graph: real or complex floating point."""
    plain = leaf.value if is_handle(leaf) else leaf
    if type(plain) in (float, complex):
        return True
    return isinstance(plain, (np.ndarray, np.generic)) and plain.dtype.kind in "fc"


def trace(fun: Callable[..., Any]) -> Callable[..., Graph]:
    """Return a function that runs ``fun`` once on its arguments and gives the ``Graph`` of what it
    did.

    All floating point leaves of all arguments are inputs; integers, strings, Booleans and functions
    are fixed. The graph can be printed, called on other values of the same shapes (where a decision
    of the program would fall otherwise it raises), and is what the other transformations work on.

    >>> import numpy as np
    >>> graph = trace(lambda x: np.sin(x) * x)(0.5)
    >>> print(graph)
    <lambda>: 1 input, 2 steps, 1 output
      x            float64[] = 0.5
      v1 = sin(x)  float64[] = 0.47942554
      v2 = v1 * x  float64[] = 0.23971277
      return v2
    >>> float(graph(0.0))
    0.0
    """
    require_function(fun, "trace")

    @functools.wraps(fun)
    def traced(*args: Any, **kwargs: Any) -> Graph:
        where = here()
        leaves, signature = flat_signature(args, kwargs, LEAF, is_input)
        leaves = [_kept(engine.settled(leaf)) for leaf in leaves]
        frame, token = context.enter(FULL)
        try:
            roots = [root(leaf, where, rich=True) for leaf in leaves]
            handles = iter([handle(r.value, r.node) for r in roots])
            fixed = iter(signature.fixed)
            filled = [next(handles) if taken else next(fixed) for taken in signature.taken]
            inner_args, inner_kwargs = signature.structure.unflatten(filled)
            out = engine.call(fun, inner_args, inner_kwargs)
            outputs, result = engine.flat_output(out)
            named = Signature(
                signature.structure,
                signature.taken,
                signature.fixed,
                _names(fun, signature),
                result,
            )
            return graph_of(frame, roots, outputs, values=leaves, signature=named, name=name_of(fun))
        finally:
            context.leave(frame, token)

    return traced


def _kept(leaf: Any) -> Any:
    return leaf.copy(order="K") if type(leaf) is np.ndarray else leaf


def _names(fun: Any, signature: Signature) -> tuple[str, ...]:
    """What the inputs are called in the function's own signature: ``x``, ``params['w']``."""
    count = len(signature.structure.children[0].children)
    found = [f"argument{k}" for k in range(count)]
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    for k in range(count):
        if k < len(parameters) and parameters[k].kind in (
            inspect.Parameter.POSITIONAL_ONLY,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
        ):
            found[k] = parameters[k].name
        else:
            break
    for k, parameter in enumerate(parameters):
        if parameter.kind == inspect.Parameter.VAR_POSITIONAL:
            for i in range(k, count):
                found[i] = f"{parameter.name}[{i - k}]"
    positional, keywords = signature.structure.children
    paths = [p for child, name in zip(positional.children, found, strict=True) for p in child.paths(name)]
    for name, child in zip(keywords.extra or (), keywords.children, strict=True):
        paths.extend(child.paths(str(name)))
    return tuple(p for p, taken in zip(paths, signature.taken, strict=True) if taken)


def linearize(fun: Callable[..., Any], *primals: Any) -> tuple[Any, LinearMap]:
    """Return ``fun(*primals)`` and its derivative there, a ``LinearMap``: ``jvp_fun(*tangents)``
    applies it without running ``fun`` again.

    The map is also what SciPy's iterative solvers take (``shape``, ``dtype``, ``matvec``,
    ``rmatvec``), and ``jvp_fun.T`` is its transpose. Raises what ``jvp`` raises for arguments that
    have no derivative.

    >>> import numpy as np
    >>> out, jvp_fun = linearize(lambda x: x ** 2, np.array([1.0, 3.0]))
    >>> jvp_fun(np.array([1.0, 1.0]))
    array([2., 6.])
    >>> jvp_fun.T(np.array([1.0, 0.0]))
    (array([2., 0.]),)
    """
    require_function(fun, "linearize")
    picked = Selection(fun, primals, {}, tuple(range(len(primals))), None)
    leaves = [_kept(engine.settled(leaf)) for leaf in picked.leaves]
    _, given = flatten(tuple(primals))
    shapes: list[Any] = []

    def run(roots: list[Any]) -> list[Any]:
        args, kwargs = picked.rebuild([handle(r.value, r.node) for r in roots])
        outputs, structure = engine.flat_output(engine.call(fun, args, kwargs))
        shapes.append(structure)
        return outputs

    outputs, graph = linearize_flat(run, leaves, here(), name=f"derivative of {name_of(fun)}")
    if graph.memory["kinked"] is not None:
        from wengert.api.sides import map_on_one_side

        graph = map_on_one_side(lambda roots: linearize_flat(run, roots, here(), name=graph.name)[1], leaves)
    structure, watched = shapes[0], graph.memory["watched"]
    kinds = [tangent_kind(o) for o in outputs]
    # Outputs that are no numbers have no tangent.
    graph = graph.with_steps(graph.nodes, [o for o, k in zip(graph.outputs, kinds, strict=True) if k is not None])
    moves = [k >= 0 for span in picked._spans for k in span]
    types = iter(ArrayType.of(v.value if is_handle(v) else v) for v in leaves)
    source = Space(given, tuple(next(types) if moving else None for moving in moves), many=True)
    value = structure.unflatten([engine.outward(o) for o in outputs])
    return value, LinearMap(graph, source, Space(structure, tuple(kinds), many=False), watched)


__all__ = ["Graph", "LinearMap", "is_input", "linearize", "trace"]
