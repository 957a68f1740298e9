"""scan, cond, while_loop, fori_loop: loops and choices that say what they are.

Imports core, diff, batch, ops, ``engine``. Invariant: the values are those of the plain Python loop; where a loop
cannot be recorded as one step (its body asks Python about a value), it is that loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of, require_function
from wengert.batch.loops import batched_scan
from wengert.core import context
from wengert.core.context import FULL, tracing
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.graph import Graph, copy_step, input_node
from wengert.core.handle import handle, is_handle
from wengert.core.node import Const
from wengert.core.structure import root
from wengert.core.trace import graph_of
from wengert.core.tree import Structure, flatten, is_static
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.diff.bodies import forward_body, reverse_body
from wengert.ops import join, loops
from wengert.ops.select import where as choose

loops.install(reverse_body, forward_body, batched_scan)

BODY = "the body of a loop"
"""The note of a frame in which the body of a loop is recorded."""


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run ``carry, y = f(carry, x)`` for every row ``x`` of ``xs`` and return the last carry and the stacked ``y``.

    ``init`` and ``xs`` are containers of arrays and numbers; all arrays in ``xs`` have the same first axis, of
    ``length`` rows (with ``xs=None`` say ``length``, and ``x`` is None). ``reverse`` takes the rows from last to first;
    row t of the result belongs to row t of ``xs`` either way. Uncompiled this is a Python loop; in ``trace``, ``vmap``
    and ``compile`` it is one step whose body is recorded once, so ``f`` must do the same at every step (where it asks
    ``if`` of a traced value, the loop is unrolled).

    Raises WengertTypeError when the carry changes its structure, shape or dtype, WengertValueError when lengths differ.

    >>> import numpy as np
    >>> total, sums = scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    """
    require_function(f, "scan")
    rows, of_rows = flatten(xs)
    rows = [_as_rows(r, f) for r in rows]
    count = _length(rows, length, f)
    start, of_carry = flatten(init)
    start = [engine.settled(v) for v in start]
    found: tuple[Any, Any] | None = None
    if count:
        found = _recorded(f, start, of_carry, rows, of_rows, count, reverse=bool(reverse))
    if found is not None:
        return found
    carry = of_carry.unflatten(start)
    stacked: list[tuple[list[Any], Structure]] = []
    for t in range(count - 1, -1, -1) if reverse else range(count):
        carry, y = _pair(f(carry, of_rows.unflatten([None if r is None else r[t] for r in rows])), f)
        _same_carry(start, of_carry, carry, f)
        stacked.append(flatten(y))
    if reverse:
        stacked.reverse()
    if not stacked:
        return carry, None
    structure = stacked[0][1]
    columns = zip(*(leaves for leaves, _ in stacked), strict=True)
    return carry, structure.unflatten([_stack(list(column)) for column in columns])


def _stack(column: list[Any]) -> Any:
    if all(v is None for v in column):
        return None
    column = [engine.settled(v) for v in column]
    return join.stack(column, 0) if any(map(is_handle, column)) else np.stack(column)


def _as_rows(value: Any, f: Any) -> Any:
    value = engine.settled(value)
    plain = value.value if is_handle(value) else value
    if plain is None:
        return None
    if not isinstance(plain, np.ndarray) or plain.ndim == 0:
        raise error_at(
            WengertTypeError,
            f"scan of {name_of(f)}: xs holds a {type(plain).__name__}, which has no rows",
            fix="give arrays whose first axis counts the steps, or close over what all steps share",
        )
    return value


def _length(rows: Sequence[Any], length: int | None, f: Any) -> int:
    sizes = {shape_of(r.value if is_handle(r) else r)[0] for r in rows if r is not None}
    if length is not None:
        if is_handle(length) or not isinstance(length, (int, np.integer)) or isinstance(length, bool) or length < 0:
            raise error_at(
                WengertTypeError, f"scan of {name_of(f)}: length={length!r} is no count", fix="give a whole number"
            )
        sizes.add(int(length))
    if len(sizes) != 1:
        got = f"lengths differ: {sorted(sizes)}" if sizes else "there is neither xs nor length"
        raise error_at(
            WengertValueError, f"scan of {name_of(f)}: {got}", fix="give xs of equal length, or length alone"
        )
    return sizes.pop()


def _pair(out: Any, f: Any) -> tuple[Any, Any]:
    if not isinstance(out, tuple) or len(out) != 2:
        raise error_at(
            WengertTypeError,
            f"scan: {name_of(f)} must return a pair (carry, y); it returned a {type(out).__name__}",
            fix="return carry, None when there is nothing to stack",
        )
    return out


def _same_carry(start: Sequence[Any], structure: Structure, carry: Any, f: Any) -> list[Any]:
    """The leaves of a carry, checked against those the loop began with."""
    leaves, found = flatten(carry)
    if found != structure:
        raise error_at(
            WengertTypeError,
            f"the carry of {name_of(f)} changes its structure: from {structure} to {found}",
            fix="return the carry in the containers in which it comes in",
        )
    leaves = [engine.settled(v) for v in leaves]
    for path, a, b in zip(structure.paths(), start, leaves, strict=True):
        before, after = (v.value if is_handle(v) else v for v in (a, b))
        if not _is_number(before) or not _is_number(after):
            continue
        if shape_of(before) != shape_of(after) or dtype_of(before) != dtype_of(after):
            raise error_at(
                WengertTypeError,
                f"the carry{path} of {name_of(f)} comes in as {ArrayType.of(before)} and is returned as "
                f"{ArrayType.of(after)}",
                fix="start the loop with a value of the shape and dtype that the body returns (0.0, not 0)",
            )
    return leaves


def _is_number(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, float, int, complex)) and dtype_of(value).kind in "fciub"


def _recorded(
    f: Any, start: list[Any], of_carry: Structure, rows: list[Any], of_rows: Structure, count: int, *, reverse: bool
) -> Any:
    """The loop as one step of the full recording that is running; None where there is none, or it cannot be one."""
    frame = tracing.get()
    if frame is None or frame.full is None:
        return None
    moving = [k for k, v in enumerate(start) if _is_number(v.value if is_handle(v) else v) and not isinstance(v, bool)]
    fixed = [None if k in set(moving) else v for k, v in enumerate(start)]
    used = [k for k, r in enumerate(rows) if r is not None]
    first = count - 1 if reverse else 0
    samples = [_sample(start[k]) for k in moving] + [_sample(rows[k], first) for k in used]

    def body(inputs: list[Any]) -> tuple[list[Any], list[Any], Structure]:
        given = list(fixed)
        for k, v in zip(moving, inputs, strict=False):
            given[k] = v
        parts: list[Any] = [None] * len(rows)
        for k, v in zip(used, inputs[len(moving) :], strict=True):
            parts[k] = v
        carry, y = _pair(f(of_carry.unflatten(given), of_rows.unflatten(parts)), f)
        leaves = _same_carry(start, of_carry, carry, f)
        out, shape = flatten(y)
        return [leaves[k] for k in moving], [engine.settled(v) for v in out], shape

    made = _body(body, samples, name_of(f))
    if made is None:
        return None
    graph, free, of_y, held = made
    kinds = [n.type for n in graph.inputs]
    initial = [_typed(start[k], kind) for k, kind in zip(moving, kinds, strict=False)]
    ends = loops.scan(
        graph, [*initial, *(rows[k] for k in used), *free], count, len(moving), len(used), reverse=reverse
    )
    final = list(fixed)
    for k, v in zip(moving, ends, strict=False):
        final[k] = v
    stacked = iter(ends[len(moving) :])
    return of_carry.unflatten(final), of_y.unflatten([None if h else next(stacked) for h in held])


def _sample(value: Any, row: int | None = None) -> Any:
    plain = value.value if is_handle(value) else value
    if row is not None:
        plain = plain[row]
    return plain.copy(order="C") if type(plain) is np.ndarray else dtype_of(plain).type(plain)


def _typed(value: Any, kind: ArrayType) -> Any:
    return value if is_handle(value) or type(value) is np.ndarray else kind.dtype.type(value)


def _body(
    body: Callable[[list[Any]], tuple[list[Any], list[Any], Structure]], samples: list[Any], name: str
) -> tuple[Graph, list[Any], Structure, list[bool]] | None:
    """The body as a graph whose last inputs are the traced values that it closes over; None where it asks a value."""
    frame, token = context.enter(FULL)
    frame.note = BODY
    try:
        roots = [root(v, None, rich=True) for v in samples]
        carries, out, structure = body([handle(r.value, r.node) for r in roots])
        held = [v is None for v in out]
        if any(not h and not _is_number(v.value if is_handle(v) else v) for h, v in zip(held, out, strict=True)):
            return None
        ends = [*carries, *(v for v in out if v is not None)]
        graph = graph_of(frame, roots, ends, values=samples, name=name)
        if graph.guards or frame.guards:
            return None
    finally:
        context.leave(frame, token)
    return (*closed(graph), structure, held)


def closed(graph: Graph) -> tuple[Graph, list[Any]]:
    """The graph with the outer handles that it reads made inputs of their own, and those handles."""
    made: dict[int, Any] = {}
    free: list[Any] = []

    def place(a: Any) -> Any:
        if not isinstance(a, Const):
            return known.get(a, a)
        if not is_handle(a.value):
            return a
        key = id(a.value.node)
        if key not in made:
            made[key] = input_node(ArrayType.of(a.value.value))
            free.append(a.value)
        return made[key]

    known: dict[Any, Any] = {}
    steps = []
    for node in graph.nodes:
        args = [place(a) for a in node.args]
        known[node] = copy_step(node, args)
        steps.append(known[node])
    outputs = tuple(place(o) for o in graph.outputs)
    found = Graph(
        inputs=(*graph.inputs, *made.values()),
        outputs=outputs,
        nodes=tuple(steps),
        values=(*graph.values, *(h.value for h in free)),
        name=graph.name,
        memory={"watched": None},
    )
    return found, free


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Return ``true_fun(*operands)`` if ``pred`` else ``false_fun(*operands)``; only the chosen function runs.

    In a compiled function the choice is remembered, and another one is recorded anew. In the body of a ``scan`` both
    functions run and every output is chosen by ``np.where``; both must then return the same structure and shapes.

    >>> cond(True, lambda x: x + 1.0, lambda x: x - 1.0, 3.0)
    4.0
    """
    require_function(true_fun, "cond")
    require_function(false_fun, "cond")
    pred = engine.settled(pred)
    plain = pred.value if is_handle(pred) else pred
    if shape_of(plain) != ():
        raise error_at(
            WengertTypeError,
            f"cond: the predicate has shape {shape_of(plain)}",
            fix="give one truth value; np.where chooses element by element",
        )
    frame = tracing.get()
    inside = is_handle(pred) and pred.node is not None and frame is not None and frame.full is not None
    if not inside or frame.full.note is not BODY:  # type: ignore[union-attr]
        return true_fun(*operands) if pred else false_fun(*operands)
    yes, structure = engine.flat_output(true_fun(*operands))
    no, other = engine.flat_output(false_fun(*operands))
    if structure != other:
        raise error_at(
            WengertTypeError,
            f"cond: the two functions return different structures: {structure} and {other}",
            fix="return the same containers from both",
        )
    return structure.unflatten(
        [a if a is b or is_static(a) else choose(pred, a, b) for a, b in zip(yes, no, strict=True)]
    )


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init: Any) -> Any:
    """Return ``val`` after ``while cond_fun(val): val = body_fun(val)``, starting with ``init``.

    Derivatives of any mode follow the steps that were made. A compiled function remembers how many there were, and is
    recorded anew where the count differs. Raises WengertTypeError when the value changes its structure, shape or dtype.

    >>> while_loop(lambda x: x < 10.0, lambda x: 2.0 * x, 1.0)
    16.0
    """
    require_function(cond_fun, "while_loop")
    require_function(body_fun, "while_loop")
    start, structure = flatten(init)
    start = [engine.settled(v) for v in start]
    value = init
    while cond_fun(value):
        value = body_fun(value)
        _same_carry(start, structure, value, body_fun)
    return value


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init: Any) -> Any:
    """Return ``val`` after ``for i in range(lower, upper): val = body_fun(i, val)``, starting with ``init``.

    One step of a full recording, as ``scan`` is, and raises what ``scan`` raises.

    >>> fori_loop(0, 4, lambda i, x: x + i, 1.0)
    7.0
    """
    require_function(body_fun, "fori_loop")
    first, last = int(lower), int(upper)
    start, structure = flatten(init)
    start = [engine.settled(v) for v in start]

    def step(value: Any, i: Any) -> tuple[Any, None]:
        return body_fun(i, value), None

    step.__name__ = name_of(body_fun)
    numbers = np.arange(first, max(first, last))
    if len(numbers):
        found = _recorded(step, start, structure, [numbers], flatten(0)[1], len(numbers), reverse=False)
        if found is not None:
            return found[0]
    value = init
    for i in range(first, last):
        value = body_fun(i, value)
        _same_carry(start, structure, value, body_fun)
    return value


__all__ = ["closed", "cond", "fori_loop", "scan", "while_loop"]
