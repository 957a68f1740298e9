"""A derivative of a derivative at a kink, on one side of it: the program runs again with a direction that decides.

Imports core, ops, ``engine``. Invariant: a result that depends on what the direction leaves open is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.core import context
from wengert.core.context import FORWARD
from wengert.core.errors import TieError, error_at
from wengert.core.graph import Graph
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const
from wengert.core.structure import root
from wengert.core.tree import flatten
from wengert.core.types import dtype_of, shape_of
from wengert.ops.sides import SIDE, Side

_SEED = 20130817


def on_one_side(run: Callable[[list[Any]], Any], leaves: Sequence[Any]) -> Any:
    """``run(handles of the leaves)``, whose result is a container of numbers, on one side of all kinks it meets.

    Raises TieError where the direction does not tell pieces apart and the result depends on which of them is taken.
    """

    def numbers(roots: list[Any]) -> Any:
        found, structure = flatten(run(roots))
        return [engine.settled(v) for v in found], structure

    (found, structure), side = _run(numbers, leaves, first=True)
    made = [engine.outward(v) for v in found]
    if side.open is not None or side.steep is not None:
        (others, _), _ = _run(numbers, leaves, first=False)
        _compare(made, [engine.outward(v) for v in others], side)
    return structure.unflatten(made)


def map_on_one_side(run: Callable[[list[Any]], Graph], leaves: Sequence[Any]) -> Graph:
    """``on_one_side`` of what makes a linear program."""
    found, side = _run(run, leaves, first=True)
    graph = _outward(found)
    if side.open is not None or side.steep is not None:
        other = _outward(_run(run, leaves, first=False)[0])
        random = np.random.default_rng(_SEED)
        for _ in range(2):
            tangents = [random.standard_normal(node.type.shape) for node in graph.inputs]
            _compare(graph.evaluate(tangents), other.evaluate(tangents), side)
    return graph


def _outward(graph: Graph) -> Graph:
    """A linear program whose residuals are those of the traces that still run."""

    def seen(a: Any) -> Any:
        return Const(engine.outward(a.value)) if isinstance(a, Const) and is_handle(a.value) else a

    for node in graph.nodes:
        node.args = tuple([seen(a) for a in node.args])
    return graph.with_steps(graph.nodes, [seen(o) for o in graph.outputs])


def with_tangents(
    call: Callable[[list[Any]], Any], leaves: Sequence[Any]
) -> tuple[Callable[[list[Any]], Any], Sequence[Any]]:
    """A call for each row of the leaves, where these move along the direction that decides: their tangents are leaves
    too, so that each row decides for itself."""
    side, count = SIDE.get(), len(leaves)
    assert side is not None
    moved = [leaf.node.tangents if is_handle(leaf) and leaf.node is not None else None for leaf in leaves]
    moving = [(k, t[side.frame]) for k, t in enumerate(moved) if t and t.get(side.frame) is not None]

    def called(handles: list[Any]) -> Any:
        for (k, _), tangent in zip(moving, handles[count:], strict=True):
            handles[k].node.tangents = {side.frame: tangent}
        return call(handles[:count])

    return called, [*leaves, *(t for _, t in moving)]


def _compare(found: Sequence[Any], others: Sequence[Any], side: Side) -> None:
    if all(same(one, other) for one, other in zip(found, others, strict=True)):
        return
    if side.lost is not None:
        raise error_at(
            TieError,
            "a second derivative in reverse mode meets a length (a norm, hypot, a standard deviation) of zero, whose "
            "slope goes with the direction",
            fix="take one direction at a time, forward over reverse: hessian, hvp, or jvp(grad(f), ...)",
            where=side.lost,
        )
    if side.steep is not None:
        raise error_at(
            TieError,
            "a second derivative was taken of a length (a norm, hypot, a standard deviation) of zero where its slope "
            "counts; it is infinite",
            fix="use the square of the length, or add a small number under its root",
            where=side.steep,
        )
    raise error_at(
        TieError,
        "a second derivative was taken where two pieces of the function agree in value and slope; which of them goes "
        "on is not known, and their second derivatives differ",
        fix="write the function without that choice, or keep away from the point",
        where=side.open,
    )


def _run(run: Callable[[list[Any]], Any], leaves: Sequence[Any], *, first: bool) -> tuple[Any, Side]:
    frame, token = context.enter(FORWARD)
    frame.side = side = Side(frame, first=first)
    frame.folds = False  # the direction goes through the steps of the program itself
    chosen = SIDE.set(side)
    try:
        random = np.random.default_rng(_SEED)
        roots = [root(leaf, None, frame=frame, tangent=_direction(leaf, random)) for leaf in leaves]
        return run([handle(r.value, r.node) for r in roots]), side
    finally:
        SIDE.reset(chosen)
        context.leave(frame, token)


def _direction(leaf: Any, random: np.random.Generator) -> Any:
    """A direction in which nothing is equal by chance."""
    plain = leaf.value if is_handle(leaf) else leaf
    shape, dtype = shape_of(plain), dtype_of(plain)
    drawn = random.uniform(0.5, 1.5, shape)
    if dtype.kind == "c":
        drawn = drawn + 1j * random.uniform(0.5, 1.5, shape)
    return drawn.astype(dtype) if shape else dtype.type(drawn)


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal up to rounding; a recording asks for the same answer."""
    plain = one.value if is_handle(one) else one
    if plain is None or not isinstance(plain, (np.ndarray, np.generic, float, complex)) or not np.size(plain):
        return True
    room = 1e-10 if dtype_of(plain).itemsize >= 8 else 1e-4
    gap, size = np.max(np.abs(one - other)), np.max(np.abs(one))
    return bool(np.logical_not(np.greater(gap, room * size)))  # no number is no number on either side


__all__ = ["map_on_one_side", "on_one_side", "with_tangents"]
