"""Reading and writing through handles: indexing, views and their base, live arrays.

A write costs O(size of the region): it hits the private memory of a live array and makes one node. Imports core,
``paths``, ``regions``. Invariant: memory that a residual refers to is never written (reading a live array as a whole
sets ``shared``, and the next write copies).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.context import FULL, SWITCH, next_seq, tracing
from wengert.core.deferred import held, is_missing, real
from wengert.core.errors import CutError, error_at
from wengert.core.handle import TracedArray, TracedScalar, buffer, check_inside, handle, is_handle
from wengert.core.node import Const, Node, RichNode, here
from wengert.core.op import Op
from wengert.core.record import live_node, make_node, plain
from wengert.core.types import SCALARS, ArrayType, dtype_of, shape_of
from wengert.ops.paths import READ_ONLY, Path, Step, apply, fill, freeze, is_basic, numbered
from wengert.ops.regions import (
    ADD_AT,
    GET,
    UPDATE,
    add_region,
    fit,
    overwrite,
    reach,
    real_part,
    settle,
)


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
    view.value = region.copy(order="K") if type(region) is np.ndarray else region
    node = view.node
    if SWITCH.special or node is None or not node.inputs or node.inputs[0] is not base.node:
        path, dynamic, dyn_nodes = traced_path(view)
        view.node = _get_node(base, path, dynamic, dyn_nodes, view.value)
    # else the write was no step (``t.data``, ``no_grad``): the view is still the same step, with its hooks
    view.version = base.version


def traced_path(view: Any) -> tuple[Path, tuple[Any, ...], tuple[Any, ...]]:
    """The path of a view as a recording needs it: slots for traced numbers, and their values and nodes."""
    found = getattr(view, "traced", None) if SWITCH.special else None
    return (view.path, (), ()) if found is None else found


def _from_outside(node: Node | None) -> bool:
    """Whether a full recording takes this node for a leaf, which it keeps together with its value."""
    frame = tracing.get()
    full = None if frame is None else frame.full
    return full is not None and node is not None and node.seq < full.start


def _late() -> Any:
    from wengert.ops import late_memory  # what few programs need

    return late_memory


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
    value = held(h)
    if (
        parent is not None and frame is not None and frame.kind == FULL and not frame.swept and not dynamic
        and type(value) is np.ndarray
        and parent.seq >= frame.start and not parent.abstract
        and not frame.forwards and frame.kinks is None and frame.keeper is None
    ):  # what most reads are in a program that is recorded to be compiled
        node = RichNode(next_seq(), GET, (), (), (path, value.shape, value.dtype), here(3))
        node.args = (parent,)
        node.type = ArrayType.of(y)
        if frame.steps is not None:
            frame.steps.append(node)
        return node
    if (h.base is h and parent is None) or (h.base is not None and _from_outside(parent)):
        value = real(value).copy(order="K")  # the step keeps this value, and the memory may be written
    return make_node(
        GET, (value, *dynamic), (parent, *dyn_nodes), (path, shape_of(value), dtype_of(value)), y, frame,
    )


def read(h: Any, step: Step) -> Any:
    """One view step from a handle: indexing, reshaping, transposing, ... A view where NumPy has one, else a copy."""
    base = h.base
    if base is not None and base is not h and h.version != base.version:
        refresh(h, base)
    dynamic: tuple[Any, ...] = ()
    dyn_nodes: tuple[Any, ...] = ()
    kind, argument = step
    if kind == "index" and not is_basic(argument):
        argument, dynamic, dyn_nodes = _split_index(argument, counted=True)
        step = ("index", argument)
    path = (step,)
    whole = held(h)
    filled = fill(path, dynamic)
    y = _late().seen(filled, h) if is_missing(whole) else apply(filled, whole)
    if type(y) is not np.ndarray:  # a scalar
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        return y if node is None else TracedScalar(y, node)
    # A basic index is a view by definition; for the other steps NumPy decides by the layout.
    views = is_basic(filled[0][1]) if kind == "index" else (
        y is whole or y.base is whole or (whole.base is not None and y.base is whole.base)
    )
    if base is None:
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        if node is None and h.node is not None:  # stale
            return y
        out = TracedArray(y, node)
        if views:
            h.version = 0
            out.base, out.path, out.version = h, filled, 0
            if dynamic:
                out.traced = path, dynamic, dyn_nodes
        return out
    if not views:
        if base is h and y.base is not None:
            y = _late().own(y, h) if is_missing(y) else y.copy(order="K")
        node = _get_node(h, path, dynamic, dyn_nodes, y)
        return buffer(y) if node is None else TracedArray(y, node)
    root_path = filled if base is h else (*h.path, *filled)
    if base.base is base:  # live: never alias memory that writes hit
        y = _late().own(y, h) if is_missing(y) else y.copy(order="K")
    out = TracedArray(y, _get_node(h, path, dynamic, dyn_nodes, y))
    out.base, out.path, out.version = base, root_path, base.version
    begin, before, before_nodes = ((), (), ()) if base is h else traced_path(h)
    if before or dynamic:
        later = numbered(path, len(before))
        out.traced = (*begin, *later), (*before, *dynamic), (*before_nodes, *dyn_nodes)
    return out


def region(h: Any, path: Path, dynamic: tuple[Any, ...] = (), dyn_nodes: tuple[Any, ...] = ()) -> Any:
    """The region of a handle that a path leads to, as a value of its own that later writes do not reach."""
    if h.base is not None and h.base is not h:
        sync(h)
    filled = fill(path, dynamic)
    y = _late().seen(filled, h) if is_missing(held(h)) else apply(filled, held(h))
    if type(y) is np.ndarray and h.base is not None and np.may_share_memory(y, held(h)):
        y = _late().own(y, h) if is_missing(y) else y.copy(order="K")
    node = _get_node(h, path, dynamic, dyn_nodes, y)
    return y if node is None else handle(y, node)


def _split_index(index: Any, *, counted: bool = False) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """Take traced indices (fully recorded masks and integer arrays) out of an index expression.

    ``counted``: how many elements a mask takes is asked, for later steps (a mean, a derivative) hold the shape.
    """
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
            if counted and part.value.dtype.kind == "b":
                from wengert.ops.questions import count_nonzero

                int(count_nonzero(part, None, False))
            values.append(part.value)
            nodes.append(node)
            return Slot(len(values) - 1)
        if type(part) is list and any(is_handle(p) for p in part):
            return [_asked(p) for p in part]
        if type(part) is slice:
            return slice(*(int(p) if is_handle(p) else p for p in (part.start, part.stop, part.step)))
        return freeze(part)

    found = tuple(place(p) for p in index) if type(index) is tuple else place(index)
    return found, tuple(values), tuple(nodes)


def _asked(part: Any) -> Any:
    """An entry of a list that is an index: the place is part of the program, so a traced number is asked for it."""
    if type(part) is list:
        return [_asked(p) for p in part]
    if not is_handle(part) or np.shape(part.value) or part.value.dtype.kind not in "iub":
        return part.value if is_handle(part) else part
    return bool(part) if part.value.dtype.kind == "b" else int(part)


# ---------------------------------------------------------------- writing


def plain_copy(h: Any) -> Any:
    """A copy of an array handle with memory of its own, without a step in the graph."""
    if h.base is not None:
        sync(h)
    if is_missing(held(h)):
        copy = buffer(held(h), h.node)
        copy.shared = True  # the first write copies
        return copy
    return buffer(np.array(h.value, copy=True, order="K"), h.node)


def make_live(h: Any) -> Any:
    """The base of a handle, with memory that may be written: copied on the first write, or when read as a whole."""
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
    path, dynamic, dyn_nodes = ((), (), ()) if base is h else traced_path(h)
    if step[0] == "index" and not is_basic(step[1]):
        argument, values, nodes = _split_index(step[1])
        (step,) = numbered((("index", argument),), len(dynamic))
        dynamic, dyn_nodes = (*dynamic, *values), (*dyn_nodes, *nodes)
    write_path(base, (*path, step), dynamic, dyn_nodes, value, add=add)


def write_path(
    base: Any, path: Path, dynamic: tuple[Any, ...], dyn_nodes: tuple[Any, ...], value: Any, *, add: bool = False
) -> None:
    """Replace or increase the region that a path leads to; ``dynamic`` are the values of traced indices."""
    if any(kind in READ_ONLY for kind, _ in path):
        raise ValueError("assignment destination is read-only")
    if SWITCH.special:
        check_inside(base)
    v_node: Node | None = None
    if is_handle(value):
        if not add and value.base is base and not dynamic and _same_region(value, base, path):
            return  # the write-back of ``y[a:b] += ...``
        if value.base is not None:
            sync(value)
        v_node, v = (live_node(value.node), held(value)) if SWITCH.special else (value.node, value.value)
    else:
        v = value
    if SWITCH.special:
        missing = is_missing(v) or is_missing(held(base))
        if missing and not dynamic and _late().put_off_write(base, path, v, v_node, add=add):
            return
        v = real(v)
    if v_node is not None and base.value.dtype.kind in "biu" and dtype_of(v).kind in "fc":
        # What is cut off has no derivative, yet the whole numbers depend on the value: in a recording that is a step.
        v = _whole(value, base.value.dtype)
        v_node, v = (live_node(v.node), v.value) if is_handle(v) else (None, v)
    before = None
    if SWITCH.special and ((base.node is None and (v_node is not None or dyn_nodes)) or _from_outside(base.node)):
        before = base.value.copy(order="K")
    # The last write's tangent is ours alone as long as the memory was not read as a whole since.
    alone = SWITCH.special and base.base is base and not base.shared and getattr(base, "wrote", None) is base.node
    make_live(base)
    if v_node is not None and base.export is not None:
        check_export(base)
    where = fill(path, dynamic)
    target, copies = reach(base.value, where[:-1])
    index = where[-1][1]
    region = target[index] if v_node is not None or base.node is not None else None
    if add and type(region) is np.ndarray and is_basic(index) and len(shape_of(v)) <= region.ndim:
        np.add(region, v, out=region)  # a view without repeats, at a tenth of the price of ``np.add.at``
    elif add:
        np.add.at(target, index, v)
    else:
        target[index] = v
    settle(copies)
    old = base.node
    if old is not None or v_node is not None or any(n is not None for n in dyn_nodes):
        params = (path, shape_of(region), base.value.shape, base.value.dtype, _meta(v))
        base.node = _write_node(
            ADD_AT if add else UPDATE, base, old, v, v_node, dynamic, dyn_nodes, params, before, alone
        )
        if SWITCH.special:
            base.wrote = base.node
    base.version += 1


def _whole(value: Any, dtype: Any) -> Any:
    """A traced number as an array of integers or truth values takes it."""
    from wengert.ops.compare import whole

    return whole(value, dtype)


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
    return shape_of(value), np.dtype(np.complex128) if type(value) is complex else getattr(value, "dtype", None)


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
    if (
        before is None and not dyn_nodes and old is not None and frame is not None and frame.steps is not None
        and old.seq >= frame.start and not old.abstract and not frame.forwards
        and (type(v) in SCALARS if v_node is None else v_node.seq >= frame.start and not v_node.abstract)
    ):  # what most writes are in a program that is recorded to be compiled
        node = RichNode(next_seq(), op, (), (), params, here(3))
        node.args = (old, Const(v) if v_node is None else v_node)
        node.type = ArrayType.of(base.value)
        frame.steps.append(node)
        return node
    stated = before if before is not None else base.value
    return make_node(
        op, (stated, v, *dynamic), (old, v_node, *dyn_nodes), params, base.value, frame,
        type_of_y=ArrayType.of(base.value), hands_on=alone,
    )


__all__ = [
    "ADD_AT", "GET", "UPDATE", "add_region", "check_export", "fit", "make_live", "overwrite", "plain",
    "plain_copy", "reach", "read", "real_part", "refresh", "region", "settle", "sync", "write", "write_path",
]  # fmt: skip
