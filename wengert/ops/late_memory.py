"""Reading and writing arrays whose content, or what is written into them, was not computed yet.

Imports core, ``paths`` and ``regions``. Invariant: memory that was written to stays as it is; the array goes on with
other memory, which is filled when somebody asks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.context import FOLDING, FULL, REVERSE, Frame, tracing
from wengert.core.deferred import PLACEHOLDERS, Late, held, is_missing, real, reserved
from wengert.core.record import make_node
from wengert.core.types import ArrayType, dtype_of, shape_of
from wengert.ops.paths import Path, apply, is_basic
from wengert.ops.regions import ADD_AT, UPDATE, overwrite

MOST = 1 << 30
"""Bytes of what one recording puts off: each step has memory of its own, where computed ones would share it."""


def watching(frame: Frame) -> bool:
    """Whether a trace is one whose steps nobody looks into while they are recorded."""
    return (
        (frame.kind is FULL or frame.kind is REVERSE)
        and not frame.forwards
        and frame.kinks is None
        and frame.keeper is None
        and (type(frame.note) is not str or frame.note is FOLDING)
    )


def running() -> Late | None:
    """Where steps are put off now, if they may be."""
    frame = tracing.get()
    late = None if frame is None or frame.met is None else frame.met.late
    return late if late is not None and late.bytes < MOST and late.may() else None


def seen(path: Path, h: Any) -> Any:
    """What a path leads to in the value of a handle, whose content may be missing: then that of what is no view is so
    too."""
    whole = held(h)
    y = apply(path, whole)
    if is_missing(whole) and not is_missing(y):
        late = running()
        if late is None or (type(y) is not np.ndarray and type(y) not in PLACEHOLDERS):
            return apply(path, real(whole))
        _keep(h)
        return late.put_off(y, lambda value: apply(path, value), (whole,))
    return y


def own(view: Any, h: Any) -> Any:
    """A copy of a view of the memory of a handle."""
    if is_missing(view) and (late := running()) is not None:
        _keep(h)
        return late.put_off(np.empty_like(view), lambda value: value, (view,))
    return real(view).copy(order="K")


def _keep(h: Any) -> None:
    """A step that was put off is going to read this memory as it is now: the next write copies."""
    if h.base is not None and h.base.base is h.base:
        h.base.shared = True


def put_off_write(base: Any, path: Path, value: Any, node: Any, *, add: bool) -> bool:
    """Put off the write of a raw ``value`` (whose step is ``node``) into a region of an array handle that is its own
    base; False where it is to be done now."""
    frame = tracing.get()
    if frame is None or frame.met is None or (late := frame.met.late) is None:
        return False
    old, before = held(base), base.node
    if not (is_missing(old) or is_missing(value)) or not watching(frame) or running() is None:
        return False
    if before is not None and (before.abstract or frame.full is None or before.seq < frame.full.start):
        return False
    live = base.base is base
    if (live and base.export is not None) or type(old) is not np.ndarray or dtype_of(value) != old.dtype:
        return False
    if not all(kind != "index" or is_basic(argument) for kind, argument in path):
        return False
    region = apply(path, old)
    if not _fits(region, value) or (type(region) is np.ndarray and not np.may_share_memory(region, old)):
        return False
    mine = live and not base.shared
    stated = old
    if before is None:
        if mine:
            old.flags.writeable = False  # the recording may keep it as it is
        else:
            stated = real(old).copy(order="K")
    y = reserved(old.shape, old.dtype) if old.flags.c_contiguous else np.empty_like(old)
    kept = late.private(value) if type(value) is np.ndarray and node is None else value
    late.put_off(y, lambda array, part: _written(array, part, path, add=add), (stated, kept))
    alone = mine and getattr(base, "wrote", None) is before
    if not live:
        base.base, base.path, base.version, base.export = base, (), 1, None
    base.shared = False
    base.value = y
    params = (path, shape_of(region), y.shape, y.dtype, (shape_of(value), getattr(value, "dtype", None)))
    base.node = base.wrote = make_node(
        ADD_AT if add else UPDATE, (stated, value), (before, node), params, y, frame,
        type_of_y=ArrayType.of(y), hands_on=alone,
    )  # fmt: skip
    base.version += 1
    return True


def _fits(region: Any, value: Any) -> bool:
    try:
        return np.broadcast_shapes(shape_of(region), shape_of(value)) == shape_of(region)
    except ValueError:
        return False


def _written(array: Any, part: Any, path: Path, *, add: bool) -> Any:
    found = np.array(array, copy=True, order="K")
    overwrite(found, part, path, add=add)
    return found


__all__ = ["own", "put_off_write", "running", "seen", "watching"]
