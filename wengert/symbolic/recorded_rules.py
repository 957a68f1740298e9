"""What the recorded operations are as terms: one line for each, by the operation's name.

Imports arrays, functions, build. Invariant: a rule takes the operands and parameters of the operation; it raises
NoRuleError for a spelling that has no closed form, and returns NotImplemented for one that is kept by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError
from wengert.symbolic import arrays, functions, norms
from wengert.symbolic.build import contract, is_zero, join, number, scale, uniform, value_of
from wengert.symbolic.graphs import Arange
from wengert.symbolic.matrices import matrix
from wengert.symbolic.patterns import chosen, cumulated, diagonal, diagonal_of, gathered
from wengert.symbolic.terms import Abstract, Term

Rule = Callable[..., Any]


def _plain(name: str) -> Rule:
    return lambda *args: arrays.apply(name, *args)


def _get(x: Term, path: Any, shape: Any, dtype: Any) -> Term:
    """A view: indexing, transposes, reshapes that keep or join nothing, diagonals."""
    for kind, argument in path:
        if kind == "index":
            found = gathered(x, argument) if isinstance(argument, tuple) else None
            x = arrays.index(x, argument) if found is None else found
        elif kind == "transpose":
            x = arrays.transpose(x, argument)
        elif x.rank == 2 and (kind == "einsum_diagonal" or (kind == "diagonal" and argument[0] == 0)):
            x = arrays.diag(x)
        elif kind == "diagonal" and x.rank == 2 and x.shape[0] == x.shape[1] and argument[1:] == (0, 1):
            x = diagonal(x, argument[0])
        elif kind == "broadcast":
            x = arrays.broadcast(x, tuple(argument))
        elif kind == "reshape":
            x = _reshape(x, argument[0] if isinstance(argument[0], tuple) else (argument[0],))
        elif kind != "real":
            raise NoRuleError(f"a view by {kind} has no closed form")
    return x


def _reshape(x: Term, shape: tuple[Any, ...]) -> Term:
    """Axes of length one put in or taken out, axes joined and split, row by row."""
    factors: list[Any] = []
    own = [f"i{k}" for k in range(x.rank)]
    left = [(d, i) for d, i in zip(x.shape, own, strict=True) if not _is_one(d)]
    wanted = [(d, f"o{k}") for k, d in enumerate(shape) if not _is_one(d)]
    sizes: dict[Any, Any] = {f"o{k}": 1 for k, d in enumerate(shape) if _is_one(d)}
    same: dict[str, str] = {}
    while wanted:
        dim, out = wanted.pop(0)
        if not left:
            break
        if dim == -1 and not wanted:
            dim = math.prod((d for d, _ in left[1:]), start=left[0][0])
        if dim == -1 and len(wanted) == len(left) - 1:
            dim = left[0][0]
        count = next((k for k in range(1, len(left) + 1) if _product(left[:k]) == dim), 0)
        if count:  # the first axes together
            group, left = left[:count], left[count:]
            _, index = _joined(group, factors)
            same[index] = out
            continue
        parts = [(dim, out)]
        while wanted and _product(parts) != left[0][0]:
            parts.append(wanted.pop(0))
        if _product(parts) != left[0][0]:
            break
        _, index = _joined(parts, factors)
        same[index] = left.pop(0)[1]
    else:
        if not left:
            named = [(x, own), *factors]
            renamed = [(t, [same.get(i, i) for i in idx]) for t, idx in named]
            return contract(renamed, [f"o{k}" for k in range(len(shape))], sizes)
    raise NoRuleError(f"a reshape from {x.shape} to {shape} has no closed form")


def _is_one(d: Any) -> bool:
    return isinstance(d, int) and d == 1


def _product(axes: list[tuple[Any, str]]) -> Any:
    return math.prod((d for d, _ in axes[1:]), start=axes[0][0])


def _joined(axes: list[tuple[Any, str]], factors: list[Any]) -> tuple[Any, str]:
    """The size and index of several axes as one; the deltas that join them are added to the factors."""
    size, index = axes[0]
    for d, i in axes[1:]:
        whole = f"({index},{i})"
        factors.append((join(size, d), [whole, index, i]))
        size, index = size * d, whole
    return size, index


def _update(old: Term, value: Term, path: Any, *_: Any) -> Any:
    """Only the diagonal of zeros: the matrix that ``np.diag`` makes of a vector."""
    kind: str
    at: Any
    ((kind, at),) = path if len(path) == 1 else (("", None),)
    rows = kind == "index" and type(at) is tuple and len(at) == 2 and old.rank == 2 and value.rank == 1
    if not rows or not is_zero(old):
        return NotImplemented
    found = [_counted(i) for i in at]
    if any(r is None or r[0] != value.shape[0] or r[2] != 1 for r in found):
        return NotImplemented
    row, column = (r[1] for r in found if r is not None)
    size = old.shape[0]
    if old.shape != (size, size) or size != value.shape[0] + abs(column - row) or min(row, column):
        return NotImplemented
    return diagonal_of(value, column - row)


def _counted(index: Any) -> tuple[Any, int, int] | None:
    """Count, first number and repeats of an index of consecutive numbers."""
    if isinstance(index, Arange):
        return None if index.place is not None else index.whole
    if isinstance(index, np.ndarray) and index.size and np.array_equal(index, index[0] + np.arange(len(index))):
        return len(index), int(index[0]), 1
    return None


def _polygamma(n: Term, x: Term) -> Any:
    order = value_of(n)
    name = "digamma" if order == 0 else "trigamma" if order == 1 else None
    return functions.apply(name, x) if name else NotImplemented


def _vector_norm(x: Term, order: Any, axis: Any, keepdims: Any) -> Any:
    return NotImplemented if order == 0 else norms.vector_norm(x, order, axis, bool(keepdims))


def _matrix_norm(x: Term, order: Any, axis: Any, keepdims: Any) -> Any:
    found = norms.matrix_norm(x, order, axis, bool(keepdims))
    return NotImplemented if found is None else found


def _reduced(name: str) -> Rule:
    return lambda x, axis, keepdims: arrays.reduction(name, x, axis, bool(keepdims))


def _tensordot(a: Term, b: Term, axes: Any) -> Term:
    left, right = (list(range(a.rank - axes, a.rank)), list(range(axes))) if isinstance(axes, int) else axes
    left, right = [[v] if isinstance(v, int) else list(v) for v in (left, right)]
    one = [f"a{k}" for k in range(a.rank)]
    two = [f"b{k}" for k in range(b.rank)]
    for i, j in zip(left, right, strict=True):
        two[j] = one[i]
    return contract([(a, one), (b, two)], [x for x in one if x not in two] + [x for x in two if x not in one])


def _einsum(*args: Any) -> Term:
    *terms, spec, _ = args
    if not isinstance(spec, str):
        raise NoRuleError("einsum with index lists has no closed form here: write its subscripts")
    return arrays.einsum(spec, *terms)


def _clip(x: Term, low: Term, high: Term) -> Term:
    below = x if uniform(low) == -math.inf else arrays.apply("maximum", x, low)
    return below if uniform(high) == math.inf else arrays.apply("minimum", below, high)


def _where(condition: Term, yes: Term, no: Term) -> Term:
    if isinstance(condition, Abstract) and condition.name == "isnan":
        return no if no.shape == condition.shape else arrays.together(condition, no)[1]  # formulas are of real numbers
    found = chosen(condition, yes, no)
    return arrays.apply("where", condition, yes, no) if found is None else found


def _cumsum(x: Term, axis: Any) -> Any:
    found = cumulated(x, axis)
    return NotImplemented if found is None else found


def _log(base: int) -> Term:
    return functions.apply("log", number(base))


def _negated(x: Term) -> Term:
    return scale(Fraction(-1), x)


RULES: dict[str, Rule] = {
    **{
        n: _plain(n)
        for n in (
            "exp",
            "log",
            "sin",
            "cos",
            "tan",
            "tanh",
            "sinh",
            "cosh",
            "arcsin",
            "arccos",
            "arctan",
            "arcsinh",
            "arccosh",
            "arctanh",
            "sigmoid",
            "softplus",
            "erf",
            "erfc",
            "sign",
            "maximum",
            "minimum",
            "arctan2",
            "gamma",
            "trunc",
            "not_equal",
            "greater",
            "greater_equal",
            "equal",
            "floor",
            "relu",
        )
    },
    "absolute": _plain("abs"),
    "fabs": _plain("abs"),
    "lgamma": _plain("gammaln"),
    "sinc": lambda n, x: functions.apply("sinc", x) if value_of(n) == 0 else NotImplemented,
    "where": _where,
    "fmax": _plain("maximum"),
    "fmin": _plain("minimum"),
    "bitwise_and": _plain("and"),
    "logical_and": _plain("and"),
    "bitwise_or": _plain("or"),
    "logical_or": _plain("or"),
    "invert": _plain("not"),
    "logical_not": _plain("not"),
    "ceil": lambda x: _negated(arrays.apply("floor", _negated(x))),
    "exp2": lambda x: arrays.power(number(2), x),
    "hypot": lambda a, b: functions.power(arrays.plus(functions.power(a, 2), functions.power(b, 2)), Fraction(1, 2)),
    "deg2rad": lambda x: arrays.times(scale(Fraction(1, 180), functions.PI), x),
    "rad2deg": lambda x: arrays.times(scale(Fraction(180), functions.power(functions.PI, -1)), x),
    "copysign": lambda a, b: arrays.apply(
        "where", arrays.apply("greater_equal", b, number(0)), arrays.apply("abs", a), _negated(arrays.apply("abs", a))
    ),
    "remainder": lambda a, b: arrays.plus(a, arrays.times(b, arrays.apply("floor", arrays.divide(a, b))), -1),
    "floor_divide": lambda a, b: arrays.apply("floor", arrays.divide(a, b)),
    "fmod": lambda a, b: arrays.plus(a, arrays.times(b, arrays.apply("trunc", arrays.divide(a, b))), -1),
    "prod": _reduced("prod"),
    "cumsum": _cumsum,
    "less": lambda a, b: arrays.apply("greater", b, a),
    "less_equal": lambda a, b: arrays.apply("greater_equal", b, a),
    "add": arrays.plus,
    "subtract": lambda a, b: arrays.plus(a, b, -1),
    "multiply": arrays.times,
    "divide": arrays.divide,
    "negative": lambda x: scale(Fraction(-1), x),
    "positive": lambda x: x,
    "power": arrays.power,
    "float_power": arrays.power,
    "sqrt": lambda x: functions.power(x, Fraction(1, 2)),
    "square": lambda x: functions.power(x, 2),
    "reciprocal": lambda x: functions.power(x, -1),
    "cbrt": _plain("cbrt"),
    "expm1": lambda x: arrays.plus(functions.apply("exp", x), number(1), -1),
    "log1p": lambda x: functions.apply("log", arrays.plus(number(1), x)),
    "log2": lambda x: arrays.divide(functions.apply("log", x), _log(2)),
    "log10": lambda x: arrays.divide(functions.apply("log", x), _log(10)),
    "logaddexp": arrays.logaddexp,
    "logaddexp2": lambda a, b: arrays.divide(arrays.logaddexp(*(arrays.times(_log(2), x) for x in (a, b))), _log(2)),
    "logaddexp_reduce": _reduced("logsumexp"),
    "max": _reduced("max"),
    "min": _reduced("min"),
    "sum": lambda x, axis, keepdims: arrays.sum_over(x, axis, bool(keepdims)),
    "mean": lambda x, axis, keepdims: arrays.mean(x, axis, bool(keepdims)),
    "var": lambda x, axis, keepdims, ddof: arrays.variance(x, axis, bool(keepdims), int(ddof)),
    "std": lambda x, axis, keepdims, ddof: functions.power(
        arrays.variance(x, axis, bool(keepdims), int(ddof)), Fraction(1, 2)
    ),
    "matmul": arrays.matmul,
    "dot": arrays.dot,
    "vdot": lambda a, b: arrays.sum_over(arrays.times(a, b)),
    "outer": arrays.outer,
    "inner": lambda a, b: arrays.dot(a, arrays.transpose(b)),
    "matvec": arrays.matmul,
    "vecmat": arrays.matmul,
    "vecdot": lambda a, b: arrays.sum_over(arrays.times(a, b), -1),
    "tensordot": _tensordot,
    "einsum": _einsum,
    "get": _get,
    "inv": lambda x: matrix("inv", x),
    "det": lambda x: matrix("det", x),
    "solve": arrays.solve,
    "clip": _clip,
    "update": _update,
    "polygamma": _polygamma,
    "slogdet": lambda x: (functions.apply("sign", matrix("det", x)), matrix("logdet", x)),
    "item": lambda parts, k: parts[k],
    "vector_norm": _vector_norm,
    "frobenius": lambda x, axis, keepdims: norms.matrix_norm(x, None, axis, bool(keepdims)),
    "matrix_norm": _matrix_norm,
    "length": norms.vector_norm,
    "stack": lambda *a: arrays.stack(a[:-1], a[-1]),
    "concatenate": lambda *a: arrays.concatenate(a[:-1], a[-1]),
    "astype": lambda x, dtype: x,
    "conjugate": lambda x: x,
    "input": lambda x: x,
}
