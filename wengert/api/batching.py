"""vmap, and the batched call that Jacobians are made with: record one row, run all rows at once.

Imports core, numpy_api, batch, ``engine``. Invariant: rows whose control flow differs are recorded again as a group of
their own; nothing is imposed on a row from another row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.api import engine
from wengert.api.arguments import name_of, require_function
from wengert.api.axes import spread
from wengert.api.verify import check_rows, verified_call
from wengert.batch.rules import expanded, stack_rows
from wengert.batch.transform import Value, operand, run_batched
from wengert.core import context
from wengert.core.deferred import by_type
from wengert.core.errors import WengertError, WengertTypeError, WengertValueError, error_at
from wengert.core.handle import is_handle
from wengert.core.node import Const, describe, here
from wengert.core.structure import root
from wengert.core.tree import Structure, arrays, flatten, is_static
from wengert.core.types import shape_of
from wengert.numpy_api.conversions import guard as ask
from wengert.ops import join, memory
from wengert.ops.sides import SIDE
from wengert.tensor.bridge import is_watched, through


class Recorded:
    """One row recorded in full: input nodes, nodes in order, guards, output operands, structure of the output."""

    __slots__ = ("guards", "inputs", "nodes", "outputs", "structure")

    def __init__(self, inputs: list[Any], outputs: list[Any], structure: Structure, guards: list[Any]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.structure = structure
        self.guards = guards
        self.nodes = _ordered(inputs, [*outputs, *(g.node for g in guards)])


def _ordered(inputs: Sequence[Any], outputs: Sequence[Any]) -> list[Any]:
    seen = set(inputs)
    stack = [o for o in outputs if not isinstance(o, Const)]
    found = []
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        found.append(node)
        stack.extend(a for a in node.args if not isinstance(a, Const))
    return sorted(found, key=lambda n: n.seq)


def record_row(
    fun: Callable[..., Any], rows: Sequence[Any], call: Callable[[list[Any]], Any], note: Any = None
) -> Recorded:
    """Run ``call(handles)`` once on a row, recording everything."""
    where = here(3)
    frame, token = context.enter(context.FULL)
    frame.asks, frame.note = True, note
    try:
        roots = [root(row, where, rich=True) for row in rows]
        inputs = [r.node for r in roots]
        out = call(list(roots))
        leaves, structure = flatten(out)
        outputs: list[Any] = []
        for leaf in leaves:
            settled = engine.settled(leaf)
            inside = is_handle(settled) and settled.node is not None and settled.node.seq >= frame.start
            outputs.append(settled.node if inside else Const(settled))
        return Recorded(inputs, outputs, structure, list(frame.guards))
    finally:
        context.leave(frame, token)


def _answers(guard: Any, value: Any) -> np.ndarray[Any, Any]:
    """Per row: does the guard have the recorded outcome?"""
    plain = value.value if is_handle(value) else np.asarray(value)
    rows = plain.reshape(plain.shape[0], -1)
    if guard.value is not None:
        return _same(rows, guard.value.reshape(-1)).all(axis=1)  # type: ignore[no-any-return]
    wanted = np.asarray(guard.outcome).reshape(-1)
    if guard.kind == "bool":
        return (
            (rows != 0).all(axis=1) == bool(guard.outcome)
            if rows.shape[1] == 1
            else np.array([bool(np.all(r)) == bool(guard.outcome) for r in rows])
        )
    if guard.kind == "float":
        return _same(rows, wanted).all(axis=1)  # type: ignore[no-any-return]
    with np.errstate(all="ignore"):
        if guard.kind == "cast":
            return _same(rows.astype(wanted.dtype), wanted).all(axis=1)  # type: ignore[no-any-return]
        return (np.trunc(rows).astype(wanted.dtype) == wanted).all(axis=1)  # type: ignore[no-any-return]


def _same(rows: Any, wanted: Any) -> Any:
    """Where numbers are equal, or both no number."""
    return (rows == wanted) | (np.not_equal(rows, rows) & np.not_equal(wanted, wanted))


def _note(guard: Any, value: Any, same: np.ndarray[Any, Any]) -> None:
    """Note in a full recording outside how the rows were split: on its other rows they may be split otherwise."""
    rows = value.reshape((len(same), -1))
    wanted = np.asarray(guard.outcome if guard.value is None else guard.value).reshape(-1)
    if guard.value is None and (guard.kind == "bool" or wanted.dtype == bool):
        agree = np.equal(np.not_equal(rows, 0), wanted)
    elif guard.value is None and guard.kind != "float" and wanted.dtype.kind in "iu":
        agree = np.equal(np.trunc(rows), wanted)
    else:
        both = np.logical_and(np.not_equal(rows, rows), np.not_equal(wanted, wanted))
        agree = np.logical_or(np.equal(rows, wanted), both)
    per_row = np.all(agree, axis=1)
    if is_handle(per_row):
        ask(per_row, "rows of an inner vmap", same)


def _agreeing(recorded: Recorded, values: list[Value], size: int) -> tuple[np.ndarray[Any, Any], dict[Any, Value]]:
    """The rows on which every guard has its recorded outcome: in order, later steps only on rows that got there."""
    rows = np.arange(size)
    env: dict[Any, Value] = dict(zip(recorded.inputs, values, strict=True))
    for guard in recorded.guards:
        needed = _ordered(list(env), [guard.node])
        env = run_batched(needed, [], [], len(rows), env)
        value = env[guard.node]
        if not value.batched:  # the same in every row, but perhaps not for every row of a vmap outside
            if is_handle(value.value):
                ask(value.value, guard.kind, guard.outcome)
            continue
        same = _answers(guard, value.value)
        if is_handle(value.value):
            _note(guard, value.value, same)
        if not same.all():
            keep = np.flatnonzero(same)
            rows = rows[keep]
            env = {n: Value(pick(v.value, keep), True) if v.batched else v for n, v in env.items()}
    return rows, env


def pick(value: Any, rows: Any) -> Any:
    """Some rows of a batched value (of each part, for several outputs)."""
    if type(value) is tuple:
        return tuple(pick(part, rows) for part in value)
    return memory.read(value, ("index", rows)) if is_handle(value) else value[rows]


def batched_call(
    fun: Callable[..., Any], call: Callable[[list[Any]], Any], leaves: Sequence[Any], size: int, note: Any = None
) -> tuple[list[Value], Structure]:
    """``call`` on every row (batch axis first) in recordings with a ``note``: output leaves and their structure."""
    if SIDE.get() is not None:
        from wengert.api.sides import with_tangents

        call, leaves = with_tangents(call, leaves)
    pending = np.arange(size)
    groups: list[tuple[Any, list[Value]]] = []
    structure: Structure | None = None
    while len(pending):
        first = [_plain_row(leaf, int(pending[0])) for leaf in leaves]
        recorded = record_row(fun, first, call, note)
        here_values = [Value(leaf if len(pending) == size else pick(leaf, pending), True) for leaf in leaves]
        with np.errstate(all="ignore"):
            try:
                agreed, env = _agreeing(recorded, here_values, len(pending))
                if not len(agreed) or agreed[0] != 0:  # rounded otherwise, perhaps: but this row is what was recorded
                    agreed = np.zeros(1, int)
                    one = [Value(pick(v.value, agreed), True) if v.batched else v for v in here_values]
                    env = dict(zip(recorded.inputs, one, strict=True))
                wanted = {o for o in recorded.outputs if not isinstance(o, Const)}
                env = run_batched(recorded.nodes, [], [], len(agreed), env, wanted)
            except (ValueError, IndexError) as problem:
                if isinstance(problem, WengertError):
                    raise
                raise _data_shaped(fun, problem) from problem
        if structure is None:
            structure = recorded.structure
        elif structure != recorded.structure:
            raise error_at(
                WengertValueError,
                f"vmap: rows of {name_of(fun)} return different structures: {structure} and {recorded.structure}",
                fix="return the same containers on every path",
            )
        groups.append((pending[agreed], [operand(o, env) for o in recorded.outputs]))
        pending = np.delete(pending, agreed)
    assert structure is not None
    if len(groups) == 1:
        return groups[0][1], structure
    return [_merge(groups, k, size, fun) for k in range(structure.size)], structure


def _plain_row(leaf: Any, row: int) -> Any:
    value = (leaf.value if is_handle(leaf) else leaf)[row]
    return value.copy(order="K") if type(value) is np.ndarray else value


def _data_shaped(fun: Any, problem: Exception) -> WengertError:
    return error_at(
        WengertValueError,
        f"vmap of {name_of(fun)}: a shape depends on the data of a row ({problem})",
        fix="use np.where instead of a boolean mask, or loop over the rows",
    )


def _merge(groups: Sequence[tuple[Any, list[Value]]], k: int, size: int, fun: Any) -> Value:
    parts = [
        outputs[k].value if outputs[k].batched else expanded(outputs[k].value, len(rows)) for rows, outputs in groups
    ]
    shapes = {shape_of(p.value if is_handle(p) else p)[1:] for p in parts}
    if len(shapes) > 1:
        raise error_at(
            WengertValueError,
            f"vmap: rows of {name_of(fun)} have outputs of different shapes: {sorted(shapes)}",
            fix="return one shape on every path",
        )
    order = np.argsort(np.concatenate([rows for rows, _ in groups]), kind="stable")
    if any(map(is_handle, parts)):
        return Value(join.concatenate(parts, 0)[order], True)
    return Value(np.concatenate(parts)[order], True)


def vmap(fun: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, *, verify: bool = False) -> Callable[..., Any]:
    """Return a function that applies ``fun`` to every row of its arguments at once and stacks the results.

    ``in_axes``: the axis of each argument that counts the rows, None for an argument all rows share; one number for all
    or a tuple with an entry for each. An entry is a number for every array of the argument, or a container of the
    argument's form. ``out_axes`` says alike where the row axis goes in the outputs (None: this output is the same for
    all rows, and comes once). Rows may take different branches. With ``verify`` the function also runs untraced on
    every row, and VerificationError is raised where the results are not the same (bit for bit in the traced row, up to
    rounding in the others). Raises WengertValueError when sizes differ or a shape depends on the data of a row.

    >>> import numpy as np
    >>> vmap(lambda x, y: x @ y, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """
    require_function(fun, "vmap")
    if verify:
        return _verified(fun, in_axes, out_axes)

    @functools.wraps(fun)
    def batched(*args: Any) -> Any:
        if is_watched(args):
            return through(batched, args)
        axes = _axes(in_axes, args)
        flat: list[Any] = []
        places: list[list[int | None]] = []
        structures: list[tuple[Structure, list[Any]]] = []
        size: int | None = None
        for number, (arg, given) in enumerate(zip(args, axes, strict=True)):
            leaves, structure = flatten(arrays(arg))
            structures.append((structure, leaves))
            place: list[int | None] = []
            for leaf, axis in zip(leaves, spread(given, structure, f"argument {number}"), strict=True):
                if axis is None or (is_static(leaf) and not isinstance(leaf, np.integer)):
                    place.append(None)
                    continue
                moved = _rows_first(leaf, axis, number, fun)
                count = shape_of(moved.value if is_handle(moved) else moved)[0]
                if size is not None and count != size:
                    raise error_at(
                        WengertValueError,
                        f"vmap: argument {number} of {name_of(fun)} has {count} rows along its axis {axis}, "
                        f"others have {size}",
                        fix="give arguments of equal row count, or None in in_axes for a shared one",
                    )
                size = count
                place.append(len(flat))
                flat.append(moved)
            places.append(place)
        if size is None:
            raise error_at(
                WengertValueError,
                f"vmap: no argument of {name_of(fun)} has a row axis (in_axes={in_axes!r})",
                fix="give at least one argument an axis in in_axes",
            )
        if size == 0:
            raise error_at(
                WengertValueError, f"vmap: there are no rows to run {name_of(fun)} on", fix="give at least one row"
            )

        def call(handles: list[Any]) -> Any:
            rebuilt = [
                structure.unflatten([leaf if k is None else handles[k] for leaf, k in zip(leaves, place, strict=True)])
                for (structure, leaves), place in zip(structures, places, strict=True)
            ]
            return engine.call(fun, rebuilt, {})

        outputs, structure = batched_call(fun, call, flat, size)
        final = spread(out_axes, structure, "the output")
        return structure.unflatten([_place(o, axis, size, fun) for o, axis in zip(outputs, final, strict=True)])

    return batched


def _verified(fun: Callable[..., Any], in_axes: Any, out_axes: Any) -> Callable[..., Any]:
    """vmap, and a loop over the rows to compare it with."""

    @functools.wraps(fun)
    def batched(*args: Any) -> Any:
        pairs = list(zip(args, _axes(in_axes, args), strict=True))
        copies = [row_of(arg, None) for arg in args]
        result = verified_call(lambda f: vmap(f, in_axes, out_axes)(*args), fun)
        size = next(
            shape_of(_plain_leaf(leaf))[axis]
            for arg, given in pairs
            for leaves, structure in (flatten(arg),)
            for leaf, axis in zip(leaves, spread(given, structure, "an argument"), strict=True)
            if axis is not None and not is_static(leaf)
        )
        rows = [tuple(row_of(arg, b, axis) for arg, (_, axis) in zip(copies, pairs, strict=True)) for b in range(size)]
        check_rows(fun, rows, [row_of(result, b, out_axes) for b in range(size)])
        return result

    return batched


def row_of(tree: Any, row: int | None, axes: Any = None) -> Any:
    """Plain copies of one row of every array in a container (of the arrays themselves without an axis)."""
    leaves, structure = flatten(tree)
    found = []
    for leaf, axis in zip(map(_plain_leaf, leaves), spread(axes, structure, "a container"), strict=True):
        if isinstance(leaf, (np.ndarray, np.generic)):
            leaf = leaf.copy(order="K") if axis is None or row is None else np.take(leaf, row, axis=axis)
        found.append(leaf)
    return structure.unflatten(found)


def _plain_leaf(leaf: Any) -> Any:
    settled = engine.settled(leaf)
    return settled.value if is_handle(settled) else settled


def _axes(in_axes: Any, args: Sequence[Any]) -> list[int | None]:
    if in_axes is None or isinstance(in_axes, (int, np.integer)):
        return [in_axes if in_axes is None else int(in_axes)] * len(args)
    axes = list(in_axes)
    if len(axes) != len(args):
        raise error_at(
            WengertValueError,
            f"vmap: in_axes has {len(axes)} entries for {len(args)} arguments",
            fix="give one entry per argument",
        )
    return axes


@by_type
def _rows_first(leaf: Any, axis: Any, number: int, fun: Any) -> Any:
    plain = leaf.value if is_handle(leaf) else leaf
    ndim = len(shape_of(plain)) if isinstance(plain, (np.ndarray, np.generic, float, int, complex)) else -1
    if ndim <= 0 or not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        got = f"an array of shape {shape_of(plain)}" if ndim >= 0 else f"a {type(plain).__name__}"
        kind = WengertTypeError if ndim < 0 else WengertValueError
        raise error_at(
            kind,
            f"vmap: argument {number} of {name_of(fun)} is {got}, which has no axis {axis}",
            fix="choose an axis it has, or None",
        )
    if axis % ndim == 0:
        return engine.settled(leaf)
    order = (axis % ndim, *(k for k in range(ndim) if k != axis % ndim))
    return memory.read(leaf, ("transpose", order)) if is_handle(leaf) else plain.transpose(order)


@by_type
def _place(out: Value, axis: Any, size: int, fun: Any) -> Any:
    plain = out.value.value if is_handle(out.value) else out.value
    if plain is None or isinstance(plain, (str, bytes)):
        return plain
    value = out.value if out.batched else expanded(out.value, size)
    ndim = len(shape_of(value.value if is_handle(value) else value))
    if axis is None:
        if out.batched:
            raise error_at(
                WengertValueError,
                f"vmap: an output of {name_of(fun)} differs from row to row, so that out_axes=None cannot be",
                fix="give the axis along which the rows shall lie",
            )
        return engine.outward(out.value)
    if not -ndim <= axis < ndim:
        raise error_at(
            WengertValueError,
            f"vmap: out_axes={axis}, but with its rows an output of {name_of(fun)} has {ndim} axes",
            fix=f"choose an axis from {-ndim} to {ndim - 1}",
        )
    if axis % ndim:
        order = list(range(1, ndim))
        order.insert(axis % ndim, 0)
        value = memory.read(value, ("transpose", tuple(order))) if is_handle(value) else value.transpose(order)
    found = engine.outward(value)
    return found if is_handle(found) or (found.base is None and found.flags.writeable) else np.array(found)


__all__ = ["batched_call", "describe", "stack_rows", "vmap"]
