"""The functions that both parsers know by name: NumPy's own, and those that are composed of them.

Imports expression, ops. Invariant: nothing is looked up anywhere but in these tables, and a word does to expressions
what it does to arrays in a traced program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError
from wengert.core.op import OPS
from wengert.ops.gamma import digamma
from wengert.symbolic.build import eye, ones, pattern, zero
from wengert.symbolic.evaluate import text_shape
from wengert.symbolic.expression import METHODS as OF_ARRAYS
from wengert.symbolic.expression import Expression, call, operate
from wengert.symbolic.graphs_record import check_shapes

Word = Callable[..., Any]


def _elementwise(function: Word) -> Word:
    return lambda *args: operate(function, *args)


def _operation(name: str) -> Word:
    """An operation of the core that NumPy has no name for."""
    return _elementwise(OPS[name].record)


def _numpy(function: Word, word: str) -> Word:
    return lambda *args, **options: call(function, args, options, word)


def axis_of(value: Any) -> Any:
    """An axis argument: an int, a tuple of ints or None."""
    if value is None or isinstance(value, (int, tuple)):
        return value
    raise WengertTypeError(f"axis takes a number, got {value!r}")


def _reduction(name: str) -> Word:
    function = getattr(np, name)

    def reduced(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
        axis = axis_of(axis)
        for a in () if axis is None else axis if isinstance(axis, tuple) else (axis,):
            if not isinstance(a, int) or not -x.ndim <= a < x.ndim:
                raise WengertValueError(f"axis {a} of an array of shape {text_shape(x.shape)}")
        return call(function, (x,), {"axis": axis, "keepdims": bool(keepdims), **options}, name)

    return reduced


def _average(x: Any, axis: Any = None, weights: Any = None, **options: Any) -> Any:
    return call(np.average, (x,), {"axis": axis_of(axis), "weights": weights, **options}, "average")


def _log_beta(a: Any, b: Any) -> Any:
    log_gamma = FUNCTIONS["lgamma"]
    return log_gamma(a) + log_gamma(b) - log_gamma(a + b)


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return call(OPS["logaddexp_reduce"].record, (x, axis_of(axis), bool(keepdims)), {}, "logsumexp")


def _softmax(x: Any, axis: Any = ...) -> Any:
    if axis is ...:
        if x.ndim > 1:
            raise WengertValueError("softmax of a matrix needs its axis: write softmax(Z, axis=1) for rows")
        axis = None
    shifted = np.exp(x - FUNCTIONS["max"](x, axis=axis, keepdims=True))
    return shifted / np.sum(shifted, axis=axis, keepdims=True)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if isinstance(ord, Expression):  # the order of a vector norm may be a variable
        if ord.ndim or (axis is None and x.ndim != 1) or isinstance(axis, tuple):
            raise WengertValueError("a norm of symbolic order is that of a vector, and its order a number")
        powers = abs(x) ** ord
        return powers.sum(axis=axis_of(axis), keepdims=bool(keepdims)) ** (1 / ord)
    return np.linalg.norm(x, ord, axis_of(axis), bool(keepdims)) if x.ndim else abs(x)


def _square(name: str, x: Any) -> None:
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise WengertValueError(f"{name} needs a square matrix, got shape {text_shape(x.shape)}")


def _of_square(name: str, function: Word) -> Word:
    stacked = name in SQUARE

    def applied(x: Any, *args: Any, **options: Any) -> Any:
        if not stacked or x.ndim < 3 or x.shape[-1] != x.shape[-2]:
            _square(name, x)
        return call(function, (x, *args), options, name)

    return applied


def _matrix_power(x: Any, p: Any) -> Any:
    if not isinstance(p, int):
        raise WengertTypeError("a matrix power needs a whole number as exponent")
    _square("a matrix power", x)
    if p == 0:
        return Expression(eye(x.shape[0]))
    return np.linalg.matrix_power(x, p)


def _diag(x: Any, k: int = 0) -> Any:
    if x.ndim != 1:
        _square("diag", x)
    return np.diag(x, k)


def _outer(a: Any, b: Any) -> Any:
    if a.ndim != 1 or b.ndim != 1:
        raise WengertValueError(f"outer needs two vectors, got shapes {text_shape(a.shape)} and {text_shape(b.shape)}")
    return np.outer(a, b)


def _dot(a: Any, b: Any) -> Any:
    if a.ndim in (1, 2) and b.ndim in (1, 2):
        check_shapes(np.matmul, (a.shape, b.shape))
    return np.dot(a, b)


MOST_NUMBERS = 4_000_000


def _bounded(*sizes: Any) -> None:
    """Raise WengertValueError for a constant array that would fill the memory."""
    if math.prod(d for d in sizes if isinstance(d, int)) > MOST_NUMBERS:
        raise WengertValueError(f"a constant array of more than {MOST_NUMBERS} entries")


def _same(make: Callable[[Any], Any]) -> Word:
    def made(size: Any) -> Any:
        _bounded(*(size if isinstance(size, tuple) else (size, size)))
        return Expression(make(size))

    return made


def _full(shape: Any, value: Any) -> Any:
    return FUNCTIONS["ones"](shape if isinstance(shape, tuple) else (shape,)) * value


def _array(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return np.stack([_array(v) for v in value])


def _tri(rows: Any, columns: Any = None, k: int = 0) -> Any:
    _bounded(rows, rows if columns is None else columns)
    return Expression(pattern("tri", (rows, rows if columns is None else columns), k))


def _arange(first: Any, last: Any = None) -> Any:
    start, count = (0, first) if last is None else (first, last - first)
    _bounded(count)
    return Expression(pattern("arange", (count,))) + start


def _linspace(first: Any, last: Any, number: Any = 50) -> Any:
    return first + (last - first) * (_arange(number) / (number - 1))


def _words(text: str) -> list[str]:
    return text.split()


UFUNCS = _words(
    "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh "
    "asin acos atan asinh acosh atanh atan2 arctan2 hypot sqrt cbrt square reciprocal sign abs absolute fabs floor "
    "ceil trunc rint maximum minimum fmax fmin logaddexp logaddexp2 negative positive add subtract multiply divide "
    "true_divide power pow float_power mod remainder fmod floor_divide copysign heaviside deg2rad radians rad2deg "
    "degrees matmul matvec vecmat vecdot greater greater_equal less less_equal equal not_equal logical_and "
    "logical_or logical_not"
)
LEADING: dict[str, int] = {
    **dict.fromkeys(
        _words(
            "prod cumsum cumprod cumulative_sum cumulative_prod sort partition median quantile percentile tril triu "
            "reshape ravel expand_dims squeeze swapaxes moveaxis rollaxis transpose permute_dims matrix_transpose "
            "repeat tile roll flip fliplr flipud rot90 diff ediff1d gradient pad round around ptp nansum "
            "nanmean take broadcast_to atleast_1d atleast_2d atleast_3d split array_split diagflat diagonal vander "
            "ones_like zeros_like copy sinc i0 argmax argmin argsort real imag conj nan_to_num angle unwrap nancumsum "
            "nancumprod nanprod nanmax nanmin nanstd nanvar nanmedian nanquantile nanpercentile any all count_nonzero "
            "split array_split hsplit vsplit dsplit unstack insert delete isnan fix modf"
        ),
        1,
    ),
    **dict.fromkeys(
        _words(
            "kron inner vdot tensordot cross convolve correlate cov corrcoef polyval append divmod take_along_axis "
            "searchsorted digitize polyfit trapezoid"
        ),
        2,
    ),
    "interp": 3,
    **dict.fromkeys(_words("einsum clip where full_like select"), 9),
    **dict.fromkeys(_words("concatenate concat stack hstack vstack dstack column_stack block multi_dot"), 1),
}
"""Functions of NumPy as they are, with the number of arguments that are arrays; those behind are axes and sizes."""
LINALG: dict[str, int] = {
    **dict.fromkeys(_words("pinv svd svdvals qr matrix_norm vector_norm cond"), 1),
    **dict.fromkeys(_words("solve lstsq tensorsolve"), 2),
}
SQUARE = {"cholesky": 1, "eig": 1, "eigvals": 1, "eigvalsh": 1, "eigh": 1, "inv": 1, "det": 1, "slogdet": 1, "solve": 2}
SEQUENCES = {"concatenate", "concat", "stack", "hstack", "vstack", "row_stack", "dstack", "column_stack", "block",
             "multi_dot", "select", "polyval", "interp", "piecewise", "array", "asarray", "searchsorted",
             "digitize"}  # fmt: skip
"""Functions whose first argument may be a list of arrays."""


TRANSFORMS = tuple(
    _words("fft ifft rfft irfft hfft ihfft fft2 ifft2 fftn ifftn rfft2 irfft2 rfftn irfftn fftshift ifftshift")
)
"""Fourier transforms, called as ``np.fft.rfft``."""


def _looked_up(name: str) -> Word:
    return _numpy(getattr(np, name, None) or getattr(np.linalg, name), name)


FUNCTIONS: dict[str, Word] = {
    **{n: _elementwise(getattr(np, n)) for n in UFUNCS},
    **{n: _looked_up(n) for n in (*LEADING, *LINALG)},
    **{n: _of_square(n, getattr(np.linalg, n)) for n in SQUARE},
    **{n: _operation(n) for n in ("sigmoid", "softplus", "erf", "erfc", "relu")},
    "expit": _operation("sigmoid"),
    "gammaln": _operation("lgamma"),
    "lgamma": _operation("lgamma"),
    "loggamma": _operation("lgamma"),
    "gamma": _operation("gamma"),
    "factorial": lambda x: operate(OPS["gamma"].record, x + 1),
    "betaln": _log_beta,
    "beta": lambda a, b: np.exp(_log_beta(a, b)),
    "xlogy": lambda x, y: x * np.log(y),
    "entr": lambda x: -x * np.log(x),
    "logit": lambda p: np.log(p / (1 - p)),
    "ndtr": lambda x: (1 + operate(OPS["erf"].record, x / 2**0.5)) / 2,
    "sec": lambda x: 1 / np.cos(x),
    "csc": lambda x: 1 / np.sin(x),
    "cot": lambda x: 1 / np.tan(x),
    "digamma": _elementwise(digamma),
    "psi": _elementwise(digamma),
    "ln": _elementwise(np.log),
    "sum": _reduction("sum"),
    "mean": _reduction("mean"),
    "average": _average,
    "var": _reduction("var"),
    "std": _reduction("std"),
    "max": _reduction("max"),
    "min": _reduction("min"),
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": lambda x, axis=...: np.log(_softmax(x, axis)),
    "norm": _norm,
    "logdet": lambda x: FUNCTIONS["slogdet"](x)[1],
    "trace": _of_square("trace", np.trace),
    "diag": _diag,
    "diagonal": _of_square("diagonal", np.diagonal),
    "outer": _outer,
    "dot": _dot,
    "matrix_power": _matrix_power,
    "vec": _numpy(np.ravel, "vec"),
    "flatten": _numpy(np.ravel, "flatten"),
    "row_stack": _numpy(np.vstack, "row_stack"),
    "ones": _same(ones),
    "zeros": _same(zero),
    "eye": _same(eye),
    "identity": _same(eye),
    "full": _full,
    "tri": _tri,
    "arange": _arange,
    "linspace": _linspace,
    "piecewise": _numpy(np.piecewise, "piecewise"),
    "array": _array,
    "asarray": _array,
    **{f"fft.{n}": _numpy(getattr(np.fft, n), f"fft.{n}") for n in TRANSFORMS},
}  # fmt: skip
ARRAYS: dict[str, int] = {
    **dict.fromkeys(UFUNCS, 9),
    **LEADING,
    **LINALG,
    **SQUARE,
    **dict.fromkeys(_words("sum mean average var std max min amax amin logsumexp softmax log_softmax norm"), 1),
    **dict.fromkeys(_words("trace diag diagonal matrix_power"), 1),
    **dict.fromkeys(_words("ones zeros eye identity full row_stack tri arange linspace"), 0),
    **dict.fromkeys((f"fft.{n}" for n in TRANSFORMS), 1),
}
"""How many arguments of a word are arrays (all, where a word is not listed)."""
METHODS = frozenset(OF_ARRAYS)
"""What may be called on an array of a formula: ``x.sum()``."""


def reduced_by(ufunc: str, method: str) -> Word | None:
    """A method of an element-wise function: ``np.logaddexp.reduce``, ``np.subtract.outer``."""
    if ufunc not in UFUNCS or method not in ("reduce", "accumulate", "outer"):
        return None
    found = getattr(np, ufunc)
    return _numpy(getattr(found, method), f"{ufunc}.{method}") if found.signature is None else None


def method_of(owner: Expression, name: str) -> Word:
    """A method of an array; those that a function checks first go through it."""
    if name in ("sum", "mean", "var", "std", "max", "min", "trace", "diagonal"):
        return lambda *args, **options: FUNCTIONS[name](owner, *args, **options)
    found: Word = getattr(owner, name)
    return found
