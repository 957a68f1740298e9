"""Equal extremes of an array: how they share the derivative.

Imports core, ``kinks``, ``sides``. Invariant: the shares over the reduced axes add up to 1 (NaN where nothing is
extreme).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.core.handle import is_handle
from wengert.core.types import shape_of
from wengert.ops.kinks import choice
from wengert.ops.sides import Side, rounded, side_at, unasked


def extreme_shares(x: Any, y: Any, axis: Any, axes: tuple[int, ...], *, largest: bool) -> Any:
    """The weights of an extreme ``y`` (its axes kept): 1/k at each of the k elements that attain it; where a second
    derivative is taken, 1 at that which goes on as the extreme. ``axes`` are the numbers of ``axis``."""
    chosen = np.equal(x, y)
    single = x.dtype == np.float32  # whose slopes stay float32
    if (first := choice.get().first) is not None:
        share = _first_and_others(chosen, axes, first)
        return share.astype(np.float32) if single else share
    side = None if unasked(x) else side_at(lambda at, _: np.greater(np.add.reduce(1.0 * at, axis=axis), 1.0), chosen, x)
    if side is not None:
        share = winner(side, side.tangent(x), chosen, axes, largest=largest)
        return share.astype(np.float32) if single else share
    if is_handle(chosen) or axis is not None:
        share = chosen / np.add.reduce(chosen, axis=axis, keepdims=True)
        return share.astype(np.float32) if single else share
    hits = np.count_nonzero(chosen)
    kind = np.float32 if single else np.float64
    if hits == 1:
        return chosen.astype(kind)
    return np.divide(chosen, hits, dtype=kind) if hits else np.full(x.shape, np.nan, kind)


class _Rows:
    """An array with the axes it is reduced over as one last axis, and back."""

    def __init__(self, shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
        self.order = (*(k for k in range(len(shape)) if k not in axes), *axes)
        self.moved = tuple(shape[k] for k in self.order)
        self.shape = (*self.moved[: len(shape) - len(axes)], -1)
        self.back = tuple(self.order.index(k) for k in range(len(shape)))

    def of(self, x: Any) -> Any:
        return x.transpose(self.order).reshape(self.shape)

    def whole(self, rows: Any) -> Any:
        return rows.reshape(self.moved).transpose(self.back)


def _first_and_others(chosen: Any, axes: tuple[int, ...], share: float) -> Any:
    """``share`` at the first of the k elements that attain the extreme, (1 - share) / (k - 1) at the others."""
    form = _Rows(shape_of(chosen.value if is_handle(chosen) else chosen), axes)
    rows = form.of(1.0 * chosen)
    count = np.add.reduce(rows, axis=-1, keepdims=True)
    first = rows * np.equal(np.add.accumulate(rows, axis=-1), 1.0)
    others = (rows - first) * (1.0 - share) / np.maximum(count - 1.0, 1.0)
    shares = (first * np.where(np.equal(count, 1.0), 1.0, share) + others) / np.minimum(count, 1.0)  # no extreme: NaN
    return form.whole(shares)


def winner(side: Side, tangent: Any, tied: Any, axes: tuple[int, ...], *, largest: bool) -> Any:
    """1 at the one of the equal extremes ``tied`` that goes on as the extreme, 0 elsewhere; NaN where there is none."""
    shape = shape_of(tied.value if is_handle(tied) else tied)
    form = _Rows(shape, axes)
    t = form.of(rounded(tangent, shape))
    at = form.of(1.0 * tied)
    none = np.minimum(np.add.reduce(at, axis=-1, keepdims=True), 1.0)
    best = np.max(np.where(np.equal(at, 1.0), t if largest else -t, -np.inf), axis=-1, keepdims=True)
    at = at * np.equal(t if largest else -t, best)
    side.note(np.greater(np.add.reduce(at, axis=-1), 1.0))
    if side.first == largest:  # where they stay equal, in the first run an earlier element counts as the larger one
        at = at * np.equal(np.add.accumulate(at, axis=-1), 1.0)
    else:
        at = at * np.equal(np.add.accumulate(at[..., ::-1], axis=-1)[..., ::-1], 1.0)
    return form.whole(at / none)


__all__ = ["extreme_shares", "winner"]
