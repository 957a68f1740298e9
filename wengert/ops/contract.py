"""Products that sum over shared axes: matmul, dot, inner, tensordot and their relatives.

Every one is bilinear (vdot, vecdot and vecmat conjugate their first operand, as NumPy does).
Imports core and the makers.
Invariant: every transpose is again a product from this file, so any order of derivative exists.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from wengert.core.deferred import by_type
from wengert.core.handle import is_handle
from wengert.core.types import FLOAT64, broadcast_shapes, shape_of
from wengert.ops.kinds import linear


@by_type
def conj(x: Any) -> Any:
    """The complex conjugate; a real value as it is."""
    plain = x.value if is_handle(x) else x
    dtype = getattr(plain, "dtype", None)
    return x.conjugate() if type(plain) is complex or (dtype is not None and dtype.kind == "c") else x


def _matmul_shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
    lead = broadcast_shapes(a_shape[:-2], b_shape[:-2])
    rows = a_shape[-2:-1] if len(a_shape) > 1 else ()
    columns = b_shape[-1:] if len(b_shape) > 1 else ()
    return (*lead, *rows, *columns)


def _flip(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def _are_matrices(ct: Any, x: Any) -> bool:
    return type(ct) is np.ndarray and type(x) is np.ndarray and x.dtype is FLOAT64 and ct.ndim == x.ndim == 2


def _matmul_left(ct: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if _are_matrices(ct, b) and len(a_shape) == 2:
        return ct @ b.T
    b = conj(b)
    if len(b_shape) == 1:
        out = ct[..., None] * b if len(a_shape) > 1 else ct * b
    elif len(a_shape) == 1:
        out = (b @ ct[..., None])[..., 0] if len(b_shape) > 2 else b @ ct
    else:
        out = ct @ _flip(b)
    return unbroadcast(out, a_shape)


def _matmul_right(ct: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
    if _are_matrices(ct, a) and len(b_shape) == 2:
        return a.T @ ct
    a = conj(a)
    if len(a_shape) == 1:
        out = a[:, None] * ct[..., None, :] if len(b_shape) > 1 else ct * a
    elif len(b_shape) == 1:
        out = ct @ a if len(a_shape) == 2 else (_flip(a) @ ct[..., None])[..., 0]
    else:
        out = _flip(a) @ ct
    return unbroadcast(out, b_shape)


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """A cotangent summed over the axes along which its operand was broadcast."""
    have = ct.shape
    if have == shape:
        return ct
    lead = len(have) - len(shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 and have[lead + k] != 1))
    return ct.sum(axis=axes).reshape(shape)


@by_type
def rank(x: Any) -> int:
    """The number of axes of a raw value or a handle."""
    return len(shape_of(x.value if is_handle(x) else x))


def normal(rng: Any, *shape: int, dtype: Any = float) -> Any:
    """A random array for samples, of any floating or complex dtype."""
    made = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        made = made + 1j * rng.normal(size=shape)
    return np.asarray(made).astype(dtype)


def pairs(
    *cases: tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...]],
) -> Callable[[Any], Iterable[Any]]:
    """Samples of a product of two operands: every case (shapes and parameters) in real, complex,
    mixed and single precision."""

    def samples(rng: Any) -> Iterable[Any]:
        for a, b, params in cases:
            yield (normal(rng, *a), normal(rng, *b)), params
        a, b, params = cases[0]
        for left, right in (
            (complex, complex),
            (float, complex),
            (complex, float),
            (np.float32, np.float32),
        ):
            yield (normal(rng, *a, dtype=left), normal(rng, *b, dtype=right)), params

    return samples


def lead_aligned(values: Any, mask: Any, cores: tuple[int, ...]) -> list[Any]:
    """Operands whose batch axis comes first, with axes put behind it until NumPy's broadcasting
    pairs up the other leading axes.

    ``cores`` says how many trailing axes of each operand belong to the operation itself.
    """
    leads = [rank(v) - bool(m) - core for v, m, core in zip(values, mask, cores, strict=True)]
    most = max(leads)
    return [
        v[(slice(None), *(None,) * (most - lead))] if m and most > lead else v
        for v, m, lead in zip(values, mask, leads, strict=True)
    ]


def _matmul_batch(values: Any, mask: Any, params: Any) -> Any:
    a, b = values
    row, column = rank(a) - bool(mask[0]) == 1, rank(b) - bool(mask[1]) == 1
    a = a[..., None, :] if row else a
    b = b[..., None] if column else b
    y = matmul(*lead_aligned((a, b), mask, (2, 2)))
    y = y[..., 0] if column else y
    return (y[..., 0] if column else y[..., 0, :]) if row else y


matmul = linear(
    "matmul",
    np.matmul,
    [_matmul_left, _matmul_right],
    inputs="a b",
    shape=_matmul_shape,
    doc="Matrix product over the last two axes, broadcast over the others: `y = a @ b`.",
    latex="{a} \\, {b}",
    batch=_matmul_batch,
    samples=pairs(
        ((2, 3), (3, 4), ()),
        ((3,), (3,), ()),
        ((2, 3), (3,), ()),
        ((3,), (3, 2), ()),
        ((5, 2, 3), (3, 4), ()),
        ((5, 1, 2, 3), (4, 3, 2), ()),
        ((3,), (5, 3, 2), ()),
        ((5, 2, 3), (3,), ()),
    ),
)

# ---------------------------------------------------------------- tensordot and what is one

Axes = tuple[tuple[int, ...], tuple[int, ...]]


def free_axes(ndim: int, taken: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that are not summed over."""
    return tuple(k for k in range(ndim) if k not in taken)


def _tensordot_shape(
    a_shape: tuple[Any, ...], b_shape: tuple[Any, ...], axes: Axes
) -> tuple[Any, ...]:
    left = (a_shape[k] for k in free_axes(len(a_shape), axes[0]))
    return (*left, *(b_shape[k] for k in free_axes(len(b_shape), axes[1])))


def _tensordot_left(
    ct: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...], axes: Axes
) -> Any:
    # y[i, j] = sum_k a[i, k] b[k, j]: the cotangent of a is sum_j ct[i, j] b[k, j], its axes put in
    # a's order.
    kept = free_axes(len(a_shape), axes[0])
    others = free_axes(len(b_shape), axes[1])
    out = tensordot(ct, conj(b), (tuple(range(len(kept), len(kept) + len(others))), others))
    made = (*kept, *(axes[0][axes[1].index(k)] for k in sorted(axes[1])))
    return reordered(out, tuple(made.index(k) for k in range(len(a_shape))))


def _tensordot_right(
    ct: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...], axes: Axes
) -> Any:
    others = free_axes(len(a_shape), axes[0])
    out = tensordot(conj(a), ct, (others, tuple(range(len(others)))))
    made = (
        *(axes[1][axes[0].index(k)] for k in sorted(axes[0])),
        *free_axes(len(b_shape), axes[1]),
    )
    return reordered(out, tuple(made.index(k) for k in range(len(b_shape))))


def reordered(x: Any, order: tuple[int, ...]) -> Any:
    """The transpose, left out where it changes nothing."""
    return x if order == tuple(range(len(order))) else x.transpose(order)


tensordot = linear(
    "tensordot",
    lambda a, b, axes: np.tensordot(a, b, axes),
    [_tensordot_left, _tensordot_right],
    inputs="a b",
    params={"axes": ((), ())},
    shape=_tensordot_shape,
    doc="The sum over paired axes; the free axes of a come first, then those of b.",
    samples=pairs(
        ((2, 3, 4), (4, 3, 5), (((1, 2), (1, 0)),)),
        ((2, 3), (4, 2), (((0,), (1,)),)),
        ((2, 3), (4,), (((), ()),)),
        ((2, 3), (2, 3), (((0, 1), (0, 1)),)),
        ((2, 3, 2), (3,), (((1,), (0,)),)),
    ),
)


def dot_axes(a: int, b: int) -> Axes:
    """What ``np.dot`` sums over, for operands of these ranks (at least 1)."""
    return (a - 1,), (max(0, b - 2),)


def inner_axes(a: int, b: int) -> Axes:
    """What ``np.inner`` sums over: the last axes."""
    return (a - 1,), (b - 1,)


def _paired(
    name: str, evaluate: Callable[..., Any], axes_of: Callable[[int, int], Axes], **facts: Any
) -> Any:
    """A product that is a tensordot over axes which the ranks determine; a number as operand
    scales."""

    def axes(a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Axes:
        return axes_of(len(a_shape), len(b_shape)) if a_shape and b_shape else ((), ())

    def shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return _tensordot_shape(a_shape, b_shape, axes(a_shape, b_shape))

    def as_matmul(a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> bool:
        # Of matrices and vectors np.dot is the matrix product, whose transposes reshape nothing.
        return axes_of is dot_axes and 1 <= len(a_shape) <= 2 and 1 <= len(b_shape) <= 2

    def left(ct: Any, b: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
        if as_matmul(a_shape, b_shape):
            return _matmul_left(ct, b, a_shape, b_shape)
        if len(a_shape) == 1 and len(b_shape) == 1:
            return ct * conj(b)
        return _tensordot_left(ct, b, a_shape, b_shape, axes(a_shape, b_shape))

    def right(ct: Any, a: Any, a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> Any:
        if as_matmul(a_shape, b_shape):
            return _matmul_right(ct, a, a_shape, b_shape)
        if len(a_shape) == 1 and len(b_shape) == 1:
            return ct * conj(a)
        return _tensordot_right(ct, a, a_shape, b_shape, axes(a_shape, b_shape))

    return linear(name, evaluate, [left, right], inputs="a b", shape=shape, **facts)


dot = _paired(
    "dot",
    np.dot,
    dot_axes,
    doc="`np.dot`: the sum over the last axis of a and the last but one of b.",
    latex="{a} \\cdot {b}",
    samples=pairs(
        ((2, 3), (3, 4), ()),
        ((3,), (3,), ()),
        ((2, 3), (3,), ()),
        ((3,), (3, 2), ()),
        ((2, 4, 3), (5, 3, 2), ()),
        ((), (2, 3), ()),
    ),
)
inner = _paired(
    "inner",
    np.inner,
    inner_axes,
    doc="`np.inner`: the sum over the last axes.",
    samples=pairs(((2, 3), (4, 3), ()), ((3,), (3,), ()), ((2, 4, 3), (3,), ()), ((2, 3), (), ())),
)
outer = linear(
    "outer",
    np.outer,
    [
        lambda ct, b, a_shape: (ct @ conj(b).reshape(-1)).reshape(a_shape),
        lambda ct, a, b_shape: (conj(a).reshape(-1) @ ct).reshape(b_shape),
    ],
    inputs="a b",
    shape=lambda a_shape, b_shape: (math.prod(a_shape), math.prod(b_shape)),
    doc="`y[i, j] = a[i] b[j]` of the flattened operands.",
    latex="{a} \\otimes {b}",
    samples=pairs(((3,), (2,), ()), ((2, 2), (3,), ()), ((), (3,), ())),
)

# ---------------------------------------------------------------- products that conjugate

vdot = linear(
    "vdot",
    np.vdot,
    # y = sum conj(a) b, so Re(conj(ct) conj(da) b) = Re <conj(ct) b, da> and Re(conj(ct) conj(a)
    # db) = Re <ct a, db>.
    [
        lambda ct, b, a_shape: (conj(ct) * b).reshape(a_shape),
        lambda ct, a, b_shape: (ct * a).reshape(b_shape),
    ],
    inputs="a b",
    shape=lambda a_shape, b_shape: (),
    doc="`y = sum_i conj(a_i) b_i` of the flattened operands.",
    samples=pairs(((3,), (3,), ()), ((2, 3), (2, 3), ()), ((2, 3), (6,), ())),
)


def _core_shape(
    a: int, b: int, out: Callable[..., tuple[Any, ...]]
) -> Callable[..., tuple[Any, ...]]:
    def shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        lead = broadcast_shapes(a_shape[: len(a_shape) - a], b_shape[: len(b_shape) - b])
        return (*lead, *out(a_shape[len(a_shape) - a :], b_shape[len(b_shape) - b :]))

    return shape


def _fitted(
    left: Callable[[Any, Any], Any], right: Callable[[Any, Any], Any]
) -> list[Callable[..., Any]]:
    """Transposes of a product that broadcasts its leading axes, summed over those again."""
    return [
        lambda ct, b, a_shape: unbroadcast(left(ct, b), a_shape),
        lambda ct, a, b_shape: unbroadcast(right(ct, a), b_shape),
    ]


vecdot: Any = linear(
    "vecdot",
    np.vecdot,
    _fitted(lambda ct, b: conj(ct)[..., None] * b, lambda ct, a: ct[..., None] * a),
    inputs="a b",
    shape=_core_shape(1, 1, lambda a, b: ()),
    doc="`y = sum_i conj(a_i) b_i` over the last axis.",
    batch=lambda values, mask, params: vecdot(*lead_aligned(values, mask, (1, 1))),
    samples=pairs(((2, 3), (2, 3), ()), ((3,), (3,), ()), ((4, 1, 3), (2, 3), ())),
)

if hasattr(np, "matvec"):  # NumPy 2.2
    matvec: Any = linear(
        "matvec",
        np.matvec,
        _fitted(
            lambda ct, b: ct[..., None] * conj(b)[..., None, :],
            lambda ct, a: (ct[..., None, :] @ conj(a))[..., 0, :],
        ),
        inputs="a b",
        shape=_core_shape(2, 1, lambda a, b: a[:1]),
        doc="Matrix times vector over the last axes.",
        batch=lambda values, mask, params: matvec(*lead_aligned(values, mask, (2, 1))),
        samples=pairs(((2, 3), (3,), ()), ((5, 2, 3), (3,), ()), ((4, 1, 2, 3), (5, 3), ())),
    )
    vecmat: Any = linear(
        "vecmat",
        np.vecmat,
        _fitted(
            lambda ct, b: (b @ conj(ct)[..., None])[..., 0],
            lambda ct, a: a[..., None] * ct[..., None, :],
        ),
        inputs="a b",
        shape=_core_shape(1, 2, lambda a, b: b[1:]),
        doc="Vector (conjugated) times matrix over the last axes.",
        batch=lambda values, mask, params: vecmat(*lead_aligned(values, mask, (1, 2))),
        samples=pairs(((3,), (3, 2), ()), ((5, 3), (3, 2), ()), ((5, 3), (4, 1, 3, 2), ())),
    )

# ---------------------------------------------------------------- cross product


def _cross_shape(a_shape: tuple[Any, ...], b_shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return broadcast_shapes(a_shape, b_shape)


# <ct, da x b> = <b x ct, da> and <ct, a x db> = <ct x a, db>.
cross: Any = linear(
    "cross",
    np.cross,
    _fitted(lambda ct, b: cross(conj(b), ct), lambda ct, a: cross(ct, conj(a))),
    inputs="a b",
    shape=_cross_shape,
    doc="The cross product of 3-vectors along the last axis.",
    latex="{a} \\times {b}",
    batch=lambda values, mask, params: cross(*lead_aligned(values, mask, (1, 1))),
    samples=pairs(((3,), (3,), ()), ((2, 3), (2, 3), ()), ((4, 1, 3), (2, 3), ())),
)
