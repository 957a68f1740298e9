"""Everyday methods of Tensors that are NumPy's functions, or a line of them, by PyTorch's names and conventions.

Imports ops, ``bridge``. Invariant: a method records like the functions it is made of; what PyTorch returns as a pair of
values and indices is such a pair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.ops.gamma import digamma as _digamma
from wengert.ops.gamma import erf, erfc, lgamma
from wengert.tensor import draws
from wengert.tensor.bridge import outward, through
from wengert.tensor.picked import _integers
from wengert.tensor.tensor import Tensor, plain

Axes = int | Sequence[int] | None


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if "dim" in kwargs:
            kwargs["axis"] = kwargs.pop("dim")
        return through(function, (self, *args), kwargs)

    method.__name__, method.__doc__ = name, f"``np.{function.__name__}`` of the Tensor."
    return method


def _composed(function: Callable[..., Any], name: str, what: str) -> Callable[..., Any]:
    def method(self: Tensor) -> Any:
        return through(function, (self,))

    method.__name__, method.__doc__ = name, what
    return method


def _reduced(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def method(self: Tensor, dim: Axes = None, keepdim: bool = False) -> Any:
        axis = tuple(dim) if isinstance(dim, (list, tuple)) else dim
        return through(function, (self,), {"axis": axis or None if axis == () else axis, "keepdims": keepdim})

    method.__name__, method.__doc__ = name, f"``np.{function.__name__}`` over the axes ``dim``."
    return method


def _named_all() -> dict[str, Callable[..., Any]]:
    same = (
        "absolute angle arctan2 broadcast_to conj copysign corrcoef cov deg2rad diff fliplr flipud float_power fmax "
        "fmin fmod heaviside hypot i0 inner isclose isneginf isposinf isreal kron ldexp logaddexp2 logical_and "
        "logical_not logical_or logical_xor moveaxis nextafter positive rad2deg rot90 signbit sinc tile trunc vdot"
    )
    methods = {name: _named(getattr(np, name), name) for name in same.split()}
    other: dict[str, Any] = {
        "bitwise_and": np.bitwise_and,
        "bitwise_not": np.bitwise_not,
        "bitwise_or": np.bitwise_or,
        "bitwise_xor": np.bitwise_xor,
        "cholesky": np.linalg.cholesky,
        "fix": np.trunc,
        "greater": np.greater,
        "greater_equal": np.greater_equal,
        "less": np.less,
        "less_equal": np.less_equal,
        "not_equal": np.not_equal,
        "matrix_power": np.linalg.matrix_power,
        "pinverse": np.linalg.pinv,
        "qr": np.linalg.qr,
        "sgn": np.sign,
        "slogdet": np.linalg.slogdet,
        "swapdims": np.swapaxes,
    }
    methods.update({name: _named(function, name) for name, function in other.items()})
    reductions: dict[str, Any] = {
        "amax": np.max,
        "amin": np.min,
        "nanmean": np.nanmean,
        "nansum": np.nansum,
        "count_nonzero": np.count_nonzero,
    }
    methods.update({name: _reduced(function, name) for name, function in reductions.items()})
    short = {
        "erf": (erf, "The error function."),
        "erfc": (erfc, "One less the error function."),
        "lgamma": (lgamma, "The logarithm of the absolute value of the gamma function."),
        "digamma": (_digamma, "The derivative of the logarithm of the gamma function."),
        "frac": (lambda x: x - np.trunc(x), "What is behind the point."),
        "logdet": (_logdet, "The logarithm of the determinant (NaN where that is negative)."),
        "logit": (lambda x: np.log(x / (1.0 - x)), "log(x / (1 - x))."),
        "argwhere": (np.argwhere, "The indices of the elements that are not zero, a row each."),
        "nonzero": (np.argwhere, "The indices of the elements that are not zero, a row each, as in PyTorch."),
        "diagflat": (np.diagflat, "A matrix with the elements on its diagonal."),
        "msort": (lambda x: np.sort(x, axis=0), "Sorted along the first axis."),
    }
    methods.update({name: _composed(function, name, what) for name, (function, what) in short.items()})
    return methods


def _logdet(a: Any) -> Any:
    sign, logarithm = np.linalg.slogdet(a)
    return np.where(sign >= 0, logarithm, np.nan)


def aminmax(self: Tensor, dim: int | None = None, keepdim: bool = False) -> tuple[Any, Any]:
    """The smallest and the largest elements."""
    options = {"axis": dim, "keepdims": keepdim}
    return through(np.min, (self,), options), through(np.max, (self,), options)


def _at(self: Tensor, place: Any, dim: int) -> Any:
    """The elements along ``dim`` whose numbers are given, and these."""
    return through(np.take_along_axis, (self, place), {"axis": dim}), outward(place)


def _along(pair: tuple[Any, Any], dim: int, keepdim: bool) -> tuple[Any, Any]:
    return pair if keepdim else (pair[0].squeeze(dim), pair[1].squeeze(dim))


def kthvalue(self: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Any, Any]:
    """The ``k``-th smallest elements along ``dim`` (from 1 on), and where they were."""
    place = np.take(np.argsort(plain(self), axis=dim, kind="stable"), [k - 1], axis=dim)
    return _along(_at(self, place, dim), dim, keepdim)


def median(self: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, of two in the middle the lower one, as in PyTorch (``np.median(t)`` is their mean); with ``dim`` a
    pair of values and indices.
    """
    if dim is None:
        return kthvalue(self.reshape(-1), (self.numel() + 1) // 2, 0)[0]  # type: ignore[attr-defined]
    return kthvalue(self, (self.shape[dim] + 1) // 2, dim, keepdim)


def quantile(self: Tensor, q: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """``np.quantile``, which interpolates linearly."""
    return through(np.quantile, (self, plain(q)), {"axis": dim, "keepdims": keepdim})


def _running(larger: Callable[..., Any]) -> Callable[..., Any]:
    def running(self: Tensor, dim: int) -> tuple[Any, Any]:
        values = np.moveaxis(np.asarray(plain(self)), dim, 0)
        place = np.zeros(values.shape, int)
        for k in range(1, len(values)):
            best = np.take_along_axis(values, place[k - 1][None], 0)[0]
            place[k] = np.where(larger(values[k], best) | np.isnan(values[k]), k, place[k - 1])
        return _at(self, np.moveaxis(place, 0, dim), dim)

    running.__doc__ = "The extremum so far along ``dim``, and where it is."
    return running


def logcumsumexp(self: Tensor, dim: int) -> Any:
    """The logarithm of the running sum of exponentials."""
    return through(np.logaddexp.accumulate, (self,), {"axis": dim})


def xlogy(self: Tensor, other: Any) -> Any:
    """``self * log(other)``, 0 where ``self`` is 0."""
    return through(_xlogy, (self, other))


def _xlogy(x: Any, y: Any) -> Any:
    here = np.logical_and(x == 0, np.logical_not(np.isnan(y)))
    return np.where(here, 0.0, x * np.log(np.where(here, 1.0, y)))


def dist(self: Tensor, other: Any, p: float = 2) -> Any:
    """The ``p``-norm of the difference."""
    return (self - other).norm(p)


def where(self: Tensor, condition: Any, other: Any) -> Any:
    """The elements where the condition is True, those of ``other`` elsewhere."""
    return through(np.where, (condition, self, other))


def repeat_interleave(self: Tensor, repeats: Any, dim: int | None = None) -> Any:
    """Every element (or slice along ``dim``) as often as ``repeats`` says."""
    times = repeats if isinstance(repeats, int) else _integers(repeats, "repeat_interleave")
    return through(np.repeat, (self, times), {"axis": dim})


def diag_embed(self: Tensor) -> Any:
    """Matrices with the last axis on their diagonals."""
    return through(lambda x: x[..., None] * np.eye(x.shape[-1], dtype=x.dtype), (self,))


def sum_to_size(self: Tensor, *size: Any) -> Any:
    """Summed over the axes that broadcasting from ``size`` would have made."""
    wanted = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    lead = self.ndim - len(wanted)
    axes = (*range(lead), *(k + lead for k, n in enumerate(wanted) if n == 1 and self.shape[k + lead] != 1))
    whole: Any = self
    return (whole.sum(axes, True) if axes else whole).reshape(wanted)


def unique(self: Tensor, *, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The different elements in order, as constants."""
    find: Any = np.unique
    return outward(find(np.asarray(plain(self)), return_inverse=return_inverse, return_counts=return_counts))


def allclose(self: Tensor, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all elements are close."""
    return bool(np.allclose(plain(self), plain(other), rtol, atol, equal_nan))


def equal(self: Tensor, other: Any) -> bool:
    """Whether shapes and all elements are equal."""
    return bool(np.array_equal(plain(self), plain(other)))


def addmm(self: Tensor, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * self + alpha * (a @ b)``."""
    return beta * self + alpha * (a @ b)  # type: ignore[operator]


def addr(self: Tensor, a: Any, b: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """``beta * self + alpha * outer(a, b)``."""
    return beta * self + alpha * a.outer(b)  # type: ignore[operator]


def addcmul(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Any:
    """``self + value * a * b``."""
    return self + value * a * b


def addcdiv(self: Tensor, a: Any, b: Any, *, value: float = 1) -> Any:
    """``self + value * a / b``."""
    return self + value * a / b


def new_full(self: Tensor, size: Any, fill_value: Any) -> Tensor:
    """One value everywhere, of the same dtype."""
    return Tensor(np.full(size, fill_value, self.dtype)[()])


def normal(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Any:
    """Normal random numbers of the same shape: what ``normal_`` puts in the place of the elements."""
    return mean + std * (generator or draws.source()).standard_normal(self.shape)


def uniform(self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Any:
    """Random numbers between two bounds of the same shape: what ``uniform_`` puts in the place of the elements."""
    return low + (high - low) * (generator or draws.source()).random(self.shape)


METHODS: dict[str, Callable[..., Any]] = {
    **_named_all(),
    "addcdiv": addcdiv,
    "addcmul": addcmul,
    "addmm": addmm,
    "addmv": addmm,
    "addr": addr,
    "allclose": allclose,
    "aminmax": aminmax,
    "baddbmm": addmm,
    "clamp_max": lambda self, max: self.clamp(max=max),  # noqa: A006  PyTorch's name
    "clamp_min": lambda self, min: self.clamp(min=min),  # noqa: A006
    "cummax": _running(np.greater_equal),
    "cummin": _running(np.less_equal),
    "diag_embed": diag_embed,
    "dist": dist,
    "equal": equal,
    "kthvalue": kthvalue,
    "logcumsumexp": logcumsumexp,
    "median": median,
    "quantile": quantile,
    "repeat_interleave": repeat_interleave,
    "sum_to_size": sum_to_size,
    "unique": unique,
    "where": where,
    "xlogy": xlogy,
    "new_full": new_full,
    "new_empty": lambda self, *size: self.new_zeros(*size),
    "new_tensor": lambda self, data: Tensor(np.array(plain(data), self.dtype)[()]),
    "element_size": lambda self: self.dtype.itemsize,
    "nelement": lambda self: self.numel(),
    "ndimension": lambda self: self.ndim,
    "is_complex": lambda self: self.dtype.kind == "c",
    "is_contiguous": lambda self: True,
    "is_nonzero": bool,
    "is_same_size": lambda self, other: self.shape == other.shape,
}
IN_PLACE: dict[str, Callable[..., Any]] = {"normal_": normal, "uniform_": uniform}
PROPERTIES: dict[str, Callable[[Any], Any]] = {
    "device": lambda self: "cpu",
    "is_cuda": lambda self: False,
    "itemsize": lambda self: self.dtype.itemsize,
    "nbytes": lambda self: self.dtype.itemsize * self.numel(),
    "retains_grad": lambda self: (
        not self.is_leaf and getattr(self, "_extra", None) is not None and bool(self._extra.retains)
    ),
    "H": lambda self: self.conj().t(),
    "mH": lambda self: self.conj().mT,
}
