"""The functions that both parsers know by name: NumPy's own, and those that are composed of them.

Imports expression, ops. Invariant: nothing is looked up anywhere but in these tables, and a word does to expressions
what it does to arrays in a traced program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.core.errors import WengertTypeError, WengertValueError
from wengert.core.op import OPS
from wengert.ops.gamma import digamma
from wengert.symbolic.build import eye, ones, zero
from wengert.symbolic.evaluate import text_shape
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
        return np.sum(abs(x) ** ord, axis=axis_of(axis), keepdims=bool(keepdims)) ** (1 / ord)
    return np.linalg.norm(x, ord, axis_of(axis), bool(keepdims)) if x.ndim else abs(x)


def _square(name: str, x: Any) -> None:
    if x.ndim != 2 or x.shape[0] != x.shape[1]:
        raise WengertValueError(f"{name} needs a square matrix, got shape {text_shape(x.shape)}")


def _of_square(name: str, function: Word) -> Word:
    def applied(x: Any, *args: Any) -> Any:
        _square(name, x)
        return call(function, (x, *args), {}, name)

    return applied


def _matrix_power(x: Any, p: Any) -> Any:
    if not isinstance(p, int):
        raise WengertTypeError("a matrix power needs a whole number as exponent")
    _square("a matrix power", x)
    if p == 0:
        return Expression(eye(x.shape[0]))
    return np.linalg.matrix_power(x, p)


def _diag(x: Any) -> Any:
    if x.ndim != 1:
        _square("diag", x)
    return np.diag(x)


def _outer(a: Any, b: Any) -> Any:
    if a.ndim != 1 or b.ndim != 1:
        raise WengertValueError(f"outer needs two vectors, got shapes {text_shape(a.shape)} and {text_shape(b.shape)}")
    return np.outer(a, b)


def _dot(a: Any, b: Any) -> Any:
    if a.ndim in (1, 2) and b.ndim in (1, 2):
        check_shapes(np.matmul, (a.shape, b.shape))
    return np.dot(a, b)


def _same(make: Callable[[Any], Any]) -> Word:
    return lambda *sizes: Expression(make(*sizes))


FUNCTIONS: dict[str, Word] = {
    **{
        n: _elementwise(getattr(np, n))
        for n in (
            "exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arcsin", "arccos", "arctan", "arcsinh",
            "arccosh", "arctanh", "sign", "abs", "absolute", "fabs", "maximum", "minimum", "arctan2", "floor", "sqrt",
            "square", "reciprocal", "cbrt", "expm1", "log1p", "log2", "log10", "negative", "logaddexp", "multiply",
            "add", "subtract", "divide", "power", "matmul",
        )
    },
    **{n: _operation(n) for n in ("sigmoid", "softplus", "erf", "erfc", "relu")},
    "expit": _operation("sigmoid"),
    "gammaln": _operation("lgamma"),
    "lgamma": _operation("lgamma"),
    "digamma": _elementwise(digamma),
    "psi": _elementwise(digamma),
    "ln": _elementwise(np.log),
    "asin": _elementwise(np.arcsin),
    "acos": _elementwise(np.arccos),
    "atan": _elementwise(np.arctan),
    "asinh": _elementwise(np.arcsinh),
    "acosh": _elementwise(np.arccosh),
    "atanh": _elementwise(np.arctanh),
    "sum": _reduction("sum"),
    "mean": _reduction("mean"),
    "average": _reduction("mean"),
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
    "det": _of_square("det", np.linalg.det),
    "inv": _of_square("inv", np.linalg.inv),
    "slogdet": _of_square("slogdet", np.linalg.slogdet),
    "logdet": lambda x: FUNCTIONS["slogdet"](x)[1],
    "trace": _of_square("trace", np.trace),
    "diag": _diag,
    "diagonal": _diag,
    "outer": _outer,
    "dot": _dot,
    "vdot": _numpy(np.vdot, "vdot"),
    "inner": _numpy(np.inner, "inner"),
    "transpose": _numpy(np.transpose, "transpose"),
    "solve": _of_square("solve", np.linalg.solve),
    "matrix_power": _matrix_power,
    "einsum": _numpy(np.einsum, "einsum"),
    "clip": _numpy(np.clip, "clip"),
    "where": _numpy(np.where, "where"),
    "stack": _numpy(np.stack, "stack"),
    "concatenate": _numpy(np.concatenate, "concatenate"),
    "kron": _numpy(np.kron, "kron"),
    "vec": _numpy(np.ravel, "vec"),
    "ravel": _numpy(np.ravel, "ravel"),
    "flatten": _numpy(np.ravel, "flatten"),
    "ones": _same(ones),
    "zeros": _same(zero),
    "eye": _same(eye),
    "identity": _same(eye),
}  # fmt: skip
METHODS = {"sum", "mean", "var", "std", "max", "min", "dot", "trace", "transpose", "diagonal", "clip"}
