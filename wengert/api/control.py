"""scan and fori_loop: loops of a known number of steps that say what they are.

Imports core, diff, batch, ops, ``engine``. Invariant: the values are those of the plain Python loop; where a loop
cannot be recorded as one step (its body asks Python about a value), it is that loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of, require_function
from wengert.api.control_bodies import is_number, raw, record_body, recording, same_carry, sample, served, typed
from wengert.batch.loops import batched_scan
from wengert.core.errors import WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.tree import Structure, flatten
from wengert.core.types import shape_of
from wengert.diff.bodies import forward_body, reverse_body
from wengert.ops import join, loops
from wengert.tensor.tensor import Tensor

loops.install(reverse_body, forward_body, batched_scan)


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
    if count and not any(type(v) is Tensor for v in (*rows, *start)):  # Tensors record step by step
        found = _recorded(f, start, of_carry, rows, of_rows, count, reverse=bool(reverse))
    if found is not None:
        return found
    carry = of_carry.unflatten(start)
    stacked: list[tuple[list[Any], Structure]] = []
    for t in range(count - 1, -1, -1) if reverse else range(count):
        carry, y = _pair(f(carry, of_rows.unflatten([None if r is None else r[t] for r in rows])), f)
        same_carry(start, of_carry, carry, name_of(f))
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
    if type(plain) is Tensor and plain.ndim:
        return plain
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


def _recorded(
    f: Any, start: list[Any], of_carry: Structure, rows: list[Any], of_rows: Structure, count: int, *, reverse: bool
) -> Any:
    """The loop as one step of the full recording that is running; None where there is none, or it cannot be one."""
    if recording() is None:
        return None
    moving = [k for k, v in enumerate(start) if is_number(raw(v)) and not isinstance(v, bool)]
    fixed = [None if k in set(moving) else v for k, v in enumerate(start)]
    used = [k for k, r in enumerate(rows) if r is not None]
    first = count - 1 if reverse else 0
    samples = [sample(start[k]) for k in moving] + [sample(rows[k], first) for k in used]

    def run(inputs: list[Any]) -> tuple[list[Any], Any]:
        given = list(fixed)
        for k, v in zip(moving, inputs, strict=False):
            given[k] = v
        parts: list[Any] = [None] * len(rows)
        for k, v in zip(used, inputs[len(moving) :], strict=True):
            parts[k] = v
        carry, y = _pair(served(f, of_carry.unflatten(given), of_rows.unflatten(parts)), f)
        leaves = same_carry(start, of_carry, carry, name_of(f))
        return [leaves[k] for k in moving], y

    body = record_body(run, samples, name_of(f), writes=True)
    if body is None or any(v is not None and not n for v, n in zip(body.leaves, body.numbers, strict=True)):
        return None
    kinds = [n.type for n in body.graph.inputs]
    initial = [typed(start[k], kind) for k, kind in zip(moving, kinds, strict=False)]
    ends = loops.scan(
        body.graph, [*initial, *(rows[k] for k in used), *body.free], count, len(moving), len(used), reverse=reverse
    )
    final = list(fixed)
    for k, v in zip(moving, ends, strict=False):
        final[k] = v
    stacked = iter(ends)
    _, y = body.structure.unflatten([next(stacked) if is_output else None for is_output in body.numbers])
    return of_carry.unflatten(final), y


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
        same_carry(start, structure, value, name_of(body_fun))
    return value


__all__ = ["fori_loop", "scan"]
