"""Operators and methods of Tensors: NumPy's, and PyTorch's spellings where they differ.

Imports core, ops, numpy_api, and the other files of this room. Invariant: nothing else sets attributes on the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, error_at
from wengert.core.handle import is_handle
from wengert.numpy_api.table import UFUNCS
from wengert.ops import arithmetic, compare, contract, reduce
from wengert.ops.gates import sigmoid, softplus
from wengert.ops.piecewise import relu
from wengert.tensor import everyday, inplace, picked, scattered
from wengert.tensor.bridge import QUICK, array_function, array_ufunc, outward, through
from wengert.tensor.composed import clamp, log_softmax, logsumexp, masked_fill, norm, repeat, softmax
from wengert.tensor.copies import clone, to, tolist, zero_grad
from wengert.tensor.fast import general
from wengert.tensor.fast import recording_function as fast
from wengert.tensor.shapes import (
    chunk,
    expand,
    flatten,
    permute,
    reshape,
    size,
    split,
    squeeze,
    transpose,
    transposed,
    unsqueeze,
)
from wengert.tensor.tensor import Tensor, plain

_BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.divide,
    "mod": arithmetic.remainder,
    "pow": arithmetic.power,
    "floordiv": compare.floor_divide,
    "matmul": contract.matmul,
    "and": compare.bitwise_and,
    "or": compare.bitwise_or,
    "xor": compare.bitwise_xor,
}
_COMPARISONS = {
    "lt": compare.less,
    "le": compare.less_equal,
    "gt": compare.greater,
    "ge": compare.greater_equal,
    "eq": compare.equal,
    "ne": compare.not_equal,
}
_UNARY = (
    "exp",
    "expm1",
    "exp2",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "square",
    "reciprocal",
    "sign",
    "floor",
    "ceil",
    "rint",
    "isnan",
    "isfinite",
    "isinf",
)
_SYNONYMS = {
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "round_half_even": "rint",
}
_NAMED_BINARY = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "subtract": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "multiply": arithmetic.multiply,
    "div": arithmetic.divide,
    "divide": arithmetic.divide,
    "true_divide": arithmetic.divide,
    "pow": arithmetic.power,
    "matmul": contract.matmul,
    "mm": contract.matmul,
    "mv": contract.matmul,
    "bmm": contract.matmul,
    "remainder": arithmetic.remainder,
    "floor_divide": compare.floor_divide,
    "lt": compare.less,
    "le": compare.less_equal,
    "gt": compare.greater,
    "ge": compare.greater_equal,
    "eq": compare.equal,
    "ne": compare.not_equal,
}
Axes = int | Sequence[int] | None


def _axis(dim: Axes, axis: Axes) -> Any:
    if dim is not None and axis is not None:
        raise error_at(WengertTypeError, "both dim and axis were given", fix="give one of them", depth=4)
    found = axis if dim is None else dim
    return tuple(found) if isinstance(found, list) else found


_sum, _mean = fast(reduce.sum.op), fast(reduce.mean.op)


def _reduction(quick: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reduced(
        self: Tensor,
        dim: Axes = None,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
        dtype: Any = None,
    ) -> Any:
        if dtype is not None:
            self = to(self, dtype)
        return quick(self, _axis(dim, axis), bool(keepdim or keepdims))

    reduced.__name__, reduced.__doc__ = name, f"The {name} over the axes ``dim`` (or ``axis``; all of them)."
    return reduced


def _over(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def reduced(
        self: Tensor, dim: Axes = None, keepdim: bool = False, *, axis: Axes = None, keepdims: bool = False
    ) -> Any:
        return through(function, (self,), {"axis": _axis(dim, axis), "keepdims": bool(keepdim or keepdims)})

    reduced.__name__, reduced.__doc__ = name, f"``np.{function.__name__}`` over the axes ``dim``."
    return reduced


def _extremum(name: str, function: Any, where: Any, of_two: Any) -> Callable[..., Any]:
    def reduced(
        self: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Axes = None, keepdims: bool = False
    ) -> Any:
        if isinstance(dim, Tensor):
            return through(of_two, (self, dim))
        keep = bool(keepdim or keepdims)
        values = through(function, (self,), {"axis": _axis(dim, axis), "keepdims": keep})
        if dim is None:
            return values
        return values, outward(where(plain(self), axis=dim, keepdims=keep))

    reduced.__name__ = name
    reduced.__doc__ = (
        "The extremum; with ``dim`` a pair of values and indices, as in PyTorch (``axis=`` gives the values alone)."
    )
    return reduced


def _spread(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduced(
        self: Tensor,
        dim: Axes = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        axis: Axes = None,
        keepdims: bool = False,
        correction: float | None = None,
        ddof: float | None = None,
    ) -> Any:
        less = correction if correction is not None else ddof if ddof is not None else 1.0 if unbiased else 0.0
        return through(
            function, (self,), {"axis": _axis(dim, axis), "keepdims": bool(keepdim or keepdims), "ddof": less}
        )

    reduced.__name__ = function.__name__
    reduced.__doc__ = "As in PyTorch divided by n - 1 unless ``unbiased=False`` (``np.var``, ``np.std`` divide by n)."
    return reduced


def _filled(value: Any) -> Callable[..., Any]:
    def fill(self: Tensor, *given: Any) -> Any:
        content = plain(given[0]) if value is None else value
        if is_handle(content):
            return np.broadcast_to(content.astype(self.dtype), self.shape)
        return np.full(self.shape, content, self.dtype)[()]

    return fill


def _copied_from(self: Tensor, source: Any) -> Any:
    if is_handle(source) or (isinstance(source, Tensor) and source.shape == self.shape):
        return source
    value = plain(source)
    return value if is_handle(value) else np.asarray(value)


_THROUGH: dict[str, Callable[..., Any]] = {
    "argsort": np.argsort,
    "dot": np.dot,
    "outer": np.outer,
    "diagonal": np.diagonal,
    "trace": np.trace,
    "diag": np.diag,
    "flip": np.flip,
    "roll": np.roll,
    "ravel": np.ravel,
    "clip": np.clip,
    "tril": np.tril,
    "triu": np.triu,
    "cross": np.cross,
    "det": np.linalg.det,
    "inverse": np.linalg.inv,
    "take": np.take,
    "swapaxes": np.swapaxes,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "nan_to_num": np.nan_to_num,
    "where_values": np.where,
    "atan2": np.arctan2,
    "logaddexp": np.logaddexp,
}


def _general(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if "dim" in kwargs:
            kwargs["axis"] = kwargs.pop("dim")
        return through(function, (self, *args), kwargs)

    method.__name__, method.__doc__ = name, f"``np.{function.__name__}`` of the Tensor."
    return method


def _scaled(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """``t.add(other, alpha=2)``: PyTorch's sums with a multiple."""

    def method(self: Tensor, other: Any, *, alpha: float | None = None) -> Any:
        return function(self, other if alpha is None else other * alpha)

    method.__name__, method.__doc__ = name, f"``{name}`` of the Tensor and ``alpha`` times another one."
    return method


_IN_PLACE = (
    "add sub mul div pow clamp exp log sqrt sin cos tanh sigmoid relu neg abs square masked_fill reciprocal floor ceil "
    "clip subtract multiply divide true_divide floor_divide remainder exp2 expm1 log2 log10 log1p tan sinh cosh asin "
    "acos atan asinh acosh atanh arcsin arccos arctan negative absolute sign round trunc fix frac erf erfc rsqrt lerp "
    "nan_to_num clamp_min clamp_max addcmul addcdiv addmm tril triu cumsum cumprod atan2 arctan2 fmod hypot copysign "
    "float_power logit sinc deg2rad rad2deg lgamma digamma conj sgn"
)


def _set(name: str, function: Any) -> None:
    setattr(Tensor, name, function)


def _families() -> None:
    for family in (picked, everyday, scattered):
        for name, function in family.METHODS.items():
            _set(name, function)
    for family in (everyday, scattered):
        for name, function in family.PROPERTIES.items():
            _set(name, property(function))
        for name, function in family.IN_PLACE.items():
            _set(name, inplace.in_place(function, name))


def install() -> None:
    """Attach everything; called once, by ``wengert/__init__``, after the operations have been loaded."""
    _set("__array_ufunc__", array_ufunc)
    _set("__wengert_operation__", staticmethod(general))
    _set("__array_function__", array_function)
    for name, record in _BINARY.items():
        forward = fast(record.op, "operator")
        _set(f"__{name}__", forward)
        _set(f"__r{name}__", fast(record.op, "reflected"))
        _set(f"__i{name}__", inplace.in_place(forward, f"t {name}= ..."))
    for name, record in _COMPARISONS.items():
        _set(f"__{name}__", fast(record.op, "operator"))
    for ufunc, record in UFUNCS.items():
        op = getattr(record, "op", None)
        if op is not None and not op.params and len(op.inputs) == ufunc.nin and not op.outputs:
            QUICK[ufunc] = fast(op)
    for name in _UNARY:
        _set(name, QUICK.get(getattr(np, name)) or _general(getattr(np, name), name))
    for name, known in _SYNONYMS.items():
        _set(name, getattr(Tensor, known))
    for name, record in _NAMED_BINARY.items():
        _set(name, fast(record.op))
    for name, record in {
        "neg": arithmetic.negative,
        "negative": arithmetic.negative,
        "relu": relu,
        "sigmoid": sigmoid,
        "softplus": softplus,
    }.items():
        _set(name, fast(record.op))
    _set("__neg__", fast(arithmetic.negative.op))
    _set("__pos__", fast(arithmetic.positive.op))
    _set("__abs__", QUICK[np.absolute])
    _set("abs", QUICK[np.absolute])
    _set("__invert__", lambda self: through(np.invert, (self,)))
    _set("__getitem__", inplace.get_item)
    _set("__setitem__", inplace.set_item)
    for name, function in {
        "reshape": reshape,
        "view": reshape,
        "flatten": flatten,
        "permute": permute,
        "transpose": transpose,
        "t": transposed,
        "unsqueeze": unsqueeze,
        "squeeze": squeeze,
        "expand": expand,
        "size": size,
        "chunk": chunk,
        "split": split,
        "clone": clone,
        "copy": clone,
        "to": to,
        "type": to,
        "astype": to,
        "tolist": tolist,
        "zero_grad": zero_grad,
        "softmax": softmax,
        "log_softmax": log_softmax,
        "logsumexp": logsumexp,
        "clamp": clamp,
        "masked_fill": masked_fill,
        "norm": norm,
        "repeat": repeat,
        "sum": _reduction(_sum, "sum"),
        "mean": _reduction(_mean, "mean"),
        "prod": _over(np.prod, "prod"),
        "all": _over(np.all, "all"),
        "any": _over(np.any, "any"),
        "max": _extremum("max", np.max, np.argmax, np.maximum),
        "min": _extremum("min", np.min, np.argmin, np.minimum),
        "argmax": _over(np.argmax, "argmax"),
        "argmin": _over(np.argmin, "argmin"),
        "var": _spread(np.var),
        "std": _spread(np.std),
        "cumsum": lambda self, dim=None, axis=None: through(np.cumsum, (self,), {"axis": _axis(dim, axis)}),
        "cumprod": lambda self, dim=None, axis=None: through(np.cumprod, (self,), {"axis": _axis(dim, axis)}),
        "round": lambda self, decimals=0: through(np.round, (self, decimals)),
        "dim": lambda self: self.ndim,
        "numel": lambda self: int(np.prod(self.shape)),
        "contiguous": lambda self: self,
        "cpu": lambda self: self,
        "double": lambda self: to(self, np.float64),
        "float": lambda self: to(self, np.float32),
        "long": lambda self: to(self, np.int64),
        "int": lambda self: to(self, np.int32),
        "bool": lambda self: to(self, np.bool_),
        "is_floating_point": lambda self: self.dtype.kind == "f",
    }.items():
        _set(name, function)
    for name, function in _THROUGH.items():
        _set(name, _general(function, name))
    _families()
    _set("T", property(transposed))
    _set("mT", property(lambda self: transpose(self, -1, -2)))
    for name in ("add", "sub", "subtract"):
        _set(name, _scaled(getattr(Tensor, name), name))
    for name in _IN_PLACE.split():
        _set(f"{name}_", inplace.in_place(getattr(Tensor, name), f"{name}_"))
    _set("zero_", inplace.in_place(_filled(0), "zero_"))
    _set("fill_", inplace.in_place(_filled(None), "fill_"))
    _set("copy_", inplace.in_place(_copied_from, "copy_"))


__all__ = ["clone", "install", "log_softmax", "logsumexp", "reshape", "softmax", "to"]
