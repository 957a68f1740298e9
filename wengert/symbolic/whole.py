"""Functions of NumPy that look at values where a program runs, as formulas: composed of others, or steps of their own.

Imports expression's makers when called, graphs, named. Invariant: what is composed here has the value of NumPy's
function at every real argument; what is a step of its own is evaluated and differentiated by NumPy's function itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertTypeError, WengertValueError
from wengert.core.node import Const, here
from wengert.core.op import CONSTANT, ELEMENTWISE, GENERAL, Op
from wengert.core.types import ArrayType
from wengert.ops.control import stop_gradient
from wengert.symbolic.build import pattern
from wengert.symbolic.dims import Dim
from wengert.symbolic.graphs import step, steps_of
from wengert.symbolic.named import STEPS


def _op(name: str, inputs: str, params: dict[str, Any], function: Callable[..., Any], doc: str) -> Op:
    return Op(
        listed=False, name=name, kind=GENERAL, inputs=tuple(inputs.split()), params=params, evaluate=function,
        record=function, aware=True, outputs=(), doc=doc,
    )  # fmt: skip


# -- interpolation ------------------------------------------------------------------------------
INTERP = _op(
    "interp", "x xp fp", {"left": None, "right": None},
    lambda *values: np.interp(*values), "Linear between points.",  # noqa: PLW0108  as a program calls it
)  # fmt: skip


def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    points, heights = _array(xp), _array(fp)
    if period is not None or any(hasattr(v, "source") for v in (left, right)):
        raise NoRuleError("interp with a period, or with variables for left and right, has no closed form")
    if points.ndim != 1 or points.shape != heights.shape:
        raise WengertValueError("interp takes points and heights as two vectors of one length")
    shape = x.shape if hasattr(x, "source") else np.shape(x)
    ends = (None if left is None else float(left), None if right is None else float(right))
    return _stepped(INTERP, (x, points, heights), ends, shape)


def _interp_steps(x: Any, xp: Any, fp: Any, left: Any, right: Any) -> Any:
    """The same without a look at values; on a point the slope nearest to zero of those of both sides."""
    last = np.shape(xp)[0] - 1
    k = np.minimum(np.maximum(np.searchsorted(xp, x, side="right") - 1, 0), last - 1)
    rises = (fp[1:] - fp[:-1]) / (xp[1:] - xp[:-1])
    at = np.where(x == xp[-1], last, k)
    fixed = stop_gradient(rises)
    around = np.concatenate([np.zeros(1), fixed, np.zeros(1)])
    before, after = around[at], around[at + 1]
    nearest = np.where(before * after <= 0, 0.0, np.where(abs(before) < abs(after), before, after))
    slope = np.where(x == xp[at], nearest, rises[k])
    inside = slope * (x - xp[at]) + fp[at]
    low, high = fp[0] if left is None else left, fp[-1] if right is None else right
    return np.where(x < xp[0], low, np.where(x > xp[-1], high, inside))


STEPS["interp"] = _interp_steps


# -- running extremes ---------------------------------------------------------------------------
EXTREMES = {
    f"{u.__name__}.accumulate": _op(
        f"{u.__name__}.accumulate", "x", {"axis": 0},
        functools.partial(lambda u, x, axis: u.accumulate(x, axis), u), "The extreme so far.",
    )
    for u in (np.maximum, np.minimum, np.fmax, np.fmin)
}  # fmt: skip


def _running(name: str) -> Callable[..., Any]:
    def running(x: Any, axis: int = 0, dtype: Any = None) -> Any:
        if dtype is not None or not x.ndim:
            raise WengertTypeError(f"{name} takes an array and an axis")
        return _stepped(EXTREMES[name], (x,), (_axis(x, axis),), x.shape)

    return running


def _differences(x: Any, axis: int = 0, dtype: Any = None) -> Any:
    """x_0 - x_1 - ... - x_k."""
    at = _axis(x, axis)
    first = x[(slice(None),) * at + (slice(0, 1),)]
    return 2 * first - np.cumsum(x, axis=at)


def _length(x: Any, axis: Any = 0, dtype: Any = None, keepdims: Any = False) -> Any:
    return np.sqrt(np.sum(x**2, axis=axis, keepdims=keepdims))


# -- quantiles ----------------------------------------------------------------------------------
def _quantile(scale: float) -> Callable[..., Any]:
    def quantile(a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False, **more: Any) -> Any:
        if hasattr(q, "source") or more or method != "linear" or not hasattr(a, "source"):
            return NotImplemented
        if np.ndim(q):
            each = [quantile(a, float(one), axis, method, keepdims) for one in np.ravel(q)]
            return NotImplemented if any(r is NotImplemented for r in each) else np.stack(each)
        level = float(q) / scale
        if not 0 <= level <= 1:
            raise WengertValueError(f"a quantile lies between 0 and {scale:g}, got {q}")
        if isinstance(axis, (tuple, list)) or (axis is not None and not isinstance(axis, int)):
            return NotImplemented
        rows = np.ravel(a) if axis is None and a.ndim > 1 else a
        at = 0 if axis is None else _axis(a, axis)
        size = rows.shape[at] if rows.ndim else 1
        if not isinstance(size, Dim):
            return NotImplemented
        found = _weighed(np.sort(rows, axis=at), level, at)
        if not keepdims:
            return found
        return np.reshape(found, (1,) * a.ndim) if axis is None else np.expand_dims(found, at)

    return quantile


def _weighed(ordered: Any, level: float, at: int) -> Any:
    """The sorted entries around a place, weighed by how near they are: 1 - distance, where that is positive."""
    from wengert.symbolic.expression import Expression

    size = ordered.shape[at]
    near = np.maximum(1 - abs(Expression(pattern("arange", (size,))) - level * (size - 1)), 0)
    if ordered.ndim == 1:
        return near @ ordered
    return np.sum(np.moveaxis(ordered, at, -1) * near, axis=-1)


def _median(a: Any, axis: Any = None, keepdims: bool = False, **more: Any) -> Any:
    return _quantile(1.0)(a, 0.5, axis, "linear", keepdims, **more)


# -- choices ------------------------------------------------------------------------------------
def _piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **options: Any) -> Any:
    """A function or number for each condition, the last condition that holds counts; 0 where none does."""
    if not isinstance(condlist, (list, tuple)):
        condlist = [condlist]
    functions = list(funclist)
    if len(functions) not in (len(condlist), len(condlist) + 1):
        raise WengertValueError(f"piecewise with {len(condlist)} conditions takes as many functions or one more")
    default = functions.pop() if len(functions) > len(condlist) else 0.0
    found = _piece(default, x, args, options)
    for condition, function in zip(condlist, functions, strict=True):
        found = np.where(condition, _piece(function, x, args, options), found)
    return found


def _piece(function: Any, x: Any, args: Any, options: Any) -> Any:
    """One piece at all entries; it must be made of element-wise steps, as it is called with some entries only."""
    if not callable(function):
        return function + 0 * x
    found = function(x, *args, **options)
    if not hasattr(found, "source"):
        return found + 0 * x
    if type(found.source) is not Const:
        before = {x.source, *steps_of([x.source])}
        for node in steps_of([found.source]):
            if (
                node not in before
                and node.args
                and node.op.kind not in (ELEMENTWISE, CONSTANT)
                and node.op.name != "where"
            ):
                raise NoRuleError(f"piecewise calls a function with {node.op.name}, which is no function of each entry")
    return found


# -- the table ----------------------------------------------------------------------------------
COMPOSED: dict[Any, Callable[..., Any]] = {
    np.interp: _interp,
    np.piecewise: _piecewise,
    np.median: _median,
    np.quantile: _quantile(1.0),
    np.percentile: _quantile(100.0),
    np.nanmedian: _median,
    np.nanquantile: _quantile(1.0),
    np.nanpercentile: _quantile(100.0),
    np.subtract.accumulate: _differences,
    np.hypot.reduce: _length,
    **{getattr(np, name.split(".")[0]).accumulate: _running(name) for name in EXTREMES},
}
"""What these functions are of expressions; NotImplemented leaves a call to the recording of NumPy's function."""


def _axis(x: Any, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        raise WengertValueError(f"axis {axis} of an array of {x.ndim} axes")
    return axis % x.ndim


def _array(value: Any) -> Any:
    if hasattr(value, "source"):
        return value
    if isinstance(value, (list, tuple)) and any(hasattr(v, "source") for v in value):
        return np.stack([v if hasattr(v, "source") else np.asarray(v, dtype=float) for v in value])
    return np.asarray(value, dtype=float)


def _stepped(op: Op, values: Sequence[Any], params: tuple[Any, ...], shape: Any) -> Any:
    """The step of an operation of this room."""
    from wengert.symbolic.expression import Expression, operand_of

    return Expression(step(op, [operand_of(v) for v in values], params, ArrayType(tuple(shape)), here(3)))


__all__ = ["COMPOSED"]
