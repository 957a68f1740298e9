"""cond and while_loop: choices and loops whose ends depend on values, said so.

Imports core, diff, batch, ops, ``engine``, ``control_bodies``. Invariant: uncompiled they are Python's ``if`` and
``while``; in a recording they are one step for all values, where their functions can be recorded by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of, require_function
from wengert.api.control_bodies import (
    Body,
    is_number,
    raw,
    record_body,
    recording,
    same_carry,
    sample,
    served,
    typed,
    with_shared,
)
from wengert.batch.branches import batched_cond
from wengert.batch.while_loops import batched_while
from wengert.core.context import Frame, tracing
from wengert.core.errors import WengertError, WengertTypeError, error_at
from wengert.core.graph import Graph
from wengert.core.handle import is_handle
from wengert.core.node import Const
from wengert.core.tree import Structure, flatten, is_static
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.diff.branches import forward_branches, reverse_branches
from wengert.ops import branches, while_loops
from wengert.ops.branches import kind_of
from wengert.ops.compare import not_equal
from wengert.ops.while_loops import Layout, Pass

branches.install(reverse_branches, forward_branches, batched_cond)
while_loops.install(batched_while)


class _Unlike(WengertTypeError):
    """Two branches that return different things."""


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return ``true_fun(*operands)`` if ``pred`` else ``false_fun(*operands)``; only the chosen function runs.

    ``pred`` is one truth value (a number is true where it is not zero), operands are containers of anything. Uncompiled
    this is Python's ``if``. In ``trace``, ``compile`` and ``vmap`` it is one step with both functions in it, each
    recorded once, so that there is one path for both answers: they must return the same structure, shapes and dtypes,
    and must write to nothing outside of them. Under ``vmap`` each row has a choice of its own. Where a function asks
    Python about a value (``if``, ``int``), writes into an array that it did not make, or raises without being chosen,
    the choice is followed by a guard, as an ``if`` is.

    Raises WengertTypeError when ``pred`` is no single value or, in a recording, when the functions return different
    things.

    >>> cond(True, lambda x: x + 1.0, lambda x: x - 1.0, 3.0)
    4.0
    >>> import numpy as np
    >>> import wengert
    >>> graph = wengert.trace(lambda x: cond(x > 0.0, np.sqrt, lambda v: 0.0 * v, x))(4.0)
    >>> float(graph(4.0)), float(graph(-1.0))
    (2.0, -0.0)
    """
    require_function(true_fun, "cond")
    require_function(false_fun, "cond")
    pred = engine.settled(pred)
    if shape_of(raw(pred)) != ():
        raise error_at(
            WengertTypeError,
            f"cond: the predicate has shape {shape_of(raw(pred))}",
            fix="give one truth value; np.where chooses element by element",
        )
    full = recording()
    if full is not None and is_handle(pred) and pred.node is not None:
        found = _choice(pred, (true_fun, false_fun), operands, full)
        if found is not None:
            return found[0]
    chosen = true_fun if pred else false_fun
    return chosen(*operands) if tracing.get() is None else served(chosen, *operands)


def _choice(
    pred: Any, functions: tuple[Callable[..., Any], ...], operands: tuple[Any, ...], full: Frame
) -> tuple[Any] | None:
    """The choice as one step, in a tuple; None where it cannot be one."""
    leaves, structure = flatten(operands)
    leaves = [engine.settled(v) for v in leaves]
    taken = [k for k, v in enumerate(leaves) if (is_handle(v) or type(v) is np.ndarray) and is_number(raw(v))]
    samples = [sample(leaves[k]) for k in taken]
    bodies: list[Body] = []
    marks = _marks(full)
    for f in functions:

        def run(inputs: list[Any], f: Any = f) -> Any:
            given = list(leaves)
            for k, v in zip(taken, inputs, strict=True):
                given[k] = v
            return served(f, *structure.unflatten(given))

        try:
            with np.errstate(all="ignore"):
                body = record_body(run, samples, name_of(f))
        except Exception:  # noqa: BLE001 the function that is not chosen may raise; the chosen one raises again
            body = None
        if body is None or not all(map(_is_plain, body.numbers, body.leaves)):
            _restore(full, marks)
            return None
        bodies.append(body)
    try:
        bodies = _alike(bodies, functions)
    except _Unlike:
        if full.asks and full.met is None:  # rows of vmap, which are run in groups of one answer
            return None
        raise
    (true, false), free = with_shared(bodies, len(taken))
    given = [typed(leaves[k], n.type) for k, n in zip(taken, true.inputs, strict=False)]
    asked = pred if dtype_of(raw(pred)).kind == "b" else not_equal(pred, 0)
    ends = iter(branches.cond(true, false, asked, [*given, *free]))
    first = bodies[0]
    return (
        first.structure.unflatten([next(ends) if n else v for n, v in zip(first.numbers, first.leaves, strict=True)]),
    )


def _is_plain(number: bool, leaf: Any) -> bool:
    """Whether a result is a number or fixed data (no Tensor, no object that may hold values of the recording)."""
    return number or leaf is None or is_static(leaf)


def _marks(full: Frame) -> Any:
    met = full.met
    return None if met is None else (met.raised, met.text, met.kinks, met.unseeded)


def _restore(full: Frame, marks: Any) -> None:
    """Forget what a body that is not used after all did to the recording."""
    if marks is not None:
        full.met.raised, full.met.text, full.met.kinks, full.met.unseeded = marks


def _alike(bodies: Sequence[Body], functions: Sequence[Callable[..., Any]]) -> list[Body]:
    """Two bodies with outputs of the same types; Python's numbers among them take the type of their counterparts."""
    one, other = bodies
    names = [name_of(f) for f in functions]
    if one.structure != other.structure:
        raise _unlike(f"{names[0]} returns {one.structure}, {names[1]} returns {other.structure}")
    ends = [_outputs(body) for body in bodies]
    kept: list[bool] = []
    outputs: tuple[list[Any], list[Any]] = [], []
    for path, a, b, x, y in zip(one.structure.paths(), *ends, one.leaves, other.leaves, strict=True):
        if x is not None and _same(x, y):
            kept.append(False)
            continue
        if a is None or b is None:
            raise _unlike(f"the result{path} of {names[0]} is {_said(a, x)}, that of {names[1]} is {_said(b, y)}")
        kinds = [ArrayType.of(o.value) if isinstance(o, Const) else o.type for o in (a, b)]
        common = _common(kinds, (x, y))
        if common is None:
            raise _unlike(f"the result{path} of {names[0]} is {kinds[0]!r}, that of {names[1]} is {kinds[1]!r}")
        kept.append(True)
        for found, o, kind in zip(outputs, (a, b), kinds, strict=True):
            found.append(o if kind == common else Const(common.dtype.type(o.value)))
    return [
        Body(_with_outputs(body.graph, found), body.free, body.structure, body.leaves, tuple(kept))
        for body, found in zip(bodies, outputs, strict=True)
    ]


def _outputs(body: Body) -> list[Any]:
    """The graph's output for each leaf, None where there is none."""
    outputs = iter(body.graph.outputs)
    return [next(outputs) if n else None for n in body.numbers]


def _with_outputs(graph: Graph, outputs: Sequence[Any]) -> Graph:
    return graph.with_steps(graph.nodes, outputs)


def _common(kinds: Sequence[ArrayType], plain: Sequence[Any]) -> ArrayType | None:
    """The type of a result that is of two types, or None: Python's numbers adapt, NumPy's do not."""
    a, b = kinds
    if a == b:
        return a
    if a.shape != b.shape:
        return None
    weak = [type(v) in (int, float, complex) for v in plain]
    if not any(weak):
        return None
    given = [type(v)(0) if w else k.dtype for v, w, k in zip(plain, weak, kinds, strict=True)]
    dtype = np.result_type(*given)
    fits = all(w or k.dtype == dtype for w, k in zip(weak, kinds, strict=True))
    return ArrayType((), dtype) if fits else None


def _same(a: Any, b: Any) -> bool:
    """Whether two plain results are the very same."""
    if a is b:
        return True
    if type(a) is not type(b) or isinstance(a, np.ndarray):
        return False
    try:
        return bool(a == b) and not isinstance(a, (float, complex, np.inexact))
    except (TypeError, ValueError):
        return False


def _said(operand: Any, plain: Any) -> str:
    if operand is None:
        return repr(plain)[:40]
    return repr(ArrayType.of(operand.value) if isinstance(operand, Const) else operand.type)


def _unlike(what: str) -> WengertError:
    return error_at(
        _Unlike,
        f"cond: {what}",
        fix="return the same containers, shapes and dtypes from both functions",
        depth=5,
    )


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any) -> Any:
    """Return ``val`` after ``while cond_fun(val): val = body_fun(val)``, starting with ``init``.

    ``init`` is a container of arrays and numbers, whose structure, shapes and dtypes stay. Uncompiled this is Python's
    ``while``, and derivatives of any mode follow the steps that were made. In ``trace``, ``compile`` and ``vmap`` it is
    one step whose functions are recorded once, right for any number of steps: its forward mode carries tangents along,
    its reverse mode keeps what every step leaves behind in a list that grows, and goes back over it; both can be
    differentiated again. Under ``vmap`` it goes on until no row does, and rows that have ended stay as they are. Where
    a function asks Python about a value, writes into an array that it did not make, or raises on the initial value, the
    loop is followed step by step, and the number of steps is guarded.

    Raises WengertTypeError when the value changes its structure, shape or dtype.

    >>> while_loop(lambda x: x < 10.0, lambda x: 2.0 * x, 1.0)
    16.0
    >>> import wengert
    >>> graph = wengert.trace(wengert.grad(lambda a: while_loop(lambda x: x < 10.0, lambda x: a * x, 1.0)))(2.0)
    >>> float(graph(2.0)), float(graph(3.0))
    (32.0, 27.0)
    """
    require_function(cond_fun, "while_loop")
    require_function(body_fun, "while_loop")
    start, structure = flatten(init)
    start = [engine.settled(v) for v in start]
    full = recording()
    if full is not None:
        found = _loop(cond_fun, body_fun, start, structure, full)
        if found is not None:
            return found[0]
    value = init
    while cond_fun(value):
        value = body_fun(value)
        same_carry(start, structure, value, name_of(body_fun))
    return value


def _loop(
    cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], start: list[Any], structure: Structure, full: Frame
) -> tuple[Any] | None:
    """The loop as one step, in a tuple; None where it cannot be one."""
    moving = [k for k, v in enumerate(start) if is_number(raw(v))]
    if not moving:
        return None
    samples = [sample(start[k]) for k in moving]
    marks = _marks(full)

    def filled(inputs: Sequence[Any]) -> Any:
        given = list(start)
        for k, v in zip(moving, inputs, strict=True):
            given[k] = v
        return structure.unflatten(given)

    fixed = [k for k in range(len(start)) if k not in set(moving)]
    changed: list[int] = []

    def step(inputs: list[Any]) -> list[Any]:
        leaves = same_carry(start, structure, served(body_fun, filled(inputs)), name_of(body_fun))
        changed.extend(k for k in fixed if not _same(leaves[k], start[k]))
        return [leaves[k] for k in moving]

    def ask(inputs: list[Any]) -> Any:
        answer = engine.settled(served(cond_fun, filled(inputs)))
        return not_equal(answer, 0) if is_number(raw(answer)) and dtype_of(raw(answer)).kind != "b" else answer

    bodies: list[Body] = []
    for run, f in ((ask, cond_fun), (step, body_fun)):
        try:
            with np.errstate(all="ignore"):
                body = record_body(run, samples, name_of(f))
        except WengertTypeError:
            raise
        except Exception:  # noqa: BLE001 what it raises where it runs, it raises again
            body = None
        if body is None or changed or not all(body.numbers):
            _restore(full, marks)
            return None
        bodies.append(body)
    kinds = [kind_of(o) for o in bodies[0].graph.outputs]
    if len(kinds) != 1 or kinds[0].shape or not _depends(bodies[0]):
        _restore(full, marks)
        return None
    (test, graph), free = with_shared(bodies, len(moving))
    invariants = tuple(range(len(free)))
    layout = Layout((Pass(len(moving), False, (), invariants),), len(moving), invariants)
    given = [typed(start[k], n.type) for k, n in zip(moving, graph.inputs, strict=False)]
    return (filled(while_loops.while_loop(layout, test, [graph], [*given, *free])),)


def _depends(body: Body) -> bool:
    """Whether what a body returns depends on anything that it was given."""
    return not isinstance(body.graph.outputs[0], Const)


__all__ = ["cond", "while_loop"]
