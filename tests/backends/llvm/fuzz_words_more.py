"""More vocabulary of random programs: statistics, signals, parts put together, larger matrices, loops of all kinds.

Imports the drawing of operands, NumPy, and wengert for the loops that are said outright. Invariant: a word is an
ordinary function of arrays, the same traced and untraced."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert
from tests.backends.llvm.fuzz_programs import (
    WORDS,
    an_array,
    axis_of,
    flag,
    float_array,
    full,
    is_float,
    of_one,
    of_two,
)
from tests.backends.llvm.fuzz_words_order import definite, level, regular

# ---------------------------------------------------------------- functions of one and two


def _count(rng: np.random.Generator, *_: Any) -> int:
    return int(rng.integers(-3, 4))


for _name, _word in {
    "sinc": np.sinc,
    "fix": np.trunc,  # by its name since NumPy 2.5
    "whole_and_rest": lambda x: np.modf(x)[0] + 2.0 * np.modf(x)[1],
    "mantissa": lambda x: np.frexp(x)[0] * 1.5,
    "rounded": lambda x: np.round(x, 2),
    "without_nan": lambda x: np.nan_to_num(x, nan=0.5, posinf=2.0, neginf=-2.0),
    "bessel": lambda x: np.i0(np.clip(x, -3.0, 3.0)),
    "log_odds": lambda x: np.log(np.abs(x) + 0.1) - np.log1p(np.abs(x)),
    "gelu": lambda x: 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))),
    "bump": lambda x: np.where(np.abs(x) < 1.0, np.exp(-1.0 / np.where(np.abs(x) < 1.0, 1.0 - x * x, 1.0)), 0.0),
    "distance_to_one": lambda x: np.sqrt((x - 1.0) ** 2 + 1e-3),
    "fourth_power": lambda x: x**4 - 2.0 * x**2,
    "quarter_power": lambda x: np.abs(x) ** 0.25,
    "float_power": lambda x: np.float_power(np.abs(x) + 0.5, 1.3),
    "in_place": lambda x: _in_place(x),
}.items():
    WORDS[_name] = (_word, of_one(is_float))
WORDS["scaled_by_power"] = (lambda x, n: np.ldexp(x, n), of_one(is_float, _count))
WORDS["logaddexp2"] = (np.logaddexp2, of_two(is_float, lambda x, y: is_float(y) and np.shape(x) == np.shape(y)))
WORDS["interpolated"] = (
    lambda x, y: np.interp(x, np.linspace(-1.0, 1.0, y.shape[0]), y),
    of_two(is_float, lambda x, y: float_array(y) and np.ndim(y) == 1),
)


def _in_place(x: Any) -> Any:
    y = x * 1.0
    y += 0.5
    y *= y
    y -= x
    return y


# ---------------------------------------------------------------- statistics and signals

for _function in (np.nansum, np.nanmax, np.nanmean, np.ptp):
    WORDS[_function.__name__] = (lambda x, axis, f=_function: f(x, axis=axis), of_one(float_array, axis_of))
WORDS["percentile"] = (
    lambda x, q, axis: np.percentile(x, np.multiply(q, 100.0), axis=axis), of_one(float_array, level, axis_of)
)  # fmt: skip
WORDS["kth"] = (
    lambda x, k: np.partition(x, k % x.shape[-1], axis=-1)[..., k % x.shape[-1]],
    of_one(float_array, lambda r, x: int(r.integers(0, 20))),
)
WORDS["weighted_mean"] = (
    lambda x, y, axis: np.average(x, axis=axis, weights=np.abs(y) + 0.1),
    of_two(float_array, lambda x, y: is_float(y) and np.shape(x) == np.shape(y), lambda r, x, y: axis_of(r, x)),
)
WORDS["standardised"] = (
    lambda x, axis: (x - x.mean(axis=axis, keepdims=True)) / (x.std(axis=axis, keepdims=True) + 0.5),
    of_one(float_array, axis_of),
)
WORDS["covariance"] = (
    np.cov, of_one(lambda x: float_array(x) and np.ndim(x) == 2 and np.shape(x)[1] > 1 and np.size(x) < 3000)
)  # fmt: skip
WORDS["trapezoid"] = (lambda x, axis: np.trapezoid(x, dx=0.1, axis=axis), of_one(float_array, axis_of))
WORDS["slopes"] = (
    lambda x: np.gradient(x, axis=-1), of_one(lambda x: float_array(x) and np.shape(x)[-1] > 2)
)  # fmt: skip
WORDS["convolution"] = (
    lambda x, y, mode: np.convolve(x, y, mode=mode),
    of_two(
        lambda x: float_array(x) and np.ndim(x) == 1,
        lambda x, y: is_float(y) and np.ndim(y) == 1 and 0 < np.size(x) * np.size(y) < 100_000,
        lambda r, x, y: str(r.choice(["full", "same", "valid"])),
    ),
)
WORDS["moving_mean"] = (
    lambda x: np.mean(np.lib.stride_tricks.sliding_window_view(x, 3, axis=-1), axis=-1),
    of_one(lambda x: float_array(x) and np.shape(x)[-1] > 3 and np.size(x) < 5000),
)
WORDS["second_difference"] = (
    lambda x, axis: np.diff(x, n=2, axis=axis), of_one(lambda x: float_array(x) and min(np.shape(x)) > 2, axis_of)
)  # fmt: skip
WORDS["polynomial"] = (
    lambda x, c: np.polyval(c, x), of_two(is_float, lambda x, c: is_float(c) and np.ndim(c) == 1 and 0 < np.size(c) < 8)
)  # fmt: skip

# ---------------------------------------------------------------- parts put together, taken apart


def _alike(x: Any, y: Any) -> bool:
    return np.shape(x) == np.shape(y) and np.asarray(x).dtype == np.asarray(y).dtype


WORDS["side_by_side"] = (
    lambda x, y: np.hstack([x, y, y]),
    of_two(full, lambda x, y: _alike(x, y) and np.size(x) < 5000),
)
WORDS["columns"] = (
    lambda x, y: np.column_stack([x, y]), of_two(lambda x: full(x) and np.ndim(x) == 1, _alike)
)  # fmt: skip
WORDS["halves"] = (lambda x: np.array_split(x, 2)[0] * 2.0, of_one(full))
WORDS["parts_in_another_order"] = (lambda x: np.concatenate(np.array_split(x, 3)[::-1]), of_one(full))
WORDS["quarter_turn"] = (lambda x, k: np.rot90(x, k), of_one(lambda x: full(x) and np.ndim(x) >= 2, _count))
WORDS["axis_moved"] = (lambda x, a, b: np.moveaxis(x, a, b), of_one(an_array, axis_of, axis_of))
WORDS["row_left_out"] = (lambda x, k: np.delete(x, k % x.shape[0], axis=0), of_one(full, _count))
WORDS["row_put_in"] = (lambda x: np.insert(x, 1, 0.5, axis=0), of_one(float_array))
WORDS["kronecker"] = (
    np.kron,
    of_two(
        lambda x: float_array(x) and np.ndim(x) == 2,
        lambda x, y: is_float(y) and np.ndim(y) == 2 and 0 < np.size(x) * np.size(y) <= 5000,
    ),
)
WORDS["cross"] = (
    np.cross,
    of_two(lambda x: float_array(x) and np.shape(x)[-1] == 3, lambda x, y: is_float(y) and np.shape(x) == np.shape(y)),
)
WORDS["trace"] = (np.trace, of_one(lambda x: float_array(x) and np.ndim(x) >= 2))
WORDS["inner"] = (
    np.inner,
    of_two(float_array, lambda x, y: float_array(y) and np.shape(x)[-1] == np.shape(y)[-1]
           and np.size(x) * np.size(y) < 100_000))  # fmt: skip
WORDS["tensordot"] = (
    lambda x, y: np.tensordot(x, y, axes=((0,), (0,))),
    of_two(float_array, lambda x, y: float_array(y) and np.shape(x)[0] == np.shape(y)[0]
           and np.ndim(x) + np.ndim(y) < 6 and np.size(x) * np.size(y) < 100_000))  # fmt: skip

# ---------------------------------------------------------------- larger matrices, other decompositions


def _matrix_rows(x: Any) -> bool:
    return float_array(x) and np.ndim(x) == 2 and 1 < np.shape(x)[-1] <= 33


def _first(x: Any) -> Any:
    return regular(x[0]) + 0.3 * np.diag(np.arange(1.0, x.shape[-1] + 1)).astype(x.dtype)


WORDS["large_solution"] = (lambda x: np.linalg.solve(_first(x), x.T), of_one(_matrix_rows))
WORDS["large_inverse"] = (lambda x: np.linalg.inv(_first(x)), of_one(_matrix_rows))
WORDS["large_log_determinant"] = (lambda x: np.linalg.slogdet(_first(x))[1], of_one(_matrix_rows))
WORDS["large_cholesky"] = (lambda x: np.linalg.cholesky(definite(x[0])), of_one(_matrix_rows))
WORDS["half_log_determinant"] = (
    lambda x: np.sum(np.log(np.diag(np.linalg.cholesky(definite(x[0]))))), of_one(_matrix_rows)
)  # fmt: skip
WORDS["projections"] = (
    lambda x: np.linalg.eigh(definite(x[0]) + np.diag(np.arange(x.shape[-1])).astype(x.dtype))[1] ** 2,
    of_one(_matrix_rows),
)
WORDS["put_together_again"] = (lambda x: _of_svd(*np.linalg.svd(_first(x))), of_one(_matrix_rows))
WORDS["least_squares"] = (
    lambda x: np.linalg.lstsq(np.vstack([_first(x), x]), np.sum(np.vstack([_first(x), x]), axis=1) + 1.0, rcond=None)[
        0
    ],
    of_one(_matrix_rows),
)
WORDS["pseudo_inverse"] = (lambda x: np.linalg.pinv(_first(x)), of_one(_matrix_rows))
WORDS["matrix_power"] = (
    lambda x, n: np.linalg.matrix_power(_first(x) * 0.2, n), of_one(_matrix_rows, lambda r, x: int(r.integers(0, 4)))
)  # fmt: skip
WORDS["norm_of_rows"] = (
    lambda x, p: np.linalg.norm(x + 0.1, ord=p, axis=-1),
    of_one(float_array, lambda r, x: [1, 2, 3, np.inf][int(r.integers(4))]),
)
WORDS["frobenius"] = (lambda x: np.linalg.norm(x + 0.1), of_one(lambda x: float_array(x) and np.ndim(x) == 2))


def _of_svd(u: Any, s: Any, vt: Any) -> Any:
    return (u * np.sqrt(s)) @ vt


# ---------------------------------------------------------------- loops


def _short(x: Any) -> bool:
    return float_array(x) and 2 < np.shape(x)[0] <= 60


def second_order(x: Any) -> Any:
    """Rows written, each of the two before."""
    out = np.zeros_like(x)
    out[0], out[1] = x[0], 0.5 * x[1]
    for t in range(2, x.shape[0]):
        out[t] = 0.6 * out[t - 1] - 0.3 * out[t - 2] + x[t] * x[t - 1]
    return out


def backwards(x: Any) -> Any:
    """A recurrence from the end, in a list."""
    state, seen = x[-1] * 0.0, []
    for t in reversed(range(x.shape[0])):
        state = np.sin(state) + x[t]
        seen.append(state)
    return np.array(seen[::-1])


def two_carries(x: Any) -> Any:
    """Position and speed, with a number of the loop in it."""
    place, speed = x[0] * 0.0, x[0] * 0.1
    for t in range(x.shape[0]):
        speed = speed - 0.1 * np.sin(place) + 0.01 * t * x[t]
        place = place + 0.1 * speed
    return place + speed


def of_numbers(x: Any) -> Any:
    """A loop over elements, with a decision that is a step."""
    total = 0.0
    for t in range(min(x.shape[0], 25)):
        v = np.ravel(x[t])[0]
        total = 0.9 * total + np.where(v > 0.0, v * v, 0.1 * v)
    return total


def nested(x: Any) -> Any:
    """A loop around a loop."""
    out = x * 1.0
    for _ in range(3):
        for t in range(1, min(x.shape[0], 12)):
            out[t] = 0.5 * (out[t] + out[t - 1])
        out = out * 1.1
    return out


def every_other(x: Any) -> Any:
    """Pairs of rows."""
    total = x[0] * 0.0
    for t in range(x.shape[0] // 2):
        total = total + x[2 * t] * x[2 * t + 1] - np.cos(x[t])
    return total


def elements_of_a_matrix(x: Any) -> Any:
    """A triangular matrix filled element by element."""
    n = min(x.shape[0], 7)
    out = np.zeros((n, n), x.dtype)
    for i in range(n):
        for j in range(i + 1):
            out[i, j] = np.sin(x[i]) * x[j] + (1.0 if i == j else 0.0)
    return out


def until_it_is_large(x: Any) -> Any:
    """A loop that a value ends."""
    total = np.sum(np.abs(x)) * 0.01 + 0.1
    count = 0
    while total < 3.0 and count < 40:
        total = total * 1.3 + 0.01 * np.sin(total)
        count += 1
    return total * x


def said_backwards(x: Any) -> Any:
    """A scan with two carries and an invariant, run backwards."""
    weight = np.tanh(x[0])
    (a, b), rows = wengert.scan(
        lambda c, row: ((c[1] * 0.9 + row, np.sin(c[0]) * weight), c[0] * c[1]), (x[0] * 0.0, x[0]), x, reverse=True
    )
    return rows + a * b


for _loop in (second_order, backwards, two_carries, of_numbers, nested, every_other, until_it_is_large, said_backwards):
    WORDS[_loop.__name__] = (_loop, of_one(_short))
WORDS["elements_of_a_matrix"] = (elements_of_a_matrix, of_one(lambda x: _short(x) and np.ndim(x) == 1))
WORDS["counted_loop"] = (
    lambda x, n: wengert.fori_loop(0, n, lambda t, y: 0.7 * y + np.cos(y), x),
    of_one(is_float, lambda r, x: int(r.integers(0, 9))),
)  # fmt: skip
WORDS["written_where_true"] = (
    lambda x, keep: _where_written(x, keep), of_one(float_array, flag)
)  # fmt: skip


def _where_written(x: Any, keep: bool) -> Any:
    out = x * 1.0
    out[x > 0.3] = 0.25
    if keep:
        out[x < -0.3] *= 2.0
    return out


WORDS["corner_written"] = (
    lambda x: _corner(x), of_one(lambda x: full(x) and is_float(x) and np.ndim(x) == 2)
)  # fmt: skip


def _corner(x: Any) -> Any:
    out = np.pad(x, 1)
    out[1:-1, 1:-1] += x * x
    out[0, :] = out[-1, :] - 1.0
    np.fill_diagonal(out, 2.0)
    return out


__all__: list[str] = []
