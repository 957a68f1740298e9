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

_TRIES = 8
"""Directions that are tried where comparisons of equal values go another way."""


def on_one_side(run: Callable[[list[Any]], Any], leaves: Sequence[Any]) -> Any:
    """``run(handles of the leaves)``, whose result is a container of numbers, on one side of all kinks it meets.

    Raises TieError where no direction tells pieces apart and the result depends on which of them is taken.
    """

    def numbers(roots: list[Any]) -> Any:
        found, structure = flatten(run(roots))
        return [engine.settled(v) for v in found], structure

    def outward(result: Any) -> Any:
        found, structure = result
        return [engine.outward(v) for v in found], structure

    made, structure = _one_piece(numbers, leaves, outward, lambda result: result[0])
    return structure.unflatten(made)


def map_on_one_side(run: Callable[[list[Any]], Graph], leaves: Sequence[Any]) -> Graph:
    """``on_one_side`` of what makes a linear program."""

    def images(graph: Graph) -> list[Any]:
        random = np.random.default_rng(_SEED)
        tangents = [[random.standard_normal(node.type.shape) for node in graph.inputs] for _ in range(2)]
        return [value for given in tangents for value in graph.evaluate(given)]

    return _one_piece(run, leaves, _outward, images)  # type: ignore[no-any-return]


def _one_piece(
    run: Callable[[list[Any]], Any],
    leaves: Sequence[Any],
    outward: Callable[[Any], Any],
    numbers: Callable[[Any], Sequence[Any]],
) -> Any:
    """What ``run`` gives, seen from ``outward``, on one side of all kinks: along a direction that goes where the
    program's comparisons of equal values went, if one is found; results are compared by their ``numbers``."""
    way = _directions(leaves)
    tried: list[tuple[list[Any], Side]] = []
    split: list[Any] = []
    while True:
        found, side = _run(run, leaves, way, first=True)
        found = outward(found)
        if side.split is None:
            break
        tried.append((way, side))
        split.append(found)
        if len(tried) == _TRIES:
            for other in split[:-1]:
                _compare(numbers(other), numbers(found), side)
            break
        way = _another(tried)
    if side.open is not None or side.steep is not None:
        others, _ = _run(run, leaves, way, first=False)
        _compare(numbers(found), numbers(outward(others)), side)
    return found


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
    if side.split is not None:
        raise error_at(
            TieError,
            "a second derivative was taken where a comparison of equal values took one piece of the function, and "
            "another comparison or an operation with a kink (abs, maximum, a sort) another piece",
            fix="write both with the same operation, or keep away from the point",
            where=side.split,
        )
    raise error_at(
        TieError,
        "a second derivative was taken where two pieces of the function agree in value and slope; which of them goes "
        "on is not known, and their second derivatives differ",
        fix="write the function without that choice, or keep away from the point",
        where=side.open,
    )


def _run(
    run: Callable[[list[Any]], Any], leaves: Sequence[Any], way: Sequence[Any], *, first: bool
) -> tuple[Any, Side]:
    """``run(handles of the leaves)`` where these move along ``way``."""
    frame, token = context.enter(FORWARD)
    frame.side = side = Side(frame, first=first)
    frame.folds = False  # the direction goes through the steps of the program itself
    chosen = SIDE.set(side)
    try:
        roots = [root(leaf, None, frame=frame, tangent=t) for leaf, t in zip(leaves, way, strict=True)]
        return run([handle(r.value, r.node) for r in roots]), side
    finally:
        SIDE.reset(chosen)
        context.leave(frame, token)


def _directions(leaves: Sequence[Any]) -> list[Any]:
    """A direction in which nothing is equal by chance."""
    random = np.random.default_rng(_SEED)
    found = []
    for leaf in leaves:
        plain = leaf.value if is_handle(leaf) else leaf
        shape, dtype = shape_of(plain), dtype_of(plain)
        drawn = random.uniform(0.5, 1.5, shape)
        if dtype.kind == "c":
            drawn = drawn + 1j * random.uniform(0.5, 1.5, shape)
        found.append(drawn.astype(dtype) if shape else dtype.type(drawn))
    return found


def _another(tried: Sequence[tuple[list[Any], Side]]) -> list[Any]:
    """Another direction where comparisons of equal values went elsewhere along those tried."""
    (first, _), (last, side) = tried[0], tried[-1]
    if len(tried) == _TRIES - 1:
        return _scaled([(-1.0, first)])  # where all else fails: there the other comparisons are left
    found = _combined(tried) or _turned(last, side.turns)
    if found is None or any(_equal(found, way) for way, _ in tried):
        random = np.random.default_rng(len(tried))
        found = [random.uniform(-1.5, 1.5, np.shape(t)) * (t / np.maximum(np.abs(t), 1e-9)) for t in first]
        found = _scaled([(1.0, found)], first)
    return found


def _combined(tried: Sequence[tuple[list[Any], Side]]) -> list[Any] | None:
    """The combination of directions along which all comparisons go on, as far as their slopes are linear."""
    slopes = [np.concatenate(side.slopes) for _, side in tried]
    if len({s.shape for s in slopes}) > 1 or len(slopes[0]) > len(tried):
        return None
    matrix = np.stack(slopes, axis=1)
    weights = np.linalg.lstsq(matrix, np.ones(len(matrix)), rcond=None)[0]
    if not np.all(matrix @ weights > 1e-6):
        return None
    return _scaled([(w, way) for w, (way, _) in zip(weights, tried, strict=True)])


def _turned(way: Sequence[Any], turns: Sequence[tuple[Any, Any]]) -> list[Any] | None:
    """A direction turned in the elements that comparisons name: by their slope, which is that of one element, or by
    their place in an array of the same shape."""
    flips: list[Any] = [np.zeros(np.shape(t), bool) for t in way]
    for back, slope in turns:
        slopes = np.abs(np.broadcast_to(slope, back.shape)[back])
        named = [np.isin(np.abs(t), slopes) for t in way]
        if not any(map(np.any, named)):
            named = [back & (back.ndim > 0) if flip.shape == back.shape else flip & False for flip in flips]
        for flip, more in zip(flips, named, strict=True):
            flip |= more
    if not any(map(np.any, flips)):
        return None
    return _scaled([(1.0, [np.where(flip, -t, t) for flip, t in zip(flips, way, strict=True)])], way)


def _scaled(parts: Sequence[tuple[float, Sequence[Any]]], like: Sequence[Any] | None = None) -> list[Any]:
    """A sum of directions, none of it large, in the types of the leaves (of ``like``)."""
    total = [
        sum(w * t for (w, _), t in zip(parts, leaf, strict=True)) for leaf in zip(*(v for _, v in parts), strict=True)
    ]
    size = max(float(np.max(np.abs(t), initial=0.0)) for t in total) or 1.0
    kinds = [dtype_of(t) for t in (like if like is not None else parts[0][1])]
    scaled = [np.asarray(t / size) for t in total]
    return [t.astype(k) if t.shape else k.type(t) for t, k in zip(scaled, kinds, strict=True)]


def _equal(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return all(map(np.array_equal, one, other))


def same(one: Any, other: Any) -> bool:
    """Whether two results are equal up to rounding; a recording asks for the same answer."""
    plain = one.value if is_handle(one) else one
    if plain is None or not isinstance(plain, (np.ndarray, np.generic, float, complex)) or not np.size(plain):
        return True
    room = 1e-10 if dtype_of(plain).itemsize >= 8 else 1e-4
    gap, size = np.max(np.abs(one - other)), np.max(np.abs(one))
    return bool(np.logical_not(np.greater(gap, room * size)))  # no number is no number on either side


__all__ = ["map_on_one_side", "on_one_side", "with_tangents"]
