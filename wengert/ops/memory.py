"""Reading and writing memory: GET (a region), UPDATE (a region replaced), ADD_AT (a region added to), views and their base.

A write costs O(size of the region): it hits the private memory of a live array and makes one node. One cotangent buffer walks back
through the whole chain of writes. Imports core and ``paths``. Invariant: memory that a residual refers to is never written
(reading a live array as a whole sets ``shared``, and the next write copies).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from wengert.core.context import SWITCH, next_seq, tracing
from wengert.core.errors import CutError, WengertValueError, error_at
from wengert.core.handle import TracedArray, TracedScalar, buffer, handle, is_handle
from wengert.core.node import USER_FILES, Node, RichNode, here, outside
from wengert.core.op import LINEAR, OWNED, Op
from wengert.core.record import live_node, make_node, plain
from wengert.core.types import FLOAT64, ArrayType, dtype_of, shape_of
from wengert.ops.paths import READ_ONLY, Path, Step, apply, fill, freeze, is_basic, may_repeat, winners

COMPLEX = np.dtype(np.complex128)


def sync(h: Any) -> None:
    """Bring a handle up to date before its value is read as a whole."""
    base = h.base
    if base is h:
        h.shared = True
    elif h.version != base.version:
        refresh(h, base)


def refresh(view: Any, base: Any) -> None:
    """A stale view takes its region from the base again, by copy."""
    region = apply(view.path, base.value)
    view.value = region.copy() if type(region) is np.ndarray else region
    view.node = _get_node(base, view.path, (), (), view.value)
    view.version = base.version


# ---------------------------------------------------------------- reading


def _get_node(h: Any, path: Path, dynamic: tuple[Any, ...], dyn_nodes: tuple[Any, ...], y: Any) -> Node | None:
    parent = h.node
    if not SWITCH.special:
        if parent is None:
            return None
        value = h.value
        return Node(
            next_seq(), GET, (parent, *dyn_nodes), dynamic, (path, shape_of(value), dtype_of(value)), here(3),
        )
    parent = live_node(parent)
    if parent is None and not any(n is not None for n in dyn_nodes):
        return None
    frame = tracing.get()
    value = h.value if h.base is not h or parent is not None else h.value.copy()
    return make_node(
        GET, (value, *dynamic), (parent, *dyn_nodes), (path, shape_of(h.value), dtype_of(h.value)), y, frame,
    )


def getitem(h: Any, index: Any) -> Any:
    """``h[index]``: the ordinary case in one short function, everything else by ``read``."""
    parent = h.node
    kind = type(index)
    if h.base is not None or parent is None or SWITCH.special or not (kind is int or kind is slice or is_basic(index)):
        return read(h, ("index", index))
    value = h.value
    y = value[index]
    frame = sys._getframe(1)
    code = frame.f_code
    where = (code, frame.f_lasti) if USER_FILES.get(code.co_filename) and SWITCH.where is None else outside(frame)
    path = (("index", index),)
    node = Node(next_seq(), GET, (parent,), (), (path, value.shape, value.dtype), where)
    if type(y) is not np.ndarray:
        return TracedScalar(y, node)
    out = TracedArray(y, node)
    h.version = out.version = 0
    out.base, out.path = h, path
    return out


def read(h: Any, step: Step) -> Any:
    """One view step from a handle: indexing, reshaping, transposing, ... A view where NumPy has one, else a copy."""
    base = h.base
    if base is not None and base is not h and h.version != base.version:
        refresh(h, base)
    dynamic: tuple[Any, ...] = ()
    dyn_nodes: tuple[Any, ...] = ()
    kind, argument = step
    if kind == "index" and not is_basic(argument):
        argument, dynamic, dyn_nodes = _split_index(argument)
        step = ("index", argument)
    path = (step,)
    whole = h.value
    y = apply(fill(path, dynamic), whole)
    if type(y) is not np.ndarray:  # a scalar
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        return y if node is None else TracedScalar(y, node)
    # A basic index is a view by definition; for the other steps NumPy decides by the layout.
    views = is_basic(argument) if kind == "index" else (
        y is whole or y.base is whole or (whole.base is not None and y.base is whole.base)
    )
    if base is None:
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        if node is None and h.node is not None:  # stale
            return y
        out = TracedArray(y, node)
        if views:
            h.version = 0
            out.base, out.path, out.version = h, path, 0
        return out
    if not views:
        if base is h and y.base is not None:
            y = y.copy()
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        return buffer(y) if node is None else TracedArray(y, node)
    root_path = path if base is h else (*h.path, step)
    if base.base is base:  # live: never alias memory that writes hit
        y = y.copy()
    out = TracedArray(y, _get_node(h, path, dynamic, dyn_nodes, y))
    out.base, out.path, out.version = base, root_path, base.version
    return out


def region(h: Any, path: Path, dynamic: tuple[Any, ...] = (), dyn_nodes: tuple[Any, ...] = ()) -> Any:
    """The region of a handle that a path leads to, as a value of its own that later writes do not reach."""
    if h.base is not None and h.base is not h:
        sync(h)
    y = apply(fill(path, dynamic), h.value)
    if type(y) is np.ndarray and h.base is not None and np.may_share_memory(y, h.value):
        y = y.copy()
    node = _get_node(h, path, dynamic, dyn_nodes, y)
    return y if node is None else handle(y, node)


def _split_index(index: Any) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Take traced indices (fully recorded masks and integer arrays) out of an index expression."""
    from wengert.ops.paths import Slot

    values: list[Any] = []
    nodes: list[Any] = []

    def place(part: Any) -> Any:
        if is_handle(part):
            if part.base is not None:
                sync(part)
            if part.value.dtype.kind in "fc":
                raise error_at(
                    CutError, f"a traced {part.value.dtype} value was used as an index",
                    fix="indices are integers: use int(t), or np.floor(t).astype(int)",
                )
            node = live_node(part.node)
            if node is None:
                return part.value
            values.append(part.value)
            nodes.append(node)
            return Slot(len(values) - 1)
        if type(part) is list and any(is_handle(p) for p in part):
            return [p.value if is_handle(p) else p for p in part]
        if type(part) is slice:
            return slice(*(int(p) if is_handle(p) else p for p in (part.start, part.stop, part.step)))
        return freeze(part)

    found = tuple(place(p) for p in index) if type(index) is tuple else place(index)
    return found, tuple(values), tuple(nodes)


# ---------------------------------------------------------------- writing


def plain_copy(h: Any) -> Any:
    """A copy of an array handle with memory of its own, without a step in the graph."""
    if h.base is not None:
        sync(h)
    return buffer(np.array(h.value, copy=True, order="K"), h.node)


def make_live(h: Any) -> Any:
    """The base of a handle, with memory that may be written: copied on the first write, or when it was read as a whole."""
    base = h if h.base is None else h.base
    if base.base is None:
        base.value = np.array(base.value, copy=True, order="K")
        base.base = base
        base.path = ()
        base.version = 1
        base.shared = False
        base.export = None
    elif base.shared:
        if base.export is not None:
            check_export(base)
        base.value = np.array(base.value, copy=True, order="K")
        base.shared = False
    return base


def check_export(base: Any) -> None:
    """Raise when memory lent to code that cannot be seen is still held and would no longer follow the array."""
    if base.export is not None and base.export() is not None:
        raise error_at(
            CutError, "this array was shared with compiled code, which would not see the traced value written now",
            fix="give that code a copy (np.array(y)), or write before handing it over",
        )


def write(h: Any, step: Step, value: Any, *, add: bool = False) -> None:
    """Replace (or with ``add`` increase) a region of a handle's memory by a value, raw or traced."""
    if type(h) is TracedScalar:
        raise TypeError("'numpy.float64' object does not support item assignment")
    base = h if h.base is None else h.base
    path: Path = () if base is h or h.base is None else h.path
    dynamic: tuple[Any, ...] = ()
    dyn_nodes: tuple[Any, ...] = ()
    if step[0] == "index" and not is_basic(step[1]):
        argument, dynamic, dyn_nodes = _split_index(step[1])
        step = ("index", argument)
    write_path(base, (*path, step), dynamic, dyn_nodes, value, add=add)


def write_path(
    base: Any, path: Path, dynamic: tuple[Any, ...], dyn_nodes: tuple[Any, ...], value: Any, *, add: bool = False
) -> None:
    """Replace or increase the region of an array handle that a path leads to; ``dynamic`` are the values of traced indices."""
    if any(kind in READ_ONLY for kind, _ in path):
        raise ValueError("assignment destination is read-only")
    v_node: Node | None = None
    if is_handle(value):
        if not add and value.base is base and not dynamic and _same_region(value, base, path):
            return  # the write-back of ``y[a:b] += ...``
        if value.base is not None:
            sync(value)
        v_node, v = live_node(value.node) if SWITCH.special else value.node, value.value
    else:
        v = value
    before = None
    if SWITCH.special and base.node is None and v_node is not None:
        before = base.value.copy()
    # The last write's tangent is ours alone as long as the memory was not read as a whole since.
    alone = SWITCH.special and base.base is base and not base.shared and getattr(base, "wrote", None) is base.node
    make_live(base)
    if v_node is not None and base.export is not None:
        check_export(base)
    where = fill(path, dynamic)
    target, copies = reach(base.value, where[:-1])
    index = where[-1][1]
    region = target[index] if v_node is not None or base.node is not None else None
    if add:
        np.add.at(target, index, v)
    else:
        if v_node is not None and base.value.dtype.kind not in "fc" and base.value.dtype.kind != "O":
            v_node = None  # truncated to an integer: constant from here on
        target[index] = v
    settle(copies)
    old = base.node
    if old is not None or v_node is not None or any(n is not None for n in dyn_nodes):
        params = (path, shape_of(region), base.value.shape, base.value.dtype, _meta(v))
        base.node = _write_node(ADD_AT if add else UPDATE, base, old, v, v_node, dynamic, dyn_nodes, params, before, alone)
        if SWITCH.special:
            base.wrote = base.node
    base.version += 1


def _same_region(value: Any, base: Any, path: Path) -> bool:
    if value is base:
        return path == (("index", slice(None)),) or path == (("index", Ellipsis),)
    if len(value.path) != len(path):
        return False
    return all(
        a[0] == b[0] and (a[0] != "index" or (is_basic(a[1]) and is_basic(b[1]))) and a[1] == b[1]
        for a, b in zip(value.path, path, strict=True)
    )


def _meta(value: Any) -> tuple[tuple[int, ...], Any]:
    return shape_of(value), COMPLEX if type(value) is complex else getattr(value, "dtype", None)


def _write_node(
    op: Op, base: Any, old: Node | None, v: Any, v_node: Node | None, dynamic: tuple[Any, ...],
    dyn_nodes: tuple[Any, ...], params: tuple[Any, ...], before: Any, alone: bool,
) -> Node | None:
    if not SWITCH.special:
        return Node(next_seq(), op, (old, v_node, *dyn_nodes), dynamic, params, here(3))
    old = live_node(old)
    if old is None and v_node is None and not any(n is not None for n in dyn_nodes):
        return None
    frame = tracing.get()
    stated = before if before is not None else base.value
    return make_node(
        op, (stated, v, *dynamic), (old, v_node, *dyn_nodes), params, base.value, frame,
        type_of_y=ArrayType.of(base.value), hands_on=alone,
    )


# ---------------------------------------------------------------- evaluation


def _evaluate_get(value: Any, *rest: Any) -> Any:
    *dynamic, path, _shape, _dtype = rest
    return apply(fill(path, tuple(dynamic)), value)


def _evaluate_update(old: Any, value: Any, *rest: Any) -> Any:
    *dynamic, path, _region, _shape, _dtype, _meta_ = rest
    out = np.array(old, copy=True, order="K")
    path = fill(path, tuple(dynamic))
    target, copies = reach(out, path[:-1])
    target[path[-1][1]] = value
    settle(copies)
    return out


def _evaluate_add_at(old: Any, value: Any, *rest: Any) -> Any:
    *dynamic, path, _region, _shape, _dtype, _meta_ = rest
    out = np.array(old, copy=True, order="K")
    path = fill(path, tuple(dynamic))
    target, copies = reach(out, path[:-1])
    np.add.at(target, path[-1][1], value)
    settle(copies)
    return out


# ---------------------------------------------------------------- reverse


def add_region(buf: Any, path: Path, ct: Any) -> Any:
    """Add a cotangent into a region of a buffer; returns the buffer (a handle once traced values are in it)."""
    if any(kind in READ_ONLY for kind, _ in path):
        path, ct = _writeable_region(path, ct, shape_of(buf.value if is_handle(buf) else buf))
    if type(buf) is np.ndarray and not is_handle(ct):
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
    write(whole, path[-1], ct, add=True)
    settle(copies)
    return buf


Copies = list[tuple[Any, Any, str]]


def reach(array: Any, path: Path) -> tuple[Any, Copies]:
    """The region a path leads to, for writing into: the copies on the way have to be settled afterwards.

    A reshape copies where the layout does not allow a view, and a cotangent need not have the layout of its value.
    """
    copies: Copies = []
    for step in path:
        region = read(array, step) if is_handle(array) else apply((step,), array)
        if step[0] == "reshape" and not _is_view(region, array):
            copies.append((array, region, step[1][1]))
        array = region
    return array, copies


def _is_view(region: Any, array: Any) -> bool:
    if is_handle(array):
        return is_handle(region) and region.base is not None and region.base is (array if array.base is None else array.base)
    return bool(np.may_share_memory(region, array))


def settle(copies: Copies) -> None:
    """Carry what was written into copies back to where they came from, the last one first."""
    for array, region, order in reversed(copies):
        array[...] = region.reshape(array.shape, order=order)


def _writeable_region(path: Path, ct: Any, shape: tuple[int, ...]) -> tuple[Path, Any]:
    """The same region by steps whose views may be written to: diagonals the way einsum makes them, broadcasts summed."""
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
    if type(buf) is np.ndarray:
        target, copies = reach(buf, path[:-1])
        index = path[-1][1]
        region = target[index]
        if type(region) is np.ndarray and region.base is not None:
            region = region.copy()
        target[index] = 0.0
        settle(copies)
        return region, buf
    view = buf
    for step in path:
        view = read(view, step)
    region = +view if is_handle(view) else view
    target, copies = reach(buf, path[:-1])
    write(target, path[-1], 0.0)
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
        return plain_copy(ct)
    return buffer(np.array(ct.value), ct.node)


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
                buf = sweep.cts[parent] = np.zeros(shape)
                sweep.owned.add(parent)
            elif parent not in sweep.owned or type(buf) is not np.ndarray:
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


def real_part(ct: Any) -> Any:
    """The part of a cotangent that a real value can feel: its real part."""
    value = ct.value if is_handle(ct) else ct
    dtype = getattr(value, "dtype", None)
    if (dtype is not None and dtype.kind == "c") or type(value) is complex:
        return ct.real
    return ct


def _pull_write(node: Node, ct: Any, sweep: Any, *, add: bool) -> None:
    old, v_node = node.inputs[0], node.inputs[1]
    path, _region, shape, dtype, (v_shape, v_dtype) = node.params
    path = fill(path, node.saved)
    if add:
        if v_node is not None:
            view = ct
            for step in path:
                view = apply((step,), view)
            sweep.add(v_node, fit(+view if is_handle(view) else np.array(view), v_shape, v_dtype))
        if old is not None:
            _hand_over(node, old, ct, sweep)
        return
    buf = private(ct, node, sweep, shape, dtype)
    losers = winners(path, shape)
    region, buf = take_region(buf, path)
    if v_node is not None:
        if losers is not None:
            region = np.where(losers, region, 0.0)
        sweep.add(v_node, fit(region, v_shape, v_dtype))
    if old is not None:
        if old in sweep.cts:
            sweep.add(old, buf)
        else:
            sweep.cts[old] = buf
            sweep.owned.add(old)


def _hand_over(node: Node, old: Node, ct: Any, sweep: Any) -> None:
    fresh = old not in sweep.cts
    sweep.add(old, ct)
    if fresh and node in sweep.owned:
        sweep.owned.add(old)


def fit(ct: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Sum a cotangent over the axes along which its value was broadcast, and drop what a real value cannot feel."""
    if dtype is None or dtype.kind != "c":
        ct = real_part(ct)
    have = shape_of(ct.value if is_handle(ct) else ct)
    if have != shape:
        lead = len(have) - len(shape)
        axes = tuple(range(lead)) + tuple(
            lead + k for k, size in enumerate(shape) if size == 1 and have[lead + k] != 1
        )
        if lead < 0:  # a value of shape (1, n) written into a region of shape (n,)
            return ct.reshape(shape)
        if axes:
            ct = ct.sum(axis=axes)
        if shape_of(ct.value if is_handle(ct) else ct) != shape:
            ct = ct.reshape(shape)
    return ct


# ---------------------------------------------------------------- forward


def _push_get(values: Any, y: Any, params: Any, tangents: Any, mask: Any) -> Any:
    if tangents[0] is None:
        return None
    path = fill(params[0], tuple(v.value if is_handle(v) else v for v in values[1:]))
    out = apply(path, tangents[0])
    if type(out) is np.ndarray and out.base is not None:
        out = out.copy()
    elif is_handle(out) and out.base is not None:
        # The tangent read from may be written to later on (``_push_write``): what was read must not follow it.
        sync(out)
        out = TracedArray(out.value, out.node)
    return out


def _push_write(values: Any, y: Any, params: Any, tangents: Any, mask: Any, *, add: bool) -> Any:
    path, _region, shape, dtype, _ = params
    path = fill(path, tuple(v.value if is_handle(v) else v for v in values[2:]))
    t_old, t_value = tangents[0], tangents[1]
    if t_old is None:
        t_new = np.zeros(shape, dtype)
    elif mask[0] is OWNED and (is_handle(t_old) or t_old.flags.owndata):
        t_new = t_old  # n writes cost O(n) together, not O(n^2)
    elif is_handle(t_old):
        t_new = plain_copy(t_old)
    else:
        t_new = np.array(t_old, copy=True)
    if add and t_value is None:
        return t_new
    change = 0.0 if t_value is None else t_value
    if type(t_new) is np.ndarray and not is_handle(change):
        target, copies = reach(t_new, path[:-1])
        if add:
            np.add.at(target, path[-1][1], change)
        else:
            target[path[-1][1]] = change
        settle(copies)
        return t_new
    if type(t_new) is np.ndarray:
        t_new = buffer(t_new)
    write_path(t_new, path, (), (), change, add=add)
    return t_new


def _save_dynamic(values: Any, y: Any, params: Any, mask: Any) -> tuple[Any, ...]:
    return tuple(v for v in values[1:])


GET = Op(
    name="get", kind=LINEAR, inputs=("x",), params={"path": (), "shape": (), "dtype": None}, evaluate=_evaluate_get,
    pull=_pull_get, push=_push_get, save=lambda values, y, params, mask: tuple(values[1:]), saved_from=(),
    infer=lambda types, params: ArrayType(
        shape_of(apply(params[0], np.broadcast_to(np.zeros(()), types[0].shape))), types[0].dtype
    ),
    doc="A region of an array: x[index], reshape, transpose, diagonal, ... `y = x[path]`", zeroes=True,
)
UPDATE = Op(
    name="update", kind=LINEAR, inputs=("old", "value"),
    params={"path": (), "region": (), "shape": (), "dtype": None, "meta": ()}, evaluate=_evaluate_update,
    pull=lambda n, ct, sw: _pull_write(n, ct, sw, add=False),
    push=lambda v, y, p, t, m: _push_write(v, y, p, t, m, add=False),
    save=lambda values, y, params, mask: tuple(values[2:]), saved_from=(), infer=lambda types, params: types[0],
    doc="An array with a region replaced: `y = x; y[path] = value`", zeroes=True,
)
ADD_AT = Op(
    name="add_at", kind=LINEAR, inputs=("old", "value"),
    params={"path": (), "region": (), "shape": (), "dtype": None, "meta": ()}, evaluate=_evaluate_add_at,
    pull=lambda n, ct, sw: _pull_write(n, ct, sw, add=True),
    push=lambda v, y, p, t, m: _push_write(v, y, p, t, m, add=True),
    save=lambda values, y, params, mask: tuple(values[2:]), saved_from=(), infer=lambda types, params: types[0],
    doc="An array with values added to a region, repeats counted: `np.add.at(x, path, value)`",
)

__all__ = [
    "ADD_AT", "GET", "UPDATE", "RichNode", "WengertValueError", "add_region", "fit", "make_live", "plain", "read",
    "real_part", "sync", "write",
]
