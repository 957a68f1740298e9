"""Regions of arrays as operations: GET (a region), UPDATE (a region replaced), ADD_AT (a region added to).

One cotangent buffer walks back through a whole chain of writes, and one tangent forwards, so n writes cost O(n) at any
order. Imports core and ``paths``. Invariant: a traced index (of a full recording) stays an operand in every derivative,
never a frozen number.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from wengert.core.deferred import by_type
from wengert.core.handle import TracedArray, buffer, is_handle
from wengert.core.node import Node
from wengert.core.op import LINEAR, OWNED, Op
from wengert.core.types import FLOAT64, ArrayType, dtype_of, shape_of
from wengert.ops.fitting import fit, real_part
from wengert.ops.paths import READ_ONLY, Path, Step, apply, fill, is_basic, may_repeat, winners


def _memory() -> Any:
    from wengert.ops import memory  # it imports this file

    return memory


# ---------------------------------------------------------------- evaluation


def _evaluate_get(value: Any, *rest: Any) -> Any:
    *dynamic, path, _shape, _dtype = rest
    return apply(fill(path, tuple(dynamic)), value)


def overwrite(old: Any, value: Any, path: Path, *, add: bool) -> None:
    """Write into the region of a plain array that a path leads to, whatever the array's layout."""
    target, copies = reach(old, path[:-1])
    if not add:
        target[path[-1][1]] = value
    elif may_repeat(path[-1][1]):
        np.add.at(target, path[-1][1], value)
    else:
        target[path[-1][1]] += value
    settle(copies)


def _evaluate_write(old: Any, value: Any, *rest: Any, add: bool) -> Any:
    *dynamic, path, _region, _shape, _dtype, _meta = rest
    out = np.array(old, copy=True, order="K")
    overwrite(out, value, fill(path, tuple(dynamic)), add=add)
    return out


# ---------------------------------------------------------------- reverse


def add_region(buf: Any, path: Path, ct: Any) -> Any:
    """Add a cotangent into a region of a buffer; returns the buffer (a handle once traced values are in it)."""
    if any(kind in READ_ONLY for kind, _ in path):
        path, ct = _writeable_region(path, ct, shape_of(buf.value if is_handle(buf) else buf))
    if type(buf) is np.ndarray and not is_handle(ct) and not is_traced(path):
        target, copies = reach(buf, path[:-1])
        kind, index = path[-1]
        if kind == "reshape":
            target += ct.reshape(target.shape, order=index[1])
        elif kind != "index":
            target = apply(path[-1:], target)
            target += ct
        elif may_repeat(index):
            np.add.at(target, index, ct)
        else:
            target[index] += ct
        settle(copies)
        return buf
    if type(buf) is np.ndarray:
        buf = buffer(buf)
    if path[-1][0] != "index":
        path = (*path, ("index", Ellipsis))
    whole, copies = reach(buf, path[:-1])
    _memory().write(whole, path[-1], ct, add=True)
    settle(copies)
    return buf


def is_traced(path: Path) -> bool:
    """Whether a filled path holds traced indices."""
    for kind, argument in path:
        if kind == "index" and any(map(is_handle, argument if type(argument) is tuple else (argument,))):
            return True
    return False


Copies = list[tuple[Any, Any, str]]


def reach(array: Any, path: Path) -> tuple[Any, Copies]:
    """The region a path leads to, for writing into: the copies on the way have to be settled afterwards.

    A reshape copies where the layout does not allow a view, and a cotangent need not have the layout of its value.
    """
    copies: Copies = []
    for step in path:
        region = _memory().read(array, step) if is_handle(array) else apply((step,), array)
        if step[0] == "reshape" and not _is_view(region, array):
            copies.append((array, region, step[1][1]))
        array = region
    return array, copies


def _is_view(region: Any, array: Any) -> bool:
    if is_handle(array):
        return (
            is_handle(region)
            and region.base is not None
            and region.base is (array if array.base is None else array.base)
        )
    return bool(np.may_share_memory(region, array))


def settle(copies: Copies) -> None:
    """Carry what was written into copies back to where they came from, the last one first."""
    for array, region, order in reversed(copies):
        array[...] = region.reshape(array.shape, order=order)


def _writeable_region(path: Path, ct: Any, shape: tuple[int, ...]) -> tuple[Path, Any]:
    """The same region by steps whose views may be written to: diagonals as einsum makes them, broadcasts summed."""
    out: list[Step] = []
    region = np.broadcast_to(np.zeros(()), shape)
    for k, (kind, argument) in enumerate(path):
        if kind == "broadcast":
            rest = path[k + 1 :]
            if rest:
                ct = add_region(np.zeros(argument, (ct.value if is_handle(ct) else np.asarray(ct)).dtype), rest, ct)
            return (*out, ("index", Ellipsis)), fit(ct, region.shape, np.dtype(complex))
        if kind == "diagonal":
            offset, axis1, axis2 = (int(n) for n in argument)
            pair = axis1 % region.ndim, axis2 % region.ndim
            order = (*(a for a in range(region.ndim) if a not in pair), *pair)
            rows, columns = max(0, -offset), max(0, offset)
            size = max(0, min(region.shape[pair[0]] - rows, region.shape[pair[1]] - columns))
            square = (Ellipsis, slice(rows, rows + size), slice(columns, columns + size))
            steps: Path = (("transpose", order), ("index", square), ("einsum_diagonal", None))
        else:
            steps = ((kind, argument),)
        out.extend(steps)
        region = apply(steps, region)
    return tuple(out), ct


def take_region(buf: Any, path: Path) -> tuple[Any, Any]:
    """A region of a cotangent buffer, by copy, and the buffer with that region set to zero."""
    if type(buf) is np.ndarray and not is_traced(path):
        target, copies = reach(buf, path[:-1])
        index = path[-1][1]
        region = target[index]
        if type(region) is np.ndarray and region.base is not None:
            region = region.copy()
        target[index] = 0.0
        settle(copies)
        return region, buf
    if type(buf) is np.ndarray:
        buf = buffer(buf)
    view = buf
    for step in path:
        view = _memory().read(view, step)
    region = +view if is_handle(view) else view
    target, copies = reach(buf, path[:-1])
    _memory().write(target, path[-1], 0.0)
    settle(copies)
    return region, buf


def private(ct: Any, node: Node, sweep: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A cotangent as memory we may write to."""
    if is_handle(ct):
        if dtype.kind == "c" and dtype_of(ct.value).kind != "c":
            ct = ct.astype(dtype)
        return ct if node in sweep.owned and ct.base is ct else _copy_handle(ct)
    if node in sweep.owned and type(ct) is np.ndarray and ct.flags.writeable and ct.shape == shape:
        return ct
    real = np.result_type(ct, np.float32) if dtype.kind not in "fc" else ct.dtype
    out = np.empty(shape, dtype=np.result_type(real, np.complex64) if dtype.kind == "c" else real)
    out[...] = ct
    return out


def _copy_handle(ct: Any) -> Any:
    if type(ct) is TracedArray:
        return _memory().plain_copy(ct)
    return buffer(np.array(ct.value), ct.node)


@by_type
def _zeros(shape: tuple[int, ...], dtype: Any, ct: Any) -> Any:
    kind = ct.value.dtype if is_handle(ct) else getattr(ct, "dtype", None)
    return np.zeros(shape, dtype if dtype.kind == "c" or kind is None else np.result_type(dtype, np.float32))


def _pull_get(node: Node, ct: Any, sweep: Any) -> None:
    parent = node.inputs[0]
    if parent is None:
        return
    path, shape, dtype = node.params
    if len(path) == 1 and dtype is FLOAT64 and not sweep.lifted:
        kind, index = path[0]
        if kind == "index" and (type(index) is slice or is_basic(index)):
            buf = sweep.cts.get(parent)
            if buf is None:
                sweep.owned.add(parent)
                if len(shape) == 1 and shape[0] <= 8192 and getattr(ct, "dtype", dtype) is dtype:
                    buf = sweep.cts[parent] = np.zeros(shape)
                    buf[index] = ct
                    return
                buf = sweep.cts[parent] = np.empty(shape)
                only_region(buf, index, ct if getattr(ct, "dtype", dtype) is dtype else real_part(ct))
                return
            if parent not in sweep.owned or type(buf) is not np.ndarray:
                buf = sweep.cts[parent] = private(buf, parent, sweep, shape, dtype)
                sweep.owned.add(parent)
            buf[index] += ct if getattr(ct, "dtype", dtype) is dtype else real_part(ct)
            return
    path = fill(path, node.saved)
    cts = sweep.cts
    buf = cts.get(parent)
    if dtype.kind != "c":
        ct = real_part(ct)
    if buf is None:
        buf = _zeros(shape, dtype, ct)
        sweep.owned.add(parent)
    elif parent not in sweep.owned or not (type(buf) is np.ndarray or type(buf) is TracedArray):
        buf = private(buf, parent, sweep, shape, dtype)
        sweep.owned.add(parent)
    cts[parent] = add_region(buf, path, ct)


def only_region(buf: Any, index: Any, ct: Any, sign: int = 1) -> None:
    """Set a region of fresh memory to a cotangent, or to minus it, and zero the rest.

    Filling is faster than ``np.zeros``, whose pages are mapped one by one when first touched.
    """
    start, stop, step = index.indices(buf.shape[0]) if type(index) is slice else (0, 0, 0)
    if step == 1:
        buf[:start] = 0.0
        buf[max(start, stop) :] = 0.0
    else:
        buf.fill(0.0)
    if sign < 0:
        np.negative(ct, out=buf[index])
    else:
        buf[index] = ct


def _pull_write(node: Node, ct: Any, sweep: Any, *, add: bool) -> None:
    old, v_node = node.inputs[0], node.inputs[1]
    path, _region, shape, dtype, (v_shape, v_dtype) = node.params
    path = fill(path, node.saved)
    if add:
        if v_node is not None:
            view: Any = buffer(np.array(ct)) if is_traced(path) and not is_handle(ct) else ct
            for step in path:
                view = apply((step,), view)
            sweep.add(v_node, fit(+view if is_handle(view) else np.array(view), v_shape, v_dtype))
        if old is not None:
            _hand_over(node, old, ct, sweep)
        return
    buf = private(ct, node, sweep, shape, dtype)
    kept = _traced_winners(path, shape) if is_traced(path) else winners(path, shape)
    region, buf = take_region(buf, path)
    if v_node is not None:
        if kept is not None:
            region = np.where(kept, region, 0.0)
        sweep.add(v_node, fit(region, v_shape, v_dtype))
    if old is not None:
        if old in sweep.cts:
            sweep.add(old, buf)
        else:
            sweep.cts[old] = buf
            sweep.owned.add(old)


def _traced_winners(path: Path, shape: tuple[int, ...]) -> Any:
    """``winners`` for an index that is itself traced, as steps of the recording."""
    memory = _memory()
    slots = buffer(np.zeros(shape))
    target = slots
    for step in path[:-1]:
        target = memory.read(target, step)
    chosen = memory.read(target, path[-1])
    order = np.arange(np.prod(shape_of(chosen.value), dtype=int), dtype=float).reshape(shape_of(chosen.value))
    memory.write(target, path[-1], order)
    return memory.read(target, path[-1]) == order


def _hand_over(node: Node, old: Node, ct: Any, sweep: Any) -> None:
    fresh = old not in sweep.cts
    sweep.add(old, ct)
    if fresh and node in sweep.owned:
        sweep.owned.add(old)


# ---------------------------------------------------------------- forward


def _push_get(values: Any, y: Any, params: Any, tangents: Any, mask: Any) -> Any:
    tangent = tangents[0]
    if tangent is None:
        return None
    path = fill(params[0], tuple(values[1:]))
    if is_traced(path) and not is_handle(tangent):
        tangent = buffer(np.array(tangent))
    out = apply(path, tangent)
    if type(out) is np.ndarray and out.base is not None:
        out = out.copy()
    elif is_handle(out) and out.base is not None:
        # The tangent read from may be written to later on (``_push_write``): what was read must not follow it.
        _memory().sync(out)
        out = TracedArray(out.value, out.node)
    return out


def _push_write(values: Any, y: Any, params: Any, tangents: Any, mask: Any, *, add: bool) -> Any:
    path, _region, shape, dtype, _ = params
    path = fill(path, tuple(values[2:]))
    t_old, t_value = tangents[0], tangents[1]
    t_new: Any
    if t_old is None:
        t_new = np.zeros(shape, dtype)
    elif mask[0] is OWNED and (is_handle(t_old) or t_old.flags.owndata):
        t_new = t_old  # n writes cost O(n) together, not O(n^2)
    elif is_handle(t_old):
        t_new = _memory().plain_copy(t_old)
    else:
        t_new = np.array(t_old, copy=True)
    if add and t_value is None:
        return t_new
    change = 0.0 if t_value is None else t_value
    if type(t_new) is np.ndarray and not is_handle(change) and not is_traced(path):
        overwrite(t_new, change, path, add=add)
        return t_new
    if type(t_new) is np.ndarray:
        t_new = buffer(t_new)
    target = t_new
    for step in path[:-1]:
        target = _memory().read(target, step)
    _memory().write(target, path[-1], change, add=add)
    return t_new


def _operands_after(count: int) -> Any:
    """Where the residuals (the traced indices) of a node come from: its operands after the first ``count``."""
    return lambda node: tuple(range(count, len(node.inputs)))


GET = Op(
    name="get",
    kind=LINEAR,
    inputs=("x",),
    params={"path": (), "shape": (), "dtype": None},
    evaluate=_evaluate_get,
    pull=_pull_get,
    push=_push_get,
    save=lambda values, y, params, mask: tuple(values[1:]),
    saved_from=_operands_after(1),
    infer=lambda types, params: ArrayType.of(
        apply(params[0], np.broadcast_to(np.zeros((), types[0].dtype), types[0].shape))
    ),
    doc="A region of an array: x[index], reshape, transpose, diagonal, ... `y = x[path]`",
    zeroes=True,
)


def _write_op(name: str, doc: str, *, add: bool) -> Op:
    return Op(
        name=name,
        kind=LINEAR,
        inputs=("old", "value"),
        params={"path": (), "region": (), "shape": (), "dtype": None, "meta": ()},
        evaluate=partial(_evaluate_write, add=add),
        pull=partial(_pull_write, add=add),
        push=partial(_push_write, add=add),
        save=lambda values, y, params, mask: tuple(values[2:]),
        saved_from=_operands_after(2),
        infer=lambda types, params: types[0],
        doc=doc,
        zeroes=not add,
    )


UPDATE = _write_op("update", "An array with a region replaced: `y = x; y[path] = value`", add=False)
ADD_AT = _write_op("add_at", "Values added to a region, repeats counted: `np.add.at(x, path, value)`", add=True)
