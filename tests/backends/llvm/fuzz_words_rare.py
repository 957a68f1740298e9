"""More vocabulary of random programs: seldom functions, those of ``math``, products with vectors, copies in an order.

Imports the drawing of operands and NumPy. Invariant: a word is an ordinary function of arrays, the same traced and
untraced."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tests.backends.llvm.fuzz_programs import WORDS, axis_of, broadcasts, float_array, is_float, of_one, of_two

# ---------------------------------------------------------------- elements


def _of_mean(function: Any) -> Any:
    return lambda x: function(0.5 * np.tanh(np.mean(x)) + 1.75) * x


for _name, _word in {
    "arccosh": lambda x: np.arccosh(np.abs(x) + 1.0),
    "rad2deg": np.rad2deg,
    "half_power": lambda x: (x * x) ** 0.5,
    "powers_of_size": lambda x: np.power(np.abs(x) + 0.1, 0.5) + np.float_power(np.abs(x) + 0.1, 0.5),
    "two_to_the": lambda x: 2.0 ** np.clip(x, -9.0, 9.0),
    "neighbour": lambda x: np.nextafter(x, 2.0),
    "distance_to_neighbour": lambda x: np.spacing(x) * 1e10,
    "on_the_half": lambda x: np.heaviside(x, 0.5) + np.isinf(x),
}.items():
    WORDS[_name] = (_word, of_one(is_float))
for _name, _word in {
    "error_functions": _of_mean(lambda m: math.erf(m) - math.erfc(m)),
    "gammas": _of_mean(lambda m: math.gamma(m) + math.lgamma(m)),
    "half_power_of_mean": _of_mean(lambda m: m**0.5 + m**-0.5),
    "rounded_mean": _of_mean(lambda m: round(m, 2)),
}.items():
    WORDS[_name] = (_word, of_one(lambda x: float_array(x) and np.asarray(x).dtype == np.float64))
WORDS["close"] = (
    lambda x, y: np.where(np.isclose(x, y, rtol=0.3), x, y * 0.5),
    of_two(is_float, lambda x, y: is_float(y) and broadcasts(x, y)),
)
# Between places one of which is no number, NumPy's answers depend on the points before (it begins where it was).
WORDS["interpolated_between_drawn"] = (
    lambda x, y: np.interp(x, np.sort(np.where(np.isnan(y), 0.5, y)), np.cos(y)),
    of_two(is_float, lambda x, y: float_array(y) and np.ndim(y) == 1 and np.size(x) < 5000),
)

# ---------------------------------------------------------------- reductions, products with vectors

WORDS["reduced_logaddexp2"] = (lambda x, axis: np.logaddexp2.reduce(x, axis=axis), of_one(float_array, axis_of))
WORDS["place_of_largest_number"] = (lambda x, axis: np.nanargmax(x, axis=axis), of_one(float_array, axis_of))
WORDS["place_of_least_number"] = (lambda x, axis: np.nanargmin(x, axis=axis), of_one(float_array, axis_of))
WORDS["sum_of_some"] = (
    lambda x, axis: np.sum(x, axis=axis, where=x < 0.5), of_one(float_array, axis_of)
)  # fmt: skip
WORDS["product_of_signs"] = (
    lambda x, axis: np.prod(np.where(x < 0.0, -0.9, 1.1), axis=axis) * np.prod(1.0 + 0.1 * np.tanh(x), axis=axis),
    of_one(float_array, axis_of),
)
WORDS["norm_of_matrices"] = (
    lambda x, which: np.linalg.norm(x + 0.1, ord=which, axis=(-2, -1)),
    of_one(lambda x: float_array(x) and np.ndim(x) >= 2, lambda r, x: ["fro", 1, np.inf][int(r.integers(3))]),
)
WORDS["vdot"] = (np.vdot, of_two(float_array, lambda x, y: float_array(y) and np.size(x) == np.size(y)))
WORDS["products_of_rows"] = (
    np.vecdot, of_two(float_array, lambda x, y: float_array(y) and np.shape(x) == np.shape(y))
)  # fmt: skip
WORDS["matrix_times_row"] = (
    lambda x, y: np.matvec(x, y) + np.vecmat(y, np.swapaxes(x, -1, -2)),
    of_two(
        float_array,
        lambda x, y: np.ndim(x) >= 2 and float_array(y) and np.ndim(y) == 1 and np.shape(x)[-1] == np.shape(y)[0],
    ),
)

# ---------------------------------------------------------------- copies in an order


def turned_copy(x: Any) -> Any:
    """Written into a copy in C order of a transpose, which leaves the other alone."""
    base = np.array(x * 1.0, order="C")  # however the argument lies
    copy = np.ascontiguousarray(base.T)
    copy[0] = 0.25
    return base.T + copy * 2.0


WORDS["turned_copy"] = (turned_copy, of_one(lambda x: float_array(x) and np.ndim(x) == 2 and min(np.shape(x)) > 1))

__all__ = ["turned_copy"]
