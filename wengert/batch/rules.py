"""How each kind of operation runs on a batch: element-wise ones by aligning ranks, memory ones by a longer path, others
by their own rule, and what has none by a loop over the rows.

Imports core, ops. Invariant: batched operands carry the batch as their first axis, results too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.context import SWITCH
from wengert.core.deferred import by_type
from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.core.op import CONSTANT, ELEMENTWISE, OPS, Op
from wengert.core.types import dtype_of, shape_of
from wengert.ops import complexes, contract, join, memory, reduce, select
from wengert.ops.paths import Path, Step, apply, fill, is_basic
from wengert.ops.regions import is_traced


def call_op(op: Op, values: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """An operation on unbatched values, recorded where a value is a handle."""
    if op in MEMORY:
        return run_memory(op, values, params)
    if any(map(is_handle, values)):
        return op.record(values, *params) if op.inputs[:1] == ("*operands",) else op.record(*values, *params)
    with np.errstate(all="ignore"):
        return op.evaluate(*values, *params)


def apply_batched(op: Op, values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...], size: int) -> Any:
    """An operation on values of which those in ``mask`` are batched."""
    rule: Any = op.batch or _OWN.get(op)
    if rule is None and (
        op.kind == ELEMENTWISE or (op.kind == CONSTANT and not op.params and _is_elementwise(op))
    ):
        rule = "elementwise"
    if rule == "elementwise":
        return call_op(op, aligned(values, mask), params)
    if rule is not None:
        found = rule(values, mask, params)
        if found is not None:
            return found
    return loop(op, values, mask, params, size)


def _is_elementwise(op: Op) -> bool:
    return bool(op.expression) or isinstance(op.evaluate, np.ufunc)


@by_type
def shape(value: Any) -> tuple[int, ...]:
    """The shape of a raw value or of a handle's value."""
    return shape_of(value.value if is_handle(value) else value)


def aligned(values: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    """Batched values with axes of length 1 after the batch axis, so that rows broadcast as they did alone."""
    ranks = [len(shape(v)) - int(b) for v, b in zip(values, mask, strict=True)]
    highest = max(ranks)
    return [
        v if not b or r == highest else v.reshape((shape(v)[0], *(1,) * (highest - r), *shape(v)[1:]))
        for v, b, r in zip(values, mask, ranks, strict=True)
    ]


@by_type
def expanded(value: Any, size: int) -> Any:
    """An unbatched value repeated for every row (a broadcast view)."""
    if is_handle(value):
        if not shape(value):
            return value * np.ones(size, dtype_of(value.value))
        return memory.read(value, ("broadcast", (size, *shape(value))))
    return np.broadcast_to(value, (size, *np.shape(value)))


def loop(op: Op, values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...], size: int) -> Any:
    """Row by row, stacked: right for every operation."""
    rows = [call_op(op, [v[b] if m else v for v, m in zip(values, mask, strict=True)], params) for b in range(size)]
    if op.outputs:
        return tuple(stack_rows([row[k] for row in rows]) for k in range(len(op.outputs)))
    return stack_rows(rows)


def stack_rows(rows: Sequence[Any]) -> Any:
    """Rows as one value with the batch first."""
    if any(map(is_handle, rows)):
        return join.stack(rows, 0)
    return np.stack([np.asarray(r) for r in rows])


# ---------------------------------------------------------------- memory


MEMORY = (memory.GET, memory.UPDATE, memory.ADD_AT)


def run_memory(op: Op, values: Sequence[Any], params: tuple[Any, ...]) -> Any:
    """GET, UPDATE, ADD_AT on raw values, or through the handles' own reading and writing."""
    if op is memory.GET:
        whole, *dynamic = values
        path = fill(params[0], tuple(dynamic))
        if not is_handle(whole):
            if not any(map(is_handle, dynamic)):
                return op.evaluate(whole, *dynamic, *params)
            whole = buffer(np.array(whole))
        for step in path:
            whole = memory.read(whole, step)
        return whole
    old, value, *dynamic = values
    path = fill(params[0], tuple(dynamic))
    if not any(map(is_handle, values)):
        return op.evaluate(old, value, *dynamic, *params)
    target = memory.plain_copy(old) if is_handle(old) else buffer(np.array(old, copy=True))
    view, copies = memory.reach(target, path[:-1])
    memory.write(view, path[-1], value, add=op is memory.ADD_AT)
    memory.settle(copies)
    return target


def batched_path(path: Path) -> Path | None:
    """The path with the batch axis in front; None where NumPy's axis order would change."""
    out: list[Any] = []
    for kind, argument in path:
        if kind == "index":
            index = argument if type(argument) is tuple else (argument,)
            if not is_basic(index) and not _keeps_order(index):
                return None
            out.append((kind, (slice(None), *index)))
        elif kind == "reshape":
            if argument[1] != "C":
                return None
            out.append(("reshape_rows", argument[0]))
        elif kind == "transpose":
            if argument is None:
                return None
            out.append((kind, (0, *(a % len(argument) + 1 for a in argument))))
        elif kind == "diagonal":
            offset, axis1, axis2 = argument
            out.append((kind, (offset, axis1 + 1 if axis1 >= 0 else axis1, axis2 + 1 if axis2 >= 0 else axis2)))
        elif kind == "broadcast":
            out.append(("broadcast_rows", argument))
        else:
            out.append((kind, argument))
    return tuple(out)


def _keeps_order(index: tuple[Any, ...]) -> bool:
    """Integers only, or one array index and no integer beside it: then its axes stay where they are."""
    arrays = [p for p in index if type(p) in (np.ndarray, list, TracedArray)]
    if any(isinstance(p, (bool, np.bool_)) for p in index):
        return False
    numbers = any(isinstance(p, (int, np.integer)) for p in index)
    return not arrays or (len(arrays) == 1 and not numbers)


def _follow(value: Any, path: Path, size: int) -> Any:
    """Read along a batched path, resolving the steps that need the batch size."""
    for kind, argument in path:
        value = _step(value, kind, argument, size)
    return value


def _step(value: Any, kind: str, argument: Any, size: int) -> Any:
    if kind == "reshape_rows":
        kind, argument = "reshape", ((size, *_concrete(argument, value)), "C")
    elif kind == "broadcast_rows":
        have = shape(value)
        if len(have) - 1 < len(argument):
            value = value.reshape((have[0], *(1,) * (len(argument) - len(have) + 1), *have[1:]))
        kind, argument = "broadcast", (size, *argument)
    if not is_handle(value) and is_traced(((kind, argument),)):
        value = buffer(np.array(value))
    if is_handle(value):
        return memory.read(value, (kind, argument))
    return apply(((kind, argument),), value)


def _concrete(target: Any, value: Any) -> tuple[int, ...]:
    """A reshape target without -1 (which would swallow the batch axis of an empty array)."""
    sizes = (target,) if isinstance(target, int) else tuple(target)
    if -1 not in sizes:
        return sizes
    row = int(np.prod(shape(value)[1:]))
    rest = int(np.prod([n for n in sizes if n != -1]))
    return tuple(row // max(rest, 1) if n == -1 else n for n in sizes)


def _get(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
    if any(mask[1:]):
        return _gather(values, mask, params)
    path = params[0] if len(values) == 1 else fill(params[0], tuple(values[1:]))
    path = _explicit(path, len(params[1]))
    longer = batched_path(path)
    if longer is None:
        return None
    return _follow(values[0], longer, shape(values[0])[0])


def _plain(value: Any) -> Any:
    return value.value if is_handle(value) else value


def _explicit(path: Path, ndim: int) -> Path:
    """``transpose(None)`` with its axes written out."""
    out: list[Step] = []
    for kind, argument in path:
        if kind == "transpose" and argument is None and not out:
            argument = tuple(reversed(range(ndim)))
        out.append((kind, argument))
    return tuple(out)


def _gather(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
    """``x[index]`` with one batched integer array as the whole index."""
    path = params[0]
    if len(path) != 1 or len(values) != 2 or type(path[0][1]) is tuple:
        return None
    index = values[1]
    if _plain(index).dtype.kind not in "iu":
        return None
    whole = values[0]
    if is_handle(index) and not is_handle(whole):
        whole = buffer(np.array(whole))
    if mask[0]:
        sizes = shape(index)
        index = (np.arange(sizes[0]).reshape((-1,) + (1,) * (len(sizes) - 1)), index)
    return memory.read(whole, ("index", index)) if is_handle(whole) else whole[index]


def _write(op: Op) -> Callable[..., Any]:
    def rule(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
        if any(mask[2:]):
            return None
        old, value, *dynamic = values
        size = next(shape(v)[0] for v, b in zip(values, mask, strict=True) if b)
        path = _explicit(fill(params[0], tuple(dynamic)), len(params[2]))
        longer = batched_path(path)
        if longer is None or longer[-1][0] != "index":
            return None
        region = params[1]
        if mask[1]:
            have = shape(value)
            if len(have) - 1 < len(region):
                value = value.reshape((have[0], *(1,) * (len(region) - len(have) + 1), *have[1:]))
        if not mask[0]:
            old = expanded(old, size)
        if not any(map(is_handle, (old, value, *dynamic))) or not SWITCH.live:
            target: Any = np.array(_plain(old), copy=True)
        elif is_handle(old):
            target = memory.plain_copy(old)
        else:
            target = buffer(np.array(old, copy=True))
        if type(target) is np.ndarray and target.dtype.kind == "f" and _plain(value) is not None:
            target = target.astype(np.result_type(target, params[3]), copy=False)
        view = _follow(target, longer[:-1], size)
        if not _sees(view, target):
            return None  # a reshape that was a view of the row alone is a copy here: a write through it would be lost
        index = longer[-1][1]
        if is_handle(view):
            memory.write(view, ("index", index), value, add=op is memory.ADD_AT)
        elif op is memory.ADD_AT:
            np.add.at(view, index, value)
        else:
            view[index] = value
        return target

    return rule


def _sees(view: Any, target: Any) -> bool:
    """Whether a write into the view is a write into the target."""
    if is_handle(target):
        return view is target or (is_handle(view) and view.base is target)
    return view is target or bool(np.may_share_memory(view, target))


# ---------------------------------------------------------------- the operations of this and lower rooms


def _sum(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
    axis, keepdims = params
    x = values[0]
    ndim = len(shape(x)) - 1
    axes = tuple(a + 1 for a in reduce.normal_axes(axis, ndim))
    if ndim == 0:
        return x
    return call_op(reduce.sum.op, [x], (axes, keepdims))


def _matmul(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
    a, b = values
    rank_a, rank_b = (len(shape(v)) - int(m) for v, m in zip(values, mask, strict=True))
    if rank_a == 1 and rank_b == 1:
        a = a[..., None, :]
        b = b[..., :, None]
        return call_op(contract.matmul.op, [a, b], ())[..., 0, 0]
    if rank_a == 1:
        lifted = a[..., None, :] if mask[0] else a
        if mask[0] and mask[1] and rank_b > 2:
            lifted = a.reshape((shape(a)[0], *(1,) * (rank_b - 1), shape(a)[-1]))
        out = call_op(contract.matmul.op, [lifted, b], ())
        return out[..., 0, :] if mask[0] else out
    if rank_b == 1:
        column = b[..., :, None]
        if mask[1] and rank_a > 2:
            column = b.reshape((shape(b)[0], *(1,) * (rank_a - 2), shape(b)[-1], 1))
        return call_op(contract.matmul.op, [a, column], ())[..., 0]
    lead = max(rank_a, rank_b)
    pair = [
        v.reshape((shape(v)[0], *(1,) * (lead - r), *shape(v)[1:])) if m and r < lead else v
        for v, m, r in zip(values, mask, (rank_a, rank_b), strict=True)
    ]
    return call_op(contract.matmul.op, pair, ())


def _joined(op: Op) -> Callable[..., Any]:
    def rule(values: Sequence[Any], mask: Sequence[bool], params: tuple[Any, ...]) -> Any:
        axis = params[0]
        size = next(shape(v)[0] for v, b in zip(values, mask, strict=True) if b)
        parts = [v if b else expanded(v, size) for v, b in zip(values, mask, strict=True)]
        return call_op(op, parts, (axis + 1 if axis >= 0 else axis,))

    return rule


_OWN: dict[Op, Any] = {
    memory.GET: _get,
    memory.UPDATE: _write(memory.UPDATE),
    memory.ADD_AT: _write(memory.ADD_AT),
    reduce.sum.op: _sum,
    contract.matmul.op: _matmul,
    select.where.op: "elementwise",
    complexes.conjugate.op: "elementwise",
    complexes.astype.op: "elementwise",
    **{OPS[name]: _joined(OPS[name]) for name in ("stack", "concatenate")},
}
