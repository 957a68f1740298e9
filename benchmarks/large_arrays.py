"""Reverse mode on large arrays: the time of value and gradient against the function's own time in
plain NumPy.

May import wengert's public API. Invariant: the gradient is compared with a closed form before it is
timed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import wengert
from benchmarks import measure

LIMIT = 4.0


def squares(x: Any) -> Any:
    return np.sum(x * x)


def tanh_sum(x: Any) -> Any:
    return np.sum(np.tanh(0.9 * x + 0.1))


def sine_product(x: Any) -> Any:
    return np.sum(np.sin(x) * np.exp(-0.5 * x))


def neighbours(x: Any) -> Any:
    return np.sum((x[1:] - x[:-1]) ** 2)


def log_likelihood(x: Any) -> Any:
    return np.mean(np.logaddexp(0.0, -x))


def matrix(x: Any) -> Any:
    square = x.reshape(1000, 1000)
    return np.sum(square @ square)


def neighbours_gradient(x: Any) -> Any:
    steps = 2.0 * np.diff(x)
    return np.concatenate(([0.0], steps)) - np.concatenate((steps, [0.0]))


def matrix_gradient(x: Any) -> Any:
    square = x.reshape(1000, 1000)
    return (square.sum(axis=1)[None, :] + square.sum(axis=0)[:, None]).ravel()


PROGRAMS: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("sum(x x)", squares, lambda x: 2.0 * x),
    ("sum(tanh(a x + b))", tanh_sum, lambda x: 0.9 * (1.0 - np.tanh(0.9 * x + 0.1) ** 2)),
    (
        "sum(sin(x) exp(-x/2))",
        sine_product,
        lambda x: np.exp(-0.5 * x) * (np.cos(x) - 0.5 * np.sin(x)),
    ),
    ("sum((x[1:] - x[:-1])^2)", neighbours, neighbours_gradient),
    ("mean(logaddexp(0, -x))", log_likelihood, lambda x: -1.0 / (1.0 + np.exp(x)) / x.size),
    ("sum(X @ X), 1000x1000", matrix, matrix_gradient),
]


def measure_large_arrays(quick: bool) -> measure.Table:
    rounds = 5 if quick else 11
    x = np.random.default_rng(3).standard_normal(10**6)
    table = measure.Table(
        "Reverse mode on 1e6 elements",
        ["function", "NumPy ms", "value and gradient ms", "ratio"],
    )
    for title, function, closed_form in PROGRAMS:
        gradient = wengert.value_and_grad(function)
        _, got = gradient(x)
        exact = closed_form(x)
        if not np.max(np.abs(got - exact)) <= 1e-10 * np.max(np.abs(exact)):
            raise SystemExit(f"{title}: the gradient differs from its closed form")
        own, ours = measure.interleaved(
            [partial(function, x), partial(gradient, x)],
            rounds,
            0.05,
        )
        table.rows.append([title, f"{own * 1e3:.2f}", f"{ours * 1e3:.2f}", f"{ours / own:.2f}"])
        table.data.append({"function": title, "numpy": own, "wengert": ours})
        table.limits.append(measure.Limit(f"{title}: over NumPy's own time", ours / own, LIMIT))
        print("  " + "  ".join(table.rows[-1]), flush=True)
    return table


if __name__ == "__main__":
    measure.main("large_arrays", measure_large_arrays)
