"""The value of a term for given arrays: the plain meaning, against which every printed form is compared.

Imports NumPy, terms. Invariant: every branch is analytic where its function is, so a complex step passes through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.core.errors import NoRuleError, WengertValueError
from wengert.symbolic.dims import Dim, sized
from wengert.symbolic.named import evaluated
from wengert.symbolic.polar import polar
from wengert.symbolic.terms import (
    Abstract,
    Constant,
    Count,
    Delta,
    Fn,
    Join,
    Matrix,
    Pattern,
    Prod,
    Reduce,
    Select,
    Sum,
    Term,
    Var,
    ordered,
    variables,
)


def sizes_of(term: Term, values: Mapping[str, Any]) -> dict[str, int]:
    """The sizes of the named dimensions, from the shapes of the arrays.

    Raises WengertValueError where they contradict.
    """
    return sizes_among(variables(term), values)


def sizes_among(free: Mapping[str, Var], values: Mapping[str, Any]) -> dict[str, int]:
    """The same for given variables."""
    sizes: dict[str, int] = {}
    later = []
    for name, v in free.items():
        if name not in values:
            raise WengertValueError(f"no value for {name}; the expression has {', '.join(free)}")
        shape = np.shape(values[name])
        if len(shape) != v.rank:
            raise WengertValueError(f"{name} has shape {shape}, declared as {text_shape(v.shape)}")
        for dim, got in zip(v.shape, shape, strict=True):
            if isinstance(dim, Dim) and dim.simple:
                (only,) = dim.names
                if sizes.setdefault(only, got) != got:
                    raise WengertValueError(f"{name} has shape {shape}, but {only} is {sizes[only]} elsewhere")
            else:
                later.append((name, dim, got))
    for name, dim, got in later:
        if isinstance(dim, Dim) and not dim.names <= set(sizes):
            continue
        if sized(dim, sizes) != got:
            raise WengertValueError(f"{name} has {got} along a dimension that is {dim} = {sized(dim, sizes)}")
    return sizes


def text_shape(shape: Sequence[Any]) -> str:
    """A shape of dimensions as text."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def evaluate(term: Term, values: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Any:
    """The value of a term.

    >>> from wengert.symbolic.build import var, times
    >>> x = var("x")
    >>> evaluate(times(x, x), {"x": 3.0})
    9.0
    """
    known = sizes_of(term, values) if sizes is None else dict(sizes)
    found: dict[int, Any] = {}
    for node in ordered(term):
        found[node.ident] = _value(node, found, values, known)
    return found[term.ident]


def magnitude(term: Term, values: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    """The value if nothing cancelled: sums of absolute values, which bound the rounding errors of a term."""
    found: dict[int, Any] = {}
    large: dict[int, Any] = {}
    for node in ordered(term):
        found[node.ident] = _value(node, found, values, sizes)
        if isinstance(node, Sum):
            parts = [abs(float(c)) * large[t.ident] for c, t in node.terms]
            large[node.ident] = sum(parts[1:], parts[0]) if parts else np.abs(found[node.ident])
        elif isinstance(node, Prod):
            large[node.ident] = _product(node, [large[t.ident] for t, _ in node.factors], sizes)
        else:
            large[node.ident] = np.abs(found[node.ident])
    return large[term.ident]


def _value(node: Term, found: dict[int, Any], values: Mapping[str, Any], sizes: Mapping[str, int]) -> Any:
    if isinstance(node, Var):
        return values[node.name]
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Count):
        return float(sized(node.dim, sizes))
    if isinstance(node, (Delta, Select, Pattern, Join)):
        return _constant(node, tuple(sized(d, sizes) for d in node.shape), sizes)
    if isinstance(node, Sum):
        if not node.terms:
            return np.zeros(tuple(sized(d, sizes) for d in node.shape)) if node.shape else 0.0
        total: Any = 0.0
        for c, t in node.terms:
            value = found[t.ident]
            total = total + (value if c == 1 else float(c) * value)
        return total
    if isinstance(node, Prod):
        return _product(node, [found[t.ident] for t, _ in node.factors], sizes)
    if isinstance(node, Fn):
        return VALUES[node.name](*(found[a.ident] for a in node.args), *node.params)
    if isinstance(node, Matrix):
        return MATRICES[node.name](np.asarray(found[node.arg.ident]))
    if isinstance(node, Reduce):
        return REDUCTIONS[node.name](np.asarray(found[node.arg.ident]), node.axes)
    if isinstance(node, Abstract):
        return evaluated(node, [found[a.ident] for a in node.args], sizes)
    raise NoRuleError(f"no value for {type(node).__name__}")


def _constant(node: Delta | Select | Pattern | Join, shape: tuple[int, ...], sizes: Mapping[str, int]) -> Any:
    """An array that the sizes decide."""
    if isinstance(node, Delta):
        return np.eye(shape[0])
    if isinstance(node, Select):
        made = np.zeros(shape)
        rows = np.arange(shape[0])
        made[rows, sized(node.start, sizes) + node.step * rows] = 1.0
        return made
    if isinstance(node, Pattern):
        return PATTERNS[node.name](*shape, *node.params)
    return np.eye(shape[0]).reshape(shape)


def _product(node: Prod, operands: list[Any], sizes: Mapping[str, int]) -> Any:
    out = tuple(range(node.rank))
    used = {i for _, idx in node.factors for i in idx}
    missing = [i for i in out if i not in used]
    scalars = [v for v, (_, idx) in zip(operands, node.factors, strict=True) if not idx]
    arrays: list[Any] = []
    for value, (_, idx) in zip(operands, node.factors, strict=True):
        if idx:
            arrays.extend((value, list(idx)))
    for i in missing:
        arrays.extend((np.ones(sized(node.sizes[i], sizes)), [i]))
    number: Any = 1.0
    for v in scalars:
        number = number * v
    if not arrays:
        return number
    made = np.einsum(*arrays, list(out), optimize="greedy" if len(arrays) > 4 else False)
    return number * made if scalars else made


def _power(x: Any, p: Any) -> Any:
    if p.denominator == 1 if hasattr(p, "denominator") else False:
        return x ** int(p) if p > 0 else 1.0 / x ** int(-p)
    return np.sqrt(x) if p == 0.5 else np.power(x, float(p))


def _sigmoid(x: Any) -> Any:
    small = np.exp(np.where(np.real(x) < 0, x, -x))  # exact in both tails
    return np.where(np.real(x) < 0, small, 1.0) / (1.0 + small)


def _softplus(x: Any) -> Any:
    real = np.real(x)
    return np.where(real > 0, x, 0.0) + np.log1p(np.exp(np.where(real > 0, -1.0, 1.0) * x))


def _special(name: str, *before: Any) -> Callable[..., Any]:
    def compute(x: Any) -> Any:
        from scipy import special

        if name == "polygamma":
            return special.polygamma(*before, x)
        if name == "trigamma":
            return special.polygamma(1, x)
        return getattr(special, {"digamma": "psi"}.get(name, name))(x)

    return compute


def _abs(x: Any) -> Any:
    return np.where(np.real(x) < 0, -1.0, 1.0) * x if np.iscomplexobj(x) else np.abs(x)


PATTERNS: dict[str, Callable[..., Any]] = {"tri": np.tri, "arange": lambda n: np.arange(float(n))}
VALUES: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in (
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
            "arctan2",
        )
    },
    **{name: _special(name) for name in ("erf", "erfc", "gammaln", "digamma", "trigamma")},
    "polygamma": lambda n, x: _special("polygamma", n)(x),
    "floor": lambda x: np.floor(np.real(x)),
    "cbrt": np.cbrt,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "abs": _abs,
    "sign": lambda x: np.sign(np.real(x)),
    "relu": lambda x: np.where(np.real(x) > 0, x, 0.0),
    "step": lambda x: np.where(np.real(x) > 0, 1.0, 0.0),
    "half": lambda x: np.heaviside(np.real(x), 0.5),
    "maximum": lambda a, b: np.where(np.real(a) >= np.real(b), a, b),
    "minimum": lambda a, b: np.where(np.real(a) <= np.real(b), a, b),
    "where": lambda c, a, b: np.where(np.real(c) != 0, a, b),
    "greater": lambda a, b: np.where(np.real(a) > np.real(b), 1.0, 0.0),
    "greater_equal": lambda a, b: np.where(np.real(a) >= np.real(b), 1.0, 0.0),
    "equal": lambda a, b: np.where(np.real(a) == np.real(b), 1.0, 0.0),
    "pow": _power,
    "power": np.power,
    "sinc": np.sinc,
    "gamma": _special("gamma"),
    "logaddexp": lambda a, b: b + _softplus(a - b),
    "trunc": lambda x: np.trunc(np.real(x)),
    "not_equal": lambda a, b: np.where(np.real(a) != np.real(b), 1.0, 0.0),
    "and": lambda a, b: np.where((np.real(a) != 0) & (np.real(b) != 0), 1.0, 0.0),
    "or": lambda a, b: np.where((np.real(a) != 0) | (np.real(b) != 0), 1.0, 0.0),
    "not": lambda a: np.where(np.real(a) != 0, 0.0, 1.0),
}


def _logdet(a: Any) -> Any:
    return np.log(np.linalg.det(a)) if np.iscomplexobj(a) or a.shape[0] < 40 else np.linalg.slogdet(a)[1]


def _nuclear(a: Any) -> Any:
    return np.linalg.svd(a, compute_uv=False).sum()


MATRICES: dict[str, Callable[..., Any]] = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "logdet": _logdet,
    "nuclear": _nuclear,
    "polar": polar,
}


def _logsumexp(x: Any, axes: tuple[int, ...]) -> Any:
    top = np.max(np.real(x), axis=axes, keepdims=True)
    return np.squeeze(top, axes) + np.log(np.sum(np.exp(x - top), axis=axes))


def _softmax(x: Any, axes: tuple[int, ...]) -> Any:
    shifted = np.exp(x - np.max(np.real(x), axis=axes, keepdims=True))
    return shifted / np.sum(shifted, axis=axes, keepdims=True)


def _mark(sign: int) -> Callable[..., Any]:
    def compute(x: Any, axes: tuple[int, ...]) -> Any:
        real = sign * np.real(x)
        hit = real == np.max(real, axis=axes, keepdims=True)
        return hit / np.sum(hit, axis=axes, keepdims=True)

    return compute


def _extreme(sign: int) -> Callable[..., Any]:
    return lambda x, axes: np.sum(_mark(sign)(x, axes) * x, axis=axes)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "max": _extreme(1),
    "min": _extreme(-1),
    "argmax": _mark(1),
    "argmin": _mark(-1),
    "prod": lambda x, axes: np.prod(x, axis=axes),
}
