"""Contraction of labelled arrays two at a time, by transpose, reshape and matmul (BLAS).

Cotangents of einsum and batches of products come from here; ``np.einsum`` on the same letters takes
many times as long. Imports core, ``contract``, ``reduce``. Invariant: results are made of
operations
of those files only, so any order of derivative exists.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from wengert.core.deferred import by_type
from wengert.core.handle import is_handle
from wengert.core.types import shape_of
from wengert.ops import reduce
from wengert.ops.contract import (
    conj,
    dot,
    dot_axes,
    inner,
    inner_axes,
    outer,
    rank,
    reordered,
    tensordot,
    vdot,
    vecdot,
)

Labels = tuple[Any, ...]
"""One label per axis: a letter, or a negative number for an axis that an ellipsis stands for (-1 is
the last of them)."""


def sizes_of(labels: Sequence[Labels], shapes: Sequence[tuple[Any, ...]]) -> dict[Any, Any]:
    """The size of each label; an axis of size 1 broadcasts, as in NumPy."""
    sizes: dict[Any, Any] = {}
    for names, shape in zip(labels, shapes, strict=True):
        for name, n in zip(names, shape, strict=True):
            if name not in sizes or (type(sizes[name]) is int and sizes[name] == 1):
                sizes[name] = n
    return sizes


# ---------------------------------------------------------------- contraction

Term = tuple[Labels, Any]


def contract(terms: Sequence[Term], output: Labels, sizes: dict[Any, Any]) -> Any:
    """The sum over all labels outside ``output`` of the product of terms (no label twice in one
    term), by pairwise products.

    Labels of the output that no term has are left out of the result; its own labels come back with
    it: ``(labels, array)``.
    """
    work = [_narrowed(labels, array, sizes) for labels, array in terms]
    while len(work) > 1:
        i, j = min(
            itertools.combinations(range(len(work)), 2),
            key=lambda pair: _cost(work, pair, output, sizes),
        )
        rest = [t for k, t in enumerate(work) if k not in (i, j)]
        needed = set(output).union(*(labels for labels, _ in rest))
        work = [*rest, _product(work[i], work[j], needed)]
    labels, array = _alone(work[0], set(output))
    order = tuple(labels.index(k) for k in output if k in labels)
    return tuple(k for k in output if k in labels), reordered(array, order)


@by_type
def _narrowed(labels: Labels, array: Any, sizes: dict[Any, Any]) -> Term:
    """A term without the axes of size 1 that stand for larger ones: those broadcast."""
    shape = shape_of(array.value if is_handle(array) else array)
    extra = [
        k
        for k, (name, n) in enumerate(zip(labels, shape, strict=True))
        if n == 1 and sizes[name] != 1
    ]
    if not extra:
        return labels, array
    kept = [k for k in range(len(labels)) if k not in extra]
    return tuple(labels[k] for k in kept), array.reshape(tuple(shape[k] for k in kept))


def _cost(
    work: Sequence[Term], pair: tuple[int, int], output: Labels, sizes: dict[Any, Any]
) -> tuple[Any, Any]:
    first, second = (set(work[k][0]) for k in pair)
    needed = set(output).union(
        *(set(labels) for k, (labels, _) in enumerate(work) if k not in pair)
    )
    made = (first | second) & needed
    volume = [math.prod(sizes[k] for k in names) for names in (made, first, second, first | second)]
    return volume[0] - volume[1] - volume[2], volume[3]


def _alone(term: Term, needed: set[Any]) -> Term:
    """A term with the labels summed that nobody else has."""
    labels, array = term
    lone = tuple(k for k, name in enumerate(labels) if name not in needed)
    if not lone:
        return term
    return tuple(name for name in labels if name in needed), reduce.sum(array, lone)


def _product(first: Term, second: Term, needed: set[Any]) -> Term:
    first = _alone(first, needed | set(second[0]))
    second = _alone(second, needed | set(first[0]))
    (a_labels, a), (b_labels, b) = first, second
    shared = [k for k in a_labels if k in b_labels]
    batch = tuple(k for k in shared if k in needed)
    summed = tuple(k for k in shared if k not in needed)
    rows = tuple(k for k in a_labels if k not in shared)
    columns = tuple(k for k in b_labels if k not in shared)
    if not summed:
        return _elementwise(a_labels, a, b_labels, b)
    a_shape, b_shape = _sizes(a_labels, a), _sizes(b_labels, b)
    lead = [a_shape[k] for k in batch]
    depth = math.prod(a_shape[k] for k in summed)
    if not rows and not columns:
        a = _grouped(a_labels, a, (batch, summed), [*lead, depth])
        b = _grouped(b_labels, b, (batch, summed), [*lead, depth])
        return batch, vecdot(conj(a), b)
    a = _grouped(
        a_labels, a, (batch, rows, summed), [*lead, math.prod(a_shape[k] for k in rows), depth]
    )
    b = _grouped(
        b_labels,
        b,
        (batch, summed, columns),
        [*lead, depth, math.prod(b_shape[k] for k in columns)],
    )
    made = (a @ b).reshape((*lead, *(a_shape[k] for k in rows), *(b_shape[k] for k in columns)))
    return (*batch, *rows, *columns), made


@by_type
def _sizes(labels: Labels, array: Any) -> dict[Any, int]:
    return dict(zip(labels, shape_of(array.value if is_handle(array) else array), strict=True))


@by_type
def _grouped(labels: Labels, array: Any, groups: tuple[Labels, ...], shape: Sequence[Any]) -> Any:
    """The axes brought into the order of the groups, then joined to ``shape``."""
    out = reordered(array, tuple(labels.index(k) for group in groups for k in group))
    have = shape_of(out.value if is_handle(out) else out)
    return out if have == tuple(shape) else out.reshape(tuple(shape))


def _elementwise(a_labels: Labels, a: Any, b_labels: Labels, b: Any) -> Term:
    """A product without a sum: broadcasting, in the order of the operand with more axes."""
    if len(b_labels) > len(a_labels):
        a_labels, a, b_labels, b = b_labels, b, a_labels, a
    made = (*(k for k in b_labels if k not in a_labels), *a_labels)
    return made, a * spread_labels(b_labels, b, made)


def spread_labels(labels: Labels, array: Any, made: Labels) -> Any:
    """The axes in the order of ``made``, with an axis of size 1 for each label that is missing."""
    wanted = tuple(k for k in made if k in labels)
    out = reordered(array, tuple(labels.index(k) for k in wanted))
    if wanted == made:
        return out
    return out[tuple(slice(None) if k in labels else None for k in made)] if labels else out


# ---------------------------------------------------------------- batches of products without
# native leading axes

_BATCH = "batch"


def _paired_batch(record: Any, axes_of: Any) -> None:
    """Give a tensordot-like operation its batch rule: one more label, shared by the operands that
    carry it."""

    @by_type
    def batched(values: Any, mask: Any, params: Any) -> Any:
        ranks = [rank(v) - bool(m) for v, m in zip(values, mask, strict=True)]
        left, right = axes_of(*ranks, *params) if all(ranks) else ((), ())
        a: list[Any] = [("a", k) for k in range(ranks[0])]
        b: list[Any] = [("b", k) for k in range(ranks[1])]
        output = [n for k, n in enumerate(a) if k not in left] + [
            n for k, n in enumerate(b) if k not in right
        ]
        for i, j in zip(left, right, strict=True):
            b[j] = a[i]
        labels = [
            (*((_BATCH,) if m else ()), *names) for names, m in zip((a, b), mask, strict=True)
        ]
        shapes = [shape_of(v.value if is_handle(v) else v) for v in values]
        terms = list(zip(labels, values, strict=True))
        return contract(terms, (_BATCH, *output), sizes_of(labels, shapes))[1]

    record.op.batch = batched


_paired_batch(dot, dot_axes)
_paired_batch(inner, inner_axes)
_paired_batch(tensordot, lambda a, b, axes: axes)


def _flat_rows(values: Any, mask: Any) -> list[Any]:
    return [
        v.reshape((len(v), -1)) if m else v.reshape(-1) for v, m in zip(values, mask, strict=True)
    ]


def _outer_batch(values: Any, mask: Any, params: Any) -> Any:
    a, b = _flat_rows(values, mask)
    return a[..., :, None] * b[..., None, :]


outer.op.batch = _outer_batch
vdot.op.batch = lambda values, mask, params: vecdot(*_flat_rows(values, mask))
