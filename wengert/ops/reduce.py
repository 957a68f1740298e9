"""Reductions: sum, mean, the extremes, variance, log-sum-exp.

``reduction`` makes an operation from one fact: the weights w of dy = sum_i w_i dx_i over the
reduced axes. Imports core and the makers. Invariant: a cotangent is spread back over exactly the
axes that were reduced.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from wengert.core.deferred import by_type
from wengert.core.handle import is_handle
from wengert.core.types import FLOAT64, ArrayType, dtype_of, shape_of
from wengert.ops.contract import conj
from wengert.ops.kinds import general, linear
from wengert.ops.lengths import at_zero
from wengert.ops.memory import fit, read, real_part
from wengert.ops.products import absorb, spread_number
from wengert.ops.shares import extreme_shares
from wengert.ops.sides import unasked


def kept_shape(shape: tuple[Any, ...], axis: Any) -> tuple[Any, ...]:
    """The shape with the reduced axes kept as 1."""
    axes = normal_axes(axis, len(shape))
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes as a tuple of non-negative numbers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(a % ndim if ndim else 0 for a in (axis if isinstance(axis, tuple) else (axis,)))


def reduced_shape(x_shape: tuple[Any, ...], axis: Any, keepdims: bool) -> tuple[Any, ...]:
    """The shape after a reduction."""
    axes = normal_axes(axis, len(x_shape))
    if keepdims:
        return kept_shape(x_shape, axis)
    return tuple(n for k, n in enumerate(x_shape) if k not in axes)


def count_of(shape: tuple[Any, ...], axis: Any) -> Any:
    """How many elements a reduction takes together."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in normal_axes(axis, len(shape)))


@by_type
def spread_over(ct: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """A reduced cotangent seen from every element it came from (a broadcast view when that is
    large).
    """
    if shape == ():
        return ct
    if type(ct) is np.float64:  # what most are; an array of zero strides, where it is large
        size = math.prod(shape)
        if size <= 4096:
            out = np.empty(shape)
            out.fill(ct)
            return out
        return spread_number(ct, shape)
    scalar = shape_of(ct.value if is_handle(ct) else ct) == ()
    if is_handle(ct):
        if type(ct.value) is not np.ndarray:
            single = dtype_of(ct.value) in (np.float32, np.complex64)
            return ct * np.ones(shape, np.float32 if single else np.float64)
        if not scalar:
            ct = ct.reshape(kept_shape(shape, axis))
        return read(ct, ("broadcast", shape))
    if scalar:
        size = 1
        for n in shape:
            size *= n
        if size <= 4096:
            out = np.empty(shape, getattr(ct, "dtype", np.float64))
            out.fill(ct)
            return out
        return np.broadcast_to(ct, shape)
    return np.broadcast_to(ct.reshape(kept_shape(shape, axis)), shape)


@by_type
def kept(y: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """A reduced value with its axes back as 1, so that it broadcasts against what was reduced."""
    plain = y.value if is_handle(y) else y
    return y if shape_of(plain) == () else y.reshape(kept_shape(shape, axis))


def shifted(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a row as axes of the batch, whose own axis comes first."""
    return tuple(a + 1 for a in normal_axes(axis, ndim))


def _batch(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def batched(values: Any, _: Any, params: Any) -> Any:
        axis, *rest = params
        return evaluate(values[0], shifted(axis, values[0].ndim - 1), *rest)

    return batched


_AXES = ((None, False), (0, False), (-1, True), ((0, 2), False), ((1, -1), True))


def _samples(*extra: Any) -> Callable[[Any], Iterable[Any]]:
    def samples(rng: Any) -> Iterable[Any]:
        for axis, keepdims in _AXES:
            yield (rng.normal(size=(3, 2, 4)),), (axis, keepdims, *extra)
        yield (rng.normal(size=5),), (None, False, *extra)
        yield (rng.normal(size=(2, 3)).astype(np.float32),), (1, False, *extra)

    return samples


def complex_samples(*extra: Any) -> Callable[[Any], Iterable[Any]]:
    """The samples of a reduction that has a complex derivative too."""

    def samples(rng: Any) -> Iterable[Any]:
        yield from _samples(*extra)(rng)
        yield (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)),), (0, False, *extra)

    return samples


def reduction(
    name: str,
    evaluate: Callable[..., Any],
    weights: Callable[..., Any],
    *,
    params: dict[str, Any] | None = None,
    real: bool = False,
    samples: Callable[[Any], Iterable[Any]] | None = None,
    **facts: Any,
) -> Any:
    """A reduction over ``axis``: dy = sum_i w_i dx_i.

    The fact is ``weights(x, y, axis, *more)``, where ``y`` has its axes kept.

    ``evaluate(x, axis, keepdims, *more)``. With ``real`` the output is real also for complex
    input, and dy is the real part of the sum.
    """
    more = dict(params or {})
    options = {"axis": None, "keepdims": False, **more}

    def tangent(x: Any, y: Any, axis: Any, keepdims: Any, *rest: Any) -> Any:
        *others, dx = rest
        x = np.float64(x) if type(x) is float else x
        w = weights(x, kept(y, x.shape, axis), axis, *others)
        out = sum(w * dx, axis, keepdims)
        return real_part(out) if real else out

    if real:
        facts["infer"] = lambda types, p: ArrayType(
            reduced_shape(types[0].shape, p[0], p[1]), np.zeros((), types[0].dtype).real.dtype
        )
    names = ["x", "y", *options, "dx"]
    tangent.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
    )
    record = general(
        name,
        evaluate,
        [tangent],
        params=options,
        shape=lambda x_shape, axis, keepdims: reduced_shape(x_shape, axis, keepdims),
        batch=_batch(evaluate),
        samples=samples or _samples(*more.values()),
        lean=True,
        **facts,
    )

    # The transpose of ``tangent``, from the same weights: recording it on a dummy would cost more
    # than the reduction itself.
    def pull(node: Any, ct: Any, sweep: Any) -> None:
        x, y, info = node.saved
        axis, _, *others = node.params
        shape = shape_of(x.value if is_handle(x) else x)
        w = conj(weights(x, kept(y, shape, axis), axis, *others))
        if real:
            ct = real_part(ct)
        ct = kept(ct, shape, axis)
        c = absorb(ct, w) if sweep.careful else ct * w
        sweep.add(node.inputs[0], c if info is None else fit(c, *info.types[0]))

    record.op.pull = pull
    return record


# ---------------------------------------------------------------- sums and means


def _sum(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.add.reduce(x, axis=axis, keepdims=keepdims)


sum = linear(
    "sum",
    _sum,
    [lambda ct, x_shape, axis: spread_over(ct, x_shape, axis)],
    params={"axis": None, "keepdims": False},
    shape=reduced_shape,
    doc="Sum over axes: `y = sum_i x_i`.",
    latex="\\sum {x}",
    batch=_batch(_sum),
    samples=complex_samples(),
)


def _masked_sum(x: Any, initial: Any, mask: Any, axis: Any, keepdims: Any, dtype: Any) -> Any:
    return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims, initial=initial, where=mask)


def _masked_shape(x_shape: Any, initial_shape: Any, mask_shape: Any, axis: Any, keepdims: Any) -> Any:
    return reduced_shape(np.broadcast_shapes(x_shape, mask_shape), axis, keepdims)


def _unmask(ct: Any, mask: Any, x_shape: tuple[int, ...], mask_shape: tuple[int, ...], axis: Any) -> Any:
    full = np.broadcast_shapes(x_shape, mask_shape)
    return fit(np.where(mask, spread_over(ct, full, axis), 0.0), x_shape, np.dtype(complex))


masked_sum = linear(
    "masked_sum",
    _masked_sum,
    [_unmask, lambda ct: np.sum(ct), None],
    inputs="x initial mask",
    joint=True,
    shape=_masked_shape,
    params={"axis": None, "keepdims": False, "dtype": None},
    zeroes=True,
    doc="`initial` plus the sum of those elements that a mask allows.",
    samples=lambda rng: [
        ((rng.normal(size=(3, 4)), 0.7, rng.normal(size=(3, 4)) > 0), (axis, keep, None))
        for axis, keep in ((None, False), (0, True), (1, False))
    ],
)


def _mean(x: Any, axis: Any, keepdims: Any) -> Any:
    if type(x) is np.ndarray and x.dtype is FLOAT64 and x.size:
        return np.add.reduce(x, axis=axis, keepdims=keepdims) / count_of(x.shape, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


mean = linear(
    "mean",
    _mean,
    [lambda ct, x_shape, axis: spread_over(ct / count_of(x_shape, axis), x_shape, axis)],
    params={"axis": None, "keepdims": False},
    shape=reduced_shape,
    doc="The arithmetic mean over axes.",
    batch=_batch(_mean),
    samples=complex_samples(),
)


# ---------------------------------------------------------------- variance


def _var(x: Any, axis: Any, keepdims: Any, ddof: Any) -> Any:
    return np.var(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _std(x: Any, axis: Any, keepdims: Any, ddof: Any) -> Any:
    return np.std(x, axis=axis, keepdims=keepdims, ddof=ddof)


def _freedom(shape: tuple[int, ...], axis: Any, ddof: Any) -> Any:
    return np.maximum(count_of(shape, axis) - ddof, 0.0)


def _var_weights(x: Any, y: Any, axis: Any, ddof: Any) -> Any:
    return float(2.0 / _freedom(x.shape, axis, ddof)) * conj(x - mean(x, axis, True))


def _std_weights(x: Any, y: Any, axis: Any, ddof: Any) -> Any:
    # Equal elements: the deviation is rounding, the minimum-norm element is 0.
    centre = mean(x, axis, True)
    scale = np.finfo(dtype_of(x.value if is_handle(x) else x)).eps * np.abs(centre)
    flat = np.less_equal(y, 4.0 * scale)
    freedom = float(_freedom(x.shape, axis, ddof))
    w = np.where(flat, 0.0, conj(x - centre) / (freedom * np.where(flat, 1.0, y)))

    if unasked(x):
        return w

    def along(v: Any) -> Any:
        spread = v - mean(v + np.zeros(x.shape), axis, True)
        size = np.sqrt(sum(np.abs(spread) ** 2, axis, True) / freedom)
        still = np.less_equal(size, 1e-12 * np.max(np.abs(v)))
        return np.where(still, 0.0, conj(spread) / (freedom * np.where(still, 1.0, size)))

    return at_zero(w, y, lambda y: flat, (x,), along)


var = reduction(
    "var",
    _var,
    _var_weights,
    params={"ddof": 0},
    real=True,
    doc="The variance over axes.",
    samples=complex_samples(1),
)
std = reduction(
    "std",
    _std,
    _std_weights,
    params={"ddof": 0},
    real=True,
    doc="The standard deviation over axes.",
    samples=complex_samples(0),
    zeroes=True,
)


# ---------------------------------------------------------------- extremes


def _max(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


def _min(x: Any, axis: Any, keepdims: Any) -> Any:
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


def _shares(x: Any, y: Any, axis: Any, *, largest: bool) -> Any:
    return extreme_shares(x, y, axis, normal_axes(axis, len(x.shape)), largest=largest)


def tied(values: Any, params: Any, y: Any) -> Any:
    """Whether more than one element attains the extreme."""
    axis = params[0]
    return bool(np.any(np.count_nonzero(values[0] == kept(y, values[0].shape, axis), axis=axis) > 1))


def _tied_elements(values: Any, params: Any, y: Any) -> Any:
    at = np.equal(values[0], kept(y, np.shape(values[0]), params[0]))
    return at & (np.count_nonzero(at, axis=params[0], keepdims=True) > 1)


_extreme = partial(reduction, kink=_tied_elements, zeroes=True)
max = _extreme(
    "max",
    _max,
    lambda x, y, axis: _shares(x, y, axis, largest=True),
    doc="The largest element over axes; ties share evenly.",
)
min = _extreme(
    "min",
    _min,
    lambda x, y, axis: _shares(x, y, axis, largest=False),
    doc="The smallest element over axes; ties share evenly.",
)


# ---------------------------------------------------------------- logarithms of sums


def _finite_or_zero(y: Any) -> Any:
    return np.where(np.isfinite(y), y, 0.0)


logaddexp_reduce = reduction(
    "logaddexp_reduce",
    lambda x, axis, keepdims: np.logaddexp.reduce(x, axis=axis, keepdims=keepdims),
    lambda x, y, axis: np.exp(x - _finite_or_zero(y)),
    doc="`log(sum_i exp(x_i))`.",
    samples=lambda rng: [((rng.normal(size=(3, 4)),), (axis, keep)) for axis, keep in ((0, False), (-1, True))],
)
logaddexp2_reduce = reduction(
    "logaddexp2_reduce",
    lambda x, axis, keepdims: np.logaddexp2.reduce(x, axis=axis, keepdims=keepdims),
    lambda x, y, axis: np.exp2(x - _finite_or_zero(y)),
    doc="`log2(sum_i 2**x_i)`.",
    samples=lambda rng: [((rng.normal(size=(3, 4)),), (axis, keep)) for axis, keep in ((0, False), (-1, True))],
)
