"""The vocabulary of random programs: what people write in NumPy, with every kind of parameter.

Imports the drawing of operands, NumPy, and wengert for the loops that are said outright. Invariant: a word is an
ordinary function of arrays, the same traced and untraced."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import wengert
from tests.backends.llvm.fuzz_programs import (
    OTHERWISE,
    WORDS,
    an_array,
    array_of,
    axes_of,
    axis_of,
    broadcasts,
    flag,
    float_array,
    full,
    is_float,
    new_shape,
    of_one,
    of_two,
    pick,
    places,
    region,
)

# ---------------------------------------------------------------- elements

ELEMENTS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "sin cos tan tanh sinh cosh arctan arcsinh exp expm1 log log1p log2 log10 exp2 sqrt cbrt arcsin arccos arctanh"
        " abs negative square reciprocal floor ceil trunc rint sign deg2rad isfinite isnan fabs positive"
    ).split()
} | {
    "exp_of_minus_size": lambda x: np.exp(-np.abs(x)),
    "root_of_size": lambda x: np.sqrt(np.abs(x) + 0.5),
    "log_of_square": lambda x: np.log1p(x * x),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0.0, x),
    "silu": lambda x: x / (1.0 + np.exp(-x)),
    "cube": lambda x: x**3,
    "inverse_square": lambda x: (np.abs(x) + 0.3) ** -2,
    "root_power": lambda x: (x * x + 0.1) ** 0.5,
    "odd_power": lambda x: (x * x + 0.1) ** 1.7,
    "clip": lambda x: np.clip(x, -0.7, 0.9),
    "kink": lambda x: np.where(x > 0.1, x, 0.5 * x),
    "relu": lambda x: np.maximum(x, 0),
    "guarded_log": lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0),
    "piecewise": lambda x: np.select([x < -0.5, x < 0.5], [x * x, np.sin(x)], default=2.0),
    "sign_bit": lambda x: np.signbit(np.where(np.isnan(x), 1.0, x)),  # the sign of NaN is left open
    "one_minus": lambda x: 1 - x,
    "horner": lambda x: ((0.5 * x - 1.25) * x + 0.75) * x - 2.0,
    "half": lambda x: x // 2,
    "rest": lambda x: x % 3,
    "float_rest": lambda x: np.fmod(x, 1.5),
}
for _name, _word in ELEMENTS.items():
    WORDS[_name] = (_word, of_one(is_float))


@wengert.custom_jvp
def gate(x: Any) -> Any:
    """A sigmoid that does not overflow and whose derivative is made of the value, as fused gates have it: near 1 the
    difference cancels."""
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


@gate.defjvp
def _gate_rule(primals: Any, tangents: Any) -> Any:
    s = gate(primals[0])
    return s, s * (1.0 - s) * tangents[0]


@wengert.custom_jvp
def soft_maximum(x: Any) -> Any:
    """A softplus whose derivative is such a sigmoid."""
    return np.logaddexp(0.0, x)


@soft_maximum.defjvp
def _soft_maximum_rule(primals: Any, tangents: Any) -> Any:
    return soft_maximum(primals[0]), gate(primals[0]) * tangents[0]


OTHERWISE |= {"sigmoid": gate, "silu": lambda x: x * gate(x), "softplus": soft_maximum}

for _dtype in map(np.dtype, ("float64", "float32", "int64", "int32", "bool")):
    WORDS[f"to_{_dtype}"] = (
        lambda x, d=_dtype: np.asarray(x).astype(d) if type(x) is float else x.astype(d),
        of_one(lambda x: np.asarray(x).dtype.kind != "c" and bool(np.all(np.abs(np.asarray(x, float)) < 1e9))),
    )

PAIRS: dict[str, Any] = {
    name: getattr(np, name)
    for name in (
        "add subtract multiply maximum minimum fmax fmin hypot arctan2 less greater_equal equal not_equal"
        " logaddexp heaviside"
    ).split()
} | {
    "safe_divide": lambda a, b: a / (2.0 + b * b),
    "divide": lambda a, b: a / b,
    "lesser": lambda a, b: np.where(a < b, a, b),
    "power": lambda a, b: (np.abs(a) + 0.2) ** np.clip(b, -3, 3),
    "square_of_difference": lambda a, b: (a - b) ** 2,
    "multiply_add": lambda a, b: a * b + a,
    "floor_divide": lambda a, b: np.floor_divide(a, np.abs(b) + 1),
    "remainder": lambda a, b: np.remainder(a, np.abs(b) + 1),
    "copysign": lambda a, b: np.copysign(a, np.where(np.isnan(b), 1.0, b)),
    "choose": lambda a, b: np.where(np.isfinite(a) & (a > 0), b, -b),
}
for _name, _word in PAIRS.items():
    WORDS[_name] = (_word, of_two(lambda x: np.asarray(x).dtype.kind in "fiu", broadcasts))
for _name in ("logical_and", "logical_or", "logical_xor"):
    WORDS[_name] = (getattr(np, _name), of_two(lambda x: True, broadcasts))


def _choose_three(rng: np.random.Generator, pool: list[Any]) -> Any:
    mask = pick(rng, pool, lambda x: np.asarray(x).dtype.kind == "b")
    if mask is None:
        return None
    pair = of_two(is_float, lambda x, y: broadcasts(x, y) and broadcasts(pool[mask], x) and broadcasts(pool[mask], y))
    drawn = pair(rng, pool)
    return None if drawn is None else ((mask, *drawn[0]), ())


WORDS["where"] = (np.where, _choose_three)

# ---------------------------------------------------------------- reductions, scans along an axis


def _two_flags(rng: np.random.Generator, x: Any) -> bool:
    return flag(rng)


for _function in (np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std):
    WORDS[_function.__name__] = (
        lambda x, axis, keep, f=_function: f(x, axis=axis, keepdims=keep),
        of_one(float_array if _function in (np.var, np.std, np.prod) else full, axes_of, flag),
    )
WORDS["sum_of_nothing"] = (lambda x, axis: np.sum(x, axis=axis), of_one(an_array, axes_of))
WORDS["any"] = (lambda x, axis: np.any(x, axis=axis), of_one(full, axes_of))
WORDS["all"] = (lambda x, axis: np.all(x > 0, axis=axis), of_one(full, axes_of))
WORDS["argmax"] = (lambda x, axis: np.argmax(x, axis=axis), of_one(full, axis_of))
WORDS["argmin"] = (lambda x, axis: np.argmin(x, axis=axis), of_one(full, axis_of))
WORDS["count_nonzero"] = (lambda x, axis: np.count_nonzero(x, axis=axis), of_one(full, axis_of))
WORDS["cumsum"] = (lambda x, axis: np.cumsum(x, axis=axis), of_one(float_array, axis_of))
WORDS["cumprod"] = (lambda x, axis: np.cumprod(x, axis=axis), of_one(float_array, axis_of))
WORDS["sort"] = (lambda x, axis: np.sort(x, axis=axis), of_one(float_array, axis_of))
WORDS["diff"] = (lambda x, axis: np.diff(x, axis=axis), of_one(float_array, axis_of))
WORDS["norm"] = (lambda x: np.sqrt(np.sum(x * x)), of_one(float_array))
WORDS["normalised"] = (lambda x, axis: x / np.linalg.norm(x, axis=axis, keepdims=True), of_one(float_array, axis_of))


def softmax(x: Any, axis: int, *, shift: Any = np.max) -> Any:
    """As one writes it."""
    e = np.exp(x - shift(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_sum_exp(x: Any, axis: int, *, shift: Any = np.max) -> Any:
    """As one writes it."""
    top = shift(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis)


def layer_norm(x: Any, axis: int) -> Any:
    """As one writes it."""
    centred = x - np.mean(x, axis=axis, keepdims=True)
    return centred / np.sqrt(np.mean(centred**2, axis=axis, keepdims=True) + 1e-5)


def _constant_shift(x: Any, **how: Any) -> Any:
    """The largest element, whose derivative is left out because it cancels."""
    return wengert.stop_gradient(np.max(x, **how))


OTHERWISE |= {word.__name__: functools.partial(word, shift=_constant_shift) for word in (softmax, log_sum_exp)}
WORDS["softmax"] = (softmax, of_one(float_array, axis_of))
WORDS["log_sum_exp"] = (log_sum_exp, of_one(float_array, axis_of))
WORDS["layer_norm"] = (layer_norm, of_one(float_array, axis_of))
WORDS["reduced_logaddexp"] = (lambda x, axis: np.logaddexp.reduce(x, axis=axis), of_one(float_array, axis_of))

# ---------------------------------------------------------------- contractions


def _inner_fit(x: Any, y: Any) -> bool:
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        return False
    same = np.shape(x)[-1] == np.shape(y)[max(np.ndim(y) - 2, 0)]
    size = np.size(x) * (np.shape(y)[-1] if np.ndim(y) > 1 else 1)
    return same and size <= 400000


def _squares(x: Any) -> bool:
    return np.ndim(x) == 2 and is_float(x) and np.size(x) * min(np.shape(x)) <= 400000


WORDS["matmul"] = (np.matmul, of_two(float_array, _inner_fit))
WORDS["dot"] = (np.dot, of_two(lambda x: float_array(x) and np.ndim(x) <= 2, _inner_fit))
WORDS["gram"] = (lambda x: x @ x.T, of_one(_squares))
WORDS["gram_of_columns"] = (lambda x: np.einsum("ij,ik->jk", x, np.cos(x)), of_one(_squares))
WORDS["trace_of_product"] = (lambda x: np.einsum("ij,ij->", x, x), of_one(_squares))
WORDS["row_products"] = (lambda x: np.einsum("ij,ij->i", x, x), of_one(_squares))
WORDS["outer"] = (
    np.outer,
    of_two(lambda x: is_float(x) and np.size(x) <= 200, lambda x, y: np.size(x) * np.size(y) <= 20000),
)
WORDS["distances"] = (
    lambda x, y: np.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=-1),
    of_two(
        lambda x: np.ndim(x) == 2 and is_float(x),
        lambda x, y: np.shape(x)[1] == np.shape(y)[1] and np.size(x) * np.shape(y)[0] <= 40000,
    ),
)
WORDS["inverse"] = (
    lambda x: np.linalg.inv(x @ x.T + 2.0 * np.eye(x.shape[0], dtype=x.dtype)),
    of_one(lambda x: np.ndim(x) == 2 and is_float(x) and np.shape(x)[0] <= 6),
)

# ---------------------------------------------------------------- shapes and indices

WORDS["transpose"] = (lambda x: x.T, of_one(an_array))
WORDS["reshape"] = (lambda x, shape: np.reshape(x, shape), of_one(full, new_shape))
WORDS["ravel"] = (np.ravel, of_one(an_array))
WORDS["flip"] = (lambda x, axis: np.flip(x, axis), of_one(an_array, axis_of))
WORDS["roll"] = (lambda x, n, axis: np.roll(x, n, axis), of_one(full, lambda r, x: int(r.integers(-4, 5)), axis_of))
WORDS["repeat"] = (lambda x, n, axis: np.repeat(x, n, axis), of_one(full, lambda r, x: int(r.integers(1, 4)), axis_of))
WORDS["tile"] = (lambda x, n: np.tile(x, n), of_one(an_array, lambda r, x: int(r.integers(1, 4))))
WORDS["new_axis"] = (
    lambda x, axis: np.expand_dims(x, axis),
    of_one(lambda x: np.ndim(x) < 4, lambda r, x: int(r.integers(0, np.ndim(x) + 1))),
)
WORDS["broadcast"] = (
    lambda x, n: np.broadcast_to(x, (n, *np.shape(x))),
    of_one(lambda x: np.ndim(x) < 4, lambda r, x: int(r.integers(1, 6))),
)
WORDS["swap"] = (lambda x, a, b: np.swapaxes(x, a, b), of_one(an_array, axis_of, axis_of))
WORDS["diagonal"] = (lambda x: np.diagonal(x, 0, 0, 1), of_one(lambda x: np.ndim(x) >= 2))
WORDS["diag"] = (np.diag, of_one(lambda x: np.ndim(x) == 1 and np.size(x) <= 100))
WORDS["lower"] = (lambda x, k: np.tril(x, k), of_one(lambda x: np.ndim(x) >= 2, lambda r, x: int(r.integers(-2, 3))))
WORDS["upper"] = (lambda x, k: np.triu(x, k), of_one(lambda x: np.ndim(x) >= 2, lambda r, x: int(r.integers(-2, 3))))
WORDS["pad"] = (
    lambda x, n, mode: np.pad(x, n, mode=mode),
    of_one(
        full, lambda r, x: int(r.integers(1, 3)), lambda r, x: str(r.choice(["constant", "edge", "reflect", "wrap"]))
    ),
)
WORDS["slice"] = (lambda x, index: x[index], of_one(an_array, region))
WORDS["gather"] = (lambda x, index: x[index], of_one(full, places))
WORDS["take_last"] = (
    lambda x, index: np.take(x, index, axis=-1),
    of_one(full, lambda r, x: r.integers(0, np.shape(x)[-1], int(r.integers(1, 7)))),
)
WORDS["gather_pairs"] = (
    lambda x, i, j: x[i, j],
    of_one(lambda x: full(x) and np.ndim(x) >= 2, places, lambda r, x: int(r.integers(0, np.shape(x)[1]))),
)
WORDS["masked"] = (
    lambda x, mask: x[mask],
    of_one(full, lambda r, x: r.random(np.shape(x)[: int(r.integers(1, np.ndim(x) + 1))]) < 0.6),
)
WORDS["at_the_top"] = (lambda x: x[np.argmax(x, axis=0)] if np.ndim(x) == 1 else x[np.argmax(x[:, 0])], of_one(
    lambda x: full(x) and np.ndim(x) <= 2))  # fmt: skip
WORDS["along"] = (
    lambda x: np.take_along_axis(x, np.argsort(x, axis=-1)[..., :2], axis=-1),
    of_one(lambda x: float_array(x) and len(np.unique(x)) == np.size(x)),
)
WORDS["concatenate"] = (
    lambda x, y: np.concatenate([x, y, x]),
    of_two(an_array, lambda x, y: np.shape(x)[1:] == np.shape(y)[1:] and np.size(x) + np.size(y) < 20000),
)
WORDS["stack"] = (
    lambda x, y, axis: np.stack([x, y], axis),
    of_two(
        lambda x: np.ndim(x) < 4,
        lambda x, y: np.shape(x) == np.shape(y),
        lambda r, x, y: axis_of(r, x) if np.ndim(x) else 0,
    ),
)
WORDS["shifted"] = (lambda x: np.concatenate([x[1:], np.zeros_like(x[:1])]), of_one(full))
WORDS["neighbours"] = (lambda x: x[2:] - 2 * x[1:-1] + x[:-2], of_one(lambda x: float_array(x) and np.shape(x)[0] > 2))

# ---------------------------------------------------------------- writes


def written(x: Any, y: Any, index: Any) -> Any:
    """A copy with a region set."""
    out = x.copy()
    out[index] = np.mean(y)
    return out


def written_rows(x: Any, y: Any, index: Any) -> Any:
    """A copy with rows set, some of them twice."""
    out = x.copy()
    out[index] = y
    return out


def added(x: Any, y: Any, index: Any) -> Any:
    """A copy with a region raised."""
    out = x.copy()
    out[index] += np.max(y)
    return out


def view_written(x: Any, index: Any) -> Any:
    """Writes through a view of a transpose, and reads the base."""
    out = np.zeros((2, *np.shape(x)), np.asarray(x).dtype)
    out[1] = x
    view = out[1].T
    view *= 0.5
    out[0][index] = 3.0
    return out * out[::-1]


def filled(x: Any) -> Any:
    """Rows written one after the other, each of the one before."""
    out = np.zeros_like(x)
    out[0] = x[0]
    for t in range(1, np.shape(x)[0]):
        out[t] = 0.5 * out[t - 1] + np.sin(x[t])
    return out


def scattered(x: Any, index: Any) -> Any:
    """Rows added where they belong, some places more than once."""
    out = np.zeros((5, *np.shape(x)[1:]), np.asarray(x).dtype)
    np.add.at(out, index, x)
    return out


WORDS["written"] = (written, of_two(float_array, lambda x, y: True, lambda r, x, y: region(r, x)))
WORDS["added"] = (added, of_two(float_array, lambda x, y: True, lambda r, x, y: region(r, x)))
WORDS["written_rows"] = (written_rows, of_two(
    lambda x: float_array(x), lambda x, y: np.shape(x)[1:] == np.shape(y)[1:] and np.shape(y)[0] <= np.shape(x)[0],
    lambda r, x, y: r.integers(0, np.shape(x)[0], np.shape(y)[0])))  # fmt: skip
WORDS["view_written"] = (view_written, of_one(lambda x: float_array(x) and np.size(x) < 9000, region))
WORDS["filled"] = (filled, of_one(lambda x: float_array(x) and np.shape(x)[0] <= 40))
WORDS["scattered"] = (scattered, of_one(float_array, lambda r, x: r.integers(0, 5, np.shape(x)[0])))

# ---------------------------------------------------------------- loops and decisions


def recurrence(x: Any) -> Any:
    """A carry through the rows, and what it was on the way."""
    state, seen = x[0] * 0.5, []
    for t in range(np.shape(x)[0]):
        state = np.tanh(0.8 * state + x[t])
        seen.append(state)
    return np.stack(seen)


def scanned(x: Any, reverse: bool) -> Any:
    """The same, said outright."""
    final, rows = wengert.scan(
        lambda c, row: (0.9 * c + np.sin(row), c * row), np.zeros_like(x[0]) + 0.0 * x[0], x, reverse=reverse
    )
    return rows + final


def newton(x: Any) -> Any:
    """A fixed number of iterations."""
    y = x * 0.0 + 1.0
    for _ in range(6):
        y = 0.5 * (y + (np.abs(x) + 1.0) / y)
    return y


WORDS["recurrence"] = (recurrence, of_one(lambda x: float_array(x) and np.shape(x)[0] <= 40))
WORDS["scanned"] = (scanned, of_one(lambda x: float_array(x) and np.ndim(x) >= 1, flag))
WORDS["newton"] = (newton, of_one(is_float))
WORDS["decided"] = (lambda x: x * 2.0 if np.sum(x) > 0.0 else np.sin(x), of_one(float_array))
WORDS["by_its_number"] = (
    lambda x: x[int(np.abs(np.sum(np.sin(x)))) % np.shape(x)[0]], of_one(lambda x: float_array(x))
)  # fmt: skip
WORDS["until_small"] = (lambda x: _halved(x), of_one(float_array))


def _halved(x: Any) -> Any:
    for _ in range(20):
        if np.max(np.abs(x)) <= 1.0:
            break
        x = x * 0.5
    return x


__all__ = ["WORDS", "array_of"]
